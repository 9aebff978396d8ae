//! What IGMPv3 (RFC 3376) and MLDv2 (RFC 3810) have in common: group records and the codes for times that a byte or two cannot
//! hold as they are.

/// How much is asked of a message before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Strictness {
    /// What Linux's bridge asks: lengths, checksum, counts, multicast groups, a general query to all systems, an MLD query from a
    /// link-local source. There are hosts that send neither TTL 1 nor a router alert.
    #[default]
    Linux,
    /// Also TTL or hop limit 1, the router alert where the RFC wants it, and a source that an MLD report may have.
    Rfc,
}

/// What a group record says (RFC 3376, 4.2.12; RFC 3810, 5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// 1: the filter mode is INCLUDE with these sources.
    IsInclude,
    /// 2: the filter mode is EXCLUDE with these sources.
    IsExclude,
    /// 3: the filter mode has become INCLUDE with these sources.
    ToInclude,
    /// 4: the filter mode has become EXCLUDE with these sources.
    ToExclude,
    /// 5: these sources are wanted besides.
    Allow,
    /// 6: these sources are no longer wanted.
    Block,
    /// Another number: to be ignored (RFC 3376, 4.2.12).
    Unknown(u8),
}

impl RecordKind {
    /// All kinds that mean something.
    pub const ALL: [Self; 6] = [
        Self::IsInclude,
        Self::IsExclude,
        Self::ToInclude,
        Self::ToExclude,
        Self::Allow,
        Self::Block,
    ];

    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::IsInclude => 1,
            Self::IsExclude => 2,
            Self::ToInclude => 3,
            Self::ToExclude => 4,
            Self::Allow => 5,
            Self::Block => 6,
            Self::Unknown(number) => number,
        }
    }
}

impl From<u8> for RecordKind {
    fn from(number: u8) -> Self {
        match number {
            1..=6 => Self::ALL[usize::from(number) - 1],
            _ => Self::Unknown(number),
        }
    }
}

/// A group record. Auxiliary data is passed over when it is read and never written (RFC 3376, 4.2.11).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record<A> {
    /// What is said.
    pub kind: RecordKind,
    /// About which group.
    pub group: A,
    /// And which sources.
    pub sources: Vec<A>,
}

/// What an IGMPv3 or MLDv2 query holds beyond one of the version before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryDetails<A> {
    /// S: routers that hear it must not shorten their timers.
    pub suppress: bool,
    /// QRV: the querier's robustness variable, 0 to 7.
    pub robustness: u8,
    /// QQIC: the querier's query interval, coded; [`decode8`] of it in seconds.
    pub interval_code: u8,
    /// The sources asked for; none in a query for the group alone.
    pub sources: Vec<A>,
}

/// The value of an 8-bit code (RFC 3376, 4.1.1 and 4.1.7): below 128 itself, else `(mant | 16) << (exp + 3)`.
pub fn decode8(code: u8) -> u32 {
    if code < 128 {
        code.into()
    } else {
        u32::from((code & 0xf) | 0x10) << (((code >> 4) & 7) + 3)
    }
}

/// The largest 8-bit code whose value is not above `value`; 255 (31,744) for everything beyond.
pub fn encode8(value: u32) -> u8 {
    match value {
        0..=127 => value as u8,
        128..31744 => {
            let exponent = value.ilog2() - 7;
            (0x80 | (exponent << 4) | ((value >> (exponent + 3)) & 0xf)) as u8
        }
        _ => 0xff,
    }
}

/// The value of a 16-bit code (RFC 3810, 5.1.3): below 32,768 itself, else `(mant | 0x1000) << (exp + 3)`.
pub fn decode16(code: u16) -> u32 {
    if code < 0x8000 {
        code.into()
    } else {
        u32::from((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3)
    }
}

/// The largest 16-bit code whose value is not above `value`; 65,535 (8,387,584) for everything beyond.
pub fn encode16(value: u32) -> u16 {
    match value {
        0..=0x7fff => value as u16,
        0x8000..8_387_584 => {
            let exponent = value.ilog2() - 15;
            (0x8000 | (exponent << 12) | ((value >> (exponent + 3)) & 0xfff)) as u16
        }
        _ => 0xffff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_largest_below() {
        for code in 0..=u8::MAX {
            assert_eq!(encode8(decode8(code)), code);
            if let Some(next) = code.checked_add(1) {
                assert!(decode8(next) > decode8(code));
                assert_eq!(encode8(decode8(next) - 1), code);
            }
        }
        for code in 0..=u16::MAX {
            assert_eq!(encode16(decode16(code)), code);
            if let Some(next) = code.checked_add(1) {
                assert!(decode16(next) > decode16(code));
                assert_eq!(encode16(decode16(next) - 1), code);
            }
        }
        assert_eq!((decode8(0x80), decode8(255)), (128, 31744));
        assert_eq!((decode16(0x8000), decode16(0xffff)), (32768, 8_387_584));
        assert_eq!((encode8(u32::MAX), encode16(u32::MAX)), (255, 65535));
    }

    #[test]
    fn kinds_and_numbers() {
        for number in 0..=255 {
            assert_eq!(RecordKind::from(number).number(), number);
        }
    }
}

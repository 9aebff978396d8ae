//! What IGMPv3 (RFC 3376) and MLDv2 (RFC 3810) have in common: group records and the codes for times that a byte or two cannot
//! hold as they are.

use std::net::{Ipv4Addr, Ipv6Addr};

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

/// Where the number of records stands, and where they begin.
const RECORDS: usize = 8;

/// An address as messages hold it.
pub(super) trait Address: Copy + PartialEq {
    /// Bytes.
    const LEN: usize;
    /// None: the group of a general query.
    const UNSPECIFIED: Self;
    /// The address in the first bytes, of which there are enough.
    fn read(bytes: &[u8]) -> Self;
    /// Its bytes.
    fn bytes(self) -> Vec<u8>;
    /// Whether it can be a group.
    fn is_group(self) -> bool;
}

macro_rules! address {
    ($address:ident, $len:literal) => {
        impl Address for $address {
            const LEN: usize = $len;
            const UNSPECIFIED: Self = Self::UNSPECIFIED;
            fn read(bytes: &[u8]) -> Self {
                let mut octets = [0; $len];
                octets.copy_from_slice(&bytes[..$len]);
                octets.into()
            }
            fn bytes(self) -> Vec<u8> {
                self.octets().into()
            }
            fn is_group(self) -> bool {
                self.is_multicast()
            }
        }
    };
}
address!(Ipv4Addr, 4);
address!(Ipv6Addr, 16);

/// What may be wrong with groups, records and sources.
pub(super) enum Bad<A> {
    /// Bytes there are, and bytes there should be.
    Short { have: usize, want: usize },
    /// A group that is no multicast address.
    Group(A),
}

/// The 16-bit number at a place that the caller has checked.
pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The group at a place that the caller has checked.
pub(super) fn group<A: Address>(bytes: &[u8], at: usize) -> Result<A, Bad<A>> {
    let group = A::read(&bytes[at..]);
    match group.is_group() {
        true => Ok(group),
        false => Err(Bad::Group(group)),
    }
}

/// The same in a query: a general one has none.
pub(super) fn queried<A: Address>(bytes: &[u8], at: usize) -> Result<A, Bad<A>> {
    match A::read(&bytes[at..]) == A::UNSPECIFIED {
        true => Ok(A::UNSPECIFIED),
        false => group(bytes, at),
    }
}

/// `count` addresses from `at` on.
fn addresses<A: Address>(bytes: &[u8], at: usize, count: u16) -> Result<Vec<A>, Bad<A>> {
    let (have, want) = (bytes.len(), at + usize::from(count) * A::LEN);
    let all = bytes.get(at..want).ok_or(Bad::Short { have, want })?;
    Ok(all.chunks_exact(A::LEN).map(A::read).collect())
}

/// The records of a report of at least eight bytes.
pub(super) fn records<A: Address>(bytes: &[u8]) -> Result<Vec<Record<A>>, Bad<A>> {
    let have = bytes.len();
    let length = 4 + A::LEN;
    let mut at = RECORDS;
    let mut records = Vec::new();
    for _ in 0..word(bytes, 6) {
        let want = at + length;
        let header = bytes.get(at..want).ok_or(Bad::Short { have, want })?;
        let sources: Vec<A> = addresses(bytes, want, word(header, 2))?;
        let end = want + sources.len() * A::LEN + usize::from(header[1]) * 4;
        if end > have {
            return Err(Bad::Short { have, want: end });
        }
        let kind = RecordKind::from(header[0]);
        // The group of a record that means nothing may be anything.
        let group = match kind {
            RecordKind::Unknown(_) => A::read(&header[4..]),
            _ => group(header, 4)?,
        };
        records.push(Record {
            kind,
            group,
            sources,
        });
        at = end;
    }
    Ok(records)
}

/// A report without its checksum.
pub(super) fn report<A: Address>(kind: u8, records: &[Record<A>]) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0, 0, 0];
    bytes.extend((records.len() as u16).to_be_bytes());
    for record in records {
        bytes.extend([record.kind.number(), 0]);
        bytes.extend((record.sources.len() as u16).to_be_bytes());
        bytes.extend(record.group.bytes());
        bytes.extend(record.sources.iter().flat_map(|s| s.bytes()));
    }
    bytes
}

/// What a longer query has from `at` on: four bytes, which the caller has checked, and the sources.
pub(super) fn details<A: Address>(bytes: &[u8], at: usize) -> Result<QueryDetails<A>, Bad<A>> {
    Ok(QueryDetails {
        suppress: bytes[at] & 8 != 0,
        robustness: bytes[at] & 7,
        interval_code: bytes[at + 1],
        sources: addresses(bytes, at + 4, word(bytes, at + 2))?,
    })
}

/// Writes them behind the rest of a query.
pub(super) fn put_details<A: Address>(bytes: &mut Vec<u8>, details: &QueryDetails<A>) {
    bytes.extend([
        (u8::from(details.suppress) << 3) | (details.robustness & 7),
        details.interval_code,
    ]);
    bytes.extend((details.sources.len() as u16).to_be_bytes());
    bytes.extend(details.sources.iter().flat_map(|s| s.bytes()));
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

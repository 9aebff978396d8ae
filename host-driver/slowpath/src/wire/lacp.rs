//! LACPDU, IEEE 802.1AX-2014 clause 6.4.2.
//!
//! The types and lengths of the TLVs are checked; the reserved fields and the version are not, as clause 6.4.12 demands
//! (a later version keeps the places of these TLVs). On types this is stricter than the clause, which has a receiver
//! take whatever stands in an actor's place: no version of the standard sends anything else there, so that a frame with
//! another type is damage or an attack.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::slow::{PDU_LEN, SUBTYPE_LACP, SlowError, be16, mac, short, tlv};
use crate::mac::MacAddr;

/// The version that this crate writes.
pub const VERSION: u8 = 1;

const ACTOR: usize = 2;
const PARTNER: usize = 22;
const COLLECTOR: usize = 42;
const TERMINATOR: usize = 58;

/// The state octet of an actor or a partner (802.1AX 6.4.2.3 m).
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct State(pub u8);

impl State {
    /// Sends without being asked (active LACP).
    pub const ACTIVITY: State = State(1);
    /// Wants to hear once a second (short timeout), not twice a minute.
    pub const TIMEOUT: State = State(1 << 1);
    /// May aggregate; else individual.
    pub const AGGREGATION: State = State(1 << 2);
    /// In sync: attached to the aggregator that it chose.
    pub const SYNCHRONIZATION: State = State(1 << 3);
    /// Takes frames.
    pub const COLLECTING: State = State(1 << 4);
    /// Sends frames.
    pub const DISTRIBUTING: State = State(1 << 5);
    /// Works with the partner that was configured, not with one that answered.
    pub const DEFAULTED: State = State(1 << 6);
    /// Has not heard its partner in time.
    pub const EXPIRED: State = State(1 << 7);

    /// Names as iproute2 shows them, from the lowest bit up.
    const NAMES: [&str; 8] = [
        "active",
        "short_timeout",
        "aggregating",
        "in_sync",
        "collecting",
        "distributing",
        "defaulted",
        "expired",
    ];

    /// Every bit of `bits` is set.
    pub fn has(self, bits: State) -> bool {
        self.0 & bits.0 == bits.0
    }
    /// Sets or clears `bits`; true if that changed anything.
    pub fn set(&mut self, bits: State, on: bool) -> bool {
        let new = if on {
            self.0 | bits.0
        } else {
            self.0 & !bits.0
        };
        std::mem::replace(&mut self.0, new) != new
    }
    /// Only those of `bits`.
    pub fn only(self, bits: State) -> State {
        State(self.0 & bits.0)
    }
}

impl std::ops::BitOr for State {
    type Output = State;
    fn bitor(self, other: State) -> State {
        State(self.0 | other.0)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Self::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| *name);
        f.write_str(words.next().unwrap_or(""))?;
        words.try_for_each(|word| write!(f, ",{word}"))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// What a LACPDU says of one end of a link (802.1AX 6.4.2.3 e-m, o-w).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Participant {
    /// Priority of the system; the lower number is the higher priority.
    pub system_priority: u16,
    /// Address of the system.
    pub system: MacAddr,
    /// Ports with the same key may aggregate.
    pub key: u16,
    /// Priority of the port; the lower number is the higher priority.
    pub port_priority: u16,
    /// Number of the port.
    pub port: u16,
    /// Its state.
    pub state: State,
}

impl Participant {
    fn parse(pdu: &[u8; PDU_LEN], at: usize) -> Self {
        Self {
            system_priority: be16(pdu, at + 2),
            system: mac(pdu, at + 4),
            key: be16(pdu, at + 10),
            port_priority: be16(pdu, at + 12),
            port: be16(pdu, at + 14),
            state: State(pdu[at + 16]),
        }
    }

    fn emit(&self, pdu: &mut [u8; PDU_LEN], at: usize, kind: u8) {
        pdu[at] = kind;
        pdu[at + 1] = 20;
        pdu[at + 2..at + 4].copy_from_slice(&self.system_priority.to_be_bytes());
        pdu[at + 4..at + 10].copy_from_slice(&self.system.0);
        pdu[at + 10..at + 12].copy_from_slice(&self.key.to_be_bytes());
        pdu[at + 12..at + 14].copy_from_slice(&self.port_priority.to_be_bytes());
        pdu[at + 14..at + 16].copy_from_slice(&self.port.to_be_bytes());
        pdu[at + 16] = self.state.0;
    }
}

/// A LACPDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LacpPdu {
    /// Version of the protocol.
    pub version: u8,
    /// The sender.
    pub actor: Participant,
    /// What the sender knows of the receiver.
    pub partner: Participant,
    /// The longest that the sender's collector delays a frame, in units of 10 us.
    pub collector_max_delay: u16,
}

impl LacpPdu {
    /// Reads a LACPDU from its subtype on.
    pub fn parse(pdu: &[u8]) -> Result<Self, SlowError> {
        let fixed = pdu.first_chunk::<PDU_LEN>().ok_or_else(|| short(pdu))?;
        if fixed[0] != SUBTYPE_LACP {
            return Err(SlowError::Unknown(fixed[0]));
        }
        tlv(fixed, ACTOR, "Actor_Information", 1, 20)?;
        tlv(fixed, PARTNER, "Partner_Information", 2, 20)?;
        tlv(fixed, COLLECTOR, "Collector_Information", 3, 16)?;
        if fixed[1] == VERSION {
            // A later version may put TLVs of its own here.
            tlv(fixed, TERMINATOR, "Terminator", 0, 0)?;
        }
        Ok(Self {
            version: fixed[1],
            actor: Participant::parse(fixed, ACTOR),
            partner: Participant::parse(fixed, PARTNER),
            collector_max_delay: be16(fixed, COLLECTOR + 2),
        })
    }

    /// Its bytes, from the subtype on; reserved fields are zero.
    pub fn emit(&self) -> [u8; PDU_LEN] {
        let mut pdu = [0; PDU_LEN];
        pdu[0] = SUBTYPE_LACP;
        pdu[1] = self.version;
        self.actor.emit(&mut pdu, ACTOR, 1);
        self.partner.emit(&mut pdu, PARTNER, 2);
        pdu[COLLECTOR] = 3;
        pdu[COLLECTOR + 1] = 16;
        pdu[COLLECTOR + 2..COLLECTOR + 4].copy_from_slice(&self.collector_max_delay.to_be_bytes());
        pdu
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::slow::SlowPdu;

    #[test]
    fn layout_of_clause_6_4_2() {
        let pdu = LacpPdu {
            version: 1,
            actor: Participant {
                system_priority: 0x8001,
                system: MacAddr([2, 0, 0, 0, 0, 1]),
                key: 9,
                port_priority: 255,
                port: 3,
                state: State(0x3d),
            },
            partner: Participant::default(),
            collector_max_delay: 0x1234,
        };
        let frame = SlowPdu::Lacp(pdu).emit_frame(MacAddr([2, 0, 0, 0, 0, 7]));
        assert_eq!(frame.len(), 124);
        assert_eq!(
            frame[..34],
            [
                1, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 0, 7, 0x88, 9, 1, 1, 1, 20, 0x80, 1, 2, 0, 0,
                0, 0, 1, 0, 9, 0, 255, 0, 3, 0x3d, 0
            ]
        );
        assert_eq!(frame[36..38], [2, 20]);
        assert_eq!(frame[56..60], [3, 16, 0x12, 0x34]);
        assert_eq!(SlowPdu::parse_frame(&frame), Ok(SlowPdu::Lacp(pdu)));
        // Reserved fields do not count (6.4.12), types and lengths do; nor is a byte less enough.
        let mut reserved = frame.clone();
        for at in [33, 34, 35, 60, 71, 74, 123] {
            reserved[at] = 0xff;
        }
        assert_eq!(SlowPdu::parse_frame(&reserved), Ok(SlowPdu::Lacp(pdu)));
        for at in [16, 17, 36, 37, 56, 57, 72, 73] {
            let mut bad = frame.clone();
            bad[at] ^= 0x40;
            let error = SlowPdu::parse_frame(&bad).unwrap_err();
            assert!(matches!(error, SlowError::Tlv { .. }), "{at}: {error}");
        }
        assert!(SlowPdu::parse_frame(&frame[..123]).is_err());
        assert_eq!(SlowPdu::parse(&[3]), Err(SlowError::Unknown(3)));
        assert_eq!(SlowPdu::parse(&[11]), Err(SlowError::Illegal(11)));
    }

    #[test]
    fn states_in_words() {
        assert_eq!(
            State(0x3d).to_string(),
            "active,aggregating,in_sync,collecting,distributing"
        );
        assert_eq!(State(0).to_string(), "");
        assert_eq!(State(0xc2).to_string(), "short_timeout,defaulted,expired");
    }
}

//! Bridge protocol data units: IEEE 802.1D-2004 clause 9, in an 802.3 frame with an 802.2 LLC header (clause 7.12.3).
//!
//! ```text
//! frame   destination 6 | source 6 | length 2 | LLC 42 42 03 | BPDU | padding
//! BPDU    protocol 2 = 0 | version 1 | type 1 | (a TCN ends here)
//!         flags 1 | root id 8 | root path cost 4 | bridge id 8 | port id 2 |
//!         message age 2 | max age 2 | hello time 2 | forward delay 2 | (a Config BPDU ends here)
//!         version 1 length 1                                          (an RST BPDU ends here)
//! ```
//!
//! [`Bpdu::parse`] applies the rules of clause 9.3.4 that need nothing but the bytes; that a bridge's own BPDU came back on the port that
//! sent it is the bridge's to see. What follows a BPDU's last octet is not looked at (clause 9.3.4 asks for *at least* so many octets: a
//! later version appends fields), nor is a frame's padding. Tests: below, and `tests/fuzz_bpdu.rs`.

mod fields;

use crate::MacAddr;
use fields::at;
pub use fields::{BpduTime, BridgeId, Message};

/// The bridge group address, 01:80:C2:00:00:00 (clause 7.12.3).
pub const BRIDGE_GROUP: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);
/// The LLC header of a BPDU: the bridge's SAP twice, unnumbered information.
pub const LLC: [u8; 3] = [0x42, 0x42, 0x03];
/// Bytes of a Config BPDU.
pub const CONFIG_LEN: usize = 35;
/// Bytes of a topology change notification.
pub const TCN_LEN: usize = 4;
/// Bytes of an RST BPDU.
pub const RST_LEN: usize = 36;
/// The shortest frame without its FCS; shorter ones are padded.
const MIN_FRAME: usize = 60;
const HEADER: usize = 14 + LLC.len();
/// The longest length field; what is above is an EtherType (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;

const TYPE_CONFIG: u8 = 0x00;
const TYPE_RST: u8 = 0x02;
const TYPE_TCN: u8 = 0x80;
const VERSION_RST: u8 = 2;

/// The bits of the flags octet (clauses 9.3.1 and 9.3.3).
mod flag {
    pub const TOPOLOGY_CHANGE: u8 = 1;
    pub const PROPOSAL: u8 = 1 << 1;
    pub const ROLE: u8 = 3 << 2;
    pub const LEARNING: u8 = 1 << 4;
    pub const FORWARDING: u8 = 1 << 5;
    pub const AGREEMENT: u8 = 1 << 6;
    pub const TOPOLOGY_CHANGE_ACK: u8 = 1 << 7;
}

/// The role of the port that sent an RST BPDU, as its flags have it (clause 9.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RstRole {
    /// 0: the machines take the BPDU as if it were a Config BPDU.
    Unknown,
    /// 1: alternate or backup port.
    AlternateBackup,
    /// 2: root port.
    Root,
    /// 3: designated port.
    Designated,
}

/// A BPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bpdu {
    /// Configuration BPDU (clause 9.3.1).
    Config {
        /// The topology changes.
        topology_change: bool,
        /// A topology change notification has been seen.
        topology_change_ack: bool,
        /// Vector and times.
        message: Message,
    },
    /// Topology change notification (clause 9.3.2).
    Tcn,
    /// Rapid spanning tree BPDU (clause 9.3.3).
    Rst {
        /// The topology changes.
        topology_change: bool,
        /// The port wants to forward at once.
        proposal: bool,
        /// The sending port's role.
        role: RstRole,
        /// The sending port learns.
        learning: bool,
        /// The sending port forwards.
        forwarding: bool,
        /// The receiver may forward at once.
        agreement: bool,
        /// Vector and times.
        message: Message,
    },
}

/// Why bytes are not a BPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BpduError {
    /// Shorter than the headers.
    #[error("the frame ends after {0} bytes, within its Ethernet and LLC headers ({HEADER} bytes)")]
    Header(usize),
    /// The length field says more than there is, or it is an EtherType.
    #[error("the length field says {length}, but {have} bytes follow it")]
    Length {
        /// The field.
        length: u16,
        /// Bytes behind it.
        have: usize,
    },
    /// Another protocol.
    #[error("LLC header {0:02x?} is not a BPDU's, 42 42 03")]
    Llc([u8; 3]),
    /// Shorter than its type asks for.
    #[error("the BPDU has {have} octets; its type has at least {need}")]
    Short {
        /// Octets of the BPDU.
        have: usize,
        /// The least.
        need: usize,
    },
    /// Not the spanning tree's protocol identifier.
    #[error("protocol identifier {0:#06x} is not 0")]
    Protocol(u16),
    /// A type that clause 9 does not have.
    #[error("BPDU type {0:#04x} is none of 0x00 (Config), 0x02 (RST), 0x80 (TCN)")]
    Type(u8),
    /// An RST BPDU of a version that has none.
    #[error("version {0} has no RST BPDUs: they began with version 2")]
    Version(u8),
    /// Too old.
    #[error("message age {}/256 s is not less than max age {}/256 s", .age.0, .max.0)]
    Age {
        /// Message age.
        age: BpduTime,
        /// Max age.
        max: BpduTime,
    },
}

/// A whole frame that carries a BPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpduFrame {
    /// Destination: normally [`BRIDGE_GROUP`].
    pub destination: MacAddr,
    /// The sending port's address.
    pub source: MacAddr,
    /// What it carries.
    pub bpdu: Bpdu,
}

fn need(bytes: &[u8], need: usize) -> Result<(), BpduError> {
    let have = bytes.len();
    if have < need {
        Err(BpduError::Short { have, need })
    } else {
        Ok(())
    }
}

impl Bpdu {
    /// Reads a BPDU: the octets after the LLC header.
    ///
    /// # Errors
    ///
    /// What clause 9.3.4 does not let through: too short for its type, another protocol, an unknown type, an RST BPDU of version 0 or 1,
    /// and a Config BPDU whose message age is not less than its max age. (An RST BPDU that old is the port information machine's matter:
    /// clause 17.21.23.)
    pub fn parse(bytes: &[u8]) -> Result<Self, BpduError> {
        need(bytes, TCN_LEN)?;
        let protocol = u16::from_be_bytes([bytes[0], bytes[1]]);
        if protocol != 0 {
            return Err(BpduError::Protocol(protocol));
        }
        match bytes[at::TYPE] {
            TYPE_TCN => Ok(Self::Tcn),
            TYPE_CONFIG => {
                need(bytes, CONFIG_LEN)?;
                let (set, message) = (flags(bytes), Message::read(bytes));
                let (age, max) = (message.message_age, message.max_age);
                if age >= max {
                    return Err(BpduError::Age { age, max });
                }
                Ok(Self::Config {
                    topology_change: set(flag::TOPOLOGY_CHANGE),
                    topology_change_ack: set(flag::TOPOLOGY_CHANGE_ACK),
                    message,
                })
            }
            TYPE_RST if bytes[at::VERSION] < VERSION_RST => {
                Err(BpduError::Version(bytes[at::VERSION]))
            }
            TYPE_RST => {
                need(bytes, RST_LEN)?;
                let set = flags(bytes);
                Ok(Self::Rst {
                    topology_change: set(flag::TOPOLOGY_CHANGE),
                    proposal: set(flag::PROPOSAL),
                    role: match (bytes[at::FLAGS] & flag::ROLE) >> 2 {
                        0 => RstRole::Unknown,
                        1 => RstRole::AlternateBackup,
                        2 => RstRole::Root,
                        _ => RstRole::Designated,
                    },
                    learning: set(flag::LEARNING),
                    forwarding: set(flag::FORWARDING),
                    agreement: set(flag::AGREEMENT),
                    message: Message::read(bytes),
                })
            }
            other => Err(BpduError::Type(other)),
        }
    }

    /// Vector and times; a TCN has none.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Config { message, .. } | Self::Rst { message, .. } => Some(message),
            Self::Tcn => None,
        }
    }

    /// The BPDU's octets: 35 for Config, 4 for TCN, 36 for RST.
    pub fn emit(&self) -> Vec<u8> {
        let bit = |on: bool, mask: u8| if on { mask } else { 0 };
        let mut out = Vec::with_capacity(RST_LEN);
        match self {
            Self::Tcn => out.extend([0, 0, 0, TYPE_TCN]),
            Self::Config {
                topology_change,
                topology_change_ack,
                message,
            } => {
                let flags = bit(*topology_change, flag::TOPOLOGY_CHANGE)
                    | bit(*topology_change_ack, flag::TOPOLOGY_CHANGE_ACK);
                out.extend([0, 0, 0, TYPE_CONFIG, flags]);
                message.write(&mut out);
            }
            Self::Rst {
                topology_change,
                proposal,
                role,
                learning,
                forwarding,
                agreement,
                message,
            } => {
                let flags = bit(*topology_change, flag::TOPOLOGY_CHANGE)
                    | bit(*proposal, flag::PROPOSAL)
                    | (*role as u8) << 2
                    | bit(*learning, flag::LEARNING)
                    | bit(*forwarding, flag::FORWARDING)
                    | bit(*agreement, flag::AGREEMENT);
                out.extend([0, 0, VERSION_RST, TYPE_RST, flags]);
                message.write(&mut out);
                // Version 1 length: there is no version 1 information.
                out.push(0);
            }
        }
        out
    }
}

/// A test of the flags octet's bits.
fn flags(bytes: &[u8]) -> impl Fn(u8) -> bool {
    let flags = bytes[at::FLAGS];
    move |mask| flags & mask != 0
}

impl BpduFrame {
    /// Reads a frame without its FCS, padded or not.
    ///
    /// # Errors
    ///
    /// A wrong length field or LLC header, and those of [`Bpdu::parse`].
    pub fn parse(frame: &[u8]) -> Result<Self, BpduError> {
        if frame.len() < HEADER {
            return Err(BpduError::Header(frame.len()));
        }
        let length = u16::from_be_bytes([frame[12], frame[13]]);
        let rest = &frame[14..];
        let inner = rest
            .get(..length.into())
            .filter(|inner| inner.len() >= LLC.len() && length <= MAX_LENGTH)
            .ok_or(BpduError::Length {
                length,
                have: rest.len(),
            })?;
        let (llc, bpdu) = inner.split_at(LLC.len());
        if llc != LLC {
            return Err(BpduError::Llc([llc[0], llc[1], llc[2]]));
        }
        let address = |at: usize| MacAddr([0, 1, 2, 3, 4, 5].map(|i| frame[at + i]));
        Ok(Self {
            destination: address(0),
            source: address(6),
            bpdu: Bpdu::parse(bpdu)?,
        })
    }

    /// The frame without its FCS, padded to 60 bytes.
    pub fn emit(&self) -> Vec<u8> {
        let bpdu = self.bpdu.emit();
        let length = (LLC.len() + bpdu.len()) as u16;
        let mut out = Vec::with_capacity(MIN_FRAME);
        out.extend(self.destination.0);
        out.extend(self.source.0);
        out.extend(length.to_be_bytes());
        out.extend(LLC);
        out.extend(bpdu);
        out.resize(MIN_FRAME.max(out.len()), 0);
        out
    }
}

#[cfg(test)]
#[path = "bpdu_tests.rs"]
mod tests;

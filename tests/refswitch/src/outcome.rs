//! What comes of a frame.

use crate::{Counter, Endpoint, Event};

/// Reasons for which a frame comes to the host.
pub mod reason {
    /// The FDB has the destination address at the host.
    pub const LOCAL: u8 = 1;
    /// A flooded frame.
    pub const FLOOD: u8 = 2;
    /// A reserved address: this plus its last digit.
    pub const RESERVED: u8 = 16;
}

/// What the host learns about a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInfo {
    /// Where it came from.
    pub source: Endpoint,
    /// Why it came to the host, see [`reason`].
    pub reason: u8,
    /// Its layer3+4 hash.
    pub hash: u32,
    /// TCI of its outer tag.
    pub tci: Option<u16>,
    /// FID in which it was looked up.
    pub fid: u16,
}

/// One copy that must leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where.
    pub to: Endpoint,
    /// Bytes from the destination address on, without FCS; for ports padded to 60.
    pub frame: Vec<u8>,
    /// Class of the queue.
    pub class: u8,
    /// With a copy for the host.
    pub host: Option<HostInfo>,
}

/// Everything that comes of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What leaves, in order of destinations, the host last.
    pub copies: Vec<Copy>,
    /// The host's frame was not taken: its length, or where it was addressed to, does not exist.
    pub refused: bool,
    /// Why nothing does, if that is counted.
    pub drop: Option<Counter>,
    /// What the FDB reports.
    pub event: Option<Event>,
}

impl Outcome {
    pub(crate) fn refused() -> Outcome {
        Outcome {
            refused: true,
            ..Outcome::default()
        }
    }
}

//! Rings between host memory and the card: receive, transmit, events.
//!
//! A ring has a submission queue of 16-byte entries, a completion queue of 32-byte entries and a word for the head that
//! the card writes back, all in one piece of DMA memory:
//!
//! ```text
//! submissions 16 n | completions 32 n, from a multiple of 128 | head
//! ```
//!
//! What is sent and received are packets, in place: a [`RxRing`] gives the card empty ones of its pool and passes full ones on, a [`TxRing`] has the card read them
//! where they are. Between submission and completion a packet is the card's and is not looked at.
//!
//! An entry is new when its phase bit is that of the round: 1 in the first, 0 in the second, and so on. Version, kind,
//! cookie, length, status and head of every entry are checked: an entry that makes no sense is a
//! [`RingFault`](super::RingFault) and
//! stops the ring, never a wild access. A restart disables the ring, clears its memory, and enables it again.
//!
//! Covered by `tests/driver/rings.rs` (a register-level card, and a hostile one that writes random entries).

mod completion;
mod data;
mod entries;
mod events;
mod pool;
mod rx;
mod tx;

pub use completion::RxInfo;
pub use data::RingSetup;
pub use events::EventRing;
pub use rx::RxRing;
pub use tx::{NotSent, TxRing};

use super::fdb::FdbKey;

/// Bytes of a buffer: the longest frame that a MAC takes (2,000 and two VLAN tags) fits.
pub const BUFFER: usize = 2048;
/// Shortest frame that can be sent, without FCS.
pub const MIN_FRAME: usize = 14;

/// A frame from the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RxFrame {
    /// The frame without FCS.
    pub data: Vec<u8>,
    /// It was longer than the buffer and is cut off.
    pub truncated: bool,
    /// Source: port number.
    pub source: u32,
    /// `values::reason`.
    pub reason: u32,
    /// Class.
    pub class: u32,
    /// TCI of the outer VLAN tag, which is still in the data.
    pub tci: Option<u16>,
    /// FID in which it was forwarded.
    pub fid: u16,
    /// layer3+4 hash.
    pub hash: u32,
    /// Core cycles at the header.
    pub timestamp: u64,
}

/// Where a frame to send goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxTarget {
    /// Through the switch, like a frame received from the host.
    Switch,
    /// To this destination (`values::dest`: port or LAG) as it stands.
    Direct(u32),
}

/// What happened to a frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxDone {
    /// Bytes of the frame.
    pub bytes: usize,
    /// `ring::completion` status.
    pub status: u32,
}

/// What the card reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `ring::event` kind, 1 to 5.
    pub kind: u32,
    /// Address and FID.
    pub key: FdbKey,
    /// Destination now, or source of an unknown address.
    pub dest: u32,
    /// Destination before (moved).
    pub old_dest: u32,
}

//! The host port: rings in host memory, as source and destination P of the switch. docs/architecture.md ("Host port") is the contract.
//!
//! | module | does |
//! |---|---|
//! | [`rings`] | registers, doorbells, pointers, errors |
//! | [`fetch`] | reads submissions ahead |
//! | [`receive`] | frames from the buffer to host memory |
//! | [`transmit`] | frames from host memory to the buffer and the parser |
//! | [`send`] | the second half of transmit: beats and bytes |
//! | [`complete`] | completions in batches, head write-back, interrupts and their moderation |
//! | [`events`] | the event ring |
//! | [`channel`] | joins the writers onto the one DMA write channel |
//! | [`width`] | beats of 128 bits |
//!
//! Data, completion, head and interrupt of a frame go down the one write channel in this order.

pub mod channel;
pub mod complete;
pub mod events;
pub mod fetch;
pub mod port;
pub mod receive;
pub mod rings;
pub mod send;
pub mod transmit;
pub mod width;

pub use port::host_port;

use crate::rtl::{E, lit, pick};

/// Submissions kept at hand for each ring.
pub const AHEAD: u32 = 8;
/// Completions of a ring that go out in one write.
pub const BATCH: u32 = 4;
/// Cycles that a frame waits for a submission that is under way, before it is dropped.
pub const WAIT: u64 = 512;
/// Cycles without progress of the link after which a frame on its way to the host is given up.
pub const STALL: u64 = 1024;

/// How many rings there are.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Receive rings, and as many transmit rings.
    pub queues: u32,
}

impl Shape {
    /// Rings in all.
    pub fn rings(self) -> u32 {
        2 * self.queues
    }
}

/// The `width` bits of ring `index` in a packed vector; zero for a ring that does not exist.
pub(crate) fn word(packed: &E, index: &E, width: u32) -> E {
    let n = packed.width() / width;
    let mut words: Vec<E> = (0..n).map(|i| packed.slice(i * width, width)).collect();
    words.resize(1 << index.width(), lit(width, 0));
    pick(index, &words)
}

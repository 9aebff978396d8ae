//! The host port: rings in host memory, as source and destination P of the switch. docs/architecture.md ("Host port") is the contract.
//!
//! | module | does |
//! |---|---|
//! | [`bus`] | registers, where the rings lie in memory |
//! | [`rings`] | the rings' state: doorbells, pointers, errors, what is due |
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

pub mod bus;
pub mod channel;
pub mod complete;
pub mod events;
pub mod fetch;
pub mod port;
pub mod receive;
pub mod rings;
pub mod send;
mod state;
pub mod transmit;
pub mod width;

pub use port::host_port;

use crate::rtl::{E, cat, lit};
use smartnic_regs::ring::VERSION;

/// Submissions kept at hand for each ring.
pub const AHEAD: u32 = 8;
/// Completions of a ring that go out in one write.
pub const BATCH: u32 = 4;
/// Cycles after a ring's last completion after which an incomplete batch goes out: more than the 84 of a shortest frame at 1 Gb/s, so
/// that a stream of them fills batches. Four times as many on a ring that gathers interrupts (COUNT over 1): on a short link, frames come further apart.
pub const QUIET: u64 = 96;
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

/// DW7 of a completion: head after it, version, phase. `made`: completions before it (16 bits); `size`: log2 of the ring's entries.
pub(crate) fn last_word(made: &E, size: &E) -> E {
    let phase = !made.bit_at(size);
    cat(&[
        phase,
        lit(3, 0),
        lit(4, VERSION.into()),
        lit(8, 0),
        made + 1,
    ])
}

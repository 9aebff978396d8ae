//! Queues: one for each destination and class, filled copy by copy, emptied by the egress readers.
//!
//! - `enqueue`: takes `enq_*`, keeps the frame's record, puts a copy a cycle into the queues, drops copies over the limit.
//! - `dequeue`: chooses the next frame of each reader that has none, fetches head cell and record.
//!
//! A queue is a ring of head cells in one shared block RAM; its pointers are in LUT RAM, its occupancy in cells in registers. A frame holds at least one cell
//! and a queue at most [`ring`] cells, so a ring cannot overflow.
//!
//! Page `queue`'s registers are in `buffer/pool.rs`. Tests: `tests/buffer` .

mod dequeue;
mod enqueue;

pub(crate) use dequeue::dequeue;
pub(crate) use enqueue::enqueue;

use crate::params::Params;
use crate::rtl::bits_for;

/// Entries in each queue's ring, and so the most cells that a queue can hold.
pub(crate) fn ring(params: &Params) -> u64 {
    params.cells.min(1024) as u64
}

/// Bits of a queue's number: destination above, class in the lowest bit.
pub(crate) fn queue_bits(params: &Params) -> u32 {
    bits_for(params.sources() as u64) + 1
}

/// Bits of a queue's occupancy in cells.
pub(crate) fn occupancy_bits(params: &Params) -> u32 {
    params.cell_bits() + 1
}

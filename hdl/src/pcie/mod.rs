//! The PCIe side: transaction-layer packets to registers, interrupts and DMA. docs/architecture.md ("TLPs") is the contract.
//!
//! | module | does |
//! |---|---|
//! | [`rx`] | takes packets apart: requests, completions |
//! | [`mmio`] | register bus master, completions |
//! | [`msix`] | vector table, pending bits |
//! | [`mod@write`] | DMA writes and interrupts: the posted packets |
//! | [`read`] | DMA reads, one client each |
//! | [`tx`] | puts packets on the link in an order that PCIe 2.4.1 allows |
//!
//! [`endpoint::pcie_endpoint_core`] is the whole.
//!
//! Errors found are pulses on `dma_event`, numbered as the bits of `host::DMA_STATUS`.

mod deliver;
pub mod endpoint;
pub mod fifo;
pub mod mmio;
pub mod msix;
pub mod read;
pub mod rx;
pub mod tx;
pub mod write;

pub use endpoint::pcie_endpoint_core;

use crate::rtl::E;

/// Cycles after which a register access that nobody answers reads as zero: longer than the wait for another master's access and the own one on a
/// board, so that an answer never meets the next request.
pub const BUS_TIMEOUT: u64 = 112;
const _: () = assert!(
    BUS_TIMEOUT > crate::board::WORST && BUS_TIMEOUT < 128,
    "the timer's bits"
);
/// Tags, and so slots, of a DMA read client.
pub const SLOTS: u32 = 4;
/// Bits of the count of posted packets that orders reads and completions behind them.
pub const MARK_BITS: u32 = 8;
/// log2 of the bytes that a read of client c may ask for: client 0's transfers lie in one such block.
pub const BLOCK_LOG2: [u32; 2] = [7, 9];

pub(crate) const REQ_WRITE: u64 = 0;
pub(crate) const REQ_READ: u64 = 1;
pub(crate) const REQ_UNSUPPORTED: u64 = 2;
/// A read of no bytes: answered, but no register is read.
pub(crate) const REQ_FLUSH: u64 = 3;

/// Fields of a request from [`rx`] to [`mmio`], lowest bits first. Payload: the data of a write; otherwise the byte count
/// (12 bits) and the lowest address bits (2) of the answer.
pub(crate) const REQUEST: &[(&str, u32)] = &[
    ("kind", 2),
    ("locked", 1),
    ("bar2", 1),
    ("pair", 1),
    ("address", 14),
    ("tag", 8),
    ("requester", 16),
    ("attr", 2),
    ("tc", 3),
    ("payload", 64),
];
/// Bits of a request.
pub(crate) const REQUEST_BITS: u32 = 112;

/// A field of a request.
pub(crate) fn request(word: &E, name: &str) -> E {
    let mut lsb = 0;
    for (n, w) in REQUEST {
        if *n == name {
            return word.slice(lsb, *w);
        }
        lsb += w;
    }
    panic!("no field {name} in a request")
}

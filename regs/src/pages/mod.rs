//! The pages of BAR0, one file for each group of blocks.

mod page_board;
mod page_fdb;
mod page_global;
mod page_host;
mod page_lag;
mod page_port;
mod page_queue;
mod page_stats;

pub use page_board::board;
pub use page_fdb::fdb;
pub use page_global::global;
pub use page_host::{event, host, msix};
pub use page_lag::lag;
pub use page_port::{port, reserved};
pub use page_queue::queue;
pub use page_stats::stats;

use crate::map::Page;

/// All pages of BAR0, by address.
pub const PAGES: &[Page] = &[
    global::PAGE,
    port::PAGE,
    reserved::PAGE,
    fdb::PAGE,
    lag::PAGE,
    queue::PAGE,
    stats::PAGE,
    host::PAGE,
    event::PAGE,
    board::PAGE,
];

/// Bytes of BAR0.
pub const BAR0_BYTES: u32 = 0x1_0000;
/// Bytes of a page.
pub const PAGE_BYTES: u32 = 0x1000;
/// Bytes of BAR2.
pub const BAR2_BYTES: u32 = 0x1000;

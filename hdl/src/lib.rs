//! The hardware of the smartnic, generated with rust-hdl. Folders stand in the order of a frame's way; docs/architecture.md
//! has the contracts between them.

pub mod blocks;
pub mod buffer;
pub mod cdc;
pub mod control;
pub mod fdb;
pub mod forward;
pub mod host;
pub mod lag;
pub mod mac;
pub mod meta;
pub mod params;
pub mod parser;
pub mod pcie;
pub mod queue;
pub mod regbus;
pub mod rtl;
pub mod stats;
pub mod top;

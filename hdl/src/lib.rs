//! The hardware of the smartnic, generated with rust-hdl. Folders stand in the order of a frame's way; docs/architecture.md
//! has the contracts between them.

// Headers lead the reader through the private parts of a block as well.
#![allow(rustdoc::private_intra_doc_links)]

pub mod blocks;
pub mod board;
pub mod boards;
pub mod buffer;
pub mod cdc;
pub mod control;
pub mod cpu;
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
pub mod rgmii;
pub mod rtl;
pub mod stats;
pub mod top;

//! The hardware of the smartnic, generated with rust-hdl. Folders stand in the order of a frame's way; docs/architecture.md
//! has the contracts between them.

pub mod meta;
pub mod params;
pub mod regbus;
pub mod rtl;

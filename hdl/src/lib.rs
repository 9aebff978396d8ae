//! The hardware of the smartnic, generated with rust-hdl.

pub mod rtl;

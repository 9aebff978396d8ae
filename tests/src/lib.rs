//! End-to-end tests of the smartnic.

pub mod bench;
pub mod rig;

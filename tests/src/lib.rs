//! End-to-end tests of the smartnic.

pub mod bench;
pub mod inprocess;
pub mod rig;

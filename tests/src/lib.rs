//! End-to-end tests of the smartnic.

pub mod bench;

//! End-to-end tests of the smartnic.

//! The software bridge: against a plain model, against its rules, and against the machine's own kernel bridge.

mod common;
mod fdb;
mod kernel;
mod machines;
mod malformed;
mod model;
mod ports;
mod random;
#[path = "../../../slowpath/tests/stp_kernel/socket.rs"]
mod socket;
mod stacked;
mod vlans;

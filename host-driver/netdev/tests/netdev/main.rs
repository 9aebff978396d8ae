//! Tests of the device model, one topic a file.

mod adjacency;
mod admin;
mod common;
#[path = "../../examples/pipe.rs"]
#[allow(missing_docs, reason = "an example's main")]
mod example;
mod fuzz;
mod netpoll;
mod null;
mod packet;
mod receive;
mod register;
mod snull;
mod transmit;
mod vlan;

#[test]
fn the_example_driver_runs() {
    example::main();
}

//! Benches of the driver alone, without the hardware's model. Started by `cargo xtask bench`, which says how.

mod bridges;
mod cables;
mod driver;
mod packet_socket;
mod slowpath;

use std::process::ExitCode;

use smartnic_bench::Bench;

/// Every bench, in the order in which `all` runs them.
const BENCHES: &[Bench] = &[
    Bench {
        name: "driver",
        about: "frames a second through rings and receive handlers",
        run: driver::run,
    },
    Bench {
        name: "slowpath",
        about: "learn events, LACP's fail-over, the spanning tree's convergence, bridges in software",
        run: slowpath::run,
    },
];

fn main() -> ExitCode {
    smartnic_bench::main(BENCHES)
}

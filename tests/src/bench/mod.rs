//! The benches that drive the hardware, one file each; `cargo xtask bench NAME` runs them.
//!
//! To add one: a file here with `pub fn run(args: &Args, report: &mut Report) -> Result<()>`, and a
//! line in [`BENCHES`]. Report each figure once a run; the printed row is the median.

mod fdb;
mod latency;
mod sim;
pub mod wire;

pub use smartnic_bench::{Args, Bench, Error, Report, Row};

/// Every bench, in the order in which `all` runs them.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "wire",
        about: "loss at the wire's rate",
        run: wire::run,
    },
    Bench {
        name: "latency",
        about: "last FCS bit in to TX_EN out",
        run: latency::run,
    },
    Bench {
        name: "fdb",
        about: "stations learned from the wire",
        run: fdb::run,
    },
    Bench {
        name: "sim",
        about: "simulated cycles a second",
        run: sim::run,
    },
];

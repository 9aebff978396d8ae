//! The benches that drive the hardware, one file each; `cargo xtask bench NAME` runs them.
//!
//! To add one: a file here with `pub fn run(args: &Args, report: &mut Report) -> Result<()>`, and a
//! line in [`BENCHES`]. Report each figure once a run; the printed row is the median.

mod fdb;
mod latency;
mod sim;
pub mod wire;

pub use smartnic_bench::{Report, Row};

/// What every bench is told.
#[derive(Clone, Debug)]
pub struct Args {
    /// Seeds every random choice; the same seed repeats a bench exactly.
    pub seed: u64,
    /// How often to measure; the median is printed.
    pub runs: u32,
}

/// The error of a bench: whatever stopped it, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A bench, by name.
pub struct Bench {
    /// The name as typed, and as in [`Row::bench`].
    pub name: &'static str,
    /// What it measures, in a line.
    pub about: &'static str,
    /// Measures and reports.
    pub run: fn(&Args, &mut Report) -> Result<(), Error>,
}

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

//! `cargo xtask bench NAME`: figures. Those that drive the hardware are in `tests/src/bench/`; they
//! are built with the release profile and run by the program `bench` of that crate; those of the driver alone are in `host-driver/bench/`. `resources`
//! (area and clock frequency) needs no simulation, and is [`resources`].

mod resources;

use std::path::PathBuf;

use anyhow::Result;

use crate::proc::{cargo, minutes, run as run_shown};
use crate::setup;

/// Measure; a table for people, or one JSON object a line.
#[derive(clap::Args)]
pub struct Args {
    /// The bench: wire, latency, fdb, sim, driver, slowpath, resources, or all of those that drive the hardware.
    name: String,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Seeds every random choice; for `resources` the first of the seeds of place and route.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often to measure; the median is printed. For `resources`: how many seeds, 0 for areas alone [default: 3 for the core alone, 5 on the first board, else 1].
    #[arg(long)]
    runs: Option<u32>,
    /// `resources` only: this board and its blocks [default: the core of two ports alone, then all boards].
    #[arg(long)]
    board: Option<String>,
    /// `resources` only: one block (a name that `smartnic-hdl blocks` lists), of the board or of the card without a board.
    #[arg(long)]
    block: Option<String>,
    /// `resources` only: Verilog that was emitted before.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["block", "board"])]
    verilog: Option<PathBuf>,
    /// `resources` only: the card without a board, with so many ports.
    #[arg(long, conflicts_with = "board")]
    ports: Option<u32>,
}

/// Benches of the driver alone: they need neither the hardware's model nor its tools.
const DRIVER: &[&str] = &["driver", "slowpath"];

/// Runs a bench.
pub fn run(args: &Args) -> Result<()> {
    let driver = DRIVER.contains(&args.name.as_str());
    if !driver {
        setup::run()?;
    }
    if args.name == "resources" {
        return resources::run(args);
    }
    let mut bench = cargo();
    bench.args(["run", "--quiet", "--release"]);
    bench.args(match driver {
        true => [
            "-p",
            "smartnic-driver-bench",
            "--bin",
            "smartnic-driver-bench",
        ],
        false => ["-p", "smartnic-tests", "--bin", "bench"],
    });
    bench
        .args(["--", &args.name, "--seed"])
        .arg(args.seed.to_string());
    let runs = args.runs.unwrap_or(1);
    bench.arg("--runs").arg(runs.to_string());
    if args.json {
        bench.arg("--json");
    }
    run_shown(&mut bench, minutes(60 * u64::from(runs)))
}

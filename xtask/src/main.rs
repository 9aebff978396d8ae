//! `cargo xtask TASK`: everything that a developer or CI does with this repository, one file a task.
//!
//! Every task first runs [`setup`], which does nothing, in milliseconds, when all tools are there.

mod bench;
mod bitstream;
mod boards;
mod debian;
mod demo;
mod docs;
mod firmware;
mod flash;
mod formal;
mod fpga;
mod guest;
mod lacp_guest;
mod lag_vectors;
mod lint;
mod paths;
mod proc;
mod setup;
mod soak;
mod test;

use clap::{Parser, Subcommand};

/// The tasks of the smartnic.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch the pinned tools, and check (as root on Debian or Ubuntu: install) the system's packages.
    Setup,
    /// See the card's main job on a simulated card, with real Linux hosts.
    Demo(demo::Args),
    /// Set up, then run every test; `.ci/run` calls exactly this.
    Test,
    /// Measure; a table for people, or one JSON object a line.
    Bench(bench::Args),
    /// Run the fuzz targets, and report what they find.
    Soak(soak::Args),
    /// List the boards: ports, FPGA, what works.
    Boards,
    Bitstream(bitstream::Args),
    Flash(flash::Args),
    Formal(formal::Args),
    /// Build the firmware's image for the board's processor, and show its size.
    Firmware,
    Lint(lint::Args),
    /// Write docs/registers.md again from the register map.
    Docs,
    /// Capture again which slave a kernel's bond chooses for each frame (boots a guest).
    LagVectors(lag_vectors::Args),
    /// A guest's kernel bond as the LACP partner of a bond on a simulated card (boots a guest).
    LacpGuest(lacp_guest::Args),
}

fn main() {
    proc::catch_signals();
    let result = match Cli::parse().task {
        Task::Setup => setup::run().map(|()| fpga::tools::prepare()),
        Task::Demo(args) => demo::run(&args),
        Task::Test => test::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Boards => boards::run(),
        Task::Bitstream(args) => bitstream::run(&args),
        Task::Flash(args) => flash::run(&args),
        Task::Formal(args) => formal::run(&args),
        Task::Firmware => firmware::run(),
        Task::Lint(args) => lint::run(&args),
        Task::Docs => docs::run(),
        Task::LagVectors(args) => lag_vectors::run(&args),
        Task::LacpGuest(args) => lacp_guest::run(&args),
    };
    if let Err(err) = result {
        eprintln!("error: {err:#}");
        std::process::exit(if proc::interrupted() { 130 } else { 1 });
    }
}

//! `cargo xtask bitstream --board NAME`: from the generator to the file that a board is loaded with.
//!
//! Firmware, Verilog and constraints are made each time (seconds); synthesis, place and route, and packing are kept under
//! `target/bitstream/BOARD` by the content of what goes in and the tools' versions. A board whose timing is not met gets no file.

mod report;
mod xilinx;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::fpga::place::{Device, Job};
use crate::fpga::synth::{NETLIST, Synthesis, source_digest};
use crate::fpga::{described, netlist, tools};
use crate::lint::{emit, verilog_files};
use crate::proc::{capture, minutes};
use crate::{boards, paths, setup};

/// A clock that no constraint names gets this, MHz: no board has so slow a one, so it is noticed.
const UNCONSTRAINED_MHZ: u32 = 12;

/// Build a board's bitstream: generate, synthesise, place, route, pack.
#[derive(clap::Args)]
pub struct Args {
    /// The board (see `cargo xtask boards`).
    #[arg(long)]
    board: String,
    /// Ports to build, of those that the board has [default: all].
    #[arg(long)]
    ports: Option<u32>,
    /// Seed of place and route.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Names each step when it begins, with the time since the start, so that a wait is a wait for something.
pub(crate) struct Progress {
    board: String,
    start: Instant,
}

impl Progress {
    fn step(&self, what: &str) {
        let at = self.start.elapsed().as_secs_f64();
        eprintln!("{} {at:6.1} s  {what}", self.board);
    }
}

/// Where a board's finished bitstream lies.
pub fn file(board: &str) -> PathBuf {
    paths::target().join(format!("bitstream/{board}.bit"))
}

/// Builds, and shows what came out.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    build(&args.board, args.ports, args.seed)
}

/// Builds a board's bitstream, and shows what came out.
pub fn build(board: &str, ports: Option<u32>, seed: u64) -> Result<()> {
    boards::find(board)?;
    let progress = Progress {
        board: board.into(),
        start: Instant::now(),
    };
    let finished = file(board);
    let base = paths::target().join("bitstream").join(board);

    progress.step("firmware");
    let image = smartnic_firmware_image::build()?;
    progress.step("Verilog and constraints");
    let source = base.join("source");
    let firmware = image.path.to_string_lossy();
    let mut options = vec!["--board", board, "--firmware", &firmware];
    let count = ports.map(|ports| ports.to_string());
    if let Some(count) = &count {
        options.extend(["--ports", count]);
    }
    emit(&options, &source)?;
    let info = described(&source)?.context("the generator wrote no description")?;
    // From here the board has this design, and no file of another: what lies there is of one, perhaps.
    for old in [&finished, &finished.with_extension("svf")] {
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    match info["fpga"]["family"].as_str() {
        Some("ecp5") => ecp5(&progress, &info, &source, (&base, &finished), seed),
        Some("xc7") => xilinx::build(&progress, &info, &source, (&base, &finished), seed),
        other => bail!("board {board}: no tools for the FPGA family {other:?}"),
    }
}

/// The way of a Lattice ECP5.
fn ecp5(
    progress: &Progress,
    info: &Value,
    source: &Path,
    (base, finished): (&Path, &Path),
    seed: u64,
) -> Result<()> {
    let yosys = tools::YOSYS.find()?;
    let nextpnr = tools::NEXTPNR_ECP5.find()?;
    let ecppack = tools::ECPPACK.find()?;
    let device = Device::of(&info["fpga"])?;
    let files = verilog_files(source)?;
    let constraints = info["constraints"].as_str().context("no constraint file")?;
    let text = fs::read_to_string(source.join(constraints))?;
    let synthesis = Synthesis::ecp5(&yosys, &files, info["top"].as_str());
    let dir = base.join(synthesis.digest(&[
        &nextpnr.version,
        &ecppack.version,
        &device.options().join(" "),
        &text,
    ])?);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("board.lpf"), &text)?;

    progress.step(&format!("synthesis ({})", yosys.version));
    let counts = netlist::count(&synthesis.run(&dir)?)?;
    progress.step(&format!(
        "place and route, seed {seed} ({})",
        nextpnr.version
    ));
    let config = format!("board-{seed}.config");
    let job = Job {
        device: &device,
        netlist: NETLIST,
        constraints: Some("board.lpf"),
        mhz: UNCONSTRAINED_MHZ,
        config: Some(&config),
    };
    let routed = job.route(&nextpnr, &dir, seed)?;
    let clocks = report::clocks(&routed, &info["clocks_mhz"])?;
    println!("{}", report::summary(info, &counts, &clocks));
    println!(
        "Verilog {} (of what is simulated, too)",
        source_digest(&files)?
    );
    report::met(&routed, &clocks)?;

    progress.step("packing");
    let (bit, svf) = (format!("board-{seed}.bit"), format!("board-{seed}.svf"));
    if !dir.join(&bit).is_file() {
        let mut pack = ecppack.command(&dir);
        pack.args(["--compress", "--input", &config, "--bit", "part.bit"]);
        pack.args(["--svf", &svf]);
        capture(&mut pack, minutes(5))?;
        fs::rename(dir.join("part.bit"), dir.join(&bit))?;
    }
    publish(&dir.join(&svf), &finished.with_extension("svf"))?;
    publish(&dir.join(&bit), finished)?;
    progress.step(&format!("done: {}", finished.display()));
    Ok(())
}

/// Gives the finished file its place, whole or not at all.
fn publish(made: &Path, finished: &Path) -> Result<()> {
    let part = made.with_extension("published");
    fs::copy(made, &part)?;
    fs::rename(&part, finished)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_published_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (made, finished) = (dir.path().join("a"), dir.path().join("b.bit"));
        assert!(publish(&made, &finished).is_err());
        assert!(!finished.exists());
        fs::write(&made, "bits").unwrap();
        publish(&made, &finished).unwrap();
        assert_eq!(fs::read(&finished).unwrap(), b"bits");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

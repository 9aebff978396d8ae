//! `cargo xtask bitstream --board NAME`: from the generator to the file that a board is loaded with.
//!
//! Firmware, Verilog and constraints are made each time (seconds); synthesis, place and route, and packing are kept under
//! `target/bitstream/BOARD` by the content of what goes in and the tools' versions. A board whose timing is not met gets no file.

mod check;
#[cfg(test)]
mod flow_tests;
mod pins;
mod report;
mod xilinx;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::fpga::netlist::Counts;
use crate::fpga::place::{Device, Job};
use crate::fpga::synth::{NETLIST, Synthesis, source_digest};
use crate::fpga::{depth, described, netlist, tools};
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
    Design::emit(&args.board, args.ports)?.build(args.seed)
}

/// A board's design as the generator wrote it.
pub struct Design {
    progress: Progress,
    /// What the generator says of it.
    info: Value,
    /// Verilog, description, constraints.
    source: PathBuf,
    /// Where what is made of it is kept.
    base: PathBuf,
    finished: PathBuf,
}

/// The folder in which an ECP5's bitstream is made, and what is in it so far.
pub struct Ecp5<'a> {
    design: &'a Design,
    yosys: tools::Program,
    nextpnr: tools::Program,
    ecppack: tools::Program,
    device: Device,
    files: Vec<PathBuf>,
    dir: PathBuf,
    netlist: Value,
}

impl Design {
    /// Firmware, Verilog and constraints of a board with its first `ports` ports, or all of them.
    pub fn emit(board: &str, ports: Option<u32>) -> Result<Self> {
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
        Ok(Self {
            progress,
            info,
            source,
            base,
            finished,
        })
    }

    /// Makes the bitstream, and shows what came out.
    pub fn build(&self, seed: u64) -> Result<()> {
        self.withdraw()?;
        match self.info["fpga"]["family"].as_str() {
            Some("ecp5") => self.synthesised()?.finish(seed),
            Some("xc7") => xilinx::build(self, seed),
            other => bail!("no tools for the FPGA family {other:?}"),
        }
    }

    /// From here the board has this design, and no file of another: what lies there is of one, perhaps.
    fn withdraw(&self) -> Result<()> {
        for old in [&self.finished, &self.finished.with_extension("svf")] {
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        Ok(())
    }

    /// What the generator says of it.
    pub fn info(&self) -> &Value {
        &self.info
    }

    /// What cells a Xilinx board takes.
    pub fn xilinx_cells(&self) -> Result<BTreeMap<String, u64>> {
        Ok(xilinx::synthesised(self)?.1)
    }

    /// The constraint file that the generator wrote: its name and its text.
    fn constraints(&self) -> Result<(&str, String)> {
        let name = self.info["constraints"].as_str();
        let name = name.context("no constraint file")?;
        Ok((name, fs::read_to_string(self.source.join(name))?))
    }

    /// Synthesis for a Lattice ECP5.
    pub fn synthesised(&self) -> Result<Ecp5<'_>> {
        tools::prepare();
        let yosys = tools::YOSYS.find()?;
        let nextpnr = tools::NEXTPNR_ECP5.find()?;
        let ecppack = tools::ECPPACK.find()?;
        let device = Device::of(&self.info["fpga"])?;
        let files = verilog_files(&self.source)?;
        let (constraints, text) = self.constraints()?;
        let synthesis = Synthesis::ecp5(&yosys, &files, self.info["top"].as_str());
        let dir = self.base.join(synthesis.digest(&[
            &nextpnr.version,
            &ecppack.version,
            &device.options().join(" "),
            &text,
        ])?);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("board.lpf"), &text)?;
        self.progress
            .step(&format!("synthesis ({})", yosys.version));
        let netlist = synthesis.run(&dir)?;
        pins::agree(constraints, &text, &netlist::ports(&netlist)?)?;
        Ok(Ecp5 {
            design: self,
            yosys,
            nextpnr,
            ecppack,
            device,
            files,
            dir,
            netlist,
        })
    }
}

impl Ecp5<'_> {
    /// What it takes of the FPGA.
    pub fn counts(&self) -> Result<Counts> {
        netlist::count(&self.netlist)
    }

    /// Its longest ways by an estimate that needs no placement.
    pub fn longest(&self, count: usize) -> Result<Vec<depth::Way>> {
        depth::longest(&self.netlist, count)
    }

    /// The digest of its Verilog.
    pub fn source_digest(&self) -> Result<String> {
        source_digest(&self.files)
    }

    /// Places and routes; nextpnr's report.
    pub fn route(&self, seed: u64) -> Result<Value> {
        self.design.progress.step(&format!(
            "place and route, seed {seed} ({})",
            self.nextpnr.version
        ));
        let job = Job {
            device: &self.device,
            netlist: NETLIST,
            constraints: Some("board.lpf"),
            mhz: UNCONSTRAINED_MHZ,
            config: Some(&config(seed)),
        };
        job.route(&self.nextpnr, &self.dir, seed)
    }

    /// Places, routes and packs.
    pub fn finish(&self, seed: u64) -> Result<()> {
        let (progress, info) = (&self.design.progress, &self.design.info);
        self.design.withdraw()?;
        let counts = self.counts()?;
        self.device.holds(&counts)?;
        let routed = self.route(seed)?;
        let clocks = report::clocks(&routed, &info["clocks_mhz"])?;
        let crossings = report::crossings(&routed, &clocks);
        println!("{}", report::summary(info, &counts, &clocks, &crossings));
        println!(
            "Verilog {} (of what is simulated, too)",
            info["simulated"]["digest"].as_str().unwrap_or("?")
        );
        report::met(&routed, &clocks, &crossings)?;

        progress.step("packing");
        let (bit, svf) = (format!("board-{seed}.bit"), format!("board-{seed}.svf"));
        if ![&bit, &svf]
            .iter()
            .all(|name| self.dir.join(name).is_file())
        {
            let (part, part_svf) = (format!("part-{seed}.bit"), format!("part-{seed}.svf"));
            let mut pack = self.ecppack.command(&self.dir);
            pack.args(["--compress", "--input", &config(seed), "--bit", &part]);
            pack.args(["--svf", &part_svf]);
            capture(&mut pack, minutes(5))?;
            fs::rename(self.dir.join(part_svf), self.dir.join(&svf))?;
            fs::rename(self.dir.join(part), self.dir.join(&bit))?;
        }
        let finished = &self.design.finished;
        publish(&self.dir.join(&svf), &finished.with_extension("svf"))?;
        publish(&self.dir.join(&bit), finished)?;
        progress.step(&format!("done: {}", finished.display()));
        Ok(())
    }
}

/// The placed and routed design's file in its folder.
fn config(seed: u64) -> String {
    format!("board-{seed}.config")
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

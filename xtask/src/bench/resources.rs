//! `cargo xtask bench resources`: area and clock frequency on a Lattice ECP5 (LFE5UM5G-45F-8).
//!
//! The emitted Verilog goes through Yosys (`synth_ecp5`, flattened, abc9) once; that netlist is
//! counted as it is. For place and route it gets a [`netlist::harness`] instead of pins, so that a
//! core with hundreds of ports fits the package and every path from and to a port is timed. Then
//! nextpnr-ecp5 runs once a seed. Everything is cached under `target/bench/resources` by the content
//! of the Verilog and the tools' versions: a whole core takes minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use smartnic_bench::Report;

use super::Args;
use crate::fpga::place::{Device, Job};
use crate::fpga::synth::{Synthesis, source_digest};
use crate::fpga::{described, netlist, timing, tools};
use crate::lint::{emit, verilog_files};
use crate::paths;

/// The part of the first board, as its maker writes it.
const DEVICE_NAME: &str = "LFE5UM5G-45F-8BG381C";

/// The frequency that place and route works for, MHz: the core's clock.
const TARGET_MHZ: u32 = 125;

/// The netlist that is placed and routed.
const HARNESS: &str = "harness.json";

/// That part, as nextpnr names it.
fn device() -> Device {
    Device {
        device: "um5g-45k".into(),
        package: "CABGA381".into(),
        speed: 8,
    }
}

/// Emits, synthesises, places and routes, and prints.
pub fn run(args: &Args) -> Result<()> {
    let base = paths::target().join("bench/resources");
    let (case, verilog) = emitted(args, &base.join("verilog"))?;
    let files = verilog_files(&verilog)?;
    let info = described(&verilog)?;
    let top = info.as_ref().and_then(|info| info["top"].as_str());
    let (yosys, nextpnr) = (tools::YOSYS.find()?, tools::NEXTPNR_ECP5.find()?);
    let device = device();
    let synthesis = Synthesis::ecp5(&yosys, &files, top);
    let place = [nextpnr.version.as_str(), &device.options().join(" ")];
    let dir = base.join(synthesis.digest(&place)?);
    fs::create_dir_all(&dir)?;

    let synthesised = timed(
        &format!("{} (a whole core: up to 20 minutes)", yosys.version),
        || synthesis.run(&dir),
    )?;
    let counts = netlist::count(&synthesised)?;
    let harnessed = netlist::harness(&synthesised)?;
    fs::write(dir.join(HARNESS), serde_json::to_vec(&harnessed.netlist)?)?;

    let mut report = Report::new("resources");
    report.param("device", DEVICE_NAME);
    report.param("clock", harnessed.clock.clone());
    report.param("yosys", yosys.version.clone());
    report.param("nextpnr", nextpnr.version.clone());
    report.param("verilog", source_digest(&files)?);
    if let Some(info) = &info {
        report.hardware(&info["parameters"]);
    }
    report.add(&case, "lut4", counts.lut4 as f64, "1");
    report.add(&case, "ff", counts.ff as f64, "1");
    report.add(&case, "bram", counts.bram as f64, "1");
    let job = Job {
        device: &device,
        netlist: HARNESS,
        constraints: None,
        mhz: TARGET_MHZ,
        config: None,
    };
    let mut worst: Option<timing::Path> = None;
    for seed in (args.seed..).take(args.runs.unwrap_or(3) as usize) {
        let name = format!(
            "{}, seed {seed} (a whole core: up to 20 minutes)",
            nextpnr.version
        );
        let routed = timed(&name, || job.route(&nextpnr, &dir, seed))?;
        let fmax = timing::fmax(&routed, &harnessed.clock)?;
        eprintln!("resources: seed {seed}: {fmax:.1} MHz");
        report.add(&case, "core_fmax_mhz", fmax, "MHz");
        let path = timing::critical_path(&routed, &harnessed.clock);
        worst = match (worst, path) {
            (Some(a), Some(b)) if a.ns >= b.ns => Some(a),
            (a, b) => b.or(a),
        };
    }
    print!(
        "{}",
        if args.json {
            report.json()
        } else {
            report.table()
        }
    );
    if let Some(path) = worst {
        eprintln!("{path}");
    }
    Ok(())
}

/// The Verilog to measure, and the name of the case.
fn emitted(args: &Args, base: &Path) -> Result<(String, PathBuf)> {
    if let Some(dir) = &args.verilog {
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        return Ok((name.to_string_lossy().into_owned(), dir.clone()));
    }
    let ports = args.ports.to_string();
    let mut select = vec!["--ports", &ports];
    let mut case = format!("core-{ports}-ports");
    if let Some(block) = &args.block {
        select.extend(["--block", block]);
        case.clone_from(block);
    }
    eprintln!("resources: emitting {case}");
    let dir = base.join(&case);
    emit(&select, &dir)?;
    Ok((case, dir))
}

/// Says what begins, and how long it took.
fn timed<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("resources: {name}");
    let start = Instant::now();
    let result = work()?;
    eprintln!("resources: {:.0} s", start.elapsed().as_secs_f64());
    Ok(result)
}

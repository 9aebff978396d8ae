//! From Verilog to a placed and routed FPGA: what `bench resources` and `bitstream` share.
//!
//! [`tools`] finds the programs, [`synth`] runs Yosys, [`place`] nextpnr; [`netlist`] and [`depth`] read what the first makes, [`timing`] what the second says.

pub mod area;
pub mod depth;
mod native;
pub mod netlist;
pub mod place;
pub mod synth;
pub mod timing;
pub mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// A result that is being written; it gets its own name when it is whole.
pub const PART: &str = "part.json";

/// Reads a file as JSON.
pub fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// What `smartnic-hdl emit` wrote beside the Verilog: names, parameters, and for a board what the tools want to know of it.
pub fn described(dir: &Path) -> Result<Option<Value>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|ext| ext == "json"))
        .collect();
    files.sort();
    for file in files {
        let info = read_json(&file)?;
        if info["parameters"].is_object() {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_stands_beside_the_verilog() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(described(dir.path()).unwrap(), None);
        let info = r#"{ "top": "t", "parameters": { "ports": 2, "cells": 512 } }"#;
        fs::write(dir.path().join("t.json"), info).unwrap();
        let found = described(dir.path()).unwrap().unwrap();
        assert_eq!(found["parameters"]["cells"], 512);
    }
}

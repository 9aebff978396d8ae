//! Place and route for the ECP5: nextpnr, once a seed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::netlist::Counts;
use super::read_json;
use super::tools::Program;
use crate::proc::{capture, minutes};

/// nextpnr's placer. Its default (`heap`) leaves a quarter more wire and takes twice as long, and with some seeds no router comes to an end then.
const PLACER: &str = "static";

/// The FPGA, as nextpnr's options name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// `um5g-45k`, say.
    pub device: String,
    /// `CABGA381`, say.
    pub package: String,
    /// 6 to 8.
    pub speed: u64,
}

impl Device {
    /// Out of the description that `smartnic-hdl emit --board` writes.
    pub fn of(fpga: &Value) -> Result<Self> {
        let text = |name: &str| {
            let value = fpga[name].as_str().map(str::to_owned);
            value.with_context(|| format!("the board's description has no fpga.{name}"))
        };
        Ok(Self {
            device: text("device")?,
            package: text("package")?,
            speed: fpga["speed"].as_u64().context("no fpga.speed")?,
        })
    }

    /// What it has (Lattice FPGA-DS-02012, table 1.1); nothing of a size that is not known.
    fn capacity(&self) -> Option<Counts> {
        let (_, size) = self.device.rsplit_once('-').unwrap_or(("", &self.device));
        let (lut4, bram) = match size {
            "12k" | "25k" => (24_288, 56),
            "45k" => (43_848, 108),
            "85k" => (83_640, 208),
            _ => return None,
        };
        Some(Counts {
            lut4,
            ff: lut4,
            bram,
        })
    }

    /// Fails if a design cannot fit, before hours are spent on trying.
    pub fn holds(&self, counts: &Counts) -> Result<()> {
        let Some(has) = self.capacity() else {
            return Ok(());
        };
        let all = [
            ("LUT4", counts.lut4, has.lut4),
            ("flip-flops", counts.ff, has.ff),
            ("block RAMs", counts.bram, has.bram),
        ];
        let over: Vec<_> = all
            .iter()
            .filter(|(_, takes, has)| takes > has)
            .map(|(what, takes, has)| format!("{takes} {what} of {has}"))
            .collect();
        match over.as_slice() {
            [] => Ok(()),
            some => bail!("{}", too_large(&some.join(", "))),
        }
    }

    /// The options of nextpnr that choose it, and the way to place in it.
    pub fn options(&self) -> [String; 7] {
        [
            format!("--{}", self.device),
            "--package".into(),
            self.package.clone(),
            "--speed".into(),
            self.speed.to_string(),
            "--placer".into(),
            PLACER.into(),
        ]
    }
}

/// What is placed.
pub struct Job<'a> {
    /// The FPGA.
    pub device: &'a Device,
    /// The netlist's file in the folder.
    pub netlist: &'a str,
    /// The constraint file in the folder; without one every pin goes anywhere, and every clock is to reach `mhz`.
    pub constraints: Option<&'a str>,
    /// What a clock without a constraint is to reach.
    pub mhz: u32,
    /// The configuration to write, for the packer.
    pub config: Option<&'a str>,
}

impl Job<'_> {
    /// Places and routes with a seed; nextpnr's report, which the folder keeps. Timing that is not met is no error here.
    pub fn route(&self, nextpnr: &Program, dir: &Path, seed: u64) -> Result<Value> {
        let output = dir.join(format!("report-{seed}.json"));
        let config = self.config.map(|name| dir.join(name));
        if output.is_file() && config.as_ref().is_none_or(|c| c.is_file()) {
            return read_json(&output);
        }
        let log = format!("nextpnr-{seed}.log");
        let mut run = nextpnr.command(dir);
        run.args(self.device.options());
        run.args(["--freq", &self.mhz.to_string(), "--timing-allow-fail"]);
        match self.constraints {
            Some(file) => run.args(["--lpf", file]),
            None => run.arg("--lpf-allow-unconstrained"),
        };
        run.args(["--seed", &seed.to_string(), "--quiet", "--log", &log]);
        // Half-made files have the seed in their names: two seeds may run in one folder.
        let (part, part_config) = (format!("part-{seed}.json"), format!("part-{seed}.config"));
        run.args(["--json", self.netlist, "--report", &part]);
        if config.is_some() {
            run.args(["--textcfg", &part_config]);
        }
        if let Err(error) = capture(&mut run, minutes(60)) {
            bail!(
                "{}",
                why(&fs::read_to_string(dir.join(&log)).unwrap_or_default())
                    .unwrap_or_else(|| format!("{error:#}"))
            );
        }
        if let Some(config) = config {
            fs::rename(dir.join(part_config), config)?;
        }
        fs::rename(dir.join(part), &output)?;
        read_json(&output)
    }
}

/// What to say of a design that is too large, and by what.
fn too_large(by: &str) -> String {
    format!(
        "the design does not fit the FPGA ({by}); take fewer ports, or give the board smaller tables (`sizes` in hdl/src/boards)"
    )
}

/// The first error in nextpnr's log, with what it means for the user where that is known.
fn why(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.starts_with("ERROR: "))?;
    let error = line.trim_start_matches("ERROR: ");
    let large = [
        "Unable to find legal placement",
        "Unable to place cell",
        "Failed to expand region",
    ];
    Some(if large.iter().any(|text| error.contains(text)) {
        too_large(&format!("nextpnr: {error}"))
    } else if ["which does not exist", "is unconstrained"]
        .iter()
        .any(|text| error.contains(text))
    {
        format!("the constraint file and the design do not agree (nextpnr: {error})")
    } else {
        format!("nextpnr: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_is_read_from_the_description() {
        let fpga =
            json!({ "family": "ecp5", "device": "um5g-45k", "package": "CABGA381", "speed": 8 });
        let device = Device::of(&fpga).unwrap();
        assert_eq!(
            device.options().join(" "),
            "--um5g-45k --package CABGA381 --speed 8 --placer static"
        );
        let error = Device::of(&json!({ "family": "xc7" })).unwrap_err();
        assert!(error.to_string().contains("fpga.device"), "{error}");
    }

    #[test]
    fn a_design_that_is_too_large_is_refused_by_what_it_takes() {
        let device = |name: &str| Device {
            device: name.into(),
            package: "CABGA381".into(),
            speed: 8,
        };
        let takes = |lut4, ff, bram| Counts { lut4, ff, bram };
        let small = device("25k");
        small.holds(&takes(24_288, 24_288, 56)).unwrap();
        let error = small.holds(&takes(24_289, 9, 57)).unwrap_err().to_string();
        let want = "the design does not fit the FPGA (24289 LUT4 of 24288, 57 block RAMs of 56); ";
        assert!(error.starts_with(want), "{error}");
        assert!(small.holds(&takes(0, 24_289, 0)).is_err());
        device("um5g-45k").holds(&takes(43_848, 9, 108)).unwrap();
        assert!(device("um5g-45k").holds(&takes(0, 0, 109)).is_err());
        device("um5g-85k").holds(&takes(83_640, 9, 208)).unwrap();
        device("of-tomorrow").holds(&takes(1 << 40, 9, 9)).unwrap();
    }

    #[test]
    fn what_nextpnr_says_is_put_for_people() {
        let full =
            "Info: x\nERROR: Unable to find legal placement for cell 'a' after 10001 attempts\n";
        assert!(why(full).unwrap().contains("does not fit"));
        let pins = "ERROR: IO 'led[3]' is unconstrained in LPF (override this error with --lpf-allow-unconstrained)";
        assert!(why(pins).unwrap().contains("do not agree"));
        let ball = "ERROR: IO pin 'a' constrained to pin 'ZZ9', which does not exist for package 'CABGA256'.";
        assert!(why(ball).unwrap().contains("do not agree"));
        assert_eq!(why("Info: fine"), None);
    }
}

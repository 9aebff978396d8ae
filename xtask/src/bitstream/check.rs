//! What must hold of a board's netlist besides its timing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Ecp5;
use crate::fpga::netlist;
use crate::fpga::synth::{NETLIST, digest_read, verilog};
use crate::paths;
use crate::proc::{cargo, minutes, run as run_shown};
use crate::setup::hex;

/// Block RAMs of an FDB of 8,192 entries: eight ways of 1,024 words of 72 bits.
const FDB_RAMS: usize = 32;

/// The test that sends frames through a netlist, and what it is made of besides that.
const TEST: &str = "netlist";
const TEST_SOURCES: [&str; 5] = [
    "hdl/tests/netlist.rs",
    "hdl/tests/common/mac.rs",
    "hdl/tests/common/rgmii.rs",
    "hdl/cells/ecp5.v",
    "hdl/cells/ecp5_fabric.v",
];

impl Ecp5<'_> {
    /// Yosys has read the Verilog that is simulated, and the FDB's tables are block RAMs.
    pub fn check(&self) -> Result<()> {
        let simulated = &self.design.info["simulated"];
        let file = simulated["file"].as_str().context("no simulated.file")?;
        let number = self.files.iter().position(|path| path.ends_with(file));
        let read = digest_read(&self.dir, number.context("no file of that name")?)?;
        if simulated["digest"] != read.as_str() {
            bail!(
                "Yosys has read Verilog {read}, but {} is simulated",
                simulated["digest"]
            );
        }
        match netlist::block_rams(&self.netlist, "fdb")? {
            FDB_RAMS => Ok(()),
            other => bail!("the FDB has {other} block RAMs and not {FDB_RAMS}"),
        }
    }

    /// Sends frames through the netlist, in simulation; once for each netlist and test.
    pub fn simulate(&self) -> Result<()> {
        let stamp = self.dir.join("simulated");
        let digest = self.tested()?;
        if fs::read_to_string(&stamp).is_ok_and(|text| text == digest) {
            return Ok(());
        }
        let file = verilog(&self.yosys, &self.dir)?;
        let mut test = cargo();
        test.args([
            "test",
            "--quiet",
            "-p",
            "smartnic-hdl",
            "--test",
            TEST,
            "--",
            "--nocapture",
        ]);
        test.env("SMARTNIC_NETLIST", file);
        run_shown(&mut test, minutes(30))?;
        fs::write(stamp, digest)?;
        Ok(())
    }

    /// Names all that the simulation depends on.
    fn tested(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let sources = TEST_SOURCES.map(|name| paths::root().join(name));
        let netlist = self.dir.join(NETLIST);
        for file in sources.iter().map(AsRef::as_ref).chain([netlist.as_path()]) {
            let text = read(file)?;
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        }
        Ok(hex(&hash.finalize()[..12]))
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

//! Yosys' JSON netlist: counting what it uses, and giving it a harness in place of pins.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// What a netlist uses, in the units in which an ECP5 is sold.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    /// LUT4 sites: logic, two for each carry cell, four for each 16x4 RAM and two for its write port.
    pub lut4: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Block RAMs of 18 Kib.
    pub bram: u64,
}

/// A netlist ready for place and route.
pub struct Harnessed {
    /// In the shape that nextpnr reads.
    pub netlist: Value,
    /// The port that clocks most flip-flops.
    pub clock: String,
}

/// The clock pins of the cells that `synth_ecp5` makes.
const CLOCK_PINS: &[&str] = &["CLK", "CLKA", "CLKB", "CLKR", "CLKW", "WCK"];

pub(super) fn top(netlist: &Value) -> Result<(&String, &Map<String, Value>)> {
    let modules = netlist["modules"]
        .as_object()
        .context("the netlist has no modules")?;
    modules
        .iter()
        .find(|(_, module)| module["attributes"].get("top").is_some())
        .and_then(|(name, module)| Some((name, module.as_object()?)))
        .context("the netlist has no top module")
}

fn cells(module: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    module
        .get("cells")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(_, cell)| (cell["type"].as_str().unwrap_or_default(), cell))
}

/// How many cells of each type the top module has; one that was not mapped is an error.
pub fn kinds(netlist: &Value) -> Result<BTreeMap<String, u64>> {
    let (_, module) = top(netlist)?;
    let mut kinds = BTreeMap::new();
    for (kind, _) in cells(module) {
        // A note on where a cell came from is none.
        if kind.starts_with('$') && kind != "$scopeinfo" {
            bail!("synthesis left a cell of type {kind} unmapped");
        }
        *kinds.entry(kind.to_owned()).or_insert(0) += 1;
    }
    Ok(kinds)
}

/// Counts an ECP5's LUTs, flip-flops and block RAMs; a cell that was not mapped is an error.
pub fn count(netlist: &Value) -> Result<Counts> {
    let mut counts = Counts::default();
    for (kind, n) in kinds(netlist)? {
        match kind.as_str() {
            "LUT4" => counts.lut4 += n,
            "CCU2C" => counts.lut4 += 2 * n,
            "TRELLIS_DPR16X4" => counts.lut4 += 6 * n,
            "TRELLIS_FF" => counts.ff += n,
            "DP16KD" | "PDPW16KD" => counts.bram += n,
            // Multiplexers inside a slice, tie-offs, multipliers, the board's primitives (PLL, DDR cells): none of these.
            _ => {}
        }
    }
    Ok(counts)
}

/// Every bit of the top module's ports: `name`, or `name[0]` and so on.
pub fn ports(netlist: &Value) -> Result<BTreeSet<String>> {
    let (_, module) = top(netlist)?;
    let ports = module["ports"].as_object().into_iter().flatten();
    let bits = ports.flat_map(|(name, port)| {
        let bits = port["bits"].as_array().map_or(0, Vec::len);
        let bit = |i| {
            if bits == 1 {
                name.clone()
            } else {
                format!("{name}[{i}]")
            }
        };
        (0..bits).map(bit).collect::<Vec<_>>()
    });
    Ok(bits.collect())
}

/// How many block RAMs the instance of this name has, wherever it stands: a cell's name is the way to it, with points between.
pub fn block_rams(netlist: &Value, instance: &str) -> Result<usize> {
    let (_, module) = top(netlist)?;
    let cells = module.get("cells").and_then(Value::as_object);
    let rams = cells.into_iter().flatten().filter(|(name, cell)| {
        let kind = cell["type"].as_str().unwrap_or_default();
        ["DP16KD", "PDPW16KD"].contains(&kind) && name.split('.').any(|part| part == instance)
    });
    Ok(rams.count())
}

/// One bit of a port: its net, and whether it goes in or out.
struct PortBit {
    net: u64,
    input: bool,
}

/// Replaces every port but the clocks by registers: inputs come from one long shift register, and
/// outputs are caught in a register each and folded into one bit. Every path of the design then runs
/// between two registers, and five pins are enough for hundreds of ports.
pub fn harness(netlist: &Value) -> Result<Harnessed> {
    let (name, module) = top(netlist)?;
    let clock_loads = clock_loads(module);
    let used = used_nets(module);
    let ports = module["ports"]
        .as_object()
        .context("the top module has no ports")?;
    let mut pins = Map::new();
    let mut clocks: Vec<(usize, String, u64)> = Vec::new();
    let mut bits = Vec::new();
    for (port, body) in ports {
        let nets: Vec<_> = body["bits"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        match body["direction"].as_str() {
            Some("input") if nets.iter().any(|net| clock_loads.contains_key(net)) => {
                let loads = nets.iter().filter_map(|net| clock_loads.get(net)).sum();
                clocks.push((loads, port.clone(), nets[0]));
                pins.insert(port.clone(), body.clone());
            }
            Some("input") => {
                let read = nets.iter().filter(|net| used.contains(net));
                bits.extend(read.map(|&net| PortBit { net, input: true }));
            }
            Some("output") => bits.extend(nets.iter().map(|&net| PortBit { net, input: false })),
            other => bail!(
                "port {port} of {name} has direction {other:?}; only inputs and outputs can be timed"
            ),
        }
    }
    let (_, clock, clock_net) = clocks
        .into_iter()
        .max()
        .with_context(|| format!("{name} has no clock"))?;

    let mut maker = Maker {
        next: highest_net(module) + 1,
        clock: clock_net,
        cells: Map::new(),
    };
    let shift_in = maker.net();
    let shift_out = maker.chain(&bits, shift_in);
    pins.insert(
        "harness_in".into(),
        json!({"direction": "input", "bits": [shift_in]}),
    );
    pins.insert(
        "harness_out".into(),
        json!({"direction": "output", "bits": [shift_out]}),
    );

    let mut module = module.clone();
    module.insert("ports".into(), Value::Object(pins));
    let all = module
        .get_mut("cells")
        .and_then(Value::as_object_mut)
        .context("no cells")?;
    all.retain(|_, cell| cell["type"] != "$scopeinfo");
    all.extend(maker.cells);
    let netlist = json!({ "creator": netlist["creator"], "modules": { name.as_str(): module } });
    Ok(Harnessed { netlist, clock })
}

/// How many cells each net clocks.
fn clock_loads(module: &Map<String, Value>) -> BTreeMap<u64, usize> {
    let mut loads = BTreeMap::new();
    for (_, cell) in cells(module) {
        for pin in CLOCK_PINS {
            if let Some(net) = cell["connections"][pin][0].as_u64() {
                *loads.entry(net).or_insert(0) += 1;
            }
        }
    }
    loads
}

/// Every net that some cell, or an output, is connected to.
fn used_nets(module: &Map<String, Value>) -> BTreeSet<u64> {
    cells(module)
        .filter_map(|(_, cell)| cell["connections"].as_object())
        .flat_map(Map::values)
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}

fn highest_net(module: &Map<String, Value>) -> u64 {
    let named = module
        .get("netnames")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let named = named
        .filter_map(|(_, net)| net["bits"].as_array())
        .flatten()
        .filter_map(Value::as_u64);
    named.chain(used_nets(module)).max().unwrap_or(1)
}

/// Makes cells and the nets between them.
struct Maker {
    next: u64,
    clock: u64,
    cells: Map<String, Value>,
}

impl Maker {
    fn net(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A flip-flop from `data` to `q`. The space in "1 " tells a string from a number, as in Yosys.
    fn flip_flop(&mut self, data: u64, q: u64) {
        let cell = json!({
            "hide_name": 0,
            "type": "TRELLIS_FF",
            "parameters": {
                "GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET",
                "SRMODE": "LSR_OVER_CE",
            },
            "attributes": {},
            "port_directions": { "CLK": "input", "LSR": "input", "DI": "input", "Q": "output" },
            "connections": { "CLK": [self.clock], "LSR": ["0"], "DI": [data], "Q": [q] },
        });
        self.cells.insert(format!("harness_ff_{q}"), cell);
    }

    /// A two-input exclusive or.
    fn xor(&mut self, a: u64, b: u64) -> u64 {
        let z = self.net();
        let cell = json!({
            "hide_name": 0,
            "type": "LUT4",
            "parameters": { "INIT": "0110011001100110" },
            "attributes": {},
            "port_directions": { "A": "input", "B": "input", "C": "input", "D": "input", "Z": "output" },
            "connections": { "A": [a], "B": [b], "C": ["0"], "D": ["0"], "Z": [z] },
        });
        self.cells.insert(format!("harness_xor_{z}"), cell);
        z
    }

    /// Threads every bit onto one chain that starts at `from`; returns the chain's end.
    fn chain(&mut self, bits: &[PortBit], from: u64) -> u64 {
        let mut at = self.net();
        self.flip_flop(from, at);
        let mut driven = BTreeSet::new();
        for bit in bits.iter().filter(|bit| bit.input) {
            if driven.insert(bit.net) {
                self.flip_flop(at, bit.net);
                at = bit.net;
            }
        }
        for bit in bits.iter().filter(|bit| !bit.input) {
            let caught = self.net();
            self.flip_flop(bit.net, caught);
            let folded = self.xor(caught, at);
            at = self.net();
            self.flip_flop(folded, at);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `q <= a` with a clock, an unused input and a constant output, as Yosys writes it.
    fn small() -> Value {
        json!({ "creator": "test", "modules": {
            "LUT4": { "attributes": { "blackbox": 1 }, "ports": {} },
            "small": {
                "attributes": { "top": "1" },
                "ports": {
                    "clock": { "direction": "input", "bits": [2] },
                    "a": { "direction": "input", "bits": [3] },
                    "unused": { "direction": "input", "bits": [4] },
                    "q": { "direction": "output", "bits": [5, "0"] },
                },
                "cells": { "ff": {
                    "type": "TRELLIS_FF",
                    "connections": { "CLK": [2], "DI": [3], "Q": [5], "LSR": ["0"] },
                } },
                "netnames": { "a": { "bits": [3] } },
            },
        } })
    }

    #[test]
    fn counts_the_top_module() {
        assert_eq!(
            count(&small()).unwrap(),
            Counts {
                lut4: 0,
                ff: 1,
                bram: 0
            }
        );
    }

    #[test]
    fn ports_are_named_bit_for_bit() {
        let names: Vec<_> = ports(&small()).unwrap().into_iter().collect();
        assert_eq!(names, ["a", "clock", "q[0]", "q[1]", "unused"]);
    }

    #[test]
    fn block_rams_are_found_by_their_instance() {
        let mut netlist = small();
        let cells = &mut netlist["modules"]["small"]["cells"];
        for name in [
            "card.fdb.way0.mem.0.0",
            "card.fdb.way1.mem.0.0",
            "card.fdb2.mem.0.0",
            "fdb",
        ] {
            cells[name] = json!({ "type": "DP16KD" });
        }
        cells["card.fdb.key"] = json!({ "type": "LUT4" });
        assert_eq!(block_rams(&netlist, "fdb").unwrap(), 3);
    }

    #[test]
    fn an_unmapped_cell_is_an_error() {
        let mut netlist = small();
        netlist["modules"]["small"]["cells"]["ff"]["type"] = "$mul".into();
        assert!(count(&netlist).unwrap_err().to_string().contains("$mul"));
    }

    #[test]
    fn the_harness_keeps_clocks_and_drives_each_input_once() {
        let Harnessed { netlist, clock } = harness(&small()).unwrap();
        assert_eq!(clock, "clock");
        let module = &netlist["modules"]["small"];
        let ports: Vec<_> = module["ports"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(ports, ["clock", "harness_in", "harness_out"]);
        let drivers = |net: u64| {
            let cells = module["cells"].as_object().unwrap().values();
            cells
                .filter(|cell| {
                    ["Q", "Z"]
                        .iter()
                        .any(|pin| cell["connections"][pin][0] == net)
                })
                .count()
        };
        assert_eq!(drivers(3), 1, "input a has one register behind it");
        assert_eq!(drivers(4), 0, "what nothing reads is not driven");
        let end = module["ports"]["harness_out"]["bits"][0].as_u64().unwrap();
        assert_eq!(drivers(end), 1);
    }

    #[test]
    fn a_design_without_clock_is_refused() {
        let mut netlist = small();
        netlist["modules"]["small"]["cells"] = json!({});
        assert!(harness(&netlist).is_err());
    }
}

//! How long the ways between a netlist's registers are, before anything is placed.
//!
//! Each cell counts its delay, each wire a delay that grows with the number of its loads: what nextpnr's placements of this design have on
//! average on an ECP5 of speed grade 8. The figures are no promise (a placement makes a way up to a third shorter, or longer), but their order
//! tells what a bad placement will break, whatever the seed. Seconds instead of the ten minutes of a route.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::netlist::top;

/// Delays, ns.
mod ns {
    pub const CLOCK_TO_Q: f64 = 0.35;
    pub const LUT: f64 = 0.2;
    /// A multiplexer behind the LUTs of its own slice, wires and all.
    pub const SLICE_MUX: f64 = 0.1;
    pub const INTO_CARRY: f64 = 0.4;
    /// From slice to slice of a carry chain.
    pub const CARRY: f64 = 0.06;
    /// Out of a block RAM without an output register, and out of one with it.
    pub const BLOCK_RAM: (f64, f64) = (3.2, 0.6);
    /// Out of a LUT RAM, from its clock.
    pub const LUT_RAM: f64 = 0.8;
    pub const MULTIPLIER: f64 = 4.0;
    /// A wire with one load, and with twice as many.
    pub const WIRE: (f64, f64) = (0.42, 0.17);
}

/// A way from register to register.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// Estimated length, ns.
    pub ns: f64,
    /// The net that leaves the first register.
    pub from: String,
    /// The net that leaves the last one, or the memory's name, with the pin where the way ends.
    pub to: String,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:5.2} ns  {} to {}", self.ns, self.from, self.to)
    }
}

struct Cell<'a> {
    name: &'a str,
    kind: &'a str,
    pins: Vec<(&'a str, Vec<u64>)>,
    registered: bool,
}

struct Netlist<'a> {
    cells: Vec<Cell<'a>>,
    /// Cell that drives a net, and by which pin.
    driver: HashMap<u64, (usize, &'a str)>,
    loads: HashMap<u64, u32>,
    names: HashMap<u64, String>,
    /// Arrival at the driver's pin, and the net that it comes by.
    arrivals: HashMap<u64, (f64, Option<u64>)>,
}

/// The `count` longest ways, one for each pair of a first and a last register (bits of one register count as one), longest first.
pub fn longest(netlist: &Value, count: usize) -> Result<Vec<Way>> {
    let (_, module) = top(netlist)?;
    let mut design = Netlist::read(module)?;
    let mut ends = Vec::new();
    for cell in 0..design.cells.len() {
        for (pin, net) in design.ends(cell) {
            let wire = design.last_wire(cell, pin, net);
            ends.push((design.arrival(net) + wire, cell, pin, net));
        }
    }
    ends.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut seen = BTreeSet::new();
    let mut ways = Vec::new();
    for (ns, cell, pin, net) in ends {
        if ways.len() == count {
            break;
        }
        let (from, to) = (design.begin(net), design.end(cell));
        let word = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        if seen.insert((word(&from), word(&to))) {
            let to = format!("{to}.{pin}");
            ways.push(Way { ns, from, to });
        }
    }
    Ok(ways)
}

impl<'a> Netlist<'a> {
    fn read(module: &'a Map<String, Value>) -> Result<Self> {
        let mut design = Netlist {
            cells: Vec::new(),
            driver: HashMap::new(),
            loads: HashMap::new(),
            names: HashMap::new(),
            arrivals: HashMap::new(),
        };
        let cells = module.get("cells").and_then(Value::as_object);
        for (name, cell) in cells.into_iter().flatten() {
            let kind = cell["type"].as_str().context("a cell's type")?;
            let pins = cell["connections"].as_object().context("a cell's pins")?;
            let pins: Vec<(&str, Vec<u64>)> = pins
                .iter()
                .map(|(pin, bits)| (pin.as_str(), nets(bits)))
                .collect();
            for (pin, bits) in &pins {
                for net in bits {
                    if cell["port_directions"][*pin] == "output" {
                        design.driver.insert(*net, (design.cells.len(), pin));
                    } else {
                        *design.loads.entry(*net).or_insert(0) += 1;
                    }
                }
            }
            let registered = cell["parameters"]["REGMODE_A"] == "OUTREG";
            design.cells.push(Cell {
                name,
                kind,
                pins,
                registered,
            });
        }
        let names = module.get("netnames").and_then(Value::as_object);
        for (name, net) in names.into_iter().flatten() {
            let bits = nets(&net["bits"]);
            for (i, bit) in bits.iter().enumerate() {
                let name = match bits.len() {
                    1 => name.clone(),
                    _ => format!("{name}[{i}]"),
                };
                // Of several names the shortest that a person gave.
                let known = design.names.entry(*bit).or_insert_with(|| name.clone());
                if net["hide_name"] == 0 && name.len() < known.len() {
                    *known = name;
                }
            }
        }
        Ok(design)
    }

    fn wire(&self, net: u64) -> f64 {
        let loads = self.loads.get(&net).copied().unwrap_or(1).max(1);
        ns::WIRE.0 + ns::WIRE.1 * f64::from(loads).log2()
    }

    /// When the net's driver has its value, after the clock.
    fn arrival(&mut self, net: u64) -> f64 {
        if let Some((at, _)) = self.arrivals.get(&net) {
            return *at;
        }
        // A loop ends where it began.
        self.arrivals.insert(net, (0.0, None));
        let Some(&(index, out)) = self.driver.get(&net) else {
            return 0.0;
        };
        let cell = &self.cells[index];
        let start = match cell.kind {
            "TRELLIS_FF" => ns::CLOCK_TO_Q,
            "DP16KD" | "PDPW16KD" if cell.registered => ns::BLOCK_RAM.1,
            "DP16KD" | "PDPW16KD" => ns::BLOCK_RAM.0,
            "TRELLIS_DPR16X4" => ns::LUT_RAM,
            "MULT18X18D" | "ALU54B" => ns::MULTIPLIER,
            _ => 0.0,
        };
        let mut best = (start, None);
        for (from, delay) in self.through(index, out) {
            let at = self.arrival(from) + delay;
            if at > best.0 {
                best = (at, Some(from));
            }
        }
        self.arrivals.insert(net, best);
        best.0
    }

    /// The nets that this output of a cell hangs on, with the delay of the wire and of the cell.
    fn through(&self, index: usize, out: &str) -> Vec<(u64, f64)> {
        let cell = &self.cells[index];
        let mut ways = Vec::new();
        for (pin, bits) in &cell.pins {
            for &net in bits {
                let wire = self.wire(net);
                let delay = match (cell.kind, *pin) {
                    _ if self.driver.get(&net) == Some(&(index, pin)) => continue,
                    ("LUT4", _) => wire + ns::LUT,
                    ("PFUMX", "ALUT" | "BLUT") | ("L6MUX21", "D0" | "D1") => ns::SLICE_MUX,
                    ("PFUMX" | "L6MUX21", _) => wire + ns::LUT,
                    ("CCU2C", "CIN") => ns::CARRY,
                    // The upper half of the slice does not act on the lower half's sum.
                    ("CCU2C", pin) if pin.ends_with('1') && out == "S0" => continue,
                    ("CCU2C", _) => wire + ns::INTO_CARRY,
                    ("TRELLIS_DPR16X4", "RAD") => wire + ns::LUT,
                    _ => continue,
                };
                ways.push((net, delay));
            }
        }
        ways
    }

    /// The pins of a cell where ways end.
    fn ends(&self, index: usize) -> Vec<(&'a str, u64)> {
        let cell = &self.cells[index];
        let ends = |pin: &str| match cell.kind {
            "TRELLIS_FF" => ["DI", "M", "CE", "LSR"].contains(&pin),
            "TRELLIS_DPR16X4" => ["DI", "WAD", "WRE"].contains(&pin),
            "DP16KD" | "PDPW16KD" => !pin.starts_with("CLK") && !pin.starts_with("DO"),
            _ => false,
        };
        let pins = cell.pins.iter().filter(|(pin, _)| ends(pin));
        pins.flat_map(|(pin, nets)| nets.iter().map(|net| (*pin, *net)))
            .collect()
    }

    /// None for a LUT that is in the slice of the register that it alone leads to.
    fn last_wire(&self, index: usize, pin: &str, net: u64) -> f64 {
        let packed = self.cells[index].kind == "TRELLIS_FF"
            && pin == "DI"
            && self.loads.get(&net) == Some(&1)
            && self
                .driver
                .get(&net)
                .is_some_and(|(from, _)| self.cells[*from].kind != "TRELLIS_FF");
        if packed { 0.0 } else { self.wire(net) }
    }

    /// Where the way by this net begins.
    fn begin(&self, mut net: u64) -> String {
        while let Some((_, Some(before))) = self.arrivals.get(&net) {
            net = *before;
        }
        self.names.get(&net).cloned().unwrap_or_default()
    }

    fn end(&self, index: usize) -> String {
        let cell = &self.cells[index];
        let q = cell.pins.iter().find(|(pin, _)| *pin == "Q");
        let q = q.and_then(|(_, nets)| self.names.get(nets.first()?));
        q.cloned().unwrap_or_else(|| cell.name.to_owned())
    }
}

/// The nets among bits; constants are none.
fn nets(bits: &Value) -> Vec<u64> {
    let bits = bits.as_array().into_iter().flatten();
    bits.filter_map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(kind: &str, inputs: &[(&str, u64)], output: (&str, u64)) -> Value {
        let mut pins = Map::new();
        let mut ways = Map::new();
        for (pin, net) in inputs {
            pins.insert((*pin).into(), json!([net]));
            ways.insert((*pin).into(), json!("input"));
        }
        pins.insert(output.0.into(), json!([output.1]));
        ways.insert(output.0.into(), json!("output"));
        json!({ "type": kind, "connections": pins, "port_directions": ways, "parameters": {} })
    }

    fn design(cells: Value, names: Value) -> Value {
        let names: Map<String, Value> = names
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, bits)| (n.clone(), json!({ "hide_name": 0, "bits": bits })))
            .collect();
        json!({ "modules": { "t": { "attributes": { "top": 1 }, "cells": cells, "netnames": names } } })
    }

    #[test]
    fn a_way_is_its_cells_and_its_wires() {
        // a -> LUT -> (packed) b; a also to c's enable.
        let netlist = design(
            json!({
                "ff_a": cell("TRELLIS_FF", &[("DI", 9)], ("Q", 1)),
                "lut": cell("LUT4", &[("A", 1)], ("Z", 2)),
                "ff_b": cell("TRELLIS_FF", &[("DI", 2)], ("Q", 3)),
                "ff_c": cell("TRELLIS_FF", &[("CE", 1)], ("Q", 4)),
            }),
            json!({ "a": [1], "b": [3], "c": [4] }),
        );
        let ways = longest(&netlist, 2).unwrap();
        let wire = ns::WIRE.0 + ns::WIRE.1;
        assert_eq!((ways[0].from.as_str(), ways[0].to.as_str()), ("a", "b.DI"));
        assert!((ways[0].ns - (ns::CLOCK_TO_Q + wire + ns::LUT)).abs() < 1e-9);
        assert_eq!((ways[1].from.as_str(), ways[1].to.as_str()), ("a", "c.CE"));
        assert!((ways[1].ns - (ns::CLOCK_TO_Q + wire)).abs() < 1e-9);
    }

    #[test]
    fn bits_of_a_register_are_one_and_loops_end() {
        let netlist = design(
            json!({
                "a0": cell("TRELLIS_FF", &[("DI", 11)], ("Q", 1)),
                "a1": cell("TRELLIS_FF", &[("DI", 12)], ("Q", 2)),
                "l0": cell("LUT4", &[("A", 1), ("B", 12)], ("Z", 11)),
                "l1": cell("LUT4", &[("A", 2), ("B", 11)], ("Z", 12)),
            }),
            json!({ "a": [1, 2] }),
        );
        let ways = longest(&netlist, 10).unwrap();
        assert_eq!(ways.len(), 1, "{ways:?}");
        assert!(ways[0].from.starts_with('a') && ways[0].to.starts_with('a'));
    }

    #[test]
    fn a_block_rams_output_register_counts() {
        let way = |mode: &str| {
            let mut ram = cell("DP16KD", &[("ADA0", 7)], ("DOA0", 1));
            ram["parameters"] = json!({ "REGMODE_A": mode });
            let ff = cell("TRELLIS_FF", &[("M", 1)], ("Q", 2));
            let netlist = design(json!({ "ram": ram, "q": ff }), json!({ "q": [2] }));
            longest(&netlist, 1).unwrap()[0].ns
        };
        assert!((way("NOREG") - way("OUTREG") - (ns::BLOCK_RAM.0 - ns::BLOCK_RAM.1)).abs() < 1e-9);
    }
}

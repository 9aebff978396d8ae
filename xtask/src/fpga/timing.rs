//! nextpnr's report: the frequency of a clock, and its longest path by the names of the source.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

/// Steps shorter than this are not listed one by one.
const SMALL_NS: f64 = 0.1;

/// The longest path of a clock, or from one clock to another.
#[derive(Debug)]
pub struct Path {
    /// From clock edge to set-up, ns.
    pub ns: f64,
    /// Each step: its delay in ns, whether it is routing, and where it leads.
    steps: Vec<(f64, String, String)>,
}

/// Every clock of the report: its net, the frequency that it reaches, and the one that it was to reach, MHz.
pub fn clocks(report: &Value) -> Result<Vec<(String, f64, f64)>> {
    let clocks = report["fmax"]
        .as_object()
        .context("nextpnr's report has no frequencies")?;
    let number = |entry: &Value, name: &str| {
        entry[name]
            .as_f64()
            .context("nextpnr's report has a frequency that is no number")
    };
    clocks
        .iter()
        .map(|(net, entry)| {
            let (achieved, constraint) = (number(entry, "achieved")?, number(entry, "constraint")?);
            Ok((net.clone(), achieved, constraint))
        })
        .collect()
}

/// The frequency that a clock reaches, MHz.
pub fn fmax(report: &Value, clock: &str) -> Result<f64> {
    let all = clocks(report)?;
    let found = all.iter().find(|(net, _, _)| is_clock(net, clock));
    let (_, achieved, _) = found.with_context(|| {
        let nets: Vec<_> = all.iter().map(|(net, _, _)| net).collect();
        format!("nextpnr's report does not time clock {clock}, only {nets:?}")
    })?;
    Ok(*achieved)
}

/// nextpnr times the buffered net of a port: `$glbnet$clock$TRELLIS_IO_IN`, or nearly so.
pub fn is_clock(net: &str, port: &str) -> bool {
    let net = net.trim_start_matches("$glbnet$");
    net == port
        || net
            .strip_prefix(port)
            .is_some_and(|rest| rest.starts_with('$'))
}

/// The longest path between each two different clocks: net, net, ns.
pub fn crossings(report: &Value) -> Vec<(String, String, f64)> {
    let net = |end: &Value| Some(end.as_str()?.split_once(' ')?.1.to_owned());
    let paths = report["critical_paths"].as_array().into_iter().flatten();
    let all = paths.filter_map(|path| {
        let steps = path["path"].as_array()?;
        let ns = steps.iter().filter_map(|step| step["delay"].as_f64()).sum();
        Some((net(&path["from"])?, net(&path["to"])?, ns))
    });
    all.filter(|(from, to, _)| from != to).collect()
}

/// The longest path from a register of the clock `from` to one of `to`, which may be the same.
pub fn critical_path(report: &Value, from: &str, to: &str) -> Option<Path> {
    let of_clock = |end: &Value, clock: &str| {
        end.as_str()
            .and_then(|text| text.split_once(' '))
            .is_some_and(|(_, net)| is_clock(net, clock))
    };
    let path = report["critical_paths"]
        .as_array()?
        .iter()
        .find(|path| of_clock(&path["from"], from) && of_clock(&path["to"], to))?;
    let steps: Vec<_> = path["path"]
        .as_array()?
        .iter()
        .map(|step| {
            let kind = step["type"].as_str().unwrap_or("?").to_owned();
            let to = &step["to"];
            let name = match step["net"].as_str() {
                Some(net) => net.to_owned(),
                None => format!(
                    "{}.{}",
                    to["cell"].as_str().unwrap_or("?"),
                    to["port"].as_str().unwrap_or("?")
                ),
            };
            let name = readable(&name);
            (step["delay"].as_f64().unwrap_or(0.0), kind, name)
        })
        .collect();
    Some(Path {
        ns: steps.iter().map(|step| step.0).sum(),
        steps,
    })
}

impl Path {
    /// From which signal to which it leads, each with the modules around it: what the first register drives, and the register that comes too late.
    pub fn ends(&self) -> Option<[&str; 2]> {
        let driven = self.steps.iter().find(|(_, kind, _)| kind == "routing");
        let (first, last) = (driven.or(self.steps.first())?, self.steps.last()?);
        Some([&first.2, &last.2])
    }
}

/// Yosys names a cell by the way from the nearest signal of the source: keep the signal, and say with
/// a `~` that there was more.
fn readable(name: &str) -> String {
    let derived = [
        "_TRELLIS_",
        "_LUT4_",
        "_CCU2C_",
        "_PFUMX_",
        "_L6MUX21_",
        "_DP16KD_",
        "$CCU2_",
    ];
    let end = derived
        .iter()
        .filter_map(|mark| name.find(mark))
        .filter(|&at| at > 0)
        .min();
    end.map_or_else(|| name.to_owned(), |end| format!("{}~", &name[..end]))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "longest path, {:.2} ns:", self.ns)?;
        // A carry chain is dozens of steps of next to nothing: they are summed up, not listed.
        let (mut at, mut small, mut skipped) = (0.0, 0.0, 0);
        for (delay, kind, name) in &self.steps {
            at += delay;
            if *delay < SMALL_NS && kind != "setup" {
                small += delay;
                skipped += 1;
                continue;
            }
            if skipped > 0 {
                writeln!(
                    f,
                    "             +{small:.2}  {skipped} steps below {SMALL_NS} ns each"
                )?;
                (small, skipped) = (0.0, 0);
            }
            writeln!(f, "  {at:6.2} ns  +{delay:.2}  {kind:<10} {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({
            "fmax": { "$glbnet$clock$TRELLIS_IO_IN": { "achieved": 131.5, "constraint": 125.0 },
                      "clock2": { "achieved": 300.0, "constraint": 125.0 } },
            "critical_paths": [
                { "from": "posedge clock2", "to": "posedge clock2", "path": [] },
                { "from": "posedge $glbnet$clock$TRELLIS_IO_IN", "to": "posedge $glbnet$clock$TRELLIS_IO_IN",
                  "path": [
                    { "type": "clk-to-q", "delay": 0.5, "to": { "cell": "fdb.key", "port": "Q0" } },
                    { "type": "routing", "delay": 1.5, "net": "fdb.key", "to": { "cell": "lut", "port": "A" } },
                    { "type": "setup", "delay": 0.25, "to": { "cell": "lag.hash_TRELLIS_FF_Q_3", "port": "M" } },
                ] },
            ],
        })
    }

    #[test]
    fn a_clock_is_found_by_its_port() {
        assert_eq!(fmax(&report(), "clock").unwrap(), 131.5);
        assert_eq!(fmax(&report(), "clock2").unwrap(), 300.0);
        assert!(fmax(&report(), "rx").is_err());
    }

    #[test]
    fn a_derived_name_is_cut_at_its_signal() {
        assert_eq!(readable("fdb.key_LUT4_A_Z_PFUMX_Z.F"), "fdb.key~");
        assert_eq!(readable("fdb.key[3]"), "fdb.key[3]");
    }

    #[test]
    fn the_longest_path_names_its_steps() {
        let path = critical_path(&report(), "clock", "clock").unwrap();
        assert_eq!(path.ns, 2.25);
        assert!(path.to_string().contains("fdb.key"));
        assert_eq!(path.ends(), Some(["fdb.key", "lag.hash~"]));
        assert!(critical_path(&report(), "clock", "clock2").is_none());
        let empty = critical_path(&report(), "clock2", "clock2").unwrap();
        assert_eq!(empty.ends(), None);
    }
}

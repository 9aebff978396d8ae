//! What came out: area, every clock against its constraint, every crossing against a period.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::fpga::netlist::Counts;
use crate::fpga::timing;

/// A clock as place and route left it.
#[derive(Debug, PartialEq)]
pub struct Clock {
    /// Its name on the board.
    pub name: String,
    /// What it reaches, MHz.
    pub achieved: f64,
    /// What it has to reach, MHz.
    pub constraint: f64,
}

impl Clock {
    fn met(&self) -> bool {
        self.achieved >= self.constraint
    }
}

/// The clocks of nextpnr's report, each under its name on the board. `expected` holds every clock with its frequency: one that is not
/// there, or whose constraint did not reach nextpnr, is an error. (A clock without a flip-flop behind it is not in the report.)
pub fn clocks(report: &Value, expected: &Value) -> Result<Vec<Clock>> {
    let expected = expected.as_object().context("the board's clocks")?;
    timing::clocks(report)?
        .into_iter()
        .map(|(net, achieved, constraint)| {
            let found = expected.iter().find(|(name, _)| timing::is_clock(&net, name));
            let Some((name, mhz)) = found else {
                bail!("clock {net} is in no constraint; the board knows {:?}", expected.keys());
            };
            let mhz = mhz.as_f64().context("a frequency")?;
            if constraint + 0.01 < mhz {
                bail!("clock {name}: nextpnr was given {constraint} MHz, but the board runs at {mhz} MHz");
            }
            Ok(Clock {
                name: name.clone(),
                achieved,
                constraint,
            })
        })
        .collect()
}

/// The longest way from one clock's registers to another's.
#[derive(Debug, PartialEq)]
pub struct Crossing {
    /// From which clock, to which.
    pub clocks: [String; 2],
    /// The longest path, ns.
    pub ns: f64,
    /// What it may take, ns: the bits of a pointer that changes by one at a time must not be a period of their clock apart, or the other side sees two changes at once.
    pub limit: f64,
}

/// Every crossing of nextpnr's report between these clocks.
pub fn crossings(report: &Value, clocks: &[Clock]) -> Vec<Crossing> {
    let paths = timing::crossings(report);
    let named = |net: &str| {
        clocks
            .iter()
            .find(|clock| timing::is_clock(net, &clock.name))
    };
    let known = paths.into_iter().filter_map(|(from, to, ns)| {
        let (from, to) = (named(&from)?, named(&to)?);
        Some(Crossing {
            clocks: [from.name.clone(), to.name.clone()],
            ns,
            limit: 1000.0 / from.constraint.max(to.constraint),
        })
    });
    known.collect()
}

/// For people.
pub fn summary(info: &Value, counts: &Counts, clocks: &[Clock], crossings: &[Crossing]) -> String {
    let text = |name: &str| info[name].as_str().unwrap_or("?").to_owned();
    let mut out = format!(
        "{} ({}), {} ports\n",
        text("title"),
        text("part"),
        info["parameters"]["ports"]
    );
    let _ = writeln!(
        out,
        "  LUT4 {:>6}   FF {:>6}   block RAM {:>3}",
        counts.lut4, counts.ff, counts.bram
    );
    for clock in clocks {
        let _ = writeln!(
            out,
            "  {:<14} {:>6.1} MHz of {:>5.1}  slack {:>+6.2} ns  {}",
            clock.name,
            clock.achieved,
            clock.constraint,
            1000.0 / clock.constraint - 1000.0 / clock.achieved,
            if clock.met() { "met" } else { "NOT MET" }
        );
    }
    for crossing in crossings {
        let [from, to] = &crossing.clocks;
        let _ = writeln!(
            out,
            "  {:<27} {:>5.2} ns of {:>5.2}  slack {:>+6.2} ns  crossing",
            format!("{from} to {to}"),
            crossing.ns,
            crossing.limit,
            crossing.limit - crossing.ns
        );
    }
    out.pop();
    out
}

/// The longest path between two clocks, or of one: step by step to be read, and its ends for the message.
fn worst(report: &Value, from: &str, to: &str) -> String {
    let Some(path) = timing::critical_path(report, from, to) else {
        return String::new();
    };
    eprintln!("{path}");
    path.ends()
        .map_or_else(String::new, |[from, to]| format!(", from {from} to {to}"))
}

/// Fails if a clock does not reach its frequency, or if a crossing is too long, with the longest path by its signals.
pub fn met(report: &Value, clocks: &[Clock], crossings: &[Crossing]) -> Result<()> {
    if let Some(long) = crossings
        .iter()
        .find(|crossing| crossing.ns > crossing.limit)
    {
        let [from, to] = &long.clocks;
        bail!(
            "timing is not met: the crossing from {from} to {to} takes {:.2} ns of {:.2}{}",
            long.ns,
            long.limit,
            worst(report, from, to)
        );
    }
    let slack = |clock: &&Clock| clock.achieved / clock.constraint;
    let slowest = clocks
        .iter()
        .filter(|clock| !clock.met())
        .min_by(|a, b| slack(a).total_cmp(&slack(b)));
    let Some(clock) = slowest else {
        return Ok(());
    };
    bail!(
        "timing is not met: clock {} reaches {:.1} MHz of {:.1}{}; try another --seed, or shorten that path",
        clock.name,
        clock.achieved,
        clock.constraint,
        worst(report, &clock.name, &clock.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(achieved: f64, constraint: f64) -> Value {
        json!({ "fmax": { "$glbnet$clock": { "achieved": achieved, "constraint": constraint } }, "critical_paths": [] })
    }

    #[test]
    fn every_clock_must_be_known_and_constrained() {
        let expected = json!({ "clock": 125, "clk_in": 100 });
        let found = clocks(&report(130.0, 125.0), &expected).unwrap();
        assert_eq!((found.len(), found[0].name.as_str()), (1, "clock"));
        assert!(clocks(&report(130.0, 12.0), &expected).is_err());
        assert!(clocks(&report(130.0, 125.0), &json!({ "other": 125 })).is_err());
    }

    #[test]
    fn a_clock_that_is_too_slow_fails_by_name() {
        let expected = json!({ "clock": 125 });
        let slow = report(124.9, 125.0);
        let found = clocks(&slow, &expected).unwrap();
        let error = met(&slow, &found, &[]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("clock reaches 124.9 MHz of 125.0"),
            "{error}"
        );
        let info = json!({ "title": "T", "part": "P", "parameters": { "ports": 2 } });
        assert!(summary(&info, &Counts::default(), &found, &[]).contains("NOT MET"));
        let fast = report(125.0, 125.0);
        met(&fast, &clocks(&fast, &expected).unwrap(), &[]).unwrap();
    }

    #[test]
    fn a_crossing_has_one_period_of_the_faster_clock() {
        let clock = |name: &str, constraint| Clock {
            name: name.into(),
            achieved: 200.0,
            constraint,
        };
        let both = [clock("clock", 125.0), clock("rgmii0_rxc", 25.0)];
        let path = |to: &str, ns: f64| {
            let step = json!({ "type": "setup", "delay": ns, "to": { "cell": "fifo.pointer_TRELLIS_FF_Q", "port": "M" } });
            json!({ "from": "posedge $glbnet$clock", "to": to, "path": [step] })
        };
        let report = json!({ "critical_paths": [
            path("posedge $glbnet$clock", 7.0), path("posedge rgmii0_rxc$TRELLIS_IO_IN", 8.5), path("<async>", 20.0),
        ] });
        let found = crossings(&report, &both);
        let names = ["clock", "rgmii0_rxc"].map(str::to_owned);
        assert_eq!(
            found,
            [Crossing {
                clocks: names,
                ns: 8.5,
                limit: 8.0
            }]
        );
        let error = met(&report, &both, &found).unwrap_err().to_string();
        assert_eq!(
            error,
            "timing is not met: the crossing from clock to rgmii0_rxc takes 8.50 ns of 8.00, from fifo.pointer~ to fifo.pointer~"
        );
    }
}

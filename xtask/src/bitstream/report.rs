//! What came out: area, and every clock against its constraint.

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

/// For people.
pub fn summary(info: &Value, counts: &Counts, clocks: &[Clock]) -> String {
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
    out.pop();
    out
}

/// Fails, with the longest path, if a clock does not reach its frequency.
pub fn met(report: &Value, clocks: &[Clock]) -> Result<()> {
    let slack = |clock: &&Clock| clock.achieved / clock.constraint;
    let worst = clocks
        .iter()
        .filter(|clock| !clock.met())
        .min_by(|a, b| slack(a).total_cmp(&slack(b)));
    let Some(clock) = worst else {
        return Ok(());
    };
    if let Some(path) = timing::critical_path(report, &clock.name) {
        eprintln!("{path}");
    }
    bail!(
        "timing is not met: clock {} reaches {:.1} MHz of {:.1}; try another --seed, or shorten the path above",
        clock.name,
        clock.achieved,
        clock.constraint
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
        let error = met(&slow, &found).unwrap_err().to_string();
        assert!(
            error.contains("clock reaches 124.9 MHz of 125.0"),
            "{error}"
        );
        let info = json!({ "title": "T", "part": "P", "parameters": { "ports": 2 } });
        assert!(summary(&info, &Counts::default(), &found).contains("NOT MET"));
        let fast = report(125.0, 125.0);
        met(&fast, &clocks(&fast, &expected).unwrap()).unwrap();
    }
}

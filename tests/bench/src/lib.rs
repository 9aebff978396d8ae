//! Rows of figures: what every bench yields, and how it is printed.
//!
//! A bench reports through a [`Report`]; the same case and metric may be reported once a run, and
//! the printed row is then the median over the runs, with the smallest and the largest beside it.
//! Metric names are a contract with those who collect figures: change one and history breaks.

mod cli;
pub mod cpu;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde_json::Value;

pub use cli::{Args, Bench, Error, main};

/// The parameters that a figure was taken with, by name.
pub type Params = BTreeMap<String, Value>;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which bench: `wire`, `latency`, `fdb`, `sim`, `driver`, `slowpath`, `resources`.
    pub bench: String,
    /// Which case of it, for example a frame size or a traffic pattern.
    pub case: String,
    /// What was measured, with its unit in the name where the issue gives it so.
    pub metric: String,
    /// The median over the runs.
    pub value: f64,
    /// The unit: `frames`, `frames/s`, `ns`, `%`, `MHz`, `1`, ...
    pub unit: String,
    /// The commit that was measured, with `-dirty` when the tree had changes.
    pub commit: String,
    /// The parameters of the hardware and of the bench, among them `seed`.
    pub params: Params,
    /// How many runs the median is over.
    pub runs: usize,
    /// The smallest value of those runs.
    pub min: f64,
    /// The largest value of those runs.
    pub max: f64,
}

/// Collects what a bench measures.
#[derive(Debug)]
pub struct Report {
    bench: String,
    commit: String,
    params: Params,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    case: String,
    metric: String,
    unit: String,
    params: Params,
    values: Vec<f64>,
}

impl Report {
    /// A report of the bench of this name, at the commit of the working directory.
    #[must_use]
    pub fn new(bench: &str) -> Self {
        Self {
            bench: bench.to_owned(),
            commit: commit(),
            params: Params::new(),
            entries: Vec::new(),
        }
    }

    /// Sets a parameter that holds for every figure reported from here on.
    pub fn param(&mut self, name: &str, value: impl Into<Value>) {
        self.params.insert(name.to_owned(), value.into());
    }

    /// Sets every field of a structure as a parameter: those of the hardware.
    ///
    /// # Panics
    ///
    /// If it is not a structure that JSON can hold.
    pub fn hardware(&mut self, params: &impl Serialize) {
        match serde_json::to_value(params) {
            Ok(Value::Object(fields)) => self.params.extend(fields),
            other => panic!("parameters must be a structure with names: {other:?}"),
        }
    }

    /// Reports one value of one run.
    pub fn add(&mut self, case: &str, metric: &str, value: f64, unit: &str) {
        let params = self.params.clone();
        let same = |entry: &&mut Entry| {
            entry.case == case && entry.metric == metric && entry.params == params
        };
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.values.push(value);
            return;
        }
        self.entries.push(Entry {
            case: case.to_owned(),
            metric: metric.to_owned(),
            unit: unit.to_owned(),
            params,
            values: vec![value],
        });
    }

    /// The figures, in the order in which they were first reported.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.entries.iter().map(|entry| self.row(entry)).collect()
    }

    fn row(&self, entry: &Entry) -> Row {
        let mut sorted = entry.values.clone();
        sorted.sort_by(f64::total_cmp);
        Row {
            bench: self.bench.clone(),
            case: entry.case.clone(),
            metric: entry.metric.clone(),
            value: median(&sorted),
            unit: entry.unit.clone(),
            commit: self.commit.clone(),
            params: entry.params.clone(),
            runs: sorted.len(),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }

    /// One JSON object a line.
    #[must_use]
    pub fn json(&self) -> String {
        let line = |row: &Row| serde_json::to_string(row).unwrap_or_default() + "\n";
        self.rows().iter().map(line).collect()
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self.rows();
        let mut cells = vec![["case", "metric", "value", "unit", "runs"].map(str::to_owned)];
        for row in &rows {
            let mut value = number(row.value);
            if row.runs > 1 && row.min < row.max {
                let _ = write!(value, " ({} .. {})", number(row.min), number(row.max));
            }
            cells.push([
                row.case.clone(),
                row.metric.clone(),
                value,
                row.unit.clone(),
                row.runs.to_string(),
            ]);
        }
        let width = |column: usize| {
            cells
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        let mut text = format!("bench {} at {}\n", self.bench, self.commit);
        for (name, value) in &self.params {
            // What differs from row to row is in JSON only.
            if rows.iter().all(|row| row.params.get(name) == Some(value)) {
                let _ = writeln!(text, "  {name} = {value}");
            }
        }
        for row in &cells {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(line, "{cell:<width$}  ");
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// The median of a sorted list that is not empty: the mean of the middle two when the count is even.
///
/// # Panics
///
/// If it is empty.
#[must_use]
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// A number as people read it: whole when it is whole, else with three digits after the point.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// The commit checked out here, short, with `-dirty` when the tree has changes; `unknown` outside git.
#[must_use]
pub fn commit() -> String {
    let output = Command::new("git")
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
            "--exclude=*",
        ])
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_figure_become_a_median() {
        let mut report = Report::new("wire");
        report.param("seed", 7);
        for value in [3.0, 1.0, 2.0] {
            report.add("64", "loss_frames", value, "frames");
        }
        let rows = report.rows();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].value, rows[0].min, rows[0].max, rows[0].runs),
            (2.0, 1.0, 3.0, 3)
        );
    }

    #[test]
    fn an_even_count_takes_the_mean_of_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }

    #[test]
    fn other_parameters_are_another_figure() {
        let mut report = Report::new("wire");
        report.param("ports", 2);
        report.add("64", "loss_frames", 0.0, "frames");
        report.param("ports", 4);
        report.add("64", "loss_frames", 1.0, "frames");
        assert_eq!(report.rows().len(), 2);
    }

    #[test]
    fn parameters_of_the_hardware_are_in_every_row() {
        #[derive(Serialize)]
        struct Hardware {
            ports: u32,
            width: u32,
        }
        let mut report = Report::new("wire");
        report.hardware(&Hardware {
            ports: 4,
            width: 64,
        });
        report.add("64", "loss_frames", 0.0, "frames");
        let row: Value = serde_json::from_str(report.json().trim()).unwrap();
        assert_eq!(
            row["params"],
            serde_json::json!({ "ports": 4, "width": 64 })
        );
    }

    #[test]
    fn json_has_the_agreed_keys() {
        let mut report = Report::new("latency");
        report.add("64", "last_in_first_out_ns_min", 248.0, "ns");
        let line: Value = serde_json::from_str(report.json().trim()).unwrap();
        for key in [
            "bench", "case", "metric", "value", "unit", "commit", "params",
        ] {
            assert!(line.get(key).is_some(), "{key} is missing in {line}");
        }
        assert_eq!(report.json().lines().count(), 1);
    }

    #[test]
    fn the_table_names_every_figure() {
        let mut report = Report::new("fdb");
        report.param("seed", 7);
        report.param("frames", 10);
        report.add("8192", "fill_percent", 95.25, "%");
        assert!(report.table().contains("frames = 10"));
        report.param("frames", 20);
        report.add("4096", "fill_percent", 96.0, "%");
        let table = report.table();
        assert!(
            table.contains("seed = 7") && !table.contains("frames"),
            "{table}"
        );
        assert!(
            table.contains("fill_percent") && table.contains("95.250"),
            "{table}"
        );
    }
}

//! `cargo xtask bench resources`: area and clock frequency of boards and of their blocks.
//!
//! It begins with the core alone: the card with two ports and no board. A board is what `cargo xtask bitstream` makes of it, from the same folders: its netlist counted, its core clock as place and route leave it. A block alone goes
//! through the same synthesis, and then gets a [`netlist::harness`] instead of pins, so that hundreds of ports fit the package and every path from and to a port is
//! timed. So does the card without a board, with any number of ports. nextpnr runs once a seed: five for the first board and its blocks, three for
//! the card without a board, one for the others. Xilinx boards have areas only. What is longest before
//! placement (`unplaced_ns`, [`depth`]) is shown for all of them; `--runs 0` gives that and the areas in a minute or two. Everything is kept under `target/` by its content: what was interrupted goes on where it stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use smartnic_bench::Report;

use super::Args;
use crate::bitstream::Design;
use crate::fpga::place::{Device, Job};
use crate::fpga::synth::{Synthesis, source_digest};
use crate::fpga::{area, depth, described, netlist, timing, tools};
use crate::lint::{emit, verilog_files};
use crate::{boards, paths};

/// The board whose FPGA the card without a board is measured on.
const FIRST: &str = "versa-ecp5-5g";

/// The board whose FPGA the card is measured on if it has more ports than the first board.
const LARGEST: &str = "ecp5-85f";

/// Seeds of place and route for the first board, and for the others.
const SEEDS: (u32, u32) = (5, 1);

/// Seeds for the card without a board.
const CARD_SEEDS: u32 = 3;

/// The frequency that place and route of a block works for, MHz: the core's clock.
const TARGET_MHZ: u32 = 125;

/// How many of a netlist's longest ways are shown.
const WAYS: usize = 8;

/// The netlist that is placed and routed.
const HARNESS: &str = "harness.json";

/// The core's clock, in a board's top.
const CORE_CLOCK: &str = "clock";

/// Something to measure that needs a harness.
struct Part {
    case: String,
    /// What `smartnic-hdl emit` is asked for; nothing for Verilog that is there already.
    select: Vec<String>,
    verilog: PathBuf,
}

/// Measures what is asked for, and prints.
pub fn run(args: &Args) -> Result<()> {
    tools::prepare();
    let mut failed = Vec::new();
    if args.board.is_none() {
        let all = boards::all()?;
        let mut board = boards::pick(&all, FIRST)?;
        if u64::from(args.ports.unwrap_or(2)) > board["ports"].as_u64().unwrap_or(0) {
            board = boards::pick(&all, LARGEST)?;
        }
        let mut bench = Bench::new(args, &board, CARD_SEEDS);
        bench.note(args, |bench| bench.part(&card(args)), &mut failed);
        if args.ports.is_some() || args.verilog.is_some() || args.block.is_some() {
            return finish(&failed);
        }
    }
    let all = boards::all()?;
    let chosen = match &args.board {
        Some(name) => vec![boards::pick(&all, name)?],
        None => all.as_array().context("a list of boards")?.clone(),
    };
    for board in &chosen {
        let seeds = if board["board"] == FIRST {
            SEEDS.0
        } else {
            SEEDS.1
        };
        let mut bench = Bench::new(args, board, seeds);
        bench.note(
            args,
            |bench| bench.board(args.block.as_deref()),
            &mut failed,
        );
    }
    finish(&failed)
}

fn finish(failed: &[String]) -> Result<()> {
    match failed {
        [] => Ok(()),
        some => bail!("{}", some.join("; ")),
    }
}

/// The card without a board, or one of its blocks, or Verilog that was emitted before.
fn card(args: &Args) -> Part {
    let base = paths::target().join("bench/resources/verilog");
    if let Some(dir) = &args.verilog {
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        return Part {
            case: name.to_string_lossy().into_owned(),
            select: Vec::new(),
            verilog: dir.clone(),
        };
    }
    let ports = args.ports.unwrap_or(2).to_string();
    let mut select = vec!["--ports".to_owned(), ports.clone()];
    let mut case = format!("core-{ports}-ports");
    if let Some(block) = &args.block {
        select.extend(["--block".to_owned(), block.clone()]);
        case.clone_from(block);
    }
    Part {
        verilog: base.join(&case),
        case,
        select,
    }
}

/// One board's figures on their way.
struct Bench<'a> {
    board: &'a Value,
    seeds: Vec<u64>,
    report: Report,
    /// The longest path of the last case.
    worst: Option<timing::Path>,
    failed: Vec<String>,
}

impl<'a> Bench<'a> {
    /// `seeds` runs of place and route, unless others are asked for.
    fn new(args: &Args, board: &'a Value, seeds: u32) -> Self {
        let count = args.runs.unwrap_or(seeds) as usize;
        let seeds: Vec<u64> = (args.seed..).take(count).collect();
        let mut report = Report::new("resources");
        report.param("device", board["part"].clone());
        report.param("seeds", seeds.clone());
        Self {
            board,
            seeds,
            report,
            worst: None,
            failed: Vec::new(),
        }
    }

    /// Does it and prints what came out, whether or not it came to its end; what failed goes into the list.
    fn note(
        &mut self,
        args: &Args,
        work: impl FnOnce(&mut Self) -> Result<()>,
        failed: &mut Vec<String>,
    ) {
        if let Err(error) = work(self) {
            self.failed.push(format!("{error:#}"));
        }
        let shown = if args.json {
            self.report.json()
        } else {
            self.report.table()
        };
        print!("{shown}");
        if let Some(path) = &self.worst {
            eprintln!("{path}");
        }
        failed.append(&mut self.failed);
    }

    /// The board as a whole and its blocks, or one block. What fails does not hide what comes after it.
    fn board(&mut self, block: Option<&str>) -> Result<()> {
        let name = self.board["board"]
            .as_str()
            .context("a board's name")?
            .to_owned();
        let listed = self.board["blocks"]
            .as_array()
            .context("a board's blocks")?;
        let all: Vec<String> = listed
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let blocks = match block {
            Some(block) => vec![block.to_owned()],
            None => {
                if let Err(error) = self.whole(&name) {
                    self.failed.push(format!("{name}: {error:#}"));
                }
                all
            }
        };
        for block in blocks {
            let case = format!("{name}/{block}");
            let part = Part {
                select: ["--board", &name, "--block", &block]
                    .map(str::to_owned)
                    .into(),
                verilog: paths::target().join("bench/resources/verilog").join(&case),
                case,
            };
            if let Err(error) = self.part(&part) {
                self.failed.push(format!("{}: {error:#}", part.case));
            }
        }
        Ok(())
    }

    /// A board's bitstream.
    fn whole(&mut self, name: &str) -> Result<()> {
        let design = Design::emit(name, None)?;
        self.report.hardware(&design.info()["parameters"]);
        self.report.param("yosys", tools::YOSYS.find()?.version);
        if self.is_xilinx() {
            self.area(name, &area::xc7(&design.xilinx_cells()?));
            return Ok(());
        }
        let made = design.synthesised()?;
        self.report.param("verilog", made.source_digest()?);
        self.report
            .param("nextpnr", tools::NEXTPNR_ECP5.find()?.version);
        self.area(name, &area::ecp5(&made.counts()?));
        self.depth(name, &made.longest(WAYS)?);
        self.clocks(name, CORE_CLOCK, |seed| made.route(seed))
    }

    fn is_xilinx(&self) -> bool {
        self.board["fpga"]["family"] == "xc7"
    }

    /// Something with a harness.
    fn part(&mut self, part: &Part) -> Result<()> {
        if !part.select.is_empty() {
            let select: Vec<&str> = part.select.iter().map(String::as_str).collect();
            emit(&select, &part.verilog)?;
        }
        let files = verilog_files(&part.verilog)?;
        let info = described(&part.verilog)?;
        let top = info.as_ref().and_then(|info| info["top"].as_str());
        if let Some(info) = &info {
            self.report.hardware(&info["parameters"]);
        }
        self.report.param("verilog", source_digest(&files)?);
        let base = paths::target().join("bench/resources");
        let yosys = tools::YOSYS.find()?;
        self.report.param("yosys", yosys.version.clone());
        let name = format!("{}: {}", part.case, yosys.version);
        if self.is_xilinx() {
            let synthesis = Synthesis::xc7(&yosys, &files, top.context("no top")?);
            let dir = base.join(synthesis.digest(&[])?);
            fs::create_dir_all(&dir)?;
            let made = timed(&name, || synthesis.run(&dir))?;
            self.area(&part.case, &area::xc7(&netlist::kinds(&made)?));
            return Ok(());
        }
        let nextpnr = tools::NEXTPNR_ECP5.find()?;
        self.report.param("nextpnr", nextpnr.version.clone());
        let device = Device::of(&self.board["fpga"])?;
        let synthesis = Synthesis::ecp5(&yosys, &files, top);
        let dir = base.join(synthesis.digest(&[&nextpnr.version, &device.options().join(" ")])?);
        fs::create_dir_all(&dir)?;
        let made = timed(&name, || synthesis.run(&dir))?;
        self.area(&part.case, &area::ecp5(&netlist::count(&made)?));
        self.depth(&part.case, &depth::longest(&made, WAYS)?);
        let harnessed = netlist::harness(&made)?;
        write_json(&dir.join(HARNESS), &harnessed.netlist)?;
        let job = Job {
            device: &device,
            netlist: HARNESS,
            constraints: None,
            mhz: TARGET_MHZ,
            config: None,
        };
        self.clocks(&part.case, &harnessed.clock, |seed| {
            job.route(&nextpnr, &dir, seed)
        })
    }

    fn area(&mut self, case: &str, counts: &[(&str, f64)]) {
        for (metric, value) in counts {
            self.report.add(case, metric, *value, "1");
        }
    }

    /// The longest way before anything is placed, and those behind it.
    fn depth(&mut self, case: &str, ways: &[depth::Way]) {
        for way in ways {
            eprintln!("resources: {case}: unplaced {way}");
        }
        if let Some(longest) = ways.first() {
            self.report.add(case, "unplaced_ns", longest.ns, "ns");
        }
    }

    /// The core clock over the seeds.
    fn clocks(
        &mut self,
        case: &str,
        clock: &str,
        route: impl Fn(u64) -> Result<Value>,
    ) -> Result<()> {
        let mut reached = Vec::new();
        self.worst = None;
        for &seed in &self.seeds {
            let routed = timed(&format!("{case}: place and route, seed {seed}"), || {
                route(seed)
            })?;
            let fmax = timing::fmax(&routed, clock)?;
            eprintln!("resources: {case}: seed {seed}: {fmax:.1} MHz");
            reached.push(fmax);
            let path = timing::critical_path(&routed, clock, clock);
            self.worst = match (self.worst.take(), path) {
                (Some(a), Some(b)) if a.ns >= b.ns => Some(a),
                (a, b) => b.or(a),
            };
        }
        figures(&mut self.report, case, &reached);
        Ok(())
    }
}

/// The frequencies of all seeds: `core_fmax_mhz` is their median, with the smallest and the largest beside it, and these have rows of their own.
fn figures(report: &mut Report, case: &str, reached: &[f64]) {
    for fmax in reached {
        report.add(case, "core_fmax_mhz", *fmax, "MHz");
    }
    let mut sorted = reached.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return;
    };
    for (what, value) in [
        ("min", min),
        ("median", smartnic_bench::median(&sorted)),
        ("max", max),
    ] {
        report.add(case, &format!("core_fmax_mhz_{what}"), value, "MHz");
    }
}

fn write_json(file: &Path, value: &Value) -> Result<()> {
    Ok(fs::write(file, serde_json::to_vec(value)?)?)
}

/// Says what begins, and how long it took.
fn timed<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("resources: {name}");
    let start = Instant::now();
    let result = work()?;
    eprintln!("resources: {:.0} s", start.elapsed().as_secs_f64());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_become_a_median_and_its_range() {
        let mut report = Report::new("resources");
        figures(&mut report, "core", &[130.0, 120.0, 126.0]);
        let rows = report.rows();
        let told: Vec<_> = rows.iter().map(|r| (r.metric.as_str(), r.value)).collect();
        assert_eq!(
            told,
            [
                ("core_fmax_mhz", 126.0),
                ("core_fmax_mhz_min", 120.0),
                ("core_fmax_mhz_median", 126.0),
                ("core_fmax_mhz_max", 130.0)
            ]
        );
        assert_eq!((rows[0].min, rows[0].max, rows[0].runs), (120.0, 130.0, 3));
        let mut nothing = Report::new("resources");
        figures(&mut nothing, "core", &[]);
        assert!(nothing.rows().is_empty());
    }
}

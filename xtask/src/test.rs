//! `cargo xtask test`: sets up, then runs every test. What fails does not hide what comes after it;
//! the summary at the end names it, and the exit code tells. Tests that could not run (no root, no tool, a kernel without a feature) are
//! listed; as root only the kernel may lack something, all else is a failure.
//!
//! The first board's bitstream is made beside the tests, its netlist checked and simulated; timing that is not met fails. What has not changed is taken from
//! `target/bitstream`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use smartnic_lab::is_root;
use smartnic_lab::skip::{self, Lack, Skipped};

use crate::bitstream::{Design, Ecp5};
use crate::proc::{cargo, interrupted, minutes, run as run_command};
use crate::setup;
use crate::{demo, docs, fpga, soak};

/// The board whose bitstream is made.
const BOARD: &str = "versa-ecp5-5g";

/// Seeds of its place and route, of which one must do: the first is that of `cargo xtask bitstream` without `--seed`, and other versions of the tools have other luck.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

/// How long each fuzz target gets beside its corpus; those of a test program run at the same time.
const FUZZ_MILLIS: &str = "5000";

/// One step of the run, as the summary shows it.
struct Step {
    name: &'static str,
    time: Duration,
    error: Option<anyhow::Error>,
}

impl Step {
    fn run<T>(name: &'static str, work: impl FnOnce() -> Result<T>) -> (Self, Option<T>) {
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let (made, error) = match work() {
            Ok(made) => (Some(made), None),
            Err(error) => {
                eprintln!("=== {name} FAILED: {error:#}");
                (None, Some(error))
            }
        };
        let time = start.elapsed();
        (Self { name, time, error }, made)
    }
}

/// Collects the steps; a step that fails is reported at once and again in the summary.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    /// Runs a step and says whether it passed.
    fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        self.give(name, work).is_some()
    }

    /// Runs a step and returns what it makes, if it passed.
    fn give<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        if interrupted() {
            return None;
        }
        let (step, made) = Step::run(name, work);
        self.0.push(step);
        made
    }

    fn summary(self) -> Result<()> {
        eprintln!("\n=== summary");
        for step in &self.0 {
            let verdict = if step.error.is_none() {
                "ok    "
            } else {
                "FAILED"
            };
            eprintln!(
                "{verdict} {:>7.1} s  {}",
                step.time.as_secs_f64(),
                step.name
            );
        }
        let failed: Vec<_> = self
            .0
            .iter()
            .filter(|step| step.error.is_some())
            .map(|step| step.name)
            .collect();
        if interrupted() {
            bail!("interrupted");
        }
        if !failed.is_empty() {
            bail!(
                "{} of {} steps failed: {}",
                failed.len(),
                self.0.len(),
                failed.join(", ")
            );
        }
        eprintln!("all {} steps passed", self.0.len());
        Ok(())
    }
}

/// Sets up, then runs every test.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    let mut skipped = Vec::new();
    let ready = steps.run("setup", || {
        setup::run()?;
        fpga::tools::prepare();
        Ok(())
    });
    if ready {
        let design = steps.give("design of the board", || Design::emit(BOARD, None));
        thread::scope(|scope| {
            let made = design.map(|design| scope.spawn(move || board(&design)));
            tests(&mut steps, &mut skipped);
            match made.map(thread::ScopedJoinHandle::join) {
                Some(Ok(made)) => steps.0.extend(made),
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => {}
            }
        });
    }
    list(&skipped);
    steps.summary()
}

/// All that needs FPGA tools, one after the other.
fn board(design: &Design) -> Vec<Step> {
    let (step, made) = Step::run("synthesis of the board", || design.synthesised());
    let mut steps = vec![step];
    if let Some(made) = made {
        steps.push(
            Step::run("netlist of the board: digest and block RAMs", || {
                made.check()
            })
            .0,
        );
        steps.push(Step::run("frames through the netlist", || made.simulate()).0);
        steps.push(Step::run("bitstream of the board: timing", || timed(&made)).0);
    }
    steps
}

/// The bitstream, by the first seed that meets the board's timing.
fn timed(made: &Ecp5<'_>) -> Result<()> {
    let mut result = Ok(());
    for seed in SEEDS {
        result = made.finish(seed);
        match &result {
            Ok(()) => break,
            Err(error) => eprintln!("seed {seed}: {error:#}"),
        }
    }
    result
}

/// All that needs no FPGA tools.
fn tests(steps: &mut Steps, skipped: &mut Vec<Skipped>) {
    // When it does not compile, the rest could only repeat the same error.
    let built = steps.run("build", || {
        run_command(
            cargo().args(["test", "--workspace", "--no-run"]),
            minutes(40),
        )
    });
    if !built {
        return;
    }
    steps.run("tests", || {
        let note = tempfile::NamedTempFile::new()?;
        let mut tests = cargo();
        tests.args(["test", "--workspace", "--no-fail-fast"]);
        tests.env(skip::FILE, note.path());
        tests.env(soak::TIME, FUZZ_MILLIS);
        let result = run_command(&mut tests, minutes(40));
        *skipped = Skipped::parse(&fs::read_to_string(note.path())?);
        result.and(complete(skipped, is_root()))
    });
    steps.run("reference page", docs::check);
    steps.run("demo", || demo::run(&demo::Args::default()));
    steps.run("demo with forwarding cut fails", broken_demo);
}

/// Names the tests that did not run, and why.
fn list(skipped: &[Skipped]) {
    if skipped.is_empty() {
        return;
    }
    eprintln!("\n=== skipped: {}", skipped.len());
    for Skipped { test, reason, .. } in skipped {
        eprintln!("skipped  {test}: {reason}");
    }
}

/// Root lacks no rights, and setup has installed the tools: then every test must have run, but for what the kernel lacks.
fn complete(skipped: &[Skipped], root: bool) -> Result<()> {
    let odd = |s: &&Skipped| root && s.lack != Lack::Kernel;
    match skipped.iter().filter(odd).count() {
        0 => Ok(()),
        count => bail!("{count} tests were skipped although root runs them; they are listed below"),
    }
}

/// The demo must notice that nothing is forwarded, and fail by that and nothing else.
fn broken_demo() -> Result<()> {
    let args = demo::Args {
        broken: Some(demo::Break::Forward),
        ..demo::Args::default()
    };
    judge(demo::run(&args))
}

/// A demo with forwarding cut must have lost frames, and the hardware must have counted them as cut.
fn judge(outcome: Result<()>) -> Result<()> {
    let err = match outcome {
        Ok(()) => bail!("the demo passed although the hardware forwarded nothing"),
        Err(err) => err,
    };
    match err.downcast_ref::<demo::Lost>() {
        Some(lost) if lost.cut > 0 => Ok(()),
        Some(_) => Err(err.context(
            "frames were lost, but the hardware's counter drop_cut is 0: something else lost them",
        )),
        None => Err(err.context("the demo failed, but not by frames lost")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_is_named() {
        let mut steps = Steps::default();
        assert!(steps.run("one", || Ok(())));
        assert!(!steps.run("two", || bail!("no")));
        let err = steps.summary().unwrap_err().to_string();
        assert_eq!(err, "1 of 2 steps failed: two");
    }

    #[test]
    fn a_broken_demo_fails_by_the_cut_alone() {
        let lost = |cut| {
            let what = "pings were lost: h1->h2".to_owned();
            Err(demo::Lost { what, cut }.into())
        };
        judge(lost(3)).unwrap();
        for (outcome, why) in [
            (lost(0), "drop_cut is 0"),
            (Err(anyhow::anyhow!("no ip")), "not by frames lost"),
            (Ok(()), "passed"),
        ] {
            let said = format!("{:#}", judge(outcome).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn root_skips_only_what_the_kernel_lacks() {
        let lacking = |lack| Skipped {
            lack,
            test: "a".to_owned(),
            reason: "b".to_owned(),
        };
        let all = [Lack::Root, Lack::Tool, Lack::Kernel].map(lacking);
        complete(&all, false).unwrap();
        complete(&all[2..], true).unwrap();
        complete(&all[1..], true).unwrap_err();
        complete(&all[..1], true).unwrap_err();
    }

    #[test]
    fn a_run_without_failures_passes() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(()));
        steps.summary().unwrap();
    }
}

//! `cargo xtask test`: sets up, then runs every test. What fails does not hide what comes after it;
//! the summary at the end names it, and the exit code tells. Tests that could not run (no root, no tool, a kernel without a feature) are
//! listed; as root only the kernel may lack something, all else is a failure.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use smartnic_lab::is_root;
use smartnic_lab::skip::{self, Lack, Skipped};

use crate::proc::{cargo, interrupted, minutes, run as run_command};
use crate::setup;
use crate::{demo, docs};

/// One step of the run, as the summary shows it.
struct Step {
    name: &'static str,
    time: Duration,
    error: Option<anyhow::Error>,
}

/// Collects the steps; a step that fails is reported at once and again in the summary.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    /// Runs a step and says whether it passed.
    fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        if interrupted() {
            return false;
        }
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let error = work().err();
        let time = start.elapsed();
        if let Some(error) = &error {
            eprintln!("=== {name} FAILED: {error:#}");
        }
        let passed = error.is_none();
        self.0.push(Step { name, time, error });
        passed
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
    // Without tools, or when it does not compile, the rest could only repeat the same error.
    let built = steps.run("setup", setup::run)
        && steps.run("build", || {
            run_command(
                cargo().args(["test", "--workspace", "--no-run"]),
                minutes(25),
            )
        });
    let mut skipped = Vec::new();
    if built {
        steps.run("tests", || {
            let note = tempfile::NamedTempFile::new()?;
            let mut tests = cargo();
            tests.args(["test", "--workspace", "--no-fail-fast"]);
            tests.env(skip::FILE, note.path());
            let result = run_command(&mut tests, minutes(25));
            skipped = Skipped::parse(&fs::read_to_string(note.path())?);
            result.and(complete(&skipped, is_root()))
        });
        steps.run("reference page", docs::check);
        steps.run("demo", || demo::run(&demo::Args::default()));
        steps.run("demo with forwarding cut fails", broken_demo);
    }
    list(&skipped);
    steps.summary()
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

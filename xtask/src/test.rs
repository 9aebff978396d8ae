//! `cargo xtask test`: sets up, then runs every test. What fails does not hide what comes after it;
//! the summary at the end names it, and the exit code tells.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

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
    if built {
        steps.run("tests", || {
            run_command(
                cargo().args(["test", "--workspace", "--no-fail-fast"]),
                minutes(25),
            )
        });
        steps.run("reference page", docs::check);
        steps.run("demo", || demo::run(&demo::Args::default()));
        steps.run("demo with forwarding cut fails", broken_demo);
    }
    steps.summary()
}

/// The demo must notice that nothing is forwarded, and fail by that and nothing else.
fn broken_demo() -> Result<()> {
    let args = demo::Args {
        broken: Some(demo::Break::Forward),
        ..demo::Args::default()
    };
    match demo::run(&args) {
        Err(err) if err.is::<demo::Lost>() => Ok(()),
        Err(err) => Err(err.context("the demo failed, but not by frames lost")),
        Ok(()) => bail!("the demo passed although the hardware forwarded nothing"),
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
    fn a_run_without_failures_passes() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(()));
        steps.summary().unwrap();
    }
}

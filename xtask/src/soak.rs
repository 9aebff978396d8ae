//! `cargo xtask soak`: the fuzz targets for as long as wanted, and a report of what they found; then `cargo xtask lacp-guest`, which takes too long for `cargo xtask test`,
//! or why it was skipped.
//!
//! A target is an ordinary test: `cargo test` runs its corpus (`__fuzz__` beside the test) and a second of random inputs, `cargo xtask test` five seconds. What a
//! run finds becomes a file in that corpus. Overflow checks are on.

use std::fs::{self, File};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::proc::{Guard, cargo, interrupted, minutes, run as run_shown};
use crate::{lacp_guest, paths};

/// How long a target runs, in milliseconds, by bolero's word for it.
pub const TIME: &str = "BOLERO_RANDOM_TEST_TIME_MS";

/// Fuzz.
#[derive(clap::Args)]
pub struct Args {
    /// How long, all targets together.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// Only this target (a name that is none lists them).
    #[arg(long)]
    target: Option<String>,
}

/// A fuzz target: the last word of its test's path is its name.
struct Target {
    package: &'static str,
    binary: &'static str,
    test: &'static str,
}

impl Target {
    fn name(&self) -> &'static str {
        self.test.rsplit("::").next().unwrap_or(self.test)
    }
    fn command(&self) -> String {
        let Target {
            package,
            binary,
            test,
        } = self;
        format!("cargo test -p {package} --test {binary} {test} -- --exact")
    }
}

const fn target(package: &'static str, binary: &'static str, test: &'static str) -> Target {
    Target {
        package,
        binary,
        test,
    }
}

const DRIVER: &str = "smartnic-driver";
const NETDEV: &str = "smartnic-netdev";
const SLOWPATH: &str = "smartnic-slowpath";

/// What is no fuzz target and runs after them.
const GUEST: &str = "lacp-guest";

/// Every target: a wire format, a machine behind one, a device's memory or the control socket.
const TARGETS: &[Target] = &[
    target(SLOWPATH, "fuzz_bpdu", "bpdu"),
    target(SLOWPATH, "fuzz_bpdu", "bpdu_machine"),
    target(SLOWPATH, "lacp_fuzz", "slow_frames"),
    target(SLOWPATH, "lacp_fuzz", "slow_machine"),
    target(SLOWPATH, "lacp_fuzz", "arp_frames"),
    target(SLOWPATH, "lacp_fuzz", "lacp_machine"),
    target(SLOWPATH, "bond_fuzz", "bond_machine"),
    target(SLOWPATH, "fuzz_igmp", "igmp"),
    target(SLOWPATH, "fuzz_mld", "mld"),
    target(SLOWPATH, "fuzz_ndp", "ndp"),
    target(SLOWPATH, "fuzz_mcast", "mcast_machine"),
    target(NETDEV, "netdev", "fuzz::vlan_frames"),
    target(NETDEV, "netdev", "fuzz::netpoll_frames"),
    target(NETDEV, "netdev", "fuzz::sysrq"),
    target(DRIVER, "driver", "fuzz::control::control"),
    target(DRIVER, "driver", "fuzz::rings::ring_completions"),
    target(DRIVER, "driver", "fuzz::rings::ring_transmit_completions"),
    target(DRIVER, "driver", "fuzz::rings::ring_events"),
    target(DRIVER, "driver", "fuzz::serial::serial_answers"),
    target(DRIVER, "driver", "fuzz::serial::serial_requests"),
];

/// Runs the targets, as many at a time as there are processors.
pub fn run(args: &Args) -> Result<()> {
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|t| args.target.as_ref().is_none_or(|name| name == t.name()))
        .collect();
    let wants_guest = args.target.as_deref().is_none_or(|name| name == GUEST);
    if chosen.is_empty() && !wants_guest {
        let names: Vec<_> = TARGETS.iter().map(Target::name).chain([GUEST]).collect();
        bail!("there is no such target; there are: {}", names.join(", "));
    }
    let fuzzed = match chosen.is_empty() {
        true => Ok(()),
        false => fuzz_all(&chosen, args.minutes),
    };
    match wants_guest && !interrupted() {
        true => fuzzed.and(with_guest()),
        false => fuzzed,
    }
}

fn with_guest() -> Result<()> {
    if let Some(why) = lacp_guest::run_if_possible()? {
        eprintln!("skipped {GUEST}: {why}\n1 skipped");
    }
    Ok(())
}

fn fuzz_all(chosen: &[&Target], minutes_in_all: u64) -> Result<()> {
    let mut build = cargo();
    build.args(["test", "--no-run"]);
    for package in [DRIVER, NETDEV, SLOWPATH] {
        if chosen.iter().any(|t| t.package == package) {
            build.args(["-p", package]);
        }
    }
    run_shown(&mut build, minutes(40))?;

    let folder = paths::target().join("soak");
    fs::create_dir_all(&folder)?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let rounds = chosen.len().div_ceil(workers) as u64;
    let time = Duration::from_millis(minutes_in_all * 60_000 / rounds);
    eprintln!(
        "{} targets, {} s each, {workers} at a time",
        chosen.len(),
        time.as_secs()
    );
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..workers.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if interrupted() {
                        return;
                    }
                    let log = folder.join(format!("{}.log", target.name()));
                    let result = File::create(&log)
                        .map_err(Into::into)
                        .and_then(|log| fuzz(target, time, log));
                    match result {
                        Ok(()) => eprintln!("ok      {}", target.name()),
                        Err(err) => {
                            eprintln!("FAILED  {}: {err:#}", target.name());
                            let log = log.display().to_string();
                            found
                                .lock()
                                .unwrap_or_else(|e| e.into_inner())
                                .push((*target, log));
                        }
                    }
                }
            });
        }
    });
    if interrupted() {
        bail!("interrupted");
    }
    report(&found.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn fuzz(target: &Target, time: Duration, log: File) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "-p", target.package, "--test", target.binary]);
    test.args([target.test, "--", "--exact", "--nocapture"]);
    test.env(TIME, time.as_millis().to_string());
    test.stdout(log.try_clone()?).stderr(log);
    match Guard::spawn(&mut test)?.wait(time + minutes(10))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("{status}"),
        None => bail!("an input takes for ever"),
    }
}

/// What was found, and how to see it again.
fn report(found: &[(&Target, String)]) -> Result<()> {
    for (target, log) in found {
        eprintln!(
            "\n{}: the input, what it did and its BOLERO_RANDOM_SEED are in {log}",
            target.name()
        );
        eprintln!(
            "  again: BOLERO_RANDOM_SEED=<the seed there> BOLERO_RANDOM_ITERATIONS=0 {}",
            target.command()
        );
    }
    match found.len() {
        0 => Ok(()),
        count => bail!("{count} targets found something"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fuzz test of the workspace is a target, and every target is there.
    #[test]
    fn the_list_is_complete() {
        let mut there = Vec::new();
        let mut folders = vec![paths::root().join("host-driver")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = fs::read_to_string(path).unwrap();
                    let mut name = "";
                    for line in text.lines() {
                        if let Some(rest) = line.strip_prefix("fn ") {
                            name = rest.split('(').next().unwrap_or_default();
                        }
                        if line.trim_start().starts_with("bolero::check!") {
                            there.push(name.to_owned());
                        }
                    }
                }
            }
        }
        there.sort();
        let mut listed: Vec<_> = TARGETS.iter().map(Target::name).collect();
        listed.sort_unstable();
        assert_eq!(there, listed);
    }
}

//! The card's three programs: the simulator, the daemon and the command line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use smartnic_lab::netns::Namespace;
use tempfile::TempDir;

use super::Break;
use crate::paths;
use crate::proc::{Guard, capture, cargo, command, minutes, run, tail};

/// The bridge, and the daemon's TAP.
pub const BRIDGE: &str = "br0";

/// The group of ports 3 and 4.
pub const LAG: &str = "lag0";

/// Its members.
const LAG_PORTS: [&str; 2] = ["port3", "port4"];

/// How long a program may take until it serves its socket, and until it has ended.
const STARTUP: Duration = Duration::from_secs(60);
const ENDING: Duration = Duration::from_secs(20);

/// Where the programs lie.
pub struct Programs {
    sim: PathBuf,
    daemon: PathBuf,
    ctl: PathBuf,
}

/// Builds the three programs, and the model of the hardware; with `waves` the one that writes waves, too.
pub fn build(waves: bool) -> Result<Programs> {
    let packages = ["-p", "smartnic-sim", "-p", "smartnic-driver"];
    run(
        cargo().args(["build", "--quiet", "--bins"]).args(packages),
        minutes(20),
    )?;
    let bin = |name: &str| paths::target().join("debug").join(name);
    let programs = Programs {
        sim: bin("smartnic-sim"),
        daemon: bin("smartnicd"),
        ctl: bin("smartnic-ctl"),
    };
    // A card with nothing plugged in has nothing to do and ends; what it leaves is the compiled
    // model. That takes minutes the first time, and no time at all afterwards.
    println!("the hardware's model (minutes when it has changed, else at once) ...");
    capture(command(&programs.sim).arg("--drain"), minutes(20))?;
    if waves {
        let mut traced = command(&programs.sim);
        traced.arg("--wave").arg(outputs("")?.join("build.fst"));
        capture(traced.arg("--drain"), minutes(20))?;
    }
    Ok(programs)
}

/// Where captures and logs of the run of this name go.
fn outputs(name: &str) -> Result<PathBuf> {
    let folder = paths::target().join("demo").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The wave's file, in the folder of its run.
pub const WAVE: &str = "card.fst";

/// How a card and its daemon run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Names the folder of what the run leaves.
    pub name: &'a str,
    /// For sockets.
    pub scratch: &'a Path,
    /// The simulator's namespace, where the far ends of the cables are; none: nowhere special.
    pub card: Option<&'a Namespace>,
    /// The daemon's, where its TAP is; none: nowhere special, and no TAP.
    pub host: Option<&'a Namespace>,
    /// Whether to write a wave, which makes the simulation slower.
    pub wave: bool,
}

/// A folder that goes away with the value, under a name that nobody can foretell: sockets, whose paths must be short.
pub fn scratch() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("smartnic-demo-")
        .tempdir()
        .context("cannot make a folder for sockets")
}

/// A running card: simulator and daemon. Dropping it ends both, the daemon first.
pub struct Card {
    daemon: Guard,
    sim: Guard,
    control: PathBuf,
    ctl: PathBuf,
    /// Captures, wave and logs.
    pub outputs: PathBuf,
}

impl Card {
    /// Starts the simulator with these things plugged into its ports, and the daemon on it.
    pub fn start(programs: &Programs, run: &Run, ports: &[String]) -> Result<Self> {
        let outputs = outputs(run.name)?;
        let (device, control) = (run.scratch.join("card.sock"), run.scratch.join("ctl.sock"));
        let mut sim = at(run.card, &programs.sim);
        sim.arg("--socket")
            .arg(&device)
            .arg("--capture")
            .arg(&outputs);
        if run.wave {
            sim.arg("--wave").arg(outputs.join(WAVE));
        }
        for (number, spec) in (1..).zip(ports) {
            sim.args(["--port", &format!("{number}={spec}")]);
        }
        let log = outputs.join("smartnic-sim.log");
        let mut sim = spawn(&mut sim, &log)?;
        serves(&mut sim, &device, &log, "ready:")?;
        let mut daemon = at(run.host, &programs.daemon);
        daemon
            .arg("--device")
            .arg(format!("vfio-user:{}", device.display()));
        daemon.arg("--control").arg(&control);
        if run.host.is_some() {
            daemon.arg("--tap");
        }
        let log = outputs.join("smartnicd.log");
        let mut daemon = spawn(&mut daemon, &log)?;
        serves(&mut daemon, &control, &log, "")?;
        let card = Self {
            daemon,
            sim,
            control,
            ctl: programs.ctl.clone(),
            outputs,
        };
        // The socket is there before the card is: only an answer tells that the daemon has it.
        card.ctl(&["version"]).with_context(|| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            format!(
                "smartnicd does not answer; {} says:\n{}",
                log.display(),
                tail(&said, 15)
            )
        })?;
        Ok(card)
    }

    fn ctl_command(&self, args: &[&str]) -> Command {
        let mut ctl = command(&self.ctl);
        ctl.arg("--socket").arg(&self.control).args(args);
        ctl
    }

    /// Runs `smartnic-ctl` and returns what it printed.
    pub fn ctl(&self, args: &[&str]) -> Result<String> {
        capture(&mut self.ctl_command(args), minutes(1))
    }

    /// Counters of a port, of the host, or (without a name) of all, as the hardware has them.
    fn counters(&self, name: Option<&str>) -> Result<Vec<BTreeMap<String, u64>>> {
        #[derive(Deserialize)]
        struct Device {
            counters: BTreeMap<String, u64>,
        }
        let mut line = vec!["-j", "stats"];
        line.extend(name);
        let text = self.ctl(&line)?;
        let devices: Vec<Device> = serde_json::from_str(&text)
            .with_context(|| format!("smartnic-ctl stats said {text}"))?;
        Ok(devices.into_iter().map(|d| d.counters).collect())
    }

    /// A counter, over all ports and the host.
    pub fn total(&self, counter: &str) -> Result<u64> {
        let of = |counters: &BTreeMap<String, u64>| counters.get(counter).copied();
        let all: Option<Vec<u64>> = self.counters(None)?.iter().map(of).collect();
        let all = all.with_context(|| format!("the hardware has no counter {counter}"))?;
        Ok(all.iter().sum())
    }

    /// Unicast frames sent by each member of the LAG.
    pub fn lag_counters(&self) -> Result<[u64; 2]> {
        let mut sent = [0; 2];
        for (count, port) in sent.iter_mut().zip(LAG_PORTS) {
            let counters = self.counters(Some(port))?;
            *count = *counters
                .first()
                .and_then(|counters| counters.get("tx_unicast"))
                .with_context(|| format!("{port} has no counter tx_unicast"))?;
        }
        Ok(sent)
    }

    /// The bridge over port 1, port 2 and the LAG of ports 3 and 4, as a user types it.
    pub fn make_bridge(&self, broken: Option<Break>, show: bool) -> Result<()> {
        let mut lines = vec![
            format!("link add {BRIDGE} type bridge"),
            format!("link add {LAG} type lag mode balance-xor xmit_hash_policy layer3+4"),
        ];
        lines.extend(LAG_PORTS.map(|port| format!("link set {port} master {LAG}")));
        lines.extend(
            ["port1", "port2", LAG].map(|link| format!("link set {link} master {BRIDGE} up")),
        );
        lines.push(format!("link set {BRIDGE} up"));
        if broken == Some(Break::Forward) {
            lines.push("dev set forward off".to_owned());
        }
        for line in lines {
            if show {
                println!("$ smartnic-ctl {line}");
            }
            self.ctl(&line.split_whitespace().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Ends daemon and simulator in good order, so that captures and wave are whole.
    pub fn stop(mut self) -> Result<PathBuf> {
        for (name, guard) in [
            ("smartnicd", &mut self.daemon),
            ("smartnic-sim", &mut self.sim),
        ] {
            guard.terminate();
            if guard.wait(ENDING)?.is_none() {
                bail!(
                    "{name} did not end within {} s of SIGTERM",
                    ENDING.as_secs()
                );
            }
        }
        Ok(self.outputs.clone())
    }

    /// Commands to try while it is up.
    pub fn hints(&self) -> String {
        format!(
            "  {} --socket {} fdb show",
            self.ctl.display(),
            self.control.display()
        )
    }
}

/// A command in a namespace, if there is one.
fn at(namespace: Option<&Namespace>, program: &Path) -> Command {
    namespace.map_or_else(|| command(program), |namespace| namespace.command(program))
}

fn spawn(command: &mut Command, log: &Path) -> Result<Guard> {
    let file = File::create(log)?;
    Guard::spawn(command.stdout(file.try_clone()?).stderr(file))
}

/// Waits until a program accepts connections: its socket is there, and its log holds `ready` (a socket is there before
/// it listens). If it ends instead, its log says why.
fn serves(guard: &mut Guard, socket: &Path, log: &Path, ready: &str) -> Result<()> {
    let start = Instant::now();
    let serving =
        || socket.exists() && fs::read_to_string(log).is_ok_and(|text| text.contains(ready));
    while !serving() {
        let said = || tail(&fs::read_to_string(log).unwrap_or_default(), 15);
        if let Some(status) = guard.wait(Duration::from_millis(20))? {
            bail!(
                "it ended at once ({status}); {} says:\n{}",
                log.display(),
                said()
            );
        }
        if start.elapsed() > STARTUP {
            bail!(
                "no {} after {} s; {} says:\n{}",
                socket.display(),
                STARTUP.as_secs(),
                log.display(),
                said()
            );
        }
    }
    Ok(())
}

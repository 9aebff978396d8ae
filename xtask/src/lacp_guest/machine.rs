//! The guest as a process: its console, by which its init is told what to do, and QEMU's monitor, by which its cables lose their carrier.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::proc::{Guard, interrupted, tail};

/// How long the guest may take to boot, and to answer.
const BOOT: Duration = Duration::from_secs(600);
const ANSWER: Duration = Duration::from_secs(300);

/// How often a wait looks for what may end it.
const LOOK: Duration = Duration::from_millis(50);

/// What begins a line of the init's.
const SAID: &str = "lag-guest ";

/// A running guest; dropping it ends it.
pub struct Machine {
    guard: Guard,
    console: UnixStream,
    lines: Receiver<String>,
    /// All that came by the console, for errors.
    log: String,
    monitor: BufReader<UnixStream>,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// Starts QEMU with console and monitor on sockets in this folder, and waits until the init is ready.
    pub fn boot(mut qemu: Command, dir: &Path, log: &Path) -> Result<Self> {
        let mut listen = |name: &str| -> Result<UnixListener> {
            let place = dir.join(name);
            qemu.arg("-chardev")
                .arg(format!("socket,id={name},path={}", place.display()));
            let listener = UnixListener::bind(&place)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let (console, monitor) = (listen("console")?, listen("monitor")?);
        qemu.args([
            "-serial",
            "chardev:console",
            "-mon",
            "chardev=monitor,mode=control",
        ]);
        let file = File::create(log)?;
        qemu.stdout(file.try_clone()?).stderr(file);
        let mut guard = Guard::spawn(&mut qemu)?;
        let console = accept(&console, &mut guard, log)?;
        let monitor = accept(&monitor, &mut guard, log)?;
        monitor.set_read_timeout(Some(ANSWER))?;
        let (sender, lines) = channel();
        let reader = BufReader::new(console.try_clone()?);
        spawn(move || {
            for line in reader.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut machine = Self {
            guard,
            console,
            lines,
            log: String::new(),
            monitor: BufReader::new(monitor),
            kernel: String::new(),
        };
        machine.ask(&json!({"execute": "qmp_capabilities"}))?;
        machine.kernel = machine.hear("kernel", BOOT)?;
        machine.hear("ready", BOOT)?;
        Ok(machine)
    }

    /// Waits for the init to say this word, and gives what follows it.
    fn hear(&mut self, word: &str, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    // Firmware may leave escape sequences before the first line.
                    let Some((_, said)) = line.split_once(SAID) else {
                        continue;
                    };
                    let (first, rest) = said.split_once(' ').unwrap_or((said, ""));
                    if first == word {
                        return Ok(rest.to_owned());
                    }
                    if matches!(first, "error" | "done") {
                        bail!("the guest says: {said}");
                    }
                }
                Err(RecvTimeoutError::Timeout) if interrupted() => bail!("interrupted"),
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(_) => bail!(
                    "the guest said no `{word}` within {} s; its console:\n{}",
                    limit.as_secs(),
                    tail(&self.log, 15)
                ),
            }
        }
    }

    /// Has the init carry out a command that tells nothing.
    pub fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.console, "{command}")?;
        self.hear("ok", ANSWER).map(drop)
    }

    /// Has the init carry out a command, and gives what it tells after this word.
    pub fn ask_init(&mut self, command: &str, word: &str) -> Result<String> {
        writeln!(self.console, "{command}")?;
        let told = self.hear(word, ANSWER)?;
        self.hear("ok", ANSWER)?;
        Ok(told)
    }

    /// Gives an interface its carrier, or takes it.
    pub fn set_link(&mut self, netdev: &str, up: bool) -> Result<()> {
        let arguments = json!({"name": netdev, "up": up});
        self.ask(&json!({"execute": "set_link", "arguments": arguments}))
    }

    /// A request to QEMU (its QMP), which must succeed.
    fn ask(&mut self, request: &Value) -> Result<()> {
        writeln!(self.monitor.get_mut(), "{request}")?;
        loop {
            let mut line = String::new();
            if self
                .monitor
                .read_line(&mut line)
                .context("QEMU's monitor")?
                == 0
            {
                bail!("QEMU has ended");
            }
            let answer: Value = serde_json::from_str(&line)?;
            // Greetings and events come between.
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {request}: {error}");
            }
        }
    }

    /// Ends the guest in good order.
    pub fn quit(mut self) -> Result<()> {
        writeln!(self.console, "quit")?;
        self.hear("done", ANSWER)?;
        match self.guard.wait(ANSWER)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("QEMU ended: {status}"),
            None => bail!("QEMU did not end"),
        }
    }
}

/// QEMU's connection, unless it ends first.
fn accept(listener: &UnixListener, guard: &mut Guard, log: &Path) -> Result<UnixStream> {
    let end = Instant::now() + BOOT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => {}
            Err(err) => return Err(err.into()),
        }
        let ended = guard.wait(LOOK)?;
        if ended.is_some() || Instant::now() > end {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("QEMU does not start: {}", tail(&said, 15));
        }
    }
}

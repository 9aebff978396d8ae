//! Running programs: each in a process group of its own, so that a deadline or Ctrl-C takes the
//! whole group away and the task's own clean-up (`Drop`) still runs.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Turns SIGINT, SIGTERM and SIGHUP into a flag that every wait in this program looks at.
pub fn catch_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
    }
}

/// Whether a signal asked this program to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Forgets that a signal came, after it has been acted on; the next one counts again.
pub fn forget_interrupt() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// A command in the workspace's root, with `SMARTNIC_TOOLS` set and no input.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(paths::root())
        .env("SMARTNIC_TOOLS", paths::tools())
        .stdin(Stdio::null());
    command
}

/// The cargo that runs this task.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command as one would type it to a shell.
pub fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    if let Some((_, name)) = text.rsplit_once('/') {
        text = name.to_owned();
    }
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&quoted(&arg.to_string_lossy()));
    }
    text
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A child that is killed, with its group, when it goes out of scope.
pub struct Guard {
    child: Child,
    done: bool,
}

impl Guard {
    /// Starts a command in a process group of its own.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start `{}`", shown(command)))?;
        Ok(Self { child, done: false })
    }

    /// Waits until the child ends, `limit` passes (`None` in the result) or a signal comes.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.done = true;
                return Ok(Some(status));
            }
            if interrupted() {
                bail!("interrupted");
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the child, and its group, to end.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill has no memory effects; the group is that of a child not yet waited for.
        unsafe { libc::kill(-(self.child.id() as libc::pid_t), signal) };
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.signal(libc::SIGTERM);
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.signal(libc::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Runs a command to its end with its output shown; any other end than success is an error.
pub fn run(command: &mut Command, limit: Duration) -> Result<()> {
    let text = shown(command);
    match Guard::spawn(command)?.wait(limit)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("`{text}` failed: {status}"),
        None => bail!("`{text}` was stopped after {} s", limit.as_secs()),
    }
}

/// Runs a command and returns what it printed (both streams); an error carries the last lines of it.
pub fn capture(command: &mut Command, limit: Duration) -> Result<String> {
    let text = shown(command);
    let (mut reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut guard = Guard::spawn(command)?;
    // The command holds the write end: give it up, so that the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let output = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = guard.wait(limit)?;
    drop(guard);
    let output = output.join().unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(output),
        Some(status) => bail!("`{text}` failed: {status}\n{}", tail(&output, 25)),
        None => bail!(
            "`{text}` was stopped after {} s\n{}",
            limit.as_secs(),
            tail(&output, 25)
        ),
    }
}

/// The last `count` lines of a text.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Minutes, as the limit of a step.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_both_streams() {
        let output = capture(command("sh").args(["-c", "echo a; echo b >&2"]), minutes(1)).unwrap();
        assert_eq!(output, "a\nb\n");
    }

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let mut echo = command("/bin/sh");
        let words = [
            "-c",
            "for w; do echo \"$w\"; done",
            "sh",
            "it's; 2 {x}",
            "",
            "a-b=c",
        ];
        let text = shown(echo.args(words));
        let said = capture(command("sh").args(["-c", &text]), minutes(1)).unwrap();
        assert_eq!(said, "it's; 2 {x}\n\na-b=c\n", "{text}");
        assert!(text.ends_with(" '' a-b=c"), "{text}");
    }

    #[test]
    fn failure_names_the_command_and_its_last_lines() {
        let err = capture(command("sh").args(["-c", "echo why; exit 3"]), minutes(1)).unwrap_err();
        let text = format!("{err:#}");
        assert!(text.contains("exit 3") && text.contains("why"), "{text}");
    }

    #[test]
    fn a_deadline_takes_the_whole_group() {
        let start = Instant::now();
        let err = capture(
            command("sh").args(["-c", "sleep 60 & wait"]),
            Duration::from_millis(200),
        );
        assert!(err.is_err());
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the grandchild kept the pipe open"
        );
    }

    #[test]
    fn tail_is_the_end() {
        assert_eq!(tail("1\n2\n3", 2), "2\n3");
        assert_eq!(tail("1", 2), "1");
    }
}

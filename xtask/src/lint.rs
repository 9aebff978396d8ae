//! `cargo xtask lint`: formatting, clippy, rustdoc, Verilator's lint of the emitted hardware, and
//! the repository's own rules. Runs everything, then fails if anything failed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use crate::proc::{capture, cargo, command, minutes, run as run_shown};
use crate::setup;
use crate::{boards, paths};

/// The only Verilator warnings that generated code may have: rust-hdl prints no widths for literals,
/// keeps unread ports, and drives whole structs from one process.
const WAIVED: &[&str] = &["WIDTH", "UNUSED", "UNOPTFLAT"];

/// The longest source file, in lines.
const MAX_LINES: usize = 400;

/// A check, and the name that it is reported by.
type Check = (&'static str, fn() -> Result<()>);

/// Formatting, clippy, rustdoc, the repository's own rules, Verilator's lint of the emitted hardware.
#[derive(clap::Args)]
pub struct Args {
    /// Only these checks: format, clippy, rustdoc, repository, verilog.
    checks: Vec<String>,
}

const CHECKS: &[Check] = &[
    ("format", || {
        run_shown(cargo().args(["fmt", "--all", "--check"]), minutes(2))
    }),
    ("clippy", || {
        let args = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        run_shown(cargo().args(args), minutes(20))
    }),
    ("rustdoc", || {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        run_shown(&mut doc, minutes(20))
    }),
    ("repository", repository),
    ("verilog", verilog),
];

/// Runs the checks.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    if let Some(name) = args
        .checks
        .iter()
        .find(|name| !CHECKS.iter().any(|check| check.0 == **name))
    {
        let known: Vec<_> = CHECKS.iter().map(|check| check.0).collect();
        bail!("no check `{name}`; there are {}", known.join(", "));
    }
    let wanted =
        |check: &&Check| args.checks.is_empty() || args.checks.iter().any(|name| name == check.0);
    let mut failed = Vec::new();
    for (name, check) in CHECKS.iter().filter(wanted) {
        eprintln!("=== lint: {name}");
        if let Err(err) = check() {
            eprintln!("=== lint: {name} FAILED: {err:#}");
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    eprintln!("=== lint: all passed");
    Ok(())
}

/// Emits the hardware at each port count, and every board with its ports, and has Verilator read it.
fn verilog() -> Result<()> {
    for ports in ["2", "4", "8"] {
        let dir = paths::target().join(format!("lint/ports-{ports}"));
        emit(&["--ports", ports, "--split"], &dir)?;
        verilate(&dir, None).with_context(|| format!("{ports} ports"))?;
    }
    let all = boards::all()?;
    for board in all.as_array().context("a list of boards")? {
        let name = board["board"].as_str().context("a board's name")?;
        let family = board["fpga"]["family"].as_str().context("a family")?;
        let dir = paths::target().join(format!("lint/{name}"));
        emit(&["--board", name, "--split"], &dir)?;
        let cells = paths::root().join(format!("hdl/cells/{family}.v"));
        verilate(&dir, Some((&name.replace('-', "_"), &cells)))
            .with_context(|| format!("board {name}"))?;
    }
    Ok(())
}

/// Has the hardware generator write Verilog into an empty directory.
pub fn emit(args: &[&str], dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    let mut emit = cargo();
    emit.args(["run", "--quiet", "-p", "smartnic-hdl", "--", "emit"])
        .args(args)
        .arg("--out")
        .arg(dir);
    match capture(&mut emit, minutes(15)) {
        Ok(_) => Ok(()),
        // What the generator refuses it says in one line.
        Err(error) => {
            let text = format!("{error:#}");
            let said = text.lines().find_map(|l| l.strip_prefix("smartnic-hdl: "));
            Err(said.map_or(error, |line| anyhow!("{line}")))
        }
    }
}

/// The Verilog files in a directory, in order of name.
pub fn verilog_files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "v"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{} holds no Verilog after emission", dir.display());
    }
    Ok(files)
}

/// Verilator's opinion of the Verilog in a folder, for a board with the name of its top and the models of its vendor's cells.
fn verilate(dir: &Path, board: Option<(&str, &Path)>) -> Result<()> {
    let mut verilator = match paths::verilator_root() {
        Some(root) => {
            let mut verilator = command(root.join("bin/verilator"));
            verilator.env("VERILATOR_ROOT", root);
            verilator
        }
        None => command("verilator"),
    };
    verilator.args(["--lint-only", "-Wall"]);
    if let Some((top, cells)) = board {
        verilator.args(["--top-module", top]);
        verilator.arg("-v").arg(cells);
    }
    verilator.args(WAIVED.iter().map(|name| format!("-Wno-{name}")));
    verilator.args(verilog_files(dir)?);
    let output = capture(&mut verilator, minutes(5))?;
    if output.contains("%Warning") {
        bail!("Verilator warns:\n{output}");
    }
    Ok(())
}

/// What no tracked file may hold: places and services of one machine. Built from halves, so that
/// this list does not find itself.
fn forbidden() -> Vec<String> {
    [
        ("/ro", "ot/"),
        ("/wo", "rk/"),
        ("/ho", "me/"),
        ("deb.deb", "ian.org"),
        ("py", "pi.org"),
        ("static.cra", "tes.io"),
    ]
    .iter()
    .map(|(a, b)| format!("{a}{b}"))
    .collect()
}

/// The repository's own rules: no path or service of one machine, no source file over the limit.
fn repository() -> Result<()> {
    let listed = capture(command("git").args(["ls-files"]), minutes(1))?;
    let forbidden = forbidden();
    let mut faults = Vec::new();
    for name in listed.lines().filter(|name| *name != "Cargo.lock") {
        let Ok(text) = fs::read_to_string(paths::root().join(name)) else {
            continue;
        };
        faults.extend(file_faults(name, &text, &forbidden));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

fn file_faults(name: &str, text: &str, forbidden: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in forbidden.iter().filter(|word| line.contains(word.as_str())) {
            faults.push(format!(
                "{name}:{}: names `{word}`, which is of one machine",
                number + 1
            ));
        }
    }
    let lines = text.lines().count();
    if name.ends_with(".rs") && lines > MAX_LINES {
        faults.push(format!(
            "{name}: {lines} lines; split it, {MAX_LINES} is the limit"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_is_found_with_its_line() {
        let forbidden = forbidden();
        let text = format!("fine\nsee {}x\n", forbidden[0]);
        let faults = file_faults("a.md", &text, &forbidden);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("a.md:2:"), "{}", faults[0]);
    }

    #[test]
    fn a_long_source_file_is_found() {
        let text = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(file_faults("a.rs", &text, &[]).len(), 1);
        assert!(file_faults("a.v", &text, &[]).is_empty());
    }
}

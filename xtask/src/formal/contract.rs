//! A block's contract: the file `hdl/formal/NAME.sv`.
//!
//! It begins with a comment: what is proven, the promises by number, what is assumed and who proves that. Lines `key: value` of that comment are for
//! this task:
//!
//! - `block:` what `smartnic-hdl emit --block` is asked for, options included;
//! - `modules:` the modules of it that keep the contract, each proven by itself;
//! - `induction:` steps of the induction, `cover:` cycles within which every cover is reached;
//! - `sabotage N:` `OLD ==> NEW`, a change of such a module's Verilog under which promise N must fail; the text stands in it once.
//!
//! The rest is the inside of a module: it is put at the end of the flattened module, whose signals it names. Assertions of promise N are
//! labelled `pN_...`, its covers `cN_...`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// A change under which a promise fails.
#[derive(Debug, PartialEq)]
pub struct Sabotage {
    /// Which.
    pub promise: u32,
    /// The text that goes.
    pub old: String,
    /// The text that comes.
    pub new: String,
}

/// A contract.
#[derive(Debug)]
pub struct Contract {
    /// Its name: the file's.
    pub name: String,
    /// Options of `emit` after `--block`.
    pub block: Vec<String>,
    /// Modules that keep it.
    pub modules: Vec<String>,
    /// Steps of the induction.
    pub induction: u32,
    /// Cycles within which covers are reached.
    pub cover: u32,
    /// The promises, by number.
    pub promises: BTreeMap<u32, String>,
    /// What must break them.
    pub sabotage: Vec<Sabotage>,
    /// The checks.
    pub body: String,
}

impl Contract {
    /// Reads one, and checks that each promise has an assertion, a cover and a sabotage.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text).with_context(|| format!("{}", file.display()))
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let (head, body): (Vec<&str>, Vec<&str>) = {
            let end = text.lines().take_while(|l| l.starts_with("//")).count();
            (
                text.lines().take(end).collect(),
                text.lines().skip(end).collect(),
            )
        };
        let mut keys = BTreeMap::new();
        let (mut promises, mut sabotage) = (BTreeMap::new(), Vec::new());
        for line in head {
            let line = line.trim_start_matches('/').trim();
            if let Some((number, promise)) = numbered(line) {
                promises.insert(number, promise.to_owned());
            } else if let Some(rest) = line.strip_prefix("sabotage ") {
                sabotage.push(change(rest)?);
            } else if let Some((key, value)) = line.split_once(": ")
                && ["block", "modules", "induction", "cover"].contains(&key)
            {
                keys.insert(key, value);
            }
        }
        let value = |key: &str| {
            let found = keys.get(key).copied();
            found.with_context(|| format!("no line `{key}:` in the head"))
        };
        let words = |key: &str| -> Result<Vec<String>> {
            Ok(value(key)?.split_whitespace().map(str::to_owned).collect())
        };
        let number = |key: &str| {
            let parsed = value(key)?.parse::<u32>();
            parsed.with_context(|| format!("`{key}:` is no number"))
        };
        let contract = Self {
            name: name.into(),
            block: words("block")?,
            modules: words("modules")?,
            induction: number("induction")?,
            cover: number("cover")?,
            promises,
            sabotage,
            body: body.join("\n"),
        };
        contract.check()?;
        Ok(contract)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.promises.is_empty(), "no promise in the head");
        for n in self.promises.keys() {
            for (what, label) in [("assertion", format!("p{n}_")), ("cover", format!("c{n}_"))] {
                let some = self.labels(&label).next().is_some();
                ensure!(some, "promise {n} has no {what} labelled {label}...");
            }
            let some = self.sabotage.iter().any(|s| s.promise == *n);
            ensure!(some, "promise {n} has no sabotage");
        }
        for s in &self.sabotage {
            let known = self.promises.contains_key(&s.promise);
            ensure!(known, "sabotage of promise {}, which is none", s.promise);
        }
        Ok(())
    }

    /// Labels of the checks that begin so.
    fn labels(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let all = self
            .body
            .split(word)
            .filter_map(|word| word.strip_suffix(':'));
        all.filter(move |label| label.starts_with(prefix))
    }

    /// The labels of all covers.
    pub fn covers(&self) -> Vec<&str> {
        let numbers = self.promises.keys();
        let labels = |n: &u32| self.labels(&format!("c{n}_")).collect::<Vec<_>>();
        numbers.flat_map(labels).collect()
    }
}

/// `3. text`.
fn numbered(line: &str) -> Option<(u32, &str)> {
    let (number, text) = line.split_once(". ")?;
    Some((number.parse().ok()?, text))
}

/// `3: OLD ==> NEW`.
fn change(text: &str) -> Result<Sabotage> {
    let parts = text.split_once(": ").and_then(|(number, change)| {
        let (old, new) = change.split_once(" ==> ")?;
        Some((number.parse().ok()?, old.trim(), new.trim()))
    });
    let Some((promise, old, new)) = parts else {
        bail!("`sabotage {text}` is not `sabotage N: OLD ==> NEW`");
    };
    Ok(Sabotage {
        promise,
        old: old.into(),
        new: new.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "// A thing.\n//\n// 1. It counts.\n//\n// block: switch_buffer --ports 2\n// modules: a b\n// induction: 3\n// cover: 20\n\
        // sabotage 1: x + 1 ==> x + 2\n\nalways @(*) begin p1_count: assert (x); c1_full: cover (y); end\n";

    #[test]
    fn a_contract_is_read() {
        let c = Contract::parse("thing", GOOD).unwrap();
        assert_eq!(c.block, ["switch_buffer", "--ports", "2"]);
        assert_eq!((c.modules.len(), c.induction, c.cover), (2, 3, 20));
        assert_eq!(c.promises[&1], "It counts.");
        assert_eq!(c.covers(), ["c1_full"]);
        let sabotage = &c.sabotage[0];
        assert_eq!(
            (sabotage.old.as_str(), sabotage.new.as_str()),
            ("x + 1", "x + 2")
        );
    }

    #[test]
    fn a_promise_without_proof_is_refused() {
        for (old, new, why) in [
            ("p1_count", "q1_count", "no assertion"),
            ("c1_full", "d1_full", "no cover"),
            ("sabotage 1", "sabotage: 1", "no sabotage"),
            ("x + 1 ==> x + 2", "x + 1", "is not"),
            ("sabotage 1", "sabotage 7", "no sabotage"),
            ("induction: 3", "induction: many", "no number"),
            ("modules: a b", "", "no line `modules:`"),
        ] {
            let text = GOOD.replace(old, new);
            let error = format!("{:#}", Contract::parse("thing", &text).unwrap_err());
            assert!(error.contains(why), "{old}: {error}");
        }
    }
}

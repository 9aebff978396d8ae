//! What is to be built: the Verilog, its ports and clocks, and how.

use crate::Error;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Direction of a port, seen from the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Driven by the caller.
    In,
    /// Driven by the design.
    Out,
}

/// One port of the top module: a vector of `width` bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Name as in the Verilog source (`$` inside is fine).
    pub name: String,
    /// Width in bits, 1 to 65,536.
    pub width: u32,
    /// Direction, seen from the design.
    pub direction: Direction,
}

impl Port {
    /// An input of `width` bits.
    pub fn input(name: impl Into<String>, width: u32) -> Self {
        Port {
            name: name.into(),
            width,
            direction: Direction::In,
        }
    }

    /// An output of `width` bits.
    pub fn output(name: impl Into<String>, width: u32) -> Self {
        Port {
            name: name.into(),
            width,
            direction: Direction::Out,
        }
    }

    /// Words of 32 bits that the port takes in a packed buffer.
    pub(crate) fn words(&self) -> usize {
        self.width.div_ceil(32) as usize
    }
}

/// A Verilog design and the interface of its top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// Name of the top module.
    pub top: String,
    /// The whole source: every module, in any order.
    pub verilog: String,
    /// The ports to drive and read, clocks included. An input that is missing here stays 0.
    pub ports: Vec<Port>,
    /// Names of the inputs that are clocks; the index here is the bit in [`crate::Model::tick`]'s mask.
    pub clocks: Vec<String>,
}

/// How hard the C++ compiler works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Opt {
    /// `-Os -march=native`: for the whole card and for benches.
    Fast,
    /// `-O1`: for block tests, where compiling takes longer than running.
    #[default]
    Quick,
}

/// Options of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Compile the model so that [`crate::Model::open_trace`] can write an FST file (slower even
    /// when no trace is open; needs the headers of zlib and LZ4).
    pub trace: bool,
    /// Optimisation.
    pub opt: Opt,
    /// Lint with `verilator --lint-only -Wall` first; only WIDTH, UNUSED and UNOPTFLAT are waived.
    pub lint: bool,
    /// Powers registers and memories without an initial value up with random bits of this seed (not
    /// 0) instead of zeroes: what hardware does, and what finds a missing reset. A model of its own,
    /// somewhat slower; the seed does not matter for the cache.
    pub random: Option<u64>,
}

impl Design {
    /// The digest of its source: SHA-256, 96 bits of it in hexadecimal. Whoever has a file with the same digest has what is simulated.
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(&self.verilog);
        hash.iter().take(12).map(|b| format!("{b:02x}")).collect()
    }

    /// Checks names, widths and clocks before any tool sees them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |problem: String| {
            Err(Error::Design {
                top: self.top.clone(),
                problem,
            })
        };
        let legal = |s: &str| {
            !s.is_empty()
                && s.chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
                && !s.starts_with(|c: char| c.is_ascii_digit() || c == '$')
        };
        if !legal(&self.top) {
            return fail("the top module's name must be a Verilog identifier".into());
        }
        let mut seen = HashSet::new();
        for port in &self.ports {
            if !legal(&port.name) {
                return fail(format!(
                    "port name `{}` is not a Verilog identifier",
                    port.name
                ));
            }
            if !seen.insert(&port.name) {
                return fail(format!("port `{}` is listed twice", port.name));
            }
            if port.width == 0 || port.width > 65_536 {
                let width = port.width;
                return fail(format!(
                    "port `{}` has width {width}; allowed is 1 to 65,536",
                    port.name
                ));
            }
        }
        if self.clocks.len() > 32 {
            return fail(format!(
                "{} clocks; allowed are at most 32",
                self.clocks.len()
            ));
        }
        let mut clocks = HashSet::new();
        for clock in &self.clocks {
            if !clocks.insert(clock) {
                return fail(format!("clock `{clock}` is listed twice"));
            }
            match self.ports.iter().find(|p| p.name == *clock) {
                Some(Port {
                    width: 1,
                    direction: Direction::In,
                    ..
                }) => {}
                _ => {
                    return fail(format!(
                        "clock `{clock}` must be a port: an input of width 1"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The inputs that the caller sets: every input that is not a clock, in the order of the ports.
    pub(crate) fn data_inputs(&self) -> impl Iterator<Item = &Port> {
        let clock = |p: &Port| self.clocks.contains(&p.name);
        self.ports
            .iter()
            .filter(move |p| p.direction == Direction::In && !clock(p))
    }

    /// The outputs, in the order of the ports.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|p| p.direction == Direction::Out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(ports: Vec<Port>, clocks: &[&str]) -> Design {
        let clocks = clocks.iter().map(|c| c.to_string()).collect();
        Design {
            top: "t".into(),
            verilog: String::new(),
            ports,
            clocks,
        }
    }

    #[test]
    fn the_digest_is_that_of_the_source() {
        let mut d = design(vec![], &[]);
        assert_eq!(d.digest(), "e3b0c44298fc1c149afbf4c8");
        d.verilog.push(' ');
        assert_ne!(d.digest(), "e3b0c44298fc1c149afbf4c8");
    }

    #[test]
    fn contradictions_are_named() {
        let cases = [
            (
                design(vec![Port::input("a b", 1)], &[]),
                "not a Verilog identifier",
            ),
            (design(vec![Port::input("a", 0)], &[]), "width 0"),
            (
                design(vec![Port::input("a", 1), Port::output("a", 1)], &[]),
                "listed twice",
            ),
            (design(vec![Port::input("a", 2)], &["a"]), "must be a port"),
            (design(vec![Port::output("a", 1)], &["a"]), "must be a port"),
            (design(vec![], &["clk"]), "must be a port"),
            (
                design(vec![Port::input("c", 1)], &["c", "c"]),
                "listed twice",
            ),
        ];
        for (design, expected) in cases {
            let message = design.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        design(vec![Port::input("mac$clk", 1)], &["mac$clk"])
            .check()
            .unwrap();
    }
}

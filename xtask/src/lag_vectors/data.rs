//! The data file: frames, and for each policy and number of slaves a digit a frame.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::frames::KINDS;
use super::wire::Random;
use crate::paths;
use crate::setup::hex;

/// The policies of Linux bonding, and the numbers of slaves, that must be covered.
const POLICIES: [&str; 6] = [
    "layer2",
    "layer2+3",
    "layer3+4",
    "encap2+3",
    "encap3+4",
    "vlan+srcmac",
];
const SLAVE_COUNTS: [u32; 3] = [2, 3, 5];

/// One frame that went through the bond.
#[derive(Debug, PartialEq)]
pub struct Frame {
    /// What kind of frame it is.
    pub kind: &'static str,
    /// Its bytes, from the destination address, without FCS.
    pub bytes: Vec<u8>,
}

/// So many frames of every kind.
pub fn frames(seed: u64, of_a_kind: usize) -> Vec<Frame> {
    let mut random = Random::new(seed);
    let mut frames = Vec::new();
    for kind in KINDS {
        for _ in 0..of_a_kind {
            frames.push(Frame {
                kind: kind.name,
                bytes: kind.frame(&mut random),
            });
        }
    }
    frames
}

/// Where the data file lies.
pub fn file() -> PathBuf {
    paths::root().join("tests/data/lag-vectors.json")
}

/// What the guest saw.
pub struct Choices {
    kernel: String,
    /// By policy and number of slaves: a digit a frame, in the order of the frames.
    digits: BTreeMap<(String, u32), String>,
}

impl Choices {
    /// Reads the guest's console; every policy and number of slaves must be there and whole.
    pub fn parse(console: &str, frames: usize) -> Result<Self> {
        let mut kernel = None;
        let mut digits = BTreeMap::new();
        for line in console.lines() {
            // Firmware may leave escape sequences before the first line.
            let Some((_, said)) = line.split_once("lag-guest ") else {
                continue;
            };
            let words: Vec<_> = said.split_whitespace().collect();
            match words[..] {
                ["kernel", release] => kernel = Some(release.to_owned()),
                ["choices", policy, count, choices] => {
                    let count: u32 = count.parse().context("the guest's number of slaves")?;
                    check(policy, count, choices, frames)?;
                    digits.insert((policy.to_owned(), count), choices.to_owned());
                }
                ["error", ..] => bail!("the guest says: {said}"),
                _ => {}
            }
        }
        for policy in POLICIES {
            for count in SLAVE_COUNTS {
                if !digits.contains_key(&(policy.to_owned(), count)) {
                    bail!("the guest said nothing about {policy} with {count} slaves");
                }
            }
        }
        Ok(Self {
            kernel: kernel.context("the guest did not name its kernel")?,
            digits,
        })
    }
}

fn check(policy: &str, count: u32, choices: &str, frames: usize) -> Result<()> {
    if choices.len() != frames {
        bail!(
            "{policy} with {count} slaves: {} choices for {frames} frames",
            choices.len()
        );
    }
    let of_a_slave = |digit: char| digit.to_digit(10).is_some_and(|slave| slave < count);
    if let Some(at) = choices.chars().position(|digit| !of_a_slave(digit)) {
        bail!("{policy} with {count} slaves: no slave took frame {at}");
    }
    Ok(())
}

/// The content of the data file.
pub struct Vectors {
    /// What the frames were drawn from.
    pub seed: u64,
    /// Every frame.
    pub frames: Vec<Frame>,
    /// What the kernel did with them.
    pub choices: Choices,
}

impl Vectors {
    /// The file's text: JSON with one frame, or one list of choices, a line.
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\n");
        let release = &self.choices.kernel;
        let _ = writeln!(
            text,
            "  \"about\": \"Which slave of a Linux bond (balance-xor) takes each frame. Frames came by a TAP through a bridge without VLAN filtering to the bond; slaves are numbered in order of joining. choices[policy][slaves] has one digit a frame, in the order of frames. Frames run from the destination address, without FCS.\","
        );
        let _ = writeln!(
            text,
            "  \"made_by\": \"cargo xtask lag-vectors --seed {}\",",
            self.seed
        );
        let _ = writeln!(text, "  \"kernel\": \"Linux {release}\",");
        let _ = writeln!(text, "  \"seed\": {},", self.seed);
        let lines: Vec<_> = self
            .frames
            .iter()
            .map(|frame| {
                format!(
                    "    {{\"kind\": \"{}\", \"frame\": \"{}\"}}",
                    frame.kind,
                    hex(&frame.bytes)
                )
            })
            .collect();
        let _ = writeln!(text, "  \"frames\": [\n{}\n  ],", lines.join(",\n"));
        let policies: Vec<_> = POLICIES.iter().map(|policy| self.policy(policy)).collect();
        let _ = writeln!(
            text,
            "  \"choices\": {{\n{}\n  }}\n}}",
            policies.join(",\n")
        );
        text
    }

    fn policy(&self, policy: &str) -> String {
        let lines: Vec<_> = self
            .choices
            .digits
            .iter()
            .filter(|((of, _), _)| of == policy)
            .map(|((_, count), digits)| format!("      \"{count}\": \"{digits}\""))
            .collect();
        format!("    \"{policy}\": {{\n{}\n    }}", lines.join(",\n"))
    }

    /// In a line, for people.
    pub fn summary(&self) -> String {
        let lists = self.choices.digits.len();
        let choices = lists * self.frames.len();
        format!(
            "{choices} choices of {} frames, kernel {}",
            self.frames.len(),
            self.choices.kernel
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_frame_that_no_slave_took_is_an_error() {
        assert!(
            check("layer2", 2, "01x", 3)
                .unwrap_err()
                .to_string()
                .contains("frame 2")
        );
        assert!(check("layer2", 2, "012", 3).is_err());
        assert!(check("layer2", 3, "012", 3).is_ok());
        assert!(check("layer2", 3, "01", 3).is_err());
    }

    #[test]
    fn a_console_that_lacks_a_policy_is_refused() {
        let console =
            "\x1b[2Jlag-guest kernel 6.12.0\nlag-guest choices layer2 2 01\nlag-guest done\n";
        let err = Choices::parse(console, 2).err().unwrap().to_string();
        assert!(err.contains("layer2 with 3"), "{err}");
    }

    /// The file in the repository is what this task makes: its frames are those of its seed, and its
    /// choices cover every policy, number of slaves and slave.
    #[test]
    fn the_data_file_is_whole() {
        let text = std::fs::read_to_string(file()).unwrap();
        let data: Value = serde_json::from_str(&text).unwrap();
        assert!(data["kernel"].as_str().unwrap().contains("6.12"));
        let list = data["frames"].as_array().unwrap();
        assert_eq!(list.len() % KINDS.len(), 0);
        let made = frames(data["seed"].as_u64().unwrap(), list.len() / KINDS.len());
        for (stored, made) in list.iter().zip(&made) {
            assert_eq!(stored["kind"], made.kind);
            assert_eq!(stored["frame"], hex(&made.bytes).as_str());
        }
        for policy in POLICIES {
            for count in SLAVE_COUNTS {
                let choices = data["choices"][policy][count.to_string()].as_str().unwrap();
                check(policy, count, choices, list.len()).unwrap();
                for slave in 0..count {
                    assert!(
                        choices.contains(&slave.to_string()),
                        "{policy}, {count}: never {slave}"
                    );
                }
            }
        }
    }
}

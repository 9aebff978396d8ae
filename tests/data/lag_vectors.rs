//! Reads `lag-vectors.json`: which slave of a kernel's bond took which frame. For tests of several crates, by `#[path]`.

use serde_json::Value;

/// A frame of the captured kernel.
pub struct Frame {
    /// Its kind by name.
    pub kind: String,
    /// From the destination address on, without FCS.
    pub bytes: Vec<u8>,
    /// Its place in the strings of choices.
    index: usize,
}

/// Frames, and a kernel's choices for them.
pub struct Vectors {
    /// All frames.
    pub frames: Vec<Frame>,
    choices: Value,
}

impl Vectors {
    /// What the data file holds.
    pub fn read() -> Vectors {
        let data: Value = serde_json::from_str(include_str!("lag-vectors.json")).expect("JSON");
        let frames = data["frames"].as_array().expect("frames").iter();
        let frame = |(index, f): (usize, &Value)| {
            let hex = f["frame"].as_str().expect("hexadecimal");
            let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal");
            Frame {
                kind: f["kind"].as_str().expect("a kind").into(),
                bytes: (0..hex.len()).step_by(2).map(byte).collect(),
                index,
            }
        };
        Vectors {
            frames: frames.enumerate().map(frame).collect(),
            choices: data["choices"].clone(),
        }
    }

    /// The slave of so many that the kernel chose under a policy; none where card and reference do not follow the kernel yet.
    pub fn choice(&self, frame: &Frame, policy: &str, slaves: usize) -> Option<usize> {
        let differs = include_str!("lag-inner-kinds.txt");
        if policy.starts_with("encap") && differs.lines().any(|kind| kind == frame.kind) {
            return None;
        }
        let choices = self.choices[policy][slaves.to_string()].as_str();
        let digit = choices.expect("choices").as_bytes()[frame.index];
        Some(usize::from(digit - b'0'))
    }
}

//! Numbered frames and their checker, apart from the design.
//!
//! A frame is a header of the caller's (addresses, EtherType, anything behind it), then a mark, the
//! flow's number, the frame's number in its flow, its length, and a filling that only this flow,
//! number and seed have. The checker builds every frame again and compares all of it; a VLAN tag that the card put in
//! or took out is the only difference that it allows.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// Begins the body of every numbered frame.
const MARK: [u8; 4] = [0xc5, 0x3a, 0x5e, 0xa7];
/// Bytes of mark, flow, number and length.
const NUMBERS: usize = 12;
/// The EtherType for local experiments (IEEE 802).
pub const EXPERIMENTAL: u16 = 0x88b5;

/// Frames that belong together: between one source and its destinations they keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Number, unique among the flows of a checker.
    pub id: u16,
    /// The first bytes of each frame, destination address first.
    pub header: Vec<u8>,
    /// Seed of the filling.
    pub seed: u64,
}

impl Flow {
    /// A flow of plain Ethernet frames.
    pub fn new(id: u16, seed: u64, dst: [u8; 6], src: [u8; 6]) -> Self {
        let header = [&dst[..], &src[..], &EXPERIMENTAL.to_be_bytes()].concat();
        Flow { id, header, seed }
    }

    /// Smallest frame of this flow, in bytes without FCS.
    pub fn min_len(&self) -> usize {
        self.header.len() + NUMBERS
    }

    /// Frame `number`, `len` bytes without FCS (at least [`Flow::min_len`]).
    pub fn frame(&self, number: u32, len: usize) -> Vec<u8> {
        let mut frame = self.header.clone();
        frame.extend(MARK);
        frame.extend(self.id.to_be_bytes());
        frame.extend(number.to_be_bytes());
        frame.extend((len.max(self.min_len()) as u16).to_be_bytes());
        let numbers = frame.len();
        frame.resize(len.max(numbers), 0);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ u64::from(self.id) << 32);
        rng.set_stream(number.into());
        rng.fill_bytes(&mut frame[numbers..]);
        frame
    }
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it was sent.
    Good {
        /// The flow.
        flow: u16,
        /// The frame's number in it.
        number: u32,
    },
    /// Numbered, but not as it was sent.
    Corrupt {
        /// The flow it claims.
        flow: u16,
        /// The number it claims.
        number: u32,
    },
    /// Not a numbered frame of a known flow.
    Foreign,
}

/// What came of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// Good frames, duplicates included.
    pub good: u64,
    /// Good frames that had come before.
    pub duplicates: u64,
    /// Good frames with a lower number than one that came before.
    pub reordered: u64,
    /// Frames that were not as they were sent.
    pub corrupt: u64,
    next: u32,
    seen: Vec<u64>,
}

impl FlowStats {
    /// How many of the frames 0 to `sent` - 1 never came.
    pub fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.good - self.duplicates)
    }

    fn note(&mut self, number: u32) {
        self.good += 1;
        let (word, bit) = (number as usize / 64, number % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let seen = self.seen[word] >> bit & 1 == 1;
        self.seen[word] |= 1 << bit;
        self.duplicates += u64::from(seen);
        self.reordered += u64::from(!seen && number < self.next);
        self.next = self.next.max(number.saturating_add(1));
    }
}

/// Compares frames with what was sent.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    flows: HashMap<u16, (Flow, FlowStats)>,
    /// Frames of no known flow.
    pub foreign: u64,
}

impl Checker {
    /// A checker that knows these flows.
    pub fn new(flows: impl IntoIterator<Item = Flow>) -> Self {
        let flows = flows
            .into_iter()
            .map(|f| (f.id, (f, FlowStats::default())))
            .collect();
        Checker { flows, foreign: 0 }
    }

    /// Checks and counts a frame (without FCS).
    pub fn check(&mut self, frame: &[u8]) -> Verdict {
        let mark = frame
            .windows(NUMBERS)
            .take(128)
            .position(|w| w.starts_with(&MARK));
        let fields = mark.map(|at| &frame[at + 4..at + NUMBERS]);
        let Some(&[f0, f1, n0, n1, n2, n3, l0, l1]) = fields else {
            self.foreign += 1;
            return Verdict::Foreign;
        };
        let (id, number) = (
            u16::from_be_bytes([f0, f1]),
            u32::from_be_bytes([n0, n1, n2, n3]),
        );
        let Some((flow, stats)) = self.flows.get_mut(&id) else {
            self.foreign += 1;
            return Verdict::Foreign;
        };
        let expected = flow.frame(number, u16::from_be_bytes([l0, l1]).into());
        if same(frame, &expected) {
            stats.note(number);
            Verdict::Good { flow: id, number }
        } else {
            stats.corrupt += 1;
            Verdict::Corrupt { flow: id, number }
        }
    }

    /// What came of a flow, if it is known.
    pub fn stats(&self, flow: u16) -> Option<&FlowStats> {
        self.flows.get(&flow).map(|(_, stats)| stats)
    }

    /// All flows and what came of them.
    pub fn flows(&self) -> impl Iterator<Item = (&Flow, &FlowStats)> {
        self.flows.values().map(|(flow, stats)| (flow, stats))
    }
}

/// Equal, or equal without one outer VLAN tag on either side.
fn same(a: &[u8], b: &[u8]) -> bool {
    let untagged = |f: &[u8]| match f.get(12..14) {
        Some([0x81, 0x00] | [0x88, 0xa8]) if f.len() >= 16 => [&f[..12], &f[16..]].concat(),
        _ => f.to_vec(),
    };
    a == b || untagged(a) == b || a == untagged(b)
}

/// The usual mix.
const IMIX: [usize; 12] = [64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518];

/// How large frames are, in bytes with FCS, as people name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All the same.
    Fixed(usize),
    /// Evenly spread over the range.
    Range(usize, usize),
    /// The usual mix: 7 of 64, 4 of 594, 1 of 1,518 bytes.
    Imix,
}

impl Sizes {
    /// The size of the next frame.
    pub fn next(&self, rng: &mut impl rand::Rng) -> usize {
        match *self {
            Sizes::Fixed(size) => size,
            Sizes::Range(from, to) => rng.random_range(from.min(to)..=to.max(from)),
            Sizes::Imix => IMIX[rng.random_range(0..IMIX.len())],
        }
    }

    /// Sizes that together are exactly the mix; none for a range, which has no such list.
    pub fn deck(&self) -> Option<Vec<usize>> {
        match *self {
            Sizes::Fixed(size) => Some(vec![size]),
            Sizes::Range(..) => None,
            Sizes::Imix => Some(IMIX.to_vec()),
        }
    }
}

/// The time between frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Always this many byte times of gap.
    Gap(u64),
    /// This share of the wire's rate at a gap of 12, in percent, exact over any number of frames.
    Load(f64),
}

/// Turns a [`Pace`] into gaps; what a whole number of byte times leaves over is carried on.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    carry: f64,
}

impl Pacer {
    /// A pacer at its start.
    pub fn new(pace: Pace) -> Self {
        Pacer { pace, carry: 0.0 }
    }

    /// Gap before a frame of `size` bytes with FCS.
    pub fn gap(&mut self, size: usize) -> u64 {
        match self.pace {
            Pace::Gap(gap) => gap,
            Pace::Load(percent) => {
                let busy = (8 + size) as f64;
                let exact = (busy + 12.0) * 100.0 / percent.clamp(0.001, 100.0) - busy + self.carry;
                let gap = exact.floor().max(1.0);
                self.carry = exact - gap;
                gap as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_frame_is_found() {
        let flow = Flow::new(3, 9, [2; 6], [4; 6]);
        let mut checker = Checker::new([flow.clone()]);
        for len in [40, 60, 61, 300] {
            let frame = flow.frame(7, len);
            assert_eq!(frame.len(), len);
            for bit in 0..8 * len {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    !matches!(checker.check(&bad), Verdict::Good { .. }),
                    "{len} {bit}"
                );
            }
            for cut in [&frame[..len - 1], &[&frame[..], &[0]].concat()] {
                assert!(!matches!(checker.check(cut), Verdict::Good { .. }), "{len}");
            }
        }
        assert_eq!(checker.check(&[0; 60]), Verdict::Foreign);
    }

    #[test]
    fn loss_order_and_duplicates_are_counted() {
        let flow = Flow::new(1, 1, [2; 6], [4; 6]);
        let mut checker = Checker::new([flow.clone()]);
        for number in [0, 1, 3, 2, 2, 70] {
            let good = Verdict::Good { flow: 1, number };
            let frame = flow.frame(number, 60);
            let tagged = [&frame[..12], &[0x81, 0, 0, 9], &frame[12..]].concat();
            assert_eq!(
                checker.check(if number == 3 { &tagged } else { &frame }),
                good
            );
        }
        let stats = checker.stats(1).unwrap();
        assert_eq!((stats.good, stats.duplicates, stats.reordered), (6, 1, 1));
        assert_eq!((stats.lost(71), stats.corrupt), (66, 0));
    }

    #[test]
    fn load_is_exact() {
        for (percent, size) in [(90.0, 64), (33.3, 1518), (100.0, 65), (10.0, 64)] {
            let mut pacer = Pacer::new(Pace::Load(percent));
            let frames = 100_000u64;
            let time: u64 = (0..frames).map(|_| pacer.gap(size) + 8 + size as u64).sum();
            let expected = (size as f64 + 20.0) * frames as f64 * 100.0 / percent;
            assert!((time as f64 - expected).abs() <= 1.0, "{time} {expected}");
        }
    }
}

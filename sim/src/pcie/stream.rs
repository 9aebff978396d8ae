//! Packets on the card's 64-bit streams.
//!
//! A packet starts in lane 0: bits 31:0 of its first beat are word 0, bits 63:32 word 1, and so on;
//! the payload follows the header without a gap. `keep` has one bit per word, and only a last beat
//! may keep fewer than two.

/// One transfer of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Two words, the first in bits 31:0.
    pub data: u64,
    /// Bit 0: the low word counts; bit 1: the high one.
    pub keep: u8,
    /// Whether the packet ends here.
    pub last: bool,
}

/// Cuts words into beats.
pub fn beats(words: &[u32]) -> impl Iterator<Item = Beat> + '_ {
    let count = words.len().div_ceil(2);
    words.chunks(2).enumerate().map(move |(i, pair)| Beat {
        data: u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32,
        keep: if pair.len() == 2 { 0b11 } else { 0b01 },
        last: i + 1 == count,
    })
}

/// A beat that no packet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "beat with keep {keep:#04b} and last {last}: only a last beat may keep one word, the low one"
)]
pub struct BadKeep {
    /// The beat's `keep`.
    pub keep: u8,
    /// The beat's `last`.
    pub last: bool,
}

/// Collects beats into packets.
#[derive(Debug, Default)]
pub struct Assembler {
    words: Vec<u32>,
}

impl Assembler {
    /// Takes a beat; returns the words of the packet that it ends.
    pub fn take(&mut self, beat: Beat) -> Result<Option<Vec<u32>>, BadKeep> {
        match (beat.keep, beat.last) {
            (0b11, _) => self
                .words
                .extend([beat.data as u32, (beat.data >> 32) as u32]),
            (0b01, true) => self.words.push(beat.data as u32),
            (keep, last) => {
                self.words.clear();
                return Err(BadKeep { keep, last });
            }
        }
        Ok(beat.last.then(|| std::mem::take(&mut self.words)))
    }

    /// Whether a packet has begun and not ended.
    pub fn inside(&self) -> bool {
        !self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_length_pass() {
        let mut assembler = Assembler::default();
        for n in 1..70u32 {
            let words: Vec<u32> = (0..n).collect();
            let mut whole = None;
            for beat in beats(&words) {
                assert!(whole.is_none());
                whole = assembler.take(beat).unwrap();
            }
            assert_eq!(whole, Some(words));
        }
        assert!(
            assembler
                .take(Beat {
                    data: 0,
                    keep: 0b01,
                    last: false
                })
                .is_err()
        );
        assert!(
            assembler
                .take(Beat {
                    data: 0,
                    keep: 0b10,
                    last: true
                })
                .is_err()
        );
    }
}

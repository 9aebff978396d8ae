//! What was offered to a port, by the times of its frames on the receive pins.

use super::Rig;
use smartnic_sim::gmii::{INTER_FRAME_GAP, Sent};

/// Seconds of a byte time.
pub const SECONDS: f64 = 8e-9;

/// Frames on one port's receive pins, from the first on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// How many.
    pub frames: u64,
    first: u64,
    last: u64,
    /// Byte times that all but the last take at the wire's rate.
    line: u64,
    last_line: u64,
}

impl Offered {
    /// Notes the next frame.
    pub fn note(&mut self, sent: Sent) {
        if self.frames == 0 {
            self.first = sent.start;
        }
        self.frames += 1;
        self.last = sent.start;
        self.line += self.last_line;
        self.last_line = sent.end - sent.start + 1 + INTER_FRAME_GAP;
    }

    /// Frames a second, from the start of the first to the start of the last; 0 of fewer than two.
    pub fn rate(&self) -> f64 {
        let time = (self.last - self.first) as f64 * SECONDS;
        if self.frames < 2 {
            0.0
        } else {
            (self.frames - 1) as f64 / time
        }
    }

    /// Share of the wire's rate: 1 for frames at a gap of exactly 12.
    pub fn load(&self) -> f64 {
        self.line as f64 / (self.last - self.first).max(1) as f64
    }
}

impl Rig {
    /// Notes what has gone into each port since the last call. [`smartnic_sim::card::Card::keep_sent`] must be on.
    pub fn note_offered(&mut self, ports: &mut [Offered]) {
        for (i, offered) in ports.iter_mut().enumerate() {
            while let Some(sent) = self.card.take_sent(i + 1) {
                offered.note(sent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_to_back_is_the_wires_rate_and_one_byte_of_gap_more_is_not() {
        for (gap, frames, load) in [(12, 1_488_095.2, 1.0), (13, 1_470_588.2, 84.0 / 85.0)] {
            let mut offered = Offered::default();
            let mut at = 1000;
            for _ in 0..500 {
                let end = at + 8 + 64 - 1;
                offered.note(Sent { start: at, end });
                at = end + 1 + gap;
            }
            assert!((offered.rate() - frames).abs() < 0.1, "{}", offered.rate());
            assert!((offered.load() - load).abs() < 1e-9, "{}", offered.load());
        }
    }
}

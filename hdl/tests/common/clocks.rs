//! Two clocks of any ratio.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Edges of two clocks: exact periods, a random phase, and jitter of an edge's place; bit 0 and bit 1 of a tick mask.
pub struct Clocks {
    period: [u64; 2],
    next: [u64; 2],
}

impl Clocks {
    pub fn new(rng: &mut ChaCha8Rng, period: [u64; 2]) -> Clocks {
        let next = period.map(|p| rng.random_range(0..p));
        Clocks { period, next }
    }
    /// The clocks that have an edge next.
    pub fn tick(&mut self) -> u32 {
        let now = self.next[0].min(self.next[1]);
        let mut mask = 0;
        for i in 0..2 {
            if self.next[i] == now {
                self.next[i] += self.period[i];
                mask |= 1 << i;
            }
        }
        mask
    }
}

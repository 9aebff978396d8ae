//! Time in ticks of `global::TICK` (milliseconds on a board; shorter in tests).

use crate::bus::Bus;
use smartnic_regs::global;

/// Ticks that one call of [`Clock::update`] adds at most: after a longer pause time goes on from here.
const MOST: u32 = 1000;

/// A count of ticks, kept from the cycle counter.
#[derive(Default)]
pub struct Clock {
    last: u32,
    now: u32,
}

impl Clock {
    /// A clock that starts at 0.
    pub fn new(bus: &mut impl Bus) -> Self {
        Self {
            last: bus.get(global::CYCLES_LO),
            now: 0,
        }
    }

    /// Ticks since the start; wraps.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Adds the ticks that have passed. At least once in 2^31 cycles.
    pub fn update(&mut self, bus: &mut impl Bus) {
        let period = bus.get(global::TICK).max(1);
        let cycles = bus.get(global::CYCLES_LO);
        for _ in 0..MOST {
            if cycles.wrapping_sub(self.last) < period {
                return;
            }
            self.last = self.last.wrapping_add(period);
            self.now = self.now.wrapping_add(1);
        }
        self.last = cycles;
    }
}

/// Whether `time` has come, at `now`: both wrap.
pub fn due(now: u32, time: u32) -> bool {
    now.wrapping_sub(time) < 1 << 31
}

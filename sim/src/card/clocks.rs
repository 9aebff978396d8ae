//! Which clocks tick together.
//!
//! By default every clock rises in every cycle, at the same time. Real clocks differ: a clock that is
//! slower by `ppm` parts in a million leaves out one edge in 1,000,000 / `ppm`; with random phases the
//! clocks of a cycle rise one after the other in an order that changes all the time, so that a domain
//! sees another's new or old value at random, as a synchroniser does.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How clocks differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockSettings {
    /// Parts in a million by which the core clock is slower than nominal.
    pub core_ppm: u32,
    /// The same for each port's receive clock; ports beyond the list are at 0.
    pub rx_ppm: Vec<u32>,
    /// Random phases, by this seed.
    pub phases: Option<u64>,
    /// Leaves out no clock of a part that rests: for whoever looks at how parts rest.
    pub ungated: bool,
}

#[derive(Debug)]
struct Clock {
    bit: u32,
    ppm: u32,
    late: u32,
}

/// Plans the ticks of each cycle.
#[derive(Debug)]
pub(super) struct Clocks {
    clocks: Vec<Clock>,
    phases: Option<ChaCha8Rng>,
    uniform: bool,
    all: u32,
    plan: Vec<u32>,
}

impl Clocks {
    /// `core` and `rx` are the clocks' bits in the model's mask.
    pub(super) fn new(settings: &ClockSettings, core: u32, rx: &[u32]) -> Self {
        let clock = |bit: u32, ppm: u32| Clock {
            bit,
            ppm: ppm.min(500_000),
            late: 0,
        };
        let mut clocks = vec![clock(core, settings.core_ppm)];
        for (i, bit) in rx.iter().enumerate() {
            clocks.push(clock(*bit, settings.rx_ppm.get(i).copied().unwrap_or(0)));
        }
        let phases = settings.phases.map(ChaCha8Rng::seed_from_u64);
        let uniform = phases.is_none() && clocks.iter().all(|c| c.ppm == 0);
        let all = clocks.iter().fold(0, |mask, c| mask | 1 << c.bit);
        Clocks {
            clocks,
            phases,
            uniform,
            all,
            plan: Vec::new(),
        }
    }

    /// The masks to tick in the coming cycle, in order.
    pub(super) fn next(&mut self) -> &[u32] {
        self.plan.clear();
        if self.uniform {
            self.plan.push(self.all);
            return &self.plan;
        }
        let mut bits = Vec::with_capacity(self.clocks.len());
        for clock in &mut self.clocks {
            clock.late += clock.ppm;
            if clock.late >= 1_000_000 {
                clock.late -= 1_000_000;
            } else {
                bits.push(1 << clock.bit);
            }
        }
        match &mut self.phases {
            None => self.plan.push(bits.iter().sum()),
            Some(rng) => {
                bits.shuffle(rng);
                for bit in bits {
                    match self.plan.last_mut() {
                        Some(together) if rng.random_range(0..4) == 0 => *together |= bit,
                        _ => self.plan.push(bit),
                    }
                }
            }
        }
        &self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_left_out_and_phases_mixed() {
        let settings = ClockSettings {
            core_ppm: 0,
            rx_ppm: vec![100, 0],
            ..Default::default()
        };
        let mut clocks = Clocks::new(&settings, 0, &[1, 2]);
        let mut edges = [0u32; 3];
        for _ in 0..1_000_000 {
            let plan = clocks.next();
            assert_eq!(plan.len(), 1);
            edges
                .iter_mut()
                .enumerate()
                .for_each(|(i, n)| *n += plan[0] >> i & 1);
        }
        assert_eq!(edges, [1_000_000, 999_900, 1_000_000]);
        let mut clocks = Clocks::new(
            &ClockSettings {
                phases: Some(1),
                ..Default::default()
            },
            0,
            &[1, 2],
        );
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            let plan = clocks.next();
            assert_eq!(plan.iter().sum::<u32>(), 0b111);
            seen.insert(plan.to_vec());
        }
        assert_eq!(
            seen.len(),
            13,
            "every order of three clocks, equal ones included"
        );
    }
}

//! The time that the slow path runs by: the machine's, or a test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Says how much time has passed since some start. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Machine(Instant),
    /// Nanoseconds.
    Manual(Arc<AtomicU64>),
}

impl Default for Clock {
    /// The machine's monotonic clock, from now on.
    fn default() -> Self {
        Self(Kind::Machine(Instant::now()))
    }
}

impl Clock {
    /// A clock that stands at zero until it is [advanced](Clock::advance).
    pub fn manual() -> Self {
        Self(Kind::Manual(Arc::default()))
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::Machine(start) => start.elapsed(),
            Kind::Manual(nanos) => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    /// Lets time pass on a manual clock; nobody advances the machine's.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(nanos) = &self.0 {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            nanos.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_told() {
        let clock = Clock::manual();
        let same = clock.clone();
        clock.advance(Duration::from_secs(3));
        assert_eq!(same.now(), Duration::from_secs(3));
        let machine = Clock::default();
        machine.advance(Duration::from_secs(3_600));
        assert!(machine.now() < Duration::from_secs(3_600));
    }
}

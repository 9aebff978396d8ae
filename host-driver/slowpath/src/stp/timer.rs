//! A timer that runs by the injected clock.

use std::time::Duration;

/// A timer (IEEE 802.1D-2004 clause 17.17).
///
/// The standard counts timers down once a second; these end at an instant, so that a timer of n seconds is zero n seconds later and not
/// between n - 1 and n. Where a machine sets a timer again and again for as long as a state lasts (`fdWhile` of an alternate port), it is
/// held instead: it has its value, does not run, and wakes nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Timer {
    /// Not running.
    #[default]
    Zero,
    /// Kept at a value.
    Held(Duration),
    /// Zero from this instant on.
    Until(Duration),
}

impl Timer {
    /// Runs from `time` down.
    pub fn start(&mut self, now: Duration, time: Duration) {
        *self = Self::Until(now.saturating_add(time));
    }
    /// Held at `time`; says whether it was not yet.
    pub fn hold(&mut self, time: Duration) -> bool {
        let was = std::mem::replace(self, Self::Held(time));
        was != *self
    }
    /// Runs from where it was held.
    pub fn release(&mut self, now: Duration) {
        if let Self::Held(time) = *self {
            self.start(now, time);
        }
    }
    /// Stops.
    pub fn stop(&mut self) {
        *self = Self::Zero;
    }
    /// Time left.
    pub fn left(&self, now: Duration) -> Duration {
        match *self {
            Self::Zero => Duration::ZERO,
            Self::Held(time) => time,
            Self::Until(end) => end.saturating_sub(now),
        }
    }
    /// Has come to zero, or never ran.
    pub fn is_zero(&self, now: Duration) -> bool {
        self.left(now).is_zero()
    }
    /// Runs, and has not come to zero.
    pub fn is_running(&self, now: Duration) -> bool {
        matches!(self, Self::Until(end) if *end > now)
    }
    /// When it comes to zero.
    pub fn deadline(&self) -> Option<Duration> {
        match *self {
            Self::Until(end) => Some(end),
            _ => None,
        }
    }
    /// Stops if it has come to zero, and says so.
    pub fn expire(&mut self, now: Duration) -> bool {
        let over = matches!(*self, Self::Until(end) if end <= now);
        if over {
            self.stop();
        }
        over
    }
}

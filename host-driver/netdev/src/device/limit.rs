//! How many bytes may wait inside the hardware: few enough that a frame of a higher class need not wait behind them, enough that the
//! link never runs dry (byte queue limits).
//!
//! The limit grows when the hardware ran empty although the queue was stopped: it could have had more. It shrinks by what was
//! to spare in every completion of the last second.

use std::time::Duration;

/// Smallest limit: two full frames.
const MIN: usize = 2 * 1514;
/// Largest limit.
const MAX: usize = 1 << 20;
/// How long something must have been to spare.
const HOLD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct ByteLimit {
    limit: usize,
    in_flight: usize,
    /// The queue was stopped since the last completion.
    stopped: bool,
    spare: usize,
    since: Option<Duration>,
}

impl Default for ByteLimit {
    fn default() -> Self {
        Self {
            limit: MIN,
            in_flight: 0,
            stopped: false,
            spare: usize::MAX,
            since: None,
        }
    }
}

impl ByteLimit {
    pub(crate) fn queued(&mut self, bytes: usize) {
        self.in_flight += bytes;
        self.stopped |= self.is_full();
    }

    /// No further frame is to be given to the hardware.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight >= self.limit
    }

    pub(crate) fn completed(&mut self, bytes: usize, now: Duration) {
        let before = self.in_flight;
        self.in_flight = before.saturating_sub(bytes);
        let since = *self.since.get_or_insert(now);
        if self.stopped && self.in_flight == 0 {
            self.limit = (self.limit + bytes).min(MAX);
            (self.spare, self.since) = (usize::MAX, Some(now));
        } else {
            // What was left when this much was done: the link would have lived without it.
            self.spare = self.spare.min(self.in_flight);
            if now.saturating_sub(since) >= HOLD {
                self.limit = self.limit.saturating_sub(self.spare).max(MIN);
                (self.spare, self.since) = (usize::MAX, Some(now));
            }
        }
        self.stopped = self.is_full();
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_when_the_link_ran_dry_and_shrinks_when_there_is_to_spare() {
        let mut l = ByteLimit::default();
        let mut now = Duration::ZERO;
        // Everything is sent before each completion: starved each time.
        for _ in 0..4 {
            while !l.is_full() {
                l.queued(1514);
            }
            l.completed(l.in_flight(), now);
        }
        let grown = l.limit();
        assert!(grown >= 8 * MIN, "{grown}");
        // Only a few bytes of it are ever used up between completions.
        for _ in 0..40 {
            while !l.is_full() {
                l.queued(1514);
            }
            now += Duration::from_millis(100);
            l.completed(1514, now);
        }
        assert!(l.limit() < grown / 2, "{} of {grown}", l.limit());
        assert!(l.limit() >= MIN);
        l.reset();
        assert_eq!((l.in_flight(), l.limit()), (0, MIN));
    }
}

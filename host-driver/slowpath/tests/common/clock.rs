//! Time in tests.

use std::time::Duration;

/// Milliseconds since the start.
pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

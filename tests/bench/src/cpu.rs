//! Processor time and clock: figures of software that hold on a machine with other work.

use std::hint::black_box;
use std::time::Duration;

/// Processor time that this thread has used: what others use of the machine is not in it.
///
/// # Panics
///
/// If the system has no such clock; Linux does.
#[must_use]
pub fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the structure that is given, which lives here.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "CLOCK_THREAD_CPUTIME_ID is there");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Steps of the chain below.
const STEPS: u64 = 8_000_000;
/// Core cycles of a step on x86-64 processors of the last decade: three shifts and three exclusive ors, each waiting for the one before.
const CYCLES_A_STEP: f64 = 6.0;

/// Frequency of this core now, in Hz: how long a chain of dependent instructions of one cycle each takes. The larger of several, since a
/// neighbour can only slow it down.
#[must_use]
pub fn clock_hz() -> f64 {
    let once = || {
        let start = thread_time();
        let mut x = black_box(0x9e37_79b9_7f4a_7c15_u64);
        for _ in 0..STEPS {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        black_box(x);
        STEPS as f64 * CYCLES_A_STEP / (thread_time() - start).as_secs_f64()
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

//! A transmit queue: stopped and woken, with its backlog, its bytes under way and the time of its last start.
//!
//! Three reasons stop it, each its own bit: the driver has no room for the largest frame, the byte limit is reached, and
//! the watchdog has frozen it. The lock around the backlog is the kernel's transmit lock as well: whoever holds it is the one
//! that may call `start_xmit` for this queue.
//!
//! Covered by `tests/netdev/queue.rs`.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limit::ByteLimit;
use crate::packet::Batch;

pub(crate) const DRIVER_OFF: u8 = 1;
pub(crate) const LIMIT_OFF: u8 = 2;
pub(crate) const FROZEN: u8 = 4;

/// One transmit queue of a device.
#[derive(Debug, Default)]
pub struct TxQueue {
    state: AtomicU8,
    pub(crate) scheduled: AtomicBool,
    /// The data path thread in `start_xmit`, by number; 0: none.
    pub(crate) owner: AtomicU64,
    trans_start: AtomicU64,
    timeouts: AtomicU64,
    backlog: Mutex<Batch>,
    /// Length of the backlog when the lock was last let go.
    pub(crate) waiting: AtomicUsize,
    limit: Mutex<ByteLimit>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole between any two statements; a panicking driver must not stop the other threads.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TxQueue {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Batch> {
        lock(&self.backlog)
    }
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Batch>> {
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        match self.backlog.try_lock() {
            Ok(guard) => Some(guard),
            Err(Poisoned(error)) => Some(error.into_inner()),
            Err(WouldBlock) => None,
        }
    }

    pub(crate) fn set(&self, bit: u8) {
        self.state.fetch_or(bit, Ordering::SeqCst);
    }
    /// Clears a bit; true if it was set.
    pub(crate) fn clear(&self, bit: u8) -> bool {
        self.state.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// The driver takes no frames (`netif_tx_queue_stopped`).
    pub fn is_stopped(&self) -> bool {
        self.state.load(Ordering::SeqCst) & DRIVER_OFF != 0
    }
    /// No frames are handed to the driver, for any reason.
    pub fn is_off(&self) -> bool {
        self.state.load(Ordering::SeqCst) != 0
    }
    /// Frames that wait.
    pub fn backlog(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
    /// When the driver took a frame last.
    pub fn trans_start(&self) -> Duration {
        Duration::from_nanos(self.trans_start.load(Ordering::Relaxed))
    }
    pub(crate) fn touch(&self, now: u64) {
        self.trans_start.store(now, Ordering::Relaxed);
    }
    /// Times that the watchdog had to act.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }
    pub(crate) fn count_timeout(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    /// The driver gave the hardware `bytes` (`netdev_tx_sent_queue`): the queue stops when too many are under way.
    pub fn sent(&self, bytes: usize) {
        let mut limit = lock(&self.limit);
        limit.queued(bytes);
        if limit.is_full() {
            self.set(LIMIT_OFF);
        }
    }

    /// The hardware is done with `bytes`; true if the queue may go on that was stopped for the limit.
    pub(crate) fn completed(&self, bytes: usize, now: Duration) -> bool {
        let mut limit = lock(&self.limit);
        limit.completed(bytes, now);
        !limit.is_full() && self.clear(LIMIT_OFF)
    }

    /// Nothing is under way any more: the device was stopped (`netdev_tx_reset_queue`).
    pub fn reset_limit(&self) {
        lock(&self.limit).reset();
        self.clear(LIMIT_OFF);
    }

    /// Bytes under way and the limit.
    pub fn in_flight(&self) -> (usize, usize) {
        let limit = lock(&self.limit);
        (limit.in_flight(), limit.limit())
    }
}

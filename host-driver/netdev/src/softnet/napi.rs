//! The state of one budgeted poll (NAPI): asked for, running, missed, disabled.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

const SCHEDULED: u8 = 1;
const MISSED: u8 = 2;
const DISABLED: u8 = 4;
const AGAIN: u8 = 8;

/// Frames that a device may receive in one poll.
pub const WEIGHT: usize = 64;

#[derive(Debug)]
pub(crate) struct Napi {
    state: AtomicU8,
    /// Held by who polls.
    poller: Mutex<()>,
}

impl Default for Napi {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(DISABLED),
            poller: Mutex::new(()),
        }
    }
}

impl Napi {
    /// True if nobody had asked yet: the caller puts it on the list.
    pub(crate) fn schedule(&self) -> bool {
        let next = |s: u8| match s {
            s if s & DISABLED != 0 => None,
            s if s & SCHEDULED != 0 => Some(s | MISSED),
            s => Some(s | SCHEDULED),
        };
        let before = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        before.is_ok_and(|s| s & SCHEDULED == 0)
    }

    /// True if it is done; false if it has to run again.
    pub(crate) fn complete(&self) -> bool {
        let next = |s: u8| {
            Some(match s & MISSED {
                0 => s & !SCHEDULED,
                _ => s & !MISSED | AGAIN,
            })
        };
        let before = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        before.is_ok_and(|s| s & MISSED == 0)
    }

    pub(crate) fn enable(&self) {
        self.state.store(0, Ordering::SeqCst);
    }

    pub(crate) fn disable(&self) {
        self.state.fetch_or(DISABLED, Ordering::SeqCst);
        drop(self.poller.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.store(DISABLED, Ordering::SeqCst);
    }

    pub(crate) fn is_scheduled(&self) -> bool {
        self.state.load(Ordering::SeqCst) & (SCHEDULED | DISABLED) == SCHEDULED
    }

    /// It has to run again although there was less than the budget.
    pub(crate) fn take_again(&self) -> bool {
        self.state.fetch_and(!AGAIN, Ordering::SeqCst) & AGAIN != 0
    }

    /// The right to poll, if nobody else does.
    pub(crate) fn own(&self) -> Option<MutexGuard<'_, ()>> {
        match self.poller.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

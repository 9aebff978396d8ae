//! An attachment that the caller keeps a handle to, with the wire times of what came.

use smartnic_sim::gmii::{Received, Transmission};
use smartnic_sim::ports::{Attachment, PortError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// When a frame was on the card's transmit wire: first preamble cycle, last byte's cycle, length without FCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Cycle of the first preamble byte.
    pub start: u64,
    /// Cycle of the last byte.
    pub end: u64,
    /// Bytes without FCS.
    pub length: usize,
}

struct Inner<A> {
    attachment: A,
    arrivals: VecDeque<Arrival>,
    keep: bool,
    first: Option<u64>,
    last: u64,
    count: u64,
}

/// A handle; clones share one attachment.
pub struct Shared<A>(Arc<Mutex<Inner<A>>>);

impl<A> Clone for Shared<A> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<A> Shared<A> {
    /// Wraps an attachment; `keep` keeps every arrival for [`Shared::take_arrival`].
    pub fn new(attachment: A, keep: bool) -> Self {
        let inner = Inner {
            attachment,
            arrivals: VecDeque::new(),
            keep,
            first: None,
            last: 0,
            count: 0,
        };
        Shared(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Looks at or changes the attachment.
    pub fn with<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        f(&mut self.lock().attachment)
    }

    /// The oldest kept arrival.
    pub fn take_arrival(&self) -> Option<Arrival> {
        self.lock().arrivals.pop_front()
    }

    /// Cycles from the first frame's first byte to the last frame's last, and how many frames came.
    pub fn span(&self) -> (u64, u64, u64) {
        let i = self.lock();
        (i.first.unwrap_or(0), i.last, i.count)
    }
}

impl<A: Attachment> Attachment for Shared<A> {
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError> {
        self.lock().attachment.poll(now)
    }

    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        let mut i = self.lock();
        i.first.get_or_insert(frame.start);
        i.last = frame.end;
        i.count += 1;
        if i.keep {
            i.arrivals.push_back(Arrival {
                start: frame.start,
                end: frame.end,
                length: frame.frame.len(),
            });
        }
        i.attachment.deliver(now, frame)
    }

    fn finished(&self) -> bool {
        self.lock().attachment.finished()
    }

    fn summary(&self) -> String {
        self.lock().attachment.summary()
    }
}

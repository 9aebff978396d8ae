//! A port of the card: its attachment, and the two ends of its wire.

use crate::gmii::{Driver, Monitor, Received, Sent};
use crate::ports::{Attachment, PortError};
use std::collections::VecDeque;

/// Cycles between looks at an attachment outside that had nothing.
const POLL_OUTSIDE: u64 = 512;
/// The same for one inside the process.
const POLL_INSIDE: u64 = 16;

pub(super) struct PortSlot {
    pub(super) attachment: Option<Box<dyn Attachment>>,
    pub(super) failed: bool,
    pub(super) link: bool,
    pub(super) driver: Driver,
    pub(super) monitor: Monitor,
    pub(super) next_poll: u64,
    pub(super) sent: VecDeque<Sent>,
}

impl PortSlot {
    pub(super) fn new() -> Self {
        PortSlot {
            attachment: None,
            failed: false,
            link: false,
            driver: Driver::new(),
            monitor: Monitor::new(),
            next_poll: 0,
            sent: VecDeque::new(),
        }
    }

    pub(super) fn deliver(&mut self, index: usize, now: u64, frame: &Received) {
        if let (Some(attachment), false) = (&mut self.attachment, self.failed)
            && let Err(error) = attachment.deliver(now, frame)
        {
            self.fail(index, &error);
        }
    }

    /// Keeps one transmission waiting behind the one on the wire, so that gaps are exact.
    pub(super) fn fill(&mut self, index: usize, cycle: u64, now: u64) {
        if self.driver.waiting() > 0 || cycle < self.next_poll || self.failed || !self.link {
            return;
        }
        let Some(attachment) = &mut self.attachment else {
            return;
        };
        match attachment.poll(now) {
            Ok(Some(transmission)) => self.driver.send(transmission),
            Ok(None) => {
                let outside = attachment.readiness().is_some();
                self.next_poll = cycle + if outside { POLL_OUTSIDE } else { POLL_INSIDE };
            }
            Err(error) => self.fail(index, &error),
        }
    }

    /// An attachment that failed is a cable without a far end; the card goes on.
    fn fail(&mut self, index: usize, error: &PortError) {
        tracing::error!(port = index + 1, "link down: {error}");
        self.failed = true;
    }
}

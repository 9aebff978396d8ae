//! What plugs into the card's ports.
//!
//! An [`Attachment`] is the far end of a cable: it gives frames to send into a port and takes frames
//! that the card sent. Attachments: [`tap`], [`packet`] (an existing interface), [`dgram`] (a Unix
//! socket, as QEMU's `-netdev dgram`), [`capture`] (files), [`generator`] (numbered frames, checked), [`queue`] (for programs).
//! [`wrap`] stacks captures and faults around any of them. [`spec`] reads them from a command line.

pub mod capture;
pub mod dgram;
pub mod generator;
pub mod offload;
pub mod packet;
pub mod queue;
pub mod spec;
mod sys;
pub mod tap;
pub mod traffic;
pub mod wrap;

use crate::gmii::{Received, Transmission};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Smallest frame on the wire without FCS: a sender pads up to it (IEEE 802.3 clause 4.2.8).
pub const MIN_FRAME: usize = 60;
/// Largest frame that an attachment carries, without FCS: a jumbo frame of 9,216 bytes.
pub const MAX_FRAME: usize = 9_212;

/// Why an attachment failed. The card takes the port's link down and goes on with the others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// A system call failed.
    #[error("{what} `{name}`: {action}: {source}")]
    System {
        /// Kind of attachment.
        what: &'static str,
        /// Its name or path.
        name: String,
        /// What was being done.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A capture file cannot be read or written.
    #[error("capture `{path}`: {problem}")]
    Capture {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A port's description on the command line.
    #[error("port `{text}`: {problem}; expected {expected}")]
    Spec {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl PortError {
    /// Wraps a system error.
    pub(crate) fn system(
        what: &'static str,
        name: &str,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> PortError {
        let name = name.to_owned();
        move |source| PortError::System {
            what,
            name,
            action,
            source,
        }
    }
}

/// The far end of a port's cable. Times are simulated nanoseconds since the card's power-up.
pub trait Attachment: Send {
    /// The next frame to send into the card's port, or `None` if there is none now. Called while the
    /// port's wire has room for one more frame, so that gaps can be exact.
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError>;

    /// Takes a frame that the card sent, faults and all. An attachment that cannot keep up drops it.
    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError>;

    /// A descriptor that becomes readable when [`Attachment::poll`] may have a frame; `None` if that
    /// depends on nothing outside.
    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the cable has a live far end. Asked some times a second.
    fn link(&mut self) -> bool {
        true
    }

    /// Whether everything that this attachment will ever send has been sent (files, generators).
    fn finished(&self) -> bool {
        false
    }

    /// Finishes files.
    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    /// What it did, in one line for people.
    fn summary(&self) -> String {
        String::new()
    }
}

macro_rules! forward {
    ($($kind:ty),*) => {$(
impl<A: Attachment + ?Sized> Attachment for $kind {
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError> {
        (**self).poll(now)
    }
    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        (**self).deliver(now, frame)
    }
    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        (**self).readiness()
    }
    fn link(&mut self) -> bool {
        (**self).link()
    }
    fn finished(&self) -> bool {
        (**self).finished()
    }
    fn close(&mut self) -> Result<(), PortError> {
        (**self).close()
    }
    fn summary(&self) -> String {
        (**self).summary()
    }
}
    )*};
}

forward!(Box<A>, &mut A);

/// An attachment that a program keeps an eye on while the card uses it. One with a descriptor is looked
/// at from time to time instead of waited for.
impl<A: Attachment> Attachment for Arc<Mutex<A>> {
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError> {
        locked(self).poll(now)
    }
    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        locked(self).deliver(now, frame)
    }
    fn link(&mut self) -> bool {
        locked(self).link()
    }
    fn finished(&self) -> bool {
        locked(self).finished()
    }
    fn close(&mut self) -> Result<(), PortError> {
        locked(self).close()
    }
    fn summary(&self) -> String {
        locked(self).summary()
    }
}

/// What a panic elsewhere left is still an attachment.
fn locked<A>(shared: &Mutex<A>) -> MutexGuard<'_, A> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A frame as a station's MAC sends it: padded to the smallest size, after the smallest gap.
pub fn station_frame(mut frame: Vec<u8>) -> Transmission {
    if frame.len() < MIN_FRAME {
        frame.resize(MIN_FRAME, 0);
    }
    Transmission::new(frame)
}

/// Whether a station's MAC would hand this frame to its host.
pub fn acceptable(frame: &Received) -> bool {
    frame.sfd && frame.fcs_ok && !frame.error && frame.frame.len() >= MIN_FRAME
}

/// Counts of an attachment that forwards to something outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames sent into the card.
    pub to_card: u64,
    /// Frames taken from the card and handed on.
    pub from_card: u64,
    /// Frames of the card that were lost here: the other side had no room or was not there.
    pub lost: u64,
    /// Frames of the card with a fault, which a station's MAC drops.
    pub bad: u64,
}

impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Traffic {
            to_card,
            from_card,
            lost,
            bad,
        } = self;
        write!(
            f,
            "{to_card} frames in, {from_card} out, {lost} lost, {bad} bad"
        )
    }
}

//! Opening a card that went away, on a thread of its own: a server that accepts and then says nothing would hold up the loop for as
//! long as an answer may take.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Opener;
use crate::device::{Device, DeviceError};

/// The thread that opens, at rest or at work.
pub struct Reopener {
    start: Sender<()>,
    opened: Receiver<Result<Device, DeviceError>>,
    done: Arc<EventFd>,
    busy: bool,
}

impl Reopener {
    /// Starts the thread, at rest. It ends after this value is dropped and a try under way is over.
    pub fn new(mut open: Opener) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let done = Arc::new(EventFd::from_flags(flags)?);
        let (start, wanted) = channel::<()>();
        let (sender, opened) = channel();
        let tell = done.clone();
        let work = move || {
            for () in wanted {
                let card = open().map_err(DeviceError::from).and_then(Device::probe);
                // Whoever wanted it has ended, or nobody has looked 2^64 times.
                if sender.send(card).is_err() || tell.write(1).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("open".into())
            .spawn(work)?;
        Ok(Self {
            start,
            opened,
            done,
            busy: false,
        })
    }

    /// Readable when a try has ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// Starts a try, unless one is under way.
    pub fn start(&mut self) {
        if !self.busy {
            self.busy = self.start.send(()).is_ok();
        }
    }

    /// What a try gave, if one has ended.
    pub fn take(&mut self) -> Option<Result<Device, DeviceError>> {
        let card = self.opened.try_recv().ok()?;
        // Clears it; empty it cannot be.
        let _ = self.done.read();
        self.busy = false;
        Some(card)
    }
}

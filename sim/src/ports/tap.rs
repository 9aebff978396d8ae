//! A port on a TAP interface of the host's kernel.
//!
//! No offloads are turned on, so the kernel segments, completes checksums and puts VLAN tags into the
//! frame before it hands it over. The interface's state (up, address, name space) is its user's.

use super::{Attachment, PortError, Traffic, acceptable, station_frame, sys};
use crate::gmii::{Received, Transmission};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// A TAP interface.
#[derive(Debug)]
pub struct Tap {
    name: String,
    file: File,
    buffer: Vec<u8>,
    /// What passed.
    pub traffic: Traffic,
}

impl Tap {
    /// Opens the interface, and makes it if it does not exist; one that is made here goes away with
    /// this value. Needs CAP_NET_ADMIN or an interface that belongs to the user.
    pub fn open(name: &str) -> Result<Self, PortError> {
        let fd = sys::open_tap(name).map_err(PortError::system("TAP", name, "open"))?;
        let buffer = vec![0; super::MAX_FRAME + 1];
        Ok(Tap {
            name: name.into(),
            file: File::from(fd),
            buffer,
            traffic: Traffic::default(),
        })
    }
}

impl Attachment for Tap {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        match self.file.read(&mut self.buffer) {
            Ok(n) => {
                self.traffic.to_card += 1;
                Ok(Some(station_frame(self.buffer[..n].to_vec())))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(e) => Err(PortError::system("TAP", &self.name, "read")(e)),
        }
    }

    fn deliver(&mut self, _now: u64, frame: &Received) -> Result<(), PortError> {
        if !acceptable(frame) {
            self.traffic.bad += 1;
            return Ok(());
        }
        match self.file.write(&frame.frame) {
            Ok(_) => self.traffic.from_card += 1,
            // EIO: the interface is down; EINVAL: the kernel refuses the frame. Both lose it.
            Err(e)
                if e.kind() == ErrorKind::WouldBlock
                    || matches!(
                        e.raw_os_error(),
                        Some(libc::EIO | libc::EINVAL | libc::ENOBUFS)
                    ) =>
            {
                self.traffic.lost += 1;
            }
            Err(e) => return Err(PortError::system("TAP", &self.name, "write")(e)),
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn link(&mut self) -> bool {
        sys::carrier(&self.name)
    }

    fn summary(&self) -> String {
        format!("TAP {}: {}", self.name, self.traffic)
    }
}

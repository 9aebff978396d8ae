//! A port on a Unix datagram socket: one datagram is one frame without FCS.
//!
//! This is what QEMU's `-netdev dgram,local.type=unix,remote.type=unix` speaks, so a virtual machine
//! can be on the other end. While nobody is bound to the peer's path the link is down.

use super::{Attachment, MAX_FRAME, PortError, Traffic, acceptable, station_frame};
use crate::gmii::{Received, Transmission};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A datagram socket and the path of its peer.
#[derive(Debug)]
pub struct Datagram {
    socket: UnixDatagram,
    local: PathBuf,
    peer: PathBuf,
    buffer: Vec<u8>,
    /// What passed.
    pub traffic: Traffic,
}

impl Datagram {
    /// Binds `local` and sends to `peer`. A socket that a dead process left at `local` is replaced;
    /// anything else there is an error.
    pub fn bind(local: &Path, peer: &Path) -> Result<Self, PortError> {
        let name = local.display().to_string();
        let fail = |action| PortError::system("socket", &name, action);
        let probe = UnixDatagram::unbound().map_err(fail("open"))?;
        if let Err(e) = probe.connect(local)
            && e.kind() == ErrorKind::ConnectionRefused
            && std::fs::symlink_metadata(local).is_ok_and(|m| m.file_type().is_socket())
        {
            std::fs::remove_file(local).map_err(fail("remove the stale socket"))?;
        }
        let socket = UnixDatagram::bind(local).map_err(fail("bind"))?;
        socket
            .set_nonblocking(true)
            .map_err(fail("set non-blocking"))?;
        Ok(Datagram {
            socket,
            local: local.into(),
            peer: peer.into(),
            buffer: vec![0; MAX_FRAME + 1],
            traffic: Traffic::default(),
        })
    }
}

impl Attachment for Datagram {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        match self.socket.recv(&mut self.buffer) {
            Ok(n) => {
                self.traffic.to_card += 1;
                Ok(Some(station_frame(self.buffer[..n].to_vec())))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(e) => {
                let name = self.local.display().to_string();
                Err(PortError::system("socket", &name, "receive")(e))
            }
        }
    }

    fn deliver(&mut self, _now: u64, frame: &Received) -> Result<(), PortError> {
        if !acceptable(frame) {
            self.traffic.bad += 1;
        } else if self.socket.send_to(&frame.frame, &self.peer).is_ok() {
            self.traffic.from_card += 1;
        } else {
            // Nobody there, or no room: lost, as on a wire. `link` says which.
            self.traffic.lost += 1;
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn link(&mut self) -> bool {
        UnixDatagram::unbound().is_ok_and(|probe| probe.connect(&self.peer).is_ok())
    }

    fn summary(&self) -> String {
        format!("socket {}: {}", self.local.display(), self.traffic)
    }
}

impl Drop for Datagram {
    fn drop(&mut self) {
        // Nothing can be done about a path that somebody else has removed.
        let _ = std::fs::remove_file(&self.local);
    }
}

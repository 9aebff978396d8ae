//! A port on an existing interface, through a packet socket (packet(7)).
//!
//! The socket is promiscuous and does not see what this host sends through the interface, so that
//! nothing that the card sent comes back. Frames from another stack on the same machine (veth) may be
//! larger than the MTU or have unfinished checksums; the socket says so in a virtio header, and
//! [`super::offload`] finishes them. A VLAN tag that the kernel took off is put back.

use super::offload::{self, HEADER};
use super::{Attachment, PortError, Traffic, acceptable, station_frame, sys};
use crate::gmii::{Received, Transmission};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Largest frame that another stack hands over, with the header before it.
const BUFFER: usize = HEADER + 65_536 + 64;

/// An existing interface.
#[derive(Debug)]
pub struct PacketSocket {
    name: String,
    socket: File,
    buffer: Vec<u8>,
    segments: VecDeque<Vec<u8>>,
    /// What passed.
    pub traffic: Traffic,
    /// Frames of the interface that could not be finished (an offload that is not known here).
    pub refused: u64,
}

impl PacketSocket {
    /// Opens the interface; needs CAP_NET_RAW in its name space.
    pub fn open(name: &str) -> Result<Self, PortError> {
        let fd = sys::open_packet(name).map_err(PortError::system("interface", name, "open"))?;
        Ok(PacketSocket {
            name: name.into(),
            socket: File::from(fd),
            buffer: vec![0; BUFFER],
            segments: VecDeque::new(),
            traffic: Traffic::default(),
            refused: 0,
        })
    }
}

impl Attachment for PacketSocket {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        while self.segments.is_empty() {
            let received = sys::receive_packet(self.socket.as_fd(), &mut self.buffer)
                .map_err(PortError::system("interface", &self.name, "receive"))?;
            let Some((n, tag)) = received else {
                return Ok(None);
            };
            let whole = self.buffer.get(..n);
            match whole.and_then(|bytes| offload::finish(bytes, tag.map(|t| (t.tpid, t.tci))).ok())
            {
                Some(frames) => self.segments.extend(frames),
                None => self.refused += 1,
            }
        }
        self.traffic.to_card += u64::from(!self.segments.is_empty());
        Ok(self.segments.pop_front().map(station_frame))
    }

    fn deliver(&mut self, _now: u64, frame: &Received) -> Result<(), PortError> {
        if !acceptable(frame) {
            self.traffic.bad += 1;
            return Ok(());
        }
        // An empty header: nothing is left to the kernel.
        let mut bytes = vec![0; HEADER];
        bytes.extend(&frame.frame);
        match self.socket.write(&bytes) {
            Ok(_) => self.traffic.from_card += 1,
            // No room, interface down, frame above its MTU: lost, as on a wire.
            Err(e)
                if e.kind() == ErrorKind::WouldBlock
                    || matches!(
                        e.raw_os_error(),
                        Some(libc::ENOBUFS | libc::ENETDOWN | libc::EMSGSIZE)
                    ) =>
            {
                self.traffic.lost += 1;
            }
            Err(e) => return Err(PortError::system("interface", &self.name, "send")(e)),
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn link(&mut self) -> bool {
        sys::carrier_by(self.socket.as_fd(), &self.name)
    }

    fn summary(&self) -> String {
        format!(
            "interface {}: {}, {} refused",
            self.name, self.traffic, self.refused
        )
    }
}

//! A packet socket on one interface: the frames that come in, and a way to send.

use std::ffi::CString;
use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Not in the libc crate: do not show the frames that this host sends.
const PACKET_IGNORE_OUTGOING: i32 = 23;

/// The socket.
pub struct PacketSocket(OwnedFd);

fn check(value: libc::c_int) -> Result<libc::c_int> {
    if value < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(value)
    }
}

impl PacketSocket {
    /// Opens one on an interface of this thread's network namespace.
    pub fn open(name: &str) -> Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: a terminated string.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(Error::last_os_error());
        }
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the descriptor is owned right away.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, kind, 0))?) };
        let one = 1i32;
        // SAFETY: the pointer and size are those of `one`.
        check(unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_IGNORE_OUTGOING,
                (&raw const one).cast(),
                size_of::<i32>() as libc::socklen_t,
            )
        })?;
        // SAFETY: plain data, for which zeroes are valid.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index as i32;
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the pointer and size are those of `address`.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) })?;
        Ok(Self(fd))
    }

    /// A frame, if there is one.
    pub fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>> {
        // SAFETY: the pointer and size are those of `frame`.
        let len = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                frame.as_mut_ptr().cast(),
                frame.len(),
                0,
            )
        };
        if len >= 0 {
            return Ok(Some(len as usize));
        }
        let error = Error::last_os_error();
        match error.kind() {
            // The interface is down: a cut cable.
            ErrorKind::WouldBlock | ErrorKind::NetworkDown => Ok(None),
            _ => Err(error),
        }
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        // SAFETY: the pointer and size are those of `frame`.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            Err(Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

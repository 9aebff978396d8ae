//! A packet socket that sends, many frames a system call.

use std::ffi::CString;
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Frames of a call.
const MOST: usize = 64;

/// The socket.
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one on an interface of this thread's network namespace.
    pub fn open(name: &str) -> Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: a terminated string.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(Error::last_os_error());
        }
        // Protocol 0: it receives nothing.
        // SAFETY: no memory is given.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: just made, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: plain data, for which zeroes are valid.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the pointer and size are those of `address`.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) };
        match bound {
            0 => Ok(Self(fd)),
            _ => Err(Error::last_os_error()),
        }
    }

    /// Sends a frame `count` times.
    pub fn send(&self, frame: &[u8], count: usize) -> Result<()> {
        let mut part = libc::iovec {
            iov_base: frame.as_ptr().cast_mut().cast(),
            iov_len: frame.len(),
        };
        // SAFETY: plain data, for which zeroes are valid: no address, no control data.
        let mut messages: [libc::mmsghdr; MOST] = unsafe { zeroed() };
        for message in &mut messages {
            message.msg_hdr.msg_iov = &raw mut part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let mut left = count;
        while left > 0 {
            let now = left.min(MOST) as libc::c_uint;
            // SAFETY: `messages` and what they lead to live here, and the kernel only reads the frame.
            let sent = unsafe { libc::sendmmsg(self.0.as_raw_fd(), messages.as_mut_ptr(), now, 0) };
            if sent < 0 {
                return Err(Error::last_os_error());
            }
            left -= sent as usize;
        }
        Ok(())
    }
}

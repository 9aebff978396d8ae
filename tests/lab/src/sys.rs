//! System calls of the lab: entering a network namespace, and ethtool.

use std::fs::File;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Moves the calling thread, and it alone, into the network namespace that the file names.
pub fn enter_network(namespace: &File) -> io::Result<()> {
    // SAFETY: setns takes no pointers; the descriptor is open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// What ethtool calls an offload: the command that sets it.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Offload {
    /// Transmit checksums: a veth leaves them to the hardware that it is not.
    TransmitChecksum = 0x17,
    /// Scatter and gather.
    ScatterGather = 0x19,
    /// TCP segmentation: frames longer than the MTU would reach the card.
    TcpSegmentation = 0x1f,
    /// Segmentation in general.
    Segmentation = 0x24,
    /// Merging of received segments.
    Merging = 0x2c,
}

/// Turns an offload off, as `ethtool -K NAME WHAT off`; an interface that lacks it is content.
pub fn offload_off(name: &str, offload: Offload) -> io::Result<()> {
    const SIOCETHTOOL: u32 = 0x8946;
    /// `struct ethtool_value`.
    #[repr(C)]
    struct EthtoolValue {
        command: u32,
        data: u32,
    }
    if name.len() >= libc::IFNAMSIZ {
        return Err(Error::other(format!(
            "the interface name {name} is too long"
        )));
    }
    let mut value = EthtoolValue {
        command: offload as u32,
        data: 0,
    };
    // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: socket takes no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new; the file closes it.
    let handle = unsafe { File::from_raw_fd(fd) };
    // SAFETY: the request, and the value that it points to, live until the call returns.
    match check(unsafe { libc::ioctl(handle.as_raw_fd(), SIOCETHTOOL as _, &mut request) }) {
        Err(err) if err.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        other => other.map(drop),
    }
}

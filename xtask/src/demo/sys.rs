//! The system calls of the demo: entering a network namespace, a raw ICMP socket, ethtool, and a TCP
//! connection from a port of choice.

use std::fs::File;
use std::io::{self, Error};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

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

/// A raw ICMP socket. `UdpSocket` serves as its owner: its calls are `sendto`, `recvfrom` and
/// `setsockopt`, which are the same for both.
pub fn icmp_socket() -> io::Result<UdpSocket> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, libc::IPPROTO_ICMP) })?;
    // SAFETY: the descriptor is new, a socket, and nobody else has it.
    Ok(unsafe { UdpSocket::from_raw_fd(fd) })
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

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(of.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

/// Connects from a port of the caller's choice: a flow's hash then is what it was the last time.
pub fn connect_from(from: SocketAddrV4, to: SocketAddrV4) -> io::Result<TcpStream> {
    const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
    // SAFETY: the descriptor is new, a socket, and nobody else has it; from here the stream closes it.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    let reuse: libc::c_int = 1;
    // Connecting blocks for no longer than the write timeout, by socket(7).
    stream.set_write_timeout(Some(CONNECT_LIMIT))?;
    let (from, to) = (address(from), address(to));
    // SAFETY: the option's value lives until the call returns, and its size is given.
    check(unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_REUSEADDR,
            (&raw const reuse).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    // SAFETY: the address lives until the call returns, and its size is given.
    check(unsafe { libc::bind(fd, (&raw const from).cast(), LENGTH) })?;
    // SAFETY: as above.
    check(unsafe { libc::connect(fd, (&raw const to).cast(), LENGTH) })?;
    Ok(stream)
}

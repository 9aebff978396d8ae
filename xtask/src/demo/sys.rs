//! The system calls of the demo: a raw ICMP socket, and a TCP connection from a port of choice.

use std::io::{self, Error};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
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

/// A raw ICMP socket. `UdpSocket` serves as its owner: its calls are `sendto`, `recvfrom` and
/// `setsockopt`, which are the same for both.
pub fn icmp_socket() -> io::Result<UdpSocket> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, libc::IPPROTO_ICMP) })?;
    // SAFETY: the descriptor is new, a socket, and nobody else has it.
    Ok(unsafe { UdpSocket::from_raw_fd(fd) })
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

//! The system calls of the attachments; nothing else in `ports` is unsafe.

use std::ffi::CString;
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A VLAN tag that the kernel took off a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// EtherType of the tag: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// Tag control information.
    pub tci: u16,
}

fn check(value: libc::c_int) -> Result<libc::c_int> {
    if value < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(value)
    }
}

fn request(name: &str) -> Result<libc::ifreq> {
    // SAFETY: `ifreq` is plain data, for which zeroes are valid.
    let mut ifr: libc::ifreq = unsafe { zeroed() };
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() >= ifr.ifr_name.len() || bytes.contains(&0) {
        let text = "interface names have 1 to 15 bytes";
        return Err(Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    for (to, from) in ifr.ifr_name.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok(ifr)
}

/// Opens the TAP interface `name`, making it if it does not exist: whole frames, no header, and no
/// offloads, so that the kernel completes checksums and segments before it hands a frame over.
pub fn open_tap(name: &str) -> Result<OwnedFd> {
    let mut ifr = request(name)?;
    ifr.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    let path = CString::new("/dev/net/tun")?;
    // SAFETY: a terminated path; the descriptor is owned right away.
    let fd = unsafe {
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::open(path.as_ptr(), flags))?)
    };
    // SAFETY: TUNSETIFF reads an `ifreq`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, &ifr) })?;
    Ok(fd)
}

/// Whether an interface is up and has a carrier, seen from this thread's network namespace.
pub fn carrier(name: &str) -> bool {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: the descriptor is owned right away.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, 0) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    fd.is_ok_and(|fd| carrier_by(fd.as_fd(), name))
}

/// The same, seen from the network namespace that the socket was made in.
pub fn carrier_by(socket: BorrowedFd<'_>, name: &str) -> bool {
    let both = libc::IFF_UP | libc::IFF_RUNNING;
    let flags = || -> Result<i32> {
        let mut ifr = request(name)?;
        // SAFETY: SIOCGIFFLAGS fills the flags of the `ifreq`, which are then read.
        unsafe {
            let get = libc::SIOCGIFFLAGS as _;
            check(libc::ioctl(socket.as_raw_fd(), get, &mut ifr))?;
            Ok(i32::from(ifr.ifr_ifru.ifru_flags))
        }
    };
    flags().is_ok_and(|flags| flags & both == both)
}

fn set_option<T>(fd: RawFd, level: i32, option: i32, value: &T) -> Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and size are those of `value`.
    check(unsafe { libc::setsockopt(fd, level, option, std::ptr::from_ref(value).cast(), size) })?;
    Ok(())
}

/// Not in the libc crate: do not show the frames that this host sends.
const PACKET_IGNORE_OUTGOING: i32 = 23;

/// Opens a packet socket on an interface: all protocols, promiscuous, without the frames that the
/// host sends itself, with a virtio header before each frame and the VLAN tag beside it.
pub fn open_packet(name: &str) -> Result<OwnedFd> {
    let cname = CString::new(name)?;
    // SAFETY: a terminated string.
    let index = unsafe { libc::if_nametoindex(cname.as_ptr()) };
    if index == 0 {
        return Err(Error::last_os_error());
    }
    // Protocol 0: nothing arrives before everything is set up and bound.
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the descriptor is owned right away.
    let fd = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, kind, 0))?) };
    let raw = fd.as_raw_fd();
    for option in [
        PACKET_IGNORE_OUTGOING,
        libc::PACKET_VNET_HDR,
        libc::PACKET_AUXDATA,
    ] {
        set_option(raw, libc::SOL_PACKET, option, &1i32)?;
    }
    // Room for some bursts of a stack that segments late; above the system's limit only for root.
    let room = 8i32 << 20;
    if set_option(raw, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &room).is_err() {
        set_option(raw, libc::SOL_SOCKET, libc::SO_RCVBUF, &room)?;
    }
    // SAFETY: plain data, for which zeroes are valid.
    let (mut address, mut member): (libc::sockaddr_ll, libc::packet_mreq) =
        unsafe { (zeroed(), zeroed()) };
    member.mr_ifindex = index as i32;
    member.mr_type = libc::PACKET_MR_PROMISC as u16;
    set_option(raw, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &member)?;
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer and size are those of `address`.
    check(unsafe { libc::bind(raw, std::ptr::from_ref(&address).cast(), size) })?;
    Ok(fd)
}

/// Receives from a packet socket: bytes (virtio header first) and the tag. `None`: nothing there.
pub fn receive_packet(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<Option<(usize, Option<Tag>)>> {
    // Aligned for `cmsghdr`, with room for the auxiliary data and what a later kernel adds.
    let mut control = [0u64; 16];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: plain data, for which zeroes are valid.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: `message` points at live buffers of the sizes it names.
    let n = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, libc::MSG_TRUNC) };
    if n < 0 {
        let error = Error::last_os_error();
        return match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    }
    let mut tag = None;
    // SAFETY: the kernel filled the control buffer; the macros walk it within `msg_controllen`, and
    // the data of this message are a `tpacket_auxdata`, read without an assumption of alignment.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_PACKET
                && (*header).cmsg_type == libc::PACKET_AUXDATA
            {
                let data = libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>();
                let aux = std::ptr::read_unaligned(data);
                if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                    let known = aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
                    let tpid = if known { aux.tp_vlan_tpid } else { 0x8100 };
                    tag = Some(Tag {
                        tpid,
                        tci: aux.tp_vlan_tci,
                    });
                }
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok(Some((n as usize, tag)))
}

//! The system calls that this init makes, each behind a safe function.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Error, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// A TAP: what is written enters the kernel as received on it, what the kernel sends there is read.
pub struct Tap {
    /// One read or write, one frame; does not block.
    pub file: File,
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}

fn named(what: &str, name: &str) -> impl FnOnce(Error) -> Error {
    let text = format!("{what} {name}");
    move |err| Error::other(format!("{text}: {err}"))
}

/// A request about an interface, with its name filled in.
fn request(name: &str) -> io::Result<libc::ifreq> {
    if name.len() >= libc::IFNAMSIZ {
        return Err(Error::other(format!(
            "the interface name {name} is too long"
        )));
    }
    // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    Ok(request)
}

/// Any socket: the handle that interface requests go through.
fn handle() -> io::Result<OwnedFd> {
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(fd)?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Tap {
    /// Makes a TAP of this name; it goes away with the value.
    pub fn create(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        let mut request = request(name)?;
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: TUNSETIFF reads and writes one ifreq, which lives until the call returns.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &mut request) })
            .map_err(named("TAP", name))?;
        Ok(Self { file })
    }
}

/// The first TAP that has a frame, or `None` after so many milliseconds.
pub fn readable(taps: &[Tap], limit_ms: i32) -> io::Result<Option<usize>> {
    let mut polled: Vec<_> = taps
        .iter()
        .map(|tap| libc::pollfd {
            fd: tap.file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // SAFETY: the pointer and the count describe one live vector.
    check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, limit_ms) })?;
    Ok(polled
        .iter()
        .position(|entry| entry.revents & libc::POLLIN != 0))
}

/// Mounts a file system of the kernel's own, making the place if it is not there.
pub fn mount(kind: &str, place: &str) -> io::Result<()> {
    std::fs::create_dir_all(place)?;
    let (kind_c, place_c) = (CString::new(kind)?, CString::new(place)?);
    // SAFETY: the strings are terminated and live until the call returns; there is no data.
    let result = unsafe {
        libc::mount(
            kind_c.as_ptr(),
            place_c.as_ptr(),
            kind_c.as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    check(result).map_err(named("mount", place))
}

/// Loads a kernel module; the kernel unpacks a compressed one itself.
pub fn load_module(file: &File) -> io::Result<()> {
    const COMPRESSED: libc::c_int = 4;
    // SAFETY: the parameters are an empty terminated string; the descriptor is open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            file.as_raw_fd(),
            c"".as_ptr(),
            COMPRESSED,
        )
    };
    check(result as libc::c_int)
}

/// Sets an interface up.
pub fn set_up(name: &str) -> io::Result<()> {
    let handle = handle()?;
    let mut request = request(name)?;
    // SAFETY: the call reads and writes one ifreq, which lives until it returns.
    check(unsafe { libc::ioctl(handle.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) })
        .map_err(named("flags of", name))?;
    // SAFETY: the call before filled in this member of the union.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: as above.
    check(unsafe { libc::ioctl(handle.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut request) })
        .map_err(named("set up", name))
}

/// Makes a bridge.
pub fn add_bridge(name: &str) -> io::Result<()> {
    const SIOCBRADDBR: u32 = 0x89a0;
    let name_c = CString::new(name)?;
    // SAFETY: the call reads a terminated string, which lives until it returns.
    check(unsafe { libc::ioctl(handle()?.as_raw_fd(), SIOCBRADDBR as _, name_c.as_ptr()) })
        .map_err(named("bridge", name))
}

/// Puts an interface into a bridge.
pub fn add_to_bridge(bridge: &str, name: &str) -> io::Result<()> {
    const SIOCBRADDIF: u32 = 0x89a2;
    let mut request = request(bridge)?;
    request.ifr_ifru.ifru_ifindex = index(name)?;
    // SAFETY: the call reads one ifreq, which lives until it returns.
    check(unsafe { libc::ioctl(handle()?.as_raw_fd(), SIOCBRADDIF as _, &mut request) })
        .map_err(named("into the bridge", name))
}

fn index(name: &str) -> io::Result<libc::c_int> {
    let name_c = CString::new(name)?;
    // SAFETY: the call reads a terminated string, which lives until it returns.
    match unsafe { libc::if_nametoindex(name_c.as_ptr()) } {
        0 => Err(named("index of", name)(Error::last_os_error())),
        index => Ok(index as libc::c_int),
    }
}

/// Gives an interface its one IPv4 address.
pub fn set_address(name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
    let handle = handle()?;
    for (command, value) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, mask)] {
        let mut request = request(name)?;
        // SAFETY: the union's member is a sockaddr, as long as a sockaddr_in and no more aligned.
        let place = unsafe { &mut request.ifr_ifru.ifru_addr };
        place.sa_family = libc::AF_INET as libc::sa_family_t;
        // struct sockaddr_in: two bytes of port, then the address.
        for (byte, octet) in place.sa_data[2..6].iter_mut().zip(value.octets()) {
            *byte = octet as libc::c_char;
        }
        // SAFETY: the call reads one ifreq, which lives until it returns.
        check(unsafe { libc::ioctl(handle.as_raw_fd(), command as _, &mut request) })
            .map_err(named("address of", name))?;
    }
    Ok(())
}

/// Gives the calling thread a network namespace of its own.
pub fn own_network() -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Moves an interface into a network namespace: RTM_NEWLINK with IFLA_NET_NS_FD (rtnetlink(7)).
pub fn move_to_network(name: &str, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let mut message = Vec::new();
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend(40u32.to_ne_bytes());
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
    message.extend([0; 8]);
    // struct ifinfomsg: family and type, index, flags and their mask.
    message.extend([0; 4]);
    message.extend(index(name)?.to_ne_bytes());
    message.extend([0; 8]);
    // struct rtattr: length, type, value.
    message.extend(8u16.to_ne_bytes());
    message.extend(libc::IFLA_NET_NS_FD.to_ne_bytes());
    message.extend(namespace.as_raw_fd().to_ne_bytes());

    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
    check(fd)?;
    // SAFETY: the descriptor is new, and nobody else has it.
    let mut socket = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    socket.write_all(&message)?;
    // The acknowledgement is a header of 16 bytes and the code.
    let mut answer = [0; 64];
    let length = socket.read(&mut answer)?;
    let code = answer[..length].get(16..20).and_then(|b| b.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(named("move", name)(Error::from_raw_os_error(-code))),
        None => Err(named("move", name)(Error::other("a short answer"))),
    }
}

/// Turns the machine off.
pub fn power_off() -> ! {
    // SAFETY: sync has no preconditions; reboot with this command takes no pointer. Only init in a
    // guest runs this program.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    loop {
        std::thread::park();
    }
}

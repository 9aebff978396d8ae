//! A TAP interface: the kernel's side of a master.
//!
//! The descriptor is non-blocking; frames carry no extra header (IFF_NO_PI). The interface goes away with it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{HostDevice, HostState};

/// A TAP interface.
pub struct Tap {
    file: File,
    name: String,
    state: Option<HostState>,
}

impl Tap {
    /// Creates the interface; its name must be free. Needs CAP_NET_ADMIN.
    pub fn create(name: &str) -> io::Result<Self> {
        let explain = |e: io::Error| {
            io::Error::new(
                e.kind(),
                format!("TAP {name}: {e} (needs CAP_NET_ADMIN and /dev/net/tun)"),
            )
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(explain)?;
        let mut request = request(name)?;
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_TUN_EXCL) as i16;
        ioctl(&file, libc::TUNSETIFF, &mut request).map_err(explain)?;
        Ok(Self {
            file,
            name: name.into(),
            state: None,
        })
    }

    fn set_flags(&self, state: &HostState) -> io::Result<()> {
        let control = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        let mut request = request(&self.name)?;
        ioctl(&control, libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has just filled in the flags.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        let wanted = [(libc::IFF_UP, state.up), (libc::IFF_NOARP, state.noarp)];
        request.ifr_ifru.ifru_flags = wanted.into_iter().fold(flags, |flags, (bit, on)| {
            let bit = bit as i16;
            if on { flags | bit } else { flags & !bit }
        });
        ioctl(&control, libc::SIOCSIFFLAGS, &mut request)
    }
}

/// An empty request for the interface of this name.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain data, for which all zeros are valid.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "interface name too long",
        ));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn ioctl(fd: &impl AsFd, number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: all requests made here take an ifreq, which lives through the call.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), number, request) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

impl HostDevice for Tap {
    fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn receive(&mut self, frame: &mut [u8]) -> io::Result<Option<usize>> {
        match self.file.read(frame) {
            Ok(n) => Ok(Some(n)),
            // EIO: somebody took the interface down in the kernel; nothing comes until it is up again.
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::EIO) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        match self.file.write(frame) {
            Ok(n) => Ok(n == frame.len()),
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::EIO) => {
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn configure(&mut self, state: &HostState) -> io::Result<()> {
        if self.state.as_ref() == Some(state) {
            return Ok(());
        }
        let mut address = request(&self.name)?;
        // SAFETY: writing the union's member as plain data.
        unsafe {
            address.ifr_ifru.ifru_hwaddr.sa_family = libc::ARPHRD_ETHER;
            for (to, from) in address
                .ifr_ifru
                .ifru_hwaddr
                .sa_data
                .iter_mut()
                .zip(state.address.0)
            {
                *to = from as libc::c_char;
            }
        }
        let control = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        ioctl(&control, libc::SIOCSIFHWADDR, &mut address)?;
        let mut mtu = request(&self.name)?;
        mtu.ifr_ifru.ifru_mtu = state.mtu as i32;
        ioctl(&control, libc::SIOCSIFMTU, &mut mtu)?;
        self.set_flags(state)?;
        let carrier = libc::c_int::from(state.carrier);
        // TUNSETCARRIER = _IOW('T', 226, int), which libc does not name. SAFETY: it takes a pointer to an int.
        let result = unsafe { libc::ioctl(self.file.as_raw_fd(), 0x4004_54e2, &carrier) };
        // A kernel before 4.20 has no carrier for TAPs: it is up all the time then.
        if result < 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            return Err(io::Error::last_os_error());
        }
        self.state = Some(*state);
        Ok(())
    }
}

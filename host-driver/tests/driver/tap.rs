//! A real TAP interface, in a network namespace of its own.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use smartnic_driver::kernel::tap::Tap;
use smartnic_driver::kernel::{HostDevice, HostState};
use smartnic_lab::skip;

/// A raw socket on an interface.
fn packet_socket(name: &str) -> OwnedFd {
    let index = nix::net::if_::if_nametoindex(name).unwrap();
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: a plain system call; its result is checked.
    let fd = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_NONBLOCK,
            protocol.into(),
        )
    };
    assert!(fd >= 0);
    // SAFETY: a descriptor that we have just got.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain data, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    (
        address.sll_family,
        address.sll_protocol,
        address.sll_ifindex,
    ) = (libc::AF_PACKET as u16, protocol, index as i32);
    // SAFETY: the address lives through the call, and its size is given.
    let result = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    assert_eq!(result, 0);
    fd
}

/// Repeats until something comes.
fn soon<T>(mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn frames_cross_a_tap() {
    if !skip::root() {
        return;
    }
    // A thread of its own: the namespace is the thread's.
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut tap = Tap::create("sn0").unwrap();
        let error: io::Error = Tap::create("sn0").err().unwrap();
        assert!(error.to_string().contains("TAP sn0"), "{error}");
        let mut state = HostState {
            address: "02:00:00:00:00:77".parse().unwrap(),
            mtu: 1400,
            up: true,
            carrier: true,
            noarp: false,
        };
        tap.configure(&state).unwrap();
        let socket = packet_socket("sn0");
        let frame: Vec<u8> = [
            [0xff; 6].as_slice(),
            &[2, 0, 0, 0, 0, 1],
            &[0x88, 0xb5],
            &[7; 50],
        ]
        .concat();
        let mut buffer = [0; 2048];
        // To the kernel: what else it sends there (router solicitations) is passed over.
        assert!(soon(|| tap.send(&frame).unwrap().then_some(true)));
        soon(|| {
            let n = nix::unistd::read(&socket, &mut buffer).ok()?;
            (buffer[..n] == frame[..]).then_some(())
        });
        // From the kernel.
        nix::unistd::write(&socket, &frame).unwrap();
        soon(|| {
            let n = tap.receive(&mut buffer).unwrap()?;
            (buffer[..n] == frame[..]).then_some(())
        });
        // Down: nothing is taken, and that is no error.
        state.up = false;
        tap.configure(&state).unwrap();
        assert!(!tap.send(&frame).unwrap());
    });
    thread.join().unwrap();
}

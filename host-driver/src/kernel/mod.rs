//! The host's kernel: network interfaces that stand for masters.

pub mod tap;

use std::io;
use std::os::fd::BorrowedFd;

use crate::device::MacAddr;

/// How a master looks to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostState {
    /// Address.
    pub address: MacAddr,
    /// MTU.
    pub mtu: u32,
    /// Up.
    pub up: bool,
    /// Has a carrier.
    pub carrier: bool,
    /// Resolves no addresses.
    pub noarp: bool,
}

/// A kernel interface whose frames come to the driver. [`tap::Tap`], or a socket in tests.
pub trait HostDevice: Send {
    /// Its descriptor, to wait for frames.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Takes the next frame that the kernel sends; `None`: there is none now.
    fn receive(&mut self, frame: &mut [u8]) -> io::Result<Option<usize>>;
    /// Gives the kernel a frame; false: it did not take it.
    fn send(&mut self, frame: &[u8]) -> io::Result<bool>;
    /// Makes the interface look like this.
    fn configure(&mut self, state: &HostState) -> io::Result<()>;
}

/// Makes the interface of this name.
pub type HostFactory = Box<dyn FnMut(&str) -> io::Result<Box<dyn HostDevice>> + Send>;

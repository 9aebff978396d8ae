//! The network device model of the Linux driver books, in user space.
//!
//! [`packet`] is the packet buffer, [`device`] a network device and what a driver writes ([`device::NetDeviceOps`]), [`registry`] the configuration (`&mut`
//! [`Core`] is the RTNL), [`softnet`] the data path of one thread, [`vlan`] VLAN devices, [`netpoll`] sending and receiving with
//! interrupts off, and [`snull`] the teaching pair. Nothing here knows any hardware, has a thread or a clock of its own.
//!
//! Concurrency: the configuration is one object behind whatever lock the program likes; the data path reads atomics and pointers that are
//! swapped whole, takes one lock a transmit queue and batch, and never waits for the configuration.

pub mod device;
pub mod error;
pub mod netpoll;
pub mod null;
pub mod packet;
pub mod registry;
pub mod snull;
pub mod softnet;
pub mod vlan;

pub use device::{Dev, NetDevice, NetDeviceOps, Setup, Xmit};
pub use error::{Errno, NetdevError, Result};
pub use packet::{Batch, Packet};
pub use registry::Core;
pub use softnet::Softnet;

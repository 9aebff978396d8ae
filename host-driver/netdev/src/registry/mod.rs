//! The configuration: all devices, and everything that happens to them one at a time.
//!
//! `&mut` [`Core`] is the kernel's RTNL: who has it may register, open, link and change devices; nobody else does so meanwhile. A program with
//! several threads puts the core behind one mutex. The data path never takes it. Operations of drivers and subscribers get the
//! core handed on, so that a master can change its slaves from inside of its own change.

mod address;
mod adjacency;
mod features;
pub mod ioctl;
pub mod link;
mod names;
pub mod notify;
mod protocols;
mod register;
pub mod request;
mod running;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::device::{Dev, NetDevice, NetDeviceOps, Setup};
use crate::error::{Errno, NetdevError, Result};
use crate::softnet::Softnet;
use crate::softnet::shared::{IFINDEX_MAX, Shared, Waker};

pub use address::ListKind;
pub use adjacency::MAX_NEST;
pub use names::{NAME_MAX, allocate as allocate_name};
pub(crate) use protocols::set_extra;

/// All devices.
pub struct Core {
    pub(crate) shared: Arc<Shared>,
    devices: BTreeMap<u32, Dev>,
    last_ifindex: u32,
    last_id: u64,
    subscribers: Vec<notify::Subscription>,
    listeners: Vec<Arc<link::LinkListener>>,
    /// Events that are being told, each inside of the one before.
    depth: u32,
    /// VLAN devices hear of what happens below them.
    pub(crate) vlans_follow: bool,
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    /// No devices.
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            devices: BTreeMap::new(),
            last_ifindex: 0,
            last_id: 0,
            subscribers: Vec::new(),
            listeners: Vec::new(),
            depth: 0,
            vlans_follow: false,
        }
    }

    /// A device that is not registered yet (`alloc_netdev`).
    pub fn create(&self, setup: Setup, ops: Arc<dyn NetDeviceOps>) -> Dev {
        Arc::new(NetDevice::new(setup, ops, self.shared.clone()))
    }

    /// Creates and registers a device.
    pub fn add(&mut self, setup: Setup, ops: Arc<dyn NetDeviceOps>) -> Result<Dev> {
        let dev = self.create(setup, ops);
        self.register(&dev)?;
        Ok(dev)
    }

    /// The data path of one thread.
    pub fn softnet(&self) -> Softnet {
        Softnet::new(self.shared.clone())
    }

    /// Called when there is work for the data path and there was none: wakes the thread that runs it.
    pub fn set_waker(&mut self, waker: Waker) {
        self.shared.set_waker(waker);
    }

    /// The device of this name; ENODEV.
    pub fn by_name(&self, name: &str) -> Result<&Dev> {
        let found = self.devices.values().find(|d| d.config().name == name);
        found.ok_or_else(|| {
            NetdevError::new(Errno::NoDevice, "device", name, "there is no such device")
        })
    }

    /// The device with this index; ENODEV.
    pub fn by_index(&self, ifindex: u32) -> Result<&Dev> {
        let found = self.devices.get(&ifindex);
        found.ok_or_else(|| {
            NetdevError::new(
                Errno::NoDevice,
                "ifindex",
                ifindex,
                "there is no such device",
            )
        })
    }

    /// The index that the next device gets that has no wish of its own.
    pub fn next_ifindex(&self) -> u32 {
        let after = |last: u32| last % IFINDEX_MAX + 1;
        let mut next = after(self.last_ifindex);
        while self.devices.contains_key(&next) && next != self.last_ifindex {
            next = after(next);
        }
        next
    }

    /// All devices by index.
    pub fn devices(&self) -> impl Iterator<Item = &Dev> {
        self.devices.values()
    }

    /// ENODEV unless the device is registered here.
    pub(crate) fn must_have(&self, dev: &Dev) -> Result<()> {
        match self.devices.get(&dev.ifindex()) {
            Some(known) if known == dev => Ok(()),
            _ => {
                let reason = "it is not registered";
                Err(NetdevError::new(
                    Errno::NoDevice,
                    "device",
                    dev.name(),
                    reason,
                ))
            }
        }
    }

    /// The time as of the last tick.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.now_nanos())
    }

    /// Waits until no thread of the data path uses what was taken away before. Never from inside of the data path.
    pub fn synchronize(&self) {
        self.shared.synchronize();
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let devices: Vec<Dev> = self.devices.values().rev().cloned().collect();
        for dev in devices {
            // A device above may have taken this one with it.
            if self.must_have(&dev).is_ok() {
                self.unregister(&dev);
            }
        }
        self.shared.clear();
    }
}

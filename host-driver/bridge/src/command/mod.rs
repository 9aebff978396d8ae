//! What users ask of a bridge's tables: `bridge fdb`, `bridge vlan`, `bridge mst`, `bridge mdb`.
//!
//! `dev` is a port's device, or the bridge's own.

mod fdb;
mod mdb;
mod vlan;

use std::sync::Arc;

use smartnic_netdev::{Dev, Errno, Result};

use crate::bridge::Bridge;
use crate::port::Port;
use crate::refuse;
use crate::vlan::VlanGroup;

pub use fdb::{fdb_add_self, fdb_del_self};

impl Bridge {
    /// The port of a device; none: the device is the bridge itself. EINVAL for a stranger.
    fn place(&self, dev: &Dev) -> Result<Option<Arc<Port>>> {
        if self.device().is_some_and(|d| d == *dev) {
            return Ok(None);
        }
        match self.port_of(dev) {
            Some(port) => Ok(Some(port)),
            None => refuse(
                Errno::Invalid,
                "device",
                dev.name(),
                "it is no port of this bridge",
            ),
        }
    }

    fn group_of(&self, port: Option<&Port>) -> Arc<VlanGroup> {
        port.map_or_else(|| self.vlans.load_full(), |p| p.vlans.load_full())
    }

    /// The device of the port of this number; of 0: the bridge's own.
    pub fn port_device(&self, number: u16) -> Option<Dev> {
        match number {
            0 => self.device(),
            _ => self.ports.load().get(number).map(|p| p.dev.clone()),
        }
    }

    /// The devices of its ports, in order of joining.
    pub fn port_devices(&self) -> Vec<Dev> {
        self.ports
            .load()
            .list
            .iter()
            .map(|p| p.dev.clone())
            .collect()
    }

    /// A port's number: what the multicast database and events name it by. EINVAL for a stranger; 0 is the bridge itself.
    pub fn port_number(&self, dev: &Dev) -> Result<u16> {
        Ok(self.place(dev)?.map_or(0, |p| p.number))
    }
}

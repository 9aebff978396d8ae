//! A picture of the network devices, in which a request plans what is to become of them.
//!
//! The devices themselves are `smartnic_netdev`'s, in the one [`smartnic_netdev::Core`] that the switch has: names, indices, flags, addresses, MTU, carrier,
//! links above and below, counters. A [`Registry`] is what they look like at one moment: it is copied with the model for each request, changed, looked at by
//! masters ([`crate::master::View`]), and, once the card does what follows from it, carried out on the core. Whatever changes the core, a new
//! picture is taken: nothing is kept here.

pub mod error;
pub mod rx;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use smartnic_netdev::registry::allocate_name;

pub use error::NetError;
pub use rx::{Frame, RxVerdict};
pub use smartnic_netdev::device::AddressOrigin;

use crate::device::MacAddr;

/// Smallest MTU of an Ethernet device.
pub const MTU_MIN: u32 = smartnic_netdev::device::setup::MTU_MIN;
/// Largest MTU of the card's devices: frames of 2,000 bytes with header and FCS.
pub const MTU_MAX: u32 = 1982;
/// MTU of a new device.
pub const MTU_DEFAULT: u32 = smartnic_netdev::device::setup::MTU_DEFAULT;
/// Bytes that a frame has beyond the MTU: header and FCS.
pub const FRAME_OVERHEAD: u32 = 18;

/// Index of a device, never used twice in a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IfIndex(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// A port of the card, by its hardware number.
    Port(u32),
    /// A master of the card's; its object is in the model.
    Master,
    /// One that the card knows nothing of: a VLAN device, one of the teaching pair.
    Other,
}

/// A network device as it looks, or is to look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetDevice {
    /// Index.
    pub ifindex: IfIndex,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The word after `type`, of those that users make.
    pub link_kind: Option<&'static str>,
    /// Address.
    pub address: MacAddr,
    /// Where the address comes from: a user's choice is never changed by the driver.
    pub address_origin: AddressOrigin,
    /// MTU in bytes.
    pub mtu: u32,
    /// Least and largest MTU.
    pub mtu_limits: (u32, u32),
    /// Administratively up.
    pub up: bool,
    /// The lower layer can carry frames.
    pub carrier: bool,
    /// Mb/s of a port's link; 0 if nobody knows.
    pub speed: u32,
    /// The master that it is enslaved to.
    pub master: Option<IfIndex>,
    /// What its filter lets in beside its own address, for devices on top of it.
    pub listens: Listens,
}

/// What devices on top of a device want of its filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listens {
    /// There are devices on top of it that are no masters: VLANs.
    pub uppers: bool,
    /// Further unicast addresses.
    pub unicast: Vec<MacAddr>,
    /// Everything.
    pub promiscuous: bool,
}

/// All devices.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    devices: BTreeMap<IfIndex, NetDevice>,
    next: u32,
}

impl Registry {
    /// A picture of these; the next device is to have the index `next`.
    pub fn new(devices: impl IntoIterator<Item = NetDevice>, next: u32) -> Self {
        let devices = devices.into_iter().map(|d| (d.ifindex, d));
        Self {
            devices: devices.collect(),
            next,
        }
    }

    /// Plans a master of the card's. `name` may contain one `%d`, which becomes the lowest number that gives a free name.
    pub fn register(
        &mut self,
        name: &str,
        link_kind: &'static str,
        address: MacAddr,
    ) -> Result<IfIndex, NetError> {
        let name = allocate_name(name, |name| self.by_name(name).is_ok())?;
        let ifindex = IfIndex(self.next);
        self.next += 1;
        let device = NetDevice {
            ifindex,
            name,
            kind: DeviceKind::Master,
            link_kind: Some(link_kind),
            address,
            address_origin: AddressOrigin::Random,
            mtu: MTU_DEFAULT,
            mtu_limits: (MTU_MIN, MTU_MAX),
            up: false,
            carrier: false,
            speed: 0,
            master: None,
            listens: Listens::default(),
        };
        self.devices.insert(ifindex, device);
        Ok(ifindex)
    }

    /// Plans that a device goes.
    pub fn unregister(&mut self, ifindex: IfIndex) -> Option<NetDevice> {
        self.devices.remove(&ifindex)
    }

    /// The device with this name.
    pub fn by_name(&self, name: &str) -> Result<&NetDevice, NetError> {
        self.devices
            .values()
            .find(|d| d.name == name)
            .ok_or_else(|| NetError::UnknownInterface { name: name.into() })
    }

    /// The device with this index.
    pub fn get(&self, ifindex: IfIndex) -> Option<&NetDevice> {
        self.devices.get(&ifindex)
    }

    /// The device with this index, to change it.
    pub fn get_mut(&mut self, ifindex: IfIndex) -> Option<&mut NetDevice> {
        self.devices.get_mut(&ifindex)
    }

    /// The name of a device, or its index if there is none any more.
    pub fn name(&self, ifindex: IfIndex) -> String {
        self.get(ifindex)
            .map_or_else(|| format!("if{ifindex}"), |d| d.name.clone())
    }

    /// All devices, by index.
    pub fn iter(&self) -> impl Iterator<Item = &NetDevice> {
        self.devices.values()
    }

    /// All devices, by index, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut NetDevice> {
        self.devices.values_mut()
    }

    /// The device of a hardware port.
    pub fn port(&self, number: u32) -> Option<&NetDevice> {
        self.iter().find(|d| d.kind == DeviceKind::Port(number))
    }

    /// EBUSY if somebody gets the device's frames already.
    pub fn must_be_free(&self, ifindex: IfIndex) -> Result<(), NetError> {
        match self.get(ifindex).and_then(|d| d.master) {
            None => Ok(()),
            Some(owner) => Err(NetError::Busy {
                name: self.name(ifindex),
                reason: format!(
                    "its frames go to {} already; use nomaster first",
                    self.name(owner)
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_device_has_a_free_name_and_the_next_index() {
        let mut r = Registry::new([], 5);
        let add = |r: &mut Registry, name: &str| r.register(name, "bridge", MacAddr::default());
        let planned: Vec<_> = (0..3).map(|_| add(&mut r, "br%d").unwrap()).collect();
        assert_eq!(planned, [5, 6, 7].map(IfIndex));
        r.unregister(IfIndex(6));
        let again = add(&mut r, "br%d").unwrap();
        assert_eq!((r.name(again).as_str(), again), ("br1", IfIndex(8)));
        assert!(matches!(add(&mut r, "br0"), Err(NetError::Exists { .. })));
        for bad in ["", "a b", "a/b", "%", "%d%d", "..", "abcdefghijklmnop"] {
            let refused = add(&mut r, bad);
            assert!(
                matches!(refused, Err(NetError::InvalidArgument { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn one_master_a_device() {
        let mut r = Registry::new([], 1);
        let [port, br] = ["p", "br0"].map(|n| r.register(n, "lag", MacAddr::default()).unwrap());
        r.must_be_free(port).unwrap();
        r.get_mut(port).unwrap().master = Some(br);
        assert_eq!(
            r.must_be_free(port).unwrap_err().to_string(),
            "\"p\" is busy: its frames go to br0 already; use nomaster first"
        );
    }
}

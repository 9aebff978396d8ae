//! Network devices as the Linux driver model has them: names, indices, flags, address, MTU, carrier, one rx handler.
//!
//! A [`Registry`] holds every device: the card's ports, and the masters (bridge, lag) built over them. What a device
//! does is not here: a physical port is configured through the plan (see [`crate::switch`]), a master is an object
//! behind [`crate::master::Master`].

pub mod error;
pub mod rx;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use error::NetError;
pub use rx::{Frame, RxVerdict};

use crate::device::MacAddr;

/// Longest name, as in Linux (IFNAMSIZ with its NUL is 16).
pub const NAME_MAX: usize = 15;
/// Smallest MTU of an Ethernet device.
pub const MTU_MIN: u32 = 68;
/// Largest MTU: frames of 2,000 bytes with header and FCS.
pub const MTU_MAX: u32 = 1982;
/// MTU of a new device.
pub const MTU_DEFAULT: u32 = 1500;
/// Bytes that a frame has beyond the MTU: header and FCS.
pub const FRAME_OVERHEAD: u32 = 18;

/// Index of a device, never used twice in the life of a registry.
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
    /// A master; its object is in the switch.
    Master,
}

/// Where a device's address comes from: a user's choice is never changed by the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressOrigin {
    /// The device came with it.
    Permanent,
    /// Drawn or derived.
    Random,
    /// Set by a user.
    Set,
}

/// Counts of a device that software sees.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SoftStats {
    /// Frames passed up.
    pub rx_packets: u64,
    /// Bytes passed up.
    pub rx_bytes: u64,
    /// Frames that nobody took.
    pub rx_dropped: u64,
    /// Multicast frames passed up.
    pub multicast: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that could not be sent.
    pub tx_dropped: u64,
    /// Frames that the card refused.
    pub tx_errors: u64,
}

/// A network device.
#[derive(Clone, Debug)]
pub struct NetDevice {
    /// Index.
    pub ifindex: IfIndex,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Address.
    pub address: MacAddr,
    /// Where the address comes from.
    pub address_origin: AddressOrigin,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// The lower layer can carry frames.
    pub carrier: bool,
    /// Mb/s of a port's link; 0 if nobody knows.
    pub speed: u32,
    /// The master that it is enslaved to.
    pub master: Option<IfIndex>,
    /// Owner of its rx handler: at most one.
    pub rx_handler: Option<IfIndex>,
    /// Counts.
    pub stats: SoftStats,
}

impl NetDevice {
    /// Flags by the names of iproute2.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = Vec::new();
        if self.up && !self.carrier {
            flags.push("NO-CARRIER");
        }
        flags.extend(["BROADCAST", "MULTICAST"]);
        if self.up {
            flags.push("UP");
        }
        if self.up && self.carrier {
            flags.push("LOWER_UP");
        }
        flags
    }

    /// Operational state (RFC 2863) by the names of iproute2.
    pub fn operstate(&self) -> &'static str {
        match (self.up, self.carrier) {
            (true, true) => "UP",
            _ => "DOWN",
        }
    }
}

/// All devices.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    devices: BTreeMap<IfIndex, NetDevice>,
    last: u32,
}

impl Registry {
    /// Adds a device. `name` may contain one `%d`, which becomes the lowest number that gives a free name.
    pub fn register(
        &mut self,
        name: &str,
        kind: DeviceKind,
        address: MacAddr,
    ) -> Result<IfIndex, NetError> {
        let name = self.valid_name(name)?;
        self.last += 1;
        let ifindex = IfIndex(self.last);
        let address_origin = match kind {
            DeviceKind::Port(_) => AddressOrigin::Permanent,
            DeviceKind::Master => AddressOrigin::Random,
        };
        let device = NetDevice {
            ifindex,
            name,
            kind,
            address,
            address_origin,
            mtu: MTU_DEFAULT,
            up: false,
            carrier: false,
            speed: 0,
            master: None,
            rx_handler: None,
            stats: SoftStats::default(),
        };
        self.devices.insert(ifindex, device);
        Ok(ifindex)
    }

    /// Removes a device.
    pub fn unregister(&mut self, ifindex: IfIndex) -> Option<NetDevice> {
        self.devices.remove(&ifindex)
    }

    fn valid_name(&self, name: &str) -> Result<String, NetError> {
        let bad = |reason: &str| Err(NetError::invalid("name", name, reason));
        let plain = name.replacen("%d", "", 1);
        if name.is_empty() || name.len() > NAME_MAX {
            return bad("a name has 1 to 15 bytes");
        }
        if matches!(name, "." | "..")
            || plain.contains(|c: char| {
                c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control()
            })
        {
            return bad(
                "a name has no '/', ':', '%' (but one %d), white space or control characters",
            );
        }
        if !name.contains("%d") {
            return match self.by_name(name) {
                Ok(_) => Err(NetError::Exists { name: name.into() }),
                Err(_) => Ok(name.into()),
            };
        }
        let free = (0..=self.devices.len())
            .map(|n| name.replacen("%d", &n.to_string(), 1))
            .find(|n| self.by_name(n).is_err());
        match free {
            Some(name) if name.len() <= NAME_MAX => Ok(name),
            _ => bad("no number gives a free name of at most 15 bytes"),
        }
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

    /// Makes `owner` the one that gets `ifindex`'s frames. Refused if somebody does already.
    pub fn register_rx_handler(
        &mut self,
        ifindex: IfIndex,
        owner: IfIndex,
    ) -> Result<(), NetError> {
        let name = self.name(ifindex);
        let Some(device) = self.get_mut(ifindex) else {
            return Err(NetError::UnknownInterface { name });
        };
        if let Some(other) = device.rx_handler {
            let reason = format!(
                "its frames go to {} already; use nomaster first",
                self.name(other)
            );
            return Err(NetError::Busy { name, reason });
        }
        device.rx_handler = Some(owner);
        Ok(())
    }

    /// Takes the rx handler away.
    pub fn unregister_rx_handler(&mut self, ifindex: IfIndex) {
        if let Some(device) = self.get_mut(ifindex) {
            device.rx_handler = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(registry: &mut Registry, name: &str) -> Result<IfIndex, NetError> {
        registry.register(name, DeviceKind::Master, MacAddr::default())
    }

    #[test]
    fn names_count_up_and_fill_gaps() {
        let mut r = Registry::default();
        let names: Vec<_> = (0..3)
            .map(|_| add(&mut r, "br%d").map(|i| r.name(i)).unwrap())
            .collect();
        assert_eq!(names, ["br0", "br1", "br2"]);
        r.unregister(r.by_name("br1").unwrap().ifindex);
        let again = add(&mut r, "br%d").unwrap();
        assert_eq!((r.name(again).as_str(), again), ("br1", IfIndex(4)));
        assert!(matches!(add(&mut r, "br0"), Err(NetError::Exists { .. })));
        for bad in [
            "",
            "a b",
            "a/b",
            "a:b",
            "%",
            "%d%d",
            "..",
            "a\n",
            "abcdefghijklmnop",
            "abcdefghijklmno%d",
        ] {
            assert!(
                matches!(add(&mut r, bad), Err(NetError::InvalidArgument { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn one_rx_handler_a_device() {
        let mut r = Registry::default();
        let (port, br, other) = (
            add(&mut r, "p").unwrap(),
            add(&mut r, "br0").unwrap(),
            add(&mut r, "br1").unwrap(),
        );
        r.register_rx_handler(port, br).unwrap();
        let error = r.register_rx_handler(port, other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"p\" is busy: its frames go to br0 already; use nomaster first"
        );
        r.unregister_rx_handler(port);
        r.register_rx_handler(port, other).unwrap();
        assert!(r.register_rx_handler(IfIndex(99), br).is_err());
    }

    #[test]
    fn flags_are_those_of_iproute2() {
        let mut r = Registry::default();
        let port = add(&mut r, "p").unwrap();
        assert_eq!(r.get(port).unwrap().flags(), ["BROADCAST", "MULTICAST"]);
        r.get_mut(port).unwrap().up = true;
        assert_eq!(
            r.get(port).unwrap().flags(),
            ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"]
        );
        r.get_mut(port).unwrap().carrier = true;
        assert_eq!(
            r.get(port).unwrap().flags(),
            ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]
        );
        assert_eq!(r.get(port).unwrap().operstate(), "UP");
    }
}

//! The state that users change: devices, masters, static entries. No hardware here: a change that is refused, or that
//! the card cannot do, leaves a copy behind that was never put to use.

mod derived;
mod members;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::device::fdb::{FdbData, FdbKey, MAX_FID};
use crate::device::{Caps, MacAddr};
use crate::master::bond::Bond;
use crate::master::bridge::{AGEING_DEFAULT, Bridge};
use crate::master::lag::Lag;
use crate::master::{Master, Masters, View, options};
use crate::netdev::{AddressOrigin, DeviceKind, IfIndex, NetDevice, NetError, Registry};

/// Kinds of masters, by the word after `type`.
pub const KINDS: [&str; 3] = ["bridge", "lag", "bond"];

/// FIDs, from the last down, that ports in no master have ([`port_fid`]).
const PORT_FIDS: u16 = 8;

/// The FID of a port that is in no master and whose frames are the host's.
fn port_fid(number: u32) -> u16 {
    MAX_FID - (number as u16).min(PORT_FIDS - 1)
}

/// Everything that is configured.
#[derive(Clone)]
pub struct Model {
    /// Devices: a picture of the core's, with what a request wants of them.
    pub registry: Registry,
    /// Masters.
    pub masters: Masters,
    /// Entries that users added and that do not age, with the device they lead to.
    pub statics: BTreeMap<FdbKey, (FdbData, IfIndex)>,
    /// Frames are forwarded at all.
    pub forward: bool,
    /// The time of the change that is being made, by the switch's clock.
    pub now: Duration,
    /// Last words of members that leave: they go out while the port still sends.
    pub farewells: Vec<(IfIndex, Vec<u8>)>,
    caps: Caps,
}

impl Model {
    /// Nothing is configured over a card's ports.
    pub fn new(caps: &Caps) -> Self {
        Self {
            registry: Registry::default(),
            masters: Masters::new(),
            statics: BTreeMap::new(),
            forward: true,
            now: Duration::ZERO,
            farewells: Vec::new(),
            caps: caps.clone(),
        }
    }

    /// The card's capabilities.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// For masters to look at.
    pub fn view(&self) -> View<'_> {
        View {
            registry: &self.registry,
            masters: &self.masters,
            caps: &self.caps,
            now: self.now,
        }
    }

    /// The device with this name.
    pub fn device(&self, name: &str) -> Result<&NetDevice, NetError> {
        self.registry.by_name(name)
    }

    fn device_mut(&mut self, ifindex: IfIndex) -> Result<&mut NetDevice, NetError> {
        self.registry
            .get_mut(ifindex)
            .ok_or_else(|| NetError::NotFound {
                what: format!("device {ifindex}"),
            })
    }

    /// The master with this name.
    pub fn master(&self, name: &str) -> Result<&dyn Master, NetError> {
        let device = self.device(name)?;
        match self.masters.get(&device.ifindex) {
            Some(master) => Ok(master.as_ref()),
            None => Err(NetError::invalid(
                "master",
                name,
                match device.kind {
                    DeviceKind::Port(_) => "it is a port, not a bridge, lag or bond",
                    _ => "it is no bridge, lag or bond",
                },
            )),
        }
    }

    /// All bridges.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        self.masters
            .values()
            .filter_map(|m| m.as_any().downcast_ref())
    }

    /// The bridge with this index.
    pub fn bridge(&self, ifindex: IfIndex) -> Option<&Bridge> {
        self.masters.get(&ifindex)?.as_any().downcast_ref()
    }

    /// The bridge with this index, to change it.
    pub fn bridge_mut(&mut self, ifindex: IfIndex) -> Option<&mut Bridge> {
        let master = self.masters.get_mut(&ifindex)?;
        master.as_any_mut().downcast_mut()
    }

    /// The bridge that forwards in `fid`.
    pub fn by_fid(&self, fid: u16) -> Option<&dyn Master> {
        self.masters
            .values()
            .find(|m| m.fid() == Some(fid))
            .map(AsRef::as_ref)
    }

    /// The master that has this FID to itself.
    pub fn owner_of(&self, fid: u16) -> Option<IfIndex> {
        let mut masters = self.masters.values();
        masters
            .find(|m| m.own_fid() == Some(fid))
            .map(|m| m.ifindex())
    }

    /// The bridge that a device is a port of, or that it is.
    pub fn bridge_of(&self, device: &NetDevice) -> Option<&dyn Master> {
        let owner = device.master.unwrap_or(device.ifindex);
        self.masters
            .get(&owner)
            .filter(|m| m.fid().is_some())
            .map(AsRef::as_ref)
    }

    /// Adds a master of `kind` with options, and gives its index.
    pub fn add(&mut self, name: &str, kind: &str, address: MacAddr) -> Result<IfIndex, NetError> {
        let kind = KINDS[options::word("type", kind, &KINDS)?];
        if self.caps.ports == 0 {
            let reason = "it is built over ports of a card, and there is no card (EOPNOTSUPP)";
            return Err(NetError::invalid("type", kind, reason));
        }
        let used: Vec<u32> = self
            .masters
            .values()
            .filter_map(|m| m.group().map(|g| g.number))
            .collect();
        let group = (0..self.caps.lag_groups).find(|g| !used.contains(g));
        if kind != "bridge" && group.is_none() {
            return Err(NetError::Exhausted {
                what: "LAG group",
                capacity: self.caps.lag_groups,
            });
        }
        let (fid, ageing) = (self.free_fid()?, self.ageing_time());
        let ifindex = self.registry.register(name, kind, address)?;
        let master: Box<dyn Master> = match group {
            Some(group) if kind == "lag" => Box::new(Lag::new(ifindex, group)),
            Some(group) if kind == "bond" => {
                let seed = u64::from(address.low()) | u64::from(address.high()) << 32;
                Box::new(Bond::new(ifindex, group, fid, seed))
            }
            _ => Box::new(Bridge::new(ifindex, fid, ageing)),
        };
        self.masters.insert(ifindex, master);
        self.refresh();
        Ok(ifindex)
    }

    fn free_fid(&self) -> Result<u16, NetError> {
        // FID 0 is what ports without a bridge have.
        let used: Vec<u16> = self.masters.values().filter_map(|m| m.own_fid()).collect();
        let fid = (1..=MAX_FID - PORT_FIDS).find(|f| !used.contains(f));
        fid.ok_or(NetError::Exhausted {
            what: "FID",
            capacity: (MAX_FID - PORT_FIDS).into(),
        })
    }

    fn ageing_time(&self) -> u64 {
        let mut bridges = self.bridges();
        bridges.next().map_or(AGEING_DEFAULT, Bridge::ageing_time)
    }

    /// Deletes a master; its members are free then.
    pub fn delete(&mut self, name: &str) -> Result<(), NetError> {
        let device = self.device(name)?;
        let ifindex = device.ifindex;
        if device.link_kind.is_none() {
            let reason = match device.kind {
                DeviceKind::Port(_) => "it is a port of the card and cannot be deleted",
                _ => "nobody made it, and nobody deletes it (EOPNOTSUPP)",
            };
            return Err(NetError::invalid("dev", name, reason));
        }
        for member in self
            .masters
            .get(&ifindex)
            .map(|m| m.members())
            .unwrap_or_default()
        {
            self.leave(member)?;
        }
        self.leave(ifindex)?;
        let fid = self.masters.remove(&ifindex).and_then(|m| m.fid());
        self.statics
            .retain(|key, (_, to)| *to != ifindex && Some(key.fid) != fid);
        self.registry.unregister(ifindex);
        self.refresh();
        Ok(())
    }

    fn take(&mut self, ifindex: IfIndex) -> Result<Box<dyn Master>, NetError> {
        self.masters
            .remove(&ifindex)
            .ok_or_else(|| NetError::NotFound {
                what: format!("master {ifindex}"),
            })
    }

    /// Sets an option of a master.
    pub fn set_option(&mut self, name: &str, option: &str, value: &str) -> Result<(), NetError> {
        self.set_options(name, &[(option, value)])
    }

    /// Sets options of a master that belong together.
    pub fn set_options(&mut self, name: &str, all: &[(&str, &str)]) -> Result<(), NetError> {
        let ifindex = self.master(name)?.ifindex();
        let mut object = self.take(ifindex)?;
        let result = object.set_all(self.view(), all);
        let ageing = object.as_any().downcast_ref().map(Bridge::ageing_time);
        self.masters.insert(ifindex, object);
        result?;
        if let Some(ageing) = ageing {
            let bridges = self
                .masters
                .values_mut()
                .filter_map(|m| m.as_any_mut().downcast_mut::<Bridge>());
            bridges.for_each(|b| b.set_ageing_time(ageing));
        }
        self.refresh();
        Ok(())
    }

    /// Sets an option that a device has as a member of its master.
    pub fn set_member_option(
        &mut self,
        name: &str,
        option: &str,
        value: &str,
    ) -> Result<(), NetError> {
        let device = self.device(name)?;
        let member = device.ifindex;
        let Some(owner) = device.master else {
            return Err(NetError::invalid(
                option,
                value,
                format!("{name} is in no bridge: set its master first"),
            ));
        };
        let mut object = self.take(owner)?;
        let result = object.set_member(self.view(), member, option, value);
        self.masters.insert(owner, object);
        self.refresh();
        result
    }

    /// Takes a device up or down. A lag needs members to come up.
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<(), NetError> {
        let device = self.device(name)?;
        let ifindex = device.ifindex;
        let lag = self.masters.get(&ifindex).filter(|m| m.kind() == "lag");
        if up && lag.is_some_and(|l| l.members().is_empty()) {
            let reason = "it is a lag without members; add some first: link set PORT master LAG";
            return Err(NetError::invalid("up", name, reason));
        }
        self.device_mut(ifindex)?.up = up;
        self.refresh();
        Ok(())
    }

    /// Sets a device's MTU; a master's members follow, as a bond's do.
    pub fn set_mtu(&mut self, name: &str, mtu: u64) -> Result<(), NetError> {
        let device = self.device(name)?;
        let ((min, max), ifindex) = (device.mtu_limits, device.ifindex);
        if !(u64::from(min)..=u64::from(max)).contains(&mtu) {
            let who = match device.kind {
                DeviceKind::Other => name,
                _ => "the card",
            };
            let reason = format!("{who} takes {min} to {max}");
            return Err(NetError::invalid("mtu", mtu, reason));
        }
        if let Some(least) = self
            .least_mtu(ifindex)
            .filter(|least| mtu > u64::from(*least))
        {
            let reason = format!("a port of {name} takes no more than {least} (EINVAL)");
            return Err(NetError::invalid("mtu", mtu, reason));
        }
        if let Some(bridge) = self.bridge_mut(ifindex) {
            bridge.set_mtu();
        }
        let below = self
            .masters
            .get(&ifindex)
            .filter(|m| m.fid().is_none())
            .map(|m| m.members())
            .unwrap_or_default();
        for ifindex in below.into_iter().chain([ifindex]) {
            self.device_mut(ifindex)?.mtu = mtu as u32;
        }
        self.refresh();
        Ok(())
    }

    /// The least MTU of the ports of a bridge in hardware.
    pub(super) fn least_mtu(&self, bridge: IfIndex) -> Option<u32> {
        let ports = self.bridge(bridge)?.ports().iter();
        let devices = ports.filter_map(|p| self.registry.get(p.ifindex));
        devices.map(|d| d.mtu).min()
    }

    /// Sets a device's address.
    pub fn set_address(&mut self, name: &str, address: MacAddr) -> Result<(), NetError> {
        if !address.is_unicast() {
            return Err(NetError::invalid(
                "address",
                address,
                "a device's address is neither multicast nor zero",
            ));
        }
        let ifindex = self.device(name)?.ifindex;
        if let Ok(mut object) = self.take(ifindex) {
            let done = object.set_address(self.view(), address);
            self.masters.insert(ifindex, object);
            if done? {
                self.refresh();
                return Ok(());
            }
        }
        let device = self.device_mut(ifindex)?;
        (device.address, device.address_origin) = (address, AddressOrigin::Set);
        self.refresh();
        Ok(())
    }
}

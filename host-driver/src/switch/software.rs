//! Devices without a card: the teaching pair, and what users put on top of any device.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartnic_bond::Bond;
use smartnic_bridge::{Bridge, Bridges};
use smartnic_netdev::device::Flags;
use smartnic_netdev::registry::request::{Caller, Change, Request};
use smartnic_netdev::snull;
use smartnic_netdev::vlan::{self, VlanConfig};
use smartnic_netdev::{Core, Dev};

use super::Switch;
use super::devices::Devices;
use crate::device::host::HostConfig;
use crate::device::{Caps, MacAddr};
use crate::netdev::NetError;

impl Switch {
    /// The teaching pair sn0 and sn1, and no card.
    pub fn snull(config: &snull::Config) -> Result<Self, NetError> {
        let caps = Caps::default();
        let mut devices = Devices::new(&caps, MacAddr::default())?;
        snull::pair(&mut devices.core, config)?;
        let name = "snull".to_owned();
        Ok(Self::over(&caps, devices, name, HostConfig::default()))
    }

    /// Makes a VLAN device over `link`; a change that it refuses takes it away again. Gives its name.
    pub fn add_vlan(
        &mut self,
        link: &str,
        config: &VlanConfig,
        changes: Vec<Change>,
    ) -> Result<String, NetError> {
        self.must_work()?;
        let core = &mut self.devices.core;
        let real = core.by_name(link)?.clone();
        let dev = vlan::create(core, &real, config)?;
        let name = dev.name();
        let changed = core.request(&Caller::ADMIN, &Request::Set(name, changes));
        self.made(&dev, changed.map(drop))
    }

    /// Makes a bridge in software, with options by ip-link(8)'s words; what it refuses takes it away again. Gives its name.
    pub fn add_bridge(
        &mut self,
        name: &str,
        options: &BTreeMap<String, String>,
        changes: Vec<Change>,
    ) -> Result<String, NetError> {
        self.must_work()?;
        let Devices { core, bridges, .. } = &mut self.devices;
        let dev = bridges.create(core, name, None)?;
        let bridge = bridges.get(&dev)?;
        let mut set = options.iter();
        let done = set
            .try_for_each(|(option, value)| bridge.set(core, option, value))
            .and_then(|()| core.request(&Caller::ADMIN, &Request::Set(dev.name(), changes)));
        self.made(&dev, done.map(drop))
    }

    /// A device was made; if something about it was refused, it goes again.
    fn made(&mut self, dev: &Dev, done: smartnic_netdev::Result<()>) -> Result<String, NetError> {
        if let Err(error) = done {
            self.devices.core.unregister(dev);
            self.look();
            return Err(error.into());
        }
        self.followed();
        Ok(dev.name())
    }

    /// Makes a bond in software, with options by ip-link(8)'s words; what it refuses takes it away again. Gives its name.
    pub fn add_bond(
        &mut self,
        name: &str,
        options: &BTreeMap<String, String>,
        changes: Vec<Change>,
    ) -> Result<String, NetError> {
        self.must_work()?;
        let Devices { core, bonds, .. } = &mut self.devices;
        let dev = bonds.create(core, name, None)?;
        let bond = bonds.get(&dev)?;
        let done = bond
            .set(core, &words(options))
            .and_then(|()| core.request(&Caller::ADMIN, &Request::Set(dev.name(), changes)));
        self.made(&dev, done.map(drop))
    }

    /// Sets what every device has, by ip-link(8)'s words, the name last. The first that is refused ends it, as in the kernel. Gives its name.
    pub fn set_device(
        &mut self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<String, NetError> {
        self.must_work()?;
        let dev = self.devices.core.by_name(name)?.clone();
        let mut changes = Vec::new();
        for (word, value) in settings.iter().filter(|(word, _)| *word != "name") {
            changes.push(device_change(word, value)?);
        }
        changes.extend(settings.get("name").cloned().map(Change::Name));
        let request = Request::Set(name.to_owned(), changes);
        let done = self.devices.core.request(&Caller::ADMIN, &request);
        self.look();
        self.apply_now();
        self.tick();
        done?;
        Ok(dev.name())
    }

    /// The bridge in software of this name, if it is one.
    pub fn bridge(&self, name: &str) -> Option<Arc<Bridge>> {
        self.devices.bridge(self.devices.core.by_name(name).ok()?)
    }

    /// The bridge in software that a device is a port of, if it is.
    pub fn bridge_of_port(&self, name: &str) -> Option<Arc<Bridge>> {
        let dev = self.devices.core.by_name(name).ok()?;
        self.devices.bridge(&dev.master()?)
    }

    /// All bridges in software.
    pub fn software_bridges(&self) -> Vec<Arc<Bridge>> {
        let devices = self.devices.core.devices();
        devices.filter_map(|dev| self.devices.bridge(dev)).collect()
    }

    /// The bridge in software that a device is, or is a port of; the device has to be there.
    pub fn bridge_at(&self, name: &str) -> Result<Option<(Arc<Bridge>, Dev)>, NetError> {
        let dev = self.devices.core.by_name(name)?.clone();
        let found = self.bridge(name).or_else(|| self.bridge_of_port(name));
        Ok(found.map(|bridge| (bridge, dev)))
    }

    /// Does something with the bridge in software that a device is, or is a port of: EOPNOTSUPP if it is neither.
    pub fn on_bridge<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Core, &Bridge, &Dev) -> smartnic_netdev::Result<T>,
    ) -> Result<T, NetError> {
        let Some((bridge, dev)) = self.bridge_at(name)? else {
            let reason = "it is no bridge and in none: set its master first (EOPNOTSUPP)";
            return Err(NetError::invalid("dev", name, reason));
        };
        let result = work(&mut self.devices.core, &bridge, &dev);
        self.followed();
        Ok(result?)
    }

    /// Does something with a device.
    pub fn on_device<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Core, &Dev) -> smartnic_netdev::Result<T>,
    ) -> Result<T, NetError> {
        let dev = self.devices.core.by_name(name)?.clone();
        let result = work(&mut self.devices.core, &dev);
        self.followed();
        Ok(result?)
    }

    /// Does something with every bridge in software.
    pub fn on_all_bridges(&mut self, work: impl Fn(&mut Core, &Bridge)) {
        for bridge in self.software_bridges() {
            work(&mut self.devices.core, &bridge);
        }
        self.followed();
    }

    /// Does something with the bridges of the core.
    pub fn on_bridges(
        &mut self,
        work: impl FnOnce(&Bridges, &mut Core) -> smartnic_netdev::Result<()>,
    ) -> Result<(), NetError> {
        self.must_work()?;
        let Devices { core, bridges, .. } = &mut self.devices;
        let result = work(bridges, core);
        self.followed();
        Ok(result?)
    }

    /// The core was changed: the picture follows it, and the card the picture.
    fn followed(&mut self) {
        self.look();
        self.apply_now();
        self.tick();
    }

    /// The bond in software of this name, if it is one.
    pub fn bond(&self, name: &str) -> Option<Arc<Bond>> {
        let dev = self.devices.core.by_name(name).ok()?;
        self.devices.bonds.get(dev).ok()
    }

    /// The bond in software that a device is a slave of, if it is.
    pub fn bond_of_slave(&self, name: &str) -> Option<Arc<Bond>> {
        let dev = self.devices.core.by_name(name).ok()?;
        let (_, bond) = self.devices.bonds.of_slave(dev).ok()?;
        Some(bond)
    }

    /// Sets options of a master in software, and of a device as a member of one. The first that is refused ends it, as in the kernel.
    pub fn set_software(
        &mut self,
        name: &str,
        own: &BTreeMap<String, String>,
        as_member: &BTreeMap<String, String>,
    ) -> Result<(), NetError> {
        let (bridge, bridge_above) = (self.bridge(name), self.bridge_of_port(name));
        let (bond, bond_above) = (self.bond(name), self.bond_of_slave(name));
        let core = &mut self.devices.core;
        let dev = core.by_name(name)?.clone();
        if let Some(bridge) = bridge {
            for (option, value) in own {
                bridge.set(core, option, value)?;
            }
        } else if let Some(bond) = bond {
            bond.set(core, &words(own))?;
        }
        if let Some(bridge) = bridge_above.filter(|_| !as_member.is_empty()) {
            bridge.set_port(core, &dev, &words(as_member))?;
        } else if let Some(bond) = bond_above {
            for (option, value) in as_member {
                bond.set_slave(core, &dev, option, value)?;
            }
        }
        self.followed();
        Ok(())
    }

    /// The old ioctl's requests of a bond in software: `enslave`, `release`, `sethwaddr`.
    pub fn bond_ioctl(&mut self, request: &str, name: &str, slave: &str) -> Result<(), NetError> {
        let Devices { core, bonds, .. } = &mut self.devices;
        let bond = core.by_name(name)?.clone();
        match request {
            "enslave" => bonds.ioctl_enslave(core, &bond, slave),
            "release" => bonds.ioctl_release(core, &bond, slave),
            _ => bonds.ioctl_take_address(core, &bond, slave),
        }?;
        self.followed();
        Ok(())
    }
}

fn words(options: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let words = options.iter();
    words.map(|(o, v)| (o.as_str(), v.as_str())).collect()
}

/// A setting of every device by its word.
fn device_change(word: &str, value: &str) -> Result<Change, NetError> {
    if word == "txqueuelen" {
        let len = value.parse();
        return len
            .map(Change::TxQueueLen)
            .map_err(|_| NetError::invalid(word, value, "it is a number of frames"));
    }
    let on = match value {
        "on" => true,
        "off" => false,
        _ => return Err(NetError::invalid(word, value, "use on or off")),
    };
    match word {
        "promisc" => Ok(Change::Flags(Flags::PROMISC, on)),
        "allmulticast" => Ok(Change::Flags(Flags::ALLMULTI, on)),
        "multicast" => Ok(Change::Flags(Flags::MULTICAST, on)),
        "arp" => Ok(Change::Flags(Flags::NOARP, !on)),
        "dynamic" => Ok(Change::Flags(Flags::DYNAMIC, on)),
        "carrier" => Ok(Change::Carrier(on)),
        _ => Err(NetError::invalid(word, value, "no device has it")),
    }
}

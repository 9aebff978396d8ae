//! Devices without a card: the teaching pair, and what users put on top of any device.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartnic_bridge::Bridge;
use smartnic_netdev::Dev;
use smartnic_netdev::registry::request::{Caller, Change, Request};
use smartnic_netdev::snull;
use smartnic_netdev::vlan::{self, VlanConfig};

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
        self.look();
        self.apply_now();
        self.tick();
        Ok(dev.name())
    }

    /// The bridge in software of this name, if it is one.
    pub fn bridge(&self, name: &str) -> Option<Arc<Bridge>> {
        let dev = self.devices.core.by_name(name).ok()?;
        self.devices.bridges.get(dev).ok()
    }

    /// The bridge in software that a device is a port of, if it is.
    pub fn bridge_of_port(&self, name: &str) -> Option<Arc<Bridge>> {
        let dev = self.devices.core.by_name(name).ok()?;
        self.devices.bridges.of_port(dev).ok()
    }

    /// Sets options of a bridge in software, and of a device as the port of one. The first that is refused ends it, as in the kernel.
    pub fn set_bridge(
        &mut self,
        name: &str,
        own: &BTreeMap<String, String>,
        as_port: &BTreeMap<String, String>,
    ) -> Result<(), NetError> {
        let (bridge, above) = (self.bridge(name), self.bridge_of_port(name));
        let core = &mut self.devices.core;
        let dev = core.by_name(name)?.clone();
        if let Some(bridge) = bridge {
            for (option, value) in own {
                bridge.set(core, option, value)?;
            }
        }
        if let Some(bridge) = above.filter(|_| !as_port.is_empty()) {
            let options: Vec<(&str, &str)> = as_port
                .iter()
                .map(|(o, v)| (o.as_str(), v.as_str()))
                .collect();
            bridge.set_port(core, &dev, &options)?;
        }
        self.look();
        self.tick();
        Ok(())
    }
}

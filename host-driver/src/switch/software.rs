//! Devices without a card: the teaching pair, and what users put on top of any device.

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
        let changed = core.request(&Caller::ADMIN, &Request::Set(name.clone(), changes));
        if let Err(error) = changed {
            core.unregister(&dev);
            self.look();
            return Err(error.into());
        }
        self.look();
        self.apply_now();
        self.tick();
        Ok(name)
    }
}

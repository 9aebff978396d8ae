//! Who forwards for a card's bridge: the hardware, or the bridge in software over the same ports.
//!
//! A bridge begins in hardware. When something is asked of it that hardware cannot do (VLANs, MST, 802.1X, proxies, backup ports, groups left at once, a port that is not the card's), the
//! driver takes over: the ports give all that they receive to the host, and the host sends each frame to a port. All settings, ports, static entries and entries of the multicast database
//! go along, by the words that users have for them; the stations are learned anew, and a spanning tree begins again with ports that block. When the last such thing is gone again, it goes
//! the other way.
//!
//! Covered by `tests/driver/engine`.
//!
//! | file | what |
//! |---|---|
//! | `options.rs` | what only software can do |
//! | `moving.rs` | a bridge with all that it has goes from the one to the other |

mod moving;
mod options;

use smartnic_bridge::{Bridge as Software, FdbFilter};
use smartnic_netdev::Dev;
use smartnic_slowpath::mcast::Knob;

use super::Switch;
use super::fdb::FlushWhat;
use super::plane::BRIDGE;
use crate::master::Master;
use crate::netdev::{DeviceKind, IfIndex, NetError};

use options::{Options, bridge_is_beyond, is_software_port_option, port_is_beyond, text};
pub use options::{PortAction, is_software_option};

impl Switch {
    /// The bridge in hardware that a device is, or is a port of.
    fn hardware_bridge(&self, name: &str) -> Option<IfIndex> {
        let device = self.model.device(name).ok()?;
        let owner = device.master.unwrap_or(device.ifindex);
        self.model.bridge(owner).map(|b| b.ifindex())
    }

    /// What is asked of a link brings its bridge into software, if it is the card's and the hardware cannot do it: options of its own, options as a port, a master for a
    /// device that is not the card's. What a bridge that stays in hardware need not hear, since it is so anyway, is taken out.
    pub fn prepare(
        &mut self,
        name: &str,
        own: &mut Option<Options>,
        as_port: &mut Option<Options>,
        master: Option<&str>,
    ) -> Result<(), NetError> {
        let device = self.model.device(name)?;
        let foreign = device.kind == DeviceKind::Other && device.link_kind != Some(BRIDGE);
        let (ifindex, above) = (device.ifindex, device.master);
        if self.model.bridge(ifindex).is_some()
            && let Some(own) = own
        {
            let defaults = self.devices.defaults.info();
            if own.iter().any(|(o, v)| bridge_is_beyond(&defaults, o, v)) {
                self.move_to_software(ifindex)?;
            } else {
                own.retain(|o, _| !is_software_option(o));
            }
        }
        let above = match master {
            Some(master) => self.model.device(master).ok().map(|d| d.ifindex),
            None => above,
        };
        let Some(bridge) = above.filter(|b| self.model.bridge(*b).is_some()) else {
            return Ok(());
        };
        let mut options = as_port.iter().flatten();
        if (foreign && master.is_some()) || options.any(|(o, v)| port_is_beyond(o, v)) {
            return self.move_to_software(bridge);
        }
        if let Some(options) = as_port {
            options.retain(|o, _| !is_software_port_option(o));
        }
        Ok(())
    }

    /// Does something with a port of a bridge in hardware.
    pub fn act_on_port(&mut self, name: &str, action: PortAction) -> Result<(), NetError> {
        let device = self.model.device(name)?;
        let (port, bridge) = (device.ifindex, device.master);
        let Some(bridge) = bridge.filter(|b| self.model.bridge(*b).is_some()) else {
            let reason = format!("{name} is in no bridge: set its master first");
            return Err(NetError::invalid("dev", name, reason));
        };
        match action {
            PortAction::Flush => self.fdb_flush(Some(name), FlushWhat::Dynamic),
            PortAction::Mcheck => {
                self.mcheck(bridge, port);
                Ok(())
            }
        }
    }

    /// The bridge of a device forwards in software from now on, if it is the card's.
    pub fn in_software(&mut self, name: &str) -> Result<(), NetError> {
        match self.hardware_bridge(name) {
            Some(bridge) => self.move_to_software(bridge),
            None => Ok(()),
        }
    }

    /// Brings every bridge of the card's back into hardware of which nothing is asked any more that hardware cannot do.
    pub fn settle_engines(&mut self) {
        if self.card.is_none() {
            return;
        }
        let all: Vec<IfIndex> = self.devices.engines.keys().copied().collect();
        for ifindex in all {
            let waits = self.model.bridge(ifindex).is_none();
            if waits
                && self.fits_hardware(ifindex)
                && let Err(error) = self.move_to_hardware(ifindex)
            {
                tracing::warn!(bridge = self.model.registry.name(ifindex), %error, "stays in software");
            }
        }
    }

    fn fits_hardware(&self, ifindex: IfIndex) -> bool {
        let Some(software) = self.devices.software(ifindex) else {
            return false;
        };
        let (info, defaults) = (software.info(), self.devices.defaults.info());
        let beyond = |o: &str| {
            let counted = o == "fdb_n_learned";
            let value = info.get(o).filter(|_| !counted);
            value.is_some_and(|v| bridge_is_beyond(&defaults, o, &text(v)))
        };
        let mut words = smartnic_bridge::OPTIONS.into_iter();
        if words.any(beyond) || beyond(Knob::VlanSnooping.name()) {
            return false;
        }
        let ports = software.port_devices();
        let fits = |dev: &Dev| {
            let card = self
                .model
                .view()
                .destination(IfIndex(dev.ifindex()))
                .is_some();
            let info = software.port_info(dev).unwrap_or_default();
            card && !info.iter().any(|(o, v)| port_is_beyond(o, &text(v)))
                && one_vlan(&software, dev)
        };
        let Some(own) = software.device() else {
            return false;
        };
        let entries = software.fdb_show(&self.devices.core, &FdbFilter::default());
        one_vlan(&software, &own)
            && ports.iter().all(fits)
            && !entries
                .iter()
                .any(|e| e.locked || e.added_by_user && (e.vlan != 0 && e.vlan != 1))
    }
}

/// A device is in VLAN 1 as every new one, and in no other.
fn one_vlan(software: &Software, dev: &Dev) -> bool {
    let vlans = software.vlan_show(dev).unwrap_or_default();
    matches!(vlans.as_slice(), [v] if v.vlan == 1 && v.pvid && v.untagged && !v.neigh_suppress)
}

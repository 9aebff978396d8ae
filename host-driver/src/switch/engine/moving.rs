//! A bridge goes from hardware into software, or back, with its settings, ports, static entries and groups.

use serde_json::{Map, Value};
use smartnic_bridge::{Bridge as Software, FdbFilter, FdbRequest, FdbState, FdbWay, Stp};
use smartnic_netdev::Dev;
use smartnic_regs::values::{dest, kind};
use smartnic_slowpath::mcast::{Knob, MdbEntry, MdbFilter, MdbRequest, PortKnob};
use smartnic_slowpath::stp::PortState;

use super::options::{Words, text};
use crate::device::fdb::{FdbData, FdbKey};
use crate::master::Master;
use crate::master::bridge::port::PORT_OPTIONS as HARDWARE_PORT_OPTIONS;
use crate::master::bridge::{Bridge, OPTIONS as HARDWARE_OPTIONS};
use crate::netdev::{IfIndex, NetError};
use crate::switch::Switch;
use crate::switch::model::Model;

/// An entry of the multicast database as it would be asked for.
fn again(entry: &MdbEntry, port: Option<u32>) -> MdbRequest {
    MdbRequest {
        key: entry.key,
        port,
        permanent: entry.flags.permanent,
        filter_mode: entry
            .filter_mode
            .filter(|_| port.is_some() && entry.key.is_star()),
        sources: entry.sources.iter().map(|s| s.address).collect(),
        protocol: entry.protocol.filter(|_| port.is_some()),
        replace: true,
    }
}

/// What a bridge takes along when somebody else begins to forward for it.
struct Luggage {
    options: Words,
    ports: Vec<(IfIndex, Words)>,
    groups: Vec<(MdbEntry, Option<IfIndex>)>,
}

impl Switch {
    pub(super) fn move_to_software(&mut self, ifindex: IfIndex) -> Result<(), NetError> {
        let name = self.model.registry.name(ifindex);
        if !self.attended {
            let reason = "the bridge forwards in software then: smartnicd has to see to it, and this command does not stay";
            return Err(NetError::invalid("bridge", name, reason));
        }
        self.needs_rings()?;
        let (Some(bridge), Some(software)) = (
            self.model.bridge(ifindex).cloned(),
            self.devices.software(ifindex),
        ) else {
            return Ok(());
        };
        let luggage = self.pack(&bridge);
        let statics = self.model.take_bridge(ifindex);
        let moved = self.unpack(ifindex, &software, &luggage);
        if let Err(error) = moved.and_then(|()| self.take_entries(&software, &statics)) {
            self.restore(bridge, statics)?;
            return Err(error);
        }
        self.look();
        self.apply_now();
        tracing::info!(bridge = name, "forwards in software");
        Ok(())
    }

    /// A bridge that could not go into software is the hardware's again, as it was.
    fn restore(
        &mut self,
        bridge: Bridge,
        statics: Vec<(FdbKey, FdbData, IfIndex)>,
    ) -> Result<(), NetError> {
        let ifindex = bridge.ifindex();
        let master = self.devices.core.by_index(ifindex.0)?.clone();
        let (address, origin) = (master.address(), master.address_origin());
        for dev in master.lowers().iter() {
            self.devices.core.set_master(dev, None)?;
        }
        self.devices.hand_over(&master, false)?;
        master.assign_address(address, origin);
        self.look();
        for port in bridge.members() {
            if let Some(device) = self.model.registry.get_mut(port) {
                device.master = Some(ifindex);
            }
        }
        self.model.masters.insert(ifindex, Box::new(bridge));
        let statics = statics
            .into_iter()
            .map(|(key, data, dev)| (key, (data, dev)));
        self.model.statics.extend(statics);
        self.apply()
    }

    fn pack(&self, bridge: &Bridge) -> Luggage {
        let (ifindex, groups) = (bridge.ifindex(), self.groups(bridge.ifindex()));
        let port = |p: Option<u32>| p.map(IfIndex);
        Luggage {
            options: bridge.words(),
            ports: bridge
                .ports()
                .iter()
                .map(|p| (p.ifindex, p.words()))
                .collect(),
            groups: groups
                .into_iter()
                .map(|e| (e.clone(), port(e.port).filter(|p| *p != ifindex)))
                .collect(),
        }
    }

    /// Ports leave the hardware's bridge and join the one in software, with everything that was set.
    fn unpack(
        &mut self,
        ifindex: IfIndex,
        software: &Software,
        luggage: &Luggage,
    ) -> Result<(), NetError> {
        let master = self.devices.core.by_index(ifindex.0)?.clone();
        for dev in master.lowers().iter() {
            self.devices.leave(dev, &master)?;
        }
        self.devices.hand_over(&master, true)?;
        let core = &mut self.devices.core;
        let info = software.info();
        for (option, value) in &luggage.options {
            if info.get(*option).map(text).as_ref() != Some(value) {
                software.set(core, option, value)?;
            }
        }
        for (port, options) in &luggage.ports {
            let dev = core.by_index(port.0)?.clone();
            core.set_master(&dev, Some(&master))?;
            core.run_link_events();
            let (state, options): (Words, Words) = options
                .iter()
                .cloned()
                .partition(|(word, _)| *word == "state");
            let options: Vec<(&str, &str)> =
                options.iter().map(|(o, v)| (*o, v.as_str())).collect();
            software.set_port(core, &dev, &options)?;
            for (word, value) in &state {
                // A port that is down, or that the tree rules, has no state of a user's.
                if let Err(error) = software.set_port(core, &dev, &[(*word, value.as_str())]) {
                    tracing::debug!(%error, "a state that is not kept");
                }
            }
        }
        for (entry, port) in &luggage.groups {
            let number = match port {
                Some(port) => Some(software.port_number(core.by_index(port.0)?)?.into()),
                None => None,
            };
            if let Err(error) = software.mdb_add(core, &again(entry, number)) {
                tracing::debug!(%error, "a group that is not kept");
            }
        }
        Ok(())
    }

    fn take_entries(
        &mut self,
        software: &Software,
        statics: &[(FdbKey, FdbData, IfIndex)],
    ) -> Result<(), NetError> {
        let core = &mut self.devices.core;
        for (key, data, dev) in statics {
            let dev = core.by_index(dev.0)?.clone();
            let bits = u32::from(data.kind);
            let way = match u32::from(data.dest) == dest::HOST {
                true => FdbWay::Permanent,
                false => FdbWay::Static,
            };
            if bits & kind::BLACKHOLE != 0 {
                let reason = "a blackhole is the hardware's alone: delete it first (EOPNOTSUPP)";
                return Err(NetError::invalid("mac", key.mac, reason));
            }
            software.fdb_add(core, &dev, &FdbRequest::replace(key.mac, way))?;
        }
        Ok(())
    }

    pub(super) fn move_to_hardware(&mut self, ifindex: IfIndex) -> Result<(), NetError> {
        let Some(software) = self.devices.software(ifindex) else {
            return Ok(());
        };
        let master = self.devices.core.by_index(ifindex.0)?.clone();
        let (address, origin) = (master.address(), master.address_origin());
        let core = &self.devices.core;
        let entries = software.fdb_show(core, &FdbFilter::default());
        let kept: Vec<_> = entries
            .into_iter()
            .filter(|e| e.added_by_user && e.vlan == 0 && e.state != FdbState::Reachable)
            .collect();
        let groups: Vec<MdbEntry> = software.mdb_show();
        let options = known(
            &software.info(),
            HARDWARE_OPTIONS
                .into_iter()
                .chain(Knob::ALL.map(Knob::name)),
        );
        let ports: Vec<(Dev, u16, Words)> = software
            .port_devices()
            .into_iter()
            .filter_map(|dev| {
                let info = software.port_info(&dev).ok()?;
                let words = HARDWARE_PORT_OPTIONS
                    .into_iter()
                    .chain(PortKnob::ALL.map(PortKnob::name));
                let mut words = known(&info, words);
                // What is shown is the cost by speed, too.
                let set = software.port_settings(&dev).ok()?.cost;
                words.retain(|(word, _)| *word != "cost" || set.is_some());
                let number = software.port_number(&dev).ok()?;
                Some((dev, number, words))
            })
            .collect();
        for entry in kept.iter().filter(|e| e.ifindex == ifindex.0) {
            software.fdb_del(&mut self.devices.core, &master, entry.mac, Some(0))?;
        }
        software.mdb_flush(&self.devices.core, &MdbFilter::default());
        for (dev, ..) in &ports {
            self.devices.core.set_master(dev, None)?;
        }
        self.devices.hand_over(&master, false)?;
        master.assign_address(address, origin);
        self.look();
        let done = self.change(|model| {
            model.give_bridge(ifindex)?;
            set_up(model, ifindex, &options, &ports)?;
            for entry in &kept {
                let local = entry.state == FdbState::Permanent;
                model.keep_entry(ifindex, entry.mac, IfIndex(entry.ifindex), local);
            }
            Ok(())
        });
        if let Err(error) = done {
            let luggage = Luggage {
                options: Words::new(),
                ports: ports
                    .into_iter()
                    .map(|(d, _, words)| (IfIndex(d.ifindex()), words))
                    .collect(),
                groups: Vec::new(),
            };
            self.unpack(ifindex, &software, &luggage)?;
            self.look();
            return Err(error);
        }
        self.settle_links()?;
        let member = |n: u32| {
            ports
                .iter()
                .find(|(_, number, _)| u32::from(*number) == n)
                .map(|(d, ..)| d.ifindex())
        };
        for entry in &groups {
            self.remember_group(ifindex, &again(entry, entry.port.and_then(member)));
        }
        tracing::info!(
            bridge = self.model.registry.name(ifindex),
            "forwards in hardware"
        );
        Ok(())
    }
}

/// Gives a bridge in hardware, which is new, the options and ports that it had in software.
fn set_up(
    model: &mut Model,
    bridge: IfIndex,
    options: &Words,
    ports: &[(Dev, u16, Words)],
) -> Result<(), NetError> {
    let name = model.registry.name(bridge);
    let differ = |info: &Map<String, Value>, words: &Words| -> Words {
        let differs = |(word, value): &&(&'static str, String)| {
            info.get(*word).map(text).as_ref() != Some(value)
        };
        words.iter().filter(differs).cloned().collect()
    };
    let is = model.master(&name)?.info(model.view());
    for (option, value) in differ(&is, options) {
        model.set_option(&name, option, &value)?;
    }
    let tree = model.bridge(bridge).is_some_and(|b| b.stp() == Stp::On);
    for (dev, _, words) in ports {
        let port = dev.name();
        model.enslave(&port, &name)?;
        let is = model
            .master(&name)?
            .member_info(model.view(), IfIndex(dev.ifindex()));
        for (option, value) in differ(&is, words) {
            if option != "state" {
                model.set_member_option(&port, option, &value)?;
                continue;
            }
            // Disabled is what a port without a link shows, whatever it was put into.
            let disabled = PortState::from_word(&value) == Some(PortState::Disabled);
            if !tree
                && !disabled
                && let Err(error) = model.set_member_option(&port, option, &value)
            {
                tracing::debug!(%error, "a state that is not kept");
            }
        }
    }
    Ok(())
}

/// The values of options by their words.
fn known(info: &Map<String, Value>, words: impl Iterator<Item = &'static str>) -> Words {
    let value = |word| Some((word, text(info.get(word)?)));
    let set = words
        .filter(|w| *w != Knob::VlanSnooping.name())
        .filter_map(value);
    set.collect()
}

//! IGMP and MLD snooping of each bridge: `smartnic_slowpath::mcast`'s machines hear the multicast that the card gives to the host, keep the
//! multicast database, and query where they are asked to.
//!
//! The card has no table of groups: it floods multicast, and the database is the driver's alone (no entry says `offload`). As with the spanning tree the
//! machines are no part of the model, but follow it.
//!
//! Covered by `tests/driver/mdb.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::{
    Addresses, Frame, Knob, MdbEntry, MdbRequest, Output, PortKnob, PortState, Refused, RouterPort,
    Snooping,
};

use super::Switch;
use super::model::Model;
use crate::master::bridge::Bridge;
use crate::master::{Master, View};
use crate::netdev::IfIndex;

/// A bridge's machine, and what it was told.
#[derive(Default)]
struct Machine {
    snooping: Snooping,
    knobs: BTreeMap<Knob, u64>,
    ports: BTreeMap<IfIndex, BTreeMap<PortKnob, u64>>,
}

impl Machine {
    fn follow(&mut self, bridge: &Bridge, view: View<'_>, now: Duration) -> Result<(), Refused> {
        let device = view.device(bridge.ifindex());
        let address = device.map(|d| d.address).unwrap_or_default();
        self.snooping.set_addresses(Addresses::of(address));
        for (knob, value) in &bridge.multicast().0 {
            if self.knobs.insert(*knob, *value) != Some(*value) {
                self.snooping.set_knob(now, 0, *knob, *value)?;
            }
        }
        let gone = |dev: &IfIndex| bridge.port(*dev).is_none();
        for dev in self.ports.keys().copied().filter(gone) {
            self.snooping.remove_port(now, dev.0);
        }
        self.ports.retain(|dev, _| !gone(dev));
        for port in bridge.ports() {
            let id = port.ifindex.0;
            if !self.ports.contains_key(&port.ifindex) {
                self.snooping.add_port(now, id);
            }
            let told = self.ports.entry(port.ifindex).or_default();
            for (knob, value) in &port.multicast.0 {
                if told.insert(*knob, *value) != Some(*value) {
                    self.snooping.set_port_knob(now, id, 0, *knob, *value)?;
                }
            }
            let state = PortState::from_number(bridge.state(view, port).into()).unwrap_or_default();
            if self.snooping.port_state(id) != Some(state) {
                self.snooping.set_port_state(now, id, state);
            }
        }
        let up = device.is_some_and(|d| d.up);
        self.snooping.set_running(now, up);
        Ok(())
    }
}

/// The machines of all bridges.
#[derive(Default)]
pub(super) struct Snoopers(BTreeMap<IfIndex, Machine>);

impl Snoopers {
    fn follow(&mut self, model: &Model, now: Duration) {
        self.0
            .retain(|dev, _| model.bridges().any(|b| b.ifindex() == *dev));
        for bridge in model.bridges() {
            let machine = self.0.entry(bridge.ifindex()).or_default();
            machine.snooping.advance(now);
            // Settings were checked by the same rules when they were set.
            if let Err(error) = machine.follow(bridge, model.view(), now) {
                tracing::error!(bridge = %bridge.ifindex(), %error, "multicast snooping does not follow");
            }
        }
    }

    /// When one of them wants time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let machines = self.0.values();
        machines.filter_map(|m| m.snooping.next_deadline()).min()
    }
}

/// What the machines want to know of a frame: source, destination, EtherType behind a tag, payload.
fn dissect(frame: &[u8]) -> Option<(MacAddr, MacAddr, u16, &[u8])> {
    let mac = |at: usize| -> Option<MacAddr> {
        let bytes: [u8; 6] = frame.get(at..at + 6)?.try_into().ok()?;
        Some(MacAddr(bytes))
    };
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let at = match word(12)? {
        0x8100 | 0x88a8 => 16,
        _ => 12,
    };
    Some((mac(6)?, mac(0)?, word(at)?, frame.get(at + 2..)?))
}

impl Switch {
    /// A multicast frame came to a bridge: by a port, or from the host.
    pub(super) fn hear(&mut self, bridge: IfIndex, port: Option<IfIndex>, frame: &[u8]) {
        let now = self.clock.now();
        let Some((source, destination, ethertype, payload)) = dissect(frame) else {
            return;
        };
        let Some(machine) = self.snooping.0.get_mut(&bridge) else {
            return;
        };
        if destination.is_multicast() && destination != MacAddr::BROADCAST {
            let frame = Frame {
                port: port.map(|p| p.0),
                vid: 0,
                source,
                destination,
                ethertype,
                payload,
            };
            // The card has forwarded it already: where it should go is of no use.
            machine.snooping.receive(now, &frame);
        }
    }

    /// Lets the machines follow, gives them their time, and sends their queries.
    pub(super) fn snoop(&mut self) {
        let now = self.clock.now();
        self.snooping.follow(&self.model, now);
        let machines = self.snooping.0.iter_mut();
        let outputs: Vec<_> = machines
            .flat_map(|(bridge, m)| m.snooping.take_outputs().into_iter().map(|o| (*bridge, o)))
            .collect();
        for (bridge, output) in outputs {
            match output {
                Output::Send {
                    port: Some(port),
                    frame,
                    ..
                } => {
                    if let Some(to) = self.model.view().destination(IfIndex(port)) {
                        self.send_control(to, frame);
                    }
                }
                Output::SwitchedOff => {
                    let bridge = self.model.registry.name(bridge);
                    tracing::warn!(bridge, "multicast snooping: mcast_hash_max, switched off");
                }
                Output::Mdb { deleted, entry } => {
                    let device = |port| IfIndex(port);
                    self.mdb_notice(deleted, bridge, &entry, entry.port.map(device));
                }
                // The host's own stack hears queries of others only.
                Output::Send { .. } | Output::Router { .. } => {}
            }
        }
    }

    /// The entries of a bridge in hardware; ports are devices' indices.
    pub(super) fn groups(&self, bridge: IfIndex) -> Vec<MdbEntry> {
        let machine = self.snooping.0.get(&bridge);
        machine.map(|m| m.snooping.mdb()).unwrap_or_default()
    }

    /// An entry that a bridge had in software.
    pub(super) fn remember_group(&mut self, bridge: IfIndex, request: &MdbRequest) {
        let now = self.clock.now();
        if let Some(machine) = self.snooping.0.get_mut(&bridge)
            && let Err(error) = machine.snooping.mdb_add(now, request)
        {
            tracing::debug!(error = error.message, "a group that is not kept");
        }
    }

    /// Does something with the machine of a bridge in hardware.
    pub(super) fn on_snooping<T>(
        &mut self,
        bridge: IfIndex,
        work: impl FnOnce(&mut Snooping, Duration) -> T,
    ) -> Option<T> {
        let now = self.clock.now();
        let machine = self.snooping.0.get_mut(&bridge)?;
        let result = work(&mut machine.snooping, now);
        self.snoop();
        Some(result)
    }

    /// Entries and routers' ports of the bridges in hardware.
    pub(super) fn hardware_mdb(
        &self,
    ) -> impl Iterator<Item = (IfIndex, Vec<MdbEntry>, Vec<RouterPort>)> {
        let machines = self.snooping.0.iter();
        machines.map(|(dev, m)| (*dev, m.snooping.mdb(), m.snooping.routers_shown()))
    }
}

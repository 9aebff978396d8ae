//! IGMP and MLD snooping of each bridge: `smartnic_slowpath::mcast`'s machines hear the multicast that the card gives to the host, keep the
//! multicast database, and query where they are asked to.
//!
//! The card has no table of groups: it floods multicast, and the database is the driver's alone (no entry says `offload`). As with the spanning tree the
//! machines are no part of the model, but follow it.
//!
//! Covered by `tests/driver/mdb.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::{
    Addresses, Frame, GroupKey, Knob, MdbEntry, MdbRequest, Output, PortKnob, PortState, Refused,
    Snooping,
};

use super::Switch;
use super::model::Model;
use crate::master::bridge::Bridge;
use crate::master::{Master, View};
use crate::netdev::{IfIndex, NetError};

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
        self.snooping.set_addresses(Addresses {
            mac: device.map(|d| d.address).unwrap_or_default(),
            ..Addresses::default()
        });
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
                // The host's own stack hears queries of others only; who asks for the database gets it whole.
                Output::Send { .. } | Output::Mdb { .. } | Output::Router { .. } => {}
            }
        }
    }

    /// The multicast database, of one bridge or all, by iproute2's keys.
    pub fn mdb(&self, bridge: Option<IfIndex>) -> Value {
        let name = |dev: u32| self.model.registry.name(IfIndex(dev));
        let wanted = |dev: &IfIndex| bridge.is_none_or(|b| b == *dev);
        let machines = self.snooping.0.iter().filter(|(dev, _)| wanted(dev));
        let (mut entries, mut routers) = (Vec::new(), serde_json::Map::new());
        for (dev, machine) in machines {
            let all = machine.snooping.mdb();
            entries.extend(all.iter().map(|e| shown(e, *dev, name)));
            let ports = machine.snooping.routers_shown();
            let ports: Vec<Value> = ports
                .iter()
                .map(|r| json!({ "port": name(r.port), "timer": seconds(r.ipv4_timer.max(r.ipv6_timer).unwrap_or(0)) }))
                .collect();
            if !ports.is_empty() {
                routers.insert(name(dev.0), Value::Array(ports));
            }
        }
        json!([{ "mdb": entries, "router": routers }])
    }

    /// Adds or deletes an entry of the database; `dev` is the bridge, `port` one of its ports or the bridge itself.
    pub fn change_mdb(
        &mut self,
        add: bool,
        dev: &str,
        port: &str,
        entry: &MdbUser,
    ) -> Result<(), NetError> {
        let now = self.clock.now();
        let bridge = self.model.device(dev)?.ifindex;
        let member = self.model.device(port)?;
        let member = (member.ifindex != bridge).then_some(member.ifindex);
        let own = |b: &Bridge| member.is_none_or(|p| b.port(p).is_some());
        if !self.model.bridge(bridge).is_some_and(own) {
            let reason = format!("it is no bridge, or {port} is no port of it (EINVAL)");
            return Err(NetError::invalid("dev", dev, reason));
        }
        let Some(machine) = self.snooping.0.get_mut(&bridge) else {
            return Ok(());
        };
        let key = GroupKey::star(0, entry.group);
        let request = MdbRequest {
            key: entry.source.map_or(key, |s| key.with_source(s)),
            port: member.map(|p| p.0),
            permanent: entry.permanent,
            filter_mode: None,
            sources: Vec::new(),
            protocol: None,
            replace: false,
        };
        let done = match add {
            true => machine.snooping.mdb_add(now, &request),
            false => machine.snooping.mdb_del(now, &request),
        };
        done.map_err(|error| {
            let reason = format!("{} ({:?})", error.message, error.errno);
            NetError::invalid("grp", entry.group, reason)
        })
    }
}

/// An entry of the multicast database as a user asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MdbUser {
    /// The group.
    pub group: IpAddr,
    /// The source; without one all.
    pub source: Option<IpAddr>,
    /// It stays until it is deleted.
    pub permanent: bool,
}

/// Seconds with two places, as iproute2 has a timer.
fn seconds(centiseconds: u64) -> String {
    format!("{:4}.{:02}", centiseconds / 100, centiseconds % 100)
}

fn shown(entry: &MdbEntry, bridge: IfIndex, name: impl Fn(u32) -> String) -> Value {
    let flags = [
        (entry.flags.offload, "offload"),
        (entry.flags.fast_leave, "fast_leave"),
        (entry.flags.added_by_star_ex, "added_by_star_ex"),
        (entry.flags.blocked, "blocked"),
    ];
    let flags = flags.iter().filter(|(set, _)| *set);
    let mut value = json!({
        "index": bridge,
        "dev": name(bridge.0),
        "port": name(entry.port.unwrap_or(bridge.0)),
        "grp": entry.key.group.to_string(),
        "state": if entry.flags.permanent { "permanent" } else { "temp" },
        "flags": flags.map(|(_, word)| *word).collect::<Vec<_>>(),
        "timer": seconds(entry.timer),
    });
    if let Some(source) = entry.key.source {
        value["src"] = json!(source);
    }
    if let Some(mode) = entry.filter_mode {
        value["filter_mode"] = json!(mode);
    }
    if !entry.sources.is_empty() {
        let sources = entry.sources.iter();
        let sources = sources.map(|s| json!({ "address": s.address, "timer": seconds(s.timer) }));
        value["source_list"] = sources.collect();
    }
    if let Some(protocol) = entry.protocol {
        value["protocol"] = json!(protocol.to_string());
    }
    value
}

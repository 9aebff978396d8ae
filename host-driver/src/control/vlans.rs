//! The calls of VLANs and MST instances, by the keys of `bridge -j vlan show` and `bridge -j mst show`. Bridges in hardware have no VLANs: what is asked of one brings it into software
//! ([`crate::switch::engine`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use smartnic_bridge::{Bridge, VlanEntry, VlanFlags, port_state_of};
use smartnic_netdev::{Core, Dev, Errno, NetdevError};
use smartnic_slowpath::mcast::{Knob, PortKnob};

use super::api::{ChangeVlan, ListMst, ListVlans, SetMst, SetVlan};
use super::service::{Outcome, done, json};
use super::wire::{Call, WireError, parameters};
use crate::netdev::NetError;
use crate::switch::Switch;

/// Does a call; `None`: it is none of these.
pub(super) fn handle(
    switch: &mut Switch,
    call: &Call,
    method: &str,
) -> Result<Option<Outcome>, WireError> {
    let outcome = match method {
        "ListVlans" => json(json!({ "vlans": list(switch, &parameters(call)?)? })),
        "AddVlan" | "DeleteVlan" => done(change(switch, method == "AddVlan", &parameters(call)?)),
        "SetVlan" => done(set(switch, &parameters(call)?)),
        "ListVlanGlobals" => json(json!({ "vlans": globals(switch, &parameters(call)?)? })),
        "SetVlanGlobal" => done(set_global(switch, &parameters(call)?)),
        "ListMst" => json(json!({ "mst": list_mst(switch, &parameters(call)?)? })),
        "SetMst" => done(set_mst(switch, &parameters(call)?)),
        _ => return Ok(None),
    };
    outcome.map(Some)
}

fn refuse<T>(
    argument: &'static str,
    value: &str,
    errno: Errno,
    reason: &'static str,
) -> Result<T, NetError> {
    Err(NetdevError::new(errno, argument, value, reason).into())
}

/// Bridges in software and their ports, or the one of them that is named.
fn places(switch: &Switch, dev: Option<&str>) -> Result<Vec<(Arc<Bridge>, Dev)>, NetError> {
    if let Some(name) = dev {
        return Ok(switch.bridge_at(name)?.into_iter().collect());
    }
    let all = switch.core().devices();
    let at = |dev: &Dev| switch.bridge_at(&dev.name()).ok().flatten();
    Ok(all.filter_map(at).collect())
}

/// The default VLAN, which is all that a bridge in hardware and its ports are in.
fn plain() -> Value {
    let entry = VlanEntry {
        vlan: 1,
        pvid: true,
        untagged: true,
        state: smartnic_slowpath::stp::PortState::Forwarding,
        msti: 0,
        neigh_suppress: false,
        counters: smartnic_bridge::VlanCounters::default(),
    };
    shown(&entry, None)
}

fn shown(entry: &VlanEntry, router: Option<u64>) -> Value {
    let flags = [(entry.pvid, "PVID"), (entry.untagged, "Egress Untagged")];
    let flags = flags.iter().filter(|(on, _)| *on);
    let c = &entry.counters;
    json!({
        "vlan": entry.vlan,
        "flags": flags.map(|(_, word)| *word).collect::<Vec<_>>(),
        "state": entry.state.word(),
        "mcast_router": router,
        "neigh_suppress": entry.neigh_suppress,
        "msti": entry.msti,
        "rx_bytes": c.rx_bytes, "rx_packets": c.rx_packets, "tx_bytes": c.tx_bytes, "tx_packets": c.tx_packets,
    })
}

fn list(switch: &Switch, list: &ListVlans) -> Result<Vec<Value>, NetError> {
    let wanted = |vlan: &Value| list.vid.is_none_or(|v| vlan["vlan"] == v);
    let mut all: BTreeMap<u32, Value> = BTreeMap::new();
    for (bridge, dev) in places(switch, list.dev.as_deref())? {
        let vlans = bridge.vlan_show(&dev)?.into_iter().map(|entry| {
            let router = bridge.vlan_port_knob(&dev, entry.vlan, PortKnob::Router);
            shown(&entry, router)
        });
        let vlans: Vec<Value> = vlans.filter(wanted).collect();
        all.insert(
            dev.ifindex(),
            json!({ "ifname": dev.name(), "vlans": vlans }),
        );
    }
    let model = switch.model();
    for bridge in model.bridges() {
        let members = bridge.ports().iter().map(|p| p.ifindex);
        for ifindex in members.chain([crate::master::Master::ifindex(bridge)]) {
            let name = model.registry.name(ifindex);
            if list.dev.as_ref().is_none_or(|d| *d == name) {
                let vlans: Vec<Value> = [plain()].into_iter().filter(wanted).collect();
                all.insert(ifindex.0, json!({ "ifname": name, "vlans": vlans }));
            }
        }
    }
    if let Some(name) = &list.dev {
        model.device(name)?;
    }
    let has_some = |v: &Value| v["vlans"].as_array().is_some_and(|a| !a.is_empty());
    Ok(all.into_values().filter(has_some).collect())
}

/// A range of VLANs, one after the other as far as none is refused.
fn range(vid: u16, end: Option<u16>) -> Result<std::ops::RangeInclusive<u16>, NetError> {
    let end = end.unwrap_or(vid);
    match vid <= end {
        true => Ok(vid..=end),
        false => refuse(
            "vid",
            &format!("{vid}-{end}"),
            Errno::Invalid,
            "a range begins with its least id",
        ),
    }
}

fn change(switch: &mut Switch, add: bool, change: &ChangeVlan) -> Result<(), NetError> {
    let has = |word: &str| change.flags.iter().any(|f| f == word);
    let known = ["pvid", "untagged", "self", "master"];
    if let Some(other) = change.flags.iter().find(|f| !known.contains(&f.as_str())) {
        return refuse(
            "flags",
            other,
            Errno::Invalid,
            "use pvid, untagged, self or master",
        );
    }
    let name = &change.dev;
    // As rtnetlink has it: without a word the device's master is asked, with self the device; only bridges have VLANs of their own.
    let is_bridge = switch.model().device(name)?.link_kind == Some("bridge");
    let own = has("self") && !has("master");
    if own != is_bridge {
        let reason = match is_bridge {
            true => "a bridge's own VLANs want the word self",
            false => "it has no VLANs of its own: its bridge has (master)",
        };
        return refuse("dev", name, Errno::NotSupported, reason);
    }
    let mut flags = VlanFlags::empty();
    flags.set(VlanFlags::PVID, has("pvid"));
    flags.set(VlanFlags::UNTAGGED, has("untagged"));
    let to = change.vid_end.unwrap_or(change.vid);
    switch.in_software(name)?;
    let result = switch.on_bridge(name, |core, bridge, dev| match add {
        true => bridge.vlan_add(core, dev, change.vid, to, flags),
        false => bridge.vlan_del(core, dev, change.vid, to),
    });
    switch.settle_engines();
    result
}

/// A number, or on or off.
fn number(option: &str, value: &str) -> Result<u64, NetError> {
    match value {
        "on" => Ok(1),
        "off" => Ok(0),
        _ => value.parse().map_err(|_| {
            NetError::invalid(option, value, "a number is wanted, or on or off (EINVAL)")
        }),
    }
}

fn set(switch: &mut Switch, set: &SetVlan) -> Result<(), NetError> {
    let vids = range(set.vid, set.vid_end)?;
    switch.model().device(&set.dev)?;
    switch.in_software(&set.dev)?;
    let result = vids.into_iter().try_for_each(|vid| {
        set.options.iter().try_for_each(|(option, value)| {
            let one = |core: &mut Core, bridge: &Bridge, dev: &Dev| match option.as_str() {
                "state" => bridge.vlan_set_state(core, dev, vid, port_state_of(value)?),
                "neigh_suppress" => {
                    bridge.vlan_set_neigh_suppress(dev, vid, matches!(value.as_str(), "on" | "1"))
                }
                _ => Err(NetdevError::new(
                    Errno::Invalid,
                    "option",
                    option,
                    "a VLAN on a port has no such option",
                )),
            };
            match PortKnob::from_name(option) {
                Some(_) => {
                    let value = number(option, value)?;
                    switch.on_bridge(&set.dev, |core, bridge, dev| {
                        bridge.vlan_port_set(core, dev, vid, option, value)
                    })
                }
                None => {
                    if option == "neigh_suppress" {
                        crate::master::options::on_off(option, value)?;
                    }
                    switch.on_bridge(&set.dev, one)
                }
            }
        })
    });
    switch.settle_engines();
    result
}

fn globals(switch: &Switch, list: &ListVlans) -> Result<Vec<Value>, NetError> {
    let mut all = Vec::new();
    for (bridge, dev) in places(switch, list.dev.as_deref())? {
        if bridge.device().is_none_or(|d| d != dev) {
            continue;
        }
        let shown = bridge.vlan_global_show().into_iter();
        let shown = shown.filter(|(vid, _)| list.vid.is_none_or(|v| v == *vid));
        let vlans = shown.map(|(vid, msti)| {
            let mut vlan = Map::from_iter([
                ("vlan".to_owned(), json!(vid)),
                ("msti".to_owned(), json!(msti)),
            ]);
            let knobs = Knob::ALL.into_iter();
            let knobs =
                knobs.filter_map(|k| Some((k.name().to_owned(), json!(bridge.vlan_knob(vid, k)?))));
            vlan.extend(knobs);
            Value::Object(vlan)
        });
        let vlans: Vec<Value> = vlans.collect();
        if !vlans.is_empty() {
            all.push(json!({ "ifname": dev.name(), "vlans": vlans }));
        }
    }
    Ok(all)
}

fn set_global(switch: &mut Switch, set: &SetVlan) -> Result<(), NetError> {
    let vids = range(set.vid, set.vid_end)?;
    if switch.model().device(&set.dev)?.link_kind != Some("bridge") {
        return refuse("dev", &set.dev, Errno::Invalid, "it is no bridge");
    }
    switch.in_software(&set.dev)?;
    let result = vids.into_iter().try_for_each(|vid| {
        set.options.iter().try_for_each(|(option, value)| {
            let number = number(option, value)?;
            switch.on_bridge(&set.dev, |core, bridge, _| match option.as_str() {
                "msti" => {
                    bridge.vlan_set_msti(core, vid, u16::try_from(number).unwrap_or(u16::MAX))
                }
                _ => bridge.vlan_global_set(core, vid, option, number),
            })
        })
    });
    switch.settle_engines();
    result
}

fn list_mst(switch: &Switch, list: &ListMst) -> Result<Vec<Value>, NetError> {
    let mut all = Vec::new();
    for (bridge, dev) in places(switch, list.dev.as_deref())? {
        let own = bridge.device().is_some_and(|d| d == dev);
        if own || !bridge.is_mst() {
            continue;
        }
        let vlans = bridge.vlan_show(&dev)?;
        let states: BTreeMap<u16, &str> = vlans.iter().map(|v| (v.msti, v.state.word())).collect();
        let states = states.into_iter().filter(|(msti, _)| *msti != 0);
        let states = states.map(|(msti, state)| json!({ "msti": msti, "state": state }));
        let states: Vec<Value> = states.collect();
        if !states.is_empty() {
            all.push(json!({ "ifname": dev.name(), "mst": states }));
        }
    }
    Ok(all)
}

fn set_mst(switch: &mut Switch, set: &SetMst) -> Result<(), NetError> {
    let state = port_state_of(&set.state)?;
    switch.model().device(&set.dev)?;
    switch.in_software(&set.dev)?;
    let result = switch.on_bridge(&set.dev, |core, bridge, dev| {
        bridge.mst_set(core, dev, set.msti, state)
    });
    switch.settle_engines();
    result
}

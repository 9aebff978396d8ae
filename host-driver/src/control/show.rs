//! How the switch's state is shown: iproute2's words and keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use smartnic_netdev::device::{Flags, LinkStats64, PrivFlags, Setting};
use smartnic_netdev::registry::link::{LinkMessage, LinkMessageKind};

use super::api::{Counters, DeviceInfo, LagInfo, LagMemberInfo, PortInfo};
pub use super::show_fdb::{fdb, fdb_change, fdb_event};
use crate::device::stats::PortCounters;
use crate::device::{Caps, DeviceError};
use crate::netdev::{DeviceKind, IfIndex, NetDevice, NetError};
use crate::switch::Switch;

/// The card.
pub fn device(switch: &mut Switch) -> Result<DeviceInfo, NetError> {
    let (name, caps): (String, Caps) = (switch.name().into(), switch.caps().clone());
    let live = switch.device(|d| Ok::<_, DeviceError>((d.forward()?, d.cycles()?)));
    let (fdb, buffer) = (switch.fdb_counters().ok(), switch.buffer().ok());
    let reason = switch.gone().map(str::to_owned);
    Ok(DeviceInfo {
        device: name,
        state: if reason.is_some() { "gone" } else { "running" }.into(),
        reason,
        version: format!("{}.{}", caps.version.0, caps.version.1),
        ports: caps.ports,
        lag_groups: caps.lag_groups,
        queues: caps.queues,
        classes: caps.classes,
        fdb_entries: caps.fdb_entries,
        cam_entries: caps.cam,
        cells: caps.cells,
        forward: live.as_ref().ok().map(|l| l.0),
        cycles: live.ok().map(|l| l.1),
        fdb,
        buffer,
        ring_restarts: switch
            .host()
            .map(|h| h.restarts().to_vec())
            .unwrap_or_default(),
    })
}

/// Devices by name: one, or all.
fn chosen(switch: &Switch, name: Option<&str>) -> Result<Vec<NetDevice>, NetError> {
    Ok(match name {
        Some(name) => vec![switch.model().device(name)?.clone()],
        None => switch.model().registry.iter().cloned().collect(),
    })
}

/// Links, by the keys of `ip -d -s -j link show`.
pub fn links(switch: &mut Switch, name: Option<&str>) -> Result<Vec<Value>, NetError> {
    chosen(switch, name)?
        .iter()
        .map(|d| link(switch, d))
        .collect()
}

fn link(switch: &mut Switch, device: &NetDevice) -> Result<Value, NetError> {
    let dev = switch.core().by_index(device.ifindex.0)?.clone();
    let mut value = json!({
        "ifindex": device.ifindex,
        "ifname": device.name,
        "flags": dev.flags().words(),
        "mtu": device.mtu,
        "operstate": dev.operstate().word(),
        "link_type": "ether",
        "address": device.address,
        "broadcast": dev.broadcast(),
        "txqlen": dev.tx_queue_len(),
    });
    if dev.priv_flags().contains(PrivFlags::VLAN)
        && let Some(real) = dev.lowers().first()
    {
        value["link"] = json!(real.name());
    }
    let model = switch.model();
    let mut info = Map::new();
    if let Some(master) = model.masters.get(&device.ifindex) {
        info.insert("info_kind".into(), json!(master.kind()));
        let mut data = master.info(model.view());
        data.extend(switch.bridge_tree(device.ifindex));
        info.insert("info_data".into(), Value::Object(data));
    } else if let Some(bridge) = switch.bridge(&device.name) {
        info.insert("info_kind".into(), json!("bridge"));
        let mut data = bridge.info();
        // iproute2 has one word to set it and another to show it.
        if let Some(address) = data.remove("group_address") {
            data.insert("group_addr".into(), address);
        }
        data.insert("offload".into(), in_software(&smartnic_bridge::OPTIONS));
        info.insert("info_data".into(), Value::Object(data));
    } else if device.kind == DeviceKind::Other {
        let kind = device.link_kind.unwrap_or(switch.name());
        let data = match switch.bond(&device.name) {
            Some(bond) => bond.info(),
            None => shown(dev.ops().settings(&dev)),
        };
        info.insert("info_kind".into(), json!(kind));
        info.insert("info_data".into(), Value::Object(data));
    }
    if let Some(owner) = device.master {
        value["master"] = json!(model.registry.name(owner));
        if let Some(bridge) = switch.bridge_of_port(&device.name) {
            info.insert("info_slave_kind".into(), json!("bridge"));
            let mut data = bridge.port_info(&dev)?;
            data.insert(
                "offload".into(),
                in_software(&smartnic_bridge::PORT_OPTIONS),
            );
            info.insert("info_slave_data".into(), Value::Object(data));
        }
        if let Some(bond) = switch.bond_of_slave(&device.name) {
            info.insert("info_slave_kind".into(), json!("bond"));
            let data = bond.slave_info(&dev);
            info.insert("info_slave_data".into(), Value::Object(data));
        }
        if let Some(master) = model.masters.get(&owner) {
            info.insert("info_slave_kind".into(), json!(master.kind()));
            let mut data = master.member_info(model.view(), device.ifindex);
            data.extend(switch.port_tree(owner, device.ifindex));
            info.insert("info_slave_data".into(), Value::Object(data));
        }
    }
    if !info.is_empty() {
        value["linkinfo"] = Value::Object(info);
    }
    value["stats64"] = stats64(&switch.link_stats(device.ifindex));
    Ok(value)
}

/// What of options is in hardware: nothing.
fn in_software(options: &[&str]) -> Value {
    crate::master::options::offload(options, &[])
}

/// Settings of a device of the core alone, and who carries each out.
fn shown(settings: Vec<Setting>) -> Map<String, Value> {
    let offload = settings
        .iter()
        .map(|s| (s.name.to_owned(), json!(s.offload)));
    let offload = Value::Object(offload.collect());
    let pairs = settings
        .into_iter()
        .map(|s| (s.name.to_owned(), json!(s.value)));
    pairs.chain([("offload".to_owned(), offload)]).collect()
}

/// `stats64` of `ip -s -j link show`.
fn stats64(s: &LinkStats64) -> Value {
    json!({
        "rx": {
            "bytes": s.rx_bytes, "packets": s.rx_packets, "errors": s.rx_errors, "dropped": s.rx_dropped,
            "over_errors": s.rx_over_errors, "multicast": s.multicast,
        },
        "tx": {
            "bytes": s.tx_bytes, "packets": s.tx_packets, "errors": s.tx_errors, "dropped": s.tx_dropped,
            "carrier_errors": s.tx_carrier_errors, "collisions": s.collisions,
        },
    })
}

/// Something that happened to a device, with the device as it was then.
pub fn link_event(switch: &Switch, message: &LinkMessage) -> Value {
    let name = |ifindex: u32| switch.model().registry.name(IfIndex(ifindex));
    let mut link = json!({
        "ifindex": message.ifindex,
        "ifname": message.ifname,
        "flags": Flags::from_bits_retain(message.flags).words(),
        "mtu": message.mtu,
        "operstate": message.operstate,
        "link_type": "ether",
        "address": message.address,
        "broadcast": message.broadcast,
    });
    if let Some(master) = message.master {
        link["master"] = json!(name(master));
    }
    if message.info_kind == Some("vlan")
        && let Some(real) = message.link
    {
        link["link"] = json!(name(real));
    }
    json!({
        "event": message.event.unwrap_or("NEWLINK"),
        "deleted": message.kind == LinkMessageKind::DelLink,
        "link": link,
    })
}

/// Hardware counters of a port, or the sum of a master's ports.
fn port_counters(switch: &mut Switch, device: &NetDevice) -> Result<PortCounters, NetError> {
    let mut sum = PortCounters::default();
    for port in switch.model().view().ports(device.ifindex) {
        sum.add(&switch.counters(port)?);
    }
    Ok(sum)
}

/// Ports with their hardware state.
pub fn ports(switch: &mut Switch, name: Option<&str>) -> Result<Vec<PortInfo>, NetError> {
    let mut ports = Vec::new();
    for device in chosen(switch, name)? {
        let DeviceKind::Port(number) = device.kind else {
            if let Some(name) = name {
                return Err(NetError::invalid(
                    "port",
                    name,
                    "it is no port of the card; see: smartnic-ctl port show",
                ));
            }
            continue;
        };
        let link = switch.device(|d| d.ports().link(number))?;
        let model = switch.model();
        // A lag's member has the lag's place in the bridge.
        let lag = device
            .master
            .filter(|m| model.masters.get(m).is_some_and(|m| m.fid().is_none()));
        let place = lag.unwrap_or(device.ifindex);
        let bridge = model
            .registry
            .get(place)
            .and_then(|d| d.master)
            .and_then(|m| model.masters.get(&m));
        let mut info = bridge
            .map(|b| b.member_info(model.view(), place))
            .unwrap_or_default();
        let place = model.registry.name(place);
        if let (Some(bridge), Ok(dev)) =
            (switch.bridge_of_port(&place), switch.core().by_name(&place))
        {
            info = bridge.port_info(dev)?;
        }
        if let Some(mode) = info.remove("learning_mode") {
            info.insert("learning".into(), mode);
        }
        ports.push(PortInfo {
            ifname: device.name,
            port: number,
            link: link.up,
            speed: link.speed,
            paused: link.paused,
            mtu: device.mtu,
            master: device.master.map(|m| model.registry.name(m)),
            bridge: info,
        });
    }
    Ok(ports)
}

/// Lags with the buckets that each member has.
pub fn lags(switch: &mut Switch, name: Option<&str>) -> Result<Vec<LagInfo>, NetError> {
    let mut lags = Vec::new();
    for device in chosen(switch, name)? {
        let Some(number) = group_of(switch, &device) else {
            if let Some(name) = name {
                return Err(NetError::invalid(
                    "lag",
                    name,
                    "it is no lag or bond; see: smartnic-ctl lag show",
                ));
            }
            continue;
        };
        let (no_member, pruned) =
            switch.device(|d| Ok((d.lag().no_member(number)?, d.lag().pruned()?)))?;
        lags.extend(lag_info(switch, &device, no_member, pruned));
    }
    Ok(lags)
}

/// The hardware's group of a lag or bond.
fn group_of(switch: &Switch, device: &NetDevice) -> Option<u32> {
    let master = switch.model().masters.get(&device.ifindex)?;
    master.group().map(|g| g.number)
}

fn lag_info(switch: &Switch, device: &NetDevice, no_member: u32, pruned: u32) -> Option<LagInfo> {
    let view = switch.model().view();
    let master = view.masters.get(&device.ifindex)?;
    let group = master.group()?;
    let members = master.members().into_iter().map(|m| {
        let info = master.member_info(view, m);
        let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        let ports = view.ports(m);
        let has = |bucket: &&Option<u8>| bucket.is_some_and(|p| ports.contains(&p.into()));
        LagMemberInfo {
            ifname: view.registry.name(m),
            state: text("state"),
            mii_status: text("mii_status"),
            buckets: group.buckets.iter().filter(has).count() as u32,
        }
    });
    let fill = serde_json::to_value(group.fill).unwrap_or_default();
    Some(LagInfo {
        ifname: device.name.clone(),
        group: group.number,
        members: members.collect(),
        mode: group.mode,
        xmit_hash_policy: group.policy,
        lb_fill: fill.as_str().unwrap_or_default().into(),
        active_slave: group.active.map(|a| view.registry.name(a)),
        no_member,
        pruned,
    })
}

/// A lag's buckets as the hardware holds them: members' names.
pub fn buckets(switch: &mut Switch, name: &str) -> Result<Vec<String>, NetError> {
    let device = switch.model().device(name)?.clone();
    let Some(group) = group_of(switch, &device) else {
        return Err(NetError::invalid(
            "lag",
            name,
            "it is no lag or bond; see: smartnic-ctl lag show",
        ));
    };
    let buckets = switch.device(|d| d.lag().read_buckets(group))?;
    let name = |port: u8| {
        switch
            .model()
            .registry
            .port(port.into())
            .map_or_else(|| format!("port {port}?"), |d| d.name.clone())
    };
    Ok(buckets
        .into_iter()
        .map(|b| b.map(name).unwrap_or_default())
        .collect())
}

/// Counters of ports and the host, or of one device (a master: the sum of its ports). Devices without hardware have those of `rtnl_link_stats64`.
pub fn stats(switch: &mut Switch, name: Option<&str>) -> Result<Vec<Counters>, NetError> {
    let named = |ifname: String, counters: &PortCounters| Counters {
        ifname,
        counters: counters
            .named()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    };
    let host = switch.caps().host();
    if name == Some("host") {
        return Ok(vec![named("host".into(), &switch.counters(host)?)]);
    }
    let hardware = switch.has_hardware();
    let mut all = Vec::new();
    for device in chosen(switch, name)? {
        if device.kind == DeviceKind::Other && (name.is_some() || !hardware) {
            let counters = switch.link_stats(device.ifindex).values();
            let names = LinkStats64::NAMES.iter().map(|n| (*n).to_owned());
            all.push(Counters {
                ifname: device.name,
                counters: names.zip(counters).collect(),
            });
        } else if name.is_some() || matches!(device.kind, DeviceKind::Port(_)) {
            all.push(named(device.name.clone(), &port_counters(switch, &device)?));
        }
    }
    if name.is_none() && hardware {
        all.push(named("host".into(), &switch.counters(host)?));
    }
    Ok(all)
}

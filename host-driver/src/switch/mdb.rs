//! Multicast databases as users see them: those of bridges in hardware, whose machines are the switch's, and of bridges in software.

use std::net::IpAddr;

use serde_json::{Value, json};
use smartnic_slowpath::mcast::{
    FilterMode, GroupKey, MdbEntry, MdbFilter, MdbRequest, Protocol, RouterPort,
};

use super::Switch;
use crate::netdev::{IfIndex, NetError};

/// An entry of the multicast database as a user asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MdbUser {
    /// The group.
    pub group: IpAddr,
    /// The source; without one all.
    pub source: Option<IpAddr>,
    /// The VLAN; 0: none, or all.
    pub vid: u16,
    /// It stays until it is deleted.
    pub permanent: bool,
    /// How the sources are meant.
    pub filter_mode: Option<FilterMode>,
    /// Sources, with a mode.
    pub sources: Vec<IpAddr>,
    /// Who made it.
    pub protocol: Option<Protocol>,
    /// Changes one that is there.
    pub replace: bool,
}

impl MdbUser {
    fn request(&self, port: Option<u32>) -> MdbRequest {
        let key = GroupKey::star(self.vid, self.group);
        MdbRequest {
            key: self.source.map_or(key, |s| key.with_source(s)),
            port,
            permanent: self.permanent,
            filter_mode: self.filter_mode,
            sources: self.sources.clone(),
            protocol: self.protocol,
            replace: self.replace,
        }
    }
}

/// What has to be true of entries that are flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MdbCondition {
    /// VLAN.
    pub vid: Option<u16>,
    /// Permanent, or not.
    pub permanent: Option<bool>,
    /// Made by this protocol.
    pub protocol: Option<Protocol>,
}

impl MdbCondition {
    fn filter(self, port: Option<Option<u32>>) -> MdbFilter {
        MdbFilter {
            port,
            vid: self.vid,
            permanent: self.permanent,
            protocol: self.protocol,
        }
    }
}

impl Switch {
    fn shown_mdb(&self, bridge: IfIndex, entry: &MdbEntry, port: Option<IfIndex>) -> Value {
        let name = |dev: IfIndex| self.model().registry.name(dev);
        shown(entry, bridge, &name(bridge), &name(port.unwrap_or(bridge)))
    }

    /// The multicast database, of one bridge or all and of one VLAN or all, by iproute2's keys.
    pub fn mdb(&self, bridge: Option<IfIndex>, vid: Option<u16>) -> Value {
        type Ports = Box<dyn Fn(u32) -> Option<IfIndex>>;
        let hardware = self.hardware_mdb().map(|(dev, entries, routers)| {
            (
                dev,
                entries,
                routers,
                Box::new(|port| Some(IfIndex(port))) as Ports,
            )
        });
        let software = self.software_bridges().into_iter().filter_map(|bridge| {
            let dev = IfIndex(bridge.device()?.ifindex());
            let (entries, routers) = (bridge.mdb_show(), bridge.mdb_routers());
            let device = move |port: u32| Some(IfIndex(bridge.port_device(port as u16)?.ifindex()));
            Some((dev, entries, routers, Box::new(device) as Ports))
        });
        let (mut entries, mut routers) = (Vec::new(), serde_json::Map::new());
        let all = hardware.chain(software);
        for (dev, found, ports, device) in all.filter(|(dev, ..)| bridge.is_none_or(|b| b == *dev))
        {
            let found = found.iter().filter(|e| vid.is_none_or(|v| v == e.key.vid));
            entries.extend(found.map(|e| self.shown_mdb(dev, e, e.port.and_then(&device))));
            let ports = ports.iter().filter(|r| vid.is_none_or(|v| v == r.vid));
            let shown = ports.filter_map(|r| self.router(r, device(r.port)?));
            let shown: Vec<Value> = shown.collect();
            if !shown.is_empty() {
                routers.insert(self.model().registry.name(dev), Value::Array(shown));
            }
        }
        json!([{ "mdb": entries, "router": routers }])
    }

    fn router(&self, router: &RouterPort, port: IfIndex) -> Option<Value> {
        let timer = router.ipv4_timer.max(router.ipv6_timer).unwrap_or(0);
        let port = self.model().registry.get(port)?;
        let mut shown = json!({ "port": port.name, "timer": seconds(timer) });
        if router.vid != 0 {
            shown["vid"] = json!(router.vid);
        }
        Some(shown)
    }

    /// Adds or deletes an entry of the database; `dev` is the bridge, `port` one of its ports or the bridge itself.
    pub fn change_mdb(
        &mut self,
        add: bool,
        dev: &str,
        port: &str,
        entry: &MdbUser,
    ) -> Result<(), NetError> {
        let (bridge, member) = self.mdb_place(dev, port)?;
        if let Some(software) = self.bridge(dev) {
            return self.on_bridge(dev, |core, _, own| {
                let port = core.by_name(port)?;
                let number = (port != own)
                    .then(|| software.port_number(port))
                    .transpose()?;
                let request = entry.request(number.map(u32::from));
                match add {
                    true => software.mdb_add(core, &request),
                    false => software.mdb_del(core, &request),
                }
            });
        }
        let request = entry.request(member.map(|p| p.0));
        let done = self.on_snooping(bridge, |machine, now| match add {
            true => machine.mdb_add(now, &request),
            false => machine.mdb_del(now, &request),
        });
        done.unwrap_or(Ok(())).map_err(|error| {
            let reason = format!("{} ({:?})", error.message, error.errno);
            NetError::invalid("grp", entry.group, reason)
        })
    }

    /// Deletes the entries of a bridge, of one of its ports or of all, of which the condition is true.
    pub fn flush_mdb(
        &mut self,
        dev: &str,
        port: Option<&str>,
        condition: MdbCondition,
    ) -> Result<(), NetError> {
        let (bridge, member) = self.mdb_place(dev, port.unwrap_or(dev))?;
        if let Some(software) = self.bridge(dev) {
            return self.on_bridge(dev, |core, _, own| {
                let number = match port {
                    Some(port) => {
                        let port = core.by_name(port)?;
                        Some(
                            (port != own)
                                .then(|| software.port_number(port))
                                .transpose()?,
                        )
                    }
                    None => None,
                };
                let filter = condition.filter(number.map(|n| n.map(u32::from)));
                software.mdb_flush(core, &filter);
                Ok(())
            });
        }
        let filter = condition.filter(port.map(|_| member.map(|m| m.0)));
        self.on_snooping(bridge, |machine, now| machine.mdb_flush(now, &filter));
        Ok(())
    }

    /// The bridge, and its port: none is the bridge itself. EINVAL for what is neither.
    fn mdb_place(&self, dev: &str, port: &str) -> Result<(IfIndex, Option<IfIndex>), NetError> {
        let bridge = self.model().device(dev)?;
        let member = self.model().device(port)?;
        let is_bridge = bridge.link_kind == Some("bridge");
        let own = member.ifindex == bridge.ifindex || member.master == Some(bridge.ifindex);
        if !is_bridge || !own {
            let reason = format!("it is no bridge, or {port} is no port of it (EINVAL)");
            return Err(NetError::invalid("dev", dev, reason));
        }
        let port = (member.ifindex != bridge.ifindex).then_some(member.ifindex);
        Ok((bridge.ifindex, port))
    }

    /// An entry of a multicast database is new, has changed, or is gone.
    pub(super) fn mdb_notice(
        &mut self,
        deleted: bool,
        bridge: IfIndex,
        entry: &MdbEntry,
        port: Option<IfIndex>,
    ) {
        let entry = self.shown_mdb(bridge, entry, port);
        self.mdb_notices
            .push(json!({ "deleted": deleted, "entry": entry }));
    }

    /// What happened in the multicast databases since the last call.
    pub fn take_mdb_notices(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.mdb_notices)
    }
}

/// Seconds with two places, as iproute2 has a timer.
fn seconds(centiseconds: u64) -> String {
    format!("{:4}.{:02}", centiseconds / 100, centiseconds % 100)
}

fn shown(entry: &MdbEntry, bridge: IfIndex, dev: &str, port: &str) -> Value {
    let flags = [
        (entry.flags.offload, "offload"),
        (entry.flags.fast_leave, "fast_leave"),
        (entry.flags.added_by_star_ex, "added_by_star_ex"),
        (entry.flags.blocked, "blocked"),
    ];
    let flags = flags.iter().filter(|(set, _)| *set);
    let mut value = json!({
        "index": bridge,
        "dev": dev,
        "port": port,
        "grp": entry.key.group.to_string(),
        "state": if entry.flags.permanent { "permanent" } else { "temp" },
        "flags": flags.map(|(_, word)| *word).collect::<Vec<_>>(),
        "timer": seconds(entry.timer),
    });
    if entry.key.vid != 0 {
        value["vid"] = json!(entry.key.vid);
    }
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

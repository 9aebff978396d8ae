//! The forwarding databases' calls: the hardware's, read place by place, and those of bridges in software, each in one consistent pass.

use std::time::Instant;

use serde_json::{Value, json};
use smartnic_bridge::{FdbFilter, FdbFlags, FdbRequest, FdbState, FdbWay};
use smartnic_bridge::{fdb_add_self, fdb_del_self};
use smartnic_netdev::{Core, Dev};

use super::api::{AddFdb, DeleteFdb, FdbInfo, FlushFdb, GetFdb, ListFdb};
use super::service::{Outcome, done, json, mac, value};
use super::show;
use super::wire::{Call, WireError, parameters};
use super::words::fdb_request;
use crate::netdev::{IfIndex, NetError};
use crate::switch::Switch;
use crate::switch::fdb::FlushWhat;
use crate::switch::scan::FdbScan;

/// A ListFdb of a card under way.
pub struct Listing {
    filter: Filter,
    scan: FdbScan,
}

impl Listing {
    /// Goes on until `end` has passed; gives the parameters of the reply when all is read.
    pub fn step(&mut self, switch: &mut Switch, end: Instant) -> Result<Option<Value>, WireError> {
        if !switch.fdb_scan_step(&mut self.scan, end)? {
            return Ok(None);
        }
        let entries = switch.fdb_scan_entries(&self.scan);
        let wanted = entries.iter().filter(|e| {
            let f = &self.filter;
            (f.dev.is_none() || e.dev == f.dev) && (f.br.is_none() || e.master == f.br)
        });
        let mut entries: Vec<_> = wanted.map(|e| show::fdb(switch, e)).collect();
        entries.retain(|e| self.filter.takes(e));
        entries.extend(self.filter.software(switch));
        value(json!({ "entries": entries })).map(Some)
    }
}

/// What a ListFdb asks for.
struct Filter {
    dev: Option<IfIndex>,
    br: Option<IfIndex>,
    vlan: Option<u16>,
    state: Option<&'static str>,
    dynamic: bool,
}

/// The words of a state, by which it is asked for, and what is shown of it.
const STATES: [(&str, &str); 4] = [
    ("permanent", "permanent"),
    ("static", "static"),
    ("reachable", ""),
    ("stale", "stale"),
];

impl Filter {
    fn new(switch: &Switch, list: &ListFdb) -> Result<Self, NetError> {
        let index = |name: &Option<String>| -> Result<_, NetError> {
            let device = name.as_ref().map(|n| switch.model().device(n));
            Ok(device.transpose()?.map(|d| d.ifindex))
        };
        let state = |word: &String| {
            let found = STATES.iter().find(|(w, _)| w == word);
            found.map(|(_, shown)| *shown).ok_or_else(|| {
                NetError::invalid("state", word, "use permanent, static, reachable or stale")
            })
        };
        Ok(Self {
            dev: index(&list.dev)?,
            br: index(&list.br)?,
            vlan: list.vlan,
            state: list.state.as_ref().map(state).transpose()?,
            dynamic: list.dynamic == Some(true),
        })
    }

    fn takes(&self, entry: &FdbInfo) -> bool {
        self.vlan.is_none_or(|v| v == entry.vlan.unwrap_or(0))
            && self.state.is_none_or(|s| s == entry.state)
            && !(self.dynamic && matches!(entry.state.as_str(), "permanent" | "static"))
    }

    /// The entries of bridges in software, and what is on devices' own lists.
    fn software(&self, switch: &Switch) -> Vec<FdbInfo> {
        let core = switch.core();
        let mut entries = Vec::new();
        for bridge in switch.software_bridges() {
            let Some(dev) = bridge.device() else { continue };
            if self.br.is_none_or(|b| b.0 == dev.ifindex()) {
                let filter = FdbFilter {
                    ifindex: self.dev.map(|d| d.0),
                    vlan: self.vlan,
                    ..FdbFilter::default()
                };
                let found = bridge.fdb_show(core, &filter);
                entries.extend(found.iter().map(|e| shown(core, &dev, e)));
            }
        }
        for dev in core.devices().filter(|_| self.br.is_none()) {
            if self.dev.is_none_or(|d| d.0 == dev.ifindex()) {
                let mode = Core::rx_mode(dev);
                let own = mode.unicast.iter().chain(&mode.multicast);
                entries.extend(own.map(|mac| FdbInfo {
                    mac: mac.to_string(),
                    ifname: dev.name(),
                    flags: vec!["self".into()],
                    state: "permanent".into(),
                    ..FdbInfo::default()
                }));
            }
        }
        entries.retain(|e| self.takes(e));
        entries
    }
}

/// An entry of a bridge in software by the keys of `bridge -j fdb show`.
pub(super) fn shown(core: &Core, bridge: &Dev, entry: &smartnic_bridge::FdbEntry) -> FdbInfo {
    let words = [
        (entry.added_by_user, "added_by_user"),
        (entry.extern_learn, "extern_learn"),
        (entry.offload, "offload"),
        (entry.sticky, "sticky"),
        (entry.locked, "locked"),
    ];
    let name = core.by_index(entry.ifindex).map(|d| d.name());
    FdbInfo {
        mac: entry.mac.to_string(),
        ifname: name.unwrap_or_else(|_| bridge.name()),
        vlan: Some(entry.vlan).filter(|v| *v != 0),
        master: Some(bridge.name()),
        flags: words
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| (*word).to_owned())
            .collect(),
        state: match entry.state {
            FdbState::Permanent => "permanent",
            FdbState::Static => "static",
            FdbState::Reachable => "",
            FdbState::Stale => "stale",
        }
        .into(),
        used: Some(entry.used.as_secs()),
        updated: Some(entry.updated.as_secs()),
        ..FdbInfo::default()
    }
}

/// Does a call.
pub(super) fn handle(switch: &mut Switch, call: &Call, method: &str) -> Result<Outcome, WireError> {
    match method {
        "ListFdb" => {
            let filter = Filter::new(switch, &parameters(call)?)?;
            if !switch.has_hardware() {
                return json(json!({ "entries": filter.software(switch) }));
            }
            let scan = switch.fdb_scan()?;
            Ok(Outcome::Listing(Box::new(Listing { filter, scan })))
        }
        "GetFdb" => json(json!({ "entry": get(switch, &parameters(call)?)? })),
        "AddFdb" => done(add(switch, &parameters(call)?)),
        "DeleteFdb" => done(delete(switch, &parameters(call)?)),
        "FlushFdb" => done(flush(switch, parameters(call)?)),
        _ => Err(WireError::service(
            "MethodNotFound",
            json!({ "method": call.method }),
        )),
    }
}

fn has(flags: &[String], word: &str) -> bool {
    flags.iter().any(|f| f == word)
}

/// `self`, and not `master` too: the device's own list, unless it is a bridge.
fn on_own_list(switch: &Switch, name: &str, flags: &[String]) -> bool {
    let device = switch.model().device(name);
    let bridge = device.is_ok_and(|d| d.link_kind == Some("bridge"));
    has(flags, "self") && !has(flags, "master") && !bridge
}

/// The request for a bridge in software.
fn request(add: &AddFdb) -> Result<FdbRequest, NetError> {
    let way = match add.state.as_str() {
        "permanent" | "local" => FdbWay::Permanent,
        "static" => FdbWay::Static,
        "dynamic" => FdbWay::Dynamic,
        other => {
            let reason = "use permanent, static or dynamic";
            return Err(NetError::invalid("state", other, reason));
        }
    };
    let known = ["sticky", "extern_learn", "locked", "use", "self", "master"];
    if let Some(other) = add.flags.iter().find(|f| !known.contains(&f.as_str())) {
        let reason = format!("a bridge in software has {}", known.join(", "));
        return Err(NetError::invalid("flags", other, reason));
    }
    let mut request = FdbRequest::add(mac("mac", &add.mac)?, way);
    request.exclusive = add.replace != Some(true);
    request.vlan = add.vlan;
    request.sticky = has(&add.flags, "sticky");
    request.extern_learn = has(&add.flags, "extern_learn");
    request.locked = has(&add.flags, "locked");
    request.by_use = has(&add.flags, "use");
    Ok(request)
}

fn add(switch: &mut Switch, add: &AddFdb) -> Result<(), NetError> {
    if on_own_list(switch, &add.dev, &add.flags) {
        let request = request(add)?;
        return switch.on_device(&add.dev, |core, dev| fdb_add_self(core, dev, &request));
    }
    if switch.bridge_at(&add.dev)?.is_some() {
        let request = request(add)?;
        return switch.on_bridge(&add.dev, |core, bridge, dev| {
            bridge.fdb_add(core, dev, &request)
        });
    }
    no_vlan(add.vlan)?;
    let mac = mac("mac", &add.mac)?;
    switch.fdb_add(&add.dev, mac, fdb_request(add)?)
}

fn delete(switch: &mut Switch, delete: &DeleteFdb) -> Result<(), NetError> {
    let mac = mac("mac", &delete.mac)?;
    if on_own_list(switch, &delete.dev, &delete.flags) {
        return switch.on_device(&delete.dev, |core, dev| fdb_del_self(core, dev, mac));
    }
    if switch.bridge_at(&delete.dev)?.is_some() {
        return switch.on_bridge(&delete.dev, |core, bridge, dev| {
            bridge.fdb_del(core, dev, mac, delete.vlan)
        });
    }
    no_vlan(delete.vlan)?;
    switch.fdb_delete(&delete.dev, mac)
}

/// In hardware there are no VLANs: 0 is none.
fn no_vlan(vlan: Option<u16>) -> Result<(), NetError> {
    match vlan {
        None | Some(0) => Ok(()),
        Some(vlan) => {
            let reason = "the bridge is in hardware, which has no VLANs (EINVAL)";
            Err(NetError::invalid("vlan", vlan, reason))
        }
    }
}

fn get(switch: &mut Switch, get: &GetFdb) -> Result<FdbInfo, NetError> {
    let address = mac("mac", &get.mac)?;
    let (dev, br) = (get.dev.as_deref(), get.br.as_deref());
    let Some(name) = br.or(dev) else {
        let reason = "a bridge (br) or one of its ports (dev) is wanted (EINVAL)";
        return Err(NetError::invalid("dev", "", reason));
    };
    let missing = || NetError::NotFound {
        what: format!("FDB entry {address} {name}"),
    };
    let info = match switch.bridge_at(name)? {
        Some((bridge, _)) => {
            let core = switch.core();
            let entry = bridge.fdb_get(core, address, get.vlan.unwrap_or(0))?;
            let device = bridge.device().ok_or_else(missing)?;
            shown(core, &device, &entry)
        }
        None => {
            no_vlan(get.vlan)?;
            let entry = switch.fdb_get(name, address)?.ok_or_else(missing)?;
            show::fdb(switch, &entry)
        }
    };
    match dev {
        Some(dev) if br.is_some() && info.ifname != dev => Err(missing()),
        _ => Ok(info),
    }
}

/// The conditions of a flush, each with what it looks at and how that has to be.
const CONDITIONS: [(&str, FdbFlags, FdbFlags); 8] = [
    ("permanent", FdbFlags::LOCAL, FdbFlags::LOCAL),
    (
        "static",
        FdbFlags::LOCAL.union(FdbFlags::STATIC),
        FdbFlags::STATIC,
    ),
    (
        "dynamic",
        FdbFlags::LOCAL.union(FdbFlags::STATIC),
        FdbFlags::empty(),
    ),
    (
        "added_by_user",
        FdbFlags::ADDED_BY_USER,
        FdbFlags::ADDED_BY_USER,
    ),
    ("extern_learn", FdbFlags::EXT_LEARN, FdbFlags::EXT_LEARN),
    ("sticky", FdbFlags::STICKY, FdbFlags::STICKY),
    ("offloaded", FdbFlags::OFFLOAD, FdbFlags::OFFLOAD),
    ("locked", FdbFlags::LOCKED, FdbFlags::LOCKED),
];

fn condition(word: &str, filter: &mut FdbFilter) -> Result<(), NetError> {
    let (name, on) = match word.strip_prefix("no") {
        Some(name) => (name, false),
        None => (word, true),
    };
    let Some((_, mask, flags)) = CONDITIONS.iter().find(|(w, ..)| *w == name) else {
        let words = CONDITIONS.map(|(word, ..)| word).join(", ");
        let reason = format!("use {words}, or one of them with no before it");
        return Err(NetError::invalid("flags", word, reason));
    };
    // What is not static is dynamic or permanent, and the other way round: the bit of the word alone counts.
    let (mask, flags) = match (on, name) {
        (true, _) => (*mask, *flags),
        (false, "static") => (FdbFlags::STATIC, FdbFlags::empty()),
        (false, "dynamic") => (FdbFlags::STATIC, FdbFlags::STATIC),
        (false, _) => (*mask, FdbFlags::empty()),
    };
    filter.mask |= mask;
    filter.flags = (filter.flags - mask) | flags;
    Ok(())
}

/// The words by which everything was flushed before there were conditions.
fn what(word: &str) -> Result<FlushWhat, NetError> {
    match word {
        "dynamic" => Ok(FlushWhat::Dynamic),
        "extern_learn" => Ok(FlushWhat::External),
        "all" => Ok(FlushWhat::All),
        other => {
            let reason = "use dynamic, extern_learn or all";
            Err(NetError::invalid("what", other, reason))
        }
    }
}

fn flush(switch: &mut Switch, flush: FlushFdb) -> Result<(), NetError> {
    let what = what(&flush.what)?;
    let mut filter = FdbFilter {
        vlan: flush.vlan,
        ..FdbFilter::default()
    };
    for word in &flush.flags {
        condition(word, &mut filter)?;
    }
    if flush.flags.is_empty() {
        match what {
            FlushWhat::Dynamic => condition("dynamic", &mut filter)?,
            FlushWhat::External => condition("extern_learn", &mut filter)?,
            FlushWhat::All => {}
        }
    }
    if let (Some(dev), Some(br)) = (&flush.dev, &flush.br) {
        let bridge = switch.model().device(br)?.ifindex;
        if switch.model().device(dev)?.master != Some(bridge) {
            let reason = format!("it is no port of {br}");
            return Err(NetError::invalid("brport", dev, reason));
        }
    }
    let name = flush.dev.or(flush.br);
    if let Some(name) = &name {
        if let Some((bridge, dev)) = switch.bridge_at(name)? {
            let whole = bridge.device().is_some_and(|d| d == dev);
            filter.ifindex = (!whole).then(|| dev.ifindex());
            return switch.on_bridge(name, |core, bridge, _| {
                bridge.fdb_flush(core, &filter);
                Ok(())
            });
        }
    } else {
        switch.on_all_bridges(|core, bridge| bridge.fdb_flush(core, &filter));
        if !switch.has_hardware() {
            return Ok(());
        }
    }
    match flush.flags.is_empty() && flush.vlan.is_none() {
        true => switch.fdb_flush(name.as_deref(), what),
        false => switch.fdb_flush_some(name.as_deref(), &filter),
    }
}

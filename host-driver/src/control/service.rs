//! What each call does.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::api::{
    AddFdb, AddLink, ByName, ChangeMdb, DeleteFdb, FlushFdb, Ioctl, ListFdb, ListMdb, Named,
    Nothing, Options, SetDevice, SetLink,
};
use super::server::Topic;
use super::wire::{Call, WireError, parameters};
use super::words::{fdb_request, mdb_entry};
use super::{INTERFACE, NAME, ioctl, netconsole, show, vlan};
use crate::device::MacAddr;
use crate::device::caps::MAJOR;
use crate::netdev::{IfIndex, NetError};
use crate::switch::Switch;
use crate::switch::fdb::FlushWhat;
use crate::switch::model::Model;
use crate::switch::scan::FdbScan;

/// What becomes of a call.
pub enum Outcome {
    /// These are the parameters of its reply.
    Reply(Value),
    /// The client gets a reply for everything that happens to this.
    Monitor(Topic),
    /// The reply takes long: it is made step by step.
    Listing(Box<Listing>),
}

/// A ListFdb under way.
pub struct Listing {
    dev: Option<IfIndex>,
    br: Option<IfIndex>,
    scan: FdbScan,
}

impl Listing {
    /// Goes on until `end` has passed; gives the parameters of the reply when all is read.
    pub fn step(&mut self, switch: &mut Switch, end: Instant) -> Result<Option<Value>, WireError> {
        if !switch.fdb_scan_step(&mut self.scan, end)? {
            return Ok(None);
        }
        let (dev, br) = (self.dev, self.br);
        let entries = switch.fdb_scan_entries(&self.scan);
        let wanted = entries
            .iter()
            .filter(|e| (dev.is_none() || e.dev == dev) && (br.is_none() || e.master == br));
        let entries: Vec<_> = wanted.map(|e| show::fdb(switch, e)).collect();
        value(json!({ "entries": entries })).map(Some)
    }
}

fn value(value: impl Serialize) -> Result<Value, WireError> {
    serde_json::to_value(value)
        .map_err(|e| WireError::ours("DeviceError", json!({ "reason": e.to_string() })))
}

fn json(reply: impl Serialize) -> Result<Outcome, WireError> {
    value(reply).map(Outcome::Reply)
}

fn done<T>(result: Result<T, NetError>) -> Result<Outcome, WireError> {
    result
        .map(|_| Outcome::Reply(json!({})))
        .map_err(WireError::from)
}

/// Does what `call` asks for.
pub fn handle(switch: &mut Switch, call: &Call) -> Result<Outcome, WireError> {
    let (interface, method) = call.method.rsplit_once('.').unwrap_or(("", &call.method));
    match interface {
        "org.varlink.service" => varlink(call, method),
        NAME => ours(switch, call, method),
        _ => Err(WireError::service(
            "InterfaceNotFound",
            json!({ "interface": interface }),
        )),
    }
}

fn varlink(call: &Call, method: &str) -> Result<Outcome, WireError> {
    match method {
        "GetInfo" => Ok(Outcome::Reply(json!({
            "vendor": "smartnic",
            "product": "smartnicd",
            "version": env!("CARGO_PKG_VERSION"),
            "url": "https://varlink.org",
            "interfaces": ["org.varlink.service", NAME],
        }))),
        "GetInterfaceDescription" => {
            let wanted = call
                .parameters
                .as_ref()
                .and_then(|p| p.get("interface"))
                .and_then(Value::as_str);
            match wanted {
                Some(NAME) => Ok(Outcome::Reply(json!({ "description": INTERFACE }))),
                Some(other) => Err(WireError::service(
                    "InterfaceNotFound",
                    json!({ "interface": other }),
                )),
                None => Err(WireError::service(
                    "InvalidParameter",
                    json!({ "parameter": "interface" }),
                )),
            }
        }
        _ => Err(WireError::service(
            "MethodNotFound",
            json!({ "method": call.method }),
        )),
    }
}

fn ours(switch: &mut Switch, call: &Call, method: &str) -> Result<Outcome, WireError> {
    match method {
        "GetDevice" => {
            parameters::<Nothing>(call)?;
            json(json!({ "device": show::device(switch)? }))
        }
        "SetDevice" => {
            let SetDevice { forward } = parameters(call)?;
            done(switch.change(|model| {
                model.forward = forward;
                Ok(())
            }))
        }
        "GetVersion" => {
            parameters::<Nothing>(call)?;
            json(
                json!({ "version": env!("CARGO_PKG_VERSION"), "register_map": format!("{MAJOR}.x") }),
            )
        }
        "ListLinks" => {
            let ByName { name } = parameters(call)?;
            json(json!({ "links": show::links(switch, name.as_deref())? }))
        }
        "AddLink" => add_link(switch, parameters(call)?),
        "DeleteLink" => {
            let Named { name } = parameters(call)?;
            done(switch.change(|model| model.delete(&name)))
        }
        "SetLink" => {
            let set: SetLink = parameters(call)?;
            set_any_link(switch, set)?;
            // A port that came up may have a link at once.
            done(switch.settle_links())
        }
        "Ioctl" => {
            let call: Ioctl = parameters(call)?;
            done(ioctl::handle(switch, &call))
        }
        "ListPorts" => {
            let ByName { name } = parameters(call)?;
            json(json!({ "ports": show::ports(switch, name.as_deref())? }))
        }
        "ListLags" => {
            let ByName { name } = parameters(call)?;
            json(json!({ "lags": show::lags(switch, name.as_deref())? }))
        }
        "ListBuckets" => {
            let Named { name } = parameters(call)?;
            json(json!({ "buckets": show::buckets(switch, &name)? }))
        }
        "GetStats" => {
            let ByName { name } = parameters(call)?;
            json(json!({ "stats": show::stats(switch, name.as_deref())? }))
        }
        "ListMdb" => {
            let ListMdb { dev } = parameters(call)?;
            let bridge = dev.map(|d| switch.model().device(&d).map(|d| d.ifindex));
            json(json!({ "mdb": switch.mdb(bridge.transpose()?) }))
        }
        "AddMdb" | "DeleteMdb" => {
            let change: ChangeMdb = parameters(call)?;
            let entry = mdb_entry(&change)?;
            let add = method == "AddMdb";
            done(switch.change_mdb(add, &change.dev, &change.port, &entry))
        }
        "MonitorFdb" | "MonitorLinks" => {
            parameters::<Nothing>(call)?;
            if call.more {
                let fdb = method == "MonitorFdb";
                return Ok(Outcome::Monitor(if fdb {
                    Topic::Fdb
                } else {
                    Topic::Links
                }));
            }
            Err(WireError::service("ExpectedMore", json!({})))
        }
        "AddNetconsole" => done(netconsole::add(switch, parameters(call)?)),
        "DeleteNetconsole" => {
            let Named { name } = parameters(call)?;
            done(switch.delete_console(&name))
        }
        "ListNetconsoles" => {
            parameters::<Nothing>(call)?;
            json(json!({ "netconsoles": netconsole::list(switch) }))
        }
        _ => fdb(switch, call, method),
    }
}

fn fdb(switch: &mut Switch, call: &Call, method: &str) -> Result<Outcome, WireError> {
    match method {
        "ListFdb" => {
            let ListFdb { dev, br } = parameters(call)?;
            let index = |name: &Option<String>| -> Result<_, NetError> {
                name.as_ref()
                    .map(|n| switch.model().device(n).map(|d| d.ifindex))
                    .transpose()
            };
            let (dev, br) = (index(&dev)?, index(&br)?);
            let scan = switch.fdb_scan()?;
            Ok(Outcome::Listing(Box::new(Listing { dev, br, scan })))
        }
        "AddFdb" => {
            let add: AddFdb = parameters(call)?;
            let mac = mac("mac", &add.mac)?;
            let request = fdb_request(&add)?;
            done(switch.fdb_add(&add.dev, mac, request))
        }
        "DeleteFdb" => {
            let DeleteFdb { dev, mac: text } = parameters(call)?;
            let mac = mac("mac", &text)?;
            done(switch.fdb_delete(&dev, mac))
        }
        "FlushFdb" => {
            let FlushFdb { dev, br, what } = parameters(call)?;
            let what = match what.as_str() {
                "dynamic" => FlushWhat::Dynamic,
                "extern_learn" => FlushWhat::External,
                "all" => FlushWhat::All,
                other => {
                    return Err(NetError::invalid(
                        "what",
                        other,
                        "use dynamic, extern_learn or all",
                    )
                    .into());
                }
            };
            if let (Some(dev), Some(br)) = (&dev, &br) {
                is_port_of(switch.model(), dev, br)?;
            }
            let dev = dev.or(br);
            done(switch.fdb_flush(dev.as_deref(), what))
        }
        _ => Err(WireError::service(
            "MethodNotFound",
            json!({ "method": call.method }),
        )),
    }
}

fn is_port_of(model: &Model, dev: &str, br: &str) -> Result<(), NetError> {
    let bridge = model.device(br)?.ifindex;
    if model.device(dev)?.master == Some(bridge) {
        return Ok(());
    }
    Err(NetError::invalid(
        "brport",
        dev,
        format!("it is no port of {br}"),
    ))
}

pub(super) fn mac(argument: &str, text: &str) -> Result<MacAddr, NetError> {
    text.parse().map_err(|_| {
        NetError::invalid(
            argument,
            text,
            "an Ethernet address looks like 02:00:00:00:00:01",
        )
    })
}

fn add_link(switch: &mut Switch, add: AddLink) -> Result<Outcome, WireError> {
    if add.kind == "vlan" {
        return json(json!({ "name": vlan::add(switch, &add)? }));
    }
    if let Some(link) = &add.link {
        let reason = "only a vlan is over a link; others get members: link set PORT master NAME";
        return Err(NetError::invalid("link", link, reason).into());
    }
    if add.kind == "bridge" && !switch.has_hardware() {
        return json(json!({ "name": vlan::add_bridge(switch, &add)? }));
    }
    let address = MacAddr::random(&mut rand::rng());
    let name = switch.change(|model| {
        let ifindex = model.add(&add.name, &add.kind, address)?;
        let name = model.registry.name(ifindex);
        set_options(model, &name, add.options.as_ref())?;
        if let Some(mtu) = add.mtu {
            model.set_mtu(&name, mtu)?;
        }
        if let Some(text) = &add.address {
            model.set_address(&name, mac("address", text)?)?;
        }
        if let Some(up) = add.up {
            model.set_up(&name, up)?;
        }
        Ok(name)
    })?;
    json(json!({ "name": name }))
}

/// Options of one request: what order they take is the master's to say.
fn set_options(model: &mut Model, name: &str, options: Option<&Options>) -> Result<(), NetError> {
    let Some(options) = options else {
        return Ok(());
    };
    let all: Vec<_> = options
        .iter()
        .map(|(option, value)| (option.as_str(), value.as_str()))
        .collect();
    model.set_options(name, &all)
}

/// A bridge in software takes its options, and its ports', when the links are as asked for.
fn set_any_link(switch: &mut Switch, mut set: SetLink) -> Result<(), NetError> {
    let above = match set.master.as_deref() {
        Some(master) => switch.bridge(master).is_some(),
        None => switch.bridge_of_port(&set.name).is_some(),
    };
    let own = set.options.take_if(|_| switch.bridge(&set.name).is_some());
    let as_port = set.member_options.take_if(|_| above);
    switch.change(|model| set_link(model, &set))?;
    if own.is_none() && as_port.is_none() {
        return Ok(());
    }
    let (own, as_port) = (own.unwrap_or_default(), as_port.unwrap_or_default());
    switch.set_bridge(&set.name, &own, &as_port)
}

/// All of what is asked, in an order in which each step makes sense: master first, up last.
fn set_link(model: &mut Model, set: &SetLink) -> Result<(), NetError> {
    let name = &set.name;
    let ifindex = model.device(name)?.ifindex;
    if set.up == Some(false) {
        model.set_up(name, false)?;
    }
    match set.master.as_deref() {
        Some("") => model.leave(ifindex)?,
        Some(master) => model.enslave(name, master)?,
        None => {}
    }
    if let Some(mtu) = set.mtu {
        model.set_mtu(name, mtu)?;
    }
    if let Some(text) = &set.address {
        model.set_address(name, mac("address", text)?)?;
    }
    set_options(model, name, set.options.as_ref())?;
    for (option, value) in set.member_options.iter().flatten() {
        model.set_member_option(name, option, value)?;
    }
    if set.up == Some(true) {
        model.set_up(name, true)?;
    }
    Ok(())
}

//! What each call does.

use serde::Serialize;
use serde_json::{Value, json};

use super::api::{AddLink, ByName, Ioctl, Named, Nothing, Options, SetDevice, SetLink};
pub use super::fdb::Listing;
use super::server::Topic;
use super::wire::{Call, WireError, parameters};
use super::{INTERFACE, NAME, fdb, ioctl, mdb, netconsole, show, vlan, vlans};
use crate::device::MacAddr;
use crate::device::caps::MAJOR;
use crate::netdev::NetError;
use crate::switch::Switch;
use crate::switch::engine::{PortAction, is_software_option};
use crate::switch::model::Model;

/// What becomes of a call.
pub enum Outcome {
    /// These are the parameters of its reply.
    Reply(Value),
    /// The client gets a reply for everything that happens to this.
    Monitor(Topic),
    /// The reply takes long: it is made step by step.
    Listing(Box<Listing>),
}

pub(super) fn value(value: impl Serialize) -> Result<Value, WireError> {
    serde_json::to_value(value)
        .map_err(|e| WireError::ours("DeviceError", json!({ "reason": e.to_string() })))
}

pub(super) fn json(reply: impl Serialize) -> Result<Outcome, WireError> {
    value(reply).map(Outcome::Reply)
}

pub(super) fn done<T>(result: Result<T, NetError>) -> Result<Outcome, WireError> {
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
        "MonitorFdb" => monitor(call, Topic::Fdb),
        "MonitorLinks" => monitor(call, Topic::Links),
        "MonitorMdb" => monitor(call, Topic::Mdb),
        "AddNetconsole" => done(netconsole::add(switch, parameters(call)?)),
        "DeleteNetconsole" => {
            let Named { name } = parameters(call)?;
            done(switch.delete_console(&name))
        }
        "ListNetconsoles" => {
            parameters::<Nothing>(call)?;
            json(json!({ "netconsoles": netconsole::list(switch) }))
        }
        _ => match vlans::handle(switch, call, method)? {
            Some(outcome) => Ok(outcome),
            None => match mdb::handle(switch, call, method)? {
                Some(outcome) => Ok(outcome),
                None => fdb::handle(switch, call, method),
            },
        },
    }
}

fn monitor(call: &Call, topic: Topic) -> Result<Outcome, WireError> {
    parameters::<Nothing>(call)?;
    match call.more {
        true => Ok(Outcome::Monitor(topic)),
        false => Err(WireError::service("ExpectedMore", json!({}))),
    }
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
    if matches!(add.kind.as_str(), "bridge" | "bond") && !switch.has_hardware() {
        return json(json!({ "name": vlan::add_master(switch, &add)? }));
    }
    let address = MacAddr::random(&mut rand::rng());
    // What hardware cannot do makes the bridge one in software, once it is there.
    let all = add.options.clone().unwrap_or_default();
    let (beyond, options): (Options, Options) = match add.kind.as_str() {
        "bridge" => all.into_iter().partition(|(o, _)| is_software_option(o)),
        _ => (Options::new(), all),
    };
    let name = switch.change(|model| {
        let ifindex = model.add(&add.name, &add.kind, address)?;
        let name = model.registry.name(ifindex);
        set_options(model, &name, Some(&options))?;
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
    if !beyond.is_empty() {
        let set = SetLink {
            name: name.clone(),
            options: Some(beyond),
            ..SetLink::default()
        };
        if let Err(error) = set_any_link(switch, set) {
            switch.change(|model| model.delete(&name))?;
            return Err(error.into());
        }
    }
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

/// A master in software takes its options, and its members', when the links are as asked for; a bridge in hardware becomes one in software if it has to.
fn set_any_link(switch: &mut Switch, mut set: SetLink) -> Result<(), NetError> {
    if let Some(device) = set.device.take() {
        if set.up.take_if(|up| !*up).is_some() {
            switch.change(|model| model.set_up(&set.name, false))?;
        }
        set.name = switch.set_device(&set.name, &device)?;
    }
    let SetLink {
        name,
        options,
        member_options,
        master,
        ..
    } = &mut set;
    switch.prepare(name, options, member_options, master.as_deref())?;
    let result = set_prepared_link(switch, set);
    switch.settle_engines();
    result
}

fn set_prepared_link(switch: &mut Switch, mut set: SetLink) -> Result<(), NetError> {
    let is_one = |name: &str| switch.bridge(name).is_some() || switch.bond(name).is_some();
    let name = &set.name;
    let above = match set.master.as_deref() {
        Some(master) => is_one(master),
        None => switch.bridge_of_port(name).is_some() || switch.bond_of_slave(name).is_some(),
    };
    let own = set.options.take_if(|_| is_one(name));
    let as_port = set.member_options.take_if(|_| above);
    let actions = PortAction::take(&mut set.member_options);
    switch.change(|model| set_link(model, &set))?;
    for action in actions {
        switch.act_on_port(&set.name, action)?;
    }
    if own.is_none() && as_port.is_none() {
        return Ok(());
    }
    let (own, as_port) = (own.unwrap_or_default(), as_port.unwrap_or_default());
    switch.set_software(&set.name, &own, &as_port)
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

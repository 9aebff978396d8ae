//! The old way in: the requests of the bridge's and the bond's ioctls, with the order of checks and the codes that those have. Options of bridges go
//! through SetLink: there is no difference.

use super::api::Ioctl;
use crate::device::MacAddr;
use crate::master::bond::Bond;
use crate::netdev::{IfIndex, NetError};
use crate::switch::Switch;
use crate::switch::model::Model;

/// The requests, by the names that brctl(8) and ifenslave(8) have for them.
const REQUESTS: [&str; 7] = [
    "addbr",
    "delbr",
    "addif",
    "delif",
    "enslave",
    "release",
    "sethwaddr",
];

fn refuse(argument: &str, value: &str, code: &str, reason: &str) -> NetError {
    NetError::invalid(argument, value, format!("{reason} ({code})"))
}

/// Does what is asked.
pub fn handle(switch: &mut Switch, call: &Ioctl) -> Result<(), NetError> {
    let name = call.name.as_str();
    let missing = || refuse("port", "", "EINVAL", "the request is about an interface");
    let port = || call.port.as_deref().ok_or_else(missing);
    let software = switch.bridge(name).is_some() || !switch.has_hardware();
    match call.request.as_str() {
        request @ ("enslave" | "release" | "sethwaddr") if switch.bond(name).is_some() => {
            switch.bond_ioctl(request, name, port()?)
        }
        "addbr" if software => {
            switch.on_bridges(|bridges, core| bridges.create(core, name, None).map(drop))
        }
        "delbr" if software => switch.on_bridges(|bridges, core| bridges.ioctl_delete(core, name)),
        "addif" | "delif" if software => {
            let (port, add) = (port()?, call.request == "addif");
            switch.on_bridges(|bridges, core| {
                let bridge = core.by_name(name)?.clone();
                bridges.ioctl_port(core, &bridge, port, add)
            })?;
            switch.settle_engines();
            Ok(())
        }
        "addbr" => {
            let address = MacAddr::random(&mut rand::rng());
            switch.change(|m| add_bridge(m, name, address))
        }
        "delbr" => switch.change(|m| delete_bridge(m, name)),
        "addif" => {
            let port = port()?;
            switch.change(|m| add_port(m, name, port))?;
            switch.settle_links()
        }
        "delif" => {
            let port = port()?;
            switch.change(|m| {
                let (bridge, member) = (bridge(m, name)?, known(m, port)?);
                let stranger = refuse("port", port, "EINVAL", "it is no port of this bridge");
                leave(m, bridge, member, stranger)
            })
        }
        "enslave" => {
            let slave = port()?;
            switch.change(|m| {
                bond(m, name)?;
                device(m, "slave", slave)?;
                m.enslave_running(slave, name)
            })?;
            switch.settle_links()
        }
        "release" => {
            let slave = port()?;
            switch.change(|m| {
                let (bond, member) = (bond(m, name)?, device(m, "slave", slave)?);
                let stranger = refuse("slave", slave, "EINVAL", "no slave of this bond");
                leave(m, bond, member, stranger)
            })
        }
        "sethwaddr" => {
            let slave = port()?;
            switch.change(|m| {
                let (bond, slave) = (bond(m, name)?, device(m, "slave", slave)?);
                let now = m.now;
                let master = m.masters.get_mut(&bond);
                let master = master.and_then(|b| b.as_any_mut().downcast_mut::<Bond>());
                let taken = master.map_or(Ok(()), |b| b.take_address(now, slave));
                m.refresh();
                taken
            })
        }
        other => {
            let reason = format!("use one of: {}", REQUESTS.join(", "));
            Err(refuse("request", other, "EOPNOTSUPP", &reason))
        }
    }
}

/// Takes a member out of the master that it is said to be in; it is refused if it is in another or in none.
fn leave(
    model: &mut Model,
    master: IfIndex,
    member: IfIndex,
    stranger: NetError,
) -> Result<(), NetError> {
    if model.registry.get(member).and_then(|d| d.master) != Some(master) {
        return Err(stranger);
    }
    model.leave(member)
}

fn device(model: &Model, argument: &str, name: &str) -> Result<IfIndex, NetError> {
    let device = model.device(name).map(|d| d.ifindex);
    device.map_err(|_| refuse(argument, name, "ENODEV", "there is no such interface"))
}

/// An interface that a bridge is to take or lose: the request has its index, and an index that nobody has is EINVAL.
fn known(model: &Model, name: &str) -> Result<IfIndex, NetError> {
    let device = model.device(name).map(|d| d.ifindex);
    device.map_err(|_| refuse("port", name, "EINVAL", "there is no such interface"))
}

fn bridge(model: &Model, name: &str) -> Result<IfIndex, NetError> {
    let ifindex = device(model, "bridge", name)?;
    match model.bridge(ifindex) {
        Some(_) => Ok(ifindex),
        None => Err(refuse("bridge", name, "EOPNOTSUPP", "it is no bridge")),
    }
}

fn bond(model: &Model, name: &str) -> Result<IfIndex, NetError> {
    let ifindex = device(model, "bond", name)?;
    match model.masters.get(&ifindex).map(|m| m.kind()) {
        Some("bond") => Ok(ifindex),
        _ => Err(refuse("bond", name, "EOPNOTSUPP", "it is no bond")),
    }
}

fn add_bridge(model: &mut Model, name: &str, address: MacAddr) -> Result<(), NetError> {
    match model.add(name, "bridge", address) {
        Ok(_) => Ok(()),
        Err(NetError::Exists { .. }) => {
            let reason = "there is an interface of this name already";
            Err(refuse("bridge", name, "EEXIST", reason))
        }
        Err(NetError::InvalidArgument { reason, .. }) => {
            Err(NetError::invalid("bridge", name, reason))
        }
        Err(other) => Err(other),
    }
}

fn delete_bridge(model: &mut Model, name: &str) -> Result<(), NetError> {
    let Ok(device) = model.device(name) else {
        return Err(refuse(
            "bridge",
            name,
            "ENXIO",
            "there is no such interface",
        ));
    };
    let (ifindex, up) = (device.ifindex, device.up);
    if model.bridge(ifindex).is_none() {
        return Err(refuse("bridge", name, "EPERM", "it is no bridge"));
    }
    if up {
        let reason = "it is up: set it down first";
        return Err(refuse("bridge", name, "EBUSY", reason));
    }
    model.delete(name)
}

/// `br_add_if`'s order: what it is, whether it would be a loop, whether it is free, whether it can.
fn add_port(model: &mut Model, name: &str, port: &str) -> Result<(), NetError> {
    bridge(model, name)?;
    let ifindex = known(model, port)?;
    if model.bridge(ifindex).is_some() {
        let reason = "it is a bridge, and bridges in bridges may be loops";
        return Err(refuse("port", port, "ELOOP", reason));
    }
    let owner = model.registry.get(ifindex).and_then(|d| d.master);
    if let Some(owner) = owner {
        let reason = format!("it is in {} already", model.registry.name(owner));
        return Err(refuse("port", port, "EBUSY", &reason));
    }
    model.enslave(port, name)
}

//! `br` and `bond`: the verbs of brctl(8) and ifenslave(8), and `br show`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::args::{BondCommand, BrCommand};
use super::text::bridges;
use super::{CliError, Look};
use crate::control::api::{ByName, Ioctl, Options, SetLink};
use crate::control::client::Client;

fn call(
    client: &mut Client,
    request: &str,
    name: &str,
    port: Option<&str>,
) -> Result<String, CliError> {
    let call = Ioctl {
        request: request.into(),
        name: name.into(),
        port: port.map(str::to_owned),
    };
    client.call::<Value>("Ioctl", &call)?;
    Ok(String::new())
}

/// An option of a bridge, or of a port, by SetLink.
fn set(
    client: &mut Client,
    name: &str,
    member: bool,
    option: &str,
    value: String,
) -> Result<String, CliError> {
    let options = Some(Options::from([(option.to_owned(), value)]));
    let (options, member_options) = match member {
        true => (None, options),
        false => (options, None),
    };
    let call = SetLink {
        name: name.into(),
        options,
        member_options,
        ..SetLink::default()
    };
    client.call::<Value>("SetLink", &call)?;
    Ok(String::new())
}

/// Seconds, as brctl has times, in 1/100 s.
fn centiseconds(seconds: f64) -> String {
    format!("{:.0}", seconds * 100.0)
}

/// The link, by ListLinks.
fn link(client: &mut Client, name: Option<&str>) -> Result<Value, CliError> {
    let name = name.map(str::to_owned);
    let mut reply: Value = client.call("ListLinks", &ByName { name })?;
    Ok(reply["links"].take())
}

/// The port must be one of this bridge: SetLink does not ask.
fn port_of(client: &mut Client, bridge: &str, port: &str) -> Result<(), CliError> {
    let link = link(client, Some(port))?;
    match link[0]["master"].as_str() {
        Some(master) if master == bridge => Ok(()),
        _ => {
            let text = format!("argument \"{port}\" is wrong: it is no port of {bridge}");
            Err(CliError::Usage(text))
        }
    }
}

/// `br`.
pub fn bridge(client: &mut Client, command: &BrCommand, look: Look) -> Result<String, CliError> {
    use BrCommand as Br;
    match command {
        Br::Addbr { bridge } => call(client, "addbr", bridge, None),
        Br::Delbr { bridge } => call(client, "delbr", bridge, None),
        Br::Addif { bridge, port } => call(client, "addif", bridge, Some(port)),
        Br::Delif { bridge, port } => call(client, "delif", bridge, Some(port)),
        Br::Show { bridge } => {
            let links = link(client, None)?;
            let shown = shown(&links, bridge.as_deref());
            Ok(look.show(&shown, bridges))
        }
        Br::Stp { bridge, state } => {
            let value = match state.as_str() {
                "on" | "yes" | "1" => "1",
                "off" | "no" | "0" => "0",
                other => {
                    let text = format!("argument \"{other}\" is wrong: stp: use on or off");
                    return Err(CliError::Usage(text));
                }
            };
            set(client, bridge, false, "stp_state", value.into())
        }
        Br::Setbridgeprio { bridge, priority } => {
            set(client, bridge, false, "priority", priority.to_string())
        }
        Br::Sethello { bridge, seconds } => {
            set(client, bridge, false, "hello_time", centiseconds(*seconds))
        }
        Br::Setmaxage { bridge, seconds } => {
            set(client, bridge, false, "max_age", centiseconds(*seconds))
        }
        Br::Setfd { bridge, seconds } => set(
            client,
            bridge,
            false,
            "forward_delay",
            centiseconds(*seconds),
        ),
        Br::Setageing { bridge, seconds } => {
            set(client, bridge, false, "ageing_time", centiseconds(*seconds))
        }
        Br::Setpathcost { bridge, port, cost } => {
            port_of(client, bridge, port)?;
            set(client, port, true, "cost", cost.to_string())
        }
        Br::Setportprio {
            bridge,
            port,
            priority,
        } => {
            port_of(client, bridge, port)?;
            set(client, port, true, "priority", priority.to_string())
        }
        Br::Hairpin {
            bridge,
            port,
            state,
        } => {
            port_of(client, bridge, port)?;
            set(client, port, true, "hairpin", state.clone())
        }
    }
}

/// What `brctl show` shows of each bridge.
fn shown(links: &Value, name: Option<&str>) -> Value {
    let all = links.as_array().map_or(&[][..], Vec::as_slice);
    let is_bridge = |l: &&Value| l["linkinfo"]["info_kind"] == "bridge";
    let wanted = |l: &&Value| name.is_none_or(|n| l["ifname"] == n);
    let bridges = all.iter().filter(is_bridge).filter(wanted).map(|bridge| {
        let data = &bridge["linkinfo"]["info_data"];
        let ports = all.iter().filter(|l| l["master"] == bridge["ifname"]);
        let ports: Vec<&Value> = ports.map(|l| &l["ifname"]).collect();
        json!({
            "ifname": bridge["ifname"],
            "bridge_id": brctl_id(data["bridge_id"].as_str().unwrap_or_default()),
            "stp_enabled": data["stp_state"] != 0,
            "interfaces": ports,
        })
    });
    Value::Array(bridges.collect())
}

/// brctl's form of an identifier, `8000.020000000010`, from iproute2's.
fn brctl_id(id: &str) -> String {
    let (priority, address) = id.split_once('.').unwrap_or((id, ""));
    let mut out = format!("{priority}.");
    for byte in address.split(':') {
        let _ = write!(out, "{byte:0>2}");
    }
    out
}

/// `bond`.
pub fn bond(client: &mut Client, command: &BondCommand) -> Result<String, CliError> {
    let (request, bond, slave) = match command {
        BondCommand::Enslave { bond, slave } => ("enslave", bond, slave),
        BondCommand::Release { bond, slave } => ("release", bond, slave),
        BondCommand::Sethwaddr { bond, slave } => ("sethwaddr", bond, slave),
    };
    call(client, request, bond, Some(slave))
}

//! The calls of multicast databases.

use std::net::IpAddr;

use serde_json::json;
use smartnic_slowpath::mcast::{FilterMode, Protocol};

use super::api::{ChangeMdb, FlushMdb, ListMdb};
use super::service::{Outcome, done, json};
use super::wire::{Call, WireError, parameters};
use crate::netdev::NetError;
use crate::switch::Switch;
use crate::switch::mdb::{MdbCondition, MdbUser};

fn ip(argument: &str, text: &str) -> Result<IpAddr, NetError> {
    let reason = "an address of IPv4 or IPv6 is wanted";
    text.parse()
        .map_err(|_| NetError::invalid(argument, text, reason))
}

/// An entry as a user asks for it.
fn entry(change: &ChangeMdb) -> Result<MdbUser, NetError> {
    let filter_mode = match change.filter_mode.as_deref() {
        None => None,
        Some("include") => Some(FilterMode::Include),
        Some("exclude") => Some(FilterMode::Exclude),
        Some(other) => {
            let reason = "use include or exclude (EINVAL)";
            return Err(NetError::invalid("filter_mode", other, reason));
        }
    };
    let sources = change.source_list.iter().map(|s| ip("source_list", s));
    Ok(MdbUser {
        group: ip("grp", &change.grp)?,
        source: change.src.as_deref().map(|s| ip("src", s)).transpose()?,
        vid: change.vid.unwrap_or(0),
        permanent: change.permanent == Some(true),
        filter_mode,
        sources: sources.collect::<Result<_, _>>()?,
        protocol: change.proto.map(Protocol),
        replace: change.replace == Some(true),
    })
}

/// Does a call; `None`: it is none of these.
pub(super) fn handle(
    switch: &mut Switch,
    call: &Call,
    method: &str,
) -> Result<Option<Outcome>, WireError> {
    let outcome = match method {
        "ListMdb" => {
            let ListMdb { dev, vid } = parameters(call)?;
            let bridge = dev.map(|d| switch.model().device(&d).map(|d| d.ifindex));
            json(json!({ "mdb": switch.mdb(bridge.transpose()?, vid) }))
        }
        "AddMdb" | "DeleteMdb" => {
            let change: ChangeMdb = parameters(call)?;
            let entry = entry(&change)?;
            done(switch.change_mdb(method == "AddMdb", &change.dev, &change.port, &entry))
        }
        "FlushMdb" => {
            let FlushMdb {
                dev,
                port,
                vid,
                permanent,
                proto,
            } = parameters(call)?;
            let condition = MdbCondition {
                vid,
                permanent,
                protocol: proto.map(Protocol),
            };
            done(switch.flush_mdb(&dev, port.as_deref(), condition))
        }
        _ => return Ok(None),
    };
    outcome.map(Some)
}

//! `link add link DEVICE name NAME type vlan`: iproute2's words for a VLAN device; `type bridge` and `type bond` where no card is.

use std::collections::BTreeMap;
use std::str::FromStr;

use smartnic_netdev::packet::eth;
use smartnic_netdev::registry::request::Change;
use smartnic_netdev::vlan::{VlanConfig, VlanFlags};

use super::api::AddLink;
use super::service::mac;
use crate::master::options;
use crate::netdev::NetError;
use crate::switch::Switch;

/// Words that are on or off.
const FLAGS: [(&str, VlanFlags); 5] = [
    ("reorder_hdr", VlanFlags::REORDER_HDR),
    ("gvrp", VlanFlags::GVRP),
    ("mvrp", VlanFlags::MVRP),
    ("loose_binding", VlanFlags::LOOSE_BINDING),
    ("bridge_binding", VlanFlags::BRIDGE_BINDING),
];
const OPTIONS: [&str; 9] = [
    "id",
    "protocol",
    "reorder_hdr",
    "gvrp",
    "mvrp",
    "loose_binding",
    "bridge_binding",
    "ingress-qos-map",
    "egress-qos-map",
];

/// Makes the VLAN device that is asked for, and gives its name.
pub fn add(switch: &mut Switch, add: &AddLink) -> Result<String, NetError> {
    let missing = |argument: &str, reason: &str| NetError::invalid(argument, "", reason);
    let Some(link) = &add.link else {
        return Err(missing(
            "link",
            "a VLAN device is over another one: link add link DEVICE ...",
        ));
    };
    let mut config = VlanConfig::new(&add.name, 0);
    config.mtu = mtu(add)?;
    let mut id = None;
    for (option, value) in add.options.iter().flatten() {
        match option.as_str() {
            "id" => id = Some(options::number(option, value, 0..=u16::MAX.into())? as u16),
            _ => set(&mut config, option, value)?,
        }
    }
    config.vid = id.ok_or_else(|| missing("id", "a VLAN device has an id: ... type vlan id 10"))?;
    let changes = changes(add)?;
    switch.add_vlan(link, &config, changes)
}

/// Makes a bridge or a bond in software, and gives its name.
pub fn add_master(switch: &mut Switch, add: &AddLink) -> Result<String, NetError> {
    let mut changes = changes(add)?;
    if let Some(mtu) = mtu(add)? {
        changes.insert(0, Change::Mtu(mtu));
    }
    let none = BTreeMap::new();
    let options = add.options.as_ref().unwrap_or(&none);
    match add.kind.as_str() {
        "bond" => switch.add_bond(&add.name, options, changes),
        _ => switch.add_bridge(&add.name, options, changes),
    }
}

/// What is to be changed of the new device: its address, up.
fn changes(add: &AddLink) -> Result<Vec<Change>, NetError> {
    let address = add.address.as_ref().map(|text| mac("address", text));
    let address = address.transpose()?.map(Change::Address);
    let up = add.up.map(Change::Up);
    Ok(address.into_iter().chain(up).collect())
}

fn mtu(add: &AddLink) -> Result<Option<u32>, NetError> {
    let reason = "an MTU has at most 32 bits";
    let fits = |mtu| u32::try_from(mtu).map_err(|_| NetError::invalid("mtu", mtu, reason));
    add.mtu.map(fits).transpose()
}

fn set(config: &mut VlanConfig, option: &str, value: &str) -> Result<(), NetError> {
    if let Some((_, flag)) = FLAGS.iter().find(|(word, _)| *word == option) {
        config.flags.set(*flag, options::on_off(option, value)?);
        return Ok(());
    }
    match option {
        "protocol" => {
            config.protocol = match value.to_ascii_lowercase().as_str() {
                "802.1q" => eth::P_8021Q,
                "802.1ad" => eth::P_8021AD,
                _ => {
                    let reason = "use 802.1Q or 802.1ad (EPROTONOSUPPORT)";
                    return Err(NetError::invalid(option, value, reason));
                }
            }
        }
        "ingress-qos-map" => config.ingress = pairs(option, value)?,
        "egress-qos-map" => config.egress = pairs(option, value)?,
        _ => return Err(options::unknown(option, value, "a vlan", &OPTIONS)),
    }
    Ok(())
}

/// `FROM:TO[,FROM:TO]...`
fn pairs<A: FromStr, B: FromStr>(option: &str, value: &str) -> Result<Vec<(A, B)>, NetError> {
    let pair = |text: &str| {
        let (from, to) = text.split_once(':')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    let pairs: Option<Vec<_>> = value.split(',').map(pair).collect();
    pairs.ok_or_else(|| NetError::invalid(option, value, "use FROM:TO[,FROM:TO]..., numbers"))
}

//! What the hardware's tables are to hold, and what has changed in them.
//!
//! Hardware that knows Ethernet addresses only gets [`Plan::groups`]: for every address the ports that any of the IP groups behind it
//! goes to, so that it may send too much to a port, never too little. Hardware that looks up IP addresses gets [`Plan::routes`]
//! besides, which is exact. [`Plan::unregistered`] says where groups go that are in neither; for a family that is not there, they
//! flood. Frames to 01:00:5e:00:00:xx and 33:33:00:00:00:01 always flood and have no entry. A plan is empty where snooping is off or
//! nobody queries: then everything floods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::decide::takes;
use super::types::{Family, GroupAddress, GroupKey, PortId};
use super::{Snooping, multicast, snooped};
use crate::MacAddr;

/// The ports that a group goes to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PortSet {
    /// Members and routers.
    pub ports: BTreeSet<PortId>,
    /// The bridge's own stack too.
    pub host: bool,
    /// Some host gets a copy of its own (multicast_to_unicast): the hardware gives the frame to the driver, which sends all copies.
    pub software: bool,
}

/// The hardware's tables for multicast.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// By FID and Ethernet address.
    pub groups: BTreeMap<(u16, MacAddr), PortSet>,
    /// By FID, group and source: (S, G) before (*, G).
    pub routes: BTreeMap<(u16, IpAddr, Option<IpAddr>), PortSet>,
    /// IP groups that are not in the tables, by VLAN (0: every one that has no entry of its own) and family.
    pub unregistered: BTreeMap<(u16, Family), PortSet>,
}

/// One entry that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry of an Ethernet address, or none any more.
    Group((u16, MacAddr), Option<PortSet>),
    /// The entry of a group and source, or none any more.
    Route((u16, IpAddr, Option<IpAddr>), Option<PortSet>),
    /// Where unregistered groups go, or that they flood again.
    Unregistered((u16, Family), Option<PortSet>),
}

impl PortSet {
    fn join(&mut self, other: &Self) {
        self.ports.extend(&other.ports);
        self.host |= other.host;
        self.software |= other.software;
    }
}

fn changes<K: Ord + Copy>(
    old: &BTreeMap<K, PortSet>,
    new: &BTreeMap<K, PortSet>,
    change: impl Fn(K, Option<PortSet>) -> Change,
) -> Vec<Change> {
    let gone = old.keys().filter(|key| !new.contains_key(key));
    let gone = gone.map(|key| change(*key, None));
    let written = new
        .iter()
        .filter(|(key, ports)| old.get(key) != Some(ports));
    let written = written.map(|(key, ports)| change(*key, Some(ports.clone())));
    gone.chain(written).collect()
}

impl Plan {
    /// What turns `old` into this: removals first, so that the tables never hold more than the larger of the two.
    pub fn changes_from(&self, old: &Self) -> Vec<Change> {
        let mut all = changes(&old.groups, &self.groups, Change::Group);
        all.extend(changes(&old.routes, &self.routes, Change::Route));
        all.extend(changes(
            &old.unregistered,
            &self.unregistered,
            Change::Unregistered,
        ));
        // Where unregistered groups flood anew, that comes first, and where they no longer do, last: so nobody misses a frame.
        all.sort_by_key(|change| match change {
            Change::Unregistered(_, None) => 0,
            Change::Group(_, None) | Change::Route(_, None) => 1,
            Change::Unregistered(_, Some(_)) => 3,
            _ => 2,
        });
        all
    }
}

impl Snooping {
    /// The driver says whether the hardware has an entry's port now: its flag `offload`.
    pub fn set_offload(&mut self, key: GroupKey, port: PortId, on: bool) {
        let members = self.groups.get(&key).map(|group| &group.members);
        let members = members.into_iter().flatten().map(|(member, _)| *member);
        let members: Vec<_> = members.filter(|member| member.port == port).collect();
        for member in members {
            if let Some(membership) = self.membership_mut(key, member)
                && std::mem::replace(&mut membership.flags.offload, on) != on
            {
                self.notify(false, key, Some(member));
            }
        }
    }

    /// The tables for the present state, in time linear in the number of entries. `fid` says which filtering database a VLAN uses; VLANs that share one share entries.
    pub fn plan(&self, fid: impl Fn(u16) -> u16) -> Plan {
        let mut plan = Plan::default();
        if !self.running || !self.enabled {
            return plan;
        }
        for vid in self
            .contexts
            .keys()
            .filter(|vid| (**vid != 0) == self.vlan_snooping)
        {
            for family in Family::ALL {
                let snooped = self.context_of(*vid).is_some();
                if snooped && self.querier_exists(*vid, family) {
                    let routers = self.routers(*vid, Some(family));
                    plan.unregistered.insert((*vid, family), routers);
                }
            }
        }
        for (key, group) in &self.groups {
            let Some(context) = self.context_of(key.vid) else {
                continue;
            };
            let family = key.group.family();
            if family.is_some_and(|family| !self.querier_exists(context, family)) {
                continue;
            }
            let with_sources =
                family.is_some_and(|family| self.settings(context).with_sources(family));
            // Left over from when sources counted; frames do not find them now.
            if key.source.is_some() && !with_sources {
                continue;
            }
            let mut all = self.routers(context, family);
            all.host |= group.host;
            let mut exact = all.clone();
            for (member, membership) in &group.members {
                let to_unicast = self.ports.get(&member.port).is_some_and(|p| p.to_unicast);
                let software = to_unicast && member.host.is_unicast();
                let ports = PortSet {
                    ports: [member.port].into(),
                    host: false,
                    software,
                };
                if takes(key, with_sources, membership.mode, membership.flags.blocked) {
                    exact.join(&ports);
                }
                if !membership.flags.blocked {
                    all.join(&ports);
                }
            }
            let fid = fid(key.vid);
            if let GroupAddress::Ip(address) = key.group {
                plan.routes
                    .entry((fid, address, key.source))
                    .or_default()
                    .join(&exact);
            }
            if !always_floods(key.group.mac()) {
                plan.groups
                    .entry((fid, key.group.mac()))
                    .or_default()
                    .join(&all);
            }
        }
        plan
    }

    fn routers(&self, context: u16, family: Option<Family>) -> PortSet {
        PortSet {
            ports: self.router_ports(context, family).collect(),
            host: self.bridge_is_router(context, family),
            software: false,
        }
    }
}

/// Whether one of the groups behind an address is for all that are on the link.
fn always_floods(mac: MacAddr) -> bool {
    let group: IpAddr = match mac.0 {
        [0x01, 0x00, 0x5e, b, c, d] => [224, b, c, d].into(),
        [0x33, 0x33, a, b, c, d] => {
            let mut octets = [0; 16];
            octets[..2].copy_from_slice(&[0xff, 0x02]);
            octets[12..].copy_from_slice(&[a, b, c, d]);
            octets.into()
        }
        _ => return false,
    };
    multicast(group).is_some_and(|group| !snooped(group))
}

//! Entries of the database that the user makes (`bridge mdb add`, `replace`, `del`, `get`, `flush`), with Linux's words and codes for
//! what is refused.

use std::net::IpAddr;
use std::time::Duration;

use super::group::{Full, Membership};
use super::types::{
    Family, FilterMode, Flags, GroupAddress, GroupKey, Member, PortId, PortState, Protocol,
};
use super::{SOURCES_MAX, Snooping, Timer, snooped};
use crate::MacAddr;

/// The error codes that the machine gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// An argument makes no sense, alone or with others; an entry to delete is not there.
    EINVAL,
    /// The entry is there.
    EEXIST,
    /// The entry to show, or the VLAN, is not there.
    ENOENT,
    /// The port has its `mcast_max_groups`.
    ENOMEM,
    /// There is no room for a source, or it cannot be one.
    ENOSPC,
    /// The bridge has its `mcast_hash_max`.
    E2BIG,
}

/// Something that the user asked for and does not get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The code that netlink would give.
    pub errno: Errno,
    /// Which argument, and why; where Linux says something, in its words.
    pub message: String,
}

pub(super) fn refuse<T>(errno: Errno, message: impl Into<String>) -> Result<T, Refused> {
    let message = message.into();
    Err(Refused { errno, message })
}

/// An entry that the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdbRequest {
    /// The entry; with VLAN 0 on a bridge that filters VLANs it is made in every one of the port.
    pub key: GroupKey,
    /// The port; none: the bridge itself.
    pub port: Option<PortId>,
    /// Stays until deleted; else until the membership interval is over.
    pub permanent: bool,
    /// For (*, G) on a port; EXCLUDE if not given.
    pub filter_mode: Option<FilterMode>,
    /// For (*, G) on a port, with a filter mode.
    pub sources: Vec<IpAddr>,
    /// On a port; static if not given.
    pub protocol: Option<Protocol>,
    /// Changes an entry that is there (`replace`) instead of refusing.
    pub replace: bool,
}

/// Which entries `bridge mdb flush` removes: those that all that is given is true of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MdbFilter {
    /// Of this port; `Some(None)`: of the bridge itself.
    pub port: Option<Option<PortId>>,
    /// In this VLAN.
    pub vid: Option<u16>,
    /// Permanent, or not.
    pub permanent: Option<bool>,
    /// Made by this protocol; the bridge's own are by none.
    pub protocol: Option<Protocol>,
}

impl MdbRequest {
    /// A permanent (*, G) entry of a port.
    pub fn permanent(vid: u16, group: IpAddr, port: PortId) -> Self {
        Self {
            key: GroupKey::star(vid, group),
            port: Some(port),
            permanent: true,
            filter_mode: None,
            sources: Vec::new(),
            protocol: None,
            replace: false,
        }
    }
}

impl Full {
    pub(super) fn refused<T>(self) -> Result<T, Refused> {
        match self {
            Self::Table => refuse(
                Errno::E2BIG,
                "mcast_hash_max entries are there; multicast snooping has been switched off",
            ),
            Self::Port(vid, max) => {
                let what = vid.map_or("Port", |_| "Port-VLAN");
                // Linux's code, whatever the cause.
                refuse(
                    Errno::ENOMEM,
                    format!("{what} is already in {max} groups, and mcast_max_groups={max}"),
                )
            }
        }
    }
}

impl Snooping {
    /// Checks a request as far as it can be checked without the entry.
    pub(super) fn check(&self, request: &MdbRequest) -> Result<(), Refused> {
        let invalid = |message: &str| refuse(Errno::EINVAL, message);
        let star = request.key.is_star();
        if request.key.vid >= 4095 {
            return invalid("Invalid entry VLAN id");
        }
        match request.key.group {
            GroupAddress::Ip(IpAddr::V4(group)) if !group.is_multicast() => {
                return invalid("IPv4 entry group address is not multicast");
            }
            GroupAddress::Ip(group) if !group.is_multicast() => {
                return invalid("IPv6 entry group address is not multicast");
            }
            GroupAddress::Ip(group) if !snooped(group) => {
                return invalid(match group {
                    IpAddr::V4(_) => "IPv4 entry group address is local multicast",
                    IpAddr::V6(_) => "IPv6 entry group address is link-local all nodes address",
                });
            }
            GroupAddress::Mac(group) if !group.is_multicast() => {
                return invalid("L2 entry group is not multicast");
            }
            _ => {}
        }
        if !self.running {
            return invalid("Bridge device is not running");
        }
        if !self.enabled {
            return invalid("Bridge's multicast processing is disabled");
        }
        if request
            .port
            .is_some_and(|port| !self.ports.contains_key(&port))
        {
            return invalid("Net device is not a bridge port");
        }
        for source in request.sources.iter().chain(&request.key.source) {
            match request.key.group.family() {
                None => return invalid("Invalid protocol used with source address"),
                Some(family) if family != Family::of(*source) => {
                    return refuse(
                        Errno::EINVAL,
                        format!("source {source} is not of the group's family"),
                    );
                }
                Some(_) if source.is_multicast() => {
                    return refuse(
                        Errno::EINVAL,
                        format!("multicast source address {source} is not allowed"),
                    );
                }
                Some(_) => {}
            }
        }
        let listed = !request.sources.is_empty();
        if request.port.is_none() {
            for (given, message) in [
                (
                    request.filter_mode.is_some(),
                    "Filter mode cannot be set for host groups",
                ),
                (listed, "Source list cannot be set for host groups"),
                (
                    request.protocol.is_some(),
                    "Protocol cannot be set for host groups",
                ),
            ] {
                if given {
                    return invalid(message);
                }
            }
        } else if !star {
            if request.filter_mode.is_some() {
                return invalid("Filter mode can only be set for (*, G) entries");
            }
            if listed {
                return invalid("Source list can only be set for (*, G) entries");
            }
        }
        match request.filter_mode {
            None if listed => return invalid("Source list cannot be set without filter mode"),
            Some(FilterMode::Include) if !listed => {
                return invalid("Cannot add (*, G) INCLUDE with an empty source list");
            }
            _ if request.sources.len() >= SOURCES_MAX => {
                return refuse(
                    Errno::EINVAL,
                    format!(
                        "Exceeded maximum number of source entries ({})",
                        SOURCES_MAX - 1
                    ),
                );
            }
            _ => {}
        }
        if request
            .protocol
            .is_some_and(|protocol| protocol.0 < Protocol::STATIC.0)
        {
            return invalid("integer out of range: a protocol is static (4) or more");
        }
        Ok(())
    }

    /// The VLANs that a request is for.
    pub(super) fn vids(&self, request: &MdbRequest) -> Vec<u16> {
        let vid = request.key.vid;
        if !self.vlan_filtering || vid != 0 {
            return vec![vid];
        }
        match request.port.and_then(|port| self.ports.get(&port)) {
            Some(port) => port
                .contexts
                .keys()
                .copied()
                .filter(|vid| *vid != 0)
                .collect(),
            None => {
                let own = self
                    .contexts
                    .iter()
                    .filter(|(vid, c)| **vid != 0 && c.bridge_in);
                own.map(|(vid, _)| *vid).collect()
            }
        }
    }

    /// `bridge mdb add`, or `replace`. With VLAN 0 on a bridge that filters VLANs the first that refuses ends it; those before stay.
    pub fn mdb_add(&mut self, now: Duration, request: &MdbRequest) -> Result<(), Refused> {
        self.advance(now);
        self.check(request)?;
        let ethernet = request.key.group.family().is_none();
        if request.port.is_none() && !ethernet {
            if request.permanent {
                return refuse(Errno::EINVAL, "Flags are not allowed for host groups");
            }
            if request.key.source.is_some() {
                return refuse(
                    Errno::EINVAL,
                    "Groups with sources cannot be manually host joined",
                );
            }
        }
        if ethernet && !request.permanent {
            return refuse(Errno::EINVAL, "Only permanent L2 entries allowed");
        }
        let state = request.port.and_then(|port| self.port_state(port));
        if state == Some(PortState::Disabled) && !request.permanent {
            let why = "Port is in disabled state and entry is not permanent";
            return refuse(Errno::EINVAL, why);
        }
        let vids = self.vids(request);
        if vids.is_empty() {
            return refuse(Errno::EINVAL, "Vlan is not configured");
        }
        for vid in vids {
            let key = GroupKey { vid, ..request.key };
            let added = self.add_entry_of_user(request, key);
            self.prune(key);
            added?;
        }
        Ok(())
    }

    fn add_entry_of_user(&mut self, request: &MdbRequest, key: GroupKey) -> Result<(), Refused> {
        let context = if !self.vlan_snooping {
            0
        } else if key.vid == 0 {
            let why = "Cannot add an entry without a vlan when vlan snooping is enabled";
            return refuse(Errno::EINVAL, why);
        } else {
            match self.contexts.get(&key.vid) {
                None => return refuse(Errno::EINVAL, "Vlan is not configured"),
                Some(context) if !context.wanted => {
                    return refuse(Errno::EINVAL, "Vlan's multicast processing is disabled");
                }
                Some(_) => key.vid,
            }
        };
        self.ensure_group(key).or_else(Full::refused)?;
        let Some(port) = request.port else {
            if self.groups.get(&key).is_some_and(|group| group.host) {
                return refuse(Errno::EEXIST, "Group is already joined by host");
            }
            self.host_join(context, key, true);
            return Ok(());
        };
        let of_port = |member: &&Member| member.port == port;
        let there = self
            .groups
            .get(&key)
            .and_then(|group| group.members.keys().find(of_port).copied());
        let flags = Flags {
            permanent: request.permanent,
            ..Flags::default()
        };
        if key.is_star() {
            self.set_star(request, context, key, there, flags)
        } else {
            let protocol = request.protocol.unwrap_or(Protocol::STATIC);
            self.set_specific(request, context, key, there, flags, protocol, false)
        }
    }

    /// Makes or replaces an (S, G) entry, or one of Ethernet; `of_source`: for a source of a (*, G) entry, whose timer it follows.
    #[expect(clippy::too_many_arguments, reason = "all of them are the entry's")]
    pub(super) fn set_specific(
        &mut self,
        request: &MdbRequest,
        context: u16,
        key: GroupKey,
        there: Option<Member>,
        flags: Flags,
        protocol: Protocol,
        of_source: bool,
    ) -> Result<(), Refused> {
        if there.is_some() && !request.replace {
            return refuse(Errno::EEXIST, "(S, G) group is already joined by port");
        }
        let (member, new) =
            self.set_member(request, key, there, FilterMode::Include, flags, protocol)?;
        self.set_group_timer(context, key, member, !flags.permanent && !of_source);
        self.notify(false, key, Some(member));
        let family = key.group.family();
        if new && family.is_some_and(|family| self.settings(context).with_sources(family)) {
            self.add_exclude_ports(key);
        }
        Ok(())
    }

    /// Makes a member, or gives one that is there what the user says.
    pub(super) fn set_member(
        &mut self,
        request: &MdbRequest,
        key: GroupKey,
        there: Option<Member>,
        mode: FilterMode,
        flags: Flags,
        protocol: Protocol,
    ) -> Result<(Member, bool), Refused> {
        if let Some(member) = there {
            if let Some(membership) = self.membership_mut(key, member) {
                (membership.mode, membership.flags) = (mode, flags);
                membership.protocol = protocol;
            }
            return Ok((member, false));
        }
        let member = Member {
            port: request.port.unwrap_or_default(),
            host: MacAddr::BROADCAST,
        };
        let membership = Membership::new(mode, flags, protocol);
        self.insert_member(key, member, membership)
            .or_else(Full::refused)?;
        Ok((member, true))
    }

    pub(super) fn set_group_timer(
        &mut self,
        context: u16,
        key: GroupKey,
        member: Member,
        ends: bool,
    ) {
        let until = self.now + self.settings(context).membership_interval;
        match ends {
            true => self.timers.arm(Timer::Member(key, member), until),
            false => self.timers.cancel(Timer::Member(key, member)),
        }
    }
}

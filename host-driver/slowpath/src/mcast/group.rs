//! The multicast database: groups, their members, and how members come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::hosts::Hosts;
use super::types::{FilterMode, Flags, GroupKey, Member, PortId, Protocol};
use super::{Output, Snooping, Timer};
use crate::MacAddr;

/// A source in a member's list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source {
    /// It has its (S, G) entry.
    pub installed: bool,
    /// The user gave it.
    pub user_added: bool,
    /// Queries for it that are still to be sent.
    pub queries_left: u32,
}

/// What one member of a group wants.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub mode: FilterMode,
    pub flags: Flags,
    pub protocol: Protocol,
    pub sources: BTreeMap<IpAddr, Source>,
    /// Group-specific queries that are still to be sent.
    pub queries_left: u32,
    pub hosts: Hosts,
}

impl Membership {
    pub fn new(mode: FilterMode, flags: Flags, protocol: Protocol) -> Self {
        Self {
            mode,
            flags,
            protocol,
            sources: BTreeMap::new(),
            queries_left: 0,
            hosts: Hosts::default(),
        }
    }

    /// The user's own, which snooping leaves alone.
    pub fn is_users(&self) -> bool {
        self.flags.permanent && self.protocol != Protocol::KERNEL
    }
}

/// An entry of the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The bridge itself is a member.
    pub host: bool,
    pub members: BTreeMap<Member, Membership>,
}

/// Why an entry is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// `mcast_hash_max`; snooping has been switched off.
    Table,
    /// `mcast_max_groups` of the port, or of its VLAN if one is given: so many.
    Port(Option<u16>, u32),
}

impl Snooping {
    /// Makes an entry if there is none; one without members must not stay.
    pub(super) fn ensure_group(&mut self, key: GroupKey) -> Result<(), Full> {
        if !self.groups.contains_key(&key) {
            if self.groups.len() >= self.hash_max as usize {
                if self.enabled {
                    self.enabled = false;
                    self.outputs.push(Output::SwitchedOff);
                }
                return Err(Full::Table);
            }
            self.groups.insert(key, Group::default());
        }
        Ok(())
    }

    /// Removes an entry that nobody is a member of.
    pub(super) fn prune(&mut self, key: GroupKey) {
        let empty = |group: &Group| !group.host && group.members.is_empty();
        if self.groups.get(&key).is_some_and(empty) {
            self.groups.remove(&key);
            self.timers.cancel(Timer::Host(key));
        }
    }

    pub(super) fn membership(&self, key: GroupKey, member: Member) -> Option<&Membership> {
        self.groups.get(&key)?.members.get(&member)
    }

    pub(super) fn membership_mut(
        &mut self,
        key: GroupKey,
        member: Member,
    ) -> Option<&mut Membership> {
        self.groups.get_mut(&key)?.members.get_mut(&member)
    }

    /// The member that a port, or with multicast_to_unicast a host behind it, is.
    pub(super) fn find_member(&self, key: GroupKey, port: PortId, host: MacAddr) -> Option<Member> {
        let members = &self.groups.get(&key)?.members;
        if self.ports.get(&port)?.to_unicast {
            let member = Member { port, host };
            members.contains_key(&member).then_some(member)
        } else {
            let first = Member {
                port,
                host: MacAddr::default(),
            };
            let (member, _) = members.range(first..).next()?;
            (member.port == port).then_some(*member)
        }
    }

    /// The member of an (S, G) entry that belongs to this member of (*, G): its own, or one that the user made for the port.
    pub(super) fn find_specific(&self, specific: GroupKey, member: Member) -> Option<Member> {
        let members = &self.groups.get(&specific)?.members;
        let users = Member {
            host: MacAddr::BROADCAST,
            ..member
        };
        [member, users]
            .into_iter()
            .find(|member| members.contains_key(member))
    }

    /// Notes a member, if the port's limits allow it.
    pub(super) fn insert_member(
        &mut self,
        key: GroupKey,
        member: Member,
        membership: Membership,
    ) -> Result<(), Full> {
        let counted = [Some(0), (key.vid != 0).then_some(key.vid)];
        for vid in counted.into_iter().flatten() {
            let enforced = vid == 0 || self.vlan_snooping;
            let Some(context) = self.port_context(vid, member.port) else {
                continue;
            };
            if enforced && context.max_groups != 0 && context.groups >= context.max_groups {
                return Err(Full::Port((vid != 0).then_some(vid), context.max_groups));
            }
        }
        for vid in counted.into_iter().flatten() {
            if let Some(context) = self.port_context_mut(vid, member.port) {
                context.groups += 1;
            }
        }
        let group = self.groups.entry(key).or_default();
        group.members.insert(member, membership);
        Ok(())
    }

    /// A port (none: the bridge itself) wants a group. `Ok(None)`: nothing was noted of a port.
    pub(super) fn add_member(
        &mut self,
        vid: u16,
        port: Option<PortId>,
        key: GroupKey,
        host: MacAddr,
        mode: FilterMode,
        flags: Flags,
    ) -> Result<Option<Member>, Full> {
        if !self.in_use(vid, port) {
            return Ok(None);
        }
        self.ensure_group(key)?;
        let Some(port) = port else {
            self.host_join(vid, key, true);
            return Ok(None);
        };
        let member = Member { port, host };
        let found = match key.source {
            Some(_) => self.find_specific(key, member),
            None => self.find_member(key, port, host),
        };
        if found.is_some() {
            return Ok(found);
        }
        let membership = Membership::new(mode, flags, Protocol::KERNEL);
        let inserted = self.insert_member(key, member, membership);
        self.prune(key);
        inserted?;
        self.notify(false, key, Some(member));
        Ok(Some(member))
    }

    /// Removes a member, and what depends on it.
    pub(super) fn delete_member(&mut self, key: GroupKey, member: Member) {
        let Some(membership) = self.membership(key, member) else {
            return;
        };
        let sources: Vec<_> = membership.sources.keys().copied().collect();
        for timer in [Timer::Member, Timer::V1Host, Timer::Rexmit].map(|timer| timer(key, member)) {
            self.timers.cancel(timer);
        }
        self.forget_hosts(key, member);
        for source in sources {
            self.uninstall_source(key, member, source, false);
        }
        self.notify(true, key, Some(member));
        if let Some(group) = self.groups.get_mut(&key) {
            group.members.remove(&member);
        }
        for vid in [Some(0), (key.vid != 0).then_some(key.vid)]
            .into_iter()
            .flatten()
        {
            if let Some(context) = self.port_context_mut(vid, member.port) {
                context.groups = context.groups.saturating_sub(1);
            }
        }
        if key.source.is_some() {
            self.drop_exclude_ports(key);
        } else if key.is_star() {
            self.follow_mode(key, member, FilterMode::Include);
        }
        self.prune(key);
    }

    /// Removes all members of which `which` is true.
    pub(super) fn delete_members(
        &mut self,
        which: impl Fn(&Member, &GroupKey) -> bool,
        permanent: bool,
    ) {
        let mut found = BTreeSet::new();
        for (key, group) in &self.groups {
            for (member, membership) in &group.members {
                if which(member, key) && (permanent || !membership.flags.permanent) {
                    found.insert((*key, *member));
                }
            }
        }
        for (key, member) in found {
            self.delete_member(key, member);
        }
    }

    /// The bridge itself wants the group.
    pub(super) fn host_join(&mut self, vid: u16, key: GroupKey, notify: bool) {
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        if !std::mem::replace(&mut group.host, true) {
            self.follow_host(key);
            if notify {
                self.notify(false, key, None);
            }
        }
        if key.group.family().is_some() {
            let until = self.now + self.settings(vid).membership_interval;
            self.timers.arm(Timer::Host(key), until);
        }
    }

    /// The bridge itself wants the group no longer.
    pub(super) fn host_leave(&mut self, key: GroupKey, notify: bool) {
        self.timers.cancel(Timer::Host(key));
        if let Some(group) = self.groups.get_mut(&key)
            && group.host
        {
            if notify {
                self.notify(true, key, None);
            }
            if let Some(group) = self.groups.get_mut(&key) {
                group.host = false;
            }
            self.follow_host(key);
            self.prune(key);
        }
    }

    /// The (S, G) entries of a group follow the bridge's own membership in (*, G).
    fn follow_host(&mut self, key: GroupKey) {
        if !key.is_star() {
            return;
        }
        let Some(star) = self.groups.get(&key) else {
            return;
        };
        let host = star.host;
        let lists = star.members.values().flat_map(|m| &m.sources);
        let installed = lists.filter(|(_, source)| source.installed);
        let sources: BTreeSet<_> = installed.map(|(address, _)| *address).collect();
        for source in sources {
            if let Some(group) = self.groups.get_mut(&key.with_source(source)) {
                group.host = host;
            }
        }
    }

    /// A member's group timer has run out (RFC 3376, 6.5): only sources that are still wanted remain.
    pub(super) fn member_expired(&mut self, key: GroupKey, member: Member) {
        let Some(membership) = self.membership_mut(key, member) else {
            return;
        };
        if membership.flags.permanent {
            return;
        }
        let mut changed = membership.mode == FilterMode::Exclude;
        membership.mode = FilterMode::Include;
        let sources: Vec<_> = membership.sources.keys().copied().collect();
        for source in sources {
            if !self.timers.pending(Timer::Source(key, member, source)) {
                self.delete_source(key, member, source, false);
                changed = true;
            }
        }
        match self.membership(key, member) {
            Some(left) if left.sources.is_empty() => self.delete_member(key, member),
            Some(_) if changed => {
                if key.is_star() {
                    self.follow_mode(key, member, FilterMode::Include);
                }
                self.notify(false, key, Some(member));
            }
            _ => {}
        }
    }
}

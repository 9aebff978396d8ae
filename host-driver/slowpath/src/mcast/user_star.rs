//! The user's (*, G) entries with their sources, and what takes entries away or shows them.

use std::net::IpAddr;
use std::time::Duration;

use super::group::{Full, Source};
use super::show::MdbEntry;
use super::types::{FilterMode, Flags, GroupKey, Member, Protocol};
use super::user::{Errno, MdbFilter, MdbRequest, Refused, refuse};
use super::{Snooping, Timer};

impl Snooping {
    /// Makes or replaces a (*, G) entry.
    pub(super) fn set_star(
        &mut self,
        request: &MdbRequest,
        context: u16,
        key: GroupKey,
        there: Option<Member>,
        flags: Flags,
    ) -> Result<(), Refused> {
        if there.is_some() && !request.replace {
            return refuse(Errno::EEXIST, "(*, G) group is already joined by port");
        }
        let mode = request.filter_mode.unwrap_or(FilterMode::Exclude);
        let protocol = request.protocol.unwrap_or(Protocol::STATIC);
        let before = there
            .and_then(|member| self.membership(key, member))
            .cloned();
        let (member, new) = self.set_member(request, key, there, mode, flags, protocol)?;
        let old = self.sources(key, member);
        let mut added = Vec::new();
        for source in &request.sources {
            if let Err(refused) = self.set_source(request, context, key, member, *source) {
                for source in added {
                    self.delete_source(key, member, source, false);
                }
                if let (Some(before), Some(membership)) = (before, self.membership_mut(key, member))
                {
                    (membership.mode, membership.flags) = (before.mode, before.flags);
                    membership.protocol = before.protocol;
                } else {
                    self.undo_member(key, member);
                }
                return Err(refused);
            }
            added.push(*source);
        }
        for source in old.into_iter().filter(|source| !added.contains(source)) {
            self.delete_source(key, member, source, false);
        }
        let excluding = mode == FilterMode::Exclude;
        self.set_group_timer(context, key, member, !flags.permanent && excluding);
        self.notify(false, key, Some(member));
        let family = key.group.family();
        let with_sources = family.is_some_and(|family| self.settings(context).with_sources(family));
        if with_sources && (excluding || !new) {
            self.follow_mode(key, member, mode);
        }
        Ok(())
    }

    /// Takes back a member that nobody was told of.
    fn undo_member(&mut self, key: GroupKey, member: Member) {
        let told = self.outputs.len();
        self.delete_member(key, member);
        self.outputs.truncate(told);
    }

    /// Gives a member a source, with its (S, G) entry.
    fn set_source(
        &mut self,
        request: &MdbRequest,
        context: u16,
        key: GroupKey,
        member: Member,
        source: IpAddr,
    ) -> Result<(), Refused> {
        let excluding = request.filter_mode == Some(FilterMode::Exclude);
        if self.has_source(key, member, source) {
            if !request.replace {
                return refuse(Errno::EEXIST, "Source entry already exists");
            }
        } else if !self.new_source(key, member, source) {
            return refuse(Errno::ENOSPC, "Failed to add new source entry");
        }
        let timer = Timer::Source(key, member, source);
        if excluding || request.permanent {
            self.timers.cancel(timer);
        } else {
            let until = self.now + self.settings(context).membership_interval;
            self.timers.arm(timer, until);
        }
        let specific = key.with_source(source);
        let flags = Flags {
            permanent: request.permanent,
            blocked: excluding,
            ..Flags::default()
        };
        let installed = self
            .ensure_group(specific)
            .or_else(Full::refused)
            .and_then(|()| {
                let of_port = |there: &&Member| there.port == member.port;
                let group = self.groups.get(&specific);
                let there = group.and_then(|group| group.members.keys().find(of_port).copied());
                let protocol = request.protocol.unwrap_or(Protocol::STATIC);
                self.set_specific(request, context, specific, there, flags, protocol, true)
            });
        self.prune(specific);
        if let Some(membership) = self.membership_mut(key, member) {
            match &installed {
                Ok(()) => {
                    let entry = Source {
                        installed: true,
                        user_added: true,
                        ..Source::default()
                    };
                    membership.sources.insert(source, entry);
                }
                Err(_) => {
                    membership.sources.remove(&source);
                    self.timers.cancel(timer);
                }
            }
        }
        installed
    }

    /// `bridge mdb del`. With VLAN 0 on a bridge that filters VLANs, in every one; what the last says counts.
    pub fn mdb_del(&mut self, now: Duration, request: &MdbRequest) -> Result<(), Refused> {
        self.advance(now);
        self.check(request)?;
        let missing = || {
            refuse(
                Errno::EINVAL,
                format!("{} is not in the database", request.key.group),
            )
        };
        let mut deleted = missing();
        for vid in self.vids(request) {
            let key = GroupKey { vid, ..request.key };
            let group = self.groups.get(&key);
            let member = group.and_then(|group| match request.port {
                None => group.host.then_some(None),
                Some(port) => group
                    .members
                    .keys()
                    .find(|member| member.port == port)
                    .map(|m| Some(*m)),
            });
            deleted = match member {
                None => missing(),
                Some(None) => {
                    self.host_leave(key, true);
                    Ok(())
                }
                Some(Some(member)) => {
                    self.delete_member(key, member);
                    Ok(())
                }
            };
        }
        deleted
    }

    /// `bridge mdb get`: all members of one entry.
    pub fn mdb_get(&mut self, now: Duration, key: GroupKey) -> Result<Vec<MdbEntry>, Refused> {
        self.advance(now);
        let Some(group) = self.groups.get(&key).filter(|_| self.enabled) else {
            return refuse(Errno::ENOENT, "MDB entry not found");
        };
        let members = group.members.keys().map(|member| Some(*member));
        let all = std::iter::once(None).chain(members);
        Ok(all.filter_map(|member| self.entry(key, member)).collect())
    }

    /// `bridge mdb flush`.
    pub fn mdb_flush(&mut self, now: Duration, filter: &MdbFilter) {
        self.advance(now);
        let MdbFilter {
            port,
            vid,
            permanent,
            protocol,
        } = *filter;
        let in_vlan = |key: &GroupKey| vid.is_none_or(|vid| vid == key.vid);
        let hosts: Vec<_> = self.groups.keys().copied().filter(in_vlan).collect();
        for key in hosts {
            let is_permanent = key.group.family().is_none();
            let own = port.is_none_or(|port| port.is_none()) && protocol.is_none();
            if own && permanent.is_none_or(|permanent| permanent == is_permanent) {
                self.host_leave(key, true);
            }
        }
        let all = self.groups.iter().flat_map(|(key, group)| {
            group
                .members
                .iter()
                .map(move |(member, membership)| (*key, *member, membership))
        });
        let found: Vec<_> = all
            .filter(|(key, member, membership)| {
                in_vlan(key)
                    && port.is_none_or(|port| port == Some(member.port))
                    && permanent.is_none_or(|permanent| permanent == membership.flags.permanent)
                    && protocol.is_none_or(|protocol| protocol == membership.protocol)
            })
            .map(|(key, member, _)| (key, member))
            .collect();
        for (key, member) in found {
            self.delete_member(key, member);
        }
    }
}

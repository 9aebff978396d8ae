//! Sources: each one in a (*, G) list has its (S, G) entry, which is what frames are forwarded by. A port in (*, G) in mode EXCLUDE
//! is in every (S, G) entry of the group too, unless it does not want that source: `added_by_star_ex`.

use std::net::IpAddr;

use super::group::Source;
use super::types::{FilterMode, Flags, GroupKey, Member};
use super::{SOURCES_MAX, Snooping, Timer};

impl Snooping {
    /// The sources of a member.
    pub(super) fn sources(&self, key: GroupKey, member: Member) -> Vec<IpAddr> {
        let membership = self.membership(key, member);
        membership.map_or(Vec::new(), |m| m.sources.keys().copied().collect())
    }

    pub(super) fn has_source(&self, key: GroupKey, member: Member, source: IpAddr) -> bool {
        let membership = self.membership(key, member);
        membership.is_some_and(|m| m.sources.contains_key(&source))
    }

    /// Adds a source; false if it cannot be one or there is no room.
    pub(super) fn new_source(&mut self, key: GroupKey, member: Member, source: IpAddr) -> bool {
        let Some(membership) = self.membership_mut(key, member) else {
            return false;
        };
        let room = membership.sources.len() < SOURCES_MAX;
        let good = !source.is_unspecified() && !source.is_multicast();
        if room && good {
            membership.sources.insert(source, Source::default());
        }
        room && good
    }

    /// Wants a source until a time, or, if that has passed, no longer.
    pub(super) fn want_source(
        &mut self,
        key: GroupKey,
        member: Member,
        source: IpAddr,
        until: std::time::Duration,
    ) {
        self.timers.arm(Timer::Source(key, member, source), until);
        self.follow_source(key, member, source);
    }

    /// Removes a source. Its (S, G) entry loses the port, or, if the port now wants the source like any other, keeps it as one that
    /// (*, G) added: other ports may still have the entry.
    pub(super) fn delete_source(
        &mut self,
        key: GroupKey,
        member: Member,
        source: IpAddr,
        fast_leave: bool,
    ) {
        self.uninstall_source(key, member, source, fast_leave);
        let mode = self.membership(key, member).map(|m| m.mode);
        let specific = key.with_source(source);
        if mode == Some(FilterMode::Exclude)
            && self.groups.contains_key(&specific)
            && let Some(vid) = self.context_of_entry(key.vid, member.port)
        {
            self.add_exclude_port(vid, specific, member);
        }
    }

    /// Removes a source and its (S, G) entry.
    pub(super) fn uninstall_source(
        &mut self,
        key: GroupKey,
        member: Member,
        source: IpAddr,
        fast_leave: bool,
    ) {
        self.timers.cancel(Timer::Source(key, member, source));
        let Some(membership) = self.membership_mut(key, member) else {
            return;
        };
        let Some(entry) = membership.sources.remove(&source) else {
            return;
        };
        let specific = key.with_source(source);
        let Some(there) = self.find_specific(specific, member) else {
            return;
        };
        if let Some(installed) = self.membership_mut(specific, there) {
            if installed.is_users() && !entry.user_added {
                return;
            }
            installed.flags.fast_leave |= fast_leave;
            self.delete_member(specific, there);
        }
    }

    /// Makes the (S, G) entry of a source.
    fn install_source(&mut self, key: GroupKey, member: Member, source: IpAddr) {
        let installed = self
            .membership(key, member)
            .and_then(|m| m.sources.get(&source));
        if installed.is_none_or(|source| source.installed) {
            return;
        }
        let Some(vid) = self.context_of_entry(key.vid, member.port) else {
            return;
        };
        let specific = key.with_source(source);
        let flags = Flags {
            blocked: !self.timers.pending(Timer::Source(key, member, source)),
            ..Flags::default()
        };
        let added = self.add_member(
            vid,
            Some(member.port),
            specific,
            member.host,
            FilterMode::Include,
            flags,
        );
        let Ok(Some(there)) = added else {
            return;
        };
        if let Some(entry) = self
            .membership_mut(key, member)
            .and_then(|m| m.sources.get_mut(&source))
        {
            entry.installed = true;
        }
        let Some(entry) = self.membership_mut(specific, there) else {
            return;
        };
        entry.flags.added_by_star_ex = false;
        if entry.is_users() {
            return;
        }
        // From now on the source's timer says when it goes.
        self.timers.cancel(Timer::Member(specific, there));
        self.add_exclude_ports(specific);
    }

    /// Makes the (S, G) entry of a source, and lets it be forwarded while the source's timer runs.
    pub(super) fn follow_source(&mut self, key: GroupKey, member: Member, source: IpAddr) {
        self.install_source(key, member, source);
        let wanted = self.timers.pending(Timer::Source(key, member, source));
        let specific = key.with_source(source);
        let Some(there) = self.find_specific(specific, member) else {
            return;
        };
        let Some(entry) = self.membership_mut(specific, there) else {
            return;
        };
        if !entry.flags.permanent && entry.flags.blocked == wanted {
            entry.flags.blocked = !wanted;
            self.notify(false, specific, Some(there));
        }
    }

    /// A source's timer has run out (RFC 3376, 6.3): in mode INCLUDE it goes, in mode EXCLUDE it is blocked.
    pub(super) fn source_expired(&mut self, key: GroupKey, member: Member, source: IpAddr) {
        match self.membership(key, member).map(|m| m.mode) {
            Some(FilterMode::Include) => {
                self.delete_source(key, member, source, false);
                if self.sources(key, member).is_empty() {
                    self.delete_member(key, member);
                }
            }
            Some(FilterMode::Exclude) => self.follow_source(key, member, source),
            None => {}
        }
    }

    /// A member of (*, G) has changed to this mode, or come or gone: the other members' (S, G) entries get it or lose it.
    pub(super) fn follow_mode(&mut self, key: GroupKey, member: Member, mode: FilterMode) {
        let Some(vid) = self.context_of_entry(key.vid, member.port) else {
            return;
        };
        let Some(group) = self.groups.get(&key) else {
            return;
        };
        let others = group.members.iter().filter(|(other, _)| **other != member);
        let lists = others.flat_map(|(_, other)| &other.sources);
        let sources: Vec<_> = lists
            .filter(|(_, source)| source.installed)
            .map(|(address, _)| key.with_source(*address))
            .collect();
        for specific in sources {
            match mode {
                FilterMode::Exclude => self.add_exclude_port(vid, specific, member),
                FilterMode::Include => {
                    let there = self.find_specific(specific, member);
                    let Some(there) = there else { continue };
                    let entry = self.membership(specific, there);
                    if entry.is_some_and(|e| e.flags.added_by_star_ex && !e.is_users()) {
                        self.delete_member(specific, there);
                    }
                }
            }
        }
    }

    fn add_exclude_port(&mut self, vid: u16, specific: GroupKey, member: Member) {
        if self.find_specific(specific, member).is_none() {
            let flags = Flags {
                added_by_star_ex: true,
                ..Flags::default()
            };
            // A full table or port is told where it was filled; the port then lacks this source.
            let _ = self.add_member(
                vid,
                Some(member.port),
                specific,
                member.host,
                FilterMode::Include,
                flags,
            );
        }
    }

    /// A new (S, G) entry gets all that (*, G) has in mode EXCLUDE, the bridge itself included.
    pub(super) fn add_exclude_ports(&mut self, specific: GroupKey) {
        let Some(star) = self.groups.get(&specific.without_source()) else {
            return;
        };
        let host = star.host;
        let excluding = star
            .members
            .iter()
            .filter(|(_, m)| m.mode == FilterMode::Exclude);
        let excluding: Vec<_> = excluding.map(|(member, _)| *member).collect();
        if let Some(group) = self.groups.get_mut(&specific).filter(|_| host) {
            group.host = true;
        }
        for member in excluding {
            if let Some(vid) = self.context_of_entry(specific.vid, member.port) {
                self.add_exclude_port(vid, specific, member);
            }
        }
    }

    /// An (S, G) entry that nobody asked for goes: (*, G) does as well. The user's members stay.
    pub(super) fn drop_exclude_ports(&mut self, specific: GroupKey) {
        let Some(group) = self.groups.get_mut(&specific) else {
            return;
        };
        let asked = |flags: &Flags| !flags.added_by_star_ex && !flags.permanent;
        if group.members.values().any(|member| asked(&member.flags)) {
            return;
        }
        group.host = false;
        let temporary = group.members.iter().filter(|(_, m)| !m.flags.permanent);
        let members: Vec<_> = temporary.map(|(member, _)| *member).collect();
        for member in members {
            self.delete_member(specific, member);
        }
    }
}

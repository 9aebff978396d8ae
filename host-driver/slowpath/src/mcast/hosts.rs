//! Explicit host tracking: behind a port with fast leave, which host wants which source. So a source, or a whole group, can go with
//! the last host that wanted it, without a query. Ports without fast leave keep nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::report::Report;
use super::types::{Family, FilterMode, GroupKey, Member};
use super::{SOURCES_MAX, Snooping, Timer};
use crate::wire::membership::RecordKind;

#[derive(Clone, Debug)]
struct Host {
    mode: FilterMode,
    /// The sets that it is in; the unspecified address stands for mode EXCLUDE.
    sets: BTreeSet<IpAddr>,
}

/// The hosts of one group behind one port.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    hosts: BTreeMap<IpAddr, Host>,
    /// Who wants, or in mode EXCLUDE does not want, a source.
    sets: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
}

impl Hosts {
    fn mode(&self, host: IpAddr) -> FilterMode {
        self.hosts
            .get(&host)
            .map_or(FilterMode::Include, |host| host.mode)
    }
}

impl Snooping {
    fn hosts(&mut self, key: GroupKey, member: Member) -> Option<&mut Hosts> {
        Some(&mut self.membership_mut(key, member)?.hosts)
    }

    fn in_set(&mut self, key: GroupKey, member: Member, source: IpAddr) -> bool {
        self.hosts(key, member)
            .is_some_and(|hosts| hosts.sets.contains_key(&source))
    }

    /// Notes that a host is in a source's set; the host's mode is set only when it is new.
    fn add_entry(&mut self, report: &Report, source: IpAddr, mode: FilterMode) {
        let Report {
            vid,
            key,
            member,
            host,
            ..
        } = *report;
        let until = self.now + self.settings(vid).membership_interval;
        let Some(port) = self.ports.get(&member.port) else {
            return;
        };
        let room = port.hosts < port.hosts_limit;
        let Some(hosts) = self.hosts(key, member) else {
            return;
        };
        let new = !hosts.hosts.contains_key(&host);
        if new && !room {
            return;
        }
        let entry = hosts.hosts.entry(host).or_insert(Host {
            mode,
            sets: BTreeSet::new(),
        });
        let listed = entry.sets.iter().filter(|set| !set.is_unspecified());
        let full = listed.count() >= SOURCES_MAX && !source.is_unspecified();
        if full && !entry.sets.contains(&source) {
            return;
        }
        entry.sets.insert(source);
        hosts.sets.entry(source).or_default().insert(host);
        if new && let Some(port) = self.ports.get_mut(&member.port) {
            port.hosts += 1;
        }
        let entry = Timer::HostEntry(key, member, source, host);
        self.timers.arm(entry, until);
        self.timers.arm(Timer::HostSet(key, member, source), until);
    }

    /// Takes a host out of a source's set; true if it was the last in it.
    fn remove_entry(
        &mut self,
        key: GroupKey,
        member: Member,
        source: IpAddr,
        host: IpAddr,
    ) -> bool {
        self.timers
            .cancel(Timer::HostEntry(key, member, source, host));
        let Some(hosts) = self.hosts(key, member) else {
            return false;
        };
        let Some(set) = hosts
            .sets
            .get_mut(&source)
            .filter(|set| set.contains(&host))
        else {
            return false;
        };
        set.remove(&host);
        let last = set.is_empty();
        if last {
            hosts.sets.remove(&source);
        }
        let mut gone = false;
        if let Some(entry) = hosts.hosts.get_mut(&host) {
            entry.sets.remove(&source);
            gone = entry.sets.is_empty();
        }
        if gone {
            hosts.hosts.remove(&host);
            if let Some(port) = self.ports.get_mut(&member.port) {
                port.hosts = port.hosts.saturating_sub(1);
            }
        }
        if last {
            self.timers.cancel(Timer::HostSet(key, member, source));
        }
        last
    }

    pub(super) fn host_entry_expired(
        &mut self,
        key: GroupKey,
        member: Member,
        source: IpAddr,
        host: IpAddr,
    ) {
        self.remove_entry(key, member, source, host);
        let entry = self
            .hosts(key, member)
            .and_then(|hosts| hosts.hosts.get_mut(&host));
        if let Some(entry) = entry.filter(|_| source.is_unspecified()) {
            entry.mode = FilterMode::Include;
        }
    }

    pub(super) fn host_set_expired(&mut self, key: GroupKey, member: Member, source: IpAddr) {
        let set = self
            .hosts(key, member)
            .and_then(|hosts| hosts.sets.get(&source));
        for host in set.cloned().unwrap_or_default() {
            self.remove_entry(key, member, source, host);
        }
    }

    /// Forgets everything about a member's hosts.
    pub(super) fn forget_hosts(&mut self, key: GroupKey, member: Member) {
        let sets = self.hosts(key, member).map(|hosts| hosts.sets.clone());
        for (source, hosts) in sets.unwrap_or_default() {
            for host in hosts {
                self.remove_entry(key, member, source, host);
            }
        }
    }

    /// Whether nobody is left behind a port with fast leave.
    pub(super) fn all_hosts_left(&self, key: GroupKey, member: Member) -> bool {
        let tracked = self
            .ports
            .get(&member.port)
            .is_some_and(|port| port.fast_leave);
        let membership = self.membership(key, member);
        tracked && membership.is_some_and(|m| m.hosts.hosts.is_empty())
    }

    /// Follows a report; `asked` are the sources that hosts are being asked for. True if a source has gone.
    pub(super) fn track_host(&mut self, report: &Report, asked: &BTreeSet<IpAddr>) -> bool {
        use FilterMode::{Exclude, Include};
        let tracked = self.ports.get(&report.member.port);
        if !tracked.is_some_and(|port| port.fast_leave) {
            return false;
        }
        let mode = match self.hosts(report.key, report.member) {
            Some(hosts) => hosts.mode(report.host),
            None => return false,
        };
        match (report.kind, mode) {
            (RecordKind::Allow, Include) | (RecordKind::Block, Exclude) => {
                for source in report.sources.iter().filter(|s| !s.is_unspecified()) {
                    self.add_entry(report, *source, mode);
                }
                false
            }
            // A host in mode EXCLUDE answers a query for sources with IS_IN (RFC 3376, 5.2): its mode stays.
            (RecordKind::Allow | RecordKind::IsInclude, Exclude) | (RecordKind::Block, Include) => {
                let gone = self.remove_wishes(report);
                // What a host in mode EXCLUDE no longer blocks has changed nothing for the port.
                gone && report.kind == RecordKind::Block
            }
            (RecordKind::IsInclude | RecordKind::ToInclude, _) => {
                self.replace_wishes(report, mode, Include, asked)
            }
            (RecordKind::IsExclude | RecordKind::ToExclude, _) => {
                self.replace_wishes(report, mode, Exclude, asked)
            }
            (RecordKind::Unknown(_), _) => false,
        }
    }

    fn remove_wishes(&mut self, report: &Report) -> bool {
        let (key, member) = (report.key, report.member);
        let mut changed = false;
        for source in report.sources {
            if self.remove_entry(key, member, *source, report.host)
                && self.has_source(key, member, *source)
            {
                self.delete_source(key, member, *source, true);
                changed = true;
            }
        }
        changed
    }

    fn replace_wishes(
        &mut self,
        report: &Report,
        old: FilterMode,
        mode: FilterMode,
        asked: &BTreeSet<IpAddr>,
    ) -> bool {
        let (key, member, host) = (report.key, report.member, report.host);
        let to_report = matches!(report.kind, RecordKind::ToInclude | RecordKind::ToExclude);
        let anew = to_report || old != mode;
        let mut changed = false;
        if anew {
            let entry = self
                .hosts(key, member)
                .and_then(|hosts| hosts.hosts.get(&host));
            let sets = entry.map(|entry| entry.sets.clone()).unwrap_or_default();
            for source in sets {
                self.remove_entry(key, member, source, host);
            }
        }
        for source in report.sources.iter().filter(|s| !s.is_unspecified()) {
            self.add_entry(report, *source, mode);
        }
        if anew {
            for source in self.sources(key, member) {
                if !self.in_set(key, member, source) {
                    self.delete_source(key, member, source, true);
                    changed = true;
                } else if to_report && mode == FilterMode::Include && asked.contains(&source) {
                    // Who does not answer is forgotten together with the source.
                    let until = self.now + self.settings(report.vid).last_member_time();
                    self.timers.arm(Timer::HostSet(key, member, source), until);
                }
            }
        }
        if let Some(entry) = self
            .hosts(key, member)
            .and_then(|hosts| hosts.hosts.get_mut(&host))
        {
            entry.mode = mode;
        }
        let excluding = Family::of(host).unspecified();
        match mode {
            FilterMode::Include => {
                self.remove_entry(key, member, excluding, host);
            }
            FilterMode::Exclude => self.add_entry(report, excluding, mode),
        }
        changed
    }
}

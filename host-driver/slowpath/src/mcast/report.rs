//! What reports and leaves do: the tables of RFC 3376, 6.4 (RFC 3810, 7.4 is the same), and the older versions.
//!
//! In the comments (X,Y) is a list in mode EXCLUDE: X is wanted until its timers run out, Y is blocked; A*B is in both, A-B in A only.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::group::{Full, Membership};
use super::types::{Family, FilterMode, Flags, GroupKey, Member, PortId};
use super::{Snooping, Timer, snooped};
use crate::MacAddr;
use crate::wire::membership::RecordKind;

/// A record of a report, to a member that is there.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    pub vid: u16,
    pub key: GroupKey,
    pub member: Member,
    /// Who reports.
    pub host: IpAddr,
    pub kind: RecordKind,
    pub sources: &'a [IpAddr],
}

/// Where a report came from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// The context.
    pub context: u16,
    /// The VLAN of the frame.
    pub vid: u16,
    /// None: the bridge itself.
    pub port: Option<PortId>,
    pub mac: MacAddr,
    pub address: IpAddr,
}

impl Snooping {
    /// A report of IGMPv1, IGMPv2 or MLDv1, or one that is taken for such.
    pub(super) fn report_group(
        &mut self,
        from: &Origin,
        group: IpAddr,
        v1: bool,
    ) -> Result<(), Full> {
        if !snooped(group) {
            return Ok(());
        }
        let key = GroupKey::star(from.vid, group);
        let until = self.now + self.settings(from.context).membership_interval;
        if self.counts_sources(from, group) {
            self.report_record(from, RecordKind::IsExclude, group, &[])?;
        } else {
            let mode = FilterMode::Exclude;
            let flags = Flags::default();
            let member = self.add_member(from.context, from.port, key, from.mac, mode, flags)?;
            if let Some(member) = member {
                self.timers.arm(Timer::Member(key, member), until);
            }
        }
        let member = from
            .port
            .and_then(|port| self.find_member(key, port, from.mac));
        if let Some(member) = member.filter(|_| v1) {
            self.timers.arm(Timer::V1Host(key, member), until);
        }
        Ok(())
    }

    /// Whether sources count for who reports; they do not for the bridge itself.
    fn counts_sources(&self, from: &Origin, group: IpAddr) -> bool {
        let settings = self.settings(from.context);
        from.port.is_some() && settings.with_sources(Family::of(group))
    }

    /// A record of IGMPv3 or MLDv2.
    pub(super) fn report_record(
        &mut self,
        from: &Origin,
        kind: RecordKind,
        group: IpAddr,
        sources: &[IpAddr],
    ) -> Result<(), Full> {
        use RecordKind::{IsInclude, ToInclude, Unknown};
        if matches!(kind, Unknown(_)) {
            return Ok(());
        }
        let nothing = sources.is_empty() && matches!(kind, IsInclude | ToInclude);
        if !self.counts_sources(from, group) {
            match nothing {
                true => self.leave_group(from, group)?,
                false => self.report_group(from, group, false)?,
            }
            return Ok(());
        }
        let Some(port) = from.port.filter(|_| snooped(group)) else {
            return Ok(());
        };
        let key = GroupKey::star(from.vid, group);
        if !nothing {
            let mode = FilterMode::Include;
            self.add_member(
                from.context,
                Some(port),
                key,
                from.mac,
                mode,
                Flags::default(),
            )?;
        }
        if !self.in_use(from.context, Some(port)) {
            return Ok(());
        }
        let Some(member) = self.find_member(key, port, from.mac) else {
            return Ok(());
        };
        if self
            .membership(key, member)
            .is_none_or(|m| m.flags.permanent)
        {
            return Ok(());
        }
        let report = Report {
            vid: from.context,
            key,
            member,
            host: from.address,
            kind,
            sources,
        };
        if self.merge(&report) && self.membership(key, member).is_some() {
            self.notify(false, key, Some(member));
        }
        Ok(())
    }

    /// Merges a record into what is known; true if that changed.
    fn merge(&mut self, report: &Report) -> bool {
        use FilterMode::{Exclude, Include};
        use RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude, Unknown};
        let (key, member) = (report.key, report.member);
        let Some(mode) = self.membership(key, member).map(|m| m.mode) else {
            return false;
        };
        let v1 = self.timers.pending(Timer::V1Host(key, member));
        if v1 && matches!(report.kind, ToInclude | Block) {
            return false;
        }
        let (changed, ends) = match (report.kind, mode) {
            (IsInclude | Allow, _) => (self.allow(report), false),
            (IsExclude | ToExclude, Include) => (self.exclude_from_include(report), false),
            (IsExclude | ToExclude, Exclude) => (self.exclude_from_exclude(report), false),
            (ToInclude, _) => (self.include(report, mode), true),
            (Block, Include) => (self.block_in_include(report), true),
            (Block, Exclude) => (self.block_in_exclude(report), true),
            (Unknown(_), _) => (false, false),
        };
        if matches!(report.kind, IsExclude | ToExclude) {
            if mode == Include {
                self.follow_mode(key, member, Exclude);
            }
            if let Some(membership) = self.membership_mut(key, member) {
                membership.mode = Exclude;
            }
            let until = self.now + self.settings(report.vid).membership_interval;
            self.timers.arm(Timer::Member(key, member), until);
        }
        let left = ends && self.all_hosts_left(key, member);
        if let Some(membership) = self.membership_mut(key, member).filter(|_| left) {
            membership.flags.fast_leave = true;
        }
        // Also where none of the sources could be taken.
        let nothing = |m: &Membership| m.mode == Include && m.sources.is_empty();
        if left || self.membership(key, member).is_some_and(nothing) {
            self.delete_member(key, member);
            return false;
        }
        changed || (matches!(report.kind, IsExclude | ToExclude) && mode == Include)
    }

    fn until_gmi(&self, report: &Report) -> std::time::Duration {
        self.now + self.settings(report.vid).membership_interval
    }

    /// When the group timer runs out; sources that are blocked from then on get this (RFC 3376, 6.4.2: "= Group Timer").
    fn until_group_timer(&self, report: &Report) -> std::time::Duration {
        let timer = Timer::Member(report.key, report.member);
        self.timers.deadline(timer).unwrap_or(self.now)
    }

    fn wanted(&self, report: &Report, source: IpAddr) -> bool {
        self.timers
            .pending(Timer::Source(report.key, report.member, source))
    }

    /// INCLUDE (A), IS_IN or ALLOW (B): INCLUDE (A+B), (B)=GMI. EXCLUDE (X,Y), the same (A): EXCLUDE (X+A,Y-A), (A)=GMI.
    fn allow(&mut self, report: &Report) -> bool {
        let changed = self.want_all(report, &mut BTreeSet::new());
        self.track_host(report, &BTreeSet::new()) || changed
    }

    /// (B)=GMI for all sources of the report, which leave `asked` if they were wanted before; true if one is new.
    fn want_all(&mut self, report: &Report, asked: &mut BTreeSet<IpAddr>) -> bool {
        let (key, member) = (report.key, report.member);
        let mut changed = false;
        for source in report.sources {
            asked.remove(source);
            if !self.has_source(key, member, *source) {
                if !self.new_source(key, member, *source) {
                    continue;
                }
                changed = true;
            }
            self.want_source(key, member, *source, self.until_gmi(report));
        }
        changed
    }

    /// INCLUDE (A), IS_EX or TO_EX (B): EXCLUDE (A*B,B-A), (B-A)=0, delete (A-B); TO_EX: send Q(G,A*B).
    fn exclude_from_include(&mut self, report: &Report) -> bool {
        let (key, member) = (report.key, report.member);
        let mut gone: BTreeSet<_> = self.sources(key, member).into_iter().collect();
        let mut asked = BTreeSet::new();
        for source in report.sources {
            if gone.remove(source) {
                asked.insert(*source);
            }
            let there = self.has_source(key, member, *source);
            if there || self.new_source(key, member, *source) {
                self.follow_source(key, member, *source);
            }
        }
        self.track_host(report, &asked);
        self.delete_sources(report, gone);
        if report.kind == RecordKind::ToExclude {
            self.ask_for_sources(report, asked);
        }
        true
    }

    /// EXCLUDE (X,Y), IS_EX (A): EXCLUDE (A-Y,Y*A), (A-X-Y)=GMI, delete (X-A) and (Y-A). TO_EX (A): (A-X-Y)=Group Timer, and
    /// send Q(G,A-Y).
    fn exclude_from_exclude(&mut self, report: &Report) -> bool {
        let (key, member) = (report.key, report.member);
        let to_exclude = report.kind == RecordKind::ToExclude;
        let mut gone: BTreeSet<_> = self.sources(key, member).into_iter().collect();
        let mut asked = BTreeSet::new();
        let mut changed = false;
        let until = match to_exclude {
            true => self.until_group_timer(report),
            false => self.until_gmi(report),
        };
        for source in report.sources {
            gone.remove(source);
            if !self.has_source(key, member, *source) && self.new_source(key, member, *source) {
                self.want_source(key, member, *source, until);
                changed = true;
            }
            if self.wanted(report, *source) {
                asked.insert(*source);
            }
        }
        changed |= self.track_host(report, &asked);
        changed |= self.delete_sources(report, gone);
        if to_exclude {
            self.ask_for_sources(report, asked);
        }
        changed
    }

    /// INCLUDE (A), TO_IN (B): INCLUDE (A+B), (B)=GMI, send Q(G,A-B). EXCLUDE (X,Y), TO_IN (A): EXCLUDE (X+A,Y-A), (A)=GMI, send
    /// Q(G,X-A) and Q(G).
    fn include(&mut self, report: &Report, mode: FilterMode) -> bool {
        let (key, member) = (report.key, report.member);
        let excluding = mode == FilterMode::Exclude;
        let sources = self.sources(key, member).into_iter();
        let mut asked = sources
            .filter(|source| !excluding || self.wanted(report, *source))
            .collect();
        let mut changed = self.want_all(report, &mut asked);
        changed |= self.track_host(report, &asked);
        self.ask_for_sources(report, asked);
        if excluding {
            self.ask_for_group(report);
        }
        changed
    }

    /// INCLUDE (A), BLOCK (B): INCLUDE (A), send Q(G,A*B).
    fn block_in_include(&mut self, report: &Report) -> bool {
        let sources = report.sources.iter().copied();
        let asked = sources
            .filter(|source| self.has_source(report.key, report.member, *source))
            .collect();
        let changed = self.track_host(report, &asked);
        self.ask_for_sources(report, asked);
        changed
    }

    /// EXCLUDE (X,Y), BLOCK (A): EXCLUDE (X+(A-Y),Y), (A-X-Y)=Group Timer, send Q(G,A-Y).
    fn block_in_exclude(&mut self, report: &Report) -> bool {
        let (key, member) = (report.key, report.member);
        let mut asked = BTreeSet::new();
        let mut changed = false;
        for source in report.sources {
            if !self.has_source(key, member, *source) && self.new_source(key, member, *source) {
                let until = self.until_group_timer(report);
                self.want_source(key, member, *source, until);
                changed = true;
            }
            if self.wanted(report, *source) {
                asked.insert(*source);
            }
        }
        changed |= self.track_host(report, &asked);
        self.ask_for_sources(report, asked);
        changed
    }

    fn delete_sources(&mut self, report: &Report, sources: BTreeSet<IpAddr>) -> bool {
        let (key, member) = (report.key, report.member);
        let mut deleted = false;
        for source in sources {
            if self.has_source(key, member, source) {
                self.delete_source(key, member, source, false);
                deleted = true;
            }
        }
        deleted
    }

    /// A leave of IGMPv2, a done of MLDv1, or a report that is taken for such.
    pub(super) fn leave_group(&mut self, from: &Origin, group: IpAddr) -> Result<(), Full> {
        if self.counts_sources(from, group) {
            return self.report_record(from, RecordKind::ToInclude, group, &[]);
        }
        let key = GroupKey::star(from.vid, group);
        let in_use = self.in_use(from.context, from.port);
        if snooped(group) && in_use && self.groups.contains_key(&key) {
            self.leave(from, key, group);
        }
        Ok(())
    }

    fn leave(&mut self, from: &Origin, key: GroupKey, group: IpAddr) {
        let member = from
            .port
            .and_then(|port| self.find_member(key, port, from.mac));
        let v1 = member.is_some_and(|member| self.timers.pending(Timer::V1Host(key, member)));
        if v1 {
            return;
        }
        let fast = from
            .port
            .and_then(|port| self.ports.get(&port))
            .is_some_and(|port| port.fast_leave);
        if fast {
            if let Some(member) = member
                && let Some(membership) = self.membership_mut(key, member)
                && !membership.flags.permanent
            {
                membership.flags.fast_leave = true;
                self.delete_member(key, member);
            }
            return;
        }
        let family = Family::of(group);
        if self
            .timers
            .pending(Timer::OtherQuerier(from.context, family))
        {
            return;
        }
        let settings = self.settings(from.context);
        let until = self.now + settings.last_member_time();
        if settings.querier {
            self.send_query(from.context, from.port, family, Some((group, &[], false)));
            // As Linux: everybody is asked when the group has had its time.
            self.timers.arm(
                match from.port {
                    Some(port) => Timer::PortQuery(from.context, port, family),
                    None => Timer::OwnQuery(from.context, family),
                },
                until,
            );
        }
        match (from.port, member) {
            (None, _) if self.groups[&key].host => {
                self.timers.arm_no_later(Timer::Host(key), until)
            }
            (Some(_), Some(member)) => self.timers.arm_no_later(Timer::Member(key, member), until),
            _ => {}
        }
    }
}

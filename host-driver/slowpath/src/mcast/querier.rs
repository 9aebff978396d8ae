//! Queries: the bridge's own, those of others and who of them is the querier (RFC 2236, 3; RFC 3376, 6.6).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::context::Querier;
use super::query::{Asked, Heard};
use super::report::Report;
use super::types::{Family, FilterMode, GroupAddress, GroupKey, Member, Pdu, PortId};
use super::{Output, Snooping, Timer};

impl Snooping {
    /// Whether the bridge may send queries of its own: it is asked to, and nobody else does.
    pub(super) fn is_querier(&self, vid: u16, family: Family) -> bool {
        self.running
            && self.enabled
            && self.settings(vid).querier
            && !self.timers.pending(Timer::OtherQuerier(vid, family))
    }

    /// Whether somebody makes the hosts report, so that what is not in the database is not wanted. Not at once after the first query:
    /// the hosts take time to answer.
    pub(super) fn querier_exists(&self, vid: u16, family: Family) -> bool {
        let own = self.settings(vid).querier && (family == Family::V4 || self.has_ipv6);
        !self.timers.pending(Timer::QueryDelay(vid, family))
            && (own || self.timers.pending(Timer::OtherQuerier(vid, family)))
    }

    /// The bridge's own queries to itself start.
    pub(super) fn open_query(&mut self, vid: u16, family: Family) {
        if let Some(context) = self.contexts.get_mut(&vid) {
            context.startup_sent[family] = 0;
            if self.enabled {
                self.timers.arm(Timer::OwnQuery(vid, family), self.now);
            }
        }
    }

    /// Its queries to a port start.
    pub(super) fn start_port_queries(&mut self, vid: u16, port: PortId, family: Family) {
        if let Some(context) = self.port_context_mut(vid, port) {
            context.startup_sent[family] = 0;
            self.timers
                .arm(Timer::PortQuery(vid, port, family), self.now);
        }
    }

    /// Its queries start everywhere.
    pub(super) fn start_querier(&mut self, vid: u16, family: Family) {
        if !self.is_current(vid) {
            return;
        }
        self.open_query(vid, family);
        let ports: Vec<_> = self.ports.keys().copied().collect();
        for port in ports {
            if self.may_query(vid, port) {
                self.start_port_queries(vid, port, family);
            }
        }
    }

    /// Whether contexts of this kind, the bridge's or the VLANs', are the ones in use.
    fn is_current(&self, vid: u16) -> bool {
        (vid != 0) == self.vlan_snooping
    }

    /// It is time for a general query.
    pub(super) fn own_query_expired(&mut self, vid: u16, port: Option<PortId>, family: Family) {
        let may = match port {
            None => {
                vid == 0
                    || self
                        .contexts
                        .get(&vid)
                        .is_some_and(|context| context.active)
            }
            Some(port) => self.may_query(vid, port),
        };
        if !may {
            return;
        }
        let settings = self.settings(vid);
        let startup = settings.startup_query_count;
        let intervals = (settings.startup_query_interval, settings.query_interval);
        let sent = match port {
            None => self
                .contexts
                .get_mut(&vid)
                .map(|c| &mut c.startup_sent[family]),
            Some(port) => self
                .port_context_mut(vid, port)
                .map(|c| &mut c.startup_sent[family]),
        };
        let Some(sent) = sent else { return };
        *sent = startup.min(*sent + 1);
        let starting = *sent < startup;
        if !self.in_use(vid, port) || !self.is_querier(vid, family) {
            return;
        }
        if port.is_none()
            && let Some(context) = self.contexts.get_mut(&vid)
            && context.querier[family].port.is_some()
        {
            context.querier[family] = Querier::default();
        }
        self.send_query(vid, port, family, None);
        let timer = match port {
            None => Timer::OwnQuery(vid, family),
            Some(port) => Timer::PortQuery(vid, port, family),
        };
        let interval = if starting { intervals.0 } else { intervals.1 };
        self.timers.arm(timer, self.now + interval);
    }

    /// The other querier has fallen silent.
    pub(super) fn other_querier_expired(&mut self, vid: u16, family: Family) {
        let wanted = self
            .contexts
            .get(&vid)
            .is_some_and(|context| context.wanted);
        if self.running && self.enabled && wanted {
            self.start_querier(vid, family);
        }
    }

    /// Sends a query: general, for a group, or for sources of a group.
    pub(super) fn send_query(
        &mut self,
        vid: u16,
        port: Option<PortId>,
        family: Family,
        asked: Option<Asked>,
    ) {
        if !self.in_use(vid, port) || !self.is_current(vid) {
            return;
        }
        let (source, destination, packet) = match family {
            Family::V4 => {
                let address = self.addresses.ipv4.filter(|_| self.query_use_ifaddr);
                let source = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
                let query = self.settings(vid).igmp_query(source, asked);
                (query.source.into(), query.destination.into(), query.emit())
            }
            Family::V6 => {
                let address = self.addresses.link_local;
                self.has_ipv6 = address.is_some();
                let Some(address) = address else {
                    return;
                };
                let query = self.settings(vid).mld_query(address, asked);
                (query.source.into(), query.destination.into(), query.emit())
            }
        };
        let ethertype: [u8; 2] = match family {
            Family::V4 => [0x08, 0x00],
            Family::V6 => [0x86, 0xdd],
        };
        let destination = GroupAddress::Ip(destination).mac();
        let frame = [
            &destination.0[..],
            &self.addresses.mac.0,
            &ethertype,
            &packet,
        ]
        .concat();
        if frame.len() > self.mtu {
            return;
        }
        let pdu = match (family, self.settings(vid).with_sources(family)) {
            (Family::V4, false) => Pdu::IgmpV2Query,
            (Family::V4, true) => Pdu::IgmpV3Query,
            (Family::V6, false) => Pdu::MldV1Query,
            (Family::V6, true) => Pdu::MldV2Query,
        };
        match port {
            Some(_) => self.count(port, |stats| stats.of(pdu).tx += 1),
            None => {
                // What the bridge sends to itself, it has received; and it is its own querier.
                self.count(None, |stats| stats.of(pdu).rx += 1);
                if let Some(context) = self.contexts.get_mut(&vid) {
                    context.querier[family].address = Some(source);
                }
            }
        }
        self.outputs.push(Output::Send { port, vid, frame });
    }

    /// Nobody may want some sources any more: they go after the last member time, and the port is asked for them.
    pub(super) fn ask_for_sources(&mut self, report: &Report, sources: BTreeSet<IpAddr>) {
        let Report {
            vid, key, member, ..
        } = *report;
        if sources.is_empty() || !self.running || !self.enabled {
            return;
        }
        let Some(family) = key.group.family() else {
            return;
        };
        let settings = self.settings(vid);
        let until = self.now + settings.last_member_time();
        let again = self.now + settings.repeat_interval();
        let count = settings.last_member_count;
        let asks = self.is_querier(vid, family);
        for source in sources {
            let deadline = self.timers.deadline(Timer::Source(key, member, source));
            if deadline.is_some_and(|deadline| deadline > until) {
                let entry = self
                    .membership_mut(key, member)
                    .and_then(|m| m.sources.get_mut(&source));
                if let Some(entry) = entry.filter(|_| asks) {
                    entry.queries_left = count;
                }
                self.want_source(key, member, source, until);
            }
        }
        if asks && self.send_source_queries(vid, key, member) {
            self.timers.arm_no_later(Timer::Rexmit(key, member), again);
        }
    }

    /// Nobody may want a group any more: it goes after the last member time, and the port is asked for it.
    pub(super) fn ask_for_group(&mut self, report: &Report) {
        let Report {
            vid, key, member, ..
        } = *report;
        if !self.running || !self.enabled {
            return;
        }
        let Some(family) = key.group.family() else {
            return;
        };
        let settings = self.settings(vid);
        let until = self.now + settings.last_member_time();
        let again = self.now + settings.repeat_interval();
        let left = settings.last_member_count.saturating_sub(1);
        let excluding = |snooping: &Self| {
            snooping
                .membership(key, member)
                .is_some_and(|m| m.mode == FilterMode::Exclude)
        };
        if excluding(self) {
            self.timers.arm_no_later(Timer::Member(key, member), until);
        }
        if self.is_querier(vid, family) {
            self.send_group_query(vid, key, member);
            if let Some(membership) = self.membership_mut(key, member) {
                membership.queries_left = left;
            }
            if left > 0 {
                self.timers.arm_no_later(Timer::Rexmit(key, member), again);
            }
        }
    }

    fn send_group_query(&mut self, vid: u16, key: GroupKey, member: Member) {
        let GroupAddress::Ip(group) = key.group else {
            return;
        };
        let until = self.now + self.settings(vid).last_member_time();
        let deadline = self.timers.deadline(Timer::Member(key, member));
        let refreshed = deadline.is_some_and(|deadline| deadline > until);
        let asked = Some((group, &[][..], refreshed));
        self.send_query(vid, Some(member.port), Family::of(group), asked);
    }

    /// Asks for the sources that still have queries to come: those that have been reported meanwhile in one with the S flag, the
    /// others in one without (RFC 3376, 6.6.3.2). True if more are to come.
    fn send_source_queries(&mut self, vid: u16, key: GroupKey, member: Member) -> bool {
        let GroupAddress::Ip(group) = key.group else {
            return false;
        };
        let until = self.now + self.settings(vid).last_member_time();
        let Some(membership) = self.membership_mut(key, member) else {
            return false;
        };
        let mut due = Vec::new();
        let mut more = false;
        for (address, source) in &mut membership.sources {
            if source.queries_left > 0 {
                source.queries_left -= 1;
                more |= source.queries_left > 0;
                due.push(*address);
            }
        }
        let refreshed = |source: &IpAddr| {
            let deadline = self.timers.deadline(Timer::Source(key, member, *source));
            deadline.is_some_and(|deadline| deadline > until)
        };
        let (with, without): (Vec<_>, Vec<_>) = due.into_iter().partition(refreshed);
        for (sources, suppress) in [(with, true), (without, false)] {
            if !sources.is_empty() {
                let asked = Some((group, &sources[..], suppress));
                self.send_query(vid, Some(member.port), Family::of(group), asked);
            }
        }
        more
    }

    /// Specific queries are sent again.
    pub(super) fn repeat_queries(&mut self, key: GroupKey, member: Member) {
        let vid = self.context_of_entry(key.vid, member.port);
        let (Some(vid), Some(family)) = (vid, key.group.family()) else {
            return;
        };
        let Some(membership) = self.membership_mut(key, member) else {
            return;
        };
        let left = membership.queries_left;
        membership.queries_left = left.saturating_sub(1);
        if !self.is_querier(vid, family) {
            return;
        }
        if left > 0 {
            self.send_group_query(vid, key, member);
        }
        if self.send_source_queries(vid, key, member) || left > 1 {
            let again = self.now + self.settings(vid).repeat_interval();
            self.timers.arm(Timer::Rexmit(key, member), again);
        }
    }

    /// Somebody else's query.
    pub(super) fn query_heard(
        &mut self,
        vid: u16,
        port: Option<PortId>,
        frame_vid: u16,
        heard: &Heard,
    ) {
        let family = Family::of(heard.source);
        if !self.in_use(vid, port) || !heard.sources.is_empty() {
            return;
        }
        let Some(group) = heard.group else {
            if self.elect(vid, port, heard.source) {
                self.other_querier(vid, family, heard.response);
                self.mark_router(vid, port, family);
            }
            return;
        };
        let settings = self.settings(vid);
        let with_sources = settings.with_sources(family);
        if with_sources && heard.suppress {
            return;
        }
        // Another querier asks: this group has its last member time here too.
        let until = self.now + heard.response.saturating_mul(settings.last_member_count);
        let key = GroupKey::star(frame_vid, group);
        let Some(entry) = self.groups.get(&key) else {
            return;
        };
        if entry.host {
            self.timers.arm_no_later(Timer::Host(key), until);
        }
        for (member, membership) in &entry.members {
            let timer = Timer::Member(key, *member);
            let timed = self.timers.pending(timer)
                || !with_sources
                || membership.mode == FilterMode::Exclude;
            if timed {
                self.timers.arm_no_later(timer, until);
            }
        }
    }

    /// Whether a query makes its sender the querier: the lowest address, or any when there is none.
    fn elect(&mut self, vid: u16, port: Option<PortId>, source: IpAddr) -> bool {
        let family = Family::of(source);
        let alone = !self.timers.pending(Timer::OtherQuerier(vid, family))
            && !self.timers.pending(Timer::OwnQuery(vid, family));
        let Some(context) = self.contexts.get_mut(&vid) else {
            return false;
        };
        let querier = &mut context.querier[family];
        let known = querier.address.filter(|address| !address.is_unspecified());
        // An own IPv4 query without an address loses to every other.
        let wins = alone || known.map_or(family == Family::V4, |known| source <= known);
        if wins {
            *querier = Querier {
                address: Some(source),
                port,
            };
        }
        wins
    }

    fn other_querier(&mut self, vid: u16, family: Family, response: Duration) {
        let timer = Timer::OtherQuerier(vid, family);
        if !self.timers.pending(timer) {
            self.timers
                .arm(Timer::QueryDelay(vid, family), self.now + response);
        }
        let until = self.now + self.settings(vid).querier_interval;
        self.timers.arm(timer, until);
    }
}

//! All timers of the snooping machine in one place: armed, cancelled and asked by name, popped in the order of their deadlines.
//! Each operation costs a logarithm of the number armed.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::types::{Family, GroupKey, Member, PortId};

/// What a timer is for. Contexts are named by their VLAN, 0 for the bridge's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The bridge itself leaves a group.
    Host(GroupKey),
    /// The group timer of a member (RFC 3376, 6.2.2).
    Member(GroupKey, Member),
    /// The source timer of a member's source (RFC 3376, 6.2.3).
    Source(GroupKey, Member, IpAddr),
    /// A host of IGMPv1 is no longer believed in, which says nothing when it leaves (RFC 3376, 7.3.2).
    V1Host(GroupKey, Member),
    /// Group-specific queries are sent again.
    Rexmit(GroupKey, Member),
    /// What is known of a source's hosts is forgotten.
    HostSet(GroupKey, Member, IpAddr),
    /// What is known of one host (the second address) and a source is forgotten.
    HostEntry(GroupKey, Member, IpAddr, IpAddr),
    /// The bridge's next general query, to itself.
    OwnQuery(u16, Family),
    /// The next general query to a port.
    PortQuery(u16, PortId, Family),
    /// Another querier has fallen silent.
    OtherQuerier(u16, Family),
    /// The hosts have answered the first query of a querier.
    QueryDelay(u16, Family),
    /// The bridge itself is no longer taken for a router.
    BridgeRouter(u16, Family),
    /// A port is no longer taken for a router's.
    PortRouter(u16, PortId, Family),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: HashMap<Timer, Duration>,
    order: BTreeSet<(Duration, Timer)>,
}

impl Timers {
    /// Sets a timer, whether it was set or not.
    pub fn arm(&mut self, timer: Timer, at: Duration) {
        self.cancel(timer);
        self.deadlines.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// Sets a timer that is not set or would go off later.
    pub fn arm_no_later(&mut self, timer: Timer, at: Duration) {
        if self.deadline(timer).is_none_or(|old| old > at) {
            self.arm(timer, at);
        }
    }

    pub fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.deadlines.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    pub fn pending(&self, timer: Timer) -> bool {
        self.deadlines.contains_key(&timer)
    }

    pub fn deadline(&self, timer: Timer) -> Option<Duration> {
        self.deadlines.get(&timer).copied()
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub fn pop(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let (at, timer) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some((at, timer))
    }
}

//! Multicast snooping of a bridge: which ports want which group, as Linux 6.12's bridge has it.
//!
//! [`Snooping`] hears every multicast frame that the bridge takes ([`Snooping::receive`]) and says where it goes. IGMPv1 to 3 and
//! MLDv1 and 2 reports become entries of the multicast database: (*, G) with a filter mode and a source list per port, merged by the
//! tables of RFC 3376, 6.4, and (S, G) for what those lists mean to forwarding. Queries, PIM hellos and router advertisements tell
//! which ports routers are on. Where `mcast_querier` is on, it sends queries itself while no other querier is there.
//!
//! - Time is what the caller says. Each call with `now` first does what was due by then; [`Snooping::next_deadline`] says when to
//!   call [`Snooping::advance`] at the latest.
//! - What is to be sent, told or offloaded comes from [`Snooping::take_outputs`]; the hardware's tables from [`Snooping::plan`] and
//!   [`Plan::changes_from`].
//! - Cost: a report or a timer takes time logarithmic in the number of entries for each record and source; memory is a few hundred
//!   bytes for each member of a group.
//! - Limits: 32 sources of a group on a port (PG_SRC_ENT_LIMIT), `mcast_hash_max` entries (one more switches snooping off),
//!   `mcast_max_groups` of a port (a member more is not noted), `mcast_eht_hosts_limit` hosts tracked.
//!
//! Where it is not Linux's, and why: `docs/slowpath.md`. In short: queries for sources go out at once and with the S flag that
//! RFC 3376, 6.6.3 wants; messages of older versions mean what RFC 3376, 7.3.2 says; a port in mode EXCLUDE that loses a source
//! from its list stays in the (S, G) entry of other ports; what is malformed anywhere is refused as a whole; the bridge's own
//! memberships end on time while it is down.
//!
//! Tests: `tests/mcast_*.rs` (model hosts, timers to the nanosecond, querier election, limits, malformed frames, and the machine's own
//! kernel bridge as a peer).

mod context;
mod decide;
mod group;
mod hosts;
mod knobs;
mod plan;
mod querier;
mod query;
mod receive;
mod report;
mod router;
mod settings;
mod show;
mod source;
mod timers;
mod types;
mod user;
mod user_star;
mod vlan;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use context::{Context, Port};
use group::Group;
use timers::{Timer, Timers};

pub use decide::{Delivery, Route, Verdict};
pub use plan::{Change, Plan, PortSet};
pub use receive::Frame;
pub use settings::{Knob, PortKnob};
pub use show::{Detail, MdbEntry, QuerierState, RouterPort, SourceEntry};
pub use types::{
    Family, FilterMode, Flags, GroupAddress, GroupKey, McastStats, Member, Pdu, PortId, PortState,
    Protocol, RxTx,
};
pub use user::{Errno, MdbFilter, MdbRequest, Refused};

use crate::MacAddr;
use crate::wire::membership::Strictness;
use crate::wire::mld;

/// Sources that are kept of one group on one port (PG_SRC_ENT_LIMIT).
pub const SOURCES_MAX: usize = 32;

/// Addresses of the bridge itself, for its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Addresses {
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its IPv4 address, for `mcast_query_use_ifaddr`.
    pub ipv4: Option<Ipv4Addr>,
    /// Its link-local IPv6 address; without one it sends no MLD queries.
    pub link_local: Option<Ipv6Addr>,
}

impl Addresses {
    /// Of a bridge without IPv4: its link-local address is the one that follows from its Ethernet address.
    pub fn of(mac: MacAddr) -> Self {
        Self {
            mac,
            ipv4: None,
            link_local: mac.is_unicast().then(|| mac.link_local()),
        }
    }
}

/// What the machine wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a query.
    Send {
        /// To this port; `None` means to the bridge's own stack, whose hosts answer too.
        port: Option<PortId>,
        /// With this VLAN's tag where the port sends it tagged; 0 without.
        vid: u16,
        /// The whole Ethernet frame, without a tag and without padding.
        frame: Vec<u8>,
    },
    /// An entry of the database is new or has changed (RTM_NEWMDB) or has gone (RTM_DELMDB).
    Mdb {
        /// Gone.
        deleted: bool,
        /// The entry as it is, or was.
        entry: MdbEntry,
    },
    /// A port has become a router's, or is none any more (the MDBA_ROUTER part of the same messages).
    Router {
        /// None any more.
        deleted: bool,
        /// The port.
        port: PortId,
        /// In this VLAN, 0 in all.
        vid: u16,
    },
    /// The database was full (`mcast_hash_max`), so snooping has been switched off: everything floods.
    SwitchedOff,
}

/// The snooping machine of one bridge. A new one is down, without ports, with Linux's defaults.
#[derive(Debug)]
pub struct Snooping {
    now: Duration,
    timers: Timers,
    outputs: Vec<Output>,
    running: bool,
    enabled: bool,
    vlan_filtering: bool,
    vlan_snooping: bool,
    query_use_ifaddr: bool,
    hash_max: u32,
    stats_enabled: bool,
    strictness: Strictness,
    addresses: Addresses,
    /// Whether there was an IPv6 address to send the last MLD query from.
    has_ipv6: bool,
    mtu: usize,
    /// The bridge's under 0, and each VLAN's.
    contexts: BTreeMap<u16, Context>,
    ports: BTreeMap<PortId, Port>,
    groups: BTreeMap<GroupKey, Group>,
    stats: McastStats,
}

impl Default for Snooping {
    fn default() -> Self {
        Self {
            now: Duration::ZERO,
            timers: Timers::default(),
            outputs: Vec::new(),
            running: false,
            enabled: true,
            vlan_filtering: false,
            vlan_snooping: false,
            query_use_ifaddr: false,
            hash_max: 4096,
            stats_enabled: false,
            strictness: Strictness::Linux,
            addresses: Addresses::default(),
            has_ipv6: true,
            mtu: 1500,
            contexts: BTreeMap::from([(0, Context::default())]),
            ports: BTreeMap::new(),
            groups: BTreeMap::new(),
            stats: McastStats::default(),
        }
    }
}

impl Snooping {
    /// A machine for a new bridge.
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses that its queries carry.
    pub fn set_addresses(&mut self, addresses: Addresses) {
        self.addresses = addresses;
        self.has_ipv6 |= addresses.link_local.is_some();
    }

    /// The bridge's MTU: a query that is longer, its Ethernet header included, is not sent.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// How much is asked of a message before it is believed.
    pub fn set_strictness(&mut self, strictness: Strictness) {
        self.strictness = strictness;
    }

    /// Lets time pass: does what was due by `now`, in order. Time does not go back: an earlier `now` is the present one.
    pub fn advance(&mut self, now: Duration) {
        while let Some((at, timer)) = self.timers.pop(now) {
            self.now = self.now.max(at);
            self.expired(timer);
        }
        self.now = self.now.max(now);
    }

    /// When [`Self::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// What is to be sent and told since the last call, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The counters of a port, or of the bridge itself.
    pub fn stats(&self, port: Option<PortId>) -> Option<McastStats> {
        match port {
            None => Some(self.stats),
            Some(port) => self.ports.get(&port).map(|port| port.stats),
        }
    }

    /// Counts a message that the bridge put out on a port ([`Verdict::pdu`] says which frames are messages).
    pub fn count_sent(&mut self, port: PortId, pdu: Pdu) {
        self.count(Some(port), |stats| stats.of(pdu).tx += 1);
    }

    fn count(&mut self, port: Option<PortId>, add: impl FnOnce(&mut McastStats)) {
        let stats = match port {
            None => Some(&mut self.stats),
            Some(port) => self.ports.get_mut(&port).map(|port| &mut port.stats),
        };
        if let Some(stats) = stats.filter(|_| self.stats_enabled) {
            add(stats);
        }
    }

    fn expired(&mut self, timer: Timer) {
        match timer {
            Timer::Host(key) => self.host_leave(key, true),
            Timer::Member(key, member) => self.member_expired(key, member),
            Timer::Source(key, member, source) => self.source_expired(key, member, source),
            Timer::Rexmit(key, member) => self.repeat_queries(key, member),
            Timer::HostSet(key, member, source) => self.host_set_expired(key, member, source),
            Timer::HostEntry(key, member, source, host) => {
                self.host_entry_expired(key, member, source, host);
            }
            Timer::OwnQuery(vid, family) => self.own_query_expired(vid, None, family),
            Timer::PortQuery(vid, port, family) => self.own_query_expired(vid, Some(port), family),
            Timer::OtherQuerier(vid, family) => self.other_querier_expired(vid, family),
            Timer::PortRouter(vid, port, family) => self.port_router_expired(vid, port, family),
            // That they are no longer pending is all that there is to them.
            Timer::QueryDelay(..) | Timer::BridgeRouter(..) | Timer::V1Host(..) => {}
        }
    }
}

/// The group address of a packet, if it is one.
fn multicast(address: IpAddr) -> Option<IpAddr> {
    address.is_multicast().then_some(address)
}

/// Groups of 224.0.0.0/24 and ff02::1 are for all that are on the link, always.
fn snooped(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets()[..3] != [224, 0, 0],
        IpAddr::V6(group) => group != mld::ALL_NODES,
    }
}

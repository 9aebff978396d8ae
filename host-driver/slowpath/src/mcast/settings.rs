//! The knobs of multicast snooping, by the names and in the units that `ip link` and `bridge` have for them: times are hundredths of
//! a second (USER_HZ), switches are 0 and 1. Defaults are Linux's.

use std::time::Duration;

use super::types::Family;

/// A knob of the bridge, or of one of its VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Knob {
    /// `mcast_snooping`: 1; on a VLAN, whether its frames are snooped.
    Snooping,
    /// `mcast_vlan_snooping`: 0; contexts per VLAN instead of one for the bridge. Wants VLAN filtering.
    VlanSnooping,
    /// `mcast_router`: 1; whether the bridge itself takes all multicast: 0 never, 1 while queries come from itself, 2 always.
    Router,
    /// `mcast_querier`: 0; sends queries while nobody else does.
    Querier,
    /// `mcast_query_use_ifaddr`: 0; IGMP queries carry the bridge's address instead of 0.0.0.0.
    QueryUseIfaddr,
    /// `mcast_hash_elasticity`: 16; kept for old scripts, as in Linux it does nothing.
    HashElasticity,
    /// `mcast_hash_max`: 4096 entries; one more switches snooping off.
    HashMax,
    /// `mcast_last_member_count`: 2 queries before a group is given up.
    LastMemberCount,
    /// `mcast_last_member_interval`: 100; between them.
    LastMemberInterval,
    /// `mcast_startup_query_count`: 2 queries at start.
    StartupQueryCount,
    /// `mcast_startup_query_interval`: 3125 (3124 as Linux prints it at 250 Hz); between them; 100 to 8,640,000, others are brought into range.
    StartupQueryInterval,
    /// `mcast_query_interval`: 12500; between queries; 100 to 8,640,000, others are brought into range.
    QueryInterval,
    /// `mcast_query_response_interval`: 1000; how long hosts may take to answer.
    QueryResponseInterval,
    /// `mcast_querier_interval`: 25500; another querier, or router, is believed in for that long.
    QuerierInterval,
    /// `mcast_membership_interval`: 26000; a report counts for that long.
    MembershipInterval,
    /// `mcast_igmp_version`: 2, or 3.
    IgmpVersion,
    /// `mcast_mld_version`: 1, or 2.
    MldVersion,
    /// `mcast_stats_enabled`: 0; whether messages are counted.
    StatsEnabled,
}

impl Knob {
    /// All, in the order in which `ip -d link` prints them.
    pub const ALL: [Self; 18] = [
        Self::Snooping,
        Self::VlanSnooping,
        Self::Router,
        Self::QueryUseIfaddr,
        Self::Querier,
        Self::HashElasticity,
        Self::HashMax,
        Self::LastMemberCount,
        Self::StartupQueryCount,
        Self::LastMemberInterval,
        Self::MembershipInterval,
        Self::QuerierInterval,
        Self::QueryInterval,
        Self::QueryResponseInterval,
        Self::StartupQueryInterval,
        Self::StatsEnabled,
        Self::IgmpVersion,
        Self::MldVersion,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snooping => "mcast_snooping",
            Self::VlanSnooping => "mcast_vlan_snooping",
            Self::Router => "mcast_router",
            Self::Querier => "mcast_querier",
            Self::QueryUseIfaddr => "mcast_query_use_ifaddr",
            Self::HashElasticity => "mcast_hash_elasticity",
            Self::HashMax => "mcast_hash_max",
            Self::LastMemberCount => "mcast_last_member_count",
            Self::LastMemberInterval => "mcast_last_member_interval",
            Self::StartupQueryCount => "mcast_startup_query_count",
            Self::StartupQueryInterval => "mcast_startup_query_interval",
            Self::QueryInterval => "mcast_query_interval",
            Self::QueryResponseInterval => "mcast_query_response_interval",
            Self::QuerierInterval => "mcast_querier_interval",
            Self::MembershipInterval => "mcast_membership_interval",
            Self::IgmpVersion => "mcast_igmp_version",
            Self::MldVersion => "mcast_mld_version",
            Self::StatsEnabled => "mcast_stats_enabled",
        }
    }

    /// The knob of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|knob| knob.name() == name)
    }

    /// Whether a VLAN has it too (`bridge vlan global set`).
    pub fn per_vlan(self) -> bool {
        !matches!(
            self,
            Self::VlanSnooping
                | Self::QueryUseIfaddr
                | Self::HashElasticity
                | Self::HashMax
                | Self::StatsEnabled
        )
    }
}

/// A knob of a port, or of a VLAN on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortKnob {
    /// `mcast_router`: 1; 0 never a router's, 1 while queries come from it, 2 always, 3 for one querier interval from now.
    Router,
    /// `fastleave`: 0; a leave counts at once.
    FastLeave,
    /// `mcast_to_unicast`: 0; each host gets a copy of its own, by its own address.
    ToUnicast,
    /// `mcast_max_groups`: 0, without limit.
    MaxGroups,
    /// `mcast_eht_hosts_limit`: 512 hosts tracked behind a port with fast leave.
    EhtHostsLimit,
}

impl PortKnob {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Router,
        Self::FastLeave,
        Self::ToUnicast,
        Self::MaxGroups,
        Self::EhtHostsLimit,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Router => "mcast_router",
            Self::FastLeave => "fastleave",
            Self::ToUnicast => "mcast_to_unicast",
            Self::MaxGroups => "mcast_max_groups",
            Self::EhtHostsLimit => "mcast_eht_hosts_limit",
        }
    }

    /// The knob of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|knob| knob.name() == name)
    }

    /// Whether a VLAN on a port has it too (`bridge vlan set`).
    pub fn per_vlan(self) -> bool {
        matches!(self, Self::Router | Self::MaxGroups)
    }
}

/// What a router is believed by (MDB_RTR_TYPE_).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RouterMode {
    Never,
    ByQuery,
    Always,
    Temporary,
}

impl RouterMode {
    pub fn number(self) -> u64 {
        self as u64
    }

    /// The mode of a number; 3 is for ports only.
    pub fn from_number(number: u64, of_port: bool) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::ByQuery),
            2 => Some(Self::Always),
            3 if of_port => Some(Self::Temporary),
            _ => None,
        }
    }
}

/// Hundredths of a second, at most 2^32 - 1 of them (497 days): so no sum of times that is ever made overflows.
pub(super) fn from_centis(centis: u64) -> Duration {
    Duration::from_millis(centis.min(u32::MAX.into()) * 10)
}

/// As `ip` prints a time.
pub(super) fn to_centis(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / 10).unwrap_or(u64::MAX)
}

/// What a context, the bridge's or a VLAN's, is set to.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub router: RouterMode,
    pub querier: bool,
    pub last_member_count: u32,
    pub startup_query_count: u32,
    pub last_member_interval: Duration,
    pub membership_interval: Duration,
    pub querier_interval: Duration,
    pub query_interval: Duration,
    pub query_response_interval: Duration,
    pub startup_query_interval: Duration,
    pub igmp_version: u8,
    pub mld_version: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            router: RouterMode::ByQuery,
            querier: false,
            last_member_count: 2,
            startup_query_count: 2,
            last_member_interval: from_centis(100),
            membership_interval: from_centis(26000),
            querier_interval: from_centis(25500),
            query_interval: from_centis(12500),
            query_response_interval: from_centis(1000),
            startup_query_interval: from_centis(12500 / 4),
            igmp_version: 2,
            mld_version: 1,
        }
    }
}

impl Settings {
    /// LMQT: how long a group is kept that nobody may want any more (RFC 3376, 8.11).
    pub fn last_member_time(&self) -> Duration {
        self.last_member_interval
            .saturating_mul(self.last_member_count)
    }

    /// Between two queries for the same; never nothing, or they would all be sent at once.
    pub fn repeat_interval(&self) -> Duration {
        self.last_member_interval.max(from_centis(1))
    }

    /// Whether sources count: IGMPv3, MLDv2.
    pub fn with_sources(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.igmp_version == 3,
            Family::V6 => self.mld_version == 2,
        }
    }

    /// A number or a time; none for a knob that is not of this kind.
    pub fn get(&self, knob: Knob) -> Option<u64> {
        Some(match knob {
            Knob::Router => self.router.number(),
            Knob::Querier => self.querier.into(),
            Knob::LastMemberCount => self.last_member_count.into(),
            Knob::StartupQueryCount => self.startup_query_count.into(),
            Knob::LastMemberInterval => to_centis(self.last_member_interval),
            Knob::MembershipInterval => to_centis(self.membership_interval),
            Knob::QuerierInterval => to_centis(self.querier_interval),
            Knob::QueryInterval => to_centis(self.query_interval),
            Knob::QueryResponseInterval => to_centis(self.query_response_interval),
            Knob::StartupQueryInterval => to_centis(self.startup_query_interval),
            Knob::IgmpVersion => self.igmp_version.into(),
            Knob::MldVersion => self.mld_version.into(),
            _ => return None,
        })
    }

    /// Sets a count, a time (brought into range) or a version (checked before); false for a knob that is not of this kind.
    pub fn set(&mut self, knob: Knob, value: u64) -> bool {
        let count = u32::try_from(value).unwrap_or(u32::MAX);
        let time = from_centis(value);
        // BR_MULTICAST_QUERY_INTVL_MIN and _MAX: a second and a day.
        let bounded = from_centis(value.clamp(100, 8_640_000));
        match knob {
            Knob::LastMemberCount => self.last_member_count = count,
            Knob::StartupQueryCount => self.startup_query_count = count,
            Knob::LastMemberInterval => self.last_member_interval = time,
            Knob::MembershipInterval => self.membership_interval = time,
            Knob::QuerierInterval => self.querier_interval = time,
            Knob::QueryInterval => self.query_interval = bounded,
            Knob::QueryResponseInterval => self.query_response_interval = time,
            Knob::StartupQueryInterval => self.startup_query_interval = bounded,
            Knob::IgmpVersion => self.igmp_version = value as u8,
            Knob::MldVersion => self.mld_version = value as u8,
            _ => return false,
        }
        true
    }
}

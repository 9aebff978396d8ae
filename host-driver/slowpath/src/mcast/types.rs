//! The words of multicast snooping.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::MacAddr;
pub use crate::stp::PortState;

/// A port of the bridge, by whatever number the caller likes (an interface index).
pub type PortId = u32;

/// IPv4 with IGMP, or IPv6 with MLD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// 0.0.0.0 or ::.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// What a group is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GroupAddress {
    /// A multicast address of IPv4 or IPv6.
    Ip(IpAddr),
    /// A group of Ethernet, for what is not IP.
    Mac(MacAddr),
}

impl GroupAddress {
    /// The family, if it is of IP.
    pub fn family(self) -> Option<Family> {
        match self {
            Self::Ip(address) => Some(Family::of(address)),
            Self::Mac(_) => None,
        }
    }

    /// The Ethernet address that frames to the group carry (RFC 1112, 6.4; RFC 2464, 7). 32 IPv4 groups share one.
    pub fn mac(self) -> MacAddr {
        match self {
            Self::Ip(IpAddr::V4(address)) => {
                let [_, b, c, d] = address.octets();
                MacAddr([0x01, 0, 0x5e, b & 0x7f, c, d])
            }
            Self::Ip(IpAddr::V6(address)) => {
                let octets = address.octets();
                MacAddr([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
            }
            Self::Mac(mac) => mac,
        }
    }
}

impl fmt::Display for GroupAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
        }
    }
}

/// What an entry of the multicast database (mdb) is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey {
    /// The VLAN of the frames, 0 on a bridge without VLAN filtering.
    pub vid: u16,
    /// The group G.
    pub group: GroupAddress,
    /// The source S of an (S, G) entry; none in a (*, G) entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<IpAddr>,
}

impl GroupKey {
    /// The (*, G) entry of a group of IP.
    pub fn star(vid: u16, group: IpAddr) -> Self {
        Self {
            vid,
            group: GroupAddress::Ip(group),
            source: None,
        }
    }

    /// The (S, G) entry of the same group.
    pub fn with_source(self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// The (*, G) entry of the same group.
    pub fn without_source(self) -> Self {
        Self {
            source: None,
            ..self
        }
    }

    /// Whether it is a (*, G) entry of IP; an entry of Ethernet is not.
    pub fn is_star(&self) -> bool {
        self.source.is_none() && self.group.family().is_some()
    }
}

/// Who is a member: a port, or, where the port has multicast_to_unicast on, one host behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The port.
    pub port: PortId,
    /// The host whose report made the entry; the broadcast address if the user did.
    pub host: MacAddr,
}

/// How a source list is meant (RFC 3376, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMode {
    /// Only from these sources.
    Include,
    /// From all but these sources.
    Exclude,
}

impl fmt::Display for FilterMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Include => "include",
            Self::Exclude => "exclude",
        })
    }
}

/// Who made an entry: the number of a routing protocol (RTPROT_), as `proto` shows and takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Protocol(pub u8);

impl Protocol {
    /// By snooping.
    pub const KERNEL: Self = Self(2);
    /// By the user.
    pub const STATIC: Self = Self(4);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            2 => f.write_str("kernel"),
            3 => f.write_str("boot"),
            4 => f.write_str("static"),
            other => other.fmt(f),
        }
    }
}

/// The flags of a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Flags {
    /// Stays until the user deletes it.
    pub permanent: bool,
    /// The hardware has it.
    pub offload: bool,
    /// It went because a port with fast leave heard a leave.
    pub fast_leave: bool,
    /// In an (S, G) entry only because the port is in (*, G) in mode EXCLUDE.
    pub added_by_star_ex: bool,
    /// The port does not want this source.
    pub blocked: bool,
}

/// Counters of one direction each: received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RxTx {
    /// Received.
    pub rx: u64,
    /// Sent.
    pub tx: u64,
}

/// The counters of `mcast_stats_enabled` (IFLA_BRIDGE_XSTATS, BRIDGE_XSTATS_MCAST), of a port or of the bridge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct McastStats {
    /// IGMPv1 queries.
    pub igmp_v1queries: RxTx,
    /// IGMPv2 queries.
    pub igmp_v2queries: RxTx,
    /// IGMPv3 queries.
    pub igmp_v3queries: RxTx,
    /// IGMP leaves.
    pub igmp_leaves: RxTx,
    /// IGMPv1 reports.
    pub igmp_v1reports: RxTx,
    /// IGMPv2 reports.
    pub igmp_v2reports: RxTx,
    /// IGMPv3 reports.
    pub igmp_v3reports: RxTx,
    /// IPv4 multicast packets that are malformed, or whose IGMP message is.
    pub igmp_parse_errors: u64,
    /// MLDv1 queries.
    pub mld_v1queries: RxTx,
    /// MLDv2 queries.
    pub mld_v2queries: RxTx,
    /// MLD dones.
    pub mld_leaves: RxTx,
    /// MLDv1 reports.
    pub mld_v1reports: RxTx,
    /// MLDv2 reports.
    pub mld_v2reports: RxTx,
    /// IPv6 multicast packets that are malformed, or whose MLD message is.
    pub mld_parse_errors: u64,
}

/// A message that the counters tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pdu {
    /// IGMPv1 query.
    IgmpV1Query,
    /// IGMPv2 query.
    IgmpV2Query,
    /// IGMPv3 query.
    IgmpV3Query,
    /// IGMP leave.
    IgmpLeave,
    /// IGMPv1 report.
    IgmpV1Report,
    /// IGMPv2 report.
    IgmpV2Report,
    /// IGMPv3 report.
    IgmpV3Report,
    /// MLDv1 query.
    MldV1Query,
    /// MLDv2 query.
    MldV2Query,
    /// MLD done.
    MldDone,
    /// MLDv1 report.
    MldV1Report,
    /// MLDv2 report.
    MldV2Report,
}

impl McastStats {
    /// The counter of a message.
    pub fn of(&mut self, pdu: Pdu) -> &mut RxTx {
        match pdu {
            Pdu::IgmpV1Query => &mut self.igmp_v1queries,
            Pdu::IgmpV2Query => &mut self.igmp_v2queries,
            Pdu::IgmpV3Query => &mut self.igmp_v3queries,
            Pdu::IgmpLeave => &mut self.igmp_leaves,
            Pdu::IgmpV1Report => &mut self.igmp_v1reports,
            Pdu::IgmpV2Report => &mut self.igmp_v2reports,
            Pdu::IgmpV3Report => &mut self.igmp_v3reports,
            Pdu::MldV1Query => &mut self.mld_v1queries,
            Pdu::MldV2Query => &mut self.mld_v2queries,
            Pdu::MldDone => &mut self.mld_leaves,
            Pdu::MldV1Report => &mut self.mld_v1reports,
            Pdu::MldV2Report => &mut self.mld_v2reports,
        }
    }

    /// The counter of malformed packets.
    pub fn parse_errors(&mut self, family: Family) -> &mut u64 {
        match family {
            Family::V4 => &mut self.igmp_parse_errors,
            Family::V6 => &mut self.mld_parse_errors,
        }
    }
}

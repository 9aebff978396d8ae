//! IGMP: version 1 (RFC 1112, appendix I), 2 (RFC 2236) and 3 (RFC 3376).
//!
//! | offset | query (8 bytes; 12 and more: v3) | report v1, v2, leave | report v3 |
//! |--------|----------------------------------|----------------------|-----------|
//! | 0      | type 0x11                        | 0x12, 0x16, 0x17     | 0x22      |
//! | 1      | max resp code; 0 in v1           | 0                    | 0         |
//! | 2      | checksum                         | checksum             | checksum  |
//! | 4      | group, 0 in a general query      | group                | 0         |
//! | 6      |                                  |                      | records   |
//! | 8      | S and QRV, QQIC, count, sources  |                      | record: kind, aux words, count, group, sources, aux |
//!
//! A message is read whole before anything is believed: a count that lies anywhere makes all of it an error. What follows the last
//! record is covered by the checksum and otherwise passed over (RFC 3376, 4.2.11).

use std::net::Ipv4Addr;

use super::ip::{self, Ipv4};
use super::membership::{
    Bad, QueryDetails, Record, Strictness, details, group, put_details, queried, records, report,
};

/// All systems: where general queries go.
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers: where leaves go.
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All PIM routers (RFC 7761).
pub const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
/// All IGMPv3 routers: where reports of version 3 go.
pub const ALL_V3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// All snoopers (RFC 4286): where routers advertise themselves.
pub const ALL_SNOOPERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 106);
/// The type of a multicast router advertisement (RFC 4286, 5.1).
pub const ROUTER_ADVERTISEMENT: u8 = 0x30;

const QUERY: u8 = 0x11;
const REPORT_1: u8 = 0x12;
const REPORT_2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_3: u8 = 0x22;

/// Length of everything of versions 1 and 2.
const SHORT: usize = 8;
/// Length of a query of version 3 without sources.
const LONG: usize = 12;

/// Why a packet is no IGMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgmpError {
    /// Too short for what it says it is.
    #[error("the IGMP message has {have} bytes, its type and counts want {want}")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        want: usize,
    },
    /// A query of 9 to 11 bytes is of no version (RFC 3376, 7.1).
    #[error("a query of {0} bytes is of no version")]
    QueryLength(usize),
    /// The checksum is wrong.
    #[error("the IGMP checksum is wrong")]
    Checksum,
    /// IGMP is not fragmented.
    #[error("the packet is a fragment")]
    Fragment,
    /// The group is no multicast address.
    #[error("{0} is no multicast group")]
    Group(Ipv4Addr),
    /// A general query goes to 224.0.0.1 (RFC 3376, 4.1.12).
    #[error("a general query to {0} instead of 224.0.0.1")]
    GeneralQueryTo(Ipv4Addr),
    /// The time to live is not 1 (RFC 3376, 4).
    #[error("time to live {0} instead of 1")]
    Ttl(u8),
    /// The router alert option is missing (RFC 2236, 2; RFC 3376, 4).
    #[error("no router alert option")]
    NoRouterAlert,
}

/// A message, with what matters of the packet that it came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Igmp {
    /// The packet's source; 0.0.0.0 for a proxy without an address.
    pub source: Ipv4Addr,
    /// The packet's destination.
    pub destination: Ipv4Addr,
    /// What it says.
    pub message: Message,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Which groups have members?
    Query(Query),
    /// A member of a group, version 1.
    ReportV1(Ipv4Addr),
    /// A member of a group, version 2.
    ReportV2(Ipv4Addr),
    /// No longer a member of a group.
    Leave(Ipv4Addr),
    /// What a host wants of each group, version 3.
    ReportV3(Vec<Record<Ipv4Addr>>),
    /// A type that is not IGMP's membership protocol; it is passed on like any multicast.
    Other(u8),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The group asked for; unspecified in a general query.
    pub group: Ipv4Addr,
    /// Max Resp Code in tenths of a second; in version 3 [`super::membership::decode8`] of it. Without `v3`, 0 means version 1.
    pub response_code: u8,
    /// What only version 3 has.
    pub v3: Option<QueryDetails<Ipv4Addr>>,
}

impl From<Bad<Ipv4Addr>> for IgmpError {
    fn from(bad: Bad<Ipv4Addr>) -> Self {
        match bad {
            Bad::Short { have, want } => Self::Short { have, want },
            Bad::Group(group) => Self::Group(group),
        }
    }
}

impl Igmp {
    /// Reads the message of a packet whose protocol is [`ip::IGMP`].
    pub fn parse(packet: &Ipv4, strictness: Strictness) -> Result<Self, IgmpError> {
        if packet.fragment {
            return Err(IgmpError::Fragment);
        }
        let bytes = packet.payload;
        if bytes.len() < SHORT {
            return Err(IgmpError::Short {
                have: bytes.len(),
                want: SHORT,
            });
        }
        if ip::checksum(bytes) != 0 {
            return Err(IgmpError::Checksum);
        }
        let message = match bytes[0] {
            QUERY => Message::Query(Query::parse(bytes, packet.destination)?),
            REPORT_1 => Message::ReportV1(group(bytes, 4)?),
            REPORT_2 => Message::ReportV2(group(bytes, 4)?),
            LEAVE => Message::Leave(group(bytes, 4)?),
            REPORT_3 => Message::ReportV3(records(bytes)?),
            other => Message::Other(other),
        };
        let igmp = Self {
            source: packet.source,
            destination: packet.destination,
            message,
        };
        if strictness == Strictness::Rfc && !matches!(igmp.message, Message::Other(_)) {
            if packet.ttl != 1 {
                return Err(IgmpError::Ttl(packet.ttl));
            }
            if igmp.wants_router_alert() && !packet.router_alert {
                return Err(IgmpError::NoRouterAlert);
            }
        }
        Ok(igmp)
    }

    /// Version 1 knows no router alert.
    fn wants_router_alert(&self) -> bool {
        match &self.message {
            Message::Query(query) => !query.is_v1(),
            Message::ReportV1(_) => false,
            _ => true,
        }
    }

    /// The whole IPv4 packet.
    ///
    /// # Panics
    ///
    /// If there are more sources than a packet of 65,535 bytes holds.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = match &self.message {
            Message::Query(query) => query.emit(),
            Message::ReportV1(group) => short(REPORT_1, *group),
            Message::ReportV2(group) => short(REPORT_2, *group),
            Message::Leave(group) => short(LEAVE, *group),
            Message::Other(kind) => short(*kind, Ipv4Addr::UNSPECIFIED),
            Message::ReportV3(records) => report(REPORT_3, records),
        };
        let sum = ip::checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        Ipv4 {
            source: self.source,
            destination: self.destination,
            ttl: 1,
            router_alert: self.wants_router_alert(),
            fragment: false,
            protocol: ip::IGMP,
            payload: &bytes,
        }
        .emit()
    }
}

fn short(kind: u8, group: Ipv4Addr) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], &group.octets()].concat()
}

impl Query {
    /// Whether it is of version 1: eight bytes and no time to answer (RFC 3376, 7.1).
    pub fn is_v1(&self) -> bool {
        self.v3.is_none() && self.response_code == 0
    }

    fn parse(bytes: &[u8], destination: Ipv4Addr) -> Result<Self, IgmpError> {
        let query = Self {
            group: queried(bytes, 4)?,
            response_code: bytes[1],
            v3: match bytes.len() {
                SHORT => None,
                LONG.. => Some(details(bytes, SHORT)?),
                odd => return Err(IgmpError::QueryLength(odd)),
            },
        };
        if query.group.is_unspecified() && destination != ALL_SYSTEMS {
            return Err(IgmpError::GeneralQueryTo(destination));
        }
        Ok(query)
    }

    fn emit(&self) -> Vec<u8> {
        let mut bytes = short(QUERY, self.group);
        bytes[1] = self.response_code;
        if let Some(v3) = &self.v3 {
            put_details(&mut bytes, v3);
        }
        bytes
    }
}

//! Multicast Listener Discovery: version 1 (RFC 2710) and 2 (RFC 3810), messages of ICMPv6 (RFC 4443) behind a hop-by-hop header.
//!
//! | offset | query (24 bytes; 28 and more: v2) | report v1, done | report v2  |
//! |--------|-----------------------------------|-----------------|------------|
//! | 0      | type 130                          | 131, 132        | 143        |
//! | 2      | checksum with pseudo-header       | checksum        | checksum   |
//! | 4      | maximum response delay or code    | 0               | 0          |
//! | 6      | 0                                 | 0               | records    |
//! | 8      | group, 0 in a general query       | group           | record: kind, aux words, count, group, sources, aux |
//! | 24     | S and QRV, QQIC, count, sources   |                 |            |
//!
//! A message is read whole before anything is believed.

use std::net::Ipv6Addr;

use super::ip::{self, Ipv6};
use super::membership::{
    Bad, QueryDetails, Record, Strictness, details, group, put_details, queried, records, report,
    word,
};

/// All nodes of the link: where general queries go.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of the link: where dones go.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that speak MLDv2: where reports of version 2 go.
pub const ALL_V2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// All snoopers (RFC 4286): where routers advertise themselves.
pub const ALL_SNOOPERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x6a);
/// The type of a multicast router advertisement (RFC 4286, 5.1).
pub const ROUTER_ADVERTISEMENT: u8 = 151;

const QUERY: u8 = 130;
const REPORT_1: u8 = 131;
const DONE: u8 = 132;
const REPORT_2: u8 = 143;

/// Length of every ICMPv6 message at least, and of a report of version 2 without records.
const ICMP: usize = 8;
/// Length of everything of version 1.
const SHORT: usize = 24;
/// Length of a query of version 2 without sources.
const LONG: usize = 28;

/// Why a packet is no MLD message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MldError {
    /// Too short for what it says it is.
    #[error("the MLD message has {have} bytes, its type and counts want {want}")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        want: usize,
    },
    /// A query of 25 to 27 bytes is of no version (RFC 3810, 8.1).
    #[error("a query of {0} bytes is of no version")]
    QueryLength(usize),
    /// The checksum is wrong.
    #[error("the ICMPv6 checksum is wrong")]
    Checksum,
    /// The group is no multicast address.
    #[error("{0} is no multicast group")]
    Group(Ipv6Addr),
    /// A general query goes to ff02::1 (RFC 3810, 5.1.15).
    #[error("a general query to {0} instead of ff02::1")]
    GeneralQueryTo(Ipv6Addr),
    /// The source may not send this: a query comes from a link-local address (RFC 3810, 5.1.14), a report from such or from none
    /// (5.2.13).
    #[error("the source {0} is not link-local")]
    Source(Ipv6Addr),
    /// The hop limit is not 1 (RFC 3810, 5).
    #[error("hop limit {0} instead of 1")]
    HopLimit(u8),
    /// The router alert option is missing (RFC 3810, 5).
    #[error("no router alert option")]
    NoRouterAlert,
}

/// A message, with what matters of the packet that it came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mld {
    /// The packet's source.
    pub source: Ipv6Addr,
    /// The packet's destination.
    pub destination: Ipv6Addr,
    /// What it says.
    pub message: Message,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Which groups have listeners?
    Query(Query),
    /// A listener of a group, version 1.
    ReportV1(Ipv6Addr),
    /// No longer a listener of a group.
    Done(Ipv6Addr),
    /// What a host wants of each group, version 2.
    ReportV2(Vec<Record<Ipv6Addr>>),
    /// Another type of ICMPv6; it is passed on like any multicast.
    Other(u8),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The group asked for; unspecified in a general query.
    pub group: Ipv6Addr,
    /// Maximum response delay in milliseconds; in version 2 [`super::membership::decode16`] of it.
    pub response_code: u16,
    /// What only version 2 has.
    pub v2: Option<QueryDetails<Ipv6Addr>>,
}

impl From<Bad<Ipv6Addr>> for MldError {
    fn from(bad: Bad<Ipv6Addr>) -> Self {
        match bad {
            Bad::Short { have, want } => Self::Short { have, want },
            Bad::Group(group) => Self::Group(group),
        }
    }
}

impl Mld {
    /// Reads the message of a packet whose protocol is [`ip::ICMPV6`] and that begins with a hop-by-hop header: without one it is no
    /// MLD, whatever its type.
    pub fn parse(packet: &Ipv6, strictness: Strictness) -> Result<Self, MldError> {
        let bytes = packet.payload;
        let short = |want| MldError::Short {
            have: bytes.len(),
            want,
        };
        if bytes.len() < ICMP {
            return Err(short(ICMP));
        }
        if ip::checksum6(packet.source, packet.destination, bytes) != 0 {
            return Err(MldError::Checksum);
        }
        if matches!(bytes[0], QUERY | REPORT_1 | DONE) && bytes.len() < SHORT {
            return Err(short(SHORT));
        }
        let message = match bytes[0] {
            QUERY => Message::Query(Query::parse(bytes, packet)?),
            REPORT_1 => Message::ReportV1(group(bytes, 8)?),
            DONE => Message::Done(group(bytes, 8)?),
            REPORT_2 => Message::ReportV2(records(bytes)?),
            other => Message::Other(other),
        };
        if strictness == Strictness::Rfc && !matches!(message, Message::Other(_)) {
            if packet.hop_limit != 1 {
                return Err(MldError::HopLimit(packet.hop_limit));
            }
            if !packet.router_alert {
                return Err(MldError::NoRouterAlert);
            }
            if !packet.source.is_unspecified() && !packet.source.is_unicast_link_local() {
                return Err(MldError::Source(packet.source));
            }
        }
        Ok(Self {
            source: packet.source,
            destination: packet.destination,
            message,
        })
    }

    /// The whole IPv6 packet, with the router alert.
    ///
    /// # Panics
    ///
    /// If there are more sources than a packet of 65,535 bytes holds.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = match &self.message {
            Message::Query(query) => query.emit(),
            Message::ReportV1(group) => short(REPORT_1, *group),
            Message::Done(group) => short(DONE, *group),
            Message::Other(kind) => short(*kind, Ipv6Addr::UNSPECIFIED),
            Message::ReportV2(records) => report(REPORT_2, records),
        };
        let sum = ip::checksum6(self.source, self.destination, &bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        Ipv6 {
            source: self.source,
            destination: self.destination,
            hop_limit: 1,
            hop_by_hop: true,
            router_alert: true,
            protocol: ip::ICMPV6,
            payload: &bytes,
        }
        .emit()
    }
}

fn short(kind: u8, group: Ipv6Addr) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &group.octets()].concat()
}

impl Query {
    fn parse(bytes: &[u8], packet: &Ipv6) -> Result<Self, MldError> {
        if !packet.source.is_unicast_link_local() {
            return Err(MldError::Source(packet.source));
        }
        let query = Self {
            group: queried(bytes, 8)?,
            response_code: word(bytes, 4),
            v2: match bytes.len() {
                SHORT => None,
                LONG.. => Some(details(bytes, SHORT)?),
                odd => return Err(MldError::QueryLength(odd)),
            },
        };
        if query.group.is_unspecified() && packet.destination != ALL_NODES {
            return Err(MldError::GeneralQueryTo(packet.destination));
        }
        Ok(query)
    }

    fn emit(&self) -> Vec<u8> {
        let mut bytes = short(QUERY, self.group);
        bytes[4..6].copy_from_slice(&self.response_code.to_be_bytes());
        if let Some(v2) = &self.v2 {
            put_details(&mut bytes, v2);
        }
        bytes
    }
}

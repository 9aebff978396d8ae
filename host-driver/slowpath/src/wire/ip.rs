//! IPv4 and IPv6 packets as far as a snooping switch reads them (RFC 791, RFC 8200): the header checked, the payload cut to the
//! length that the header says, router alert found (RFC 2113, RFC 2711), extension headers of IPv6 walked.
//!
//! What is checked is what Linux's `ip_mc_check_igmp` and `ipv6_mc_check_mld` check: version, lengths, and IPv4's header checksum.
//! Bytes after the packet (padding of a short frame) are no error, missing ones are.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    IpNumber, Ipv4Header, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
};

/// Number of the Internet Group Management Protocol.
pub const IGMP: u8 = 2;
/// Number of the Internet Control Message Protocol for IPv6.
pub const ICMPV6: u8 = 58;
/// Number of Protocol Independent Multicast.
pub const PIM: u8 = 103;
/// Number of IPv6's hop-by-hop options header.
const HOP_BY_HOP: u8 = 0;
/// Numbers of IPv6's headers that may stand between the first and the payload: routing and destination options.
const PASSED: [u8; 2] = [43, 60];
/// Number of IPv6's fragment header.
const FRAGMENT: u8 = 44;

/// The IPv4 option: copied, control class, number 20, four bytes, value 0 (RFC 2113, 2.1).
const ROUTER_ALERT_4: [u8; 4] = [0x94, 4, 0, 0];
/// A hop-by-hop header that holds a router alert for MLD and two bytes of padding (RFC 2711, 2.1).
const ROUTER_ALERT_6: [u8; 8] = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// Why bytes are no IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IpError {
    /// Shorter than the header, or than the length that the header says.
    #[error("the packet has {have} bytes, its header wants {want}")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        want: usize,
    },
    /// Another version than the EtherType says, or a header length below the least.
    #[error("the header's first byte is {0:#04x}: another version, or shorter than a header")]
    Header(u8),
    /// IPv4's header checksum is wrong.
    #[error("the IPv4 header's checksum is wrong")]
    HeaderChecksum,
    /// IPv6 without a payload, or with a jumbo payload.
    #[error("the IPv6 payload's length is zero")]
    NoPayload,
}

/// A checked IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// Whether the router alert option is there.
    pub router_alert: bool,
    /// Whether it is a fragment, first or later.
    pub fragment: bool,
    /// Number of the protocol inside.
    pub protocol: u8,
    /// What is inside, padding cut off.
    pub payload: &'a [u8],
}

/// A checked IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6<'a> {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// Whether a hop-by-hop header is the first.
    pub hop_by_hop: bool,
    /// Whether that header holds a router alert for MLD.
    pub router_alert: bool,
    /// Number of the protocol inside, extension headers passed; a fragment header is not passed.
    pub protocol: u8,
    /// What is inside, padding cut off.
    pub payload: &'a [u8],
}

/// The Internet checksum (RFC 1071) of a message; zero when it holds its own right one.
pub fn checksum(message: &[u8]) -> u16 {
    Sum16BitWords::new()
        .add_slice(message)
        .ones_complement()
        .to_be()
}

/// The checksum of an ICMPv6 message with its pseudo-header (RFC 8200, 8.1).
pub fn checksum6(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    Sum16BitWords::new()
        .add_16bytes(source.octets())
        .add_16bytes(destination.octets())
        // A message that came in a packet is shorter than 64 KiB.
        .add_4bytes((message.len() as u32).to_be_bytes())
        .add_2bytes([0, ICMPV6])
        .add_slice(message)
        .ones_complement()
        .to_be()
}

/// Whether IPv4 options hold a router alert of value 0. A list that ends early or lies about a length holds none.
fn alert_in_options(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => return false,
            1 => rest,
            _ => {
                let length = usize::from(rest.first().copied().unwrap_or(0));
                if length < 2 || length > options.len() {
                    return false;
                }
                if options[..length] == ROUTER_ALERT_4 {
                    return true;
                }
                &options[length..]
            }
        };
    }
    false
}

/// Whether the options of a hop-by-hop header hold a router alert for MLD.
fn alert_in_hop_by_hop(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => rest,
            _ => {
                let end = 2 + usize::from(rest.first().copied().unwrap_or(0));
                if rest.is_empty() || end > options.len() {
                    return false;
                }
                if options[..end] == ROUTER_ALERT_6[2..6] {
                    return true;
                }
                &options[end..]
            }
        };
    }
    false
}

impl<'a> Ipv4<'a> {
    /// Reads a packet from its first byte on.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IpError> {
        let short = |want| IpError::Short {
            have: bytes.len(),
            want,
        };
        let first = *bytes.first().ok_or(short(Ipv4Header::MIN_LEN))?;
        let header_len = usize::from(first & 0xf) * 4;
        if first >> 4 != 4 || header_len < Ipv4Header::MIN_LEN {
            return Err(IpError::Header(first));
        }
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| short(header_len.max(20)))?;
        if checksum(header.slice()) != 0 {
            return Err(IpError::HeaderChecksum);
        }
        let total = usize::from(header.total_len());
        if bytes.len() < total || total < header_len {
            return Err(short(total.max(header_len)));
        }
        Ok(Self {
            source: header.source_addr(),
            destination: header.destination_addr(),
            ttl: header.ttl(),
            router_alert: alert_in_options(header.options()),
            fragment: header.is_fragmenting_payload(),
            protocol: header.protocol().0,
            payload: &bytes[header_len..total],
        })
    }

    /// Writes the packet as a router writes IGMP: precedence 6, "don't fragment", the router alert option where it is asked for.
    ///
    /// # Panics
    ///
    /// If the payload does not fit a packet, which no message of a router does.
    pub fn emit(&self) -> Vec<u8> {
        let mut header = Ipv4Header::new(
            0,
            self.ttl,
            IpNumber(self.protocol),
            self.source.octets(),
            self.destination.octets(),
        )
        .expect("an empty payload fits");
        header.dscp = etherparse::IpDscp::CS6;
        header.dont_fragment = !self.fragment;
        header.more_fragments = self.fragment;
        if self.router_alert {
            header.options = ROUTER_ALERT_4.into();
        }
        header
            .set_payload_len(self.payload.len())
            .expect("a message is shorter than a packet");
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes()[..], self.payload].concat()
    }
}

impl<'a> Ipv6<'a> {
    /// Reads a packet from its first byte on.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IpError> {
        let short = |want| IpError::Short {
            have: bytes.len(),
            want,
        };
        let first = *bytes.first().ok_or(short(Ipv6Header::LEN))?;
        if first >> 4 != 6 {
            return Err(IpError::Header(first));
        }
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| short(Ipv6Header::LEN))?;
        let length = usize::from(header.payload_length());
        if length == 0 {
            return Err(IpError::NoPayload);
        }
        let mut payload = bytes[Ipv6Header::LEN..]
            .get(..length)
            .ok_or(short(Ipv6Header::LEN + length))?;
        let mut protocol = header.next_header().0;
        let (mut hop_by_hop, mut router_alert) = (false, false);
        let mut at_first = true;
        while (at_first && protocol == HOP_BY_HOP) || PASSED.contains(&protocol) {
            let extension = Ipv6RawExtHeaderSlice::from_slice(payload)
                .map_err(|error| short(bytes.len() - payload.len() + error.required_len))?;
            if protocol == HOP_BY_HOP {
                hop_by_hop = true;
                router_alert = alert_in_hop_by_hop(extension.payload());
            }
            at_first = false;
            protocol = extension.next_header().0;
            payload = &payload[extension.slice().len()..];
        }
        Ok(Self {
            source: header.source_addr(),
            destination: header.destination_addr(),
            hop_limit: header.hop_limit(),
            hop_by_hop,
            router_alert,
            protocol,
            payload,
        })
    }

    /// Whether it is a fragment: what is in it is not looked at.
    pub fn is_fragment(&self) -> bool {
        self.protocol == FRAGMENT
    }

    /// Writes the packet, with a router alert in a hop-by-hop header where it is asked for (`hop_by_hop` alone writes none).
    ///
    /// # Panics
    ///
    /// If the payload does not fit a packet, which no message of a router does.
    pub fn emit(&self) -> Vec<u8> {
        let mut extension = ROUTER_ALERT_6;
        extension[0] = self.protocol;
        let extension = &extension[..if self.router_alert { 8 } else { 0 }];
        let length = extension.len() + self.payload.len();
        let header = Ipv6Header {
            payload_length: length
                .try_into()
                .expect("a message is shorter than a packet"),
            next_header: IpNumber(if self.router_alert {
                HOP_BY_HOP
            } else {
                self.protocol
            }),
            hop_limit: self.hop_limit,
            source: self.source.octets(),
            destination: self.destination.octets(),
            ..Default::default()
        };
        [&header.to_bytes()[..], extension, self.payload].concat()
    }
}

//! Neighbour discovery: solicitations and advertisements of ICMPv6 (RFC 4861, 4.3 and 4.4), as far as they tell whose an address is.
//!
//! | offset | solicitation | advertisement |
//! |--------|--------------|---------------|
//! | 0      | type 135     | 136           |
//! | 2      | checksum with pseudo-header | likewise |
//! | 4      | 0            | R, S, O, 0    |
//! | 8      | target       | target        |
//! | 24     | options: type, length in units of 8 bytes, value | likewise |

use std::net::Ipv6Addr;

use super::ip::{self, Ipv6};
use crate::mac::MacAddr;

/// All nodes of the link: where unsolicited advertisements go.
pub const ALL_NODES: Ipv6Addr = super::mld::ALL_NODES;
/// That group's Ethernet address.
pub const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// R: the sender forwards. S: somebody has asked. O: forget what was known.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// The options that hold an Ethernet address: the source's, the target's.
const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;
/// Length up to the options.
const FIXED: usize = 24;
/// What has come through a router has less (RFC 4861, 7.1).
const HOP_LIMIT: u8 = 255;

/// Why a packet is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NdpError {
    /// Not ICMPv6, or another type or code of it.
    #[error("neither a neighbour solicitation nor an advertisement")]
    Other,
    /// It has come through a router.
    #[error("hop limit {0} instead of 255")]
    HopLimit(u8),
    /// Shorter than the message, or than an option says.
    #[error("the message of {0} bytes is shorter than it says")]
    Short(usize),
    /// The target is a group.
    #[error("the target {0} is no station's address")]
    Target(Ipv6Addr),
    /// The checksum is wrong.
    #[error("the ICMPv6 checksum is wrong")]
    Checksum,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Who has the target?
    Solicitation {
        /// Who asks; unspecified while it looks whether the target is taken.
        source: Ipv6Addr,
        /// Its Ethernet address, if it says.
        mac: Option<MacAddr>,
        /// Who is asked for.
        target: Ipv6Addr,
    },
    /// The target is here.
    Advertisement {
        /// Whose address.
        target: Ipv6Addr,
        /// Its Ethernet address, if it says.
        mac: Option<MacAddr>,
        /// It forwards.
        router: bool,
        /// Somebody has asked.
        solicited: bool,
    },
}

impl Neighbour {
    /// Reads the message of a packet.
    pub fn parse(packet: &Ipv6) -> Result<Self, NdpError> {
        let bytes = packet.payload;
        let kind = bytes.first().filter(|_| packet.protocol == ip::ICMPV6);
        let Some(kind @ (&SOLICITATION | &ADVERTISEMENT)) = kind else {
            return Err(NdpError::Other);
        };
        if packet.hop_limit != HOP_LIMIT {
            return Err(NdpError::HopLimit(packet.hop_limit));
        }
        let Some(fixed) = bytes.first_chunk::<FIXED>() else {
            return Err(NdpError::Short(bytes.len()));
        };
        if ip::checksum6(packet.source, packet.destination, bytes) != 0 {
            return Err(NdpError::Checksum);
        }
        let mut octets = [0; 16];
        octets.copy_from_slice(&fixed[8..]);
        let target = Ipv6Addr::from(octets);
        if fixed[1] != 0 {
            return Err(NdpError::Other);
        }
        if target.is_multicast() {
            return Err(NdpError::Target(target));
        }
        let mac = |wanted| option(&bytes[FIXED..], wanted).ok_or(NdpError::Short(bytes.len()));
        Ok(match *kind {
            SOLICITATION => Self::Solicitation {
                source: packet.source,
                mac: mac(SOURCE_MAC)?,
                target,
            },
            _ => Self::Advertisement {
                target,
                mac: mac(TARGET_MAC)?,
                router: fixed[4] & ROUTER != 0,
                solicited: fixed[4] & SOLICITED != 0,
            },
        })
    }
}

/// The Ethernet address in the option of this type, if there is one; `None` where a length lies.
#[expect(
    clippy::option_option,
    reason = "a list that lies is not one without the option"
)]
fn option(mut options: &[u8], wanted: u8) -> Option<Option<MacAddr>> {
    let mut found = None;
    while let [kind, units, ..] = options {
        let length = usize::from(*units) * 8;
        if length == 0 || length > options.len() {
            return None;
        }
        if *kind == wanted && found.is_none() {
            found = Some(MacAddr(*options[2..].first_chunk()?));
        }
        options = &options[length..];
    }
    options.is_empty().then_some(found)
}

/// The packet by which an address is announced unasked, to all nodes (RFC 4861, 7.2.6).
pub fn unsolicited(target: Ipv6Addr, mac: MacAddr, router: bool) -> Vec<u8> {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    advertisement(target, mac, ALL_NODES, flags)
}

/// The packet that says where the target is to who has asked: to be believed over what is known (RFC 4861, 7.2.4).
pub fn advertise(target: Ipv6Addr, mac: MacAddr, asker: Ipv6Addr) -> Vec<u8> {
    advertisement(target, mac, asker, SOLICITED | OVERRIDE)
}

fn advertisement(target: Ipv6Addr, mac: MacAddr, to: Ipv6Addr, flags: u8) -> Vec<u8> {
    let mut bytes = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    bytes.extend(target.octets());
    bytes.extend([TARGET_MAC, 1]);
    bytes.extend(mac.0);
    let sum = ip::checksum6(target, to, &bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    Ipv6 {
        source: target,
        destination: to,
        hop_limit: HOP_LIMIT,
        hop_by_hop: false,
        router_alert: false,
        protocol: ip::ICMPV6,
        payload: &bytes,
    }
    .emit()
}

/// The Ethernet address of a group (RFC 2464, 7).
pub fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

    fn target() -> Ipv6Addr {
        "fe80::7".parse().unwrap()
    }

    #[test]
    fn what_is_announced_is_read_again() {
        for router in [false, true] {
            let packet = unsolicited(target(), MAC, router);
            let read = Neighbour::parse(&Ipv6::parse(&packet).unwrap());
            let (target, mac) = (target(), Some(MAC));
            assert_eq!(
                read,
                Ok(Neighbour::Advertisement {
                    target,
                    mac,
                    router,
                    solicited: false,
                })
            );
            let group: Ipv6Addr = "ff02::1".parse().unwrap();
            assert_eq!(multicast_mac(group), ALL_NODES_MAC);
        }
    }

    /// Whatever byte is wrong, nobody is told that an address is somewhere else.
    #[test]
    fn damaged_messages_are_refused() {
        let packet = unsolicited(target(), MAC, false);
        for at in 40..packet.len() {
            let mut bad = packet.clone();
            bad[at] ^= 0x04;
            let read = Neighbour::parse(&Ipv6::parse(&bad).unwrap());
            assert!(read.is_err(), "{at}: {read:?}");
        }
        for length in 0..packet.len() {
            let read = Ipv6::parse(&packet[..length]).map(|p| Neighbour::parse(&p).is_ok());
            assert!(!read.unwrap_or(false), "{length}");
        }
        let mut far = packet;
        far[7] = 254;
        let read = Neighbour::parse(&Ipv6::parse(&far).unwrap());
        assert_eq!(read, Err(NdpError::HopLimit(254)));
    }
}

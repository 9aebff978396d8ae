//! The layers that the parser walks through, and what tells them apart.

use crate::rtl::{E, any_of};

/// Bits of the layer's number.
pub const BITS: u32 = 4;

/// Between frames, and behind the last header of interest.
pub const IDLE: u64 = 0;
/// Destination and source address: 12 bytes.
pub const MAC: u64 = 1;
/// EtherType or length: 2 bytes.
pub const TYPE: u64 = 2;
/// Tag control information of a VLAN tag: 2 bytes.
pub const TCI: u64 = 3;
/// IPv4 header with its options: 20 to 60 bytes (RFC 791).
pub const IP4: u64 = 4;
/// IPv6 header: 40 bytes (RFC 8200).
pub const IP6: u64 = 5;
/// A transport header, up to the ports: 4 bytes, AH 8 (RFC 4302).
pub const PORTS: u64 = 6;
/// ICMP or ICMPv6 header: 8 bytes (RFC 792, RFC 4443).
pub const ICMP: u64 = 7;

/// EtherTypes, tags first.
pub const TAGS: [u64; 2] = [0x8100, 0x88a8];
/// IPv4.
pub const ETHERTYPE_IP4: u64 = 0x0800;
/// IPv6.
pub const ETHERTYPE_IP6: u64 = 0x86dd;

/// ICMP.
pub const PROTO_ICMP: u64 = 1;
/// ICMPv6.
pub const PROTO_ICMP6: u64 = 58;
/// Authentication header.
pub const PROTO_AH: u64 = 51;
/// Protocols whose header begins with the ports word: TCP, UDP, DCCP, ESP, SCTP, UDP-Lite.
pub const PROTO_PORTS: [u64; 6] = [6, 17, 33, 50, 132, 136];

/// ICMP messages with an identifier: echo reply, echo, timestamp, its reply, ICMPv6 echo and its reply. Linux takes them
/// by number, whichever ICMP it is.
pub const ICMP_WITH_ID: [u64; 6] = [0, 8, 13, 14, 128, 129];
/// ICMP errors: unreachable, source quench, redirect, time exceeded, parameter problem.
pub const ICMP_ERRORS: [u64; 5] = [3, 4, 5, 11, 12];
/// ICMPv6 errors: unreachable, too big, time exceeded, parameter problem.
pub const ICMP6_ERRORS: [u64; 4] = [1, 2, 3, 4];

/// Whether `value` is one of `set`.
pub fn one_of(value: &E, set: &[u64]) -> E {
    let hits: Vec<E> = set.iter().map(|v| value.eq(*v)).collect();
    any_of(1, &hits)
}

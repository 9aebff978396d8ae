//! The frames that the vectors are taken with: every kind that a hash policy treats in a way of its
//! own, with addresses, ports and lengths drawn from a seed.

use super::wire::{
    Random, ah, arp, ethernet, fragment6, gre, icmp, icmp_error, ipv4, ipv4_fragment, ipv4_options,
    ipv6, ports, pppoe, vlan, vxlan,
};

/// EtherTypes.
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const RARP: u16 = 0x8035;
const CTAG: u16 = 0x8100;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const PPPOE: u16 = 0x8864;
const STAG: u16 = 0x88a8;
const TEB: u16 = 0x6558;

/// IP protocol numbers.
const ICMP: u8 = 1;
const IPIP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SIXIN: u8 = 41;
const GRE: u8 = 47;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
const NO_NEXT: u8 = 59;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

/// A kind of frame: its name in the data file, and how one is made.
pub struct Kind {
    /// The name in the data file.
    pub name: &'static str,
    make: fn(&mut Random) -> Vec<u8>,
}

impl Kind {
    /// One frame of this kind, of at least 60 bytes, without FCS.
    pub fn frame(&self, random: &mut Random) -> Vec<u8> {
        let mut frame = (self.make)(random);
        frame.resize(frame.len().max(60), 0);
        frame
    }
}

macro_rules! kinds {
    ($($name:literal => $make:expr,)*) => { &[$(Kind { name: $name, make: $make }),*] };
}

/// Every kind, in the order of the data file.
pub const KINDS: &[Kind] = kinds! {
    "ipv4-tcp" => |r| ip4(r, TCP, ports),
    "ipv4-udp" => |r| ip4(r, UDP, ports),
    "ipv4-sctp" => |r| ip4(r, SCTP, ports),
    "ipv4-dccp" => |r| ip4(r, DCCP, ports),
    "ipv4-udplite" => |r| ip4(r, UDPLITE, ports),
    "ipv4-esp" => |r| ip4(r, ESP, ports),
    "ipv4-ah" => |r| ip4(r, AH, ah),
    "ipv4-other-protocol" => |r| ip4(r, 89, ports),
    "ipv4-igmp" => |r| ip4(r, 2, |r| icmp(r, 0x16)),
    "ipv4-icmp-echo" => |r| ip4(r, ICMP, |r| icmp(r, 8)),
    "ipv4-icmp-echo-reply" => |r| ip4(r, ICMP, |r| icmp(r, 0)),
    "ipv4-icmp-timestamp" => |r| ip4(r, ICMP, |r| { let kind = r.pick(&[13, 14]); icmp(r, kind) }),
    "ipv4-icmp-router" => |r| ip4(r, ICMP, |r| { let kind = r.pick(&[9, 10]); icmp(r, kind) }),
    "ipv4-icmp-error-udp" => |r| ip4(r, ICMP, |r| icmp4_error(r, UDP)),
    "ipv4-icmp-error-tcp" => |r| ip4(r, ICMP, |r| icmp4_error(r, TCP)),
    "ipv4-icmp-error-icmp" => |r| ip4(r, ICMP, |r| {
        let echo = icmp(r, 8);
        let inner = ipv4(r, ICMP, &echo);
        let kind = r.pick(&[3, 11]);
        icmp_error(r, kind, &inner)
    }),
    "ipv4-options-tcp" => |r| { let l4 = ports(r); let ip = ipv4_options(r, TCP, &l4); ethernet(r, IPV4, &ip) },
    "ipv4-first-fragment" => |r| { let l4 = ports(r); let ip = ipv4_fragment(r, UDP, 0, &l4); ethernet(r, IPV4, &ip) },
    "ipv4-later-fragment" => |r| { let l4 = ports(r); let ip = ipv4_fragment(r, UDP, 185, &l4); ethernet(r, IPV4, &ip) },
    "ipv6-tcp" => |r| ip6(r, TCP, ports),
    "ipv6-udp" => |r| ip6(r, UDP, ports),
    "ipv6-esp" => |r| ip6(r, ESP, ports),
    "ipv6-ah" => |r| ip6(r, AH, ah),
    "ipv6-icmp-echo" => |r| ip6(r, ICMPV6, |r| { let kind = r.pick(&[128, 129]); icmp(r, kind) }),
    "ipv6-icmp-neighbour" => |r| ip6(r, ICMPV6, |r| { let kind = r.pick(&[135, 136]); icmp(r, kind) }),
    "ipv6-icmp-error" => |r| ip6(r, ICMPV6, |r| {
        let l4 = ports(r);
        let inner = ipv6(r, UDP, &l4);
        let kind = r.pick(&[1, 2, 3, 4]);
        icmp_error(r, kind, &inner)
    }),
    "ipv6-hop-by-hop-udp" => |r| ip6(r, 0, |r| { let l4 = ports(r); hop_by_hop(UDP, &l4) }),
    "ipv6-fragment-udp" => |r| ip6(r, 44, |r| { let l4 = ports(r); fragment6(r, UDP, &l4) }),
    "ipv6-no-next-header" => |r| ip6(r, NO_NEXT, ports),
    "vlan-ipv4-tcp" => |r| tagged(r, CTAG, |r| { let l4 = ports(r); (IPV4, ipv4(r, TCP, &l4)) }),
    "vlan-ipv6-udp" => |r| tagged(r, CTAG, |r| { let l4 = ports(r); (IPV6, ipv6(r, UDP, &l4)) }),
    "vlan-arp" => |r| tagged(r, CTAG, |r| (ARP, arp(r))),
    "vlan-unknown-ethertype" => |r| tagged(r, CTAG, |r| (0x88b5, r.bytes(46))),
    "stag-ipv4-udp" => |r| tagged(r, STAG, |r| { let l4 = ports(r); (IPV4, ipv4(r, UDP, &l4)) }),
    "stag-vlan-ipv4-tcp" => |r| tagged(r, STAG, |r| { let l4 = ports(r); let ip = ipv4(r, TCP, &l4); (CTAG, vlan(r, IPV4, &ip)) }),
    "vlan-vlan-ipv6-udp" => |r| tagged(r, CTAG, |r| { let l4 = ports(r); let ip = ipv6(r, UDP, &l4); (CTAG, vlan(r, IPV6, &ip)) }),
    "arp" => |r| { let body = arp(r); ethernet(r, ARP, &body) },
    "rarp" => |r| { let body = arp(r); ethernet(r, RARP, &body) },
    "unknown-ethertype" => |r| { let body = r.bytes(46); ethernet(r, 0x88b5, &body) },
    "llc" => |r| { let body = [vec![0x42, 0x42, 3], r.bytes(43)].concat(); ethernet(r, 46, &body) },
    "mpls-ipv4" => |r| { let body = mpls(r); ethernet(r, MPLS, &body) },
    "ipv4-in-ipv4" => |r| ip4(r, IPIP, inner4),
    "ipv6-in-ipv4" => |r| ip4(r, SIXIN, inner6),
    "ipv4-in-ipv6" => |r| ip6(r, IPIP, inner4),
    "ipv6-in-ipv6" => |r| ip6(r, SIXIN, inner6),
    "ipv6-hop-by-hop-ipv4" => |r| ip6(r, 0, |r| { let ip = inner4(r); hop_by_hop(IPIP, &ip) }),
    "gre-ipv4" => |r| ip4(r, GRE, |r| { let ip = inner4(r); gre(r, IPV4, 0, &ip) }),
    "gre-options-ipv6" => |r| ip4(r, GRE, |r| {
        let ip = inner6(r);
        let flags = r.pick(&[0x2000, 0x1000, 0x8000, 0xb000]);
        gre(r, IPV6, flags, &ip)
    }),
    "gre-ethernet" => |r| ip4(r, GRE, |r| {
        let ip = inner4(r);
        let inner = ethernet(r, IPV4, &ip);
        gre(r, TEB, 0x2000, &inner)
    }),
    "pppoe-ipv4" => |r| { let ip = inner4(r); let body = pppoe(r, 0x0021, &ip); ethernet(r, PPPOE, &body) },
    "pppoe-ipv6" => |r| { let ip = inner6(r); let body = pppoe(r, 0x0057, &ip); ethernet(r, PPPOE, &body) },
    "vxlan-ipv4" => |r| ip4(r, UDP, |r| {
        let ip = inner4(r);
        let inner = ethernet(r, IPV4, &ip);
        vxlan(r, &inner)
    }),
};

type Layer = fn(&mut Random) -> Vec<u8>;

fn ip4(random: &mut Random, protocol: u8, layer4: Layer) -> Vec<u8> {
    let payload = layer4(random);
    let packet = ipv4(random, protocol, &payload);
    ethernet(random, IPV4, &packet)
}

fn ip6(random: &mut Random, next: u8, layer4: Layer) -> Vec<u8> {
    let payload = layer4(random);
    let packet = ipv6(random, next, &payload);
    ethernet(random, IPV6, &packet)
}

fn tagged(random: &mut Random, tag: u16, inner: fn(&mut Random) -> (u16, Vec<u8>)) -> Vec<u8> {
    let (ethertype, payload) = inner(random);
    let body = vlan(random, ethertype, &payload);
    ethernet(random, tag, &body)
}

/// An IPv4 packet with TCP or UDP, to be carried in a tunnel.
fn inner4(random: &mut Random) -> Vec<u8> {
    let protocol = random.pick(&[TCP, UDP]);
    let payload = ports(random);
    ipv4(random, protocol, &payload)
}

/// An IPv6 packet with TCP or UDP, to be carried in a tunnel.
fn inner6(random: &mut Random) -> Vec<u8> {
    let protocol = random.pick(&[TCP, UDP]);
    let payload = ports(random);
    ipv6(random, protocol, &payload)
}

/// An ICMP error that carries the packet which caused it.
fn icmp4_error(random: &mut Random, protocol: u8) -> Vec<u8> {
    let payload = ports(random);
    let inner = ipv4(random, protocol, &payload);
    let kind = random.pick(&[3, 4, 5, 11, 12]);
    icmp_error(random, kind, &inner)
}

/// A hop-by-hop options header of 8 bytes (RFC 8200 section 4.3) with a router alert.
fn hop_by_hop(next: u8, payload: &[u8]) -> Vec<u8> {
    [&[next, 0, 5, 2, 0, 0, 1, 0], payload].concat()
}

/// Two labels, the second at the bottom of the stack (RFC 3032), and an IPv4 packet.
fn mpls(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for bottom in [0, 1] {
        let label = u32::from(random.u16()) << 12 | bottom << 8 | 64;
        body.extend(label.to_be_bytes());
    }
    body.extend(inner4(random));
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_its_own_name() {
        let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(KINDS.len() >= 35);
    }

    #[test]
    fn a_seed_makes_the_same_frames_again_and_another_seed_others() {
        for kind in KINDS {
            let frame = |seed| kind.frame(&mut Random::new(seed));
            assert_eq!(frame(1), frame(1), "{}", kind.name);
            assert_ne!(frame(1), frame(2), "{}", kind.name);
            assert!((60..=1514).contains(&frame(1).len()), "{}", kind.name);
        }
    }

    #[test]
    fn no_frame_is_one_that_a_bridge_would_keep() {
        let mut random = Random::new(3);
        for kind in KINDS {
            for _ in 0..200 {
                let frame = kind.frame(&mut random);
                assert_ne!(&frame[..5], &[1, 0x80, 0xc2, 0, 0], "reserved address");
                assert_eq!(frame[6] & 1, 0, "a source is never a group");
            }
        }
    }
}

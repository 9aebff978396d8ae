//! Neighbour discovery's parser under any bytes: it never panics, believes exactly what the plain reading of RFC 4861 below does, and what it writes reads the same again.

use std::net::Ipv6Addr;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::wire::ip::{ICMPV6, Ipv6, checksum6};
use smartnic_slowpath::wire::ndp::{Neighbour, advertise, unsolicited};

/// Kind, flags, target and Ethernet address of a message that is valid (RFC 4861, 7.1): hop limit, length, code, checksum, options that fill the rest.
fn reading(packet: &Ipv6<'_>) -> Option<(u8, u8, Ipv6Addr, Option<MacAddr>)> {
    let bytes = packet.payload;
    let long = packet.protocol == ICMPV6 && packet.hop_limit == 255 && bytes.len() >= 24;
    let kind = *bytes.first().filter(|_| long)?;
    let sum = checksum6(packet.source, packet.destination, bytes);
    if !matches!(kind, 135 | 136) || bytes[1] != 0 || sum != 0 {
        return None;
    }
    let target: [u8; 16] = bytes[8..24].try_into().unwrap();
    if target[0] == 0xff {
        return None;
    }
    let (mut at, mut mac) = (24, None);
    while at < bytes.len() {
        let length = usize::from(*bytes.get(at + 1)?) * 8;
        if length == 0 || at + length > bytes.len() {
            return None;
        }
        // The first counts: the source's of a solicitation, the target's of an advertisement.
        if bytes[at] == kind - 134 && mac.is_none() {
            mac = Some(MacAddr(bytes[at + 2..at + 8].try_into().unwrap()));
        }
        at += length;
    }
    Some((kind, bytes[4], target.into(), mac))
}

fn check(bytes: &[u8]) {
    let Ok(packet) = Ipv6::parse(bytes) else {
        return;
    };
    let read = match Neighbour::parse(&packet) {
        Err(_) => None,
        Ok(Neighbour::Solicitation {
            source,
            mac,
            target,
        }) => {
            assert_eq!(source, packet.source);
            Some((135, None, target, mac))
        }
        Ok(Neighbour::Advertisement {
            target,
            mac,
            router,
            solicited,
        }) => {
            let flags = u8::from(router) << 7 | u8::from(solicited) << 6;
            Some((136, Some(flags), target, mac))
        }
    };
    let wanted = reading(&packet).map(|(kind, flags, target, mac)| {
        let flags = (kind == 136).then_some(flags & 0xc0);
        (kind, flags, target, mac)
    });
    assert_eq!(read, wanted, "{bytes:x?}");
    if let Some((_, _, target, Some(mac))) = read {
        for router in [false, true] {
            let again = unsolicited(target, mac, router);
            let again = Ipv6::parse(&again).expect("what was written is a packet");
            let solicited = false;
            let wanted = Neighbour::Advertisement {
                target,
                mac: Some(mac),
                router,
                solicited,
            };
            assert_eq!(Neighbour::parse(&again), Ok(wanted));
        }
        let again = advertise(target, mac, packet.source);
        let again = Ipv6::parse(&again).expect("what was written is a packet");
        assert_eq!(again.destination, packet.source);
        let (router, solicited) = (false, true);
        let wanted = Neighbour::Advertisement {
            target,
            mac: Some(mac),
            router,
            solicited,
        };
        assert_eq!(Neighbour::parse(&again), Ok(wanted));
    }
}

#[test]
fn ndp() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check(bytes);
        // Past the checksum, which a fuzzer does not guess, and mostly past the type and the hop limit.
        let mut payload = bytes.to_vec();
        payload.truncate(1400);
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let destination = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2);
        let first = payload.first().copied().unwrap_or(0);
        if payload.len() >= 4 {
            if first & 3 != 0 {
                payload[0] = 135 + (first >> 2 & 1);
                payload[1] &= first >> 3 & 1;
            }
            payload[2..4].fill(0);
            let sum = checksum6(source, destination, &payload);
            payload[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let packet = Ipv6 {
            source,
            destination,
            hop_limit: if first == 1 { 254 } else { 255 },
            hop_by_hop: false,
            router_alert: false,
            protocol: ICMPV6,
            payload: &payload,
        };
        check(&packet.emit());
    });
}

//! IGMP's parser under any bytes: it never panics, and what it believes it writes so that it reads the same again.

use std::net::Ipv4Addr;

use smartnic_slowpath::wire::igmp::Igmp;
use smartnic_slowpath::wire::ip::{IGMP, Ipv4, checksum};
use smartnic_slowpath::wire::membership::Strictness;

#[test]
fn igmp() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check(bytes);
        // Past the checksums, which a fuzzer does not guess.
        let mut payload = bytes.to_vec();
        payload.truncate(1400);
        if payload.len() >= 4 {
            payload[2..4].fill(0);
            let sum = checksum(&payload);
            payload[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let packet = Ipv4 {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 1),
            ttl: 1,
            router_alert: true,
            fragment: false,
            protocol: IGMP,
            payload: &payload,
        };
        check(&packet.emit());
    });
}

fn check(bytes: &[u8]) {
    let Ok(packet) = Ipv4::parse(bytes) else {
        return;
    };
    for strictness in [Strictness::Linux, Strictness::Rfc] {
        if let Ok(message) = Igmp::parse(&packet, strictness) {
            let again = message.emit();
            let packet = Ipv4::parse(&again).expect("what was written is a packet");
            assert_eq!(Igmp::parse(&packet, strictness), Ok(message));
        }
    }
}

//! MLD's parser under any bytes: it never panics, and what it believes it writes so that it reads the same again.

use std::net::Ipv6Addr;

use smartnic_slowpath::wire::ip::{ICMPV6, Ipv6, checksum6};
use smartnic_slowpath::wire::membership::Strictness;
use smartnic_slowpath::wire::mld::{ALL_NODES, Mld};

#[test]
fn mld() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check(bytes);
        // Past the checksum, which a fuzzer does not guess.
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let mut payload = bytes.to_vec();
        payload.truncate(1400);
        if payload.len() >= 4 {
            payload[2..4].fill(0);
            let sum = checksum6(source, ALL_NODES, &payload);
            payload[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let packet = Ipv6 {
            source,
            destination: ALL_NODES,
            hop_limit: 1,
            hop_by_hop: true,
            router_alert: true,
            protocol: ICMPV6,
            payload: &payload,
        };
        check(&packet.emit());
    });
}

fn check(bytes: &[u8]) {
    let Ok(packet) = Ipv6::parse(bytes) else {
        return;
    };
    for strictness in [Strictness::Linux, Strictness::Rfc] {
        if let Ok(message) = Mld::parse(&packet, strictness) {
            let again = message.emit();
            let packet = Ipv6::parse(&again).expect("what was written is a packet");
            assert_eq!(Mld::parse(&packet, strictness), Ok(message));
        }
    }
}

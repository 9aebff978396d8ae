//! balance-tlb and balance-alb: senders' addresses, ARP replies by client, updates after a fail-over, what clients send to each slave.

use std::net::Ipv4Addr;

use smartnic_netdev::packet::eth;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

use crate::common::*;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn client(n: u8) -> (Ipv4Addr, MacAddr) {
    (Ipv4Addr::new(10, 0, 0, n), mac(n))
}

/// Our answer to a client's question.
fn reply(own: MacAddr, n: u8) -> Vec<u8> {
    let (target_ip, target_mac) = client(n);
    let arp = Arp {
        operation: ArpOperation::Reply,
        sender_mac: own,
        sender_ip: OURS,
        target_mac,
        target_ip,
    };
    arp.emit_frame(target_mac, own)
}

fn arp(frame: &[u8]) -> Arp {
    Arp::parse(&frame[eth::HLEN..]).unwrap()
}

#[test]
fn clients_are_told_of_different_slaves_and_of_others_after_a_fail_over() {
    let mut rig = Rig::new(&[("mode", "balance-alb"), ("miimon", "100")], 2);
    let own = rig.dev.address();
    let addresses: Vec<_> = rig.slaves.iter().map(|s| s.address()).collect();
    assert_eq!(
        addresses,
        [slave_mac(0), slave_mac(1)],
        "each keeps its own"
    );
    let mut told = Vec::new();
    for n in 10..14 {
        let sent = rig.output(&reply(own, n));
        let [(slave, frame)] = &sent[..] else {
            panic!("{sent:?}");
        };
        // It leaves by the slave whose address it tells, from that address.
        assert_eq!(arp(frame).sender_mac, addresses[*slave]);
        assert_eq!(eth::source(frame), Some(addresses[*slave]));
        told.push(*slave);
    }
    assert_eq!(told.iter().filter(|s| **s == 0).count(), 2, "{told:?}");
    // What a client sends to its slave is for the bond.
    let payload = frame(slave_mac(1), mac(12), eth::P_IP, &[7; 50]);
    rig.input(1, &payload);
    let mut wanted = payload;
    wanted[..6].copy_from_slice(&own.0);
    assert_eq!(rig.seen(), [wanted]);
    // Slave 1 is gone: its clients hear of slave 0, and nobody else does.
    rig.link(1, false);
    rig.advance(2 * SECOND);
    let updates = rig
        .take()
        .into_iter()
        .filter(|(_, f)| eth::network_type(f) == Some(eth::P_ARP));
    let mut heard: Vec<_> = updates
        .map(|(slave, frame)| {
            assert_eq!((slave, arp(&frame).sender_mac), (0, addresses[0]));
            arp(&frame).target_ip.octets()[3]
        })
        .collect();
    heard.sort_unstable();
    heard.dedup();
    let moved: Vec<u8> = (10..14)
        .zip(&told)
        .filter(|(_, s)| **s == 1)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(heard, moved);
}

#[test]
fn flows_are_shared_and_leave_from_the_address_of_their_slave() {
    for mode in ["balance-tlb", "balance-alb"] {
        let mut rig = Rig::new(&[("mode", mode), ("miimon", "100")], 2);
        let mut count = [0; 2];
        for n in 0..64u8 {
            let mut ip = vec![
                0x45, 0, 0, 40, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 1, n,
            ];
            ip.resize(40, n);
            let sent = rig.output(&frame(mac(n), rig.dev.address(), eth::P_IP, &ip));
            let [(slave, frame)] = &sent[..] else {
                panic!("{sent:?}");
            };
            assert_eq!(
                eth::source(frame),
                Some(rig.slaves[*slave].address()),
                "{mode}"
            );
            count[*slave] += 1;
        }
        assert!(count.iter().all(|n| *n >= 16), "{mode}: {count:?}");
    }
}

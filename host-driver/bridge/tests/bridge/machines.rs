//! The machines on the data path: the spanning tree over a loop, IGMP members, ARP and ND answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};
use smartnic_slowpath::wire::igmp::{self, Igmp, Message, Query};
use smartnic_slowpath::wire::ip::{self, Ipv4, Ipv6};

use super::common::{Rig, frame, mac};

const ALL: MacAddr = MacAddr::BROADCAST;

/// Carries frames between two ports of two bridges, until nothing moves.
fn cables(rigs: &mut [Rig; 2], cables: &[(usize, usize)]) {
    for _ in 0..50 {
        let sent = [rigs[0].take().0, rigs[1].take().0];
        let mut moved = false;
        for (a, b) in cables {
            for (from, to, side) in [(*a, *b, 0), (*b, *a, 1)] {
                for bytes in &sent[side][from] {
                    moved = true;
                    rigs[1 - side].input(to, bytes);
                }
            }
        }
        if !moved {
            return;
        }
    }
    panic!("frames go round for ever");
}

#[test]
fn the_tree_cuts_a_loop_and_heals_it() {
    for version in ["stp", "rstp"] {
        let mut rigs = [Rig::new(3), Rig::new(3)];
        for (n, rig) in rigs.iter_mut().enumerate() {
            rig.set("mcast_snooping", "0").unwrap();
            rig.set("forcevers", version).unwrap();
            rig.set("priority", &(4096 * (n + 1)).to_string()).unwrap();
            let br = rig.dev.clone();
            rig.core.set_address(&br, mac(n as u8 + 1)).unwrap();
            rig.set("stp_state", "1").unwrap();
        }
        let both = [(0, 0), (1, 1)];
        let wait = |rigs: &mut [Rig; 2], seconds: u64| {
            for _ in 0..seconds * 4 {
                rigs.iter_mut()
                    .for_each(|r| r.advance(Duration::from_millis(250)));
                cables(rigs, &both);
            }
        };
        wait(&mut rigs, 40);
        let state = |rigs: &[Rig; 2], side: usize, n: usize| {
            rigs[side].bridge.port_state(&rigs[side].ports[n]).unwrap()
        };
        assert_eq!(
            rigs[1].bridge.info()["root_id"],
            "1000.2:0:0:0:0:1",
            "{version}"
        );
        assert_eq!(state(&rigs, 1, 0), PortState::Forwarding);
        assert_eq!(state(&rigs, 1, 1), PortState::Blocking);
        // A broadcast arrives once, and ends.
        rigs[0].input(2, &frame(ALL, mac(9), 0x9000, &[]));
        cables(&mut rigs, &both);
        let counters =
            |rigs: &[Rig; 2], n: usize| rigs[1].bridge.port_counters(&rigs[1].ports[n]).unwrap();
        assert_eq!(counters(&rigs, 2).tx, 1, "{version}");
        let learned = rigs[1].bridge.fdb_get(&rigs[1].core, mac(9), 0).unwrap();
        assert_eq!(learned.ifindex, rigs[1].ports[0].ifindex());
        // The cable in use is cut: what was learned there goes, the other takes over.
        for rig in &mut rigs {
            rig.ports[0].carrier_off();
        }
        wait(&mut rigs, 40);
        assert_eq!(state(&rigs, 1, 1), PortState::Forwarding, "{version}");
        assert!(rigs[1].bridge.fdb_get(&rigs[1].core, mac(9), 0).is_err());
    }
}

fn group_frame(from: MacAddr, to: Ipv4Addr, packet: &[u8]) -> Vec<u8> {
    let [_, b, c, d] = to.octets();
    let group = MacAddr([1, 0, 0x5e, b & 0x7f, c, d]);
    frame(group, from, 0x0800, packet)
}

fn igmp(from: MacAddr, to: Ipv4Addr, message: Message) -> Vec<u8> {
    let igmp = Igmp {
        source: Ipv4Addr::new(10, 0, 0, from.0[5]),
        destination: to,
        message,
    };
    group_frame(from, to, &igmp.emit())
}

#[test]
fn groups_go_to_members_and_routers() {
    let mut rig = Rig::new(4);
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let query = Query {
        group: Ipv4Addr::UNSPECIFIED,
        response_code: 100,
        v3: None,
    };
    rig.input(3, &igmp(mac(3), igmp::ALL_SYSTEMS, Message::Query(query)));
    rig.advance(Duration::from_secs(11));
    rig.input(1, &igmp(mac(1), group, Message::ReportV2(group)));
    let (sent, _) = rig.take();
    assert_eq!(sent[2].len(), 1, "the query, and no report");
    assert_eq!(rig.bridge.mdb_show().len(), 1);
    let packet = Ipv4 {
        source: Ipv4Addr::new(10, 0, 0, 7),
        destination: group,
        ttl: 5,
        router_alert: false,
        fragment: false,
        protocol: 17,
        payload: &[0; 20],
    };
    rig.input(0, &group_frame(mac(7), group, &packet.emit()));
    let (sent, up) = rig.take();
    let counts: Vec<usize> = sent.iter().map(Vec::len).collect();
    assert_eq!((counts, up.len()), (vec![0, 1, 0, 1], 0));
    // Malformed: counted, and nothing changes.
    let mut bad = igmp(mac(2), group, Message::ReportV2(group));
    let last = bad.iter().rposition(|b| *b != 0).unwrap();
    bad[last] ^= 1;
    let before = (rig.bridge.mdb_show().len(), rig.bridge.fdb_counts());
    rig.input(1, &bad);
    assert_eq!(
        rig.bridge
            .port_counters(&rig.ports[1])
            .unwrap()
            .drop_malformed,
        1
    );
    assert_eq!(rig.bridge.mdb_show().len(), before.0);
    let learned = rig.bridge.fdb_counts().0 - before.1.0;
    assert_eq!(
        (learned, rig.take().0.concat().len()),
        (1, 0),
        "its source was learned before it was read, as in Linux"
    );
    rig.advance(Duration::from_secs(400));
    assert!(rig.bridge.mdb_show().is_empty(), "nobody reports any more");
}

fn ask(from: MacAddr, asker: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let request = Arp {
        operation: ArpOperation::Request,
        sender_mac: from,
        sender_ip: asker.into(),
        target_mac: MacAddr::default(),
        target_ip: target.into(),
    };
    request.emit_frame(ALL, from)
}

#[test]
fn arp_is_answered_for_known_stations_and_kept_from_those_who_suppress() {
    let mut rig = Rig::new(4);
    let station = [10, 0, 0, 9];
    let known = IpAddr::from(station);
    rig.bridge.set_neighbour(0, known, Some(mac(9)));
    let question = ask(mac(1), [10, 0, 0, 1], station);
    let count = |rig: &mut Rig| {
        let (sent, up) = rig.take();
        (sent.iter().map(Vec::len).collect::<Vec<_>>(), up.len())
    };
    // Nobody asks for answers.
    rig.input(2, &frame(mac(1), mac(9), 0x9000, &[]));
    rig.take();
    rig.input(0, &question);
    assert_eq!(count(&mut rig), (vec![0, 1, 1, 1], 1));
    // The port of the station suppresses.
    rig.set_port(2, &[("neigh_suppress", "on")]).unwrap();
    rig.input(0, &question);
    let (sent, up) = rig.take();
    let reply = Arp::parse_frame(&sent[0][0]).unwrap();
    assert_eq!(
        (reply.operation, reply.sender_mac, reply.sender_ip),
        (ArpOperation::Reply, mac(9), station.into())
    );
    assert_eq!(
        (reply.target_mac, reply.target_ip),
        (mac(1), [10, 0, 0, 1].into())
    );
    let counts: Vec<usize> = sent.iter().map(Vec::len).collect();
    assert_eq!((counts, up.len()), (vec![1, 1, 0, 1], 1));
    // Unknown stations are asked for everywhere; announcements are for nobody who suppresses.
    rig.input(0, &ask(mac(1), [10, 0, 0, 1], [10, 0, 0, 8]));
    assert_eq!(count(&mut rig), (vec![0, 1, 1, 1], 1));
    rig.input(0, &ask(mac(1), [10, 0, 0, 1], [10, 0, 0, 1]));
    assert_eq!(count(&mut rig), (vec![0, 1, 0, 1], 1));
    // The bridge's own address is the bridge's to answer.
    rig.bridge.set_own_address(0, [10, 0, 0, 100].into(), true);
    rig.input(0, &ask(mac(1), [10, 0, 0, 1], [10, 0, 0, 100]));
    assert_eq!(count(&mut rig), (vec![0, 1, 0, 1], 1));
    // A proxy of the asker's port answers too, and nothing is flooded to it.
    rig.set_port(2, &[("neigh_suppress", "off")]).unwrap();
    rig.set_port(0, &[("proxy_arp", "on")]).unwrap();
    rig.input(0, &question);
    assert_eq!(count(&mut rig), (vec![1, 1, 1, 1], 1));
    rig.input(1, &ask(mac(4), [10, 0, 0, 4], [10, 0, 0, 8]));
    assert_eq!(count(&mut rig), (vec![0, 0, 1, 1], 1));
    // Cut short: no ARP, so it is forwarded.
    let mut short = question.clone();
    short.truncate(30);
    rig.input(0, &short);
    assert_eq!(count(&mut rig), (vec![0, 1, 1, 1], 1));
    rig.bridge.set_neighbour(0, known, None);
    rig.input(0, &question);
    assert_eq!(count(&mut rig), (vec![0, 1, 1, 1], 1));
}

fn solicit(from: MacAddr, asker: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let group: Ipv6Addr = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c].into();
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend([1, 1]);
    message.extend(from.0);
    let sum = ip::checksum6(asker, group, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let packet = Ipv6 {
        source: asker,
        destination: group,
        hop_limit: 255,
        hop_by_hop: false,
        router_alert: false,
        protocol: ip::ICMPV6,
        payload: &message,
    };
    frame(
        MacAddr([0x33, 0x33, 0xff, a, b, c]),
        from,
        0x86dd,
        &packet.emit(),
    )
}

#[test]
fn neighbour_solicitations_are_answered() {
    let mut rig = Rig::new(3);
    let (asker, target): (Ipv6Addr, Ipv6Addr) =
        ("fe80::1".parse().unwrap(), "fe80::9".parse().unwrap());
    rig.bridge.set_neighbour(0, target.into(), Some(mac(9)));
    rig.input(2, &frame(mac(1), mac(9), 0x9000, &[]));
    rig.set_port(2, &[("neigh_suppress", "on")]).unwrap();
    rig.take();
    rig.input(0, &solicit(mac(1), asker, target));
    let (sent, _) = rig.take();
    let counts: Vec<usize> = sent.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 0]);
    let reply = &sent[0][0];
    assert_eq!((&reply[..6], &reply[6..12]), (&mac(1).0[..], &mac(9).0[..]));
    let packet = Ipv6::parse(&reply[14..]).unwrap();
    assert_eq!(
        (packet.source, packet.destination, packet.hop_limit),
        (target, asker, 255)
    );
    assert_eq!(ip::checksum6(target, asker, packet.payload), 0);
    assert_eq!((packet.payload[0], packet.payload[4]), (136, 0x60));
    assert_eq!(packet.payload[8..24], target.octets());
    assert_eq!(packet.payload[24..32], [2, 1, 2, 0, 0, 0, 0, 9]);
    // Duplicate address detection is for nobody who suppresses, and gets no answer.
    rig.input(0, &solicit(mac(1), Ipv6Addr::UNSPECIFIED, target));
    let counts: Vec<usize> = rig.take().0.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 0]);
    // A wrong checksum: it is no solicitation.
    let mut bad = solicit(mac(1), asker, target);
    bad[60] ^= 1;
    rig.input(0, &bad);
    let counts: Vec<usize> = rig.take().0.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 1]);
}

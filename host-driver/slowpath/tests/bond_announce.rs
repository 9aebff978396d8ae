//! What a bond says in the host's name: addresses and memberships overheard, announced after a fail-over, forgotten when others have them; who asks for the
//! ARP monitor. tshark reads every announcement.

#[path = "common/bond_base.rs"]
mod bond_base;
#[path = "common/clock.rs"]
mod clock;
#[path = "common/shark.rs"]
mod shark;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bond_base::{bond, mac};
use clock::ms;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, Bond, Rx};
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};
use smartnic_slowpath::wire::membership::{Record, RecordKind};
use smartnic_slowpath::wire::{igmp, mld, ndp};

const HOST4: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
const OTHER4: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 9);
const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 254);
const TAG: [u16; 2] = [0x8100, 5];

fn host6() -> Ipv6Addr {
    "fe80::a".parse().unwrap()
}

/// A frame, with these words (a tag) before the EtherType.
fn frame(to: MacAddr, from: MacAddr, tag: &[u16], ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = [to.0, from.0].concat();
    for word in tag.iter().chain([&ethertype]) {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(packet);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Who has an address that somebody asks with, or answers with.
fn arp(operation: ArpOperation, from: MacAddr, ip: Ipv4Addr, tag: &[u16]) -> Vec<u8> {
    let arp = Arp {
        operation,
        sender_mac: from,
        sender_ip: ip,
        target_mac: MacAddr::default(),
        target_ip: ROUTER4,
    };
    frame(MacAddr::BROADCAST, from, tag, 0x0806, &arp.emit())
}

fn advertisement(from: MacAddr) -> Vec<u8> {
    let packet = ndp::unsolicited(host6(), from, true);
    frame(ndp::ALL_NODES_MAC, from, &[], 0x86dd, &packet)
}

fn igmp(from: MacAddr, destination: Ipv4Addr, message: igmp::Message) -> Vec<u8> {
    let source = HOST4;
    let packet = igmp::Igmp {
        source,
        destination,
        message,
    };
    let to = MacAddr([1, 0, 0x5e, 0, 0, 22]);
    frame(to, from, &[], 0x0800, &packet.emit())
}

fn mld(from: MacAddr, destination: Ipv6Addr, message: mld::Message) -> Vec<u8> {
    let source = host6();
    let packet = mld::Mld {
        source,
        destination,
        message,
    };
    frame(
        ndp::multicast_mac(destination),
        from,
        &[],
        0x86dd,
        &packet.emit(),
    )
}

fn record<A>(kind: RecordKind, group: A, sources: Vec<A>) -> Record<A> {
    Record {
        kind,
        group,
        sources,
    }
}

/// What the bond does from then on for so long: the times of its announcements, and the frames that it sends, by member.
fn run(bond: &mut Bond, from: Duration, time: Duration) -> Vec<(Duration, u32, Vec<u8>)> {
    let (mut now, mut sent) = (from, Vec::new());
    loop {
        while let Some(action) = bond.poll() {
            if let Action::Send { slave, frame } = action {
                sent.push((now, slave, frame));
            }
        }
        match bond.next_deadline().map(|t| t.max(now)) {
            Some(t) if t <= from + time => {
                now = t;
                bond.tick(now);
            }
            _ => return sent,
        }
    }
}

/// Active-backup over two members; the first is active until its link drops. Its frames have its address, which is the bond's.
fn pair(options: &[(&str, &str)]) -> Bond {
    let all = [&[("miimon", "100")], options].concat();
    let (mut bond, _) = bond("active-backup", &all, 2);
    run(&mut bond, Duration::ZERO, ms(1000));
    assert_eq!((bond.active_slave(), bond.address()), (Some(1), mac(1)));
    bond
}

fn fail_over(bond: &mut Bond) -> Vec<(Duration, u32, Vec<u8>)> {
    bond.set_link(ms(5000), 1, None);
    let sent = run(bond, ms(5000), ms(3000));
    assert_eq!(bond.active_slave(), Some(2));
    sent
}

#[test]
fn addresses_are_announced_on_the_new_member() {
    let mut bond = pair(&[("num_grat_arp", "3"), ("peer_notif_delay", "200")]);
    let own = bond.address();
    bond.overhear(&arp(ArpOperation::Request, own, HOST4, &[]));
    bond.overhear(&arp(ArpOperation::Reply, own, OTHER4, &TAG));
    bond.overhear(&advertisement(own));
    // Neither a probe for an address that nobody has yet, nor one of those that the host forwards for.
    bond.overhear(&arp(ArpOperation::Request, own, Ipv4Addr::UNSPECIFIED, &[]));
    bond.overhear(&arp(
        ArpOperation::Request,
        mac(9),
        Ipv4Addr::new(10, 9, 9, 9),
        &[],
    ));
    let sent = fail_over(&mut bond);
    let gratuitous = |ip, tag: &[u16]| {
        let arp = Arp {
            operation: ArpOperation::Request,
            sender_mac: own,
            sender_ip: ip,
            target_mac: MacAddr::default(),
            target_ip: ip,
        };
        frame(MacAddr::BROADCAST, own, tag, 0x0806, &arp.emit())
    };
    let each = [
        gratuitous(HOST4, &[]),
        gratuitous(OTHER4, &TAG),
        advertisement(own),
    ];
    let wanted: Vec<_> = [5000, 5200, 5400]
        .into_iter()
        .flat_map(|at| each.iter().map(move |frame| (ms(at), 2, frame.clone())))
        .collect();
    assert_eq!(sent, wanted);
    assert_eq!(bond.status().counters.announced, 9);
    let fields = [
        "vlan.id",
        "arp.isgratuitous",
        "arp.opcode",
        "arp.src.proto_ipv4",
        "icmpv6.nd.na.target_address",
        "icmpv6.nd.na.flag.o",
        "icmpv6.checksum.status",
        "icmpv6.opt.linkaddr",
    ];
    let frames: Vec<_> = each.to_vec();
    if let Some(lines) = shark::read(&frames, &fields) {
        let mac = own.to_string();
        let (host4, other4, host6) = (HOST4.to_string(), OTHER4.to_string(), host6().to_string());
        let gratuitous = ["1", "True"].contains(&lines[0][1].as_str());
        assert!(gratuitous, "{lines:?}");
        let yes = lines[0][1].clone();
        assert_eq!(lines[0], ["", &yes, "1", &host4, "", "", "", ""]);
        assert_eq!(lines[1], ["5", &yes, "1", &other4, "", "", "", ""]);
        assert_eq!(lines[2], ["", "", "", "", &host6, &yes, "1", &mac]);
    }
}

/// In a bridge the host speaks from the bridge's address, and is announced from it for as long as the bond is in there.
#[test]
fn a_bond_in_a_bridge_announces_what_the_bridge_says() {
    let bridge = mac(0x40);
    let says = arp(ArpOperation::Request, bridge, HOST4, &[]);
    let mut bond = pair(&[]);
    bond.overhear(&says);
    bond.set_above(Some(bridge));
    bond.overhear(&advertisement(bridge));
    bond.overhear(&arp(ArpOperation::Request, mac(9), OTHER4, &[]));
    bond.receive(ms(1000), 1, &mut advertisement(bridge));
    let sent = fail_over(&mut bond.clone());
    let wanted = [(ms(5000), 2, advertisement(bridge))];
    assert_eq!(
        sent, wanted,
        "a forwarded frame is nobody's here, an echo nobody else's"
    );
    bond.set_above(None);
    assert_eq!(fail_over(&mut bond), []);
}

/// Somebody else says that an address is his: it is not announced any more.
#[test]
fn an_address_that_moved_away_is_forgotten() {
    for mover in [
        arp(ArpOperation::Request, mac(9), HOST4, &[]),
        advertisement(mac(9)),
    ] {
        let mut bond = pair(&[]);
        let own = bond.address();
        bond.overhear(&arp(ArpOperation::Request, own, HOST4, &[]));
        bond.overhear(&advertisement(own));
        // The bond's own frames, come back to a member, are nobody else's.
        let mut echo = arp(ArpOperation::Request, own, HOST4, &[]);
        bond.receive(ms(1000), 1, &mut echo);
        assert_eq!(bond.receive(ms(1000), 1, &mut mover.clone()), Rx::Another);
        assert_eq!(fail_over(&mut bond).len(), 1);
    }
    // Without anything known, nothing is said.
    assert_eq!(fail_over(&mut pair(&[])), []);
}

#[test]
fn memberships_are_repeated_as_the_host_reported_them() {
    let mut bond = pair(&[("resend_igmp", "2"), ("num_grat_arp", "0")]);
    let own = bond.address();
    let group = |n| Ipv4Addr::new(239, 1, 1, n);
    let group6: Ipv6Addr = "ff05::7".parse().unwrap();
    let source = Ipv4Addr::new(10, 1, 2, 77);
    use RecordKind::*;
    let said = [
        igmp(own, group(1), igmp::Message::ReportV2(group(1))),
        igmp(own, group(2), igmp::Message::ReportV2(group(2))),
        igmp(own, group(2), igmp::Message::Leave(group(2))),
        igmp(
            own,
            igmp::ALL_V3_ROUTERS,
            igmp::Message::ReportV3(vec![
                record(ToInclude, group(3), vec![source, OTHER4]),
                record(ToExclude, group(4), vec![]),
                record(ToExclude, group(5), vec![source]),
            ]),
        ),
        igmp(
            own,
            igmp::ALL_V3_ROUTERS,
            igmp::Message::ReportV3(vec![
                record(Block, group(3), vec![OTHER4]),
                record(ToInclude, group(4), vec![]),
                record(Allow, group(5), vec![source]),
            ]),
        ),
        mld(own, group6, mld::Message::ReportV1(group6)),
    ];
    said.iter().for_each(|frame| bond.overhear(frame));
    let sent = fail_over(&mut bond);
    let v3 = |record| {
        igmp(
            own,
            igmp::ALL_V3_ROUTERS,
            igmp::Message::ReportV3(vec![record]),
        )
    };
    let mut repeated = igmp(own, group(1), igmp::Message::ReportV2(group(1)));
    // A report of version 2 goes to the group.
    repeated[..6].copy_from_slice(&[1, 0, 0x5e, 1, 1, 1]);
    let each = [
        repeated,
        v3(record(IsInclude, group(3), vec![source])),
        v3(record(IsExclude, group(5), vec![])),
        mld(own, group6, mld::Message::ReportV1(group6)),
    ];
    let wanted: Vec<_> = [5000, 5200]
        .into_iter()
        .flat_map(|at| each.iter().map(move |frame| (ms(at), 2, frame.clone())))
        .collect();
    assert_eq!(sent, wanted);
    let fields = [
        "igmp.type",
        "igmp.record_type",
        "igmp.maddr",
        "icmpv6.type",
        "ip.ttl",
    ];
    if let Some(lines) = shark::read(&each, &fields) {
        assert_eq!(lines[0], ["0x16", "", "239.1.1.1", "", "1"]);
        assert_eq!(lines[1], ["0x22", "1", "239.1.1.3", "", "1"]);
        assert_eq!(lines[2], ["0x22", "2", "239.1.1.5", "", "1"]);
        assert_eq!(lines[3], ["", "", "", "131", ""]);
    }
}

/// The ARP monitor asks with the address that is nearest to the target, in its VLAN, and takes the answer to it for a sign of life.
#[test]
fn the_arp_monitor_asks_with_the_hosts_address() {
    let options = [
        ("arp_interval", "100"),
        ("arp_ip_target", "10.1.2.254,192.168.7.1"),
        ("arp_validate", "all"),
    ];
    let (mut bond, _) = bond("active-backup", &options, 1);
    let asked = |bond: &mut Bond, from| {
        let sent = run(bond, from, ms(100));
        let last = sent.into_iter().rev().take(2).map(|(.., frame)| frame);
        let mut last: Vec<_> = last.collect();
        last.reverse();
        last
    };
    let probe = |ip, target_ip, tag: &[u16]| {
        let arp = Arp {
            operation: ArpOperation::Request,
            sender_mac: mac(1),
            sender_ip: ip,
            target_mac: MacAddr::default(),
            target_ip,
        };
        frame(MacAddr::BROADCAST, mac(1), tag, 0x0806, &arp.emit())
    };
    let targets = [ROUTER4, Ipv4Addr::new(192, 168, 7, 1)];
    let nobody = Ipv4Addr::UNSPECIFIED;
    assert_eq!(
        asked(&mut bond, ms(0)),
        targets.map(|t| probe(nobody, t, &[]))
    );
    bond.overhear(&arp(ArpOperation::Request, mac(1), HOST4, &[]));
    bond.overhear(&arp(ArpOperation::Request, mac(1), OTHER4, &TAG));
    let probes = [
        probe(HOST4, targets[0], &[]),
        probe(OTHER4, targets[1], &TAG),
    ];
    assert_eq!(asked(&mut bond, ms(100)), probes);
    let fields = [
        "vlan.id",
        "arp.opcode",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
    ];
    let all = [
        probe(nobody, targets[0], &[]),
        probes[0].clone(),
        probes[1].clone(),
    ];
    if let Some(lines) = shark::read(&all, &fields) {
        assert_eq!(lines[0], ["", "1", "0.0.0.0", "10.1.2.254"]);
        assert_eq!(lines[1], ["", "1", "10.1.2.3", "10.1.2.254"]);
        assert_eq!(lines[2], ["5", "1", "192.168.7.9", "192.168.7.1"]);
    }
}

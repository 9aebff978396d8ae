//! Frames: malformed ones are counted and change nothing, good ones are counted by kind; fast leave, unicast copies, the
//! hardware's plan and its changes, contexts per VLAN.

mod mcast;

use std::net::{IpAddr, Ipv4Addr};

use mcast::*;
use rand::Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::igmp::{Igmp, Message};
use smartnic_slowpath::wire::membership::RecordKind::*;
use smartnic_slowpath::wire::membership::Strictness;

fn g(n: u8) -> IpAddr {
    group(Family::V4, n)
}

fn s(n: u8) -> IpAddr {
    source(Family::V4, n)
}

fn h(n: u8) -> IpAddr {
    host(Family::V4, n)
}

#[test]
fn malformed_frames_are_counted_and_change_nothing() {
    let mut rng = rng();
    for family in Family::ALL {
        let mut bridge = Bridge::querier(2);
        let from = host(family, 1);
        let kinds = [
            (IsExclude, group(family, 1), vec![source(family, 1)]),
            (Allow, group(family, 2), vec![source(family, 2)]),
        ];
        bridge.receive(1, 1, &report(from, &kinds));
        bridge.snooping.take_outputs();
        let (mdb, deadline) = (bridge.snooping.mdb(), bridge.snooping.next_deadline());
        let good = [
            report(
                from,
                &[
                    (ToInclude, group(family, 1), vec![]),
                    (Block, group(family, 2), vec![source(family, 2)]),
                ],
            ),
            leave(from, group(family, 1)),
            query(host(family, 9), None, None),
            query(host(family, 9), Some(group(family, 1)), Some(false)),
        ];
        let mut errors = 0;
        for _ in 0..2000 {
            let mut packet = good[rng.random_range(0..good.len())].clone();
            // From where on every bit is under a checksum.
            let covered = if family == Family::V4 { 20 } else { 48 };
            let destination = packet.clone();
            match rng.random() {
                true => packet.truncate(rng.random_range(0..packet.len())),
                false => {
                    packet[rng.random_range(covered..destination.len())] ^=
                        1 << rng.random_range(0..8)
                }
            }
            let frame = Frame {
                port: Some(1),
                vid: 0,
                source: mac(1),
                destination: MacAddr([1, 0, 0x5e, 0, 0, 22]),
                ethertype: if family == Family::V4 { 0x0800 } else { 0x86dd },
                payload: &packet,
            };
            let verdict = bridge.snooping.receive(bridge.now, &frame);
            assert_eq!(
                verdict,
                Verdict {
                    route: Route::Drop,
                    local: false,
                    pdu: None
                },
                "{packet:02x?}"
            );
            errors += 1;
            let stats = bridge.snooping.stats(Some(1)).expect("a port");
            let counted = if family == Family::V4 {
                stats.igmp_parse_errors
            } else {
                stats.mld_parse_errors
            };
            assert_eq!(counted, errors);
        }
        assert_eq!(
            (bridge.snooping.mdb(), bridge.snooping.next_deadline()),
            (mdb, deadline)
        );
        assert_eq!(bridge.snooping.take_outputs(), []);
    }
}

#[test]
fn messages_are_counted_by_kind() {
    let mut bridge = Bridge::new(2);
    let v1 = |message| {
        Igmp {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 1),
            message,
        }
        .emit()
    };
    let mut want = McastStats::default();
    let said = [
        (
            Pdu::IgmpV1Query,
            v1(Message::Query(smartnic_slowpath::wire::igmp::Query {
                group: Ipv4Addr::UNSPECIFIED,
                response_code: 0,
                v3: None,
            })),
        ),
        (Pdu::IgmpV2Query, query(h(9), None, None)),
        (Pdu::IgmpV3Query, query(h(9), None, Some(false))),
        (
            Pdu::IgmpV1Report,
            v1(Message::ReportV1(Ipv4Addr::new(239, 1, 1, 1))),
        ),
        (Pdu::IgmpV2Report, old_report(h(1), g(1))),
        (
            Pdu::IgmpV3Report,
            report(h(1), &[(IsExclude, g(1), vec![])]),
        ),
        (Pdu::IgmpLeave, leave(h(1), g(1))),
    ];
    for (times, (pdu, packet)) in said.into_iter().enumerate() {
        for _ in 0..=times {
            let verdict = bridge.receive(1, 1, &packet);
            assert_eq!(verdict.pdu, Some(pdu));
            bridge.snooping.count_sent(2, pdu);
        }
        want.of(pdu).rx = times as u64 + 1;
    }
    assert_eq!(bridge.snooping.stats(Some(1)), Some(want));
    let sent = bridge.snooping.stats(Some(2)).expect("a port");
    assert_eq!((sent.igmp_leaves.tx, sent.igmp_v1queries.tx), (7, 1));
    assert_eq!(bridge.snooping.stats(None), Some(McastStats::default()));
    // Not asked for, not counted.
    bridge.set(Knob::StatsEnabled, 0);
    bridge.receive(1, 1, &leave(h(1), g(1)));
    assert_eq!(bridge.snooping.stats(Some(1)), Some(want));
}

#[test]
fn strictness_is_a_choice() {
    let mut packet = old_report(h(1), g(1));
    packet[8] = 64;
    packet[10..12].fill(0);
    let sum = smartnic_slowpath::wire::ip::checksum(&packet[..24]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut bridge = Bridge::new(1);
    bridge.snooping.set_strictness(Strictness::Rfc);
    assert_eq!(bridge.receive(1, 1, &packet).route, Route::Drop);
    bridge.snooping.set_strictness(Strictness::Linux);
    assert_eq!(bridge.receive(1, 1, &packet).route, Route::Flood);
    assert_eq!(bridge.snooping.mdb().len(), 1);
}

#[test]
fn a_fast_leave_counts_at_once() {
    let mut bridge = Bridge::new(2);
    bridge.set_port(1, PortKnob::FastLeave, 1);
    for port in 1..=2 {
        bridge.receive(port, 1, &old_report(h(1), g(1)));
    }
    bridge.snooping.take_outputs();
    for port in 1..=2 {
        bridge.receive(port, 1, &leave(h(1), g(1)));
    }
    let ports: Vec<_> = bridge
        .snooping
        .mdb()
        .iter()
        .map(|entry| entry.port)
        .collect();
    assert_eq!(ports, [Some(2)]);
    let told = bridge.snooping.take_outputs();
    assert!(
        matches!(&told[..], [Output::Mdb { deleted: true, entry }] if entry.flags.fast_leave),
        "{told:?}"
    );
    // Where sources count, the last host takes the group, or a source, with it.
    let mut bridge = Bridge::querier(2);
    bridge.set_port(1, PortKnob::FastLeave, 1);
    let say = |bridge: &mut Bridge, n, kind, sources| {
        bridge.receive(1, n, &report(h(n), &[(kind, g(1), sources)]));
    };
    say(&mut bridge, 1, ToInclude, vec![s(1), s(2)]);
    say(&mut bridge, 2, ToInclude, vec![s(2)]);
    say(&mut bridge, 1, Block, vec![s(1), s(2)]);
    assert_eq!(bridge.ports(s(1), g(1)), Some(vec![]), "nobody is left");
    assert_eq!(bridge.ports(s(2), g(1)), Some(vec![1]), "host 2 is");
    say(&mut bridge, 2, ToInclude, vec![]);
    assert_eq!(bridge.snooping.mdb(), []);
}

/// While there is a host of IGMPv1, which leaves without a word, nobody else's leave counts.
#[test]
fn hosts_of_version_1_are_waited_for() {
    let v1 = Igmp {
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(239, 1, 1, 1),
        message: Message::ReportV1(Ipv4Addr::new(239, 1, 1, 1)),
    };
    for version in [2, 3] {
        let mut bridge = Bridge::querier(1);
        bridge.set(Knob::IgmpVersion, version);
        let start = bridge.now;
        bridge.receive(1, 1, &v1.emit());
        bridge.run(secs(100));
        bridge.receive(1, 2, &old_report(h(2), g(1)));
        bridge.receive(1, 2, &leave(h(2), g(1)));
        bridge.run(secs(5));
        assert_eq!(bridge.ports(s(1), g(1)), Some(vec![1]));
        bridge.run_to(start + secs(260));
        bridge.receive(1, 2, &leave(h(2), g(1)));
        bridge.run(secs(2));
        assert_eq!(bridge.ports(s(1), g(1)), Some(vec![]));
    }
}

#[test]
fn unicast_copies_and_the_plan() {
    let mut bridge = Bridge::querier(3);
    bridge.set_port(1, PortKnob::ToUnicast, 1);
    for n in [1, 2] {
        bridge.receive(1, n, &report(h(n), &[(Allow, g(1), vec![s(1)])]));
    }
    bridge.receive(2, 3, &report(h(3), &[(IsExclude, g(1), vec![s(2)])]));
    let copy = |port, host: Option<u8>| Delivery {
        port,
        unicast: host.map(mac),
    };
    let verdict = bridge.receive(3, 9, &data(s(1), g(1)));
    assert_eq!(
        verdict.route,
        Route::Ports(vec![copy(1, Some(1)), copy(1, Some(2)), copy(2, None)])
    );
    // The hardware gives such frames to the driver; the other group behind the same Ethernet address shares the entry.
    let alias: IpAddr = Ipv4Addr::new(238, 129, 1, 1).into();
    bridge.receive(3, 4, &report(h(4), &[(IsExclude, alias, vec![])]));
    let plan = bridge.snooping.plan(|vid| vid + 7);
    let all = PortSet {
        ports: [1, 2, 3].into(),
        host: false,
        software: true,
    };
    let shared = (7, GroupAddress::Ip(g(1)).mac());
    assert_eq!(plan.groups.iter().collect::<Vec<_>>(), [(&shared, &all)]);
    let route = |group, source| {
        plan.routes[&(7, group, source)]
            .ports
            .iter()
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(route(g(1), Some(s(1))), [1, 2]);
    assert_eq!(route(g(1), Some(s(2))), [], "port 2 blocks it");
    assert_eq!(route(g(1), None), [2]);
    assert_eq!(route(alias, None), [3]);
    // Once a router is beside the hosts, they all share its copy.
    bridge.set_port(1, PortKnob::Router, 2);
    let verdict = bridge.receive(3, 9, &data(s(1), g(1)));
    assert_eq!(
        verdict.route,
        Route::Ports(vec![copy(1, None), copy(2, None)])
    );
    bridge.set_port(1, PortKnob::Router, 1);
    // Changes: exactly what differs, and applied they give the new plan.
    let before = bridge.snooping.plan(|vid| vid + 7);
    assert_eq!(before.changes_from(&before), []);
    bridge.receive(3, 4, &report(h(4), &[(ToInclude, alias, vec![])]));
    bridge.run(secs(3));
    let after = bridge.snooping.plan(|vid| vid + 7);
    let fewer = PortSet {
        ports: [1, 2].into(),
        host: false,
        software: true,
    };
    assert_eq!(
        after.changes_from(&before),
        [
            Change::Route((7, alias, None), None),
            Change::Group(shared, Some(fewer)),
        ]
    );
    // 224.0.0.x and whatever shares their addresses always flood.
    let low: IpAddr = Ipv4Addr::new(239, 0, 0, 9).into();
    bridge.receive(2, 3, &report(h(3), &[(IsExclude, low, vec![])]));
    let plan = bridge.snooping.plan(|vid| vid);
    assert!(plan.routes.contains_key(&(0, low, None)));
    assert!(!plan.groups.contains_key(&(0, GroupAddress::Ip(low).mac())));
    // Nobody queries: nothing is offloaded.
    bridge.set(Knob::Querier, 0);
    assert_eq!(bridge.snooping.plan(|vid| vid), Plan::default());
}

#[test]
fn vlans_have_contexts_of_their_own() {
    let mut bridge = Bridge::new(2);
    let now = bridge.now;
    bridge.snooping.set_vlan_filtering(now, true);
    for vid in [10, 20] {
        bridge.snooping.add_vlan(now, vid, vid == 10);
        for port in 1..=2 {
            bridge.snooping.add_port_vlan(now, port, vid);
        }
    }
    bridge.set(Knob::VlanSnooping, 1);
    bridge
        .snooping
        .set_knob(now, 10, Knob::Querier, 1)
        .expect("a VLAN's");
    bridge.run(secs(60));
    let sent = bridge.snooping.take_outputs();
    let vids: Vec<_> = sent
        .iter()
        .filter_map(|output| match output {
            Output::Send { vid, .. } => Some(*vid),
            _ => None,
        })
        .collect();
    assert!(
        !vids.is_empty() && vids.iter().all(|vid| *vid == 10),
        "{vids:?}"
    );
    for (vid, port) in [(10, 1), (20, 2)] {
        bridge.receive_in(vid, port, 1, &old_report(h(1), g(1)));
    }
    let route = |bridge: &mut Bridge, vid| bridge.receive_in(vid, 2, 9, &data(s(1), g(1))).route;
    let only = |port| {
        Route::Ports(vec![Delivery {
            port,
            unicast: None,
        }])
    };
    assert_eq!(route(&mut bridge, 10), only(1));
    assert_eq!(route(&mut bridge, 20), Route::Flood, "nobody queries there");
    // The user's entry in every VLAN of the port.
    bridge
        .snooping
        .mdb_add(bridge.now, &MdbRequest::permanent(0, g(2), 1))
        .expect("good");
    let vids: Vec<_> = bridge
        .snooping
        .mdb()
        .iter()
        .filter(|e| e.flags.permanent)
        .map(|e| e.key.vid)
        .collect();
    assert_eq!(vids, [10, 20]);
    assert_eq!(
        (
            bridge.snooping.groups_of(1, 10),
            bridge.snooping.groups_of(1, 0)
        ),
        (Some(2), Some(3))
    );
    // Snooping off in one VLAN, a port out of it, the VLAN gone.
    bridge
        .snooping
        .set_knob(bridge.now, 10, Knob::Snooping, 0)
        .expect("a VLAN's");
    assert_eq!(route(&mut bridge, 10), Route::Flood);
    bridge
        .snooping
        .set_knob(bridge.now, 10, Knob::Snooping, 1)
        .expect("a VLAN's");
    bridge.snooping.remove_port_vlan(bridge.now, 1, 10);
    assert_eq!(bridge.snooping.groups_of(1, 0), Some(1));
    bridge.snooping.remove_vlan(bridge.now, 20);
    assert_eq!(bridge.snooping.mdb(), []);
    // Ports that go leave nothing behind, and a bridge that is down has nothing to do.
    bridge.snooping.remove_port(bridge.now, 1);
    bridge.snooping.set_running(bridge.now, false);
    assert_eq!(bridge.snooping.next_deadline(), None);
}

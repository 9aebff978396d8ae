//! Any sequence of reports, leaves, queries, settings and time: nothing panics, the counts of groups are right, and when all has
//! fallen silent nothing is left, no entry and no timer.

mod mcast;

use mcast::*;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind;

/// One thing that happens, out of four bytes.
fn step(bridge: &mut Bridge, family: Family, bytes: &[u8]) {
    let &[op, port, group_and_host, sources] = bytes else {
        return;
    };
    let port = PortId::from(port % 3) + 1;
    let (group, number) = (group(family, group_and_host % 3), group_and_host >> 6);
    let from = host(family, number + 1);
    let listed = (0..5).filter(|n| sources >> n & 1 == 1);
    let listed: Vec<_> = listed.map(|n| source(family, n)).collect();
    let on = u64::from(sources & 1);
    let states = [
        PortState::Disabled,
        PortState::Blocking,
        PortState::Forwarding,
    ];
    match op % 24 {
        op @ 0..12 => {
            let kind = RecordKind::ALL[usize::from(op % 6)];
            bridge.receive(port, number, &report(from, &[(kind, group, listed)]));
        }
        12 => drop(bridge.receive(port, number, &leave(from, group))),
        13 => drop(bridge.receive(port, number, &old_report(from, group))),
        14 => drop(bridge.receive(0, number, &old_report(from, group))),
        15 => drop(bridge.receive(port, 9, &query(host(family, 9), Some(group), Some(on == 1)))),
        16 => drop(bridge.receive(port, 9, &query(host(family, 9), None, None))),
        17 => bridge.set_port(port, PortKnob::FastLeave, on),
        18 => bridge.set_port(port, PortKnob::ToUnicast, on),
        19 => bridge.set_port(port, PortKnob::Router, u64::from(sources & 3)),
        20 => bridge
            .snooping
            .set_port_state(bridge.now, port, states[usize::from(sources % 3)]),
        21 => {
            bridge.set(Knob::IgmpVersion, 2 + on);
            bridge.set(Knob::MldVersion, 1 + on);
        }
        22 => bridge.set(Knob::HashMax, 4 + u64::from(sources)),
        _ => bridge.run(centis(u64::from(sources) * 10)),
    }
}

fn consistent(bridge: &Bridge) {
    if bridge.snooping.knob(0, Knob::Snooping) != Ok(1) {
        return;
    }
    let mdb = bridge.snooping.mdb();
    for port in 1..=3 {
        let members = mdb.iter().filter(|entry| entry.port == Some(port)).count();
        assert_eq!(
            bridge.snooping.groups_of(port, 0),
            Some(members as u32),
            "{mdb:#?}"
        );
    }
    for entry in mdb {
        assert!(entry.sources.len() <= SOURCES_MAX);
    }
}

#[test]
fn mcast_machine() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for family in Family::ALL {
            let mut bridge = Bridge::querier(3);
            for bytes in bytes.chunks_exact(4) {
                step(&mut bridge, family, bytes);
                consistent(&bridge);
            }
            bridge.set(Knob::Querier, 0);
            bridge.set(Knob::Snooping, 1);
            for port in 1..=3 {
                bridge.set_port(port, PortKnob::Router, 1);
            }
            bridge.run(secs(1000));
            assert_eq!(bridge.snooping.mdb(), []);
            assert_eq!(bridge.snooping.next_deadline(), None);
        }
    });
}

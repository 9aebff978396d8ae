//! Knobs with their ranges, and the limits: of the database, of a port.

mod mcast;

use std::net::IpAddr;
use std::time::Duration;

use mcast::*;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::*;

use Errno::{E2BIG, EINVAL, ENOENT, ENOMEM};

fn g(n: u8) -> IpAddr {
    group(Family::V4, n)
}

fn s(n: u8) -> IpAddr {
    source(Family::V4, n)
}

fn temporary(n: u8, port: PortId) -> MdbRequest {
    MdbRequest {
        permanent: false,
        ..MdbRequest::permanent(0, g(n), port)
    }
}

fn add(bridge: &mut Bridge, request: &MdbRequest) -> Result<(), Errno> {
    let added = bridge.snooping.mdb_add(bridge.now, request);
    added.map_err(|refused| refused.errno)
}

#[test]
fn knobs_have_linux_names_units_and_defaults() {
    let bridge = Bridge::new(1);
    let get = |knob| bridge.snooping.knob(0, knob).expect("every knob");
    // What ip -d link says of a new bridge. Linux prints 3124 where its clock does not divide 31.25 s.
    let defaults = "mcast_snooping 1 mcast_vlan_snooping 0 mcast_router 1 mcast_query_use_ifaddr 0 mcast_querier 0 \
        mcast_hash_elasticity 16 mcast_hash_max 4096 mcast_last_member_count 2 mcast_startup_query_count 2 \
        mcast_last_member_interval 100 mcast_membership_interval 26000 mcast_querier_interval 25500 mcast_query_interval 12500 \
        mcast_query_response_interval 1000 mcast_startup_query_interval 3125 mcast_stats_enabled 1 mcast_igmp_version 2 \
        mcast_mld_version 1";
    let all = Knob::ALL.map(|knob| format!("{} {}", knob.name(), get(knob)));
    assert_eq!(all.join(" "), defaults);
    for knob in Knob::ALL {
        assert_eq!(Knob::from_name(knob.name()), Some(knob));
    }
    for knob in PortKnob::ALL {
        assert_eq!(PortKnob::from_name(knob.name()), Some(knob));
    }
    let mut bridge = Bridge::new(1);
    let mut set = |vid, knob, value| {
        let set = bridge.snooping.set_knob(Duration::ZERO, vid, knob, value);
        set.map(|()| bridge.snooping.knob(vid, knob).expect("set"))
            .map_err(|refused| refused.errno)
    };
    assert_eq!(set(0, Knob::QueryInterval, 99), Ok(100));
    assert_eq!(set(0, Knob::QueryInterval, 8_640_001), Ok(8_640_000));
    assert_eq!(set(0, Knob::StartupQueryInterval, 1), Ok(100));
    assert_eq!(set(0, Knob::MembershipInterval, 12345), Ok(12345));
    assert_eq!(set(0, Knob::HashElasticity, 5), Ok(16));
    assert_eq!(set(0, Knob::Querier, 7), Ok(1));
    for (knob, value) in [
        (Knob::IgmpVersion, 1),
        (Knob::IgmpVersion, 4),
        (Knob::MldVersion, 0),
        (Knob::MldVersion, 3),
        (Knob::Router, 3),
    ] {
        assert_eq!(set(0, knob, value), Err(EINVAL), "{knob:?}");
    }
    assert_eq!(
        set(0, Knob::VlanSnooping, 1),
        Err(EINVAL),
        "VLAN filtering is off"
    );
    assert_eq!(set(7, Knob::Querier, 1), Err(ENOENT));
    let mut port = |knob, value| {
        let set = bridge
            .snooping
            .set_port_knob(Duration::ZERO, 1, 0, knob, value);
        set.map_err(|refused| refused.errno)
    };
    assert_eq!(port(PortKnob::Router, 4), Err(EINVAL));
    assert_eq!(port(PortKnob::EhtHostsLimit, 0), Err(EINVAL));
    let nobody = bridge
        .snooping
        .set_port_knob(Duration::ZERO, 9, 0, PortKnob::FastLeave, 1);
    assert_eq!(nobody.unwrap_err().errno, EINVAL);
}

/// `mcast_hash_max`: the entry too many switches snooping off, and everything floods.
#[test]
fn a_full_table_switches_snooping_off() {
    let mut bridge = Bridge::querier(2);
    bridge.set(Knob::HashMax, 3);
    for n in 1..=3 {
        bridge.receive(
            1,
            1,
            &report(host(Family::V4, 1), &[(IsExclude, g(n), vec![])]),
        );
    }
    bridge.snooping.take_outputs();
    let plan = bridge.snooping.plan(|vid| vid);
    assert_eq!(plan.groups.len(), 3);
    let verdict = bridge.receive(
        1,
        1,
        &report(host(Family::V4, 1), &[(IsExclude, g(4), vec![])]),
    );
    assert_eq!(verdict.route, Route::Drop);
    assert_eq!(bridge.snooping.take_outputs(), [Output::SwitchedOff]);
    assert_eq!(bridge.snooping.knob(0, Knob::Snooping), Ok(0));
    assert_eq!(bridge.ports(s(1), g(1)), None, "everything floods");
    assert_eq!(bridge.snooping.mdb(), []);
    assert_eq!(bridge.snooping.plan(|vid| vid), Plan::default());
    // On again, with room.
    bridge.set(Knob::HashMax, 4);
    bridge.set(Knob::Snooping, 1);
    assert_eq!(add(&mut bridge, &temporary(5, 2)), Ok(()));
    assert_eq!(add(&mut bridge, &temporary(6, 2)), Err(E2BIG));
    assert_eq!(bridge.snooping.knob(0, Knob::Snooping), Ok(0));
}

/// `mcast_max_groups` of a port: more are not noted, and nobody else suffers.
#[test]
fn a_port_has_its_limit() {
    let mut bridge = Bridge::querier(2);
    bridge.set_port(1, PortKnob::MaxGroups, 2);
    for n in 1..=3 {
        for port in 1..=2 {
            bridge.receive(
                port,
                1,
                &report(host(Family::V4, 1), &[(IsExclude, g(n), vec![])]),
            );
        }
    }
    assert_eq!(bridge.snooping.groups_of(1, 0), Some(2));
    assert_eq!(bridge.snooping.groups_of(2, 0), Some(3));
    assert_eq!(
        add(&mut bridge, &MdbRequest::permanent(0, g(4), 1)),
        Err(ENOMEM)
    );
    assert_eq!(
        bridge.ports(s(1), g(4)),
        Some(vec![]),
        "no empty entry is left"
    );
    assert_eq!(bridge.ports(s(1), g(3)), Some(vec![2]));
    bridge.receive(
        1,
        1,
        &report(host(Family::V4, 1), &[(ToInclude, g(1), vec![])]),
    );
    bridge.run(secs(2));
    assert_eq!(bridge.snooping.groups_of(1, 0), Some(1));
    assert_eq!(add(&mut bridge, &MdbRequest::permanent(0, g(4), 1)), Ok(()));
}

/// The least and the most of every knob: nothing overflows, and time goes on.
#[test]
fn extreme_values_are_only_extreme() {
    for value in [0, u64::MAX] {
        let mut bridge = Bridge::querier(2);
        let times = Knob::ALL.into_iter().filter(|knob| {
            let name = knob.name();
            name.ends_with("interval") || name.ends_with("count")
        });
        times.for_each(|knob| bridge.set(knob, value));
        bridge.set_port(1, PortKnob::FastLeave, 1);
        for family in Family::ALL {
            for (port, kind) in [1, 2].into_iter().flat_map(|port| {
                [
                    IsExclude, Block, ToInclude, Allow, ToExclude, Block, ToInclude,
                ]
                .map(|kind| (port, kind))
            }) {
                let sources = vec![source(family, 1), source(family, 2)];
                let said = (kind, group(family, 1), sources);
                bridge.receive(port, 1, &report(host(family, 1), &[said]));
                bridge.run(secs(1));
            }
            bridge.receive(2, 9, &query(host(family, 9), Some(group(family, 1)), None));
        }
        bridge.run(secs(10));
        assert!(bridge.queries().len() < 2000);
    }
}

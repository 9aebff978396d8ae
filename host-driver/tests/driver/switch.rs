//! What masters make the hardware do: registers, FDB, LAG; learning; refusals that change nothing.

use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::FdbKey;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::Switch;
use smartnic_driver::switch::fdb::FdbRequest;
use smartnic_driver::switch::model::Model;
use smartnic_regs::values::{dest, kind, learn, state};
use smartnic_regs::{fdb, lag, port, reserved};

use crate::fake::{Fake, Shape};

pub fn base() -> MacAddr {
    "02:00:00:00:00:10".parse().unwrap()
}

pub fn switch(fake: &Fake) -> Switch {
    Switch::new(
        fake.transport(),
        HostConfig {
            ring_log2: 4,
            ..Default::default()
        },
        base(),
    )
    .unwrap()
}

/// br0 over port1, port2 and lag0 of port3 and port4.
fn demo(model: &mut Model) -> Result<(), NetError> {
    model.add("br0", "bridge", MacAddr([2, 9, 9, 9, 9, 9]))?;
    model.add("lag0", "lag", MacAddr([2, 9, 9, 9, 9, 8]))?;
    for (member, master) in [
        ("port3", "lag0"),
        ("port4", "lag0"),
        ("port1", "br0"),
        ("port2", "br0"),
        ("lag0", "br0"),
    ] {
        model.enslave(member, master)?;
    }
    for name in ["port1", "port2", "lag0", "br0"] {
        model.set_up(name, true)?;
    }
    Ok(())
}

pub fn demo_switch() -> (Fake, Switch) {
    let fake = Fake::new(Shape::default());
    let mut switch = switch(&fake);
    switch.change(demo).unwrap();
    switch.settle_links().unwrap();
    (fake, switch)
}

pub fn field(fake: &Fake, index: u32, field: smartnic_regs::Field) -> u32 {
    field.get(fake.state().get(port::CONFIG, index))
}

pub fn local(mac: MacAddr) -> bool {
    mac == base() || (1..4).any(|n| mac == base().plus(n))
}

#[test]
fn a_new_card_forwards_nothing() {
    let fake = Fake::new(Shape::default());
    let _switch = switch(&fake);
    for index in 0..5 {
        assert_eq!(fake.state().get(port::CONFIG, index), 0);
        assert_eq!(fake.state().get(port::FORWARD_MASK, index), 0);
    }
    // Ports are down until somebody wants them up, and their links with them.
    for index in 0..4 {
        let mac = fake.state().get(port::MAC, index);
        assert_eq!(
            (port::MAC::RX_ENABLE.get(mac), port::MAC::LINK_DOWN.get(mac)),
            (0, 1)
        );
    }
    assert_ne!(fake.state().get(fdb::HASH_KEY, 0), 0);
    assert_eq!(
        [0, 1, 2].map(|n| fake.state().get(reserved::ACTION, n)),
        [3, 0, 1]
    );
}

#[test]
fn the_demo_bridge_in_registers() {
    let (fake, switch) = demo_switch();
    use port::CONFIG::*;
    for index in 0..4 {
        assert_eq!(
            field(&fake, index, STATE),
            state::FORWARDING,
            "port {index}"
        );
        assert_eq!(field(&fake, index, LEARN), learn::HARDWARE);
        assert_eq!(
            [FLOOD_UC, FLOOD_MC, FLOOD_BC].map(|f| field(&fake, index, f)),
            [1, 1, 1]
        );
        assert_eq!(field(&fake, index, FID), 1);
        assert_eq!(field(&fake, index, LAG_VALID), u32::from(index >= 2));
        // To every port and the host.
        assert_eq!(fake.state().get(port::FORWARD_MASK, index), 0b1_1111);
        assert_eq!(
            port::MAC::MAX_FRAME.get(fake.state().get(port::MAC, index)),
            1518
        );
    }
    // The host gets broadcast and multicast, and what is addressed to it: no unknown unicast.
    assert_eq!(
        [FLOOD_UC, FLOOD_MC, FLOOD_BC].map(|f| field(&fake, 4, f)),
        [0, 1, 1]
    );
    assert_eq!(
        (
            field(&fake, 4, FID),
            fake.state().get(port::FORWARD_MASK, 4)
        ),
        (1, 0b1111)
    );
    assert_eq!(fake.state().get(fdb::AGE_PERIOD, 0), 100_000);
    // The bridge has the lowest of its ports' addresses; those are local to the host. The lag has its first member's.
    let br0 = switch.model().device("br0").unwrap();
    assert_eq!(br0.address, base());
    let entries: Vec<_> = fake.state().table.iter().flatten().copied().collect();
    assert_eq!(entries.len(), 3);
    for (key, data) in entries {
        assert!(local(key.mac) && key.fid == 1, "{key:?}");
        assert_eq!(
            (u32::from(data.dest), u32::from(data.kind)),
            (dest::HOST, kind::LOCAL)
        );
    }
    // The lag: both members, Linux's round robin.
    let state = fake.state();
    assert_eq!(lag::GROUP::ENABLE.get(state.get(lag::GROUP, 0)), 1);
    assert_eq!(
        (
            state.get(lag::DISTRIBUTING, 0),
            state.get(lag::COLLECTING, 0)
        ),
        (0b1100, 0b1100)
    );
    assert_eq!(
        [0, 1, 2, 839].map(|b| state.buckets[&(0, b)]),
        [18, 19, 18, 19]
    );
}

#[test]
fn a_link_that_drops_moves_buckets_and_flushes() {
    let (fake, mut switch) = demo_switch();
    let station = |n| FdbKey {
        fid: 1,
        mac: MacAddr([2, 1, 1, 1, 1, n]),
    };
    fake.state().learn(station(1), 0);
    fake.state().learn(station(2), dest::LAG);
    switch.poll().unwrap();
    fake.state().set_link(2, false);
    switch.check_links().unwrap();
    assert_eq!(fake.state().buckets[&(0, 0)], 19);
    // The lag still has a member: what was learned there stays. With the second link gone it goes.
    let known = |fake: &Fake, k| {
        fake.state()
            .table
            .iter()
            .flatten()
            .any(|(key, _)| *key == k)
    };
    assert!(known(&fake, station(2)));
    fake.state().set_link(3, false);
    switch.check_links().unwrap();
    assert!(!known(&fake, station(2)) && known(&fake, station(1)));
    assert_eq!(
        switch.core().by_name("lag0").unwrap().operstate().word(),
        "DOWN"
    );
    fake.state().set_link(3, true);
    switch.check_links().unwrap();
    assert_eq!(
        switch.core().by_name("lag0").unwrap().operstate().word(),
        "UP"
    );
}

#[test]
fn resilient_and_active_backup() {
    let (fake, mut switch) = demo_switch();
    switch
        .change(|m| m.set_option("lag0", "lb_fill", "resilient"))
        .unwrap();
    let before = fake.state().buckets.clone();
    fake.state().set_link(2, false);
    switch.check_links().unwrap();
    for (bucket, member) in &before {
        let now = fake.state().buckets[bucket];
        assert!(*member == 18 || now == *member);
        assert_eq!(now, 19);
    }
    fake.state().set_link(2, true);
    switch.check_links().unwrap();
    switch
        .change(|m| m.set_option("lag0", "mode", "active-backup"))
        .unwrap();
    let group = fake.state().get(lag::GROUP, 0);
    // Port4 was the only one that was usable, and stays active until a primary is named.
    assert_eq!(
        (lag::GROUP::MODE.get(group), lag::GROUP::ACTIVE.get(group)),
        (1, 3)
    );
    assert_eq!(fake.state().get(lag::COLLECTING, 0), 0b1000);
    switch
        .change(|m| m.set_option("lag0", "primary", "port3"))
        .unwrap();
    assert_eq!(lag::GROUP::ACTIVE.get(fake.state().get(lag::GROUP, 0)), 2);
}

#[test]
fn leaving_and_deleting_undo_everything() {
    let (fake, mut switch) = demo_switch();
    let mac = MacAddr([2, 1, 1, 1, 1, 1]);
    switch
        .fdb_add(
            "port1",
            mac,
            FdbRequest {
                kind: kind::STATIC,
                ..Default::default()
            },
        )
        .unwrap();
    fake.state().learn(
        FdbKey {
            fid: 1,
            mac: mac.plus(1),
        },
        0,
    );
    let port1 = switch.model().device("port1").unwrap().ifindex;
    switch.change(|m| m.leave(port1)).unwrap();
    assert_eq!(fake.state().get(port::CONFIG, 0), 0);
    assert_eq!(fake.state().get(port::FORWARD_MASK, 0), 0);
    assert_eq!(fake.state().get(port::FORWARD_MASK, 1), 0b1_1110);
    assert!(
        fake.state()
            .table
            .iter()
            .flatten()
            .all(|(_, d)| u32::from(d.dest) == dest::HOST)
    );
    // Its address was the bridge's: the next lowest is now.
    assert_eq!(
        switch.model().device("br0").unwrap().address,
        base().plus(1)
    );
    switch.change(|m| m.delete("br0")).unwrap();
    switch.change(|m| m.delete("lag0")).unwrap();
    assert!(fake.state().table.iter().all(Option::is_none));
    assert!(
        (0..5).all(|i| fake.state().get(port::CONFIG, i) == 0
            && fake.state().get(port::FORWARD_MASK, i) == 0)
    );
    assert_eq!(fake.state().get(lag::GROUP, 0), 0);
}

#[test]
fn refusals_name_the_argument_and_change_nothing() {
    let (fake, mut switch) = demo_switch();
    let before = fake.state().regs.clone();
    type Change = fn(&mut Model) -> Result<(), NetError>;
    let cases: [(Change, &str); 16] = [
        (
            |m| m.add("br0", "bridge", MacAddr::default()).map(drop),
            "there is an interface \"br0\" already",
        ),
        (
            |m| m.add("x", "team", MacAddr::default()).map(drop),
            "argument type: \"team\" is wrong: use one of: bridge, lag, bond",
        ),
        (
            |m| m.delete("port1"),
            "argument dev: \"port1\" is wrong: it is a port of the card and cannot be deleted",
        ),
        (
            |m| m.delete("nope"),
            "there is no interface \"nope\"; see: smartnic-ctl link show",
        ),
        (
            |m| m.enslave("port1", "lag0"),
            "\"port1\" is busy: its frames go to br0 already; use nomaster first",
        ),
        (
            |m| m.enslave("port1", "port2"),
            "argument master: \"port2\" is wrong: it is a port, not a bridge, lag or bond",
        ),
        (
            |m| m.enslave("br0", "br0"),
            "argument master: \"br0\" is wrong: a device cannot be its own master",
        ),
        (
            |m| m.enslave("br0", "lag0"),
            "argument master: \"lag0\" is wrong: br0 is no port of the card: a lag takes ports only",
        ),
        (
            |m| m.set_mtu("port1", 9000),
            "argument mtu: \"9000\" is wrong: the card takes 68 to 1982",
        ),
        (
            |m| m.set_address("br0", MacAddr::BROADCAST),
            "argument address: \"ff:ff:ff:ff:ff:ff\" is wrong: a device's address is neither multicast nor zero",
        ),
        (
            |m| m.set_option("br0", "ageing_time", "-1"),
            "argument ageing_time: \"-1\" is wrong: a number from 0 to 100000000 is wanted",
        ),
        (
            |m| m.set_option("lag0", "xmit_hash_policy", "encap2+3"),
            "argument xmit_hash_policy: \"encap2+3\" is wrong: use one of: layer2, layer2+3, layer3+4",
        ),
        (
            |m| m.set_option("br0", "color", "red"),
            "argument color: \"red\" is wrong: a bridge has no such option; it has: ageing_time, stp_state, forcevers, priority, hello_time, max_age, forward_delay, tx_hold_count, group_address, group_fwd_mask, mcast_snooping, mcast_router, mcast_query_use_ifaddr, mcast_querier, mcast_hash_elasticity, mcast_hash_max, mcast_last_member_count, mcast_startup_query_count, mcast_last_member_interval, mcast_membership_interval, mcast_querier_interval, mcast_query_interval, mcast_query_response_interval, mcast_startup_query_interval, mcast_stats_enabled, mcast_igmp_version, mcast_mld_version",
        ),
        (
            |m| m.set_member_option("port1", "learning", "maybe"),
            "argument learning: \"maybe\" is wrong: use on (hardware), slow-path or off",
        ),
        (
            |m| m.set_member_option("br0", "flood", "on"),
            "argument flood: \"on\" is wrong: br0 is in no bridge: set its master first",
        ),
        (
            |m| {
                m.add("l1", "lag", base())
                    .and_then(|_| m.set_up("l1", true))
            },
            "argument up: \"l1\" is wrong: it is a lag without members; add some first: link set PORT master LAG",
        ),
    ];
    for (change, text) in cases {
        assert_eq!(switch.change(change).unwrap_err().to_string(), text);
    }
    let exhausted = switch
        .change(|m| (0..8).try_for_each(|i| m.add(&format!("l{i}"), "lag", base()).map(drop)));
    assert_eq!(
        exhausted.unwrap_err().to_string(),
        "no LAG group is left: the card has 4"
    );
    assert_eq!(fake.state().regs, before);
    assert_eq!(switch.model().registry.iter().count(), 6);
}

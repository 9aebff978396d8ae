//! The forwarding database: size, speed of growth, limits, codes, filters, ageing, a dump while others learn.

use std::time::Duration;

use smartnic_bridge::{FdbFilter, FdbFlags, FdbRequest, FdbState, FdbWay};
use smartnic_netdev::Packet;
use smartnic_netdev::packet::eth;
use smartnic_slowpath::MacAddr;

use super::common::{Rig, errno, frame, mac};

fn nth(n: u32) -> MacAddr {
    MacAddr([2, 9, 0, 0, 0, 0]).plus(n)
}

#[test]
fn many_stations_are_learned_found_and_aged() {
    let mut rig = Rig::new(2);
    let own = rig.bridge.fdb_counts().0;
    let count = 20_000;
    for n in 0..count {
        rig.input(0, &frame(mac(1), nth(n), 0x9000, &[]));
    }
    assert_eq!(rig.bridge.fdb_counts(), (own + count as usize, 0));
    rig.take();
    for n in 0..count {
        rig.input(1, &frame(nth(n), mac(7), 0x9000, &[]));
    }
    let (sent, _) = rig.take();
    assert_eq!((sent[0].len(), sent[1].len()), (count as usize, 0));
    rig.advance(Duration::from_secs(299));
    assert_eq!(rig.bridge.fdb_counts().0, own + count as usize + 1);
    assert!(rig.bridges.next_deadline().is_some());
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.bridge.fdb_counts().0, own);
}

#[test]
fn the_limit_counts_what_was_learned() {
    let mut rig = Rig::new(2);
    rig.set("fdb_max_learned", "3").unwrap();
    for n in 0..5 {
        rig.input(0, &frame(mac(1), nth(n), 0x9000, &[]));
    }
    assert_eq!(rig.bridge.info()["fdb_n_learned"], 3);
    assert_eq!(rig.bridge.fdb_counts().1, 2);
    // A user's entry does not count, and takes the place of one that did.
    let dev = rig.ports[0].clone();
    let request = FdbRequest::replace(nth(0), FdbWay::Static);
    rig.bridge.fdb_add(&mut rig.core, &dev, &request).unwrap();
    assert_eq!(rig.bridge.info()["fdb_n_learned"], 2);
    rig.input(0, &frame(mac(1), nth(4), 0x9000, &[]));
    assert_eq!(rig.bridge.info()["fdb_n_learned"], 3);
}

#[test]
fn refusals_have_their_codes() {
    let mut rig = Rig::new(2);
    let (bridge, dev, br) = (rig.bridge.clone(), rig.ports[0].clone(), rig.dev.clone());
    let core = &mut rig.core;
    let add = |way| FdbRequest::add(mac(9), way);
    let zero = FdbRequest::add(MacAddr::default(), FdbWay::Static);
    assert_eq!(errno(bridge.fdb_add(core, &dev, &zero)), "EINVAL");
    assert_eq!(
        errno(bridge.fdb_add(core, &br, &add(FdbWay::Static))),
        "EINVAL"
    );
    let far = add(FdbWay::Static).in_vlan(7);
    assert_eq!(errno(bridge.fdb_add(core, &dev, &far)), "EINVAL");
    let mut sticky = add(FdbWay::Permanent);
    sticky.sticky = true;
    assert_eq!(errno(bridge.fdb_add(core, &dev, &sticky)), "EINVAL");
    let mut missing = FdbRequest::replace(mac(9), FdbWay::Static);
    missing.create = false;
    assert_eq!(errno(bridge.fdb_add(core, &dev, &missing)), "ENOENT");
    bridge.fdb_add(core, &dev, &add(FdbWay::Static)).unwrap();
    assert_eq!(
        errno(bridge.fdb_add(core, &dev, &add(FdbWay::Static))),
        "EEXIST"
    );
    let mut locked = add(FdbWay::Dynamic);
    locked.locked = true;
    assert_eq!(errno(bridge.fdb_add(core, &dev, &locked)), "EINVAL");
    let other = rig.ports[1].clone();
    assert_eq!(errno(bridge.fdb_del(core, &other, mac(9), None)), "ENOENT");
    bridge.fdb_del(core, &dev, mac(9), None).unwrap();
    assert_eq!(errno(bridge.fdb_get(core, mac(9), 0)), "ENOENT");
    bridge
        .set_port(core, &dev, &[("state", "listening")])
        .unwrap();
    assert_eq!(
        errno(bridge.fdb_add(core, &dev, &add(FdbWay::Dynamic))),
        "EPERM"
    );
    let stranger = super::common::device(core, "x0", mac(99)).0;
    assert_eq!(
        errno(bridge.fdb_add(core, &stranger, &add(FdbWay::Static))),
        "EINVAL"
    );
}

#[test]
fn entries_of_every_kind_move_and_age_as_they_should() {
    let mut rig = Rig::new(2);
    let (bridge, one) = (rig.bridge.clone(), rig.ports[0].clone());
    let core = &mut rig.core;
    bridge
        .fdb_add(core, &one, &FdbRequest::add(mac(1), FdbWay::Static))
        .unwrap();
    let mut sticky = FdbRequest::add(mac(2), FdbWay::Static);
    sticky.sticky = true;
    bridge.fdb_add(core, &one, &sticky).unwrap();
    let mut external = FdbRequest::add(mac(3), FdbWay::Dynamic);
    external.extern_learn = true;
    bridge.fdb_add(core, &one, &external).unwrap();
    bridge
        .fdb_add(core, &one, &FdbRequest::add(mac(4), FdbWay::Dynamic))
        .unwrap();
    bridge.fdb_offload(0, mac(4), true).unwrap();
    for n in 1..4 {
        rig.input(1, &frame(mac(8), mac(n), 0x9000, &[]));
    }
    let get = |rig: &Rig, n| rig.bridge.fdb_get(&rig.core, mac(n), 0);
    let (a, b) = (rig.ports[0].ifindex(), rig.ports[1].ifindex());
    let moved = get(&rig, 1).unwrap();
    assert_eq!(
        (moved.ifindex, moved.state),
        (b, FdbState::Static),
        "static is not sticky"
    );
    assert_eq!(get(&rig, 2).unwrap().ifindex, a);
    let taken = get(&rig, 3).unwrap();
    assert_eq!(
        (taken.ifindex, taken.extern_learn),
        (b, false),
        "a move makes it an ordinary one"
    );
    assert!(get(&rig, 4).unwrap().offload);
    rig.advance(Duration::from_secs(300));
    assert!(get(&rig, 1).is_ok() && get(&rig, 2).is_ok());
    assert_eq!(errno(get(&rig, 3)), "ENOENT");
    assert_eq!(errno(get(&rig, 4)), "ENOENT");
    // Only what is fixed, in VLAN 1.
    let filter = FdbFilter {
        vlan: Some(1),
        ifindex: Some(a),
        ..FdbFilter::default()
    }
    .with(FdbFlags::LOCAL, false);
    let shown = rig.bridge.fdb_show(&rig.core, &filter);
    assert_eq!(
        shown.iter().map(|e| e.mac).collect::<Vec<_>>(),
        [mac(1), mac(2), mac(3)]
    );
    rig.bridge.fdb_flush(&mut rig.core, &filter);
    assert!(rig.bridge.fdb_show(&rig.core, &filter).is_empty());
    assert!(get(&rig, 2).is_ok(), "VLAN 0's is another");
}

#[test]
fn a_dump_is_one_state_while_threads_learn() {
    let mut rig = Rig::new(2);
    let dump = |rig: &Rig| rig.bridge.fdb_show(&rig.core, &FdbFilter::default());
    let before = dump(&rig).len();
    let (bridge, mut net) = (rig.bridge.clone(), rig.core.softnet());
    let (dev, other) = (rig.ports[0].clone(), rig.ports[1].clone());
    let count = 30_000;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..count {
                let bytes = frame(other.address(), nth(n), 0x9000, &[]);
                let mut packet = Packet::from_bytes(&bytes);
                eth::type_trans(&mut packet, dev.ifindex(), dev.address()).unwrap();
                net.receive(packet);
            }
        });
        loop {
            // Learned in order: a dump that has one station has all before it.
            let shown = dump(&rig);
            let learned: Vec<_> = shown
                .iter()
                .filter(|e| e.state == FdbState::Reachable)
                .collect();
            for (n, entry) in learned.iter().enumerate() {
                assert_eq!(entry.mac, nth(n as u32));
            }
            if learned.len() == count as usize {
                break;
            }
            std::thread::yield_now();
        }
    });
    assert_eq!(bridge.fdb_counts().0, before + count as usize);
    rig.take();
}

#[test]
fn threads_that_learn_move_and_flush_leave_exact_counts() {
    let mut rig = Rig::new(2);
    let count = 20_000;
    std::thread::scope(|scope| {
        for dev in rig.ports.clone() {
            let mut net = rig.core.softnet();
            scope.spawn(move || {
                for n in 0..count {
                    // Some come again and again, by both ports; the others make the table grow.
                    let station = if n % 2 == 0 { n % 500 } else { n };
                    let bytes = frame(dev.address(), nth(station), 0x9000, &[]);
                    let mut packet = Packet::from_bytes(&bytes);
                    eth::type_trans(&mut packet, dev.ifindex(), dev.address()).unwrap();
                    net.receive(packet);
                }
            });
        }
        let some = FdbFilter {
            ifindex: Some(rig.ports[0].ifindex()),
            ..FdbFilter::default()
        }
        .with(FdbFlags::STATIC, false);
        for _ in 0..50 {
            rig.bridge.fdb_flush(&mut rig.core, &some);
            std::thread::yield_now();
        }
    });
    let shown = rig.bridge.fdb_show(&rig.core, &FdbFilter::default());
    assert!(
        shown.is_sorted_by(|a, b| (a.vlan, a.mac) < (b.vlan, b.mac)),
        "each once"
    );
    let learned = shown.iter().filter(|e| e.state == FdbState::Reachable);
    assert_eq!(rig.bridge.info()["fdb_n_learned"], learned.count());
    assert_eq!(rig.bridge.fdb_counts().0, shown.len());
}

//! Who carries a frame, mode by mode, and what becomes of one that is received; what hardware is told of it.

#[path = "common/bond_base.rs"]
mod bond_base;
#[path = "common/clock.rs"]
mod clock;
#[path = "common/seed.rs"]
mod seed;

use std::collections::BTreeMap;
use std::time::Duration;

use bond_base::{GIGABIT, bond, mac};
use clock::ms;
use rand::Rng;
use seed::rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, Bond, HashPolicy, Offload, PlanMode, Rx, Tx};

const NOW: Duration = Duration::ZERO;
const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];

/// An IPv4 frame between random hosts.
fn frame(rng: &mut impl Rng) -> Vec<u8> {
    let mut frame = vec![0; 60];
    rng.fill(&mut frame[..]);
    frame[0] &= !1;
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[23] = 17;
    frame
}

fn one(tx: Tx) -> u32 {
    match tx {
        Tx::One(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The member loses its carrier, and the monitor notices.
fn fail(bond: &mut Bond, id: u32) {
    bond.set_link(NOW, id, None);
    // Each at a poll of its own.
    bond.tick(ms(100) * id);
}

#[test]
fn round_robin() {
    let mut rng = rng();
    for (packets, run) in [("1", 1), ("3", 3), ("7", 7)] {
        let (mut bond, _) = bond("balance-rr", &[("packets_per_slave", packets)], 3);
        let ids: Vec<u32> = (0..run * 12)
            .map(|_| one(bond.transmit(NOW, &mut frame(&mut rng), 0)))
            .collect();
        // The counter is raised before it is asked, as Linux's: the first turn is one shorter.
        let want: Vec<u32> = (1..=run * 12).map(|n| n / run % 3 + 1).collect();
        assert_eq!(ids, want, "{packets}");
    }
    let (mut bond, _) = bond(
        "balance-rr",
        &[("packets_per_slave", "0"), ("miimon", "100")],
        4,
    );
    let mut seen = BTreeMap::new();
    for _ in 0..4000 {
        let id = one(bond.transmit(NOW, &mut frame(&mut rng), 0));
        *seen.entry(id).or_insert(0) += 1;
    }
    assert!(
        seen.len() == 4 && seen.values().all(|n| (800..1200).contains(n)),
        "{seen:?}"
    );
    // Memberships keep to one link.
    let mut igmp = frame(&mut rng);
    igmp[23] = 2;
    for _ in 0..10 {
        assert_eq!(bond.transmit(NOW, &mut igmp, 0), Tx::One(1));
    }
    // A dead member's turn is the next one's.
    fail(&mut bond, 2);
    for _ in 0..100 {
        assert_ne!(one(bond.transmit(NOW, &mut frame(&mut rng), 0)), 2);
    }
}

#[test]
fn by_hash_in_the_order_of_joining() {
    let mut rng = rng();
    for (name, policy) in [
        ("layer2", HashPolicy::Layer2),
        ("layer3+4", HashPolicy::Layer34),
    ] {
        let (mut bond, _) = bond(
            "balance-xor",
            &[("xmit_hash_policy", name), ("miimon", "100")],
            5,
        );
        let mut alive = vec![1, 2, 3, 4, 5];
        for dead in [None, Some(1), Some(3)] {
            if let Some(dead) = dead {
                fail(&mut bond, dead);
                alive.retain(|id| *id != dead);
            }
            for _ in 0..200 {
                let mut frame = frame(&mut rng);
                let want = alive[policy.hash(&frame) as usize % alive.len()];
                assert_eq!(bond.transmit(NOW, &mut frame, 0), Tx::One(want));
            }
            let plan = bond.plan();
            assert_eq!(
                (plan.mode, plan.policy, plan.offload),
                (PlanMode::Hash, policy, Offload::Full)
            );
            let sends = plan.members.iter().filter(|m| m.distributing);
            assert_eq!(sends.map(|m| m.slave).collect::<Vec<_>>(), alive);
        }
    }
}

#[test]
fn broadcast_to_all_that_are_up() {
    let (mut bond, _) = bond("broadcast", &[("miimon", "100")], 3);
    let mut f = frame(&mut rng());
    assert_eq!(bond.transmit(NOW, &mut f, 0), Tx::Each(vec![1, 2, 3]));
    fail(&mut bond, 1);
    assert_eq!(bond.transmit(NOW, &mut f, 0), Tx::Each(vec![2, 3]));
    fail(&mut bond, 3);
    assert_eq!(bond.transmit(NOW, &mut f, 0), Tx::One(2));
    assert_eq!(bond.plan().mode, PlanMode::Broadcast);
}

/// No live slave: dropped and counted, in every mode, and never a loop.
#[test]
fn no_live_slave() {
    for mode in MODES {
        for slaves in [0, 1, 3] {
            let (mut bond, mut devices) = bond(mode, &[("miimon", "100")], slaves);
            for id in 1..=slaves {
                fail(&mut bond, id);
            }
            for n in 1..=5 {
                let before = frame(&mut rng());
                let mut f = before.clone();
                assert_eq!(bond.transmit(NOW, &mut f, 0), Tx::Drop, "{mode}");
                assert_eq!(f, before);
                assert_eq!(bond.counters().tx_dropped, n);
            }
            assert!(!bond.carrier());
            for short in 0..14 {
                assert_eq!(bond.transmit(NOW, &mut vec![0; short], 0), Tx::Drop);
            }
            bond.close(NOW, &mut devices);
            // Timers that ran may run out; none begins.
            bond.tick(ms(1_000_000));
            assert_eq!(bond.next_deadline(), None, "{mode}");
        }
    }
    // Down is down.
    let (mut bond, mut devices) = bond("balance-rr", &[], 2);
    bond.close(NOW, &mut devices);
    assert_eq!(bond.transmit(NOW, &mut [0; 60], 0), Tx::Drop);
}

#[test]
fn queues_name_their_slave() {
    let (mut bond, _) = bond("active-backup", &[("miimon", "100")], 3);
    bond.set_slave(NOW, 3, "queue_id", "2").unwrap();
    let mut f = frame(&mut rng());
    assert_eq!(bond.transmit(NOW, &mut f, 0), Tx::One(1));
    assert_eq!(bond.transmit(NOW, &mut f, 2), Tx::One(3), "a backup, too");
    let (mut xor, _) = bond_base::bond("balance-xor", &[("miimon", "100")], 3);
    xor.set_slave(NOW, 2, "queue_id", "2").unwrap();
    for _ in 0..20 {
        assert_eq!(xor.transmit(NOW, &mut frame(&mut rng()), 2), Tx::One(2));
    }
    fail(&mut xor, 2);
    assert_ne!(one(xor.transmit(NOW, &mut f, 2)), 2);
}

/// An inactive slave's frames are duplicates, link-local ones excepted; `all_slaves_active` takes them.
#[test]
fn received_frames() {
    let to = |destination: [u8; 6]| {
        let mut f = vec![0x22; 60];
        f[..6].copy_from_slice(&destination);
        (f[12], f[13]) = (8, 0);
        f
    };
    let link_local = [1, 0x80, 0xc2, 0, 0, 0x0e];
    for (mode, unicast) in [
        ("active-backup", Rx::Exact),
        ("balance-tlb", Rx::Exact),
        ("balance-alb", Rx::Another),
    ] {
        let (mut bond, _) = bond(mode, &[("miimon", "100")], 2);
        let own = bond.status().slaves[1].address.0;
        for f in [to(own), to([0xff; 6]), to(link_local)] {
            assert_eq!(bond.receive(NOW, 1, &mut f.clone()), Rx::Another, "{mode}");
        }
        assert_eq!(
            bond.receive(NOW, 2, &mut to([0xff; 6])),
            Rx::Exact,
            "{mode}"
        );
        assert_eq!(
            bond.receive(NOW, 2, &mut to(link_local)),
            Rx::Pass,
            "{mode}"
        );
        let mut f = to(own);
        assert_eq!(bond.receive(NOW, 2, &mut f), unicast, "{mode}");
        if mode == "balance-alb" {
            assert_eq!(own, mac(2).0);
            assert_eq!(f[..6], bond.address().0, "it is for the bond");
        }
        let c = bond.counters();
        let inactive = if unicast == Rx::Exact { 3 } else { 2 };
        assert_eq!(
            (c.rx_frames, c.rx_inactive),
            (6 - inactive, inactive),
            "{mode}"
        );
        bond.set(NOW, "all_slaves_active", "1").unwrap();
        if mode == "active-backup" {
            assert_eq!(bond.receive(NOW, 2, &mut to([0xff; 6])), Rx::Another);
            bond.set(NOW, "all_slaves_active", "0").unwrap();
            assert_eq!(bond.receive(NOW, 2, &mut to([0xff; 6])), Rx::Exact);
        }
    }
    for mode in ["balance-rr", "balance-xor", "broadcast"] {
        let (mut bond, _) = bond(mode, &[], 2);
        assert_eq!(
            bond.receive(NOW, 2, &mut to([0xff; 6])),
            Rx::Another,
            "{mode}"
        );
        assert_eq!(
            bond.receive(NOW, 7, &mut to([0xff; 6])),
            Rx::Pass,
            "a stranger's"
        );
        assert_eq!(bond.receive(NOW, 2, &mut [0; 13]), Rx::Pass);
        assert_eq!(bond.counters().rx_malformed, 1);
    }
}

/// What hardware is told of active-backup; and that a plan which changes is announced, and only then.
#[test]
fn plans_are_announced() {
    let (mut bond, _) = bond("active-backup", &[("miimon", "100")], 3);
    let plan = bond.plan();
    assert_eq!(plan.mode, PlanMode::ActiveBackup { active: Some(1) });
    assert!(
        plan.members.iter().all(|m| m.distributing),
        "backups stand ready for the hardware"
    );
    let collects: Vec<_> = plan.members.iter().map(|m| m.collecting).collect();
    assert_eq!(collects, [true, false, false]);
    let announced = |b: &mut Bond| {
        std::iter::from_fn(|| b.poll())
            .filter(|a| *a == Action::Plan)
            .count()
    };
    bond.tick(ms(1));
    assert_eq!(announced(&mut bond), 0);
    bond.set_link(ms(2), 1, None);
    assert_eq!(announced(&mut bond), 1);
    bond.tick(ms(200));
    assert_eq!(announced(&mut bond), 1);
    assert_eq!(bond.plan().mode, PlanMode::ActiveBackup { active: Some(2) });
    bond.set_link(ms(201), 1, Some(GIGABIT));
    bond.tick(ms(300));
    assert_eq!(announced(&mut bond), 1, "up again, as a backup");
    let (rr, _) = bond_base::bond("balance-rr", &[("packets_per_slave", "8")], 2);
    assert_eq!(
        rr.plan().mode,
        PlanMode::RoundRobin {
            packets_per_slave: 8
        }
    );
    assert_eq!(MacAddr(mac(1).0), rr.address());
}

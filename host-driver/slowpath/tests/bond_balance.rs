//! balance-tlb and balance-alb: by load, by client, and what is said to switches and clients when members come and go.

#[path = "common/bond_base.rs"]
mod bond_base;
#[path = "common/clock.rs"]
mod clock;
#[path = "common/seed.rs"]
mod seed;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bond_base::{GIGABIT, bond, mac};
use clock::ms;
use rand::Rng;
use seed::rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, BUCKETS, Bond, Offload, PlanMode, Tx};
use smartnic_slowpath::lacp::Link;
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// An IPv4 frame of the bond to host `n`.
fn to_host(bond: &Bond, n: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![0; length];
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 3, n]);
    frame[6..12].copy_from_slice(&bond.address().0);
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[23] = 17;
    frame[26..30].copy_from_slice(&OURS.octets());
    frame[30..34].copy_from_slice(&[10, 0, 0, n]);
    frame
}

fn send(bond: &mut Bond, now: Duration, frame: &mut [u8]) -> u32 {
    match bond.transmit(now, frame, 0) {
        Tx::One(id) => id,
        other => panic!("{other:?}"),
    }
}

fn actions(bond: &mut Bond) -> Vec<Action> {
    std::iter::from_fn(|| bond.poll()).collect()
}

/// Runs timers to `to`; gives the frames that were sent.
fn run(bond: &mut Bond, to: Duration) -> Vec<(Duration, u32, Vec<u8>)> {
    let mut sent = Vec::new();
    loop {
        let Some(t) = bond.next_deadline().filter(|t| *t <= to) else {
            return sent;
        };
        bond.tick(t);
        for action in actions(bond) {
            if let Action::Send { slave, frame } = action {
                sent.push((t, slave, frame));
            }
        }
    }
}

/// A flow keeps its member for ten seconds; then the heaviest flows are apart. Frames leave with the member's address.
#[test]
fn tlb_deals_flows_out_by_load() {
    let (mut bond, _) = bond("balance-tlb", &[], 3);
    let mut rng = rng();
    let weights: Vec<usize> = (0..30).map(|_| rng.random_range(1..40)).collect();
    let round = |bond: &mut Bond, from: Duration| -> BTreeMap<u32, usize> {
        let mut bytes = BTreeMap::from([(1, 0), (2, 0), (3, 0)]);
        let mut owner = BTreeMap::new();
        for second in 0..10 {
            let now = from + ms(1000 * second);
            run(bond, now);
            for (n, weight) in weights.iter().enumerate() {
                for _ in 0..*weight {
                    let mut frame = to_host(bond, n as u8 + 1, 1500);
                    let id = send(bond, now, &mut frame);
                    assert_eq!(
                        frame[6..12],
                        bond.status().slaves[id as usize - 1].address.0
                    );
                    assert_eq!(
                        *owner.entry(n).or_insert(id),
                        id,
                        "a flow stays within a round"
                    );
                    *bytes.get_mut(&id).unwrap() += frame.len();
                }
            }
        }
        bytes
    };
    round(&mut bond, Duration::ZERO);
    let dealt = round(&mut bond, ms(10_000));
    let (least, most) = (dealt.values().min().unwrap(), dealt.values().max().unwrap());
    assert!(
        *most < least * 13 / 10,
        "the second round knows the loads: {dealt:?}"
    );
    let entries: usize = bond.status().slaves.iter().map(|s| s.tlb_entries).sum();
    assert!(entries > 20, "{entries}");
    // Broadcasts and what is not IP go by the active slave, with the bond's address.
    let mut arp = vec![0xff; 60];
    assert_eq!(send(&mut bond, ms(20_000), &mut arp), 1);
    assert_eq!(bond.status().slaves[0].address, bond.address());
    // Without dynamic balancing: by hash.
    let options = [("xmit_hash_policy", "layer2+3"), ("tlb_dynamic_lb", "0")];
    let (mut fixed, _) = bond_base::bond("balance-tlb", &options, 3);
    for n in 1..100 {
        let mut frame = to_host(&fixed, n, 100);
        let want = fixed.options().xmit_hash_policy.hash(&frame) % 3 + 1;
        assert_eq!(send(&mut fixed, Duration::ZERO, &mut frame), want);
    }
    assert_eq!(fixed.plan().mode, PlanMode::Hash);
}

/// A faster member gets more.
#[test]
fn tlb_follows_speeds() {
    let (mut bond, _) = bond("balance-tlb", &[], 2);
    let fast = Link {
        speed: 2500,
        ..GIGABIT
    };
    bond.set_link(Duration::ZERO, 2, Some(fast));
    for round in 0..3 {
        for n in 0..200 {
            for _ in 0..200 {
                let mut frame = to_host(&bond, n, 1500);
                send(&mut bond, ms(round * 10_000), &mut frame);
            }
        }
        run(&mut bond, ms(round * 10_000 + 10_000));
    }
    for n in 0..200 {
        let mut frame = to_host(&bond, n, 1500);
        send(&mut bond, ms(30_000), &mut frame);
    }
    let entries: Vec<_> = bond.status().slaves.iter().map(|s| s.tlb_entries).collect();
    assert!(entries[1] > entries[0], "{entries:?}");
    let share = |id| {
        bond.plan()
            .buckets
            .iter()
            .filter(|b| **b == Some(id))
            .count()
    };
    assert_eq!((share(1), share(2)), (240, 600));
    assert_eq!(bond.plan().buckets.len(), BUCKETS);
    assert!(matches!(bond.plan().offload, Offload::Partial(_)));
}

/// Hardware's buckets: few move when members change, and some from the busiest to the idlest every ten seconds.
#[test]
fn buckets_for_the_hardware() {
    let (mut bond, _) = bond("balance-alb", &[], 4);
    let share = |b: &Bond, id| b.plan().buckets.iter().filter(|x| **x == Some(id)).count();
    assert_eq!([1, 2, 3, 4].map(|id| share(&bond, id)), [210; 4]);
    let before = bond.plan().buckets;
    bond.set_link(Duration::ZERO, 3, None);
    let after = bond.plan().buckets;
    let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert_eq!(moved, 210, "only the lost member's");
    assert_eq!([1, 2, 3, 4].map(|id| share(&bond, id)), [280, 280, 0, 280]);
    run(&mut bond, ms(9999));
    for (id, bytes) in [(1, 900_000_000), (2, 300_000_000), (4, 300_000_000)] {
        bond.report_tx(id, bytes);
    }
    bond.tick(ms(10_000));
    // 1 carries three times what 2 does: a third of its load would make them equal, half of that goes.
    assert_eq!(share(&bond, 1), 280 - 280 / 6);
    assert_eq!(
        [2, 4].map(|id| share(&bond, id)).iter().sum::<usize>(),
        560 + 280 / 6
    );
    let quiet = bond.plan().buckets;
    run(&mut bond, ms(20_000));
    assert_eq!(
        bond.plan().buckets,
        quiet,
        "nothing was reported, nothing moves"
    );
}

/// Learning packets: every `lp_interval` seconds, from every member, to itself.
#[test]
fn learning_packets() {
    let (mut bond, _) = bond("balance-tlb", &[("lp_interval", "3")], 2);
    let sent = run(&mut bond, ms(10_000));
    let times: Vec<_> = sent.iter().map(|(t, id, _)| (t.as_secs(), *id)).collect();
    assert_eq!(times, [(3, 1), (3, 2), (6, 1), (6, 2), (9, 1), (9, 2)]);
    for (_, id, frame) in sent {
        assert_eq!(
            (&frame[..6], &frame[6..12]),
            (&mac(id).0[..], &mac(id).0[..])
        );
        assert_eq!((frame.len(), &frame[12..14]), (60, &[0x90, 0][..]));
    }
    assert_eq!(bond.counters().learning_tx, 6);
}

fn arp(operation: ArpOperation, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Arp {
    Arp {
        operation,
        sender_mac: sender.0,
        sender_ip: sender.1,
        target_mac: target.0,
        target_ip: target.1,
    }
}

fn client(n: u8) -> (MacAddr, Ipv4Addr) {
    (MacAddr([2, 0, 0, 0, 3, n]), Ipv4Addr::new(10, 0, 0, n))
}

/// A bond in balance-alb that has answered clients 1 to `n`.
fn with_clients(members: u32, n: u8) -> (Bond, BTreeMap<u8, u32>) {
    let (mut bond, _) = bond("balance-alb", &[], members);
    let mut given = BTreeMap::new();
    for n in 1..=n {
        let (mac, _) = client(n);
        let reply = arp(ArpOperation::Reply, (bond.address(), OURS), client(n));
        let mut frame = reply.emit_frame(mac, bond.address());
        let id = send(&mut bond, Duration::ZERO, &mut frame);
        let sent = Arp::parse_frame(&frame).unwrap();
        let own = bond.status().slaves[id as usize - 1].address;
        assert_eq!(
            sent.sender_mac, own,
            "the client is told the member's address"
        );
        assert_eq!(frame[6..12], own.0);
        given.insert(n, id);
    }
    (bond, given)
}

#[test]
fn alb_gives_each_client_a_member() {
    let (mut bond, given) = with_clients(3, 30);
    for id in 1..=3 {
        assert_eq!(given.values().filter(|g| **g == id).count(), 10);
    }
    assert_eq!(bond.clients().len(), 30);
    // Asked again, it says the same.
    for (n, id) in &given {
        let reply = arp(ArpOperation::Reply, (bond.address(), OURS), client(*n));
        let mut frame = reply.emit_frame(client(*n).0, bond.address());
        assert_eq!(send(&mut bond, ms(1), &mut frame), *id);
    }
    // A bridge's ARP is not the bond's to change.
    let foreign = arp(
        ArpOperation::Reply,
        (mac(77), Ipv4Addr::new(10, 0, 0, 77)),
        client(1),
    );
    let mut frame = foreign.emit_frame(client(1).0, mac(77));
    assert_eq!(send(&mut bond, ms(2), &mut frame), 1);
    assert_eq!(Arp::parse_frame(&frame), Ok(foreign));
    // IP is balanced by the client's address on the way out, as in balance-tlb.
    let members: Vec<_> = (1..60u8)
        .map(|n| {
            let mut frame = to_host(&bond, n, 1000);
            send(&mut bond, ms(3), &mut frame)
        })
        .collect();
    assert!((1..=3).all(|id| members.contains(&id)));
}

#[test]
fn alb_moves_clients_when_members_come_and_go() {
    let (mut bond, given) = with_clients(3, 30);
    run(&mut bond, ms(500));
    bond.set_link(ms(500), 2, None);
    let sent = run(&mut bond, ms(3000));
    let updates: Vec<_> = sent
        .iter()
        .filter(|(_, _, f)| f[12..14] == [8, 6])
        .collect();
    let moved: Vec<u8> = given
        .iter()
        .filter(|(_, id)| **id == 2)
        .map(|(n, _)| *n)
        .collect();
    for n in &moved {
        let mine: Vec<_> = updates
            .iter()
            .filter(|(_, _, f)| f[..6] == client(*n).0.0)
            .collect();
        assert_eq!(mine.len(), 5, "five times");
        for (t, id, frame) in mine {
            assert!(*t >= ms(600), "at the poll that finds the link down");
            assert_ne!(*id, 2);
            let told = Arp::parse_frame(frame).unwrap();
            let own = bond.status().slaves[*id as usize - 1].address;
            assert_eq!(told, arp(ArpOperation::Reply, (own, OURS), client(*n)));
        }
    }
    assert_eq!(updates.len(), 5 * moved.len(), "nobody else is bothered");
    assert!(bond.clients().iter().all(|c| c.slave != 2));
    // It returns: all are dealt out anew.
    bond.set_link(ms(3000), 2, Some(GIGABIT));
    run(&mut bond, ms(6000));
    let clients = bond.clients();
    for id in 1..=3 {
        assert_eq!(clients.iter().filter(|c| c.slave == id).count(), 10);
    }
    // The active one goes: another has the bond's address, and the clients of both are told.
    bond.set_link(ms(6000), 1, None);
    let sent = run(&mut bond, ms(9000));
    assert_eq!(bond.active_slave(), Some(2));
    let status = bond.status();
    assert_eq!(status.slaves[1].address, bond.address());
    assert_eq!(status.slaves[0].address, mac(2), "exchanged");
    let last: BTreeMap<[u8; 6], Vec<u8>> = sent
        .into_iter()
        .filter(|(_, _, f)| f[12..14] == [8, 6])
        .map(|(_, _, f)| (f[..6].try_into().unwrap(), f))
        .collect();
    for c in bond.clients() {
        if let Some(frame) = last.get(&c.mac.unwrap().0) {
            let own = status.slaves[c.slave as usize - 1].address;
            assert_eq!(Arp::parse_frame(frame).unwrap().sender_mac, own, "{c:?}");
        }
    }
}

/// A client whose address is not known yet is told once its answer comes; one whose address of ours belongs to another
/// host now is told nothing more.
#[test]
fn alb_learns_clients_from_their_answers() {
    let (mut bond, _) = bond("balance-alb", &[], 2);
    let zero = MacAddr::default();
    for n in [1, 2] {
        let ask = arp(
            ArpOperation::Request,
            (bond.address(), OURS),
            (zero, client(n).1),
        );
        let mut frame = ask.emit_frame(MacAddr::BROADCAST, bond.address());
        assert_eq!(
            send(&mut bond, Duration::ZERO, &mut frame),
            1,
            "asked by the active one"
        );
        assert_eq!(Arp::parse_frame(&frame), Ok(ask));
    }
    assert!(bond.clients().iter().all(|c| c.mac.is_none()));
    let answer = arp(ArpOperation::Reply, client(2), (bond.address(), OURS));
    let mut frame = answer.emit_frame(bond.address(), client(2).0);
    bond.receive(ms(1), 1, &mut frame);
    let sent = run(&mut bond, ms(900));
    let told: Vec<_> = sent
        .iter()
        .filter_map(|(_, id, f)| Some((*id, Arp::parse_frame(f).ok()?)))
        .collect();
    let want = arp(ArpOperation::Reply, (mac(2), OURS), client(2));
    assert_eq!(told, [(2, want)]);
    let thief = arp(ArpOperation::Request, (mac(66), OURS), client(1));
    bond.receive(
        ms(900),
        1,
        &mut thief.emit_frame(MacAddr::BROADCAST, mac(66)),
    );
    assert!(bond.clients().is_empty());
    // Malformed ARP changes nothing and is counted.
    let mut bad = thief.emit_frame(MacAddr::BROADCAST, mac(66));
    bad[14] = 9;
    bond.receive(ms(901), 1, &mut bad);
    assert_eq!(bond.counters().rx_malformed, 1);
}

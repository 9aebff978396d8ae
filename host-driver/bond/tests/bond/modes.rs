//! Which slaves carry a frame in each mode, what becomes of received ones, fail-over, and what is counted.

use smartnic_netdev::packet::eth;
use smartnic_slowpath::bond::HashPolicy;

use crate::common::*;

/// UDP over IPv4 from a port.
fn udp(from: u16) -> Vec<u8> {
    let mut ip = vec![
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    ip.extend([&from.to_be_bytes()[..], &[0, 53, 0, 8, 0, 0]].concat());
    frame(mac(1), mac(2), eth::P_IP, &ip)
}

fn slaves(sent: Vec<(usize, Vec<u8>)>) -> Vec<usize> {
    sent.into_iter().map(|(slave, _)| slave).collect()
}

#[test]
fn every_mode_chooses_as_it_should() {
    let by = |rig: &mut Rig, n: u16| slaves(rig.output(&udp(n)));
    let mut rr = Rig::new(&[("mode", "balance-rr")], 3);
    let turns: Vec<_> = (0..6).flat_map(|n| by(&mut rr, n)).collect();
    assert_eq!(turns, [1, 2, 0, 1, 2, 0]);
    let mut backup = Rig::new(&[("mode", "active-backup"), ("miimon", "100")], 3);
    assert_eq!(by(&mut backup, 1), [0]);
    let options = [("mode", "balance-xor"), ("xmit_hash_policy", "layer3+4")];
    let mut xor = Rig::new(&options, 3);
    for n in 1000..1100 {
        let wanted = HashPolicy::Layer34.hash(&udp(n)) as usize % 3;
        assert_eq!(by(&mut xor, n), [wanted]);
    }
    let mut all = Rig::new(&[("mode", "broadcast")], 3);
    let sent = all.output(&udp(1));
    assert_eq!(slaves(sent.clone()), [0, 1, 2]);
    assert!(sent.iter().all(|(_, frame)| *frame == udp(1)));
    // Without a partner one port works alone.
    let mut ad = Rig::new(&[("mode", "802.3ad"), ("miimon", "100")], 2);
    ad.advance(5 * SECOND);
    ad.take();
    assert_eq!(by(&mut ad, 1).len(), 1);
}

#[test]
fn a_queue_of_a_slave_is_its_own() {
    let mut rig = Rig::new(&[("mode", "active-backup"), ("miimon", "100")], 3);
    let s2 = rig.slaves[2].clone();
    let set = |rig: &mut Rig, value: &str| {
        let bond = rig.bond.clone();
        bond.set_slave(&mut rig.core, &s2, "queue_id", value)
    };
    assert_eq!(errno(set(&mut rig, "17")), "EPERM");
    set(&mut rig, "3").unwrap();
    let mut packet = smartnic_netdev::Packet::from_bytes(&udp(1));
    packet.set_queue_mapping(Some(3));
    rig.net.xmit(&rig.dev, packet);
    assert_eq!(slaves(rig.take()), [2], "a backup, too");
    assert_eq!(slaves(rig.output(&udp(1))), [0]);
}

#[test]
fn received_frames_are_the_bonds_and_those_of_a_backup_are_not() {
    let mut rig = Rig::new(&[("mode", "active-backup"), ("miimon", "100")], 2);
    let to_us = frame(slave_mac(0), mac(1), eth::P_IP, &[1; 50]);
    rig.input(0, &to_us);
    assert_eq!(rig.seen(), std::slice::from_ref(&to_us));
    rig.input(1, &to_us);
    assert!(rig.seen().is_empty());
    // The active slave's link is lost: the other takes over, and it is its frames that count.
    rig.link(0, false);
    assert!(
        rig.output(&udp(1)).is_empty(),
        "not before the monitor looks"
    );
    rig.advance(SECOND);
    assert_eq!(slaves(rig.output(&udp(1))), [1]);
    rig.input(1, &to_us);
    assert_eq!(rig.seen(), std::slice::from_ref(&to_us));
    let info = rig.bond.slave_info(&rig.slaves[0]);
    assert_eq!(
        (
            &info["state"],
            &info["mii_status"],
            &info["link_failure_count"]
        ),
        (&"BACKUP".into(), &"DOWN".into(), &1.into())
    );
    // Nobody is left: dropped and counted, and the bond has no carrier.
    rig.link(1, false);
    rig.advance(SECOND);
    assert!(!rig.dev.carrier_ok());
    let before = rig.dev.stats64();
    assert!(rig.output(&udp(1)).is_empty());
    assert_eq!(rig.dev.stats64().tx_dropped, before.tx_dropped + 1);
}

#[test]
fn counters_are_the_sum_of_the_slaves_while_they_are_slaves() {
    let mut rig = Rig::new(&[("mode", "balance-rr")], 2);
    let own = rig.dev.stats64();
    let s0 = rig.slaves[0].clone();
    for n in 0..10 {
        rig.output(&udp(n));
    }
    s0.stats()
        .count(smartnic_netdev::device::Counter::rx_crc_errors);
    let mut wanted = own;
    wanted.tx_packets += 10;
    wanted.tx_bytes += 600;
    wanted.rx_crc_errors += 1;
    assert_eq!(rig.dev.stats64(), wanted);
    // What it counts afterwards is its own affair; what it counted stays.
    rig.core.set_master(&s0, None).unwrap();
    s0.stats()
        .count(smartnic_netdev::device::Counter::rx_crc_errors);
    assert_eq!(rig.dev.stats64(), wanted);
    rig.core.set_master(&s0, Some(&rig.dev)).unwrap();
    assert_eq!(rig.dev.stats64(), wanted);
}

#[test]
fn what_the_bond_listens_to_follows_the_active_slave() {
    let mut rig = Rig::new(&[("mode", "active-backup"), ("miimon", "100")], 2);
    let group = smartnic_slowpath::MacAddr([1, 0, 0x5e, 1, 2, 3]);
    let kind = smartnic_netdev::registry::ListKind::Multicast;
    rig.core.address_add(&rig.dev, kind, group).unwrap();
    rig.core.set_promiscuity(&rig.dev, 1).unwrap();
    let listens = |rig: &Rig| {
        rig.slaves
            .iter()
            .map(|s| {
                let mode = smartnic_netdev::Core::rx_mode(s);
                (mode.promiscuous, mode.multicast.contains(&group))
            })
            .collect::<Vec<_>>()
    };
    let (on, off) = ((true, true), (false, false));
    assert_eq!(listens(&rig), [on, off]);
    rig.link(0, false);
    rig.advance(SECOND);
    assert_eq!(listens(&rig), [off, on]);
    rig.core.close(&rig.dev);
    assert_eq!(listens(&rig), [off, off]);
    rig.core.open(&rig.dev).unwrap();
    rig.core.set_promiscuity(&rig.dev, -1).unwrap();
    assert_eq!(listens(&rig), [off, (false, true)]);
    rig.core.set_master(&rig.slaves[1], None).unwrap();
    assert_eq!(listens(&rig)[1], off);
}

/// A thread sends without end while slaves come and go: nobody waits for the other for ever.
#[test]
fn slaves_come_and_go_under_traffic() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    let mut rig = Rig::new(&[("mode", "balance-rr")], 3);
    let (mut net, dev) = (rig.core.softnet(), rig.dev.clone());
    let input = rig.slaves[1].clone();
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !end.load(Relaxed) {
                n += 1;
                net.xmit(&dev, smartnic_netdev::Packet::from_bytes(&udp(n)));
                let mut packet = smartnic_netdev::Packet::from_bytes(&udp(n));
                eth::type_trans(&mut packet, input.ifindex(), input.address()).unwrap();
                net.receive(packet);
            }
        });
        for _ in 0..100 {
            for slave in rig.slaves.clone() {
                rig.core.set_master(&slave, None).unwrap();
                rig.core.set_master(&slave, Some(&rig.dev)).unwrap();
            }
            rig.advance(SECOND / 10);
            rig.take();
        }
        end.store(true, Relaxed);
    });
    assert_eq!(rig.dev.lowers().len(), 3);
}

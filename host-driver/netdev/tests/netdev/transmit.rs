//! The way down: queues stopped and woken, backlogs, the watchdog, byte limits, many queues and threads, loops.

use std::sync::Arc;
use std::time::Duration;

use smartnic_netdev::device::Flags;
use smartnic_netdev::packet::{VlanTag, eth};
use smartnic_netdev::softnet::tx::TxOutcome;
use smartnic_netdev::{Core, Dev, NetDeviceOps, Packet, Setup, Softnet, Xmit};

use crate::common::{Log, Recorder, frame, mac, ms, setup, take, up};

fn numbered(n: u16) -> Packet {
    let mut bytes = frame(mac(9), mac(1), eth::P_IP, &n.to_be_bytes());
    bytes.resize(60, 0);
    Packet::from_bytes(&bytes)
}

fn numbers(ops: &Recorder) -> Vec<u16> {
    ops.sent()
        .iter()
        .map(|b| u16::from_be_bytes([b[14], b[15]]))
        .collect()
}

#[test]
fn a_stopped_queue_keeps_frames_in_order_up_to_its_length() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = up(
        &mut core,
        Setup {
            tx_queue_len: 10,
            ..setup("e", 1)
        },
        &ops,
    );
    ops.state().room = Some(4);
    let mut net = core.softnet();
    let outcomes: Vec<_> = (0..16).map(|n| net.xmit(&dev, numbered(n))).collect();
    assert!(outcomes[..4].iter().all(|o| *o == TxOutcome::Sent));
    assert!(outcomes[4..14].iter().all(|o| *o == TxOutcome::Queued));
    assert!(outcomes[14..].iter().all(|o| *o == TxOutcome::Dropped));
    assert_eq!((dev.queue(0).backlog(), dev.stats64().tx_dropped), (10, 2));
    assert!(!net.run(), "nothing to do while it is stopped");
    for sent in [8, 12, 14] {
        ops.complete(&dev);
        net.run_all(5);
        assert_eq!(ops.sent().len(), sent);
    }
    assert_eq!(numbers(&ops), (0..14).collect::<Vec<_>>());
    assert_eq!(
        (dev.stats64().tx_packets, dev.stats64().tx_bytes),
        (14, 14 * 60)
    );
    // Busy without a stopped queue: kept and offered again.
    ops.state().room = None;
    ops.complete(&dev);
    ops.state().busy = 3;
    assert_eq!(net.xmit(&dev, numbered(14)), TxOutcome::Queued);
    assert_eq!(net.xmit(&dev, numbered(15)), TxOutcome::Queued);
    net.run_all(10);
    assert_eq!(numbers(&ops), (0..16).collect::<Vec<_>>());
    // Batches by `forward` behave the same.
    let held = ops.state().held;
    ops.state().room = Some(held + 2);
    (16..20).for_each(|n| net.forward(&dev, numbered(n)));
    assert_eq!((numbers(&ops).len(), dev.queue(0).backlog()), (18, 2));
}

#[test]
fn a_device_that_cannot_send_drops_and_counts() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = core.add(setup("e", 1), ops.clone()).unwrap();
    let mut net = core.softnet();
    assert_eq!(net.xmit(&dev, numbered(0)), TxOutcome::Dropped);
    core.open(&dev).unwrap();
    dev.carrier_off();
    assert_eq!(net.xmit(&dev, numbered(1)), TxOutcome::Dropped);
    dev.carrier_on();
    assert_eq!(net.xmit(&dev, numbered(2)), TxOutcome::Sent);
    dev.detach();
    assert_eq!(net.xmit(&dev, numbered(3)), TxOutcome::Dropped);
    dev.attach();
    assert_eq!(net.xmit(&dev, numbered(4)), TxOutcome::Sent);
    core.close(&dev);
    assert_eq!(net.xmit(&dev, numbered(5)), TxOutcome::Dropped);
    assert_eq!((numbers(&ops), dev.stats64().tx_dropped), (vec![2, 4], 4));
    // What waits when the carrier goes is dropped, not sent late.
    core.open(&dev).unwrap();
    let held = ops.state().held;
    ops.state().room = Some(held + 1);
    for n in 6..9 {
        net.xmit(&dev, numbered(n));
    }
    dev.carrier_off();
    core.tick(ms(1));
    assert_eq!((dev.queue(0).backlog(), dev.stats64().tx_dropped), (0, 6));
    assert_eq!(
        dev.flags() & (Flags::RUNNING | Flags::LOWER_UP),
        Flags::empty()
    );
}

#[test]
fn the_watchdog_acts_once_it_is_due_and_no_frame_is_lost() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = up(
        &mut core,
        Setup {
            watchdog: Some(ms(500)),
            ..setup("e", 1)
        },
        &ops,
    );
    core.tick(ms(1000));
    ops.state().room = Some(1);
    let mut net = core.softnet();
    for n in 0..3 {
        net.xmit(&dev, numbered(n));
    }
    take(&log);
    core.tick(ms(1499));
    assert!(take(&log).is_empty());
    // Without a carrier nobody expects anything.
    core.tick(ms(1500));
    assert_eq!(take(&log), ["e.tx_timeout"]);
    net.run_all(3);
    assert_eq!(
        (numbers(&ops), dev.queue(0).backlog()),
        (vec![0, 1], 1),
        "the next went out, and the queue is full again"
    );
    core.tick(ms(1999));
    assert!(take(&log).is_empty());
    core.tick(ms(2000));
    net.run_all(3);
    assert_eq!(numbers(&ops), [0, 1, 2]);
    assert_eq!(
        (
            dev.stats64().tx_errors,
            dev.stats64().tx_dropped,
            dev.queue(0).timeouts()
        ),
        (2, 0, 2)
    );
    dev.carrier_off();
    core.tick(ms(9000));
    assert_eq!(
        dev.queue(0).timeouts(),
        2,
        "without a carrier it is not the transmitter's fault"
    );
    dev.carrier_on();
    core.tick(ms(9100));
    assert_eq!(
        dev.queue(0).timeouts(),
        2,
        "the time counts from the carrier"
    );
}

#[test]
fn byte_limits_stop_and_wake_the_queue() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let watched = Setup {
        watchdog: Some(ms(500)),
        ..setup("e", 1)
    };
    let dev = up(&mut core, watched, &ops);
    let (_, limit) = dev.queue(0).in_flight();
    dev.queue(0).sent(limit - 1);
    assert!(!dev.queue(0).is_off());
    dev.queue(0).sent(1);
    assert!(dev.queue(0).is_off() && !dev.queue(0).is_stopped());
    let mut net = core.softnet();
    assert_eq!(net.xmit(&dev, numbered(1)), TxOutcome::Queued);
    dev.tx_completed(0, limit / 2);
    net.run_all(3);
    assert_eq!(numbers(&ops), [1]);
    assert_eq!(dev.queue(0).in_flight().0, limit - limit / 2);
    // Completions that never come are the watchdog's business as well.
    dev.queue(0).sent(limit);
    assert!(!dev.queue(0).is_stopped() && dev.queue(0).is_off());
    core.tick(ms(500));
    assert_eq!(dev.queue(0).timeouts(), 1);
    core.close(&dev);
    assert_eq!(
        dev.queue(0).in_flight().0,
        0,
        "nothing is under way in a device that is down"
    );
}

#[test]
fn tags_and_lengths_that_the_hardware_cannot_do() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = up(&mut core, setup("e", 1), &ops);
    let mut packet = numbered(1);
    packet.set_vlan_tag(Some(VlanTag {
        protocol: eth::P_8021Q,
        tci: 0x6005,
    }));
    core.softnet().xmit(&dev, packet);
    assert_eq!(ops.sent()[0][12..18], [0x81, 0, 0x60, 5, 8, 0]);
}

/// Sends everything by another device.
struct Through(std::sync::OnceLock<Dev>);

impl NetDeviceOps for Through {
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _: u16, packet: Packet) -> Xmit {
        if let Some(next) = self.0.get()
            && net.xmit(next, packet) == TxOutcome::Dropped
        {
            dev.stats()
                .count(smartnic_netdev::device::Counter::tx_dropped);
        }
        Xmit::Ok
    }
}

#[test]
fn devices_that_send_to_each_other_end() {
    for queued in [false, true] {
        let mut core = Core::new();
        let make = |name: &str| match queued {
            true => Setup::ether(name),
            false => Setup::virtual_ether(name),
        };
        let (a, b) = (
            Arc::new(Through(Default::default())),
            Arc::new(Through(Default::default())),
        );
        let first = core.add(make("a"), a.clone()).unwrap();
        let second = core.add(make("b"), b.clone()).unwrap();
        core.open(&first).unwrap();
        core.open(&second).unwrap();
        a.0.set(second.clone()).unwrap();
        b.0.set(first.clone()).unwrap();
        core.softnet().xmit(&first, numbered(1));
        assert!(first.stats64().tx_dropped + second.stats64().tx_dropped >= 2);
        // They hold each other: let go, or neither is ever freed.
        core.unregister(&first);
        core.unregister(&second);
    }
}

#[test]
fn threads_send_by_their_queues_and_nothing_is_lost() {
    let log = Log::default();
    let mut core = Core::new();
    let ops = Recorder::new("e", &log);
    let dev = up(
        &mut core,
        Setup {
            tx_queues: 4,
            tx_queue_len: 100_000,
            ..setup("e", 1)
        },
        &ops,
    );
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (mut net, dev) = (core.softnet(), dev.clone());
            scope.spawn(move || {
                for n in 0..2000 {
                    let mut packet = numbered(thread * 2000 + n);
                    packet.set_queue_mapping(Some(thread));
                    net.xmit(&dev, packet);
                    if n % 64 == 0 {
                        dev.stop_queue(thread);
                        dev.wake_queue(thread);
                        net.run();
                    }
                }
                net.run_all(100);
            });
        }
    });
    core.softnet().run_all(100);
    assert!(began.elapsed() < Duration::from_secs(20));
    let sent = numbers(&ops);
    assert_eq!((sent.len(), dev.stats64().tx_dropped), (6000, 0));
    for thread in 0..3u16 {
        let of: Vec<_> = sent.iter().filter(|n| **n / 2000 == thread).collect();
        assert!(of.is_sorted(), "each queue keeps its order");
    }
}

//! The teaching pair: flipped addresses, padding, lockups and timeouts, interrupt and polled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etherparse::{Ipv4HeaderSlice, PacketBuilder};
use rand::Rng;
use smartnic_netdev::device::Flags;
use smartnic_netdev::packet::{Checksum, PacketType, eth};
use smartnic_netdev::registry::ioctl::{PRIVATE, Value};
use smartnic_netdev::registry::request::Caller;
use smartnic_netdev::snull::{Config, Mode, pair};
use smartnic_netdev::softnet::tx::TxOutcome;
use smartnic_netdev::{Core, Dev, Packet};

use crate::common::{Log, Recorder, Sink, errno, ms, rng, setup};

fn ready(core: &mut Core, config: &Config) -> ([Dev; 2], Arc<Sink>) {
    let devs = pair(core, config).unwrap();
    devs.iter().for_each(|d| core.open(d).unwrap());
    let sink = Arc::new(Sink::default());
    core.add_protocol(eth::P_IP, None, sink.clone());
    (devs, sink)
}

/// A datagram as the stack gives it to a device, built by the device's header operations.
fn datagram(dev: &Dev, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Packet {
    let builder = PacketBuilder::ipv4(from, to, 64).udp(1000, 2000);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    let mut packet = dev.alloc_packet(bytes.len());
    packet.append(&bytes).unwrap();
    packet.protocol = eth::P_IP;
    let len = packet.len();
    assert_eq!(
        dev.header()
            .create(&mut packet, dev, eth::P_IP, None, None, len)
            .unwrap(),
        14
    );
    packet
}

#[test]
fn what_goes_to_remote0_comes_from_remote1() {
    let mut core = Core::new();
    let (devs, sink) = ready(&mut core, &Config::default());
    assert_eq!(
        (devs[0].name().as_str(), devs[1].name().as_str()),
        ("sn0", "sn1")
    );
    assert_eq!(devs[0].address().0, *b"\0SNUL0");
    assert!(
        devs[1]
            .flags()
            .contains(Flags::NOARP | Flags::UP | Flags::RUNNING)
    );
    let mut net = core.softnet();
    let mut rng = rng("snull");
    for round in 0..200u64 {
        let side = rng.random_range(0..2);
        let (from, to): ([u8; 4], [u8; 4]) = (rng.random(), rng.random());
        let payload: Vec<u8> = (0..rng.random_range(0..1472))
            .map(|_| rng.random())
            .collect();
        assert_eq!(
            net.xmit(&devs[side], datagram(&devs[side], from, to, &payload)),
            TxOutcome::Sent
        );
        net.run_all(3);
        let got = sink.take();
        assert_eq!(got.len(), 1, "round {round}");
        let (at, packet) = &got[0];
        assert_eq!(*at, devs[1 - side].name());
        let ip = Ipv4HeaderSlice::from_slice(packet.bytes()).unwrap();
        let flipped = |[a, b, c, d]: [u8; 4]| [a, b, c ^ 1, d];
        assert_eq!(
            (ip.source(), ip.destination()),
            (flipped(from), flipped(to))
        );
        assert_eq!(
            ip.header_checksum(),
            ip.to_header().calc_header_checksum(),
            "mended"
        );
        assert_eq!(packet.bytes()[28..28 + payload.len()], payload);
        assert_eq!(
            packet.len(),
            (28 + payload.len()).max(46),
            "padded to 60 with its header"
        );
        assert_eq!(
            (packet.packet_type, packet.checksum()),
            (PacketType::Host, Checksum::Unnecessary)
        );
    }
    let (a, b) = (devs[0].stats64(), devs[1].stats64());
    assert_eq!(
        (a.tx_packets + b.tx_packets, a.rx_packets, b.rx_packets),
        (200, b.tx_packets, a.tx_packets)
    );
    assert_eq!(
        (a.tx_errors + b.tx_errors, a.rx_dropped + b.rx_dropped),
        (0, 0)
    );
}

#[test]
fn only_ipv4_gets_through() {
    let mut core = Core::new();
    let (devs, sink) = ready(&mut core, &Config::default());
    let mut net = core.softnet();
    for bytes in [
        vec![0; 60],
        vec![0; 3],
        crate::common::frame(devs[1].address(), devs[0].address(), eth::P_IP, &[0x4f; 20]),
    ] {
        net.xmit(&devs[0], Packet::from_bytes(&bytes));
    }
    net.run_all(3);
    assert_eq!(
        (
            devs[0].stats64().tx_errors,
            devs[0].stats64().tx_packets,
            sink.len()
        ),
        (3, 0, 0)
    );
    // The pool is whole: eight frames fit.
    for _ in 0..20 {
        net.xmit(
            &devs[0],
            datagram(&devs[0], [10, 0, 0, 1], [10, 0, 0, 2], b"x"),
        );
    }
    net.run_all(3);
    assert_eq!(sink.len(), 20);
}

#[test]
fn every_nth_frame_locks_up_and_none_is_lost() {
    for mode in [Mode::Interrupt, Mode::Polled] {
        let mut core = Core::new();
        let config = Config {
            lockup: 5,
            timeout: ms(50),
            mode,
            ..Config::default()
        };
        let (devs, sink) = ready(&mut core, &config);
        let mut net = core.softnet();
        let mut now = ms(0);
        let began = Instant::now();
        for n in 0..100u32 {
            net.xmit(
                &devs[0],
                datagram(&devs[0], [10, 0, 0, 1], [10, 0, 0, 2], &n.to_be_bytes()),
            );
            net.run_all(5);
        }
        assert_eq!(sink.len(), 5, "the fifth wedged it: {mode:?}");
        assert!(devs[0].queue(0).is_stopped());
        assert_eq!(
            (devs[0].stats64().tx_packets, devs[0].queue(0).backlog()),
            (4, 95)
        );
        while sink.len() < 100 && began.elapsed() < Duration::from_secs(20) {
            now += ms(10);
            core.tick(now);
            net.run_all(5);
        }
        core.tick(now + ms(60));
        let order: Vec<u32> = sink
            .take()
            .iter()
            .map(|(_, p)| u32::from_be_bytes(*p.bytes()[28..].first_chunk().unwrap()))
            .collect();
        assert_eq!(order, (0..100).collect::<Vec<_>>(), "all, once, in order");
        let stats = devs[0].stats64();
        assert_eq!(
            (stats.tx_packets, stats.tx_errors, stats.tx_dropped),
            (100, 20, 0)
        );
        assert_eq!(devs[0].queue(0).timeouts(), 20);
    }
}

#[test]
fn polled_mode_masks_and_fills_the_senders_pool() {
    let mut core = Core::new();
    let config = Config {
        mode: Mode::Polled,
        ..Config::default()
    };
    let (devs, sink) = ready(&mut core, &config);
    let mut net = core.softnet();
    for n in 0..30u32 {
        net.xmit(
            &devs[0],
            datagram(&devs[0], [10, 0, 0, 1], [10, 0, 0, 2], &n.to_be_bytes()),
        );
    }
    // Nobody has polled: eight are on the wire, the rest waits.
    assert_eq!(
        (
            sink.len(),
            devs[0].queue(0).is_stopped(),
            devs[0].queue(0).backlog()
        ),
        (0, true, 22)
    );
    net.run_all(50);
    assert_eq!(
        (
            sink.len(),
            devs[0].queue(0).is_stopped(),
            devs[0].queue(0).backlog()
        ),
        (30, false, 0)
    );
    assert_eq!(devs[1].stats64().rx_packets, 30);
    // The other end goes down with frames on the wire.
    for n in 0..30u32 {
        net.xmit(
            &devs[0],
            datagram(&devs[0], [10, 0, 0, 1], [10, 0, 0, 2], &n.to_be_bytes()),
        );
    }
    core.close(&devs[1]);
    net.run_all(50);
    assert_eq!((sink.len(), devs[1].stats64().rx_dropped), (30, 8));
    assert_eq!(
        (devs[0].stats64().tx_packets, devs[0].queue(0).backlog()),
        (60, 0),
        "a cable without listener takes all"
    );
    core.open(&devs[1]).unwrap();
    net.xmit(
        &devs[0],
        datagram(&devs[0], [10, 0, 0, 1], [10, 0, 0, 2], b"again"),
    );
    net.run_all(50);
    assert_eq!(sink.len(), 31);
    assert_eq!(
        devs[1].stats64().rx_packets,
        31,
        "counters are kept across stop"
    );
}

#[test]
fn parameters_commands_and_a_registration_that_fails_half_way() {
    let mut core = Core::new();
    assert_eq!(
        errno(pair(
            &mut core,
            &Config {
                pool_size: 0,
                ..Config::default()
            }
        )),
        "EINVAL"
    );
    let log = Log::default();
    let taken = core.add(setup("sn1", 1), Recorder::new("r", &log)).unwrap();
    assert_eq!(errno(pair(&mut core, &Config::default())), "EEXIST");
    assert!(core.by_name("sn0").is_err(), "the first went again");
    core.unregister(&taken);
    let devs = pair(
        &mut core,
        &Config {
            eth: true,
            ..Config::default()
        },
    )
    .unwrap();
    assert_eq!(
        (devs[0].name().as_str(), devs[1].name().as_str()),
        ("eth0", "eth1")
    );
    let mut ask = |command, value| core.ioctl(&Caller::ADMIN, "eth0", PRIVATE + command, value);
    assert_eq!(
        ask(1, Value::Bytes(vec![7, 0, 0, 0])),
        Ok(Value::Bytes(vec![7, 0, 0, 0]))
    );
    assert_eq!(ask(0, Value::Nothing), Ok(Value::Bytes(vec![7, 0, 0, 0])));
    assert_eq!(errno(ask(1, Value::Bytes(vec![7]))), "EINVAL");
    assert_eq!(errno(ask(2, Value::Nothing)), "EOPNOTSUPP");
    let settings = devs[0].ops().settings(&devs[0]);
    assert!(
        settings
            .iter()
            .any(|s| (s.name, s.value.as_str(), s.offload) == ("lockup", "7", false))
    );
}

#[test]
fn both_ends_from_several_threads() {
    for mode in [Mode::Interrupt, Mode::Polled] {
        let mut core = Core::new();
        let (devs, sink) = ready(
            &mut core,
            &Config {
                mode,
                ..Config::default()
            },
        );
        devs.iter()
            .for_each(|d| core.set_tx_queue_len(d, 100_000).unwrap());
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                let (mut net, dev) = (core.softnet(), devs[thread % 2].clone());
                scope.spawn(move || {
                    for n in 0..500u32 {
                        net.xmit(
                            &dev,
                            datagram(&dev, [10, 0, 0, 1], [10, 0, 0, 2], &n.to_be_bytes()),
                        );
                        net.run();
                    }
                    net.run_all(2000);
                });
            }
        });
        let mut net = core.softnet();
        while sink.len() < 2000 && began.elapsed() < Duration::from_secs(20) {
            net.run_all(100);
        }
        let stats: Vec<_> = devs.iter().map(|d| d.stats64()).collect();
        assert_eq!(sink.len(), 2000, "{mode:?} {stats:?}");
        assert!(
            stats
                .iter()
                .all(|s| s.tx_packets == 1000 && s.rx_packets == 1000 && s.tx_dropped == 0)
        );
    }
}

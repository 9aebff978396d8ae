//! What comes from outside: malformed frames, one's own frames, other groups, loss, and a clock that jumps.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{
    Bridge, BridgeStatus, Link, PortState, PortStatus, Protocol, StpError,
};
use smartnic_slowpath::wire::bpdu::{
    BRIDGE_GROUP, Bpdu, BpduFrame, BpduTime, BridgeId, Message, RST_LEN,
};

use crate::net::{MS, SECOND};
use crate::rapid::ring;
use crate::{seeds, tree};

const BOTH: [Protocol; 2] = [Protocol::Stp, Protocol::Rstp];

fn snapshot(bridge: &Bridge) -> (BridgeStatus, Vec<PortStatus>) {
    let ports = bridge.ports().into_iter();
    let ports = ports.map(|n| bridge.port_status(n).unwrap());
    (bridge.status(), ports.collect())
}

#[test]
fn malformed_frames_change_nothing_and_are_counted() {
    let mut rng = ChaCha8Rng::seed_from_u64(seeds(1).start);
    for protocol in BOTH {
        let mut net = ring(3, protocol, MS);
        net.start();
        net.settle(60 * SECOND);
        // Bridge 2 blocks a port: there is something to upset.
        let now = net.now;
        let bridge = &mut net.nodes[2].bridge;
        let mut before = snapshot(bridge);
        let mut good = BpduFrame {
            destination: BRIDGE_GROUP,
            source: "02:00:00:00:00:77".parse().unwrap(),
            bpdu: Bpdu::Tcn,
        }
        .emit();
        good.resize(14 + 3 + RST_LEN + 30, 0);
        let mut bad = 0;
        for _ in 0..20_000 {
            let mut frame = good.clone();
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..frame.len());
                frame[at] = rng.random();
            }
            frame.truncate(rng.random_range(0..=frame.len()));
            let port = rng.random_range(1..=2u16);
            let whole = BpduFrame::parse(&frame).is_ok_and(|f| f.destination == BRIDGE_GROUP);
            if whole {
                continue;
            }
            let error = bridge.receive(now, port, &frame).unwrap_err();
            assert!(matches!(
                error,
                StpError::Bpdu(_) | StpError::Destination(_)
            ));
            before.1[usize::from(port) - 1].counters.rx_bad += 1;
            bad += 1;
        }
        assert!(bad > 10_000, "{bad}");
        assert_eq!(snapshot(bridge), before);
        assert_eq!(bridge.take_actions(), []);
        assert_eq!(bridge.receive(now, 9, &good), Err(StpError::NoPort(9)));
    }
}

/// A bridge's own BPDU that comes back on the same port is dropped (clause 9.3.4).
#[test]
fn own_frames_are_dropped() {
    for protocol in BOTH {
        let mut net = ring(3, protocol, MS);
        net.start();
        net.settle(60 * SECOND);
        let id = net.nodes[0].id();
        let now = net.now;
        let bridge = &mut net.nodes[0].bridge;
        let mut own = Message {
            root: id,
            bridge: id,
            port: 0x8001,
            ..Default::default()
        };
        own.max_age.0 = 20 * 256;
        let frame = BpduFrame {
            destination: BRIDGE_GROUP,
            source: id.address,
            bpdu: Bpdu::Config {
                topology_change: true,
                topology_change_ack: false,
                message: own,
            },
        };
        let before = snapshot(bridge);
        bridge.receive(now, 1, &frame.emit()).unwrap();
        let mut after = snapshot(bridge);
        let counters = &mut after.1[0].counters;
        assert_eq!(counters.rx_looped, 1);
        (counters.rx_looped, counters.rx_config) = (0, before.1[0].counters.rx_config);
        assert_eq!(after, before);
        assert_eq!(bridge.take_actions(), []);
    }
}

/// Whatever time does, no port is let forward by it that has not heard anything since.
#[test]
fn clock_jumps_open_nothing() {
    for protocol in BOTH {
        let mut net = ring(3, protocol, MS);
        net.start();
        net.settle(60 * SECOND);
        let bridge = &mut net.nodes[2].bridge;
        let blocked = bridge
            .ports()
            .into_iter()
            .find(|n| bridge.port_status(*n).unwrap().state == PortState::Blocking)
            .unwrap();
        // An hour in which nobody called.
        let late = net.now + 3_600 * SECOND;
        bridge.poll(late);
        let _ = bridge.take_actions();
        let state = |bridge: &Bridge| bridge.port_status(blocked).unwrap().state;
        assert_ne!(state(bridge), PortState::Forwarding);
        assert_ne!(state(bridge), PortState::Learning);
        assert!(bridge.next_deadline().unwrap() > late);
        // Back again: the latest time counts.
        let before = snapshot(bridge);
        bridge.poll(Duration::ZERO);
        assert_eq!(snapshot(bridge), before);
        assert_eq!(bridge.take_actions(), []);
    }
}

/// With a tenth of all frames lost there is still no loop, and the tree comes.
#[test]
fn loss_delays_but_does_not_break() {
    for protocol in BOTH {
        for seed in seeds(6) {
            println!("SEED={seed}");
            let mut net = ring(5, protocol, MS);
            net.rng = ChaCha8Rng::seed_from_u64(seed);
            net.segments.iter_mut().for_each(|s| s.loss = 0.1);
            net.start();
            net.settle(200 * SECOND);
            net.plug(1, false);
            net.settle(100 * SECOND);
            net.plug(1, true);
            net.settle(100 * SECOND);
            net.segments.iter_mut().for_each(|s| s.loss = 0.0);
            net.settle(100 * SECOND);
            tree::check(&net);
        }
    }
}

/// Frames sent are frames received, kind by kind.
#[test]
fn counters_agree_across_a_cable() {
    for protocol in BOTH {
        let mut net = ring(4, protocol, MS);
        net.start();
        net.settle(100 * SECOND);
        net.plug(2, false);
        net.settle(100 * SECOND);
        net.plug(2, true);
        net.settle(100 * SECOND);
        // Nothing is on its way half a second after the hellos.
        net.settle(500 * MS);
        for segment in &net.segments {
            let [a, b] = [0, 1].map(|i| {
                let (b, port) = segment.ends[i];
                net.nodes[b].bridge.port_status(port).unwrap().counters
            });
            for (from, to) in [(a, b), (b, a)] {
                assert_eq!(
                    (from.tx_config, from.tx_tcn, from.tx_rst),
                    (to.rx_config, to.rx_tcn, to.rx_rst)
                );
                assert_eq!((to.rx_bad, to.rx_looped), (0, 0));
            }
            assert!(a.tx_config + a.tx_rst + b.tx_config + b.tx_rst > 100);
        }
        let sent: u64 = net
            .nodes
            .iter()
            .flat_map(|n| snapshot(&n.bridge).1)
            .map(|p| p.counters.tx_config + p.counters.tx_tcn + p.counters.tx_rst)
            .sum();
        assert_eq!(sent, net.sent);
    }
}

/// Whatever valid BPDUs say, at whatever time, the machines come to rest, and never ask to be called in the past.
#[test]
fn any_valid_bpdu_is_survived() {
    let mut rng = ChaCha8Rng::seed_from_u64(seeds(1).start);
    for protocol in BOTH {
        let mut net = ring(4, protocol, MS);
        net.start();
        net.settle(60 * SECOND);
        let mut now = net.now;
        // Bridge 2 is left to itself, with a neighbour that says anything.
        let ids = [0, 1, 2].map(|b| net.nodes[b].id());
        let bridge = &mut net.nodes[2].bridge;
        for _ in 0..20_000 {
            let mut id = || match rng.random_range(0..4) {
                known @ 0..3 => ids[known],
                _ => BridgeId {
                    priority: rng.random(),
                    address: MacAddr::random(&mut rng),
                },
            };
            let (root, sender) = (id(), id());
            let mut time = || match rng.random_range(0..3) {
                0 => BpduTime(rng.random()),
                1 => BpduTime(0),
                _ => BpduTime(rng.random_range(0..20) * 256),
            };
            let message = Message {
                root,
                bridge: sender,
                message_age: time(),
                max_age: time(),
                hello_time: time(),
                forward_delay: time(),
                root_path_cost: rng.random(),
                port: 0x8000 | rng.random_range(0..3u16),
            };
            let mut frame = BpduFrame {
                destination: BRIDGE_GROUP,
                source: MacAddr::random(&mut rng),
                bpdu: Bpdu::Config {
                    topology_change: rng.random(),
                    topology_change_ack: rng.random(),
                    message,
                },
            }
            .emit();
            if rng.random_bool(0.6) {
                // An RST BPDU with any flags.
                (frame[13], frame[19], frame[20]) = (0x27, 2, 2);
                frame[21] = rng.random();
            }
            let port = rng.random_range(1..=2);
            let _ = bridge.receive(now, port, &frame);
            if rng.random_bool(0.01) {
                let up = rng.random_bool(0.5);
                let link = if up { Link::up(1_000) } else { Link::down() };
                bridge.set_link(now, port, link).unwrap();
            }
            now += rng.random_range(0..3_000) * MS / 7;
            for calls in 0.. {
                bridge.poll(now);
                if bridge.next_deadline().is_none_or(|due| due > now) {
                    break;
                }
                assert!(calls < 4, "does not come to rest");
            }
            bridge.take_actions();
        }
    }
}

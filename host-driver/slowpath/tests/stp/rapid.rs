//! RSTP between two neighbours and in rings: convergence by messages, not by timers; edge ports; migration to STP and back.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::stp::{Action, PointToPoint, PortSettings, PortState, Protocol, Role};

use crate::net::{MS, Net, SECOND};
use crate::tree;

/// A ring; segment `s` joins bridges `s` and `s + 1`, and bridge 0 is the root.
pub fn ring(n: usize, protocol: Protocol, delay: Duration) -> Net {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    (0..n).for_each(|_| {
        net.bridge(protocol, 0x8000);
    });
    (0..n).for_each(|b| {
        net.join(&[b, (b + 1) % n], delay, 1_000);
    });
    net
}

/// A handshake takes a proposal and an agreement on each hop; the last word goes all the way round. No timer is that short.
#[test]
fn rings_converge_by_messages() {
    let delay = MS / 10;
    for n in [3, 4, 8, 16] {
        let mut net = ring(n, Protocol::Rstp, delay);
        net.start();
        let start = net.settle(30 * SECOND);
        tree::check(&net);
        let hops = n as u32;
        // Where the news changes more often than txHoldCount, it waits for a second.
        assert!(n > 8 || start <= 6 * hops * delay, "{n}: start {start:?}");
        let (mut cut, mut heal) = (Duration::ZERO, Duration::ZERO);
        for s in 0..n {
            net.plug(s, false);
            cut = cut.max(net.settle(30 * SECOND));
            tree::check(&net);
            net.plug(s, true);
            heal = heal.max(net.settle(30 * SECOND));
            tree::check(&net);
        }
        println!("ring of {n}, {delay:?} a hop: start {start:?}, cut {cut:?}, healed {heal:?}");
        let most = if n > 8 { 2 * SECOND } else { 4 * hops * delay };
        assert!(cut <= most, "{n}: cut {cut:?}");
        assert!(heal <= most, "{n}: healed {heal:?}");
    }
}

/// The root dies: what the others still believe of it goes round until it is too old, and no longer.
#[test]
fn a_dead_root_is_forgotten() {
    for n in [3, 6, 10] {
        let mut net = ring(n, Protocol::Rstp, MS);
        net.start();
        net.settle(30 * SECOND);
        net.switch(0, false);
        net.plug(0, false);
        net.plug(n - 1, false);
        let took = net.settle(60 * SECOND);
        tree::check(&net);
        println!("ring of {n}: root died, new tree after {took:?}");
        // What txCount holds back costs a second.
        assert!(took <= 2 * SECOND, "{took:?}");
    }
}

/// A neighbour that goes silent is given up after three hello times.
#[test]
fn silence_is_noticed_after_three_hellos() {
    let mut net = ring(3, Protocol::Rstp, MS);
    net.start();
    net.settle(30 * SECOND);
    // Between the root and bridge 1, not on the blocked segment.
    net.segments[0].mute = true;
    let begin = net.now;
    net.nodes[2].log.clear();
    net.settle(30 * SECOND);
    // Bridge 2 opens what it had blocked.
    let opens = Action::SetState {
        port: 1,
        state: PortState::Forwarding,
    };
    let at = net.nodes[2]
        .log
        .iter()
        .find(|(_, a)| *a == opens)
        .unwrap()
        .0;
    let took = at - begin;
    assert!(
        took > 4 * SECOND && took <= 6 * SECOND + 10 * MS,
        "{took:?}"
    );
    let status = net.nodes[1].bridge.status();
    assert_eq!(status.root_port, Some(2), "the way round the other side");
    assert_eq!(status.designated_root, net.nodes[0].id());
}

/// One bridge with one port, and nobody at its other end.
fn alone(settings: PortSettings) -> (Net, usize, u16) {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let b = net.bridge(Protocol::Rstp, 0x8000);
    let s = net.join_with(&[(b, settings)], MS, 1_000);
    net.start();
    (net, s, 1)
}

/// When an end station's port forwards: at once as an edge port, after the migrate time as a found one, else by timers.
#[test]
fn edge_ports() {
    let cases = [
        (true, true, Duration::ZERO, true),
        (true, false, Duration::ZERO, true),
        (false, true, 3 * SECOND, true),
        // fdWhile was at max age, then learning for the forward delay.
        (false, false, 35 * SECOND, false),
    ];
    for (admin_edge, auto_edge, after, oper_edge) in cases {
        let settings = PortSettings {
            admin_edge,
            auto_edge,
            ..PortSettings::default()
        };
        let (mut net, _, port) = alone(settings);
        assert_eq!(net.settle(60 * SECOND), after);
        let p = net.nodes[0].bridge.port_status(port).unwrap();
        assert_eq!((p.state, p.oper_edge), (PortState::Forwarding, oper_edge));
        // An edge port's coming and going is no topology change.
        let changes = net.nodes[0].bridge.status().topology_change_count;
        assert_eq!(changes, u64::from(!oper_edge));
    }
}

/// A bridge behind an edge port ends that, and there is a tree.
#[test]
fn an_edge_port_that_hears_a_bridge_is_none() {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let edge = PortSettings {
        admin_edge: true,
        ..PortSettings::default()
    };
    (0..2).for_each(|_| {
        net.bridge(Protocol::Rstp, 0x8000);
    });
    net.join_with(&[(0, edge.clone()), (1, edge)], MS, 1_000);
    net.join(&[0, 1], MS, 1_000);
    // Whoever calls a bridge's port an edge port is believed until a BPDU has come: that may be a loop for as long as one takes.
    net.loops_fail = false;
    net.start();
    net.settle(30 * SECOND);
    tree::check(&net);
    assert!(
        net.loops.iter().all(|(_, time)| *time <= MS),
        "{:?}",
        net.loops
    );
    for b in 0..2 {
        for port in net.nodes[b].bridge.ports() {
            let p = net.nodes[b].bridge.port_status(port).unwrap();
            assert!(!p.oper_edge);
        }
    }
}

/// Without agreements, on a link that might be shared, the timers decide.
#[test]
fn shared_links_wait() {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let shared = PortSettings {
        point_to_point: PointToPoint::No,
        auto_edge: false,
        ..PortSettings::default()
    };
    (0..2).for_each(|_| {
        net.bridge(Protocol::Rstp, 0x8000);
    });
    net.join_with(&[(0, shared.clone()), (1, shared)], MS, 1_000);
    net.start();
    let took = net.settle(60 * SECOND);
    tree::check(&net);
    // Max age in the disabled state, then the forward delay.
    assert_eq!(took, 35 * SECOND);
    let p = net.nodes[0].bridge.port_status(1).unwrap();
    assert!(!p.oper_point_to_point);
}

/// A neighbour that speaks STP is answered in STP; when it has gone, mcheck brings RST BPDUs back.
#[test]
fn migration_to_stp_and_back() {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let (rapid, old) = (
        net.bridge(Protocol::Rstp, 0x8000),
        net.bridge(Protocol::Stp, 0x1000),
    );
    net.join(&[rapid, old], MS, 1_000);
    net.start();
    net.settle(60 * SECOND);
    tree::check(&net);
    let p = net.nodes[rapid].bridge.port_status(1).unwrap();
    assert!(!p.send_rstp);
    assert_eq!(p.role, Role::Root);
    // The topology change went to the root as a TCN, and was acknowledged.
    assert!(p.counters.tx_tcn >= 1, "{:?}", p.counters);
    let rst_before = p.counters.tx_rst;
    // The old bridge is replaced by one that speaks RSTP.
    net.tell(old, |bridge, now| {
        let mut settings = bridge.settings().clone();
        settings.protocol = Protocol::Rstp;
        bridge.set_settings(now, settings).unwrap();
    });
    net.settle(60 * SECOND);
    tree::check(&net);
    let p = net.nodes[rapid].bridge.port_status(1).unwrap();
    // An RST BPDU is answered by one (17.24), without mcheck.
    assert!(p.send_rstp && p.counters.tx_rst > rst_before);
    // A root port that hears only STP would stay: mcheck makes it try.
    net.tell(old, |bridge, now| {
        let mut settings = bridge.settings().clone();
        settings.protocol = Protocol::Stp;
        bridge.set_settings(now, settings).unwrap();
    });
    net.settle(60 * SECOND);
    assert!(!net.nodes[rapid].bridge.port_status(1).unwrap().send_rstp);
    net.tell(rapid, |bridge, now| bridge.mcheck(now, 1).unwrap());
    assert!(net.nodes[rapid].bridge.port_status(1).unwrap().send_rstp);
    net.settle(10 * SECOND);
    assert!(!net.nodes[rapid].bridge.port_status(1).unwrap().send_rstp);
}

/// An STP bridge's topology change notification reaches an RSTP root, and is acknowledged.
#[test]
fn an_rstp_root_acknowledges_notifications() {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let (root, old) = (
        net.bridge(Protocol::Rstp, 0x1000),
        net.bridge(Protocol::Stp, 0x8000),
    );
    net.join(&[root, old], MS, 1_000);
    net.start();
    net.settle(90 * SECOND);
    tree::check(&net);
    let notified = |net: &Net| {
        let p = net.nodes[root].bridge.port_status(1).unwrap();
        p.counters.rx_tcn
    };
    let before = notified(&net);
    let s = net.join(&[old], MS, 1_000);
    net.plug(s, true);
    net.settle(33 * SECOND);
    // The acknowledgement comes with the root's next hello; until then the old bridge repeats itself each hello time.
    let told = notified(&net) - before;
    assert!(told == 1 || told == 2, "{told}");
    assert!(net.nodes[root].bridge.status().topology_change);
    let status = net.nodes[old].bridge.status();
    assert!(!status.topology_change_detected && status.topology_change);
    // The root says so for max age and forward delay.
    net.settle(40 * SECOND);
    assert!(!net.nodes[root].bridge.status().topology_change);
    assert!(!net.nodes[old].bridge.status().topology_change);
}

/// No port sends more than txHoldCount BPDUs at once, nor more than one a second after that.
#[test]
fn transmit_hold_count() {
    for hold in [1, 6, 10] {
        let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
        net.bridge(Protocol::Rstp, 0x8000);
        let s = net.join(&[0], MS, 1_000);
        net.tell(0, |bridge, now| {
            let mut settings = bridge.settings().clone();
            settings.tx_hold_count = hold;
            bridge.set_settings(now, settings).unwrap();
        });
        net.start();
        let sent = |net: &Net| net.nodes[0].bridge.port_status(1).unwrap().counters.tx_rst;
        // Changes that each want to be told, every 10 ms for 5 s.
        for i in 0..500u16 {
            net.tell(0, |bridge, now| {
                let mut settings = bridge.settings().clone();
                settings.priority = 0x8000 + i % 2;
                bridge.set_settings(now, settings).unwrap();
            });
            net.run_until(net.now + 10 * MS);
        }
        assert_eq!(sent(&net), u64::from(hold) + 5);
        assert_eq!(net.segments[s].ends.len(), 1);
    }
}

/// A port that comes to serve the segment by which it reached the root stops until its neighbour agrees (see `change_role`).
#[test]
fn a_root_port_that_turns_round_stops_first() {
    let mut net = ring(4, Protocol::Rstp, MS);
    net.start();
    net.settle(30 * SECOND);
    // Bridge 3 becomes the root: some ports turn round.
    let mark: Vec<usize> = net.nodes.iter().map(|n| n.log.len()).collect();
    net.tell(3, |bridge, now| {
        let mut settings = bridge.settings().clone();
        settings.priority = 0x1000;
        bridge.set_settings(now, settings).unwrap();
    });
    let took = net.settle(30 * SECOND);
    tree::check(&net);
    assert!(took < 50 * MS, "{took:?}");
    let stopped = net.nodes.iter().zip(mark).any(|(node, mark)| {
        node.log[mark..].iter().any(|(_, action)| {
            matches!(
                action,
                Action::SetState {
                    state: PortState::Blocking,
                    ..
                }
            )
        })
    });
    assert!(stopped);
}

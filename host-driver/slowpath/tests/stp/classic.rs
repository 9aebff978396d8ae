//! STP: its times to the tick, the hold timer, message age, and what a topology change does.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::stp::{Action, BridgeTimes, PortState, Protocol, Role};

use crate::net::{MS, Net, SECOND};
use crate::rapid::ring;
use crate::tree;

fn states(net: &Net, b: usize, port: u16) -> Vec<(Duration, PortState)> {
    let of = |(at, action): &(Duration, Action)| match action {
        Action::SetState { port: p, state } if *p == port => Some((*at, *state)),
        _ => None,
    };
    net.nodes[b].log.iter().filter_map(of).collect()
}

/// Listening and learning last the forward delay each, and a port has Linux's states in order.
#[test]
fn a_port_takes_two_forward_delays() {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    let b = net.bridge(Protocol::Stp, 0x8000);
    net.join(&[b], MS, 1_000);
    net.start();
    net.settle(60 * SECOND);
    use PortState::{Blocking, Forwarding, Learning, Listening};
    let expected = [
        (Duration::ZERO, Blocking),
        (Duration::ZERO, Listening),
        (15 * SECOND, Learning),
        (30 * SECOND, Forwarding),
    ];
    assert_eq!(states(&net, b, 1), expected);
    let numbers = [
        PortState::Disabled,
        Listening,
        Learning,
        Forwarding,
        Blocking,
    ];
    assert_eq!(numbers.map(|s| s as u8), [0, 1, 2, 3, 4]);
}

/// A direct cut heals in two forward delays, a silent one in max age more.
#[test]
fn cuts_heal_by_the_book() {
    let mut net = ring(4, Protocol::Stp, MS);
    net.start();
    let start = net.settle(90 * SECOND);
    tree::check(&net);
    // The ways of bridge 2 to the root are as long as each other: it blocks one of its own ports. This cut makes it change over.
    net.plug(1, false);
    let cut = net.settle(90 * SECOND);
    tree::check(&net);
    net.plug(1, true);
    net.settle(90 * SECOND);
    net.segments[1].mute = true;
    let silent = net.settle(90 * SECOND);
    println!("stp ring of 4: start {start:?}, cut {cut:?}, silent {silent:?}");
    assert!(start >= 30 * SECOND && start < 31 * SECOND, "{start:?}");
    assert!(cut >= 30 * SECOND && cut < 31 * SECOND, "{cut:?}");
    assert!(
        silent >= 46 * SECOND && silent <= 50 * SECOND + 20 * MS,
        "{silent:?}"
    );
}

/// The root's times rule; a bridge that becomes the root uses its own.
#[test]
fn the_roots_times_rule() {
    let mut net = ring(3, Protocol::Stp, MS);
    let times = BridgeTimes {
        max_age: 6 * SECOND,
        hello_time: SECOND,
        forward_delay: 4 * SECOND,
    };
    net.tell(0, |bridge, now| {
        let mut settings = bridge.settings().clone();
        settings.times = times;
        bridge.set_settings(now, settings).unwrap();
    });
    net.start();
    // The first hellos tell everybody: two short delays.
    let took = net.settle(60 * SECOND);
    assert!(took < 20 * SECOND, "{took:?}");
    tree::check(&net);
    for node in &net.nodes {
        let s = node.bridge.status();
        let in_force = BridgeTimes {
            max_age: s.max_age,
            hello_time: s.hello_time,
            forward_delay: s.forward_delay,
        };
        assert_eq!(in_force, times);
    }
    net.switch(0, false);
    net.settle(90 * SECOND);
    tree::check(&net);
    assert_eq!(net.nodes[1].bridge.status().forward_delay, 15 * SECOND);
}

/// A change is told to the root hop by hop, each hop acknowledged, and the root has everybody age fast for max age and forward delay.
#[test]
fn a_topology_change_goes_to_the_root_and_back() {
    let mut net = ring(4, Protocol::Stp, MS);
    net.plug(3, false);
    net.start();
    net.plug(3, false);
    net.settle(120 * SECOND);
    // A chain 0 - 1 - 2 - 3 at rest.
    for node in &mut net.nodes {
        let s = node.bridge.status();
        assert!(!s.topology_change && !s.topology_change_detected);
        node.log.clear();
    }
    let tcn = |net: &Net, b: usize, port: u16| {
        let p = net.nodes[b].bridge.port_status(port).unwrap();
        (p.counters.rx_tcn, p.counters.tx_tcn)
    };
    let before: Vec<_> = (0..3).map(|b| tcn(&net, b, 1).0).collect();
    // A new port of bridge 3 comes to forwarding.
    let s = net.join(&[3], MS, 100);
    net.plug(s, true);
    let begin = net.now;
    net.run_until(begin + 100 * SECOND);
    assert_eq!(tcn(&net, 0, 1).0, before[0] + 1, "the root is told once");
    for b in 0..4 {
        let ageing: Vec<_> = net.nodes[b]
            .log
            .iter()
            .filter_map(|(at, action)| match action {
                Action::Ageing { time } => Some((*at - begin, *time)),
                _ => None,
            })
            .collect();
        let [(from, Some(short)), (to, None)] = ageing[..] else {
            panic!("bridge {b}: {ageing:?}");
        };
        assert_eq!(short, 15 * SECOND);
        // A hop's hold timer may keep the news for a second.
        assert!(from >= 30 * SECOND && from < 34 * SECOND, "{from:?}");
        // The root's timer, and for the others the next hello after it, held at each hop for a second at most.
        let took = to - from;
        assert!(took >= 34 * SECOND && took <= 40 * SECOND, "{took:?}");
        let s = net.nodes[b].bridge.status();
        assert!(!s.topology_change && !s.topology_change_detected, "{b}");
        assert_eq!(s.tcn_timer, Duration::ZERO);
        assert!(s.topology_change_count > 0);
    }
}

/// A bridge sends at most one Config BPDU a second on a port, and what was held back is sent then.
#[test]
fn the_hold_timer_holds() {
    let mut net = ring(3, Protocol::Stp, MS);
    net.start();
    net.settle(60 * SECOND);
    let sent = |net: &Net| {
        net.nodes[0]
            .bridge
            .port_status(1)
            .unwrap()
            .counters
            .tx_config
    };
    let before = sent(&net);
    for i in 0..100u16 {
        net.tell(0, |bridge, now| {
            let mut settings = bridge.settings().clone();
            settings.priority = 0x7000 + i % 2;
            bridge.set_settings(now, settings).unwrap();
        });
        net.run_until(net.now + 50 * MS);
    }
    assert!(sent(&net) - before <= 6, "in 5 s");
    net.settle(60 * SECOND);
    tree::check(&net);
}

/// The numbers that `ip -d link` and sysfs show.
#[test]
fn what_is_shown() {
    let mut net = ring(3, Protocol::Stp, MS);
    net.start();
    net.run_until(10 * SECOND);
    let root = net.nodes[0].bridge.status();
    assert_eq!((root.root_port, root.root_path_cost), (None, 0));
    assert!(root.hello_timer > Duration::ZERO && root.hello_timer <= 2 * SECOND);
    let other = net.nodes[1].bridge.status();
    assert_eq!((other.root_port, other.root_path_cost), (Some(1), 5));
    assert_eq!(other.hello_timer, Duration::ZERO, "only the root's runs");
    let p = net.nodes[1].bridge.port_status(1).unwrap();
    assert_eq!(
        (p.role, p.state, p.port_id),
        (Role::Root, PortState::Listening, 0x8001)
    );
    assert_eq!(p.designated_bridge, net.nodes[0].id());
    assert!(p.message_age_timer > 17 * SECOND && p.message_age_timer <= 20 * SECOND);
    assert!(p.forward_delay_timer > 4 * SECOND && p.forward_delay_timer <= 6 * SECOND);
}

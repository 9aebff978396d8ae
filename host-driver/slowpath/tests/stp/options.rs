//! Guards, settings and their ranges, port numbers, path costs.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::{
    Action, Bridge, BridgeSettings, BridgeTimes, Link, MAX_PORTS, PortSettings, PortState,
    Protocol, Role, StpError, path_cost,
};

use crate::net::{MS, Net, SECOND};
use crate::tree;

const BOTH: [Protocol; 2] = [Protocol::Stp, Protocol::Rstp];

fn pair(protocol: Protocol, settings: PortSettings, peer_priority: u16) -> Net {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    net.bridge(protocol, 0x8000);
    net.bridge(protocol, peer_priority);
    net.join_with(&[(0, settings), (1, PortSettings::default())], MS, 1_000);
    net
}

#[test]
fn bpdu_guard_closes_the_port_until_its_link_comes_again() {
    for protocol in BOTH {
        let guard = PortSettings {
            guard: true,
            admin_edge: true,
            ..PortSettings::default()
        };
        let mut net = pair(protocol, guard, 0x8000);
        net.start();
        net.settle(60 * SECOND);
        let p = net.nodes[0].bridge.port_status(1).unwrap();
        assert!(p.guard_disabled);
        assert_eq!((p.state, p.role), (PortState::Disabled, Role::Disabled));
        let told = |net: &Net| {
            let guard = Action::GuardDisabled { port: 1 };
            net.nodes[0].log.iter().filter(|(_, a)| *a == guard).count()
        };
        assert_eq!(told(&net), 1, "{protocol:?}");
        // The BPDU that closed it is the only one that was taken.
        let c = p.counters;
        assert_eq!(c.rx_config + c.rx_rst, 1);
        net.plug(0, false);
        assert!(!net.nodes[0].bridge.port_status(1).unwrap().guard_disabled);
        net.switch(1, false);
        net.plug(0, true);
        net.settle(60 * SECOND);
        let p = net.nodes[0].bridge.port_status(1).unwrap();
        assert_eq!(p.state, PortState::Forwarding);
        assert_eq!(told(&net), 1);
    }
}

#[test]
fn root_guard_keeps_a_better_root_out() {
    for protocol in BOTH {
        let guard = PortSettings {
            root_block: true,
            ..PortSettings::default()
        };
        let mut net = pair(protocol, guard, 0x1000);
        net.bridge(protocol, 0xf000);
        net.join(&[0, 2], MS, 1_000);
        net.start();
        net.settle(120 * SECOND);
        let own = net.nodes[0].id();
        for b in [0, 2] {
            let s = net.nodes[b].bridge.status();
            assert_eq!(s.designated_root, own, "{protocol:?}");
        }
        let p = net.nodes[0].bridge.port_status(1).unwrap();
        assert!(p.root_inconsistent && p.state != PortState::Forwarding);
        let state = match protocol {
            Protocol::Stp => PortState::Listening,
            Protocol::Rstp => PortState::Blocking,
        };
        assert_eq!(p.state, state);
        // The better bridge becomes a worse one: the port forwards.
        net.tell(1, |bridge, now| {
            let mut settings = bridge.settings().clone();
            settings.priority = 0xf000;
            bridge.set_settings(now, settings).unwrap();
        });
        net.settle(120 * SECOND);
        tree::check(&net);
        let inconsistent: Vec<bool> = net.nodes[0]
            .log
            .iter()
            .filter_map(|(_, action)| match action {
                Action::RootInconsistent { inconsistent, .. } => Some(*inconsistent),
                _ => None,
            })
            .collect();
        assert_eq!(inconsistent, [true, false], "{protocol:?}");
    }
}

#[test]
fn times_have_ranges_and_a_relation() {
    let address = MacAddr([2, 0, 0, 0, 0, 1]);
    let mut bridge = Bridge::new(BridgeSettings::new(address, Protocol::Stp)).unwrap();
    let good = bridge.settings().clone();
    let mut set = |max_age, hello, delay| {
        let mut settings = good.clone();
        settings.times = BridgeTimes {
            max_age: max_age * MS,
            hello_time: hello * MS,
            forward_delay: delay * MS,
        };
        let result = bridge.set_settings(Duration::ZERO, settings.clone());
        if result.is_ok() {
            assert_eq!(*bridge.settings(), settings);
        }
        result
    };
    for (max_age, hello, delay) in [
        (6_000, 1_000, 4_000),
        (40_000, 2_000, 30_000),
        (20_000, 9_000, 15_000),
        (22_000, 10_000, 30_000),
        (28_000, 2_000, 15_000),
        (6_500, 1_500, 4_250),
    ] {
        set(max_age, hello, delay).unwrap();
    }
    for (max_age, hello, delay, what) in [
        (5_999, 1_000, 15_000, "max_age"),
        (40_001, 2_000, 30_000, "max_age"),
        (20_000, 999, 15_000, "hello_time"),
        (40_000, 10_001, 30_000, "hello_time"),
        (6_000, 1_000, 3_999, "forward_delay"),
        (20_000, 2_000, 30_001, "forward_delay"),
    ] {
        let error = set(max_age, hello, delay).unwrap_err();
        assert!(matches!(error, StpError::Range { what: w, .. } if w == what));
    }
    for (max_age, hello, delay) in [
        (20_000, 2_000, 10_999),
        (28_001, 2_000, 15_000),
        (20_000, 9_001, 15_000),
        (6_000, 2_001, 4_000),
    ] {
        let error = set(max_age, hello, delay).unwrap_err();
        assert!(matches!(error, StpError::Relation { .. }), "{error}");
        assert!(error.to_string().contains("max age >= 2"), "{error}");
    }
    for hold in [0, 11] {
        let mut settings = good.clone();
        settings.tx_hold_count = hold;
        assert!(bridge.set_settings(Duration::ZERO, settings).is_err());
    }
}

#[test]
fn ports_have_the_lowest_free_number_and_legal_settings() {
    let address = MacAddr([2, 0, 0, 0, 0, 1]);
    for protocol in BOTH {
        let mut bridge = Bridge::new(BridgeSettings::new(address, protocol)).unwrap();
        let now = Duration::ZERO;
        let add = |bridge: &mut Bridge| bridge.add_port(now, address, PortSettings::default());
        for n in 1..=MAX_PORTS {
            assert_eq!(add(&mut bridge), Ok(n));
        }
        assert_eq!(add(&mut bridge), Err(StpError::TooManyPorts));
        for n in [700, 3] {
            bridge.remove_port(now, n).unwrap();
        }
        assert_eq!(bridge.remove_port(now, 3), Err(StpError::NoPort(3)));
        assert_eq!(bridge.port_status(3).err(), Some(StpError::NoPort(3)));
        assert_eq!(add(&mut bridge), Ok(3));
        assert_eq!(add(&mut bridge), Ok(700));
        let p = bridge.port_status(3).unwrap();
        assert_eq!((p.port_id, p.state), (0x8003, PortState::Disabled));
        let most = match protocol {
            Protocol::Stp => 65_535,
            Protocol::Rstp => 200_000_000,
        };
        for (priority, cost, fits) in [
            (0, Some(1), true),
            (63, Some(most), true),
            (64, None, false),
            (32, Some(0), false),
            (32, Some(most + 1), false),
        ] {
            let settings = PortSettings {
                priority,
                cost,
                ..PortSettings::default()
            };
            let result = bridge.set_port_settings(now, 3, settings.clone());
            assert_eq!(result.is_ok(), fits, "{settings:?}");
        }
        assert_eq!(bridge.port_status(3).unwrap().port_id, 0xfc03);
    }
}

#[test]
fn costs_follow_the_speed_unless_set() {
    let stp = [
        (10, 100),
        (100, 19),
        (1_000, 5),
        (2_500, 4),
        (5_000, 3),
        (10_000, 2),
        (25_000, 1),
    ];
    let rstp = [
        (10, 2_000_000),
        (100, 200_000),
        (1_000, 20_000),
        (10_000, 2_000),
        (100_000, 200),
    ];
    for (protocol, table) in [(Protocol::Stp, &stp[..]), (Protocol::Rstp, &rstp[..])] {
        for (speed, cost) in table {
            assert_eq!(path_cost(protocol, Some(*speed)), *cost);
        }
        assert_eq!(path_cost(protocol, None), path_cost(protocol, Some(10)));
    }
    assert_eq!(path_cost(Protocol::Rstp, Some(u32::MAX)), 1);
    for protocol in BOTH {
        let mut net = pair(protocol, PortSettings::default(), 0x1000);
        net.start();
        net.settle(90 * SECOND);
        let cost = |net: &Net| net.nodes[0].bridge.status().root_path_cost;
        assert_eq!(cost(&net), path_cost(protocol, Some(1_000)));
        net.tell(0, |bridge, now| {
            bridge.set_link(now, 1, Link::up(100)).unwrap()
        });
        assert_eq!(cost(&net), path_cost(protocol, Some(100)));
        net.tell(0, |bridge, now| {
            let settings = PortSettings {
                cost: Some(7),
                ..PortSettings::default()
            };
            bridge.set_port_settings(now, 1, settings).unwrap();
        });
        assert_eq!(cost(&net), 7);
        net.tell(0, |bridge, now| {
            bridge.set_link(now, 1, Link::up(10)).unwrap()
        });
        assert_eq!(cost(&net), 7, "a set cost survives the speed");
        assert!(net.nodes[0].bridge.port_status(1).unwrap().admin_cost);
    }
}

/// Priorities and costs move the tree while it runs.
#[test]
fn settings_move_the_tree() {
    for protocol in BOTH {
        let mut net = crate::rapid::ring(5, protocol, MS);
        net.start();
        net.settle(90 * SECOND);
        for (b, priority) in [(3, 0x1000), (1, 0x1000), (3, 0xf000), (1, 0x9000)] {
            net.tell(b, |bridge, now| {
                let mut settings = bridge.settings().clone();
                settings.priority = priority;
                bridge.set_settings(now, settings).unwrap();
            });
            net.settle(120 * SECOND);
            tree::check(&net);
        }
        for (b, port, cost, priority) in [(2, 1, 1_000, 32), (4, 2, 3, 32), (0, 1, 9, 1)] {
            net.tell(b, |bridge, now| {
                let settings = PortSettings {
                    cost: Some(cost),
                    priority,
                    ..PortSettings::default()
                };
                bridge.set_port_settings(now, port, settings).unwrap();
            });
            net.settle(120 * SECOND);
            tree::check(&net);
        }
        // Ports that go for good.
        for (b, port) in [(1, 1), (3, 2)] {
            let s = net.nodes[b].cables[&port];
            net.plug(s, false);
            net.tell(b, |bridge, now| bridge.remove_port(now, port).unwrap());
            net.nodes[b].cables.remove(&port);
            net.segments[s].ends.retain(|end| *end != (b, port));
            net.settle(120 * SECOND);
            tree::check(&net);
        }
    }
}

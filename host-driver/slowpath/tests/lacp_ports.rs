//! LACP's ports among others: churn, keys and the choice of the aggregator, leaving.

#[path = "common/lacp_base.rs"]
mod lacp_base;
#[path = "common/lacp_net.rs"]
mod lacp_net;
#[path = "common/seed.rs"]
mod seed;

use lacp_base::{GIGABIT, config, millis, secs};
use lacp_net::Net;
use seed::rng;
use smartnic_slowpath::lacp::{AdSelect, ChurnState, Config, Link, port_key};

#[test]
fn churn_is_detected_after_a_minute() {
    let mut net = Net::new(&[config(1), config(2), config(3)], rng());
    net.join((0, 1), (1, 1), GIGABIT);
    net.join((0, 2), (2, 2), GIGABIT);
    let churn = |net: &Net, port| {
        let p = net.systems[0].port(port).unwrap();
        (p.actor_churn, p.partner_churn, p.actor_churned_count)
    };
    net.run(secs(30), |_| {});
    assert_eq!(churn(&net, 1), (ChurnState::None, ChurnState::None, 0));
    // The stand-by port is out of sync, its partner is not.
    assert_eq!(
        churn(&net, 2),
        (ChurnState::Monitoring, ChurnState::None, 0)
    );
    net.run(secs(80), |_| {});
    assert_eq!(churn(&net, 2), (ChurnState::Churned, ChurnState::None, 1));
    net.set_up(0, false);
    net.run(secs(90), |_| {});
    assert_eq!(churn(&net, 2), (ChurnState::None, ChurnState::None, 1));
    assert_eq!(
        churn(&net, 1),
        (ChurnState::Monitoring, ChurnState::Monitoring, 0)
    );
}

#[test]
fn keys_keep_speeds_apart() {
    assert_eq!(
        port_key(0, Some(GIGABIT)),
        9,
        "as /proc/net/bonding shows it"
    );
    let half = Link {
        full_duplex: false,
        ..GIGABIT
    };
    assert_eq!(port_key(0, Some(half)), 8);
    assert_eq!(port_key(1023, Some(GIGABIT)), 1023 << 6 | 9);
    assert_eq!(port_key(1, None), 64);
    let mut net = Net::new(&[config(1), config(2)], rng());
    let slow = Link {
        speed: 100,
        ..GIGABIT
    };
    for (port, link) in [(1, slow), (2, slow), (3, GIGABIT)] {
        net.join((0, port), (1, port), link);
    }
    for (policy, ports) in [
        (AdSelect::Bandwidth, vec![3]),
        (AdSelect::Count, vec![1, 2]),
        (AdSelect::Stable, vec![1, 2]),
        (AdSelect::Bandwidth, vec![3]),
        (AdSelect::Stable, vec![3]),
    ] {
        for n in 0..2 {
            let new = Config {
                ad_select: policy,
                ..config(n as u8 + 1)
            };
            net.systems[n].set_config(net.now, new);
        }
        net.collect();
        let end = net.now + secs(40);
        net.run(end, |_| {});
        for system in &net.systems {
            let active: Vec<_> = system
                .aggregators()
                .into_iter()
                .filter(|a| a.active)
                .collect();
            assert_eq!(active[0].ports, ports, "{policy:?}");
            for port in 1..=3 {
                assert_eq!(
                    system.is_distributing(port),
                    ports.contains(&port),
                    "{policy:?}"
                );
            }
        }
    }
    // A user key makes another LAG of each end's ports, and is told to the partner.
    net.systems[0].set_config(
        net.now,
        Config {
            user_key: 5,
            ..config(1)
        },
    );
    net.collect();
    let end = net.now + secs(40);
    net.run(end, |_| {});
    assert_eq!(net.systems[1].port(3).unwrap().partner.key, 5 << 6 | 9);
}

#[test]
fn a_port_that_leaves_says_so() {
    let mut net = Net::pair([config(1), config(2)], 2, rng());
    net.run(secs(10), |_| {});
    assert!(net.all_pass());
    let now = net.now;
    net.systems[0].remove_port(now, 1);
    net.collect();
    net.run(now + millis(10), |_| {});
    assert!(!net.systems[1].is_distributing(1), "told, not timed out");
    // The aggregator that the port had begun goes on.
    assert!(net.systems[0].is_distributing(2) && net.systems[1].is_distributing(2));
    net.run(now + secs(100), |net| {
        assert!(net.systems[0].is_distributing(2) && net.systems[1].is_distributing(2));
    });
}

//! What RSTP flushes, and when: exactly where clause 17.31 says.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::stp::{Action, PortSettings, Protocol};

use crate::net::{MS, Net, SECOND};
use crate::tree;

/// A chain of four bridges, each with a host, and a fifth that is plugged in at its end.
///
/// Ports: host, towards 0, away from 0.
fn chain() -> (Net, usize) {
    let mut net = Net::new(ChaCha8Rng::seed_from_u64(1));
    (0..5).for_each(|_| {
        net.bridge(Protocol::Rstp, 0x8000);
    });
    let edge = PortSettings {
        admin_edge: true,
        ..PortSettings::default()
    };
    for b in 0..5 {
        net.join_with(&[(b, edge.clone())], MS, 1_000);
    }
    let cables: Vec<usize> = (0..4).map(|b| net.join(&[b, b + 1], MS, 1_000)).collect();
    net.start();
    net.plug(cables[3], false);
    net.settle(30 * SECOND);
    tree::check(&net);
    net.nodes.iter_mut().for_each(|n| n.log.clear());
    (net, cables[3])
}

fn flushed(net: &Net, b: usize) -> Vec<u16> {
    let of = |(_, action): &(_, Action)| match action {
        Action::Flush { port } => Some(*port),
        _ => None,
    };
    let mut ports: Vec<u16> = net.nodes[b].log.iter().filter_map(of).collect();
    ports.sort();
    ports.dedup();
    ports
}

#[test]
fn a_new_link_flushes_what_lies_on_its_near_side() {
    let (mut net, cable) = chain();
    let changes: Vec<u64> = net
        .nodes
        .iter()
        .map(|n| n.bridge.status().topology_change_count)
        .collect();
    net.plug(cable, true);
    let begin = net.now;
    net.run_until(begin + SECOND);
    // Each bridge forgets what it learnt away from the news, on every port but the one that the news came by; edge ports never.
    // Port 2 of bridges 1 to 3 leads towards bridge 0. Bridge 0 has only the port that brought the news; bridge 4 likewise.
    assert_eq!(flushed(&net, 0), []);
    for b in 1..4 {
        assert_eq!(flushed(&net, b), [2], "bridge {b}");
    }
    assert_eq!(flushed(&net, 4), []);
    for (b, before) in changes.into_iter().enumerate() {
        let s = net.nodes[b].bridge.status();
        // Bridge 0 has nobody to tell: no tcWhile runs there (14.8.1.1.3).
        let told = b != 0;
        assert_eq!(s.topology_change_count, before + u64::from(told), "{b}");
        assert_eq!(s.topology_change, told);
    }
    // It is announced for a hello time and a second.
    net.run_until(begin + 6 * SECOND);
    assert!(net.nodes.iter().all(|n| !n.bridge.status().topology_change));
}

#[test]
fn a_lost_link_flushes_its_own_port_only() {
    let (mut net, cable) = chain();
    net.plug(cable, true);
    net.settle(30 * SECOND);
    net.nodes.iter_mut().for_each(|n| n.log.clear());
    net.plug(cable, false);
    net.run_until(net.now + SECOND);
    // Losing a link is no topology change (17.11): only what was learnt there goes.
    assert_eq!(flushed(&net, 3), [3]);
    assert_eq!(flushed(&net, 4), [2]);
    for b in 0..3 {
        assert_eq!(flushed(&net, b), []);
    }
}

#[test]
fn an_edge_ports_link_flushes_it_and_nothing_else() {
    let (mut net, _) = chain();
    net.plug(2, false);
    net.plug(2, true);
    net.run_until(net.now + SECOND);
    assert_eq!(flushed(&net, 2), [1]);
    for b in [0, 1, 3] {
        assert_eq!(flushed(&net, b), []);
    }
}

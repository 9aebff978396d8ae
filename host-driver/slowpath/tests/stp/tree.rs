//! The spanning tree that a network must come to, computed from its plan and not by any protocol: the shortest ways from the best
//! bridge of each connected part, ties broken as the standard says.

use std::collections::BTreeMap;

use smartnic_slowpath::stp::{PortState, Role};

use crate::net::Net;

/// Least cost of each bridge to the root of its part, and that root.
fn costs(net: &Net) -> Vec<Option<(usize, u64)>> {
    let live: Vec<usize> = (0..net.nodes.len()).filter(|b| net.nodes[*b].on).collect();
    let mut order = live.clone();
    order.sort_by_key(|b| net.nodes[*b].id());
    let mut found: Vec<Option<(usize, u64)>> = vec![None; net.nodes.len()];
    // Bridges in the order of their identifiers: the first one of a part that has no root yet is its root.
    for root in order {
        if found[root].is_some() {
            continue;
        }
        found[root] = Some((root, 0));
        // Bellman and Ford: no queue, no order, just until nothing gets better.
        loop {
            let mut better = false;
            for segment in net.segments.iter().filter(|s| s.up) {
                let ends = || segment.ends.iter().filter(|(b, _)| net.nodes[*b].on);
                let least = ends()
                    .filter_map(|(b, _)| found[*b].filter(|f| f.0 == root))
                    .map(|f| f.1)
                    .min();
                let Some(least) = least else { continue };
                for (b, port) in ends() {
                    let cost = least + u64::from(path_cost(net, *b, *port));
                    if found[*b].is_none_or(|f| f.0 == root && f.1 > cost) {
                        found[*b] = Some((root, cost));
                        better = true;
                    }
                }
            }
            if !better {
                break;
            }
        }
    }
    found
}

fn path_cost(net: &Net, b: usize, port: u16) -> u32 {
    net.nodes[b].bridge.port_status(port).unwrap().path_cost
}

fn port_id(net: &Net, b: usize, port: u16) -> u16 {
    net.nodes[b].bridge.port_status(port).unwrap().port_id
}

/// The role of every port whose link is up.
pub fn roles(net: &Net) -> BTreeMap<(usize, u16), Role> {
    let costs = costs(net);
    let cost = |b: usize| costs[b].expect("every live bridge has a root").1;
    let mut roles = BTreeMap::new();
    let mut ways: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for segment in net.segments.iter().filter(|s| s.up) {
        let ends = segment.ends.clone();
        let ends: Vec<_> = ends.into_iter().filter(|(b, _)| net.nodes[*b].on).collect();
        let rank = |(b, p): (usize, u16)| (cost(b), net.nodes[b].id(), port_id(net, b, p));
        let Some(designated) = ends.iter().copied().min_by_key(|end| rank(*end)) else {
            continue;
        };
        for end in ends {
            let role = if end == designated {
                Role::Designated
            } else if end.0 == designated.0 {
                Role::Backup
            } else {
                let way = cost(designated.0) + u64::from(path_cost(net, end.0, end.1));
                let (_, id, port) = rank(designated);
                let own = port_id(net, end.0, end.1);
                ways.entry(end.0)
                    .or_default()
                    .push(((way, id, port, own), end));
                Role::Alternate
            };
            roles.insert(end, role);
        }
    }
    for (b, ways) in ways {
        let is_root = costs[b].is_some_and(|c| c.0 == b);
        if let Some((_, end)) = ways.into_iter().min().filter(|_| !is_root) {
            roles.insert(end, Role::Root);
        }
    }
    roles
}

/// Compares everything that the bridges say with the tree.
pub fn check(net: &Net) {
    let (costs, roles) = (costs(net), roles(net));
    for (b, node) in net.nodes.iter().enumerate().filter(|(_, n)| n.on) {
        let (root, cost) = costs[b].unwrap();
        let status = node.bridge.status();
        let seen = (status.designated_root, u64::from(status.root_path_cost));
        assert_eq!(seen, (net.nodes[root].id(), cost), "{b}: {}", net.dump());
        let root_port = roles
            .iter()
            .find(|((c, _), r)| *c == b && **r == Role::Root)
            .map(|((_, p), _)| *p);
        assert_eq!(status.root_port, root_port, "{b}: {}", net.dump());
        for (port, s) in &node.cables {
            let up = net.segments[*s].up;
            let role = roles.get(&(b, *port)).copied().filter(|_| up);
            let role = role.unwrap_or_default();
            let state = match role {
                Role::Disabled => PortState::Disabled,
                Role::Root | Role::Designated => PortState::Forwarding,
                Role::Alternate | Role::Backup => PortState::Blocking,
            };
            let p = node.bridge.port_status(*port).unwrap();
            assert_eq!(
                (p.role, p.state),
                (role, state),
                "{b}.{port}: {}",
                net.dump()
            );
            let told = node.states.get(port).copied().unwrap_or_default();
            assert_eq!(told, state, "{b}.{port} was told otherwise");
        }
    }
    assert!(!net.has_loop());
}

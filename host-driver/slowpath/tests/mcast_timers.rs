//! Every timer at its exact deadline; queries, the querier's election, leaves. Nothing moves the clock but the test.

mod mcast;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mcast::*;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::*;

fn member(bridge: &mut Bridge, group: IpAddr, port: PortId) -> bool {
    let mdb = bridge.snooping.mdb();
    mdb.iter().any(|entry| {
        entry.key.group == GroupAddress::Ip(group)
            && entry.key.source.is_none()
            && entry.port == Some(port)
    })
}

#[test]
fn general_queries_at_start_and_then_in_turn() {
    for (family, at_port) in [(Family::V4, 1), (Family::V6, 2)] {
        let mut bridge = Bridge::new(2);
        bridge.run(secs(5));
        let start = bridge.now;
        bridge.set(Knob::Querier, 1);
        let mut sent = Vec::new();
        while bridge.now < start + secs(400) {
            let at = bridge.snooping.next_deadline().expect("a query is due");
            bridge.run_to(at.max(bridge.now));
            for (port, asked) in bridge.queries() {
                if port == at_port && asked.family == family {
                    assert_eq!((asked.group, asked.response), (None, secs(10)));
                    sent.push(at - start);
                }
            }
        }
        let first = centis(3125);
        let rest = (0..4).map(|n| first + n * secs(125));
        let want: Vec<_> = std::iter::once(Duration::ZERO)
            .chain(rest)
            .take(sent.len())
            .collect();
        assert_eq!(sent, want);
        assert!(sent.len() >= 4);
        let stats = bridge.snooping.stats(Some(at_port)).expect("a port");
        let counted = match family {
            Family::V4 => stats.igmp_v2queries,
            Family::V6 => stats.mld_v1queries,
        };
        assert_eq!(counted.tx, sent.len() as u64);
    }
}

#[test]
fn who_does_not_query_sends_nothing() {
    let mut bridge = Bridge::new(2);
    bridge.run(secs(1000));
    assert_eq!(bridge.queries(), []);
    assert_eq!(
        bridge.snooping.next_deadline(),
        None,
        "nothing is left to do"
    );
}

#[test]
fn the_lowest_address_queries() {
    for family in Family::ALL {
        let mut bridge = Bridge::new(3);
        bridge.set(Knob::QueryUseIfaddr, 1);
        bridge.set(Knob::Querier, 1);
        bridge.run_to(secs(200));
        let own = bridge.snooping.querier_state(0);
        let state = |bridge: &Bridge| {
            let all = bridge.snooping.querier_state(0);
            all.into_iter()
                .find(|state| state.family == family)
                .expect("a querier")
        };
        assert_eq!(state(&bridge).other_timer, None);
        let address: IpAddr = match family {
            Family::V4 => Ipv4Addr::new(10, 0, 0, 254).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe).into(),
        };
        assert_eq!(state(&bridge).address, address);
        // A higher address changes nothing.
        let higher: IpAddr = match family {
            Family::V4 => Ipv4Addr::new(10, 0, 1, 0).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, 0).into(),
        };
        bridge.receive(1, 9, &query(higher, None, None));
        assert_eq!(bridge.snooping.querier_state(0), own);
        // A lower one is the querier until it has been silent for the querier interval.
        bridge.snooping.take_outputs();
        let start = bridge.now;
        bridge.receive(2, 9, &query(host(family, 9), None, None));
        assert_eq!(
            state(&bridge),
            QuerierState {
                family,
                address: host(family, 9),
                port: Some(2),
                other_timer: Some(25500),
            }
        );
        let name = match family {
            Family::V4 => "mcast_querier_ipv4",
            Family::V6 => "mcast_querier_ipv6",
        };
        let text = state(&bridge).text(Some("p2"));
        let other = host(family, 9);
        assert_eq!(
            text,
            format!("{name}_addr {other} {name}_port p2 {name}_other_timer 255.00")
        );
        bridge.run(secs(100));
        bridge.receive(2, 9, &query(host(family, 9), None, None));
        // A still lower one takes over from it.
        bridge.receive(3, 8, &query(host(family, 8), None, None));
        assert_eq!(state(&bridge).port, Some(3));
        bridge.run_to(start + secs(355) - TICK);
        let asked = |bridge: &mut Bridge| {
            bridge
                .queries()
                .into_iter()
                .any(|(_, q)| q.family == family)
        };
        assert!(!asked(&mut bridge), "the bridge keeps quiet");
        bridge.run_to(start + secs(355));
        assert!(
            asked(&mut bridge),
            "and asks as soon as the other is silent"
        );
        assert_eq!(state(&bridge).address, address);
    }
}

#[test]
fn without_an_address_there_are_no_mld_queries_and_igmp_ones_lose() {
    let mut bridge = Bridge::new(1);
    bridge.snooping.set_addresses(Addresses::default());
    bridge.set(Knob::Querier, 1);
    bridge.run_to(secs(200));
    assert!(
        bridge
            .queries()
            .iter()
            .all(|(_, asked)| asked.family == Family::V4)
    );
    assert_eq!(
        bridge.ports(source(Family::V6, 1), group(Family::V6, 1)),
        None,
        "it floods"
    );
    bridge.receive(
        1,
        9,
        &query(Ipv4Addr::new(192, 168, 0, 1).into(), None, None),
    );
    assert_eq!(bridge.snooping.querier_state(0)[0].port, Some(1));
}

/// Right after the first query the hosts have not answered yet: what is not known floods for the time that they have.
#[test]
fn groups_are_believed_in_once_hosts_have_answered() {
    let mut bridge = Bridge::new(2);
    let (family, stream) = (Family::V4, group(Family::V4, 1));
    bridge.receive(1, 1, &old_report(host(family, 1), stream));
    assert_eq!(bridge.ports(source(family, 1), stream), None);
    bridge.run(secs(1));
    let start = bridge.now;
    bridge.set(Knob::Querier, 1);
    until(&mut bridge, start + secs(10), |b| {
        b.ports(source(family, 1), stream).is_none()
    });
    assert_eq!(bridge.ports(source(family, 1), stream), Some(vec![1]));
    assert_eq!(
        bridge.ports(source(family, 1), group(family, 2)),
        Some(vec![])
    );
    // What is for the whole link floods all the same.
    assert_eq!(
        bridge.ports(source(family, 1), Ipv4Addr::new(224, 0, 0, 251).into()),
        None
    );
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    assert_eq!(bridge.ports(source(Family::V6, 1), all_nodes.into()), None);
}

#[test]
fn a_report_counts_for_the_membership_interval() {
    for family in Family::ALL {
        let mut bridge = Bridge::new(2);
        bridge.run(secs(3));
        let stream = group(family, 1);
        bridge.receive(1, 1, &old_report(host(family, 1), stream));
        bridge.run(secs(100));
        bridge.receive(1, 2, &old_report(host(family, 2), stream));
        let end = bridge.now + secs(260);
        until(&mut bridge, end, |b| member(b, stream, 1));
        assert_eq!(bridge.snooping.next_deadline(), None);
        assert_eq!(bridge.snooping.groups_of(1, 0), Some(0));
        // The bridge's own membership as well.
        bridge.receive(0, 0xff, &old_report(host(family, 254), stream));
        let end = bridge.now + secs(260);
        until(&mut bridge, end, |b| !b.snooping.mdb().is_empty());
    }
}

#[test]
fn a_leave_gives_the_others_the_last_member_time() {
    for family in Family::ALL {
        let mut bridge = Bridge::new(2);
        bridge.set(Knob::Querier, 1);
        bridge.set(Knob::LastMemberInterval, 150);
        bridge.set(Knob::LastMemberCount, 3);
        bridge.run_to(secs(60));
        bridge.queries();
        let stream = group(family, 1);
        for port in [1, 2] {
            bridge.receive(port, 1, &old_report(host(family, 1), stream));
        }
        let start = bridge.now;
        bridge.receive(1, 1, &leave(host(family, 1), stream));
        let asked = bridge.queries();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].0, 1);
        assert_eq!(
            (asked[0].1.group, asked[0].1.response),
            (Some(stream), centis(150))
        );
        until(&mut bridge, start + centis(450), |b| member(b, stream, 1));
        assert!(member(&mut bridge, stream, 2));
        // Another host says that it is still there.
        bridge.receive(1, 1, &old_report(host(family, 1), stream));
        let start = bridge.now;
        bridge.receive(1, 1, &leave(host(family, 1), stream));
        bridge.run(secs(1));
        bridge.receive(1, 2, &old_report(host(family, 2), stream));
        until(&mut bridge, start + secs(261), |b| member(b, stream, 1));
    }
}

/// Group-specific and group-and-source-specific queries: when, how often, with which sources and S flag (RFC 3376, 6.6.3).
#[test]
fn sources_are_asked_for_and_asked_for_again() {
    for family in Family::ALL {
        let mut bridge = Bridge::querier(2);
        let (stream, from) = (group(family, 1), host(family, 1));
        let s = |n| source(family, n);
        bridge.receive(
            1,
            1,
            &report(from, &[(ToInclude, stream, vec![s(1), s(2), s(3)])]),
        );
        let start = bridge.now;
        bridge.receive(1, 1, &report(from, &[(Block, stream, vec![s(1), s(2)])]));
        let asked = bridge.queries();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(
            (&asked[0].1.sources, asked[0].1.suppress),
            (&vec![s(1), s(2)], false)
        );
        // Source 1 is reported again: asked for once more, but others must not shorten their timers.
        bridge.run(centis(50));
        bridge.receive(
            1,
            2,
            &report(host(family, 2), &[(IsInclude, stream, vec![s(1)])]),
        );
        bridge.run_to(start + secs(1));
        let asked: Vec<_> = bridge
            .queries()
            .into_iter()
            .map(|(_, q)| (q.sources, q.suppress))
            .collect();
        assert_eq!(asked, [(vec![s(1)], true), (vec![s(2)], false)]);
        let has = |bridge: &Bridge, n| {
            let mdb = bridge.snooping.mdb();
            mdb.iter().any(|entry| entry.key.source == Some(s(n)))
        };
        until(&mut bridge, start + secs(2), |b| has(b, 2));
        assert!(has(&bridge, 1) && has(&bridge, 3));
        assert_eq!(bridge.queries(), [], "last_member_count is 2");
        until(&mut bridge, start + secs(260), |b| has(b, 3));
        until(&mut bridge, start + centis(26050), |b| has(b, 1));
        assert!(!member(&mut bridge, stream, 1));
        // (*, G) in mode EXCLUDE: the group is asked for.
        bridge.run(secs(1));
        bridge.queries();
        bridge.receive(1, 1, &report(from, &[(ToExclude, stream, vec![s(4)])]));
        let start = bridge.now;
        bridge.receive(1, 1, &report(from, &[(ToInclude, stream, vec![])]));
        bridge.run(secs(1));
        let asked = bridge.queries();
        let asked: Vec<_> = asked
            .into_iter()
            .filter(|(_, q)| q.group.is_some())
            .collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(
            asked
                .iter()
                .all(|(port, q)| *port == 1 && q.sources.is_empty() && !q.suppress)
        );
        until(&mut bridge, start + secs(2), |b| member(b, stream, 1));
    }
}

/// In mode EXCLUDE, a source that runs out is blocked; when the group timer runs out, only sources that are wanted remain.
#[test]
fn exclude_runs_out_into_include() {
    let mut bridge = Bridge::querier(2);
    let family = Family::V4;
    let (stream, from) = (group(family, 1), host(family, 1));
    let s = |n| source(family, n);
    bridge.receive(1, 1, &report(from, &[(IsExclude, stream, vec![s(1)])]));
    let start = bridge.now;
    assert_eq!(bridge.ports(s(1), stream), Some(vec![]), "blocked at once");
    assert_eq!(bridge.ports(s(2), stream), Some(vec![1]));
    bridge.run(secs(100));
    bridge.receive(
        1,
        2,
        &report(host(family, 2), &[(Allow, stream, vec![s(2)])]),
    );
    until(&mut bridge, start + secs(260), |b| {
        b.ports(s(3), stream) == Some(vec![1])
    });
    assert_eq!(bridge.ports(s(2), stream), Some(vec![1]));
    let entries = bridge
        .snooping
        .mdb_get(bridge.now, GroupKey::star(0, stream))
        .unwrap();
    assert_eq!(entries[0].filter_mode, Some(FilterMode::Include));
    let listed: Vec<_> = entries[0]
        .sources
        .iter()
        .map(|source| source.address)
        .collect();
    assert_eq!(listed, [s(2)]);
    assert_eq!(entries[0].sources[0].timer, 10000);
    until(&mut bridge, start + secs(360), |b| member(b, stream, 1));
}

#[test]
fn another_querier_shortens_groups() {
    let mut bridge = Bridge::new(2);
    let (family, stream) = (Family::V4, group(Family::V4, 1));
    bridge.receive(1, 1, &old_report(host(family, 1), stream));
    let start = bridge.now;
    // A second, twice: the last member count is the bridge's own.
    bridge.receive(2, 9, &query(host(family, 9), Some(stream), None));
    until(&mut bridge, start + secs(2), |b| member(b, stream, 1));
    // With the S flag it does not, where that is understood.
    bridge.set(Knob::IgmpVersion, 3);
    bridge.receive(
        1,
        1,
        &report(host(family, 1), &[(ToExclude, stream, vec![])]),
    );
    bridge.receive(2, 9, &query(host(family, 9), Some(stream), Some(true)));
    bridge.run(secs(100));
    assert!(member(&mut bridge, stream, 1));
    bridge.receive(2, 9, &query(host(family, 9), Some(stream), Some(false)));
    bridge.run(secs(2));
    assert!(!member(&mut bridge, stream, 1));
}

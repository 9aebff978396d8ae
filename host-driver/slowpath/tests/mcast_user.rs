//! What the user asks for: entries added, replaced, deleted, shown and flushed; each refusal with Linux's code.

mod mcast;

use std::net::{IpAddr, Ipv4Addr};

use mcast::*;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::membership::RecordKind::*;

use Errno::{EEXIST, EINVAL, ENOENT, ENOSPC};

fn g(n: u8) -> IpAddr {
    group(Family::V4, n)
}

fn s(n: u8) -> IpAddr {
    source(Family::V4, n)
}

fn temporary(n: u8, port: PortId) -> MdbRequest {
    MdbRequest {
        permanent: false,
        ..MdbRequest::permanent(0, g(n), port)
    }
}

fn add(bridge: &mut Bridge, request: &MdbRequest) -> Result<(), Errno> {
    let added = bridge.snooping.mdb_add(bridge.now, request);
    added.map_err(|refused| refused.errno)
}

fn del(bridge: &mut Bridge, request: &MdbRequest) -> Result<(), Errno> {
    let deleted = bridge.snooping.mdb_del(bridge.now, request);
    deleted.map_err(|refused| refused.errno)
}

/// The database as `bridge -d mdb show` prints it, without the beginning that is always the same.
fn shown(bridge: &Bridge) -> Vec<String> {
    let detail = Detail {
        details: true,
        statistics: false,
    };
    let line = |entry: &MdbEntry| {
        let port = entry.port.map_or("br0".into(), |port| format!("p{port}"));
        entry.line("br0", &port, detail)
    };
    let lines = bridge.snooping.mdb().iter().map(line).collect::<Vec<_>>();
    lines
        .iter()
        .map(|line| line["dev br0 port ".len()..].to_owned())
        .collect()
}

fn ip(text: &str) -> GroupAddress {
    GroupAddress::Ip(text.parse().expect("an address"))
}

fn ethernet(text: &str) -> GroupAddress {
    GroupAddress::Mac(text.parse().expect("an address"))
}

/// Spoils a request.
type Spoil = fn(&mut MdbRequest);

/// Asks for the bridge's own membership.
fn of_bridge(request: &mut MdbRequest) {
    (request.port, request.permanent) = (None, false);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = MdbRequest::permanent(0, g(1), 1);
    let bad: [(&str, Spoil); 20] = [
        ("local", |r| r.key.group = ip("224.0.0.5")),
        ("all nodes", |r| r.key.group = ip("ff02::1")),
        ("unicast", |r| r.key.group = ip("10.0.0.1")),
        ("unicast", |r| r.key.group = ip("2001:db8::1")),
        ("unicast", |r| r.key.group = ethernet("02:00:00:00:00:01")),
        ("no such VLAN", |r| r.key.vid = 4095),
        ("no such port", |r| r.port = Some(9)),
        ("L2 temp", |r| {
            (r.key.group, r.permanent) = (ethernet("01:00:00:00:00:01"), false);
        }),
        ("L2 source", |r| {
            (r.key.group, r.key.source) = (ethernet("01:00:00:00:00:01"), Some(s(1)));
        }),
        ("other family", |r| {
            r.key.source = Some(source(Family::V6, 1))
        }),
        ("multicast source", |r| r.key.source = Some(g(1))),
        ("host permanent", |r| r.port = None),
        ("host source", |r| {
            of_bridge(r);
            r.key.source = Some(s(1));
        }),
        ("host mode", |r| {
            of_bridge(r);
            r.filter_mode = Some(FilterMode::Exclude);
        }),
        ("host protocol", |r| {
            of_bridge(r);
            r.protocol = Some(Protocol(17));
        }),
        ("(S, G) mode", |r| {
            (r.key.source, r.filter_mode) = (Some(s(1)), Some(FilterMode::Include));
        }),
        ("list without mode", |r| r.sources = vec![s(1)]),
        ("empty INCLUDE", |r| {
            r.filter_mode = Some(FilterMode::Include)
        }),
        ("32 sources", |r| {
            r.filter_mode = Some(FilterMode::Include);
            r.sources = (1..=32).map(s).collect();
        }),
        ("kernel's protocol", |r| r.protocol = Some(Protocol::KERNEL)),
    ];
    let mut bridge = Bridge::querier(2);
    for (what, spoil) in bad {
        let mut request = good.clone();
        spoil(&mut request);
        assert_eq!(
            add(&mut bridge, &request),
            Err(EINVAL),
            "{what}: {request:?}"
        );
        assert_eq!(shown(&bridge), [""; 0], "{what}");
        assert_eq!(bridge.snooping.take_outputs(), [], "{what}");
    }
    // A port that is disabled takes permanent entries only; a bridge that is down or does not snoop none.
    bridge
        .snooping
        .set_port_state(bridge.now, 2, PortState::Disabled);
    assert_eq!(add(&mut bridge, &temporary(1, 2)), Err(EINVAL));
    assert_eq!(add(&mut bridge, &MdbRequest::permanent(0, g(1), 2)), Ok(()));
    bridge.set(Knob::Snooping, 0);
    assert_eq!(add(&mut bridge, &good), Err(EINVAL));
    bridge.set(Knob::Snooping, 1);
    bridge.snooping.set_running(bridge.now, false);
    assert_eq!(add(&mut bridge, &good), Err(EINVAL));
}

#[test]
fn entries_come_stay_and_go() {
    let mut bridge = Bridge::querier(3);
    let star = MdbRequest::permanent(0, g(1), 1);
    assert_eq!(add(&mut bridge, &star), Ok(()));
    assert_eq!(add(&mut bridge, &star), Err(EEXIST));
    let told = bridge.snooping.take_outputs();
    assert!(
        matches!(&told[..], [Output::Mdb { deleted: false, entry }] if entry.port == Some(1) && entry.flags.permanent),
        "{told:?}"
    );
    let listed = MdbRequest {
        filter_mode: Some(FilterMode::Include),
        sources: vec![s(1), s(2)],
        protocol: Some(Protocol(17)),
        ..MdbRequest::permanent(0, g(1), 2)
    };
    assert_eq!(add(&mut bridge, &listed), Ok(()));
    assert_eq!(
        shown(&bridge),
        [
            "p1 grp 239.1.1.1 permanent filter_mode exclude proto static",
            "p2 grp 239.1.1.1 permanent filter_mode include source_list 10.9.9.1/   0.00,10.9.9.2/   0.00 proto 17",
            "p1 grp 239.1.1.1 src 10.9.9.1 temp filter_mode include proto kernel added_by_star_ex",
            "p2 grp 239.1.1.1 src 10.9.9.1 permanent filter_mode include proto 17",
            "p1 grp 239.1.1.1 src 10.9.9.2 temp filter_mode include proto kernel added_by_star_ex",
            "p2 grp 239.1.1.1 src 10.9.9.2 permanent filter_mode include proto 17",
        ]
    );
    assert_eq!(bridge.ports(s(1), g(1)), Some(vec![1, 2]));
    assert_eq!(bridge.ports(s(3), g(1)), Some(vec![1]));
    // Replaced: the sources that are not given any more go, with their entries.
    let blocked = MdbRequest {
        filter_mode: Some(FilterMode::Exclude),
        sources: vec![s(2)],
        replace: true,
        ..listed.clone()
    };
    assert_eq!(add(&mut bridge, &blocked), Ok(()));
    assert_eq!(bridge.ports(s(1), g(1)), Some(vec![1, 2]));
    assert_eq!(bridge.ports(s(2), g(1)), Some(vec![1]));
    // No report changes what is permanent.
    bridge.receive(
        2,
        1,
        &report(host(Family::V4, 1), &[(ToInclude, g(1), vec![s(2)])]),
    );
    assert_eq!(bridge.ports(s(2), g(1)), Some(vec![1]));
    // And what is there cannot be added: nothing has changed then.
    let before = shown(&bridge);
    let again = MdbRequest {
        sources: vec![s(4), s(4)],
        replace: false,
        ..blocked.clone()
    };
    assert_eq!(add(&mut bridge, &again), Err(EEXIST));
    assert_eq!(shown(&bridge), before);
    assert_eq!(
        add(
            &mut bridge,
            &MdbRequest {
                port: Some(3),
                ..again
            }
        ),
        Err(EEXIST),
        "a source twice"
    );
    assert_eq!(shown(&bridge), before);
    let zero = Ipv4Addr::UNSPECIFIED.into();
    assert_eq!(
        add(
            &mut bridge,
            &MdbRequest {
                port: Some(3),
                sources: vec![s(4), zero],
                ..blocked.clone()
            }
        ),
        Err(ENOSPC)
    );
    assert_eq!(shown(&bridge), before);

    assert_eq!(del(&mut bridge, &blocked), Ok(()));
    assert_eq!(del(&mut bridge, &blocked), Err(EINVAL));
    assert_eq!(del(&mut bridge, &star), Ok(()));
    assert_eq!(shown(&bridge), [""; 0]);
    assert_eq!(bridge.snooping.groups_of(1, 0), Some(0));
    assert_eq!(bridge.snooping.groups_of(2, 0), Some(0));
}

#[test]
fn temporary_entries_end_and_the_bridge_itself_joins() {
    let mut bridge = Bridge::querier(2);
    let start = bridge.now;
    let family = Family::V4;
    assert_eq!(add(&mut bridge, &temporary(1, 1)), Ok(()));
    let specific = MdbRequest {
        key: GroupKey::star(0, g(2)).with_source(s(1)),
        ..temporary(2, 1)
    };
    assert_eq!(add(&mut bridge, &specific), Ok(()));
    let own = MdbRequest {
        port: None,
        ..temporary(3, 0)
    };
    assert_eq!(add(&mut bridge, &own), Ok(()));
    assert_eq!(add(&mut bridge, &own), Err(EEXIST));
    let l2 = MdbRequest {
        key: GroupKey {
            vid: 0,
            group: GroupAddress::Mac(MacAddr([1, 2, 3, 4, 5, 6])),
            source: None,
        },
        ..MdbRequest::permanent(0, g(1), 2)
    };
    assert_eq!(add(&mut bridge, &l2), Ok(()));
    let frame = Frame {
        port: Some(1),
        vid: 0,
        source: mac(1),
        destination: MacAddr([1, 2, 3, 4, 5, 6]),
        ethertype: 0x1234,
        payload: &[],
    };
    let verdict = bridge.snooping.receive(bridge.now, &frame);
    let only = Delivery {
        port: 2,
        unicast: None,
    };
    assert_eq!(
        (verdict.route, verdict.local),
        (Route::Ports(vec![only]), false)
    );
    let verdict = bridge.receive(1, 1, &data(s(1), g(3)));
    assert!(verdict.local && verdict.route == Route::Ports(vec![]));
    until(&mut bridge, start + secs(260), |b| {
        b.snooping.mdb().len() == 4
    });
    assert_eq!(
        shown(&bridge),
        ["p2 grp 01:02:03:04:05:06 permanent proto static"]
    );
    assert_eq!(del(&mut bridge, &own), Err(EINVAL));
    assert_eq!(add(&mut bridge, &own), Ok(()));
    assert_eq!(del(&mut bridge, &own), Ok(()));

    // Get and flush.
    bridge.receive(1, 1, &report(host(family, 1), &[(IsExclude, g(4), vec![])]));
    add(&mut bridge, &MdbRequest::permanent(0, g(4), 2)).unwrap();
    let got = bridge
        .snooping
        .mdb_get(bridge.now, GroupKey::star(0, g(4)))
        .unwrap();
    assert_eq!(
        got.iter().map(|entry| entry.port).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );
    let missing = bridge.snooping.mdb_get(bridge.now, GroupKey::star(0, g(9)));
    assert_eq!(missing.unwrap_err().errno, ENOENT);
    let flush = |bridge: &mut Bridge, filter| bridge.snooping.mdb_flush(bridge.now, &filter);
    flush(
        &mut bridge,
        MdbFilter {
            permanent: Some(false),
            ..MdbFilter::default()
        },
    );
    assert_eq!(bridge.snooping.mdb().len(), 2);
    flush(
        &mut bridge,
        MdbFilter {
            port: Some(Some(1)),
            ..MdbFilter::default()
        },
    );
    assert_eq!(bridge.snooping.mdb().len(), 2);
    flush(&mut bridge, MdbFilter::default());
    assert_eq!(bridge.snooping.mdb(), []);
}

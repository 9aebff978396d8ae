//! Router ports: by the user's word, by queries, PIM hellos and advertisements, and for how long.

mod mcast;

use std::net::Ipv4Addr;

use mcast::*;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::igmp;
use smartnic_slowpath::wire::ip::Ipv4;

#[test]
fn routers_are_heard_and_forgotten() {
    let hello = |payload: &[u8]| {
        Ipv4 {
            source: Ipv4Addr::new(10, 0, 0, 7),
            destination: igmp::ALL_PIM_ROUTERS,
            ttl: 1,
            router_alert: false,
            fragment: false,
            protocol: 103,
            payload,
        }
        .emit()
    };
    let advertisement = igmp::Igmp {
        source: Ipv4Addr::new(10, 0, 0, 7),
        destination: igmp::ALL_SNOOPERS,
        message: igmp::Message::Other(igmp::ROUTER_ADVERTISEMENT),
    };
    let queried = query(host(Family::V4, 9), None, None);
    for packet in [hello(&[0x20, 0, 0, 0]), advertisement.emit(), queried] {
        let mut bridge = Bridge::new(3);
        bridge.run(secs(7));
        let start = bridge.now;
        bridge.receive(2, 7, &packet);
        let told = bridge.snooping.take_outputs();
        let heard = Output::Router {
            deleted: false,
            port: 2,
            vid: 0,
        };
        assert!(told.contains(&heard), "{told:?}");
        until(&mut bridge, start + secs(255), |b| {
            !b.snooping.routers_shown().is_empty()
        });
        let told = bridge.snooping.take_outputs();
        assert!(
            matches!(
                told[..],
                [Output::Router {
                    deleted: true,
                    port: 2,
                    ..
                }]
            ),
            "{told:?}"
        );
    }
    // Another type, and too short to be one.
    let mut bridge = Bridge::new(3);
    for payload in [&[0x23, 0, 0, 0][..], &[0x20], &[0x10, 0, 0, 0], &[]] {
        bridge.receive(2, 7, &hello(payload));
        assert_eq!(bridge.snooping.routers_shown(), []);
    }
}

#[test]
fn router_ports_by_the_users_word() {
    let (s, stream) = (source(Family::V4, 1), group(Family::V4, 1));
    let mut bridge = Bridge::querier(4);
    let ports = |bridge: &mut Bridge| bridge.ports(s, stream).expect("the bridge queries");
    // 2: always. It survives being disabled.
    bridge.set_port(1, PortKnob::Router, 2);
    assert_eq!(ports(&mut bridge), [1]);
    bridge
        .snooping
        .set_port_state(bridge.now, 1, PortState::Disabled);
    assert_eq!(ports(&mut bridge), []);
    bridge
        .snooping
        .set_port_state(bridge.now, 1, PortState::Forwarding);
    assert_eq!(ports(&mut bridge), [1]);
    // 0: never, whatever is heard.
    bridge.set_port(1, PortKnob::Router, 0);
    bridge.receive(1, 9, &query(host(Family::V4, 9), None, None));
    bridge.run(secs(10));
    assert_eq!(ports(&mut bridge), []);
    // 3: for a querier interval, from when it was last said; then as heard.
    bridge.run(secs(3000));
    bridge.set_port(2, PortKnob::Router, 3);
    bridge.run(secs(100));
    bridge.set_port(2, PortKnob::Router, 3);
    let end = bridge.now + secs(255);
    until(&mut bridge, end, |b| ports(b) == [2]);
    bridge.set_port(2, PortKnob::Router, 3);
    let shown = bridge.snooping.routers_shown();
    let all = Detail {
        details: true,
        statistics: true,
    };
    assert_eq!(shown[0].text("p2", all), "p2  255.00 temp");
    assert_eq!(shown[0].text("p2", Detail::default()), "p2");
    bridge.run(secs(255));
    let mode = bridge.snooping.port_knob(2, 0, PortKnob::Router);
    assert_eq!(mode, Ok(1));
    // The bridge itself.
    let local = |bridge: &mut Bridge| bridge.receive(1, 0xee, &data(s, stream)).local;
    assert!(!local(&mut bridge));
    bridge.set(Knob::Router, 2);
    assert!(local(&mut bridge));
    bridge.set(Knob::Router, 1);
    assert!(!local(&mut bridge));
    bridge.receive(0, 0xff, &query(host(Family::V4, 1), None, None));
    let end = bridge.now + secs(255);
    until(&mut bridge, end, local);
}

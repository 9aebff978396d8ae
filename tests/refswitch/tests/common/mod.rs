//! What the tests of the clauses share.
#![allow(dead_code)] // each test file uses its part

use smartnic_refswitch::*;

pub const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
pub const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
pub const BROADCAST: [u8; 6] = [0xff; 6];
pub const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 5];
pub const LACP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 2];

pub fn frame(dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
    let mut f = [dst, src].concat();
    f.extend([0x88, 0xb5]);
    f.extend(1..=46);
    f
}

pub fn port(i: usize) -> Endpoint {
    Endpoint::Port(i)
}

pub fn key(mac: [u8; 6]) -> Key {
    Key { fid: 0, mac }
}

pub fn at(dest: Dest, kind: Kind) -> Entry {
    Entry { dest, kind, age: 3 }
}

/// Four ports and the host, all forwarding, learning and flooding.
pub fn switch() -> Switch {
    let mut s = Switch::new(4, 2);
    for e in s.endpoints() {
        let reach = s.endpoints().into_iter().collect();
        *s.port_mut(e) = Port {
            state: State::Forwarding,
            learn: Learn::Hardware,
            flood_unicast: true,
            flood_multicast: true,
            flood_broadcast: true,
            link: true,
            reach,
            ..Port::default()
        };
    }
    s
}

/// Ports 2 and 3 in LAG 1.
pub fn with_lag() -> Switch {
    let mut s = switch();
    for i in [2, 3] {
        s.port_mut(port(i)).lag = Some(1);
    }
    s.groups[1] = Group {
        enabled: true,
        distributing: [2, 3].into(),
        collecting: [2, 3].into(),
        ..Group::default()
    };
    s.groups[1].fill(&[2, 3]);
    s
}

pub fn to(o: &Outcome) -> Vec<Endpoint> {
    o.copies.iter().map(|c| c.to).collect()
}

pub fn all_but(i: usize) -> Vec<Endpoint> {
    let ports = (0..4).filter(|p| *p != i).map(port);
    ports.chain([Endpoint::Host]).collect()
}

pub fn drop_of(s: &mut Switch, i: usize, f: &[u8], why: Counter) {
    let before = s.counters(port(i)).get(why);
    let o = s.receive(i, f, false);
    assert_eq!((to(&o), o.drop), (vec![], Some(why)));
    assert_eq!(s.counters(port(i)).get(why), before + 1);
}

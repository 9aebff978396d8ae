//! Clauses 3 and 4 of the crate's documentation: destinations and direct frames, by number.

mod common;

use common::*;
use smartnic_refswitch::*;

#[test]
fn clause_3_1_candidates() {
    let mut s = switch();
    assert_eq!(to(&s.receive(0, &frame(B, A), false)), all_but(0));
    s.receive(1, &frame(A, B), false);
    assert_eq!(to(&s.receive(0, &frame(B, A), false)), [port(1)]);
    s.fdb.add(key(GROUP), at(Dest::To(port(2)), Kind::STATIC));
    assert_eq!(to(&s.receive(0, &frame(GROUP, A), false)), [port(2)]);
    s.fdb.add(key(GROUP), at(Dest::Set(1), Kind::STATIC));
    assert_eq!(to(&s.receive(0, &frame(GROUP, A), false)), all_but(0));
    s.port_mut(port(1)).flood_unicast = false;
    s.port_mut(port(2)).flood_multicast = false;
    s.port_mut(port(3)).flood_broadcast = false;
    let c = [2, 0, 0, 0, 0, 0xc];
    assert_eq!(
        to(&s.receive(0, &frame(c, A), false)),
        [port(2), port(3), Endpoint::Host]
    );
    assert_eq!(
        to(&s.receive(0, &frame(GROUP, A), false)),
        [port(1), port(3), Endpoint::Host]
    );
    assert_eq!(
        to(&s.receive(0, &frame(BROADCAST, A), false)),
        [port(1), port(2), Endpoint::Host]
    );
}

#[test]
fn clause_3_2_a_flood_takes_one_member() {
    let mut s = with_lag();
    // layer2: dst[5] ^ src[5] ^ EtherType, mod 840, even or odd.
    for last in 0..8 {
        let f = frame([2, 0, 0, 0, 1, last], A);
        let want = 2 + usize::from((last ^ 0xa ^ 0xb5) % 2);
        assert_eq!(
            to(&s.receive(0, &f, false)),
            [port(1), port(want), Endpoint::Host]
        );
    }
    s.groups[1].distributing.clear();
    assert_eq!(
        to(&s.receive(0, &frame(B, A), false)),
        [port(1), Endpoint::Host]
    );
    assert_eq!(s.groups[1].no_member, 0, "not addressed to it");
    s.fdb.add(key(B), at(Dest::Lag(1), Kind::STATIC));
    drop_of(&mut s, 0, &frame(B, A), Counter::DropNoDestination);
    assert_eq!(s.groups[1].no_member, 1);
}

#[test]
fn clause_3_3_what_may_not_leave() {
    let f = frame(BROADCAST, A);
    let mut s = switch();
    s.port_mut(port(1)).state = State::Learning;
    s.port_mut(Endpoint::Host).state = State::Disabled;
    assert_eq!(to(&s.receive(0, &f, false)), [port(2), port(3)]);
    let mut s = switch();
    s.port_mut(port(1)).link = false;
    s.port_mut(port(0)).reach.remove(&port(2));
    assert_eq!(to(&s.receive(0, &f, false)), [port(3), Endpoint::Host]);
    let mut s = switch();
    s.port_mut(port(0)).hairpin = true;
    assert_eq!(s.receive(0, &f, false).copies.len(), 5);
    let mut s = switch();
    for i in [0, 3] {
        s.port_mut(port(i)).isolated = true;
    }
    assert_eq!(
        to(&s.receive(0, &f, false)),
        [port(1), port(2), Endpoint::Host]
    );
    assert_eq!(
        to(&s.receive(1, &f, false)),
        [port(0), port(2), port(3), Endpoint::Host]
    );
}

#[test]
fn clause_3_3_pruning() {
    let mut s = with_lag();
    let o = s.receive(2, &frame(BROADCAST, A), false);
    assert_eq!(to(&o), [port(0), port(1), Endpoint::Host]);
    assert_eq!(s.pruned, 1);
    s.port_mut(port(2)).hairpin = true;
    drop_of(&mut s, 2, &frame(A, B), Counter::DropNoDestination);
    assert_eq!(s.pruned, 2);
}

#[test]
fn clause_3_4_and_3_5_copies() {
    let mut s = switch();
    s.port_mut(port(0)).class = 1;
    s.port_mut(port(0)).fid = 5;
    let mut f = frame(B, A);
    f.splice(12..12, [0x81, 0, 0x60, 9]);
    let o = s.receive(0, &f, false);
    assert!(o.copies.iter().all(|c| c.class == 1 && c.frame == f));
    let want = HostInfo {
        source: port(0),
        reason: reason::FLOOD,
        hash: 0x88b5 ^ 0xa ^ 0xb,
        tci: Some(0x6009),
        fid: 5,
    };
    assert_eq!(o.copies[3].host, Some(want));
    s.add_local(Key { fid: 5, mac: B });
    let o = s.receive(0, &f, false);
    assert_eq!(to(&o), [Endpoint::Host]);
    assert_eq!(o.copies[0].host.as_ref().unwrap().reason, reason::LOCAL);
    assert_eq!(s.counters(port(1)).get(Counter::TxFrames), 1);
}

#[test]
fn clause_4_direct() {
    let mut s = with_lag();
    s.port_mut(Endpoint::Host).state = State::Disabled;
    s.port_mut(port(1)).state = State::Disabled;
    let f = frame(LACP, A);
    let o = s.send_direct(Dest::To(port(1)), 1, &f);
    assert_eq!((to(&o), o.copies[0].class), (vec![port(1)], 1));
    assert_eq!(to(&s.send_direct(Dest::Lag(1), 0, &f)).len(), 1);
    s.port_mut(port(1)).link = false;
    assert_eq!(s.send_direct(Dest::To(port(1)), 1, &f), Outcome::default());
    for dest in [Dest::To(Endpoint::Host), Dest::To(port(4)), Dest::Lag(7)] {
        assert!(s.send_direct(dest, 0, &f).refused, "{dest:?}");
    }
    s.groups[1].enabled = false;
    let o = s.send_direct(Dest::Lag(1), 0, &f);
    assert_eq!((o.refused, o.drop), (true, None));
    assert_eq!(s.groups[1].no_member, 0);
    assert!(s.fdb.is_empty());
}

//! Clauses 1 and 2 of the crate's documentation: arrival and verdict, by number.

mod common;

use common::*;
use smartnic_refswitch::*;

#[test]
fn clause_1_1_receiver_and_link() {
    let mut s = switch();
    s.port_mut(port(0)).rx_enable = false;
    assert_eq!(s.receive(0, &frame(B, A), false), Outcome::default());
    s.port_mut(port(0)).rx_enable = true;
    s.port_mut(port(0)).link = false;
    assert_eq!(s.receive(0, &frame(B, A), false), Outcome::default());
    assert!(s.fdb.is_empty());
    assert_eq!(s.counters(port(0)).nonzero(), []);
}

#[test]
fn clause_1_2_faults_and_lengths() {
    let mut s = switch();
    assert_eq!(s.receive(0, &frame(B, A), true), Outcome::default());
    let accepted = |s: &mut Switch, tags: &[u8], length: usize| {
        let mut f = [B, A].concat();
        f.extend(tags);
        f.resize(length, 7);
        !s.receive(0, &f, false).copies.is_empty()
    };
    let one = [0x81, 0, 0, 1];
    let two = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2];
    for (tags, longest) in [(&[][..], 1514), (&one[..], 1518), (&two[..], 1522)] {
        assert!(!accepted(&mut s, tags, 59));
        assert!(accepted(&mut s, tags, 60));
        assert!(accepted(&mut s, tags, longest));
        assert!(!accepted(&mut s, tags, longest + 1));
    }
    let three = [two.as_slice(), &one].concat();
    assert!(!accepted(&mut s, &three, 1523));
    assert_eq!(s.counters(port(0)).get(Counter::RxFrames), 6);
}

#[test]
fn clause_1_3_pause() {
    let mut s = switch();
    let mut f = frame([1, 0x80, 0xc2, 0, 0, 1], A);
    f[12..16].copy_from_slice(&[0x88, 8, 0, 1]);
    assert_eq!(s.receive(0, &f, false), Outcome::default());
    let c = s.counters(port(0));
    assert_eq!((c.get(Counter::RxPause), c.get(Counter::RxFrames)), (1, 1));
    assert!(s.fdb.is_empty());
    f[15] = 2;
    assert_eq!(to(&s.receive(0, &f, false)), [Endpoint::Host]);
}

#[test]
fn clause_1_4_counts() {
    let mut s = switch();
    for (dst, length) in [(B, 60), (BROADCAST, 61), (GROUP, 1514), (B, 123), (B, 124)] {
        let mut f = frame(dst, A);
        f.resize(length, 0);
        s.receive(0, &f, false);
    }
    let want = [
        ("rx_frames", 5),
        ("rx_bytes", 64 + 65 + 1518 + 127 + 128),
        ("rx_unicast", 3),
        ("rx_multicast", 1),
        ("rx_broadcast", 1),
        ("rx_64", 1),
        ("rx_65_127", 2),
        ("rx_128_255", 1),
        ("rx_1024_1518", 1),
    ];
    assert_eq!(s.counters(port(0)).nonzero(), want);
    assert_eq!(s.counters(port(1)).get(Counter::TxFrames), 5);
}

#[test]
fn clause_1_5_frames_of_the_host() {
    let mut s = switch();
    let f = frame(B, A);
    for bad in [&f[..13], &[2; 9217]] {
        let o = s.send(bad);
        assert!(o.refused && o.copies.is_empty());
    }
    let o = s.send(&f[..14]);
    assert_eq!(to(&o), [0, 1, 2, 3].map(port));
    assert_eq!(o.copies[0].frame.len(), 60, "padded on the wire");
    assert_eq!(s.counters(Endpoint::Host).nonzero(), []);
}

#[test]
fn clause_2_1_disabled() {
    let mut s = switch();
    s.port_mut(port(0)).state = State::Disabled;
    for f in [frame(B, A), frame(LACP, A)] {
        drop_of(&mut s, 0, &f, Counter::DropState);
    }
    assert!(s.fdb.is_empty());
}

#[test]
fn clause_2_2_bad_source() {
    let mut s = switch();
    for src in [[0; 6], GROUP, BROADCAST] {
        drop_of(&mut s, 0, &frame(LACP, src), Counter::DropBadSource);
        drop_of(&mut s, 0, &frame(B, src), Counter::DropBadSource);
    }
    assert!(s.fdb.is_empty());
}

#[test]
fn clause_2_3_reserved_addresses() {
    for n in 0..16 {
        let mut s = switch();
        let f = frame([1, 0x80, 0xc2, 0, 0, n], A);
        s.port_mut(port(0)).class = 3;
        s.port_mut(port(0)).state = State::Blocking;
        let o = s.receive(0, &f, false);
        assert_eq!(to(&o), [Endpoint::Host]);
        let c = &o.copies[0];
        assert_eq!((c.class, c.host.as_ref().unwrap().reason), (1, 16 + n));
        s.reserved[n as usize] = Reserved {
            action: Action::Copy,
            reason: 99,
        };
        let o = s.receive(0, &f, false);
        assert_eq!((to(&o), o.drop), (vec![Endpoint::Host], None));
        assert_eq!(o.copies[0].host.as_ref().unwrap().reason, 99);
        assert_eq!(s.counters(port(0)).get(Counter::DropState), 0);
        s.port_mut(port(0)).state = State::Forwarding;
        s.port_mut(Endpoint::Host).flood_multicast = false;
        let o = s.receive(0, &f, false);
        assert_eq!(to(&o), all_but(0));
        assert_eq!(o.copies[3].class, 3);
        s.reserved[n as usize].action = Action::Forward;
        assert_eq!(to(&s.receive(0, &f, false)), [1, 2, 3].map(port));
        s.reserved[n as usize].action = Action::Drop;
        drop_of(&mut s, 0, &f, Counter::DropReserved);
        assert_eq!(to(&s.send(&f)), [0, 1, 2, 3].map(port), "not from the host");
    }
    let mut s = switch();
    let o = s.receive(0, &frame([1, 0x80, 0xc2, 0, 0, 16], A), false);
    assert_eq!(to(&o), all_but(0), "the next address is an ordinary one");
}

#[test]
fn clause_2_4_not_collecting() {
    let mut s = with_lag();
    s.groups[1].collecting = [3].into();
    drop_of(&mut s, 2, &frame(B, A), Counter::DropNotCollecting);
    assert!(s.fdb.is_empty());
    assert_eq!(to(&s.receive(2, &frame(LACP, A), false)), [Endpoint::Host]);
    assert!(s.fdb.is_empty());
    assert!(!s.receive(3, &frame(B, A), false).copies.is_empty());
    s.groups[1].enabled = false;
    drop_of(&mut s, 3, &frame(B, A), Counter::DropNotCollecting);
}

#[test]
fn clause_2_5_states() {
    for state in [State::Listening, State::Learning, State::Blocking] {
        let mut s = switch();
        s.port_mut(port(0)).state = state;
        drop_of(&mut s, 0, &frame(B, A), Counter::DropState);
        assert_eq!(s.fdb.len(), usize::from(state == State::Learning));
    }
}

#[test]
fn clause_2_6_blackhole() {
    let mut s = switch();
    s.fdb.add(key(B), at(Dest::To(port(1)), Kind::BLACKHOLE));
    drop_of(&mut s, 0, &frame(B, A), Counter::DropBlackhole);
    assert_eq!(
        s.fdb.get(key(A)),
        Some(at(Dest::To(port(0)), Kind::DYNAMIC))
    );
    drop_of(&mut s, 0, &frame(A, B), Counter::DropBlackhole);
    s.port_mut(port(0)).fid = 7;
    assert!(
        s.receive(0, &frame(B, A), false).drop.is_none(),
        "another FID"
    );
}

#[test]
fn clause_2_7_and_2_8_nothing_left() {
    let mut s = switch();
    s.fdb.add(key(B), at(Dest::To(port(0)), Kind::STATIC));
    drop_of(&mut s, 0, &frame(B, A), Counter::DropNoDestination);
    s.forward = false;
    drop_of(&mut s, 1, &frame(B, A), Counter::DropCut);
    assert_eq!(
        to(&s.receive(1, &frame(BROADCAST, A), false)),
        [Endpoint::Host]
    );
    assert_eq!(
        to(&s.send(&frame(B, A))),
        [port(0)],
        "the host is not cut off"
    );
    s.port_mut(port(1)).reach.remove(&port(0));
    drop_of(&mut s, 1, &frame(B, A), Counter::DropNoDestination);
    s.port_mut(port(1)).reach.insert(port(0));
    s.port_mut(port(0)).link = false;
    drop_of(&mut s, 1, &frame(B, A), Counter::DropNoDestination);
    s.fdb.add(key(B), at(Dest::To(Endpoint::Host), Kind::LOCAL));
    s.port_mut(port(1)).reach.remove(&Endpoint::Host);
    drop_of(&mut s, 1, &frame(B, A), Counter::DropNoDestination);
}

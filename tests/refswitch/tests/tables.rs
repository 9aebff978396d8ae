//! Clauses 5 and 6 of the crate's documentation: LAG and FDB, by number.

mod common;

use common::*;
use smartnic_refswitch::*;

#[test]
fn clause_5_2_and_5_3_members() {
    let flow = Flow::of(&frame(B, A));
    let mut g = Group {
        enabled: true,
        distributing: [1, 4, 6].into(),
        buckets: vec![Some(4); BUCKETS],
        ..Group::default()
    };
    let mut link = [true; 8];
    assert_eq!(g.member(&flow, &link), Some(4));
    link[4] = false;
    assert_eq!(g.member(&flow, &link), Some(6));
    link[6] = false;
    assert_eq!(g.member(&flow, &link), Some(1));
    link[1] = false;
    assert_eq!(g.member(&flow, &link), None);
    link = [true; 8];
    g.distributing.insert(0);
    for nobody in [None, Some(8), Some(0)] {
        g.buckets.fill(nobody);
        let want = if nobody == Some(0) { 0 } else { 1 };
        assert_eq!(g.member(&flow, &link), Some(want));
    }
    g.distributing = [0].into();
    g.buckets.fill(None);
    assert_eq!(g.member(&flow, &link), Some(0), "the last in the cycle");
    g.mode = Mode::ActiveBackup { active: 6 };
    g.distributing = [1, 6].into();
    assert_eq!(g.member(&flow, &link), Some(6));
    link[6] = false;
    assert_eq!(g.member(&flow, &link), Some(1));
    g.enabled = false;
    assert_eq!(g.member(&flow, &link), None);
}

#[test]
fn clause_6_1_where_it_is_learned() {
    let mut s = with_lag();
    s.receive(3, &frame(B, A), false);
    assert_eq!(s.fdb.get(key(A)).unwrap().dest, Dest::Lag(1));
    s.send(&frame(A, B));
    assert_eq!(s.fdb.get(key(B)).unwrap().dest, Dest::To(Endpoint::Host));
    let mut s = switch();
    s.port_mut(port(0)).learn = Learn::Off;
    assert_eq!(s.receive(0, &frame(B, A), false).event, None);
    s.port_mut(port(0)).learn = Learn::Hardware;
    s.receive(0, &frame(LACP, A), false);
    assert_eq!(s.fdb.len(), 1, "trapped frames teach");
}

#[test]
fn clause_6_2_hardware_learning() {
    let (from, here) = (Dest::To(port(0)), Dest::To(port(1)));
    let event = |kind| {
        Some(Event {
            kind,
            key: key(A),
            dest: here,
        })
    };
    let fresh = at(here, Kind::DYNAMIC);
    let stays = Kind {
        sticky: true,
        external: true,
        ..Kind::DYNAMIC
    };
    let cases = [
        (Kind::DYNAMIC, true, true),
        (Kind::STATIC, false, false),
        (Kind::STICKY, true, false),
        (Kind::EXTERN, false, true),
        (Kind::BLACKHOLE, false, false),
        (Kind::LOCAL, false, false),
        (stays, false, false),
    ];
    for (kind, ages, moves) in cases {
        let mut fdb = Fdb::default();
        assert_eq!(fdb.learn(key(A), here, true), event(EventKind::Learned));
        assert_eq!(fdb.get(key(A)), Some(fresh));
        fdb.add(
            key(A),
            Entry {
                dest: here,
                kind,
                age: 1,
            },
        );
        assert_eq!(fdb.learn(key(A), here, true), None);
        assert_eq!(fdb.get(key(A)).unwrap().age, if ages { 3 } else { 1 });
        fdb.add(
            key(A),
            Entry {
                dest: from,
                kind,
                age: 1,
            },
        );
        let moved = event(EventKind::Moved { from }).filter(|_| moves);
        assert_eq!(fdb.learn(key(A), here, true), moved);
        let stayed = Entry {
            dest: from,
            kind,
            age: 1,
        };
        assert_eq!(fdb.get(key(A)), Some(if moves { fresh } else { stayed }));
    }
}

#[test]
fn clause_6_3_slow_path() {
    let here = Dest::To(port(1));
    let mut s = switch();
    s.port_mut(port(1)).learn = Learn::SlowPath;
    let unknown = Some(Event {
        kind: EventKind::UnknownSource,
        key: key(A),
        dest: here,
    });
    let f = frame(B, A);
    assert_eq!(s.receive(1, &f, false).event, unknown);
    assert!(s.fdb.is_empty());
    s.fdb.add(
        key(A),
        Entry {
            dest: here,
            kind: Kind::DYNAMIC,
            age: 0,
        },
    );
    assert_eq!(s.receive(1, &f, false).event, None);
    assert_eq!(s.fdb.get(key(A)), Some(at(here, Kind::DYNAMIC)));
    let there = at(Dest::To(port(0)), Kind::EXTERN);
    s.fdb.add(key(A), there);
    assert_eq!(s.receive(1, &f, false).event, unknown);
    assert_eq!(s.fdb.get(key(A)), Some(there));
}

#[test]
fn clause_6_4_ageing() {
    let mut fdb = Fdb::default();
    fdb.age_period = 10;
    let kinds = [
        Kind::DYNAMIC,
        Kind::STICKY,
        Kind::STATIC,
        Kind::EXTERN,
        Kind::BLACKHOLE,
        Kind::LOCAL,
    ];
    for (i, kind) in kinds.into_iter().enumerate() {
        fdb.add(key([2, 0, 0, 0, 0, i as u8]), at(Dest::To(port(0)), kind));
    }
    for tick in 1..40 {
        assert!(fdb.tick().is_empty(), "tick {tick}");
    }
    let gone = fdb.tick();
    assert_eq!(
        gone.iter().map(|e| e.key.mac[5]).collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(gone.iter().all(|e| e.kind == EventKind::Aged));
    assert_eq!(fdb.len(), 4);
    fdb.age_period = 0;
    assert!((0..100).all(|_| fdb.tick().is_empty()));
}

#[test]
fn clause_6_5_flush() {
    let mut full = Fdb::default();
    let dests = [Dest::To(port(0)), Dest::Lag(1), Dest::To(Endpoint::Host)];
    let kinds = [Kind::DYNAMIC, Kind::STATIC, Kind::EXTERN, Kind::STICKY];
    for fid in 0..2 {
        for (i, dest) in dests.into_iter().enumerate() {
            for (j, kind) in kinds.into_iter().enumerate() {
                let mac = [2, 0, 0, 0, i as u8, j as u8];
                full.add(Key { fid, mac }, at(dest, kind));
            }
        }
    }
    let count = |what: Flush| {
        let mut fdb = full.clone();
        let gone = fdb.flush(what);
        assert_eq!(fdb.len() + gone, 24);
        gone
    };
    assert_eq!(count(Flush::default()), 24);
    assert_eq!(
        count(Flush {
            dest: Some(dests[1]),
            ..Flush::default()
        }),
        8
    );
    assert_eq!(
        count(Flush {
            fid: Some(1),
            ..Flush::default()
        }),
        12
    );
    assert_eq!(
        count(Flush {
            ageing: true,
            ..Flush::default()
        }),
        12
    );
    assert_eq!(
        count(Flush {
            external: true,
            ..Flush::default()
        }),
        6
    );
    let both = Flush {
        dest: Some(dests[0]),
        fid: Some(0),
        ageing: true,
        external: false,
    };
    assert_eq!(count(both), 2);
    let mut fdb = full.clone();
    assert!(fdb.delete(key([2, 0, 0, 0, 0, 0])).is_some());
    assert!(fdb.delete(key([2, 0, 0, 0, 0, 0])).is_none());
    assert_eq!(fdb.len(), 23);
}

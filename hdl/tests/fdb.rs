//! FDB: what each operation does, one after the other; the other `fdb_*` tests load it.

#[path = "common/fdb.rs"]
#[allow(dead_code)]
mod harness;
#[path = "common/seed.rs"]
mod seed;

use harness::{Counters, Event, Fdb, Learn, Outcome};
use rand::Rng;
use seed::rng;
use smartnic_regs::fdb as map;
use smartnic_regs::ring::event;
use smartnic_regs::values::{dest, kind};

const KEY: u64 = 0x0123_4567_89ab_cdef & ((1 << 60) - 1);

fn got(dest: u32, kind: u32, age: u32) -> Outcome {
    Outcome {
        found: true,
        full: false,
        dest,
        kind,
        age,
    }
}

/// Learning rules for every kind of entry.
#[test]
fn learning_rules() {
    let mut f = Fdb::new(1024, 32);
    assert_eq!(f.ask(KEY), None);
    f.learn(KEY, 2, true, 30);
    assert_eq!(f.ask(KEY), Some((2, 0, 3)));
    assert_eq!(f.ask(KEY ^ 1 << 59), None, "another FID");
    f.learn(KEY, 2, true, 30);
    f.learn(KEY, dest::LAG + 3, true, 30);
    assert_eq!(f.find(KEY), got(dest::LAG + 3, 0, 3));
    let mut expected = vec![
        Event {
            kind: event::LEARNED,
            key: KEY,
            dest: 2,
            old: 0,
        },
        Event {
            kind: event::MOVED,
            key: KEY,
            dest: dest::LAG + 3,
            old: 2,
        },
    ];
    assert_eq!(f.events, expected);
    let (mut moved, mut used) = (1, 1);
    for k in 0..16 {
        let key = KEY + 1 + k as u64;
        assert_eq!(f.add(key, 5, k, 1), Outcome::default());
        used += 1;
        assert_eq!(f.find(key), got(5, k, 1));
        // Only reported.
        f.learn(key, 6, false, 30);
        expected.push(Event {
            kind: event::UNKNOWN_SOURCE,
            key,
            dest: 6,
            old: 0,
        });
        assert_eq!(f.find(key), got(5, k, 1));
        // Seen where it is: fresh if it ages.
        let ages = k & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) == 0;
        f.learn(key, 5, k & 1 == 0, 30);
        assert_eq!(f.find(key), got(5, k, if ages { 3 } else { 1 }));
        // Seen elsewhere.
        f.learn(key, 6, true, 30);
        if k == kind::DYNAMIC || k == kind::EXTERN {
            moved += 1;
            assert_eq!(f.find(key), got(6, kind::DYNAMIC, 3));
            expected.push(Event {
                kind: event::MOVED,
                key,
                dest: 6,
                old: 5,
            });
        } else {
            assert_eq!(f.find(key), got(5, k, if ages { 3 } else { 1 }), "{k}");
        }
    }
    f.learn(KEY + 100, 3, false, 30);
    expected.push(Event {
        kind: event::UNKNOWN_SOURCE,
        key: KEY + 100,
        dest: 3,
        old: 0,
    });
    assert_eq!(f.ask(KEY + 100), None);
    assert_eq!(f.events, expected);
    let c = Counters {
        used,
        learned: 1,
        moved,
        ..Counters::default()
    };
    assert_eq!(f.counters(), c);
}

/// Commands of the host: add, replace, delete, find, read; the reserved destination; commands that do not exist.
#[test]
fn commands() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys([rng.random(), rng.random()]);
    assert_eq!(f.add(KEY, 9, kind::STATIC, 2), Outcome::default());
    assert_eq!(f.add(KEY, 10, kind::EXTERN, 0), got(9, kind::STATIC, 2));
    assert_eq!(f.ask(KEY), Some((10, kind::EXTERN, 0)));
    assert_eq!(f.delete(KEY + 1), Outcome::default());
    assert_eq!(f.delete(KEY), got(10, kind::EXTERN, 0));
    assert_eq!(f.delete(KEY), Outcome::default());
    assert_eq!(f.ask(KEY), None);
    let refused = Outcome {
        full: true,
        ..Outcome::default()
    };
    assert_eq!(f.add(KEY, 0x1e, 0, 3), refused);
    assert_eq!(f.find(KEY), Outcome::default());
    for op in [0, 6, 15] {
        assert_eq!(f.command(op, 4), Outcome::default(), "no such command");
    }
    // The key of all zeros is a key like others.
    assert_eq!(f.ask(0), None);
    f.add(0, 0, 0, 3);
    assert_eq!(f.ask(0), Some((0, 0, 3)));
    assert_eq!(f.delete(0), got(0, 0, 3));
    assert_eq!(f.ask(0), None);
    // Read every slot back.
    let mut keys: Vec<u64> = (0..300).map(|_| rng.random::<u64>() >> 4).collect();
    for (i, k) in keys.iter().enumerate() {
        f.add(*k, i as u32 % 8, kind::STATIC, 3);
    }
    f.wait_idle(100_000);
    let in_cam = f.read(map::CAM_USED.addr);
    let mut seen = vec![];
    let mut seen_in_cam = 0;
    for i in 0..f.entries + f.cam {
        if let Some((k, o)) = f.slot(i) {
            let n = keys.iter().position(|x| *x == k).expect("was added");
            assert_eq!(o, got(n as u32 % 8, kind::STATIC, 3));
            seen.push(k);
            seen_in_cam += (i >= f.entries) as u32;
        }
    }
    for beyond in [f.entries + f.cam, 4095, 1 << 20, u32::MAX] {
        assert_eq!(f.slot(beyond), None, "{beyond}");
    }
    seen.sort_unstable();
    keys.sort_unstable();
    assert_eq!(seen, keys);
    assert_eq!(seen_in_cam, in_cam);
    assert_eq!(f.read(map::USED.addr), 300);
}

/// On an idle engine a lookup made ten cycles after the learn request, or later, finds the entry; one made before does not. With a
/// move it is the same: the old destination up to there, then the new one.
#[test]
fn learn_takes_ten_cycles() {
    let mut f = Fdb::new(1024, 32);
    let mut before = None;
    for dest in 0..4 {
        let start = f.cycle;
        f.learn = Some(Learn {
            key: KEY,
            dest,
            insert: true,
        });
        for _ in 0..40 {
            f.lookup = Some(KEY);
            f.step();
            if let Some((at, _, answer)) = f.answered {
                let new = Some((dest, 0, 3));
                let want = if at >= start + 10 { new } else { before };
                assert_eq!(
                    answer,
                    want,
                    "made {} cycles after",
                    at as i64 - start as i64
                );
            }
        }
        before = Some((dest, 0, 3));
    }
}

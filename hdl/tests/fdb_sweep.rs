//! FDB: ageing, flushes, which events are reported, and reset in the middle of everything.

#[path = "common/fdb.rs"]
#[allow(dead_code)]
mod harness;
#[path = "common/seed.rs"]
mod seed;

use harness::{Counters, Event, Fdb, Learn};
use rand::Rng;
use seed::rng;
use smartnic_regs::fdb as map;
use smartnic_regs::ring::event;
use smartnic_regs::values::{dest, kind};
use std::collections::HashMap;

const SWEEP: u64 = 1056 * 6 + 100;

fn ages(k: u32) -> bool {
    k & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) == 0
}

/// Every kind and age, tick by tick: what ages goes when its age falls below zero, with an event and a count; the rest
/// stays as it was added. A period takes as many ticks as asked for, and none with period 0.
#[test]
fn ageing() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys([rng.random(), rng.random()]);
    let mut held = HashMap::new();
    for k in 0..16 {
        for age in 0..4 {
            for i in 0..6u64 {
                let key = i << 48 | (age as u64) << 20 | (k as u64) << 8 | 0x77;
                let to = rng.random_range(0..dest::LAG + 4);
                f.add(key, to, k, age);
                held.insert(key, (to, k, age as i32));
            }
        }
    }
    f.tick = true;
    f.step();
    f.wait_idle(20);
    f.write(map::AGE_PERIOD.addr, 3);
    let mut aged = 0;
    for tick in 1..=18 {
        f.tick = true;
        f.step();
        let mut expected = vec![];
        if tick % 3 == 0 {
            held.retain(|key, (to, k, age)| {
                *age -= ages(*k) as i32;
                if *age < 0 {
                    expected.push((*key, *to));
                }
                *age >= 0
            });
        }
        f.wait_idle(SWEEP);
        let mut got: Vec<(u64, u32)> = vec![];
        for e in std::mem::take(&mut f.events) {
            assert_eq!((e.kind, e.old), (event::AGED, 0));
            got.push((e.key, e.dest));
        }
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected, "tick {tick}");
        aged += got.len() as u32;
        for (key, (to, k, age)) in &held {
            assert_eq!(f.ask(*key), Some((*to, *k, *age as u32)), "tick {tick}");
        }
        for (key, _) in &got {
            assert_eq!(f.ask(*key), None);
        }
        assert_eq!(f.read(map::AGED.addr), aged);
        assert_eq!(f.read(map::USED.addr), held.len() as u32);
    }
    // 4 ages, 6 each, of two kinds that age (dynamic, sticky).
    assert_eq!(aged, 48);
}

/// An entry added as the oldest while a sweep runs lives until the next one, wherever the sweep stands.
#[test]
fn added_during_a_sweep() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys([rng.random(), rng.random()]);
    f.write(map::AGE_PERIOD.addr, 1);
    for round in 0..12u64 {
        f.tick = true;
        f.step();
        for _ in 0..round * 600 {
            f.step();
        }
        let key = 0x1234 + round;
        f.add(key, 4, kind::DYNAMIC, 0);
        f.wait_idle(SWEEP);
        assert_eq!(f.ask(key), Some((4, 0, 0)), "round {round}");
        f.tick = true;
        f.step();
        f.wait_idle(SWEEP);
        assert_eq!(f.ask(key), None, "round {round}");
    }
}

/// Every mask of FLUSH, over a table with entries of all kinds in tables and CAM, while relocation moves them.
#[test]
fn flush_kinds() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    let kinds = [0, 1, 2, 3, 4, 5, 8];
    for mask in 0..16u32 {
        f.reset();
        f.set_hash_keys([rng.random(), rng.random()]);
        let mut held = HashMap::new();
        for i in 0..930u64 {
            let fid = rng.random_range(0..3u64);
            let key = fid << 48 | (i + 1) << 12 | rng.random_range(0..4096);
            let (to, k) = (rng.random_range(0..3), kinds[rng.random_range(0..7)]);
            assert!(!f.add(key, to, k, 3).full);
            held.insert(key, (to, k));
        }
        let before = held.len() as u32;
        assert_eq!(f.read(map::USED.addr), before);
        let o = f.flush(mask, 1, 2);
        let bit = |i: u32| mask >> i & 1 == 1;
        held.retain(|key, (to, k)| {
            let takes = !(bit(0) && *to != 1
                || bit(1) && key >> 48 != 2
                || bit(2) && !ages(*k)
                || bit(3) && *k & kind::EXTERN == 0);
            assert_eq!(
                f.ask(*key).is_none(),
                takes,
                "mask {mask}: {key:#x} {to} {k}"
            );
            !takes
        });
        assert_eq!(o.found, held.len() as u32 != before, "mask {mask}");
        f.wait_idle(200_000);
        assert!(f.events.is_empty(), "a flush makes no events");
        let c = Counters {
            used: held.len() as u32,
            ..Counters::default()
        };
        assert_eq!(f.counters(), c);
    }
}

/// CONTROL chooses what is reported; what is not reported is done and counted all the same.
#[test]
fn reported_events() {
    let mut f = Fdb::new(1024, 32);
    f.write(map::AGE_PERIOD.addr, 1);
    for control in 0..8u32 {
        f.reset();
        assert_eq!(f.read(map::CONTROL.addr), 7);
        f.write(map::CONTROL.addr, control);
        f.write(map::AGE_PERIOD.addr, 1);
        f.learn(5, 1, true, 20);
        f.learn(5, 2, true, 20);
        f.learn(6, 2, false, 20);
        for _ in 0..4 {
            f.tick = true;
            f.step();
            f.wait_idle(SWEEP);
        }
        let e = |kind, key, dest, old| Event {
            kind,
            key,
            dest,
            old,
        };
        let all = [
            (1, e(event::LEARNED, 5, 1, 0)),
            (2, e(event::MOVED, 5, 2, 1)),
            (7, e(event::UNKNOWN_SOURCE, 6, 2, 0)),
            (4, e(event::AGED, 5, 2, 0)),
        ];
        let want: Vec<Event> = all
            .iter()
            .filter(|(bit, _)| control & bit != 0 || *bit == 7)
            .map(|(_, e)| *e)
            .collect();
        assert_eq!(f.events, want, "CONTROL {control}");
        let c = Counters {
            learned: 1,
            moved: 1,
            aged: 1,
            ..Counters::default()
        };
        assert_eq!(f.counters(), c);
    }
}

/// Reset while learning, relocation, a flush and ageing are under way: the block is as new, and idle means idle.
#[test]
fn reset_in_the_middle() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    for round in 0..6u32 {
        f.set_hash_keys([rng.random(), rng.random()]);
        f.write(map::AGE_PERIOD.addr, 1);
        let keys: Vec<u64> = (0..1100).map(|_| rng.random::<u64>() >> 4).collect();
        for (i, k) in keys.iter().enumerate() {
            f.learn = Some(Learn {
                key: *k,
                dest: 2,
                insert: true,
            });
            if i == 1000 {
                f.tick = true;
            }
            let gap = if round == 0 {
                20
            } else {
                rng.random_range(5..20)
            };
            for _ in 0..gap {
                f.lookup = Some(keys[0]);
                f.step();
            }
        }
        assert!(f.read(map::CAM_USED.addr) > 0, "relocation has work");
        let moves = f.read(map::RELOCATED.addr);
        if round % 2 == 0 {
            f.write(map::INDEX.addr, 1);
            f.write(map::COMMAND.addr, 5);
        }
        for _ in 0..rng.random_range(0..40) {
            f.step();
        }
        assert!(!f.idle() && moves > 0);
        f.reset();
        assert_eq!(f.counters(), Counters::default());
        assert_eq!(f.read(map::CAM_USED.addr), 0);
        assert_eq!(f.read(map::RESULT.addr), 0);
        for k in &keys {
            f.lookup = Some(*k);
            f.step();
            if let Some((_, _, a)) = f.answered {
                assert_eq!(a, None);
            }
        }
        f.wait_idle(20);
        for i in 0..10_000 {
            f.step();
            assert!(f.idle(), "{i} cycles after");
        }
        assert!(f.events.is_empty());
    }
}

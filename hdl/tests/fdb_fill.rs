//! FDB: how full it gets, at an unhurried pace and at line rate, and what happens when it is full.

#[path = "common/fdb.rs"]
#[allow(dead_code)]
mod harness;
#[path = "common/seed.rs"]
mod seed;

use harness::{Counters, Fdb, Learn};
use rand::Rng;
use seed::rng;
use smartnic_hdl::fdb::toeplitz;
use smartnic_regs::fdb as map;
use smartnic_regs::ring::event;
use std::collections::HashMap;

/// Random stations; `n` different keys.
fn stations(rng: &mut impl Rng, n: usize) -> Vec<u64> {
    let mut seen = HashMap::new();
    while seen.len() < n {
        seen.insert(rng.random::<u64>() >> 4, ());
    }
    let mut keys: Vec<u64> = seen.into_keys().collect();
    keys.sort_unstable();
    // Sorted, then dealt out of order, so that the run depends on the seed only.
    for i in (1..n).rev() {
        keys.swap(i, rng.random_range(0..=i));
    }
    keys
}

/// Learns one station after another, each given as long as relocation wants, to the first refusal. Every
/// entry is found afterwards, and no lookup made meanwhile misses one.
fn unhurried(entries: u32, cam: u32) -> f64 {
    let mut rng = rng();
    let mut f = Fdb::new(entries, cam);
    f.set_hash_keys([rng.random(), rng.random()]);
    let keys = stations(&mut rng, entries as usize + 64);
    let mut n = 0;
    let mut asked = 0u64;
    'fill: loop {
        f.learn = Some(Learn {
            key: keys[n],
            dest: n as u32 % 8,
            insert: true,
        });
        for i in 0.. {
            // From the seventh cycle after the request on an entry is in place.
            let known = n;
            if known > 0 {
                f.lookup = Some(keys[rng.random_range(0..known)]);
            }
            f.step();
            if let Some((_, key, answer)) = f.answered {
                asked += 1;
                assert!(answer.is_some(), "{key:#x} is missed at {n} entries");
            }
            if let Some(e) = f.events.pop() {
                assert_eq!((e.key, e.dest), (keys[n], n as u32 % 8));
                if e.kind == event::REFUSED {
                    break 'fill;
                }
                assert_eq!(e.kind, event::LEARNED);
            }
            // Idle but for the lookups: pause them now and then to see it.
            if i % 64 == 63 {
                for _ in 0..8 {
                    f.step();
                }
                if f.idle() {
                    break;
                }
            }
            assert!(i < 60_000, "relocation does not end");
        }
        n += 1;
    }
    assert!(asked > 10 * n as u64);
    f.wait_idle(60_000);
    for (i, k) in keys[..n].iter().enumerate() {
        assert_eq!(f.ask(*k), Some((i as u32 % 8, 0, 3)));
    }
    let c = Counters {
        used: n as u32,
        learned: n as u32,
        refused: 1,
        ..Counters::default()
    };
    assert_eq!(f.counters(), c);
    assert_eq!(
        f.read(map::CAM_USED.addr),
        cam,
        "refused with room in the CAM"
    );
    // The full table by slots: what stands in one has nothing of the CAM's entry that is read along with it.
    let mut listed = 0;
    for i in 0..entries + cam {
        let Some((key, o)) = f.slot(i) else { continue };
        let station = keys[..n].iter().position(|k| *k == key);
        let dest = station.expect("a station that was learned") as u32 % 8;
        assert_eq!((o.dest, o.kind, o.age), (dest, 0, 3), "slot {i}");
        listed += 1;
    }
    assert_eq!(listed, n);
    // The host is refused too, and told so.
    let o = f.add(keys[n], 1, 0, 3);
    assert!(o.full && !o.found);
    assert_eq!(f.read(map::REFUSED.addr), 1, "counts learns only");
    println!(
        "{entries}: {n} before the first refusal, {} moves",
        f.read(map::RELOCATED.addr)
    );
    // Deletions make room, and relocation tries again.
    for k in &keys[..32] {
        assert!(f.delete(*k).found);
    }
    f.wait_idle(60_000);
    assert!(!f.add(keys[n], 1, 0, 3).full);
    n as f64 / entries as f64
}

/// A new source every `gap` cycles to `percent` of the tables, with a lookup in every cycle: nothing is
/// refused or lost.
fn line_rate(entries: u32, gap: u64, percent: usize) {
    let mut rng = rng();
    let mut f = Fdb::new(entries, 32);
    f.set_hash_keys([rng.random(), rng.random()]);
    let n = entries as usize * percent / 100;
    let keys = stations(&mut rng, n);
    for (i, key) in keys.iter().enumerate() {
        f.learn = Some(Learn {
            key: *key,
            dest: i as u32 % 4,
            insert: true,
        });
        for _ in 0..gap {
            // Those before the last forty are in place: the queue holds 17.
            if i > 40 {
                f.lookup = Some(keys[rng.random_range(0..i - 40)]);
            }
            f.step();
            if let Some((_, key, answer)) = f.answered {
                assert!(answer.is_some(), "{key:#x} is missed at {i} entries");
            }
        }
    }
    let in_cam = f.read(map::CAM_USED.addr);
    f.wait_idle(100_000);
    let moves = f.read(map::RELOCATED.addr);
    println!("{entries} at {gap}: {in_cam} in the CAM at the end, {moves} moves");
    let c = Counters {
        used: n as u32,
        learned: n as u32,
        ..Counters::default()
    };
    assert_eq!(f.counters(), c);
    assert_eq!(f.events.len(), n);
    for (i, k) in keys.iter().enumerate() {
        assert_eq!(f.ask(*k), Some((i as u32 % 4, 0, 3)));
    }
}

#[test]
fn fills_to_95_percent_small() {
    assert!(unhurried(1024, 32) >= 0.95);
}

#[test]
fn fills_to_95_percent() {
    assert!(unhurried(8192, 32) >= 0.95);
}

/// Less than a bank, and more banks than usual: the smaller one fills less, and none loses an entry.
#[test]
fn other_cams_fill_too() {
    let fill = [9, 64].map(|cam| unhurried(1024, cam));
    println!("filled to {fill:?}");
    assert!(fill[0] >= 0.85 && fill[1] >= 0.95);
}

#[test]
fn learns_at_line_rate() {
    line_rate(1024, 21, 90);
    line_rate(8192, 21, 90);
}

/// More requests than the engine takes: the queue overruns, every loss is counted, and nothing else is lost.
#[test]
fn overrun_is_counted() {
    let mut rng = rng();
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys([rng.random(), rng.random()]);
    let keys = stations(&mut rng, 400);
    f.event_ready = false;
    for k in &keys {
        f.learn = Some(Learn {
            key: *k,
            dest: 3,
            insert: true,
        });
        f.step();
    }
    for _ in 0..400 {
        f.step();
    }
    assert!(!f.idle(), "events wait");
    f.event_ready = true;
    f.wait_idle(1000);
    let learned = keys.iter().filter(|k| f.find(**k).found).count() as u32;
    let c = f.counters();
    assert_eq!((c.learned, c.used), (learned, learned));
    assert_eq!(c.learned + c.learns_lost, 400);
    assert!(c.learned >= 400 / 7, "slower than 7 cycles a request");
    assert_eq!(f.events.len() as u32 + c.events_lost, learned);
    assert_eq!(f.events.len(), 17);
}

/// The hardware's hash is the published one, and pairs that collide under one key hardly collide under another.
#[test]
fn collisions_do_not_carry_over() {
    let mut rng = rng();
    let mut f = Fdb::new(8192, 32);
    for _ in 0..8 {
        let hash_keys: [u128; 2] = [rng.random::<u128>() >> 32, rng.random::<u128>() >> 32];
        f.set_hash_keys(hash_keys);
        for _ in 0..8 {
            let key = rng.random::<u64>() >> 4;
            f.add(key, 1, 1, 3);
            let at: Vec<u32> = (0..2)
                .map(|t| toeplitz(t, hash_keys[t], key, 10) * 8 + 4 * t as u32)
                .collect();
            let found = at
                .iter()
                .flat_map(|b| *b..b + 4)
                .filter(|i| f.slot(*i).is_some_and(|(k, _)| k == key))
                .count();
            assert_eq!(found, 1, "{key:#x} is in one of its two buckets");
            f.delete(key);
        }
    }
    // Pairs of addresses that differ in few bits, as in the blocks that vendors assign, and random ones.
    for table in 0..2 {
        let (a, b) = (rng.random::<u128>() >> 32, rng.random::<u128>() >> 32);
        let mut again = 0;
        for pair in 0..1024u32 {
            let (x, y) = loop {
                let x = rng.random::<u64>() >> 4;
                let mask = if pair % 2 == 0 {
                    0xff_ffff << 24
                } else {
                    u64::MAX
                };
                let y = x ^ (rng.random::<u64>() >> 4 & mask);
                if x != y && toeplitz(table, a, x, 10) == toeplitz(table, a, y, 10) {
                    break (x, y);
                }
            };
            again += (toeplitz(table, b, x, 10) == toeplitz(table, b, y, 10)) as u32;
        }
        println!("{again} of 1024 pairs collide again");
        assert!(again <= 2);
    }
}

//! FDB: the CAM's fingerprints, with keys that are made to share them under a hash key that the test knows.

#[path = "common/fdb.rs"]
#[allow(dead_code)]
mod harness;
#[path = "common/seed.rs"]
mod seed;

use harness::{Counters, Fdb, Learn, Outcome, outcome};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use seed::rng;
use smartnic_hdl::fdb::toeplitz;
use smartnic_regs::fdb as map;
use smartnic_regs::ring::event;
use smartnic_regs::values::fdb_op;
use std::collections::BTreeMap;

/// Bucket bits of 1,024 entries.
const BITS: u32 = 7;

/// Both buckets of a key.
fn buckets(keys: &[u128; 2], key: u64) -> (u32, u32) {
    (
        toeplitz(0, keys[0], key, BITS),
        toeplitz(1, keys[1], key, BITS),
    )
}

/// `n` keys whose buckets `accept` takes.
fn keys_where(
    rng: &mut ChaCha8Rng,
    keys: &[u128; 2],
    n: usize,
    accept: impl Fn(u32, u32) -> bool,
) -> Vec<u64> {
    let mut found = vec![];
    while found.len() < n {
        let key = rng.random::<u64>() >> 4;
        let (a, b) = buckets(keys, key);
        if accept(a, b) && !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

/// Eleven keys with the same two buckets, so one fingerprint: eight fill the buckets, one goes to each bank of the CAM, and the last is
/// refused though the CAM has room. All ten are found all the time, while relocation exchanges them without end; when one goes the last
/// is taken.
#[test]
fn one_of_a_kind_in_a_bank() {
    let mut rng = rng();
    let hash: [u128; 2] = [rng.random::<u128>() >> 32, rng.random::<u128>() >> 32];
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys(hash);
    let (a, b) = (rng.random_range(0..128), rng.random_range(0..128));
    let same = keys_where(&mut rng, &hash, 11, |x, y| (x, y) == (a, b));
    let other = keys_where(&mut rng, &hash, 1, |x, y| x == a && y != b);
    for (i, key) in same.iter().enumerate() {
        f.learn = Some(Learn {
            key: *key,
            dest: i as u32 % 8,
            insert: true,
        });
        f.step();
        for n in 0..400 {
            let known = if n < 30 { i } else { (i + 1).min(10) };
            if known > 0 {
                f.lookup = Some(same[rng.random_range(0..known)]);
            }
            f.step();
            if let Some((_, k, answer)) = f.answered {
                let at = same.iter().position(|x| *x == k).expect("asked");
                assert_eq!(answer, Some((at as u32 % 8, 0, 3)), "entry {at}");
            }
        }
        let e = f.events.pop().expect("an event");
        let want = if i < 10 {
            event::LEARNED
        } else {
            event::REFUSED
        };
        assert_eq!((e.kind, e.key), (want, *key), "entry {i}");
        assert_eq!(f.read(map::CAM_USED.addr), (i as u32 + 1).clamp(8, 10) - 8);
    }
    assert!(f.read(map::RELOCATED.addr) > 100, "nothing moved");
    // Another fingerprint is taken.
    assert!(!f.add(other[0], 5, 0, 3).full);
    assert!(f.add(same[10], 5, 0, 3).full);
    f.wait_idle(20_000);
    assert!(f.delete(same[rng.random_range(0..10)]).found);
    assert!(!f.add(same[10], 5, 0, 3).full);
    assert_eq!(f.ask(same[10]), Some((5, 0, 3)));
    assert_eq!(f.ask(other[0]), Some((5, 0, 3)));
    f.wait_idle(20_000);
    let c = Counters {
        used: 11,
        learned: 10,
        refused: 1,
        ..Counters::default()
    };
    assert_eq!(f.counters(), c);
}

/// What the test and the hardware hold, and a lookup in every cycle of a key that no command is about.
struct World {
    f: Fdb,
    rng: ChaCha8Rng,
    pool: Vec<u64>,
    held: BTreeMap<u64, u32>,
    busy: Option<u64>,
    /// The answers to lookups of this key made before this cycle may be old.
    changed: (u64, u64),
    checked: u64,
}

impl World {
    fn step(&mut self) {
        let key = self.pool[self.rng.random_range(0..self.pool.len())];
        let known = self.busy != Some(key);
        self.f.lookup = known.then_some(key);
        self.f.step();
        if let Some((at, key, answer)) = self.f.answered
            && self.busy != Some(key)
            && (self.changed.0 != key || at > self.changed.1)
        {
            let want = self.held.get(&key).map(|d| (*d, 1, 3));
            assert_eq!(answer, want, "{key:#x} asked in cycle {at}");
            self.checked += 1;
        }
    }

    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        self.f.request(write, addr, data);
        for _ in 0..5 {
            self.step();
            if let Some(v) = self.f.answer() {
                return v;
            }
        }
        panic!("no answer to register {addr:#x}");
    }

    fn command(&mut self, op: u32, key: u64, dest: u32) -> Outcome {
        self.access(true, map::KEY_LO.addr, key as u32);
        self.access(true, map::KEY_HI.addr, (key >> 32) as u32);
        self.access(true, map::DATA.addr, dest | 1 << 8 | 3 << 12);
        self.busy = Some(key);
        self.access(true, map::COMMAND.addr, op);
        // A chain of moves ends when the entry in the hand may go back to the CAM, and here nearly none may.
        for _ in 0..3000 {
            let r = self.access(false, map::RESULT.addr, 0);
            if map::RESULT::BUSY.get(r) == 0 {
                self.changed = (key, self.f.cycle);
                self.busy = None;
                return outcome(r);
            }
        }
        panic!("the command does not end");
    }
}

/// Additions, changes and deletions of keys that crowd into few buckets and fewer fingerprints, with relocation at work all the time:
/// every lookup is exact, and nothing is refused unless both banks hold its fingerprint.
#[test]
fn crowded_fingerprints() {
    let mut rng = rng();
    let hash: [u128; 2] = [rng.random::<u128>() >> 32, rng.random::<u128>() >> 32];
    let mut f = Fdb::new(1024, 32);
    f.set_hash_keys(hash);
    // Four fingerprints, each with three pairs of buckets.
    let near = |a: u32, b: u32| a & 0x5f == 0x12 && b & 0x4d == 0x05;
    let pool = keys_where(&mut rng, &hash, 150, near);
    let print = |key: u64| {
        let (a, b) = buckets(&hash, key);
        (a, b & 15)
    };
    let mut w = World {
        f,
        rng,
        pool,
        held: BTreeMap::new(),
        busy: None,
        changed: (0, 0),
        checked: 0,
    };
    let (mut refused, mut most) = (0, 0);
    for i in 0..4000u32 {
        let key = w.pool[w.rng.random_range(0..w.pool.len())];
        // Fills in the first half of each 400, empties in the second.
        let add = w.rng.random_bool(if i % 400 < 200 { 0.8 } else { 0.3 });
        let dest = w.rng.random_range(0..8);
        if add {
            let o = w.command(fdb_op::ADD, key, dest);
            assert_eq!(o.found, w.held.contains_key(&key));
            if o.full {
                let alike = w.held.keys().filter(|k| print(**k) == print(key)).count();
                let in_cam = w.f.read(map::CAM_USED.addr);
                assert!(
                    in_cam == 32 || alike >= 2,
                    "{key:#x} is refused: {in_cam} in the CAM"
                );
                refused += 1;
            } else {
                w.held.insert(key, dest);
            }
        } else {
            let o = w.command(fdb_op::DELETE, key, 0);
            assert_eq!(o.found, w.held.remove(&key).is_some());
        }
        most = most.max(w.f.read(map::CAM_USED.addr));
        for _ in 0..w.rng.random_range(0..60) {
            w.step();
        }
        assert_eq!(w.f.read(map::USED.addr), w.held.len() as u32);
    }
    for key in &w.pool {
        let want = w.held.get(key).map(|d| (*d, 1, 3));
        assert_eq!(w.f.ask(*key), want);
    }
    // Each stands once.
    w.f.wait_idle(20_000);
    let mut seen = vec![];
    for i in 0..w.f.entries + w.f.cam {
        seen.extend(w.f.slot(i).map(|(k, _)| k));
    }
    seen.sort_unstable();
    assert!(seen.iter().eq(w.held.keys()), "other entries than expected");
    println!(
        "{} lookups, {refused} refused, {most} in the CAM",
        w.checked
    );
    assert!(refused > 10 && most >= 8 && w.checked > 100_000);
}

//! FDB: every master at once (lookups in every cycle, learning, commands, dumps, flushes, ageing, relocation)
//! against a plain model.

#[path = "common/fdb.rs"]
#[allow(dead_code)]
mod harness;
#[path = "common/fdb_model.rs"]
mod model;
#[path = "common/seed.rs"]
mod seed;

use harness::{Counters, Fdb, Learn, Outcome, outcome};
use model::{Entry, Table, ages};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use seed::rng;
use smartnic_regs::fdb as map;
use smartnic_regs::values::{dest, fdb_op, kind};

/// Within this many cycles a learn request has had its effect: 18 in the queue, 16 cycles each, and a chain of moves.
const LEARN_CYCLES: u64 = 500;
/// A sweep of 1,024 entries and the CAM is over by then, whatever else goes on.
const SWEEP_CYCLES: u64 = 50_000;
/// From one tick to the next.
const PERIOD: u64 = 70_000;

/// A flush that is being prepared or under way.
#[derive(Clone, Copy)]
struct Flush {
    mask: u32,
    dest: u32,
    fid: u32,
}

impl Flush {
    fn takes(&self, key: u64, e: &Entry) -> bool {
        let m = |i: u32| self.mask >> i & 1 == 1;
        !(m(0) && e.dest != self.dest
            || m(1) && (key >> 48) as u32 != self.fid
            || m(2) && !ages(e.kind)
            || m(3) && e.kind & kind::EXTERN == 0)
    }
}

struct World {
    f: Fdb,
    rng: ChaCha8Rng,
    keys: Vec<u64>,
    t: Table,
    /// Learn requests that may be made now; one more each 16 cycles.
    tokens: u64,
    next_tick: u64,
    flush: Option<Flush>,
    /// The key that a command is about.
    held: Option<u64>,
    lookups: u64,
    hits: u64,
}

const DESTS: [u32; 6] = [0, 3, 7, dest::HOST, dest::LAG + 1, dest::MULTICAST + 31];
const KINDS: [u32; 6] = [
    kind::DYNAMIC,
    kind::STATIC,
    kind::STICKY,
    kind::EXTERN,
    kind::BLACKHOLE,
    kind::LOCAL,
];

impl World {
    fn new(pool: usize) -> World {
        let mut rng = rng();
        let mut f = Fdb::new(1024, 32);
        f.set_hash_keys([rng.random(), rng.random()]);
        f.write(map::AGE_PERIOD.addr, 1);
        // Few FIDs and few vendors, as in a real network.
        let mut keys: Vec<u64> = (0..pool)
            .map(|_| {
                let fid = rng.random_range(1..6u64);
                let vendor = [0x00_1b21u64, 0x5e_0210][rng.random_range(0..2)];
                fid << 48 | rng.random_range(0..1u64 << 24) << 24 | vendor
            })
            .collect();
        keys.sort_unstable();
        keys.dedup();
        World {
            f,
            rng,
            keys,
            t: Table::new(),
            tokens: 0,
            next_tick: PERIOD,
            flush: None,
            held: None,
            lookups: 0,
            hits: 0,
        }
    }

    fn any_key(&mut self) -> u64 {
        self.keys[self.rng.random_range(0..self.keys.len())]
    }

    /// A period may end before a request made now takes effect.
    fn late(&self) -> bool {
        self.f.cycle + 2 * LEARN_CYCLES > self.next_tick
    }

    /// Whether a request for this key, leaving it as `after`, has one outcome only.
    fn free(&mut self, key: u64, after: Option<Entry>) -> bool {
        let before = self.t.station(key).last();
        let both = [before, after];
        let flushed = |e: &Entry| self.flush.is_some_and(|f| f.takes(key, e));
        if self.held == Some(key) || both.iter().flatten().any(flushed) {
            return false;
        }
        let sweeping = self.late() || self.t.period.0 != self.t.period.1;
        let old = |e: &Entry| ages(e.kind) && self.t.age(e).0 <= 0;
        !(sweeping && both.iter().flatten().any(old))
    }

    /// One cycle with everything that runs beside the host.
    fn cycle(&mut self) {
        let now = self.f.cycle;
        if now.is_multiple_of(16) {
            self.tokens = (self.tokens + 1).min(12);
        }
        if now == self.next_tick {
            self.f.tick = true;
            self.next_tick += PERIOD;
            self.t.period.1 += 1;
        }
        if now == self.next_tick - PERIOD + SWEEP_CYCLES && now > PERIOD {
            self.t.period.0 = self.t.period.1;
            for (k, s) in &self.t.stations {
                let e = s.last().filter(|e| ages(e.kind));
                let alive = e.is_none_or(|e| self.t.age(&e).1 >= 0);
                assert!(alive, "{k:#x} did not age: {e:?}");
            }
        }
        let key = self.any_key();
        self.f.lookup = self.rng.random_bool(0.9).then_some(key);
        let burst = (now / 2048).is_multiple_of(3);
        if self.tokens > 0 && (burst || self.rng.random_bool(0.05)) {
            let key = self.any_key();
            let known = self.t.station(key).last().map(|e| e.dest);
            let dest = match known {
                Some(d) if self.rng.random_bool(0.7) => d,
                _ => DESTS[self.rng.random_range(0..DESTS.len())],
            };
            let insert = self.rng.random_bool(0.8);
            let late = self.late();
            let after = self.t.fresh(dest, 0, 3, late);
            // Some stations fall silent after the first period, so that they age.
            let silent = key >> 24 & 3 == 0 && self.t.period.1 > 0;
            if !silent && self.free(key, Some(after)) {
                self.tokens -= 1;
                self.t.learn(key, dest, insert, late, now + LEARN_CYCLES);
                self.f.learn = Some(Learn { key, dest, insert });
            }
        }
        self.f.event_ready = self.rng.random_bool(0.8);
        self.f.step();
        let now = self.f.cycle;
        for e in std::mem::take(&mut self.f.events) {
            self.t.event(now, e);
        }
        if let Some((at, key, answer)) = self.f.answered {
            let flush = self.flush;
            let may = |e: &Entry| flush.is_some_and(|f| f.takes(key, e));
            self.t.looked_up(at, key, answer, may);
            self.lookups += 1;
            self.hits += answer.is_some() as u64;
        }
    }

    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        self.f.request(write, addr, data);
        for _ in 0..5 {
            self.cycle();
            if let Some(v) = self.f.answer() {
                return v;
            }
        }
        panic!("no answer to register {addr:#x}");
    }

    fn set_key(&mut self, key: u64) {
        self.access(true, map::KEY_LO.addr, key as u32);
        self.access(true, map::KEY_HI.addr, (key >> 32) as u32);
    }

    fn command(&mut self, op: u32, limit: u64) -> Outcome {
        self.access(true, map::COMMAND.addr, op);
        let until = self.f.cycle + limit;
        loop {
            let r = self.access(false, map::RESULT.addr, 0);
            if map::RESULT::BUSY.get(r) == 0 {
                return outcome(r);
            }
            assert!(self.f.cycle < until, "command {op} takes too long");
        }
    }

    /// Finds, adds, replaces or deletes a key that nothing else is about.
    fn change(&mut self) {
        let key = self.any_key();
        let (op, k) = (self.rng.random_range(0..6), self.rng.random_range(0..6));
        let lowest = if self.late() || self.t.period.0 != self.t.period.1 {
            2
        } else {
            0
        };
        let age = self.rng.random_range(lowest..4);
        let dest = DESTS[self.rng.random_range(0..6)];
        self.set_key(key);
        self.access(true, map::DATA.addr, dest | KINDS[k] << 8 | age << 12);
        let now = self.f.cycle;
        let after = self.t.fresh(dest, KINDS[k], age, self.late());
        if !self.t.station(key).settled(now) || !self.free(key, Some(after)) {
            return;
        }
        self.held = Some(key);
        let before = self.t.station(key).last();
        let (code, after) = match op {
            0 | 1 => (fdb_op::ADD, Some(after)),
            2..=4 => (fdb_op::DELETE, None),
            _ => (fdb_op::LOOKUP, before),
        };
        self.t.station(key).push(after, u64::MAX);
        let o = self.command(code, 300);
        self.t.check_entry(key, before, &o);
        let now = self.f.cycle;
        self.t.station(key).complete(now);
        self.held = None;
    }

    fn read_slot(&mut self, index: u32) -> Option<u64> {
        self.access(true, map::INDEX.addr, index);
        let o = self.command(fdb_op::READ, 300);
        let lo = self.access(false, map::RESULT_KEY_LO.addr, 0) as u64;
        let hi = self.access(false, map::RESULT_KEY_HI.addr, 0) as u64;
        let key = hi << 32 | lo;
        if o.found {
            self.t.check_slot(key, &o);
        }
        o.found.then_some(key)
    }

    fn run_flush(&mut self) {
        let f = Flush {
            mask: [1, 2, 3, 5, 6, 7, 8, 9, 10, 4][self.rng.random_range(0..10)],
            dest: DESTS[self.rng.random_range(0..6)],
            fid: self.rng.random_range(1..6),
        };
        self.flush = Some(f);
        // Requests for what it takes are no longer made; let those under way end.
        for _ in 0..2 * LEARN_CYCLES {
            self.cycle();
        }
        self.set_key((f.fid as u64) << 48);
        self.access(true, map::DATA.addr, f.dest);
        self.access(true, map::INDEX.addr, f.mask);
        let present = |t: &Table, k: &u64| t.stations[k].last().is_some_and(|e| f.takes(*k, &e));
        let took: Vec<u64> = self
            .t
            .stations
            .keys()
            .copied()
            .filter(|k| present(&self.t, k))
            .collect();
        let o = self.command(fdb_op::FLUSH, 2 * SWEEP_CYCLES);
        assert!(!o.full && (o.dest, o.kind, o.age) == (0, 0, 0));
        assert!(!o.found || !took.is_empty());
        let now = self.f.cycle;
        for k in took {
            // Seen to be gone, it may have been learned anew for what the flush does not take.
            if !present(&self.t, &k) {
                continue;
            }
            let s = self.t.station(k);
            s.push(None, now);
            s.complete(now);
            s.aged_by = None;
        }
        self.flush = None;
    }

    fn counters(&mut self) {
        let used = self
            .t
            .stations
            .values()
            .filter(|s| s.last().is_some())
            .count();
        let c = Counters {
            used: used as u32,
            learned: self.t.learned,
            moved: self.t.moved,
            aged: self.t.aged,
            ..Counters::default()
        };
        assert_eq!(self.f.counters(), c);
    }

    /// Nothing is under way: the table is what the model says, each entry once.
    fn check_all(&mut self) {
        self.f.event_ready = true;
        self.f.wait_idle(2 * SWEEP_CYCLES);
        let now = self.f.cycle;
        for e in std::mem::take(&mut self.f.events) {
            self.t.event(now, e);
        }
        self.counters();
        let mut seen = std::collections::HashSet::new();
        for i in 0..self.f.entries + self.f.cam {
            if let Some((k, o)) = self.f.slot(i) {
                self.t.check(k, &o);
                assert!(seen.insert(k), "{k:#x} stands twice");
            }
        }
        for (k, s) in &self.t.stations {
            assert_eq!(s.last().is_some(), seen.contains(k), "{k:#x}");
            assert!(s.events.is_empty(), "{k:#x}: {:?} is missing", s.events);
            assert_eq!(s.aged_by, None, "{k:#x}: AGED is missing");
        }
    }
}

#[test]
fn every_master_at_once() {
    let mut w = World::new(1000);
    let mut slot = 0;
    let mut read = 0;
    while w.f.cycle < 8 * PERIOD {
        match w.rng.random_range(0..1200) {
            0 => w.run_flush(),
            1..=450 => {
                slot = (slot + 1) % (w.f.entries + w.f.cam);
                read += w.read_slot(slot).is_some() as u32;
            }
            451..=900 => w.change(),
            _ => (0..20).for_each(|_| w.cycle()),
        }
    }
    // Let the last sweep end, then compare all.
    while w.t.period.0 != w.t.period.1 || w.late() {
        w.cycle();
    }
    w.next_tick = u64::MAX;
    for _ in 0..2 * LEARN_CYCLES {
        w.f.lookup = None;
        w.f.event_ready = true;
        w.f.step();
        let now = w.f.cycle;
        for e in std::mem::take(&mut w.f.events) {
            w.t.event(now, e);
        }
    }
    w.check_all();
    println!(
        "{} lookups, {} hits, {} learned, {} moved, {} aged, {read} read",
        w.lookups, w.hits, w.t.learned, w.t.moved, w.t.aged
    );
    let moves = w.f.read(map::RELOCATED.addr);
    assert!(w.hits > 100_000 && w.t.learned > 1000 && w.t.moved > 500);
    assert!(w.t.aged > 20 && read > 100 && moves > 100, "{moves} moves");
}

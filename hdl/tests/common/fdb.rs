//! Drives the FDB: one call a cycle, lookups answered in order, events and register answers collected.

use smartnic_hdl::fdb::{LATENCY, fdb};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::fdb as map;
use smartnic_regs::values::fdb_op;
use smartnic_verilated::{InputId, Model, Options, OutputId};
use std::collections::VecDeque;

/// What a lookup found: destination, kind, age.
pub type Answer = Option<(u32, u32, u32)>;

/// One event as it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: u32,
    pub key: u64,
    pub dest: u32,
    pub old: u32,
}

/// A learn request.
#[derive(Clone, Copy, Debug)]
pub struct Learn {
    pub key: u64,
    pub dest: u32,
    pub insert: bool,
}

/// The result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    pub found: bool,
    pub full: bool,
    pub dest: u32,
    pub kind: u32,
    pub age: u32,
}

struct Inputs {
    lookup_valid: InputId,
    lookup_key: InputId,
    learn_valid: InputId,
    learn_key: InputId,
    learn_dest: InputId,
    learn_insert: InputId,
    event_ready: InputId,
    tick: InputId,
    reg_valid: InputId,
    reg_write: InputId,
    reg_addr: InputId,
    reg_wdata: InputId,
    reset: InputId,
}

struct Outputs {
    found_valid: OutputId,
    found_hit: OutputId,
    found_dest: OutputId,
    found_kind: OutputId,
    found_age: OutputId,
    event_valid: OutputId,
    event_kind: OutputId,
    event_key: OutputId,
    event_dest: OutputId,
    event_old_dest: OutputId,
    reg_ack: OutputId,
    reg_rdata: OutputId,
    ready: OutputId,
    idle: OutputId,
}

/// The block under test and what is under way in it.
pub struct Fdb {
    pub dut: Model,
    i: Inputs,
    o: Outputs,
    pub cycle: u64,
    pub entries: u32,
    pub cam: u32,
    /// To be set for the next cycle.
    pub lookup: Option<u64>,
    pub learn: Option<Learn>,
    pub event_ready: bool,
    pub tick: bool,
    /// Results.
    pub events: Vec<Event>,
    /// Lookups asked and not answered: cycle and key.
    asked: VecDeque<(u64, u64)>,
    /// Lookups answered in the last cycle: cycle of the question, key, answer.
    pub answered: Option<(u64, u64, Answer)>,
}

impl Fdb {
    /// Builds, resets and waits until the tables are clear.
    pub fn new(entries: u32, cam: u32) -> Fdb {
        let p = Params {
            fdb_entries: entries,
            cam,
            ..Params::for_ports(4)
        };
        p.check().expect("parameters");
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let dut = Model::build(&design(&fdb(&p)), &options).expect("builds");
        let i = |n: &str| dut.input(n).expect("input");
        let o = |n: &str| dut.output(n).expect("output");
        let (i, o) = (
            Inputs {
                lookup_valid: i("lookup_valid"),
                lookup_key: i("lookup_key"),
                learn_valid: i("learn_valid"),
                learn_key: i("learn_key"),
                learn_dest: i("learn_dest"),
                learn_insert: i("learn_insert"),
                event_ready: i("event_ready"),
                tick: i("tick"),
                reg_valid: i("reg_valid"),
                reg_write: i("reg_write"),
                reg_addr: i("reg_addr"),
                reg_wdata: i("reg_wdata"),
                reset: i("reset"),
            },
            Outputs {
                found_valid: o("found_valid"),
                found_hit: o("found_hit"),
                found_dest: o("found_dest"),
                found_kind: o("found_kind"),
                found_age: o("found_age"),
                event_valid: o("event_valid"),
                event_kind: o("event_kind"),
                event_key: o("event_key"),
                event_dest: o("event_dest"),
                event_old_dest: o("event_old_dest"),
                reg_ack: o("reg_ack"),
                reg_rdata: o("reg_rdata"),
                ready: o("ready"),
                idle: o("idle"),
            },
        );
        let mut f = Fdb {
            dut,
            i,
            o,
            cycle: 0,
            entries,
            cam,
            lookup: None,
            learn: None,
            event_ready: true,
            tick: false,
            events: vec![],
            asked: VecDeque::new(),
            answered: None,
        };
        f.reset();
        f
    }

    /// Resets for one cycle and waits for `ready`.
    pub fn reset(&mut self) {
        self.dut.set(self.i.reset, 1);
        self.step();
        self.dut.set(self.i.reset, 0);
        self.asked.clear();
        self.answered = None;
        self.events.clear();
        assert_eq!(self.dut.get(self.o.ready), 0, "ready after reset");
        let mut n = 0;
        while self.dut.get(self.o.ready) == 0 {
            self.step();
            n += 1;
            assert!(n <= self.entries / 8 + 9, "tables are not clear in time");
        }
    }

    pub fn idle(&self) -> bool {
        self.dut.get(self.o.idle) == 1
    }

    /// One cycle. Requests that were set for it are consumed.
    pub fn step(&mut self) {
        let (lookup, learn) = (self.lookup.take(), self.learn.take());
        let d = &mut self.dut;
        d.set(self.i.lookup_valid, lookup.is_some() as u64);
        // While nothing is asked the key says nothing: drive it wrong.
        d.set(self.i.lookup_key, lookup.unwrap_or(self.cycle & 0xff));
        d.set(self.i.learn_valid, learn.is_some() as u64);
        let l = learn.unwrap_or(Learn {
            key: !self.cycle & 0xff,
            dest: 1,
            insert: true,
        });
        d.set(self.i.learn_key, l.key);
        d.set(self.i.learn_dest, l.dest as u64);
        d.set(self.i.learn_insert, l.insert as u64);
        d.set(self.i.event_ready, self.event_ready as u64);
        d.set(self.i.tick, std::mem::take(&mut self.tick) as u64);
        d.eval();
        if self.event_ready && d.get(self.o.event_valid) == 1 {
            self.events.push(Event {
                kind: d.get(self.o.event_kind) as u32,
                key: d.get(self.o.event_key),
                dest: d.get(self.o.event_dest) as u32,
                old: d.get(self.o.event_old_dest) as u32,
            });
        }
        if let Some(key) = lookup {
            self.asked.push_back((self.cycle, key));
        }
        d.tick(1);
        self.cycle += 1;
        self.answered = None;
        let due = self
            .asked
            .front()
            .is_some_and(|(at, _)| at + LATENCY as u64 == self.cycle);
        assert_eq!(d.get(self.o.found_valid), due as u64, "found_valid");
        if due {
            let (at, key) = self.asked.pop_front().expect("due");
            let answer = (d.get(self.o.found_hit) == 1).then(|| {
                (
                    d.get(self.o.found_dest) as u32,
                    d.get(self.o.found_kind) as u32,
                    d.get(self.o.found_age) as u32,
                )
            });
            self.answered = Some((at, key, answer));
        }
    }

    /// Sets a register request for the next cycle.
    pub fn request(&mut self, write: bool, addr: u32, data: u32) {
        self.dut.set(self.i.reg_valid, 1);
        self.dut.set(self.i.reg_write, write as u64);
        self.dut.set(self.i.reg_addr, addr as u64);
        self.dut.set(self.i.reg_wdata, data as u64);
    }

    /// Takes the request away and gives the answer if there is one.
    pub fn answer(&mut self) -> Option<u32> {
        self.dut.set(self.i.reg_valid, 0);
        (self.dut.get(self.o.reg_ack) == 1).then(|| self.dut.get(self.o.reg_rdata) as u32)
    }

    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        self.request(write, addr, data);
        for _ in 0..5 {
            self.step();
            if let Some(v) = self.answer() {
                return v;
            }
        }
        panic!("no answer to register {addr:#x}");
    }

    pub fn write(&mut self, addr: u32, data: u32) {
        self.access(true, addr, data);
    }

    pub fn read(&mut self, addr: u32) -> u32 {
        self.access(false, addr, 0)
    }

    /// Both keys (72 bits each of `keys`).
    pub fn set_hash_keys(&mut self, keys: [u128; 2]) {
        for (t, key) in (0..).zip(keys) {
            for w in 0..3 {
                self.write(map::HASH_KEY.at(4 * t + w), (key >> (32 * w)) as u32);
            }
        }
    }

    /// Runs a command to its end, within `limit` cycles.
    pub fn command(&mut self, op: u32, limit: u64) -> Outcome {
        self.write(map::COMMAND.addr, op);
        let until = self.cycle + limit;
        loop {
            let r = self.read(map::RESULT.addr);
            if map::RESULT::BUSY.get(r) == 0 {
                return outcome(r);
            }
            assert!(self.cycle < until, "command {op} takes too long");
        }
    }

    pub fn set_key(&mut self, key: u64) {
        self.write(map::KEY_LO.addr, key as u32);
        self.write(map::KEY_HI.addr, (key >> 32) as u32);
    }

    pub fn add(&mut self, key: u64, dest: u32, kind: u32, age: u32) -> Outcome {
        self.set_key(key);
        self.write(map::DATA.addr, dest | kind << 8 | age << 12);
        self.command(fdb_op::ADD, 60)
    }

    pub fn delete(&mut self, key: u64) -> Outcome {
        self.set_key(key);
        self.command(fdb_op::DELETE, 60)
    }

    pub fn find(&mut self, key: u64) -> Outcome {
        self.set_key(key);
        self.command(fdb_op::LOOKUP, 60)
    }

    /// Entry `index`: key and what it holds.
    pub fn slot(&mut self, index: u32) -> Option<(u64, Outcome)> {
        self.write(map::INDEX.addr, index);
        let o = self.command(fdb_op::READ, 60);
        let lo = self.read(map::RESULT_KEY_LO.addr) as u64;
        let hi = self.read(map::RESULT_KEY_HI.addr) as u64;
        o.found.then_some((hi << 32 | lo, o))
    }

    /// Flushes what `mask` says; `busy` may take as long as three sweeps.
    pub fn flush(&mut self, mask: u32, dest: u32, fid: u32) -> Outcome {
        self.set_key((fid as u64) << 48);
        self.write(map::DATA.addr, dest);
        self.write(map::INDEX.addr, mask);
        self.command(fdb_op::FLUSH, 40 * (self.entries + self.cam) as u64)
    }

    /// Learns and leaves the engine time.
    pub fn learn(&mut self, key: u64, dest: u32, insert: bool, wait: u64) {
        self.learn = Some(Learn { key, dest, insert });
        for _ in 0..wait {
            self.step();
        }
    }

    /// The answer of a lookup made now.
    pub fn ask(&mut self, key: u64) -> Answer {
        self.lookup = Some(key);
        for _ in 0..LATENCY {
            self.step();
        }
        let (_, k, a) = self.answered.expect("answered");
        assert_eq!(k, key);
        a
    }

    pub fn wait_idle(&mut self, limit: u64) {
        let until = self.cycle + limit;
        // A request of this cycle shows in `idle` some cycles later.
        for _ in 0..4 {
            self.step();
        }
        while !self.idle() {
            self.step();
            assert!(self.cycle < until, "not idle in time");
        }
    }

    /// Checks the counters: used, in the CAM (if given), refused, learned, moved, aged, events and learns lost.
    pub fn counters(&mut self) -> Counters {
        Counters {
            used: self.read(map::USED.addr),
            refused: self.read(map::REFUSED.addr),
            learned: self.read(map::LEARNED.addr),
            moved: self.read(map::MOVED.addr),
            aged: self.read(map::AGED.addr),
            events_lost: self.read(map::EVENTS_LOST.addr),
            learns_lost: self.read(map::LEARNS_LOST.addr),
        }
    }
}

/// Counters that do not depend on where entries stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    pub used: u32,
    pub refused: u32,
    pub learned: u32,
    pub moved: u32,
    pub aged: u32,
    pub events_lost: u32,
    pub learns_lost: u32,
}

/// RESULT taken apart.
pub fn outcome(r: u32) -> Outcome {
    use map::RESULT::*;
    Outcome {
        found: FOUND.get(r) == 1,
        full: FULL.get(r) == 1,
        dest: DEST.get(r),
        kind: KIND.get(r),
        age: AGE.get(r),
    }
}

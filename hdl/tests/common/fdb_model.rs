//! What the FDB should hold, written from the contract: a map from key to entry, with a queue of states for
//! each key, because a request takes effect some cycles after it is made.

use crate::harness::{Answer, Event, Outcome};
use smartnic_regs::ring::event;
use smartnic_regs::values::kind;
use std::collections::{HashMap, VecDeque};

/// An entry. Ages are kept as the period in which the station was last seen: a range, because a period does not end in
/// a cycle that the outside can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dest: u32,
    pub kind: u32,
    /// Period range of a fresh entry (age 3), or twice the fixed age of an entry that does not age.
    pub seen: (i64, i64),
}

pub fn ages(k: u32) -> bool {
    k & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) == 0
}

fn moves(k: u32) -> bool {
    k & (kind::STATIC | kind::STICKY | kind::BLACKHOLE) == 0
}

/// One key.
pub struct Station {
    /// What a lookup may give: in order, and never back to an earlier one.
    states: VecDeque<Option<Entry>>,
    /// When each state but the first must have come true.
    due: VecDeque<u64>,
    /// Events that must come, in this order.
    pub events: VecDeque<Event>,
    /// It vanished in a sweep; the event must come by then.
    pub aged_by: Option<u64>,
}

impl Default for Station {
    fn default() -> Station {
        Station {
            states: VecDeque::from([None]),
            due: VecDeque::new(),
            events: VecDeque::new(),
            aged_by: None,
        }
    }
}

impl Station {
    /// The state when everything asked for is done.
    pub fn last(&self) -> Option<Entry> {
        *self.states.back().expect("never empty")
    }
    /// Whether everything asked for must be done.
    pub fn settled(&self, now: u64) -> bool {
        self.due.back().is_none_or(|d| *d < now) && self.events.is_empty()
    }
    pub fn push(&mut self, state: Option<Entry>, due: u64) {
        self.states.push_back(state);
        self.due.push_back(due);
    }
    /// Forgets all but the last state.
    fn settle(&mut self) {
        while self.states.len() > 1 {
            self.states.pop_front();
        }
        self.due.clear();
    }
    /// Everything asked for has come true by `now`; lookups made before may still be under way.
    pub fn complete(&mut self, now: u64) {
        for d in &mut self.due {
            *d = now.min(*d);
        }
    }
    fn expire(&mut self, now: u64) {
        while self.due.front().is_some_and(|d| *d < now) {
            self.due.pop_front();
            self.states.pop_front();
        }
    }
}

/// The table and the time.
pub struct Table {
    pub stations: HashMap<u64, Station>,
    /// Period now: two values while a sweep may be under way.
    pub period: (i64, i64),
    pub learned: u32,
    pub moved: u32,
    pub aged: u32,
}

impl Table {
    pub fn new() -> Table {
        Table {
            stations: HashMap::new(),
            period: (0, 0),
            learned: 0,
            moved: 0,
            aged: 0,
        }
    }

    pub fn station(&mut self, key: u64) -> &mut Station {
        self.stations.entry(key).or_default()
    }

    /// Lowest and highest age that an entry may have now.
    pub fn age(&self, e: &Entry) -> (i64, i64) {
        if ages(e.kind) {
            (
                3 - (self.period.1 - e.seen.0),
                3 - (self.period.0 - e.seen.1),
            )
        } else {
            e.seen
        }
    }

    fn fits(&self, e: &Entry, dest: u32, kind: u32, age: u32) -> bool {
        let (lo, hi) = self.age(e);
        let age = age as i64;
        e.dest == dest && e.kind == kind && (lo.max(0)..=hi.min(3)).contains(&age)
    }

    /// An entry seen between now and a moment when the period may be one further (`late`).
    pub fn fresh(&self, dest: u32, kind: u32, age: u32, late: bool) -> Entry {
        let seen = if ages(kind) {
            let back = 3 - age as i64;
            let end = self.period.1.max(self.period.0 + late as i64);
            (self.period.0 - back, end - back)
        } else {
            (age as i64, age as i64)
        };
        Entry { dest, kind, seen }
    }

    /// A learn request is made.
    pub fn learn(&mut self, key: u64, dest: u32, insert: bool, late: bool, due: u64) {
        let new = self.fresh(dest, kind::DYNAMIC, 3, late);
        let before = self.station(key).last();
        let event = |kind, old| Event {
            kind,
            key,
            dest,
            old,
        };
        let (state, event) = match before {
            None if insert => {
                self.learned += 1;
                (Some(new), Some(event(event::LEARNED, 0)))
            }
            Some(e) if e.dest == dest => {
                let seen = if ages(e.kind) { new.seen } else { e.seen };
                (Some(Entry { seen, ..e }), None)
            }
            Some(e) if insert && moves(e.kind) => {
                self.moved += 1;
                (Some(new), Some(event(event::MOVED, e.dest)))
            }
            Some(e) if insert => (Some(e), None),
            other => (other, Some(event(event::UNKNOWN_SOURCE, 0))),
        };
        let s = self.station(key);
        s.push(state, due);
        s.events.extend(event);
    }

    /// Whether the sweep that may be under way may take this entry.
    fn may_age(&self, e: &Entry) -> bool {
        self.period.0 != self.period.1 && ages(e.kind) && self.age(e).0 < 0
    }

    /// A lookup made at cycle `at` was answered. `may_vanish`: a flush that takes this entry is under way.
    pub fn looked_up(
        &mut self,
        at: u64,
        key: u64,
        answer: Answer,
        may_vanish: impl Fn(&Entry) -> bool,
    ) {
        self.station(key).expire(at);
        let states: Vec<Option<Entry>> = self.stations[&key].states.iter().copied().collect();
        let n = states.iter().position(|s| match (s, answer) {
            (None, None) => true,
            (Some(e), Some((d, k, a))) => self.fits(e, d, k, a),
            _ => false,
        });
        let last = states.last().copied().flatten();
        let aged = last.is_some_and(|e| self.may_age(&e));
        let flushed = last.is_some_and(|e| may_vanish(&e));
        let s = self.station(key);
        match n {
            Some(n) => {
                s.states.drain(..n);
                s.due.drain(..n);
            }
            None if answer.is_none() && (aged || flushed) => {
                s.push(None, at);
                s.settle();
                s.aged_by = (!flushed).then_some(at + 1000);
            }
            None => panic!("cycle {at}: {key:#x} gives {answer:?}, expected one of {states:?}"),
        }
    }

    /// An event came out.
    pub fn event(&mut self, now: u64, e: Event) {
        if e.kind == event::AGED {
            let before = self.station(e.key).last();
            let vanished = self.station(e.key).aged_by.take().is_some();
            let may = before.is_some_and(|b| self.may_age(&b) && b.dest == e.dest);
            assert!(vanished || may, "{e:?} of {before:?} in {:?}", self.period);
            self.aged += 1;
            let s = self.station(e.key);
            s.push(None, now);
            s.complete(now);
            return;
        }
        let want = self.station(e.key).events.pop_front();
        assert_eq!(Some(e), want, "cycle {now}");
    }

    /// A command found the entry as it stands.
    pub fn check(&self, key: u64, o: &Outcome) {
        self.check_entry(key, self.stations.get(&key).and_then(Station::last), o);
    }

    /// A command found this.
    pub fn check_entry(&self, key: u64, want: Option<Entry>, o: &Outcome) {
        match want {
            None => assert_eq!(*o, Outcome::default(), "{key:#x}"),
            Some(e) => {
                let ok = o.found && !o.full && self.fits(&e, o.dest, o.kind, o.age);
                assert!(ok, "{key:#x}: {o:?}, expected {e:?}");
            }
        }
    }

    /// A slot read back holds this.
    pub fn check_slot(&self, key: u64, o: &Outcome) {
        let s = &self.stations[&key];
        let ok = s
            .states
            .iter()
            .flatten()
            .any(|e| self.fits(e, o.dest, o.kind, o.age));
        assert!(ok, "slot with {key:#x}: {o:?}, expected {:?}", s.states);
    }
}

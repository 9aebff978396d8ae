//! The forwarding database (clause 6), without an end and without a hash.

use crate::{Endpoint, Mac};
use std::collections::BTreeMap;

/// A station: FID and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// FID, 12 bits.
    pub fid: u16,
    /// Address.
    pub mac: Mac,
}

/// Where an entry leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dest {
    /// A port or the host.
    To(Endpoint),
    /// A LAG group.
    Lag(usize),
    /// A multicast set, which this card floods as multicast.
    Set(usize),
}

/// Kind bits of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// Neither aged nor moved.
    pub fixed: bool,
    /// Aged, not moved.
    pub sticky: bool,
    /// Entered by software on the kernel's behalf: not aged, moved by learning.
    pub external: bool,
    /// Frames to or from it are dropped; neither aged nor moved.
    pub blackhole: bool,
}

impl Kind {
    /// Learned.
    pub const DYNAMIC: Kind = Kind {
        fixed: false,
        sticky: false,
        external: false,
        blackhole: false,
    };
    /// Neither aged nor moved.
    pub const STATIC: Kind = Kind {
        fixed: true,
        ..Kind::DYNAMIC
    };
    /// Aged, not moved.
    pub const STICKY: Kind = Kind {
        sticky: true,
        ..Kind::DYNAMIC
    };
    /// Not aged, moved.
    pub const EXTERN: Kind = Kind {
        external: true,
        ..Kind::DYNAMIC
    };
    /// Drops.
    pub const BLACKHOLE: Kind = Kind {
        blackhole: true,
        ..Kind::DYNAMIC
    };
    /// An address of the host itself.
    pub const LOCAL: Kind = Kind {
        fixed: true,
        sticky: true,
        ..Kind::DYNAMIC
    };

    /// Whether entries of this kind age.
    pub fn ages(self) -> bool {
        !(self.fixed || self.external || self.blackhole)
    }

    /// Whether learning moves entries of this kind.
    pub fn moves(self) -> bool {
        !(self.fixed || self.sticky || self.blackhole)
    }
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it leads.
    pub dest: Dest,
    /// What it is.
    pub kind: Kind,
    /// 3 when fresh, 0 when the next sweep takes it.
    pub age: u8,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was learned.
    Learned,
    /// It moved from there.
    Moved {
        /// Where it was.
        from: Dest,
    },
    /// It aged out.
    Aged,
    /// A source that is not in the table, or not there, with slow-path learning.
    UnknownSource,
}

/// Something to report to software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Which station.
    pub key: Key,
    /// Where it is (or was, when it aged out).
    pub dest: Dest,
}

/// What a flush takes: entries that match everything that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flush {
    /// That lead there.
    pub dest: Option<Dest>,
    /// Of this FID.
    pub fid: Option<u16>,
    /// That age.
    pub ageing: bool,
    /// That software entered on the kernel's behalf.
    pub external: bool,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Fdb {
    entries: BTreeMap<Key, Entry>,
    /// Ticks between two sweeps; 0: none.
    pub age_period: u32,
    ticks: u32,
}

impl Fdb {
    /// The entry of a station.
    pub fn get(&self, key: Key) -> Option<Entry> {
        self.entries.get(&key).copied()
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds or replaces (6.5).
    pub fn add(&mut self, key: Key, entry: Entry) {
        self.entries.insert(key, entry);
    }

    /// Deletes; gives what was there (6.5).
    pub fn delete(&mut self, key: Key) -> Option<Entry> {
        self.entries.remove(&key)
    }

    /// Deletes what matches; gives how many (6.5).
    pub fn flush(&mut self, what: Flush) -> usize {
        let before = self.entries.len();
        self.entries.retain(|key, entry| {
            let matches = what.dest.is_none_or(|d| d == entry.dest)
                && what.fid.is_none_or(|f| f == key.fid)
                && (!what.ageing || entry.kind.ages())
                && (!what.external || entry.kind.external);
            !matches
        });
        before - self.entries.len()
    }

    /// A station was heard at `dest` (6.2; 6.3 without `insert`).
    pub fn learn(&mut self, key: Key, dest: Dest, insert: bool) -> Option<Event> {
        let known = self.entries.get_mut(&key);
        let kind = match known {
            Some(e) if e.dest == dest => {
                if e.kind.ages() {
                    e.age = 3;
                }
                return None;
            }
            Some(e) if !e.kind.moves() => return None,
            _ if !insert => EventKind::UnknownSource,
            Some(e) => EventKind::Moved { from: e.dest },
            None => EventKind::Learned,
        };
        if insert {
            let kind = Kind::DYNAMIC;
            self.add(key, Entry { dest, kind, age: 3 });
        }
        Some(Event { kind, key, dest })
    }

    /// A millisecond or whatever a tick is; sweeps when the period is over (6.4).
    pub fn tick(&mut self) -> Vec<Event> {
        if self.age_period == 0 {
            self.ticks = 0;
            return vec![];
        }
        self.ticks += 1;
        if self.ticks < self.age_period {
            return vec![];
        }
        self.ticks = 0;
        self.sweep()
    }

    /// One sweep (6.4).
    pub fn sweep(&mut self) -> Vec<Event> {
        let mut gone = vec![];
        self.entries.retain(|key, e| {
            if !e.kind.ages() {
                return true;
            }
            if e.age == 0 {
                gone.push(Event {
                    kind: EventKind::Aged,
                    key: *key,
                    dest: e.dest,
                });
                return false;
            }
            e.age -= 1;
            true
        });
        gone
    }
}

//! The forwarding database: which address is behind which port, by VLAN.
//!
//! The data path reads it without a lock, and refreshes an entry that is where it was with one store. What changes an entry (a new address, a move, a
//! user, ageing) is done under one lock for the writer, so that counts are exact and a dump is one state of the whole table.
//!
//! | file | what |
//! |---|---|
//! | `table.rs` | the hash table |
//! | `entry.rs` | entries, their flags, as shown |
//! | `learn.rs` | learning from frames, moves, the limit, locked entries |
//! | `local.rs` | the bridge's and its ports' own addresses |
//! | `user.rs` | add, append, replace, del, external learning, with Linux's codes |
//! | `flush.rs` | flush with filters, dump, ageing |
//!
//! Time is in nanoseconds since a start that the caller chose.

mod entry;
mod flush;
mod learn;
mod local;
mod table;
mod user;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

pub use entry::{FdbEntry, FdbFlags, FdbState};
pub(crate) use entry::{Record, Target};
pub use flush::FdbFilter;
pub(crate) use learn::Learned;
pub(crate) use local::Ports;
pub(crate) use table::Key;
pub use table::MAX_ENTRIES;
use table::Table;
pub use user::{FdbRequest, FdbWay};

use crate::events::{Event, Events};

/// What only the one who writes needs.
#[derive(Default)]
struct Writer {
    live: usize,
    /// Slots of the table that have a key, live and dead.
    taken: usize,
}

/// The forwarding database of one bridge.
pub(crate) struct Fdb {
    table: ArcSwap<Table>,
    writer: Mutex<Writer>,
    learned: AtomicU32,
    max_learned: AtomicU32,
    /// Addresses that were not learned because the database, or the limit, was full.
    refused: AtomicU64,
}

impl Default for Fdb {
    fn default() -> Self {
        Self {
            table: ArcSwap::default(),
            writer: Mutex::default(),
            learned: AtomicU32::new(0),
            max_learned: AtomicU32::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Fdb {
    /// Where an address is.
    pub(crate) fn find(&self, key: Key) -> Option<Target> {
        let table = self.table.load();
        table.find(key).map(|(_, word)| Target::of(word))
    }

    /// Where a frame to an address goes: as [`Fdb::find`], and notes that it was used, unless it is the bridge's own.
    pub(crate) fn use_target(&self, key: Key, now: u64) -> Option<Target> {
        let table = self.table.load();
        let (slot, word) = table.find(key)?;
        let target = Target::of(word);
        if !target.flags.contains(FdbFlags::LOCAL) && slot.used.load(Relaxed) != now {
            slot.used.store(now, Relaxed);
        }
        Some(target)
    }

    /// Entries that were learned from frames (`fdb_n_learned`).
    pub(crate) fn learned(&self) -> u32 {
        self.learned.load(Relaxed)
    }
    /// Most of those that there may be; 0: no limit (`fdb_max_learned`).
    pub(crate) fn max_learned(&self) -> u32 {
        self.max_learned.load(Relaxed)
    }
    pub(crate) fn set_max_learned(&self, max: u32) {
        self.max_learned.store(max, Relaxed);
    }
    /// Addresses that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
    /// Entries in all.
    pub(crate) fn len(&self) -> usize {
        self.writer().live
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Counts of slots: each change leaves them right.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to change the database; others who want to wait, readers do not.
    pub(crate) fn edit<'a>(&'a self, events: &'a Events) -> Edit<'a> {
        Edit {
            fdb: self,
            writer: self.writer(),
            events,
        }
    }
}

/// The right to change the database.
pub(crate) struct Edit<'a> {
    fdb: &'a Fdb,
    writer: MutexGuard<'a, Writer>,
    events: &'a Events,
}

/// No room for one more entry.
#[derive(Debug)]
pub(crate) struct Full;

impl Edit<'_> {
    pub(crate) fn get(&self, key: Key) -> Option<Record> {
        let table = self.fdb.table.load();
        let (slot, word) = table.find(key)?;
        Some(record(slot, word))
    }

    /// All entries, as of one moment.
    pub(crate) fn records(&self) -> Vec<Record> {
        let table = self.fdb.table.load();
        table
            .live()
            .map(|(slot, word)| record(slot, word))
            .collect()
    }

    /// Writes an entry, new or not, and tells of it.
    pub(crate) fn put(&mut self, new: &Record) -> Result<(), Full> {
        self.put_quietly(new)?;
        self.tell(new, false);
        Ok(())
    }

    pub(crate) fn put_quietly(&mut self, new: &Record) -> Result<(), Full> {
        let old = self.get(new.key);
        if old.is_none() {
            self.make_room()?;
        }
        let table = self.fdb.table.load();
        let (slot, fresh) = table.place(new.key).ok_or(Full)?;
        slot.updated.store(new.updated, Relaxed);
        slot.used.store(new.used, Relaxed);
        slot.set_value(new.target.word());
        self.writer.taken += usize::from(fresh);
        self.writer.live += usize::from(old.is_none());
        let learned = |r: &Record| u32::from(r.target.flags.contains(FdbFlags::LEARNED));
        let (before, after) = (old.as_ref().map_or(0, learned), learned(new));
        self.fdb
            .learned
            .fetch_add(after.wrapping_sub(before), Relaxed);
        Ok(())
    }

    /// Takes an entry away, and tells of it.
    pub(crate) fn remove(&mut self, old: &Record) {
        let table = self.fdb.table.load();
        let Some((slot, _)) = table.find(old.key) else {
            return;
        };
        slot.set_value(0);
        self.writer.live -= 1;
        if old.target.flags.contains(FdbFlags::LEARNED) {
            self.fdb.learned.fetch_sub(1, Relaxed);
        }
        self.tell(old, true);
    }

    pub(crate) fn tell(&self, record: &Record, deleted: bool) {
        let record = *record;
        self.events.push(|| Event::fdb(record, deleted));
    }

    fn make_room(&mut self) -> Result<(), Full> {
        let table = self.fdb.table.load_full();
        if self.writer.live >= MAX_ENTRIES {
            return Err(Full);
        }
        if table.has_room(self.writer.taken) {
            return Ok(());
        }
        let new = Table::with_room(self.writer.live + 1);
        for (slot, word) in table.live() {
            if let Some((place, _)) = new.place(slot.key()) {
                place.updated.store(slot.updated.load(Relaxed), Relaxed);
                place.used.store(slot.used.load(Relaxed), Relaxed);
                place.set_value(word);
            }
        }
        self.writer.taken = self.writer.live;
        self.fdb.table.store(std::sync::Arc::new(new));
        Ok(())
    }
}

fn record(slot: &table::Slot, word: u64) -> Record {
    Record {
        key: slot.key(),
        target: Target::of(word),
        updated: slot.updated.load(Relaxed),
        used: slot.used.load(Relaxed),
    }
}

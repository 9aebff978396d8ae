//! The forwarding database: commands, dump, keys, ageing.
//!
//! A command is KEY, DATA and INDEX, then COMMAND, then RESULT without BUSY. Entries in motion are never missed by a
//! lookup, but a dump reads the tables while hardware goes on learning and relocating: it is a snapshot of each entry,
//! not of the table, and an entry that moves meanwhile may appear twice or not at all.

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use smartnic_regs::values::{fdb_flush, fdb_op, kind};
use smartnic_regs::{Reg, fdb};

use super::mmio::Mmio;
use super::{Caps, DeviceError, MacAddr};
use crate::pci::Found;

/// Largest FID (12 bits).
pub const MAX_FID: u16 = 4095;

/// What is looked up: an address in a filtering database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FdbKey {
    /// FID, 0 to 4,095.
    pub fid: u16,
    /// Address.
    pub mac: MacAddr,
}

/// What an address leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdbData {
    /// `values::dest`.
    pub dest: u8,
    /// `values::kind` bits.
    pub kind: u8,
    /// 3 fresh, 0 oldest.
    pub age: u8,
}

impl FdbData {
    /// An entry to `dest` of `kind`, fresh.
    pub fn new(dest: u32, kind: u32) -> Self {
        Self {
            dest: dest as u8,
            kind: kind as u8,
            age: 3,
        }
    }
    /// Ages: neither STATIC nor EXTERN nor a blackhole.
    pub fn is_dynamic(&self) -> bool {
        u32::from(self.kind) & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) == 0
    }
}

/// What a flush deletes: all conditions that are given must hold.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FlushFilter {
    /// Entries to this destination.
    pub dest: Option<u32>,
    /// Entries of this FID.
    pub fid: Option<u16>,
    /// Dynamic entries only.
    pub dynamic: bool,
    /// Externally learned entries only.
    pub external: bool,
}

/// Counters of the table.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdbCounters {
    /// Entries in use.
    pub used: u32,
    /// Entries in the CAM.
    pub cam_used: u32,
    /// Entries there can be.
    pub capacity: u32,
    /// Learns refused for lack of room.
    pub refused: u32,
    /// Entries learned.
    pub learned: u32,
    /// Stations moved.
    pub moved: u32,
    /// Entries aged out.
    pub aged: u32,
    /// Relocations.
    pub relocated: u32,
    /// Events lost.
    pub events_lost: u32,
    /// Learn requests lost (learned from a later frame).
    pub learns_lost: u32,
}

/// A dump under way.
#[derive(Clone, Debug)]
pub struct Dump {
    index: u32,
    seen: u32,
    used: u32,
    tables: u32,
    /// What was found until now.
    pub found: BTreeMap<FdbKey, FdbData>,
}

/// Access to the table.
pub struct Fdb<'a> {
    mmio: &'a mut Mmio,
    caps: &'a Caps,
}

impl<'a> Fdb<'a> {
    pub(super) fn new(mmio: &'a mut Mmio, caps: &'a Caps) -> Self {
        Self { mmio, caps }
    }

    fn command(&mut self, op: u32) -> Result<u32, DeviceError> {
        self.mmio.write(fdb::COMMAND, fdb::COMMAND::OP.put(op))?;
        self.mmio
            .wait(fdb::RESULT, fdb::RESULT::BUSY, 0, "an FDB command")
    }

    fn set_key(&mut self, key: FdbKey) -> Result<(), DeviceError> {
        if key.fid > MAX_FID {
            let range = format!("0 to {MAX_FID}");
            return Err(DeviceError::Range {
                what: "fid",
                value: key.fid.into(),
                range,
            });
        }
        self.mmio.write(fdb::KEY_LO, key.mac.low())?;
        let high = fdb::KEY_HI::MAC.put(key.mac.high()) | fdb::KEY_HI::FID.put(key.fid.into());
        self.mmio.write(fdb::KEY_HI, high)
    }

    /// The entry that READ found.
    fn found(result: u32, low: u32, high: u32) -> (FdbKey, FdbData) {
        let mac = MacAddr::from_halves(low, fdb::RESULT_KEY_HI::MAC.get(high));
        let fid = fdb::RESULT_KEY_HI::FID.get(high) as u16;
        (FdbKey { fid, mac }, Self::data(result))
    }

    fn data(result: u32) -> FdbData {
        use fdb::RESULT::{AGE, DEST, KIND};
        FdbData {
            dest: DEST.get(result) as u8,
            kind: KIND.get(result) as u8,
            age: AGE.get(result) as u8,
        }
    }

    /// Finds an entry without changing its age.
    pub fn lookup(&mut self, key: FdbKey) -> Result<Option<FdbData>, DeviceError> {
        self.set_key(key)?;
        let result = self.command(fdb_op::LOOKUP)?;
        Ok((fdb::RESULT::FOUND.get(result) == 1).then(|| Self::data(result)))
    }

    /// Adds or replaces an entry. True: it was there before.
    pub fn add(&mut self, key: FdbKey, data: FdbData) -> Result<bool, DeviceError> {
        self.set_key(key)?;
        use fdb::DATA::{AGE, DEST, KIND};
        let word =
            DEST.put(data.dest.into()) | KIND.put(data.kind.into()) | AGE.put(data.age.into());
        self.mmio.write(fdb::DATA, word)?;
        let result = self.command(fdb_op::ADD)?;
        if fdb::RESULT::FULL.get(result) == 1 {
            let used = self.mmio.read(fdb::USED)?;
            return Err(DeviceError::FdbFull {
                mac: key.mac,
                fid: key.fid,
                used,
                capacity: self.caps.fdb_capacity(),
            });
        }
        Ok(fdb::RESULT::FOUND.get(result) == 1)
    }

    /// Deletes an entry. False: there was none.
    pub fn delete(&mut self, key: FdbKey) -> Result<bool, DeviceError> {
        self.set_key(key)?;
        let result = self.command(fdb_op::DELETE)?;
        Ok(fdb::RESULT::FOUND.get(result) == 1)
    }

    /// Reads the `index`-th place; `None` if nothing is there.
    pub fn read(&mut self, index: u32) -> Result<Option<(FdbKey, FdbData)>, DeviceError> {
        let capacity = self.caps.fdb_capacity();
        if index >= capacity {
            let range = format!("0 to {}", capacity - 1);
            return Err(DeviceError::Range {
                what: "FDB index",
                value: index.into(),
                range,
            });
        }
        self.mmio.write(fdb::INDEX, index)?;
        let result = self.command(fdb_op::READ)?;
        if fdb::RESULT::FOUND.get(result) == 0 {
            return Ok(None);
        }
        let high = self.mmio.read(fdb::RESULT_KEY_HI)?;
        let low = self.mmio.read(fdb::RESULT_KEY_LO)?;
        Ok(Some(Self::found(result, low, high)))
    }

    /// All entries, by key, each once.
    pub fn dump(&mut self) -> Result<Vec<(FdbKey, FdbData)>, DeviceError> {
        let mut dump = self.start_dump()?;
        while self.dump_place(&mut dump)? {}
        Ok(dump.found.into_iter().collect())
    }

    /// Begins a dump that is done place by place.
    pub fn start_dump(&mut self) -> Result<Dump, DeviceError> {
        let (used, cam_used) = (self.used()?, self.mmio.read(fdb::CAM_USED)?);
        Ok(Dump {
            index: 0,
            seen: 0,
            used,
            tables: used.saturating_sub(cam_used),
            found: BTreeMap::new(),
        })
    }

    /// Reads the next place that can hold something. False: there is none left, the dump is complete.
    ///
    /// Places in the tables come first, then those of the CAM, each until as many have been seen as are in use.
    pub fn dump_place(&mut self, dump: &mut Dump) -> Result<bool, DeviceError> {
        let tables = self.caps.fdb_entries;
        if dump.index < tables && dump.seen >= dump.tables {
            dump.index = tables;
        }
        if dump.index >= self.caps.fdb_capacity() || dump.seen >= dump.used {
            return Ok(false);
        }
        if let Some(far) = self.mmio.transport().shortcuts() {
            match far.fdb_from(dump.index)? {
                Found::Entry {
                    index,
                    result,
                    key_lo,
                    key_hi,
                } => {
                    let (key, data) = Self::found(result, key_lo, key_hi);
                    dump.found.insert(key, data);
                    dump.seen += 1;
                    dump.index = index + 1;
                }
                Found::Nothing { next } => dump.index = next,
                Found::End => dump.index = self.caps.fdb_capacity(),
            }
            return Ok(true);
        }
        if let Some((key, data)) = self.read(dump.index)? {
            dump.found.insert(key, data);
            dump.seen += 1;
        }
        dump.index += 1;
        Ok(true)
    }

    /// Entries in use.
    pub fn used(&mut self) -> Result<u32, DeviceError> {
        self.mmio.read(fdb::USED)
    }

    /// Deletes entries.
    pub fn flush(&mut self, filter: FlushFilter) -> Result<(), DeviceError> {
        let mut mask = 0;
        if let Some(dest) = filter.dest {
            mask |= fdb_flush::DEST;
            self.mmio.write(fdb::DATA, fdb::DATA::DEST.put(dest))?;
        }
        if let Some(fid) = filter.fid {
            mask |= fdb_flush::FID;
            self.mmio
                .write(fdb::KEY_HI, fdb::KEY_HI::FID.put(fid.into()))?;
        }
        if filter.dynamic {
            mask |= fdb_flush::DYNAMIC;
        }
        if filter.external {
            mask |= fdb_flush::EXTERN;
        }
        self.mmio.write(fdb::INDEX, mask)?;
        self.command(fdb_op::FLUSH).map(|_| ())
    }

    /// Draws new keys for both hashes, so that nobody can aim collisions. Refused unless the table is empty.
    pub fn randomise_keys(&mut self, rng: &mut impl Rng) -> Result<(), DeviceError> {
        let used = self.used()?;
        if used != 0 {
            return Err(DeviceError::FdbNotEmpty { used });
        }
        for word in [0, 1, 2, 4, 5, 6] {
            // An all-zero key would send every address to one bucket; a random word is never zero in practice, but
            // must not be even once.
            let value = loop {
                let value: u32 = rng.random();
                if value != 0 {
                    break value;
                }
            };
            self.mmio.write_at(fdb::HASH_KEY, word, value)?;
        }
        Ok(())
    }

    /// Ageing: ticks (ms) between two decrements of the age; 0 switches it off.
    pub fn set_age_period(&mut self, ticks: u32) -> Result<(), DeviceError> {
        self.mmio.write(fdb::AGE_PERIOD, ticks)
    }

    /// Which events the card reports: learned, moved, aged.
    pub fn set_events(
        &mut self,
        learned: bool,
        moved: bool,
        aged: bool,
    ) -> Result<(), DeviceError> {
        use fdb::CONTROL::{EVENT_AGE, EVENT_LEARN, EVENT_MOVE};
        let word = EVENT_LEARN.put(learned.into())
            | EVENT_MOVE.put(moved.into())
            | EVENT_AGE.put(aged.into());
        self.mmio.write(fdb::CONTROL, word)
    }

    /// Counters of the table.
    pub fn counters(&mut self) -> Result<FdbCounters, DeviceError> {
        let mut get = |reg: Reg| self.mmio.read(reg);
        Ok(FdbCounters {
            used: get(fdb::USED)?,
            cam_used: get(fdb::CAM_USED)?,
            refused: get(fdb::REFUSED)?,
            learned: get(fdb::LEARNED)?,
            moved: get(fdb::MOVED)?,
            aged: get(fdb::AGED)?,
            relocated: get(fdb::RELOCATED)?,
            events_lost: get(fdb::EVENTS_LOST)?,
            learns_lost: get(fdb::LEARNS_LOST)?,
            capacity: self.caps.fdb_capacity(),
        })
    }
}

/// AGE_PERIOD for an ageing time in milliseconds (a tick is a millisecond): hardware lets an entry live 3 to 4 periods,
/// so that it goes no earlier than asked for, and at most a third later. 0 stays 0: no ageing.
pub fn age_period(ageing_ms: u64) -> u32 {
    ageing_ms.div_ceil(3).min(u32::MAX.into()) as u32
}

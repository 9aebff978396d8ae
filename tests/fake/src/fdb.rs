//! The FDB page of the fake card: commands over a plain list.

use smartnic_driver::device::MacAddr;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_regs::ring::{VERSION, event};
use smartnic_regs::values::{fdb_op, kind, vector};
use smartnic_regs::{Reg, fdb};

use super::State;

/// Reads of RESULT that still show BUSY after a command.
const BUSY_READS: u32 = 2;

impl State {
    pub(super) fn fdb_read(&mut self, reg: Reg, index: u32) -> u32 {
        let used = self.table.iter().flatten().count() as u32;
        let first_cam = 1usize << self.shape.fdb_log2;
        if reg == fdb::RESULT && self.busy > 0 {
            self.busy -= 1;
            return 1;
        }
        match reg {
            r if r == fdb::USED => used,
            r if r == fdb::CAM_USED => self.table[first_cam..].iter().flatten().count() as u32,
            _ => self.get(reg, index),
        }
    }

    fn key(&self) -> FdbKey {
        let high = self.get(fdb::KEY_HI, 0);
        let mac = MacAddr::from_halves(self.get(fdb::KEY_LO, 0), fdb::KEY_HI::MAC.get(high));
        FdbKey {
            fid: fdb::KEY_HI::FID.get(high) as u16,
            mac,
        }
    }

    fn place(&self, key: FdbKey) -> Option<usize> {
        self.table
            .iter()
            .position(|e| e.is_some_and(|(k, _)| k == key))
    }

    pub(super) fn fdb_write(&mut self, reg: Reg, value: u32) {
        if reg != fdb::COMMAND || self.busy > 0 {
            return;
        }
        self.busy = BUSY_READS;
        let key = self.key();
        let word = self.get(fdb::DATA, 0);
        let data = FdbData {
            dest: fdb::DATA::DEST.get(word) as u8,
            kind: fdb::DATA::KIND.get(word) as u8,
            age: fdb::DATA::AGE.get(word) as u8,
        };
        let index = self.get(fdb::INDEX, 0);
        let (mut found, mut full) = (None, false);
        match fdb::COMMAND::OP.get(value) {
            fdb_op::LOOKUP => found = self.place(key).and_then(|i| self.table[i]),
            fdb_op::ADD => {
                found = self.place(key).and_then(|i| self.table[i]);
                match self
                    .place(key)
                    .or_else(|| self.table.iter().position(Option::is_none))
                {
                    Some(i) => self.table[i] = Some((key, data)),
                    None => full = true,
                }
            }
            fdb_op::DELETE => found = self.place(key).and_then(|i| self.table[i].take()),
            fdb_op::READ => {
                found = self.table.get(index as usize).copied().flatten();
                if let Some((key, _)) = found {
                    self.set(fdb::RESULT_KEY_LO, 0, key.mac.low());
                    let high = fdb::RESULT_KEY_HI::MAC.put(key.mac.high())
                        | fdb::RESULT_KEY_HI::FID.put(key.fid.into());
                    self.set(fdb::RESULT_KEY_HI, 0, high);
                }
            }
            fdb_op::FLUSH => {
                for slot in &mut self.table {
                    let matches = slot.is_some_and(|(k, d)| {
                        let bits = u32::from(d.kind);
                        let dynamic = bits & (kind::STATIC | kind::EXTERN | kind::BLACKHOLE) == 0;
                        (index & 1 == 0 || d.dest == data.dest)
                            && (index & 2 == 0 || k.fid == key.fid)
                            && (index & 4 == 0 || dynamic)
                            && (index & 8 == 0 || bits & kind::EXTERN != 0)
                    });
                    if matches {
                        *slot = None;
                    }
                }
            }
            _ => {}
        }
        use fdb::RESULT::{AGE, DEST, FOUND, FULL, KIND};
        let entry = found.map_or(0, |(_, d)| {
            DEST.put(d.dest.into()) | KIND.put(d.kind.into()) | AGE.put(d.age.into())
        });
        self.set(
            fdb::RESULT,
            0,
            FOUND.put(found.is_some().into()) | FULL.put(full.into()) | entry,
        );
    }

    /// Learns as the hardware does: into the table, with an event.
    pub fn learn(&mut self, key: FdbKey, dest: u32) {
        let slot = self
            .table
            .iter()
            .position(Option::is_none)
            .expect("the test keeps room");
        self.table[slot] = Some((key, FdbData::new(dest, kind::DYNAMIC)));
        self.event(event::LEARNED, key, dest, 0);
    }

    /// Writes an event.
    pub fn event(&mut self, kind: u32, key: FdbKey, dest: u32, old: u32) {
        let high = fdb::KEY_HI::MAC.put(key.mac.high()) | fdb::KEY_HI::FID.put(key.fid.into());
        let word = event::KIND.put(kind) | event::DEST.put(dest) | event::OLD_DEST.put(old);
        let last = event::ENTRY_VERSION.put(VERSION);
        self.push_event([key.mac.low(), high, word, 0, 0, 0, 0], last);
        self.raise(vector::EVENT);
    }
}

//! Commands of the FDB's page, one at a time.

use super::{Rig, RigError};
use smartnic_regs::fdb;
use smartnic_regs::values::{fdb_flush, fdb_op};

/// An entry as the registers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FdbEntry {
    /// FID.
    pub fid: u32,
    /// Address.
    pub mac: [u8; 6],
    /// Destination: `smartnic_regs::values::dest`.
    pub dest: u32,
    /// Kind bits: `smartnic_regs::values::kind`.
    pub kind: u32,
    /// 3 when fresh.
    pub age: u32,
}

/// What a flush compares with; all that is given must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdbFlush {
    /// Destination.
    pub dest: Option<u32>,
    /// FID.
    pub fid: Option<u32>,
    /// Entries that age only.
    pub ageing: bool,
    /// EXTERN entries only.
    pub external: bool,
}

impl Rig {
    /// Adds an FDB entry, fresh, and tells whether there was room.
    pub fn fdb_add(
        &mut self,
        mac: [u8; 6],
        fid: u32,
        dest: u32,
        kind: u32,
    ) -> Result<bool, RigError> {
        self.fdb_put(&FdbEntry {
            fid,
            mac,
            dest,
            kind,
            age: 3,
        })
    }

    /// Adds or replaces an entry and tells whether there was room.
    pub fn fdb_put(&mut self, entry: &FdbEntry) -> Result<bool, RigError> {
        self.fdb_key(entry.mac, entry.fid)?;
        let data = fdb::DATA::DEST.put(entry.dest)
            | fdb::DATA::KIND.put(entry.kind)
            | fdb::DATA::AGE.put(entry.age);
        self.write(&fdb::DATA, 0, data)?;
        Ok(fdb::RESULT::FULL.get(self.fdb_command(fdb_op::ADD)?) == 0)
    }

    /// Destination and kind of an FDB entry, if it is there.
    pub fn fdb_lookup(&mut self, mac: [u8; 6], fid: u32) -> Result<Option<(u32, u32)>, RigError> {
        Ok(self.fdb_get(mac, fid)?.map(|e| (e.dest, e.kind)))
    }

    /// An entry, if it is there.
    pub fn fdb_get(&mut self, mac: [u8; 6], fid: u32) -> Result<Option<FdbEntry>, RigError> {
        self.fdb_key(mac, fid)?;
        let result = self.fdb_command(fdb_op::LOOKUP)?;
        Ok(Self::fdb_found(result, mac, fid))
    }

    /// Deletes an entry and tells whether it was there.
    pub fn fdb_delete(&mut self, mac: [u8; 6], fid: u32) -> Result<bool, RigError> {
        self.fdb_key(mac, fid)?;
        Ok(fdb::RESULT::FOUND.get(self.fdb_command(fdb_op::DELETE)?) == 1)
    }

    /// Deletes what matches.
    pub fn fdb_flush(&mut self, what: &FdbFlush) -> Result<(), RigError> {
        self.fdb_key([0; 6], what.fid.unwrap_or(0))?;
        let dest = fdb::DATA::DEST.put(what.dest.unwrap_or(0));
        self.write(&fdb::DATA, 0, dest)?;
        let mask = [
            (what.dest.is_some(), fdb_flush::DEST),
            (what.fid.is_some(), fdb_flush::FID),
            (what.ageing, fdb_flush::DYNAMIC),
            (what.external, fdb_flush::EXTERN),
        ];
        let mask = mask
            .iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, flag)| flag)
            .sum();
        self.write(&fdb::INDEX, 0, mask)?;
        self.fdb_command(fdb_op::FLUSH).map(drop)
    }

    /// Every entry, read place by place, sorted by FID and address.
    pub fn fdb_dump(&mut self) -> Result<Vec<FdbEntry>, RigError> {
        let mut all = vec![];
        for index in 0..self.params.fdb_entries + self.params.cam {
            self.write(&fdb::INDEX, 0, index)?;
            let result = self.fdb_command(fdb_op::READ)?;
            if fdb::RESULT::FOUND.get(result) == 0 {
                continue;
            }
            let low = self.read(&fdb::RESULT_KEY_LO, 0)?.to_le_bytes();
            let high = self.read(&fdb::RESULT_KEY_HI, 0)?;
            let [e, f, ..] = fdb::RESULT_KEY_HI::MAC.get(high).to_le_bytes();
            let mac = [low[0], low[1], low[2], low[3], e, f];
            all.extend(Self::fdb_found(
                result,
                mac,
                fdb::RESULT_KEY_HI::FID.get(high),
            ));
        }
        all.sort();
        Ok(all)
    }

    fn fdb_found(result: u32, mac: [u8; 6], fid: u32) -> Option<FdbEntry> {
        use fdb::RESULT as R;
        (R::FOUND.get(result) == 1).then(|| FdbEntry {
            fid,
            mac,
            dest: R::DEST.get(result),
            kind: R::KIND.get(result),
            age: R::AGE.get(result),
        })
    }

    fn fdb_key(&mut self, mac: [u8; 6], fid: u32) -> Result<(), RigError> {
        let [a, b, c, d, e, f] = mac;
        self.write(&fdb::KEY_LO, 0, u32::from_le_bytes([a, b, c, d]))?;
        let high = fdb::KEY_HI::MAC.put(u16::from_le_bytes([e, f]).into());
        self.write(&fdb::KEY_HI, 0, high | fdb::KEY_HI::FID.put(fid))
    }

    fn fdb_command(&mut self, op: u32) -> Result<u32, RigError> {
        self.write(&fdb::COMMAND, 0, fdb::COMMAND::OP.put(op))?;
        for _ in 0..10_000 {
            let result = self.read(&fdb::RESULT, 0)?;
            if fdb::RESULT::BUSY.get(result) == 0 {
                return Ok(result);
            }
        }
        Err(RigError::Slow {
            what: "an FDB command",
            cycles: 10_000,
        })
    }
}

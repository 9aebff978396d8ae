//! Reading the whole forwarding database, a little at a time.
//!
//! Entries that events told of are looked up one by one, and only if their number is not what the hardware counts is the whole table
//! read: 8,192 places, which take seconds on a simulated card. Whoever has other things to do meanwhile takes steps ([`Switch::fdb_scan_step`]).
//! The hardware goes on learning: the result is a snapshot of each entry, not of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use smartnic_bridge::{FdbFilter, FdbFlags};
use smartnic_regs::values::{dest, kind};

use super::{FdbEntry, Switch};
use crate::device::DeviceError;
use crate::device::MacAddr;
use crate::device::fdb::{Dump, FdbData, FdbKey};
use crate::netdev::NetError;

/// A scan under way.
pub struct FdbScan {
    /// Keys that were known when it began.
    known: BTreeSet<FdbKey>,
    /// Those that have not been looked up yet.
    rest: Vec<FdbKey>,
    found: BTreeMap<FdbKey, FdbData>,
    /// The whole table, once it turned out that not all was known.
    dump: Option<Dump>,
}

impl Switch {
    /// Everything in the table, from the hardware, by FID and address, at once.
    pub fn fdb_show(&mut self) -> Result<Vec<FdbEntry>, NetError> {
        let mut scan = self.fdb_scan()?;
        while !self.fdb_scan_step(&mut scan, Instant::now())? {}
        Ok(self.fdb_scan_entries(&scan))
    }

    /// Begins to read the table.
    pub fn fdb_scan(&mut self) -> Result<FdbScan, NetError> {
        self.with_card(|card| {
            let told = card.mirror.keys().chain(card.applied.fdb.keys());
            let known: BTreeSet<FdbKey> = told.copied().collect();
            Ok(FdbScan {
                rest: known.iter().rev().copied().collect(),
                known,
                found: BTreeMap::new(),
                dump: None,
            })
        })
    }

    /// Reads until `end` has passed, one place at least. True: all is read.
    pub fn fdb_scan_step(&mut self, scan: &mut FdbScan, end: Instant) -> Result<bool, NetError> {
        self.with_card(|card| {
            loop {
                let mut fdb = card.device.fdb();
                if let Some(dump) = &mut scan.dump {
                    if !fdb.dump_place(dump)? {
                        scan.found = std::mem::take(&mut dump.found);
                        break;
                    }
                } else if let Some(key) = scan.rest.pop() {
                    if let Some(data) = fdb.lookup(key)? {
                        scan.found.insert(key, data);
                    }
                } else {
                    let used = fdb.used()?;
                    if scan.found.len() == used as usize {
                        break;
                    }
                    tracing::debug!(known = scan.found.len(), used, "reading the whole FDB");
                    scan.dump = Some(fdb.start_dump()?);
                }
                if Instant::now() >= end {
                    return Ok(false);
                }
            }
            // What was learned meanwhile stays; what is no more does not.
            let gone = |key: &FdbKey| scan.known.contains(key) && !scan.found.contains_key(key);
            card.mirror.retain(|key, _| !gone(key));
            card.mirror.extend(&scan.found);
            Ok::<_, DeviceError>(true)
        })
    }

    /// What a scan found, by FID and address, with the devices' names as they are now.
    pub fn fdb_scan_entries(&self, scan: &FdbScan) -> Vec<FdbEntry> {
        let entry = |(key, data): (&FdbKey, &FdbData)| self.entry(*key, *data);
        scan.found.iter().map(entry).collect()
    }

    /// The entry for an address of the bridge that a device is, or is a port of.
    pub fn fdb_get(&mut self, name: &str, mac: MacAddr) -> Result<Option<FdbEntry>, NetError> {
        let (key, _) = self.target(name, mac)?;
        let data = self.with_card(|card| card.device.fdb().lookup(key))?;
        Ok(data.map(|data| self.entry(key, data)))
    }

    /// Deletes the entries of a bridge, of a bridge port or of all that match, as `bridge fdb flush` has it. Addresses of bridges and ports stay.
    pub fn fdb_flush_some(
        &mut self,
        name: Option<&str>,
        filter: &FdbFilter,
    ) -> Result<(), NetError> {
        let place = match name {
            Some(name) => {
                let (key, to) = self.target(name, MacAddr([2, 0, 0, 0, 0, 0]))?;
                Some((key.fid, (to != dest::HOST).then_some(to)))
            }
            None => None,
        };
        if filter.vlan.is_some_and(|v| v != 0) {
            // No entry of the hardware's is in a VLAN.
            return Ok(());
        }
        for entry in self.fdb_show()? {
            let to = u32::from(entry.data.dest);
            let here = |(fid, dest): (u16, Option<u32>)| {
                fid == entry.key.fid && dest.is_none_or(|d| d == to)
            };
            let matches = (self.flags(&entry) ^ filter.flags) & filter.mask == FdbFlags::empty();
            if place.is_none_or(here) && matches && !self.is_own(entry.key) {
                self.fdb_forget(entry.key, entry.data)?;
            }
        }
        Ok(())
    }

    fn flags(&self, entry: &FdbEntry) -> FdbFlags {
        let bits = u32::from(entry.data.kind);
        let local = bits & kind::LOCAL == kind::LOCAL && u32::from(entry.data.dest) == dest::HOST;
        let fixed = bits & (kind::STATIC | kind::BLACKHOLE) != 0;
        let by_user = self.model().statics.contains_key(&entry.key);
        let mut flags = FdbFlags::OFFLOAD;
        flags.set(FdbFlags::LOCAL, local);
        flags.set(FdbFlags::STATIC, local || fixed);
        flags.set(FdbFlags::STICKY, bits & kind::STICKY != 0);
        flags.set(FdbFlags::EXT_LEARN, bits & kind::EXTERN != 0);
        flags.set(FdbFlags::ADDED_BY_USER, by_user);
        flags
    }
}

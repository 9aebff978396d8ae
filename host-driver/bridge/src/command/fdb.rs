//! `bridge fdb`.

use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::registry::ListKind;
use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::MacAddr;

use crate::bridge::Bridge;
use crate::fdb::{FdbEntry, FdbFilter, FdbFlags, FdbRequest, FdbWay, Key, Record};
use crate::port::{Port, PortFlags};
use crate::refuse;

/// `bridge fdb add ... self` on a device that is no bridge: puts the address on the device's own list, for its filter. EINVAL for a VLAN or an entry that is not permanent, EEXIST if
/// it is there and `exclusive`.
pub fn fdb_add_self(core: &mut Core, dev: &Dev, request: &FdbRequest) -> Result<()> {
    let mac = request.mac;
    if request.way != FdbWay::Permanent {
        return refuse(
            Errno::Invalid,
            "mac",
            mac,
            "a device's own entries are permanent",
        );
    }
    if request.vlan.is_some_and(|v| v != 0) {
        return refuse(
            Errno::Invalid,
            "vlan",
            mac,
            "a device's own list has no VLANs",
        );
    }
    match core.address_add_exclusive(dev, list_of(mac), mac) {
        Err(error) if error.code() == Errno::Exists && !request.exclusive => Ok(()),
        other => other,
    }
}

/// `bridge fdb del ... self` on a device that is no bridge. ENOENT if the address is not on its list.
pub fn fdb_del_self(core: &mut Core, dev: &Dev, mac: MacAddr) -> Result<()> {
    core.address_remove(dev, list_of(mac), mac)
}

fn list_of(mac: MacAddr) -> ListKind {
    match mac.is_multicast() {
        true => ListKind::Multicast,
        false => ListKind::Unicast,
    }
}

impl Bridge {
    /// Makes or changes an entry of the forwarding database: EINVAL for an address or VLAN that cannot be, EPERM on a port that does not learn, EEXIST, ENOENT, ENOMEM.
    pub fn fdb_add(&self, core: &mut Core, dev: &Dev, request: &FdbRequest) -> Result<()> {
        let mac = request.mac;
        if mac.is_zero() {
            return refuse(Errno::Invalid, "mac", mac, "it is no address");
        }
        let place = self.place(dev)?;
        let port = place.as_deref();
        if request.locked && !request.extern_learn {
            return refuse(
                Errno::Invalid,
                "locked",
                mac,
                "users make no locked entries",
            );
        }
        let group = self.group_of(port);
        let result = match request.vlan {
            Some(vid) if vid != 0 => {
                if group.usable(vid).is_none() {
                    return refuse(Errno::Invalid, "vlan", vid, "it is not in this VLAN");
                }
                self.fdb_add_in(core, port, request, vid)
            }
            _ => std::iter::once(0)
                .chain(group.vids())
                .try_for_each(|vid| self.fdb_add_in(core, port, request, vid)),
        };
        self.sync_filters(core);
        result
    }

    fn fdb_add_in(
        &self,
        core: &Core,
        port: Option<&Port>,
        request: &FdbRequest,
        vid: u16,
    ) -> Result<()> {
        let (mac, now) = (request.mac, core.now().as_nanos() as u64);
        let number = port.map_or(0, |p| p.number);
        if request.by_use {
            let Some(port) = port else {
                return refuse(
                    Errno::Invalid,
                    "use",
                    mac,
                    "the bridge itself learns nothing",
                );
            };
            if port.learns() && self.hold.load(Relaxed) != 0 {
                let key = Key::new(vid, mac);
                let by_user = FdbFlags::ADDED_BY_USER;
                self.fdb.learn(&self.events, key, number, by_user, now);
                self.next_age.store(0, Relaxed);
            }
            return Ok(());
        }
        let mut edit = self.fdb.edit(&self.events);
        if request.extern_learn {
            let mab = port.is_some_and(|p| p.flags().contains(PortFlags::MAB));
            if request.locked && !mab {
                let reason = "only a port with mab has locked entries";
                return refuse(Errno::Invalid, "locked", mac, reason);
            }
            if port.is_none() && request.way != FdbWay::Permanent {
                let reason = "an entry of the bridge itself is permanent";
                return refuse(Errno::Invalid, "mac", mac, reason);
            }
            return edit.extern_learn(request, vid, number, true, now);
        }
        let learns = port.is_some_and(Port::learns);
        edit.user_add(request, vid, number, learns, now)?;
        self.next_age.store(0, Relaxed);
        Ok(())
    }

    /// Notes what hardware has learned, or that it has an entry (`offload`). ENOMEM, EINVAL as [`Bridge::fdb_add`].
    pub fn fdb_learned_by_hardware(
        &self,
        core: &Core,
        dev: &Dev,
        vid: u16,
        mac: MacAddr,
    ) -> Result<()> {
        let place = self.place(dev)?;
        let number = place.as_deref().map_or(0, |p| p.number);
        let mut request = FdbRequest::replace(mac, FdbWay::Dynamic);
        request.extern_learn = true;
        let now = core.now().as_nanos() as u64;
        let mut edit = self.fdb.edit(&self.events);
        edit.extern_learn(&request, vid, number, false, now)
    }

    /// Marks an entry as one that hardware has, or has no more. ENOENT if it is not there.
    pub fn fdb_offload(&self, vid: u16, mac: MacAddr, on: bool) -> Result<()> {
        let mut edit = self.fdb.edit(&self.events);
        let Some(mut record) = edit.get(Key::new(vid, mac)) else {
            return refuse(Errno::NoEntry, "mac", mac, "there is no such entry");
        };
        record.target.flags.set(FdbFlags::OFFLOAD, on);
        // It is there, so there is room.
        let _ = edit.put_quietly(&record);
        Ok(())
    }

    /// Takes an entry away, in one VLAN or in all: ENOENT if there is none, EINVAL for a VLAN that is not there.
    pub fn fdb_del(
        &self,
        core: &mut Core,
        dev: &Dev,
        mac: MacAddr,
        vlan: Option<u16>,
    ) -> Result<()> {
        let place = self.place(dev)?;
        let port = place.as_deref();
        let number = port.map_or(0, |p| p.number);
        let group = self.group_of(port);
        let vids = match vlan {
            Some(vid) if vid != 0 => {
                if group.find(vid).is_none() {
                    return refuse(Errno::Invalid, "vlan", vid, "it is not in this VLAN");
                }
                vec![vid]
            }
            _ => std::iter::once(0).chain(group.vids()).collect(),
        };
        let mut found = false;
        {
            let mut edit = self.fdb.edit(&self.events);
            for vid in vids {
                found |= edit.user_remove(mac, vid, number);
            }
        }
        self.sync_filters(core);
        match found {
            true => Ok(()),
            false => refuse(Errno::NoEntry, "mac", mac, "there is no such entry here"),
        }
    }

    fn shown(&self, record: &Record, now: u64) -> FdbEntry {
        let ports = self.ports.load();
        let ifindex = match ports.get(record.target.port) {
            Some(port) => port.dev.ifindex(),
            None => self.device().map_or(0, |d| d.ifindex()),
        };
        FdbEntry::new(record, ifindex, now, self.hold.load(Relaxed))
    }

    /// One entry. ENOENT if it is not there.
    pub fn fdb_get(&self, core: &Core, mac: MacAddr, vlan: u16) -> Result<FdbEntry> {
        let now = core.now().as_nanos() as u64;
        let record = self.fdb.edit(&self.events).get(Key::new(vlan, mac));
        match record {
            Some(record) => Ok(self.shown(&record, now)),
            None => refuse(Errno::NoEntry, "mac", mac, "there is no such entry"),
        }
    }

    /// All entries that match, as of one moment, by VLAN and address.
    pub fn fdb_show(&self, core: &Core, filter: &FdbFilter) -> Vec<FdbEntry> {
        let now = core.now().as_nanos() as u64;
        let mut records = self.fdb.edit(&self.events).records();
        records.retain(|r| self.matches(filter, r));
        records.sort_unstable_by_key(|r| r.key);
        records.iter().map(|r| self.shown(r, now)).collect()
    }

    fn matches(&self, filter: &FdbFilter, record: &Record) -> bool {
        let ports = self.ports.load();
        let number = match filter.ifindex {
            None => Some(record.target.port),
            Some(ifindex) if self.device().is_some_and(|d| d.ifindex() == ifindex) => Some(0),
            Some(ifindex) => ports.by_ifindex(ifindex).map(|p| p.number),
        };
        number == Some(record.target.port)
            && filter.vlan.is_none_or(|v| v == record.key.vid())
            && (record.target.flags ^ filter.flags) & filter.mask == FdbFlags::empty()
    }

    /// Takes all entries that match away; without any condition: all, the bridge's own too, as in Linux.
    pub fn fdb_flush(&self, core: &mut Core, filter: &FdbFilter) {
        let gone = |r: &Record| self.matches(filter, r);
        self.fdb.edit(&self.events).flush(gone);
        self.sync_filters(core);
    }

    /// Entries in all, and addresses that found no room.
    pub fn fdb_counts(&self) -> (usize, u64) {
        (self.fdb.len(), self.fdb.refused())
    }
}

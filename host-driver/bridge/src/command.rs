//! What users ask of a bridge's tables: `bridge fdb`, `bridge vlan`, `bridge mst`, `bridge mdb`.
//!
//! `dev` is a port's device, or the bridge's own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::{MdbEntry, MdbFilter, MdbRequest, Snooping};
use smartnic_slowpath::stp::PortState;

use crate::bridge::Bridge;
use crate::fdb::{FdbEntry, FdbFilter, FdbFlags, FdbRequest, FdbWay, Key, Record};
use crate::flags::BridgeFlags;
use crate::port::{Port, PortFlags};
use crate::refuse;
use crate::snoop::mcast_refused;
use crate::vlan::{VlanEntry, VlanFlags, VlanGroup};

impl Bridge {
    /// The port of a device; none: the device is the bridge itself. EINVAL for a stranger.
    fn place(&self, dev: &Dev) -> Result<Option<Arc<Port>>> {
        if self.device().is_some_and(|d| d == *dev) {
            return Ok(None);
        }
        match self.port_of(dev) {
            Some(port) => Ok(Some(port)),
            None => refuse(
                Errno::Invalid,
                "device",
                dev.name(),
                "it is no port of this bridge",
            ),
        }
    }

    fn group_of(&self, port: Option<&Port>) -> Arc<VlanGroup> {
        port.map_or_else(|| self.vlans.load_full(), |p| p.vlans.load_full())
    }

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

    /// Adds VLANs from one id to another to a port, or lets the bridge itself into them. EINVAL for ids that are none, and for a PVID that is more than one.
    pub fn vlan_add(
        &self,
        core: &mut Core,
        dev: &Dev,
        from: u16,
        to: u16,
        flags: VlanFlags,
    ) -> Result<()> {
        if from > to || (from != to && flags.contains(VlanFlags::PVID)) {
            let reason = "a range begins with its least id, and has no PVID";
            return refuse(Errno::Invalid, "vid", format!("{from}-{to}"), reason);
        }
        let place = self.place(dev)?;
        (from..=to).try_for_each(|vid| match &place {
            Some(port) => self.add_port_vlan(core, port, vid, flags),
            None => self.add_bridge_vlan(core, vid, flags),
        })
    }

    /// Takes VLANs from a port, or the bridge itself out of them. ENOENT if it is in none of them.
    pub fn vlan_del(&self, core: &mut Core, dev: &Dev, from: u16, to: u16) -> Result<()> {
        let place = self.place(dev)?;
        let mut result = refuse(Errno::NoEntry, "vid", from, "it is not in this VLAN");
        for vid in from..=to {
            let one = match &place {
                Some(port) => self.del_port_vlan(core, port, vid),
                None => self.del_bridge_vlan(core, vid),
            };
            result = result.or(one);
        }
        result
    }

    /// The VLANs of a port, or of the bridge itself.
    pub fn vlan_show(&self, dev: &Dev) -> Result<Vec<VlanEntry>> {
        let place = self.place(dev)?;
        Ok(self.show_vlans(&self.group_of(place.as_deref())))
    }

    /// Sets the state of a VLAN on a port, or of the bridge itself: EBUSY with MST or a tree that this driver runs, ENOENT.
    pub fn vlan_set_state(&self, core: &Core, dev: &Dev, vid: u16, state: PortState) -> Result<()> {
        let place = self.place(dev)?;
        self.set_one_vlan_state(core, place.as_deref(), vid, state)
    }

    /// Suppresses ARP and ND in a VLAN on a port (with `neigh_vlan_suppress` on). ENOENT if it is not in the VLAN.
    pub fn vlan_set_neigh_suppress(&self, dev: &Dev, vid: u16, on: bool) -> Result<()> {
        let place = self.place(dev)?;
        match self.group_of(place.as_deref()).usable(vid) {
            Some(vlan) => {
                vlan.neigh_suppress.store(on, Relaxed);
                Ok(())
            }
            None => refuse(Errno::NoEntry, "vid", vid, "it is not in this VLAN"),
        }
    }

    /// Puts a VLAN into an MST instance: ENOENT for a VLAN that is not there, EINVAL for an instance that cannot be and without MST.
    pub fn vlan_set_msti(&self, core: &Core, vid: u16, msti: u16) -> Result<()> {
        self.set_msti(core, vid, msti)
    }

    /// Sets the state of an MST instance on a port: EOPNOTSUPP without MST, EINVAL for an instance that cannot be.
    pub fn mst_set(&self, core: &Core, dev: &Dev, msti: u16, state: PortState) -> Result<()> {
        match self.place(dev)? {
            Some(port) => self.set_mst_state(core, &port, msti, state),
            None => refuse(
                Errno::Invalid,
                "device",
                dev.name(),
                "it is the bridge, not a port",
            ),
        }
    }

    /// Makes an entry of the multicast database; its port is a number of the bridge's ([`Bridge::port_number`]).
    pub fn mdb_add(&self, core: &Core, request: &MdbRequest) -> Result<()> {
        self.mdb_change(core.now(), request, Snooping::mdb_add)
    }
    /// Takes one away.
    pub fn mdb_del(&self, core: &Core, request: &MdbRequest) -> Result<()> {
        self.mdb_change(core.now(), request, Snooping::mdb_del)
    }

    fn mdb_change(
        &self,
        now: Duration,
        request: &MdbRequest,
        change: impl FnOnce(
            &mut Snooping,
            Duration,
            &MdbRequest,
        ) -> Result<(), smartnic_slowpath::mcast::Refused>,
    ) -> Result<()> {
        let (result, outputs) = {
            let mut mcast = self.mcast();
            let result = change(&mut mcast, now, request);
            (result, mcast.take_outputs())
        };
        self.carry_out_mcast(outputs);
        result.map_err(|e| mcast_refused(e, "grp", request.key.group))
    }

    /// Takes those away that match.
    pub fn mdb_flush(&self, core: &Core, filter: &MdbFilter) {
        let outputs = {
            let mut mcast = self.mcast();
            mcast.mdb_flush(core.now(), filter);
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
    }

    /// The multicast database.
    pub fn mdb_show(&self) -> Vec<MdbEntry> {
        self.mcast().mdb()
    }

    /// A port's number: what the multicast database and events name it by. EINVAL for a stranger; 0 is the bridge itself.
    pub fn port_number(&self, dev: &Dev) -> Result<u16> {
        Ok(self.place(dev)?.map_or(0, |p| p.number))
    }

    /// Frames are filtered by VLAN.
    pub fn is_vlan_filtering(&self) -> bool {
        self.flags().contains(BridgeFlags::VLAN_FILTERING)
    }
}

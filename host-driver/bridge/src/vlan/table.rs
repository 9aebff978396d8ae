//! Adding and deleting VLANs, of ports and of the bridge itself: `bridge vlan add`, `del`, `show`, and `vlan_default_pvid`.
//!
//! The bridge has every VLAN that any of its ports has ("global"); the bridge itself is in those that were added to it (`self`). A port's VLAN is let into its
//! device's filter, if that has one, and gives the port's address a local entry.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bitflags::bitflags;
use serde::Serialize;
use smartnic_netdev::device::Features;
use smartnic_netdev::packet::eth;
use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::stp::PortState;

use super::group::{VID_MAX, Vlan, VlanCounters, VlanGroup, VlanStats};
use crate::bridge::Bridge;
use crate::fdb::Key;
use crate::flags::BridgeFlags;
use crate::port::Port;
use crate::refuse;

bitflags! {
    /// How a VLAN is on a port.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct VlanFlags: u8 {
        /// Untagged frames that come in belong to it.
        const PVID = 1;
        /// Its frames go out untagged.
        const UNTAGGED = 2;
    }
}

/// A VLAN of a port, or of the bridge, as shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct VlanEntry {
    /// Id.
    pub vlan: u16,
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Its frames go out untagged.
    pub untagged: bool,
    /// State.
    pub state: PortState,
    /// MST instance.
    pub msti: u16,
    /// ARP and ND are suppressed in it (`neigh_vlan_suppress`).
    pub neigh_suppress: bool,
    /// Counters, while `vlan_stats_enabled`.
    pub counters: VlanCounters,
}

fn check(vid: u16) -> Result<()> {
    match vid {
        1..=VID_MAX => Ok(()),
        _ => refuse(Errno::Invalid, "vid", vid, "VLAN ids are 1 to 4094"),
    }
}

/// The device's own filter has to know of the port's VLANs.
fn filters(dev: &Dev, protocol: u16) -> bool {
    let feature = match protocol {
        eth::P_8021AD => Features::VLAN_STAG_FILTER,
        _ => Features::VLAN_CTAG_FILTER,
    };
    dev.features().contains(feature)
}

impl Bridge {
    fn change_bridge_vlans<R>(&self, change: impl FnOnce(&mut VlanGroup) -> R) -> R {
        let mut group = VlanGroup::clone(&self.vlans.load());
        let result = change(&mut group);
        self.vlans.store(Arc::new(group));
        result
    }

    /// The bridge's VLAN, made if it is not there.
    fn global_vlan(&self, vid: u16) -> Arc<Vlan> {
        if let Some(vlan) = self.vlans.load().find(vid) {
            return vlan.clone();
        }
        let vlan = Arc::new(Vlan::new(
            vid,
            false,
            false,
            PortState::Forwarding,
            Arc::new(VlanStats::default()),
        ));
        self.change_bridge_vlans(|g| g.insert(vlan.clone()));
        vlan
    }

    /// A VLAN that nobody is in any more goes.
    fn drop_global_vlan(&self, now: std::time::Duration, vid: u16) {
        let in_use = |p: &Arc<Port>| p.vlans.load().find(vid).is_some();
        let used = self.vlans.load().usable(vid).is_some();
        if !used && !self.ports.load().list.iter().any(in_use) {
            self.change_bridge_vlans(|g| g.remove(vid));
            self.mcast().remove_vlan(now, vid);
        }
    }

    /// Adds a VLAN to a port, or changes how it is on it. EINVAL for an id that is none; what the device's filter refuses.
    pub(crate) fn add_port_vlan(
        &self,
        core: &mut Core,
        port: &Port,
        vid: u16,
        flags: VlanFlags,
    ) -> Result<()> {
        check(vid)?;
        let now = core.now();
        let mut group = VlanGroup::clone(&port.vlans.load());
        let there = group.find(vid).cloned();
        let global = self.global_vlan(vid);
        let vlan = match there.clone() {
            Some(vlan) => vlan,
            None => {
                let protocol = self.vlan_protocol();
                if filters(&port.dev, protocol)
                    && let Err(error) = port.dev.ops().vlan_add(core, &port.dev, protocol, vid)
                {
                    self.drop_global_vlan(now, vid);
                    return Err(error);
                }
                let per_port = self.flags().contains(BridgeFlags::VLAN_STATS_PER_PORT);
                let stats = match per_port {
                    true => Arc::default(),
                    false => global.stats.clone(),
                };
                // A new VLAN is in MST instance 0, whose state is the port's.
                let state = match self.flags().contains(BridgeFlags::MST) {
                    true => port.state(),
                    false => PortState::Forwarding,
                };
                Arc::new(Vlan::new(vid, false, true, state, stats))
            }
        };
        set_flags(&mut group, &vlan, flags);
        group.insert(vlan);
        port.vlans.store(Arc::new(group));
        if there.is_none() {
            let nanos = now.as_nanos() as u64;
            let key = Key::new(vid, port.dev.address());
            self.fdb
                .edit(&self.events)
                .add_local(key, port.number, nanos);
            let mut mcast = self.mcast();
            mcast.add_vlan(now, vid, global.usable.load(Relaxed));
            mcast.add_port_vlan(now, port.number.into(), vid);
        }
        self.sync_filters(core);
        Ok(())
    }

    /// Takes a VLAN from a port, and what was learned there. ENOENT if the port is not in it.
    pub(crate) fn del_port_vlan(&self, core: &mut Core, port: &Port, vid: u16) -> Result<()> {
        let now = core.now();
        let mut group = VlanGroup::clone(&port.vlans.load());
        if group.find(vid).is_none() {
            return refuse(Errno::NoEntry, "vid", vid, "the port is not in this VLAN");
        }
        group.remove(vid);
        port.vlans.store(Arc::new(group));
        {
            let mut edit = self.fdb.edit(&self.events);
            edit.remove_port_address(self, port.number, Key::new(vid, port.dev.address()));
            edit.flush_port(port.number, vid);
        }
        self.mcast().remove_port_vlan(now, port.number.into(), vid);
        let protocol = self.vlan_protocol();
        if filters(&port.dev, protocol) {
            port.dev.ops().vlan_remove(core, &port.dev, protocol, vid);
        }
        self.drop_global_vlan(now, vid);
        self.sync_filters(core);
        Ok(())
    }

    /// Lets the bridge itself into a VLAN, or changes how it is in it.
    pub(crate) fn add_bridge_vlan(
        &self,
        core: &mut Core,
        vid: u16,
        flags: VlanFlags,
    ) -> Result<()> {
        check(vid)?;
        let now = core.now();
        let vlan = self.global_vlan(vid);
        let new = !vlan.usable.swap(true, Relaxed);
        self.change_bridge_vlans(|g| set_flags(g, &vlan, flags));
        if new {
            let nanos = now.as_nanos() as u64;
            let key = Key::new(vid, self.address());
            self.fdb.edit(&self.events).add_local(key, 0, nanos);
            self.mcast().add_vlan(now, vid, true);
        }
        self.sync_filters(core);
        Ok(())
    }

    /// Takes the bridge itself out of a VLAN; its ports stay in it. ENOENT if it is not in it.
    pub(crate) fn del_bridge_vlan(&self, core: &mut Core, vid: u16) -> Result<()> {
        let now = core.now();
        let Some(vlan) = self.vlans.load().usable(vid).cloned() else {
            return refuse(Errno::NoEntry, "vid", vid, "the bridge is not in this VLAN");
        };
        vlan.usable.store(false, Relaxed);
        vlan.untagged.store(false, Relaxed);
        self.change_bridge_vlans(|g| {
            if g.pvid == vid {
                g.pvid = 0;
            }
        });
        let key = Key::new(vid, self.address());
        self.fdb.edit(&self.events).remove_bridge_address(self, key);
        self.mcast().add_vlan(now, vid, false);
        self.drop_global_vlan(now, vid);
        self.sync_filters(core);
        Ok(())
    }

    /// Another VLAN for new ports (0: none); ports and bridge that have the old one as PVID change to it. EINVAL for an id that is none, EPERM while VLANs are
    /// filtered.
    pub(crate) fn set_default_pvid(&self, core: &mut Core, pvid: u16) -> Result<()> {
        if pvid > VID_MAX {
            return refuse(
                Errno::Invalid,
                "vlan_default_pvid",
                pvid,
                "VLAN ids are 1 to 4094; 0 is none",
            );
        }
        let old = self.config().default_pvid;
        if pvid == old {
            return Ok(());
        }
        if self.flags().contains(BridgeFlags::VLAN_FILTERING) {
            let reason = "it can only change while vlan_filtering is off";
            return refuse(Errno::Perm, "vlan_default_pvid", pvid, reason);
        }
        let both = VlanFlags::PVID | VlanFlags::UNTAGGED;
        // What a user has set up in another way stays.
        let follows = |group: &VlanGroup| {
            let old_vlan = group.usable(old);
            (old == 0 && group.pvid == 0
                || old_vlan.is_some_and(|v| group.pvid == old && v.untagged.load(Relaxed)))
                && group.usable(pvid).is_none()
        };
        let bridge_follows = follows(&self.vlans.load());
        if bridge_follows {
            if pvid != 0 {
                self.add_bridge_vlan(core, pvid, both)?;
            }
            if old != 0 {
                self.del_bridge_vlan(core, old)?;
            }
        }
        let ports = self.ports.load_full();
        for port in ports.list.iter().filter(|p| follows(&p.vlans.load())) {
            if pvid != 0 {
                self.add_port_vlan(core, port, pvid, both)?;
            }
            if old != 0 {
                self.del_port_vlan(core, port, old)?;
            }
        }
        self.config().default_pvid = pvid;
        Ok(())
    }

    /// Another protocol of the tags: the devices' filters let in the VLANs under it. A refusal leaves the old one.
    pub(crate) fn move_filters(&self, core: &mut Core, protocol: u16) -> Result<()> {
        let old = self.vlan_protocol();
        if protocol == old {
            return Ok(());
        }
        let ports = self.ports.load_full();
        let mut done: Vec<(&Dev, u16)> = Vec::new();
        for port in ports.list.iter().filter(|p| filters(&p.dev, protocol)) {
            for vid in port.vlans.load().vids() {
                if let Err(error) = port.dev.ops().vlan_add(core, &port.dev, protocol, vid) {
                    for (dev, vid) in done.into_iter().rev() {
                        dev.ops().vlan_remove(core, dev, protocol, vid);
                    }
                    return Err(error);
                }
                done.push((&port.dev, vid));
            }
        }
        self.store_vlan_protocol(protocol);
        for port in ports.list.iter().filter(|p| filters(&p.dev, old)) {
            for vid in port.vlans.load().vids() {
                port.dev.ops().vlan_remove(core, &port.dev, old, vid);
            }
        }
        Ok(())
    }

    /// The VLANs of a group, by id; of the bridge: those that it is in itself.
    pub(crate) fn show_vlans(&self, group: &VlanGroup) -> Vec<VlanEntry> {
        let all = self.vlans.load();
        let shown = group.iter().filter(|v| v.usable.load(Relaxed));
        let entry = |v: &Arc<Vlan>| VlanEntry {
            vlan: v.vid,
            pvid: group.pvid == v.vid,
            untagged: v.untagged.load(Relaxed),
            state: v.state(),
            msti: all.find(v.vid).map_or(0, |g| g.msti.load(Relaxed)),
            neigh_suppress: v.neigh_suppress.load(Relaxed),
            counters: v.stats.read(),
        };
        shown.map(entry).collect()
    }
}

fn set_flags(group: &mut VlanGroup, vlan: &Vlan, flags: VlanFlags) {
    if flags.contains(VlanFlags::PVID) {
        group.pvid = vlan.vid;
    } else if group.pvid == vlan.vid {
        group.pvid = 0;
    }
    vlan.untagged
        .store(flags.contains(VlanFlags::UNTAGGED), Relaxed);
}

//! `bridge vlan` and `bridge mst`.

use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::mcast::{Knob, PortKnob};
use smartnic_slowpath::stp::PortState;

use crate::bridge::Bridge;
use crate::flags::BridgeFlags;
use crate::refuse;
use crate::snoop::mcast_refused;
use crate::vlan::{VlanEntry, VlanFlags};

impl Bridge {
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

    /// Sets an option of multicast snooping of a VLAN (`bridge vlan global set`). EINVAL for one that there is not or that is the whole bridge's, ENOENT for a VLAN that is not there.
    pub fn vlan_global_set(&self, core: &Core, vid: u16, option: &str, value: u64) -> Result<()> {
        let Some(knob) = Knob::from_name(option) else {
            return refuse(
                Errno::Invalid,
                "option",
                option,
                "a VLAN has no such option",
            );
        };
        let outputs = {
            let mut mcast = self.mcast();
            let set = mcast.set_knob(core.now(), vid, knob, value);
            set.map_err(|e| mcast_refused(e, knob.name(), value))?;
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
        Ok(())
    }

    /// Sets an option of multicast snooping of a VLAN on a port (`bridge vlan set`). EINVAL for one that there is not or that is the whole port's, ENOENT for a VLAN that it is not in.
    pub fn vlan_port_set(
        &self,
        core: &Core,
        dev: &Dev,
        vid: u16,
        option: &str,
        value: u64,
    ) -> Result<()> {
        let place = self.place(dev)?;
        let (Some(port), Some(knob)) = (place, PortKnob::from_name(option)) else {
            return refuse(
                Errno::Invalid,
                "option",
                option,
                "a VLAN on a port has no such option",
            );
        };
        let outputs = {
            let mut mcast = self.mcast();
            let set = mcast.set_port_knob(core.now(), port.number.into(), vid, knob, value);
            set.map_err(|e| mcast_refused(e, knob.name(), value))?;
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
        Ok(())
    }

    /// An option of multicast snooping of a VLAN on a port; none: it is not in it, or has it not.
    pub fn vlan_port_knob(&self, dev: &Dev, vid: u16, knob: PortKnob) -> Option<u64> {
        let port = self.place(dev).ok()??;
        self.mcast().port_knob(port.number.into(), vid, knob).ok()
    }

    /// An option of multicast snooping of a VLAN.
    pub fn vlan_knob(&self, vid: u16, knob: Knob) -> Option<u64> {
        self.mcast().knob(vid, knob).ok()
    }

    /// The VLANs of bridge and ports together, each with its MST instance (`bridge vlan global show`).
    pub fn vlan_global_show(&self) -> Vec<(u16, u16)> {
        let all = self.vlans.load();
        all.iter().map(|v| (v.vid, v.msti.load(Relaxed))).collect()
    }

    /// States are by MST instance.
    pub fn is_mst(&self) -> bool {
        self.flags().contains(BridgeFlags::MST)
    }

    /// Frames are filtered by VLAN.
    pub fn is_vlan_filtering(&self) -> bool {
        self.flags().contains(BridgeFlags::VLAN_FILTERING)
    }
}

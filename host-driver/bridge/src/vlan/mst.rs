//! States by VLAN, set one by one (`bridge vlan set`) or for all VLANs of an MST instance (`mst_enabled`, `bridge mst set`).
//!
//! With MST on, a port's own state is that of instance 0 and says nothing of the others: each VLAN's state is the one of its instance.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::{Core, Errno, Result};
use smartnic_slowpath::stp::PortState;

use super::group::{Vlan, VlanGroup};
use crate::bridge::Bridge;
use crate::flags::{BridgeFlags, Stp};
use crate::port::Port;
use crate::refuse;

/// Instances are 1 to this; 0 is the common tree.
pub(crate) const MSTI_MAX: u16 = 4094;

impl Bridge {
    /// Turns MST on or off. EBUSY while ports have VLANs.
    pub(crate) fn set_mst(&self, on: bool) -> Result<()> {
        if on == self.flags().contains(BridgeFlags::MST) {
            return Ok(());
        }
        let ports = self.ports.load();
        if ports.list.iter().any(|p| !p.vlans.load().is_empty()) {
            let reason = "MST mode cannot change while ports have VLANs: delete them first";
            return refuse(Errno::Busy, "mst_enabled", u8::from(on), reason);
        }
        self.set_flag(BridgeFlags::MST, on);
        Ok(())
    }

    /// Puts a VLAN into an instance; its state on each port becomes that of another VLAN of the instance there, or disabled. ENOENT for a VLAN that is not
    /// there, EINVAL for an instance that cannot be, and without MST.
    pub(crate) fn set_msti(&self, core: &Core, vid: u16, msti: u16) -> Result<()> {
        if msti > MSTI_MAX {
            return refuse(Errno::Invalid, "msti", msti, "MST instances are 0 to 4094");
        }
        if !self.flags().contains(BridgeFlags::MST) {
            return refuse(
                Errno::Invalid,
                "msti",
                msti,
                "MST is off: set mst_enabled 1 first",
            );
        }
        let all = self.vlans.load_full();
        let Some(global) = all.find(vid) else {
            return refuse(Errno::NoEntry, "vid", vid, "the bridge has no such VLAN");
        };
        if global.msti.swap(msti, Relaxed) == msti {
            return Ok(());
        }
        for port in &self.ports.load().list {
            let group = port.vlans.load();
            let Some(vlan) = group.find(vid) else {
                continue;
            };
            let other = |v: &&Arc<Vlan>| v.vid != vid && self.instance(v.vid) == msti;
            let state = match group.iter().find(other) {
                Some(same) => same.state(),
                None => PortState::Disabled,
            };
            self.set_vlan_state(core, port, vlan, state);
        }
        Ok(())
    }

    fn instance(&self, vid: u16) -> u16 {
        let all = self.vlans.load();
        all.find(vid).map_or(0, |v| v.msti.load(Relaxed))
    }

    fn set_vlan_state(&self, core: &Core, port: &Port, vlan: &Vlan, state: PortState) {
        vlan.set_state(state);
        self.mcast()
            .set_port_vlan_state(core.now(), port.number.into(), vlan.vid, state);
    }

    /// Sets the state of all VLANs of an instance on a port. EOPNOTSUPP without MST, EINVAL for an instance that cannot be (0 is the port's own state).
    pub(crate) fn set_mst_state(
        &self,
        core: &Core,
        port: &Port,
        msti: u16,
        state: PortState,
    ) -> Result<()> {
        if !self.flags().contains(BridgeFlags::MST) {
            return refuse(
                Errno::NotSupported,
                "msti",
                msti,
                "MST is off: set mst_enabled 1 first",
            );
        }
        if msti == 0 || msti > MSTI_MAX {
            return refuse(
                Errno::Invalid,
                "msti",
                msti,
                "instances are 1 to 4094; 0 is the port's own state",
            );
        }
        self.spread_state(core.now(), port, msti, state);
        Ok(())
    }

    /// The VLANs of an instance on a port take a state.
    pub(crate) fn spread_state(
        &self,
        now: std::time::Duration,
        port: &Port,
        msti: u16,
        state: PortState,
    ) {
        let group: Arc<VlanGroup> = port.vlans.load_full();
        for vlan in group.iter().filter(|v| self.instance(v.vid) == msti) {
            vlan.set_state(state);
            let mut mcast = self.mcast();
            mcast.set_port_vlan_state(now, port.number.into(), vlan.vid, state);
        }
    }

    /// Sets the state of one VLAN of a port (or, without one, of the bridge itself). EBUSY with MST, and while this driver runs the tree; ENOENT for a VLAN that is not there.
    pub(crate) fn set_one_vlan_state(
        &self,
        core: &Core,
        port: Option<&Port>,
        vid: u16,
        state: PortState,
    ) -> Result<()> {
        let group = port.map_or_else(|| self.vlans.load_full(), |p| p.vlans.load_full());
        let Some(vlan) = group.usable(vid) else {
            return refuse(Errno::NoEntry, "vid", vid, "it is not in this VLAN");
        };
        if self.stp() == Stp::On {
            return refuse(Errno::Busy, "state", vid, "the spanning tree sets it");
        }
        if self.flags().contains(BridgeFlags::MST) {
            return refuse(
                Errno::Busy,
                "state",
                vid,
                "with MST the instance's state counts",
            );
        }
        match port {
            Some(port) => self.set_vlan_state(core, port, vlan, state),
            None => vlan.set_state(state),
        }
        Ok(())
    }
}

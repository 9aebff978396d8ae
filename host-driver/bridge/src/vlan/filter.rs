//! Which frames get in and out by VLAN (802.1Q-2018, 8.6.2 and 8.6.4, as Linux's bridge has it).

use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use smartnic_netdev::Packet;
use smartnic_netdev::packet::{VlanTag, eth};
use smartnic_slowpath::stp::PortState;

use super::VlanGroup;
use crate::bridge::Bridge;
use crate::flags::BridgeFlags;

/// How a frame is seen by the filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Admitted {
    /// VLAN; 0 without filtering.
    pub(crate) vid: u16,
    /// The VLANs are filtered, and the frame has a tag beside it.
    pub(crate) filtered: bool,
    /// State in which it is forwarded: the VLAN's, if that is less than the port's.
    pub(crate) state: PortState,
}

/// Why a frame is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Vlan,
    State,
}

fn allowed(state: PortState, learning: bool) -> bool {
    state == PortState::Forwarding || (learning && state == PortState::Learning)
}

/// Writes a tag of another protocol into the frame, whose header is pulled.
fn tag_inside(packet: &mut Packet) -> Result<(), smartnic_netdev::packet::PacketError> {
    packet.unpull(packet.mac_len())?;
    eth::insert_vlan(packet)?;
    packet.pull(eth::HLEN)?;
    packet.set_network_header();
    Ok(())
}

impl Bridge {
    /// Whether a frame gets in by a port (or from the bridge itself) with these VLANs, which is in `state`; it then has its VLAN's tag.
    pub(crate) fn admit(
        &self,
        group: &ArcSwap<VlanGroup>,
        packet: &mut Packet,
        mut state: PortState,
    ) -> Result<Admitted, Refused> {
        let flags = self.flags();
        if !flags.contains(BridgeFlags::VLAN_FILTERING) {
            let (vid, filtered) = (0, false);
            return Ok(Admitted {
                vid,
                filtered,
                state,
            });
        }
        let (group, protocol) = (group.load(), self.vlan_protocol());
        if packet.protocol == protocol {
            // A VLAN device on the bridge wrote it into the frame.
            eth::untag(packet).map_err(|_| Refused::Vlan)?;
        }
        let mut tag = packet.vlan_tag();
        if tag.is_some_and(|t| t.protocol != protocol) {
            tag_inside(packet).map_err(|_| Refused::Vlan)?;
            tag = None;
        }
        let vid = match tag.map_or(0, VlanTag::vid) {
            0 => group.pvid,
            vid => vid,
        };
        let vlan = group
            .usable(vid)
            .filter(|_| vid != 0)
            .ok_or(Refused::Vlan)?;
        let tci = tag.map_or(0, |t| t.tci) & !0xfff | vid;
        packet.set_vlan_tag(Some(VlanTag { protocol, tci }));
        if state == PortState::Forwarding {
            state = vlan.state();
            if !allowed(state, true) {
                return Err(Refused::State);
            }
        }
        if flags.contains(BridgeFlags::VLAN_STATS) {
            vlan.stats.rx(packet.len());
        }
        Ok(Admitted {
            vid,
            filtered: true,
            state,
        })
    }

    /// Whether a frame that was let in may go out here.
    pub(crate) fn may_leave(&self, group: &ArcSwap<VlanGroup>, admitted: &Admitted) -> bool {
        let open = || {
            let group = group.load();
            let vlan = group.usable(admitted.vid);
            vlan.is_some_and(|v| allowed(v.state(), false))
        };
        !admitted.filtered || open()
    }

    /// Counts a frame that goes out here and takes its tag off where the VLAN is untagged. False: the VLAN is not there (any more).
    pub(crate) fn leave(
        &self,
        group: &ArcSwap<VlanGroup>,
        admitted: &Admitted,
        packet: &mut Packet,
    ) -> bool {
        if !admitted.filtered {
            return true;
        }
        let group = group.load();
        let Some(vlan) = group.usable(admitted.vid) else {
            return false;
        };
        if self.flags().contains(BridgeFlags::VLAN_STATS) {
            vlan.stats.tx(packet.len());
        }
        if vlan.untagged.load(Relaxed) {
            packet.set_vlan_tag(None);
        }
        true
    }

    /// The VLAN in which an address is learned from a frame for the port's own protocols; none: it is not.
    pub(crate) fn learning_vid(&self, group: &ArcSwap<VlanGroup>, packet: &Packet) -> Option<u16> {
        if !self.flags().contains(BridgeFlags::VLAN_FILTERING) {
            return Some(0);
        }
        let (group, protocol) = (group.load(), self.vlan_protocol());
        let tag = packet.vlan_tag().filter(|t| t.protocol == protocol);
        let vid = match tag.map_or(0, VlanTag::vid) {
            0 => group.pvid,
            vid => vid,
        };
        let vlan = group.find(vid).filter(|_| vid != 0)?;
        allowed(vlan.state(), true).then_some(vid)
    }
}

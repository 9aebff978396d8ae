//! Flags of VLAN devices, and what is wrong with a wish for one.

use bitflags::bitflags;

use super::{VID_MAX, VlanConfig, refuse};
use crate::device::{Dev, Features};
use crate::error::{Errno, Result};
use crate::packet::{VlanTag, eth};

bitflags! {
    /// `VLAN_FLAG_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct VlanFlags: u32 {
        /// Frames are seen without their tag in the header.
        const REORDER_HDR = 1;
        /// Refused: nothing here runs GVRP.
        const GVRP = 2;
        /// Stays up when the device below goes down.
        const LOOSE_BINDING = 4;
        /// Refused: nothing here runs MVRP.
        const MVRP = 8;
        /// Refused: the carrier follows the device below only.
        const BRIDGE_BINDING = 16;
    }
}

impl VlanFlags {
    const DONE: VlanFlags = VlanFlags::REORDER_HDR.union(VlanFlags::LOOSE_BINDING);
}

/// What is wrong with a wish.
pub(super) fn check(real: &Dev, config: &VlanConfig) -> Result<()> {
    let protocol = format!("{:#06x}", config.protocol);
    if !eth::is_vlan(config.protocol) {
        return refuse(
            Errno::ProtocolNotSupported,
            "protocol",
            protocol,
            "a VLAN's protocol is 802.1Q or 802.1ad",
        );
    }
    if config.vid > VID_MAX {
        return refuse(Errno::Range, "id", config.vid, "a VLAN's id is 0 to 4094");
    }
    check_flags(config.flags)?;
    if real.features().contains(Features::VLAN_CHALLENGED) {
        return refuse(
            Errno::NotSupported,
            "link",
            real.name(),
            "the device cannot carry tagged frames",
        );
    }
    let tag = VlanTag {
        protocol: config.protocol,
        tci: config.vid,
    };
    if real.vlans.load().find(tag).is_some() {
        return refuse(
            Errno::Exists,
            "id",
            config.vid,
            "the device has this VLAN already",
        );
    }
    if config.mtu.is_some_and(|mtu| mtu > real.mtu()) {
        let mtu = config.mtu.unwrap_or_default();
        return refuse(
            Errno::Invalid,
            "mtu",
            mtu,
            "it is more than the device below takes",
        );
    }
    Ok(())
}

pub(super) fn check_flags(flags: VlanFlags) -> Result<()> {
    let other = flags - VlanFlags::DONE;
    if other.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = other.iter_names().map(|(n, _)| n.to_lowercase()).collect();
    refuse(
        Errno::NotSupported,
        "flags",
        words.join(","),
        "nothing here does that; leave it off",
    )
}

//! The bridge's options that the data path reads, and who runs its spanning tree.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// The options of a bridge that are on or off.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct BridgeFlags: u32 {
        /// `vlan_filtering`.
        const VLAN_FILTERING = 1;
        /// `vlan_stats_enabled`.
        const VLAN_STATS = 1 << 1;
        /// `vlan_stats_per_port`.
        const VLAN_STATS_PER_PORT = 1 << 2;
        /// `no_linklocal_learn`: nothing is learned from frames to reserved addresses.
        const NO_LINKLOCAL_LEARN = 1 << 3;
        /// Some port suppresses ARP and ND.
        const NEIGH_SUPPRESS = 1 << 4;
        /// `mst_enabled`.
        const MST = 1 << 5;
        /// `mcast_snooping`.
        const MCAST_SNOOPING = 1 << 6;
    }
}

/// Who runs a bridge's spanning tree, by Linux's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stp {
    /// Nobody: all ports forward, and BPDUs too.
    #[default]
    Off = 0,
    /// This driver (Linux: the kernel).
    On = 1,
    /// A program of the user's, by the ports' `state`.
    User = 2,
}

impl Stp {
    /// By its number.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Off),
            1 => Some(Self::On),
            2 => Some(Self::User),
            _ => None,
        }
    }
}

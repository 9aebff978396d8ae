//! A port: what the data path reads of it, in atomics and in pointers that are replaced whole.
//!
//! | file | what |
//! |---|---|
//! | `counters.rs` | what a port counts, frame by frame |
//! | `add.rs` | taking a device in, each step undone if a later one fails; letting it go |
//! | `options.rs` | the options of `bridge link set`, by their words |
//! | `promisc.rs` | which ports take every frame, and what the others' filters let in |
//! | `state.rs` | up and down, states, the bridge's carrier |

pub(crate) mod add;
mod counters;
mod options;
mod promisc;
mod state;

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::*};

use arc_swap::{ArcSwap, ArcSwapOption};
use bitflags::bitflags;
use smartnic_netdev::Dev;
use smartnic_netdev::device::Features;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;

pub use counters::PortCounters;
pub(crate) use counters::{Cells, Count};
pub use options::{PORT_OPTIONS, port_state_of};

use crate::vlan::VlanGroup;

bitflags! {
    /// The options of a port that are on or off and that the data path reads.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PortFlags: u32 {
        /// Addresses are learned from its frames.
        const LEARNING = 1;
        /// Frames to unknown stations go out.
        const FLOOD = 1 << 1;
        /// Frames to groups that nobody is known to want go out.
        const MCAST_FLOOD = 1 << 2;
        /// Broadcasts go out.
        const BCAST_FLOOD = 1 << 3;
        /// Frames go back to where they came from.
        const HAIRPIN = 1 << 4;
        /// Nothing goes from here to another isolated port.
        const ISOLATED = 1 << 5;
        /// Only stations that are in the database get in (802.1X).
        const LOCKED = 1 << 6;
        /// Others are noted there as locked, for somebody to authorise.
        const MAB = 1 << 7;
        /// ARP requests that come from here are answered, nothing is flooded to here.
        const PROXY_ARP = 1 << 8;
        /// ARP requests for stations behind this port are answered, and are not flooded to here.
        const PROXY_ARP_WIFI = 1 << 9;
        /// ARP and ND for known stations behind this port are answered, and are not flooded to here.
        const NEIGH_SUPPRESS = 1 << 10;
        /// The same by VLAN.
        const NEIGH_VLAN_SUPPRESS = 1 << 11;
        /// What hardware learns is learned.
        const LEARNING_SYNC = 1 << 12;
        /// Takes every frame; the bridge's own doing.
        const PROMISC = 1 << 13;
    }
}

impl PortFlags {
    /// Of a new port.
    pub const DEFAULT: Self = Self::LEARNING
        .union(Self::FLOOD)
        .union(Self::MCAST_FLOOD)
        .union(Self::BCAST_FLOOD);
    /// A port with any of them takes what nobody has configured.
    pub const AUTO: Self = Self::LEARNING.union(Self::FLOOD);
}

pub(crate) fn load_state(cell: &AtomicU8) -> PortState {
    PortState::from_number(cell.load(Relaxed).into()).unwrap_or_default()
}

pub(crate) fn store_state(cell: &AtomicU8, state: PortState) {
    cell.store(state as u8, Relaxed);
}

/// A port of a bridge.
pub(crate) struct Port {
    /// 1 to 1023.
    pub(crate) number: u16,
    pub(crate) dev: Dev,
    state: AtomicU8,
    flags: AtomicU32,
    pub(crate) group_fwd_mask: AtomicU16,
    /// Number of the port that takes this one's frames while it has no carrier.
    pub(crate) backup: AtomicU16,
    pub(crate) vlans: ArcSwap<VlanGroup>,
    pub(crate) cells: Cells,
    /// Addresses that were put on the device's list while it is not promiscuous.
    pub(crate) synced: ArcSwapOption<Vec<MacAddr>>,
}

impl Port {
    pub(crate) fn new(number: u16, dev: Dev) -> Self {
        Self {
            number,
            dev,
            state: AtomicU8::new(PortState::Disabled as u8),
            flags: AtomicU32::new(PortFlags::DEFAULT.bits()),
            group_fwd_mask: AtomicU16::new(0),
            backup: AtomicU16::new(0),
            vlans: ArcSwap::default(),
            cells: Cells::default(),
            synced: ArcSwapOption::empty(),
        }
    }
    pub(crate) fn state(&self) -> PortState {
        load_state(&self.state)
    }
    pub(crate) fn store_state(&self, state: PortState) {
        store_state(&self.state, state);
    }
    pub(crate) fn flags(&self) -> PortFlags {
        PortFlags::from_bits_truncate(self.flags.load(Relaxed))
    }
    pub(crate) fn store_flags(&self, flags: PortFlags) {
        self.flags.store(flags.bits(), Relaxed);
    }
    pub(crate) fn learns(&self) -> bool {
        matches!(self.state(), PortState::Learning | PortState::Forwarding)
    }
    /// Up and with a carrier: frames can go out.
    pub(crate) fn is_operational(&self) -> bool {
        self.dev.is_running() && self.dev.carrier_ok()
    }
    /// The card forwards between such ports by itself.
    pub(crate) fn in_hardware(&self) -> bool {
        self.dev.features().contains(Features::L2FW_OFFLOAD)
    }
    /// ARP and ND are answered for stations behind it, in this VLAN.
    pub(crate) fn suppresses(&self, vid: u16) -> bool {
        let flags = self.flags();
        if vid != 0 && flags.contains(PortFlags::NEIGH_VLAN_SUPPRESS) {
            let vlans = self.vlans.load();
            return vlans
                .find(vid)
                .is_some_and(|v| v.neigh_suppress.load(Relaxed));
        }
        flags.contains(PortFlags::NEIGH_SUPPRESS)
    }
}

/// The ports of a bridge: replaced whole.
#[derive(Clone, Default)]
pub(crate) struct PortTable {
    /// In order of joining.
    pub(crate) list: Vec<std::sync::Arc<Port>>,
}

impl PortTable {
    /// By number. Bridges have few ports, and most are asked for in the order of joining.
    pub(crate) fn get(&self, number: u16) -> Option<&std::sync::Arc<Port>> {
        let guess = usize::from(number).wrapping_sub(1);
        let guessed = self.list.get(guess).filter(|p| p.number == number);
        guessed.or_else(|| self.list.iter().find(|p| p.number == number))
    }
    pub(crate) fn by_ifindex(&self, ifindex: u32) -> Option<&std::sync::Arc<Port>> {
        self.list.iter().find(|p| p.dev.ifindex() == ifindex)
    }
}

//! The VLANs of a port, or of the bridge itself: what the data path looks up, replaced whole when it changes.
//!
//! A VLAN's state and counters live as long as the VLAN; membership, PVID and tagging are the group's. A lookup is an array access. A change copies the group's
//! array of pointers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering::*};

use serde::Serialize;
use smartnic_slowpath::stp::PortState;

use crate::port::{load_state, store_state};

/// VLAN ids are 1 to this.
pub const VID_MAX: u16 = 4094;

/// Counters of a VLAN, on all ports or on one (`vlan_stats_per_port`). Bytes are those behind the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct VlanCounters {
    /// Frames that came in.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames that went out.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct VlanStats {
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
}

impl VlanStats {
    pub(crate) fn rx(&self, bytes: usize) {
        self.rx_packets.fetch_add(1, Relaxed);
        self.rx_bytes.fetch_add(bytes as u64, Relaxed);
    }
    pub(crate) fn tx(&self, bytes: usize) {
        self.tx_packets.fetch_add(1, Relaxed);
        self.tx_bytes.fetch_add(bytes as u64, Relaxed);
    }
    pub(crate) fn read(&self) -> VlanCounters {
        VlanCounters {
            rx_packets: self.rx_packets.load(Relaxed),
            rx_bytes: self.rx_bytes.load(Relaxed),
            tx_packets: self.tx_packets.load(Relaxed),
            tx_bytes: self.tx_bytes.load(Relaxed),
        }
    }
}

/// A VLAN of a group.
#[derive(Debug)]
pub(crate) struct Vlan {
    pub(crate) vid: u16,
    pub(crate) untagged: AtomicBool,
    /// Frames may come in and go out: always so on ports; on the bridge, the bridge itself is in the VLAN.
    pub(crate) usable: AtomicBool,
    state: AtomicU8,
    /// MST instance, of the bridge's VLANs.
    pub(crate) msti: AtomicU16,
    pub(crate) neigh_suppress: AtomicBool,
    pub(crate) stats: Arc<VlanStats>,
}

impl Vlan {
    pub(crate) fn new(
        vid: u16,
        untagged: bool,
        usable: bool,
        state: PortState,
        stats: Arc<VlanStats>,
    ) -> Self {
        Self {
            vid,
            untagged: AtomicBool::new(untagged),
            usable: AtomicBool::new(usable),
            state: AtomicU8::new(state as u8),
            msti: AtomicU16::new(0),
            neigh_suppress: AtomicBool::new(false),
            stats,
        }
    }
    pub(crate) fn state(&self) -> PortState {
        load_state(&self.state)
    }
    pub(crate) fn set_state(&self, state: PortState) {
        store_state(&self.state, state);
    }
}

/// The VLANs of one port, or of the bridge.
#[derive(Clone, Debug, Default)]
pub(crate) struct VlanGroup {
    /// VLAN of untagged frames; 0: they are not taken.
    pub(crate) pvid: u16,
    by_vid: Vec<Option<Arc<Vlan>>>,
}

impl VlanGroup {
    pub(crate) fn find(&self, vid: u16) -> Option<&Arc<Vlan>> {
        self.by_vid.get(usize::from(vid))?.as_ref()
    }
    /// One whose frames come in and go out here.
    pub(crate) fn usable(&self, vid: u16) -> Option<&Arc<Vlan>> {
        self.find(vid).filter(|v| v.usable.load(Relaxed))
    }
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Vlan>> {
        self.by_vid.iter().flatten()
    }
    /// Ids of those that are usable.
    pub(crate) fn vids(&self) -> Vec<u16> {
        let usable = self.iter().filter(|v| v.usable.load(Relaxed));
        usable.map(|v| v.vid).collect()
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().all(|v| !v.usable.load(Relaxed))
    }
    pub(crate) fn insert(&mut self, vlan: Arc<Vlan>) {
        let at = usize::from(vlan.vid);
        if self.by_vid.len() <= at {
            self.by_vid.resize(at + 1, None);
        }
        self.by_vid[at] = Some(vlan);
    }
    pub(crate) fn remove(&mut self, vid: u16) {
        if let Some(place) = self.by_vid.get_mut(usize::from(vid)) {
            *place = None;
        }
        if self.pvid == vid {
            self.pvid = 0;
        }
    }
}

//! What there is to see of a bond: the fields of /proc/net/bonding and of `ip -d link`, and what it counted.

use serde::Serialize;

use super::slave::{LinkState, SlaveId};
use super::{Bond, ClientStatus, Mode, Offload, Options};
use crate::lacp::{AggregatorStatus, PortStatus};
use crate::mac::MacAddr;

/// What a bond counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Frames that a member was found for.
    pub tx_frames: u64,
    /// Frames dropped because there was none.
    pub tx_dropped: u64,
    /// Frames received as the bond's.
    pub rx_frames: u64,
    /// Frames of inactive members.
    pub rx_inactive: u64,
    /// Frames without a whole header, and ARP packets that were none.
    pub rx_malformed: u64,
    /// Changes of the active slave in active-backup.
    pub failovers: u64,
    /// Learning packets sent.
    pub learning_tx: u64,
    /// Updates sent to balance-alb's clients.
    pub client_updates_tx: u64,
    /// Announcements of the host's addresses, and reports of its groups, sent in its name.
    pub announced: u64,
}

/// A bond.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BondStatus {
    /// The settings.
    pub options: Options,
    /// Its address.
    pub address: MacAddr,
    /// It is up.
    pub up: bool,
    /// It has a carrier.
    pub carrier: bool,
    /// The active slave.
    pub active_slave: Option<SlaveId>,
    /// The primary, if it is a member.
    pub primary_slave: Option<SlaveId>,
    /// The aggregators of 802.3ad.
    pub aggregators: Vec<AggregatorStatus>,
    /// The clients of balance-alb.
    pub clients: Vec<ClientStatus>,
    /// The members.
    pub slaves: Vec<SlaveStatus>,
    /// How much of the mode hardware can do.
    pub offload: Offload,
    /// What it counted.
    pub counters: Counters,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SlaveStatus {
    /// Its ifindex.
    pub id: SlaveId,
    /// Its name.
    pub name: String,
    /// `mii_status`.
    pub mii_status: LinkState,
    /// ACTIVE, not BACKUP.
    pub active: bool,
    /// Mb/s.
    pub speed: u32,
    /// Full duplex.
    pub full_duplex: bool,
    /// Link failures.
    pub link_failure_count: u32,
    /// The address that it came with.
    pub permanent_address: MacAddr,
    /// The address that it has.
    pub address: MacAddr,
    /// `queue_id`.
    pub queue_id: u16,
    /// `prio`.
    pub prio: i32,
    /// Entries of the transmit table that it carries in the modes that balance by load.
    pub tlb_entries: usize,
    /// Its LACP port.
    pub ad: Option<PortStatus>,
}

impl Bond {
    /// Everything that there is to see.
    pub fn status(&self) -> BondStatus {
        let ad = self.options.mode == Mode::Ad;
        BondStatus {
            options: self.options.clone(),
            address: self.address,
            up: self.up,
            carrier: self.carrier,
            active_slave: self.active_slave(),
            primary_slave: self.primary,
            aggregators: self.lacp.aggregators(),
            clients: self.clients(),
            slaves: self
                .slaves
                .iter()
                .map(|s| SlaveStatus {
                    id: s.id,
                    name: s.name.clone(),
                    mii_status: s.state,
                    active: s.active,
                    speed: s.speed(),
                    full_duplex: s.duplex(),
                    link_failure_count: s.failures,
                    permanent_address: s.permanent,
                    address: s.address,
                    queue_id: s.queue_id,
                    prio: s.prio,
                    tlb_entries: self.entries_of(s.id),
                    ad: ad.then(|| self.lacp.port(s.id)).flatten(),
                })
                .collect(),
            offload: self.plan().offload,
            counters: self.counters,
        }
    }

    /// What it counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

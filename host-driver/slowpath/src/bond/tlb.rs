//! Transmit load balancing: 256 entries of flows, each given to the member with the most bandwidth left, and dealt out
//! anew every ten seconds by what they carried; and the learning packets that keep switches informed.

use std::cmp::Reverse;
use std::time::Duration;

use super::dissect::Ethernet;
use super::slave::{Slave, SlaveId};
use super::{Bond, due};
use crate::mac::MacAddr;

/// Entries of the table.
pub(super) const ENTRIES: usize = 256;
/// Seconds between two dealings.
const REBALANCE_SECS: u64 = 10;
/// EtherType of learning packets: configuration testing protocol, sent to oneself.
const LOOPBACK: u16 = 0x9000;
const MIN_FRAME: usize = 60;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    slave: Option<SlaveId>,
    /// Bytes since the last dealing.
    tx_bytes: u64,
    /// Bytes a second before it.
    history: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Tlb {
    entries: Vec<Entry>,
    /// Bytes that the active slave carried besides.
    unbalanced: u64,
    rebalance_at: Option<Duration>,
    lp_at: Option<Duration>,
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            entries: vec![Entry::default(); ENTRIES],
            unbalanced: 0,
            rebalance_at: None,
            lp_at: None,
        }
    }
}

/// Bits a second that are left of a member's bandwidth; less than nothing if it is overloaded.
fn gap(slave: &Slave) -> i64 {
    // 2^20 a megabit, as Linux counts.
    (i64::from(slave.speed()) << 20) - (slave.load << 3) as i64
}

impl Bond {
    pub(super) fn start_balancing(&mut self, now: Duration) {
        self.tlb = Tlb {
            rebalance_at: Some(now + Duration::from_secs(REBALANCE_SECS)),
            lp_at: Some(now + self.lp_interval()),
            ..Tlb::default()
        };
    }

    pub(super) fn stop_balancing(&mut self) {
        (self.tlb.rebalance_at, self.tlb.lp_at) = (None, None);
        self.stop_clients();
    }

    fn lp_interval(&self) -> Duration {
        Duration::from_secs(self.options.lp_interval.max(1).into())
    }

    pub(super) fn balancing_deadline(&self) -> Option<Duration> {
        let clients = self.clients_deadline();
        [self.tlb.rebalance_at, self.tlb.lp_at, clients]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn tick_balancing(&mut self, now: Duration) {
        if due(self.tlb.rebalance_at, now) {
            self.deal_anew();
            self.tlb.rebalance_at = Some(now + Duration::from_secs(REBALANCE_SECS));
        }
        if due(self.tlb.lp_at, now) {
            for id in self.slaves() {
                self.send_learning(id);
            }
            self.tlb.lp_at = Some(now + self.lp_interval());
        }
        self.tick_clients(now);
    }

    /// The frame's member in balance-tlb. Only unicast IP is balanced.
    pub(super) fn tlb_transmit(&mut self, frame: &mut [u8], ethernet: Ethernet) -> Option<SlaveId> {
        let balanced = matches!(ethernet.ethertype, 0x0800 | 0x86dd) && frame[0] & 1 == 0;
        let slave = match (balanced, self.options.tlb_dynamic_lb) {
            (false, _) => None,
            (true, true) => {
                let hash = self.options.xmit_hash_policy.hash(frame);
                self.choose_channel(hash as u8, frame.len())
            }
            (true, false) => self.by_hash(frame),
        };
        self.send_balanced(frame, slave)
    }

    /// The entry's member: the one that it has, or the least loaded.
    pub(super) fn choose_channel(&mut self, index: u8, bytes: usize) -> Option<SlaveId> {
        let at = usize::from(index);
        let entry = self.tlb.entries[at];
        let known = entry.slave.and_then(|id| self.slave(id));
        let chosen = match known.filter(|s| s.can_tx()).map(|s| s.id) {
            Some(id) => id,
            None => {
                // Of equals the one with the fewest entries: while nothing is known of loads, flows are dealt out in turn.
                let usable = self.slaves.iter().filter(|s| s.can_tx()).rev();
                let claim = |s: &&Slave| (gap(s), Reverse(self.entries_of(s.id)));
                let best = usable.max_by_key(claim)?.id;
                self.slave_mut(best)?.load += entry.history;
                best
            }
        };
        self.tlb.entries[at].slave = Some(chosen);
        self.tlb.entries[at].tx_bytes += bytes as u64;
        Some(chosen)
    }

    /// Sends on the member, else on the active slave. On any but the active one the frame leaves with the member's own
    /// address, so that no switch sees the bond's address move.
    pub(super) fn send_balanced(
        &mut self,
        frame: &mut [u8],
        slave: Option<SlaveId>,
    ) -> Option<SlaveId> {
        if slave.is_none() && self.options.tlb_dynamic_lb {
            self.tlb.unbalanced += frame.len() as u64;
        }
        let id = slave.or(self.current)?;
        let slave = self.slave(id).filter(|s| s.can_tx())?;
        if self.current != Some(id) {
            frame[6..12].copy_from_slice(&slave.address.0);
        }
        Some(id)
    }

    /// Every ten seconds: what each entry carried is what it will be thought to carry, and all are free again.
    fn deal_anew(&mut self) {
        for entry in &mut self.tlb.entries {
            if entry.slave.take().is_some() {
                entry.history = 1 + std::mem::take(&mut entry.tx_bytes) / REBALANCE_SECS;
            }
        }
        let unbalanced = std::mem::take(&mut self.tlb.unbalanced) / REBALANCE_SECS;
        let current = self.current;
        for slave in &mut self.slaves {
            slave.load = if current == Some(slave.id) {
                unbalanced
            } else {
                0
            };
        }
        self.rebalance_buckets();
    }

    /// The member is gone, or its link is: its entries are free, its clients go to others.
    pub(super) fn forget_slave(&mut self, now: Duration, id: SlaveId) {
        for entry in self.tlb.entries.iter_mut().filter(|e| e.slave == Some(id)) {
            entry.slave = None;
        }
        if let Some(slave) = self.slave_mut(id) {
            slave.load = 0;
        }
        self.move_clients(now, id);
    }

    /// Entries of the table that each member has, in the order of joining.
    pub(super) fn entries_of(&self, id: SlaveId) -> usize {
        self.tlb
            .entries
            .iter()
            .filter(|e| e.slave == Some(id))
            .count()
    }

    /// Tells the switch behind a member which address is there.
    pub(super) fn send_learning(&mut self, id: SlaveId) {
        let Some(slave) = self.slave(id).filter(|s| s.is_up()) else {
            return;
        };
        let MacAddr(address) = slave.address;
        let mut frame = Vec::with_capacity(MIN_FRAME);
        frame.extend(address);
        frame.extend(address);
        frame.extend(LOOPBACK.to_be_bytes());
        frame.resize(MIN_FRAME, 0);
        self.counters.learning_tx += 1;
        self.send(id, frame);
    }

    /// The bond's address goes to the new active slave; whoever had it gets that one's.
    pub(super) fn swap_addresses(&mut self, now: Duration, new: Option<SlaveId>) {
        let Some(slave) = new.and_then(|id| self.slave(id)) else {
            return;
        };
        let (id, own, bond) = (slave.id, slave.address, self.address);
        if own == bond {
            return;
        }
        let holder = self.slaves.iter().find(|s| s.address == bond).map(|s| s.id);
        if let Some(other) = holder {
            self.change_slave_address(other, own);
        }
        self.change_slave_address(id, bond);
        for id in [Some(id), holder].into_iter().flatten() {
            self.send_learning(id);
            self.inform_clients_of(now, id);
        }
    }

    /// A member left with an address that came from another member: that one, or whoever has the leaver's own, takes it.
    pub(super) fn give_back_address(&mut self, gone: &Slave) {
        let owner = |s: &&Slave| s.address == gone.permanent;
        if gone.address != gone.permanent
            && let Some(id) = self.slaves.iter().find(owner).map(|s| s.id)
        {
            self.change_slave_address(id, gone.address);
        }
    }
}

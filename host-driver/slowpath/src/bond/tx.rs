//! Which members carry a frame.

use std::time::Duration;

use rand::Rng;

use super::dissect::Ethernet;
use super::slave::{Slave, SlaveId};
use super::{Bond, Mode};

/// Who carries a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tx {
    /// One member.
    One(SlaveId),
    /// Each of these, a copy.
    Each(Vec<SlaveId>),
    /// Nobody: the frame is dropped and counted.
    Drop,
}

const IGMP: u8 = 2;

/// The frame is IPv4 and IGMP.
fn is_igmp(frame: &[u8], ethernet: Ethernet) -> bool {
    ethernet.ethertype == 0x0800 && frame.get(ethernet.payload + 9) == Some(&IGMP)
}

impl Bond {
    /// Chooses the members for a frame, from its destination address on. `queue` is the transmit queue that it was put
    /// into, if somebody chose one (`queue_id`), else 0. The balancing modes write the chosen member's address into it.
    ///
    /// A bond without a usable member drops, counts, and never looks for one twice.
    pub fn transmit(&mut self, now: Duration, frame: &mut [u8], queue: u16) -> Tx {
        let tx = match Ethernet::of(frame) {
            Some(ethernet) if self.up => {
                self.host.sent(frame, ethernet, self.address);
                self.choose(now, frame, ethernet, queue)
            }
            _ => Tx::Drop,
        };
        match tx {
            Tx::Drop => self.counters.tx_dropped += 1,
            _ => self.counters.tx_frames += 1,
        }
        tx
    }

    pub(super) fn choose(
        &mut self,
        now: Duration,
        frame: &mut [u8],
        ethernet: Ethernet,
        queue: u16,
    ) -> Tx {
        if queue != 0 {
            // A backup, too: that is what queues are for in active-backup.
            let theirs = |s: &&Slave| s.queue_id == queue && s.is_up();
            if let Some(slave) = self.slaves.iter().find(theirs) {
                return Tx::One(slave.id);
            }
        }
        let one = |slave: Option<SlaveId>| slave.map_or(Tx::Drop, Tx::One);
        match self.options.mode {
            Mode::RoundRobin => one(self.round_robin(frame, ethernet)),
            Mode::ActiveBackup => one(self.usable_current()),
            Mode::Xor | Mode::Ad => one(self.by_hash(frame)),
            Mode::Broadcast => {
                let all: Vec<_> = self
                    .slaves
                    .iter()
                    .filter(|s| s.is_up())
                    .map(|s| s.id)
                    .collect();
                match all.len() {
                    0 => Tx::Drop,
                    1 => Tx::One(all[0]),
                    _ => Tx::Each(all),
                }
            }
            Mode::Tlb => one(self.tlb_transmit(frame, ethernet)),
            Mode::Alb => one(self.alb_transmit(now, frame, ethernet)),
        }
    }

    /// The active slave, if it has a carrier now.
    pub(super) fn usable_current(&self) -> Option<SlaveId> {
        let slave = self.slave(self.current?)?;
        slave.can_tx().then_some(slave.id)
    }

    /// `usable[hash % count]`, in the order of joining.
    pub(super) fn by_hash(&self, frame: &[u8]) -> Option<SlaveId> {
        let usable = || self.slaves.iter().filter(|s| s.can_tx());
        let hash = self.options.xmit_hash_policy.hash(frame);
        let count = u32::try_from(usable().count()).ok()?;
        let at = hash.checked_rem(count)?;
        usable().nth(at as usize).map(|s| s.id)
    }

    /// The next in turn, or the next after it that is usable. Memberships stay on one link, so that a switch that
    /// listens has them all.
    fn round_robin(&mut self, frame: &[u8], ethernet: Ethernet) -> Option<SlaveId> {
        if is_igmp(frame, ethernet)
            && let Some(current) = self.usable_current()
        {
            return Some(current);
        }
        let count = self.slaves.len();
        let turn = match self.options.packets_per_slave {
            0 => self.rng.random(),
            n => {
                self.rr_counter = self.rr_counter.wrapping_add(1);
                self.rr_counter / n
            }
        };
        let first = (turn as usize).checked_rem(count)?;
        (first..first + count)
            .map(|at| &self.slaves[at % count])
            .find(|s| s.can_tx())
            .map(|s| s.id)
    }
}

//! What hardware can do of a bond: the members in order, who sends and who is listened to, and by which rule.
//!
//! The hash modes leave filling the hardware's buckets to the driver (`bucket mod n`, or with the fewest moves). For the
//! modes that balance by load the bond fills them itself: each member's share follows its speed, and every ten seconds
//! buckets move from the busiest member to the idlest, by what the hardware says that each has sent
//! ([`Bond::report_tx`]).

use serde::Serialize;

use super::slave::{Slave, SlaveId};
use super::{Bond, HashPolicy, Mode};

/// Buckets of a hardware group: the least common multiple of 1 to 8.
pub const BUCKETS: usize = 840;

/// How hardware chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanMode {
    /// Each member in turn.
    RoundRobin {
        /// Frames before it is the next one's turn; 0 is at random.
        packets_per_slave: u32,
    },
    /// One member.
    ActiveBackup {
        /// It.
        active: Option<SlaveId>,
    },
    /// By hash over the members that distribute.
    #[default]
    Hash,
    /// All.
    Broadcast,
    /// By hash over [`Plan::buckets`].
    Buckets,
}

/// How much of the mode hardware that has [`PlanMode`] does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offload {
    /// All of it.
    #[default]
    Full,
    /// All but this.
    Partial(&'static str),
}

/// A member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PlanMember {
    /// It.
    pub slave: SlaveId,
    /// It may be given frames.
    pub distributing: bool,
    /// Its frames are taken.
    pub collecting: bool,
}

/// What hardware is to do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Plan {
    /// How it chooses.
    pub mode: PlanMode,
    /// By which hash.
    pub policy: HashPolicy,
    /// The members, in the order of joining.
    pub members: Vec<PlanMember>,
    /// The member in each of [`BUCKETS`]; empty except in [`PlanMode::Buckets`].
    pub buckets: Vec<Option<SlaveId>>,
    /// How much of the mode that is.
    pub offload: Offload,
}

impl Bond {
    /// What hardware is to do now.
    pub fn plan(&self) -> Plan {
        let mode = match self.options.mode {
            Mode::RoundRobin => PlanMode::RoundRobin {
                packets_per_slave: self.options.packets_per_slave,
            },
            Mode::ActiveBackup => PlanMode::ActiveBackup {
                active: self.current,
            },
            Mode::Xor | Mode::Ad => PlanMode::Hash,
            Mode::Broadcast => PlanMode::Broadcast,
            Mode::Tlb | Mode::Alb if self.options.tlb_dynamic_lb => PlanMode::Buckets,
            Mode::Tlb | Mode::Alb => PlanMode::Hash,
        };
        let member = |s: &Slave| PlanMember {
            slave: s.id,
            // A backup stands ready for the hardware to take when the active one's link drops.
            distributing: self.up
                && match self.options.mode {
                    Mode::ActiveBackup => s.is_up(),
                    _ => s.can_tx(),
                },
            // Hardware cannot tell the kinds of frames apart that balance-alb takes from an inactive member.
            collecting: self.up && (!s.inactive || self.options.mode == Mode::Alb),
        };
        let offload = match self.options.mode {
            Mode::Tlb | Mode::Alb => Offload::Partial(
                "frames leave with their sender's address, not the member's, and clients are told by software",
            ),
            Mode::RoundRobin => {
                Offload::Partial("memberships (IGMP) take their turn like other frames")
            }
            _ => Offload::Full,
        };
        Plan {
            mode,
            policy: self.options.xmit_hash_policy,
            members: self.slaves.iter().map(member).collect(),
            buckets: self.buckets.clone(),
            offload,
        }
    }

    /// The hardware sent so many bytes on the member since the last report.
    pub fn report_tx(&mut self, id: SlaveId, bytes: u64) {
        if let Some(slave) = self.slave_mut(id) {
            slave.reported += bytes;
        }
    }

    /// Fills the buckets anew where the usable members, or their speeds, changed.
    pub(super) fn update_buckets(&mut self) {
        if !self.options.mode.is_lb() || !self.options.tlb_dynamic_lb {
            self.buckets.clear();
            return;
        }
        let usable: Vec<(SlaveId, u64)> = self
            .slaves
            .iter()
            .filter(|s| s.can_tx())
            .map(|s| (s.id, u64::from(s.speed().max(1))))
            .collect();
        if self.buckets.is_empty() || self.filled_for != usable {
            self.buckets = fill(&usable, &self.buckets);
            self.filled_for = usable;
        }
    }

    /// Moves buckets from the member that is busiest for its speed to the one that is idlest: half of what would make
    /// them equal, so that two rounds of a stale measure do not overshoot; nothing for a difference below a tenth.
    pub(super) fn rebalance_buckets(&mut self) {
        let mut loads = Vec::new();
        for slave in &mut self.slaves {
            let bytes = std::mem::take(&mut slave.reported);
            if slave.can_tx() {
                loads.push((slave.id, bytes as f64, f64::from(slave.speed().max(1))));
            }
        }
        let busy = |l: &(SlaveId, f64, f64)| l.1 / l.2;
        let by = |a: &&(SlaveId, f64, f64), b: &&(SlaveId, f64, f64)| busy(a).total_cmp(&busy(b));
        let (Some(max), Some(min)) = (loads.iter().max_by(by), loads.iter().min_by(by)) else {
            return;
        };
        if busy(max) - busy(min) <= busy(max) / 10.0 {
            return;
        }
        let excess = (max.1 * min.2 - min.1 * max.2) / (max.2 + min.2);
        let own: Vec<usize> = (0..self.buckets.len())
            .filter(|b| self.buckets[*b] == Some(max.0))
            .collect();
        let moves = (own.len() as f64 * excess / max.1 / 2.0) as usize;
        for bucket in own.iter().take(moves) {
            self.buckets[*bucket] = Some(min.0);
        }
    }
}

/// Shares by weight; what a member has within its share stays, the rest is dealt out in turn.
fn fill(usable: &[(SlaveId, u64)], old: &[Option<SlaveId>]) -> Vec<Option<SlaveId>> {
    let total: u64 = usable.iter().map(|(_, weight)| weight).sum();
    if total == 0 {
        return vec![None; BUCKETS];
    }
    let share = |weight: u64| (BUCKETS as u64 * weight / total) as usize;
    let mut room: Vec<usize> = usable.iter().map(|(_, w)| share(*w)).collect();
    let rest = BUCKETS - room.iter().sum::<usize>();
    // Rounding leaves fewer than there are members.
    for room in room.iter_mut().take(rest) {
        *room += 1;
    }
    let mut buckets = vec![None; BUCKETS];
    for (bucket, old) in buckets.iter_mut().zip(old) {
        let at = usable.iter().position(|(id, _)| Some(*id) == *old);
        if let Some(at) = at.filter(|at| room[*at] > 0) {
            room[at] -= 1;
            *bucket = *old;
        }
    }
    let mut next = 0;
    for bucket in buckets.iter_mut().filter(|b| b.is_none()) {
        while room[next % usable.len()] == 0 {
            next += 1;
        }
        room[next % usable.len()] -= 1;
        *bucket = Some(usable[next % usable.len()].0);
        next += 1;
    }
    buckets
}

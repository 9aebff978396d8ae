//! LAG groups (clause 5).

use crate::{Flow, Policy};
use std::collections::BTreeSet;

/// Buckets in a group: the least common multiple of 1 to 8.
pub const BUCKETS: usize = 840;

/// How a group chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By hash and bucket.
    #[default]
    Hash,
    /// One active member.
    ActiveBackup {
        /// Which.
        active: usize,
    },
}

/// A LAG group. The default is the state after reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// In use.
    pub enabled: bool,
    /// Hash policy.
    pub policy: Policy,
    /// How it chooses.
    pub mode: Mode,
    /// Members that may send.
    pub distributing: BTreeSet<usize>,
    /// Members whose frames are accepted.
    pub collecting: BTreeSet<usize>,
    /// The member in each bucket.
    pub buckets: Vec<Option<usize>>,
    /// Frames that found no live member.
    pub no_member: u64,
}

impl Default for Group {
    fn default() -> Self {
        Group {
            enabled: false,
            policy: Policy::default(),
            mode: Mode::default(),
            distributing: BTreeSet::new(),
            collecting: BTreeSet::new(),
            buckets: vec![None; BUCKETS],
            no_member: 0,
        }
    }
}

impl Group {
    /// Fills the buckets as Linux chooses: bucket b has `usable[b % n]`, in order of joining.
    pub fn fill(&mut self, usable: &[usize]) {
        for (b, bucket) in self.buckets.iter_mut().enumerate() {
            *bucket = usable.get(b % usable.len().max(1)).copied();
        }
    }

    /// The member that takes a frame; `link` tells for each port whether its link is up.
    pub fn member(&self, flow: &Flow, link: &[bool]) -> Option<usize> {
        let live = |m: &usize| {
            self.enabled && self.distributing.contains(m) && link.get(*m).is_some_and(|up| *up)
        };
        let wanted = match self.mode {
            Mode::Hash => self.buckets[flow.hash(self.policy) as usize % BUCKETS],
            Mode::ActiveBackup { active } => Some(active),
        };
        let first = match wanted {
            Some(m) if m < link.len() => m,
            _ => 1,
        };
        (first..link.len()).chain(0..first).find(live)
    }
}

//! How the 840 buckets of a LAG group are filled with members.
//!
//! 840 is divisible by 1 to 8, so that bucket mod n is the hash mod n exactly, for every number of members. `linux`
//! is what the kernel's bond does: everything moves when members change. `resilient` moves as little as possible: a
//! lost member's buckets are spread over the others, a new member takes its fair share from those that have most.

use serde::{Deserialize, Serialize};
use smartnic_regs::values::LAG_BUCKETS;

/// Buckets in a group.
pub const BUCKETS: usize = LAG_BUCKETS as usize;
/// A group's buckets: the port in each, `None` without members.
pub type Buckets = Vec<Option<u8>>;

/// How to fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Bucket mod n, in the order of joining: what Linux does.
    #[default]
    Linux,
    /// Only the buckets that must move do.
    Resilient,
}

impl Fill {
    /// Buckets for `members` (ports in the order of joining), coming from `old`.
    pub fn fill(self, members: &[u8], old: &[Option<u8>]) -> Buckets {
        match self {
            _ if members.is_empty() => vec![None; BUCKETS],
            Fill::Linux => (0..BUCKETS)
                .map(|bucket| Some(members[bucket % members.len()]))
                .collect(),
            Fill::Resilient => resilient(members, old),
        }
    }
}

/// Each member's quota is 840 / n, the first 840 % n members one more; every member keeps what it has within its
/// quota, and what is left over is dealt out to those that have too little.
fn resilient(members: &[u8], old: &[Option<u8>]) -> Buckets {
    let place = |port: u8| members.iter().position(|&m| m == port);
    let (share, extra) = (BUCKETS / members.len(), BUCKETS % members.len());
    let mut room: Vec<usize> = (0..members.len())
        .map(|i| share + usize::from(i < extra))
        .collect();
    let mut buckets: Buckets = (0..BUCKETS)
        .map(|b| {
            old.get(b)
                .copied()
                .flatten()
                .filter(|&p| place(p).is_some())
        })
        .collect();
    for bucket in &mut buckets {
        if let Some(i) = bucket.and_then(place) {
            match room[i].checked_sub(1) {
                Some(left) => room[i] = left,
                None => *bucket = None,
            }
        }
    }
    let mut next = 0;
    for bucket in buckets.iter_mut().filter(|b| b.is_none()) {
        // Round robin over those with room, so that what moves is spread. Quotas add up to 840: room never runs out.
        while room[next % members.len()] == 0 {
            next += 1;
        }
        room[next % members.len()] -= 1;
        *bucket = Some(members[next % members.len()]);
        next += 1;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(buckets: &Buckets) -> Vec<usize> {
        (0..8)
            .map(|p| buckets.iter().filter(|b| **b == Some(p)).count())
            .collect()
    }
    fn moved(a: &Buckets, b: &Buckets) -> usize {
        a.iter().zip(b).filter(|(x, y)| x != y).count()
    }

    #[test]
    fn linux_is_hash_mod_n_for_every_n() {
        for n in 1..=8u8 {
            let members: Vec<u8> = (0..n).rev().collect();
            let buckets = Fill::Linux.fill(&members, &[]);
            for hash in [0u32, 1, 839, 840, 0x1234_5678, 0xdead_beef, u32::MAX] {
                let by_bucket = buckets[(hash % 840) as usize];
                assert_eq!(
                    by_bucket,
                    Some(members[hash as usize % n as usize]),
                    "n {n} hash {hash:#x}"
                );
            }
        }
    }

    #[test]
    fn no_members_no_buckets() {
        for fill in [Fill::Linux, Fill::Resilient] {
            assert_eq!(fill.fill(&[], &[Some(1); BUCKETS]), vec![None; BUCKETS]);
        }
    }

    #[test]
    fn resilient_loses_only_the_lost_members_buckets() {
        for n in 2..=8u8 {
            let members: Vec<u8> = (0..n).collect();
            let full = Fill::Resilient.fill(&members, &[]);
            for lost in 0..n {
                let rest: Vec<u8> = members.iter().copied().filter(|&m| m != lost).collect();
                let after = Fill::Resilient.fill(&rest, &full);
                for (before, after) in full.iter().zip(&after) {
                    assert!(*before == Some(lost) || before == after);
                }
                let shares: Vec<_> = rest.iter().map(|&m| counts(&after)[m as usize]).collect();
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn resilient_gives_a_new_member_its_share_and_no_more() {
        for n in 1..8u8 {
            let members: Vec<u8> = (0..n).collect();
            let full = Fill::Resilient.fill(&members, &[]);
            let mut more = members.clone();
            more.push(n);
            let after = Fill::Resilient.fill(&more, &full);
            let share = counts(&after)[n as usize];
            assert_eq!(share, BUCKETS / more.len());
            assert_eq!(moved(&full, &after), share);
        }
    }

    #[test]
    fn resilient_takes_any_old_state() {
        let old: Buckets = (0..BUCKETS)
            .map(|b| {
                if b % 3 == 0 {
                    Some(9)
                } else if b % 7 == 0 {
                    None
                } else {
                    Some(2)
                }
            })
            .collect();
        let after = Fill::Resilient.fill(&[2, 5], &old);
        assert_eq!((counts(&after)[2], counts(&after)[5]), (420, 420));
        assert_eq!(Fill::Resilient.fill(&[2, 5], &after), after);
    }
}

//! LAG groups: mode and policy, members, buckets, counters.

use smartnic_regs::lag;

use super::fill::BUCKETS;
use super::mmio::Mmio;
use super::{Caps, DeviceError};

/// What the hardware does with a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GroupConfig {
    /// The group is in use.
    pub enable: bool,
    /// `values::hash_policy`.
    pub policy: u32,
    /// `values::lag_mode`.
    pub mode: u32,
    /// The active member of active-backup.
    pub active: u32,
    /// Ports that may send, bit per port.
    pub distributing: u32,
    /// Ports whose frames are accepted, bit per port.
    pub collecting: u32,
}

/// Access to the groups.
pub struct Lag<'a> {
    mmio: &'a mut Mmio,
    caps: &'a Caps,
}

impl<'a> Lag<'a> {
    pub(super) fn new(mmio: &'a mut Mmio, caps: &'a Caps) -> Self {
        Self { mmio, caps }
    }

    fn check(&self, group: u32) -> Result<(), DeviceError> {
        if group >= self.caps.lag_groups {
            let range = format!("the card has {}", self.caps.lag_groups);
            return Err(DeviceError::Range {
                what: "LAG group",
                value: group.into(),
                range,
            });
        }
        Ok(())
    }

    /// Sets a group up. Members are taken away before the mode changes and added after, so that no frame takes a
    /// member under a rule that nobody asked for.
    pub fn configure(&mut self, group: u32, config: &GroupConfig) -> Result<(), DeviceError> {
        self.check(group)?;
        let now = self.mmio.read_at(lag::DISTRIBUTING, group)?;
        self.mmio
            .write_at(lag::DISTRIBUTING, group, now & config.distributing)?;
        use lag::GROUP::{ACTIVE, ENABLE, MODE, POLICY};
        let word = POLICY.put(config.policy)
            | ENABLE.put(config.enable.into())
            | MODE.put(config.mode)
            | ACTIVE.put(config.active);
        self.mmio.write_at(lag::GROUP, group, word)?;
        self.mmio
            .write_at(lag::COLLECTING, group, config.collecting)?;
        self.mmio
            .write_at(lag::DISTRIBUTING, group, config.distributing)
    }

    /// Stores the buckets that differ from `old` (all, if `old` has another length).
    pub fn write_buckets(
        &mut self,
        group: u32,
        new: &[Option<u8>],
        old: &[Option<u8>],
    ) -> Result<(), DeviceError> {
        self.check(group)?;
        for (bucket, member) in new.iter().enumerate().take(BUCKETS) {
            if old.get(bucket) == Some(member) {
                continue;
            }
            self.select(group, bucket as u32)?;
            use lag::BUCKET::{MEMBER, VALID};
            let word = member.map_or(0, |m| MEMBER.put(m.into()) | VALID.put(1));
            self.mmio.write(lag::BUCKET, word)?;
        }
        Ok(())
    }

    /// Reads all buckets of a group back from the hardware.
    pub fn read_buckets(&mut self, group: u32) -> Result<Vec<Option<u8>>, DeviceError> {
        self.check(group)?;
        (0..BUCKETS as u32)
            .map(|bucket| {
                self.select(group, bucket)?;
                let word = self.mmio.read(lag::BUCKET)?;
                Ok(
                    (lag::BUCKET::VALID.get(word) == 1)
                        .then(|| lag::BUCKET::MEMBER.get(word) as u8),
                )
            })
            .collect()
    }

    fn select(&mut self, group: u32, bucket: u32) -> Result<(), DeviceError> {
        use lag::BUCKET_INDEX::{BUCKET, GROUP};
        self.mmio
            .write(lag::BUCKET_INDEX, BUCKET.put(bucket) | GROUP.put(group))
    }

    /// Frames for which a group had no live member.
    pub fn no_member(&mut self, group: u32) -> Result<u32, DeviceError> {
        self.check(group)?;
        self.mmio.read_at(lag::NO_MEMBER, group)
    }

    /// Frames that were kept from returning to their group, all groups.
    pub fn pruned(&mut self) -> Result<u32, DeviceError> {
        self.mmio.read(lag::PRUNED)
    }
}

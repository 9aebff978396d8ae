//! What the hardware has to do, and how it gets there.
//!
//! The model (devices, masters, static entries) gives a [`Plan`]; [`Plan::apply`] writes what differs from the plan
//! that the card has, item by item, so that an error half way leaves a true record of what was written. A card that
//! was reset starts from [`Plan::reset`], which makes everything differ that is not as after reset.

use std::collections::{BTreeMap, BTreeSet};

use bitvec::prelude::*;
use smartnic_regs::values::{action, state};

use crate::device::fdb::{FdbData, FdbKey, FlushFilter};
use crate::device::fill::{BUCKETS, Buckets};
use crate::device::lag::GroupConfig;
use crate::device::port::{MacConfig, PortConfig};
use crate::device::{Caps, Device, DeviceError};

/// A set of destinations by number, the host after the last port, as a register holds it.
pub type PortSet = BitArr!(for 32, in u32, Lsb0);

/// Configuration of a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Per source: ports, then the host.
    pub ports: Vec<PortConfig>,
    /// Where each may send to, likewise.
    pub masks: Vec<PortSet>,
    /// MACs; `None`: not written yet.
    pub macs: Vec<Option<MacConfig>>,
    /// LAG groups.
    pub groups: Vec<GroupConfig>,
    /// Their buckets.
    pub buckets: Vec<Buckets>,
    /// Actions of the reserved addresses.
    pub reserved: [u32; 16],
    /// Ageing period in ticks.
    pub age_period: u32,
    /// Entries that do not age: local and static ones.
    pub fdb: BTreeMap<FdbKey, FdbData>,
    /// Destinations that belong to a FID; when one goes, so do all of its entries.
    pub members: BTreeSet<(u32, u16)>,
    /// Destinations that can carry frames; when one stops, its dynamic entries go.
    pub active: BTreeSet<(u32, u16)>,
    /// The FID of frames that the host sends through the switch.
    pub host_fid: Option<u16>,
    /// Frames are forwarded at all.
    pub forward: bool,
}

impl Plan {
    /// What a card does after a reset of the switch.
    pub fn reset(caps: &Caps) -> Self {
        let sources = caps.ports as usize + 1;
        Self {
            ports: vec![PortConfig::default(); sources],
            masks: vec![PortSet::ZERO; sources],
            macs: vec![None; caps.ports as usize],
            groups: vec![GroupConfig::default(); caps.lag_groups as usize],
            buckets: vec![vec![None; BUCKETS]; caps.lag_groups as usize],
            reserved: [action::TRAP; 16],
            age_period: 0,
            fdb: BTreeMap::new(),
            members: BTreeSet::new(),
            active: BTreeSet::new(),
            host_fid: None,
            forward: true,
        }
    }

    /// Makes the card do what `wanted` says; `self` is what it does now, and follows.
    pub fn apply(&mut self, wanted: &Plan, device: &mut Device) -> Result<(), DeviceError> {
        if self.forward != wanted.forward {
            device.set_forward(wanted.forward)?;
            self.forward = wanted.forward;
        }
        self.apply_reserved(wanted, device)?;
        if self.age_period != wanted.age_period {
            device.fdb().set_age_period(wanted.age_period)?;
            self.age_period = wanted.age_period;
        }
        // A port that changes its FID or group stops first: no frame is forwarded under half of each.
        for i in 0..self.ports.len() {
            let (now, then) = (self.ports[i], &wanted.ports[i]);
            if now.state != state::DISABLED && (now.fid, now.lag) != (then.fid, then.lag) {
                self.ports[i].state = state::DISABLED;
                device.ports().configure(i as u32, &self.ports[i])?;
            }
        }
        self.apply_groups(wanted, device)?;
        for i in 0..self.ports.len() {
            if self.masks[i] != wanted.masks[i] {
                let mask = wanted.masks[i].load_le();
                device.ports().set_forward_mask(i as u32, mask)?;
                self.masks[i] = wanted.masks[i];
            }
        }
        for i in 0..self.macs.len() {
            if let (now, Some(mac)) = (self.macs[i], wanted.macs[i])
                && now != Some(mac)
            {
                device.ports().configure_mac(i as u32, &mac)?;
                self.macs[i] = Some(mac);
            }
        }
        self.flush(wanted, device)?;
        self.apply_fdb(wanted, device)?;
        for i in 0..self.ports.len() {
            if self.ports[i] != wanted.ports[i] {
                device.ports().configure(i as u32, &wanted.ports[i])?;
                self.ports[i] = wanted.ports[i];
            }
        }
        self.host_fid = wanted.host_fid;
        Ok(())
    }

    fn apply_reserved(&mut self, wanted: &Plan, device: &mut Device) -> Result<(), DeviceError> {
        for n in 0..16 {
            if self.reserved[n] != wanted.reserved[n] {
                device.set_reserved(n as u32, wanted.reserved[n])?;
                self.reserved[n] = wanted.reserved[n];
            }
        }
        Ok(())
    }

    fn apply_groups(&mut self, wanted: &Plan, device: &mut Device) -> Result<(), DeviceError> {
        for g in 0..self.groups.len() {
            if self.buckets[g] != wanted.buckets[g] {
                device
                    .lag()
                    .write_buckets(g as u32, &wanted.buckets[g], &self.buckets[g])?;
                self.buckets[g] = wanted.buckets[g].clone();
            }
            if self.groups[g] != wanted.groups[g] {
                device.lag().configure(g as u32, &wanted.groups[g])?;
                self.groups[g] = wanted.groups[g];
            }
        }
        Ok(())
    }

    fn flush(&mut self, wanted: &Plan, device: &mut Device) -> Result<(), DeviceError> {
        let gone: Vec<_> = self.members.difference(&wanted.members).copied().collect();
        for (dest, fid) in gone {
            device.fdb().flush(FlushFilter {
                dest: Some(dest),
                fid: Some(fid),
                ..Default::default()
            })?;
            self.fdb
                .retain(|key, data| key.fid != fid || u32::from(data.dest) != dest);
            self.members.remove(&(dest, fid));
            self.active.remove(&(dest, fid));
        }
        let stopped: Vec<_> = self.active.difference(&wanted.active).copied().collect();
        for (dest, fid) in stopped {
            device.fdb().flush(FlushFilter {
                dest: Some(dest),
                fid: Some(fid),
                dynamic: true,
                ..Default::default()
            })?;
            self.active.remove(&(dest, fid));
        }
        self.members = wanted.members.clone();
        self.active = wanted.active.clone();
        Ok(())
    }

    fn apply_fdb(&mut self, wanted: &Plan, device: &mut Device) -> Result<(), DeviceError> {
        let gone: Vec<FdbKey> = self
            .fdb
            .keys()
            .filter(|k| !wanted.fdb.contains_key(k))
            .copied()
            .collect();
        for key in gone {
            device.fdb().delete(key)?;
            self.fdb.remove(&key);
        }
        for (key, data) in &wanted.fdb {
            if self.fdb.get(key) != Some(data) {
                device.fdb().add(*key, *data)?;
                self.fdb.insert(*key, *data);
            }
        }
        Ok(())
    }
}

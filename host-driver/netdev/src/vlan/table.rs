//! The VLAN devices over one device: found by protocol and id with two indexed reads.

use std::fmt;
use std::sync::Arc;

use super::Vlan;
use crate::device::NetDevice;
use crate::packet::{VlanTag, eth};
use crate::registry::set_extra;
use crate::softnet::rx::VLANS;

/// VLAN devices by protocol and id.
#[derive(Clone, Default)]
pub struct VlanTable {
    /// By protocol: place in `entries` + 1 by id.
    slots: [Option<Box<[u16; 4096]>>; 2],
    entries: Vec<Option<(u32, Arc<Vlan>)>>,
}

impl fmt::Debug for VlanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ifindices()).finish()
    }
}

fn half(protocol: u16) -> usize {
    usize::from(protocol == eth::P_8021AD)
}

impl VlanTable {
    /// The device for a tag.
    pub(crate) fn find(&self, tag: VlanTag) -> Option<(u32, &Arc<Vlan>)> {
        let slots = self.slots[half(tag.protocol)].as_ref()?;
        let at = slots[usize::from(tag.vid())].checked_sub(1)?;
        let (ifindex, vlan) = self.entries.get(usize::from(at))?.as_ref()?;
        Some((*ifindex, vlan))
    }

    pub(super) fn insert(&mut self, ifindex: u32, vlan: Arc<Vlan>) {
        let free = self.entries.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        let slots = self.slots[half(vlan.protocol())].get_or_insert_with(|| Box::new([0; 4096]));
        slots[usize::from(vlan.vid())] = at as u16 + 1;
        self.entries[at] = Some((ifindex, vlan));
    }

    pub(super) fn remove(&mut self, ifindex: u32) {
        for entry in &mut self.entries {
            if let Some((_, vlan)) = entry.take_if(|(i, _)| *i == ifindex)
                && let Some(slots) = &mut self.slots[half(vlan.protocol())]
            {
                slots[usize::from(vlan.vid())] = 0;
            }
        }
    }

    /// Indices of all devices.
    pub fn ifindices(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries().map(|(ifindex, _)| ifindex)
    }
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &Arc<Vlan>)> + '_ {
        self.entries.iter().flatten().map(|(i, v)| (*i, v))
    }
}

/// Changes a device's table.
pub(super) fn change(real: &NetDevice, change: impl Fn(&mut VlanTable)) {
    let mut table = VlanTable::clone(&real.vlans.load());
    change(&mut table);
    set_extra(real, VLANS, table.entries().next().is_some());
    real.vlans.store(Arc::new(table));
}

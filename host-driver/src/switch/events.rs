//! What bridges in software tell those who listen: changes of their databases, while somebody does.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartnic_bridge::{Event, FdbFlags, Listener};

use super::Switch;
use crate::netdev::IfIndex;

/// Whom somebody listens to.
pub(super) type Listeners = BTreeMap<IfIndex, Arc<Listener>>;

/// A change in the forwarding database of a bridge in software.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FdbChange {
    /// The entry is not there any more.
    pub deleted: bool,
    /// Address.
    pub mac: crate::device::MacAddr,
    /// VLAN.
    pub vlan: u16,
    /// The port's name, or the bridge's.
    pub ifname: String,
    /// The bridge's name.
    pub master: String,
    /// What it is, or was.
    pub flags: FdbFlags,
}

impl Switch {
    /// Hears the bridges in software, if somebody wants to know; what they said since the last time is put beside what the hardware's say.
    pub fn hear_bridges(&mut self, wanted: bool) {
        if !wanted {
            self.listeners.clear();
            return;
        }
        let bridges = self.software_bridges();
        let index = |b: &smartnic_bridge::Bridge| b.device().map(|d| IfIndex(d.ifindex()));
        self.listeners
            .retain(|dev, _| bridges.iter().any(|b| index(b) == Some(*dev)));
        for bridge in bridges {
            let Some(dev) = index(&bridge) else { continue };
            let listener = self
                .listeners
                .entry(dev)
                .or_insert_with(|| bridge.listen())
                .clone();
            let (events, lost) = listener.take();
            if lost {
                tracing::warn!(
                    bridge = self.model.registry.name(dev),
                    "databases changed faster than could be told"
                );
            }
            let port = |number| bridge.port_device(number).map(|d| IfIndex(d.ifindex()));
            for event in events {
                match event {
                    Event::Fdb {
                        deleted,
                        mac,
                        vlan,
                        port: number,
                        flags,
                    } => {
                        let name = |dev| self.model.registry.name(dev);
                        self.fdb_changes.push(FdbChange {
                            deleted,
                            mac,
                            vlan,
                            ifname: port(number).map_or_else(|| name(dev), name),
                            master: name(dev),
                            flags,
                        });
                    }
                    Event::Mdb { deleted, entry } => {
                        let port = entry.port.and_then(|n| port(n as u16));
                        self.mdb_notice(deleted, dev, &entry, port);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What happened in the forwarding databases of bridges in software since the last call.
    pub fn take_fdb_changes(&mut self) -> Vec<FdbChange> {
        std::mem::take(&mut self.fdb_changes)
    }
}

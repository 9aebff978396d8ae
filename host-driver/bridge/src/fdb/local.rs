//! The bridge's own addresses: its own and its ports', an entry each for every VLAN (and for VLAN 0) that they are in.
//!
//! Several ports may have one address; the entry is then one port's, and passes to another that has it when its port goes.

use smartnic_slowpath::MacAddr;

use super::{Edit, FdbFlags, Key, Record, Target};

/// What is to be known of the ports here.
pub(crate) trait Ports {
    /// Whose an own address is when it is no longer port `except`'s: another port with this address in this VLAN, or the bridge (0).
    fn holder(&self, key: Key, except: u16) -> Option<u16>;
}

impl Edit<'_> {
    /// An address of a port, or of the bridge (0). What was learned of it goes. False: it cannot be a station's, or there is no room.
    pub(crate) fn add_local(&mut self, key: Key, port: u16, now: u64) -> bool {
        if !key.address().is_unicast() {
            return false;
        }
        if let Some(old) = self.get(key) {
            if old.target.flags.contains(FdbFlags::LOCAL) {
                return true;
            }
            self.remove(&old);
        }
        let flags = FdbFlags::LOCAL | FdbFlags::STATIC;
        let new = Record {
            key,
            target: Target { port, flags },
            updated: now,
            used: now,
        };
        self.put(&new).is_ok()
    }

    /// Takes an own address from its port, to another one that has it, or away.
    pub(crate) fn remove_local(&mut self, ports: &dyn Ports, mut record: Record) {
        match ports.holder(record.key, record.target.port) {
            Some(port) => {
                record.target.port = port;
                record.target.flags.remove(FdbFlags::ADDED_BY_USER);
                // It is there, so there is room.
                let _ = self.put_quietly(&record);
            }
            None => self.remove(&record),
        }
    }

    /// A port has a new address in these VLANs (0 among them). `vlan` is whether it is in any but 0.
    pub(crate) fn port_address(
        &mut self,
        ports: &dyn Ports,
        port: u16,
        address: MacAddr,
        vids: &[u16],
        now: u64,
    ) {
        let own = |r: &Record| {
            let flags = r.target.flags;
            r.target.port == port
                && flags.contains(FdbFlags::LOCAL)
                && !flags.contains(FdbFlags::ADDED_BY_USER)
        };
        for old in self.records().into_iter().filter(own) {
            self.remove_local(ports, old);
        }
        for vid in vids {
            self.add_local(Key::new(*vid, address), port, now);
        }
    }

    /// The bridge has a new address in these VLANs (0 among them).
    pub(crate) fn bridge_address(
        &mut self,
        ports: &dyn Ports,
        old: MacAddr,
        new: MacAddr,
        vids: &[u16],
        now: u64,
    ) {
        for vid in vids {
            self.remove_bridge_address(ports, Key::new(*vid, old));
            self.add_local(Key::new(*vid, new), 0, now);
        }
    }

    /// The bridge's address is no longer its own in a VLAN.
    pub(crate) fn remove_bridge_address(&mut self, ports: &dyn Ports, key: Key) {
        let Some(old) = self.get(key) else {
            return;
        };
        let flags = old.target.flags;
        let own = flags.contains(FdbFlags::LOCAL) && !flags.contains(FdbFlags::ADDED_BY_USER);
        if own && old.target.port == 0 {
            self.remove_local(ports, old);
        }
    }

    /// A port's address is no longer its own in a VLAN.
    pub(crate) fn remove_port_address(&mut self, ports: &dyn Ports, port: u16, key: Key) {
        let own = |r: &Record| {
            r.target.port == port
                && r.target.flags.contains(FdbFlags::LOCAL)
                && !r.target.flags.contains(FdbFlags::ADDED_BY_USER)
        };
        if let Some(old) = self.get(key).filter(own) {
            self.remove_local(ports, old);
        }
    }
}

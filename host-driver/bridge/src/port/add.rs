//! Taking a device in as port, in steps that are undone in reverse when a later one fails; and letting it go.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::device::{Flags, LinkType, PrivFlags};
use smartnic_netdev::registry::notify::Event;
use smartnic_netdev::{Core, Dev, Errno, NetdevError, Result};
use smartnic_slowpath::stp::{MAX_PORTS, PortSettings};

use super::{Port, PortTable};
use crate::bridge::Bridge;
use crate::data::PortHandler;
use crate::fdb::Key;
use crate::refuse;
use crate::tree::refused;
use crate::vlan::VlanFlags;

/// Whether a device can be a port, in the kernel's order: EINVAL for what is no Ethernet station or is a switch's own conduit, ELOOP for a bridge, EBUSY for a
/// slave, EOPNOTSUPP for what refuses.
pub(crate) fn check(dev: &Dev) -> Result<()> {
    let flags = dev.priv_flags();
    let bad = |errno, reason| refuse(errno, "device", dev.name(), reason);
    if dev.flags().contains(Flags::LOOPBACK) || dev.link_type() != LinkType::Ether {
        return bad(
            Errno::Invalid,
            "only Ethernet devices can be ports of a bridge",
        );
    }
    if !dev.address().is_unicast() {
        return bad(
            Errno::Invalid,
            "its address is none that a station can have",
        );
    }
    if flags.contains(PrivFlags::CONDUIT) {
        return bad(Errno::Invalid, "it is a switch's own conduit to the host");
    }
    if flags.contains(PrivFlags::BRIDGE) {
        return bad(Errno::Loop, "a bridge cannot be a port of a bridge");
    }
    if dev.master().is_some() {
        return bad(Errno::Busy, "it has a master already: release it first");
    }
    if flags.contains(PrivFlags::DONT_BRIDGE) {
        return bad(Errno::NotSupported, "it does not let itself be bridged");
    }
    Ok(())
}

impl Bridge {
    pub(crate) fn change_ports(&self, change: impl FnOnce(&mut PortTable)) {
        let mut table = PortTable::clone(&self.ports.load());
        change(&mut table);
        self.ports.store(Arc::new(table));
    }

    /// Takes a device in as port. What [`check`] refuses; EXFULL with 1,023 ports; what the device, the core or a subscriber refuses: nothing is changed then.
    pub(crate) fn add_port(
        self: &Arc<Self>,
        core: &mut Core,
        bridge: &Dev,
        dev: &Dev,
    ) -> Result<()> {
        check(dev)?;
        let now = core.now();
        let number = {
            let mut tree = self.tree();
            let added = tree.add_port(now, dev.address(), PortSettings::default());
            added.map_err(|e| refused(e, "device", dev.name()))?
        };
        debug_assert!(number <= MAX_PORTS);
        let port = Arc::new(Port::new(number, dev.clone()));
        let result = self.join(core, bridge, &port);
        if result.is_err() {
            // The number is the tree's to give again.
            let mut tree = self.tree();
            let _ = tree.remove_port(now, number);
            tree.take_actions();
        }
        result
    }

    fn join(self: &Arc<Self>, core: &mut Core, bridge: &Dev, port: &Arc<Port>) -> Result<()> {
        core.set_allmulti(&port.dev, 1)?;
        let result = self.join_handler(core, bridge, port);
        if result.is_err() {
            let _ = core.set_allmulti(&port.dev, -1);
        }
        result
    }

    fn join_handler(
        self: &Arc<Self>,
        core: &mut Core,
        bridge: &Dev,
        port: &Arc<Port>,
    ) -> Result<()> {
        let handler = PortHandler {
            bridge: self.clone(),
            dev: bridge.clone(),
            port: port.clone(),
        };
        // The port is disabled still: what comes in by now is dropped.
        core.rx_handler_register(&port.dev, Box::new(handler))?;
        port.dev.set_priv_flags(PrivFlags::BRIDGE_PORT, true);
        let result = self.join_master(core, bridge, port);
        if result.is_err() {
            port.dev.set_priv_flags(PrivFlags::BRIDGE_PORT, false);
            let _ = core.rx_handler_unregister(&port.dev);
        }
        result
    }

    fn join_master(
        self: &Arc<Self>,
        core: &mut Core,
        bridge: &Dev,
        port: &Arc<Port>,
    ) -> Result<()> {
        core.master_upper_link(&port.dev, bridge)?;
        let result = self.join_tables(core, bridge, port);
        if result.is_err() {
            core.upper_unlink(&port.dev, bridge);
        }
        result
    }

    fn join_tables(
        self: &Arc<Self>,
        core: &mut Core,
        bridge: &Dev,
        port: &Arc<Port>,
    ) -> Result<()> {
        let now = core.now();
        self.change_ports(|t| t.list.push(port.clone()));
        self.mcast().add_port(now, port.number.into());
        self.update_port_count(core);
        let address = port.dev.address();
        let nanos = now.as_nanos() as u64;
        self.fdb
            .edit(&self.events)
            .add_local(Key::new(0, address), port.number, nanos);
        let result = self.join_settings(core, bridge, port);
        if result.is_err() {
            self.forget(core, port);
        }
        result
    }

    fn join_settings(&self, core: &mut Core, bridge: &Dev, port: &Arc<Port>) -> Result<()> {
        if self.follows_addresses(bridge) {
            // Whoever minds is asked now, even if another port's address comes to be the bridge's.
            core.notify(bridge, &Event::PreChangeAddress(port.dev.address()))?;
        }
        let pvid = self.config().default_pvid;
        if pvid != 0 {
            self.add_port_vlan(core, port, pvid, VlanFlags::PVID | VlanFlags::UNTAGGED)?;
        }
        self.sync_filters(core);
        self.update_address(core, bridge);
        self.link_changed(core.now(), port);
        self.adjust_mtu(core, bridge);
        let _ = core.update_features(bridge);
        core.run_link_events();
        Ok(())
    }

    /// Takes a port out of all tables: no frame goes to it any more.
    fn forget(&self, core: &mut Core, port: &Arc<Port>) {
        let now = core.now();
        for vid in port.vlans.load_full().vids() {
            let _ = self.del_port_vlan(core, port, vid);
        }
        self.change_ports(|t| t.list.retain(|p| p.number != port.number));
        for other in &self.ports.load().list {
            let _ = other
                .backup
                .compare_exchange(port.number, 0, Relaxed, Relaxed);
        }
        // No thread has an old list of ports, or is about to learn on this one.
        core.synchronize();
        self.fdb.edit(&self.events).forget_port(self, port.number);
        self.mcast().remove_port(now, port.number.into());
        self.clear_promisc(core, port);
        self.update_port_count(core);
        self.sync_filters(core);
        self.update_suppression();
    }

    /// Lets a device go. EINVAL for one that is no port of this bridge.
    pub(crate) fn del_port(&self, core: &mut Core, bridge: &Dev, dev: &Dev) -> Result<()> {
        let Some(port) = self.port_of(dev) else {
            let reason = "it is no port of this bridge";
            return Err(NetdevError::new(
                Errno::Invalid,
                "device",
                dev.name(),
                reason,
            ));
        };
        let now = core.now();
        {
            let mut tree = self.tree();
            // The machine knows every port.
            let _ = tree.remove_port(now, port.number);
            self.carry_out_tree(now, &mut tree);
        }
        self.set_state(now, &port, smartnic_slowpath::stp::PortState::Disabled);
        let _ = core.rx_handler_unregister(dev);
        self.forget(core, &port);
        core.upper_unlink(dev, bridge);
        dev.set_priv_flags(PrivFlags::BRIDGE_PORT, false);
        let _ = core.set_allmulti(dev, -1);
        self.update_address(core, bridge);
        self.update_carrier();
        self.adjust_mtu(core, bridge);
        let _ = core.update_features(bridge);
        core.run_link_events();
        Ok(())
    }
}

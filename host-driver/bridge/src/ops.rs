//! The bridge as a device: up and down, sending, slaves, address, MTU, features.

use std::sync::Arc;

use smartnic_netdev::device::{Features, Flags, PrivFlags, Setting, Setup};
use smartnic_netdev::{
    Core, Dev, Errno, NetDeviceOps, NetdevError, Packet, Result, Softnet, Xmit, device::NetDevice,
};
use smartnic_slowpath::MacAddr;

use crate::bridge::Bridge;
use crate::vlan::VlanFlags;

/// The bridge's operations; the device holds them.
pub(crate) struct Ops(pub(crate) Arc<Bridge>);

/// What a new bridge's device is.
pub(crate) fn setup(name: &str) -> Setup {
    let mut setup = Setup::virtual_ether(name);
    setup.priv_flags |= PrivFlags::BRIDGE | PrivFlags::DONT_BRIDGE;
    setup.hw_features = Features::SOFT
        | Features::SG
        | Features::HW_CSUM
        | Features::VLAN_CTAG_TX
        | Features::VLAN_STAG_TX;
    setup.features = setup.hw_features;
    setup.vlan_features = Features::SOFT | Features::SG | Features::HW_CSUM;
    setup.carrier = false;
    setup
}

impl NetDeviceOps for Ops {
    fn kind(&self) -> Option<&'static str> {
        Some("bridge")
    }

    fn init(&self, _core: &mut Core, dev: &Dev) -> Result<()> {
        self.0.attach(dev);
        Ok(())
    }
    fn uninit(&self, core: &mut Core, dev: &Dev) {
        for port in &self.0.ports.load_full().list {
            let _ = self.0.del_port(core, dev, &port.dev);
        }
    }

    fn open(&self, core: &mut Core, _dev: &Dev) -> Result<()> {
        self.0.running_changed(core.now(), true);
        Ok(())
    }
    fn stop(&self, core: &mut Core, _dev: &Dev) -> Result<()> {
        self.0.running_changed(core.now(), false);
        Ok(())
    }

    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _queue: u16, packet: Packet) -> Xmit {
        self.0.transmit(net, dev, packet);
        Xmit::Ok
    }

    fn supports_netpoll(&self) -> bool {
        true
    }

    fn change_rx_flags(&self, core: &mut Core, _dev: &Dev, changed: Flags) {
        if changed.contains(Flags::PROMISC) {
            self.0.manage_promisc(core);
        }
    }

    fn set_mac_address(&self, core: &mut Core, dev: &Dev, address: MacAddr) -> Result<()> {
        if address != dev.address() {
            self.0.change_address(core, dev, address);
        }
        Ok(())
    }

    fn change_mtu(&self, _core: &mut Core, dev: &Dev, mtu: u32) -> Result<()> {
        let mut config = self.0.config();
        if config.mtu_own {
            return Ok(());
        }
        if let Some(least) = self.0.least_mtu().filter(|least| mtu > *least) {
            let reason = format!("a port of {} takes no more than {least}", dev.name());
            return Err(NetdevError::new(Errno::Invalid, "mtu", mtu, reason));
        }
        config.mtu_set = true;
        Ok(())
    }

    fn add_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        self.0.add_port(core, dev, slave)
    }
    fn del_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        self.0.del_port(core, dev, slave)
    }

    fn settings(&self, _dev: &NetDevice) -> Vec<Setting> {
        self.0.list_settings()
    }
}

impl Bridge {
    /// Least MTU of the ports.
    pub(crate) fn least_mtu(&self) -> Option<u32> {
        self.ports.load().list.iter().map(|p| p.dev.mtu()).min()
    }

    /// The bridge's MTU follows its ports: the least of theirs, or what a user set if that is less.
    pub(crate) fn adjust_mtu(&self, core: &mut Core, dev: &Dev) {
        let least = self.least_mtu();
        let set = self.config().mtu_set;
        let wanted = match (least, set) {
            (Some(least), true) => dev.mtu().min(least),
            (Some(least), false) => least,
            (None, true) => return,
            (None, false) => 1500,
        };
        self.config().mtu_own = true;
        if let Err(error) = core.set_mtu(dev, wanted) {
            // A subscriber refused: the old one stays, and frames that are too long for a port are dropped there.
            debug_assert!(dev.mtu() != wanted, "{error}");
        }
        self.config().mtu_own = false;
        self.mcast().set_mtu(dev.mtu() as usize);
    }

    /// The bridge's address follows its ports': nobody has set it.
    pub(crate) fn follows_addresses(&self, dev: &Dev) -> bool {
        dev.address_origin() != smartnic_netdev::device::AddressOrigin::Set
    }

    /// The lowest address of the ports becomes the bridge's, unless a user has set one; zero without ports.
    pub(crate) fn update_address(&self, core: &mut Core, dev: &Dev) {
        if self.follows_addresses(dev) {
            let lowest = self.ports.load().list.iter().map(|p| p.dev.address()).min();
            let lowest = lowest.unwrap_or_default();
            if lowest != dev.address() {
                self.change_address(core, dev, lowest);
                dev.assign_address(lowest, dev.address_origin());
                core.announce(
                    dev,
                    &smartnic_netdev::registry::notify::Event::ChangeAddress,
                );
            }
        }
        // The bridge's identifier is zero without ports.
        let _ = self.apply_tree_settings(core.now());
    }

    /// The bridge's address is about to become another one.
    pub(crate) fn change_address(&self, core: &mut Core, dev: &Dev, address: MacAddr) {
        let now = core.now().as_nanos() as u64;
        let vids = self.local_vids();
        {
            let mut edit = self.fdb.edit(&self.events);
            edit.bridge_address(self, dev.address(), address, &vids, now);
        }
        self.mcast()
            .set_addresses(smartnic_slowpath::mcast::Addresses::of(address));
        self.sync_filters(core);
    }

    /// The device is new: the bridge is in its default VLAN.
    pub(crate) fn begin(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        let pvid = self.config().default_pvid;
        if pvid != 0 {
            self.add_bridge_vlan(core, pvid, VlanFlags::PVID | VlanFlags::UNTAGGED)?;
        }
        let now = core.now().as_nanos() as u64;
        let key = crate::fdb::Key::new(0, dev.address());
        self.fdb.edit(&self.events).add_local(key, 0, now);
        Ok(())
    }
}

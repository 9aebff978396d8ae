//! The device of a card's bridge: the hardware forwards, or the bridge in software does, with ports, VLANs and everything else that the hardware has not.
//!
//! The device stays the same when the one takes over from the other, so that what is on top of it, its interface in the kernel and its index stay too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smartnic_netdev::device::{Flags, LinkStats64, PrivFlags, Setting};
use smartnic_netdev::{Core, Dev, NetDevice, NetDeviceOps, Packet, Result, Setup, Softnet, Xmit};

use super::drivers::MasterDevice;
use super::{BRIDGE, Plane};
use crate::device::MacAddr;
use crate::netdev::IfIndex;

/// Operations of a card's bridge.
pub(in crate::switch) struct BridgeDevice {
    hardware: MasterDevice,
    software: Arc<dyn NetDeviceOps>,
    in_software: AtomicBool,
}

impl BridgeDevice {
    /// The hardware forwards.
    pub(in crate::switch) fn new(plane: Arc<Plane>, software: Arc<dyn NetDeviceOps>) -> Self {
        Self {
            hardware: MasterDevice::new(BRIDGE, plane),
            software,
            in_software: AtomicBool::new(false),
        }
    }

    pub(in crate::switch) fn setup(name: &str, ifindex: IfIndex, address: MacAddr) -> Setup {
        let mut setup = MasterDevice::setup(name, ifindex, address);
        setup.priv_flags |= PrivFlags::BRIDGE | PrivFlags::DONT_BRIDGE;
        setup
    }

    fn in_software(&self) -> bool {
        self.in_software.load(Ordering::Relaxed)
    }

    /// The other one forwards from now on; the device has no ports while that happens.
    pub(in crate::switch) fn switch_over(
        &self,
        core: &mut Core,
        dev: &Dev,
        software: bool,
    ) -> Result<()> {
        if dev.is_up() {
            match software {
                true => self.software.open(core, dev)?,
                false => self.software.stop(core, dev)?,
            }
        }
        self.in_software.store(software, Ordering::Relaxed);
        Ok(())
    }
}

impl NetDeviceOps for BridgeDevice {
    fn kind(&self) -> Option<&'static str> {
        Some(BRIDGE)
    }
    fn init(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        self.software.init(core, dev)
    }
    fn uninit(&self, core: &mut Core, dev: &Dev) {
        self.software.uninit(core, dev);
    }
    fn open(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        match self.in_software() {
            true => self.software.open(core, dev),
            false => self.hardware.open(core, dev),
        }
    }
    fn stop(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        match self.in_software() {
            true => self.software.stop(core, dev),
            false => self.hardware.stop(core, dev),
        }
    }
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        match self.in_software() {
            true => self.software.start_xmit(net, dev, queue, packet),
            false => self.hardware.start_xmit(net, dev, queue, packet),
        }
    }
    fn get_stats64(&self, dev: &NetDevice, stats: &mut LinkStats64) {
        self.hardware.get_stats64(dev, stats);
    }
    fn supports_netpoll(&self) -> bool {
        true
    }
    fn poll_controller(&self, net: &mut Softnet, dev: &Dev) {
        self.hardware.poll_controller(net, dev);
    }
    fn change_rx_flags(&self, core: &mut Core, dev: &Dev, changed: Flags) {
        self.software.change_rx_flags(core, dev, changed);
    }
    fn set_mac_address(&self, core: &mut Core, dev: &Dev, address: MacAddr) -> Result<()> {
        // The one that stands still knows its address too.
        self.software.set_mac_address(core, dev, address)
    }
    fn change_mtu(&self, core: &mut Core, dev: &Dev, mtu: u32) -> Result<()> {
        match self.in_software() {
            true => self.software.change_mtu(core, dev, mtu),
            // The model has looked at its ports.
            false => Ok(()),
        }
    }
    fn add_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        match self.in_software() {
            true => self.software.add_slave(core, dev, slave),
            false => self.hardware.add_slave(core, dev, slave),
        }
    }
    fn del_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        match self.in_software() {
            true => self.software.del_slave(core, dev, slave),
            false => self.hardware.del_slave(core, dev, slave),
        }
    }
    fn settings(&self, dev: &NetDevice) -> Vec<Setting> {
        self.software.settings(dev)
    }
}

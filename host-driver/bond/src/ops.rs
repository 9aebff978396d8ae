//! The bond as a device: up and down, sending, slaves, address, MTU, counters.

use std::sync::Arc;

use smartnic_netdev::device::{Features, Flags, LinkStats64, PrivFlags, RxMode, Setting, Setup};
use smartnic_netdev::{Core, Dev, NetDeviceOps, Packet, Result, Softnet, Xmit, device::NetDevice};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Bond as Machine, Lower, TX_QUEUES, Way};

use crate::bond::Bond;
use crate::member::Left;

/// The bond's operations; the device holds them.
pub(crate) struct Ops(pub(crate) Arc<Bond>);

/// What a new bond's device is.
pub(crate) fn setup(name: &str) -> Setup {
    let mut setup = Setup::virtual_ether(name);
    setup.flags |= Flags::MASTER;
    setup.priv_flags |= PrivFlags::BONDING | PrivFlags::UNICAST_FLT;
    setup.tx_queues = TX_QUEUES;
    // Sums are left to the slaves; tags are not, since the machine looks for them in the frame.
    setup.hw_features = Features::SOFT | Features::SG | Features::HW_CSUM;
    setup.features = setup.hw_features;
    setup.vlan_features = setup.hw_features;
    setup.carrier = false;
    setup
}

impl NetDeviceOps for Ops {
    fn kind(&self) -> Option<&'static str> {
        Some("bond")
    }

    fn init(&self, _core: &mut Core, dev: &Dev) -> Result<()> {
        self.0.attach(dev);
        Ok(())
    }
    fn uninit(&self, core: &mut Core, dev: &Dev) {
        self.0.release_all(core, dev, |_| true);
    }

    fn open(&self, core: &mut Core, _dev: &Dev) -> Result<()> {
        let now = core.now();
        let ((), actions) = self.0.ask(|m| m.open(now));
        self.0.done(core, actions);
        Ok(())
    }
    /// Slaves that came by the ioctl are released, as they were when that ioctl was written.
    fn stop(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        self.0.release_all(core, dev, |way| way == Way::Ioctl);
        let now = core.now();
        let mut none = Left::default();
        let ((), actions) = self.0.ask(|m| m.close(now, &mut none as &mut dyn Lower));
        self.0.done(core, actions);
        self.0.sync_filters(core, false);
        Ok(())
    }

    /// The queue that somebody chose (`queue_id`), else the first.
    fn select_queue(&self, _dev: &NetDevice, packet: &Packet) -> Option<u16> {
        Some(packet.queue_mapping().unwrap_or(0))
    }
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        self.0.transmit(net, dev, queue, packet);
        Xmit::Ok
    }

    fn supports_netpoll(&self) -> bool {
        true
    }

    fn set_rx_mode(&self, core: &mut Core, _dev: &Dev, _mode: &RxMode) {
        self.0.sync_filters(core, true);
    }
    fn change_rx_flags(&self, core: &mut Core, dev: &Dev, _changed: Flags) {
        self.0.sync_filters(core, dev.is_up());
    }

    fn set_mac_address(&self, core: &mut Core, dev: &Dev, address: MacAddr) -> Result<()> {
        self.0.give_address(core, dev, address)
    }

    /// Every slave gets it, or none does.
    fn change_mtu(&self, core: &mut Core, dev: &Dev, mtu: u32) -> Result<()> {
        let slaves = self.0.slaves.load_full();
        for (done, slave) in slaves.iter().enumerate() {
            let before = slave.dev.mtu();
            if let Err(error) = core.set_mtu(&slave.dev, mtu) {
                debug_assert_eq!(slave.dev.mtu(), before);
                for slave in &slaves[..done] {
                    if let Err(error) = core.set_mtu(&slave.dev, dev.mtu()) {
                        tracing::warn!(slave = slave.dev.name(), %error, "a slave's MTU stays");
                    }
                }
                return Err(error);
            }
        }
        self.0.machine().set_mtu(mtu);
        Ok(())
    }

    fn get_stats64(&self, _dev: &NetDevice, stats: &mut LinkStats64) {
        self.0.slaves_stats(stats);
    }

    fn add_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        self.0.enslave(core, dev, slave, Way::Link)
    }
    fn del_slave(&self, core: &mut Core, dev: &Dev, slave: &Dev) -> Result<()> {
        self.0.release(core, dev, slave)
    }

    fn settings(&self, _dev: &NetDevice) -> Vec<Setting> {
        let machine = self.0.machine();
        let shown = |name| {
            let value = machine.get(name)?;
            let offload = false;
            Some(Setting {
                name,
                value,
                offload,
            })
        };
        Machine::option_names().filter_map(shown).collect()
    }
}

impl Bond {
    /// Lets all slaves go that came by such a way.
    pub(crate) fn release_all(&self, core: &mut Core, master: &Dev, which: impl Fn(Way) -> bool) {
        for slave in self.slaves.load_full().iter().filter(|s| which(s.way)) {
            // It is a slave of this bond: nothing refuses.
            let _ = self.release(core, master, &slave.dev);
        }
    }
}

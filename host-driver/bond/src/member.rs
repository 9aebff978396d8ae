//! Slaves join and leave. The machine checks and decides, the steps are carried out here without its lock, and then it is told.

use std::sync::Arc;

use smartnic_netdev::device::{AddressOrigin, Flags, LinkStats64, LinkType, PrivFlags, RxMode};
use smartnic_netdev::{Core, Dev, NetdevError, Result};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{
    Action, BondError, Device, Errno as Code, Lower, NewAddress, SlaveId, Way,
};
use smartnic_slowpath::lacp::Link;

use crate::bond::{Bond, Slave, lock};
use crate::data::{SlaveHandler, control};
use crate::{code, refused};

/// A device's link, while it is up and has a carrier.
fn link(dev: &Dev) -> Option<Link> {
    let running = dev.is_up() && dev.carrier_ok();
    running.then(|| Link {
        speed: dev.ops().link_speed(dev),
        full_duplex: true,
    })
}

fn has_below(dev: &Dev, wanted: &Dev) -> bool {
    dev == wanted || dev.lowers().iter().any(|lower| has_below(lower, wanted))
}

/// What the machine asks about a device.
fn describe(master: &Dev, dev: &Dev) -> Device {
    let bond = dev.priv_flags().contains(PrivFlags::BONDING);
    Device {
        id: dev.ifindex(),
        name: dev.name(),
        address: dev.address(),
        mtu: dev.mtu(),
        up: dev.is_up(),
        link: link(dev),
        other_master: dev.flags().contains(Flags::MASTER) && !bond,
        busy: dev.master().is_some() || dev.has_rx_handler(),
        is_bond: has_below(dev, master),
        ethernet: dev.link_type() == LinkType::Ether,
        sets_address: true,
    }
}

impl Bond {
    /// Takes a slave: what the machine refuses, and what the device, the core or a subscriber refuses; nothing is changed then.
    pub(crate) fn enslave(
        self: &Arc<Self>,
        core: &mut Core,
        master: &Dev,
        dev: &Dev,
        way: Way,
    ) -> Result<()> {
        let device = describe(master, dev);
        let joining = self
            .machine()
            .begin_enslave(way, &device)
            .map_err(refused)?;
        let mut steps = Steps::new(self, core, master);
        (steps.way, steps.own) = (way, (dev.address(), dev.address_origin()));
        if let Err(error) = joining.carry_out(&mut steps) {
            return Err(steps.refusal(error));
        }
        let now = core.now();
        let ((), actions) = self.ask(|m| m.finish_enslave(now, joining));
        self.done(core, actions);
        self.sync_filters(core, master.is_up());
        self.link_changed(core, dev);
        core.run_link_events();
        Ok(())
    }

    /// Lets a slave go. EINVAL for a device that is none of this bond's.
    pub(crate) fn release(&self, core: &mut Core, master: &Dev, dev: &Dev) -> Result<()> {
        let (now, id) = (core.now(), dev.ifindex());
        let mut left = Left::default();
        if let Some(slave) = self.slave_of(dev) {
            // No thread is in the handler any more: none waits for the machine because of this slave.
            let _ = core.rx_handler_unregister(&slave.dev);
        }
        let (result, actions) = self.ask(|m| m.release(now, &mut left, id));
        let actions = last_words(core, dev, actions);
        result.map_err(refused)?;
        left.carry_out(self, core, master);
        self.done(core, actions);
        self.sync_filters(core, master.is_up());
        core.run_link_events();
        Ok(())
    }

    /// Something about a slave's link may have changed.
    pub(crate) fn link_changed(&self, core: &mut Core, dev: &Dev) {
        let (now, link) = (core.now(), link(dev));
        let ((), actions) = self.ask(|m| m.set_link(now, dev.ifindex(), link));
        self.done(core, actions);
    }

    /// The bond's address is to be this one, and its slaves' where they have it.
    pub(crate) fn give_address(
        self: &Arc<Self>,
        core: &mut Core,
        master: &Dev,
        address: MacAddr,
    ) -> Result<()> {
        let new = self.machine().begin_address(address).map_err(refused)?;
        let Some(new) = new else {
            return Ok(());
        };
        self.give(core, master, &new)?;
        let now = core.now();
        let ((), actions) = self.ask(|m| m.finish_address(now, new));
        // The device's own address is the core's to store.
        let own = |action: &Action| !matches!(action, Action::BondAddress(_));
        self.done(core, actions.into_iter().filter(own).collect());
        Ok(())
    }

    fn give(self: &Arc<Self>, core: &mut Core, master: &Dev, new: &NewAddress) -> Result<()> {
        let mut steps = Steps::new(self, core, master);
        new.carry_out(&mut steps).map_err(|e| steps.refusal(e))
    }

    /// What all slaves counted while they were slaves.
    pub(crate) fn slaves_stats(&self, stats: &mut LinkStats64) {
        stats.add(&lock(&self.gone));
        for slave in self.slaves.load().iter() {
            stats.add(&slave.counted());
        }
    }

    fn join_master(self: &Arc<Self>, core: &mut Core, master: &Dev, slave: Slave) -> Result<()> {
        let dev = slave.dev.clone();
        let handler = SlaveHandler {
            bond: self.clone(),
            master: master.clone(),
        };
        core.set_slave_flag(&dev, true);
        let joined = core
            .rx_handler_register(&dev, Box::new(handler))
            .and_then(|()| {
                let linked = core.master_upper_link(&dev, master);
                linked.inspect_err(|_| {
                    // It was registered a moment ago.
                    let _ = core.rx_handler_unregister(&dev);
                })
            });
        match joined {
            Ok(()) => self.change_slaves(|s| s.push(Arc::new(slave))),
            Err(_) => core.set_slave_flag(&dev, false),
        }
        joined
    }

    fn leave_master(&self, core: &mut Core, master: &Dev, slave: &Slave) {
        slave.listen(core, &RxMode::default());
        self.change_slaves(|s| s.retain(|other| other.dev != slave.dev));
        lock(&self.gone).add(&slave.counted());
        core.upper_unlink(&slave.dev, master);
        core.set_slave_flag(&slave.dev, false);
    }

    fn change_slaves(&self, change: impl FnOnce(&mut Vec<Arc<Slave>>)) {
        let mut slaves = self.slaves.load().to_vec();
        change(&mut slaves);
        self.slaves.store(Arc::new(slaves));
    }
}

impl Slave {
    fn counted(&self) -> LinkStats64 {
        let mut counted = self.dev.stats64();
        counted.subtract(&self.before);
        counted
    }
}

/// LACP's last word to the partner of a slave that leaves goes out before the device is changed; the other actions come back.
fn last_words(core: &Core, dev: &Dev, actions: Vec<Action>) -> Vec<Action> {
    let id = dev.ifindex();
    let mut net = core.softnet();
    let mut rest = Vec::new();
    for action in actions {
        match action {
            Action::Send { slave, frame } if slave == id => {
                net.xmit(dev, control(&frame));
            }
            other => rest.push(other),
        }
    }
    net.run();
    rest
}

/// Steps that may fail, done to the core; the core's own words for why are kept.
struct Steps<'a> {
    bond: &'a Arc<Bond>,
    core: &'a mut Core,
    master: &'a Dev,
    /// Of the device that joins: how, and the address that it came with.
    way: Way,
    own: (MacAddr, AddressOrigin),
    why: Option<NetdevError>,
}

impl<'a> Steps<'a> {
    fn new(bond: &'a Arc<Bond>, core: &'a mut Core, master: &'a Dev) -> Self {
        Self {
            bond,
            core,
            master,
            way: Way::Link,
            own: Default::default(),
            why: None,
        }
    }

    fn step(
        &mut self,
        id: SlaveId,
        step: impl FnOnce(&mut Core, &Dev) -> Result<()>,
    ) -> Result<(), Code> {
        let dev = self.core.by_index(id).cloned();
        let done = dev.and_then(|dev| step(self.core, &dev));
        done.map_err(|error| {
            let code = code(error.code());
            // What comes after it undoes what came before it.
            self.why.get_or_insert(error);
            code
        })
    }

    /// Why a step failed: which, in the machine's words; why, in those of whoever refused it, with his number.
    fn refusal(self, error: BondError) -> NetdevError {
        let Some(why) = self.why else {
            return refused(error);
        };
        let reason = format!("{}: {}", error.reason, why.reason());
        let argument = refused(error.clone()).argument();
        NetdevError::new(why.code(), argument, error.value, reason)
    }
}

impl Lower for Steps<'_> {
    fn set_mtu(&mut self, slave: SlaveId, mtu: u32) -> Result<(), Code> {
        self.step(slave, |core, dev| core.set_mtu(dev, mtu))
    }
    fn set_address(&mut self, slave: SlaveId, address: MacAddr) -> Result<(), Code> {
        let origin = match address == self.own.0 {
            true => self.own.1,
            false => AddressOrigin::Stolen,
        };
        self.step(slave, |core, dev| {
            core.set_address_from(dev, address, origin)
        })
    }
    fn open(&mut self, slave: SlaveId) -> Result<(), Code> {
        self.step(slave, |core, dev| core.open(dev))
    }
    fn close(&mut self, slave: SlaveId) {
        let _ = self.step(slave, |core, dev| {
            core.close(dev);
            Ok(())
        });
    }
    fn attach(&mut self, slave: SlaveId) -> Result<(), Code> {
        let (bond, master, way, origin) = (self.bond, self.master, self.way, self.own.1);
        self.step(slave, |core, dev| {
            let slave = Slave {
                dev: dev.clone(),
                way,
                origin,
                before: dev.stats64(),
                handed: Default::default(),
            };
            bond.join_master(core, master, slave)
        })
    }
    fn detach(&mut self, _slave: SlaveId) {
        // Attaching is the last step of joining: it is never undone here.
    }
}

/// What is to be done to a device that leaves: noted while the machine is locked, carried out afterwards. A failure leaves the device with what it has.
#[derive(Default)]
pub(crate) struct Left(Vec<(SlaveId, Leaving)>);

enum Leaving {
    Detach,
    Close,
    Address(MacAddr),
    Mtu(u32),
}

impl Left {
    fn carry_out(self, bond: &Bond, core: &mut Core, master: &Dev) {
        let mut origin = AddressOrigin::Permanent;
        for (id, step) in self.0 {
            let Ok(dev) = core.by_index(id).cloned() else {
                continue;
            };
            let done = match step {
                Leaving::Detach => {
                    if let Some(slave) = bond.slave(id) {
                        origin = slave.origin;
                        bond.leave_master(core, master, &slave);
                    }
                    Ok(())
                }
                Leaving::Close => {
                    core.close(&dev);
                    Ok(())
                }
                Leaving::Address(address) if address == dev.address() => Ok(()),
                Leaving::Address(address) => core.set_address_from(&dev, address, origin),
                Leaving::Mtu(mtu) => core.set_mtu(&dev, mtu),
            };
            if let Err(error) = done {
                tracing::warn!(bond = master.name(), slave = dev.name(), %error, "a slave leaves with what it has");
            }
        }
    }
}

impl Lower for Left {
    fn set_mtu(&mut self, slave: SlaveId, mtu: u32) -> Result<(), Code> {
        self.0.push((slave, Leaving::Mtu(mtu)));
        Ok(())
    }
    fn set_address(&mut self, slave: SlaveId, address: MacAddr) -> Result<(), Code> {
        self.0.push((slave, Leaving::Address(address)));
        Ok(())
    }
    fn open(&mut self, _slave: SlaveId) -> Result<(), Code> {
        Ok(())
    }
    fn close(&mut self, slave: SlaveId) {
        self.0.push((slave, Leaving::Close));
    }
    fn attach(&mut self, _slave: SlaveId) -> Result<(), Code> {
        Ok(())
    }
    fn detach(&mut self, slave: SlaveId) {
        self.0.push((slave, Leaving::Detach));
    }
}

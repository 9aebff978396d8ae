//! The bond kind of a core: bonds made and deleted, events of their slaves followed, timers run, and the old ioctl's requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smartnic_netdev::device::{AddressOrigin, Registration};
use smartnic_netdev::registry::notify::{Event, Subscriber};
use smartnic_netdev::{Core, Dev, Errno, NetdevError, Result, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::Way;

use crate::bond::{Bond, lock};
use crate::ops::{Ops, setup};
use crate::refused;

/// All bonds of a core.
///
/// A program makes one with [`Bonds::install`], and calls [`Bonds::tick`] after each of its core's ticks and when [`Bonds::next_deadline`] is over.
#[derive(Default)]
pub struct Bonds {
    /// By the index of their devices.
    list: Mutex<BTreeMap<u32, Arc<Bond>>>,
}

fn refuse<T>(errno: Errno, argument: &'static str, dev: &str, reason: &'static str) -> Result<T> {
    Err(NetdevError::new(errno, argument, dev, reason))
}

impl Bonds {
    /// Begins to follow the devices of a core.
    pub fn install(core: &mut Core) -> Result<Arc<Self>> {
        let bonds = Arc::new(Self::default());
        core.subscribe(0, bonds.clone())?;
        Ok(bonds)
    }

    /// Makes a bond (`ip link add NAME type bond`): a name of `bond%d` gets the lowest free number. EINVAL or EEXIST for a name that cannot be or is in use, EADDRNOTAVAIL for an
    /// address that no station may have. Without an address it has a random one, until its first slave gives it its own.
    pub fn create(&self, core: &mut Core, name: &str, address: Option<MacAddr>) -> Result<Dev> {
        let bond = Bond::new(rand::random());
        let mut setup = setup(name);
        {
            let mut machine = bond.machine();
            if let Some(address) = address {
                setup.address_origin = AddressOrigin::Set;
                if let Some(new) = machine.begin_address(address).map_err(refused)? {
                    machine.finish_address(core.now(), new);
                }
            }
            setup.address = machine.address();
        }
        let dev = core.add(setup, Arc::new(Ops(bond.clone())))?;
        lock(&self.list).insert(dev.ifindex(), bond);
        Ok(dev)
    }

    /// The bond of a device; EOPNOTSUPP for a device that is none.
    pub fn get(&self, dev: &Dev) -> Result<Arc<Bond>> {
        let found = lock(&self.list).get(&dev.ifindex()).cloned();
        let found = found.filter(|b| b.device().is_some_and(|d| d == *dev));
        match found {
            Some(bond) => Ok(bond),
            None => refuse(Errno::NotSupported, "device", &dev.name(), "it is no bond"),
        }
    }

    /// The bond that a device is a slave of, with its device; EINVAL for a device that is none's.
    pub fn of_slave(&self, dev: &Dev) -> Result<(Dev, Arc<Bond>)> {
        let master = dev.master();
        let found = master.and_then(|m| self.get(&m).ok().map(|bond| (m, bond)));
        match found {
            Some(found) => Ok(found),
            None => refuse(
                Errno::Invalid,
                "device",
                &dev.name(),
                "it is no slave of a bond",
            ),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Bond>> {
        lock(&self.list).values().cloned().collect()
    }

    /// Deletes a bond, up or down (`ip link del`). EOPNOTSUPP for a device that is none.
    pub fn delete(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        self.get(dev)?;
        core.unregister(dev);
        Ok(())
    }

    /// BOND_ENSLAVE: ENODEV for a slave that is no device, and the machine's refusals in the ioctl's order. It must be up and running.
    pub fn ioctl_enslave(&self, core: &mut Core, dev: &Dev, slave: &str) -> Result<()> {
        let bond = self.get(dev)?;
        let slave = device(core, slave)?;
        core.notify(&slave, &Event::Join)?;
        bond.enslave(core, dev, &slave, Way::Ioctl)
    }

    /// BOND_RELEASE: ENODEV for a slave that is no device, EINVAL for one that is no slave of this bond.
    pub fn ioctl_release(&self, core: &mut Core, dev: &Dev, slave: &str) -> Result<()> {
        let bond = self.get(dev)?;
        let slave = device(core, slave)?;
        bond.release(core, dev, &slave)
    }

    /// BOND_SETHWADDR: the bond takes the slave's address. ENODEV and EINVAL as for [`Bonds::ioctl_release`].
    pub fn ioctl_take_address(&self, core: &mut Core, dev: &Dev, slave: &str) -> Result<()> {
        let bond = self.get(dev)?;
        let (slave, now) = (device(core, slave)?, core.now());
        let (result, actions) = bond.ask(|m| m.take_address(now, slave.ifindex()));
        bond.done(core, actions);
        result.map_err(refused)
    }

    /// Runs what is due: monitors, LACP, balancing; sends what they send by `net`. Call it without being inside of the data path.
    pub fn tick(&self, core: &mut Core, net: &mut Softnet) {
        let now = core.now();
        for bond in self.all() {
            let ((), actions) = bond.ask(|m| m.tick(now));
            bond.done(core, actions);
            bond.send_post(net);
        }
        core.run_link_events();
    }

    /// When [`Bonds::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.all().iter().filter_map(|b| b.next_deadline()).min()
    }
}

fn device(core: &Core, name: &str) -> Result<Dev> {
    match core.by_name(name) {
        Ok(dev) => Ok(dev.clone()),
        Err(_) => refuse(Errno::NoDevice, "slave", name, "there is no such device"),
    }
}

impl Subscriber for Bonds {
    fn notify(&self, core: &mut Core, dev: &Dev, event: &Event) -> Result<()> {
        if let Ok(bond) = self.get(dev) {
            self.about_bond(core, dev, &bond, event);
        }
        if *event == Event::ChangeAddress {
            // A master's: bonds in it speak for it.
            for lower in dev
                .lowers()
                .iter()
                .filter(|l| l.master().as_ref() == Some(dev))
            {
                if let Ok(bond) = self.get(lower) {
                    bond.machine().set_above(Some(dev.address()));
                }
            }
        }
        let Ok((master, bond)) = self.of_slave(dev) else {
            return Ok(());
        };
        match event {
            Event::Unregister => {
                let _ = bond.release(core, &master, dev);
            }
            Event::Up | Event::Down | Event::Change(_) => bond.link_changed(core, dev),
            Event::ChangeName(_) => {
                let (now, name) = (core.now(), dev.name());
                let ((), actions) = bond.ask(|m| m.rename_slave(now, dev.ifindex(), &name));
                bond.done(core, actions);
            }
            Event::ResendIgmp => core.announce(&master, event),
            _ => {}
        }
        Ok(())
    }
}

impl Bonds {
    fn about_bond(&self, core: &mut Core, dev: &Dev, bond: &Arc<Bond>, event: &Event) {
        match event {
            Event::Unregister => {
                bond.release_all(core, dev, |_| true);
                lock(&self.list).remove(&dev.ifindex());
            }
            Event::ChangeUpper { master: true, .. } => {
                let above = dev.master().map(|m| m.address());
                let mut machine = bond.machine();
                machine.set_enslaved(above.is_some());
                machine.set_above(above);
            }
            // Before it is down: LACP still has a last word.
            Event::GoingDown if dev.registration() == Registration::Unregistering => {
                bond.release_all(core, dev, |_| true);
            }
            // With `fail_over_mac` it is not for anybody to choose.
            Event::ChangeAddress => {
                let own = bond.machine().address();
                dev.assign_address(own, dev.address_origin());
            }
            _ => {}
        }
    }
}

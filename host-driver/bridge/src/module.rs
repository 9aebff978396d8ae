//! The bridge kind of a core: bridges made and deleted, events of their ports followed, timers run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smartnic_netdev::device::{AddressOrigin, PrivFlags};
use smartnic_netdev::registry::notify::{Event, Subscriber};
use smartnic_netdev::{Core, Dev, Errno, NetDeviceOps, Result, Softnet};
use smartnic_slowpath::MacAddr;

use crate::bridge::Bridge;
use crate::ops::{Ops, setup};
use crate::refuse;

/// All bridges of a core.
///
/// A program makes one with [`Bridges::install`], and calls [`Bridges::tick`] after each of its core's ticks and when [`Bridges::next_deadline`] is over.
#[derive(Default)]
pub struct Bridges {
    /// By the index of their devices.
    list: Mutex<BTreeMap<u32, Arc<Bridge>>>,
}

impl Bridges {
    /// Begins to follow the devices of a core.
    pub fn install(core: &mut Core) -> Result<Arc<Self>> {
        let bridges = Arc::new(Self::default());
        core.subscribe(0, bridges.clone())?;
        Ok(bridges)
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Bridge>>> {
        // A map is whole after any panic.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a bridge (`ip link add NAME type bridge`, `brctl addbr`): a name of `br%d` gets the lowest free number. EINVAL or EEXIST for a name that cannot be or is in use,
    /// EADDRNOTAVAIL for an address that no station may have.
    pub fn create(&self, core: &mut Core, name: &str, address: Option<MacAddr>) -> Result<Dev> {
        let (bridge, ops) = self.prepare();
        let mut setup = setup(name);
        if let Some(address) = address {
            if !address.is_unicast() {
                let reason = "a device's address is neither multicast nor zero";
                return refuse(Errno::AddressNotAvailable, "address", address, reason);
            }
            (setup.address, setup.address_origin) = (address, AddressOrigin::Set);
        }
        let dev = core.add(setup, ops)?;
        self.adopt(core, &dev, bridge)?;
        Ok(dev)
    }

    /// A bridge for a device of the caller's, and the operations that the caller's own have to pass on: `init` always, the others while it is to be this bridge.
    pub fn prepare(&self) -> (Arc<Bridge>, Arc<dyn NetDeviceOps>) {
        let bridge = Bridge::new();
        let ops = Arc::new(Ops(bridge.clone()));
        (bridge, ops)
    }

    /// The bridge that was prepared for a device is its bridge, now that it is registered. What is refused unregisters it.
    pub fn adopt(&self, core: &mut Core, dev: &Dev, bridge: Arc<Bridge>) -> Result<()> {
        self.list().insert(dev.ifindex(), bridge.clone());
        let result = bridge.begin(core, dev);
        if result.is_err() {
            core.unregister(dev);
        }
        result
    }

    /// The bridge of a device; EOPNOTSUPP for a device that is none.
    pub fn get(&self, dev: &Dev) -> Result<Arc<Bridge>> {
        let found = self.list().get(&dev.ifindex()).cloned();
        let found = found.filter(|b| b.device().is_some_and(|d| d == *dev));
        found.ok_or_else(|| {
            let reason = "it is no bridge";
            smartnic_netdev::NetdevError::new(Errno::NotSupported, "device", dev.name(), reason)
        })
    }

    /// The bridge that a device is a port of; EINVAL for a device that is none's.
    pub fn of_port(&self, dev: &Dev) -> Result<Arc<Bridge>> {
        let master = dev.master().and_then(|m| self.get(&m).ok());
        match master {
            Some(bridge) => Ok(bridge),
            None => refuse(
                Errno::Invalid,
                "device",
                dev.name(),
                "it is no port of a bridge",
            ),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Bridge>> {
        self.list().values().cloned().collect()
    }

    /// Deletes a bridge, up or down (`ip link del`). EOPNOTSUPP for a device that is none.
    pub fn delete(&self, core: &mut Core, dev: &Dev) -> Result<()> {
        self.get(dev)?;
        core.unregister(dev);
        Ok(())
    }

    /// Deletes a bridge as the bridge ioctl does (`brctl delbr`): ENXIO for no device, EPERM for one that is no bridge, EBUSY for one that is up.
    pub fn ioctl_delete(&self, core: &mut Core, name: &str) -> Result<()> {
        let Ok(dev) = core.by_name(name).cloned() else {
            return refuse(
                Errno::NoDeviceOrAddress,
                "device",
                name,
                "there is no such device",
            );
        };
        if self.get(&dev).is_err() {
            return refuse(Errno::Perm, "device", name, "it is no bridge");
        }
        if dev.is_up() {
            return refuse(
                Errno::Busy,
                "device",
                name,
                "the bridge is up: take it down first",
            );
        }
        core.unregister(&dev);
        Ok(())
    }

    /// Takes a port in, or lets it go, as the bridge ioctl does (`brctl addif`, `delif`): EOPNOTSUPP for a device that is no bridge, EINVAL for a port that is no device or no port of this
    /// bridge; what joining refuses.
    pub fn ioctl_port(&self, core: &mut Core, dev: &Dev, port: &str, add: bool) -> Result<()> {
        let bridge = self.get(dev)?;
        let Ok(port) = core.by_name(port).cloned() else {
            return refuse(Errno::Invalid, "device", port, "there is no such device");
        };
        match add {
            true => bridge.add_port(core, dev, &port),
            false => bridge.del_port(core, dev, &port),
        }
    }

    /// Runs what is due: ageing, the spanning trees, multicast; sends what they send by `net`. Call it without being inside of the data path.
    pub fn tick(&self, core: &mut Core, net: &mut Softnet) {
        self.run(core);
        self.send(net);
    }

    /// The first half of [`Bridges::tick`]: runs what is due.
    pub fn run(&self, core: &mut Core) {
        let now = core.now();
        self.all().iter().for_each(|bridge| bridge.run_timers(now));
        core.run_link_events();
    }

    /// The other half: gives the data path what bridges send.
    pub fn send(&self, net: &mut Softnet) {
        self.all().iter().for_each(|bridge| bridge.send_post(net));
    }

    /// Bridges have something to send.
    pub fn has_post(&self) -> bool {
        self.all().iter().any(|bridge| bridge.has_post())
    }

    /// When [`Bridges::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.all().iter().filter_map(|b| b.next_deadline()).min()
    }
}

impl Subscriber for Bridges {
    fn notify(&self, core: &mut Core, dev: &Dev, event: &Event) -> Result<()> {
        if *event == Event::Unregister {
            self.unregistered(core, dev);
            return Ok(());
        }
        if !dev.priv_flags().contains(PrivFlags::BRIDGE_PORT) {
            return Ok(());
        }
        let Ok(bridge) = self.of_port(dev) else {
            return Ok(());
        };
        let (Some(port), Some(master)) = (bridge.port_of(dev), bridge.device()) else {
            return Ok(());
        };
        match event {
            Event::Up | Event::Down | Event::Change(_) => {
                bridge.link_changed(core.now(), &port);
                core.run_link_events();
            }
            Event::ChangeMtu => bridge.adjust_mtu(core, &master),
            Event::PreChangeAddress(address) if bridge.follows_addresses(&master) => {
                core.notify(&master, &Event::PreChangeAddress(*address))?;
            }
            Event::ChangeAddress => bridge.port_address_changed(core, &master, &port),
            Event::FeatureChange(_) => core.update_features(&master)?,
            Event::ResendIgmp | Event::NotifyPeers => core.announce(&master, event),
            _ => {}
        }
        Ok(())
    }
}

impl Bridges {
    /// A device goes: a bridge with all its ports, a port out of its bridge.
    fn unregistered(&self, core: &mut Core, dev: &Dev) {
        if let Ok(bridge) = self.get(dev) {
            for port in &bridge.ports.load_full().list {
                let _ = bridge.del_port(core, dev, &port.dev);
            }
            self.list().remove(&dev.ifindex());
        } else if let Ok(bridge) = self.of_port(dev)
            && let Some(master) = bridge.device()
        {
            let _ = bridge.del_port(core, &master, dev);
        }
    }
}

impl Bridge {
    fn run_timers(&self, now: Duration) {
        let nanos = now.as_nanos() as u64;
        if self.next_age.load(Relaxed) <= nanos {
            let hold = self.hold.load(Relaxed);
            // Set first: what is learned meanwhile lowers it again.
            self.next_age.store(u64::MAX, Relaxed);
            if let Some(next) = self.fdb.age(&self.events, nanos, hold) {
                // At least 10 ms from one look at everything to the next.
                self.next_age
                    .fetch_min(next.max(nanos + 10_000_000), Relaxed);
            }
        }
        {
            let mut tree = self.tree();
            tree.poll(now);
            self.carry_out_tree(now, &mut tree);
        }
        let outputs = {
            let mut mcast = self.mcast();
            mcast.advance(now);
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
    }

    fn next_deadline(&self) -> Option<Duration> {
        if self.has_post() {
            return Some(Duration::ZERO);
        }
        let age = match self.next_age.load(Relaxed) {
            u64::MAX => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let tree = self.tree().next_deadline();
        let mcast = self.mcast().next_deadline();
        [age, tree, mcast].into_iter().flatten().min()
    }

    fn port_address_changed(&self, core: &mut Core, master: &Dev, port: &crate::port::Port) {
        let address = port.dev.address();
        let mut vids = vec![0];
        vids.extend(port.vlans.load().vids());
        let now = core.now().as_nanos() as u64;
        self.fdb
            .edit(&self.events)
            .port_address(self, port.number, address, &vids, now);
        // The machine knows every port.
        let _ = self.tree().set_port_address(port.number, address);
        self.sync_filters(core);
        self.update_address(core, master);
    }
}

//! The device model under the switch: the one core, the card's devices in it, pictures of it, and what a request wants carried out on it.
//!
//! [`Devices::carry_out`] does what differs between two pictures, as [`super::plan::Plan::apply`] does for the card; a request that a device refuses half way is taken
//! back by carrying out the picture of before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use smartnic_bond::Bonds;
use smartnic_bridge::{Bridge, Bridges};
use smartnic_netdev::registry::link::{LinkListener, LinkMessage};
use smartnic_netdev::{Core, Dev, NetDevice as Device, Result, Softnet};

use super::plane::{BRIDGE, BridgeDevice, MasterDevice, Plane, Port, ToMaster, Top};
use crate::device::port::LinkState;
use crate::device::{Caps, MacAddr};
use crate::netdev::{DeviceKind, IfIndex, Listens, NetDevice, Registry};

/// The core, and what of it is the card's.
pub(super) struct Devices {
    pub core: Core,
    pub net: Softnet,
    pub plane: Arc<Plane>,
    pub top: Arc<Top>,
    /// Bridges in software, and those of the card's that could be.
    pub bridges: Arc<Bridges>,
    /// A bridge of no device, as every new one is.
    pub defaults: Arc<Bridge>,
    /// The card's bridges.
    pub engines: BTreeMap<IfIndex, Arc<BridgeDevice>>,
    /// Bonds in software.
    pub bonds: Arc<Bonds>,
    ports: Vec<(Dev, Arc<Port>)>,
    /// The card's masters; others are of the core alone.
    masters: BTreeSet<IfIndex>,
    listener: Arc<LinkListener>,
}

impl Devices {
    /// The ports of a card, named port1 and so on; addresses count up from `base`.
    pub fn new(caps: &Caps, base: MacAddr) -> Result<Self> {
        let mut core = Core::new();
        let plane = Arc::new(Plane::default());
        let mut ports = Vec::new();
        for number in 0..caps.ports {
            let port = Arc::new(Port::new(number, plane.clone()));
            let dev = core.add(port.setup(base.plus(number)), port.clone())?;
            ports.push((dev, port));
        }
        let top = Arc::new(Top::default());
        core.set_stack(Some(top.clone()));
        let bridges = Bridges::install(&mut core)?;
        let bonds = Bonds::install(&mut core)?;
        let (net, listener) = (core.softnet(), core.listen());
        Ok(Self {
            core,
            net,
            plane,
            top,
            defaults: bridges.prepare().0,
            bridges,
            engines: BTreeMap::new(),
            bonds,
            ports,
            masters: BTreeSet::new(),
            listener,
        })
    }

    /// Devices of the card's ports, by number.
    pub fn ports(&self) -> impl Iterator<Item = &Dev> {
        self.ports.iter().map(|(dev, _)| dev)
    }

    /// It is `now`: watchdogs, links, and the timers of masters in software. What bridges send waits for [`Bridges::send`].
    pub fn tick(&mut self, now: Duration) {
        self.core.tick(now);
        self.bonds.tick(&mut self.core, &mut self.net);
        self.bridges.run(&mut self.core);
    }

    /// The bridge in software that a device is, or could be, if it is the card's.
    pub fn software(&self, ifindex: IfIndex) -> Option<Arc<Bridge>> {
        let dev = self.core.by_index(ifindex.0).ok()?;
        self.engines.get(&ifindex)?;
        self.bridges.get(dev).ok()
    }

    /// The bridge in software that a device is now.
    pub fn bridge(&self, dev: &Dev) -> Option<Arc<Bridge>> {
        let bridge = self.bridges.get(dev).ok()?;
        (!self.is_ours(dev)).then_some(bridge)
    }

    /// A card's bridge without ports forwards in software from now on, or in hardware.
    pub fn hand_over(&mut self, dev: &Dev, software: bool) -> Result<()> {
        let ifindex = IfIndex(dev.ifindex());
        let Some(engine) = self.engines.get(&ifindex).cloned() else {
            return Ok(());
        };
        match software {
            true => self.masters.remove(&ifindex),
            false => self.masters.insert(ifindex),
        };
        engine.switch_over(&mut self.core, dev, software)
    }

    /// A port's link changed.
    pub fn set_link(&mut self, number: u32, link: LinkState) {
        if let Some((dev, port)) = self.ports.get(number as usize) {
            port.set_speed(link.speed);
            set_carrier(dev, link.up);
        }
        self.core.run_link_events();
    }

    /// The card's counters begin anew.
    pub fn restarted(&self) {
        self.ports.iter().for_each(|(_, port)| port.restarted());
    }

    /// What happened to devices since the last call, and whether more did than could be kept.
    pub fn take_events(&self) -> (Vec<LinkMessage>, bool) {
        self.listener.take()
    }

    fn is_ours(&self, dev: &Dev) -> bool {
        self.masters.contains(&IfIndex(dev.ifindex()))
    }

    /// What all devices look like.
    pub fn picture(&self) -> Registry {
        let kind = |dev: &Dev| {
            let port = self.ports().position(|p| p == dev);
            match port {
                Some(number) => DeviceKind::Port(number as u32),
                None if self.is_ours(dev) => DeviceKind::Master,
                None => DeviceKind::Other,
            }
        };
        let devices = self.core.devices().map(|dev| look(dev, kind(dev)));
        Registry::new(devices, self.core.next_ifindex())
    }

    /// Carries out what differs between two pictures, of which `from` is true now; the first refusal ends it. What follows by itself (a VLAN device goes down with the one below
    /// it) is left alone.
    pub fn carry_out(&mut self, from: &Registry, to: &Registry) -> Result<()> {
        for was in from.iter() {
            let Ok(dev) = self.core.by_index(was.ifindex.0).cloned() else {
                // It went with the one below it.
                continue;
            };
            let wanted = to.get(was.ifindex);
            if was.master.is_some()
                && wanted.and_then(|d| d.master) != was.master
                && let Some(master) = dev.master()
            {
                self.leave(&dev, &master)?;
            }
            if wanted.is_none() {
                self.core.unregister(&dev);
                self.masters.remove(&was.ifindex);
                self.engines.remove(&was.ifindex);
            }
        }
        for device in to.iter().filter(|d| from.get(d.ifindex).is_none()) {
            self.register(device)?;
        }
        for device in to.iter() {
            if let Ok(dev) = self.core.by_index(device.ifindex.0).cloned() {
                match from.get(device.ifindex) {
                    Some(was) => self.change(&dev, was, device)?,
                    None => self.change(&dev, &look(&dev, device.kind), device)?,
                }
            }
        }
        self.core.run_link_events();
        Ok(())
    }

    fn register(&mut self, device: &NetDevice) -> Result<()> {
        // Only masters of the card's are planned; others are made on the core at once.
        let Some(kind) = device
            .link_kind
            .filter(|_| device.kind == DeviceKind::Master)
        else {
            return Ok(());
        };
        let (name, ifindex, address) = (&device.name, device.ifindex, device.address);
        let dev = match kind {
            BRIDGE => {
                let (bridge, software) = self.bridges.prepare();
                let ops = Arc::new(BridgeDevice::new(self.plane.clone(), software));
                let setup = BridgeDevice::setup(name, ifindex, address);
                let dev = self.core.add(setup, ops.clone())?;
                self.engines.insert(ifindex, ops);
                self.bridges.adopt(&mut self.core, &dev, bridge)?;
                dev
            }
            _ => {
                let ops = MasterDevice::new(kind, self.plane.clone());
                let setup = MasterDevice::setup(name, ifindex, address);
                self.core.add(setup, Arc::new(ops))?
            }
        };
        self.masters.insert(ifindex);
        dev.assign_address(device.address, device.address_origin);
        if kind == "bond" {
            self.core.set_master_flag(&dev, true);
        }
        Ok(())
    }

    fn change(&mut self, dev: &Dev, was: &NetDevice, wanted: &NetDevice) -> Result<()> {
        if was.up && !wanted.up {
            self.core.close(dev);
        }
        if was.mtu != wanted.mtu {
            self.core.set_mtu(dev, wanted.mtu)?;
        }
        let origin = |d: &NetDevice| (d.address, d.address_origin);
        if origin(was) != origin(wanted) {
            let (address, origin) = origin(wanted);
            self.core.set_address_from(dev, address, origin)?;
        }
        if let Some(owner) = wanted.master.filter(|m| was.master != Some(*m)) {
            let master = self.core.by_index(owner.0)?.clone();
            self.join(dev, &master)?;
        }
        if wanted.kind == DeviceKind::Master {
            set_carrier(dev, wanted.carrier);
        }
        if wanted.up && !was.up {
            self.core.open(dev)?;
        }
        Ok(())
    }

    fn join(&mut self, dev: &Dev, master: &Dev) -> Result<()> {
        if !self.is_ours(master) {
            return self.core.set_master(dev, Some(master));
        }
        let (plane, owner) = (self.plane.clone(), IfIndex(master.ifindex()));
        let handler = Box::new(ToMaster { plane, owner });
        self.core.rx_handler_register(dev, handler)?;
        if let Err(error) = self.core.master_upper_link(dev, master) {
            // It was registered a moment ago.
            let _ = self.core.rx_handler_unregister(dev);
            return Err(error);
        }
        if master.ops().kind() == Some("bond") {
            self.core.set_slave_flag(dev, true);
        }
        Ok(())
    }

    pub fn leave(&mut self, dev: &Dev, master: &Dev) -> Result<()> {
        if !self.is_ours(master) {
            return self.core.set_master(dev, None);
        }
        self.core.rx_handler_unregister(dev)?;
        self.core.upper_unlink(dev, master);
        self.core.set_slave_flag(dev, false);
        Ok(())
    }
}

fn set_carrier(dev: &Device, on: bool) {
    match on {
        true => dev.carrier_on(),
        false => dev.carrier_off(),
    }
}

fn look(dev: &Dev, kind: DeviceKind) -> NetDevice {
    let master = dev.master();
    let is_master = |upper: &Dev| master.as_ref() == Some(upper);
    let mode = Core::rx_mode(dev);
    NetDevice {
        ifindex: IfIndex(dev.ifindex()),
        name: dev.name(),
        kind,
        link_kind: dev.ops().kind(),
        address: dev.address(),
        address_origin: dev.address_origin(),
        mtu: dev.mtu(),
        mtu_limits: dev.mtu_limits(),
        up: dev.is_up(),
        carrier: dev.carrier_ok(),
        speed: dev.ops().link_speed(dev),
        listens: Listens {
            uppers: dev.uppers().iter().any(|upper| !is_master(upper)),
            unicast: mode.unicast,
            promiscuous: mode.promiscuous,
        },
        master: master.map(|m| IfIndex(m.ifindex())),
    }
}

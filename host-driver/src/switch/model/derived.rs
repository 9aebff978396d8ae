//! What follows from the model: masters brought up to date with their members, and the plan for the card.

use super::{Model, port_fid};
use smartnic_regs::values::{dest, kind, state};

use crate::device::fdb::{FdbData, FdbKey};
use crate::device::port::MacConfig;
use crate::master::bond::Bond;
use crate::master::bridge::reserved::Actions;
use crate::master::{Effect, MemberView};
use crate::netdev::{AddressOrigin, DeviceKind, FRAME_OVERHEAD, IfIndex, NetError};
use crate::switch::plan::Plan;

/// Kinds of masters, each after those that it may be built over.
const ORDER: [&str; 3] = ["lag", "bond", "bridge"];

/// 01:80:C2:00:00:02: LACP and the other slow protocols.
const SLOW: usize = 2;

impl Model {
    /// Options that only make sense together.
    pub fn check(&self) -> Result<(), NetError> {
        self.masters.values().try_for_each(|m| m.check(self.view()))
    }

    /// Brings what depends on members up to date: buckets, carriers, addresses. From the ports upwards.
    pub fn refresh(&mut self) {
        for kind in ORDER {
            let indices: Vec<IfIndex> = self
                .masters
                .values()
                .filter(|m| m.kind() == kind)
                .map(|m| m.ifindex())
                .collect();
            for ifindex in indices {
                let Some(mut object) = self.masters.remove(&ifindex) else {
                    continue;
                };
                // What it did to devices counts before it looks at them.
                self.carry_out(object.take_effects());
                object.refresh(MemberView {
                    registry: &self.registry,
                    now: self.now,
                });
                self.carry_out(object.take_effects());
                self.masters.insert(ifindex, object);
                let master = &self.masters[&ifindex];
                let mtu = self.bridge(ifindex).and_then(|bridge| {
                    let least = self.least_mtu(ifindex);
                    let now = self.registry.get(ifindex)?.mtu;
                    bridge.mtu(now, least)
                });
                let (carrier, address) = (master.carrier(self.view()), master.address(self.view()));
                if let Some(device) = self.registry.get_mut(ifindex) {
                    device.carrier = carrier;
                    device.mtu = mtu.unwrap_or(device.mtu);
                    if device.address_origin == AddressOrigin::Random {
                        device.address = address.unwrap_or(device.address);
                    }
                }
            }
        }
    }

    /// What a master does to devices. One that is gone has nothing done to it.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let (Effect::Address(dev, _)
            | Effect::Mtu(dev, _)
            | Effect::Up(dev, _)
            | Effect::Leave(dev)) = effect;
            let Some(device) = self.registry.get_mut(dev) else {
                continue;
            };
            match effect {
                Effect::Address(_, address) => device.address = address,
                Effect::Mtu(_, mtu) => device.mtu = mtu,
                Effect::Up(_, up) => device.up = up,
                Effect::Leave(_) => device.master = None,
            }
        }
    }

    /// A port gives all that it receives to the host, and nobody else sends there.
    fn trap_port(&self, number: u32, plan: &mut Plan) {
        let host = self.caps.host() as usize;
        let config = &mut plan.ports[number as usize];
        config.fid = port_fid(number);
        config.state = state::FORWARDING;
        plan.masks[number as usize].set(host, true);
        let config = &mut plan.ports[host];
        config.state = state::FORWARDING;
        (config.flood_mc, config.flood_bc) = (true, true);
    }

    /// The ports of bridges in software are the host's.
    fn plan_software(&self, plan: &mut Plan) {
        let host = self.caps.host() as usize;
        let in_software = |owner: IfIndex| {
            let owner = self.registry.get(owner);
            owner.is_some_and(|o| o.kind == DeviceKind::Other && o.link_kind == Some("bridge"))
        };
        let ports = self.registry.iter().filter(|d| d.up);
        for device in ports.filter(|d| d.master.is_some_and(in_software)) {
            for number in self.view().ports(device.ifindex) {
                if self.registry.port(number).is_some_and(|p| p.up) {
                    self.trap_port(number, plan);
                    plan.ports[host].flood_uc = true;
                }
            }
        }
    }

    /// Ports in no master are the host's as far as devices on top of them are, each by itself in an FID of its own; and what those listen to comes to the host.
    fn plan_listeners(&self, plan: &mut Plan) {
        let host = self.caps.host() as usize;
        for device in self.registry.iter().filter(|d| d.up) {
            let mut addresses = device.listens.unicast.clone();
            let fid = match (device.kind, device.master) {
                (DeviceKind::Port(number), None) if device.listens.uppers => {
                    self.trap_port(number, plan);
                    addresses.push(device.address);
                    Some(port_fid(number))
                }
                (DeviceKind::Master, _) => {
                    let master = self.masters.get(&device.ifindex);
                    master.and_then(|m| m.own_fid())
                }
                _ => None,
            };
            if let Some(fid) = fid {
                let keys = addresses.into_iter().map(|mac| FdbKey { fid, mac });
                let local = FdbData::new(dest::HOST, kind::LOCAL);
                plan.fdb.extend(keys.map(|key| (key, local)));
                plan.ports[host].flood_uc |= device.listens.promiscuous;
            }
        }
    }

    /// What the hardware has to do.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::reset(&self.caps);
        plan.forward = self.forward;
        for number in 0..self.caps.ports {
            let Some(device) = self.registry.port(number) else {
                continue;
            };
            plan.macs[number as usize] = Some(MacConfig {
                max_frame: device.mtu + FRAME_OVERHEAD,
                enable: device.up,
                pause_rx: true,
                pause_tx: false,
                address: device.address,
            });
        }
        for kind in ORDER {
            self.masters
                .values()
                .filter(|m| m.kind() == kind)
                .for_each(|m| m.plan(self.view(), &mut plan));
        }
        self.plan_listeners(&mut plan);
        self.plan_software(&mut plan);
        let mut actions = Actions::default();
        for bridge in self.bridges() {
            let forwarded = bridge.ports().iter().map(|p| bridge.forwards(p));
            forwarded.for_each(|mask| actions.add(mask));
        }
        let bonds = self.masters.values();
        let mut bonds = bonds.filter_map(|m| m.as_any().downcast_ref::<Bond>());
        if bonds.any(Bond::runs_lacp) {
            actions.trap(SLOW);
        }
        plan.reserved = actions.reserved();
        plan.fdb
            .extend(self.statics.iter().map(|(key, (data, _))| (*key, *data)));
        plan
    }
}

//! Random changes of both: options, VLANs, entries, links, time.

use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;
use smartnic_bridge::{FdbRequest, FdbWay, VlanFlags};
use smartnic_netdev::device::Flags;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;

use super::{FLAGS, PORTS, Pair, VIDS};
use crate::common::{mac, port_mac};
use crate::model::{Entry, Group};

impl Pair {
    pub fn configure(&mut self) {
        let port = self.rng.random_range(0..PORTS);
        let on = self.rng.random_bool(0.6);
        let word = if on { "on" } else { "off" };
        match self.rng.random_range(0..17) {
            0..3 => {
                let flag = *FLAGS.choose(&mut self.rng).unwrap();
                // What is there at the start is on more often than off, the rest the other way round.
                let done = self.rig.set_port(port, &[(flag, word)]);
                let mut flags = self.model.ports[port].flags.clone();
                match on {
                    true => flags.insert(flag),
                    false => flags.remove(flag),
                };
                let legal = !flags.contains("mab")
                    || (flags.contains("locked") && flags.contains("learning"));
                assert_eq!(done.is_ok(), legal, "{flag} {word}");
                if legal {
                    if flag == "mab" && !on && self.model.ports[port].flags.contains("mab") {
                        self.model
                            .fdb
                            .retain(|_, e| !(e.locked && e.port == Some(port)));
                    }
                    self.model.ports[port].flags = flags;
                }
            }
            3 => {
                self.rig.set("vlan_filtering", word).unwrap();
                self.model.filtering = on;
            }
            4 => {
                let (word, protocol) =
                    *[("802.1Q", 0x8100), ("802.1Q", 0x8100), ("802.1ad", 0x88a8)]
                        .choose(&mut self.rng)
                        .unwrap();
                // The provider's reserved addresses are another test's.
                if !self.model.filtering {
                    self.rig.set("vlan_filtering", "0").unwrap();
                    self.rig.set("vlan_protocol", word).unwrap();
                    self.model.protocol = protocol;
                }
            }
            5..8 => self.vlan(port),
            8..10 => self.entry(port),
            10 => {
                self.rig.set_port(port, &[("flush", "")]).unwrap();
                self.model.flush_port(port, 0);
            }
            11 => {
                let by = Duration::from_millis(self.rng.random_range(0..20_000) * 10);
                self.rig.advance(by);
                self.model.advance(by);
            }
            12 => self.link(port, on),
            13 => {
                let backup = self.rng.random_range(0..PORTS);
                let name = if on {
                    format!("p{backup}")
                } else {
                    "none".into()
                };
                let done = self.rig.set_port(port, &[("backup_port", &name)]);
                assert_eq!(done.is_ok(), !on || backup != port);
                if done.is_ok() {
                    self.model.ports[port].backup = on.then_some(backup);
                }
            }
            14 => {
                let state = *[
                    PortState::Forwarding,
                    PortState::Learning,
                    PortState::Listening,
                    PortState::Forwarding,
                ]
                .choose(&mut self.rng)
                .unwrap();
                let done = self
                    .rig
                    .set_port(port, &[("state", &(state as u8).to_string())]);
                assert_eq!(done.is_ok(), self.model.ports[port].up);
                if done.is_ok() {
                    self.model.ports[port].state = state as u8;
                    self.settle();
                }
            }
            15 => match self.rng.random_range(0..5) {
                0 => {
                    let mask: u16 = self.rng.random::<u16>() & !7;
                    self.rig.set("group_fwd_mask", &mask.to_string()).unwrap();
                    self.model.mask = mask;
                }
                1 => {
                    let mask: u16 = self.rng.random::<u16>() & !2;
                    self.rig
                        .set_port(port, &[("group_fwd_mask", &mask.to_string())])
                        .unwrap();
                    self.model.ports[port].mask = mask;
                }
                2 => {
                    self.rig.set("no_linklocal_learn", word).unwrap();
                    self.model.no_local_learn = on;
                }
                3 => {
                    self.rig.set("mcast_snooping", word).unwrap();
                    self.model.snooping = on;
                }
                _ => {
                    let max = if on { 0 } else { self.rng.random_range(1..12) };
                    self.rig.set("fdb_max_learned", &max.to_string()).unwrap();
                    self.model.max_learned = max;
                }
            },
            _ => {
                let flags = self.rig.dev.flags();
                let flags = if on {
                    flags - Flags::PROMISC
                } else {
                    flags | Flags::PROMISC
                };
                let bridge = self.rig.dev.clone();
                self.rig.core.change_flags(&bridge, flags).unwrap();
                self.model.promiscuous = !on;
                let centis = *[30_000, 30_000, 1_000, 0].choose(&mut self.rng).unwrap();
                self.rig.set("ageing_time", &centis.to_string()).unwrap();
                self.model.ageing = Duration::from_millis(centis * 10);
                self.rig.advance(Duration::ZERO);
                self.model.advance(Duration::ZERO);
            }
        }
    }

    /// The carrier of the bridge follows at the next tick.
    fn settle(&mut self) {
        self.rig.advance(Duration::ZERO);
        self.model.advance(Duration::ZERO);
    }

    fn link(&mut self, port: usize, up: bool) {
        let dev = &self.rig.ports[port];
        match up {
            true => dev.carrier_on(),
            false => dev.carrier_off(),
        }
        self.settle();
        let model = &mut self.model.ports[port];
        if model.up == up {
            return;
        }
        model.up = up;
        model.state = if up { 3 } else { 0 };
        if !up && model.backup.is_none() {
            self.model.flush_port(port, 0);
        }
    }

    fn vlan(&mut self, port: usize) {
        let vid = self.rng.random_range(1..=VIDS);
        let of_bridge = self.rng.random_ratio(1, 4);
        let dev = if of_bridge {
            self.rig.dev.clone()
        } else {
            self.rig.ports[port].clone()
        };
        let group = match of_bridge {
            true => &mut self.model.group,
            false => &mut self.model.ports[port].group,
        };
        let place = (!of_bridge).then_some(port);
        // The bridge's own address is port 0's, whose entry is the one in VLANs that both are in.
        let address = port_mac(port);
        if self.rng.random_bool(0.4) {
            let done = self.rig.bridge.vlan_del(&mut self.rig.core, &dev, vid, vid);
            assert_eq!(done.is_ok(), group.vlans.remove(&vid).is_some());
            if done.is_ok() {
                if group.pvid == vid {
                    group.pvid = 0;
                }
                self.drop_local(place, vid, address);
                if !of_bridge {
                    self.model.flush_port(port, vid);
                }
                let used = |g: &Group| g.vlans.contains_key(&vid);
                if !used(&self.model.group) && !self.model.ports.iter().any(|p| used(&p.group)) {
                    self.model.stats.remove(&vid);
                }
            }
            return;
        }
        let flags = VlanFlags::from_bits_truncate(self.rng.random());
        self.rig
            .bridge
            .vlan_add(&mut self.rig.core, &dev, vid, vid, flags)
            .unwrap();
        if flags.contains(VlanFlags::PVID) {
            group.pvid = vid;
        } else if group.pvid == vid {
            group.pvid = 0;
        }
        let new = group
            .vlans
            .insert(vid, flags.contains(VlanFlags::UNTAGGED))
            .is_none();
        if new {
            let address = if of_bridge {
                self.model.address
            } else {
                address
            };
            let now = self.model.now;
            let entry = self.model.fdb.entry((vid, address)).or_default();
            if !entry.local {
                *entry = Entry {
                    port: place,
                    local: true,
                    fixed: true,
                    updated: now,
                    ..Entry::default()
                };
            }
        }
    }

    /// An own address is no longer one of a port's, or of the bridge, in a VLAN.
    fn drop_local(&mut self, place: Option<usize>, vid: u16, port_address: MacAddr) {
        let address = place.map_or(self.model.address, |_| port_address);
        let Some(entry) = self.model.fdb.get(&(vid, address)).copied() else {
            return;
        };
        if entry.port != place || !entry.local || entry.user {
            return;
        }
        let in_vlan = |g: &Group| g.vlans.contains_key(&vid);
        let owner = (0..PORTS).find(|n| {
            port_mac(*n) == address && Some(*n) != place && in_vlan(&self.model.ports[*n].group)
        });
        let bridge = place.is_some() && address == self.model.address && in_vlan(&self.model.group);
        match (owner, bridge) {
            (Some(n), _) => self.model.fdb.get_mut(&(vid, address)).unwrap().port = Some(n),
            (None, true) => self.model.fdb.get_mut(&(vid, address)).unwrap().port = None,
            (None, false) => {
                self.model.fdb.remove(&(vid, address));
            }
        }
    }

    fn entry(&mut self, port: usize) {
        let vid = self.rng.random_range(1..=VIDS);
        let address = mac(self.rng.random_range(1..9));
        let dev = self.rig.ports[port].clone();
        let model = &mut self.model;
        let there = model.fdb.get(&(vid, address)).copied();
        let in_vlan = model.ports[port].group.vlans.contains_key(&vid);
        if self.rng.random_bool(0.3) {
            let done = self
                .rig
                .bridge
                .fdb_del(&mut self.rig.core, &dev, address, Some(vid));
            let legal = in_vlan && there.is_some_and(|e| e.port == Some(port));
            assert_eq!(done.is_ok(), legal);
            if legal {
                model.fdb.remove(&(vid, address));
            }
            return;
        }
        let way = *[FdbWay::Permanent, FdbWay::Static, FdbWay::Dynamic]
            .choose(&mut self.rng)
            .unwrap();
        let mut request = match self.rng.random_bool(0.5) {
            true => FdbRequest::add(address, way),
            false => FdbRequest::replace(address, way),
        }
        .in_vlan(vid);
        request.sticky = self.rng.random_ratio(1, 4);
        let done = self.rig.bridge.fdb_add(&mut self.rig.core, &dev, &request);
        let learns = matches!(model.ports[port].state, 2 | 3);
        let legal = in_vlan
            && (learns || way != FdbWay::Dynamic)
            && !(request.sticky && way == FdbWay::Permanent)
            && !(request.exclusive && there.is_some());
        assert_eq!(done.is_ok(), legal, "{request:?} {done:?}");
        if !legal {
            return;
        }
        let old = there.unwrap_or_default();
        let new = Entry {
            port: Some(port),
            local: way == FdbWay::Permanent,
            fixed: way != FdbWay::Dynamic,
            sticky: request.sticky,
            user: true,
            locked: false,
            learned: false,
            updated: model.now,
        };
        let shown = |e: &Entry| (e.port, e.local, e.fixed, e.sticky, e.locked);
        let updated = match there.is_some() && shown(&old) == shown(&new) {
            true => old.updated,
            false => model.now,
        };
        model.fdb.insert((vid, address), Entry { updated, ..new });
    }
}

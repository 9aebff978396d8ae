//! Random frames, options, entries, VLANs, links and time: every frame that is delivered, every counter, every entry as the plain model has it.

mod change;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use smartnic_bridge::{FdbFilter, FdbFlags, FdbState};
use smartnic_slowpath::MacAddr;

use crate::common::{Rig, frame, mac, port_mac, rng, tagged};
use crate::model::{Entry, Group, Model, Port};

const PORTS: usize = 5;
const VIDS: u16 = 5;
const FLAGS: [&str; 9] = [
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
    "locked",
    "mab",
    "proxy_arp",
];

struct Pair {
    rig: Rig,
    model: Model,
    rng: ChaCha8Rng,
    serial: u32,
}

impl Pair {
    fn new(rng: ChaCha8Rng) -> Self {
        let mut rig = Rig::new(PORTS);
        rig.set("vlan_stats_enabled", "1").unwrap();
        let group = || Group {
            pvid: 1,
            vlans: BTreeMap::from([(1, true)]),
        };
        let port = || Port {
            state: 3,
            up: true,
            flags: FLAGS[..4].iter().copied().collect(),
            mask: 0,
            backup: None,
            group: group(),
            counters: Default::default(),
            mtu: 1500,
        };
        let mut model = Model {
            now: Duration::ZERO,
            ageing: Duration::from_secs(300),
            address: port_mac(0),
            filtering: false,
            protocol: 0x8100,
            mask: 0,
            no_local_learn: false,
            promiscuous: false,
            snooping: true,
            max_learned: 0,
            ports: (0..PORTS).map(|_| port()).collect(),
            group: group(),
            fdb: BTreeMap::new(),
            stats: BTreeMap::new(),
            sent: vec![Vec::new(); PORTS],
            up: Vec::new(),
        };
        for n in 0..PORTS {
            for vid in [0, 1] {
                let entry = Entry {
                    port: Some(n),
                    local: true,
                    fixed: true,
                    ..Entry::default()
                };
                model.fdb.insert((vid, port_mac(n)), entry);
            }
        }
        Self {
            rig,
            model,
            rng,
            serial: 0,
        }
    }

    fn address(&mut self) -> MacAddr {
        match self.rng.random_range(0..20) {
            0 => MacAddr::BROADCAST,
            1 => MacAddr([1, 0, 0x5e, 0, 0, 1]),
            2 => MacAddr([1, 0x80, 0xc2, 0, 0, self.rng.random_range(0..18)]),
            3 => port_mac(self.rng.random_range(0..PORTS)),
            4 => MacAddr([0; 6]),
            _ => mac(self.rng.random_range(1..9)),
        }
    }

    fn frame(&mut self) -> Vec<u8> {
        self.serial += 1;
        let (to, from) = (self.address(), self.address());
        let protocol = *[0x9000u16, 0x9000, 0x0800, 0x86dd, 0x0806, 0x0040]
            .choose(&mut self.rng)
            .unwrap();
        let mut bytes = frame(to, from, protocol, &self.serial.to_be_bytes());
        if self.rng.random_ratio(1, 20) {
            bytes.resize(self.rng.random_range(1500..1530), 7);
        }
        for _ in 0..self.rng.random_range(0..3) {
            let protocol = if self.rng.random_ratio(1, 4) {
                0x88a8
            } else {
                0x8100
            };
            let tci = self.rng.random_range(0..=VIDS) | self.rng.random_range(0..16) << 12;
            bytes = tagged(&bytes, protocol, tci);
        }
        if self.rng.random_ratio(1, 60) {
            bytes.truncate(self.rng.random_range(14..20));
        }
        bytes
    }

    fn compare(&mut self, what: &str) {
        let (sent, up) = self.rig.take();
        let expected = std::mem::replace(&mut self.model.sent, vec![Vec::new(); PORTS]);
        assert_eq!(sent, expected, "frames sent: {what}");
        assert_eq!(
            up,
            std::mem::take(&mut self.model.up),
            "frames that came up: {what}"
        );
        for (n, dev) in self.rig.ports.iter().enumerate() {
            let counters = self.rig.bridge.port_counters(dev).unwrap();
            assert_eq!(counters, self.model.ports[n].counters, "port {n}: {what}");
            assert_eq!(
                self.rig.bridge.port_state(dev).unwrap() as u8,
                self.model.ports[n].state,
                "{what}"
            );
        }
    }

    fn compare_tables(&self) {
        let shown = self
            .rig
            .bridge
            .fdb_show(&self.rig.core, &FdbFilter::default());
        let number = |ifindex| self.rig.ports.iter().position(|d| d.ifindex() == ifindex);
        let ours: Vec<_> = shown
            .iter()
            .map(|e| {
                let local = e.state == FdbState::Permanent;
                let fixed = local || e.state == FdbState::Static;
                let key = (e.vlan, e.mac);
                (
                    key,
                    number(e.ifindex),
                    local,
                    fixed,
                    e.sticky,
                    e.added_by_user,
                    e.locked,
                    self.rig.now - e.updated,
                )
            })
            .collect();
        let theirs: Vec<_> = self
            .model
            .fdb
            .iter()
            .map(|(k, e)| {
                (
                    *k, e.port, e.local, e.fixed, e.sticky, e.user, e.locked, e.updated,
                )
            })
            .collect();
        assert_eq!(ours, theirs);
        let learned = self.model.fdb.values().filter(|e| e.learned).count();
        assert_eq!(self.rig.bridge.info()["fdb_n_learned"], learned);
        let locked = FdbFilter::default().with(FdbFlags::LOCKED, true);
        let locked = self.rig.bridge.fdb_show(&self.rig.core, &locked);
        assert_eq!(
            locked.len(),
            self.model.fdb.values().filter(|e| e.locked).count()
        );
        for (n, dev) in self.rig.ports.iter().enumerate() {
            for vlan in self.rig.bridge.vlan_show(dev).unwrap() {
                let c = vlan.counters;
                let stats = self
                    .model
                    .stats
                    .get(&vlan.vlan)
                    .copied()
                    .unwrap_or_default();
                assert_eq!([c.rx_packets, c.rx_bytes, c.tx_packets, c.tx_bytes], stats);
                let group = &self.model.ports[n].group;
                assert_eq!(group.vlans.get(&vlan.vlan), Some(&vlan.untagged));
                assert_eq!(vlan.pvid, group.pvid == vlan.vlan);
            }
        }
    }
}

#[test]
fn random_bridges_are_as_the_model() {
    let rng = rng("random_bridges_are_as_the_model");
    let mut pair = Pair::new(rng);
    for round in 0..20_000 {
        match pair.rng.random_range(0..10) {
            0 => {
                pair.configure();
                pair.compare("after a change");
            }
            1 => {
                let bytes = pair.frame();
                pair.rig.output(&bytes);
                pair.model.output(&bytes);
                pair.compare(&format!("round {round}: from the bridge: {bytes:02x?}"));
            }
            _ => {
                let (bytes, port) = (pair.frame(), pair.rng.random_range(0..PORTS));
                pair.rig.input(port, &bytes);
                pair.model.input(port, &bytes);
                pair.compare(&format!("round {round}: into port {port}: {bytes:02x?}"));
            }
        }
        if round % 64 == 0 {
            pair.compare_tables();
        }
    }
    pair.compare_tables();
}

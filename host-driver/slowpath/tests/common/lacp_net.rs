//! Systems joined by links that delay, lose and break: a small discrete-event network for LACP.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::lacp::{Config, Lacp, Link, Output, PortId};
use smartnic_slowpath::wire::slow::SlowPdu;

use super::lacp_base::{GIGABIT, millis};

/// A link between two ports, `(system, port)` each.
pub struct Wire {
    pub ends: [(usize, PortId); 2],
    pub up: bool,
    pub delay: Duration,
    /// Frames in 100 that are lost.
    pub loss: u32,
    /// Counts the times that it broke: frames on the way are gone then.
    epoch: u32,
}

/// A frame on the way.
struct Flight {
    wire: usize,
    /// The end that it goes to.
    to: usize,
    epoch: u32,
    frame: Vec<u8>,
}

pub struct Net {
    pub now: Duration,
    pub systems: Vec<Lacp>,
    pub wires: Vec<Wire>,
    pub rng: ChaCha8Rng,
    /// Frames on the way, by time and number.
    flying: BTreeMap<(Duration, u64), Flight>,
    number: u64,
    /// Every output but the PDUs, with its time and system.
    pub log: Vec<(Duration, usize, Output)>,
    /// LACPDUs sent by each port.
    pub sent: BTreeMap<(usize, PortId), Vec<Duration>>,
}

impl Net {
    /// Systems with the settings, and `links` wires between system 0 and system 1; ports are numbered from 1.
    pub fn pair(configs: [Config; 2], links: u32, rng: ChaCha8Rng) -> Self {
        let mut net = Self::new(&configs, rng);
        for port in 1..=links {
            net.join((0, port), (1, port), GIGABIT);
        }
        net
    }

    pub fn new(configs: &[Config], rng: ChaCha8Rng) -> Self {
        Self {
            now: Duration::ZERO,
            systems: configs.iter().copied().map(Lacp::new).collect(),
            wires: Vec::new(),
            rng,
            flying: BTreeMap::new(),
            number: 0,
            log: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Adds two ports and the wire between them; its number is returned.
    pub fn join(&mut self, a: (usize, PortId), b: (usize, PortId), link: Link) -> usize {
        for (system, port) in [a, b] {
            self.systems[system].add_port(self.now, port, port as u16, 255, Some(link));
        }
        self.wires.push(Wire {
            ends: [a, b],
            up: true,
            delay: millis(1),
            loss: 0,
            epoch: 0,
        });
        self.collect();
        self.wires.len() - 1
    }

    /// Breaks or mends a wire; both ends see it.
    pub fn set_up(&mut self, wire: usize, up: bool) {
        let w = &mut self.wires[wire];
        if std::mem::replace(&mut w.up, up) == up {
            return;
        }
        w.epoch += 1;
        for (system, port) in w.ends {
            self.systems[system].set_link(self.now, port, up.then_some(GIGABIT));
        }
        self.collect();
    }

    /// Takes the outputs: PDUs fly, the rest is logged.
    pub fn collect(&mut self) {
        for system in 0..self.systems.len() {
            while let Some(output) = self.systems[system].poll() {
                let Output::Send { port, pdu } = output else {
                    self.log.push((self.now, system, output));
                    continue;
                };
                if matches!(pdu, SlowPdu::Lacp(_)) {
                    self.sent.entry((system, port)).or_default().push(self.now);
                }
                let end = (system, port);
                let Some(wire) = self.wires.iter().position(|w| w.ends.contains(&end)) else {
                    continue;
                };
                let w = &self.wires[wire];
                if !w.up || self.rng.random_range(0..100) < w.loss {
                    continue;
                }
                let to = usize::from(w.ends[0] == end);
                let frame = pdu.emit_frame(MacAddr([2, 0, 0, 1, system as u8, port as u8]));
                self.number += 1;
                let key = (self.now + w.delay, self.number);
                let epoch = w.epoch;
                let flight = Flight {
                    wire,
                    to,
                    epoch,
                    frame,
                };
                self.flying.insert(key, flight);
            }
        }
    }

    /// Lets time pass until `end`; `check` sees the network after every event.
    pub fn run(&mut self, end: Duration, mut check: impl FnMut(&Net)) {
        loop {
            let deadlines = self.systems.iter().filter_map(Lacp::next_deadline);
            let arrival = self.flying.keys().next().map(|k| k.0);
            let next = deadlines.chain(arrival).min().filter(|t| *t <= end);
            let Some(next) = next else { break };
            assert!(
                next >= self.now,
                "a deadline in the past: {next:?} at {:?}",
                self.now
            );
            self.now = next;
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= next) {
                let flight = entry.remove();
                let w = &self.wires[flight.wire];
                if w.up && w.epoch == flight.epoch {
                    let (system, port) = w.ends[flight.to];
                    self.systems[system]
                        .receive(next, port, &flight.frame)
                        .expect("a PDU of ours is well formed");
                }
            }
            for system in &mut self.systems {
                system.tick(next);
                let later = system.next_deadline();
                assert!(later.is_none_or(|t| t > next), "{later:?} at {next:?}");
            }
            self.collect();
            check(self);
        }
        self.now = end;
    }

    /// Every wire that is up carries frames both ways.
    pub fn all_pass(&self) -> bool {
        self.wires.iter().filter(|w| w.up).all(|w| {
            w.ends.iter().all(|(system, port)| {
                let s = &self.systems[*system];
                s.is_distributing(*port) && s.is_collecting(*port)
            })
        })
    }
}

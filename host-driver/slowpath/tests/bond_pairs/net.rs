//! Two bonds back to back over links that delay, lose and flap, each bond with its own clock phase.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::bond::{Action, Bond, Device, Rx, Tx, Way};

use crate::bond_base::{GIGABIT, bond, device};
use crate::clock::ms;

/// A link: member `n` of either bond is at its ends.
pub struct Wire {
    pub up: bool,
    pub delay: Duration,
    /// Frames in 100 that are lost.
    pub loss: u32,
    epoch: u32,
    /// When it last broke or was mended.
    pub touched: Duration,
}

struct Flight {
    wire: u32,
    to: usize,
    epoch: u32,
    frame: Vec<u8>,
}

/// What became of the data frames.
#[derive(Default, Debug)]
pub struct Tally {
    pub delivered: u64,
    /// No member was usable.
    pub dropped: u64,
    /// Given to a link that was broken, or that lost it.
    pub lost: u64,
    /// Arrived at a member that does not collect: when, where, and from whom.
    pub refused: Vec<(Duration, u32, usize)>,
}

pub struct Net {
    pub now: Duration,
    pub bonds: [Bond; 2],
    pub wires: BTreeMap<u32, Wire>,
    pub rng: ChaCha8Rng,
    pub tally: Tally,
    /// Every frame that the bonds themselves sent.
    pub control: Vec<(Duration, Vec<u8>)>,
    flying: BTreeMap<(Duration, u64), Flight>,
    number: u64,
    flow: u16,
}

impl Net {
    /// Bonds in `mode` with `links` members, the second opened 37 ms after the first.
    pub fn new(mode: &str, options: &[(&str, &str)], links: u32, rng: ChaCha8Rng) -> Self {
        let bonds = [0, 1].map(|n| {
            let (mut bond, mut devices) = bond(mode, options, 0);
            bond.close(Duration::ZERO, &mut devices);
            for id in 1..=links {
                let device = Device {
                    address: MacAddr([2, 0, 0, 0, 1 + n, id as u8]),
                    ..device(id)
                };
                bond.enslave(Duration::ZERO, &mut devices, Way::Link, &device)
                    .unwrap();
            }
            bond.open(ms(37) * u32::from(n));
            bond
        });
        let wire = |id| {
            let wire = Wire {
                up: true,
                delay: ms(1),
                loss: 0,
                epoch: 0,
                touched: Duration::ZERO,
            };
            (id, wire)
        };
        Self {
            now: ms(37),
            bonds,
            wires: (1..=links).map(wire).collect(),
            rng,
            tally: Tally::default(),
            control: Vec::new(),
            flying: BTreeMap::new(),
            number: 0,
            flow: 0,
        }
    }

    /// Breaks or mends a link: both carriers follow at once.
    pub fn set_up(&mut self, id: u32, up: bool) {
        let wire = self.wires.get_mut(&id).unwrap();
        if std::mem::replace(&mut wire.up, up) != up {
            wire.epoch += 1;
            wire.touched = self.now;
            for bond in &mut self.bonds {
                bond.set_link(self.now, id, up.then_some(GIGABIT));
            }
        }
    }

    fn fly(&mut self, from: usize, id: u32, frame: Vec<u8>, data: bool) {
        let wire = &self.wires[&id];
        if !wire.up || self.rng.random_range(0..100) < wire.loss {
            self.tally.lost += u64::from(data);
            return;
        }
        self.number += 1;
        let flight = Flight {
            wire: id,
            to: 1 - from,
            epoch: wire.epoch,
            frame,
        };
        self.flying
            .insert((self.now + wire.delay, self.number), flight);
    }

    /// A data frame of another flow from the bond to the other.
    pub fn data(&mut self, from: usize) {
        self.flow = self.flow.wrapping_add(1);
        let mut frame = vec![0; 60];
        frame[..6].copy_from_slice(&self.bonds[1 - from].address().0);
        frame[6..12].copy_from_slice(&self.bonds[from].address().0);
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[23] = 17;
        frame[34..36].copy_from_slice(&self.flow.to_be_bytes());
        match self.bonds[from].transmit(self.now, &mut frame, 0) {
            Tx::One(id) => self.fly(from, id, frame, true),
            Tx::Drop => self.tally.dropped += 1,
            Tx::Each(all) => {
                for id in all {
                    self.fly(from, id, frame.clone(), true);
                }
            }
        }
    }

    fn collect(&mut self) {
        for from in 0..2 {
            while let Some(action) = self.bonds[from].poll() {
                if let Action::Send { slave, frame } = action {
                    self.control.push((self.now, frame.clone()));
                    self.fly(from, slave, frame, false);
                }
            }
        }
    }

    /// Lets time pass, with a data frame each way every `every`.
    pub fn run(&mut self, time: Duration, every: Duration) {
        let end = self.now + time;
        let mut data_at = self.now + every;
        loop {
            self.collect();
            let deadlines = self.bonds.iter().filter_map(Bond::next_deadline);
            let arrival = self.flying.keys().next().map(|k| k.0);
            let next = deadlines.chain(arrival).chain([data_at]).min();
            let Some(next) = next.filter(|t| *t <= end) else {
                break;
            };
            self.now = next.max(self.now);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let flight = entry.remove();
                self.arrive(flight);
            }
            for bond in &mut self.bonds {
                bond.tick(self.now);
            }
            if data_at <= self.now {
                data_at += every;
                self.data(0);
                self.data(1);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, mut flight: Flight) {
        let wire = &self.wires[&flight.wire];
        let data = flight.frame[12..14] == [8, 0];
        if !wire.up || wire.epoch != flight.epoch {
            self.tally.lost += u64::from(data);
            return;
        }
        match self.bonds[flight.to].receive(self.now, flight.wire, &mut flight.frame) {
            _ if !data => {}
            Rx::Another => self.tally.delivered += 1,
            _ => self
                .tally
                .refused
                .push((self.now, flight.wire, 1 - flight.to)),
        }
    }

    /// Members on which each bond sends.
    pub fn senders(&self) -> [Vec<u32>; 2] {
        [0, 1].map(|n| {
            let plan = self.bonds[n].plan();
            let sends = plan.members.iter().filter(|m| m.distributing);
            sends.map(|m| m.slave).collect()
        })
    }
}

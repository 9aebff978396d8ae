//! The card's state, and the way of a frame through it (clauses 1, 3.4 to 4 and 6.1).

use crate::counters::Counter;
use crate::port::{Endpoint, Learn, Port, Reserved, State};
use crate::verdict::{Arrival, Verdict, bad_source};
use crate::{Copy, Counters, Dest, Event, Fdb, Flow, Group, HostInfo, Key, Kind, Outcome, reason};
use std::collections::BTreeSet;

/// Shortest frame on a wire, without FCS.
const SHORTEST: usize = 60;
/// Lengths of frames that the host may send.
const SENDABLE: std::ops::RangeInclusive<usize> = 14..=9216;
/// Class of trapped frames.
const TRAP_CLASS: u8 = 1;

/// The whole card, as software and cables see it.
#[derive(Clone, Debug)]
pub struct Switch {
    pub(crate) ports: Vec<Port>,
    host: Port,
    counters: Vec<Counters>,
    /// Actions for 01:80:C2:00:00:00 to 0F.
    pub reserved: [Reserved; 16],
    /// LAG groups.
    pub groups: Vec<Group>,
    /// The forwarding database.
    pub fdb: Fdb,
    /// Frames are forwarded between ports; cleared for diagnosis.
    pub forward: bool,
    /// Frames kept from returning to their group.
    pub pruned: u64,
}

impl Switch {
    /// A card with so many ports and LAG groups, as after reset.
    pub fn new(ports: usize, groups: usize) -> Switch {
        Switch {
            ports: vec![Port::default(); ports],
            host: Port::default(),
            counters: vec![Counters::default(); ports + 1],
            reserved: [Reserved::default(); 16],
            groups: vec![Group::default(); groups],
            fdb: Fdb::default(),
            forward: true,
            pruned: 0,
        }
    }

    /// All ports, and the host last.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let ports = (0..self.ports.len()).map(Endpoint::Port);
        ports.chain([Endpoint::Host]).collect()
    }

    /// The configuration of a port or of the host.
    pub fn port(&self, e: Endpoint) -> &Port {
        match e {
            Endpoint::Port(i) => &self.ports[i],
            Endpoint::Host => &self.host,
        }
    }

    /// The configuration of a port or of the host, to be changed.
    pub fn port_mut(&mut self, e: Endpoint) -> &mut Port {
        match e {
            Endpoint::Port(i) => &mut self.ports[i],
            Endpoint::Host => &mut self.host,
        }
    }

    /// The counters of a port or of the host.
    pub fn counters(&self, e: Endpoint) -> &Counters {
        match e {
            Endpoint::Port(i) => &self.counters[i],
            Endpoint::Host => self.counters.last().expect("the host's"),
        }
    }

    fn count(&mut self, e: Endpoint) -> &mut Counters {
        match e {
            Endpoint::Port(i) => &mut self.counters[i],
            Endpoint::Host => self.counters.last_mut().expect("the host's"),
        }
    }

    /// A frame comes in by a port; `faulty` says that the wire spoilt it (clause 1).
    pub fn receive(&mut self, port: usize, frame: &[u8], faulty: bool) -> Outcome {
        let p = &self.ports[port];
        let tag = |at: usize| matches!(frame.get(at..at + 2), Some([0x81, 0x00] | [0x88, 0xa8]));
        let tags = usize::from(tag(12)) + usize::from(tag(12) && tag(16));
        let fits = (SHORTEST..=p.max_frame.saturating_sub(4) + 4 * tags).contains(&frame.len());
        if !p.rx_enable || !p.link || faulty || !fits {
            return Outcome::default();
        }
        let source = Endpoint::Port(port);
        self.count(source).received(frame);
        let pause = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
        if frame[..6] == pause && frame[12..16] == [0x88, 0x08, 0x00, 0x01] {
            self.count(source).add(Counter::RxPause, 1);
            return Outcome::default();
        }
        self.switch(source, frame)
    }

    /// The host sends a frame through the switch (1.5).
    pub fn send(&mut self, frame: &[u8]) -> Outcome {
        if !SENDABLE.contains(&frame.len()) {
            return Outcome::refused();
        }
        self.switch(Endpoint::Host, frame)
    }

    /// The host sends a frame to a destination as it stands (clause 4).
    pub fn send_direct(&mut self, dest: Dest, class: u8, frame: &[u8]) -> Outcome {
        if !SENDABLE.contains(&frame.len()) {
            return Outcome::refused();
        }
        let a = self.arrival(Endpoint::Host, frame);
        let to = match dest {
            Dest::To(Endpoint::Host) => None,
            Dest::Lag(g) => self.groups.get(g).and_then(|group| {
                let link: Vec<bool> = self.ports.iter().map(|p| p.link).collect();
                group.member(&a.flow, &link).map(Endpoint::Port)
            }),
            dest => self.resolve(dest, &a.flow),
        };
        let Some(to) = to else {
            return Outcome::refused();
        };
        let mut outcome = Outcome::default();
        if self.port(to).link {
            let to = BTreeSet::from([to]);
            self.copies(&a, &to, class, reason::FLOOD, &mut outcome);
        }
        outcome
    }

    fn arrival<'a>(&self, source: Endpoint, frame: &'a [u8]) -> Arrival<'a> {
        let fid = self.port(source).fid;
        let mac = |at: usize| frame[at..at + 6].try_into().expect("six bytes");
        Arrival {
            source,
            frame,
            flow: Flow::of(frame),
            src: Key { fid, mac: mac(6) },
            dst: Key { fid, mac: mac(0) },
        }
    }

    fn switch(&mut self, source: Endpoint, frame: &[u8]) -> Outcome {
        let a = self.arrival(source, frame);
        let verdict = self.verdict(&a);
        let mut outcome = Outcome {
            event: self.teach(&a),
            ..Outcome::default()
        };
        let class = self.port(source).class;
        match verdict {
            Verdict::Drop(why) => return self.dropped(source, why, outcome),
            Verdict::Trap(reason) => {
                let host = BTreeSet::from([Endpoint::Host]);
                self.copies(&a, &host, TRAP_CLASS, reason, &mut outcome);
            }
            Verdict::Forward(to, reason) => self.copies(&a, &to, class, reason, &mut outcome),
        }
        outcome
    }

    fn dropped(&mut self, source: Endpoint, why: Counter, mut outcome: Outcome) -> Outcome {
        self.count(source).add(why, 1);
        outcome.drop = Some(why);
        outcome
    }

    /// Clause 3.5.
    fn copies(
        &mut self,
        a: &Arrival,
        to: &BTreeSet<Endpoint>,
        class: u8,
        reason: u8,
        outcome: &mut Outcome,
    ) {
        for e in to {
            let mut frame = a.frame.to_vec();
            let mut host = None;
            if *e == Endpoint::Host {
                host = Some(HostInfo {
                    source: a.source,
                    reason,
                    hash: a.flow.hash(crate::Policy::Layer34),
                    tci: a.flow.tci,
                    fid: a.src.fid,
                });
            } else {
                frame.resize(frame.len().max(SHORTEST), 0);
                self.count(*e).sent(&frame);
            }
            outcome.copies.push(Copy {
                to: *e,
                frame,
                class,
                host,
            });
        }
    }

    /// Clause 6.1.
    fn teach(&mut self, a: &Arrival) -> Option<Event> {
        let p = self.port(a.source);
        let learns = matches!(p.state, State::Learning | State::Forwarding);
        if !learns || p.learn == Learn::Off || bad_source(a) || !self.collecting(a.source) {
            return None;
        }
        let dest = match (a.source, p.lag) {
            (Endpoint::Port(_), Some(g)) => Dest::Lag(g),
            (e, _) => Dest::To(e),
        };
        let insert = p.learn == Learn::Hardware;
        self.fdb.learn(a.src, dest, insert)
    }

    /// Adds an address of the host itself.
    pub fn add_local(&mut self, key: Key) {
        self.fdb.add(
            key,
            crate::Entry {
                dest: Dest::To(Endpoint::Host),
                kind: Kind::LOCAL,
                age: 3,
            },
        );
    }
}

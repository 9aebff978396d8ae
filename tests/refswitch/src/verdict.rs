//! Verdict and destinations (clauses 2 and 3.1 to 3.3).

use crate::port::{Action, Endpoint, Reserved, State};
use crate::{Counter, Dest, Flow, Key, Switch, reason};
use std::collections::BTreeSet;

/// What the verdict says.
pub(crate) enum Verdict {
    Drop(Counter),
    /// To the host alone, with this reason.
    Trap(u8),
    /// To these; the reason for the host's copy.
    Forward(BTreeSet<Endpoint>, u8),
}

/// A frame under consideration.
pub(crate) struct Arrival<'a> {
    pub source: Endpoint,
    pub frame: &'a [u8],
    pub flow: Flow,
    pub src: Key,
    pub dst: Key,
}

impl Switch {
    pub(crate) fn collecting(&self, source: Endpoint) -> bool {
        let (Endpoint::Port(i), Some(_)) = (source, self.port(source).lag) else {
            return true;
        };
        let mut groups = self.groups.iter().filter(|g| g.enabled);
        groups.any(|g| g.collecting.contains(&i))
    }

    /// Clause 2.
    pub(crate) fn verdict(&mut self, a: &Arrival) -> Verdict {
        let state = self.port(a.source).state;
        if state == State::Disabled {
            return Verdict::Drop(Counter::DropState);
        }
        if bad_source(a) {
            return Verdict::Drop(Counter::DropBadSource);
        }
        let mut copy = None;
        if let Some(n) = reserved(a) {
            let Reserved { action, reason } = self.reserved[n];
            let reason = match reason {
                0 => reason::RESERVED + n as u8,
                r => r,
            };
            match action {
                Action::Drop => return Verdict::Drop(Counter::DropReserved),
                Action::Trap => return Verdict::Trap(reason),
                Action::Copy => copy = Some(reason),
                Action::Forward => {}
            }
        }
        let rest = self.ordinary(a, state);
        match (rest, copy) {
            (Verdict::Forward(mut to, _), Some(reason)) => {
                to.insert(Endpoint::Host);
                Verdict::Forward(to, reason)
            }
            (_, Some(reason)) => Verdict::Forward(BTreeSet::from([Endpoint::Host]), reason),
            (rest, None) => rest,
        }
    }

    /// Clauses 2.4 to 2.8.
    fn ordinary(&mut self, a: &Arrival, state: State) -> Verdict {
        if !self.collecting(a.source) {
            return Verdict::Drop(Counter::DropNotCollecting);
        }
        if state != State::Forwarding {
            return Verdict::Drop(Counter::DropState);
        }
        let known = self.fdb.get(a.dst);
        let entries = [known, self.fdb.get(a.src)];
        if entries.iter().flatten().any(|e| e.kind.blackhole) {
            return Verdict::Drop(Counter::DropBlackhole);
        }
        let candidates = self.candidates(a, known.map(|e| e.dest));
        let foreign: Vec<Endpoint> = candidates
            .iter()
            .copied()
            .filter(|to| !self.same_group(a.source, *to))
            .collect();
        if foreign.len() < candidates.len() {
            self.pruned += 1;
        }
        let mut to: BTreeSet<Endpoint> = foreign
            .iter()
            .copied()
            .filter(|to| self.reaches(a.source, *to))
            .collect();
        if to.is_empty() {
            return Verdict::Drop(Counter::DropNoDestination);
        }
        if !self.forward && a.source != Endpoint::Host {
            to.retain(|to| *to == Endpoint::Host);
        }
        if to.is_empty() {
            return Verdict::Drop(Counter::DropCut);
        }
        let local = known.is_some_and(|e| e.dest == Dest::To(Endpoint::Host));
        Verdict::Forward(to, if local { reason::LOCAL } else { reason::FLOOD })
    }

    /// Clauses 3.1 and 3.2.
    fn candidates(&mut self, a: &Arrival, known: Option<Dest>) -> BTreeSet<Endpoint> {
        match known {
            None | Some(Dest::Set(_)) => {}
            Some(dest) => return self.resolve(dest, &a.flow).into_iter().collect(),
        }
        let link: Vec<bool> = self.ports.iter().map(|p| p.link).collect();
        let mac = a.dst.mac;
        self.endpoints()
            .into_iter()
            .filter(|e| {
                let p = self.port(*e);
                let floods = match mac {
                    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => p.flood_broadcast,
                    [first, ..] if first & 1 == 1 => p.flood_multicast,
                    _ => p.flood_unicast,
                };
                let elected = match (e, p.lag) {
                    (Endpoint::Port(i), Some(g)) => {
                        let group = self.groups.get(g);
                        group.and_then(|g| g.member(&a.flow, &link)) == Some(*i)
                    }
                    _ => true,
                };
                floods && elected
            })
            .collect()
    }

    /// Where a destination leads (3.2).
    pub(crate) fn resolve(&mut self, dest: Dest, flow: &Flow) -> Option<Endpoint> {
        match dest {
            Dest::To(Endpoint::Port(i)) => (i < self.ports.len()).then_some(Endpoint::Port(i)),
            Dest::To(Endpoint::Host) => Some(Endpoint::Host),
            Dest::Lag(g) => {
                let link: Vec<bool> = self.ports.iter().map(|p| p.link).collect();
                let group = self.groups.get_mut(g)?;
                let member = group.member(flow, &link);
                group.no_member += u64::from(member.is_none());
                member.map(Endpoint::Port)
            }
            Dest::Set(_) => None,
        }
    }

    fn same_group(&self, source: Endpoint, to: Endpoint) -> bool {
        let group = |e: Endpoint| self.port(e).lag.filter(|_| e != Endpoint::Host);
        group(source).is_some() && group(source) == group(to)
    }

    /// Clause 3.3, but for the LAG and the cut.
    fn reaches(&self, source: Endpoint, to: Endpoint) -> bool {
        let (s, d) = (self.port(source), self.port(to));
        let wire = match to {
            Endpoint::Port(_) => d.link,
            Endpoint::Host => true,
        };
        d.state == State::Forwarding
            && wire
            && s.reach.contains(&to)
            && (source != to || s.hairpin)
            && !(s.isolated && d.isolated)
    }
}

/// The source address is multicast or zero (2.2).
pub(crate) fn bad_source(a: &Arrival) -> bool {
    a.src.mac[0] & 1 == 1 || a.src.mac == [0; 6]
}

/// The last digit of a reserved destination (2.3).
fn reserved(a: &Arrival) -> Option<usize> {
    match a.dst.mac {
        [0x01, 0x80, 0xc2, 0x00, 0x00, n @ 0..=15] if a.source != Endpoint::Host => Some(n.into()),
        _ => None,
    }
}

//! The selection logic (802.1AX 6.4.14): which aggregator a port joins, and, as Linux bonding's `ad_select` has it,
//! which one aggregator carries frames.

use std::cmp::Reverse;

use super::config::AdSelect;
use super::mux::MuxState;
use super::port::{Port, Selected};
use super::{Lacp, Output};
use crate::wire::lacp::Participant;

/// What two ports of one LAG share besides the system (6.3.6).
fn lag_id(port: &Port) -> (u16, u16, [u8; 6], u16) {
    let Participant {
        system_priority,
        system,
        key,
        ..
    } = port.partner;
    (port.actor.key, system_priority, system.0, key)
}

/// What an aggregator is worth.
struct Worth {
    id: u16,
    /// More than one port could be in it.
    aggregates: bool,
    /// A partner has answered.
    partner: bool,
    ports: usize,
    bandwidth: u64,
}

impl Lacp {
    /// Chooses an aggregator for each port that has none and has left its last; true if anything changed.
    pub(super) fn run_selection(&mut self) -> bool {
        let mut changed = false;
        for at in 0..self.ports.len() {
            let port = &self.ports[at];
            if port.selected != Selected::Unselected
                || port.mux != MuxState::Detached
                || port.link.is_none()
            {
                continue;
            }
            let chosen = self.aggregator_for(at);
            let port = &mut self.ports[at];
            port.aggregator = Some(chosen);
            port.selected = Selected::Standby;
            changed = true;
        }
        let active = self.choose_active();
        if active != self.active {
            self.active = active;
            self.outputs
                .push_back(Output::ActiveAggregator { id: active });
        }
        for port in &mut self.ports {
            let wanted = match port.selected {
                Selected::Unselected => Selected::Unselected,
                _ if port.aggregator == active => Selected::Selected,
                _ => Selected::Standby,
            };
            changed |= std::mem::replace(&mut port.selected, wanted) != wanted;
        }
        changed
    }

    /// The aggregator of a port with the same LAG id, or one that nobody uses: its own, if that is free.
    fn aggregator_for(&self, at: usize) -> u16 {
        let port = &self.ports[at];
        let others = || {
            let other = |(i, p): (usize, &Port)| {
                (i != at && p.selected != Selected::Unselected).then_some(p.aggregator?)
            };
            self.ports.iter().enumerate().filter_map(other)
        };
        let mates = self.ports.iter().enumerate().find(|(i, p)| {
            *i != at
                && p.selected != Selected::Unselected
                && !p.is_individual()
                && !port.is_individual()
                && lag_id(p) == lag_id(port)
        });
        if let Some(id) = mates.and_then(|(_, p)| p.aggregator) {
            return id;
        }
        let free = |id: &u16| others().all(|taken| taken != *id);
        // Ports bring one aggregator each and the others use one each at most, so that one is free; its own is preferred.
        std::iter::once(port.own_aggregator)
            .chain(self.ports.iter().map(|p| p.own_aggregator))
            .find(free)
            .unwrap_or(port.own_aggregator)
    }

    fn worth(&self, id: u16) -> Worth {
        let members = || {
            self.ports.iter().filter(move |p| {
                p.aggregator == Some(id) && p.selected != Selected::Unselected && p.link.is_some()
            })
        };
        Worth {
            id,
            aggregates: members().any(|p| !p.is_individual()),
            partner: members().any(|p| !p.partner_defaulted()),
            ports: members().count(),
            bandwidth: members()
                .filter_map(|p| p.link)
                .map(|l| u64::from(l.speed))
                .sum(),
        }
    }

    /// The aggregator that is to carry frames. One that aggregates is better than an individual port, one whose partner
    /// answers is better than one without; then `ad_select` decides, and last the lower number.
    fn choose_active(&self) -> Option<u16> {
        let policy = self.config.ad_select;
        let best = self
            .ports
            .iter()
            .filter_map(|p| Some(self.worth(p.aggregator?)))
            .filter(|w| w.ports > 0)
            .max_by_key(|w| {
                let count = match policy {
                    AdSelect::Count => w.ports,
                    AdSelect::Stable | AdSelect::Bandwidth => 0,
                };
                (w.aggregates, w.partner, count, w.bandwidth, Reverse(w.id))
            });
        let Some(best) = best else {
            // No port has a link. The last aggregator stays chosen while it has ports, so that they need not wait again.
            let used = |id: &u16| self.ports.iter().any(|p| p.aggregator == Some(*id));
            return self.active.filter(used);
        };
        let now = self.active.map(|id| self.worth(id)).filter(|w| w.ports > 0);
        match now {
            // Stable: what works is kept, unless it has no partner and the best has.
            Some(now) if policy == AdSelect::Stable && (now.partner || !best.partner) => {
                Some(now.id)
            }
            // Others: what works is kept against its equals.
            Some(now)
                if (now.aggregates, now.partner, now.bandwidth)
                    == (best.aggregates, best.partner, best.bandwidth)
                    && now.ports == best.ports =>
            {
                Some(now.id)
            }
            _ => Some(best.id),
        }
    }
}

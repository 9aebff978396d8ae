//! What there is to see: the fields of /proc/net/bonding and of `ip -d link`.

use serde::Serialize;

use super::churn::ChurnState;
use super::mux::MuxState;
use super::periodic::PeriodicState;
use super::port::{Counters, Selected};
use super::receive::ReceiveState;
use super::{Lacp, PortId};
use crate::mac::MacAddr;
use crate::wire::lacp::Participant;

/// A port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PortStatus {
    /// Aggregator ID; 0 while none is chosen.
    pub aggregator_id: u16,
    /// The operational actor: what the port says of itself.
    pub actor: Participant,
    /// The actor's state in words.
    pub actor_state: String,
    /// The operational partner: what the port knows of the other end.
    pub partner: Participant,
    /// The partner's state in words.
    pub partner_state: String,
    /// State of the receive machine.
    pub receive: ReceiveState,
    /// State of the periodic machine.
    pub periodic: PeriodicState,
    /// State of the mux machine.
    pub mux: MuxState,
    /// Word of the selection logic.
    pub selected: Selected,
    /// Actor Churn State.
    pub actor_churn: ChurnState,
    /// Partner Churn State.
    pub partner_churn: ChurnState,
    /// Actor Churned Count.
    pub actor_churned_count: u32,
    /// Partner Churned Count.
    pub partner_churned_count: u32,
    /// What the port counted.
    pub counters: Counters,
}

/// An aggregator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AggregatorStatus {
    /// Aggregator ID.
    pub id: u16,
    /// It carries the bond's frames.
    pub active: bool,
    /// Actor Key.
    pub actor_key: u16,
    /// Partner Key.
    pub partner_key: u16,
    /// Partner Mac Address.
    pub partner_system: MacAddr,
    /// Its ports, in the order of joining the bond.
    pub ports: Vec<PortId>,
}

impl Lacp {
    /// Status of a port.
    pub fn port(&self, id: PortId) -> Option<PortStatus> {
        let p = self.ports.iter().find(|p| p.id == id)?;
        Some(PortStatus {
            aggregator_id: p.aggregator.unwrap_or(0),
            actor: p.actor,
            actor_state: p.actor.state.to_string(),
            partner: p.partner,
            partner_state: p.partner.state.to_string(),
            receive: p.receive,
            periodic: p.periodic,
            mux: p.mux,
            selected: p.selected,
            actor_churn: p.actor_churn.state,
            partner_churn: p.partner_churn.state,
            actor_churned_count: p.actor_churn.count,
            partner_churned_count: p.partner_churn.count,
            counters: p.counters,
        })
    }

    /// The aggregators that have ports, by number.
    pub fn aggregators(&self) -> Vec<AggregatorStatus> {
        let mut ids: Vec<u16> = self.ports.iter().filter_map(|p| p.aggregator).collect();
        ids.sort_unstable();
        ids.dedup();
        let status = |id: u16| {
            let members = || self.ports.iter().filter(move |p| p.aggregator == Some(id));
            let first = members().next()?;
            Some(AggregatorStatus {
                id,
                active: self.active == Some(id),
                actor_key: first.actor.key,
                partner_key: first.partner.key,
                partner_system: first.partner.system,
                ports: members().map(|p| p.id).collect(),
            })
        };
        ids.into_iter().filter_map(status).collect()
    }
}

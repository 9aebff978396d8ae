//! The mux machine (802.1AX 6.4.15), independent and coupled control.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::port::{Port, Selected};
use super::{AGGREGATE_WAIT_TIME, Lacp};
use crate::wire::lacp::State;

/// Its states. Coupled control has COLLECTING_DISTRIBUTING in the place of the last two: here it is
/// [`MuxState::Distributing`] reached from ATTACHED at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MuxState {
    /// In no aggregator.
    Detached,
    /// Waiting for the other ports of the aggregator.
    Waiting,
    /// In the aggregator.
    Attached,
    /// Takes frames.
    Collecting,
    /// Takes and sends frames.
    Distributing,
}

impl Port {
    /// Ready_N: this port has waited long enough.
    fn ready_n(&self) -> bool {
        self.wait_while.is_none()
    }

    /// One transition, if one is due. `ready` is Ready of its aggregator.
    fn step_mux(&mut self, now: Duration, ready: bool, coupled: bool) -> bool {
        let selected = self.selected == Selected::Selected;
        let partner_in_sync = self.partner.state.has(State::SYNCHRONIZATION);
        let partner_collecting = self.partner.state.has(State::COLLECTING);
        let pass = selected && partner_in_sync;
        let next = match self.mux {
            MuxState::Detached if self.selected != Selected::Unselected => MuxState::Waiting,
            MuxState::Waiting if self.selected == Selected::Unselected => MuxState::Detached,
            MuxState::Waiting if selected && ready => MuxState::Attached,
            MuxState::Attached if !selected => MuxState::Detached,
            MuxState::Attached if pass && coupled => MuxState::Distributing,
            MuxState::Attached if pass => MuxState::Collecting,
            MuxState::Collecting if !pass => MuxState::Attached,
            MuxState::Collecting if partner_collecting => MuxState::Distributing,
            MuxState::Distributing if coupled && !pass => MuxState::Attached,
            MuxState::Distributing if !coupled && (!pass || !partner_collecting) => {
                MuxState::Collecting
            }
            _ => return false,
        };
        self.enter_mux(now, next);
        true
    }

    fn enter_mux(&mut self, now: Duration, state: MuxState) {
        self.mux = state;
        self.wait_while = (state == MuxState::Waiting).then(|| now + AGGREGATE_WAIT_TIME);
        let (sync, collecting, distributing) = match state {
            MuxState::Detached => (false, false, false),
            // No action of this state touches them: they are as DETACHED left them.
            MuxState::Waiting => return,
            MuxState::Attached => (true, false, false),
            MuxState::Collecting => (true, true, false),
            MuxState::Distributing => (true, true, true),
        };
        let bits = &mut self.actor.state;
        bits.set(State::SYNCHRONIZATION, sync);
        bits.set(State::COLLECTING, collecting);
        bits.set(State::DISTRIBUTING, distributing);
        // Every state but DISTRIBUTING of independent control says NTT; the partner gains by hearing that one, too.
        self.ntt = true;
    }
}

impl Lacp {
    /// Moves every port's mux as far as it goes; true if one moved.
    pub(super) fn run_mux(&mut self, now: Duration) -> bool {
        for port in &mut self.ports {
            super::port::expired(&mut port.wait_while, now);
        }
        let mut moved = false;
        for at in 0..self.ports.len() {
            let ready = self.ready(self.ports[at].aggregator);
            moved |= self.ports[at].step_mux(now, ready, self.config.coupled);
        }
        moved
    }

    /// Ready: every port that waits to attach to the aggregator has waited long enough.
    fn ready(&self, aggregator: Option<u16>) -> bool {
        self.ports
            .iter()
            .filter(|p| p.aggregator == aggregator && p.selected == Selected::Selected)
            .filter(|p| p.mux == MuxState::Waiting)
            .all(Port::ready_n)
    }
}

//! The periodic transmission machine (802.1AX 6.4.13).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::port::{Port, expired};
use super::{FAST_PERIODIC_TIME, SLOW_PERIODIC_TIME};
use crate::wire::lacp::State;

/// Its states; PERIODIC_TX is passed through and never rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PeriodicState {
    /// No link, no LACP, or nobody who begins.
    NoPeriodic,
    /// Once a second.
    FastPeriodic,
    /// Twice a minute.
    SlowPeriodic,
}

impl Port {
    /// True if the state changed.
    pub(super) fn run_periodic(&mut self, now: Duration) -> bool {
        let before = self.periodic;
        let passive =
            !self.actor.state.has(State::ACTIVITY) && !self.partner.state.has(State::ACTIVITY);
        if self.link.is_none() || !self.lacp_enabled() || passive {
            self.periodic = PeriodicState::NoPeriodic;
            self.periodic_timer = None;
            return before != self.periodic;
        }
        let fast = self.partner.state.has(State::TIMEOUT);
        match self.periodic {
            // NO_PERIODIC goes on to FAST_PERIODIC unasked, so that the first LACPDU is sent within a second.
            PeriodicState::NoPeriodic => self.start_periodic(now, true),
            PeriodicState::FastPeriodic if !fast => self.start_periodic(now, false),
            PeriodicState::SlowPeriodic if fast => {
                self.ntt = true;
                self.start_periodic(now, true);
            }
            _ if expired(&mut self.periodic_timer, now) => {
                self.ntt = true;
                self.start_periodic(now, fast);
            }
            _ => {}
        }
        before != self.periodic
    }

    fn start_periodic(&mut self, now: Duration, fast: bool) {
        let (state, time) = if fast {
            (PeriodicState::FastPeriodic, FAST_PERIODIC_TIME)
        } else {
            (PeriodicState::SlowPeriodic, SLOW_PERIODIC_TIME)
        };
        self.periodic = state;
        self.periodic_timer = Some(now + time);
    }
}

//! The actor and partner churn detection machines (802.1AX 6.4.17).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CHURN_DETECTION_TIME;
use super::port::{Port, expired};
use crate::wire::lacp::State;

/// State of one of them; the words are those of /proc/net/bonding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChurnState {
    /// In sync (NO_ACTOR_CHURN, NO_PARTNER_CHURN).
    None,
    /// Out of sync, not yet for long (ACTOR_CHURN_MONITOR, PARTNER_CHURN_MONITOR).
    #[default]
    Monitoring,
    /// Out of sync for [`CHURN_DETECTION_TIME`] (ACTOR_CHURN, PARTNER_CHURN).
    Churned,
}

/// One churn machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Churn {
    pub state: ChurnState,
    /// How often it came to churned.
    pub count: u32,
    timer: Option<Duration>,
}

impl Churn {
    pub fn deadline(&self) -> Option<Duration> {
        self.timer
    }

    fn run(&mut self, now: Duration, enabled: bool, in_sync: bool) {
        if !enabled {
            *self = Churn {
                count: self.count,
                ..Churn::default()
            };
        } else if in_sync {
            self.state = ChurnState::None;
            self.timer = None;
        } else if self.state == ChurnState::None {
            self.state = ChurnState::Monitoring;
            self.timer = Some(now + CHURN_DETECTION_TIME);
        } else if self.state == ChurnState::Monitoring {
            if expired(&mut self.timer, now) {
                self.state = ChurnState::Churned;
                self.count = self.count.saturating_add(1);
            } else if self.timer.is_none() {
                // The link came up just now.
                self.timer = Some(now + CHURN_DETECTION_TIME);
            }
        }
    }
}

impl Port {
    pub(super) fn run_churn(&mut self, now: Duration) {
        let enabled = self.link.is_some();
        let synced = |state: State| state.has(State::SYNCHRONIZATION);
        let (actor, partner) = (synced(self.actor.state), synced(self.partner.state));
        self.actor_churn.run(now, enabled, actor);
        self.partner_churn.run(now, enabled, partner);
    }
}

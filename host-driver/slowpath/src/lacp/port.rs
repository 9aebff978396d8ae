//! A port's variables (802.1AX 6.4.7), its transmit machine (6.4.16), and what all machines share.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::churn::Churn;
use super::config::{Config, Link, port_key};
use super::mux::MuxState;
use super::periodic::PeriodicState;
use super::receive::ReceiveState;
use super::{FAST_PERIODIC_TIME, PortId, TX_LIMIT};
use crate::wire::lacp::{LacpPdu, Participant, State, VERSION};

/// The selection logic's word about a port (6.4.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Selected {
    /// No aggregator is chosen.
    #[default]
    Unselected,
    /// An aggregator is chosen, but not to be attached to now.
    Standby,
    /// An aggregator is chosen.
    Selected,
}

/// What a port counted (802.1AX 7.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// LACPDUs received.
    pub lacpdu_rx: u64,
    /// LACPDUs sent.
    pub lacpdu_tx: u64,
    /// Marker PDUs received.
    pub marker_rx: u64,
    /// Marker response PDUs received.
    pub marker_response_rx: u64,
    /// Marker response PDUs sent.
    pub marker_response_tx: u64,
    /// Frames of other slow protocols.
    pub unknown_rx: u64,
    /// Malformed frames.
    pub illegal_rx: u64,
    /// LACPDUs of this system itself.
    pub loopback_rx: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub id: PortId,
    /// port_enabled, with what the key is made of.
    pub link: Option<Link>,
    /// The operational actor.
    pub actor: Participant,
    /// The operational partner.
    pub partner: Participant,
    pub receive: ReceiveState,
    pub current_while: Option<Duration>,
    pub port_moved: bool,
    pub periodic: PeriodicState,
    pub periodic_timer: Option<Duration>,
    pub mux: MuxState,
    pub wait_while: Option<Duration>,
    pub selected: Selected,
    /// The aggregator chosen.
    pub aggregator: Option<u16>,
    /// The aggregator that is this port's when it must be alone, or the first of a LAG.
    pub own_aggregator: u16,
    pub ntt: bool,
    /// When the latest LACPDUs were sent.
    sent: VecDeque<Duration>,
    pub actor_churn: Churn,
    pub partner_churn: Churn,
    pub counters: Counters,
    /// What was last reported.
    pub collecting: bool,
    pub distributing: bool,
}

impl Port {
    pub fn new(id: PortId, number: u16, priority: u16, own_aggregator: u16) -> Self {
        let mut port = Self {
            id,
            link: None,
            actor: Participant {
                port: number,
                port_priority: priority,
                state: State::AGGREGATION,
                ..Participant::default()
            },
            partner: Participant::default(),
            receive: ReceiveState::Initialize,
            current_while: None,
            port_moved: false,
            periodic: PeriodicState::NoPeriodic,
            periodic_timer: None,
            mux: MuxState::Detached,
            wait_while: None,
            selected: Selected::Unselected,
            aggregator: None,
            own_aggregator,
            ntt: false,
            sent: VecDeque::new(),
            actor_churn: Churn::default(),
            partner_churn: Churn::default(),
            counters: Counters::default(),
            collecting: false,
            distributing: false,
        };
        port.record_default();
        port
    }

    /// LACP_Enabled: only full-duplex links run the protocol.
    pub fn lacp_enabled(&self) -> bool {
        self.link.is_none_or(|l| l.full_duplex)
    }

    /// Takes the system's settings.
    pub fn configure(&mut self, config: &Config) {
        let identity = (config.system_priority, config.system);
        if (self.actor.system_priority, self.actor.system) != identity {
            (self.actor.system_priority, self.actor.system) = identity;
            self.selected = Selected::Unselected;
            self.ntt = true;
        }
        let state = &mut self.actor.state;
        self.ntt |= state.set(State::ACTIVITY, config.active);
        self.ntt |= state.set(State::TIMEOUT, config.fast);
        self.set_key(config);
    }

    pub fn set_link(&mut self, link: Option<Link>, config: &Config) {
        self.link = link;
        // A link that is down keeps its key, so that it finds its aggregator again when it returns as it was.
        if link.is_some() {
            self.actor
                .state
                .set(State::AGGREGATION, self.lacp_enabled());
            self.set_key(config);
        }
    }

    fn set_key(&mut self, config: &Config) {
        if self.link.is_none() && self.actor.key != 0 {
            // Only the user's part can have changed.
            let key = self.actor.key & 0x3f | port_key(config.user_key, None);
            self.change_key(key);
        } else {
            self.change_key(port_key(config.user_key, self.link));
        }
    }

    fn change_key(&mut self, key: u16) {
        if std::mem::replace(&mut self.actor.key, key) != key {
            self.selected = Selected::Unselected;
            self.ntt = true;
        }
    }

    /// No LACPDU has come: the partner is the one of the configuration.
    pub fn partner_defaulted(&self) -> bool {
        self.actor.state.has(State::DEFAULTED)
    }

    /// It cannot share an aggregator (6.4.14.1 c): one of the ends says so.
    pub fn is_individual(&self) -> bool {
        !self.actor.state.has(State::AGGREGATION) || !self.partner.state.has(State::AGGREGATION)
    }

    /// The port is being taken away: the state for its last LACPDU.
    pub fn leave(&mut self) {
        let lost = State::SYNCHRONIZATION | State::COLLECTING | State::DISTRIBUTING;
        self.actor.state.set(lost | State::AGGREGATION, false);
    }

    /// 6.4.16: nothing is sent while the link is down, LACP is off, or no periodic transmission is due at all.
    pub fn may_transmit(&self) -> bool {
        self.link.is_some() && self.lacp_enabled() && self.periodic != PeriodicState::NoPeriodic
    }

    /// The LACPDU that says how things are.
    pub fn pdu(&self) -> LacpPdu {
        LacpPdu {
            version: VERSION,
            actor: self.actor,
            partner: self.partner,
            collector_max_delay: 0,
        }
    }

    /// The transmit machine.
    pub fn transmit(&mut self, now: Duration) -> Option<LacpPdu> {
        self.ntt &= self.may_transmit();
        while self
            .sent
            .front()
            .is_some_and(|t| now >= *t + FAST_PERIODIC_TIME)
        {
            self.sent.pop_front();
        }
        if !self.ntt || self.sent.len() >= TX_LIMIT {
            return None;
        }
        self.ntt = false;
        self.sent.push_back(now);
        self.counters.lacpdu_tx += 1;
        Some(self.pdu())
    }

    pub fn next_deadline(&self) -> Option<Duration> {
        let limited = self
            .sent
            .front()
            .filter(|_| self.ntt)
            .map(|t| *t + FAST_PERIODIC_TIME);
        [
            self.current_while,
            self.periodic_timer,
            self.wait_while,
            self.actor_churn.deadline(),
            self.partner_churn.deadline(),
            limited,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// A timer ran out: it is stopped, and true is returned once.
pub(super) fn expired(timer: &mut Option<Duration>, now: Duration) -> bool {
    let out = timer.is_some_and(|t| now >= t);
    if out {
        *timer = None;
    }
    out
}

//! The receive machine (802.1AX 6.4.12) and the functions that it uses (6.4.9).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::port::{Port, Selected, expired};
use super::{LONG_TIMEOUT_TIME, SHORT_TIMEOUT_TIME};
use crate::wire::lacp::{LacpPdu, Participant, State};

/// Its states. INITIALIZE is passed through and never rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReceiveState {
    /// Begins.
    Initialize,
    /// No link.
    PortDisabled,
    /// The partner has not been heard in time; it has [`SHORT_TIMEOUT_TIME`] to say something.
    Expired,
    /// The link does not run LACP.
    LacpDisabled,
    /// The partner has not been heard: the configured one is assumed.
    Defaulted,
    /// The partner was heard in time.
    Current,
}

/// Partner_Admin_Port_State and the rest of the configured partner: an individual one that is in sync and passes frames.
const PARTNER_ADMIN: Participant = Participant {
    system_priority: 0,
    system: crate::mac::MacAddr([0; 6]),
    key: 0,
    port_priority: 0,
    port: 0,
    state: State(State::SYNCHRONIZATION.0 | State::COLLECTING.0 | State::DISTRIBUTING.0),
};

/// The fields by which update_Selected and recordPDU tell whether two ends mean the same link.
fn identity(p: &Participant) -> (u16, [u8; 6], u16, u16, u16, State) {
    (
        p.system_priority,
        p.system.0,
        p.key,
        p.port_priority,
        p.port,
        p.state.only(State::AGGREGATION),
    )
}

impl Port {
    /// Everything but the arrival of a LACPDU; true if the state changed.
    pub(super) fn run_receive(&mut self, now: Duration) -> bool {
        let before = self.receive;
        let enabled = self.link.is_some();
        if self.port_moved || self.receive == ReceiveState::Initialize {
            self.selected = Selected::Unselected;
            self.record_default();
            self.actor.state.set(State::EXPIRED, false);
            self.port_moved = false;
            self.enter_disabled();
        }
        if !enabled {
            if self.receive != ReceiveState::PortDisabled {
                self.enter_disabled();
            }
        } else if !self.lacp_enabled() {
            if self.receive != ReceiveState::LacpDisabled {
                self.receive = ReceiveState::LacpDisabled;
                self.current_while = None;
                self.selected = Selected::Unselected;
                self.record_default();
                self.partner.state.set(State::AGGREGATION, false);
                self.actor.state.set(State::EXPIRED, false);
            }
        } else {
            match self.receive {
                ReceiveState::PortDisabled | ReceiveState::LacpDisabled => {
                    self.enter_expired(now);
                    // Not in the clause, which waits a second for the periodic machine: the link is here now.
                    self.ntt = true;
                }
                ReceiveState::Current if expired(&mut self.current_while, now) => {
                    self.enter_expired(now);
                }
                ReceiveState::Expired if expired(&mut self.current_while, now) => {
                    self.receive = ReceiveState::Defaulted;
                    self.update_default_selected();
                    self.record_default();
                    self.actor.state.set(State::EXPIRED, false);
                }
                _ => {}
            }
        }
        self.receive != before
    }

    fn enter_disabled(&mut self) {
        self.receive = ReceiveState::PortDisabled;
        self.current_while = None;
        self.partner.state.set(State::SYNCHRONIZATION, false);
    }

    fn enter_expired(&mut self, now: Duration) {
        self.receive = ReceiveState::Expired;
        self.partner.state.set(State::SYNCHRONIZATION, false);
        self.partner.state.set(State::TIMEOUT, true);
        self.current_while = Some(now + SHORT_TIMEOUT_TIME);
        self.actor.state.set(State::EXPIRED, true);
    }

    /// A LACPDU came: state CURRENT, if the port is in one that listens.
    pub(super) fn receive_pdu(&mut self, now: Duration, pdu: &LacpPdu) {
        if self.link.is_none() || !self.lacp_enabled() {
            return;
        }
        self.update_selected(&pdu.actor);
        self.update_ntt(&pdu.partner);
        self.record_pdu(pdu);
        self.receive = ReceiveState::Current;
        let timeout = if self.actor.state.has(State::TIMEOUT) {
            SHORT_TIMEOUT_TIME
        } else {
            LONG_TIMEOUT_TIME
        };
        self.current_while = Some(now + timeout);
        self.actor.state.set(State::EXPIRED, false);
    }

    /// update_Selected.
    fn update_selected(&mut self, partner: &Participant) {
        if identity(partner) != identity(&self.partner) {
            self.selected = Selected::Unselected;
        }
    }

    /// update_Default_Selected.
    fn update_default_selected(&mut self) {
        self.update_selected(&PARTNER_ADMIN);
    }

    /// update_NTT: the partner does not know how things are here.
    fn update_ntt(&mut self, known: &Participant) {
        let bits = State::ACTIVITY | State::TIMEOUT | State::SYNCHRONIZATION | State::AGGREGATION;
        self.ntt |= identity(known) != identity(&self.actor)
            || known.state.only(bits) != self.actor.state.only(bits);
    }

    /// recordPDU. The partner is in sync if it says so, means this very link (or is individual), and will go on talking.
    fn record_pdu(&mut self, pdu: &LacpPdu) {
        self.partner = pdu.actor;
        self.actor.state.set(State::DEFAULTED, false);
        let same_link = identity(&pdu.partner) == identity(&self.actor);
        let individual = !pdu.actor.state.has(State::AGGREGATION);
        let maintained = pdu.actor.state.has(State::ACTIVITY)
            || (self.actor.state.has(State::ACTIVITY) && pdu.partner.state.has(State::ACTIVITY));
        let synced = pdu.actor.state.has(State::SYNCHRONIZATION);
        self.partner.state.set(
            State::SYNCHRONIZATION,
            synced && maintained && (same_link || individual),
        );
    }

    /// recordDefault.
    pub(super) fn record_default(&mut self) {
        self.partner = PARTNER_ADMIN;
        self.actor.state.set(State::DEFAULTED, true);
    }
}

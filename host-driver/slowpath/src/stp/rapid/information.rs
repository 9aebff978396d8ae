//! Port information (17.27): what a port knows of the best bridge on its segment, and how old that is.

use std::time::Duration;

use super::{Rapid, Shared, Vars};
use crate::stp::vector::{Times, Vector};
use crate::wire::bpdu::{Bpdu, RstRole};

/// No neighbour takes longer to answer a proposal.
const ANSWER: Duration = Duration::from_secs(1);

/// infoIs (17.19.10): where a port's vector comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum InfoIs {
    #[default]
    Disabled,
    Aged,
    Mine,
    Received,
}

/// States of port information; those that are left at once (UPDATE, RECEIVE and what follows it) are procedures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pim {
    #[default]
    Disabled,
    Aged,
    Current,
}

/// What a message means to a port (17.21.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RcvdInfo {
    SuperiorDesignated,
    RepeatedDesignated,
    InferiorDesignated,
    InferiorRootAlternate,
    Other,
}

impl Vars {
    fn enter_disabled(&mut self) {
        self.pim = Pim::Disabled;
        self.rcvd_msg = None;
        (self.proposing, self.proposed) = (false, false);
        (self.agree, self.agreed) = (false, false);
        self.rcvd_info_while.stop();
        self.info_is = InfoIs::Disabled;
        (self.reselect, self.selected) = (true, false);
    }

    fn enter_aged(&mut self) {
        self.pim = Pim::Aged;
        self.info_is = InfoIs::Aged;
        (self.reselect, self.selected) = (true, false);
    }

    /// UPDATE; says whether the port forwards on without being in sync.
    fn update(&mut self) -> bool {
        let was_synced = self.synced;
        self.pim = Pim::Current;
        (self.proposing, self.proposed) = (false, false);
        // betterorsameInfo(Mine), 17.21.1.
        self.agreed &=
            self.info_is == InfoIs::Mine && self.designated_priority <= self.port_priority;
        self.synced &= self.agreed;
        self.port_priority = self.designated_priority;
        self.port_times = self.designated_times;
        self.updt_info = false;
        self.info_is = InfoIs::Mine;
        self.new_info = true;
        was_synced && !self.synced && (self.learning || self.forwarding)
    }

    /// rcvInfo (17.21.8).
    fn rcv_info(&mut self, bpdu: &Bpdu) -> RcvdInfo {
        let Some(message) = bpdu.message() else {
            self.rcvd_tcn = true;
            return RcvdInfo::Other;
        };
        self.msg_priority = Vector::of(message);
        self.msg_times = Times::of(message);
        let role = match bpdu {
            Bpdu::Rst { role, .. } => *role,
            // A Config BPDU says that its sender is designated.
            _ => RstRole::Designated,
        };
        let same = self.msg_priority == self.port_priority;
        let repeated =
            same && recorded(self.msg_times) == self.port_times && self.info_is == InfoIs::Received;
        match role {
            RstRole::Designated | RstRole::Unknown if repeated => RcvdInfo::RepeatedDesignated,
            RstRole::Designated | RstRole::Unknown
                if same || self.msg_priority.superior_to(&self.port_priority) =>
            {
                RcvdInfo::SuperiorDesignated
            }
            RstRole::Designated | RstRole::Unknown => RcvdInfo::InferiorDesignated,
            RstRole::Root | RstRole::AlternateBackup if self.msg_priority >= self.port_priority => {
                RcvdInfo::InferiorRootAlternate
            }
            RstRole::Root | RstRole::AlternateBackup => RcvdInfo::Other,
        }
    }

    /// updtRcvdInfoWhile (17.21.23).
    fn updt_rcvd_info_while(&mut self, now: Duration) {
        if one_hop_older(self.port_times.message_age) <= self.port_times.max_age {
            let time = 3 * self.port_times.hello_time;
            self.rcvd_info_while.start(now, time);
        } else {
            self.rcvd_info_while.stop();
        }
    }

    /// setTcFlags (17.21.17).
    fn set_tc_flags(&mut self, bpdu: &Bpdu) {
        match bpdu {
            Bpdu::Config {
                topology_change,
                topology_change_ack,
                ..
            } => {
                self.rcvd_tc |= topology_change;
                self.rcvd_tc_ack |= topology_change_ack;
            }
            Bpdu::Rst {
                topology_change, ..
            } => self.rcvd_tc |= topology_change,
            Bpdu::Tcn => self.rcvd_tcn = true,
        }
    }

    /// recordProposal (17.21.11).
    fn record_proposal(&mut self, bpdu: &Bpdu) {
        self.proposed |= matches!(
            bpdu,
            Bpdu::Rst {
                proposal: true,
                role: RstRole::Designated,
                ..
            }
        );
    }

    /// recordAgreement (17.21.9).
    ///
    /// Stricter than the standard, which takes an agreement to an earlier vector for one to the present vector if that is better: in
    /// between, the neighbour may have let others forward. Nobody agrees to a vector that the port has not sent yet (because of
    /// `txCount`); what is about another root answers an older vector; and so does a root port whose information is not just one hop
    /// older than this port's, unless this port has said the same for a second, which is longer than any answer takes.
    fn record_agreement(&mut self, now: Duration, bpdu: &Bpdu, point_to_point: bool) {
        let Bpdu::Rst {
            agreement, role, ..
        } = bpdu
        else {
            return;
        };
        let sent = self.sent_priority == self.port_priority;
        let same_root = self.msg_priority.root == self.port_priority.root;
        let answer = *role != RstRole::Root
            || self.msg_times.message_age == one_hop_older(self.port_times.message_age)
            || now.saturating_sub(self.sent_since) >= ANSWER;
        self.agreed = *agreement && sent && same_root && answer && point_to_point;
        self.proposing &= !self.agreed;
    }

    /// RECEIVE and the state that follows it.
    fn receive(&mut self, now: Duration, bpdu: &Bpdu, point_to_point: bool) {
        match self.rcv_info(bpdu) {
            RcvdInfo::SuperiorDesignated => {
                (self.agreed, self.proposing) = (false, false);
                self.record_proposal(bpdu);
                self.set_tc_flags(bpdu);
                // betterorsameInfo(Received), 17.21.1.
                self.agree &=
                    self.info_is == InfoIs::Received && self.msg_priority <= self.port_priority;
                self.port_priority = self.msg_priority;
                self.port_times = recorded(self.msg_times);
                self.updt_rcvd_info_while(now);
                self.info_is = InfoIs::Received;
                (self.reselect, self.selected) = (true, false);
            }
            RcvdInfo::RepeatedDesignated => {
                self.record_proposal(bpdu);
                self.set_tc_flags(bpdu);
                self.updt_rcvd_info_while(now);
            }
            RcvdInfo::InferiorDesignated => {
                // recordDispute (17.21.10): the neighbour did not hear us, yet it learns.
                if matches!(bpdu, Bpdu::Rst { learning: true, .. }) {
                    (self.disputed, self.agreed) = (true, false);
                }
            }
            RcvdInfo::InferiorRootAlternate => {
                self.record_agreement(now, bpdu, point_to_point);
                self.set_tc_flags(bpdu);
            }
            RcvdInfo::Other => {}
        }
    }
}

/// Times as recordTimes (17.21.13) keeps them: a hello time of at least a second.
fn recorded(times: Times) -> Times {
    Times {
        hello_time: times.hello_time.max(Duration::from_secs(1)),
        ..times
    }
}

/// A message age plus a second, to the nearest second (17.21.23, 17.21.25 c).
pub(super) fn one_hop_older(age: Duration) -> Duration {
    let half = Duration::from_millis(500);
    Duration::from_secs((age + Duration::from_secs(1) + half).as_secs())
}

impl Rapid {
    /// Stricter than the standard: what the bridge agreed to was said of ports in sync. Once one is not, the next proposal is answered
    /// only after they are again, and not at once because there was an agreement before.
    fn withdraw_agreement(&mut self) {
        for p in self.ports.values_mut() {
            p.agree = false;
        }
    }

    /// 17.27.
    pub(super) fn port_information(&mut self, sh: &Shared, n: u16) -> bool {
        let (now, point_to_point) = (sh.now, sh.ports[&n].point_to_point());
        let p = self.vars(n);
        if !p.port_enabled {
            let enter = p.info_is != InfoIs::Disabled || p.rcvd_msg.is_some();
            if enter {
                p.enter_disabled();
            }
            return enter;
        }
        match p.pim {
            Pim::Disabled => p.enter_aged(),
            Pim::Aged | Pim::Current if p.selected && p.updt_info => {
                if p.update() {
                    self.withdraw_agreement();
                }
            }
            Pim::Aged => return false,
            Pim::Current => {
                if p.updt_info {
                    return false;
                }
                let aged = p.info_is == InfoIs::Received && p.rcvd_info_while.is_zero(now);
                match p.rcvd_msg.take() {
                    Some(bpdu) => p.receive(now, &bpdu, point_to_point),
                    None if aged => p.enter_aged(),
                    None => return false,
                }
            }
        }
        true
    }

    /// A port's vector with the cost of the way to it, if it is a way to the root (17.6: root path priority vector).
    pub(super) fn root_path(&self, sh: &Shared, n: u16) -> Option<(Vector, u16)> {
        let p = &self.ports[&n];
        let mut way = p.port_priority;
        let received = p.info_is == InfoIs::Received;
        let own = way.bridge.address == sh.settings.address;
        way.cost = way.cost.saturating_add(sh.path_cost(n));
        (received && !own).then(|| (way, sh.port_id(n)))
    }
}

//! Topology change (17.31).

use std::time::Duration;

use super::{Rapid, Role, Shared};

/// States of topology change in which it stays; the others are left at once and are procedures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tcm {
    #[default]
    Inactive,
    Learning,
    Active,
}

impl Rapid {
    /// newTcWhile (17.21.7).
    fn new_tc_while(&mut self, sh: &Shared, n: u16) {
        let root_times = self.root_times;
        let p = self.vars(n);
        if !p.tc_while.is_zero(sh.now) {
            return;
        }
        if p.send_rstp {
            let time = p.designated_times.hello_time + Duration::from_secs(1);
            p.tc_while.start(sh.now, time);
            p.new_info = true;
        } else {
            let time = root_times.max_age + root_times.forward_delay;
            p.tc_while.start(sh.now, time);
        }
    }

    /// setTcPropTree (17.21.18).
    fn set_tc_prop_tree(&mut self, n: u16) {
        for (m, p) in &mut self.ports {
            p.tc_prop |= *m != n;
        }
    }

    /// 17.31. `fdbFlush` is an action that is done when the next one is looked at: it is never seen set.
    pub(super) fn topology_change(&mut self, sh: &mut Shared, n: u16) -> bool {
        let p = self.vars(n);
        let in_tree = matches!(p.role, Role::Root | Role::Designated);
        match p.tcm {
            Tcm::Inactive if p.learn => {
                p.tcm = Tcm::Learning;
                p.clear_tc();
            }
            Tcm::Inactive => return false,
            Tcm::Learning if p.rcvd_tc || p.rcvd_tcn || p.rcvd_tc_ack || p.tc_prop => p.clear_tc(),
            Tcm::Learning if in_tree && p.forward && !p.oper_edge => {
                // DETECTED.
                p.tcm = Tcm::Active;
                p.new_info = true;
                self.new_tc_while(sh, n);
                self.set_tc_prop_tree(n);
            }
            Tcm::Learning if !in_tree && !p.learn && !p.learning => {
                p.tcm = Tcm::Inactive;
                p.tc_while.stop();
                p.tc_ack = false;
                sh.flush(n);
            }
            Tcm::Learning => return false,
            Tcm::Active if !in_tree || p.oper_edge => {
                p.tcm = Tcm::Learning;
                p.clear_tc();
            }
            Tcm::Active if p.rcvd_tcn || p.rcvd_tc => {
                let (tcn, designated) = (p.rcvd_tcn, p.role == Role::Designated);
                if tcn {
                    // NOTIFIED_TCN.
                    self.new_tc_while(sh, n);
                }
                // NOTIFIED_TC.
                let p = self.vars(n);
                (p.rcvd_tcn, p.rcvd_tc) = (false, false);
                p.tc_ack |= designated;
                self.set_tc_prop_tree(n);
            }
            Tcm::Active if p.tc_prop => {
                // PROPAGATING.
                p.tc_prop = false;
                self.new_tc_while(sh, n);
                sh.flush(n);
            }
            Tcm::Active if p.rcvd_tc_ack => {
                // ACKNOWLEDGED.
                p.rcvd_tc_ack = false;
                p.tc_while.stop();
            }
            Tcm::Active => return false,
        }
        true
    }
}

impl super::Vars {
    fn clear_tc(&mut self) {
        (self.rcvd_tc, self.rcvd_tcn, self.rcvd_tc_ack) = (false, false, false);
        self.tc_prop = false;
    }
}

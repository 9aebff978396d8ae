//! Port receive (17.23), port protocol migration (17.24), bridge detection (17.25).

use super::{MIGRATE_TIME, Rapid, Shared, Vars};
use crate::wire::bpdu::Bpdu;

/// States of port protocol migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ppm {
    #[default]
    CheckingRstp,
    Sensing,
    SelectingStp,
}

impl Vars {
    /// updtBPDUVersion (17.21.22).
    fn updt_bpdu_version(&mut self, bpdu: &Bpdu) {
        match bpdu {
            Bpdu::Config { .. } | Bpdu::Tcn => self.rcvd_stp = true,
            Bpdu::Rst { .. } => self.rcvd_rstp = true,
        }
    }

    fn enter_checking_rstp(&mut self, now: std::time::Duration) {
        self.ppm = Ppm::CheckingRstp;
        self.mcheck = false;
        self.send_rstp = true;
        if self.port_enabled {
            self.mdelay_while.start(now, MIGRATE_TIME);
        } else {
            self.mdelay_while.hold(MIGRATE_TIME);
        }
    }

    /// A port that is made an edge port by hand is one from its next start on, and at once if it is disabled.
    pub(super) fn admin_edge_changed(&mut self, admin_edge: bool) {
        if !self.port_enabled {
            self.oper_edge = admin_edge;
        }
    }
}

impl Rapid {
    /// 17.23. A message that waits is `rcvd_msg`, which is both the standard's flag and what it stands for.
    pub(super) fn port_receive(&mut self, sh: &Shared, n: u16) -> bool {
        let p = self.vars(n);
        if !p.port_enabled {
            // DISCARD.
            let had = p.rcvd_bpdu.take().is_some() | p.rcvd_msg.take().is_some();
            (p.rcvd_rstp, p.rcvd_stp) = (false, false);
            return p.edge_delay_while.hold(MIGRATE_TIME) | had;
        }
        if p.rcvd_msg.is_some() {
            return false;
        }
        let Some(bpdu) = p.rcvd_bpdu.take() else {
            return false;
        };
        // RECEIVE.
        p.updt_bpdu_version(&bpdu);
        p.oper_edge = false;
        p.edge_delay_while.start(sh.now, MIGRATE_TIME);
        p.rcvd_msg = Some(bpdu);
        true
    }

    /// 17.24.
    pub(super) fn port_protocol_migration(&mut self, sh: &Shared, n: u16) -> bool {
        let now = sh.now;
        let p = self.vars(n);
        let was = p.ppm;
        match p.ppm {
            Ppm::CheckingRstp => {
                if !p.port_enabled {
                    return p.mdelay_while.hold(MIGRATE_TIME);
                }
                if p.mdelay_while.is_zero(now) {
                    p.ppm = Ppm::Sensing;
                }
            }
            Ppm::Sensing => {
                if !p.port_enabled || p.mcheck || (!p.send_rstp && p.rcvd_rstp) {
                    p.enter_checking_rstp(now);
                } else if p.send_rstp && p.rcvd_stp {
                    p.ppm = Ppm::SelectingStp;
                    p.send_rstp = false;
                    p.mdelay_while.start(now, MIGRATE_TIME);
                }
            }
            Ppm::SelectingStp => {
                if p.mdelay_while.is_zero(now) || !p.port_enabled || p.mcheck {
                    p.ppm = Ppm::Sensing;
                }
            }
        }
        if p.ppm == Ppm::Sensing && was != Ppm::Sensing {
            (p.rcvd_rstp, p.rcvd_stp) = (false, false);
        }
        p.ppm != was
    }

    /// 17.25. The machine's two states are `operEdge` itself.
    pub(super) fn bridge_detection(&mut self, sh: &Shared, n: u16) -> bool {
        let settings = &sh.ports[&n].settings;
        let now = sh.now;
        let p = self.vars(n);
        let was = p.oper_edge;
        if p.oper_edge {
            p.oper_edge = p.port_enabled || settings.admin_edge;
        } else {
            let silent = p.edge_delay_while.is_zero(now) && p.send_rstp && p.proposing;
            p.oper_edge =
                (!p.port_enabled && settings.admin_edge) || (silent && settings.auto_edge);
        }
        p.oper_edge != was
    }
}

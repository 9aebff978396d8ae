//! Port transmit (17.26).

use super::{Rapid, Role, Shared, Timer, Vars, Vector};
use crate::wire::bpdu::{Bpdu, RstRole};

impl Vars {
    /// txConfig, txTcn, txRstp (17.21.19 to 17.21.21): what the port would send now.
    fn message(&self, sh: &Shared) -> Option<Bpdu> {
        let message = self.designated_times.message(&self.designated_priority);
        let topology_change = !self.tc_while.is_zero(sh.now);
        let role = match self.role {
            Role::Disabled => return None,
            Role::Root => RstRole::Root,
            Role::Designated => RstRole::Designated,
            Role::Alternate | Role::Backup => RstRole::AlternateBackup,
        };
        match (self.send_rstp, self.role) {
            (true, _) => Some(Bpdu::Rst {
                topology_change,
                proposal: self.proposing,
                role,
                learning: self.learning,
                forwarding: self.forwarding,
                agreement: self.agree,
                message,
            }),
            // What is too old for its receivers to take (9.3.4) is not sent to them.
            (false, Role::Designated) => {
                (message.message_age < message.max_age).then_some(Bpdu::Config {
                    topology_change,
                    topology_change_ack: self.tc_ack,
                    message,
                })
            }
            (false, Role::Root) => Some(Bpdu::Tcn),
            (false, _) => None,
        }
    }
}

impl Rapid {
    /// 17.26, until the port has nothing to send or may not.
    pub(super) fn port_transmit(&mut self, sh: &mut Shared, n: u16) {
        let now = sh.now;
        let tx_hold_count = sh.settings.tx_hold_count;
        let p = self.vars(n);
        if !p.port_enabled {
            // TRANSMIT_INIT.
            p.new_info = true;
            p.tx_count = 0;
            (p.tx_tick, p.hello_when) = (Timer::Zero, Timer::Zero);
            return;
        }
        if !p.selected || p.updt_info {
            return;
        }
        if p.hello_when.is_zero(now) {
            // TRANSMIT_PERIODIC, then IDLE.
            p.new_info |=
                p.role == Role::Designated || (p.role == Role::Root && !p.tc_while.is_zero(now));
            p.hello_when.start(now, p.designated_times.hello_time);
        }
        if !p.new_info || p.tx_count >= tx_hold_count {
            return;
        }
        let Some(bpdu) = p.message(sh) else {
            return;
        };
        p.new_info = false;
        if let Some(vector) = bpdu.message().map(Vector::of)
            && p.sent_priority != vector
        {
            (p.sent_priority, p.sent_since) = (vector, now);
        }
        p.tx_count += 1;
        if !p.tx_tick.is_running(now) {
            p.tx_tick.start(now, std::time::Duration::from_secs(1));
        }
        p.tc_ack &= bpdu == Bpdu::Tcn;
        // IDLE: the next hello counts from here.
        p.hello_when.start(now, p.designated_times.hello_time);
        sh.send(n, bpdu);
    }
}

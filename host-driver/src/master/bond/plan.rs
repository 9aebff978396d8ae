//! What the hardware has to do for a bond: its group, and, without a bridge, its ports towards the host.

use smartnic_regs::values::{dest, kind, lag_mode, state};
use smartnic_slowpath::bond::{Mode, PlanMode, SlaveId};

use super::Bond;
use crate::device::fdb::{FdbData, FdbKey};
use crate::device::lag::GroupConfig;
use crate::master::View;
use crate::netdev::NetDevice;
use crate::switch::plan::{Plan, PortSet};

impl Bond {
    /// LACPDUs come to the host.
    pub fn runs_lacp(&self) -> bool {
        self.machine.options().mode == Mode::Ad
    }

    /// The hardware port of a slave.
    pub(super) fn port(&self, slave: SlaveId) -> Option<u32> {
        let member = self.members.iter().find(|(m, _)| m.0 == slave);
        member.map(|(_, port)| *port)
    }

    pub(super) fn add_to_plan(&self, view: View<'_>, plan: &mut Plan) {
        let Some(own) = view.device(self.ifindex) else {
            return;
        };
        self.plan_group(plan);
        let up = |m| view.device(m).is_some_and(|d| d.up);
        for (member, port) in &self.members {
            let config = &mut plan.ports[*port as usize];
            config.lag = Some(self.group);
            // Whatever becomes of it in a bridge, LACPDUs must come in: not disabled is enough for what is trapped.
            if own.up && up(*member) && self.runs_lacp() {
                config.state = state::BLOCKING;
            }
        }
        if own.up && own.master.is_none() {
            self.plan_alone(view, own, plan);
        }
    }

    fn plan_group(&self, plan: &mut Plan) {
        let machine = self.machine.plan();
        let set = |wanted: fn(&smartnic_slowpath::bond::PlanMember) -> bool| {
            let ports = machine.members.iter().filter(|m| wanted(m));
            ports
                .filter_map(|m| self.port(m.slave))
                .fold(0, |set, p| set | 1 << p)
        };
        let active = match machine.mode {
            PlanMode::ActiveBackup { active } => {
                Some(active.and_then(|slave| self.port(slave)).unwrap_or(0))
            }
            _ => None,
        };
        plan.groups[self.group as usize] = GroupConfig {
            enable: true,
            policy: self.machine.options().xmit_hash_policy as u32,
            mode: if active.is_some() {
                lag_mode::ACTIVE_BACKUP
            } else {
                lag_mode::HASH
            },
            active: active.unwrap_or(0),
            distributing: set(|m| m.distributing),
            collecting: set(|m| m.collecting),
        };
        plan.buckets[self.group as usize] = self.buckets.clone();
    }

    /// In no bridge: its ports and the host are among themselves.
    fn plan_alone(&self, view: View<'_>, own: &NetDevice, plan: &mut Plan) {
        let host = view.caps.host() as usize;
        let mut to_host = PortSet::ZERO;
        to_host.set(host, true);
        let mut addresses = vec![own.address];
        for (member, port) in &self.members {
            let Some(device) = view.device(*member).filter(|d| d.up) else {
                continue;
            };
            addresses.push(device.address);
            let config = &mut plan.ports[*port as usize];
            config.fid = self.fid;
            config.state = state::FORWARDING;
            plan.masks[*port as usize] = to_host;
        }
        let config = &mut plan.ports[host];
        config.state = state::FORWARDING;
        (config.flood_mc, config.flood_bc) = (true, true);
        for mac in addresses {
            let key = FdbKey { fid: self.fid, mac };
            plan.fdb.insert(key, FdbData::new(dest::HOST, kind::LOCAL));
        }
    }
}

//! What the hardware has to do for a bridge.

use smartnic_regs::values::{dest, kind, learn, state};

use super::{Bridge, Learning, active};
use crate::device::fdb::{FdbData, FdbKey, age_period};
use crate::master::View;
use crate::switch::plan::{Plan, PortSet};

impl Bridge {
    pub(super) fn add_to_plan(&self, view: View<'_>, plan: &mut Plan) {
        let up = view.device(self.ifindex).is_some_and(|d| d.up);
        self.plan_ageing(plan);
        let port_up = |port: u32| view.registry.port(port).is_some_and(|d| d.up);
        let mut reach = PortSet::ZERO;
        for member in self
            .ports
            .iter()
            .filter(|m| up && view.device(m.ifindex).is_some_and(|d| d.up))
        {
            for port in view.ports(member.ifindex) {
                if port_up(port) {
                    reach.set(port as usize, true);
                }
            }
        }
        let host = view.caps.host();
        let mut with_host = reach;
        with_host.set(host as usize, true);
        for member in &self.ports {
            let Some(destination) = view.destination(member.ifindex) else {
                continue;
            };
            let member_up = up && view.device(member.ifindex).is_some_and(|d| d.up);
            plan.members.insert((destination, self.fid));
            if up && active(view, member.ifindex) {
                plan.active.insert((destination, self.fid));
            }
            for port in view.ports(member.ifindex) {
                let config = &mut plan.ports[port as usize];
                config.fid = self.fid;
                // A bond's port that is disabled here goes on taking what the card traps.
                if member_up && port_up(port) && member.state != state::DISABLED {
                    config.state = member.state;
                }
                config.learn = match member.learning {
                    Learning::Off => learn::OFF,
                    Learning::Hardware => learn::HARDWARE,
                    Learning::SlowPath => learn::SLOW_PATH,
                };
                config.flood_uc = member.flood;
                config.flood_mc = member.mcast_flood;
                config.flood_bc = member.bcast_flood;
                config.hairpin = member.hairpin;
                config.isolated = member.isolated;
                plan.masks[port as usize] = with_host;
            }
        }
        // Frames from the host have one FID: those of the first bridge that is up go through the switch, the others'
        // are sent port by port (see `switch::xmit`).
        if up && plan.host_fid.is_none() {
            plan.host_fid = Some(self.fid);
            let config = &mut plan.ports[host as usize];
            config.fid = self.fid;
            plan.masks[host as usize] = reach;
        }
        if up {
            let config = &mut plan.ports[host as usize];
            config.state = state::FORWARDING;
            (config.flood_mc, config.flood_bc) = (true, true);
        }
        let local = FdbData::new(dest::HOST, kind::LOCAL);
        let devices = self.ports.iter().map(|p| p.ifindex).chain([self.ifindex]);
        for device in devices.filter_map(|i| view.device(i)) {
            let key = FdbKey {
                fid: self.fid,
                mac: device.address,
            };
            plan.fdb.insert(key, local);
        }
    }

    /// Bridges have the same ageing time; the shortest of those that a topology change asks for counts.
    fn plan_ageing(&self, plan: &mut Plan) {
        plan.age_period = match (self.short_ageing, plan.age_period) {
            (None, 0) => age_period(self.ageing_time * 10),
            (None, other) => other,
            (Some(short), 0) => age_period(short.as_millis() as u64),
            (Some(short), other) => other.min(age_period(short.as_millis() as u64)),
        };
    }
}

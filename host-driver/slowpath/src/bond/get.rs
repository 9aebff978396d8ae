//! Showing options, in the words in which they are set.

use super::table::find;
use super::{ArpValidate, Bond};

impl Bond {
    /// The value of an option, in the words of sysfs and iproute2; what is not set is empty. `None` for what is no option
    /// of a bond, and for the options of its slaves.
    pub fn get(&self, name: &str) -> Option<String> {
        let (_, spec) = find(name)?;
        let o = &self.options;
        let delay = |polls: u32| u64::from(polls) * u64::from(o.miimon);
        let name_of = |id| self.slave(id).map(|s| s.name.clone());
        let number = match name {
            "mode" => o.mode as u64,
            "miimon" => o.miimon.into(),
            "updelay" => delay(o.updelay),
            "downdelay" => delay(o.downdelay),
            "peer_notif_delay" => delay(o.peer_notif_delay),
            "use_carrier" => o.use_carrier.into(),
            "arp_interval" => o.arp_interval.into(),
            "arp_validate" => arp_validate(o.arp_validate),
            "arp_all_targets" => o.arp_all_targets.into(),
            "arp_missed_max" => o.missed_max.into(),
            "primary_reselect" => o.primary_reselect as u64,
            "fail_over_mac" => o.fail_over_mac as u64,
            "xmit_hash_policy" => o.xmit_hash_policy as u64,
            "resend_igmp" => o.resend_igmp.into(),
            "num_grat_arp" | "num_unsol_na" => o.num_peer_notif.into(),
            "all_slaves_active" => o.all_slaves_active.into(),
            "min_links" => o.min_links.into(),
            "lp_interval" => o.lp_interval.into(),
            "packets_per_slave" => o.packets_per_slave.into(),
            "lacp_active" => o.lacp_active.into(),
            "lacp_rate" => o.lacp_fast.into(),
            "ad_select" => o.ad_select as u64,
            "ad_actor_sys_prio" => o.ad_actor_sys_prio.into(),
            "ad_user_port_key" => o.ad_user_port_key.into(),
            "tlb_dynamic_lb" => o.tlb_dynamic_lb.into(),
            "coupled_control" => o.coupled_control.into(),
            "arp_ip_target" => {
                let targets: Vec<_> = o.arp_targets.iter().map(ToString::to_string).collect();
                return Some(targets.join(","));
            }
            "primary" => return Some(o.primary.clone().unwrap_or_default()),
            "active_slave" => {
                return Some(self.active_slave().and_then(name_of).unwrap_or_default());
            }
            "ad_actor_system" => return Some(o.ad_actor_system.to_string()),
            _ => return None,
        };
        Some(spec.show(number))
    }
}

/// The number that [`Bond::set`] takes apart.
fn arp_validate(v: ArpValidate) -> u64 {
    match (v.filter, v.active, v.backup) {
        (false, active, backup) => u64::from(active) | u64::from(backup) << 1,
        (true, false, false) => 4,
        (true, true, _) => 5,
        (true, false, true) => 6,
    }
}

//! Setting options.

use std::time::Duration;

use super::error::{BondError, Errno};
use super::slave::{LinkState, SlaveId};
use super::table::{OPTIONS, find};
use super::{
    ArpValidate, Bond, DEFAULT_MIIMON, FailOverMac, HashPolicy, Mode, Options, PrimaryReselect,
    TX_QUEUES,
};
use crate::lacp::AdSelect;
use crate::mac::MacAddr;

impl Bond {
    /// The names of all options, in the order in which [`Bond::set_all`] applies them.
    pub fn option_names() -> impl Iterator<Item = &'static str> {
        OPTIONS.iter().map(|spec| spec.name)
    }

    /// Sets one option, in the words of sysfs and iproute2.
    pub fn set(&mut self, now: Duration, name: &str, value: &str) -> Result<(), BondError> {
        let Some((_, spec)) = find(name) else {
            let reason = "a bond has no such option";
            return Err(BondError::new(Errno::EINVAL, name, value, reason));
        };
        spec.check(value, self.options.mode, !self.slaves.is_empty(), self.up)?;
        if spec.raw {
            self.set_raw(now, name, value)?;
        } else {
            self.set_number(now, name, value, spec.parse(value)?)?;
        }
        self.sync_lacp(now);
        self.settle();
        Ok(())
    }

    /// Sets several options as one link message does: in the order of the kernel, which refuses the two monitors
    /// together. The first refusal ends it; what was set before stays, as with the kernel.
    pub fn set_all(&mut self, now: Duration, options: &[(&str, &str)]) -> Result<(), BondError> {
        let given = |name: &str| options.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        let positive = |v: &str| v.trim().parse::<u64>().is_ok_and(|n| n > 0);
        let miimon = given("miimon").is_some_and(positive);
        if let Some(value) = given("arp_interval").filter(|v| miimon && positive(v)) {
            let reason = "the ARP monitor cannot be used with the MII monitor";
            return Err(BondError::new(Errno::EINVAL, "arp_interval", value, reason));
        }
        let validates = |v: &&str| !matches!(v.trim(), "none" | "0");
        if let Some(value) = given("arp_validate").filter(|v| miimon && validates(v)) {
            let reason = "ARP validation cannot be used with the MII monitor";
            return Err(BondError::new(Errno::EINVAL, "arp_validate", value, reason));
        }
        let mut sorted: Vec<_> = options.to_vec();
        sorted.sort_by_key(|(name, _)| find(name).map_or(usize::MAX, |(at, _)| at));
        sorted
            .into_iter()
            .try_for_each(|(name, value)| self.set(now, name, value))
    }

    fn set_number(
        &mut self,
        now: Duration,
        name: &str,
        value: &str,
        n: u64,
    ) -> Result<(), BondError> {
        // The table's ranges end at i32::MAX.
        let (n32, on) = (n as u32, n != 0);
        let o = &mut self.options;
        match name {
            "mode" => self.set_mode(Mode::ALL[n as usize]),
            "miimon" => {
                o.miimon = n32;
                if on {
                    o.arp_interval = 0;
                    o.arp_validate = ArpValidate::default();
                }
                self.start_monitors(now);
            }
            "arp_interval" => {
                o.arp_interval = n32;
                if on {
                    o.miimon = 0;
                }
                self.start_monitors(now);
            }
            "updelay" => o.updelay = o.polls(name, value, n32)?,
            "downdelay" => o.downdelay = o.polls(name, value, n32)?,
            "peer_notif_delay" => o.peer_notif_delay = o.polls(name, value, n32)?,
            "use_carrier" => o.use_carrier = on,
            "arp_validate" => {
                o.arp_validate = ArpValidate {
                    // 4 is filter alone; 5 and 6 add what 1 and 2 are.
                    active: matches!(n, 1 | 3 | 5),
                    backup: matches!(n, 2 | 3 | 6),
                    filter: n >= 4,
                }
            }
            "arp_all_targets" => o.arp_all_targets = on,
            "arp_missed_max" => o.missed_max = n32,
            "primary_reselect" => {
                use PrimaryReselect::{Always, Better, Failure};
                o.primary_reselect = [Always, Better, Failure][n as usize];
                self.select_if_primary(now);
            }
            "fail_over_mac" => {
                use FailOverMac::{Active, Follow, None};
                o.fail_over_mac = [None, Active, Follow][n as usize];
            }
            "xmit_hash_policy" => o.xmit_hash_policy = HashPolicy::ALL[n as usize],
            "resend_igmp" => o.resend_igmp = n32,
            "num_grat_arp" | "num_unsol_na" => o.num_peer_notif = n32,
            "all_slaves_active" => {
                o.all_slaves_active = on;
                for slave in self.slaves.iter_mut().filter(|s| !s.active) {
                    slave.inactive = !on;
                }
            }
            "min_links" => o.min_links = n32,
            "lp_interval" => o.lp_interval = n32,
            "packets_per_slave" => o.packets_per_slave = n32,
            "lacp_active" => o.lacp_active = on,
            "lacp_rate" => o.lacp_fast = on,
            "ad_select" => {
                use AdSelect::{Bandwidth, Count, Stable};
                o.ad_select = [Stable, Bandwidth, Count][n as usize];
            }
            "ad_actor_sys_prio" => o.ad_actor_sys_prio = n as u16,
            "ad_user_port_key" => o.ad_user_port_key = n as u16,
            "tlb_dynamic_lb" => o.tlb_dynamic_lb = on,
            "coupled_control" => o.coupled_control = on,
            _ => unreachable!("every option of the table that is not raw is here"),
        }
        Ok(())
    }

    fn set_mode(&mut self, mode: Mode) {
        let o = &mut self.options;
        if !mode.uses_arp() {
            o.arp_interval = 0;
            if o.miimon == 0 {
                o.miimon = DEFAULT_MIIMON;
            }
        }
        if mode == Mode::Alb {
            o.tlb_dynamic_lb = true;
        }
        o.arp_validate = ArpValidate::default();
        o.mode = mode;
    }

    fn set_raw(&mut self, now: Duration, name: &str, value: &str) -> Result<(), BondError> {
        match name {
            "arp_ip_target" => self.set_arp_targets(now, value),
            "primary" => {
                self.set_primary(now, value.trim());
                Ok(())
            }
            "active_slave" => self.set_active_slave(now, value.trim()),
            "ad_actor_system" => self.set_ad_actor_system(value),
            "queue_id" => self.set_queue_id(value.trim()),
            _ => {
                let reason = "an option of a slave: set it there";
                Err(BondError::new(Errno::EINVAL, name, value, reason))
            }
        }
    }

    /// A name that is no member's yet is kept for later.
    fn set_primary(&mut self, now: Duration, name: &str) {
        self.options.primary = (!name.is_empty()).then(|| name.to_owned());
        let slave = self.slaves.iter().find(|s| s.name == name);
        self.primary = slave.map(|s| s.id);
        self.force_primary = self.primary.is_some();
        self.select_if_primary(now);
    }

    fn set_active_slave(&mut self, now: Duration, name: &str) -> Result<(), BondError> {
        if name.is_empty() {
            self.change_active(now, None);
            self.select_active(now);
            return Ok(());
        }
        let refuse = |reason| Err(BondError::new(Errno::EINVAL, "active_slave", name, reason));
        let Some(slave) = self.slaves.iter().find(|s| s.name == name) else {
            return refuse("no slave of this bond");
        };
        let (id, usable) = (slave.id, slave.is_up());
        if self.current == Some(id) {
            return Ok(());
        }
        if self.current.is_none() || !usable {
            return refuse("it is down, or its link is");
        }
        self.change_active(now, Some(id));
        Ok(())
    }

    fn set_ad_actor_system(&mut self, value: &str) -> Result<(), BondError> {
        let address: Option<MacAddr> = value.trim().parse().ok();
        match address.filter(|a| !a.is_multicast()) {
            Some(address) => {
                self.options.ad_actor_system = address;
                Ok(())
            }
            None => {
                let reason = "not the address of a station (00:00:00:00:00:00 is the bond's)";
                Err(BondError::new(
                    Errno::EINVAL,
                    "ad_actor_system",
                    value,
                    reason,
                ))
            }
        }
    }

    /// `slave:queue`; 0 is none. Linux has EPERM for whatever is wrong with it.
    fn set_queue_id(&mut self, value: &str) -> Result<(), BondError> {
        let refuse = |reason| Err(BondError::new(Errno::EPERM, "queue_id", value, reason));
        let Some((name, queue)) = value.split_once(':') else {
            return refuse("write it as slave:queue");
        };
        let Some(slave) = self.slaves.iter().find(|s| s.name == name).map(|s| s.id) else {
            return refuse("no slave of this bond");
        };
        let Some(queue) = queue.parse().ok().filter(|q| *q <= TX_QUEUES) else {
            return refuse("not a queue from 0 to 16");
        };
        let taken = |s: &super::Slave| s.id != slave && s.queue_id == queue;
        if queue != 0 && self.slaves.iter().any(taken) {
            return refuse("another slave has this queue");
        }
        if let Some(slave) = self.slave_mut(slave) {
            slave.queue_id = queue;
        }
        Ok(())
    }

    /// Sets an option of a member: `prio` or `queue_id`.
    pub fn set_slave(
        &mut self,
        now: Duration,
        id: SlaveId,
        name: &str,
        value: &str,
    ) -> Result<(), BondError> {
        let Some(slave) = self.slave(id).map(|s| s.name.clone()) else {
            let reason = "no slave of this bond";
            return Err(BondError::new(Errno::ENODEV, name, value, reason));
        };
        match name {
            "queue_id" => self.set_queue_id(&format!("{slave}:{value}"))?,
            "prio" => {
                if let Some((_, spec)) = find(name) {
                    spec.check(value, self.options.mode, true, self.up)?;
                }
                let Ok(prio) = value.trim().parse() else {
                    let reason = "not a number from -2147483648 to 2147483647";
                    return Err(BondError::new(Errno::EINVAL, name, value, reason));
                };
                if let Some(slave) = self.slave_mut(id) {
                    slave.prio = prio;
                }
                self.select_if_primary(now);
            }
            _ => {
                let reason = "a slave has the options prio and queue_id";
                return Err(BondError::new(Errno::EINVAL, name, value, reason));
            }
        }
        self.settle();
        Ok(())
    }

    fn select_if_primary(&mut self, now: Duration) {
        if self.options.mode.uses_primary() {
            self.select_active(now);
        }
    }

    /// The link state that a member begins with.
    pub(super) fn first_state(&self, carrier: bool) -> (LinkState, u32) {
        let o = &self.options;
        match (o.miimon > 0, o.arp_interval > 0, carrier) {
            (true, _, true) if o.updelay > 0 => (LinkState::Back, o.updelay),
            (true, _, false) | (_, true, false) => (LinkState::Down, 0),
            // Without a monitor a member is taken to be up.
            _ => (LinkState::Up, 0),
        }
    }
}

impl Options {
    /// A delay in polls of `miimon`, rounded down.
    fn polls(&self, name: &str, value: &str, ms: u32) -> Result<u32, BondError> {
        match ms.checked_div(self.miimon) {
            Some(polls) => Ok(polls),
            None => {
                let reason = "the MII monitor is off: set miimon first";
                Err(BondError::new(Errno::EPERM, name, value, reason))
            }
        }
    }
}

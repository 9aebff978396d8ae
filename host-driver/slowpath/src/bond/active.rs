//! The active slave: how it is chosen, and what follows when it changes. And the bond's carrier.

use std::time::Duration;

use super::slave::{LinkState, Slave, SlaveId};
use super::{Action, Bond, FailOverMac, Mode, PrimaryReselect};

impl Bond {
    /// The member that should be active: see [`Bond::primary_or_current`]; else the first that is up; else, none being
    /// up, the one whose updelay ends first, if it has begun to run down.
    fn best_slave(&mut self) -> Option<SlaveId> {
        let waiting = |s: &&Slave| {
            let back = s.state == LinkState::Back && s.link.is_some();
            back && s.delay < self.options.updelay
        };
        let up = |s: &&Slave| s.state == LinkState::Up;
        let fallback = self
            .slaves
            .iter()
            .find(up)
            .or_else(|| self.slaves.iter().filter(waiting).min_by_key(|s| s.delay))
            .map(|s| s.id);
        self.primary_or_current().or(fallback)
    }

    /// The primary or the current one, whichever `primary_reselect` prefers. Without a primary that is up, the member
    /// with the highest `prio` stands for it; among equals the current one, then the first.
    fn primary_or_current(&mut self) -> Option<SlaveId> {
        let up = |s: &&Slave| s.state == LinkState::Up;
        let primary_is_up = self
            .primary
            .and_then(|id| self.slave(id))
            .filter(up)
            .is_some();
        // A primary that was named just now takes over whatever `primary_reselect` says.
        let force = primary_is_up && std::mem::take(&mut self.force_primary);
        let current = self.current.and_then(|id| self.slave(id)).filter(up);
        let preferred = match self.primary.filter(|_| primary_is_up) {
            Some(id) => self.slave(id),
            None => {
                let highest = self.slaves.iter().filter(up).map(|s| s.prio).max();
                let among = |s: &&Slave| Some(s.prio) == highest;
                let first = || self.slaves.iter().filter(up).find(among);
                current.filter(among).or_else(first)
            }
        };
        let (Some(p), Some(c)) = (preferred, current) else {
            return preferred.or(current).map(|s| s.id);
        };
        let better = (p.speed(), p.duplex()) > (c.speed(), c.duplex());
        let take = force
            || match self.options.primary_reselect {
                PrimaryReselect::Always => true,
                PrimaryReselect::Better => better,
                PrimaryReselect::Failure => false,
            };
        Some(if take { p.id } else { c.id })
    }

    /// Chooses anew, and changes if need be.
    pub(super) fn select_active(&mut self, now: Duration) {
        let best = self.best_slave();
        if best != self.current {
            self.change_active(now, best);
        }
    }

    /// Makes `new` the active slave.
    pub(super) fn change_active(&mut self, now: Duration, new: Option<SlaveId>) {
        let old = self.current;
        if old == new {
            return;
        }
        let mode = self.options.mode;
        if let Some(slave) = new.and_then(|id| self.slave_mut(id)) {
            slave.last_link_up = now;
            if slave.state == LinkState::Back {
                // The best that there is: its updelay ends here.
                slave.delay = 0;
                slave.set_state(now, LinkState::Up);
            }
        }
        if mode.is_lb() {
            self.swap_addresses(now, new);
        }
        self.current = new;
        if !mode.uses_primary() {
            self.resend_igmp(now, mode == Mode::RoundRobin);
            return;
        }
        if let Some(id) = old {
            self.set_inactive(id);
        }
        if let Some(id) = new {
            self.set_active(id);
        }
        self.actions.push_back(Action::ActiveSlave(new));
        if mode == Mode::ActiveBackup && new.is_some() {
            self.fail_over_mac(new, old);
            self.counters.failovers += 1;
            if self.up {
                let delay = self.options.peer_notif_delay.max(1);
                self.update_carrier();
                self.send_peer_notif = self.options.num_peer_notif * delay;
                self.notify_peers();
            }
        }
        self.resend_igmp(now, new.is_some());
    }

    /// Gives the bond's address to whom `fail_over_mac` says.
    fn fail_over_mac(&mut self, new: Option<SlaveId>, old: Option<SlaveId>) {
        let Some(address) = new.and_then(|id| self.slave(id)).map(|s| s.address) else {
            return;
        };
        let Some(id) = new else { return };
        match self.options.fail_over_mac {
            FailOverMac::None => {}
            FailOverMac::Active => self.change_bond_address(address),
            FailOverMac::Follow => {
                // The bond's address goes from the one that has it to the new one, which gives its own in exchange.
                let owner = |s: &&Slave| s.id != id && s.address == self.address;
                let holder = self.slaves.iter().find(owner).map(|s| s.id);
                if let Some(other) = old.or(holder).filter(|o| self.slave(*o).is_some()) {
                    self.change_slave_address(other, address);
                }
                self.change_slave_address(id, self.address);
            }
        }
    }

    pub(super) fn change_bond_address(&mut self, address: crate::mac::MacAddr) {
        if std::mem::replace(&mut self.address, address) != address {
            self.actions.push_back(Action::BondAddress(address));
        }
    }

    /// One of the announcements after a fail-over, if one is due at this poll. The count runs down by one a poll, and
    /// every `peer_notif_delay`-th is an announcement.
    pub(super) fn notify_peers(&mut self) {
        let delay = self.options.peer_notif_delay.max(1);
        let announce = self.send_peer_notif > 0
            && self.send_peer_notif.is_multiple_of(delay)
            && self.carrier
            && self.current.is_some();
        self.send_peer_notif = self.send_peer_notif.saturating_sub(1);
        if announce {
            self.actions.push_back(Action::NotifyPeers);
            self.announce();
        }
    }

    fn resend_igmp(&mut self, now: Duration, wanted: bool) {
        if self.up && wanted && self.options.resend_igmp > 0 {
            self.igmp_left = self.options.resend_igmp;
            self.igmp_at = Some(now);
        }
    }

    /// The member becomes a backup, and what it receives a duplicate; balancing modes send on it all the same.
    pub(super) fn set_inactive(&mut self, id: SlaveId) {
        let lb = self.options.mode.is_lb();
        let all = self.options.all_slaves_active;
        if let Some(slave) = self.slave_mut(id) {
            slave.active &= lb;
            slave.inactive |= !all;
        }
    }

    pub(super) fn set_active(&mut self, id: SlaveId) {
        if let Some(slave) = self.slave_mut(id) {
            slave.active = true;
            slave.inactive = false;
        }
    }

    /// The carrier: of 802.3ad by the active aggregator and `min_links`, else one member that is up.
    pub(super) fn update_carrier(&mut self) {
        let on = match self.options.mode {
            Mode::Ad => self.lacp.carrier(self.options.min_links),
            _ => self.slaves.iter().any(|s| s.state == LinkState::Up),
        };
        if std::mem::replace(&mut self.carrier, on) != on {
            self.actions.push_back(Action::Carrier(on));
        }
    }

    /// A member has another name now: it may be the primary by it, or no longer.
    pub fn rename_slave(&mut self, now: Duration, id: SlaveId, name: &str) {
        let Some(slave) = self.slave_mut(id) else {
            return;
        };
        slave.name = name.to_owned();
        let Some(primary) = self.options.primary.as_deref() else {
            return;
        };
        if primary == name {
            (self.primary, self.force_primary) = (Some(id), true);
        } else if self.primary == Some(id) {
            self.primary = None;
        } else {
            return;
        }
        self.select_active(now);
        self.settle();
    }
}

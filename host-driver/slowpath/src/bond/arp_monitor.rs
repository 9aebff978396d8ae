//! The ARP monitor: every `arp_interval` ms the targets are asked, and a member from which nothing is heard for
//! `arp_missed_max` intervals is down.
//!
//! In the balancing modes each member asks and must hear for itself. In active-backup the active one asks; backups live
//! by the requests that the switch floods to them, and while none is active the members take turns at asking until
//! one is answered. What counts as hearing is `arp_validate`'s choice.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::host::framed;
use super::slave::{LinkState, SlaveId};
use super::{Bond, Mode, millis};
use crate::mac::MacAddr;
use crate::wire::arp::{Arp, ArpOperation, ETHERTYPE};

impl Bond {
    /// `last` lies within the last `intervals` intervals, and half a one for the answer's way.
    fn within(&self, now: Duration, last: Option<Duration>, intervals: u32) -> bool {
        let interval = millis(self.options.arp_interval);
        last.is_some_and(|t| now <= t + interval * intervals + interval / 2)
    }

    /// When the member last heard: with `arp_all_targets`, from the target that is silent for longest.
    fn last_rx(&self, id: SlaveId) -> Option<Duration> {
        let slave = self.slave(id)?;
        if self.options.arp_all_targets && !slave.target_rx.is_empty() {
            return slave.target_rx.iter().copied().min().flatten();
        }
        slave.last_rx
    }

    /// One round.
    pub(super) fn arp_monitor(&mut self, now: Duration) {
        self.notify_peers();
        if self.options.mode == Mode::ActiveBackup {
            self.active_backup_round(now);
        } else {
            self.balancing_round(now);
        }
    }

    fn balancing_round(&mut self, now: Duration) {
        let missed = self.options.missed_max;
        let mut select = false;
        let ids = self.slaves();
        for id in &ids {
            let Some(slave) = self.slave(*id) else {
                continue;
            };
            let heard =
                |n| self.within(now, slave.last_tx, n) && self.within(now, slave.last_rx, n);
            let new = match slave.state {
                LinkState::Up if !heard(missed) => LinkState::Down,
                LinkState::Up => continue,
                _ if heard(1) => LinkState::Up,
                _ => continue,
            };
            select |= self.current.is_none() || self.current == Some(*id);
            if let Some(slave) = self.slave_mut(*id) {
                slave.set_state(now, new);
                if new == LinkState::Down {
                    slave.count_failure();
                }
            }
        }
        for id in ids {
            self.probe(now, id);
        }
        if select {
            self.select_active(now);
        }
    }

    fn active_backup_round(&mut self, now: Duration) {
        let missed = self.options.missed_max;
        let mut select = false;
        for id in self.slaves() {
            let Some(slave) = self.slave(id) else {
                continue;
            };
            let rx = self.last_rx(id);
            let is_current = self.current == Some(id);
            let new = match slave.state {
                LinkState::Up => {
                    // After joining or becoming active a member has two intervals' grace.
                    if self.within(now, Some(slave.last_link_up), 2) {
                        continue;
                    }
                    let dead = if slave.active {
                        !self.within(now, slave.last_tx, missed) || !self.within(now, rx, missed)
                    } else {
                        self.arp_slave.is_none() && !self.within(now, rx, missed + 1)
                    };
                    if !dead {
                        continue;
                    }
                    LinkState::Down
                }
                _ if self.within(now, rx, 1) => LinkState::Up,
                LinkState::Back => LinkState::Fail,
                _ => continue,
            };
            if let Some(slave) = self.slave_mut(id) {
                slave.set_state(now, new);
            }
            match new {
                LinkState::Up => {
                    if let Some(tried) = self.arp_slave.take() {
                        self.set_inactive(tried);
                    }
                    select |=
                        self.current.is_none() || self.primary.is_none_or(|primary| primary == id);
                }
                LinkState::Down => {
                    if let Some(slave) = self.slave_mut(id) {
                        slave.count_failure();
                    }
                    self.set_inactive(id);
                    if is_current {
                        self.arp_slave = None;
                        select = true;
                    }
                }
                _ => self.set_inactive(id),
            }
        }
        if select {
            self.select_active(now);
        }
        match self.current {
            Some(current) => self.probe(now, current),
            None => self.try_next(now),
        }
    }

    /// None is active: the next member with a carrier has this interval to be answered in.
    fn try_next(&mut self, now: Duration) {
        let count = self.slaves.len();
        let last = self
            .slaves
            .iter()
            .position(|s| Some(s.id) == self.arp_slave);
        let first = last.map_or(0, |at| at + 1);
        let usable = |at: &usize| self.slaves[*at].link.is_some();
        let Some(at) = (first..first + count).map(|at| at % count).find(usable) else {
            return;
        };
        let slave = &mut self.slaves[at];
        slave.state = LinkState::Back;
        slave.last_link_up = now;
        let id = slave.id;
        self.set_active(id);
        self.arp_slave = Some(id);
        self.probe(now, id);
    }

    /// Asks every target on the member.
    fn probe(&mut self, now: Duration, id: SlaveId) {
        let Some(slave) = self.slave_mut(id).filter(|s| s.link.is_some()) else {
            return;
        };
        let address = slave.address;
        slave.last_tx = Some(now);
        for target_ip in self.options.arp_targets.clone() {
            let (tag, sender_ip) = self.asks(target_ip);
            let arp = Arp {
                operation: ArpOperation::Request,
                sender_mac: address,
                sender_ip,
                target_mac: MacAddr::default(),
                target_ip,
            };
            let frame = framed(MacAddr::BROADCAST, address, tag, ETHERTYPE, &arp.emit());
            self.send(id, frame);
        }
    }

    /// A frame came while the monitor runs: whether it is a sign of life.
    pub(super) fn hear(&mut self, now: Duration, id: SlaveId, ethertype: u16, payload: &[u8]) {
        let validate = self.options.arp_validate;
        let is_arp = ethertype == ETHERTYPE;
        let Some(slave) = self.slave_mut(id) else {
            return;
        };
        let checked = if slave.active {
            validate.active
        } else {
            validate.backup
        };
        if !checked {
            if is_arp || !validate.filter {
                slave.last_rx = Some(now);
            }
            return;
        }
        let Some(arp) = is_arp.then(|| Arp::parse(payload).ok()).flatten() else {
            return;
        };
        let current = self.current.and_then(|c| self.slave(c));
        let answered = current.is_some_and(|c| self.last_rx(c.id) > Some(c.last_link_up));
        let trying = self.arp_slave.and_then(|s| self.slave(s));
        let asked = trying.is_some_and(|s| self.within(now, s.last_tx, 1));
        let (sender, target) = (arp.sender_ip, arp.target_ip);
        if self.slave(id).is_some_and(|s| s.active) {
            self.validate(now, id, sender, target);
        } else if answered {
            // A backup hears the active one's requests: who asks and who is asked stand the other way round.
            self.validate(now, id, target, sender);
        } else if asked && arp.operation == ArpOperation::Reply {
            // The switch may still send the answer where the last one asked.
            self.validate(now, id, sender, target);
        }
    }

    fn validate(&mut self, now: Duration, id: SlaveId, theirs: Ipv4Addr, ours: Ipv4Addr) {
        let target = self.options.arp_targets.iter().position(|t| *t == theirs);
        if !self.has_ip(ours) {
            return;
        }
        if let (Some(at), Some(slave)) = (target, self.slave_mut(id)) {
            slave.last_rx = Some(now);
            slave.target_rx[at] = Some(now);
        }
    }
}

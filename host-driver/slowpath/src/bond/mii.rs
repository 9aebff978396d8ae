//! The MII monitor: every `miimon` ms the members' carriers are looked at, and `updelay` and `downdelay`, counted in
//! these polls, decide what becomes of a change.

use std::time::Duration;

use super::slave::{LinkState, SlaveId};
use super::{Bond, Mode};

impl Bond {
    /// One poll.
    pub(super) fn mii_monitor(&mut self, now: Duration) {
        self.notify_peers();
        let changed = self.inspect_links(now);
        let mut select = false;
        for (id, state) in &changed {
            select |= self.commit_link(now, *id, *state);
        }
        if !changed.is_empty() {
            self.sync_lacp(now);
        }
        if select {
            self.select_active(now);
        }
    }

    /// Runs the delays; gives the members that are up or down now and were not.
    fn inspect_links(&mut self, now: Duration) -> Vec<(SlaveId, LinkState)> {
        let (up, down) = (self.options.updelay, self.options.downdelay);
        // With nothing else to use there is no sense in waiting.
        let mut ignore_updelay = match self.options.mode.uses_primary() {
            true => self.current.is_none(),
            false => !self.slaves.iter().any(|s| s.can_tx()),
        };
        let mut changed = Vec::new();
        for slave in &mut self.slaves {
            let carrier = slave.link.is_some();
            match (slave.state, carrier) {
                (LinkState::Up, false) => {
                    slave.state = LinkState::Fail;
                    slave.delay = down;
                }
                (LinkState::Down, true) => {
                    slave.state = LinkState::Back;
                    slave.delay = up;
                }
                (LinkState::Fail, true) => slave.set_state(now, LinkState::Up),
                (LinkState::Back, false) => slave.state = LinkState::Down,
                _ => {}
            }
            match slave.state {
                LinkState::Fail if slave.delay == 0 => changed.push((slave.id, LinkState::Down)),
                LinkState::Back if slave.delay == 0 || ignore_updelay => {
                    ignore_updelay = false;
                    changed.push((slave.id, LinkState::Up));
                }
                LinkState::Fail | LinkState::Back => slave.delay -= 1,
                _ => {}
            }
        }
        changed
    }

    /// A member is up, or down, for good; true if the active slave must be chosen anew.
    fn commit_link(&mut self, now: Duration, id: SlaveId, state: LinkState) -> bool {
        let mode = self.options.mode;
        let (is_current, is_primary) = (self.current == Some(id), self.primary == Some(id));
        let idle = self.current.is_none();
        let Some(slave) = self.slave_mut(id) else {
            return false;
        };
        slave.delay = 0;
        slave.set_state(now, state);
        if state == LinkState::Down {
            slave.count_failure();
            if matches!(mode, Mode::ActiveBackup | Mode::Ad) {
                self.set_inactive(id);
            }
            if mode.is_lb() {
                self.forget_slave(now, id);
            }
            return is_current;
        }
        match mode {
            // LACP says when it may be used.
            Mode::Ad => slave.active = false,
            Mode::ActiveBackup => {}
            _ => slave.active = true,
        }
        if mode.is_lb() {
            self.slave_is_back(now);
        }
        // Without a primary that is up, one of higher `prio` than the current one may take over.
        let primary = self.primary.and_then(|id| self.slave(id));
        let no_primary = primary.is_none_or(|p| p.state != LinkState::Up);
        idle || is_primary || (mode.uses_primary() && no_primary)
    }
}

//! Port role transitions (17.29) and port state transition (17.30).

use std::time::Duration;

use super::{Rapid, Role, Shared, Vars};
use crate::stp::status::PortState;

/// States of port role transitions in which it stays, without their `_PORT`; the others are left at once and are procedures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Prt {
    #[default]
    Disable,
    Disabled,
    Root,
    Designated,
    Block,
    Alternate,
}

/// States of port state transition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pst {
    #[default]
    Discarding,
    Learning,
    Forwarding,
}

/// What a port's transitions ask of the others.
#[derive(Default)]
struct Tree {
    /// setSyncTree (17.21.16).
    sync: bool,
    /// setReRootTree (17.21.15).
    re_root: bool,
    /// Ports that forward out of sync stop.
    resync: bool,
}

/// What a port's transitions know of the others.
#[derive(Clone, Copy)]
struct Others {
    now: Duration,
    /// allSynced (17.20.3).
    all_synced: bool,
    /// reRooted (17.20.10).
    re_rooted: bool,
    /// Some other port forwards out of sync: see `out_of_sync`.
    out_of_sync: bool,
    point_to_point: bool,
}

impl Vars {
    /// The first state of the selected role.
    ///
    /// Stricter than the standard: a port that has told its neighbour, as root or alternate port, that the neighbour may forward, and
    /// then serves the segment itself, stops until the neighbour has agreed in its turn. Else both would forward for as long as
    /// a BPDU is on its way.
    fn change_role(&mut self, now: Duration, point_to_point: bool) {
        if self.selected_role == Role::Designated && self.agree && self.send_rstp && point_to_point
        {
            (self.sync, self.synced) = (true, false);
        }
        self.agree &= self.selected_role != Role::Designated;
        // Timers that the old role's states held run on from there.
        for timer in [&mut self.fd_while, &mut self.rr_while, &mut self.rb_while] {
            timer.release(now);
        }
        self.role = self.selected_role;
        self.prt = match self.role {
            Role::Disabled => Prt::Disable,
            Role::Root => Prt::Root,
            Role::Designated => Prt::Designated,
            Role::Alternate | Role::Backup => Prt::Block,
        };
        if matches!(self.prt, Prt::Disable | Prt::Block) {
            (self.learn, self.forward) = (false, false);
        }
    }

    /// What DISABLED_PORT and ALTERNATE_PORT do; says whether it changed anything.
    fn rest(&mut self, fd_while: Duration) -> bool {
        let changed = self.fd_while.hold(fd_while) | self.sync | self.re_root | !self.synced;
        self.synced = true;
        self.rr_while.stop();
        (self.sync, self.re_root) = (false, false);
        changed
    }

    /// Serves a segment although the neighbour there, which could, has not agreed to what the port says now.
    fn out_of_sync(&self, point_to_point: bool) -> bool {
        self.role == Role::Designated
            && self.send_rstp
            && point_to_point
            && !self.oper_edge
            && !self.synced
            && (self.learn || self.forward)
    }

    /// ROOT_PORT and the states around it (figure 17-21).
    ///
    /// Stricter than the standard: a root port does not start to forward while another port forwards out of sync.
    fn root_port(&mut self, at: Others) -> (bool, Tree) {
        let mut tree = Tree::default();
        let now = at.now;
        let may_move = self.fd_while.is_zero(now) || (at.re_rooted && self.rb_while.is_zero(now));
        if self.rr_while.hold(self.designated_times.forward_delay) {
            // ROOT_PORT.
        } else if self.proposed && !self.agree {
            // ROOT_PROPOSED.
            tree.sync = true;
            self.proposed = false;
        } else if (at.all_synced && !self.agree) || (self.proposed && self.agree) {
            // ROOT_AGREED.
            (self.proposed, self.sync) = (false, false);
            (self.agree, self.new_info) = (true, true);
        } else if !self.forward && !self.re_root {
            // REROOT.
            tree.re_root = true;
        } else if self.re_root && self.forward {
            // REROOTED.
            self.re_root = false;
        } else if may_move && !self.forward && at.out_of_sync {
            tree.resync = true;
        } else if may_move && !self.learn {
            // ROOT_LEARN.
            self.fd_while.start(now, self.forward_delay());
            self.learn = true;
        } else if may_move && self.learn && !self.forward {
            // ROOT_FORWARD.
            self.fd_while.stop();
            self.forward = true;
        } else {
            return (false, tree);
        }
        (true, tree)
    }

    /// DESIGNATED_PORT and the states around it (figure 17-22).
    fn designated_port(&mut self, at: Others) -> bool {
        let now = at.now;
        let must_stop =
            (self.sync && !self.synced) || (self.re_root && !self.rr_while.is_zero(now));
        let may_move = (self.fd_while.is_zero(now) || self.agreed || self.oper_edge)
            && (self.rr_while.is_zero(now) || !self.re_root)
            && !self.sync;
        if (must_stop || self.disputed) && !self.oper_edge && (self.learn || self.forward) {
            // DESIGNATED_DISCARD.
            (self.learn, self.forward, self.disputed) = (false, false, false);
            self.fd_while.start(now, self.forward_delay());
        } else if !self.forward && !self.agreed && !self.proposing && !self.oper_edge {
            // DESIGNATED_PROPOSE. EdgeDelay (17.20.4).
            self.proposing = true;
            let edge_delay = if at.point_to_point {
                super::MIGRATE_TIME
            } else {
                self.designated_times.max_age
            };
            self.edge_delay_while.start(now, edge_delay);
            self.new_info = true;
        } else if (!self.synced
            && ((!self.learning && !self.forwarding) || self.agreed || self.oper_edge))
            || (self.sync && self.synced)
        {
            // DESIGNATED_SYNCED.
            self.rr_while.stop();
            (self.synced, self.sync) = (true, false);
        } else if self.rr_while.is_zero(now) && self.re_root {
            // DESIGNATED_RETIRED.
            self.re_root = false;
        } else if may_move && !self.learn {
            // DESIGNATED_LEARN.
            self.learn = true;
            self.fd_while.start(now, self.forward_delay());
        } else if may_move && self.learn && !self.forward {
            // DESIGNATED_FORWARD.
            self.forward = true;
            self.fd_while.stop();
            self.agreed = self.send_rstp;
        } else {
            return false;
        }
        true
    }

    /// ALTERNATE_PORT, for backup ports too, and the states around it (figure 17-23).
    fn alternate_port(&mut self, at: Others) -> (bool, Tree) {
        let mut tree = Tree::default();
        if self.rest(self.forward_delay()) {
            // ALTERNATE_PORT.
        } else if self.role == Role::Backup
            && self.rb_while.hold(2 * self.designated_times.hello_time)
        {
            // BACKUP_PORT.
        } else if self.proposed && !self.agree {
            // ALTERNATE_PROPOSED.
            tree.sync = true;
            self.proposed = false;
        } else if (at.all_synced && !self.agree) || (self.proposed && self.agree) {
            // ALTERNATE_AGREED.
            self.proposed = false;
            (self.agree, self.new_info) = (true, true);
        } else {
            return (false, tree);
        }
        (true, tree)
    }
}

impl Rapid {
    /// allSynced (17.20.3).
    fn all_synced(&self) -> bool {
        self.ports.values().all(|p| {
            let settled = p.selected && p.role == p.selected_role && !p.updt_info;
            settled && (p.synced || p.role == Role::Root)
        })
    }

    /// 17.29.
    pub(super) fn port_role_transitions(&mut self, sh: &Shared, n: u16) -> bool {
        let point_to_point = sh.ports[&n].point_to_point();
        let p = self.vars(n);
        if !p.selected || p.updt_info {
            return false;
        }
        if p.role != p.selected_role {
            p.change_role(sh.now, point_to_point);
            return true;
        }
        // Only a root or alternate port looks at the others.
        let looks = matches!(p.prt, Prt::Root | Prt::Alternate);
        let others = || self.ports.iter().filter(|(m, _)| looks && **m != n);
        let out_of_sync = |(m, p): (&u16, &Vars)| p.out_of_sync(sh.ports[m].point_to_point());
        let at = Others {
            now: sh.now,
            all_synced: looks && self.all_synced(),
            re_rooted: others().all(|(_, p)| p.rr_while.is_zero(sh.now)),
            out_of_sync: others().any(out_of_sync),
            point_to_point,
        };
        let p = self.vars(n);
        let still = !p.learning && !p.forwarding;
        let (moved, tree) = match p.prt {
            Prt::Disable if still => {
                p.prt = Prt::Disabled;
                p.rest(p.designated_times.max_age);
                (true, Tree::default())
            }
            Prt::Block if still => {
                p.prt = Prt::Alternate;
                p.rest(p.forward_delay());
                (true, Tree::default())
            }
            Prt::Disable | Prt::Block => return false,
            Prt::Disabled => (p.rest(p.designated_times.max_age), Tree::default()),
            Prt::Root => p.root_port(at),
            Prt::Designated => (p.designated_port(at), Tree::default()),
            Prt::Alternate => p.alternate_port(at),
        };
        for (m, p) in &mut self.ports {
            p.sync |= tree.sync;
            p.re_root |= tree.re_root;
            p.sync |= tree.resync && p.out_of_sync(sh.ports[m].point_to_point());
        }
        moved
    }

    /// 17.30.
    pub(super) fn port_state_transition(&mut self, sh: &mut Shared, n: u16) -> bool {
        let p = self.vars(n);
        let next = match p.pst {
            Pst::Discarding if p.learn => Pst::Learning,
            Pst::Learning if !p.learn => Pst::Discarding,
            Pst::Learning if p.forward => Pst::Forwarding,
            Pst::Forwarding if !p.forward => Pst::Discarding,
            _ => return false,
        };
        p.pst = next;
        p.learning = next != Pst::Discarding;
        p.forwarding = next == Pst::Forwarding;
        let state = match next {
            Pst::Discarding if p.port_enabled => PortState::Blocking,
            Pst::Discarding => PortState::Disabled,
            Pst::Learning => PortState::Learning,
            Pst::Forwarding => PortState::Forwarding,
        };
        sh.set_state(n, state);
        true
    }
}

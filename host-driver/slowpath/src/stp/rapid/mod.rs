//! RSTP: the state machines of IEEE 802.1D-2004 clause 17.
//!
//! Variables, conditions, states and procedures carry the standard's names, in Rust's spelling: `fdWhile` is `fd_while`. ForceProtocolVersion
//! is 2 here, so `rstpVersion` is true and `stpVersion` false throughout (version 0 is `classic.rs`); a neighbour that speaks STP is met
//! with Config and TCN BPDUs all the same, by the port protocol migration machine.
//!
//! | file | machines |
//! |---|---|
//! | `receive.rs` | port receive 17.23, port protocol migration 17.24, bridge detection 17.25 |
//! | `information.rs` | port information 17.27 |
//! | `roles.rs` | port role selection 17.28 |
//! | `transitions.rs` | port role transitions 17.29, port state transition 17.30 |
//! | `topology.rs` | topology change 17.31 |
//! | `transmit.rs` | port transmit 17.26 |
//!
//! The port timers machine (17.22) has no file: timers end by the clock, see `timer.rs`; `txCount` falls by one a second. After each
//! input the machines of all ports run until none has anything to do; port transmit runs last, so that a BPDU says what the bridge has
//! made up its mind about, and one BPDU says all of it.
//!
//! Where the text of 2004 is known to be wrong or to say too little, IEEE 802.1Q-2005's wording of the same procedure counts: `recordDispute` sets
//! `disputed` and clears `agreed`; `allSynced` also asks that no port waits for an update; `rcvInfo` notes a TCN; a disabled port's
//! transmit machine stays in its first state; a repeated message counts as such only where information is received, not the port's own;
//! root guard is `restrictedRole`.
//!
//! The machines are stricter than the standard where that by itself allows loops for as long as a BPDU is on its way, or while a dead
//! root is still believed in: `record_agreement`, `withdraw_agreement`, `change_role`, `root_port`, `forward_delay` each say how and why.
//! `tests/stp/random.rs` found those loops, and keeps the networks that had them.

mod information;
mod receive;
mod roles;
mod topology;
mod transitions;
mod transmit;

use std::collections::BTreeMap;
use std::time::Duration;

use super::shared::{Engine, Shared};
use super::status::{BridgeStatus, PortState, PortStatus, Role};
use super::timer::Timer;
use super::vector::{Times, Vector};
use crate::wire::bpdu::{Bpdu, BridgeId};
use information::{InfoIs, Pim};
use receive::Ppm;
use topology::Tcm;
use transitions::{Prt, Pst};

/// MigrateTime (17.13.9).
const MIGRATE_TIME: Duration = Duration::from_secs(3);

/// A port's variables (17.17 and 17.19) and its machines' states.
#[derive(Default)]
struct Vars {
    // Timers (17.17).
    edge_delay_while: Timer,
    fd_while: Timer,
    hello_when: Timer,
    mdelay_while: Timer,
    rb_while: Timer,
    rcvd_info_while: Timer,
    rr_while: Timer,
    tc_while: Timer,
    // Variables (17.19).
    agree: bool,
    agreed: bool,
    designated_priority: Vector,
    designated_times: Times,
    disputed: bool,
    forward: bool,
    forwarding: bool,
    info_is: InfoIs,
    learn: bool,
    learning: bool,
    mcheck: bool,
    msg_priority: Vector,
    msg_times: Times,
    new_info: bool,
    oper_edge: bool,
    port_enabled: bool,
    port_priority: Vector,
    port_times: Times,
    proposed: bool,
    proposing: bool,
    rcvd_bpdu: Option<Bpdu>,
    rcvd_msg: Option<Bpdu>,
    rcvd_rstp: bool,
    rcvd_stp: bool,
    rcvd_tc: bool,
    rcvd_tc_ack: bool,
    rcvd_tcn: bool,
    re_root: bool,
    reselect: bool,
    role: Role,
    selected: bool,
    selected_role: Role,
    send_rstp: bool,
    sync: bool,
    synced: bool,
    tc_ack: bool,
    tc_prop: bool,
    tx_count: u8,
    updt_info: bool,
    /// When `txCount` falls next.
    tx_tick: Timer,
    /// The vector that the port's last BPDU had.
    sent_priority: Vector,
    /// Since when BPDUs have had it.
    sent_since: Duration,
    // States.
    ppm: Ppm,
    pim: Pim,
    prt: Prt,
    pst: Pst,
    tcm: Tcm,
}

impl Vars {
    /// forwardDelay (17.20.5).
    ///
    /// Stricter than the standard, which takes the hello time where the neighbour speaks RSTP: information about a dead root may go round a
    /// ring for longer than two hello times, and a port that forwards by its timer meanwhile makes a loop. It counts only where nobody
    /// agrees; an edge port does not wait for it.
    fn forward_delay(&self) -> Duration {
        self.designated_times.forward_delay
    }
    fn timers(&mut self) -> [&mut Timer; 8] {
        [
            &mut self.edge_delay_while,
            &mut self.fd_while,
            &mut self.hello_when,
            &mut self.mdelay_while,
            &mut self.rb_while,
            &mut self.rcvd_info_while,
            &mut self.rr_while,
            &mut self.tc_while,
        ]
    }
    /// The port timers machine's share of `txCount` (17.22): one less a second.
    fn tick_tx_count(&mut self, now: Duration) {
        let Some(due) = self.tx_tick.deadline().filter(|due| *due <= now) else {
            return;
        };
        let ticks = 1 + (now - due).as_secs();
        self.tx_count = u64::from(self.tx_count).saturating_sub(ticks) as u8;
        self.tx_tick = match self.tx_count {
            0 => Timer::Zero,
            _ => Timer::Until(due + Duration::from_secs(ticks)),
        };
    }
}

/// The bridge's variables (17.18).
#[derive(Default)]
pub(super) struct Rapid {
    ports: BTreeMap<u16, Vars>,
    root_port: Option<u16>,
    root_priority: Vector,
    root_times: Times,
    /// Some port's `tcWhile` runs.
    topology_change: bool,
}

impl Rapid {
    fn vars(&mut self, n: u16) -> &mut Vars {
        self.ports.get_mut(&n).expect("the port was added")
    }

    /// Runs the machines until none moves, then port transmit.
    fn run(&mut self, sh: &mut Shared) {
        let numbers = sh.numbers();
        loop {
            let mut moved = false;
            for &n in &numbers {
                moved |= self.port_receive(sh, n);
                moved |= self.port_protocol_migration(sh, n);
                moved |= self.bridge_detection(sh, n);
                moved |= self.port_information(sh, n);
            }
            moved |= self.port_role_selection(sh);
            for &n in &numbers {
                moved |= self.port_role_transitions(sh, n);
                moved |= self.port_state_transition(sh, n);
            }
            for &n in &numbers {
                moved |= self.topology_change(sh, n);
            }
            if !moved {
                break;
            }
        }
        let changing = self.ports.values().any(|p| p.tc_while.is_running(sh.now));
        if changing && !self.topology_change {
            sh.topology_changes();
        }
        if changing {
            sh.last_topology_change = Some(sh.now);
        }
        self.topology_change = changing;
        for &n in &numbers {
            self.port_transmit(sh, n);
        }
    }

    /// Has all roles selected anew (17.13: what follows a change of settings).
    fn reselect_all(&mut self) {
        for p in self.ports.values_mut() {
            (p.reselect, p.selected) = (true, false);
        }
    }
}

impl Engine for Rapid {
    /// BEGIN for one port: every machine's first state.
    fn add_port(&mut self, sh: &mut Shared, n: u16) {
        let mut p = Vars {
            reselect: true,
            send_rstp: true,
            sync: true,
            re_root: true,
            new_info: true,
            oper_edge: sh.ports[&n].settings.admin_edge,
            ..Vars::default()
        };
        p.edge_delay_while.hold(MIGRATE_TIME);
        p.mdelay_while.hold(MIGRATE_TIME);
        p.rr_while.hold(sh.settings.times.forward_delay);
        p.fd_while.hold(sh.settings.times.max_age);
        // Nothing to run: a disabled port asks for no role until something happens to the bridge.
        self.ports.insert(n, p);
    }

    fn remove_port(&mut self, n: u16) {
        self.ports.remove(&n);
    }

    fn enable(&mut self, sh: &mut Shared, n: u16) {
        sh.set_state(n, PortState::Blocking);
        let now = sh.now;
        let p = self.vars(n);
        p.port_enabled = true;
        p.edge_delay_while.release(now);
        p.mdelay_while.release(now);
        self.run(sh);
    }

    fn disable(&mut self, sh: &mut Shared, n: u16) {
        sh.set_state(n, PortState::Disabled);
        self.vars(n).port_enabled = false;
        self.run(sh);
    }

    fn start(&mut self, _: &mut Shared) {}

    fn stop(&mut self, sh: &mut Shared) {
        self.reselect_all();
        self.run(sh);
    }

    fn receive(&mut self, sh: &mut Shared, n: u16, bpdu: &Bpdu) {
        self.vars(n).rcvd_bpdu = Some(*bpdu);
        self.run(sh);
    }

    fn poll(&mut self, sh: &mut Shared) {
        let now = sh.now;
        for p in self.ports.values_mut() {
            p.tick_tx_count(now);
            p.timers().into_iter().for_each(|timer| {
                timer.expire(now);
            });
        }
        self.run(sh);
    }

    fn bridge_changed(&mut self, sh: &mut Shared, _: BridgeId) {
        self.reselect_all();
        self.run(sh);
    }

    fn port_changed(&mut self, sh: &mut Shared, n: u16, _: u16) {
        let admin_edge = sh.ports[&n].settings.admin_edge;
        let p = self.vars(n);
        (p.reselect, p.selected) = (true, false);
        p.admin_edge_changed(admin_edge);
        self.run(sh);
    }

    fn mcheck(&mut self, sh: &mut Shared, n: u16) {
        self.vars(n).mcheck = true;
        self.run(sh);
    }

    fn next_deadline(&self) -> Option<Duration> {
        let deadlines = |p: &Vars| {
            [
                p.edge_delay_while,
                p.fd_while,
                p.hello_when,
                p.mdelay_while,
                p.rb_while,
                p.rcvd_info_while,
                p.rr_while,
                p.tc_while,
                p.tx_tick,
            ]
        };
        let timers = self.ports.values().flat_map(deadlines);
        timers.filter_map(|timer| timer.deadline()).min()
    }

    fn bridge_status(&self, sh: &Shared) -> BridgeStatus {
        let longest = |timer: fn(&Vars) -> Timer| {
            let left = self.ports.values().map(|p| timer(p).left(sh.now));
            left.max().unwrap_or_default()
        };
        let hello = self
            .ports
            .values()
            .map(|p| p.hello_when.left(sh.now))
            .filter(|t| !t.is_zero());
        BridgeStatus {
            protocol: sh.settings.protocol,
            bridge_id: sh.bridge_id(),
            designated_root: self.root_priority.root,
            root_port: self.root_port,
            root_path_cost: self.root_priority.cost,
            max_age: self.root_times.max_age,
            hello_time: self.root_times.hello_time,
            forward_delay: self.root_times.forward_delay,
            hello_timer: hello.min().unwrap_or_default(),
            tcn_timer: Duration::ZERO,
            topology_change_timer: longest(|p| p.tc_while),
            topology_change: self.topology_change,
            topology_change_detected: self.topology_change,
            topology_change_count: sh.topology_changes,
            since_topology_change: sh.last_topology_change.map(|at| sh.now - at),
        }
    }

    fn port_status(&self, sh: &Shared, n: u16) -> PortStatus {
        let p = &self.ports[&n];
        PortStatus {
            message_age_timer: p.rcvd_info_while.left(sh.now),
            forward_delay_timer: match p.fd_while {
                Timer::Until(_) => p.fd_while.left(sh.now),
                _ => Duration::ZERO,
            },
            hold_timer: p.tx_tick.left(sh.now),
            topology_change_ack: p.tc_ack,
            config_pending: p.new_info && p.port_enabled,
            oper_edge: p.oper_edge,
            send_rstp: p.send_rstp,
            ..sh.port_status(n, p.role, &p.port_priority)
        }
    }
}

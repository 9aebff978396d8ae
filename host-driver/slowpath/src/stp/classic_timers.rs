//! The timers of `classic.rs` (IEEE 802.1D-1998 clause 8.7.3 and later), its management operations (clause 8.8), and what it shows.

use std::time::Duration;

use super::classic::{Classic, Vars};
use super::shared::{Engine, Shared};
use super::status::{BridgeStatus, PortState, PortStatus, Role};
use super::vector::{Times, Vector};
use crate::wire::bpdu::{Bpdu, BridgeId};

impl Classic {
    /// 8.7.3.
    fn hello_expired(&mut self, sh: &mut Shared) {
        self.config_bpdu_generation(sh);
        let (now, time) = (sh.now, self.times.hello_time);
        self.hello_timer.start(now, time);
    }

    /// 8.7.4.
    fn message_age_expired(&mut self, sh: &mut Shared, n: u16) {
        let was_root = self.is_root_bridge(sh);
        self.become_designated_port(sh, n);
        self.reconsider(sh, was_root);
    }

    /// 8.7.5.
    fn forward_delay_expired(&mut self, sh: &mut Shared, n: u16) {
        match sh.ports[&n].state {
            PortState::Listening => {
                sh.set_root_inconsistent(n, false);
                sh.set_state(n, PortState::Learning);
                let (now, delay) = (sh.now, self.times.forward_delay);
                self.vars(n).forward_delay_timer.start(now, delay);
            }
            PortState::Learning => {
                sh.set_state(n, PortState::Forwarding);
                if sh.numbers().iter().any(|n| self.serves(sh, *n)) {
                    self.topology_change_detection(sh);
                }
            }
            _ => {}
        }
    }

    /// Is the designated port of a segment.
    fn serves(&self, sh: &Shared, n: u16) -> bool {
        sh.ports[&n].state != PortState::Disabled && self.is_designated(sh, n)
    }

    /// 8.7.6.
    fn tcn_expired(&mut self, sh: &mut Shared) {
        if !self.is_root_bridge(sh) {
            self.transmit_tcn(sh);
            let (now, time) = (sh.now, sh.settings.times.hello_time);
            self.tcn_timer.start(now, time);
        }
    }

    /// 8.7.7.
    fn topology_change_expired(&mut self, sh: &mut Shared) {
        self.topology_change_detected = false;
        self.set_topology_change(sh, false);
    }

    fn role(&self, sh: &Shared, n: u16) -> Role {
        if sh.ports[&n].state == PortState::Disabled {
            Role::Disabled
        } else if self.root_port == Some(n) {
            Role::Root
        } else if self.is_designated(sh, n) {
            Role::Designated
        } else if self.ports[&n].designated.bridge == sh.bridge_id() {
            Role::Backup
        } else {
            Role::Alternate
        }
    }
}

impl Engine for Classic {
    fn add_port(&mut self, sh: &mut Shared, n: u16) {
        self.ports.insert(n, Vars::default());
        self.become_designated_port(sh, n);
    }

    fn remove_port(&mut self, n: u16) {
        self.ports.remove(&n);
    }

    /// 8.8.2.
    fn enable(&mut self, sh: &mut Shared, n: u16) {
        self.become_designated_port(sh, n);
        sh.set_state(n, PortState::Blocking);
        self.port_state_selection(sh);
    }

    /// 8.8.3.
    fn disable(&mut self, sh: &mut Shared, n: u16) {
        let was_root = self.is_root_bridge(sh);
        sh.set_state(n, PortState::Disabled);
        sh.flush(n);
        *self.vars(n) = Vars::default();
        self.become_designated_port(sh, n);
        self.reconsider(sh, was_root);
    }

    fn start(&mut self, sh: &mut Shared) {
        self.hello_expired(sh);
    }

    fn stop(&mut self, sh: &mut Shared) {
        self.set_topology_change(sh, false);
        let ports = std::mem::take(&mut self.ports);
        *self = Self {
            ports,
            designated_root: sh.bridge_id(),
            times: Times::of_bridge(&sh.settings.times),
            ..Self::default()
        };
        for n in sh.numbers() {
            self.become_designated_port(sh, n);
        }
    }

    fn receive(&mut self, sh: &mut Shared, n: u16, bpdu: &Bpdu) {
        match bpdu {
            Bpdu::Config {
                topology_change,
                topology_change_ack,
                message,
            } => {
                let flags = (*topology_change, *topology_change_ack);
                self.received_config(sh, n, flags, (Vector::of(message), Times::of(message)));
            }
            Bpdu::Tcn => self.received_tcn(sh, n),
            // Not of this protocol; the sender will see our Config BPDUs and change over.
            Bpdu::Rst { .. } => {}
        }
    }

    fn poll(&mut self, sh: &mut Shared) {
        let now = sh.now;
        // Old information goes before anything comes nearer to forwarding.
        for n in sh.numbers() {
            if self.vars(n).message_age_timer.expire(now) {
                self.message_age_expired(sh, n);
            }
        }
        for n in sh.numbers() {
            if self.vars(n).forward_delay_timer.expire(now) {
                self.forward_delay_expired(sh, n);
            }
        }
        if self.hello_timer.expire(now) {
            self.hello_expired(sh);
        }
        if self.tcn_timer.expire(now) {
            self.tcn_expired(sh);
        }
        if self.topology_change_timer.expire(now) {
            self.topology_change_expired(sh);
        }
        for n in sh.numbers() {
            let vars = self.vars(n);
            // 8.7.8.
            if vars.hold_timer.expire(now) && vars.config_pending {
                self.transmit_config(sh, n);
            }
        }
    }

    /// 8.8.4, and the bridge's times.
    fn bridge_changed(&mut self, sh: &mut Shared, old: BridgeId) {
        let was_root = self.designated_root == old;
        let id = sh.bridge_id();
        for vars in self.ports.values_mut() {
            if vars.designated.bridge == old {
                vars.designated.bridge = id;
            }
        }
        if was_root {
            self.times = Times::of_bridge(&sh.settings.times);
        }
        self.configuration_update(sh);
        self.port_state_selection(sh);
        if self.is_root_bridge(sh) && !was_root {
            self.become_root_bridge(sh);
        }
    }

    /// 8.8.5 and 8.8.6.
    fn port_changed(&mut self, sh: &mut Shared, n: u16, old: u16) {
        let (bridge, id) = (sh.bridge_id(), sh.port_id(n));
        let was_root = self.is_root_bridge(sh);
        let vars = self.vars(n);
        let designated = (vars.designated.bridge, vars.designated.port) == (bridge, old);
        if designated {
            vars.designated.port = id;
        }
        let inconsistent = sh.ports[&n].root_inconsistent;
        if inconsistent && !sh.ports[&n].settings.root_block {
            sh.set_root_inconsistent(n, false);
        }
        self.reconsider(sh, was_root);
    }

    /// STP has nothing to try.
    fn mcheck(&mut self, _: &mut Shared, _: u16) {}

    fn next_deadline(&self) -> Option<Duration> {
        let ports = self.ports.values().flat_map(|vars| {
            [
                vars.message_age_timer,
                vars.forward_delay_timer,
                vars.hold_timer,
            ]
        });
        [self.hello_timer, self.tcn_timer, self.topology_change_timer]
            .into_iter()
            .chain(ports)
            .filter_map(|timer| timer.deadline())
            .min()
    }

    fn bridge_status(&self, sh: &Shared) -> BridgeStatus {
        BridgeStatus {
            protocol: sh.settings.protocol,
            bridge_id: sh.bridge_id(),
            designated_root: self.designated_root,
            root_port: self.root_port,
            root_path_cost: self.root_path_cost,
            max_age: self.times.max_age,
            hello_time: self.times.hello_time,
            forward_delay: self.times.forward_delay,
            hello_timer: self.hello_timer.left(sh.now),
            tcn_timer: self.tcn_timer.left(sh.now),
            topology_change_timer: self.topology_change_timer.left(sh.now),
            topology_change: self.topology_change,
            topology_change_detected: self.topology_change_detected,
            topology_change_count: sh.topology_changes,
            since_topology_change: sh.last_topology_change.map(|at| sh.now - at),
        }
    }

    fn port_status(&self, sh: &Shared, n: u16) -> PortStatus {
        let vars = &self.ports[&n];
        PortStatus {
            message_age_timer: vars.message_age_timer.left(sh.now),
            forward_delay_timer: vars.forward_delay_timer.left(sh.now),
            hold_timer: vars.hold_timer.left(sh.now),
            topology_change_ack: vars.topology_change_ack,
            config_pending: vars.config_pending,
            ..sh.port_status(n, self.role(sh, n), &vars.designated)
        }
    }
}

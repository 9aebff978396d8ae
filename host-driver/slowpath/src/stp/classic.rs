//! STP: IEEE 802.1D-1998 clause 8, with the choices of Linux's kernel bridge.
//!
//! The procedures carry clause 8.6's names. Choices of Linux: message age grows by 1/256 s a bridge (and by the time that information is
//! held), a port's hold time is 1 s, and root guard keeps a port listening, its forward delay started again by each BPDU that would make
//! it the root port. Not so: ageing during a topology change takes the forward delay, as clause 8.3.5 says, not twice that; Config
//! BPDUs of any version are taken (clause 9.3.4), and RST BPDUs are valid, though without effect.
//!
//! Timers are in `classic_timers.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shared::Shared;
use super::status::{Action, PortState};
use super::timer::Timer;
use super::vector::{Times, Vector};
use crate::wire::bpdu::{Bpdu, BridgeId};

/// By how much a bridge makes information older than it is (messageAgeIncrement): one unit of the wire's.
const MESSAGE_AGE_INCREMENT: Duration = Duration::from_nanos(1_000_000_000 / 256);

/// A port's variables (clause 8.5.5).
#[derive(Default)]
pub(super) struct Vars {
    /// Designated root, cost, bridge and port.
    pub designated: Vector,
    /// Age of that information at a time: when it came, and how old it was then.
    pub age: (Duration, Duration),
    pub topology_change_ack: bool,
    pub config_pending: bool,
    pub message_age_timer: Timer,
    pub forward_delay_timer: Timer,
    pub hold_timer: Timer,
}

/// The bridge's variables (clause 8.5.3).
#[derive(Default)]
pub(super) struct Classic {
    pub ports: BTreeMap<u16, Vars>,
    pub designated_root: BridgeId,
    pub root_path_cost: u32,
    pub root_port: Option<u16>,
    /// Times in force; the message age is not used.
    pub times: Times,
    pub topology_change: bool,
    pub topology_change_detected: bool,
    pub hello_timer: Timer,
    pub tcn_timer: Timer,
    pub topology_change_timer: Timer,
}

impl Classic {
    pub fn vars(&mut self, n: u16) -> &mut Vars {
        self.ports.get_mut(&n).expect("the port was added")
    }

    pub fn is_root_bridge(&self, sh: &Shared) -> bool {
        self.designated_root == sh.bridge_id()
    }

    pub fn is_designated(&self, sh: &Shared, n: u16) -> bool {
        let v = &self.ports[&n].designated;
        (v.bridge, v.port) == (sh.bridge_id(), sh.port_id(n))
    }

    /// Ports that take part.
    fn active(&self, sh: &Shared) -> Vec<u16> {
        let mut numbers = sh.numbers();
        numbers.retain(|n| sh.ports[n].state != PortState::Disabled);
        numbers
    }

    /// 8.6.1.
    pub fn transmit_config(&mut self, sh: &mut Shared, n: u16) {
        let now = sh.now;
        let root = self.root_port.map(|root| self.ports[&root].age);
        let message_age = root.map_or(Duration::ZERO, |(at, age)| {
            now.saturating_sub(at) + age + MESSAGE_AGE_INCREMENT
        });
        let (topology_change, mut times) = (self.topology_change, self.times);
        times.message_age = message_age;
        let vector = Vector {
            root: self.designated_root,
            cost: self.root_path_cost,
            bridge: sh.bridge_id(),
            port: sh.port_id(n),
        };
        let vars = self.vars(n);
        if vars.hold_timer.is_running(now) {
            vars.config_pending = true;
            return;
        }
        let message = times.message(&vector);
        if message.message_age >= message.max_age {
            return;
        }
        let topology_change_ack = std::mem::take(&mut vars.topology_change_ack);
        vars.config_pending = false;
        vars.hold_timer.start(now, Duration::from_secs(1));
        let bpdu = Bpdu::Config {
            topology_change,
            topology_change_ack,
            message,
        };
        sh.send(n, bpdu);
    }

    /// 8.6.4.
    pub fn config_bpdu_generation(&mut self, sh: &mut Shared) {
        for n in self.active(sh) {
            if self.is_designated(sh, n) {
                self.transmit_config(sh, n);
            }
        }
    }

    /// 8.6.6.
    pub fn transmit_tcn(&mut self, sh: &mut Shared) {
        if let Some(n) = self.root_port {
            sh.send(n, Bpdu::Tcn);
        }
    }

    /// 8.6.7.
    pub fn configuration_update(&mut self, sh: &mut Shared) {
        self.root_selection(sh);
        for n in self.active(sh) {
            if self.should_become_designated(sh, n) {
                self.become_designated_port(sh, n);
            }
        }
    }

    /// 8.6.8.
    fn root_selection(&mut self, sh: &mut Shared) {
        let own = sh.bridge_id();
        let mut best: Option<(Vector, u16, u16)> = None;
        let mut held_back = Vec::new();
        for n in self.active(sh) {
            let mut way = self.ports[&n].designated;
            if self.is_designated(sh, n) || way.root >= own {
                continue;
            }
            way.cost = way.cost.saturating_add(sh.path_cost(n));
            let candidate = (way, sh.port_id(n), n);
            if best.is_some_and(|best| best <= candidate) {
                continue;
            }
            if sh.ports[&n].settings.root_block {
                held_back.push(n);
            } else {
                best = Some(candidate);
            }
        }
        self.root_port = best.map(|(_, _, n)| n);
        (self.designated_root, self.root_path_cost) =
            best.map_or((own, 0), |(way, _, _)| (way.root, way.cost));
        for n in held_back {
            self.hold_back(sh, n);
        }
    }

    /// Root guard: the port listens for as long as it would become the root port.
    fn hold_back(&mut self, sh: &mut Shared, n: u16) {
        let state = sh.ports[&n].state;
        sh.set_state(n, PortState::Listening);
        sh.set_root_inconsistent(n, true);
        let (now, delay) = (sh.now, self.times.forward_delay);
        self.vars(n).forward_delay_timer.start(now, delay);
        if matches!(state, PortState::Learning | PortState::Forwarding) {
            self.topology_change_detection(sh);
        }
    }

    /// 8.6.9.
    fn should_become_designated(&self, sh: &Shared, n: u16) -> bool {
        let v = &self.ports[&n].designated;
        let own = Vector {
            root: self.designated_root,
            cost: self.root_path_cost,
            bridge: sh.bridge_id(),
            port: sh.port_id(n),
        };
        // A port whose root is another one has old information, or is held back.
        self.is_designated(sh, n) || v.root != self.designated_root || own < *v
    }

    /// 8.6.10.
    pub fn become_designated_port(&mut self, sh: &Shared, n: u16) {
        let vector = Vector {
            root: self.designated_root,
            cost: self.root_path_cost,
            bridge: sh.bridge_id(),
            port: sh.port_id(n),
        };
        self.vars(n).designated = vector;
    }

    /// 8.6.11.
    pub fn port_state_selection(&mut self, sh: &mut Shared) {
        // What must block does so before anything starts.
        let (forward, block): (Vec<u16>, Vec<u16>) = self
            .active(sh)
            .into_iter()
            .partition(|n| Some(*n) == self.root_port || self.is_designated(sh, *n));
        for n in block {
            let vars = self.vars(n);
            (vars.config_pending, vars.topology_change_ack) = (false, false);
            self.make_blocking(sh, n);
        }
        for n in forward {
            let root = Some(n) == self.root_port;
            let vars = self.vars(n);
            if root {
                (vars.config_pending, vars.topology_change_ack) = (false, false);
            } else {
                vars.message_age_timer.stop();
            }
            self.make_forwarding(sh, n);
        }
    }

    /// 8.6.12.
    fn make_forwarding(&mut self, sh: &mut Shared, n: u16) {
        if sh.ports[&n].state == PortState::Blocking {
            sh.set_state(n, PortState::Listening);
            let (now, delay) = (sh.now, self.times.forward_delay);
            self.vars(n).forward_delay_timer.start(now, delay);
        }
    }

    /// 8.6.13.
    fn make_blocking(&mut self, sh: &mut Shared, n: u16) {
        let state = sh.ports[&n].state;
        if state == PortState::Blocking {
            return;
        }
        sh.set_state(n, PortState::Blocking);
        sh.set_root_inconsistent(n, false);
        self.vars(n).forward_delay_timer.stop();
        if matches!(state, PortState::Forwarding | PortState::Learning) {
            self.topology_change_detection(sh);
        }
    }

    /// 8.6.14.
    pub fn topology_change_detection(&mut self, sh: &mut Shared) {
        let (now, times) = (sh.now, sh.settings.times);
        if self.is_root_bridge(sh) {
            self.set_topology_change(sh, true);
            let time = times.max_age + times.forward_delay;
            self.topology_change_timer.start(now, time);
        } else if !self.topology_change_detected {
            self.transmit_tcn(sh);
            self.tcn_timer.start(now, times.hello_time);
        }
        self.topology_change_detected = true;
        sh.topology_changes();
    }

    /// Sets the flag; with it, addresses age out in the forward delay (clause 8.3.5).
    pub fn set_topology_change(&mut self, sh: &mut Shared, on: bool) {
        if std::mem::replace(&mut self.topology_change, on) != on {
            let time = on.then_some(self.times.forward_delay);
            sh.actions.push(Action::Ageing { time });
        }
    }

    /// What a bridge does that becomes the root (the common end of 8.7.4 and 8.8.3 to 8.8.6).
    pub fn become_root_bridge(&mut self, sh: &mut Shared) {
        self.times = Times::of_bridge(&sh.settings.times);
        self.topology_change_detection(sh);
        self.tcn_timer.stop();
        if sh.running {
            self.config_bpdu_generation(sh);
            let (now, time) = (sh.now, self.times.hello_time);
            self.hello_timer.start(now, time);
        }
    }

    /// Roles and states anew after something local changed.
    pub fn reconsider(&mut self, sh: &mut Shared, was_root: bool) {
        self.configuration_update(sh);
        self.port_state_selection(sh);
        if self.is_root_bridge(sh) && !was_root {
            self.become_root_bridge(sh);
        }
    }

    /// 8.7.1.
    pub fn received_config(
        &mut self,
        sh: &mut Shared,
        n: u16,
        (topology_change, acknowledged): (bool, bool),
        (vector, times): (Vector, Times),
    ) {
        let was_root = self.is_root_bridge(sh);
        if !self.supersedes(sh, n, &vector) {
            if self.is_designated(sh, n) {
                self.transmit_config(sh, n);
            }
            return;
        }
        let now = sh.now;
        let vars = self.vars(n);
        vars.designated = vector;
        vars.age = (now, times.message_age);
        vars.message_age_timer
            .start(now, times.max_age.saturating_sub(times.message_age));
        self.configuration_update(sh);
        self.port_state_selection(sh);
        if !self.is_root_bridge(sh) && was_root {
            self.hello_timer.stop();
            if self.topology_change_detected {
                self.topology_change_timer.stop();
                self.transmit_tcn(sh);
                self.tcn_timer.start(now, sh.settings.times.hello_time);
            }
        }
        if self.root_port == Some(n) {
            self.times = times;
            self.set_topology_change(sh, topology_change);
            self.config_bpdu_generation(sh);
            if acknowledged {
                self.topology_change_detected = false;
                self.tcn_timer.stop();
            }
        }
    }

    /// Whether a message is better than what the port has (8.6.2.2).
    fn supersedes(&self, sh: &Shared, n: u16, new: &Vector) -> bool {
        let old = &self.ports[&n].designated;
        let of = |v: &Vector| (v.root, v.cost, v.bridge);
        match of(new).cmp(&of(old)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => new.bridge != sh.bridge_id() || new.port <= old.port,
        }
    }

    /// 8.7.2.
    pub fn received_tcn(&mut self, sh: &mut Shared, n: u16) {
        if self.is_designated(sh, n) {
            self.topology_change_detection(sh);
            self.vars(n).topology_change_ack = true;
            self.transmit_config(sh, n);
        }
    }
}

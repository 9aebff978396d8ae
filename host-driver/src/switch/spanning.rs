//! The spanning tree of each bridge: `smartnic_slowpath::stp`'s machines, told of the model, and their actions carried out on the card.
//!
//! Every bridge has a machine, which stands still unless `stp_state` is 1; it is what numbers the ports. The machines are no part of the model,
//! which is copied for each request: they follow it once a request has been done (`SpanningTrees::follow`).
//!
//! Covered by `tests/driver/spanning`, and on the simulated card by `tests/tests/driver/spanning.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_slowpath::stp::words::centiseconds;
use smartnic_slowpath::stp::{Action, Bridge as Tree, BridgeStatus, Link, PortStatus, StpError};

use super::Switch;
use super::fdb::FlushWhat;
use super::model::Model;
use crate::master::bridge::{Bridge, Stp, active};
use crate::master::{Master, View};
use crate::netdev::IfIndex;

/// A bridge's machine, and its port numbers by device.
struct Machine {
    tree: Tree,
    ports: BTreeMap<IfIndex, u16>,
}

impl Machine {
    fn port(&self, number: u16) -> Option<IfIndex> {
        let mut ports = self.ports.iter();
        ports.find(|(_, n)| **n == number).map(|(dev, _)| *dev)
    }

    fn follow(&mut self, bridge: &Bridge, view: View<'_>, now: Duration) -> Result<(), StpError> {
        let gone: Vec<IfIndex> = self
            .ports
            .keys()
            .filter(|dev| bridge.port(**dev).is_none())
            .copied()
            .collect();
        for dev in gone {
            if let Some(number) = self.ports.remove(&dev) {
                self.tree.remove_port(now, number)?;
            }
        }
        let running =
            bridge.stp() == Stp::On && view.device(bridge.ifindex()).is_some_and(|d| d.up);
        // Settings of a machine that starts are there before it does, those of one that stops after.
        if !running {
            self.tree.set_running(now, false);
        }
        let settings = bridge.tree_settings(view);
        if *self.tree.settings() != settings {
            self.tree.set_settings(now, settings)?;
        }
        for port in bridge.ports() {
            let Some(device) = view.device(port.ifindex) else {
                continue;
            };
            let number = match self.ports.get(&port.ifindex) {
                Some(number) => *number,
                None => {
                    let number = self.tree.add_port(now, device.address, port.stp.clone())?;
                    self.ports.insert(port.ifindex, number);
                    number
                }
            };
            self.tree.set_port_address(number, device.address)?;
            if *self.tree.port_settings(number)? != port.stp {
                self.tree.set_port_settings(now, number, port.stp.clone())?;
            }
            let link = match (active(view, port.ifindex), view.speed(port.ifindex)) {
                (false, _) => Link::down(),
                (true, speed) => Link {
                    up: true,
                    speed: Some(speed).filter(|s| *s > 0),
                    full_duplex: true,
                },
            };
            self.tree.set_link(now, number, link)?;
        }
        self.tree.set_running(now, running);
        Ok(())
    }
}

/// The machines of all bridges.
#[derive(Default)]
pub(super) struct SpanningTrees(BTreeMap<IfIndex, Machine>);

impl SpanningTrees {
    /// Tells the machines what is configured and which links there are; bridges come and go.
    fn follow(&mut self, model: &Model, now: Duration) {
        let view = model.view();
        self.0
            .retain(|dev, _| model.bridges().any(|b| b.ifindex() == *dev));
        for bridge in model.bridges() {
            let settings = bridge.tree_settings(view);
            let machine = match self.0.remove(&bridge.ifindex()) {
                Some(machine) => Ok(machine),
                None => Tree::new(settings).map(|tree| Machine {
                    tree,
                    ports: BTreeMap::new(),
                }),
            };
            let followed = machine.and_then(|mut machine| {
                let result = machine.follow(bridge, view, now);
                self.0.insert(bridge.ifindex(), machine);
                result
            });
            // The model was checked by the same rules before it came into use.
            if let Err(error) = followed {
                tracing::error!(bridge = %bridge.ifindex(), %error, "the spanning tree does not follow");
            }
        }
    }

    /// When one of them wants time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.values().filter_map(|m| m.tree.next_deadline()).min()
    }

    fn poll(&mut self, now: Duration) {
        let due = |m: &&mut Machine| m.tree.next_deadline().is_some_and(|at| at <= now);
        self.0
            .values_mut()
            .filter(due)
            .for_each(|m| m.tree.poll(now));
    }

    /// What is to be done, by bridge and in order.
    fn take(&mut self) -> Option<(IfIndex, Vec<Action>)> {
        self.0.iter_mut().find_map(|(bridge, machine)| {
            let actions = machine.tree.take_actions();
            (!actions.is_empty()).then_some((*bridge, actions))
        })
    }

    fn port(&self, bridge: IfIndex, number: u16) -> Option<IfIndex> {
        self.0.get(&bridge)?.port(number)
    }

    fn bridge_status(&self, bridge: IfIndex) -> Option<BridgeStatus> {
        self.0.get(&bridge).map(|m| m.tree.status())
    }

    fn port_status(&self, bridge: IfIndex, port: IfIndex) -> Option<PortStatus> {
        let machine = self.0.get(&bridge)?;
        machine.tree.port_status(*machine.ports.get(&port)?).ok()
    }
}

impl Switch {
    /// A BPDU came in by a port of a bridge that runs the spanning tree.
    pub(super) fn receive_bpdu(&mut self, bridge: IfIndex, port: IfIndex, frame: &[u8]) {
        let now = self.clock.now();
        let Some(machine) = self.spanning.0.get_mut(&bridge) else {
            return;
        };
        let Some(number) = machine.ports.get(&port) else {
            return;
        };
        if let Err(error) = machine.tree.receive(now, *number, frame) {
            tracing::debug!(%port, %error, "a BPDU is not taken");
        }
    }

    /// Lets the machines follow, gives them their time, and does what they want, each thing before the next.
    pub(super) fn span(&mut self) {
        let now = self.clock.now();
        self.spanning.follow(&self.model, now);
        self.spanning.poll(now);
        while let Some((bridge, actions)) = self.spanning.take() {
            for action in actions {
                self.act(bridge, action);
            }
        }
    }

    fn act(&mut self, bridge: IfIndex, action: Action) {
        let trees = &self.spanning;
        let device = |number| trees.port(bridge, number);
        match action {
            Action::SetState { port, state } => {
                let Some(port) = device(port) else { return };
                if let Some(bridge) = self.model.bridge_mut(bridge) {
                    bridge.set_port_state(port, state);
                }
                self.apply_now();
            }
            Action::Send { port, frame } => {
                if let Some(to) = device(port).and_then(|p| self.model.view().destination(p)) {
                    self.send_control(to, frame);
                }
            }
            Action::Flush { port } => {
                let Some(port) = device(port) else { return };
                let name = self.model.registry.name(port);
                if let Err(error) = self.fdb_flush(Some(&name), FlushWhat::Dynamic) {
                    tracing::warn!(port = name, %error, "what was learned on a port stays");
                }
            }
            Action::Ageing { time } => {
                if let Some(bridge) = self.model.bridge_mut(bridge) {
                    bridge.set_short_ageing(time);
                }
                self.apply_now();
            }
            Action::TopologyChange => {
                let bridge = self.model.registry.name(bridge);
                tracing::info!(bridge, "topology change");
            }
            Action::GuardDisabled { port } => {
                let port = device(port).map(|p| self.model.registry.name(p));
                tracing::warn!(
                    port,
                    "BPDU guard: the port is disabled until its link goes down and up"
                );
            }
            Action::RootInconsistent { port, inconsistent } => {
                let port = device(port).map(|p| self.model.registry.name(p));
                tracing::warn!(port, inconsistent, "root guard");
            }
        }
    }

    /// RSTP on a port tries again whether its neighbours speak it.
    pub(super) fn mcheck(&mut self, bridge: IfIndex, port: IfIndex) {
        let now = self.clock.now();
        if let Some(machine) = self.spanning.0.get_mut(&bridge)
            && let Some(number) = machine.ports.get(&port)
            && let Err(error) = machine.tree.mcheck(now, *number)
        {
            tracing::debug!(%port, %error, "mcheck");
        }
        self.span();
    }

    fn runs_tree(&self, bridge: IfIndex) -> bool {
        let bridge = self.model.bridge(bridge);
        bridge.is_some_and(|b| b.stp() == Stp::On)
    }

    /// What the spanning tree says of a bridge, by iproute2's keys.
    pub fn bridge_tree(&self, bridge: IfIndex) -> Map<String, Value> {
        let Some(s) = self.spanning.bridge_status(bridge) else {
            return Map::new();
        };
        let mut info: Map<String, Value> = [
            ("root_id", json!(s.designated_root.ip_text())),
            ("root_port", json!(s.root_port.unwrap_or(0))),
            ("root_path_cost", json!(s.root_path_cost)),
            ("topology_change", json!(u8::from(s.topology_change))),
            (
                "topology_change_detected",
                json!(u8::from(s.topology_change_detected)),
            ),
            ("topology_change_count", json!(s.topology_change_count)),
            ("hello_timer", timer(s.hello_timer)),
            ("tcn_timer", timer(s.tcn_timer)),
            ("topology_change_timer", timer(s.topology_change_timer)),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into_iter()
        .collect();
        let runs = self.runs_tree(bridge);
        // The times in force are the root's.
        for (key, time) in [
            ("hello_time", s.hello_time),
            ("max_age", s.max_age),
            ("forward_delay", s.forward_delay),
        ] {
            if runs {
                info.insert(key.into(), json!(centiseconds(time)));
            }
        }
        info
    }

    /// What the spanning tree says of a bridge's port, by iproute2's keys.
    pub fn port_tree(&self, bridge: IfIndex, port: IfIndex) -> Map<String, Value> {
        let Some(s) = self.spanning.port_status(bridge, port) else {
            return Map::new();
        };
        // A machine that stands still has not heard that the bridge has another address.
        let runs = self.runs_tree(bridge);
        let root = if runs {
            s.designated_root
        } else {
            s.designated_bridge
        };
        let c = s.counters;
        let counts = json!({
            "rx_bpdu": c.rx_config + c.rx_rst, "rx_tcn": c.rx_tcn, "rx_bad": c.rx_bad, "rx_looped": c.rx_looped,
            "tx_bpdu": c.tx_config + c.tx_rst, "tx_tcn": c.tx_tcn,
            "transition_blk": c.blocking_transitions, "transition_fwd": c.forward_transitions,
        });
        [
            ("cost", json!(s.path_cost)),
            ("id", json!(format!("{:#x}", s.port_id))),
            ("no", json!(format!("{:#x}", s.number))),
            ("designated_port", json!(s.designated_port)),
            ("designated_cost", json!(s.designated_cost)),
            ("designated_bridge", json!(s.designated_bridge.ip_text())),
            ("designated_root", json!(root.ip_text())),
            ("hold_timer", timer(s.hold_timer)),
            ("message_age_timer", timer(s.message_age_timer)),
            ("forward_delay_timer", timer(s.forward_delay_timer)),
            (
                "topology_change_ack",
                json!(u8::from(s.topology_change_ack)),
            ),
            ("config_pending", json!(u8::from(s.config_pending))),
            ("role", json!(s.role)),
            ("oper_edge", json!(s.oper_edge)),
            ("guard_disabled", json!(s.guard_disabled)),
            ("root_inconsistent", json!(s.root_inconsistent)),
            ("xstats", counts),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into_iter()
        .collect()
    }
}

/// Seconds with two places, as iproute2 has a timer.
fn timer(left: Duration) -> Value {
    json!(centiseconds(left) as f64 / 100.0)
}

//! What both machines stand on: settings, ports, the clock, and the list of actions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::{BridgeSettings, Link, PointToPoint, PortSettings, path_cost};
use super::status::{Action, BridgeStatus, Counters, PortState, PortStatus, Role};
use super::vector::Vector;
use crate::MacAddr;
use crate::wire::bpdu::{Bpdu, BpduFrame, BridgeId};

/// A port, whichever machine runs it.
pub(super) struct Port {
    pub address: MacAddr,
    pub settings: PortSettings,
    pub link: Link,
    pub state: PortState,
    /// Takes part: the bridge runs, the link is up, no guard has closed it.
    pub enabled: bool,
    pub guard_disabled: bool,
    pub root_inconsistent: bool,
    pub counters: Counters,
}

impl Port {
    /// operPointToPointMAC (clause 6.4.3).
    pub fn point_to_point(&self) -> bool {
        match self.settings.point_to_point {
            PointToPoint::Yes => true,
            PointToPoint::No => false,
            PointToPoint::Auto => self.link.full_duplex,
        }
    }
}

/// The bridge, but for the state of its machine.
pub(super) struct Shared {
    pub now: Duration,
    pub settings: BridgeSettings,
    pub running: bool,
    pub ports: BTreeMap<u16, Port>,
    pub actions: Vec<Action>,
    pub topology_changes: u64,
    pub last_topology_change: Option<Duration>,
}

impl Shared {
    pub fn bridge_id(&self) -> BridgeId {
        BridgeId {
            priority: self.settings.priority,
            address: self.settings.address,
        }
    }
    /// The port's identifier: priority in the upper six bits, as Linux has it.
    pub fn port_id(&self, n: u16) -> u16 {
        u16::from(self.ports[&n].settings.priority) << 10 | n
    }
    pub fn path_cost(&self, n: u16) -> u32 {
        let port = &self.ports[&n];
        let by_speed = || path_cost(self.settings.protocol, port.link.speed);
        port.settings.cost.unwrap_or_else(by_speed)
    }
    pub fn numbers(&self) -> Vec<u16> {
        self.ports.keys().copied().collect()
    }
    pub fn port(&mut self, n: u16) -> &mut Port {
        self.ports.get_mut(&n).expect("the bridge has the port")
    }

    /// Puts a port into a state, unless it is in it.
    pub fn set_state(&mut self, n: u16, state: PortState) {
        let port = self.port(n);
        let was = std::mem::replace(&mut port.state, state);
        if was == state {
            return;
        }
        let counters = &mut port.counters;
        match (was, state) {
            (_, PortState::Forwarding) => counters.forward_transitions += 1,
            (
                PortState::Learning | PortState::Forwarding,
                PortState::Blocking | PortState::Listening,
            ) => {
                counters.blocking_transitions += 1;
            }
            _ => {}
        }
        self.actions.push(Action::SetState { port: n, state });
    }

    pub fn flush(&mut self, n: u16) {
        self.actions.push(Action::Flush { port: n });
    }

    pub fn set_root_inconsistent(&mut self, n: u16, inconsistent: bool) {
        let port = self.port(n);
        if std::mem::replace(&mut port.root_inconsistent, inconsistent) != inconsistent {
            let action = Action::RootInconsistent {
                port: n,
                inconsistent,
            };
            self.actions.push(action);
        }
    }

    /// Counts a topology change and tells of it.
    pub fn topology_changes(&mut self) {
        self.topology_changes += 1;
        self.last_topology_change = Some(self.now);
        self.actions.push(Action::TopologyChange);
    }

    pub fn send(&mut self, n: u16, bpdu: Bpdu) {
        let destination = self.settings.group_address;
        let port = self.port(n);
        match bpdu {
            Bpdu::Config { .. } => port.counters.tx_config += 1,
            Bpdu::Tcn => port.counters.tx_tcn += 1,
            Bpdu::Rst { .. } => port.counters.tx_rst += 1,
        }
        let source = port.address;
        let frame = BpduFrame {
            destination,
            source,
            bpdu,
        };
        let frame = frame.emit();
        self.actions.push(Action::Send { port: n, frame });
    }

    /// A port's status, but for what only its machine knows.
    pub fn port_status(&self, n: u16, role: Role, vector: &Vector) -> PortStatus {
        let port = &self.ports[&n];
        PortStatus {
            number: n,
            port_id: self.port_id(n),
            state: port.state,
            role,
            path_cost: self.path_cost(n),
            admin_cost: port.settings.cost.is_some(),
            designated_root: vector.root,
            designated_cost: vector.cost,
            designated_bridge: vector.bridge,
            designated_port: vector.port,
            message_age_timer: Duration::ZERO,
            forward_delay_timer: Duration::ZERO,
            hold_timer: Duration::ZERO,
            topology_change_ack: false,
            config_pending: false,
            oper_edge: false,
            oper_point_to_point: port.point_to_point(),
            send_rstp: false,
            guard_disabled: port.guard_disabled,
            root_inconsistent: port.root_inconsistent,
            counters: port.counters,
        }
    }
}

/// A spanning tree machine: what `classic` and `rapid` both are.
///
/// Ports of the calls exist in `Shared`, and were added here. `Shared::now` is set before each call.
pub(super) trait Engine: Send {
    /// A new port, disabled.
    fn add_port(&mut self, sh: &mut Shared, n: u16);
    /// A port goes; it is disabled.
    fn remove_port(&mut self, n: u16);
    /// A port takes part from now on.
    fn enable(&mut self, sh: &mut Shared, n: u16);
    /// A port takes part no more.
    fn disable(&mut self, sh: &mut Shared, n: u16);
    /// The bridge starts; its ports are enabled afterwards.
    fn start(&mut self, sh: &mut Shared);
    /// The bridge stops; its ports are disabled.
    fn stop(&mut self, sh: &mut Shared);
    /// A valid BPDU came on an enabled port.
    fn receive(&mut self, sh: &mut Shared, n: u16, bpdu: &Bpdu);
    /// Time has passed.
    fn poll(&mut self, sh: &mut Shared);
    /// The bridge's settings have changed; its identifier was `old`.
    fn bridge_changed(&mut self, sh: &mut Shared, old: BridgeId);
    /// A port's settings or speed have changed; its identifier was `old`.
    fn port_changed(&mut self, sh: &mut Shared, n: u16, old: u16);
    /// Tries RST BPDUs on a port again (mcheck, clause 17.19.13).
    fn mcheck(&mut self, sh: &mut Shared, n: u16);
    /// When `poll` is to be called.
    fn next_deadline(&self) -> Option<Duration>;
    /// The bridge, as shown.
    fn bridge_status(&self, sh: &Shared) -> BridgeStatus;
    /// A port, as shown.
    fn port_status(&self, sh: &Shared, n: u16) -> PortStatus;
}

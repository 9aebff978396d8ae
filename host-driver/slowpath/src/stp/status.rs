//! What a bridge and its ports show: states, roles, actions, counters, and the numbers of `ip -d link` and sysfs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::Protocol;
use crate::wire::bpdu::BridgeId;

/// A port's state, under Linux's numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum PortState {
    /// Takes nothing.
    #[default]
    Disabled = 0,
    /// BPDUs only; on its way to forwarding (STP).
    Listening = 1,
    /// BPDUs, and addresses are learnt.
    Learning = 2,
    /// Everything.
    Forwarding = 3,
    /// BPDUs only. RSTP's discarding state is shown as this.
    Blocking = 4,
}

/// A port's role (IEEE 802.1D-2004 clause 17.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not part of the tree.
    #[default]
    Disabled,
    /// The way to the root.
    Root,
    /// The way of a segment to the root.
    Designated,
    /// Another way to the root, blocked.
    Alternate,
    /// Another way to a segment that this bridge serves, blocked.
    Backup,
}

/// What the caller is to do, in this order.
///
/// The order counts: a port that must stop forwarding stops before another one starts, and before the BPDU that says so is sent. Whoever
/// carries the actions out in this order, each before the next, never has a loop that the protocol did not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts a port into a state.
    SetState {
        /// The port.
        port: u16,
        /// Its state from now on.
        state: PortState,
    },
    /// Sends a frame, whatever state the port is in.
    Send {
        /// The port.
        port: u16,
        /// The whole frame without its FCS.
        frame: Vec<u8>,
    },
    /// Forgets the addresses learnt on a port.
    Flush {
        /// The port.
        port: u16,
    },
    /// Uses another ageing time for all learnt addresses (STP during a topology change), or the configured one again.
    Ageing {
        /// The short time; `None`: as configured.
        time: Option<Duration>,
    },
    /// The topology changes: event for whoever listens.
    TopologyChange,
    /// BPDU guard has disabled a port; it stays so until its link goes down and up.
    GuardDisabled {
        /// The port.
        port: u16,
    },
    /// Root guard holds a port back, or does so no more.
    RootInconsistent {
        /// The port.
        port: u16,
        /// Held back.
        inconsistent: bool,
    },
}

/// What a port has received and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Config BPDUs received.
    pub rx_config: u64,
    /// Topology change notifications received.
    pub rx_tcn: u64,
    /// RST BPDUs received.
    pub rx_rst: u64,
    /// Frames received that are no valid BPDU, or not for this bridge's group.
    pub rx_bad: u64,
    /// BPDUs of this very port that came back to it; dropped (clause 9.3.4).
    pub rx_looped: u64,
    /// Config BPDUs sent.
    pub tx_config: u64,
    /// Topology change notifications sent.
    pub tx_tcn: u64,
    /// RST BPDUs sent.
    pub tx_rst: u64,
    /// Times the port came to the forwarding state.
    pub forward_transitions: u64,
    /// Times it left the learning or forwarding state for a blocking one.
    pub blocking_transitions: u64,
}

/// A bridge, as shown. Timers: the time left, zero when not running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeStatus {
    /// Which protocol runs.
    pub protocol: Protocol,
    /// This bridge.
    pub bridge_id: BridgeId,
    /// The root.
    pub designated_root: BridgeId,
    /// The way to it; `None` on the root itself.
    pub root_port: Option<u16>,
    /// The cost of that way.
    pub root_path_cost: u32,
    /// The root's max age, in force.
    pub max_age: Duration,
    /// The root's hello time, in force.
    pub hello_time: Duration,
    /// The root's forward delay, in force.
    pub forward_delay: Duration,
    /// Time to the next BPDUs of the root (STP), or the next of any port (RSTP).
    pub hello_timer: Duration,
    /// Time to the next topology change notification (STP).
    pub tcn_timer: Duration,
    /// How long the topology change lasts: the root's timer (STP), the longest `tcWhile` (RSTP).
    pub topology_change_timer: Duration,
    /// A topology change is announced.
    pub topology_change: bool,
    /// This bridge has seen one, and, if not the root, has no acknowledgement yet.
    pub topology_change_detected: bool,
    /// How many there were.
    pub topology_change_count: u64,
    /// Time since the last; `None` before the first.
    pub since_topology_change: Option<Duration>,
}

/// A port, as shown. Timers: the time left, zero when not running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Its number.
    pub number: u16,
    /// Its identifier: priority and number.
    pub port_id: u16,
    /// Its state.
    pub state: PortState,
    /// Its role.
    pub role: Role,
    /// Its path cost.
    pub path_cost: u32,
    /// The cost was set; it does not follow the speed.
    pub admin_cost: bool,
    /// The root that the segment's designated bridge announces.
    pub designated_root: BridgeId,
    /// The cost that it announces.
    pub designated_cost: u32,
    /// The segment's designated bridge.
    pub designated_bridge: BridgeId,
    /// Its port.
    pub designated_port: u16,
    /// Time until the received information is too old.
    pub message_age_timer: Duration,
    /// Time until the next state on the way to forwarding.
    pub forward_delay_timer: Duration,
    /// Time for which a BPDU is held back (STP), or until one more may be sent (RSTP).
    pub hold_timer: Duration,
    /// The next Config BPDU acknowledges a topology change.
    pub topology_change_ack: bool,
    /// A BPDU is to be sent when the hold timer lets it.
    pub config_pending: bool,
    /// The port is an edge port now.
    pub oper_edge: bool,
    /// The link has two ends.
    pub oper_point_to_point: bool,
    /// The port sends RST BPDUs.
    pub send_rstp: bool,
    /// BPDU guard has disabled it.
    pub guard_disabled: bool,
    /// Root guard holds it back.
    pub root_inconsistent: bool,
    /// What it received and sent.
    pub counters: Counters,
}

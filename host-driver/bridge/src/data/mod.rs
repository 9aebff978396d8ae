//! The way of a frame through the bridge.
//!
//! ```text
//! port's receive handler -> ingress.rs -> reserved.rs   (01:80:c2:00:00:0n: the tree's, the port's own, or on)
//!                                 |
//!                 VLAN filter, locked ports, learning, multicast snooping (multicast.rs), ARP and ND (crate::neigh)
//!                                 |
//!                           forward.rs -> the ports' devices (Softnet::forward)
//!                                 |
//!                             local.rs -> up, on the bridge's device; and what the bridge's device is given to send
//! ```
//!
//! No lock is taken but for an address that is new or has moved, for a multicast frame where snooping is on, and for a BPDU.

mod forward;
mod ingress;
mod local;
mod multicast;
mod reserved;

use std::sync::Arc;

use arc_swap::Guard;
use smartnic_netdev::Dev;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::Pdu;

use crate::bridge::Bridge;
use crate::port::{Port, PortTable};
use crate::vlan::Admitted;

pub(crate) use reserved::PROVIDER_FORWARDS;
pub use reserved::{BRIDGE_RESTRICTED, PORT_RESTRICTED, reserved};

/// What a port's device gives its frames to.
pub(crate) struct PortHandler {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) dev: Dev,
    pub(crate) port: Arc<Port>,
}

/// A frame on its way, beside its bytes.
pub(crate) struct Path<'a> {
    pub(crate) bridge: &'a Bridge,
    /// The bridge's device.
    pub(crate) dev: &'a Dev,
    pub(crate) ports: &'a Guard<Arc<PortTable>>,
    /// The port that it came in by; none: the bridge itself sends it.
    pub(crate) from: Option<&'a Port>,
    pub(crate) admitted: Admitted,
    pub(crate) source: MacAddr,
    pub(crate) destination: MacAddr,
    /// It was an ARP or ND message that has been answered, or that must not reach ports that suppress them.
    pub(crate) answered: bool,
    /// It is a message of IGMP or MLD.
    pub(crate) pdu: Option<Pdu>,
}

/// Destination and source of a frame whose link header begins here.
fn addresses(frame: &[u8]) -> Option<(MacAddr, MacAddr)> {
    let header: &[u8; 12] = frame.first_chunk()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
    Some((MacAddr([a, b, c, d, e, f]), MacAddr([g, h, i, j, k, l])))
}

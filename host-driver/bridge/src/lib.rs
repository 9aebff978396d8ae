//! The Linux bridge in software, as a master on the device model of `smartnic-netdev`, to the behaviour of Linux 6.12.
//!
//! [`Bridges`] is the bridge kind of a [`Core`](smartnic_netdev::Core): it makes and deletes bridges, follows what happens to their ports, and runs their timers. [`Bridge`] is one of them.
//! Frames go their way on the threads of the data path (`data/`); nothing here has a thread or a clock of its own.
//!
//! | folder | what |
//! |---|---|
//! | `data/` | the way of a frame |
//! | `fdb/` | the forwarding database |
//! | `vlan/` | VLAN filtering, per-VLAN states and counters, MST |
//! | `neigh/` | ARP and ND answered and suppressed |
//! | `port/` | ports: joining and leaving, states, options, promiscuity, counters |
//! | `tree.rs`, `snoop.rs` | the machines of `smartnic-slowpath` for the spanning tree and for multicast |
//! | `module.rs`, `ops.rs`, `settings.rs`, `command/` | bridges as devices, their options, what users ask for |
//!
//! What it costs: [`measure`], `docs/softbridge.md`.

mod bridge;
mod command;
mod data;
mod events;
mod fdb;
mod flags;
pub mod measure;
mod module;
mod neigh;
mod ops;
mod port;
mod settings;
mod snoop;
mod tree;
mod vlan;

use smartnic_netdev::{Errno, NetdevError, Result};

pub use bridge::{AGEING_DEFAULT, Bridge};
pub use command::{fdb_add_self, fdb_del_self};
pub use data::{BRIDGE_RESTRICTED, PORT_RESTRICTED, reserved};
pub use events::{Event, LISTENER_LEN, Listener};
pub use fdb::{FdbEntry, FdbFilter, FdbFlags, FdbRequest, FdbState, FdbWay, MAX_ENTRIES};
pub use flags::{BridgeFlags, Stp};
pub use module::Bridges;
pub use neigh::Neighbours;
pub use port::{PORT_OPTIONS, PortCounters, PortFlags, port_state_of};
pub use settings::OPTIONS;
pub use vlan::{VID_MAX, VlanCounters, VlanEntry, VlanFlags};

fn refuse<T>(
    errno: Errno,
    argument: &'static str,
    value: impl ToString,
    reason: &'static str,
) -> Result<T> {
    Err(NetdevError::new(errno, argument, value, reason))
}

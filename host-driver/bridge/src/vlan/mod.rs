//! VLANs of ports and of the bridge: filtering, PVIDs, states, MST.
//!
//! | file | what |
//! |---|---|
//! | `group.rs` | what the data path looks up |
//! | `filter.rs` | which frames get in and out |
//! | `table.rs` | adding and deleting VLANs, PVID and default PVID |
//! | `mst.rs` | states by VLAN and by MST instance |

mod filter;
mod group;
mod mst;
mod table;

pub(crate) use filter::{Admitted, Refused};
pub(crate) use group::VlanGroup;
pub use group::{VID_MAX, VlanCounters};
pub use table::{VlanEntry, VlanFlags};

//! Types of the calls and replies, as the interface description has them; those of databases and VLANs are in `tables.rs`.

mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::device::fdb::FdbCounters;
use crate::device::stats::BufferState;
pub use tables::{
    AddFdb, ChangeMdb, ChangeVlan, DeleteFdb, FdbEventInfo, FdbInfo, FlushFdb, FlushMdb, GetFdb,
    ListFdb, ListMdb, ListMst, ListVlans, SetMst, SetVlan,
};

/// Option words and values.
pub type Options = BTreeMap<String, String>;

/// Parameters of calls that name at most one interface.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByName {
    /// The interface; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Parameters of calls that name one interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The interface.
    pub name: String,
}

/// Parameters of calls without any.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Parameters of SetDevice.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDevice {
    /// Frames are forwarded.
    pub forward: bool,
}

/// Parameters of AddLink.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLink {
    /// Name, with `%d` for a number.
    pub name: String,
    /// `bridge`, `lag`, `bond` or `vlan`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The device below, of a VLAN device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u64>,
    /// Up at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// Options of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
}

/// Parameters of SetLink: what is not there stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLink {
    /// The interface.
    pub name: String,
    /// Up or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// Master; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u64>,
    /// Options of its own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
    /// Options that it has in its master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_options: Option<Options>,
    /// What every device has: `name`, `txqueuelen`, `promisc`, `allmulticast`, `multicast`, `arp`, `dynamic`, `carrier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Options>,
}

/// Parameters of Ioctl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ioctl {
    /// `addbr`, `delbr`, `addif`, `delif`, `enslave`, `release`, `sethwaddr`.
    pub request: String,
    /// The bridge or bond.
    pub name: String,
    /// The interface that it is to take or lose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// A netconsole: parameters of AddNetconsole, and what ListNetconsoles shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Netconsole {
    /// The device.
    pub dev: String,
    /// Address and port on this side.
    pub local: String,
    /// Address and port of the other side.
    pub remote: String,
    /// Ethernet address of the other side; broadcast without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The mildest level that is sent, 0 to 7 (6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// `basic` (which it is without it) or `extended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What the magic sequence has to have in it; never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// The card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Transport and address.
    pub device: String,
    /// `running` or `gone`.
    pub state: String,
    /// Why it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Register map version.
    pub version: String,
    /// Ethernet ports.
    pub ports: u32,
    /// LAG groups.
    pub lag_groups: u32,
    /// Rings of each kind.
    pub queues: u32,
    /// Classes.
    pub classes: u32,
    /// FDB entries in the tables.
    pub fdb_entries: u32,
    /// FDB entries in the CAM.
    pub cam_entries: u32,
    /// Cells of 64 bytes.
    pub cells: u32,
    /// Frames are forwarded between ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<bool>,
    /// Core clock cycles since power on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// The FDB's counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fdb: Option<FdbCounters>,
    /// The packet buffer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<BufferState>,
    /// Restarts of receive, transmit and event ring.
    #[serde(default)]
    pub ring_restarts: Vec<u64>,
}

/// A hardware port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PortInfo {
    /// Name.
    pub ifname: String,
    /// Hardware number.
    pub port: u32,
    /// Link is up.
    pub link: bool,
    /// Mb/s.
    pub speed: u32,
    /// Paused by the peer.
    pub paused: bool,
    /// MTU.
    pub mtu: u32,
    /// Bridge or lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What a bridge says of it (of its lag, if it is in one).
    #[serde(flatten)]
    pub bridge: Map<String, Value>,
}

/// A member of a lag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LagMemberInfo {
    /// Name.
    pub ifname: String,
    /// `ACTIVE` or `BACKUP`.
    pub state: String,
    /// `UP` or `DOWN`.
    pub mii_status: String,
    /// Buckets that lead to it.
    pub buckets: u32,
}

/// A lag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LagInfo {
    /// Name.
    pub ifname: String,
    /// Hardware group.
    pub group: u32,
    /// Mode.
    pub mode: String,
    /// Hash policy.
    pub xmit_hash_policy: String,
    /// How buckets are filled.
    pub lb_fill: String,
    /// Active member of active-backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_slave: Option<String>,
    /// Members in the order of joining.
    pub members: Vec<LagMemberInfo>,
    /// Frames without a live member.
    pub no_member: u32,
    /// Frames kept from returning to their group, all groups.
    pub pruned: u32,
}

/// Counters of one interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counters {
    /// Name; `host` for the host port.
    pub ifname: String,
    /// By name.
    pub counters: BTreeMap<String, u64>,
}

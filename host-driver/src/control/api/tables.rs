//! The forwarding database, the multicast database and VLANs: parameters and replies.

use serde::{Deserialize, Serialize};

use super::Options;

/// Parameters of ListMdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListMdb {
    /// This bridge's; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// In this VLAN only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<u16>,
}

/// Parameters of AddMdb and DeleteMdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeMdb {
    /// The bridge.
    pub dev: String,
    /// One of its ports, or the bridge.
    pub port: String,
    /// The group's address.
    pub grp: String,
    /// The source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// The VLAN; without it none, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<u16>,
    /// Stays until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// `include` or `exclude`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_mode: Option<String>,
    /// Sources, for the mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_list: Vec<String>,
    /// Who made it, by a routing protocol's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proto: Option<u8>,
    /// Changes an entry that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
}

/// Parameters of FlushMdb: what is given has to be true of an entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlushMdb {
    /// The bridge.
    pub dev: String,
    /// One of its ports, or the bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// VLAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<u16>,
    /// Permanent, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// Made by this protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proto: Option<u8>,
}

/// Parameters of ListFdb: what is given has to be true of an entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFdb {
    /// Entries to this device only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// Entries of this bridge only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub br: Option<String>,
    /// In this VLAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// `permanent`, `static`, `reachable` or `stale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<bool>,
}

/// Parameters of GetFdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetFdb {
    /// The address.
    pub mac: String,
    /// The bridge port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// The bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub br: Option<String>,
    /// The VLAN (0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// Parameters of AddFdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddFdb {
    /// The bridge port, or the bridge.
    pub dev: String,
    /// The address.
    pub mac: String,
    /// `permanent`, `static` or `dynamic`.
    pub state: String,
    /// `sticky`, `extern_learn`, `blackhole`, `locked`, `use`; `self`: on the device's own list, `master`: its bridge's.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The VLAN; without it none and all that the port is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Changes one that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
}

/// Parameters of DeleteFdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteFdb {
    /// The bridge port, or the bridge.
    pub dev: String,
    /// The address.
    pub mac: String,
    /// `self` or `master`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The VLAN; without it none and all that the port is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// Parameters of FlushFdb.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlushFdb {
    /// The bridge port, or the bridge; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// The bridge that `dev` must be a port of; without `dev`, this bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub br: Option<String>,
    /// `dynamic`, `extern_learn` or `all`; with `flags`, those say what.
    pub what: String,
    /// In this VLAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// `permanent`, `static`, `dynamic`, `added_by_user`, `extern_learn`, `sticky`, `offloaded`, `locked`, each with `no` before it for its opposite: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// An FDB entry, by iproute2's keys. What only one of the hardware's and the software's has is not there for the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbInfo {
    /// Address.
    pub mac: String,
    /// Bridge port, or the bridge for local ones.
    pub ifname: String,
    /// VLAN, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Flags.
    pub flags: Vec<String>,
    /// `permanent`, `static`, or empty.
    pub state: String,
    /// FID, in hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid: Option<u16>,
    /// 3 fresh to 0 oldest, in hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// Seconds since a frame was last sent by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Seconds since it was last learned or set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<u64>,
}

/// A change of the FDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbEventInfo {
    /// `added`, `moved`, `deleted`, `aged` or `refused`.
    pub event: String,
    /// The entry is not there any more.
    pub deleted: bool,
    /// The entry.
    pub entry: FdbInfo,
}

/// Parameters of ListVlans and ListVlanGlobals.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListVlans {
    /// This port's, or bridge's; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// This VLAN only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<u16>,
}

/// Parameters of AddVlan and DeleteVlan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeVlan {
    /// The bridge port; with `self` the bridge.
    pub dev: String,
    /// VLAN, or the first.
    pub vid: u16,
    /// The last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid_end: Option<u16>,
    /// `pvid`, `untagged`; `self`, `master`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// Parameters of SetVlan and SetVlanGlobal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetVlan {
    /// The bridge port, or the bridge.
    pub dev: String,
    /// VLAN, or the first.
    pub vid: u16,
    /// The last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid_end: Option<u16>,
    /// `state`, `neigh_suppress` and snooping's; of the bridge: `msti` and snooping's.
    pub options: Options,
}

/// Parameters of ListMst.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListMst {
    /// This port's; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
}

/// Parameters of SetMst.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMst {
    /// The bridge port.
    pub dev: String,
    /// MST instance.
    pub msti: u16,
    /// State, by its word or number.
    pub state: String,
}

//! The fields of BPDUs: identifiers, times, and what Config and RST BPDUs have in common (IEEE 802.1D-2004 clause 9.2).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::MacAddr;

/// Where the fields are, from the first octet of the BPDU.
pub(super) mod at {
    pub const VERSION: usize = 2;
    pub const TYPE: usize = 3;
    pub const FLAGS: usize = 4;
    pub const ROOT: usize = 5;
    pub const COST: usize = 13;
    pub const BRIDGE: usize = 17;
    pub const PORT: usize = 25;
    pub const MESSAGE_AGE: usize = 27;
    pub const MAX_AGE: usize = 29;
    pub const HELLO_TIME: usize = 31;
    pub const FORWARD_DELAY: usize = 33;
}

/// A bridge identifier (clause 9.2.5); the lower one is the better one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BridgeId {
    /// Priority, with the system identifier extension in its low twelve bits where one is used.
    pub priority: u16,
    /// The bridge's address.
    pub address: MacAddr,
}

impl BridgeId {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut address = [0; 6];
        address.copy_from_slice(&bytes[2..8]);
        Self {
            priority: u16::from_be_bytes([bytes[0], bytes[1]]),
            address: MacAddr(address),
        }
    }
    fn bytes(&self) -> [u8; 8] {
        let ([p, q], [a, b, c, d, e, f]) = (self.priority.to_be_bytes(), self.address.0);
        [p, q, a, b, c, d, e, f]
    }
}

impl BridgeId {
    /// As `ip -d link` has it: `8000.2:0:0:0:0:1`.
    pub fn ip_text(&self) -> String {
        let [a, b, c, d, e, f] = self.address.0;
        format!("{:04x}.{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}", self.priority)
    }
}

/// As sysfs and brctl show it: `8000.020000000001`.
impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.address.0;
        let priority = self.priority;
        write!(
            f,
            "{priority:04x}.{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{g:02x}"
        )
    }
}

/// A time as BPDUs hold it: in units of 1/256 s (clause 9.2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BpduTime(pub u16);

impl BpduTime {
    /// To the nearest unit; what does not fit becomes the longest time, 255.996 s.
    pub fn from_duration(time: Duration) -> Self {
        let units = (time.as_nanos() * 256 + 500_000_000) / 1_000_000_000;
        Self(u16::try_from(units).unwrap_or(u16::MAX))
    }
    /// The exact time.
    pub fn duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.0) * 1_000_000_000 / 256)
    }
}

/// What Config and RST BPDUs have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The root bridge.
    pub root: BridgeId,
    /// The cost of the way to it.
    pub root_path_cost: u32,
    /// The bridge that sends.
    pub bridge: BridgeId,
    /// Its port: priority and number.
    pub port: u16,
    /// How old the root's information is.
    pub message_age: BpduTime,
    /// When it is too old.
    pub max_age: BpduTime,
    /// Time between two Config or RST BPDUs.
    pub hello_time: BpduTime,
    /// Time in each of the listening and the learning state.
    pub forward_delay: BpduTime,
}

impl Message {
    pub(super) fn read(b: &[u8]) -> Self {
        let u16_at = |i: usize| u16::from_be_bytes([b[i], b[i + 1]]);
        let cost = [0, 1, 2, 3].map(|i| b[at::COST + i]);
        Self {
            root: BridgeId::read(&b[at::ROOT..]),
            root_path_cost: u32::from_be_bytes(cost),
            bridge: BridgeId::read(&b[at::BRIDGE..]),
            port: u16_at(at::PORT),
            message_age: BpduTime(u16_at(at::MESSAGE_AGE)),
            max_age: BpduTime(u16_at(at::MAX_AGE)),
            hello_time: BpduTime(u16_at(at::HELLO_TIME)),
            forward_delay: BpduTime(u16_at(at::FORWARD_DELAY)),
        }
    }
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.root.bytes());
        out.extend(self.root_path_cost.to_be_bytes());
        out.extend(self.bridge.bytes());
        let times = [
            self.message_age,
            self.max_age,
            self.hello_time,
            self.forward_delay,
        ];
        out.extend(self.port.to_be_bytes());
        out.extend(times.iter().flat_map(|time| time.0.to_be_bytes()));
    }
}

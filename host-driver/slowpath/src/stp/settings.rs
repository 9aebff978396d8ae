//! What may be set on a bridge and its ports, the ranges, and the defaults.
//!
//! Ranges and defaults are those of IEEE 802.1D-2004 clause 17.14 and, where Linux allows more (hello time to 10 s, any bridge priority,
//! 64 port priorities), those of Linux. The relation between the three times (clause 17.14) is enforced, which Linux does not.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::MacAddr;
use crate::wire::bpdu::{BRIDGE_GROUP, BpduError};

/// Which spanning tree protocol a bridge runs (ForceProtocolVersion, clause 17.13.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// 0: IEEE 802.1D-1998 clause 8, as Linux's kernel runs it.
    Stp,
    /// 2: IEEE 802.1D-2004 clause 17.
    Rstp,
}

/// What was asked for and cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StpError {
    /// A number outside its range (ERANGE).
    #[error("{what} {value} is outside {low} to {high}")]
    Range {
        /// Which argument, by the user's word for it.
        what: &'static str,
        /// What was asked.
        value: String,
        /// The least.
        low: String,
        /// The most.
        high: String,
    },
    /// The three times do not fit together (EINVAL).
    #[error(
        "max age {max_age:?} does not fit: 2 * (forward delay {forward_delay:?} - 1 s) >= max age >= 2 * (hello time {hello_time:?} + 1 s) \
         must hold; set all three at once"
    )]
    Relation {
        /// Max age.
        max_age: Duration,
        /// Hello time.
        hello_time: Duration,
        /// Forward delay.
        forward_delay: Duration,
    },
    /// No such port (EINVAL).
    #[error("the bridge has no port {0}")]
    NoPort(u16),
    /// All numbers are given (EXFULL).
    #[error("the bridge has {MAX_PORTS} ports already")]
    TooManyPorts,
    /// A frame that is no BPDU.
    #[error(transparent)]
    Bpdu(#[from] BpduError),
    /// A frame for another group.
    #[error("the frame is for {0}, not for the bridge's group address")]
    Destination(MacAddr),
}

/// Port numbers are 1 to this.
pub const MAX_PORTS: u16 = 1023;

const SECOND: Duration = Duration::from_secs(1);
const MAX_AGE: RangeInclusive<u64> = 6..=40;
const HELLO_TIME: RangeInclusive<u64> = 1..=10;
const FORWARD_DELAY: RangeInclusive<u64> = 4..=30;

/// The times that a root bridge decides for its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeTimes {
    /// Age at which information is dropped: 6 to 40 s, 20 s.
    pub max_age: Duration,
    /// Time between two BPDUs of a designated port: 1 to 10 s, 2 s.
    pub hello_time: Duration,
    /// Time in each of the states listening and learning: 4 to 30 s, 15 s.
    pub forward_delay: Duration,
}

impl Default for BridgeTimes {
    fn default() -> Self {
        Self {
            max_age: 20 * SECOND,
            hello_time: 2 * SECOND,
            forward_delay: 15 * SECOND,
        }
    }
}

impl BridgeTimes {
    /// Checks ranges and relation.
    ///
    /// # Errors
    ///
    /// The first time outside its range; the relation.
    pub fn check(&self) -> Result<(), StpError> {
        for (what, time, range) in [
            ("max_age", self.max_age, MAX_AGE),
            ("hello_time", self.hello_time, HELLO_TIME),
            ("forward_delay", self.forward_delay, FORWARD_DELAY),
        ] {
            let (low, high) = (
                Duration::from_secs(*range.start()),
                Duration::from_secs(*range.end()),
            );
            if !(low..=high).contains(&time) {
                return Err(StpError::Range {
                    what,
                    value: format!("{time:?}"),
                    low: format!("{low:?}"),
                    high: format!("{high:?}"),
                });
            }
        }
        let most = 2 * (self.forward_delay - SECOND);
        let least = 2 * (self.hello_time + SECOND);
        if !(least..=most).contains(&self.max_age) {
            return Err(StpError::Relation {
                max_age: self.max_age,
                hello_time: self.hello_time,
                forward_delay: self.forward_delay,
            });
        }
        Ok(())
    }
}

fn in_range<T: PartialOrd + ToString>(
    what: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), StpError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(StpError::Range {
        what,
        value: value.to_string(),
        low: range.start().to_string(),
        high: range.end().to_string(),
    })
}

/// A bridge's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeSettings {
    /// The bridge's address, the lower part of its identifier.
    pub address: MacAddr,
    /// Priority, the upper part: any (the standard wants multiples of 4096), 0x8000.
    pub priority: u16,
    /// Times that hold where this bridge is the root.
    pub times: BridgeTimes,
    /// BPDUs that a port may send in a second (RSTP): 1 to 10, 6.
    pub tx_hold_count: u8,
    /// Where BPDUs go, and the only destination that is taken.
    pub group_address: MacAddr,
    /// Which protocol runs.
    pub protocol: Protocol,
}

impl BridgeSettings {
    /// The defaults for a bridge of this address.
    pub fn new(address: MacAddr, protocol: Protocol) -> Self {
        Self {
            address,
            priority: 0x8000,
            times: BridgeTimes::default(),
            tx_hold_count: 6,
            group_address: BRIDGE_GROUP,
            protocol,
        }
    }

    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn check(&self) -> Result<(), StpError> {
        in_range("tx_hold_count", self.tx_hold_count, 1..=10)?;
        self.times.check()
    }
}

/// Whether a port's link has just two ends (adminPointToPointMAC, clause 6.4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointToPoint {
    /// It is forced to be so.
    Yes,
    /// It is forced not to be.
    No,
    /// A full duplex link is.
    #[default]
    Auto,
}

/// A port's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSettings {
    /// Upper six bits of the port's identifier: 0 to 63, 32.
    pub priority: u8,
    /// Path cost; without one it follows the speed.
    pub cost: Option<u32>,
    /// BPDU guard: a BPDU disables the port.
    pub guard: bool,
    /// Root guard: the port never becomes root port.
    pub root_block: bool,
    /// The port is an edge port until a BPDU proves otherwise (RSTP).
    pub admin_edge: bool,
    /// The port becomes an edge port when no BPDU comes (RSTP); on.
    pub auto_edge: bool,
    /// Whether the link has just two ends (RSTP).
    pub point_to_point: PointToPoint,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            priority: 32,
            cost: None,
            guard: false,
            root_block: false,
            admin_edge: false,
            auto_edge: true,
            point_to_point: PointToPoint::Auto,
        }
    }
}

impl PortSettings {
    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn check(&self, protocol: Protocol) -> Result<(), StpError> {
        in_range("priority", self.priority, 0..=63)?;
        let most = match protocol {
            Protocol::Stp => 65_535,
            Protocol::Rstp => 200_000_000,
        };
        self.cost
            .map_or(Ok(()), |cost| in_range("cost", cost, 1..=most))
    }
}

/// What a port's link is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Set up, and with carrier.
    pub up: bool,
    /// Mb/s, if known; of a LAG, its members' together.
    pub speed: Option<u32>,
    /// Full duplex.
    pub full_duplex: bool,
}

impl Link {
    /// A full duplex link that is up.
    pub fn up(speed: u32) -> Self {
        Self {
            up: true,
            speed: Some(speed),
            full_duplex: true,
        }
    }
    /// No link.
    pub fn down() -> Self {
        Self::default()
    }
}

/// The path cost of a speed in Mb/s.
///
/// STP: Linux's table. RSTP: 20,000,000 Mb/s over the speed, which gives table 17-3 and fills its gaps. Unknown speeds cost what 10 Mb/s
/// does.
pub fn path_cost(protocol: Protocol, speed: Option<u32>) -> u32 {
    let speed = speed.filter(|speed| *speed > 0).unwrap_or(10);
    match protocol {
        Protocol::Rstp => (20_000_000 / speed).max(1),
        Protocol::Stp => match speed {
            10_001.. => 1,
            10_000 => 2,
            5_000..10_000 => 3,
            2_500..5_000 => 4,
            1_000..2_500 => 5,
            100..1_000 => 19,
            _ => 100,
        },
    }
}

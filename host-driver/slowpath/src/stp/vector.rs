//! Priority vectors and times (IEEE 802.1D-2004 clauses 17.5 and 17.6).

use std::time::Duration;

use super::settings::BridgeTimes;
use crate::wire::bpdu::{BpduTime, BridgeId, Message};

/// A spanning tree priority vector without the receiving port; the lesser one is the better one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vector {
    pub root: BridgeId,
    pub cost: u32,
    pub bridge: BridgeId,
    pub port: u16,
}

impl Vector {
    pub fn of(message: &Message) -> Self {
        Self {
            root: message.root,
            cost: message.root_path_cost,
            bridge: message.bridge,
            port: message.port,
        }
    }

    /// Superior to `other` (17.6): better, or anything else from the same port of the same bridge.
    pub fn superior_to(&self, other: &Self) -> bool {
        let same_port = self.bridge.address == other.bridge.address
            && port_number(self.port) == port_number(other.port);
        self < other || (self != other && same_port)
    }
}

/// The number in a port identifier: the lower ten bits. (The standard has twelve; sixteen numbers of a foreign bridge with more than 1,023
/// ports then look alike, which only makes their messages superior to each other.)
pub(super) fn port_number(id: u16) -> u16 {
    id & 0x3ff
}

/// The timer parameters that travel with a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub message_age: Duration,
    pub max_age: Duration,
    pub hello_time: Duration,
    pub forward_delay: Duration,
}

impl Times {
    pub fn of(message: &Message) -> Self {
        Self {
            message_age: message.message_age.duration(),
            max_age: message.max_age.duration(),
            hello_time: message.hello_time.duration(),
            forward_delay: message.forward_delay.duration(),
        }
    }
    /// Those of a root bridge.
    pub fn of_bridge(times: &BridgeTimes) -> Self {
        Self {
            message_age: Duration::ZERO,
            max_age: times.max_age,
            hello_time: times.hello_time,
            forward_delay: times.forward_delay,
        }
    }
    /// A message of this vector and these times.
    pub fn message(&self, vector: &Vector) -> Message {
        Message {
            root: vector.root,
            root_path_cost: vector.cost,
            bridge: vector.bridge,
            port: vector.port,
            message_age: BpduTime::from_duration(self.message_age),
            max_age: BpduTime::from_duration(self.max_age),
            hello_time: BpduTime::from_duration(self.hello_time),
            forward_delay: BpduTime::from_duration(self.forward_delay),
        }
    }
}

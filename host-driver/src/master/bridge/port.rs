//! A port of a bridge: its options by iproute2's words.

use serde_json::{Map, Value, json};
use smartnic_slowpath::stp::words::{COST_MAX, PORT_PRIORITY_MAX};
use smartnic_slowpath::stp::{PointToPoint, PortSettings, PortState};

use super::multicast::PortKnobs;
use super::reserved;
use crate::master::options;
use crate::netdev::{IfIndex, NetError};

/// Words of a port's options.
pub const PORT_OPTIONS: [&str; 16] = [
    "state",
    "priority",
    "cost",
    "guard",
    "root_block",
    "admin_edge",
    "auto_edge",
    "point_to_point",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
    "learning_sync",
    "group_fwd_mask",
];
/// Those that the hardware does; the others are the driver's.
pub const IN_HARDWARE: [&str; 7] = [
    "state",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
];

/// Learning of a bridge port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learning {
    /// None.
    Off,
    /// Hardware inserts.
    Hardware,
    /// Hardware reports, the driver inserts.
    SlowPath,
}

impl Learning {
    /// The word for it.
    pub fn name(self) -> &'static str {
        ["off", "hardware", "slow-path"][self as usize]
    }
}

/// A port of a bridge with its options.
#[derive(Clone, Debug)]
pub struct BridgePort {
    /// The device: a port of the card or a lag.
    pub ifindex: IfIndex,
    /// `values::state` while the device is up, as a user or the spanning tree has set it.
    pub state: u32,
    /// What the spanning tree is told.
    pub stp: PortSettings,
    /// Learning.
    pub learning: Learning,
    /// Floods unknown unicast to it.
    pub flood: bool,
    /// Floods multicast to it.
    pub mcast_flood: bool,
    /// Floods broadcast to it.
    pub bcast_flood: bool,
    /// Frames may go back to where they came from.
    pub hairpin: bool,
    /// Not forwarded to other isolated ports.
    pub isolated: bool,
    /// What the hardware learns is learned; it always is.
    pub learning_sync: bool,
    /// Reserved addresses that are forwarded from it, bit n for 01:80:C2:00:00:0n.
    pub group_fwd_mask: u16,
    /// The settings of multicast snooping.
    pub multicast: PortKnobs,
}

impl BridgePort {
    pub(super) fn new(ifindex: IfIndex, state: u32) -> Self {
        Self {
            ifindex,
            state,
            stp: PortSettings::default(),
            learning: Learning::Hardware,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
            hairpin: false,
            isolated: false,
            learning_sync: false,
            group_fwd_mask: 0,
            multicast: PortKnobs::default(),
        }
    }

    /// Sets an option, but for `state`, which is the bridge's to allow.
    pub(super) fn set(&mut self, option: &str, value: &str) -> Result<(), NetError> {
        let on_off = || options::on_off(option, value);
        match option {
            "priority" => {
                self.stp.priority = options::number(option, value, 0..=PORT_PRIORITY_MAX)? as u8;
            }
            // iproute2 has no word for "by speed" (a cost of 0 is an error there); ours is 0.
            "cost" => {
                let cost = options::number(option, value, 0..=COST_MAX)? as u32;
                self.stp.cost = (cost > 0).then_some(cost);
            }
            "guard" => self.stp.guard = on_off()?,
            "root_block" => self.stp.root_block = on_off()?,
            "admin_edge" => self.stp.admin_edge = on_off()?,
            "auto_edge" => self.stp.auto_edge = on_off()?,
            "point_to_point" => {
                let words = PointToPoint::WORDS.map(|(word, _)| word);
                self.stp.point_to_point =
                    PointToPoint::WORDS[options::word(option, value, &words)?].1;
            }
            "learning" => {
                self.learning = match value {
                    "slow-path" => Learning::SlowPath,
                    "hardware" => Learning::Hardware,
                    _ => match on_off() {
                        Ok(true) => Learning::Hardware,
                        Ok(false) => Learning::Off,
                        Err(_) => {
                            return Err(NetError::invalid(
                                option,
                                value,
                                "use on (hardware), slow-path or off",
                            ));
                        }
                    },
                }
            }
            "flood" => self.flood = on_off()?,
            "mcast_flood" => self.mcast_flood = on_off()?,
            "bcast_flood" => self.bcast_flood = on_off()?,
            "hairpin" => self.hairpin = on_off()?,
            "isolated" => self.isolated = on_off()?,
            "learning_sync" => self.learning_sync = on_off()?,
            "group_fwd_mask" => {
                self.group_fwd_mask =
                    reserved::mask(option, value, smartnic_bridge::PORT_RESTRICTED)?;
            }
            _ if self.multicast.set(option, value)? => {}
            _ => {
                let all: Vec<&str> = PORT_OPTIONS.into_iter().chain(PortKnobs::words()).collect();
                return Err(options::unknown(option, value, "a bridge port", &all));
            }
        }
        Ok(())
    }

    /// All options by their words, in an order in which they can be set.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let on = |on: bool| u8::from(on).to_string();
        let mut words = vec![
            ("state", self.state.to_string()),
            ("priority", self.stp.priority.to_string()),
            ("guard", on(self.stp.guard)),
            ("root_block", on(self.stp.root_block)),
            ("admin_edge", on(self.stp.admin_edge)),
            ("auto_edge", on(self.stp.auto_edge)),
            ("point_to_point", self.stp.point_to_point.word().into()),
            ("learning", on(self.learning != Learning::Off)),
            ("flood", on(self.flood)),
            ("mcast_flood", on(self.mcast_flood)),
            ("bcast_flood", on(self.bcast_flood)),
            ("hairpin", on(self.hairpin)),
            ("isolated", on(self.isolated)),
            ("learning_sync", on(self.learning_sync)),
            ("group_fwd_mask", self.group_fwd_mask.to_string()),
        ];
        words.extend(self.stp.cost.map(|cost| ("cost", cost.to_string())));
        let knobs = self.multicast.0.iter();
        words.extend(knobs.map(|(knob, value)| (knob.name(), value.to_string())));
        words
    }

    /// Options as iproute2 shows them; `state` is the one in force.
    pub(super) fn info(&self, state: u32) -> Map<String, Value> {
        let pairs = [
            ("state", json!(PortState::WORDS[state as usize].0)),
            ("priority", json!(self.stp.priority)),
            ("guard", json!(self.stp.guard)),
            ("root_block", json!(self.stp.root_block)),
            ("admin_edge", json!(self.stp.admin_edge)),
            ("auto_edge", json!(self.stp.auto_edge)),
            ("point_to_point", json!(self.stp.point_to_point.word())),
            ("hairpin", json!(self.hairpin)),
            ("learning", json!(self.learning != Learning::Off)),
            ("learning_mode", json!(self.learning.name())),
            ("flood", json!(self.flood)),
            ("mcast_flood", json!(self.mcast_flood)),
            ("bcast_flood", json!(self.bcast_flood)),
            ("isolated", json!(self.isolated)),
            ("learning_sync", json!(self.learning_sync)),
            ("group_fwd_mask", json!(reserved::show(self.group_fwd_mask))),
            ("offload", options::offload(&PORT_OPTIONS, &IN_HARDWARE)),
        ];
        let mut info: Map<String, Value> =
            pairs.map(|(k, v)| (k.to_owned(), v)).into_iter().collect();
        self.multicast.show(&mut info);
        info
    }
}

/// The state is one that a port can be put into.
pub(super) fn state(option: &str, value: &str) -> Result<u32, NetError> {
    match PortState::from_word(value) {
        Some(state) => Ok(state as u32),
        None => {
            let words = PortState::WORDS.map(|(word, _)| word).join(", ");
            let reason = format!("use one of: {words}");
            Err(NetError::invalid(option, value, reason))
        }
    }
}

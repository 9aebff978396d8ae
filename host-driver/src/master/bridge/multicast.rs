//! The settings of multicast snooping, by iproute2's words, checked by the machine that runs with them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_slowpath::mcast::{Knob, PortKnob, Refused, Snooping};

use crate::netdev::NetError;

/// What a user has set of a bridge; the rest has the machine's defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs(pub BTreeMap<Knob, u64>);

/// What a user has set of a port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortKnobs(pub BTreeMap<PortKnob, u64>);

fn number(option: &str, value: &str) -> Result<u64, NetError> {
    match value {
        "on" => Ok(1),
        "off" => Ok(0),
        _ => value
            .parse()
            .map_err(|_| NetError::invalid(option, value, "a number is wanted, or on or off")),
    }
}

fn refused(option: &str, value: &str) -> impl Fn(Refused) -> NetError {
    move |error| {
        let reason = format!("{} ({:?})", error.message, error.errno);
        NetError::invalid(option, value, reason)
    }
}

/// A bridge without VLANs has no snooping by VLAN.
fn known(knob: &Knob) -> bool {
    *knob != Knob::VlanSnooping
}

impl Knobs {
    /// The options' words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Knob::ALL.into_iter().filter(known).map(Knob::name)
    }

    /// Sets an option; false: it is none of these.
    pub fn set(&mut self, option: &str, value: &str) -> Result<bool, NetError> {
        let Some(knob) = Knob::from_name(option).filter(known) else {
            return Ok(false);
        };
        let number = number(option, value)?;
        Snooping::new()
            .set_knob(Duration::ZERO, 0, knob, number)
            .map_err(refused(option, value))?;
        self.0.insert(knob, number);
        Ok(true)
    }

    /// All of them, as they are.
    pub fn show(&self, info: &mut Map<String, Value>) {
        let machine = Snooping::new();
        for knob in Knob::ALL.into_iter().filter(known) {
            let set = self.0.get(&knob).copied();
            let value = set.or_else(|| machine.knob(0, knob).ok());
            info.insert(knob.name().into(), json!(value));
        }
    }
}

impl PortKnobs {
    /// The options' words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        PortKnob::ALL.into_iter().map(PortKnob::name)
    }

    /// Sets an option; false: it is none of these.
    pub fn set(&mut self, option: &str, value: &str) -> Result<bool, NetError> {
        let Some(knob) = PortKnob::from_name(option) else {
            return Ok(false);
        };
        let number = number(option, value)?;
        let mut machine = Snooping::new();
        machine.add_port(Duration::ZERO, 1);
        machine
            .set_port_knob(Duration::ZERO, 1, 0, knob, number)
            .map_err(refused(option, value))?;
        self.0.insert(knob, number);
        Ok(true)
    }

    /// All of them, as they are: flags as on and off.
    pub fn show(&self, info: &mut Map<String, Value>) {
        let mut machine = Snooping::new();
        machine.add_port(Duration::ZERO, 1);
        for knob in PortKnob::ALL {
            let set = self.0.get(&knob).copied();
            let value = set.or_else(|| machine.port_knob(1, 0, knob).ok());
            let flag = matches!(knob, PortKnob::FastLeave | PortKnob::ToUnicast);
            let shown = match flag {
                true => json!(value != Some(0)),
                false => json!(value),
            };
            info.insert(knob.name().into(), shown);
        }
    }
}

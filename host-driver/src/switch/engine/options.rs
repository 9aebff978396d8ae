//! Which options only a bridge in software has, and when it does not matter.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use smartnic_bridge::PORT_OPTIONS;
use smartnic_slowpath::mcast::{Knob, PortKnob};

use crate::master::bridge::OPTIONS as HARDWARE_OPTIONS;
use crate::master::bridge::port::PORT_OPTIONS as HARDWARE_PORT_OPTIONS;

/// Options of a request.
pub(super) type Options = BTreeMap<String, String>;
/// Options by their words.
pub(super) type Words = Vec<(&'static str, String)>;

/// Options of multicast snooping that say where frames go: hardware floods groups whatever they are.
const PORT_KNOBS: [PortKnob; 2] = [PortKnob::FastLeave, PortKnob::ToUnicast];

/// A value as users write it: on and off as 1 and 0.
pub(super) fn plain(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" => "1".into(),
        "off" | "false" | "none" | "nobackup_port" | "" | "null" => "0".into(),
        other => other.into(),
    }
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::Null => "0".into(),
        other => other.to_string(),
    }
}

/// The value is the one that the option has anyway.
fn is_default(info: &Map<String, Value>, option: &str, value: &str) -> bool {
    let is = info.get(option).map(|v| plain(&text(v)));
    is.is_none_or(|is| is == plain(value))
}

/// An option that only a bridge in software has.
pub fn is_software_option(option: &str) -> bool {
    let soft = smartnic_bridge::OPTIONS.contains(&option) && !HARDWARE_OPTIONS.contains(&option);
    soft || option == Knob::VlanSnooping.name()
}

/// The same of a port's; what is done at once is no option.
pub(super) fn is_software_port_option(option: &str) -> bool {
    let action = PortAction::WORDS.iter().any(|(word, _)| *word == option);
    PORT_OPTIONS.contains(&option) && !HARDWARE_PORT_OPTIONS.contains(&option) && !action
}

/// What an option of a bridge is asked to be is beyond hardware; `defaults` is a new bridge.
pub(super) fn bridge_is_beyond(defaults: &Map<String, Value>, option: &str, value: &str) -> bool {
    is_software_option(option) && !is_default(defaults, option, value)
}

/// The same of a port's option.
pub(super) fn port_is_beyond(option: &str, value: &str) -> bool {
    let knob = PORT_KNOBS.iter().any(|k| k.name() == option);
    (is_software_port_option(option) || knob) && plain(value) != "0"
}

/// What a port of a bridge in hardware does at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortAction {
    /// RSTP tries whether the neighbours speak it.
    Mcheck,
    /// What was learned there is forgotten.
    Flush,
}

impl PortAction {
    const WORDS: [(&'static str, Self); 2] = [("mcheck", Self::Mcheck), ("flush", Self::Flush)];

    /// Takes them out of what is asked of a port.
    pub fn take(as_port: &mut Option<Options>) -> Vec<Self> {
        let mut taken = Vec::new();
        for (word, action) in Self::WORDS {
            let value = as_port.as_mut().and_then(|o| o.remove(word));
            taken.extend(value.filter(|v| plain(v) != "0").map(|_| action));
        }
        taken
    }
}

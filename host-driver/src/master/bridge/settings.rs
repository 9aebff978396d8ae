//! A bridge's options by iproute2's words, times in its unit of 1/100 s, and what the spanning tree is told of them.

use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_bridge::Stp;
use smartnic_regs::values::state;
use smartnic_slowpath::stp::words::{AGEING_MAX, TIME_MAX, centiseconds};
use smartnic_slowpath::stp::{BridgeSettings, BridgeTimes, Protocol, StpError};
use smartnic_slowpath::wire::bpdu::{BRIDGE_GROUP, BridgeId};

use super::multicast::Knobs;
use super::{Bridge, options, reserved};
use crate::device::MacAddr;
use crate::master::View;
use crate::netdev::{AddressOrigin, NetError};

/// Default ageing time, in Linux's unit of 1/100 s.
pub const AGEING_DEFAULT: u64 = 30_000;
/// The words of the options that hardware and driver do together, those of multicast snooping aside.
pub const OPTIONS: [&str; 10] = [
    "ageing_time",
    "stp_state",
    "forcevers",
    "priority",
    "hello_time",
    "max_age",
    "forward_delay",
    "tx_hold_count",
    "group_address",
    "group_fwd_mask",
];
/// Those that the hardware does.
const IN_HARDWARE: [&str; 2] = ["ageing_time", "group_fwd_mask"];

/// The state of a port that joins, until somebody says otherwise.
pub(super) fn first_state(stp: Stp) -> u32 {
    match stp {
        Stp::Off => state::FORWARDING,
        Stp::On => state::DISABLED,
        Stp::User => state::BLOCKING,
    }
}

/// A refusal of the spanning tree, as one of an option.
fn refused(error: StpError) -> NetError {
    let reason = error.to_string();
    match error {
        StpError::Range { what, value, .. } => NetError::invalid(what, value, reason),
        StpError::Relation { max_age, .. } => {
            NetError::invalid("max_age", centiseconds(max_age), reason)
        }
        _ => NetError::invalid("stp_state", "1", reason),
    }
}

impl Bridge {
    pub(super) fn set_option(&mut self, option: &str, value: &str) -> Result<(), NetError> {
        let number = |most| options::number(option, value, 0..=most);
        let time = || number(TIME_MAX).map(|n| Duration::from_millis(n * 10));
        let times = &mut self.settings.times;
        match option {
            "ageing_time" => self.ageing_time = number(AGEING_MAX)?,
            "stp_state" => self.set_stp(Stp::from_number(number(2)?).unwrap_or_default()),
            "forcevers" => {
                let words = Protocol::WORDS.map(|(word, _)| word);
                self.settings.protocol = Protocol::WORDS[options::word(option, value, &words)?].1;
            }
            "priority" => self.settings.priority = number(u16::MAX.into())? as u16,
            "hello_time" => times.hello_time = time()?,
            "max_age" => times.max_age = time()?,
            "forward_delay" => times.forward_delay = time()?,
            "tx_hold_count" => self.settings.tx_hold_count = number(u8::MAX.into())? as u8,
            "group_address" => {
                self.settings.group_address = reserved::group_address(option, value)?;
            }
            "group_fwd_mask" => {
                self.group_fwd_mask =
                    reserved::mask(option, value, smartnic_bridge::BRIDGE_RESTRICTED)?;
            }
            _ if self.multicast.set(option, value)? => {}
            _ => {
                let all: Vec<&str> = OPTIONS.into_iter().chain(Knobs::words()).collect();
                return Err(options::unknown(option, value, "a bridge", &all));
            }
        }
        Ok(())
    }

    /// Who runs the spanning tree from now on. Ports forward again without one, and take nothing until a new one says so.
    fn set_stp(&mut self, stp: Stp) {
        if std::mem::replace(&mut self.stp, stp) == stp {
            return;
        }
        self.short_ageing = None;
        if stp != Stp::User {
            let first = first_state(stp);
            self.ports.iter_mut().for_each(|p| p.state = first);
        }
    }

    /// Times and costs must fit the protocol that runs; without one they only wait (Linux takes a forward delay of 0 then).
    pub(super) fn check_settings(&self) -> Result<(), NetError> {
        if self.stp != Stp::On {
            return Ok(());
        }
        self.settings.check().map_err(refused)?;
        self.ports
            .iter()
            .try_for_each(|p| p.stp.check(self.settings.protocol).map_err(refused))
    }

    /// The bridge's own address as its identifier has it: zero without ports, unless a user set one.
    fn id_address(&self, view: View<'_>) -> MacAddr {
        let device = view.device(self.ifindex);
        device
            .filter(|d| !self.ports.is_empty() || d.address_origin == AddressOrigin::Set)
            .map(|d| d.address)
            .unwrap_or_default()
    }

    /// What the spanning tree is told.
    pub fn tree_settings(&self, view: View<'_>) -> BridgeSettings {
        let mut settings = self.settings.clone();
        settings.address = self.id_address(view);
        // Without a protocol any times may wait here; the machine, which stands still, takes only what fits.
        if self.stp != Stp::On && settings.check().is_err() {
            settings.times = BridgeTimes::default();
            settings.tx_hold_count =
                BridgeSettings::new(settings.address, settings.protocol).tx_hold_count;
        }
        settings
    }

    /// The reserved address 01:80:C2:00:00:0n is the one of this bridge's protocol.
    pub(super) fn is_group(&self, n: u32) -> bool {
        u32::from(self.settings.group_address.0[5]) == n
    }

    /// All options by their words, in an order in which they can be set.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let (settings, times) = (&self.settings, &self.settings.times);
        let mut words = vec![
            ("ageing_time", self.ageing_time.to_string()),
            ("forcevers", settings.protocol.word().into()),
            ("priority", settings.priority.to_string()),
            ("hello_time", centiseconds(times.hello_time).to_string()),
            ("max_age", centiseconds(times.max_age).to_string()),
            (
                "forward_delay",
                centiseconds(times.forward_delay).to_string(),
            ),
            ("tx_hold_count", settings.tx_hold_count.to_string()),
            ("group_fwd_mask", self.group_fwd_mask.to_string()),
        ];
        if settings.group_address != BRIDGE_GROUP {
            words.push(("group_address", settings.group_address.to_string()));
        }
        let knobs = self.multicast.0.iter();
        words.extend(knobs.map(|(knob, value)| (knob.name(), value.to_string())));
        words.push(("stp_state", (self.stp as u32).to_string()));
        words
    }

    pub(super) fn show(&self, view: View<'_>) -> Map<String, Value> {
        let settings = &self.settings;
        let id = BridgeId {
            priority: settings.priority,
            address: self.id_address(view),
        };
        let times = &settings.times;
        let pairs = [
            ("ageing_time", json!(self.ageing_time)),
            ("stp_state", json!(self.stp as u32)),
            ("forcevers", json!(settings.protocol.word())),
            ("priority", json!(settings.priority)),
            ("hello_time", json!(centiseconds(times.hello_time))),
            ("max_age", json!(centiseconds(times.max_age))),
            ("forward_delay", json!(centiseconds(times.forward_delay))),
            ("tx_hold_count", json!(settings.tx_hold_count)),
            ("group_addr", json!(settings.group_address)),
            ("group_fwd_mask", json!(reserved::show(self.group_fwd_mask))),
            ("bridge_id", json!(id.ip_text())),
            ("fid", json!(self.fid)),
            ("offload", options::offload(&OPTIONS, &IN_HARDWARE)),
        ];
        let mut info: Map<String, Value> =
            pairs.map(|(k, v)| (k.to_owned(), v)).into_iter().collect();
        self.multicast.show(&mut info);
        info
    }
}

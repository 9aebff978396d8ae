//! A bridge's options by the words of ip-link(8), with Linux's checks and codes. Times are in 1/100 s.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_netdev::device::Setting;
use smartnic_netdev::packet::eth;
use smartnic_netdev::{Core, Errno, Result};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::Knob;
use smartnic_slowpath::stp::Protocol;
use smartnic_slowpath::stp::words::{AGEING_MAX, TIME_MAX, centiseconds};

use crate::bridge::Bridge;
use crate::data::{BRIDGE_RESTRICTED, PROVIDER_FORWARDS, reserved};
use crate::flags::{BridgeFlags, Stp};
use crate::refuse;
use crate::snoop::mcast_refused;
use crate::tree::refused;

/// The words of the options, those of multicast snooping aside ([`Knob`]).
pub const OPTIONS: [&str; 19] = [
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
    "no_linklocal_learn",
    "fdb_max_learned",
    "vlan_filtering",
    "vlan_protocol",
    "vlan_default_pvid",
    "vlan_stats_enabled",
    "vlan_stats_per_port",
    "mst_enabled",
    "fdb_n_learned",
];

/// `on`, `off`, 1 or 0.
pub(crate) fn on_off(option: &'static str, value: &str) -> Result<bool> {
    match value {
        "on" | "1" => Ok(true),
        "off" | "0" => Ok(false),
        _ => refuse(Errno::Invalid, option, value, "use on or off"),
    }
}

/// A number up to `most`; ERANGE beyond it.
pub(crate) fn number(option: &'static str, value: &str, most: u64) -> Result<u64> {
    let hex = value.strip_prefix("0x");
    let parsed = hex.map_or_else(|| value.parse(), |h| u64::from_str_radix(h, 16));
    match parsed {
        Ok(n) if n <= most => Ok(n),
        Ok(_) => {
            let reason = format!("at most {most}");
            Err(smartnic_netdev::NetdevError::new(
                Errno::Range,
                option,
                value,
                reason,
            ))
        }
        Err(_) => refuse(Errno::Invalid, option, value, "a number is wanted"),
    }
}

/// The static word that is equal, for errors that name it.
fn word(option: &str) -> Option<&'static str> {
    let knobs = Knob::ALL.into_iter().map(Knob::name);
    OPTIONS.into_iter().chain(knobs).find(|w| *w == option)
}

impl Bridge {
    /// Sets an option. EINVAL for one that there is not or a value that makes no sense, ERANGE for a number out of range, EBUSY, EPERM and EPROTONOSUPPORT where Linux has them.
    pub fn set(&self, core: &mut Core, option: &str, value: &str) -> Result<()> {
        let Some(word) = word(option) else {
            return refuse(
                Errno::Invalid,
                "option",
                option,
                "a bridge has no such option",
            );
        };
        if let Some(knob) = Knob::from_name(word) {
            return self.set_knob(core, knob, word, value);
        }
        let flag = |flag| on_off(word, value).map(|on| self.set_flag(flag, on));
        match word {
            "ageing_time" => {
                let nanos = number(word, value, AGEING_MAX)? * 10_000_000;
                let old = self.ageing.swap(nanos, Relaxed);
                // A topology change's short time stays in force until it is over.
                let _ = self.hold.compare_exchange(old, nanos, Relaxed, Relaxed);
                self.next_age.store(0, Relaxed);
                Ok(())
            }
            "fdb_max_learned" => {
                let max = number(word, value, u32::MAX.into())?;
                self.fdb.set_max_learned(max as u32);
                Ok(())
            }
            "fdb_n_learned" => refuse(Errno::Invalid, word, value, "it is counted, not set"),
            "group_fwd_mask" => {
                let mask = number(word, value, u16::MAX.into())? as u16;
                if mask & BRIDGE_RESTRICTED != 0 {
                    let reason = "bits 0 to 2 (BPDUs, pause, slow protocols) cannot be forwarded";
                    return refuse(Errno::Invalid, word, value, reason);
                }
                self.group_fwd_mask.store(mask, Relaxed);
                Ok(())
            }
            "no_linklocal_learn" => flag(BridgeFlags::NO_LINKLOCAL_LEARN),
            "vlan_stats_enabled" => flag(BridgeFlags::VLAN_STATS),
            "vlan_stats_per_port" => {
                let on = on_off(word, value)?;
                let ports = self.ports.load();
                if ports.list.iter().any(|p| !p.vlans.load().is_empty()) {
                    let reason =
                        "ports have VLANs, whose counters are counted already: delete them first";
                    return refuse(Errno::Busy, word, value, reason);
                }
                self.set_flag(BridgeFlags::VLAN_STATS_PER_PORT, on);
                Ok(())
            }
            "vlan_filtering" => {
                let on = on_off(word, value)?;
                self.set_flag(BridgeFlags::VLAN_FILTERING, on);
                self.mcast().set_vlan_filtering(core.now(), on);
                self.manage_promisc(core);
                self.update_group_address(core)
            }
            "vlan_protocol" => self.set_vlan_protocol(core, value),
            "vlan_default_pvid" => {
                let pvid = number(word, value, u16::MAX.into())? as u16;
                self.set_default_pvid(core, pvid)
            }
            "mst_enabled" => self.set_mst(on_off(word, value)?),
            _ => self.set_tree_option(core, word, value),
        }
    }

    fn set_knob(&self, core: &Core, knob: Knob, word: &'static str, value: &str) -> Result<()> {
        let number = match value {
            "on" => 1,
            "off" => 0,
            _ => number(word, value, u64::MAX)?,
        };
        let outputs = {
            let mut mcast = self.mcast();
            mcast
                .set_knob(core.now(), 0, knob, number)
                .map_err(|e| mcast_refused(e, word, value))?;
            mcast.take_outputs()
        };
        if knob == Knob::Snooping {
            self.set_flag(BridgeFlags::MCAST_SNOOPING, number != 0);
        }
        self.carry_out_mcast(outputs);
        Ok(())
    }

    fn set_tree_option(&self, core: &mut Core, word: &'static str, value: &str) -> Result<()> {
        if word == "stp_state" {
            return match Stp::from_number(number(word, value, 2)?) {
                Some(stp) => self.set_stp(core, stp),
                None => Ok(()),
            };
        }
        let old = self.config().tree.clone();
        {
            let mut config = self.config();
            let tree = &mut config.tree;
            let time = || number(word, value, TIME_MAX).map(|n| Duration::from_millis(n * 10));
            match word {
                "priority" => tree.priority = number(word, value, u16::MAX.into())? as u16,
                "hello_time" => tree.times.hello_time = time()?,
                "max_age" => tree.times.max_age = time()?,
                "forward_delay" => tree.times.forward_delay = time()?,
                "tx_hold_count" => tree.tx_hold_count = number(word, value, u8::MAX.into())? as u8,
                "forcevers" => match Protocol::from_word(value) {
                    Some(protocol) => tree.protocol = protocol,
                    None => return refuse(Errno::Invalid, word, value, "use stp or rstp"),
                },
                _ => {
                    let address: Option<MacAddr> = value.parse().ok();
                    let fits = |a: &MacAddr| reserved(*a).is_some_and(|n| !(1..=3).contains(&n));
                    let Some(address) = address.filter(fits) else {
                        let reason = "use 01:80:c2:00:00:0n, n other than 1, 2 and 3";
                        return refuse(Errno::Invalid, word, value, reason);
                    };
                    tree.group_address = address;
                    config.group_address_set = true;
                }
            }
        }
        if let Err(error) = self.apply_tree_settings(core.now()) {
            self.config().tree = old;
            return Err(refused(error, word, value));
        }
        self.update_required_mask();
        Ok(())
    }

    /// Who runs the tree from now on. Without one all ports forward; a new one lets them through when it knows.
    fn set_stp(&self, core: &mut Core, stp: Stp) -> Result<()> {
        let now = core.now();
        let old = self.stp();
        if old == stp {
            return Ok(());
        }
        self.store_stp(stp);
        if let Err(error) = self.apply_tree_settings(now) {
            self.store_stp(old);
            return Err(refused(error, "stp_state", stp as u8));
        }
        let up = self.device().is_some_and(|d| d.is_running());
        {
            let mut tree = self.tree();
            tree.set_running(now, up && stp == Stp::On);
            self.carry_out_tree(now, &mut tree);
        }
        self.hold.store(self.ageing.load(Relaxed), Relaxed);
        if stp == Stp::Off {
            use smartnic_slowpath::stp::PortState;
            for port in self
                .ports
                .load_full()
                .list
                .iter()
                .filter(|p| up && p.is_operational())
            {
                self.set_state(now, port, PortState::Forwarding);
            }
        }
        core.run_link_events();
        Ok(())
    }

    fn set_vlan_protocol(&self, core: &mut Core, value: &str) -> Result<()> {
        let protocol = match value.to_ascii_lowercase().as_str() {
            "802.1q" => eth::P_8021Q,
            "802.1ad" => eth::P_8021AD,
            _ => {
                let reason = "use 802.1Q or 802.1ad";
                return refuse(Errno::ProtocolNotSupported, "vlan_protocol", value, reason);
            }
        };
        self.move_filters(core, protocol)?;
        self.update_group_address(core)
    }

    /// A bridge of a provider's network has another group address, unless a user has set one.
    fn update_group_address(&self, core: &Core) -> Result<()> {
        let provider = self.is_provider();
        {
            let mut config = self.config();
            if !config.group_address_set {
                config.tree.group_address.0[5] = if provider { 8 } else { 0 };
            }
        }
        self.update_required_mask();
        let applied = self.apply_tree_settings(core.now());
        applied.map_err(|e| refused(e, "vlan_protocol", provider))
    }

    fn is_provider(&self) -> bool {
        self.flags().contains(BridgeFlags::VLAN_FILTERING) && self.vlan_protocol() == eth::P_8021AD
    }

    fn update_required_mask(&self) {
        let own = self.config().tree.group_address.0[5];
        let mask = match self.is_provider() {
            true => PROVIDER_FORWARDS & !(1 << own),
            false => 0,
        };
        self.group_fwd_required.store(mask, Relaxed);
    }

    /// The options as they are.
    pub(crate) fn list_settings(&self) -> Vec<Setting> {
        let info = self.info();
        let words = OPTIONS
            .into_iter()
            .chain(Knob::ALL.into_iter().map(Knob::name));
        let setting = |name: &'static str| {
            let value = match info.get(name)? {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some(Setting {
                name,
                value,
                offload: false,
            })
        };
        words.filter_map(setting).collect()
    }

    /// Options and status by the keys of `ip -d -j link`.
    pub fn info(&self) -> Map<String, Value> {
        let flags = self.flags();
        let on = |flag| u8::from(flags.contains(flag));
        let (tree, pvid) = {
            let config = self.config();
            (config.tree.clone(), config.default_pvid)
        };
        let status = self.tree().status();
        let protocol = match self.vlan_protocol() {
            eth::P_8021AD => "802.1ad",
            _ => "802.1Q",
        };
        let mut info = Map::new();
        let mut add = |key: &str, value: Value| info.insert(key.to_owned(), value);
        add("ageing_time", json!(self.ageing.load(Relaxed) / 10_000_000));
        add("stp_state", json!(self.stp() as u8));
        add("forcevers", json!(tree.protocol.word()));
        add("priority", json!(tree.priority));
        add("hello_time", json!(centiseconds(tree.times.hello_time)));
        add("max_age", json!(centiseconds(tree.times.max_age)));
        add(
            "forward_delay",
            json!(centiseconds(tree.times.forward_delay)),
        );
        add("tx_hold_count", json!(tree.tx_hold_count));
        add("group_address", json!(tree.group_address.to_string()));
        let mask = self.group_fwd_mask.load(Relaxed);
        let mask = if mask == 0 {
            "0".into()
        } else {
            format!("{mask:#x}")
        };
        add("group_fwd_mask", json!(mask));
        add(
            "no_linklocal_learn",
            json!(on(BridgeFlags::NO_LINKLOCAL_LEARN)),
        );
        add("fdb_max_learned", json!(self.fdb.max_learned()));
        add("fdb_n_learned", json!(self.fdb.learned()));
        add("vlan_filtering", json!(on(BridgeFlags::VLAN_FILTERING)));
        add("vlan_protocol", json!(protocol));
        add("vlan_default_pvid", json!(pvid));
        add("vlan_stats_enabled", json!(on(BridgeFlags::VLAN_STATS)));
        add(
            "vlan_stats_per_port",
            json!(on(BridgeFlags::VLAN_STATS_PER_PORT)),
        );
        add("mst_enabled", json!(on(BridgeFlags::MST)));
        add("root_id", json!(status.designated_root.ip_text()));
        add("bridge_id", json!(status.bridge_id.ip_text()));
        add("root_port", json!(status.root_port.unwrap_or(0)));
        add("root_path_cost", json!(status.root_path_cost));
        add("topology_change", json!(u8::from(status.topology_change)));
        add(
            "topology_change_detected",
            json!(u8::from(status.topology_change_detected)),
        );
        add("hello_timer", json!(centiseconds(status.hello_timer)));
        add("tcn_timer", json!(centiseconds(status.tcn_timer)));
        add(
            "topology_change_timer",
            json!(centiseconds(status.topology_change_timer)),
        );
        let mcast = self.mcast();
        for knob in Knob::ALL {
            add(knob.name(), json!(mcast.knob(0, knob).ok()));
        }
        info
    }
}

//! A port's options by the words of bridge(8), with Linux's checks and codes. Those of one request take effect together.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};
use smartnic_netdev::{Core, Dev, Errno, Result};
use smartnic_slowpath::mcast::PortKnob;
use smartnic_slowpath::stp::words::{COST_MAX, PORT_PRIORITY_MAX};
use smartnic_slowpath::stp::{PointToPoint, PortSettings, PortState};

use super::{Port, PortCounters, PortFlags};
use crate::bridge::Bridge;
use crate::data::PORT_RESTRICTED;
use crate::fdb::FdbFlags;
use crate::flags::BridgeFlags;
use crate::refuse;
use crate::settings::{number, on_off};
use crate::snoop::mcast_refused;
use crate::tree::refused;

/// The words of the options, those of multicast snooping aside ([`PortKnob`]).
pub const PORT_OPTIONS: [&str; 25] = [
    "state",
    "priority",
    "cost",
    "guard",
    "root_block",
    "admin_edge",
    "auto_edge",
    "point_to_point",
    "mcheck",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
    "locked",
    "mab",
    "proxy_arp",
    "proxy_arp_wifi",
    "neigh_suppress",
    "neigh_vlan_suppress",
    "learning_sync",
    "group_fwd_mask",
    "backup_port",
    "flush",
];

/// The options that are flags of the data path.
const FLAGS: [(&str, PortFlags); 13] = [
    ("learning", PortFlags::LEARNING),
    ("flood", PortFlags::FLOOD),
    ("mcast_flood", PortFlags::MCAST_FLOOD),
    ("bcast_flood", PortFlags::BCAST_FLOOD),
    ("hairpin", PortFlags::HAIRPIN),
    ("isolated", PortFlags::ISOLATED),
    ("locked", PortFlags::LOCKED),
    ("mab", PortFlags::MAB),
    ("proxy_arp", PortFlags::PROXY_ARP),
    ("proxy_arp_wifi", PortFlags::PROXY_ARP_WIFI),
    ("neigh_suppress", PortFlags::NEIGH_SUPPRESS),
    ("neigh_vlan_suppress", PortFlags::NEIGH_VLAN_SUPPRESS),
    ("learning_sync", PortFlags::LEARNING_SYNC),
];

/// A state by its name or number; EINVAL for what is neither.
pub fn port_state_of(value: &str) -> Result<PortState> {
    match PortState::from_word(value) {
        Some(state) => Ok(state),
        None => refuse(
            Errno::Invalid,
            "state",
            value,
            "use disabled, listening, learning, forwarding or blocking, or 0 to 4",
        ),
    }
}

impl Bridge {
    fn known_port(&self, dev: &Dev) -> Result<Arc<Port>> {
        match self.port_of(dev) {
            Some(port) => Ok(port),
            None => refuse(
                Errno::Invalid,
                "device",
                dev.name(),
                "it is no port of this bridge",
            ),
        }
    }

    /// Sets options of a port: all flags first, together, then the others in their order; what is refused ends it. EINVAL for an option that there is not or a value that makes no sense,
    /// ERANGE for a number out of range, and Linux's codes for the rest.
    pub fn set_port(&self, core: &mut Core, dev: &Dev, options: &[(&str, &str)]) -> Result<()> {
        let port = self.known_port(dev)?;
        let (mut wanted, mut rest) = (port.flags(), Vec::new());
        for (option, value) in options {
            if let Some((word, flag)) = FLAGS.iter().find(|(word, _)| word == option) {
                wanted.set(*flag, on_off(word, value)?);
                continue;
            }
            let knobs = PortKnob::ALL.into_iter().map(PortKnob::name);
            let Some(word) = PORT_OPTIONS.into_iter().chain(knobs).find(|w| w == option) else {
                return refuse(
                    Errno::Invalid,
                    "option",
                    option,
                    "a port has no such option",
                );
            };
            rest.push((word, *value));
        }
        self.set_port_flags(core, &port, wanted)?;
        for (word, value) in rest {
            self.set_port_option(core, &port, word, value)?;
        }
        Ok(())
    }

    fn set_port_flags(&self, core: &mut Core, port: &Port, wanted: PortFlags) -> Result<()> {
        let old = port.flags();
        if wanted.contains(PortFlags::MAB)
            && !wanted.contains(PortFlags::LOCKED | PortFlags::LEARNING)
        {
            let reason = "mab wants a port that is locked and learns";
            return refuse(Errno::Invalid, "mab", "on", reason);
        }
        if wanted == old {
            return Ok(());
        }
        port.store_flags(wanted);
        let changed = old ^ wanted;
        if changed.contains(PortFlags::MAB) && old.contains(PortFlags::MAB) {
            let waiting = |r: &crate::fdb::Record| {
                r.target.port == port.number && r.target.flags.contains(FdbFlags::LOCKED)
            };
            self.fdb.edit(&self.events).flush(waiting);
        }
        if changed.intersects(PortFlags::AUTO) {
            self.update_port_count(core);
        }
        self.update_suppression();
        Ok(())
    }

    /// Whether any port suppresses ARP and ND.
    pub(crate) fn update_suppression(&self) {
        let both = PortFlags::NEIGH_SUPPRESS | PortFlags::NEIGH_VLAN_SUPPRESS;
        let any = |p: &Arc<Port>| p.flags().intersects(both);
        let on = self.ports.load().list.iter().any(any);
        self.set_flag(BridgeFlags::NEIGH_SUPPRESS, on);
    }

    fn set_port_option(
        &self,
        core: &mut Core,
        port: &Port,
        word: &'static str,
        value: &str,
    ) -> Result<()> {
        let now = core.now();
        if let Some(knob) = PortKnob::from_name(word) {
            let number = match value {
                "on" => 1,
                "off" => 0,
                _ => number(word, value, u64::MAX)?,
            };
            let mut mcast = self.mcast();
            let set = mcast.set_port_knob(now, port.number.into(), 0, knob, number);
            set.map_err(|e| mcast_refused(e, word, value))?;
            let outputs = mcast.take_outputs();
            drop(mcast);
            self.carry_out_mcast(outputs);
            return Ok(());
        }
        match word {
            "state" => self.user_state(core, port, port_state_of(value)?),
            "group_fwd_mask" => {
                let mask = number(word, value, u16::MAX.into())? as u16;
                if mask & PORT_RESTRICTED != 0 {
                    return refuse(
                        Errno::Invalid,
                        word,
                        value,
                        "bit 1 (pause) cannot be forwarded",
                    );
                }
                port.group_fwd_mask.store(mask, Relaxed);
                Ok(())
            }
            "backup_port" => self.set_backup(core, port, value),
            "flush" => {
                self.fdb.edit(&self.events).flush_port(port.number, 0);
                Ok(())
            }
            "mcheck" => {
                let mut tree = self.tree();
                let done = tree.mcheck(now, port.number);
                self.carry_out_tree(now, &mut tree);
                done.map_err(|e| refused(e, word, value))
            }
            _ => self.set_port_tree(core, port, word, value),
        }
    }

    fn set_port_tree(
        &self,
        core: &Core,
        port: &Port,
        word: &'static str,
        value: &str,
    ) -> Result<()> {
        let now = core.now();
        let mut tree = self.tree();
        let known = tree.port_settings(port.number).cloned();
        let mut new: PortSettings = known.map_err(|e| refused(e, word, value))?;
        let flag = || on_off(word, value);
        match word {
            "priority" => new.priority = number(word, value, PORT_PRIORITY_MAX)? as u8,
            "cost" => {
                let cost = number(word, value, COST_MAX)? as u32;
                new.cost = (cost > 0).then_some(cost);
            }
            "guard" => new.guard = flag()?,
            "root_block" => new.root_block = flag()?,
            "admin_edge" => new.admin_edge = flag()?,
            "auto_edge" => new.auto_edge = flag()?,
            _ => match PointToPoint::from_word(value) {
                Some(how) => new.point_to_point = how,
                None => return refuse(Errno::Invalid, word, value, "use auto, yes or no"),
            },
        }
        let set = tree.set_port_settings(now, port.number, new);
        set.map_err(|e| refused(e, word, value))?;
        self.carry_out_tree(now, &mut tree);
        Ok(())
    }

    /// The port that takes this one's frames while it has no carrier, by its device's name; `none` or nothing: no port. ENODEV for no device, ENOENT for one that is no bridge's port, EINVAL for
    /// another bridge's or the port itself.
    fn set_backup(&self, core: &Core, port: &Port, value: &str) -> Result<()> {
        if matches!(value, "" | "none" | "nobackup_port") {
            port.backup.store(0, Relaxed);
            return Ok(());
        }
        let dev = core.by_name(value)?;
        use smartnic_netdev::device::PrivFlags;
        if !dev.priv_flags().contains(PrivFlags::BRIDGE_PORT) {
            return refuse(
                Errno::NoEntry,
                "backup_port",
                value,
                "it is no bridge's port",
            );
        }
        match self.port_of(dev).filter(|p| p.number != port.number) {
            Some(other) => {
                port.backup.store(other.number, Relaxed);
                Ok(())
            }
            None => {
                let reason = "a backup is another port of the same bridge";
                refuse(Errno::Invalid, "backup_port", value, reason)
            }
        }
    }

    /// What a port has counted. EINVAL for a device that is no port of this bridge.
    pub fn port_counters(&self, dev: &Dev) -> Result<PortCounters> {
        Ok(self.known_port(dev)?.cells.read())
    }

    /// What is set of the spanning tree on a port. EINVAL for a device that is no port of this bridge.
    pub fn port_settings(&self, dev: &Dev) -> Result<PortSettings> {
        let port = self.known_port(dev)?;
        let settings = self.tree().port_settings(port.number).cloned();
        settings.map_err(|e| refused(e, "device", dev.name()))
    }

    /// A port's state. EINVAL for a device that is no port of this bridge.
    pub fn port_state(&self, dev: &Dev) -> Result<PortState> {
        Ok(self.known_port(dev)?.state())
    }

    /// Options and status of a port by the keys of `bridge -d -j link`. EINVAL for a device that is no port of this bridge.
    pub fn port_info(&self, dev: &Dev) -> Result<Map<String, Value>> {
        let port = self.known_port(dev)?;
        let mut info = Map::new();
        let (settings, status) = {
            let tree = self.tree();
            let settings = tree.port_settings(port.number).cloned();
            let status = tree.port_status(port.number);
            let bad = |e| refused(e, "device", dev.name());
            (settings.map_err(bad)?, status.map_err(bad)?)
        };
        let mut add = |key: &str, value: Value| info.insert(key.to_owned(), value);
        add("state", json!(port.state().word()));
        add("no", json!(format!("{:#x}", port.number)));
        add("priority", json!(settings.priority));
        add("cost", json!(status.path_cost));
        add("id", json!(format!("{:#x}", status.port_id)));
        add("guard", json!(settings.guard));
        add("root_block", json!(settings.root_block));
        add("admin_edge", json!(settings.admin_edge));
        add("auto_edge", json!(settings.auto_edge));
        add("point_to_point", json!(settings.point_to_point.word()));
        add("role", json!(status.role));
        let flags = port.flags();
        for (word, flag) in FLAGS {
            add(word, json!(flags.contains(flag)));
        }
        let mask = port.group_fwd_mask.load(Relaxed);
        let mask = if mask == 0 {
            "0".into()
        } else {
            format!("{mask:#x}")
        };
        add("group_fwd_mask", json!(mask));
        let backup = self
            .ports
            .load()
            .get(port.backup.load(Relaxed))
            .map(|p| p.dev.name());
        add("backup_port", json!(backup));
        add("stp_xstats", json!(status.counters));
        add("xstats", json!(port.cells.read()));
        let mcast = self.mcast();
        for knob in PortKnob::ALL {
            let value = mcast.port_knob(port.number.into(), 0, knob).ok();
            let flag = matches!(knob, PortKnob::FastLeave | PortKnob::ToUnicast);
            let shown = match flag {
                true => json!(value.unwrap_or(0) != 0),
                false => json!(value),
            };
            add(knob.name(), shown);
        }
        Ok(info)
    }
}

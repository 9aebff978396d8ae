//! What there is to see of a bond, by the keys of `ip -d -j link`, and what of it is in hardware.

use serde_json::{Map, Value, json};
use smartnic_bond::show;
use smartnic_slowpath::bond::Mode;

use super::Bond;
use crate::master::{View, options};
use crate::netdev::IfIndex;

impl Bond {
    pub(super) fn show(&self, view: View<'_>) -> Map<String, Value> {
        let mut info = show::bond(&self.machine);
        let fill = serde_json::to_value(self.fill).unwrap_or_default();
        info.insert("lb_fill".into(), fill);
        info.insert("group".into(), json!(self.group));
        let all: Vec<&str> = show::options().chain(["lb_fill"]).collect();
        let hardware: &[&str] = match self.machine.options().mode {
            Mode::Xor | Mode::Ad => &["mode", "xmit_hash_policy", "lb_fill"],
            Mode::ActiveBackup => &["mode", "active_slave"],
            _ => &[],
        };
        info.insert("offload".into(), options::offload(&all, hardware));
        if view
            .device(self.ifindex)
            .is_some_and(|d| d.master.is_none())
        {
            info.insert("fid".into(), json!(self.fid));
        }
        info
    }

    pub(super) fn show_member(&self, member: IfIndex) -> Map<String, Value> {
        show::slave(&self.machine, member.0)
    }
}

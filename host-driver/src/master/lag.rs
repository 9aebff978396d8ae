//! A bond-like port over several others: `type lag`, with Linux bonding's words.
//!
//! Flows are spread by the hardware's hash over 840 buckets, which hold the members in the order of joining that are
//! up and have a link, as the kernel's bond numbers its usable slaves; how the buckets change with them is `lb_fill`
//! (see [`crate::device::fill`]). Between a link that drops and the driver's rewrite the hardware skips the dead
//! member by itself. Active-backup uses one member: the primary if it can carry frames, else the one that is active
//! already, else the first that can.

use std::time::Duration;

use serde_json::{Map, Value, json};
use smartnic_regs::values::{dest, hash_policy, lag_mode, reason};

use super::{Group, Master, MemberView, View, options};
use crate::device::MacAddr;
use crate::device::fill::{Buckets, Fill};
use crate::device::lag::GroupConfig;
use crate::netdev::{DeviceKind, Frame, IfIndex, NetError, RxVerdict};
use crate::switch::plan::Plan;

const MODES: [&str; 2] = ["balance-xor", "active-backup"];
/// Policies that the hardware has, by Linux's words and numbers.
const POLICIES: [(&str, u32); 3] = [
    ("layer2", hash_policy::LAYER2),
    ("layer2+3", hash_policy::LAYER23),
    ("layer3+4", hash_policy::LAYER34),
];
const OPTIONS: [&str; 4] = ["mode", "xmit_hash_policy", "lb_fill", "primary"];

/// A lag.
#[derive(Clone)]
pub struct Lag {
    ifindex: IfIndex,
    group: u32,
    mode: u32,
    policy: u32,
    fill: Fill,
    primary: Option<String>,
    members: Vec<(IfIndex, u32)>,
    active: Option<IfIndex>,
    buckets: Buckets,
}

impl Lag {
    /// An empty lag on hardware group `group`, with Linux bonding's default policy.
    pub fn new(ifindex: IfIndex, group: u32) -> Self {
        let (mode, policy) = (lag_mode::HASH, hash_policy::LAYER2);
        let buckets = Fill::Linux.fill(&[], &[]);
        Self {
            ifindex,
            group,
            mode,
            policy,
            fill: Fill::Linux,
            primary: None,
            members: Vec::new(),
            active: None,
            buckets,
        }
    }

    /// `balance-xor` or `active-backup`.
    fn mode_name(&self) -> &'static str {
        MODES[usize::from(self.mode == lag_mode::ACTIVE_BACKUP)]
    }
    /// Linux's word for the hash policy.
    fn policy_name(&self) -> &'static str {
        POLICIES
            .iter()
            .find(|(_, n)| *n == self.policy)
            .map_or("unknown", |(name, _)| name)
    }
    /// The member that carries the frames in active-backup.
    fn active(&self) -> Option<IfIndex> {
        (self.mode == lag_mode::ACTIVE_BACKUP)
            .then_some(self.active)
            .flatten()
    }

    fn usable(&self, view: MemberView<'_>) -> Vec<(IfIndex, u32)> {
        let usable = |m: &IfIndex| view.registry.get(*m).is_some_and(|d| d.up && d.carrier);
        self.members
            .iter()
            .copied()
            .filter(|(m, _)| usable(m))
            .collect()
    }
}

impl Master for Lag {
    fn kind(&self) -> &'static str {
        "lag"
    }
    fn ifindex(&self) -> IfIndex {
        self.ifindex
    }
    fn members(&self) -> Vec<IfIndex> {
        self.members.iter().map(|(m, _)| *m).collect()
    }
    fn add_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError> {
        match view.device(member).map(|d| d.kind) {
            Some(DeviceKind::Port(number)) => {
                self.members.push((member, number));
                Ok(())
            }
            _ => {
                let name = view.registry.name(member);
                Err(NetError::invalid(
                    "master",
                    view.registry.name(self.ifindex),
                    format!("{name} is no port of the card: a lag takes ports only"),
                ))
            }
        }
    }
    fn remove_member(&mut self, _now: Duration, member: IfIndex) {
        self.members.retain(|(m, _)| *m != member);
        self.active = self.active.filter(|a| *a != member);
    }

    fn set(&mut self, view: View<'_>, option: &str, value: &str) -> Result<(), NetError> {
        match option {
            "mode" => {
                self.mode = match options::word(option, value, &MODES)? {
                    0 => lag_mode::HASH,
                    _ => lag_mode::ACTIVE_BACKUP,
                }
            }
            "xmit_hash_policy" => {
                let names: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
                self.policy = POLICIES[options::word(option, value, &names)?].1;
            }
            "lb_fill" => self.fill = options::lb_fill(value)?,
            "primary" => {
                if value != "none" {
                    view.registry.by_name(value)?;
                }
                self.primary = (value != "none").then(|| value.to_owned());
            }
            _ => return Err(options::unknown(option, value, "a lag", &OPTIONS)),
        }
        Ok(())
    }
    fn info(&self, view: View<'_>) -> Map<String, Value> {
        let mut info = Map::new();
        info.insert("mode".into(), json!(self.mode_name()));
        if let Some(active) = self.active() {
            info.insert("active_slave".into(), json!(view.registry.name(active)));
        }
        if let Some(primary) = &self.primary {
            info.insert("primary".into(), json!(primary));
        }
        info.insert("xmit_hash_policy".into(), json!(self.policy_name()));
        info.insert("lb_fill".into(), json!(self.fill));
        info.insert("group".into(), json!(self.group));
        info
    }
    fn set_member(
        &mut self,
        _view: View<'_>,
        _member: IfIndex,
        option: &str,
        value: &str,
    ) -> Result<(), NetError> {
        Err(NetError::invalid(
            option,
            value,
            "a member of a lag has no options",
        ))
    }
    fn member_info(&self, view: View<'_>, member: IfIndex) -> Map<String, Value> {
        let usable = view.device(member).is_some_and(|d| d.up && d.carrier);
        let active = usable && self.active().is_none_or(|a| a == member);
        let mut info = Map::new();
        info.insert(
            "state".into(),
            json!(if active { "ACTIVE" } else { "BACKUP" }),
        );
        info.insert(
            "mii_status".into(),
            json!(if usable { "UP" } else { "DOWN" }),
        );
        info
    }

    /// Frames go on as if received on the lag; what is meant for the link itself stays on a port that is not active, as in `bond_handle_frame`.
    fn rx(&mut self, _now: Duration, frame: &mut Frame) -> RxVerdict {
        if frame.reason >= reason::RESERVED && self.active().is_some_and(|a| a != frame.dev) {
            return RxVerdict::Pass;
        }
        frame.dev = self.ifindex;
        RxVerdict::Another
    }

    /// As Linux's bond: the address of the first member.
    fn address(&self, view: View<'_>) -> Option<MacAddr> {
        self.members
            .first()
            .and_then(|(m, _)| view.device(*m))
            .map(|d| d.address)
    }
    fn destination(&self) -> Option<u32> {
        Some(dest::LAG + self.group)
    }
    fn group(&self) -> Option<Group<'_>> {
        Some(Group {
            number: self.group,
            mode: self.mode_name().into(),
            policy: self.policy_name().into(),
            fill: self.fill,
            active: self.active(),
            buckets: &self.buckets,
        })
    }

    fn refresh(&mut self, view: MemberView<'_>) {
        let usable = self.usable(view);
        let is_primary = |m: &(IfIndex, u32)| {
            self.primary
                .as_ref()
                .is_some_and(|p| view.registry.name(m.0) == *p)
        };
        let stays = |m: &(IfIndex, u32)| self.active == Some(m.0);
        self.active = usable
            .iter()
            .find(|m| is_primary(m))
            .or_else(|| usable.iter().find(|m| stays(m)))
            .or(usable.first())
            .map(|m| m.0);
        let ports: Vec<u8> = usable.iter().map(|(_, port)| *port as u8).collect();
        self.buckets = self.fill.fill(&ports, &self.buckets);
    }

    fn plan(&self, view: View<'_>, plan: &mut Plan) {
        let up = view.device(self.ifindex).is_some_and(|d| d.up);
        let mut members = 0;
        for (member, port) in &self.members {
            plan.ports[*port as usize].lag = Some(self.group);
            if up && view.device(*member).is_some_and(|d| d.up) {
                members |= 1 << port;
            }
        }
        let port_of = |m: IfIndex| self.members.iter().find(|(i, _)| *i == m).map(|(_, p)| *p);
        plan.groups[self.group as usize] = GroupConfig {
            enable: true,
            policy: self.policy,
            mode: self.mode,
            active: self.active.and_then(port_of).unwrap_or(0),
            // Dead links are left to the hardware, which skips them at once: the driver would only be later.
            distributing: members,
            // A backup's frames are copies of what the active member gets: Linux drops them as well.
            collecting: match self.active().and_then(port_of) {
                Some(active) => members & 1 << active,
                None => members,
            },
        };
        plan.buckets[self.group as usize] = self.buckets.clone();
    }

    fn boxed(&self) -> Box<dyn Master> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

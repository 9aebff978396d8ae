//! A bond: `type bond`, Linux bonding's seven modes and its words, on `smartnic_slowpath::bond`; a hardware LAG group carries its frames.
//!
//! | mode | frames of the bridge that it is a port of | frames of the host |
//! |---|---|---|
//! | balance-xor, 802.3ad, active-backup | hardware | hardware |
//! | balance-rr, broadcast, balance-tlb, balance-alb | refused: the hardware has no such mode | the driver chooses members, the hardware receives |
//!
//! The machine is a part of the model, so that a request that fails leaves nothing behind; what it wants done to devices is an [`Effect`], what it
//! wants sent waits for [`Master::take_frames`]. Without a bridge its frames are the host's: it has an FID of its own, in which its ports reach the host only.
//!
//! | file | what |
//! |---|---|
//! | `lower.rs` | what the machine does to members as they join and leave |
//! | `shown.rs` | iproute2's keys |
//! | `plan.rs` | what the hardware has to do |
//!
//! Covered by `tests/driver/bond`, and on the simulated card by `tests/tests/driver/bond.rs`.

mod lower;
mod plan;
mod shown;

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};
use smartnic_bond::show;
use smartnic_regs::values::dest;
use smartnic_slowpath::bond::{
    Action, Bond as Machine, BondError, Device, HashPolicy, Mode, PlanMode, Rx, Tx, Way,
};
use smartnic_slowpath::lacp::Link;

use super::{Effect, Group, Master, MemberView, View, options};
use crate::device::MacAddr;
use crate::device::fill::{Buckets, Fill};
use crate::netdev::{DeviceKind, Frame, IfIndex, NetDevice, NetError, RxVerdict};
use crate::switch::plan::Plan;
use lower::Steps;

/// Frames of the machine's that wait for the switch to take them; protocols repeat what is lost.
const FRAMES: usize = 64;

/// A bond.
#[derive(Clone)]
pub struct Bond {
    ifindex: IfIndex,
    group: u32,
    fid: u16,
    machine: Machine,
    /// The machine was told that the bond is up.
    up: bool,
    fill: Fill,
    /// Members with their hardware ports, in the order of joining.
    members: Vec<(IfIndex, u32)>,
    buckets: Buckets,
    frames: VecDeque<(IfIndex, Vec<u8>)>,
    effects: Vec<Effect>,
    changed: bool,
}

/// A refusal of the machine's, with its code.
fn refused(error: BondError) -> NetError {
    let BondError {
        errno,
        argument,
        value,
        reason,
    } = error;
    NetError::invalid(&argument, value, format!("{reason} ({errno})"))
}

fn link(device: &NetDevice) -> Option<Link> {
    (device.up && device.carrier).then_some(Link {
        speed: device.speed,
        full_duplex: true,
    })
}

impl Bond {
    /// An empty bond on hardware group `group`, with an FID of its own and Linux's defaults; `seed` is of its random numbers.
    pub fn new(ifindex: IfIndex, group: u32, fid: u16, seed: u64) -> Self {
        Self {
            ifindex,
            group,
            fid,
            machine: Machine::new(seed),
            up: false,
            fill: Fill::Linux,
            members: Vec::new(),
            buckets: Fill::Linux.fill(&[], &[]),
            frames: VecDeque::new(),
            effects: Vec::new(),
            changed: false,
        }
    }

    /// The card can carry frames by this mode without the driver.
    fn in_hardware(&self) -> bool {
        matches!(
            self.machine.options().mode,
            Mode::Xor | Mode::Ad | Mode::ActiveBackup
        )
    }

    /// Takes over what the machine wants.
    fn drain(&mut self) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::Send { slave, frame } => {
                    if self.frames.len() == FRAMES {
                        self.frames.pop_front();
                    }
                    self.frames.push_back((IfIndex(slave), frame));
                    continue;
                }
                Action::SetSlaveAddress { slave, address } => {
                    self.effects.push(Effect::Address(IfIndex(slave), address));
                }
                Action::BondAddress(address) => {
                    self.effects.push(Effect::Address(self.ifindex, address));
                }
                // The machine announces by itself what it has overheard.
                Action::NotifyPeers | Action::ResendIgmp => continue,
                Action::Carrier(_) | Action::ActiveSlave(_) | Action::Plan => {}
            }
            self.changed = true;
        }
    }

    fn done(&mut self, steps: Steps) {
        // Closing releases those that came by the ioctl.
        let left = |m: &IfIndex| steps.0.contains(&Effect::Leave(*m));
        self.members.retain(|(m, _)| !left(m));
        self.effects.extend(steps.0);
        self.drain();
    }

    /// The old ioctl's BOND_SETHWADDR: the bond takes a member's address.
    pub fn take_address(&mut self, now: Duration, member: IfIndex) -> Result<(), NetError> {
        self.machine.take_address(now, member.0).map_err(refused)?;
        self.drain();
        Ok(())
    }

    fn join(&mut self, view: View<'_>, member: IfIndex, way: Way) -> Result<(), NetError> {
        let Some(device) = view.device(member) else {
            return Err(NetError::NotFound {
                what: format!("device {member}"),
            });
        };
        let DeviceKind::Port(number) = device.kind else {
            let reason = "a bond takes ports of the card only (EOPNOTSUPP)";
            return Err(NetError::invalid("slave", &device.name, reason));
        };
        let lower = Device {
            id: member.0,
            name: device.name.clone(),
            address: device.address,
            mtu: device.mtu,
            up: device.up,
            link: link(device),
            other_master: false,
            busy: device.master.is_some(),
            is_bond: false,
            ethernet: true,
            sets_address: true,
        };
        let mut steps = Steps::default();
        self.machine
            .enslave(view.now, &mut steps, way, &lower)
            .map_err(refused)?;
        self.members.push((member, number));
        self.done(steps);
        Ok(())
    }
}

impl Master for Bond {
    fn kind(&self) -> &'static str {
        "bond"
    }
    fn ifindex(&self) -> IfIndex {
        self.ifindex
    }
    fn members(&self) -> Vec<IfIndex> {
        self.members.iter().map(|(m, _)| *m).collect()
    }
    fn add_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError> {
        self.join(view, member, Way::Link)
    }
    fn add_running_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError> {
        self.join(view, member, Way::Ioctl)
    }
    fn remove_member(&mut self, now: Duration, member: IfIndex) {
        let mut steps = Steps::default();
        // The members are the machine's slaves: it knows this one.
        let released = self.machine.release(now, &mut steps, member.0);
        debug_assert!(released.is_ok());
        self.done(steps);
    }

    fn set(&mut self, view: View<'_>, option: &str, value: &str) -> Result<(), NetError> {
        self.set_all(view, &[(option, value)])
    }
    /// In the kernel's order, whatever theirs is.
    fn set_all(&mut self, view: View<'_>, all: &[(&str, &str)]) -> Result<(), NetError> {
        let (own, machine): (Vec<_>, Vec<_>) = all.iter().partition(|(o, _)| *o == "lb_fill");
        for (_, value) in own {
            self.fill = options::lb_fill(value)?;
        }
        let machine: Vec<_> = machine
            .into_iter()
            .map(|(o, v)| (show::option(o), v))
            .collect();
        self.machine.set_all(view.now, &machine).map_err(refused)?;
        self.drain();
        Ok(())
    }
    fn check(&self, view: View<'_>) -> Result<(), NetError> {
        let o = self.machine.options();
        let inner = matches!(
            o.xmit_hash_policy,
            HashPolicy::Encap23 | HashPolicy::Encap34
        );
        if inner && self.in_hardware() && o.mode != Mode::ActiveBackup {
            let policy = self.machine.get("xmit_hash_policy").unwrap_or_default();
            let reason = "the card hashes outer headers only: use layer2, layer2+3, layer3+4 or vlan+srcmac (EOPNOTSUPP)";
            return Err(NetError::invalid("xmit_hash_policy", policy, reason));
        }
        let port = view
            .device(self.ifindex)
            .is_some_and(|d| d.master.is_some());
        if port && !self.in_hardware() {
            let mode = self.machine.get("mode").unwrap_or_default();
            let reason = "the card cannot forward to a bond by this mode: a bridge takes balance-xor, 802.3ad and active-backup (EOPNOTSUPP)";
            return Err(NetError::invalid("mode", mode, reason));
        }
        Ok(())
    }
    fn wants_daemon(&self) -> Option<(&'static str, String)> {
        let mode = self.machine.options().mode;
        (mode == Mode::Ad || !self.in_hardware())
            .then(|| ("mode", self.machine.get("mode").unwrap_or_default()))
    }
    fn info(&self, view: View<'_>) -> Map<String, Value> {
        self.show(view)
    }
    fn set_member(
        &mut self,
        view: View<'_>,
        member: IfIndex,
        option: &str,
        value: &str,
    ) -> Result<(), NetError> {
        self.machine
            .set_slave(view.now, member.0, option, value)
            .map_err(refused)?;
        self.drain();
        Ok(())
    }
    fn member_info(&self, _view: View<'_>, member: IfIndex) -> Map<String, Value> {
        self.show_member(member)
    }

    fn rx(&mut self, now: Duration, frame: &mut Frame) -> RxVerdict {
        let verdict = self.machine.receive(now, frame.dev.0, &mut frame.data);
        self.drain();
        match verdict {
            Rx::Another => {
                frame.dev = self.ifindex;
                RxVerdict::Another
            }
            Rx::Exact => RxVerdict::Exact,
            Rx::Pass => RxVerdict::Pass,
            Rx::Consumed => RxVerdict::Consumed,
        }
    }
    fn carrier(&self, _view: View<'_>) -> bool {
        self.machine.carrier()
    }
    fn address(&self, _view: View<'_>) -> Option<MacAddr> {
        Some(self.machine.address())
    }
    fn set_address(&mut self, view: View<'_>, address: MacAddr) -> Result<bool, NetError> {
        let mut steps = Steps::default();
        self.machine
            .set_address(view.now, &mut steps, address)
            .map_err(refused)?;
        self.done(steps);
        Ok(true)
    }
    fn destination(&self) -> Option<u32> {
        Some(dest::LAG + self.group)
    }
    fn own_fid(&self) -> Option<u16> {
        Some(self.fid)
    }
    fn has_stack(&self) -> bool {
        true
    }
    fn group(&self) -> Option<Group<'_>> {
        let text = |option| self.machine.get(option).unwrap_or_default();
        Some(Group {
            number: self.group,
            mode: text("mode"),
            policy: text("xmit_hash_policy"),
            fill: self.fill,
            active: self.machine.active_slave().map(IfIndex),
            buckets: &self.buckets,
        })
    }

    fn chooses(&self) -> bool {
        !self.in_hardware()
    }
    fn overhear(&mut self, frame: &[u8]) {
        self.machine.overhear(frame);
    }
    fn transmit(&mut self, now: Duration, frame: &mut Vec<u8>) -> Vec<IfIndex> {
        let tx = self.machine.transmit(now, frame, 0);
        self.drain();
        match tx {
            Tx::One(slave) => vec![IfIndex(slave)],
            Tx::Each(slaves) => slaves.into_iter().map(IfIndex).collect(),
            Tx::Drop => Vec::new(),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.next_deadline()
    }
    fn tick(&mut self, now: Duration) {
        self.machine.tick(now);
        self.drain();
    }
    fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
    fn take_frames(&mut self) -> Vec<(IfIndex, Vec<u8>)> {
        std::mem::take(&mut self.frames).into()
    }
    fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The machine learns what became of its device and its members.
    fn refresh(&mut self, view: MemberView<'_>) {
        let now = view.now;
        let Some(own) = view.registry.get(self.ifindex) else {
            return;
        };
        let mut steps = Steps::default();
        let above = own.master.and_then(|m| view.registry.get(m));
        self.machine.set_above(above.map(|m| m.address));
        self.machine.set_enslaved(own.master.is_some());
        self.machine.set_mtu(own.mtu);
        match (std::mem::replace(&mut self.up, own.up), own.up) {
            (false, true) => self.machine.open(now),
            (true, false) => self.machine.close(now, &mut steps),
            _ => {}
        }
        for (member, _) in &self.members {
            let link = view.registry.get(*member).and_then(link);
            self.machine.set_link(now, member.0, link);
        }
        self.done(steps);
        let plan = self.machine.plan();
        let port = |slave| self.port(slave).map(|port| port as u8);
        self.buckets = match plan.mode {
            PlanMode::Buckets => plan.buckets.iter().map(|b| b.and_then(port)).collect(),
            _ => {
                let usable = plan.members.iter().filter(|m| m.distributing);
                let usable: Vec<u8> = usable.filter_map(|m| port(m.slave)).collect();
                self.fill.fill(&usable, &self.buckets)
            }
        };
    }

    fn plan(&self, view: View<'_>, plan: &mut Plan) {
        self.add_to_plan(view, plan);
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

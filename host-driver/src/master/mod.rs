//! Masters: devices built over ports, one module each, behind one trait.
//!
//! A master keeps its members and options, decides what happens to a member's frames ([`Master::rx`]), and says what
//! the hardware has to do ([`Master::plan`]). It never touches the card: the switch compares the plan with what the
//! card has and writes the difference, so that a card that comes back is set up like a new one.

pub mod bond;
pub mod bridge;
pub mod lag;
pub mod options;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::device::fill::{Buckets, Fill};
use crate::device::{Caps, MacAddr};
use crate::netdev::{DeviceKind, Frame, IfIndex, NetDevice, NetError, Registry, RxVerdict};
use crate::switch::plan::Plan;
use smartnic_regs::values::dest;

/// All masters by index.
pub type Masters = BTreeMap<IfIndex, Box<dyn Master>>;

/// What a master may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// All devices.
    pub registry: &'a Registry,
    /// All masters.
    pub masters: &'a Masters,
    /// What the card has.
    pub caps: &'a Caps,
    /// The time, by the switch's clock.
    pub now: Duration,
}

/// What a master does to a device: to itself or to a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It has this address now.
    Address(IfIndex, MacAddr),
    /// It has this MTU.
    Mtu(IfIndex, u32),
    /// It is set up or down.
    Up(IfIndex, bool),
    /// It is nobody's member any more.
    Leave(IfIndex),
}

/// A group of the hardware, as the master that uses it has set it up.
pub struct Group<'a> {
    /// Which one.
    pub number: u32,
    /// The master's mode.
    pub mode: String,
    /// Linux's word for the hash policy.
    pub policy: String,
    /// How buckets are filled.
    pub fill: Fill,
    /// The member that carries all frames, where one does.
    pub active: Option<IfIndex>,
    /// Hardware port in each bucket.
    pub buckets: &'a Buckets,
}

impl View<'_> {
    /// The device, if it exists.
    pub fn device(&self, ifindex: IfIndex) -> Option<&NetDevice> {
        self.registry.get(ifindex)
    }

    /// Hardware ports under a device: itself, or its members' ports.
    pub fn ports(&self, ifindex: IfIndex) -> Vec<u32> {
        match self.device(ifindex).map(|d| d.kind) {
            Some(DeviceKind::Port(number)) => vec![number],
            Some(DeviceKind::Master) => {
                let members = self
                    .masters
                    .get(&ifindex)
                    .map(|m| m.members())
                    .unwrap_or_default();
                members.into_iter().flat_map(|m| self.ports(m)).collect()
            }
            Some(DeviceKind::Other) | None => Vec::new(),
        }
    }

    /// Mb/s of a device: a port's, or the sum of a master's members that carry frames; 0 if nobody knows.
    pub fn speed(&self, ifindex: IfIndex) -> u32 {
        match self.device(ifindex) {
            Some(d) if d.kind != DeviceKind::Master => d.speed,
            _ => {
                let members = self.masters.get(&ifindex).map(|m| m.members());
                let members = members.unwrap_or_default().into_iter();
                let carries = |m: &IfIndex| self.device(*m).is_some_and(|d| d.up && d.carrier);
                members.filter(carries).map(|m| self.speed(m)).sum()
            }
        }
    }

    /// Where the FDB sends frames for a device (`values::dest`), if it can be a destination.
    pub fn destination(&self, ifindex: IfIndex) -> Option<u32> {
        match self.device(ifindex)?.kind {
            DeviceKind::Port(number) => Some(dest::PORT + number),
            DeviceKind::Master => self.masters.get(&ifindex)?.destination(),
            DeviceKind::Other => None,
        }
    }
}

/// A master device.
pub trait Master: Send {
    /// `bridge`, `lag`, ...: the word after `type`.
    fn kind(&self) -> &'static str;
    /// Its own index.
    fn ifindex(&self) -> IfIndex;
    /// Its members, in the order of joining.
    fn members(&self) -> Vec<IfIndex>;
    /// Takes a member in, or says why not. The caller has checked that it has no master, and is not this one.
    fn add_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError>;
    /// The same by the old ioctl, which has other rules for some.
    fn add_running_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError> {
        self.add_member(view, member)
    }
    /// Lets a member go.
    fn remove_member(&mut self, now: Duration, member: IfIndex);
    /// Sets an option by the word that iproute2 has for it.
    fn set(&mut self, view: View<'_>, option: &str, value: &str) -> Result<(), NetError>;
    /// Sets several options of one request; what is refused half way is not put to use.
    fn set_all(&mut self, view: View<'_>, all: &[(&str, &str)]) -> Result<(), NetError> {
        all.iter()
            .try_for_each(|(option, value)| self.set(view, option, value))
    }
    /// Whether its options, and its members', fit together once all of a request are set.
    fn check(&self, _view: View<'_>) -> Result<(), NetError> {
        Ok(())
    }
    /// The option, with its value, for which somebody must stay who calls [`Master::tick`] and has frames.
    fn wants_daemon(&self) -> Option<(&'static str, String)> {
        None
    }
    /// Options as iproute2's `info_data`.
    fn info(&self, view: View<'_>) -> Map<String, Value>;
    /// Sets an option of a member.
    fn set_member(
        &mut self,
        view: View<'_>,
        member: IfIndex,
        option: &str,
        value: &str,
    ) -> Result<(), NetError>;
    /// Options of a member as iproute2's `info_slave_data`.
    fn member_info(&self, view: View<'_>, member: IfIndex) -> Map<String, Value>;
    /// What happens to a member's frame.
    fn rx(&mut self, now: Duration, frame: &mut Frame) -> RxVerdict;
    /// Whether a member can carry frames.
    fn carrier(&self, view: View<'_>) -> bool {
        self.members()
            .iter()
            .any(|m| view.device(*m).is_some_and(|d| d.up && d.carrier))
    }
    /// The address that it takes unless a user set one; `None` keeps what it has.
    fn address(&self, view: View<'_>) -> Option<MacAddr>;
    /// A user wants this address for it. True: it has seen to that by itself, and always has the address that it says.
    fn set_address(&mut self, _view: View<'_>, _address: MacAddr) -> Result<bool, NetError> {
        Ok(false)
    }
    /// Where the FDB sends frames for it when it is a port of another master.
    fn destination(&self) -> Option<u32> {
        None
    }
    /// FID in which it forwards, if it is one that forwards.
    fn fid(&self) -> Option<u16> {
        None
    }
    /// FID that nobody else may have.
    fn own_fid(&self) -> Option<u16> {
        self.fid()
    }
    /// It has an interface in the host's stack.
    fn has_stack(&self) -> bool {
        self.fid().is_some()
    }
    /// The hardware's group that it uses.
    fn group(&self) -> Option<Group<'_>> {
        None
    }
    /// It chooses the members for the host's frames by itself ([`Master::transmit`]); else the hardware does.
    fn chooses(&self) -> bool {
        false
    }
    /// The host has sent a frame on it for which the hardware chooses the member.
    fn overhear(&mut self, _frame: &[u8]) {}
    /// Members that get a frame of the host's, which may be changed; none: it is dropped.
    fn transmit(&mut self, _now: Duration, _frame: &mut Vec<u8>) -> Vec<IfIndex> {
        Vec::new()
    }
    /// When it wants [`Master::tick`].
    fn deadline(&self) -> Option<Duration> {
        None
    }
    /// Time has passed.
    fn tick(&mut self, _now: Duration) {}
    /// Whether anything changed by itself since the last call: by time, or by a frame.
    fn take_change(&mut self) -> bool {
        false
    }
    /// What it wants sent, by member.
    fn take_frames(&mut self) -> Vec<(IfIndex, Vec<u8>)> {
        Vec::new()
    }
    /// What it does to devices, in order.
    fn take_effects(&mut self) -> Vec<Effect> {
        Vec::new()
    }
    /// Members or links changed: adapt what depends on them.
    fn refresh(&mut self, _view: MemberView<'_>) {}
    /// Adds what the hardware has to do for it. Masters come in the order of their kinds, bridges last.
    fn plan(&self, view: View<'_>, plan: &mut Plan);
    /// A copy, so that a request that fails half way changes nothing.
    fn boxed(&self) -> Box<dyn Master>;
    /// To reach what only one kind has.
    fn as_any(&self) -> &dyn std::any::Any;
    /// To change what only one kind has.
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any;
}

/// The devices alone, while one master is being changed.
#[derive(Clone, Copy)]
pub struct MemberView<'a> {
    /// All devices.
    pub registry: &'a Registry,
    /// The time, by the switch's clock.
    pub now: Duration,
}

impl Clone for Box<dyn Master> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

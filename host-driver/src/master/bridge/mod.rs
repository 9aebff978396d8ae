//! A bridge: `type bridge`, with the Linux bridge's words and defaults where they apply.
//!
//! Defaults: ageing after 300 s; a new port learns, floods and forwards; the bridge's address is the lowest of its
//! ports' until a user sets one; its own and its ports' addresses are local FDB entries to the host; STP is off, so
//! that BPDUs are forwarded, pause frames dropped, and the other reserved addresses given to the host.
//!
//! Hardware forwards and learns (`learning on`), or reports unknown sources and the driver inserts (`learning
//! slow-path`). The card has one ageing clock: an ageing time counts for all bridges, and so does the short one of a topology change.
//!
//! The spanning tree (`stp_state 1`) is a machine of the switch ([`crate::switch::spanning`]); a port's state is then what the machine says. With
//! `stp_state 2` a program of the user's sets the states.
//!
//! | file | what |
//! |---|---|
//! | `port.rs` | a port's options |
//! | `settings.rs` | the bridge's options, and what the spanning tree is told |
//! | `multicast.rs` | the options of multicast snooping, which the driver runs ([`crate::switch::snooping`]) |
//! | `reserved.rs` | the reserved addresses |
//! | `plan.rs` | what the hardware has to do |

pub mod multicast;
mod plan;
pub mod port;
pub mod reserved;
mod settings;

use std::time::Duration;

use serde_json::{Map, Value};
use smartnic_regs::values::{reason, state};
use smartnic_slowpath::stp::{BridgeSettings, PortState, Protocol};

use super::{Master, View, options};
use crate::device::MacAddr;
use crate::netdev::{Frame, IfIndex, MTU_DEFAULT, NetError, RxVerdict};
use crate::switch::plan::Plan;

use multicast::Knobs;
pub use port::{BridgePort, Learning};
pub use settings::{AGEING_DEFAULT, OPTIONS};
pub use smartnic_bridge::Stp;

/// A bridge.
#[derive(Clone)]
pub struct Bridge {
    ifindex: IfIndex,
    fid: u16,
    ports: Vec<BridgePort>,
    ageing_time: u64,
    /// The spanning tree's ageing time during a topology change.
    short_ageing: Option<Duration>,
    stp: Stp,
    /// The address is filled in when the spanning tree is told.
    settings: BridgeSettings,
    group_fwd_mask: u16,
    multicast: Knobs,
    /// A user has set the MTU.
    mtu_set: bool,
}

impl Bridge {
    /// A bridge without ports that forwards in `fid`.
    pub fn new(ifindex: IfIndex, fid: u16, ageing_time: u64) -> Self {
        Self {
            ifindex,
            fid,
            ports: Vec::new(),
            ageing_time,
            short_ageing: None,
            stp: Stp::Off,
            settings: BridgeSettings::new(MacAddr::default(), Protocol::Stp),
            group_fwd_mask: 0,
            multicast: Knobs::default(),
            mtu_set: false,
        }
    }
    /// Ageing time in 1/100 s.
    pub fn ageing_time(&self) -> u64 {
        self.ageing_time
    }
    /// The other bridges follow: the card has one clock.
    pub fn set_ageing_time(&mut self, centiseconds: u64) {
        self.ageing_time = centiseconds;
    }
    /// A user has set the MTU.
    pub fn set_mtu(&mut self) {
        self.mtu_set = true;
    }
    /// The MTU follows the ports': the least of theirs, or what a user set if that is less. `now` is what it is.
    pub fn mtu(&self, now: u32, least: Option<u32>) -> Option<u32> {
        match (least, self.mtu_set) {
            (Some(least), true) => Some(now.min(least)),
            (Some(least), false) => Some(least),
            (None, true) => None,
            (None, false) => Some(MTU_DEFAULT),
        }
    }
    /// Its ports, in the order of joining.
    pub fn ports(&self) -> &[BridgePort] {
        &self.ports
    }
    /// A port's options.
    pub fn port(&self, ifindex: IfIndex) -> Option<&BridgePort> {
        self.ports.iter().find(|p| p.ifindex == ifindex)
    }
    fn port_mut(&mut self, ifindex: IfIndex) -> Option<&mut BridgePort> {
        self.ports.iter_mut().find(|p| p.ifindex == ifindex)
    }
    /// Who runs the spanning tree.
    pub fn stp(&self) -> Stp {
        self.stp
    }

    /// The settings of multicast snooping.
    pub fn multicast(&self) -> &Knobs {
        &self.multicast
    }

    /// The spanning tree puts a port into a state.
    pub fn set_port_state(&mut self, port: IfIndex, state: PortState) {
        if self.stp == Stp::On
            && let Some(port) = self.port_mut(port)
        {
            port.state = state as u32;
        }
    }
    /// The spanning tree wants another ageing time, or the configured one again.
    pub fn set_short_ageing(&mut self, time: Option<Duration>) {
        self.short_ageing = time.filter(|_| self.stp == Stp::On);
    }

    /// A port's state in force: disabled while it or the bridge cannot carry frames.
    pub fn state(&self, view: View<'_>, port: &BridgePort) -> u32 {
        let up = view.device(self.ifindex).is_some_and(|d| d.up);
        match up && active(view, port.ifindex) {
            true => port.state,
            false => state::DISABLED,
        }
    }

    /// Reserved addresses that are forwarded when they come in by `port`.
    pub fn forwards(&self, port: &BridgePort) -> u16 {
        let bpdus = u16::from(self.stp == Stp::Off);
        self.group_fwd_mask | port.group_fwd_mask | bpdus
    }

    /// Ports that get a frame to a reserved address which the driver forwards: it came in by `from`.
    pub fn reserved_targets(&self, view: View<'_>, from: IfIndex) -> Vec<IfIndex> {
        let Some(source) = self.port(from) else {
            return Vec::new();
        };
        self.ports
            .iter()
            .filter(|p| p.ifindex != from || p.hairpin)
            .filter(|p| p.mcast_flood && !(p.isolated && source.isolated))
            .filter(|p| self.state(view, p) == state::FORWARDING)
            .map(|p| p.ifindex)
            .collect()
    }
}

/// A device carries frames as a bridge port: up, and one hardware port under it up with a link.
pub fn active(view: View<'_>, ifindex: IfIndex) -> bool {
    view.device(ifindex).is_some_and(|d| d.up && d.carrier)
}

impl Master for Bridge {
    fn kind(&self) -> &'static str {
        "bridge"
    }
    fn ifindex(&self) -> IfIndex {
        self.ifindex
    }
    fn members(&self) -> Vec<IfIndex> {
        self.ports.iter().map(|p| p.ifindex).collect()
    }
    fn add_member(&mut self, view: View<'_>, member: IfIndex) -> Result<(), NetError> {
        if view.destination(member).is_none() {
            let name = view.registry.name(member);
            let bridge = view.masters.get(&member).is_some_and(|m| m.fid().is_some());
            let code = if bridge { "ELOOP" } else { "EOPNOTSUPP" };
            let reason = format!(
                "{name} cannot be a port of a bridge: ports of the card, lags and bonds can ({code})"
            );
            return Err(NetError::invalid(
                "master",
                view.registry.name(self.ifindex),
                reason,
            ));
        }
        self.ports
            .push(BridgePort::new(member, settings::first_state(self.stp)));
        Ok(())
    }
    fn remove_member(&mut self, _now: Duration, member: IfIndex) {
        self.ports.retain(|p| p.ifindex != member);
    }

    fn set(&mut self, _view: View<'_>, option: &str, value: &str) -> Result<(), NetError> {
        self.set_option(option, value)
    }
    fn check(&self, _view: View<'_>) -> Result<(), NetError> {
        self.check_settings()
    }
    fn wants_daemon(&self) -> Option<(&'static str, String)> {
        (self.stp == Stp::On).then(|| ("stp_state", "1".into()))
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
        let stp = self.stp;
        let device = view.device(member);
        let Some(port) = self.port_mut(member) else {
            return Err(NetError::NotFound {
                what: format!("bridge port {member}"),
            });
        };
        if option != "state" {
            return port.set(option, value);
        }
        let wanted = port::state(option, value)?;
        if stp == Stp::On {
            return Err(NetError::Busy {
                name: option.into(),
                reason: "the spanning tree sets it; use stp_state 0, or 2 for one of your own"
                    .into(),
            });
        }
        let carries = device.is_some_and(|d| d.up && (d.carrier || wanted == state::DISABLED));
        if !carries {
            let reason = "the port is down or has no carrier (ENETDOWN)";
            return Err(NetError::invalid(option, value, reason));
        }
        port.state = wanted;
        Ok(())
    }
    fn member_info(&self, view: View<'_>, member: IfIndex) -> Map<String, Value> {
        let port = self.port(member);
        port.map(|p| p.info(self.state(view, p)))
            .unwrap_or_default()
    }

    /// The hardware has forwarded the frame already; what it gave to the host is the bridge's. Reserved addresses are the spanning tree's, or
    /// forwarded by the driver where not all bridges forward them, or stay on the port, as in `br_handle_frame`.
    fn rx(&mut self, _now: Duration, frame: &mut Frame) -> RxVerdict {
        let Some(n) = frame.reason.checked_sub(reason::RESERVED) else {
            frame.dev = self.ifindex;
            return RxVerdict::Another;
        };
        let Some(port) = self.port(frame.dev) else {
            return RxVerdict::Pass;
        };
        let forwards = u32::from(self.forwards(port)).checked_shr(n).unwrap_or(0) & 1 == 1;
        match () {
            _ if self.stp == Stp::On && self.is_group(n) => RxVerdict::Control,
            // The card takes control frames of a bond's members in any state.
            _ if port.state == state::DISABLED => RxVerdict::Consumed,
            _ if forwards && port.state == state::FORWARDING => RxVerdict::Forward,
            _ if forwards => RxVerdict::Consumed,
            _ => RxVerdict::Pass,
        }
    }
    /// Linux: on while a port forwards.
    fn carrier(&self, view: View<'_>) -> bool {
        let forwards = |p: &BridgePort| active(view, p.ifindex) && p.state == state::FORWARDING;
        self.ports.iter().any(forwards)
    }
    fn address(&self, view: View<'_>) -> Option<MacAddr> {
        self.ports
            .iter()
            .filter_map(|p| view.device(p.ifindex))
            .map(|d| d.address)
            .min()
    }
    fn fid(&self) -> Option<u16> {
        Some(self.fid)
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

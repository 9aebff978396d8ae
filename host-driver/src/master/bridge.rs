//! A bridge: `type bridge`, with the Linux bridge's words and defaults where they apply.
//!
//! Defaults: ageing after 300 s; a new port learns, floods and forwards; the bridge's address is the lowest of its
//! ports' until a user sets one; its own and its ports' addresses are local FDB entries to the host; STP is off, so
//! that BPDUs are forwarded, pause frames dropped, and the other reserved addresses given to the host.
//!
//! Hardware forwards and learns (`learning on`), or reports unknown sources and the driver inserts (`learning
//! slow-path`). The card has one ageing clock: an ageing time counts for all bridges.

use serde_json::{Map, Value, json};
use smartnic_regs::values::{dest, kind, learn, reason, state};

use super::{Master, View, options};
use crate::device::MacAddr;
use crate::device::fdb::{FdbData, FdbKey, age_period};
use crate::netdev::{Frame, IfIndex, NetError, RxVerdict};
use crate::switch::plan::{Plan, PortSet};

/// Port states, as Linux numbers and names them.
pub const STATES: [&str; 5] = [
    "disabled",
    "listening",
    "learning",
    "forwarding",
    "blocking",
];
/// Default ageing time, in Linux's unit of 1/100 s.
pub const AGEING_DEFAULT: u64 = 30_000;
/// Longest ageing time (802.1Q: 1,000,000 s).
pub const AGEING_MAX: u64 = 100_000_000;
const OPTIONS: [&str; 1] = ["ageing_time"];
const PORT_OPTIONS: [&str; 7] = [
    "state",
    "learning",
    "flood",
    "mcast_flood",
    "bcast_flood",
    "hairpin",
    "isolated",
];

/// Learning of a bridge port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learning {
    /// None.
    Off,
    /// Hardware inserts.
    Hardware,
    /// Hardware reports, the driver inserts.
    SlowPath,
}

impl Learning {
    /// The word for it.
    pub fn name(self) -> &'static str {
        ["off", "hardware", "slow-path"][self as usize]
    }
}

/// A port of a bridge with its options.
#[derive(Clone, Debug)]
pub struct BridgePort {
    /// The device: a port of the card or a lag.
    pub ifindex: IfIndex,
    /// `values::state` while the device is up.
    pub state: u32,
    /// Learning.
    pub learning: Learning,
    /// Floods unknown unicast to it.
    pub flood: bool,
    /// Floods multicast to it.
    pub mcast_flood: bool,
    /// Floods broadcast to it.
    pub bcast_flood: bool,
    /// Frames may go back to where they came from.
    pub hairpin: bool,
    /// Not forwarded to other isolated ports.
    pub isolated: bool,
}

impl BridgePort {
    fn new(ifindex: IfIndex) -> Self {
        Self {
            ifindex,
            state: state::FORWARDING,
            learning: Learning::Hardware,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
            hairpin: false,
            isolated: false,
        }
    }
}

/// A bridge.
#[derive(Clone)]
pub struct Bridge {
    ifindex: IfIndex,
    fid: u16,
    ports: Vec<BridgePort>,
    ageing_time: u64,
}

impl Bridge {
    /// A bridge without ports that forwards in `fid`.
    pub fn new(ifindex: IfIndex, fid: u16, ageing_time: u64) -> Self {
        Self {
            ifindex,
            fid,
            ports: Vec::new(),
            ageing_time,
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
    /// A port's options.
    pub fn port(&self, ifindex: IfIndex) -> Option<&BridgePort> {
        self.ports.iter().find(|p| p.ifindex == ifindex)
    }
    fn port_mut(&mut self, ifindex: IfIndex) -> Option<&mut BridgePort> {
        self.ports.iter_mut().find(|p| p.ifindex == ifindex)
    }

    /// The bridge's identifier, as Linux shows it: priority and address.
    fn id(&self, view: View<'_>) -> String {
        let hex: String = view
            .device(self.ifindex)
            .map(|d| d.address)
            .unwrap_or_default()
            .0
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("8000.{hex}")
    }
}

/// A device carries frames as a bridge port: up, and one hardware port under it up with a link.
fn active(view: View<'_>, ifindex: IfIndex) -> bool {
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
            let reason =
                format!("{name} cannot be a port of a bridge: ports of the card and lags can");
            return Err(NetError::invalid(
                "master",
                view.registry.name(self.ifindex),
                reason,
            ));
        }
        self.ports.push(BridgePort::new(member));
        Ok(())
    }
    fn remove_member(&mut self, member: IfIndex) {
        self.ports.retain(|p| p.ifindex != member);
    }

    fn set(&mut self, _view: View<'_>, option: &str, value: &str) -> Result<(), NetError> {
        match option {
            "ageing_time" => self.ageing_time = options::number(option, value, 0..=AGEING_MAX)?,
            _ => return Err(options::unknown(option, value, "a bridge", &OPTIONS)),
        }
        Ok(())
    }
    fn info(&self, view: View<'_>) -> Map<String, Value> {
        let mut info = Map::new();
        info.insert("ageing_time".into(), json!(self.ageing_time));
        info.insert("stp_state".into(), json!(0));
        info.insert("priority".into(), json!(0x8000));
        info.insert("bridge_id".into(), json!(self.id(view)));
        info.insert("fid".into(), json!(self.fid));
        info
    }

    fn set_member(&mut self, member: IfIndex, option: &str, value: &str) -> Result<(), NetError> {
        let Some(port) = self.port_mut(member) else {
            return Err(NetError::NotFound {
                what: format!("bridge port {member}"),
            });
        };
        match option {
            "state" => {
                port.state = match value.parse::<u32>() {
                    Ok(n) if n < STATES.len() as u32 => n,
                    _ => options::word(option, value, &STATES)? as u32,
                }
            }
            "learning" => {
                port.learning = match value {
                    "slow-path" => Learning::SlowPath,
                    "hardware" => Learning::Hardware,
                    _ => match options::on_off(option, value) {
                        Ok(true) => Learning::Hardware,
                        Ok(false) => Learning::Off,
                        Err(_) => {
                            return Err(NetError::invalid(
                                option,
                                value,
                                "use on (hardware), slow-path or off",
                            ));
                        }
                    },
                }
            }
            "flood" => port.flood = options::on_off(option, value)?,
            "mcast_flood" => port.mcast_flood = options::on_off(option, value)?,
            "bcast_flood" => port.bcast_flood = options::on_off(option, value)?,
            "hairpin" => port.hairpin = options::on_off(option, value)?,
            "isolated" => port.isolated = options::on_off(option, value)?,
            _ => {
                return Err(options::unknown(
                    option,
                    value,
                    "a bridge port",
                    &PORT_OPTIONS,
                ));
            }
        }
        Ok(())
    }
    fn member_info(&self, view: View<'_>, member: IfIndex) -> Map<String, Value> {
        let mut info = Map::new();
        let Some(port) = self.port(member) else {
            return info;
        };
        let up = active(view, member) && view.device(self.ifindex).is_some_and(|d| d.up);
        let state = if up { port.state } else { state::DISABLED };
        info.insert("state".into(), json!(STATES[state as usize]));
        info.insert("hairpin".into(), json!(port.hairpin));
        info.insert("learning".into(), json!(port.learning != Learning::Off));
        info.insert("learning_mode".into(), json!(port.learning.name()));
        info.insert("flood".into(), json!(port.flood));
        info.insert("mcast_flood".into(), json!(port.mcast_flood));
        info.insert("bcast_flood".into(), json!(port.bcast_flood));
        info.insert("isolated".into(), json!(port.isolated));
        info
    }

    /// The hardware has forwarded the frame already; what it gave to the host is the bridge's. Reserved addresses stay
    /// on the port, as in `br_handle_frame`.
    fn rx(&mut self, frame: &mut Frame) -> RxVerdict {
        if frame.reason >= reason::RESERVED {
            return RxVerdict::Pass;
        }
        frame.dev = self.ifindex;
        RxVerdict::Another
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
        let up = view.device(self.ifindex).is_some_and(|d| d.up);
        plan.age_period = age_period(self.ageing_time * 10);
        let port_up = |port: u32| view.registry.port(port).is_some_and(|d| d.up);
        let mut reach = PortSet::ZERO;
        for member in self
            .ports
            .iter()
            .filter(|m| up && view.device(m.ifindex).is_some_and(|d| d.up))
        {
            for port in view.ports(member.ifindex) {
                if port_up(port) {
                    reach.set(port as usize, true);
                }
            }
        }
        let host = view.caps.host();
        let mut with_host = reach;
        with_host.set(host as usize, true);
        for member in &self.ports {
            let Some(destination) = view.destination(member.ifindex) else {
                continue;
            };
            let member_up = up && view.device(member.ifindex).is_some_and(|d| d.up);
            plan.members.insert((destination, self.fid));
            if up && active(view, member.ifindex) {
                plan.active.insert((destination, self.fid));
            }
            for port in view.ports(member.ifindex) {
                let config = &mut plan.ports[port as usize];
                config.fid = self.fid;
                config.state = if member_up && port_up(port) {
                    member.state
                } else {
                    state::DISABLED
                };
                config.learn = match member.learning {
                    Learning::Off => learn::OFF,
                    Learning::Hardware => learn::HARDWARE,
                    Learning::SlowPath => learn::SLOW_PATH,
                };
                config.flood_uc = member.flood;
                config.flood_mc = member.mcast_flood;
                config.flood_bc = member.bcast_flood;
                config.hairpin = member.hairpin;
                config.isolated = member.isolated;
                plan.masks[port as usize] = with_host;
            }
        }
        // Frames from the host have one FID: those of the first bridge that is up go through the switch, the others'
        // are sent port by port (see `switch::xmit`).
        if up && plan.host_fid.is_none() {
            plan.host_fid = Some(self.fid);
            let config = &mut plan.ports[host as usize];
            config.fid = self.fid;
            plan.masks[host as usize] = reach;
        }
        if up {
            let config = &mut plan.ports[host as usize];
            config.state = state::FORWARDING;
            (config.flood_mc, config.flood_bc) = (true, true);
        }
        let local = FdbData::new(dest::HOST, kind::LOCAL);
        let devices = self.ports.iter().map(|p| p.ifindex).chain([self.ifindex]);
        for device in devices.filter_map(|i| view.device(i)) {
            plan.fdb.insert(
                FdbKey {
                    fid: self.fid,
                    mac: device.address,
                },
                local,
            );
        }
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

//! Link Aggregation Control Protocol, IEEE 802.1AX-2014 clause 6.4, and the marker responder of clause 6.5.
//!
//! [`Lacp`] is one system with its ports: a bond in mode 802.3ad. Each port runs the standard's receive, periodic, mux,
//! transmit and churn machines under their own names; the selection logic groups ports into aggregators by LAG id and,
//! as Linux bonding does, lets one aggregator carry frames, chosen by [`AdSelect`]. Ports of the others are STANDBY in
//! the sense of clause 6.4.8: not in sync, so that their partners do not send either.
//!
//! Protocol for the caller: tell it of links ([`Lacp::set_link`]) and slow protocol frames ([`Lacp::receive`]), call
//! [`Lacp::tick`] at [`Lacp::next_deadline`], and after each of these do what [`Lacp::poll`] says until it says nothing.
//! `now` never goes back.
//!
//! Limits: 65,535 ports; the LACP version written is 1; a defaulted partner is taken for an individual one that
//! collects and distributes, so that a single link works towards a switch without LACP, as Linux's does.
//!
//! Covered by `tests/lacp.rs` (each machine's transitions), `tests/lacp_pairs.rs` (two systems over links that flap,
//! delay and lose) and `tests/lacp_fuzz.rs`.

mod churn;
mod config;
mod mux;
mod periodic;
mod port;
mod receive;
mod select;
mod status;

use std::collections::VecDeque;
use std::time::Duration;

pub use churn::ChurnState;
pub use config::{AdSelect, Config, Link, MAX_USER_KEY, port_key};
pub use mux::MuxState;
pub use periodic::PeriodicState;
pub use port::{Counters, Selected};
pub use receive::ReceiveState;
pub use status::{AggregatorStatus, PortStatus};

use crate::wire::lacp::LacpPdu;
use crate::wire::marker::{MarkerKind, MarkerPdu};
use crate::wire::slow::{SlowError, SlowPdu};
use port::Port;

/// How the caller names a port: its ifindex.
pub type PortId = u32;

/// Fast_Periodic_Time.
pub const FAST_PERIODIC_TIME: Duration = Duration::from_secs(1);
/// Slow_Periodic_Time.
pub const SLOW_PERIODIC_TIME: Duration = Duration::from_secs(30);
/// Short_Timeout_Time.
pub const SHORT_TIMEOUT_TIME: Duration = Duration::from_secs(3);
/// Long_Timeout_Time.
pub const LONG_TIMEOUT_TIME: Duration = Duration::from_secs(90);
/// Churn_Detection_Time.
pub const CHURN_DETECTION_TIME: Duration = Duration::from_secs(60);
/// Aggregate_Wait_Time.
pub const AGGREGATE_WAIT_TIME: Duration = Duration::from_secs(2);
/// LACPDUs that may be sent within [`FAST_PERIODIC_TIME`] (6.4.16).
pub const TX_LIMIT: usize = 3;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this on the port, from the port's own address ([`SlowPdu::emit_frame`]).
    Send {
        /// The port.
        port: PortId,
        /// The PDU.
        pdu: SlowPdu,
    },
    /// Take frames from the port, or do not.
    Collecting {
        /// The port.
        port: PortId,
        /// Whether.
        on: bool,
    },
    /// Give frames to the port, or do not.
    Distributing {
        /// The port.
        port: PortId,
        /// Whether.
        on: bool,
    },
    /// Another aggregator, or none, carries the bond's frames.
    ActiveAggregator {
        /// Its identifier.
        id: Option<u16>,
    },
    /// A response came to a marker that the caller sent.
    MarkerResponse {
        /// The port.
        port: PortId,
        /// The response.
        pdu: MarkerPdu,
    },
}

/// A system with its ports.
#[derive(Clone, Debug)]
pub struct Lacp {
    config: Config,
    /// In the order of joining.
    ports: Vec<Port>,
    active: Option<u16>,
    outputs: VecDeque<Output>,
}

impl Lacp {
    /// A system without ports.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            ports: Vec::new(),
            active: None,
            outputs: VecDeque::new(),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes settings. Ports whose identity (system, key) changes with them start over; a changed rate or activity is
    /// told to the partners at once.
    pub fn set_config(&mut self, now: Duration, config: Config) {
        self.config = config;
        for port in &mut self.ports {
            port.configure(&self.config);
        }
        self.run(now);
    }

    /// Adds a port with its link as it is. `number` and `priority` go into its LACPDUs. A port that is there already
    /// starts over.
    pub fn add_port(
        &mut self,
        now: Duration,
        id: PortId,
        number: u16,
        priority: u16,
        link: Option<Link>,
    ) {
        self.remove_port(now, id);
        let taken = |n: &u16| {
            let uses = |p: &Port| p.own_aggregator == *n || p.aggregator == Some(*n);
            self.ports.iter().any(uses)
        };
        let aggregator = (1..=u16::MAX).find(|n| !taken(n)).unwrap_or(u16::MAX);
        let mut port = Port::new(id, number, priority, aggregator);
        port.configure(&self.config);
        self.ports.push(port);
        self.set_link(now, id, link);
    }

    /// Takes a port away. Its partner is told at once, so that it does not wait for a timeout.
    pub fn remove_port(&mut self, now: Duration, id: PortId) {
        let Some(at) = self.ports.iter().position(|p| p.id == id) else {
            return;
        };
        let mut port = self.ports.remove(at);
        let (collecting, distributing) = (port.collecting, port.distributing);
        port.leave();
        if port.may_transmit() {
            let pdu = SlowPdu::Lacp(port.pdu());
            self.outputs.push_back(Output::Send { port: id, pdu });
        }
        if distributing {
            let (port, on) = (id, false);
            self.outputs.push_back(Output::Distributing { port, on });
        }
        if collecting {
            let (port, on) = (id, false);
            self.outputs.push_back(Output::Collecting { port, on });
        }
        // Ports that joined its aggregator stay there: an aggregator lives as long as any port is in it.
        self.run(now);
    }

    /// Tells of a port's link: its speed and duplex, or that it is down. Unknown ports are ignored.
    pub fn set_link(&mut self, now: Duration, id: PortId, link: Option<Link>) {
        if let Some(port) = self.ports.iter_mut().find(|p| p.id == id) {
            port.set_link(link, &self.config);
            self.run(now);
        }
    }

    /// Sets a port's priority.
    pub fn set_port_priority(&mut self, now: Duration, id: PortId, priority: u16) {
        if let Some(port) = self.ports.iter_mut().find(|p| p.id == id) {
            port.actor.port_priority = priority;
            port.ntt = true;
            self.run(now);
        }
    }

    /// A slow protocol frame came on the port, from its destination address on. A frame that is malformed, or another
    /// protocol's, is counted, changes nothing, and is the error.
    pub fn receive(&mut self, now: Duration, id: PortId, frame: &[u8]) -> Result<(), SlowError> {
        let parsed = SlowPdu::parse_frame(frame);
        let Some(at) = self.ports.iter().position(|p| p.id == id) else {
            return parsed.map(|_| ());
        };
        let counters = &mut self.ports[at].counters;
        match parsed {
            Err(error) if error.is_unknown() => counters.unknown_rx += 1,
            Err(_) => counters.illegal_rx += 1,
            Ok(SlowPdu::Lacp(pdu)) => self.receive_lacpdu(now, at, &pdu),
            Ok(SlowPdu::Marker(pdu)) if pdu.kind == MarkerKind::Marker => {
                counters.marker_rx += 1;
                counters.marker_response_tx += 1;
                let pdu = SlowPdu::Marker(pdu.response());
                self.outputs.push_back(Output::Send { port: id, pdu });
            }
            Ok(SlowPdu::Marker(pdu)) => {
                counters.marker_response_rx += 1;
                self.outputs
                    .push_back(Output::MarkerResponse { port: id, pdu });
            }
        }
        parsed.map(|_| ())
    }

    fn receive_lacpdu(&mut self, now: Duration, at: usize, pdu: &LacpPdu) {
        let port = &mut self.ports[at];
        port.counters.lacpdu_rx += 1;
        if pdu.actor.system == self.config.system {
            // Two ports of this system are joined: what comes back is no partner.
            port.counters.loopback_rx += 1;
            return;
        }
        // port_moved (6.4.7): the partner of a port that is down now speaks on this one.
        let who = (pdu.actor.system, pdu.actor.port);
        for (i, other) in self.ports.iter_mut().enumerate() {
            if i != at
                && other.receive == ReceiveState::PortDisabled
                && (other.partner.system, other.partner.port) == who
            {
                other.port_moved = true;
            }
        }
        self.ports[at].receive_pdu(now, pdu);
        self.run(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        self.run(now);
    }

    /// When [`Lacp::tick`] is wanted next; `None` while nothing is waited for.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.ports.iter().filter_map(Port::next_deadline).min()
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The aggregator that carries frames.
    pub fn active_aggregator(&self) -> Option<u16> {
        self.active
    }

    /// Whether a port takes frames.
    pub fn is_collecting(&self, id: PortId) -> bool {
        self.ports.iter().any(|p| p.id == id && p.collecting)
    }

    /// Whether a port is given frames.
    pub fn is_distributing(&self, id: PortId) -> bool {
        self.ports.iter().any(|p| p.id == id && p.distributing)
    }

    /// The bond's carrier in mode 802.3ad: the active aggregator has ports with a link, at least `min_links` of them.
    pub fn carrier(&self, min_links: u32) -> bool {
        let up = |p: &&Port| p.link.is_some() && p.aggregator == self.active;
        let ports = self.ports.iter().filter(up).count();
        self.active.is_some() && ports > 0 && ports as u64 >= u64::from(min_links)
    }

    /// Runs every machine until none moves, then tells what changed.
    fn run(&mut self, now: Duration) {
        loop {
            let mut moved = false;
            for port in &mut self.ports {
                moved |= port.run_receive(now);
                moved |= port.run_periodic(now);
            }
            moved |= self.run_selection();
            moved |= self.run_mux(now);
            if !moved {
                break;
            }
        }
        for port in &mut self.ports {
            port.run_churn(now);
            if let Some(pdu) = port.transmit(now) {
                let (port, pdu) = (port.id, SlowPdu::Lacp(pdu));
                self.outputs.push_back(Output::Send { port, pdu });
            }
        }
        self.report();
    }

    /// Says which ports collect and distribute now, where that changed: those that stop first.
    fn report(&mut self) {
        use crate::wire::lacp::State;
        for wanted in [false, true] {
            for port in &mut self.ports {
                let id = port.id;
                let mut tell =
                    |known: &mut bool, bit: State, output: fn(PortId, bool) -> Output| {
                        let on = port.actor.state.has(bit);
                        if on == wanted && *known != on {
                            *known = on;
                            self.outputs.push_back(output(id, on));
                        }
                    };
                tell(&mut port.distributing, State::DISTRIBUTING, |port, on| {
                    Output::Distributing { port, on }
                });
                tell(&mut port.collecting, State::COLLECTING, |port, on| {
                    Output::Collecting { port, on }
                });
            }
        }
    }
}

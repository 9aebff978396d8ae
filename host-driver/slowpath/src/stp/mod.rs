//! The spanning tree of a bridge: STP as in IEEE 802.1D-1998 clause 8 (as Linux's kernel runs it), and RSTP as in IEEE 802.1D-2004
//! clause 17.
//!
//! [`Bridge`] is one bridge. It is told of ports, links, settings, received frames and the time, and keeps a list of [`Action`]s that the
//! caller carries out in order after each call ([`Bridge::take_actions`]). [`Bridge::next_deadline`] says when it wants to be
//! called again. `now` is a time since any start; if it goes back, the latest one counts.
//!
//! | file | what |
//! |---|---|
//! | `settings.rs` | ranges, defaults, path costs |
//! | `classic.rs`, `classic_timers.rs` | 802.1D-1998: election, topology change, timers |
//! | `rapid/` | 802.1D-2004: one file for each group of clause 17's machines, under the standard's names |
//! | `status.rs` | states, roles, actions, and what is shown |
//! | `words.rs` | what users call all that |
//!
//! Cost: a BPDU or a timer looks at every port of the bridge some times; nothing grows with time. Tests: `tests/stp`, a simulated network
//! against a tree computed by another method, and `tests/stp_kernel`, against the machine's own kernel.

mod classic;
mod classic_timers;
mod rapid;
mod settings;
mod shared;
mod status;
mod timer;
mod vector;
pub mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::MacAddr;
use crate::wire::bpdu::{Bpdu, BpduFrame};
pub use settings::{
    BridgeSettings, BridgeTimes, Link, MAX_PORTS, PointToPoint, PortSettings, Protocol, StpError,
    path_cost,
};
use shared::{Engine, Port, Shared};
pub use status::{Action, BridgeStatus, Counters, PortState, PortStatus, Role};

/// The spanning tree machine of one bridge.
pub struct Bridge {
    shared: Shared,
    engine: Box<dyn Engine>,
}

fn engine(protocol: Protocol) -> Box<dyn Engine> {
    match protocol {
        Protocol::Stp => Box::new(classic::Classic::default()),
        Protocol::Rstp => Box::new(rapid::Rapid::default()),
    }
}

impl Bridge {
    /// A bridge without ports, not running yet.
    ///
    /// # Errors
    ///
    /// A setting out of range.
    pub fn new(settings: BridgeSettings) -> Result<Self, StpError> {
        settings.check()?;
        let mut engine = engine(settings.protocol);
        let mut shared = Shared {
            now: Duration::ZERO,
            settings,
            running: false,
            ports: BTreeMap::new(),
            actions: Vec::new(),
            topology_changes: 0,
            last_topology_change: None,
        };
        engine.stop(&mut shared);
        Ok(Self { shared, engine })
    }

    fn at(&mut self, now: Duration) {
        self.shared.now = self.shared.now.max(now);
    }

    fn known(&self, port: u16) -> Result<&Port, StpError> {
        self.shared.ports.get(&port).ok_or(StpError::NoPort(port))
    }

    /// What is to be done, in order; the list is empty afterwards.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.shared.actions)
    }

    /// When [`Bridge::poll`] is to be called next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.engine.next_deadline()
    }

    /// Does what time asks for.
    pub fn poll(&mut self, now: Duration) {
        self.at(now);
        self.engine.poll(&mut self.shared);
    }

    /// Starts or stops the bridge: stopped, all its ports are disabled.
    pub fn set_running(&mut self, now: Duration, running: bool) {
        self.at(now);
        if std::mem::replace(&mut self.shared.running, running) == running {
            return;
        }
        if running {
            self.engine.start(&mut self.shared);
        }
        for n in self.shared.numbers() {
            self.update_enabled(n);
        }
        if !running {
            self.engine.stop(&mut self.shared);
        }
    }

    /// Adds a port under the lowest free number, without a link yet.
    ///
    /// # Errors
    ///
    /// All numbers taken; a setting out of range.
    pub fn add_port(
        &mut self,
        now: Duration,
        address: MacAddr,
        settings: PortSettings,
    ) -> Result<u16, StpError> {
        settings.check(self.shared.settings.protocol)?;
        let n = (1..=MAX_PORTS)
            .find(|n| !self.shared.ports.contains_key(n))
            .ok_or(StpError::TooManyPorts)?;
        self.at(now);
        let port = Port {
            address,
            settings,
            link: Link::down(),
            state: PortState::Disabled,
            enabled: false,
            guard_disabled: false,
            root_inconsistent: false,
            counters: Counters::default(),
        };
        self.shared.ports.insert(n, port);
        self.engine.add_port(&mut self.shared, n);
        Ok(n)
    }

    /// Removes a port.
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn remove_port(&mut self, now: Duration, port: u16) -> Result<(), StpError> {
        self.set_link(now, port, Link::down())?;
        self.engine.remove_port(port);
        self.shared.ports.remove(&port);
        Ok(())
    }

    /// Tells what a port's link is like now. A link that goes down opens again what BPDU guard has closed.
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn set_link(&mut self, now: Duration, port: u16, link: Link) -> Result<(), StpError> {
        self.known(port)?;
        self.at(now);
        let id = self.shared.port_id(port);
        let entry = self.shared.port(port);
        let changed = std::mem::replace(&mut entry.link, link) != link;
        entry.guard_disabled &= link.up;
        self.update_enabled(port);
        if changed {
            self.engine.port_changed(&mut self.shared, port, id);
        }
        Ok(())
    }

    /// Enables or disables a port by what is known of it.
    fn update_enabled(&mut self, n: u16) {
        let running = self.shared.running;
        let port = self.shared.port(n);
        let enabled = running && port.link.up && !port.guard_disabled;
        if std::mem::replace(&mut port.enabled, enabled) == enabled {
            return;
        }
        if enabled {
            self.engine.enable(&mut self.shared, n);
        } else {
            self.engine.disable(&mut self.shared, n);
            self.shared.set_root_inconsistent(n, false);
        }
    }

    /// The bridge's settings.
    pub fn settings(&self) -> &BridgeSettings {
        &self.shared.settings
    }

    /// Changes the bridge's settings. Another protocol starts afresh: all ports block first.
    ///
    /// # Errors
    ///
    /// A setting out of range; nothing is changed then.
    pub fn set_settings(
        &mut self,
        now: Duration,
        settings: BridgeSettings,
    ) -> Result<(), StpError> {
        settings.check()?;
        self.at(now);
        let old = self.shared.bridge_id();
        let restart = settings.protocol != self.shared.settings.protocol;
        let running = self.shared.running;
        if restart {
            self.set_running(now, false);
        }
        self.shared.settings = settings;
        if restart {
            self.engine = engine(self.shared.settings.protocol);
            for n in self.shared.numbers() {
                self.engine.add_port(&mut self.shared, n);
            }
            self.engine.stop(&mut self.shared);
            self.set_running(now, running);
        } else {
            self.engine.bridge_changed(&mut self.shared, old);
        }
        Ok(())
    }

    /// A port's settings.
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn port_settings(&self, port: u16) -> Result<&PortSettings, StpError> {
        self.known(port).map(|port| &port.settings)
    }

    /// Changes a port's settings.
    ///
    /// # Errors
    ///
    /// No such port; a setting out of range: nothing is changed then.
    pub fn set_port_settings(
        &mut self,
        now: Duration,
        port: u16,
        settings: PortSettings,
    ) -> Result<(), StpError> {
        self.known(port)?;
        settings.check(self.shared.settings.protocol)?;
        self.at(now);
        let id = self.shared.port_id(port);
        self.shared.port(port).settings = settings;
        self.engine.port_changed(&mut self.shared, port, id);
        Ok(())
    }

    /// Changes the address that a port's BPDUs come from.
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn set_port_address(&mut self, port: u16, address: MacAddr) -> Result<(), StpError> {
        self.known(port)?;
        self.shared.port(port).address = address;
        Ok(())
    }

    /// Makes a port try RST BPDUs again after its neighbour spoke STP (mcheck).
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn mcheck(&mut self, now: Duration, port: u16) -> Result<(), StpError> {
        self.known(port)?;
        self.at(now);
        self.engine.mcheck(&mut self.shared, port);
        Ok(())
    }

    /// Takes a frame that came on a port. A disabled port takes nothing.
    ///
    /// # Errors
    ///
    /// No such port; a frame that is no valid BPDU or not for this bridge, which is counted and changes nothing.
    pub fn receive(&mut self, now: Duration, port: u16, frame: &[u8]) -> Result<(), StpError> {
        if !self.known(port)?.enabled {
            return Ok(());
        }
        let group = self.shared.settings.group_address;
        let parsed = BpduFrame::parse(frame)
            .map_err(StpError::from)
            .and_then(|frame| {
                if frame.destination == group {
                    Ok(frame.bpdu)
                } else {
                    Err(StpError::Destination(frame.destination))
                }
            });
        let (own, id) = (self.shared.bridge_id(), self.shared.port_id(port));
        let entry = self.shared.port(port);
        let bpdu = parsed.inspect_err(|_| entry.counters.rx_bad += 1)?;
        match bpdu {
            Bpdu::Config { .. } => entry.counters.rx_config += 1,
            Bpdu::Tcn => entry.counters.rx_tcn += 1,
            Bpdu::Rst { .. } => entry.counters.rx_rst += 1,
        }
        if entry.settings.guard {
            entry.guard_disabled = true;
            self.at(now);
            self.shared.actions.push(Action::GuardDisabled { port });
            self.update_enabled(port);
            return Ok(());
        }
        if bpdu
            .message()
            .is_some_and(|m| (m.bridge, m.port) == (own, id))
        {
            entry.counters.rx_looped += 1;
            return Ok(());
        }
        self.at(now);
        self.engine.receive(&mut self.shared, port, &bpdu);
        Ok(())
    }

    /// The bridge, as shown.
    pub fn status(&self) -> BridgeStatus {
        self.engine.bridge_status(&self.shared)
    }

    /// A port, as shown.
    ///
    /// # Errors
    ///
    /// No such port.
    pub fn port_status(&self, port: u16) -> Result<PortStatus, StpError> {
        self.known(port)?;
        Ok(self.engine.port_status(&self.shared, port))
    }

    /// The numbers of the ports.
    pub fn ports(&self) -> Vec<u16> {
        self.shared.numbers()
    }
}

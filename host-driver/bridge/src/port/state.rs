//! Ports go up and down; their states, by the spanning tree, by a user, or by their links alone; the bridge's carrier.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use smartnic_netdev::{Core, Errno, Result};
use smartnic_slowpath::stp::{Link, PortState};

use super::Port;
use crate::bridge::Bridge;
use crate::events::Event;
use crate::flags::{BridgeFlags, Stp};
use crate::refuse;

impl Bridge {
    /// Puts a port into a state. From any thread.
    pub(crate) fn set_state(&self, now: Duration, port: &Port, state: PortState) {
        if port.state() == state {
            return;
        }
        port.store_state(state);
        if self.flags().contains(BridgeFlags::MST) {
            self.spread_state(now, port, 0, state);
        }
        let outputs = {
            let mut mcast = self.mcast();
            mcast.set_port_state(now, port.number.into(), state);
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
        let number = port.number;
        self.events.push(|| Event::PortState {
            port: number,
            state,
        });
        self.update_carrier();
    }

    /// The bridge has a carrier while a port forwards.
    pub(crate) fn update_carrier(&self) {
        let Some(dev) = self.device() else {
            return;
        };
        let forwards = |p: &Arc<Port>| p.state() == PortState::Forwarding;
        match self.ports.load().list.iter().any(forwards) {
            true => dev.carrier_on(),
            false => dev.carrier_off(),
        }
    }

    /// Something about a port's link, or whether the bridge is up, has changed.
    pub(crate) fn link_changed(&self, now: Duration, port: &Port) {
        let up = self.device().is_some_and(|d| d.is_running()) && port.is_operational();
        let link = Link {
            up,
            speed: Some(port.dev.ops().link_speed(&port.dev)).filter(|s| up && *s > 0),
            full_duplex: up,
        };
        let before = port.state();
        {
            let mut tree = self.tree();
            // The machine knows every port.
            let _ = tree.set_link(now, port.number, link);
            self.carry_out_tree(now, &mut tree);
        }
        match (up, before == PortState::Disabled) {
            (true, true) => match self.stp() {
                Stp::Off => self.set_state(now, port, PortState::Forwarding),
                Stp::User => self.set_state(now, port, PortState::Blocking),
                Stp::On => {}
            },
            (false, false) => {
                self.set_state(now, port, PortState::Disabled);
                // Its stations are still there if another port takes their frames.
                if port.backup.load(Relaxed) == 0 {
                    self.fdb.edit(&self.events).flush_port(port.number, 0);
                }
            }
            (true, false) | (false, true) => {}
        }
    }

    /// The bridge went up or down.
    pub(crate) fn running_changed(&self, now: Duration, running: bool) {
        {
            let mut tree = self.tree();
            tree.set_running(now, running && self.stp() == Stp::On);
            self.carry_out_tree(now, &mut tree);
        }
        let outputs = {
            let mut mcast = self.mcast();
            mcast.set_running(now, running);
            mcast.take_outputs()
        };
        self.carry_out_mcast(outputs);
        for port in &self.ports.load_full().list {
            self.link_changed(now, port);
        }
        self.update_carrier();
    }

    /// A user sets a port's state. EBUSY while this driver's tree does; ENETDOWN for a port that is down or (but for disabled) without carrier.
    pub(crate) fn user_state(&self, core: &Core, port: &Port, state: PortState) -> Result<()> {
        if self.stp() == Stp::On {
            return refuse(
                Errno::Busy,
                "state",
                state as u8,
                "the spanning tree sets it",
            );
        }
        let dev = &port.dev;
        if !dev.is_running() || (!dev.carrier_ok() && state != PortState::Disabled) {
            let reason = "the port is down or has no carrier";
            return refuse(Errno::NetDown, "state", state as u8, reason);
        }
        // Without a tree nobody would ever let a blocked port go.
        let state = match (self.stp(), state) {
            (Stp::Off, PortState::Blocking) => PortState::Forwarding,
            (_, state) => state,
        };
        self.set_state(core.now(), port, state);
        Ok(())
    }
}

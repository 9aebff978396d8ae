//! What the protocols need of a switch: time, a way to the card, and their frames, which are sent ahead of all others and whatever state a port is in.

use std::collections::VecDeque;
use std::time::Duration;

use super::Switch;
use super::model::Model;
use crate::clock::Clock;
use crate::device::ring::TxTarget;
use crate::netdev::{IfIndex, NetError};

/// Frames that wait for room in the ring; protocols repeat what is lost.
const WAITING: usize = 256;

/// Control frames that the card had no room for, with their destinations.
pub(super) type Waiting = VecDeque<(u32, Vec<u8>)>;

impl Switch {
    /// The clock that protocols run by; to be set before there are any.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }
    /// The time left until [`Switch::tick`] is wanted; `None`: nothing waits for time.
    pub fn next_tick(&self) -> Option<Duration> {
        let masters = self.model.masters.values().filter_map(|m| m.deadline());
        let at = masters
            .chain(self.spanning.deadline())
            .chain(self.snooping.deadline())
            .chain(self.devices.core.next_watchdog())
            .chain(self.devices.bridges.next_deadline())
            .chain(self.devices.bonds.next_deadline())
            .min()?;
        Some(at.saturating_sub(self.clock.now()))
    }
    /// Lets the protocols do what the configuration, links and time ask for, and sends what waits.
    pub fn tick(&mut self) {
        self.devices.tick(self.clock.now());
        self.send_posted();
        self.run_masters();
        self.span();
        self.snoop();
        self.flush_control();
    }

    /// Sends what bridges in software have to say, whose ports may be the card's.
    fn send_posted(&mut self) {
        let bridges = self.devices.bridges.clone();
        if !bridges.has_post() {
            return;
        }
        self.moving(|_, net| {
            bridges.send(net);
            net.run();
        });
        if let Err(error) = self.flush_tx() {
            tracing::debug!(%error, "what bridges in software say was not sent");
        }
    }

    /// As [`Switch::apply`], for what no request waits for.
    pub(super) fn apply_now(&mut self) {
        self.model.now = self.clock.now();
        self.model.refresh();
        if let Err(error) = self.apply()
            && !error.is_gone()
        {
            tracing::error!(%error, "the card does not do what a protocol says");
        }
    }

    /// Protocols need somebody who stays, and frames.
    pub(super) fn can_run(&mut self, model: &Model) -> Result<(), NetError> {
        let Some((option, value)) = model.masters.values().find_map(|m| m.wants_daemon()) else {
            return Ok(());
        };
        if !self.attended {
            let reason = "smartnicd has to see to it, and this command does not stay";
            return Err(NetError::invalid(option, value, reason));
        }
        self.needs_rings()
    }

    /// Sends a frame to a destination (`values::dest`) at once, or as soon as there is room.
    pub(super) fn send_control(&mut self, to: u32, frame: Vec<u8>) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((to, frame));
        self.flush_control();
    }

    /// Sends what waits, as far as there is room. Without a card it is lost, as on a cable that was pulled.
    pub(super) fn flush_control(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let class = self.caps().classes.saturating_sub(1);
        let sent = self.with_card(|card| {
            let host = card.rings()?;
            let room = host.tx_free().min(waiting.len());
            for (to, frame) in waiting.drain(..room) {
                host.send(&frame, TxTarget::Direct(to), class)?;
            }
            match &mut card.host {
                Some(host) => host.flush(card.device.mmio()),
                None => Ok(()),
            }
        });
        match sent {
            Ok(()) => self.waiting = waiting,
            Err(error) => tracing::debug!(%error, "control frames were not sent"),
        }
    }

    /// Gives masters their time, makes the card do what that changed, and sends what they want sent.
    pub(super) fn run_masters(&mut self) {
        let now = self.clock.now();
        self.model.now = now;
        let mut changed = false;
        for master in self.model.masters.values_mut() {
            if master.deadline().is_some_and(|at| at <= now) {
                master.tick(now);
            }
            changed |= master.take_change();
        }
        if changed {
            self.apply_now();
        }
        let masters = self.model.masters.values_mut();
        let frames: Vec<_> = masters.flat_map(|m| m.take_frames()).collect();
        for (member, frame) in frames {
            if let Some(to) = self.model.view().destination(member) {
                self.send_control(to, frame);
            }
        }
    }

    /// Forwards a frame to a reserved address that not all bridges forward.
    pub(super) fn forward_reserved(&mut self, bridge: IfIndex, from: IfIndex, frame: &[u8]) {
        let view = self.model.view();
        let Some(master) = self.model.bridge(bridge) else {
            return;
        };
        let targets: Vec<u32> = master
            .reserved_targets(view, from)
            .into_iter()
            .filter_map(|dev| view.destination(dev))
            .collect();
        for to in targets {
            self.send_control(to, frame.to_vec());
        }
    }
}

//! Frames of the control protocols: sent ahead of all others, whatever state a port is in, and never for a user's device.

use std::collections::VecDeque;

use super::Switch;
use crate::device::ring::TxTarget;
use crate::netdev::{Frame, IfIndex};

/// Frames that wait for room in the ring; protocols repeat what is lost.
const WAITING: usize = 256;

/// Control frames that the card had no room for, with their destinations.
pub(super) type Waiting = VecDeque<(u32, Vec<u8>)>;

impl Switch {
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
    pub(super) fn forward_reserved(&mut self, bridge: IfIndex, frame: &Frame) {
        let view = self.model.view();
        let Some(master) = self.model.bridge(bridge) else {
            return;
        };
        let targets: Vec<u32> = master
            .reserved_targets(view, frame.dev)
            .into_iter()
            .filter_map(|dev| view.destination(dev))
            .collect();
        for to in targets {
            self.send_control(to, frame.data.clone());
        }
    }
}

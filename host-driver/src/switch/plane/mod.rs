//! The card's devices in the device model: what their drivers and receive handlers do, and what they work with.
//!
//! Masters, devices and rings belong to the [`super::Switch`], which lends them to the data path for as long as frames are moved ([`Plane::lend`]); the
//! operations here take them one at a time. What a frame asks of the configuration (a BPDU, an address to be learned) is
//! left in the [`Outbox`] for when the switch has everything back. Outside of such a round nothing is lent: then frames are dropped and
//! counted, and counters are those of the last look.
//!
//! Covered by `tests/driver/switch_datapath.rs`, and by all that sends frames through a switch.

mod bridge;
mod drivers;
mod handlers;

use std::sync::{Mutex, MutexGuard, PoisonError};

use smartnic_netdev::packet::eth;
use smartnic_regs::ring::completion;
use smartnic_regs::values::dest;

use super::Card;
use super::datapath::BUDGET;
use crate::device::error::status_name;
use crate::device::fdb::FdbKey;
use crate::device::ring::{TxDone, TxTarget};
use crate::device::{Caps, DeviceError};
use crate::master::{Masters, View};
use crate::netdev::{IfIndex, Registry};

pub(super) use bridge::BridgeDevice;
pub(super) use drivers::{MasterDevice, Port};
pub(super) use handlers::{ToMaster, Top};

/// A bridge counts what the host sends and hears by it; the counters of the others are the sum of their members'.
pub(super) const BRIDGE: &str = "bridge";

/// What frames ask of the configuration.
#[derive(Default)]
pub(super) struct Outbox {
    /// Multicast that came to a bridge: by a member, or from the host.
    pub heard: Vec<(IfIndex, Option<IfIndex>, Vec<u8>)>,
    /// BPDUs of bridges, by member.
    pub bpdus: Vec<(IfIndex, IfIndex, Vec<u8>)>,
    /// Frames to reserved addresses that bridges forward, by member.
    pub forwards: Vec<(IfIndex, IfIndex, Vec<u8>)>,
    /// The card refused to work.
    pub failed: Option<DeviceError>,
}

/// What the data path works with.
#[derive(Default)]
pub(super) struct Lent {
    pub masters: Masters,
    pub registry: Registry,
    pub card: Option<Box<Card>>,
    pub caps: Caps,
    pub now: std::time::Duration,
    pub out: Outbox,
}

impl Lent {
    fn view(&self) -> View<'_> {
        View {
            registry: &self.registry,
            masters: &self.masters,
            caps: &self.caps,
            now: self.now,
        }
    }

    /// Frames that the transmit ring takes now: without a card any number, which are lost.
    fn room(&mut self) -> usize {
        let host = self.card.as_ref().and_then(|c| c.host.as_ref());
        host.map_or(usize::MAX, |h| h.tx_free())
    }

    /// All copies or none, so that a retry sends no frame twice; false: there is no room.
    fn send(&mut self, frame: &[u8], targets: &[TxTarget], class: u32) -> bool {
        if self.room() < targets.len() {
            return false;
        }
        let sent = self.card.as_mut().map_or(Ok(()), |card| {
            let host = card.rings()?;
            targets
                .iter()
                .try_for_each(|target| host.send(frame, *target, class).map(drop))
        });
        if let Err(error) = sent {
            self.out.failed = Some(error);
        }
        true
    }

    /// Takes what the card has sent out of the ring.
    fn reap(&mut self) {
        let mut done: Vec<TxDone> = Vec::new();
        let reaped = self.card.as_mut().map_or(Ok(0), |card| {
            let mmio = card.device.mmio();
            card.host
                .as_mut()
                .map_or(Ok(0), |host| host.reap(mmio, BUDGET, &mut done))
        });
        if let Err(error) = reaped {
            self.out.failed = Some(error);
        }
        log_unsent(&done);
    }

    /// Where a master's frame goes; one that chooses members by itself may change it.
    fn targets(&mut self, dev: IfIndex, frame: &mut Vec<u8>) -> Vec<TxTarget> {
        if let Some(master) = self.masters.get_mut(&dev) {
            if master.chooses() {
                let members = master.transmit(self.now, frame).into_iter();
                let view = self.view();
                let to = members.filter_map(|m| view.destination(m));
                return to.map(TxTarget::Direct).collect();
            }
            master.overhear(frame);
            // What a bridge sends for the host, its bonds overhear as well.
            for member in master.members() {
                if let Some(member) = self.masters.get_mut(&member) {
                    member.overhear(frame);
                }
            }
        }
        let view = self.view();
        if let Some(destination) = view.destination(dev) {
            return vec![TxTarget::Direct(destination)];
        }
        let Some(master) = self.masters.get(&dev) else {
            return Vec::new();
        };
        let fid = master.fid();
        let card = self.card.as_mut();
        if card.as_ref().is_some_and(|c| c.applied.host_fid == fid) {
            return vec![TxTarget::Switch];
        }
        // Another bridge than the one whose FID the host has in hardware: look up and flood here.
        let view = View {
            registry: &self.registry,
            masters: &self.masters,
            caps: &self.caps,
            now: self.now,
        };
        let active = |m: &IfIndex| view.device(*m).is_some_and(|d| d.up && d.carrier);
        let members = master.members().into_iter().filter(active);
        let all: Vec<u32> = members.filter_map(|m| view.destination(m)).collect();
        let to = eth::destination(frame).filter(|mac| mac.is_unicast());
        let known = match (fid, to, card) {
            (Some(fid), Some(mac), Some(card)) => card.device.fdb().lookup(FdbKey { fid, mac }),
            _ => Ok(None),
        };
        let to = match known {
            Ok(Some(data)) if u32::from(data.dest) == dest::HOST => Vec::new(),
            Ok(Some(data)) => all
                .into_iter()
                .filter(|d| *d == u32::from(data.dest))
                .collect(),
            Ok(None) => all,
            Err(error) => {
                self.out.failed = Some(error);
                Vec::new()
            }
        };
        to.into_iter().map(TxTarget::Direct).collect()
    }

    /// Copies of a frame for which there must be room before a master is asked: one that chooses does so once a frame.
    fn copies(&self, dev: IfIndex) -> usize {
        let Some(master) = self.masters.get(&dev) else {
            return 1;
        };
        let applied = self.card.as_ref().and_then(|c| c.applied.host_fid);
        match master.chooses() || (master.fid().is_some() && master.fid() != applied) {
            true => master.members().len().max(1),
            false => 1,
        }
    }
}

/// Why the card gave a frame to the host, and the FID in which it did, as a packet carries them (`control`).
pub(super) fn why(reason: u32, fid: u16) -> u32 {
    reason << 16 | u32::from(fid)
}

/// Says which frames the card did not send.
pub(super) fn log_unsent(done: &[TxDone]) {
    for failed in done.iter().filter(|d| d.status != completion::OK) {
        tracing::debug!(
            status = status_name(failed.status),
            bytes = failed.bytes,
            "frame not sent"
        );
    }
}

/// Where things are lent.
#[derive(Default)]
pub(super) struct Plane(Mutex<Lent>);

impl Plane {
    fn lent(&self) -> MutexGuard<'_, Lent> {
        // Its parts are whole at every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Lends, and gives back what was lent before.
    pub(super) fn lend(&self, lent: Lent) -> Lent {
        std::mem::replace(&mut *self.lent(), lent)
    }
    /// Whether the ring has room for the next frame of this device.
    pub(super) fn has_room(&self, dev: IfIndex) -> bool {
        let mut lent = self.lent();
        let copies = lent.copies(dev);
        lent.room() >= copies
    }
}

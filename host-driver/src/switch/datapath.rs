//! Frames between the card and the host: received ones go up through rx handlers to a device's own stack; sent ones
//! go through the switch, or port by port.

use std::borrow::Cow;

use smartnic_regs::ring::completion;
use smartnic_regs::values::{dest, reason};

use super::Switch;
use crate::device::MacAddr;
use crate::device::error::status_name;
use crate::device::fdb::FdbKey;
use crate::device::ring::{MIN_FRAME, RxFrame, TxTarget};
use crate::netdev::rx::MAX_ROUNDS;
use crate::netdev::{Frame, IfIndex, NetError, RxVerdict};

/// Frames taken in one round.
pub const BUDGET: usize = 64;

/// A frame that reached the top: for this device's stack.
pub type Upward = (IfIndex, Vec<u8>);

/// What a round did.
#[derive(Default, Debug)]
pub struct Polled {
    /// Frames for the host's stacks.
    pub frames: Vec<Upward>,
    /// There may be more: look again before waiting.
    pub more: bool,
}

impl Switch {
    /// Takes received frames, transmit completions and events.
    pub fn poll(&mut self) -> Result<Polled, NetError> {
        let (mut frames, mut done, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let more = self.with_card(|card| {
            let busy = card.device.mmio().transport().poll();
            let mmio = card.device.mmio();
            let Some(host) = &mut card.host else {
                return Ok(busy);
            };
            let taken = [
                host.receive(mmio, BUDGET, &mut frames)?,
                host.reap(mmio, BUDGET, &mut done)?,
                host.events(mmio, BUDGET, &mut events)?,
            ];
            Ok(busy || taken.contains(&BUDGET))
        })?;
        for failed in done.iter().filter(|d| d.status != completion::OK) {
            tracing::debug!(
                status = status_name(failed.status),
                bytes = failed.bytes,
                "frame not sent"
            );
        }
        for event in events {
            self.fdb_event(event)?;
        }
        let frames = frames.into_iter().filter_map(|f| self.receive(f)).collect();
        self.tick();
        Ok(Polled { frames, more })
    }

    /// Passes a frame through the rx handlers, beginning at its port, up to the device whose stack gets it.
    fn receive(&mut self, frame: RxFrame) -> Option<Upward> {
        // The source is the card's word: a port that does not exist has no device.
        let Some(port) = self.model.registry.port(frame.source).map(|d| d.ifindex) else {
            tracing::warn!(
                source = frame.source,
                "frame from a port that does not exist"
            );
            return None;
        };
        if frame.truncated || frame.data.len() < MIN_FRAME {
            self.model.registry.get_mut(port)?.stats.rx_dropped += 1;
            return None;
        }
        let mut frame = Frame {
            dev: port,
            data: frame.data,
            reason: frame.reason,
            fid: frame.fid,
            hash: frame.hash,
        };
        let now = self.clock.now();
        for _ in 0..MAX_ROUNDS {
            let owner = self.model.registry.get(frame.dev)?.rx_handler;
            if let Some(bridge) = owner
                && frame.data[0] & 1 == 1
                && frame.reason < reason::RESERVED
            {
                self.hear(bridge, Some(frame.dev), &frame.data);
            }
            let verdict = match owner.and_then(|o| self.model.masters.get_mut(&o)) {
                Some(master) => master.rx(now, &mut frame),
                None => RxVerdict::Pass,
            };
            match verdict {
                RxVerdict::Another => continue,
                RxVerdict::Consumed => return None,
                RxVerdict::Control => {
                    self.receive_bpdu(owner?, frame.dev, &frame.data);
                    return None;
                }
                RxVerdict::Forward => {
                    self.forward_reserved(owner?, &frame);
                    frame.dev = owner?;
                    continue;
                }
                RxVerdict::Exact | RxVerdict::Pass => return self.pass_up(frame),
            }
        }
        tracing::error!(dev = %frame.dev, "rx handlers go round in circles");
        None
    }

    fn pass_up(&mut self, frame: Frame) -> Option<Upward> {
        let device = self.model.registry.get_mut(frame.dev)?;
        if !device.up {
            device.stats.rx_dropped += 1;
            return None;
        }
        device.stats.rx_packets += 1;
        device.stats.rx_bytes += frame.data.len() as u64;
        device.stats.multicast += u64::from(frame.data[0] & 1);
        Some((frame.dev, frame.data))
    }

    /// The frame could not be given to the device's stack after all.
    pub fn count_rx_drop(&mut self, dev: IfIndex) {
        if let Some(device) = self.model.registry.get_mut(dev) {
            device.stats.rx_packets = device.stats.rx_packets.saturating_sub(1);
            device.stats.rx_dropped += 1;
        }
    }

    /// Sends a frame on a device: a bridge forwards it, a port or lag sends it as it stands. False: no room now, try
    /// again after completions. [`Switch::flush_tx`] makes the card look.
    pub fn xmit(&mut self, dev: IfIndex, frame: &[u8]) -> Result<bool, NetError> {
        let Some(device) = self.model.registry.get(dev) else {
            return Err(NetError::NotFound {
                what: format!("device {dev}"),
            });
        };
        if !device.up
            || frame.len() < MIN_FRAME
            || frame.len() > device.mtu as usize + MIN_FRAME + 4
        {
            self.count_tx(dev, frame.len(), false);
            return Ok(true);
        }
        // A master that chooses does so once a frame, so there must be room for whatever it chooses.
        let masters = &self.model.masters;
        let chooses = masters.get(&dev).filter(|m| m.chooses());
        let most = chooses.map_or(0, |m| m.members().len());
        if self.with_card(|card| Ok(card.rings()?.tx_free()))? < most {
            return Ok(false);
        }
        let mut frame = Cow::Borrowed(frame);
        let targets = self.targets(dev, &mut frame)?;
        let sent = self.with_card(|card| {
            // All copies or none, so that a retry sends no frame twice.
            let host = card.rings()?;
            if host.tx_free() < targets.len() {
                return Ok(false);
            }
            for target in &targets {
                host.send(&frame, *target, 0)?;
            }
            Ok(true)
        })?;
        if sent {
            if frame[0] & 1 == 1 {
                self.hear(dev, None, &frame);
            }
            self.count_tx(dev, frame.len(), !targets.is_empty());
        }
        Ok(sent)
    }

    /// Where a frame from `dev` goes; a master that chooses by itself may change it.
    fn targets(
        &mut self,
        dev: IfIndex,
        frame: &mut Cow<'_, [u8]>,
    ) -> Result<Vec<TxTarget>, NetError> {
        let now = self.clock.now();
        if let Some(master) = self.model.masters.get_mut(&dev)
            && master.chooses()
        {
            let members = master.transmit(now, frame.to_mut()).into_iter();
            let view = self.model.view();
            let to = members.filter_map(|m| view.destination(m));
            return Ok(to.map(TxTarget::Direct).collect());
        }
        let view = self.model.view();
        if let Some(destination) = view.destination(dev) {
            return Ok(vec![TxTarget::Direct(destination)]);
        }
        let Some(master) = self.model.masters.get(&dev) else {
            return Ok(Vec::new());
        };
        let fid = master.fid();
        if self
            .card
            .as_ref()
            .is_some_and(|c| c.applied.host_fid == fid)
        {
            return Ok(vec![TxTarget::Switch]);
        }
        // Another bridge than the one whose FID the host has in hardware: look up and flood here.
        let all: Vec<u32> = master
            .members()
            .into_iter()
            .filter(|m| view.device(*m).is_some_and(|d| d.up && d.carrier))
            .filter_map(|m| view.destination(m))
            .collect();
        let mac = MacAddr([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]);
        let known = match fid {
            Some(fid) if mac.is_unicast() => {
                self.with_card(|card| card.device.fdb().lookup(FdbKey { fid, mac }))?
            }
            _ => None,
        };
        let to = match known {
            Some(data) if u32::from(data.dest) == dest::HOST => Vec::new(),
            Some(data) => all
                .into_iter()
                .filter(|d| *d == u32::from(data.dest))
                .collect(),
            None => all,
        };
        Ok(to.into_iter().map(TxTarget::Direct).collect())
    }

    fn count_tx(&mut self, dev: IfIndex, bytes: usize, sent: bool) {
        let Some(device) = self.model.registry.get_mut(dev) else {
            return;
        };
        if sent {
            device.stats.tx_packets += 1;
            device.stats.tx_bytes += bytes as u64;
        } else {
            device.stats.tx_dropped += 1;
        }
    }

    /// Rings the doorbell for queued frames.
    pub fn flush_tx(&mut self) -> Result<(), NetError> {
        self.with_card(|card| match &mut card.host {
            Some(host) => host.flush(card.device.mmio()),
            None => Ok(()),
        })
    }
}

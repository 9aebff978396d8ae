//! Frames between the card, the device model and the kernel's interfaces: what the card received goes up from its port's device through receive
//! handlers and VLANs (`plane`); what the kernel sends goes down from the device whose interface it is.

use smartnic_netdev::device::{Counter, LinkStats64};
use smartnic_netdev::packet::eth;
use smartnic_netdev::{Batch, Dev, Packet, Softnet};

use super::Switch;
use super::plane::{Lent, log_unsent, why};
use crate::device::ring::RxInfo;
use crate::netdev::{DeviceKind, IfIndex, NetError};

/// Frames taken in one round.
pub const BUDGET: usize = 64;
/// Rounds of the data path before everything else has its turn.
const ROUNDS: usize = 4;

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
    /// Takes received frames, transmit completions and events, and lets the data path do what there is to do.
    pub fn poll(&mut self) -> Result<Polled, NetError> {
        let mut received: Vec<(u32, bool, Packet)> = Vec::new();
        let (mut done, mut events) = (Vec::new(), Vec::new());
        let mut more = false;
        if self.has_hardware() {
            more = self.with_card(|card| {
                let busy = card.device.mmio().transport().poll();
                let mmio = card.device.mmio();
                let Some(host) = &mut card.host else {
                    return Ok(busy);
                };
                let take = |mut packet: Packet, info: &RxInfo| {
                    packet.hash = info.hash();
                    packet.control = why(info.reason(), info.fid());
                    received.push((info.source(), info.truncated(), packet));
                };
                let taken = [
                    host.receive_packets(mmio, BUDGET, take)?,
                    host.reap(mmio, BUDGET, &mut done)?,
                    host.events(mmio, BUDGET, &mut events)?,
                ];
                let dropped = host.take_dropped();
                if dropped > 0 {
                    tracing::warn!(dropped, "frames came and no packet was free for them");
                }
                Ok(busy || taken.contains(&BUDGET))
            })?;
        }
        log_unsent(&done);
        for event in events {
            self.fdb_event(event)?;
        }
        if !done.is_empty() {
            self.devices.ports().for_each(|dev| dev.wake_all_queues());
        }
        let ports: Vec<Dev> = self.devices.ports().cloned().collect();
        more |= self.moving(|_, net| {
            receive(net, &ports, received);
            (0..ROUNDS).fold(true, |more, _| more && net.run())
        });
        // What was answered or passed on.
        self.flush_tx()?;
        self.tick();
        let frames = self.devices.top.take();
        Ok(Polled { frames, more })
    }

    /// Lends the data path what it works with, lets it work, and does what frames asked of the configuration.
    pub(super) fn moving<T>(
        &mut self,
        work: impl FnOnce(&super::plane::Plane, &mut Softnet) -> T,
    ) -> T {
        let plane = self.devices.plane.clone();
        plane.lend(Lent {
            masters: std::mem::take(&mut self.model.masters),
            registry: std::mem::take(&mut self.model.registry),
            card: self.card.take(),
            caps: self.model.caps().clone(),
            now: self.clock.now(),
            ..Lent::default()
        });
        let result = work(&plane, &mut self.devices.net);
        let back = plane.lend(Lent::default());
        (self.model.masters, self.model.registry) = (back.masters, back.registry);
        self.card = back.card;
        if let Some(error) = back.out.failed {
            // Gives up a card that is gone.
            let failed: Result<(), NetError> = self.with_card(|_| Err(error));
            if let Err(error) = failed {
                tracing::debug!(%error, "frames were not sent");
            }
        }
        for (bridge, port, frame) in back.out.heard {
            self.hear(bridge, port, &frame);
        }
        for (bridge, port, frame) in back.out.bpdus {
            self.receive_bpdu(bridge, port, &frame);
        }
        for (bridge, port, frame) in back.out.forwards {
            self.forward_reserved(bridge, port, &frame);
        }
        result
    }

    /// A device's counters: the card's are read, unless it is gone.
    pub fn link_stats(&mut self, dev: IfIndex) -> LinkStats64 {
        let dev = self.devices.core.by_index(dev.0).cloned();
        dev.map_or_else(
            |_| LinkStats64::default(),
            |dev| self.moving(|_, _| dev.stats64()),
        )
    }

    /// The frame could not be given to the device's stack after all.
    pub fn count_rx_drop(&mut self, dev: IfIndex) {
        if let Ok(dev) = self.devices.core.by_index(dev.0) {
            dev.stats().count(Counter::rx_dropped);
        }
    }

    /// Whether a device takes a frame now: there is room in the ring, or in the queue of a device without one.
    pub fn has_room(&mut self, dev: IfIndex) -> bool {
        let Ok(dev) = self.devices.core.by_index(dev.0).cloned() else {
            return true;
        };
        let hardware = self.model.registry.get(IfIndex(dev.ifindex()));
        if hardware.is_some_and(|d| d.kind != DeviceKind::Other) {
            return self.moving(|plane, _| plane.has_room(IfIndex(dev.ifindex())));
        }
        let full = |dev: &Dev| {
            let waiting = dev.queue(0).backlog();
            waiting > 0 && waiting >= dev.tx_queue_len() as usize
        };
        let lowers: Vec<IfIndex> = dev.lowers().iter().map(|l| IfIndex(l.ifindex())).collect();
        !full(&dev) && lowers.into_iter().all(|lower| self.has_room(lower))
    }

    /// Sends a frame of the kernel's on a device: a bridge forwards it, a port or lag sends it as it stands. False: no room now, try again after
    /// completions. [`Switch::flush_tx`] makes the card look. What cannot be sent at all is dropped and counted by its device.
    pub fn xmit(&mut self, dev: IfIndex, frame: &[u8]) -> Result<bool, NetError> {
        let Ok(device) = self.devices.core.by_index(dev.0).cloned() else {
            return Err(NetError::NotFound {
                what: format!("device {dev}"),
            });
        };
        if !self.has_room(dev) {
            return Ok(false);
        }
        match prepare(&device, frame) {
            Some(packet) => drop(self.moving(|_, net| net.xmit(&device, packet))),
            None => device.stats().count(Counter::tx_errors),
        }
        Ok(true)
    }

    /// Rings the doorbell for queued frames.
    pub fn flush_tx(&mut self) -> Result<(), NetError> {
        if !self.has_hardware() {
            return Ok(());
        }
        self.with_card(|card| match &mut card.host {
            Some(host) => host.flush(card.device.mmio()),
            None => Ok(()),
        })
    }
}

/// Passes frames of the card's up from their ports, those of one port that came together as one list.
fn receive(net: &mut Softnet, ports: &[Dev], frames: Vec<(u32, bool, Packet)>) {
    let mut batch = Batch::new();
    let mut at: Option<&Dev> = None;
    for (source, truncated, mut packet) in frames {
        // The source is the card's word: a port that does not exist has no device.
        let Some(dev) = ports.get(source as usize) else {
            tracing::warn!(source, "frame from a port that does not exist");
            continue;
        };
        if truncated || eth::type_trans(&mut packet, dev.ifindex(), dev.address()).is_err() {
            dev.stats().count(Counter::rx_dropped);
            continue;
        }
        if let Some(before) = at.replace(dev).filter(|before| *before != dev) {
            net.receive_list(before, &mut batch);
        }
        batch.push_back(packet);
    }
    if let Some(dev) = at {
        net.receive_list(dev, &mut batch);
    }
}

/// A frame of the kernel's as the device wants it: the kernel knows Ethernet headers only, and the device may have others.
fn prepare(dev: &Dev, frame: &[u8]) -> Option<Packet> {
    let (to, from) = (eth::destination(frame)?, eth::source(frame)?);
    let field = eth::network_type(frame)?;
    let payload = frame.get(eth::HLEN..)?;
    let protocol = match field {
        eth::P_MIN.. => field,
        _ => eth::P_802_2,
    };
    let mut packet = dev.alloc_packet(payload.len());
    packet.append(payload).ok()?;
    let len = usize::from(field);
    let header = dev.header();
    header
        .create(&mut packet, dev, protocol, Some(to), Some(from), len)
        .ok()?;
    packet.set_mac_header();
    packet.protocol = eth::network_type(packet.bytes())?;
    Some(packet)
}

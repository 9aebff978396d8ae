//! The way of a frame down: queue, backlog, driver (`dev_queue_xmit`).

use std::sync::atomic::Ordering;

use super::rx::TAPS;
use super::{MAX_DEPTH, Softnet};
use crate::device::{Counter, Dev, Features, NetDevice, PrivFlags, Xmit};
use crate::netpoll;
use crate::packet::{Batch, Checksum, Packet, PacketType, eth};

/// What became of a frame to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxOutcome {
    /// The driver has it.
    Sent,
    /// It waits in the queue's backlog.
    Queued,
    /// It was dropped and counted: the device is down, has no carrier or no room, or sends to itself.
    Dropped,
}

/// The queue for a frame: what the driver says, what the frame says, or by its flow.
pub(crate) fn pick_queue(dev: &NetDevice, packet: &Packet) -> u16 {
    let queues = dev.queue_count();
    if queues == 1 {
        return 0;
    }
    let chosen = dev
        .ops()
        .select_queue(dev, packet)
        .or_else(|| packet.queue_mapping());
    let queue = chosen.unwrap_or_else(|| {
        let hash = match packet.hash {
            0 => address_hash(packet.bytes()),
            hash => hash,
        };
        ((u64::from(hash) * u64::from(queues)) >> 32) as u16
    });
    queue.min(queues - 1)
}

/// Spreads frames without a flow hash by their addresses.
fn address_hash(frame: &[u8]) -> u32 {
    let word = |at: usize| {
        frame
            .get(at..)?
            .first_chunk()
            .map(|b| u32::from_le_bytes(*b))
    };
    let mixed = word(2).unwrap_or(0) ^ word(8).unwrap_or(0).rotate_left(16);
    // Fibonacci hashing: the high bits of the product depend on all bits.
    mixed.wrapping_mul(0x9e37_79b9)
}

impl Softnet {
    /// Sends a frame that begins at its link header (`dev_queue_xmit`). With interrupts off, as under netpoll, it goes past the queue
    /// discipline, or is put off if the device cannot take it.
    pub fn xmit(&mut self, dev: &Dev, mut packet: Packet) -> TxOutcome {
        packet.dev = dev.ifindex();
        if self.irqs_off > 0 {
            return netpoll::send_packet(self, dev, packet);
        }
        self.enter();
        let queue = pick_queue(dev, &packet);
        let outcome = self.xmit_one(dev, queue, packet);
        self.exit();
        outcome
    }

    fn xmit_one(&mut self, dev: &Dev, number: u16, packet: Packet) -> TxOutcome {
        if !self.may_send(dev) {
            return self.drop_frames(dev, 1);
        }
        let Some(packet) = self.validate(dev, packet) else {
            return TxOutcome::Dropped;
        };
        if dev.tx_queue_len() == 0 {
            return self.xmit_direct(dev, number, packet);
        }
        let queue = dev.queue(number);
        if self.is_loop(dev, number) {
            return self.drop_frames(dev, 1);
        }
        let mut backlog = queue.lock();
        if !backlog.is_empty() || queue.is_off() {
            if backlog.len() >= dev.tx_queue_len() as usize {
                return self.drop_frames(dev, 1);
            }
            backlog.push_back(packet);
            queue.waiting.store(backlog.len(), Ordering::Relaxed);
            if !queue.is_off() {
                drop(backlog);
                self.shared.schedule_output(dev.ifindex(), number, queue);
            }
            return TxOutcome::Queued;
        }
        queue.owner.store(self.id, Ordering::Relaxed);
        let result = dev.ops().start_xmit(self, dev, number, packet);
        queue.owner.store(0, Ordering::Relaxed);
        match result {
            Xmit::Ok => {
                queue.touch(self.shared.now_nanos());
                TxOutcome::Sent
            }
            Xmit::Busy(packet) => {
                backlog.push_front(packet);
                queue.waiting.store(backlog.len(), Ordering::Relaxed);
                drop(backlog);
                if !queue.is_off() {
                    self.shared.schedule_output(dev.ifindex(), number, queue);
                }
                TxOutcome::Queued
            }
        }
    }

    /// Sends many frames by one queue; all are taken, what has no room is dropped and counted.
    pub(crate) fn xmit_list(&mut self, dev: &Dev, number: u16, frames: &mut Batch) {
        if self.irqs_off > 0 || dev.tx_queue_len() == 0 {
            for mut packet in frames.drain(..) {
                packet.dev = dev.ifindex();
                match self.irqs_off {
                    0 => self.xmit_one(dev, number, packet),
                    _ => netpoll::send_packet(self, dev, packet),
                };
            }
            return;
        }
        if !self.may_send(dev) || self.is_loop(dev, number) {
            self.drop_frames(dev, frames.len());
            return;
        }
        if self.needs_care(dev, frames) {
            for packet in std::mem::take(frames) {
                frames.extend(self.validate(dev, packet));
            }
        }
        let queue = dev.queue(number);
        let mut backlog = queue.lock();
        if backlog.is_empty() && !queue.is_off() {
            queue.owner.store(self.id, Ordering::Relaxed);
            let before = frames.len();
            dev.ops().xmit_batch(self, dev, number, frames);
            queue.owner.store(0, Ordering::Relaxed);
            if frames.len() < before {
                queue.touch(self.shared.now_nanos());
            }
        }
        if frames.is_empty() {
            return;
        }
        let room = (dev.tx_queue_len() as usize).saturating_sub(backlog.len());
        let kept = room.min(frames.len());
        backlog.extend(frames.drain(..kept));
        queue.waiting.store(backlog.len(), Ordering::Relaxed);
        drop(backlog);
        self.drop_frames(dev, frames.len());
        if !queue.is_off() {
            self.shared.schedule_output(dev.ifindex(), number, queue);
        }
    }

    /// A virtual device without a queue: nobody waits here.
    fn xmit_direct(&mut self, dev: &Dev, number: u16, packet: Packet) -> TxOutcome {
        let queue = dev.queue(number);
        let locked = !dev.priv_flags().contains(PrivFlags::LLTX);
        if self.tx_depth >= MAX_DEPTH || (locked && self.is_loop(dev, number)) {
            return self.drop_frames(dev, 1);
        }
        let guard = locked.then(|| queue.lock());
        if queue.is_off() {
            return self.drop_frames(dev, 1);
        }
        if locked {
            queue.owner.store(self.id, Ordering::Relaxed);
        }
        self.tx_depth += 1;
        let result = dev.ops().start_xmit(self, dev, number, packet);
        self.tx_depth -= 1;
        if locked {
            queue.owner.store(0, Ordering::Relaxed);
            queue.touch(self.shared.now_nanos());
        }
        drop(guard);
        match result {
            Xmit::Ok => TxOutcome::Sent,
            Xmit::Busy(_) => self.drop_frames(dev, 1),
        }
    }

    /// Offers the backlog of a queue that was woken.
    pub(super) fn run_queue(&mut self, ifindex: u32, number: u16) {
        let table = self.shared.table.load_full();
        let Some(dev) = table.get(ifindex) else {
            return;
        };
        let queue = dev.queue(number);
        queue.scheduled.store(false, Ordering::SeqCst);
        if self.is_loop(dev, number) {
            return;
        }
        let mut backlog = queue.lock();
        if queue.is_off() {
            return;
        }
        if !self.may_send(dev) {
            let gone = backlog.len();
            backlog.clear();
            self.drop_frames(dev, gone);
        }
        if !backlog.is_empty() {
            let before = backlog.len();
            queue.owner.store(self.id, Ordering::Relaxed);
            dev.ops().xmit_batch(self, dev, number, &mut backlog);
            queue.owner.store(0, Ordering::Relaxed);
            if backlog.len() < before {
                queue.touch(self.shared.now_nanos());
            }
        }
        queue.waiting.store(backlog.len(), Ordering::Relaxed);
        let left = !backlog.is_empty();
        drop(backlog);
        if left && !queue.is_off() {
            self.shared.schedule_output(ifindex, number, queue);
        }
    }

    pub(crate) fn may_send(&self, dev: &NetDevice) -> bool {
        dev.is_running() && dev.is_present() && dev.carrier_ok()
    }

    /// This thread is sending by this queue already: the device, or one below it, sends to itself.
    fn is_loop(&self, dev: &NetDevice, number: u16) -> bool {
        dev.queue(number).owner.load(Ordering::Relaxed) == self.id
    }

    pub(crate) fn drop_frames(&self, dev: &NetDevice, frames: usize) -> TxOutcome {
        if frames > 0 {
            dev.stats().add(Counter::tx_dropped, frames as u64);
        }
        TxOutcome::Dropped
    }

    fn needs_care(&self, dev: &NetDevice, frames: &Batch) -> bool {
        dev.rx_extras.load(Ordering::Relaxed) & TAPS != 0
            || !self.shared.table.load().protocols.taps.is_empty()
            || frames
                .iter()
                .any(|p| p.vlan_tag().is_some() || matches!(p.checksum(), Checksum::Partial { .. }))
    }

    /// Shows a frame to taps, and does in software what the device cannot: tags and checksums.
    pub(crate) fn validate(&mut self, dev: &Dev, mut packet: Packet) -> Option<Packet> {
        let table = self.shared.table.load();
        if dev.rx_extras.load(Ordering::Relaxed) & TAPS != 0 || !table.protocols.taps.is_empty() {
            let table = self.shared.table.load_full();
            let mut seen = packet.clone();
            seen.packet_type = PacketType::Outgoing;
            seen.set_mac_header();
            self.tap(&table, dev, &seen);
        }
        let features = dev.features();
        let tagged = packet.vlan_tag().map(|t| match t.protocol {
            eth::P_8021AD => Features::VLAN_STAG_TX,
            _ => Features::VLAN_CTAG_TX,
        });
        let mut result = Ok(());
        if tagged.is_some_and(|feature| !features.contains(feature)) {
            result = eth::insert_vlan(&mut packet);
        }
        if result.is_ok() && !features.intersects(Features::CSUM_ANY) {
            result = packet.checksum_help();
        }
        if result.is_err() {
            dev.stats().count(Counter::tx_errors);
            return None;
        }
        Some(packet)
    }
}

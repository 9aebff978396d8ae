//! The transmit ring: packets to the card, and back once they are sent.
//!
//! A packet stays where it is and is the ring's until its completion comes. The card reaches the bytes of the ring's own pool and of those pools
//! that it was shown ([`TxRing::map`]): another card's receive ring, say. A packet in ordinary memory is copied into one of the ring's own. Cost: a
//! submission written and a completion read, about 25 cycles a frame; a doorbell a batch.
//!
//! No frame that was taken is lost: a ring that is restarted is stopped first, so that the card finishes or gives up what it has begun; what it has completed by then is
//! sent, and the rest is submitted again in its order.

use std::any::Any;
use std::sync::Arc;

use smartnic_netdev::Packet;
use smartnic_netdev::packet::{Memory, Pool, PoolCache, Recycler};
use smartnic_regs::ring::{completion, submission};

use super::data::{Ring, RingSetup};
use super::pool::pool;
use super::{BUFFER, MIN_FRAME, TxDone, TxTarget};
use crate::device::DeviceError;
use crate::device::mmio::Mmio;
use crate::pci::{DmaBuffer, DmaMemory};

/// What a completion may say.
const STATUSES: &[u32] = &[
    completion::OK,
    completion::TRUNCATED,
    completion::BAD_LENGTH,
    completion::BAD_DEST,
    completion::DMA_ERROR,
];

/// Memory of packets, and where the card reaches it; it is kept as long as it is mapped.
struct Window {
    memory: Arc<dyn Memory>,
    /// `None`: the card cannot reach it.
    mapped: Option<DmaMemory>,
}

/// Why a packet was not taken.
#[derive(Debug)]
pub enum NotSent {
    /// The ring is full.
    Full(Packet),
    /// It is in memory that the ring has not seen yet: [`TxRing::map`], and try again.
    Unmapped(Packet),
    /// No frame of this length can be sent.
    Length(Packet),
}

/// A transmit ring.
pub struct TxRing {
    ring: Ring,
    own: PoolCache,
    /// Kept: a pool that is dropped takes nothing back.
    _pool: Pool,
    recycler: Recycler,
    /// The ring's own pool, then others.
    windows: Vec<Window>,
}

fn same(a: &Arc<dyn Memory>, b: &Arc<dyn Memory>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

impl TxRing {
    /// A ring, and as many packets for copies as it has entries. Not yet started.
    pub fn new(mmio: &mut Mmio, setup: RingSetup) -> Result<Self, DeviceError> {
        let ring = Ring::new(mmio, setup, completion::TRANSMIT, STATUSES)?;
        let (pool, memory) = pool(mmio, ring.size())?;
        let window = Window {
            memory: memory.buffer().clone(),
            mapped: Some(memory),
        };
        Ok(Self {
            ring,
            own: pool.cache(),
            _pool: pool,
            recycler: Recycler::default(),
            windows: vec![window],
        })
    }

    /// Starts it: what it had before is given up. How many frames that were.
    pub fn start(&mut self, mmio: &mut Mmio) -> Result<usize, DeviceError> {
        self.ring.stop(mmio)?;
        let had = self.ring.start(mmio)?;
        let count = had.len();
        had.into_iter().for_each(|packet| self.free(packet));
        Ok(count)
    }

    /// Starts again after a fault: what was completed goes to `done`, the rest is submitted again.
    pub fn restart(
        &mut self,
        mmio: &mut Mmio,
        done: impl FnMut(TxDone),
    ) -> Result<(), DeviceError> {
        self.ring.restarts += 1;
        self.ring.stop(mmio)?;
        // As far as they make sense.
        let _ = self.take_completions(usize::MAX, done);
        for packet in self.ring.start(mmio)? {
            let (bytes, flags) = (packet.len(), packet.control);
            match self.iova(&packet) {
                Some(iova) => self.ring.submit(packet, iova, bytes, flags),
                // Memory is let go when the ring is stopped for good: nothing is sent after that.
                None => self.free(packet),
            }
        }
        self.ring.ring_doorbell(mmio)
    }

    /// Stops it: the card touches nothing of it any more, and memory that was mapped for it is let go.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.stop(mmio)?;
        for window in self.windows.drain(1..) {
            if let Some(memory) = window.mapped {
                mmio.unshare(&memory)?;
            }
        }
        Ok(())
    }

    /// Asks the card whether it stopped the ring.
    pub fn check(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.check(mmio)
    }
    /// Restarts since the ring was made.
    pub fn restarts(&self) -> u64 {
        self.ring.restarts
    }
    /// Frames that it takes at most.
    pub fn size(&self) -> usize {
        self.ring.size()
    }
    /// Frames that the card has not completed.
    pub fn in_flight(&self) -> usize {
        self.ring.in_flight()
    }
    /// Frames that it takes now.
    pub fn room(&self) -> usize {
        self.ring.size() - self.ring.in_flight()
    }
    /// It takes none: the queue above must stop.
    #[inline]
    pub fn is_full(&self) -> bool {
        !self.ring.has_room()
    }

    #[inline]
    fn free(&mut self, packet: Packet) {
        if let Some(other) = self.own.free(packet) {
            self.recycler.free(other);
        }
    }

    /// Sends home the packets that wait for more of their kind.
    pub fn flush(&mut self) {
        self.recycler.flush();
    }

    /// Where the card reaches a packet's bytes.
    #[inline]
    fn iova(&self, packet: &Packet) -> Option<u64> {
        let (memory, offset) = packet.place()?;
        let window = self.windows.iter().find(|w| same(&w.memory, memory))?;
        Some(window.mapped.as_ref()?.iova() + offset as u64)
    }

    /// Shows the card the memory that a packet is in; if that cannot be, packets in it are copied from now on. It lasts until the ring is stopped.
    pub fn map(&mut self, mmio: &mut Mmio, packet: &Packet) {
        let Some((memory, _)) = packet.place() else {
            return;
        };
        let any: Arc<dyn Any + Send + Sync> = memory.clone();
        let mapped = any.downcast::<DmaBuffer>().ok().and_then(|buffer| {
            let mapped = mmio.share(&buffer);
            mapped
                .inspect_err(|error| tracing::debug!(%error, "packets are copied"))
                .ok()
        });
        self.windows.push(Window {
            memory: memory.clone(),
            mapped,
        });
    }

    /// Puts a packet (a frame without FCS, 14 to 2,048 bytes) into the ring; [`TxRing::ring_doorbell`] sends it.
    #[inline]
    pub fn send(
        &mut self,
        mut packet: Packet,
        target: TxTarget,
        class: u32,
    ) -> Result<(), NotSent> {
        let bytes = packet.len();
        if !(MIN_FRAME..=BUFFER).contains(&bytes) {
            return Err(NotSent::Length(packet));
        }
        if !self.ring.has_room() {
            return Err(NotSent::Full(packet));
        }
        let iova = match self.iova(&packet) {
            Some(iova) => iova,
            None => {
                let known = |(memory, _): (&Arc<dyn Memory>, usize)| {
                    self.windows.iter().any(|w| same(&w.memory, memory))
                };
                if !packet.place().is_none_or(known) {
                    return Err(NotSent::Unmapped(packet));
                }
                let copied = self.copy(packet.bytes());
                match copied.and_then(|copy| Some((self.iova(&copy)?, copy))) {
                    Some((iova, copy)) => {
                        self.recycler.free(std::mem::replace(&mut packet, copy));
                        iova
                    }
                    None => return Err(NotSent::Full(packet)),
                }
            }
        };
        let mut flags = submission::CLASS.put(class);
        if let TxTarget::Direct(dest) = target {
            flags |= submission::DIRECT.put(1) | submission::DEST.put(dest);
        }
        packet.control = flags;
        self.ring.submit(packet, iova, bytes, flags);
        Ok(())
    }

    /// A packet of the ring's own with these bytes.
    fn copy(&mut self, bytes: &[u8]) -> Option<Packet> {
        let mut copy = self.own.alloc()?;
        copy.append(bytes).ok()?;
        Some(copy)
    }

    /// The same for bytes. False: full.
    pub fn send_bytes(
        &mut self,
        frame: &[u8],
        target: TxTarget,
        class: u32,
    ) -> Result<bool, DeviceError> {
        if !(MIN_FRAME..=BUFFER).contains(&frame.len()) {
            let range = format!("{MIN_FRAME} to {BUFFER} bytes");
            return Err(DeviceError::Range {
                what: "frame length",
                value: frame.len() as u64,
                range,
            });
        }
        if !self.ring.has_room() {
            return Ok(false);
        }
        let sent = self.copy(frame).map(|copy| self.send(copy, target, class));
        Ok(matches!(sent, Some(Ok(()))))
    }

    /// Tells the card about new submissions.
    pub fn ring_doorbell(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.ring_doorbell(mmio)
    }

    /// Takes up to `budget` transmit completions.
    pub fn reap(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        done: impl FnMut(TxDone),
    ) -> Result<usize, DeviceError> {
        let count = self.take_completions(budget, done)?;
        if count > 0 {
            self.ring.acknowledge(mmio)?;
        }
        Ok(count)
    }

    fn take_completions(
        &mut self,
        budget: usize,
        mut done: impl FnMut(TxDone),
    ) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < budget {
            let Some((packet, words)) = self.ring.complete().map_err(|f| self.ring.fault(f))?
            else {
                break;
            };
            let status = completion::STATUS.get(words[1]);
            let bytes = packet.len();
            self.free(packet);
            done(TxDone { bytes, status });
            count += 1;
        }
        Ok(count)
    }
}

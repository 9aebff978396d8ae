//! The receive ring: empty packets to the card, full ones back.
//!
//! The card writes where the packets are that go up, and the ring gets others for them from its pool: no byte is copied. Cost: a completion read, a submission
//! written, and a packet taken from the ring's own supply, about 30 cycles a frame; two doorbells a call.

use smartnic_netdev::Packet;
use smartnic_netdev::packet::{Pool, PoolCache};
use smartnic_regs::ring::completion;

use super::data::{Ring, RingSetup};
use super::pool::pool;
use super::{BUFFER, RxFrame, RxInfo};
use crate::device::DeviceError;
use crate::device::error::RingFault;
use crate::device::mmio::Mmio;
use crate::pci::DmaMemory;

/// A receive ring with its packets.
pub struct RxRing {
    ring: Ring,
    cache: PoolCache,
    /// Kept: a pool that is dropped takes nothing back.
    pool: Pool,
    memory: DmaMemory,
    /// Frames that were not taken because no packet was free, ever.
    pub dropped: u64,
}

impl RxRing {
    /// A ring, and three times as many packets as it has entries: twice as many may be further up as the card has. Not yet started.
    pub fn new(mmio: &mut Mmio, setup: RingSetup) -> Result<Self, DeviceError> {
        const STATUSES: &[u32] = &[completion::OK, completion::TRUNCATED, completion::DMA_ERROR];
        let ring = Ring::new(mmio, setup, completion::RECEIVE, STATUSES)?;
        let (pool, memory) = pool(mmio, 3 * ring.size())?;
        Ok(Self {
            ring,
            cache: pool.cache(),
            pool,
            memory,
            dropped: 0,
        })
    }

    /// Starts it, or starts it again: the card gets packets for all entries.
    pub fn start(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.stop(mmio)?;
        for packet in self.ring.start(mmio)? {
            self.cache.free(packet);
        }
        self.refill();
        self.ring.ring_doorbell(mmio)
    }

    /// Starts again after a fault.
    pub fn restart(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.restarts += 1;
        self.start(mmio)
    }

    /// Stops it: the card touches nothing of it any more.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.stop(mmio)
    }

    /// Asks the card whether it stopped the ring.
    pub fn check(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.ring.check(mmio)
    }

    /// Restarts since the ring was made.
    pub fn restarts(&self) -> u64 {
        self.ring.restarts
    }

    /// Packets that are free, the ring's own supply not counted.
    pub fn free(&self) -> usize {
        self.pool.free()
    }

    #[inline]
    fn give(&mut self, packet: Packet) {
        let Some((_, offset)) = packet.place().filter(|_| self.ring.has_room()) else {
            self.cache.free(packet);
            return;
        };
        let iova = self.memory.iova() + offset as u64;
        self.ring.submit(packet, iova, BUFFER, 0);
    }

    /// All entries that are free, as far as there are packets.
    fn refill(&mut self) {
        while self.ring.has_room()
            && let Some(packet) = self.cache.alloc()
        {
            self.give(packet);
        }
    }

    /// Gives up to `budget` received frames to `take`, and other packets to the card. A frame for which there is no other packet is dropped and
    /// counted, and its packet goes back to the card.
    pub fn receive(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        mut take: impl FnMut(Packet, &RxInfo),
    ) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < budget {
            let Some((mut packet, words)) = self.ring.complete().map_err(|f| self.ring.fault(f))?
            else {
                break;
            };
            count += 1;
            let length = completion::LENGTH.get(words[1]);
            if packet.put_filled(length as usize).is_err() {
                let room = packet.tailroom() as u32;
                self.cache.free(packet);
                return Err(self.ring.fault(RingFault::Length { length, room }));
            }
            if completion::STATUS.get(words[1]) == completion::DMA_ERROR {
                // The card could not write or read memory: the buffer comes back without a frame.
                tracing::warn!(ring = %self.ring.name(), "a receive buffer came back with a DMA error");
                let _ = packet.trim(0);
                self.give(packet);
                continue;
            }
            match self.cache.alloc() {
                Some(empty) => {
                    self.give(empty);
                    take(packet, &RxInfo::new(words));
                }
                None => {
                    self.dropped += 1;
                    let _ = packet.trim(0);
                    self.give(packet);
                }
            }
        }
        if count > 0 {
            self.ring.acknowledge(mmio)?;
        }
        if self.ring.in_flight() < self.ring.size() {
            self.refill();
        }
        self.ring.ring_doorbell(mmio)?;
        Ok(count)
    }

    /// The same as copies.
    pub fn receive_frames(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        frames: &mut Vec<RxFrame>,
    ) -> Result<usize, DeviceError> {
        self.receive(mmio, budget, |packet, info| {
            frames.push(info.to_frame(&packet));
        })
    }
}

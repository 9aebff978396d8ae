//! What receive and transmit rings have in common: entries there and back, and the packets under way.

use std::sync::atomic::{Ordering, fence};

use smartnic_netdev::Packet;
use smartnic_regs::host;
use smartnic_regs::ring::{SUBMISSION_BYTES, completion, submission};

use super::entries::{ENTRY, Entries};
use crate::device::DeviceError;
use crate::device::error::RingFault;
use crate::device::mmio::Mmio;
use crate::pci::DmaMemory;

const SUBMISSION: usize = SUBMISSION_BYTES as usize;
/// Alignment of a completion queue: the card writes four entries at once.
const CQ_ALIGN: usize = 128;

/// Where completions and head of a ring of `n` entries begin.
fn layout(n: usize) -> (usize, usize) {
    let completions = (n * SUBMISSION).next_multiple_of(CQ_ALIGN);
    (completions, completions + n * ENTRY)
}

/// Which ring of the card it is, and how it is set up.
#[derive(Clone, Debug)]
pub struct RingSetup {
    /// Index in the register map.
    pub index: u32,
    /// For messages.
    pub name: String,
    /// log2 of its entries, 2 to 15.
    pub size_log2: u32,
    /// host::MODERATION.
    pub moderation: u32,
}

/// What the card has by one cookie.
#[derive(Default)]
struct Slot {
    packet: Option<Packet>,
    /// The number of its submission.
    number: u32,
}

/// Entries of a ring, and the packets that the card has.
pub(super) struct Ring {
    setup: RingSetup,
    kind: u32,
    memory: DmaMemory,
    completions: Entries,
    head_offset: usize,
    /// Statuses that a completion may have.
    statuses: &'static [u32],
    /// The number of the next submission.
    tail: u32,
    /// By cookie.
    slots: Box<[Slot]>,
    /// Cookies that are free.
    free: Vec<u32>,
    doorbell_due: bool,
    pub(super) restarts: u64,
}

impl Ring {
    /// A ring of `kind` (`ring::completion::RECEIVE` or TRANSMIT) in memory of its own. Not yet enabled.
    pub(super) fn new(
        mmio: &mut Mmio,
        setup: RingSetup,
        kind: u32,
        statuses: &'static [u32],
    ) -> Result<Self, DeviceError> {
        let size_log2 = setup.size_log2;
        if !(2..=15).contains(&size_log2) {
            return Err(DeviceError::Range {
                what: "ring size",
                value: size_log2.into(),
                range: "2^2 to 2^15".into(),
            });
        }
        let n = 1usize << size_log2;
        let (offset, head_offset) = layout(n);
        let memory = mmio.transport().dma_alloc(head_offset + 64)?;
        let completions = Entries {
            memory: memory.clone(),
            offset,
            size_log2,
            consumed: 0,
        };
        Ok(Self {
            setup,
            kind,
            memory,
            completions,
            head_offset,
            statuses,
            tail: 0,
            slots: (0..n).map(|_| Slot::default()).collect(),
            free: (0..n as u32).rev().collect(),
            doorbell_due: false,
            restarts: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.setup.name
    }
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.slots.len()
    }
    /// Packets that the card has.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn fault(&self, fault: RingFault) -> DeviceError {
        DeviceError::Ring {
            ring: self.setup.name.clone(),
            fault,
        }
    }

    /// Enables the stopped ring, empty. Packets that it had are the caller's, in the order of their submission.
    pub(super) fn start(&mut self, mmio: &mut Mmio) -> Result<Vec<Packet>, DeviceError> {
        let index = self.setup.index;
        let tail = self.tail;
        let mut had: Vec<(u32, Packet)> = self
            .slots
            .iter_mut()
            .filter_map(|slot| Some((slot.number, slot.packet.take()?)))
            .collect();
        had.sort_by_key(|(number, _)| std::cmp::Reverse(tail.wrapping_sub(*number)));
        self.completions.clear();
        self.memory.store32(self.head_offset, 0);
        (self.tail, self.doorbell_due) = (0, false);
        self.free = (0..self.slots.len() as u32).rev().collect();
        let iova = self.memory.iova();
        let queue = iova + self.completions.offset as u64;
        let head = iova + self.head_offset as u64;
        mmio.write64_at(host::SQ_LO, host::SQ_HI, index, iova)?;
        mmio.write64_at(host::CQ_LO, host::CQ_HI, index, queue)?;
        mmio.write64_at(host::HEAD_LO, host::HEAD_HI, index, head)?;
        mmio.write_at(host::SQ_TAIL, index, 0)?;
        mmio.write_at(host::CQ_HEAD, index, 0)?;
        mmio.write_at(host::MODERATION, index, self.setup.moderation)?;
        use host::CONTROL::{ENABLE, SIZE_LOG2};
        let control = ENABLE.put(1) | SIZE_LOG2.put(self.setup.size_log2);
        mmio.write_at(host::CONTROL, index, control)?;
        Ok(had.into_iter().map(|(_, packet)| packet).collect())
    }

    /// Gives a packet to the card, which reaches its data at `iova`. There must be room, or the packet is given up.
    #[inline]
    pub(super) fn submit(&mut self, packet: Packet, iova: u64, bytes: usize, flags: u32) {
        let Some(cookie) = self.free.pop() else {
            return;
        };
        let at = self.completions.place(self.tail) * SUBMISSION;
        let length = submission::LENGTH.put(bytes as u32) | flags;
        let words = [iova as u32, (iova >> 32) as u32, length, cookie];
        self.memory.store_words(at, words);
        self.slots[cookie as usize] = Slot {
            packet: Some(packet),
            number: self.tail,
        };
        self.tail = self.tail.wrapping_add(1);
        self.doorbell_due = true;
    }

    /// Tells the card about new submissions.
    pub(super) fn ring_doorbell(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.doorbell_due) {
            // Submissions before the doorbell, wherever the transport writes it.
            fence(Ordering::Release);
            mmio.write_at(host::SQ_TAIL, self.setup.index, self.tail & 0xffff)?;
        }
        Ok(())
    }

    /// Takes the next completion: its packet and its words.
    #[inline]
    pub(super) fn complete(&mut self) -> Result<Option<(Packet, [u32; 8])>, RingFault> {
        let Some(words) = self
            .completions
            .next(completion::ENTRY_VERSION, completion::PHASE)?
        else {
            return Ok(None);
        };
        if self.in_flight() == 0 {
            return Err(RingFault::Unasked);
        }
        let kind = completion::KIND.get(words[1]);
        if kind != self.kind {
            return Err(RingFault::Kind(kind));
        }
        let head = completion::HEAD.get(words[7]) as u16;
        let tail = self.tail as u16;
        if usize::from(tail.wrapping_sub(head)) > self.size() {
            return Err(RingFault::Head { head, tail });
        }
        let status = completion::STATUS.get(words[1]);
        if !self.statuses.contains(&status) {
            return Err(RingFault::Status(status));
        }
        let cookie = words[0];
        let slot = self.slots.get_mut(cookie as usize);
        let packet = slot
            .and_then(|slot| slot.packet.take())
            .ok_or(RingFault::Cookie(cookie))?;
        self.free.push(cookie);
        Ok(Some((packet, words)))
    }

    /// Tells the card how many completions were read.
    pub(super) fn acknowledge(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write_at(
            host::CQ_HEAD,
            self.setup.index,
            self.completions.consumed & 0xffff,
        )
    }

    /// Asks the card whether it stopped the ring.
    pub(super) fn check(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        let status = mmio.read_at(host::STATUS, self.setup.index)?;
        if host::STATUS::STOPPED.get(status) == 1 {
            return Err(self.fault(RingFault::Stopped {
                code: host::STATUS::ERROR.get(status),
            }));
        }
        Ok(())
    }

    /// Stops the ring, and waits until the card does not touch its memory any more: frames under way are finished or given up first, a read of memory
    /// that nobody answers after host::READ_TIMEOUT.
    pub(super) fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write_at(host::CONTROL, self.setup.index, 0)?;
        let busy = host::STATUS::BUSY;
        mmio.wait_at(host::STATUS, self.setup.index, busy, 0, "stopping a ring")
            .map(|_| ())
    }
}

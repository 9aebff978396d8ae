//! Receive and transmit rings.

use std::sync::atomic::{Ordering, fence};

use smartnic_regs::host;
use smartnic_regs::ring::{SUBMISSION_BYTES, completion, submission};

use super::entries::{ENTRY, Entries};
use super::{BUFFER, MIN_FRAME, RxFrame, RxView, TxDone, TxTarget};
use crate::device::DeviceError;
use crate::device::error::RingFault;
use crate::device::mmio::Mmio;
use crate::pci::DmaMemory;

const SUBMISSION: usize = SUBMISSION_BYTES as usize;
/// Alignment of a completion queue: the card writes four entries at once.
const CQ_ALIGN: usize = 128;

/// Where completions, head and buffers of a ring of `n` entries begin.
fn layout(n: usize) -> (usize, usize, usize) {
    let completions = (n * SUBMISSION).next_multiple_of(CQ_ALIGN);
    let head = completions + n * ENTRY;
    (completions, head, (head + 64).next_multiple_of(4096))
}

/// A receive or transmit ring.
pub struct Ring {
    index: u32,
    name: String,
    kind: u32,
    memory: DmaMemory,
    completions: Entries,
    head_offset: usize,
    buffers: usize,
    tail: u32,
    in_flight: Vec<Option<usize>>,
    free: Vec<u32>,
    doorbell_due: bool,
    moderation: u32,
    /// Restarts since the ring was made.
    pub restarts: u64,
}

impl Ring {
    /// Bytes of DMA memory for a ring of 2^`size_log2` entries.
    pub fn memory_bytes(size_log2: u32) -> usize {
        let n = 1usize << size_log2;
        let (_, _, buffers) = layout(n);
        buffers + n * BUFFER
    }

    /// Ring `index` of the register map, of `kind` (`ring::completion::RECEIVE` or TRANSMIT). Not yet enabled.
    pub fn new(
        index: u32,
        name: String,
        kind: u32,
        memory: DmaMemory,
        size_log2: u32,
        moderation: u32,
    ) -> Self {
        let n = 1usize << size_log2;
        let (offset, head_offset, buffers) = layout(n);
        let completions = Entries {
            memory: memory.clone(),
            offset,
            size_log2,
            consumed: 0,
        };
        Self {
            index,
            name,
            kind,
            memory,
            completions,
            head_offset,
            buffers,
            tail: 0,
            in_flight: vec![None; n],
            free: Vec::new(),
            doorbell_due: false,
            moderation,
            restarts: 0,
        }
    }

    /// Entries.
    pub fn size(&self) -> u32 {
        self.completions.size()
    }
    /// Submissions that the card has not completed.
    pub fn in_flight(&self) -> usize {
        self.size() as usize - self.free.len()
    }
    /// No submission is free: the queue above must stop.
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    fn fault(&self, fault: RingFault) -> DeviceError {
        DeviceError::Ring {
            ring: self.name.clone(),
            fault,
        }
    }

    /// Disables the ring, forgets what was in flight, and enables it again; a receive ring gets all its buffers.
    pub fn start(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.stop(mmio)?;
        self.completions.clear();
        self.memory.store32(self.head_offset, 0);
        self.tail = 0;
        self.in_flight.fill(None);
        self.free = (0..self.size()).rev().collect();
        let iova = self.memory.iova();
        mmio.write64_at(host::SQ_LO, host::SQ_HI, self.index, iova)?;
        mmio.write64_at(
            host::CQ_LO,
            host::CQ_HI,
            self.index,
            iova + self.completions.offset as u64,
        )?;
        mmio.write64_at(
            host::HEAD_LO,
            host::HEAD_HI,
            self.index,
            iova + self.head_offset as u64,
        )?;
        mmio.write_at(host::SQ_TAIL, self.index, 0)?;
        mmio.write_at(host::CQ_HEAD, self.index, 0)?;
        mmio.write_at(host::MODERATION, self.index, self.moderation)?;
        use host::CONTROL::{ENABLE, SIZE_LOG2};
        mmio.write_at(
            host::CONTROL,
            self.index,
            ENABLE.put(1) | SIZE_LOG2.put(self.completions.size_log2),
        )?;
        if self.kind == completion::RECEIVE {
            while let Some(slot) = self.free.pop() {
                self.submit(slot, BUFFER, 0);
            }
            self.ring_doorbell(mmio)?;
        }
        Ok(())
    }

    /// Starts again after a fault.
    pub fn restart(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.restarts += 1;
        self.start(mmio)
    }

    fn buffer(&self, slot: u32) -> usize {
        self.buffers + slot as usize * BUFFER
    }

    fn submit(&mut self, slot: u32, bytes: usize, flags: u32) {
        let at = self.completions.place(self.tail) * SUBMISSION;
        let iova = self.memory.iova() + self.buffer(slot) as u64;
        let length = submission::LENGTH.put(bytes as u32) | flags;
        let words = [iova as u32, (iova >> 32) as u32, length, slot];
        self.memory.store_words(at, words);
        self.in_flight[slot as usize] = Some(bytes);
        self.tail = self.tail.wrapping_add(1);
        self.doorbell_due = true;
    }

    /// Tells the card about new submissions.
    pub fn ring_doorbell(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.doorbell_due) {
            // Submissions before the doorbell, wherever the transport writes it.
            fence(Ordering::Release);
            mmio.write_at(host::SQ_TAIL, self.index, self.tail & 0xffff)?;
        }
        Ok(())
    }

    /// Takes the next completion: its slot, the bytes submitted, and its words.
    fn complete(&mut self) -> Result<Option<(u32, usize, [u32; 8])>, RingFault> {
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
        if u32::from(tail.wrapping_sub(head)) > self.size() {
            return Err(RingFault::Head { head, tail });
        }
        let slot = words[0];
        let bytes = self
            .in_flight
            .get_mut(slot as usize)
            .and_then(Option::take)
            .ok_or(RingFault::Cookie(slot))?;
        Ok(Some((slot, bytes, words)))
    }

    fn acknowledge(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write_at(
            host::CQ_HEAD,
            self.index,
            self.completions.consumed & 0xffff,
        )
    }

    /// Takes up to `budget` received frames as copies, and gives their buffers back to the card.
    pub fn receive(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        frames: &mut Vec<RxFrame>,
    ) -> Result<usize, DeviceError> {
        self.receive_with(mmio, budget, |frame| frames.push(frame.to_frame()))
    }

    /// Shows up to `budget` received frames to `take`, each where the card wrote it, and gives their buffers back to the card.
    pub fn receive_with(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        mut take: impl FnMut(&RxView<'_>),
    ) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < budget {
            let Some((slot, room, words)) = self.complete().map_err(|f| self.fault(f))? else {
                break;
            };
            count += 1;
            let length = completion::LENGTH.get(words[1]);
            let status = completion::STATUS.get(words[1]);
            if length as usize > room {
                return Err(self.fault(RingFault::Length {
                    length,
                    room: room as u32,
                }));
            }
            match status {
                completion::OK | completion::TRUNCATED => {
                    take(&RxView::new(&self.memory, self.buffer(slot), words));
                }
                // The card could not write or read memory: the buffer comes back without a frame.
                completion::DMA_ERROR => {
                    tracing::warn!(ring = %self.name, "a receive buffer came back with a DMA error")
                }
                other => return Err(self.fault(RingFault::Status(other))),
            }
            self.submit(slot, BUFFER, 0);
        }
        if count > 0 {
            self.acknowledge(mmio)?;
            self.ring_doorbell(mmio)?;
        }
        Ok(count)
    }

    /// Puts a frame (without FCS, 14 to 2,048 bytes) into the ring; [`Ring::ring_doorbell`] sends it. False: full.
    pub fn send(
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
        let Some(slot) = self.free.pop() else {
            return Ok(false);
        };
        self.memory.write(self.buffer(slot), frame);
        let mut flags = submission::CLASS.put(class);
        if let TxTarget::Direct(dest) = target {
            flags |= submission::DIRECT.put(1) | submission::DEST.put(dest);
        }
        self.submit(slot, frame.len(), flags);
        Ok(true)
    }

    /// Takes up to `budget` transmit completions.
    pub fn reap(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        done: &mut Vec<TxDone>,
    ) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < budget {
            let Some((slot, bytes, words)) = self.complete().map_err(|f| self.fault(f))? else {
                break;
            };
            let status = completion::STATUS.get(words[1]);
            if status > completion::DMA_ERROR {
                return Err(self.fault(RingFault::Status(status)));
            }
            self.free.push(slot);
            done.push(TxDone { bytes, status });
            count += 1;
        }
        if count > 0 {
            self.acknowledge(mmio)?;
        }
        Ok(count)
    }

    /// Asks the card whether it stopped the ring.
    pub fn check(&self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        let status = mmio.read_at(host::STATUS, self.index)?;
        if host::STATUS::STOPPED.get(status) == 1 {
            return Err(self.fault(RingFault::Stopped {
                code: host::STATUS::ERROR.get(status),
            }));
        }
        Ok(())
    }

    /// Stops the ring, and waits until the card does not touch its memory any more: frames under way are finished or given up first, a read of memory
    /// that nobody answers after host::READ_TIMEOUT.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write_at(host::CONTROL, self.index, 0)?;
        let busy = host::STATUS::BUSY;
        mmio.wait_at(host::STATUS, self.index, busy, 0, "stopping a ring")
            .map(|_| ())
    }
}

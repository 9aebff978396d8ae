//! Rings between host memory and the card: receive, transmit, events.
//!
//! A ring has a submission queue of 16-byte entries, a completion queue of 32-byte entries, a word for the head that
//! the card writes back, and a buffer for each entry, all in one piece of DMA memory:
//!
//! ```text
//! submissions 16 n | completions 32 n | head | buffers n x BUFFER, page aligned
//! ```
//!
//! An entry is new when its phase bit is that of the round: 1 in the first, 0 in the second, and so on. Version, kind,
//! cookie, length, status and head of every entry are checked: an entry that makes no sense is a [`RingFault`] and
//! stops the ring, never a wild access. A restart disables the ring, clears its memory, and enables it again.
//!
//! Covered by `tests/rings.rs` (a register-level card, and a hostile one that writes random entries).

use smartnic_regs::ring::{
    COMPLETION_BYTES, SUBMISSION_BYTES, VERSION, completion, event, submission,
};
use smartnic_regs::{event as event_regs, host};

use super::error::RingFault;
use super::fdb::FdbKey;
use super::mmio::Mmio;
use super::{DeviceError, MacAddr};
use crate::pci::DmaMemory;

/// Bytes of a buffer: the longest frame that a MAC takes (2,000 and two VLAN tags) fits.
pub const BUFFER: usize = 2048;
/// Shortest frame that can be sent, without FCS.
pub const MIN_FRAME: usize = 14;

const SUBMISSION: usize = SUBMISSION_BYTES as usize;
const COMPLETION: usize = COMPLETION_BYTES as usize;

/// A frame from the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RxFrame {
    /// The frame without FCS.
    pub data: Vec<u8>,
    /// It was longer than the buffer and is cut off.
    pub truncated: bool,
    /// Source: port number.
    pub source: u32,
    /// `values::reason`.
    pub reason: u32,
    /// Class.
    pub class: u32,
    /// TCI of the outer VLAN tag, which is still in the data.
    pub tci: Option<u16>,
    /// FID in which it was forwarded.
    pub fid: u16,
    /// layer3+4 hash.
    pub hash: u32,
    /// Core cycles at the header.
    pub timestamp: u64,
}

/// Where a frame to send goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxTarget {
    /// Through the switch, like a frame received from the host.
    Switch,
    /// To this destination (`values::dest`: port or LAG) as it stands.
    Direct(u32),
}

/// What happened to a frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxDone {
    /// Bytes of the frame.
    pub bytes: usize,
    /// `ring::completion` status.
    pub status: u32,
}

/// What the card reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `ring::event` kind, 1 to 5.
    pub kind: u32,
    /// Address and FID.
    pub key: FdbKey,
    /// Destination now, or source of an unknown address.
    pub dest: u32,
    /// Destination before (moved).
    pub old_dest: u32,
}

/// Completion queue side, common to rings and the event ring.
struct Entries {
    memory: DmaMemory,
    offset: usize,
    size_log2: u32,
    consumed: u32,
}

impl Entries {
    fn size(&self) -> u32 {
        1 << self.size_log2
    }

    /// The next entry, if it is there: double words 0 to 7.
    fn next(
        &mut self,
        version: smartnic_regs::Field,
        phase: smartnic_regs::Field,
    ) -> Result<Option<[u32; 8]>, RingFault> {
        let at = self.offset + (self.consumed % self.size()) as usize * COMPLETION;
        // The card writes the last word last: when its phase is new, all the others are there.
        let last = self.memory.load32(at + 28);
        let expected = 1 ^ (self.consumed >> self.size_log2) & 1;
        if phase.get(last) != expected {
            return Ok(None);
        }
        if version.get(last) != VERSION {
            return Err(RingFault::Version(version.get(last)));
        }
        let mut words = [0; 8];
        for (i, word) in words.iter_mut().enumerate().take(7) {
            *word = self.memory.load32(at + 4 * i);
        }
        words[7] = last;
        self.consumed = self.consumed.wrapping_add(1);
        Ok(Some(words))
    }

    fn clear(&mut self) {
        for at in (0..self.size() as usize * COMPLETION).step_by(4) {
            self.memory.store32(self.offset + at, 0);
        }
        self.consumed = 0;
    }
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
        (n * (SUBMISSION + COMPLETION) + 64).next_multiple_of(4096) + n * BUFFER
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
        let completions = Entries {
            memory: memory.clone(),
            offset: n * SUBMISSION,
            size_log2,
            consumed: 0,
        };
        let head_offset = n * (SUBMISSION + COMPLETION);
        let buffers = (head_offset + 64).next_multiple_of(4096);
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
        mmio.write_at(host::CONTROL, self.index, 0)?;
        // Read back: the card has seen the write, and what it still had to write is written.
        mmio.read_at(host::CONTROL, self.index)?;
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
        let at = (self.tail % self.size()) as usize * SUBMISSION;
        let iova = self.memory.iova() + self.buffer(slot) as u64;
        self.memory.store32(at, iova as u32);
        self.memory.store32(at + 4, (iova >> 32) as u32);
        self.memory
            .store32(at + 8, submission::LENGTH.put(bytes as u32) | flags);
        self.memory.store32(at + 12, slot);
        self.in_flight[slot as usize] = Some(bytes);
        self.tail = self.tail.wrapping_add(1);
        self.doorbell_due = true;
    }

    /// Tells the card about new submissions.
    pub fn ring_doorbell(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.doorbell_due) {
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

    /// Takes up to `budget` received frames and gives their buffers back to the card.
    pub fn receive(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        frames: &mut Vec<RxFrame>,
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
                    let mut data = vec![0; length as usize];
                    self.memory.read(self.buffer(slot), &mut data);
                    frames.push(RxFrame {
                        data,
                        truncated: status == completion::TRUNCATED,
                        source: completion::SOURCE.get(words[2]),
                        reason: completion::REASON.get(words[2]),
                        class: completion::CLASS.get(words[2]),
                        tci: (completion::TAGGED.get(words[2]) == 1)
                            .then(|| completion::TCI.get(words[4]) as u16),
                        fid: completion::FID.get(words[4]) as u16,
                        hash: words[3],
                        timestamp: u64::from(words[6]) << 32 | u64::from(words[5]),
                    });
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

    /// Stops the ring: the card does not touch its memory any more.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write_at(host::CONTROL, self.index, 0)?;
        mmio.read_at(host::CONTROL, self.index).map(|_| ())
    }
}

/// The ring of FDB events.
pub struct EventRing {
    entries: Entries,
    iova: u64,
    /// Restarts since the ring was made.
    pub restarts: u64,
}

impl EventRing {
    /// Bytes of DMA memory for 2^`size_log2` events.
    pub fn memory_bytes(size_log2: u32) -> usize {
        COMPLETION << size_log2
    }

    /// A ring of 2^`size_log2` events in `memory`. Not yet enabled.
    pub fn new(memory: DmaMemory, size_log2: u32) -> Self {
        let iova = memory.iova();
        Self {
            entries: Entries {
                memory,
                offset: 0,
                size_log2,
                consumed: 0,
            },
            iova,
            restarts: 0,
        }
    }

    /// Disables, clears and enables the ring.
    pub fn start(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write(event_regs::CONTROL, 0)?;
        mmio.read(event_regs::CONTROL)?;
        self.entries.clear();
        mmio.write64_at(event_regs::BASE_LO, event_regs::BASE_HI, 0, self.iova)?;
        mmio.write(event_regs::HEAD, 0)?;
        use event_regs::CONTROL::{ENABLE, SIZE_LOG2};
        mmio.write(
            event_regs::CONTROL,
            ENABLE.put(1) | SIZE_LOG2.put(self.entries.size_log2),
        )
    }

    /// Takes up to `budget` events. An entry of an unknown kind is skipped and logged: later cards may have more.
    pub fn poll(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        events: &mut Vec<Event>,
    ) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < budget {
            let next = self.entries.next(event::ENTRY_VERSION, event::PHASE);
            let Some(words) = next.map_err(|fault| DeviceError::Ring {
                ring: "events".into(),
                fault,
            })?
            else {
                break;
            };
            count += 1;
            let high = words[1];
            let mac = MacAddr::from_halves(words[0], smartnic_regs::fdb::KEY_HI::MAC.get(high));
            let kind = event::KIND.get(words[2]);
            if !(event::LEARNED..=event::REFUSED).contains(&kind) {
                tracing::warn!(kind, "event of an unknown kind");
                continue;
            }
            events.push(Event {
                kind,
                key: FdbKey {
                    fid: smartnic_regs::fdb::KEY_HI::FID.get(high) as u16,
                    mac,
                },
                dest: event::DEST.get(words[2]),
                old_dest: event::OLD_DEST.get(words[2]),
            });
        }
        if count > 0 {
            mmio.write(event_regs::HEAD, self.entries.consumed & 0xffff)?;
        }
        Ok(count)
    }

    /// Events lost because the ring was full or off.
    pub fn lost(&self, mmio: &mut Mmio) -> Result<u32, DeviceError> {
        mmio.read(event_regs::LOST)
    }
}

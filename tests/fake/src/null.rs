//! A card that is nothing but rings, at the speed of memory: what the driver's frame path is measured on.
//!
//! It receives as many frames as it is asked for on each receive ring, and takes all that is sent. It does with submissions, completions, phases, heads and
//! doorbells what the register map says, checks them as the hardware does, and moves no byte of a frame: a receive buffer gets its
//! frame the first time that it is submitted and keeps it, if whoever gets it leaves it as it is, since the driver submits the same buffers again. A bit for each
//! buffer says whether it has been there; the frame itself is not looked at, so that it is in no cache for the card's sake. No interrupts: it is polled.
//!
//! Covered by the tests below and by `host-driver/tests/driver/ring_device.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartnic_driver::pci::in_process::{Card, InProcess};
use smartnic_driver::pci::{BAR_REGISTERS, DmaBuffer, Vector};
use smartnic_regs::ring::{VERSION, completion, submission};
use smartnic_regs::values::reason;
use smartnic_regs::{Reg, global, host};

/// Receive rings, and as many transmit rings.
pub const QUEUES: u32 = 4;
const RINGS: usize = 2 * QUEUES as usize;
const SUBMISSION: usize = smartnic_regs::ring::SUBMISSION_BYTES as usize;
const COMPLETION: usize = smartnic_regs::ring::COMPLETION_BYTES as usize;

/// Memory that the host's buffers are in, and the cache lines of it at which one has begun.
struct Window {
    iova: u64,
    memory: Arc<DmaBuffer>,
    seen: Vec<u64>,
}

impl Window {
    /// How far from its start an address is, if it is in there with as much behind it.
    #[inline]
    fn offset(&self, iova: u64, length: u32) -> Option<usize> {
        let offset = iova.checked_sub(self.iova)? as usize;
        (offset + length as usize <= self.memory.len()).then_some(offset)
    }
}

/// What the host has set up for a ring that runs.
struct Running {
    submissions: (Arc<DmaBuffer>, usize),
    completions: (Arc<DmaBuffer>, usize),
    log2: u32,
    taken: u32,
    /// Where the last buffer was.
    window: Option<Window>,
}

impl Running {
    /// Where a buffer is, and whether one has begun there before; `None`: in no memory of the host's.
    #[inline]
    fn place(
        &mut self,
        windows: &BTreeMap<u64, Arc<DmaBuffer>>,
        iova: u64,
        length: u32,
    ) -> Option<(&Window, usize, bool)> {
        let at = self.window.as_ref().and_then(|w| w.offset(iova, length));
        if at.is_none() {
            let (base, memory) = windows.range(..=iova).next_back()?;
            let seen = vec![0; memory.len().div_ceil(64 * 64)];
            self.window = Some(Window {
                iova: *base,
                memory: memory.clone(),
                seen,
            });
        }
        let window = self.window.as_mut()?;
        let offset = window.offset(iova, length)?;
        let (word, bit) = (offset / 64 / 64, 1 << (offset / 64 % 64));
        let before = window.seen[word] & bit != 0;
        window.seen[word] |= bit;
        Some((window, offset, before))
    }

    #[inline]
    fn mask(&self) -> u32 {
        (1 << self.log2) - 1
    }

    #[inline]
    fn take(&self) -> [u32; 4] {
        let (memory, base) = &self.submissions;
        memory.load_words(base + (self.taken & self.mask()) as usize * SUBMISSION)
    }

    /// Completes what was taken: every submission has one completion, so that one number counts both.
    #[inline]
    fn complete(&mut self, words: [u32; 7]) {
        let (memory, base) = &self.completions;
        let at = base + (self.taken & self.mask()) as usize * COMPLETION;
        let phase = 1 ^ (self.taken >> self.log2) & 1;
        self.taken = self.taken.wrapping_add(1);
        memory.store_words(at, words);
        let last = completion::HEAD.put(self.taken)
            | completion::ENTRY_VERSION.put(VERSION)
            | completion::PHASE.put(phase);
        memory.store32(at + 4 * words.len(), last);
    }
}

/// The card.
pub struct NullCard {
    frame: Vec<u8>,
    batch: usize,
    regs: Vec<u32>,
    windows: BTreeMap<u64, Arc<DmaBuffer>>,
    rings: [Option<Running>; RINGS],
}

impl NullCard {
    /// A card that receives `frame` (without FCS), `batch` times a poll on each ring.
    pub fn new(frame: Vec<u8>, batch: usize) -> Self {
        Self {
            frame,
            batch,
            regs: vec![0; 0x1000 / 4],
            windows: BTreeMap::new(),
            rings: Default::default(),
        }
    }

    /// The transport to it.
    pub fn transport(self) -> Box<InProcess<NullCard>> {
        Box::new(InProcess::new("null", self))
    }

    fn get(&self, reg: Reg, ring: usize) -> u32 {
        self.regs[(reg.at(ring as u32) & 0xfff) as usize / 4]
    }

    /// The memory at an address of the host.
    fn window(&self, low: Reg, high: Reg, ring: usize) -> Option<(Arc<DmaBuffer>, usize)> {
        self.at(u64::from(self.get(high, ring)) << 32 | u64::from(self.get(low, ring)))
    }

    fn at(&self, iova: u64) -> Option<(Arc<DmaBuffer>, usize)> {
        let (base, memory) = self.windows.range(..=iova).next_back()?;
        let offset = (iova - base) as usize;
        (offset < memory.len()).then(|| (memory.clone(), offset))
    }

    fn control(&mut self, ring: usize) {
        let control = self.get(host::CONTROL, ring);
        self.rings[ring] = None;
        if host::CONTROL::ENABLE.get(control) == 0 {
            return;
        }
        let (Some(submissions), Some(completions)) = (
            self.window(host::SQ_LO, host::SQ_HI, ring),
            self.window(host::CQ_LO, host::CQ_HI, ring),
        ) else {
            return;
        };
        self.rings[ring] = Some(Running {
            submissions,
            completions,
            log2: host::CONTROL::SIZE_LOG2.get(control),
            taken: 0,
            window: None,
        });
    }

    /// Submissions that are there and whose completions have room.
    fn work(&self, ring: usize, running: &Running) -> usize {
        let ahead = |reg| self.get(reg, ring).wrapping_sub(running.taken) & 0xffff;
        let unread = running.taken.wrapping_sub(self.get(host::CQ_HEAD, ring)) & 0xffff;
        let room = (1u32 << running.log2).saturating_sub(unread);
        ahead(host::SQ_TAIL).min(room) as usize
    }

    fn receive(&mut self, ring: usize) {
        let Some(mut running) = self.rings[ring].take() else {
            return;
        };
        let length = self.frame.len() as u32;
        for _ in 0..self.work(ring, &running).min(self.batch) {
            let [low, high, word, cookie] = running.take();
            let (iova, room) = (
                u64::from(high) << 32 | u64::from(low),
                submission::LENGTH.get(word),
            );
            let fits = match running.place(&self.windows, iova, room) {
                Some((window, at, before)) if length <= room => {
                    if !before {
                        window.memory.write(at, &self.frame);
                    }
                    true
                }
                _ => false,
            };
            let status = if fits {
                completion::OK
            } else {
                completion::DMA_ERROR
            };
            let one = completion::LENGTH.put(length)
                | completion::STATUS.put(status)
                | completion::KIND.put(completion::RECEIVE);
            let two = completion::REASON.put(reason::LOCAL);
            running.complete([cookie, one, two, 0x1234_5678, 0, 0, 0]);
        }
        self.rings[ring] = Some(running);
    }

    fn transmit(&mut self, ring: usize) {
        let Some(mut running) = self.rings[ring].take() else {
            return;
        };
        for _ in 0..self.work(ring, &running) {
            let [low, high, word, cookie] = running.take();
            let (iova, length) = (
                u64::from(high) << 32 | u64::from(low),
                submission::LENGTH.get(word),
            );
            let status = match length {
                14..=9216 if running.place(&self.windows, iova, length).is_some() => completion::OK,
                14..=9216 => completion::DMA_ERROR,
                _ => completion::BAD_LENGTH,
            };
            let one = completion::STATUS.put(status) | completion::KIND.put(completion::TRANSMIT);
            running.complete([cookie, one, 0, 0, 0, 0, 0]);
        }
        self.rings[ring] = Some(running);
    }
}

impl Card for NullCard {
    fn read32(&mut self, _bar: u8, offset: u32) -> Option<u32> {
        // Rings stop at once and never by themselves: STATUS reads as zero.
        Some(if offset == global::MAGIC.addr {
            global::MAGIC.reset
        } else {
            0
        })
    }

    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Option<()> {
        let page = host::CONTROL.addr;
        if bar == BAR_REGISTERS && offset & !0xfff == page {
            self.regs[(offset & 0xfff) as usize / 4] = value;
            let (ring, reg) = (
                (offset - page) / host::CONTROL.stride,
                offset % host::CONTROL.stride,
            );
            if reg == 0 && ring < host::CONTROL.count {
                self.control(ring as usize);
            }
        }
        Some(())
    }

    fn config_read32(&mut self, _offset: u16) -> u32 {
        0
    }
    fn config_write32(&mut self, _offset: u16, _value: u32) {}
    fn dma_map(&mut self, iova: u64, memory: Arc<DmaBuffer>) {
        self.windows.insert(iova, memory);
    }
    fn dma_unmap(&mut self, iova: u64) {
        self.windows.remove(&iova);
    }
    fn set_vectors(&mut self, _vectors: Vec<Vector>) {}
    fn reset(&mut self) {
        self.rings = Default::default();
    }

    fn poll(&mut self) -> bool {
        for queue in 0..QUEUES as usize {
            self.receive(queue);
            self.transmit(QUEUES as usize + queue);
        }
        true
    }
}

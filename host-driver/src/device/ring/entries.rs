//! The queue that the card writes: entries with version and phase.

use smartnic_regs::ring::{COMPLETION_BYTES, VERSION};

use crate::device::error::RingFault;
use crate::pci::DmaMemory;

/// Bytes of an entry.
pub(super) const ENTRY: usize = COMPLETION_BYTES as usize;

/// Completion queue side, common to rings and the event ring.
pub(super) struct Entries {
    pub(super) memory: DmaMemory,
    pub(super) offset: usize,
    pub(super) size_log2: u32,
    pub(super) consumed: u32,
}

impl Entries {
    #[inline]
    pub(super) fn size(&self) -> u32 {
        1 << self.size_log2
    }

    /// The place of the `n`-th entry of a ring of this size, which is a power of two.
    #[inline]
    pub(super) fn place(&self, n: u32) -> usize {
        (n & (self.size() - 1)) as usize
    }

    /// The next entry, if it is there: double words 0 to 7.
    #[inline]
    pub(super) fn next(
        &mut self,
        version: smartnic_regs::Field,
        phase: smartnic_regs::Field,
    ) -> Result<Option<[u32; 8]>, RingFault> {
        let at = self.offset + self.place(self.consumed) * ENTRY;
        // The card writes the last word last: when its phase is new, all the others are there.
        let last = self.memory.load32(at + 28);
        let expected = 1 ^ (self.consumed >> self.size_log2) & 1;
        if phase.get(last) != expected {
            return Ok(None);
        }
        if version.get(last) != VERSION {
            return Err(RingFault::Version(version.get(last)));
        }
        let mut words = self.memory.load_words(at);
        words[7] = last;
        self.consumed = self.consumed.wrapping_add(1);
        Ok(Some(words))
    }

    pub(super) fn clear(&mut self) {
        for at in (0..self.size() as usize * ENTRY).step_by(4) {
            self.memory.store32(self.offset + at, 0);
        }
        self.consumed = 0;
    }
}

//! A received frame where the card wrote it.

use smartnic_regs::ring::completion;

use super::RxFrame;
use crate::pci::DmaMemory;

/// A received frame in the ring's memory, as long as the ring shows it. The card could still write there, so that bytes are copied out and never
/// looked at in place; the length was checked against the buffer.
#[derive(Debug)]
pub struct RxView<'a> {
    memory: &'a DmaMemory,
    at: usize,
    words: [u32; 8],
}

impl<'a> RxView<'a> {
    pub(super) fn new(memory: &'a DmaMemory, at: usize, words: [u32; 8]) -> Self {
        Self { memory, at, words }
    }

    /// Bytes of the frame, without FCS.
    pub fn len(&self) -> usize {
        completion::LENGTH.get(self.words[1]) as usize
    }
    /// No bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// It was longer than the buffer and is cut off.
    pub fn truncated(&self) -> bool {
        completion::STATUS.get(self.words[1]) == completion::TRUNCATED
    }
    /// Source: port number.
    pub fn source(&self) -> u32 {
        completion::SOURCE.get(self.words[2])
    }
    /// `values::reason`.
    pub fn reason(&self) -> u32 {
        completion::REASON.get(self.words[2])
    }
    /// layer3+4 hash.
    pub fn hash(&self) -> u32 {
        self.words[3]
    }

    /// Copies the first bytes of the frame, at most [`RxView::len`], to `to`.
    pub fn copy_to(&self, to: &mut [u8]) {
        let len = to.len().min(self.len());
        self.memory.read(self.at, &mut to[..len]);
    }

    /// The frame, to keep.
    pub fn to_frame(&self) -> RxFrame {
        let words = &self.words;
        let mut data = vec![0; self.len()];
        self.copy_to(&mut data);
        RxFrame {
            data,
            truncated: self.truncated(),
            source: self.source(),
            reason: self.reason(),
            class: completion::CLASS.get(words[2]),
            tci: (completion::TAGGED.get(words[2]) == 1)
                .then(|| completion::TCI.get(words[4]) as u16),
            fid: completion::FID.get(words[4]) as u16,
            hash: self.hash(),
            timestamp: u64::from(words[6]) << 32 | u64::from(words[5]),
        }
    }
}

//! What the card says about a received frame.

use smartnic_netdev::Packet;
use smartnic_regs::ring::completion;

use super::RxFrame;

/// The completion of a receive buffer, its length checked against the buffer.
#[derive(Clone, Copy, Debug)]
pub struct RxInfo {
    words: [u32; 8],
}

impl RxInfo {
    #[inline]
    pub(super) fn new(words: [u32; 8]) -> Self {
        Self { words }
    }

    /// It was longer than the buffer and is cut off.
    #[inline]
    pub fn truncated(&self) -> bool {
        completion::STATUS.get(self.words[1]) == completion::TRUNCATED
    }
    /// Source: port number.
    #[inline]
    pub fn source(&self) -> u32 {
        completion::SOURCE.get(self.words[2])
    }
    /// `values::reason`.
    #[inline]
    pub fn reason(&self) -> u32 {
        completion::REASON.get(self.words[2])
    }
    /// FID in which it was forwarded.
    #[inline]
    pub fn fid(&self) -> u16 {
        completion::FID.get(self.words[4]) as u16
    }
    /// layer3+4 hash.
    #[inline]
    pub fn hash(&self) -> u32 {
        self.words[3]
    }

    /// A copy of the frame with all that is known about it.
    pub fn to_frame(&self, packet: &Packet) -> RxFrame {
        let words = &self.words;
        RxFrame {
            data: packet.bytes().to_vec(),
            truncated: self.truncated(),
            source: self.source(),
            reason: self.reason(),
            class: completion::CLASS.get(words[2]),
            tci: (completion::TAGGED.get(words[2]) == 1)
                .then(|| completion::TCI.get(words[4]) as u16),
            fid: self.fid(),
            hash: self.hash(),
            timestamp: u64::from(words[6]) << 32 | u64::from(words[5]),
        }
    }
}

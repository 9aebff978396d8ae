//! The model's frames.

use smartnic_slowpath::MacAddr;

use crate::common::tagged;

/// A frame with its outer tag beside it.
#[derive(Clone)]
pub struct Frame {
    pub bytes: Vec<u8>,
    pub tag: Option<(u16, u16)>,
    pub vid: u16,
    pub filtered: bool,
}

impl Frame {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut frame = Frame {
            bytes: bytes.to_vec(),
            tag: None,
            vid: 0,
            filtered: false,
        };
        if matches!(word(12), 0x8100 | 0x88a8) {
            if bytes.len() < 18 {
                return None;
            }
            frame.tag = Some((word(12), word(14)));
            frame.bytes.drain(12..16);
        }
        Some(frame)
    }
    pub fn wire(&self) -> Vec<u8> {
        match self.tag {
            None => self.bytes.clone(),
            Some((protocol, tci)) => tagged(&self.bytes, protocol, tci),
        }
    }
    pub fn mac(&self, at: usize) -> MacAddr {
        MacAddr(self.bytes[at..at + 6].try_into().unwrap())
    }
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.bytes[12], self.bytes[13]])
    }
}

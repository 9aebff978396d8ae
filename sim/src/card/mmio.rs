//! Accesses to the card's regions that run the clock until they are done.

use super::Card;
use crate::pcie::MmioError;

impl Card {
    /// Reads a double word of a region, running the clock until the answer is there.
    pub fn read32(&mut self, bar: u8, offset: u64) -> Result<u32, MmioError> {
        let mut bytes = [0; 4];
        self.read(bar, offset, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads bytes of a region, in pieces of at most 64 bytes, running the clock.
    pub fn read(&mut self, bar: u8, offset: u64, out: &mut [u8]) -> Result<(), MmioError> {
        let mut at = 0;
        while at < out.len() {
            let here = offset.saturating_add(at as u64);
            let n = (out.len() - at).min(64 - (here % 64) as usize);
            let id = loop {
                match self.root().read(bar, here, n) {
                    Some(id) => break id,
                    None => self.step(),
                }
            };
            let bytes = loop {
                match self.root.take_read(id) {
                    Some(result) => break result?,
                    None => self.step(),
                }
            };
            out[at..at + n].copy_from_slice(&bytes);
            at += n;
        }
        Ok(())
    }

    /// Posts a write of a double word to a region; it is on its way when this returns.
    pub fn write32(&mut self, bar: u8, offset: u64, value: u32) -> Result<(), MmioError> {
        self.write(bar, offset, &value.to_le_bytes())
    }

    /// Posts writes of bytes to a region, in pieces of at most 64 bytes.
    pub fn write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), MmioError> {
        let mut at = 0;
        while at < data.len() {
            let here = offset.saturating_add(at as u64);
            let n = (data.len() - at).min(64 - (here % 64) as usize);
            self.root().write(bar, here, &data[at..at + n])?;
            at += n;
        }
        Ok(())
    }
}

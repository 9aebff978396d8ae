//! A card that is a Rust object in this process: what tests use, and the seam behind which any model of the card fits.
//!
//! Implement [`Card`] for the model (registers, DMA windows, vectors, reset) and wrap it in [`InProcess`].

use std::sync::Arc;

use super::dma::{DmaBuffer, DmaMemory, IovaSpace};
use super::{BAR_MSIX, BAR_REGISTERS, PciError, PciTransport, Vector, new_vectors};
use smartnic_regs::pages::{BAR0_BYTES, BAR2_BYTES};

/// What a model of the card gives. Addresses are checked before they get here: aligned, inside of the BAR.
pub trait Card: Send {
    /// Reads a double word of `bar`; `None` when the card is gone.
    fn read32(&mut self, bar: u8, offset: u32) -> Option<u32>;
    /// Writes a double word of `bar`; `None` when the card is gone.
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Option<()>;
    /// Reads a double word of the configuration space.
    fn config_read32(&mut self, offset: u16) -> u32;
    /// Writes a double word of the configuration space.
    fn config_write32(&mut self, offset: u16, value: u32);
    /// The card may reach `memory` at `iova` from now on.
    fn dma_map(&mut self, iova: u64, memory: Arc<DmaBuffer>);
    /// The card may not reach what was mapped at `iova` any more.
    fn dma_unmap(&mut self, iova: u64);
    /// An MSI-X message of vector n counts up `vectors[n]` (write 1).
    fn set_vectors(&mut self, vectors: Vec<Vector>);
    /// Function-level reset.
    fn reset(&mut self);
    /// Works for a while; true: there is more to do. A card with a thread of its own needs none.
    fn poll(&mut self) -> bool {
        false
    }
}

/// The transport over a [`Card`].
pub struct InProcess<C: Card> {
    card: C,
    name: String,
    iova: IovaSpace,
}

impl<C: Card> InProcess<C> {
    /// Wraps `card`; `name` is for messages.
    pub fn new(name: &str, card: C) -> Self {
        Self {
            card,
            name: format!("in-process:{name}"),
            iova: IovaSpace::default(),
        }
    }
    /// The card itself.
    pub fn card(&mut self) -> &mut C {
        &mut self.card
    }
    fn gone(&self) -> PciError {
        PciError::Gone {
            device: self.name.clone(),
            reason: "the model stopped".into(),
        }
    }
}

/// Refuses what is not an aligned double word of BAR0 or BAR2.
pub(super) fn check_range(bar: u8, offset: u32) -> Result<(), PciError> {
    let size = match bar {
        BAR_REGISTERS => BAR0_BYTES,
        BAR_MSIX => BAR2_BYTES,
        _ => 0,
    };
    if !offset.is_multiple_of(4) || offset >= size {
        return Err(PciError::Range {
            bar,
            offset,
            size: size.into(),
        });
    }
    Ok(())
}

impl<C: Card> PciTransport for InProcess<C> {
    fn describe(&self) -> String {
        self.name.clone()
    }
    fn read32(&mut self, bar: u8, offset: u32) -> Result<u32, PciError> {
        check_range(bar, offset)?;
        self.card.read32(bar, offset).ok_or_else(|| self.gone())
    }
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Result<(), PciError> {
        check_range(bar, offset)?;
        self.card
            .write32(bar, offset, value)
            .ok_or_else(|| self.gone())
    }
    fn config_read32(&mut self, offset: u16) -> Result<u32, PciError> {
        Ok(self.card.config_read32(offset & !3))
    }
    fn config_write32(&mut self, offset: u16, value: u32) -> Result<(), PciError> {
        self.card.config_write32(offset & !3, value);
        Ok(())
    }
    fn dma_map(&mut self, buffer: Arc<DmaBuffer>) -> Result<DmaMemory, PciError> {
        let iova = self.iova.take(buffer.len());
        self.card.dma_map(iova, buffer.clone());
        Ok(DmaMemory::new(buffer, iova))
    }
    fn dma_free(&mut self, memory: DmaMemory) -> Result<(), PciError> {
        self.card.dma_unmap(memory.iova());
        Ok(())
    }
    fn interrupts(&mut self, count: u32) -> Result<Vec<Vector>, PciError> {
        let vectors = new_vectors(count)?;
        self.card.set_vectors(vectors.clone());
        Ok(vectors)
    }
    fn reset(&mut self) -> Result<(), PciError> {
        self.card.reset();
        Ok(())
    }
    fn poll(&mut self) -> bool {
        self.card.poll()
    }
}

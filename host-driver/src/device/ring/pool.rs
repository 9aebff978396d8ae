//! Packets in memory that a card reaches.

use smartnic_netdev::packet::{HEADROOM, Pool};

use super::BUFFER;
use crate::device::DeviceError;
use crate::device::mmio::Mmio;
use crate::pci::DmaMemory;

/// A pool of `count` packets for frames of [`BUFFER`] bytes, and where the card reaches them.
pub(super) fn pool(mmio: &mut Mmio, count: usize) -> Result<(Pool, DmaMemory), DeviceError> {
    let bytes = count * Pool::stride(HEADROOM, BUFFER);
    let memory = mmio.transport().dma_alloc(bytes)?;
    let buffer = memory.buffer().clone();
    // SAFETY: it was made a moment ago, and what the rings keep of it is its address on the bus.
    let pool = unsafe { Pool::over(buffer, count, HEADROOM, BUFFER) };
    Ok((pool, memory))
}

//! Admission to the packet buffer: guarantees, shared pool, queue limits.

use smartnic_regs::queue;

use super::mmio::Mmio;
use super::{Caps, DeviceError};

/// Cells that the longest frame (2,000 bytes and two VLAN tags) takes.
const FRAME_CELLS: u32 = 2008_u32.div_ceil(64);

/// Shares of the packet buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferShares {
    /// Cells guaranteed to each source.
    pub guarantee: u32,
    /// Cells that all sources together may take beyond.
    pub shared: u32,
    /// Longest queue of each destination.
    pub limit: u32,
}

impl BufferShares {
    /// Shares for a card: the guarantee and limit that the registers have after reset if that fits, else a guarantee of one longest frame a
    /// source (or an equal part of half the buffer, if that is less) and the rest shared. Promises never add up to
    /// more than there is.
    pub fn for_card(caps: &Caps) -> Self {
        let sources = caps.ports + 1;
        let reset = Self {
            guarantee: queue::GUARANTEE.reset,
            shared: queue::SHARED.reset,
            limit: queue::LIMIT.reset,
        };
        if sources * reset.guarantee + reset.shared <= caps.cells {
            let shared = caps.cells - sources * reset.guarantee;
            return Self { shared, ..reset };
        }
        let guarantee = FRAME_CELLS.min(caps.cells / 2 / sources);
        let shared = caps.cells - sources * guarantee;
        Self {
            guarantee,
            shared,
            limit: reset.limit.min(caps.cells / 2),
        }
    }

    /// Writes them.
    pub fn write(&self, mmio: &mut Mmio, caps: &Caps) -> Result<(), DeviceError> {
        mmio.write(queue::SHARED, self.shared)?;
        for index in 0..=caps.ports {
            mmio.write_at(queue::GUARANTEE, index, self.guarantee)?;
            mmio.write_at(queue::LIMIT, index, self.limit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_never_exceed_the_buffer() {
        for ports in [2, 4, 8] {
            for cells in [64, 128, 256, 512, 2048] {
                let caps = Caps {
                    version: (1, 0),
                    ports,
                    lag_groups: 4,
                    queues: 4,
                    classes: 2,
                    beat_bytes: 8,
                    fdb_entries: 32,
                    cam: 4,
                    cells,
                };
                let shares = BufferShares::for_card(&caps);
                assert!(
                    (ports + 1) * shares.guarantee + shares.shared <= cells,
                    "{ports} {cells} {shares:?}"
                );
                assert!(shares.guarantee > 0 && shares.limit > 0);
                if cells == 2048 {
                    assert_eq!(shares.guarantee, 32);
                }
            }
        }
    }
}

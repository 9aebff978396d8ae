//! The event ring.

use smartnic_regs::event as event_regs;
use smartnic_regs::ring::event;

use super::Event;
use super::entries::{ENTRY, Entries};
use crate::device::fdb::FdbKey;
use crate::device::mmio::Mmio;
use crate::device::{DeviceError, MacAddr};
use crate::pci::DmaMemory;

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
        ENTRY << size_log2
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
        self.stop(mmio)?;
        self.entries.clear();
        mmio.write64_at(event_regs::BASE_LO, event_regs::BASE_HI, 0, self.iova)?;
        mmio.write(event_regs::HEAD, 0)?;
        use event_regs::CONTROL::{ENABLE, SIZE_LOG2};
        mmio.write(
            event_regs::CONTROL,
            ENABLE.put(1) | SIZE_LOG2.put(self.entries.size_log2),
        )
    }

    /// Stops the ring, and waits until the card does not write to its memory any more.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        mmio.write(event_regs::CONTROL, 0)?;
        let busy = event_regs::STATUS::BUSY;
        mmio.wait(event_regs::STATUS, busy, 0, "stopping the event ring")
            .map(|_| ())
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

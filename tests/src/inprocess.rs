//! The simulated card under the driver in one process: no socket between them, everything else as with one.
//!
//! [`SimCard`] implements the driver's seam for cards in the same process over the card's thread. Registers are TLPs over
//! the simulated link, memory is shared by its memfd, a vector is an eventfd that the root complex counts up when the
//! card's MSI-X write matches its table. Dropping it leaves the function reset, as a client of the socket does.
//!
//! Cost: a register read is about 150 simulated cycles over the default link. Covered by `tests/driver.rs`.

use smartnic_driver::pci::in_process::{Card as Seam, InProcess};
use smartnic_driver::pci::{DmaBuffer, PciTransport, Vector};
use smartnic_sim::card::Card;
use smartnic_sim::card::runner::CardHandle;
use smartnic_sim::pcie::SharedMemory;
use smartnic_sim::pcie::config::MSIX_VECTORS;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// A simulated card as the driver's in-process transport takes it.
pub struct SimCard {
    card: CardHandle,
    /// Bytes mapped at each bus address.
    mapped: BTreeMap<u64, u64>,
}

impl SimCard {
    /// Takes the function of the card behind `card`; one driver at a time has it.
    pub fn new(card: CardHandle) -> Self {
        let mapped = BTreeMap::new();
        SimCard { card, mapped }
    }

    /// The same as a transport for the driver.
    pub fn transport(card: CardHandle) -> Box<dyn PciTransport> {
        Box::new(InProcess::new("smartnic-sim", SimCard::new(card)))
    }

    /// Runs on the card and waits; `None` when it has stopped.
    fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Card) -> R + Send + 'static,
    ) -> Option<R> {
        self.card.call(f).ok()
    }
}

impl Seam for SimCard {
    fn read32(&mut self, bar: u8, offset: u32) -> Option<u32> {
        // What a processor sees of a read that fails: all ones.
        self.call(move |card| card.read32(bar, offset.into()).unwrap_or(u32::MAX))
    }

    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Option<()> {
        // Posted; a write that fails is lost, as on a bus.
        let write = move |card: &mut Card| {
            let _ = card.write32(bar, offset.into(), value);
        };
        self.card.post(write).ok()
    }

    fn config_read32(&mut self, offset: u16) -> u32 {
        let read = move |card: &mut Card| {
            let mut bytes = [0; 4];
            card.root().config_read(offset.into(), &mut bytes);
            u32::from_le_bytes(bytes)
        };
        self.call(read).unwrap_or(u32::MAX)
    }

    fn config_write32(&mut self, offset: u16, value: u32) {
        // Without a card the next register access tells.
        let _ = self.call(move |card| {
            card.root()
                .config_write(offset.into(), &value.to_le_bytes())
        });
    }

    fn dma_map(&mut self, iova: u64, memory: Arc<DmaBuffer>) {
        let bytes = memory.len();
        let shared = memory
            .fd()
            .try_clone_to_owned()
            .and_then(|fd| SharedMemory::from_file(&File::from(fd), 0, bytes, true))
            .expect("a memfd can be mapped twice");
        let map = move |card: &mut Card| {
            card.root()
                .dma()
                .map(iova, bytes as u64, Some(shared), true, true)
        };
        if let Some(mapped) = self.call(map) {
            mapped.expect("the driver gives out whole pages, each address once");
            self.mapped.insert(iova, bytes as u64);
        }
    }

    fn dma_unmap(&mut self, iova: u64) {
        let Some(bytes) = self.mapped.remove(&iova) else {
            return;
        };
        // What was mapped as a whole is unmapped as a whole: only a stopped card can refuse.
        let _ = self.call(move |card| card.root().dma().unmap(iova, bytes));
    }

    fn set_vectors(&mut self, vectors: Vec<Vector>) {
        let set = move |card: &mut Card| {
            let mut vectors = vectors.into_iter();
            for number in 0..MSIX_VECTORS {
                let notifier = vectors
                    .next()
                    .map(|vector| -> smartnic_sim::pcie::msix::Notifier {
                        // Full only if nobody has looked 2^64 times: then it is readable, which is all that counts.
                        Box::new(move || {
                            let _ = vector.write(1);
                        })
                    });
                card.root()
                    .set_vector(number, notifier)
                    .expect("the vector exists");
            }
        };
        let _ = self.call(set);
    }

    fn reset(&mut self) {
        let _ = self.call(|card| card.root().reset());
    }
}

impl Drop for SimCard {
    fn drop(&mut self) {
        let _ = self.call(|card| card.root().disconnect());
    }
}

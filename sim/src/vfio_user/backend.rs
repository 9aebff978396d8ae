//! A client's requests, onto the root complex.

use super::layout::region_size;
use crate::card::Card;
use crate::card::runner::CardHandle;
use crate::pcie::SharedMemory;
use crate::pcie::config::{MSIX_BAR, MSIX_PBA, MSIX_VECTORS};
use crate::pcie::msix::Notifier;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend};

/// One client.
pub(super) struct Backend<'a> {
    card: CardHandle,
    connected: &'a AtomicBool,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, text.into())
}

/// What ends a client whose card has stopped.
pub(super) struct CardStopped;

/// Hangs up. The protocol crate answers any error and goes on with the next message, so that a client would never learn
/// that there is no card any more: only unwinding out of it closes the connection. No panic hook runs.
fn stopped(_: crate::card::CardError) -> Error {
    std::panic::resume_unwind(Box::new(CardStopped))
}

impl<'a> Backend<'a> {
    pub(super) fn new(card: CardHandle, connected: &'a AtomicBool) -> Self {
        Backend { card, connected }
    }

    fn check(&self, region: u32, offset: u64, bytes: usize) -> Result<()> {
        self.connected.store(true, Ordering::Release);
        let end = offset.checked_add(bytes as u64);
        if bytes > 0 && end.is_some_and(|end| end <= region_size(region)) {
            return Ok(());
        }
        Err(invalid(format!(
            "{bytes} bytes at {offset:#x} are not inside region {region}"
        )))
    }

    /// Runs on the card and waits.
    fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Card) -> R + Send + 'static,
    ) -> Result<R> {
        self.card.call(f).map_err(stopped)
    }
}

impl ServerBackend for Backend<'_> {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> Result<()> {
        self.check(region, offset, data.len())?;
        let mut bytes = vec![0; data.len()];
        let bytes = self.call(move |card| {
            if region == VFIO_PCI_CONFIG_REGION_INDEX {
                card.root().config_read(offset as usize, &mut bytes);
            } else if let Err(error) = card.read(region as u8, offset, &mut bytes) {
                // What a processor sees of a read that fails.
                tracing::warn!(region, offset, "register read: {error}");
                bytes.fill(0xff);
            }
            bytes
        })?;
        data.copy_from_slice(&bytes);
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<()> {
        self.check(region, offset, data.len())?;
        if region == u32::from(MSIX_BAR) && offset < u64::from(MSIX_PBA) {
            // The table is the root complex's: a client says what it wants by interrupts.
            tracing::debug!(offset, "write to the vector table ignored");
            return Ok(());
        }
        let data = data.to_vec();
        let write = move |card: &mut Card| {
            if region == VFIO_PCI_CONFIG_REGION_INDEX {
                card.root().config_write(offset as usize, &data);
            } else if let Err(error) = card.write(region as u8, offset, &data) {
                tracing::warn!(region, offset, "register write: {error}");
            }
        };
        self.card.post(write).map_err(stopped)
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> Result<()> {
        self.connected.store(true, Ordering::Release);
        let (read, write) = (
            flags.contains(DmaMapFlags::READ),
            flags.contains(DmaMapFlags::WRITE),
        );
        let bytes = usize::try_from(size).map_err(|_| invalid("too large"))?;
        let memory = match fd {
            Some(file) => Some(SharedMemory::from_file(&file, offset, bytes, write)?),
            // Known to the guest, but without a file nobody but the client can reach it.
            None => None,
        };
        let mapped =
            self.call(move |card| card.root().dma().map(address, size, memory, read, write))?;
        mapped.map_err(|e| invalid(e.to_string()))
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> Result<()> {
        let all = flags.contains(DmaUnmapFlags::UNMAP_ALL);
        let unmapped = self.call(move |card| {
            let dma = card.root().dma();
            if all {
                dma.clear();
                return Ok(());
            }
            dma.unmap(address, size).map(|_| ())
        })?;
        unmapped.map_err(|e| invalid(e.to_string()))
    }

    fn reset(&mut self) -> Result<()> {
        self.call(|card| card.root().reset())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> Result<()> {
        let end = start
            .checked_add(count)
            .filter(|end| *end <= MSIX_VECTORS.into());
        let Some(end) = end.filter(|_| index == VFIO_PCI_MSIX_IRQ_INDEX || count == 0) else {
            return Err(invalid(format!(
                "interrupt {index} has no vectors {start}+{count}"
            )));
        };
        if index != VFIO_PCI_MSIX_IRQ_INDEX {
            return Ok(()); // turns off what is not there
        }
        const TRIGGER_NONE: u32 = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE;
        const TRIGGER_FD: u32 = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
        const MASK: u32 = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_DATA_NONE;
        const UNMASK: u32 = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE;
        let vectors = start as u16..end as u16;
        let mut fds = fds.into_iter();
        let done = match flags {
            TRIGGER_NONE if count == 0 => self
                .call(|card| (0..MSIX_VECTORS).try_for_each(|v| card.root().set_vector(v, None))),
            TRIGGER_NONE => self.call(move |card| {
                vectors.for_each(|v| card.root().raise(v));
                Ok(())
            }),
            TRIGGER_FD => self.call(move |card| {
                let mut set = |v| card.root().set_vector(v, fds.next().map(notifier));
                vectors.into_iter().try_for_each(&mut set)
            }),
            MASK | UNMASK => self.call(move |card| {
                let mut vectors = vectors;
                vectors.try_for_each(|v| card.root().mask_vector(v, flags == MASK))
            }),
            _ => {
                return Err(invalid(format!(
                    "interrupt flags {flags:#x} are not supported"
                )));
            }
        };
        done?.map_err(|e| invalid(e.to_string()))
    }
}

/// Counts an eventfd up.
fn notifier(file: File) -> Notifier {
    Box::new(move || {
        // Fails only if the counter is full: then it is readable, which is all that counts.
        let _ = (&file).write(&1u64.to_ne_bytes());
    })
}

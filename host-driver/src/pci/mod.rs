//! How the driver reaches a card: registers, memory that the card may reach, interrupts, reset.
//!
//! [`PciTransport`] is the only thing the rest of the driver knows about PCI. Three backends implement it:
//! [`vfio_user`] (a card served on a Unix socket, the simulated one for instance), [`vfio`] (a card behind the
//! kernel's VFIO) and [`in_process`] (a card that is a Rust object in the same process, for tests). A fourth has no PCI behind it: [`serial`], a board's
//! registers over its serial line.
//!
//! The crate `pci-driver` stands beside them in [`pci_driver`], as far as it reaches: its traits are sealed, so that neither a
//! vfio-user socket nor a card in the same process can stand behind them.
//!
//! Covered by `tests/driver/transport.rs`.

pub mod dma;
mod fd;
pub mod in_process;
pub mod pci_driver;
pub mod serial;
pub mod spec;
pub mod vfio;
pub mod vfio_user;

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use thiserror::Error;

pub use dma::{DmaBuffer, DmaMemory};
pub use spec::DeviceSpec;

/// BAR of the registers.
pub const BAR_REGISTERS: u8 = 0;
/// BAR of the MSI-X table and PBA.
pub const BAR_MSIX: u8 = 2;

/// What can go wrong below the register level.
#[derive(Debug, Error)]
pub enum PciError {
    /// The transport has no card any more: the socket closed, the device was unplugged.
    #[error("{device}: the card is gone ({reason}); it is opened again as soon as it is back")]
    Gone {
        /// Which device.
        device: String,
        /// How that was noticed.
        reason: String,
    },
    /// A serial line does not carry what was asked there or back.
    #[error("{device}: {reason}")]
    Line {
        /// Which device.
        device: String,
        /// What happened, and what to look at.
        reason: String,
    },
    /// The device could not be opened.
    #[error("{device}: cannot open: {reason}")]
    Open {
        /// Which device.
        device: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The other side of the transport answered something that its protocol does not allow.
    #[error("{device}: protocol error: {reason}")]
    Protocol {
        /// Which device.
        device: String,
        /// What was wrong.
        reason: String,
    },
    /// The other side refused a request.
    #[error("{device}: refused to {what}: error {errno}")]
    Refused {
        /// Which device.
        device: String,
        /// What was asked.
        what: &'static str,
        /// The errno it gave (0: none).
        errno: u32,
    },
    /// An access outside of a BAR, or not aligned.
    #[error("BAR{bar} has no double word at {offset:#x} (size {size:#x})")]
    Range {
        /// The BAR.
        bar: u8,
        /// The offset asked for.
        offset: u32,
        /// Bytes of that BAR.
        size: u64,
    },
    /// Memory for DMA could not be had.
    #[error("no DMA memory of {bytes} bytes: {source}")]
    Memory {
        /// Bytes asked for.
        bytes: usize,
        /// The system's error.
        source: std::io::Error,
    },
    /// The transport reaches registers only.
    #[error("{device}: {what} need PCIe, and this is a serial line: use --socket or --card")]
    NoDma {
        /// Which device.
        device: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The card offers fewer vectors than asked for.
    #[error("{device}: {wanted} MSI-X vectors wanted, {offered} offered")]
    Vectors {
        /// Which device.
        device: String,
        /// Vectors wanted.
        wanted: u32,
        /// Vectors there are.
        offered: u32,
    },
}

impl PciError {
    /// The card is not there any more (as opposed to a request that was refused).
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            PciError::Gone { .. } | PciError::Protocol { .. } | PciError::Line { .. }
        )
    }
}

/// What a search of the forwarding database came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// An entry, as the registers fdb::RESULT, RESULT_KEY_LO and RESULT_KEY_HI have it.
    Entry {
        /// Its place.
        index: u32,
        /// fdb::RESULT.
        result: u32,
        /// fdb::RESULT_KEY_LO.
        key_lo: u32,
        /// fdb::RESULT_KEY_HI.
        key_hi: u32,
    },
    /// Nothing before this place: go on there.
    Nothing {
        /// The place.
        next: u32,
    },
    /// Nothing to the end of the table.
    End,
}

/// What the far end of a slow transport does itself, so that it costs one exchange instead of many.
pub trait Shortcuts {
    /// A counter (`values::counter`) of a port.
    fn counter(&mut self, port: u32, number: u32) -> Result<u64, PciError>;
    /// The first place of the FDB at or after `index` that is in use.
    fn fdb_from(&mut self, index: u32) -> Result<Found, PciError>;
}

/// An interrupt vector: counts events, readable in epoll. Shared with an in-process card.
pub type Vector = Arc<EventFd>;

/// `count` vectors that block nobody.
pub fn new_vectors(count: u32) -> Result<Vec<Vector>, PciError> {
    (0..count)
        .map(|_| EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC))
        .map(|r| {
            r.map(Arc::new).map_err(|e| PciError::Memory {
                bytes: 8,
                source: e.into(),
            })
        })
        .collect()
}

/// A PCI function that the driver owns.
///
/// ```no_run
/// use smartnic_driver::pci::{self, DeviceSpec};
/// let spec: DeviceSpec = "vfio-user:/run/card.sock".parse().unwrap();
/// let mut card = spec.open().unwrap();
/// let magic = card.read32(pci::BAR_REGISTERS, 0).unwrap();
/// ```
pub trait PciTransport: Send {
    /// For messages: backend and address.
    fn describe(&self) -> String;
    /// Reads the double word at byte `offset` of `bar`. A card that does not answer reads as all ones.
    fn read32(&mut self, bar: u8, offset: u32) -> Result<u32, PciError>;
    /// Writes the double word at byte `offset` of `bar`. Posted: an error may show in a later call.
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Result<(), PciError>;
    /// Reads the double word at byte `offset` (aligned) of the configuration space.
    fn config_read32(&mut self, offset: u16) -> Result<u32, PciError>;
    /// Writes the double word at byte `offset` (aligned) of the configuration space.
    fn config_write32(&mut self, offset: u16, value: u32) -> Result<(), PciError>;
    /// Memory of at least `bytes`, zeroed, that the card reaches at [`DmaMemory::iova`] until it is dropped with the
    /// transport. In 2 MiB pages where the system has some.
    fn dma_alloc(&mut self, bytes: usize) -> Result<DmaMemory, PciError> {
        self.dma_map(Arc::new(DmaBuffer::new(bytes)?))
    }
    /// Lets the card reach memory that is there already: another card's, so that this one sends what that one received from where it is.
    fn dma_map(&mut self, buffer: Arc<DmaBuffer>) -> Result<DmaMemory, PciError>;
    /// Takes the card's access to `memory` away.
    fn dma_free(&mut self, memory: DmaMemory) -> Result<(), PciError>;
    /// Enables `count` MSI-X vectors, from 0 on; each event counts up the eventfd of its vector.
    fn interrupts(&mut self, count: u32) -> Result<Vec<Vector>, PciError>;
    /// Resets the function: rings, DMA and MSI-X, not the switch.
    fn reset(&mut self) -> Result<(), PciError>;
    /// False: registers are all that is reached: no configuration space, DMA or interrupts.
    fn has_dma(&self) -> bool {
        true
    }
    /// What the far end can do itself, where an exchange is slow.
    fn shortcuts(&mut self) -> Option<&mut dyn Shortcuts> {
        None
    }
    /// A descriptor that epoll reports a hang-up on when the card goes away, where there is one.
    fn hangup_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Lets a card that has no thread of its own work for a while. True: it has more to do.
    fn poll(&mut self) -> bool {
        false
    }
}

/// Offset of the command register of the configuration space (PCI 3.0, 6.2.2).
pub const CONFIG_COMMAND: u16 = 0x04;
/// Command register: memory space enable.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// Command register: bus master enable.
pub const COMMAND_BUS_MASTER: u32 = 1 << 2;

/// Lets the card answer to its BARs and start DMA and interrupts.
pub fn enable_bus_master(card: &mut dyn PciTransport) -> Result<(), PciError> {
    // The upper half is the status register, whose bits clear when written as one: write zeros there.
    let command = card.config_read32(CONFIG_COMMAND)? & 0xffff;
    card.config_write32(
        CONFIG_COMMAND,
        command | COMMAND_MEMORY | COMMAND_BUS_MASTER,
    )
}

//! The host's side of MSI-X (PCI 3.0, section 6.8.2).
//!
//! A vfio client traps the card's vector table: it names eventfds for vectors and never writes the
//! table. So the host here writes it: every vector's address is [`MSIX_ADDRESS`] and its data is the
//! vector's number; its mask bit mirrors the client's. A write of the card to that address is an
//! interrupt; nothing else is.

/// The address that the card writes for every vector: the top of the window that x86 keeps for
/// interrupts and that no I/O virtual address may be in.
pub const MSIX_ADDRESS: u64 = 0xfee0_0000;
/// Bytes of the window.
pub const MSIX_WINDOW: u64 = 0x10_0000;

/// What an interrupt does: writes an eventfd, wakes a thread. It must not block.
pub type Notifier = Box<dyn Fn() + Send>;

/// A vector as the host keeps it.
#[derive(Default)]
pub struct Vector {
    /// What its interrupt does; without one the vector is masked.
    pub notifier: Option<Notifier>,
    /// Masked by the client.
    pub masked: bool,
    /// Interrupts that came.
    pub count: u64,
}

impl Vector {
    /// The four words of the vector's table entry (section 6.8.2.6 to 6.8.2.9).
    pub fn entry(&self, vector: u16) -> [u32; 4] {
        let masked = self.masked || self.notifier.is_none();
        [
            MSIX_ADDRESS as u32,
            (MSIX_ADDRESS >> 32) as u32,
            vector.into(),
            masked.into(),
        ]
    }
}

impl std::fmt::Debug for Vector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.notifier.is_some();
        write!(
            f,
            "Vector(used {used}, masked {}, count {})",
            self.masked, self.count
        )
    }
}

/// The vector that a write of the card means: one whole word to the address, with its number.
pub fn vector_of(address: u64, first_be: u8, data: &[u32]) -> Option<u16> {
    match data {
        [word] if address == MSIX_ADDRESS && first_be == 0xf => u16::try_from(*word).ok(),
        _ => None,
    }
}

/// Whether an address is in the window.
pub fn in_window(address: u64) -> bool {
    (MSIX_ADDRESS..MSIX_ADDRESS + MSIX_WINDOW).contains(&address)
}

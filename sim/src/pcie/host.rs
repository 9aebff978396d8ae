//! What software on the host does with the card through the root complex: accesses to its regions and
//! its configuration space, interrupt vectors, resets.

use super::config::{MSIX_BAR, MSIX_VECTORS, bar_size};
use super::msix::{Notifier, Vector};
use super::requester::{MmioError, ReadId, Requester};
use super::root::RootComplex;

impl RootComplex {
    /// Starts a read of up to 64 bytes, inside one aligned block of 64, of a BAR's region. `None`
    /// while 32 reads are outstanding. Errors come with the answer.
    pub fn read(&mut self, bar: u8, offset: u64, bytes: usize) -> Option<ReadId> {
        if let Err(error) = Requester::check(bar, bar_size(bar.into()), offset, bytes) {
            return Some(self.requester.fail(error));
        }
        if !self.config.memory_space() {
            return Some(self.requester.fail(MmioError::UnsupportedRequest));
        }
        let (id, tlp) = self
            .requester
            .read(self.cycle, address(bar, offset), bytes)?;
        self.requests.push_back((self.cycle, tlp, bar));
        Some(id)
    }

    /// The bytes of a finished read, once.
    pub fn take_read(&mut self, id: ReadId) -> Option<Result<Vec<u8>, MmioError>> {
        self.requester.take(id)
    }

    /// Posts a write of up to 64 bytes, inside one aligned block of 64; while memory space is off it
    /// is lost, as on a bus.
    pub fn write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), MmioError> {
        Requester::check(bar, bar_size(bar.into()), offset, data.len())?;
        if self.config.memory_space() {
            let tlp = self.requester.write(address(bar, offset), data);
            self.requests.push_back((self.cycle, tlp, bar));
        }
        Ok(())
    }

    /// Names what a vector's interrupt does, or takes it away; writes the card's table, and turns
    /// MSI-X on while any vector is in use. Vectors that do not exist are refused.
    pub fn set_vector(&mut self, vector: u16, notifier: Option<Notifier>) -> Result<(), MmioError> {
        self.change_vector(vector, |v| v.notifier = notifier)
    }

    /// Masks or unmasks a vector in the card's table.
    pub fn mask_vector(&mut self, vector: u16, masked: bool) -> Result<(), MmioError> {
        self.change_vector(vector, |v| v.masked = masked)
    }

    fn change_vector(&mut self, vector: u16, f: impl FnOnce(&mut Vector)) -> Result<(), MmioError> {
        let Some(v) = self.vectors.get_mut(usize::from(vector)) else {
            let offset = u64::from(vector) * 16;
            return Err(MmioError::Range {
                bar: MSIX_BAR,
                offset,
                bytes: 16,
            });
        };
        f(v);
        let used = self.vectors.iter().any(|v| v.notifier.is_some());
        self.config.set_msix_enable(used);
        self.write_vector(vector)
    }

    fn write_vector(&mut self, vector: u16) -> Result<(), MmioError> {
        let entry = self.vectors[usize::from(vector)].entry(vector);
        let bytes: Vec<u8> = entry.iter().flat_map(|w| w.to_le_bytes()).collect();
        // Two packets: an access of a register is at most two double words (docs/architecture.md). The address goes
        // first, so the entry is whole when the second packet unmasks it.
        let at = u64::from(vector) * 16;
        self.write(MSIX_BAR, at, &bytes[..8])?;
        self.write(MSIX_BAR, at + 8, &bytes[8..])
    }

    /// Does what an interrupt on a vector does, for a client that tests its eventfds.
    pub fn raise(&mut self, vector: u16) {
        let vector = self.vectors.get(usize::from(vector));
        vector
            .and_then(|v| v.notifier.as_ref())
            .into_iter()
            .for_each(|notify| notify());
    }

    /// Interrupts that came on a vector.
    pub fn interrupts(&self, vector: u16) -> u64 {
        self.vectors.get(usize::from(vector)).map_or(0, |v| v.count)
    }

    /// Reads configuration space.
    pub fn config_read(&self, offset: usize, out: &mut [u8]) {
        self.config.read(offset, out);
    }

    /// Writes configuration space; a function level reset takes effect with the next cycle and, as on
    /// a bus, leaves the registers at their reset values.
    pub fn config_write(&mut self, offset: usize, data: &[u8]) {
        if self.config.write(offset, data) {
            self.config.reset();
            self.begin_reset();
        }
    }

    /// Resets the function as a host does: configuration space is saved before and restored behind,
    /// and the vectors in use are written again.
    pub fn reset(&mut self) {
        self.begin_reset();
        for vector in 0..MSIX_VECTORS {
            if self.vectors[usize::from(vector)].notifier.is_some() {
                // Cannot fail: the vector exists.
                let _ = self.write_vector(vector);
            }
        }
    }

    /// Forgets a client: vectors, mappings, configuration; then resets the function.
    pub fn disconnect(&mut self) {
        self.vectors.fill_with(Vector::default);
        self.completer.dma.clear();
        self.config.reset();
        self.config
            .start(self.settings.max_payload, self.settings.max_read_request);
        self.begin_reset();
    }

    fn begin_reset(&mut self) {
        self.flr = true;
        // The host waits for outstanding completions before it goes on; none may reach a new owner.
        self.reads.clear();
    }
}

/// Bus address of an offset in a region. The host places them here whatever a client writes into the
/// base address registers: vfio clients name a region and an offset, never a bus address.
pub fn address(bar: u8, offset: u64) -> u64 {
    0xd000_0000 + (u64::from(bar) << 24) + offset
}

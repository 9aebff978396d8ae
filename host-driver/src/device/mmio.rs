//! Register access by the names of the register map.
//!
//! A read of all ones is checked against the magic number, which no living card reads so: this is how a card that
//! disappeared is told from a register whose value happens to be all ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smartnic_regs::{Field, Reg, global};

use super::DeviceError;
use crate::pci::{BAR_REGISTERS, DmaBuffer, DmaMemory, PciTransport};

/// How long a command of the card may take: generous, since a simulated card is thousands of times slower.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// Writes that may be on their way before a read makes sure that they arrived: a read that waits behind thousands of
/// them would time out on a slow link.
const MAX_POSTED: u32 = 64;

/// The registers of one card.
pub struct Mmio {
    transport: Box<dyn PciTransport>,
    posted: u32,
    /// Others' memory that the card reaches, and for how many rings.
    shared: Vec<(DmaMemory, usize)>,
}

impl Mmio {
    /// Registers behind `transport`.
    pub fn new(transport: Box<dyn PciTransport>) -> Self {
        Self {
            transport,
            posted: 0,
            shared: Vec::new(),
        }
    }

    /// Lets the card reach another's memory, once for all that ask.
    pub fn share(&mut self, buffer: &Arc<DmaBuffer>) -> Result<DmaMemory, DeviceError> {
        let mut known = self.shared.iter_mut();
        if let Some((memory, users)) = known.find(|(m, _)| Arc::ptr_eq(m.buffer(), buffer)) {
            *users += 1;
            return Ok(memory.clone());
        }
        let memory = self.transport.dma_map(buffer.clone())?;
        self.shared.push((memory.clone(), 1));
        Ok(memory)
    }

    /// Undoes one [`Mmio::share`]; the last one takes the memory away from the card.
    pub fn unshare(&mut self, memory: &DmaMemory) -> Result<(), DeviceError> {
        let Some(at) = self
            .shared
            .iter()
            .position(|(m, _)| m.iova() == memory.iova())
        else {
            return Ok(());
        };
        self.shared[at].1 -= 1;
        if self.shared[at].1 == 0 {
            let (memory, _) = self.shared.swap_remove(at);
            self.transport.dma_free(memory)?;
        }
        Ok(())
    }

    /// The transport, for DMA memory, interrupts and resets.
    pub fn transport(&mut self) -> &mut dyn PciTransport {
        self.transport.as_mut()
    }

    /// The transport, for its description and hang-up descriptor.
    pub fn transport_ref(&self) -> &dyn PciTransport {
        self.transport.as_ref()
    }

    fn offset(reg: Reg, index: u32) -> Result<u32, DeviceError> {
        if index >= reg.count {
            let range = format!("{} has {} of them", reg.name, reg.count);
            return Err(DeviceError::Range {
                what: "register index",
                value: index.into(),
                range,
            });
        }
        Ok(reg.at(index))
    }

    /// Reads the `index`-th register of an array.
    pub fn read_at(&mut self, reg: Reg, index: u32) -> Result<u32, DeviceError> {
        self.posted = 0;
        let value = self
            .transport
            .read32(BAR_REGISTERS, Self::offset(reg, index)?)?;
        if value == u32::MAX
            && self.transport.read32(BAR_REGISTERS, global::MAGIC.addr)? == u32::MAX
        {
            return Err(DeviceError::Gone { register: reg.name });
        }
        Ok(value)
    }

    /// Reads a register.
    pub fn read(&mut self, reg: Reg) -> Result<u32, DeviceError> {
        self.read_at(reg, 0)
    }

    /// Writes the `index`-th register of an array.
    pub fn write_at(&mut self, reg: Reg, index: u32, value: u32) -> Result<(), DeviceError> {
        let offset = Self::offset(reg, index)?;
        self.transport.write32(BAR_REGISTERS, offset, value)?;
        self.posted += 1;
        if self.posted >= MAX_POSTED {
            self.read(global::MAGIC)?;
        }
        Ok(())
    }

    /// Writes a register.
    pub fn write(&mut self, reg: Reg, value: u32) -> Result<(), DeviceError> {
        self.write_at(reg, 0, value)
    }

    /// Writes a 64-bit address as two registers.
    pub fn write64_at(
        &mut self,
        low: Reg,
        high: Reg,
        index: u32,
        value: u64,
    ) -> Result<(), DeviceError> {
        self.write_at(low, index, value as u32)?;
        self.write_at(high, index, (value >> 32) as u32)
    }

    /// Waits until `field` of `reg` reads `value`.
    pub fn wait(
        &mut self,
        reg: Reg,
        field: Field,
        value: u32,
        what: &'static str,
    ) -> Result<u32, DeviceError> {
        self.wait_at(reg, 0, field, value, what)
    }

    /// Waits until `field` of the `index`-th register of an array reads `value`; at most [`COMMAND_TIMEOUT`].
    pub fn wait_at(
        &mut self,
        reg: Reg,
        index: u32,
        field: Field,
        value: u32,
        what: &'static str,
    ) -> Result<u32, DeviceError> {
        let start = Instant::now();
        let mut reads = 0u32;
        loop {
            let now = self.read_at(reg, index)?;
            if field.get(now) == value {
                return Ok(now);
            }
            if start.elapsed() > COMMAND_TIMEOUT {
                return Err(DeviceError::Timeout {
                    what,
                    millis: COMMAND_TIMEOUT.as_millis() as u64,
                });
            }
            // Commands take some tens of cycles: only a card that is busy with something long is worth sleeping for.
            reads += 1;
            if !self.transport.poll() && reads > 64 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

//! Counters: 64 bits each, read through an index; state of the packet buffer.

use serde::{Deserialize, Serialize};
use smartnic_regs::values::counter;
use smartnic_regs::{host, queue, stats};

use super::mmio::Mmio;
use super::{Caps, DeviceError};

/// All counters of one port, by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortCounters(Vec<u64>);

impl Default for PortCounters {
    fn default() -> Self {
        Self(vec![0; counter::COUNT as usize])
    }
}

impl PortCounters {
    /// The counter of this number (`values::counter`); 0 for one that does not exist.
    pub fn get(&self, number: u32) -> u64 {
        self.0.get(number as usize).copied().unwrap_or(0)
    }
    /// Sets a counter.
    pub fn set(&mut self, number: u32, value: u64) {
        if let Some(slot) = self.0.get_mut(number as usize) {
            *slot = value;
        }
    }
    /// Names and values, in the order of the register map.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        counter::NAMES
            .iter()
            .map(|&(number, name)| (name, self.get(number)))
    }
    /// Adds another port's counters, as a LAG's statistics are the sum of its members'.
    pub fn add(&mut self, other: &PortCounters) {
        for (sum, value) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.wrapping_add(*value);
        }
    }
    /// What was counted since `base`.
    pub fn since(&self, base: &PortCounters) -> PortCounters {
        PortCounters(
            self.0
                .iter()
                .zip(&base.0)
                .map(|(now, then)| now.wrapping_sub(*then))
                .collect(),
        )
    }
}

/// State of the packet buffer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BufferState {
    /// Cells there are.
    pub cells: u32,
    /// Cells that are free now.
    pub free: u32,
    /// The lowest that was since the switch was reset.
    pub free_min: u32,
    /// Cells occupied per source: ports, then the host.
    pub used: Vec<u32>,
    /// Cells waiting per destination: ports, then the host.
    pub waiting: Vec<u32>,
    /// Faults of the cell accounting (must be 0).
    pub fault: u32,
}

/// Access to the counters.
pub struct Stats<'a> {
    mmio: &'a mut Mmio,
    caps: &'a Caps,
}

impl<'a> Stats<'a> {
    pub(super) fn new(mmio: &'a mut Mmio, caps: &'a Caps) -> Self {
        Self { mmio, caps }
    }

    /// One counter of a port (the host is the number after the last).
    pub fn read(&mut self, port: u32, number: u32) -> Result<u64, DeviceError> {
        if port > self.caps.ports || number >= counter::COUNT {
            let range = format!(
                "{} ports and the host, {} counters",
                self.caps.ports,
                counter::COUNT
            );
            return Err(DeviceError::Range {
                what: "counter",
                value: u64::from(number),
                range,
            });
        }
        if let Some(far) = self.mmio.transport().shortcuts() {
            return Ok(far.counter(port, number)?);
        }
        use stats::INDEX::{COUNTER, PORT};
        self.mmio
            .write(stats::INDEX, COUNTER.put(number) | PORT.put(port))?;
        self.mmio
            .wait(stats::READY, stats::READY::VALID, 1, "reading a counter")?;
        let low = self.mmio.read(stats::LO)?;
        Ok(u64::from(self.mmio.read(stats::HI)?) << 32 | u64::from(low))
    }

    /// All named counters of a port.
    pub fn port(&mut self, port: u32) -> Result<PortCounters, DeviceError> {
        let mut counters = PortCounters::default();
        for &(number, _) in counter::NAMES {
            counters.set(number, self.read(port, number)?);
        }
        Ok(counters)
    }

    /// The packet buffer.
    pub fn buffer(&mut self) -> Result<BufferState, DeviceError> {
        let sources = self.caps.ports + 1;
        let mut each = |reg| {
            (0..sources)
                .map(|i| self.mmio.read_at(reg, i))
                .collect::<Result<Vec<_>, _>>()
        };
        let (used, waiting) = (each(queue::USED)?, each(queue::WAITING)?);
        Ok(BufferState {
            cells: self.caps.cells,
            free: self.mmio.read(queue::FREE)?,
            free_min: self.mmio.read(queue::FREE_MIN)?,
            used,
            waiting,
            fault: self.mmio.read(queue::FAULT)?,
        })
    }

    /// Frames that found no buffer in each receive ring.
    pub fn no_buffer(&mut self) -> Result<Vec<u32>, DeviceError> {
        (0..self.caps.queues)
            .map(|q| self.mmio.read_at(host::NO_BUFFER, q))
            .collect()
    }
}

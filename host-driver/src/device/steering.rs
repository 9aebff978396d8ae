//! Which receive ring takes which frame.

use smartnic_regs::host::{self, STEERING};

use super::{Caps, DeviceError, Mmio};

/// Rings by source port, and one for traps. A ring that does not run stands for ring 0; so does every ring by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// The ring of frames from port 0, 1, ...; ports beyond its end have ring 0.
    pub by_port: Vec<u32>,
    /// The ring of frames that came for another reason than LOCAL and FLOOD, whatever their source.
    pub traps: Option<u32>,
}

/// Bits of a ring's number for each port.
const BITS: u32 = 2;

impl Steering {
    /// The value of host::STEERING, checked against the card.
    fn value(&self, caps: &Caps) -> Result<u32, DeviceError> {
        let wrong = |what, value: u64, range| Err(DeviceError::Range { what, value, range });
        if self.by_port.len() > caps.ports as usize {
            let range = format!("{} ports", caps.ports);
            return wrong("ports to steer", self.by_port.len() as u64, range);
        }
        if let Some(ring) = self
            .by_port
            .iter()
            .chain(&self.traps)
            .find(|r| **r >= caps.queues)
        {
            let range = format!("0 to {}", caps.queues - 1);
            return wrong("receive ring", (*ring).into(), range);
        }
        let rings = self
            .by_port
            .iter()
            .rev()
            .fold(0, |all, ring| all << BITS | ring);
        let traps = self.traps.map_or(0, |ring| {
            STEERING::TRAPS.put(1) | STEERING::TRAP_RING.put(ring)
        });
        Ok(STEERING::SOURCE.put(rings) | traps)
    }

    /// Tells the card.
    pub(super) fn write(&self, mmio: &mut Mmio, caps: &Caps) -> Result<(), DeviceError> {
        let value = self.value(caps)?;
        mmio.write(host::STEERING, value)
    }

    /// What the card has.
    pub(super) fn read(mmio: &mut Mmio, caps: &Caps) -> Result<Self, DeviceError> {
        let value = mmio.read(host::STEERING)?;
        let rings = STEERING::SOURCE.get(value);
        let by_port = (0..caps.ports).map(|p| rings >> (BITS * p) & ((1 << BITS) - 1));
        Ok(Self {
            by_port: by_port.collect(),
            traps: (STEERING::TRAPS.get(value) == 1).then(|| STEERING::TRAP_RING.get(value)),
        })
    }
}

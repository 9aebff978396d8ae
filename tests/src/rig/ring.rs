//! A receive ring of the host, as plain as can be: buffers posted, completions read by phase, doorbells rung.

use super::{Rig, RigError};
use smartnic_regs::host;
use smartnic_regs::ring::{COMPLETION_BYTES, SUBMISSION_BYTES, completion, submission};
use smartnic_sim::pcie::SharedMemory;

/// Where the ring's memory lies on the bus.
const IOVA: u64 = 0x10_0000_0000;
/// Bytes of a buffer.
const BUFFER: u64 = 2048;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFrame {
    /// The frame, without FCS.
    pub data: Vec<u8>,
    /// Source port.
    pub source: u32,
    /// Why it came: `smartnic_regs::values::reason`.
    pub reason: u32,
}

/// The ring.
pub struct ReceiveRing {
    memory: SharedMemory,
    ring: u32,
    log2: u32,
    posted: u16,
    taken: u16,
}

impl ReceiveRing {
    /// Sets up receive ring `ring` with 2 to the power of `log2` buffers, all posted.
    pub fn open(rig: &mut Rig, ring: u32, log2: u32) -> Result<ReceiveRing, RigError> {
        let n = 1u64 << log2;
        let bytes =
            (n * (u64::from(SUBMISSION_BYTES + COMPLETION_BYTES) + BUFFER)).next_multiple_of(4096);
        let (memory, _) = SharedMemory::new("receive ring", bytes as usize)?;
        let base = IOVA * u64::from(ring + 1);
        rig.card
            .root()
            .dma()
            .map(base, bytes, Some(memory.clone()), true, true)?;
        let mut r = ReceiveRing {
            memory,
            ring,
            log2,
            posted: 0,
            taken: 0,
        };
        let completions = base + r.completions() as u64;
        for (reg, value) in [
            (host::SQ_LO, base as u32),
            (host::SQ_HI, (base >> 32) as u32),
            (host::CQ_LO, completions as u32),
            (host::CQ_HI, (completions >> 32) as u32),
            (
                host::CONTROL,
                host::CONTROL::ENABLE.put(1) | host::CONTROL::SIZE_LOG2.put(log2),
            ),
        ] {
            rig.write(&reg, ring, value)?;
        }
        for i in 0..n as u16 {
            r.post(base, i);
        }
        rig.write(&host::SQ_TAIL, ring, r.posted.into())?;
        Ok(r)
    }

    fn completions(&self) -> usize {
        (SUBMISSION_BYTES as usize) << self.log2
    }

    fn buffer(&self, slot: u32) -> u64 {
        let rings = u64::from(SUBMISSION_BYTES + COMPLETION_BYTES) << self.log2;
        rings + u64::from(slot) * BUFFER
    }

    fn post(&mut self, base: u64, slot: u16) {
        let mut entry = [0; SUBMISSION_BYTES as usize];
        entry[..8].copy_from_slice(&(base + self.buffer(slot.into())).to_le_bytes());
        entry[8..12].copy_from_slice(&submission::LENGTH.put(BUFFER as u32).to_le_bytes());
        entry[12..].copy_from_slice(&u32::from(slot).to_le_bytes());
        let mask = (1u32 << self.log2) - 1;
        let at = (u32::from(self.posted) & mask) * SUBMISSION_BYTES;
        self.memory
            .write(at as usize, &entry)
            .expect("inside the ring");
        self.posted = self.posted.wrapping_add(1);
    }

    /// Takes what has come and gives the buffers back.
    pub fn poll(&mut self, rig: &mut Rig) -> Result<Vec<HostFrame>, RigError> {
        let mut frames = vec![];
        let mask = (1u32 << self.log2) - 1;
        loop {
            let slot = u32::from(self.taken) & mask;
            let mut entry = [0; COMPLETION_BYTES as usize];
            let at = self.completions() + (slot * COMPLETION_BYTES) as usize;
            self.memory.read(at, &mut entry).expect("inside the ring");
            let word = |i: usize| {
                u32::from_le_bytes([
                    entry[4 * i],
                    entry[4 * i + 1],
                    entry[4 * i + 2],
                    entry[4 * i + 3],
                ])
            };
            let round = u32::from(self.taken) >> self.log2;
            if completion::PHASE.get(word(7)) != (round + 1) & 1 {
                break;
            }
            let mut data = vec![0; completion::LENGTH.get(word(1)).min(BUFFER as u32) as usize];
            self.memory
                .read(self.buffer(word(0) & mask) as usize, &mut data)
                .expect("inside the memory");
            frames.push(HostFrame {
                data,
                source: completion::SOURCE.get(word(2)),
                reason: completion::REASON.get(word(2)),
            });
            self.taken = self.taken.wrapping_add(1);
            self.post(IOVA * u64::from(self.ring + 1), (word(0) & mask) as u16);
        }
        if !frames.is_empty() {
            rig.write(&host::CQ_HEAD, self.ring, self.taken.into())?;
            rig.write(&host::SQ_TAIL, self.ring, self.posted.into())?;
        }
        Ok(frames)
    }
}

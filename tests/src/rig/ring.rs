//! A receive ring of the host, as plain as can be: buffers posted, completions read by phase, doorbells rung.

use super::{Rig, RigError};
use smartnic_regs::host;
use smartnic_regs::ring::{COMPLETION_BYTES, SUBMISSION_BYTES, completion, submission};
use smartnic_sim::pcie::SharedMemory;

/// Where the memory of the first ring lies on the bus; each ring has as much.
pub(super) const IOVA: u64 = 0x10_0000_0000;
/// Bytes of a buffer.
pub(super) const BUFFER: u64 = 2048;
/// Bytes of a submission and a completion.
const PAIR: u64 = (SUBMISSION_BYTES + COMPLETION_BYTES) as u64;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostFrame {
    /// The frame, without FCS.
    pub data: Vec<u8>,
    /// Source port.
    pub source: u32,
    /// Why it came: `smartnic_regs::values::reason`.
    pub reason: u32,
    /// Class.
    pub class: u32,
    /// Its layer3+4 hash.
    pub hash: u32,
    /// TCI of its outer tag.
    pub tci: Option<u16>,
    /// FID in which it was looked up.
    pub fid: u32,
}

/// Memory of a ring: submissions, completions, buffers. The card is told of it and the ring runs.
pub(super) fn start(rig: &mut Rig, ring: u32, log2: u32) -> Result<SharedMemory, RigError> {
    let n = 1u64 << log2;
    let bytes = (n * (PAIR + BUFFER)).next_multiple_of(4096);
    let (memory, _) = SharedMemory::new("ring", bytes as usize)?;
    let base = IOVA * u64::from(ring + 1);
    rig.card
        .root()
        .dma()
        .map(base, bytes, Some(memory.clone()), true, true)?;
    let completions = base + n * u64::from(SUBMISSION_BYTES);
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
    Ok(memory)
}

/// The completion number `taken` (free-running) of a ring with 2 to the power of `log2` entries, if it has come.
pub(super) fn completion_at(memory: &SharedMemory, log2: u32, taken: u16) -> Option<[u32; 8]> {
    let slot = u32::from(taken) & ((1 << log2) - 1);
    let at = (SUBMISSION_BYTES << log2) + slot * COMPLETION_BYTES;
    let mut entry = [0; COMPLETION_BYTES as usize];
    memory.read(at as usize, &mut entry).expect("inside");
    let (words, _) = entry.as_chunks::<4>();
    let words: [u32; 8] = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
    let round = u32::from(taken) >> log2;
    (completion::PHASE.get(words[7]) == (round + 1) & 1).then_some(words)
}

/// Where in the memory a slot's buffer begins.
pub(super) fn buffer_at(log2: u32, slot: u32) -> u64 {
    (PAIR << log2) + u64::from(slot) * BUFFER
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
        let memory = start(rig, ring, log2)?;
        let base = IOVA * u64::from(ring + 1);
        let mut r = ReceiveRing {
            memory,
            ring,
            log2,
            posted: 0,
            taken: 0,
        };
        for i in 0..1u16 << log2 {
            r.post(base, i);
        }
        rig.write(&host::SQ_TAIL, ring, r.posted.into())?;
        Ok(r)
    }

    fn post(&mut self, base: u64, slot: u16) {
        let mut entry = [0; SUBMISSION_BYTES as usize];
        entry[..8].copy_from_slice(&(base + buffer_at(self.log2, slot.into())).to_le_bytes());
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
        while let Some(word) = completion_at(&self.memory, self.log2, self.taken) {
            let mut data = vec![0; completion::LENGTH.get(word[1]).min(BUFFER as u32) as usize];
            self.memory
                .read(buffer_at(self.log2, word[0] & mask) as usize, &mut data)
                .expect("inside the memory");
            frames.push(HostFrame {
                data,
                source: completion::SOURCE.get(word[2]),
                reason: completion::REASON.get(word[2]),
                class: completion::CLASS.get(word[2]),
                hash: word[3],
                tci: (completion::TAGGED.get(word[2]) == 1)
                    .then(|| completion::TCI.get(word[4]) as u16),
                fid: completion::FID.get(word[4]),
            });
            self.taken = self.taken.wrapping_add(1);
            self.post(IOVA * u64::from(self.ring + 1), (word[0] & mask) as u16);
        }
        if !frames.is_empty() {
            rig.write(&host::CQ_HEAD, self.ring, self.taken.into())?;
            rig.write(&host::SQ_TAIL, self.ring, self.posted.into())?;
        }
        Ok(frames)
    }
}

//! The event ring, as plain as can be.

use super::{Rig, RigError};
use smartnic_regs::event as page;
use smartnic_regs::ring::{COMPLETION_BYTES, event};
use smartnic_sim::pcie::SharedMemory;

/// Where the ring's memory lies on the bus.
const IOVA: u64 = 0x8_0000_0000;

/// An event about a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdbEvent {
    /// `smartnic_regs::ring::event`.
    pub kind: u32,
    /// Address.
    pub mac: [u8; 6],
    /// FID.
    pub fid: u32,
    /// Destination now.
    pub dest: u32,
    /// Destination before, of a move.
    pub old_dest: u32,
}

/// The ring.
pub struct EventRing {
    memory: SharedMemory,
    log2: u32,
    taken: u16,
}

impl EventRing {
    /// Sets it up with 2 to the power of `log2` entries.
    pub fn open(rig: &mut Rig, log2: u32) -> Result<EventRing, RigError> {
        let bytes = (u64::from(COMPLETION_BYTES) << log2).next_multiple_of(4096);
        let (memory, _) = SharedMemory::new("event ring", bytes as usize)?;
        rig.card
            .root()
            .dma()
            .map(IOVA, bytes, Some(memory.clone()), true, true)?;
        rig.write(&page::BASE_LO, 0, IOVA as u32)?;
        rig.write(&page::BASE_HI, 0, (IOVA >> 32) as u32)?;
        let control = page::CONTROL::ENABLE.put(1) | page::CONTROL::SIZE_LOG2.put(log2);
        rig.write(&page::CONTROL, 0, control)?;
        Ok(EventRing {
            memory,
            log2,
            taken: 0,
        })
    }

    /// Takes what has come; link changes are passed over.
    pub fn poll(&mut self, rig: &mut Rig) -> Result<Vec<FdbEvent>, RigError> {
        let (mut events, before) = (vec![], self.taken);
        loop {
            let slot = u32::from(self.taken) & ((1 << self.log2) - 1);
            let mut entry = [0; COMPLETION_BYTES as usize];
            let at = (slot * COMPLETION_BYTES) as usize;
            self.memory.read(at, &mut entry).expect("inside the ring");
            let (words, _) = entry.as_chunks::<4>();
            let word = |i: usize| u32::from_le_bytes(words[i]);
            let round = u32::from(self.taken) >> self.log2;
            if event::PHASE.get(word(7)) != (round + 1) & 1 {
                break;
            }
            self.taken = self.taken.wrapping_add(1);
            let [a, b, c, d] = words[0];
            let [e, f, ..] = words[1];
            let kind = event::KIND.get(word(2));
            if (event::LEARNED..=event::REFUSED).contains(&kind) {
                events.push(FdbEvent {
                    kind,
                    mac: [a, b, c, d, e, f],
                    fid: smartnic_regs::fdb::KEY_HI::FID.get(word(1)),
                    dest: event::DEST.get(word(2)),
                    old_dest: event::OLD_DEST.get(word(2)),
                });
            }
        }
        if self.taken != before {
            rig.write(&page::HEAD, 0, self.taken.into())?;
        }
        Ok(events)
    }
}

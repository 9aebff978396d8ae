//! A transmit ring of the host: one frame at a time, waited for.

use super::ring::{BUFFER, IOVA, buffer_at, completion_at, start};
use super::{Rig, RigError};
use smartnic_regs::host;
use smartnic_regs::ring::{SUBMISSION_BYTES, completion, submission};
use smartnic_sim::pcie::SharedMemory;

/// How a frame is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the switch, like a received frame.
    Switch,
    /// To a destination as it stands.
    Direct {
        /// Destination: `smartnic_regs::values::dest`.
        dest: u32,
        /// Class.
        class: u32,
    },
}

/// The ring.
pub struct TransmitRing {
    memory: SharedMemory,
    ring: u32,
    log2: u32,
    sent: u16,
}

impl TransmitRing {
    /// Sets up transmit ring `number` with 2 to the power of `log2` entries.
    pub fn open(rig: &mut Rig, number: u32, log2: u32) -> Result<TransmitRing, RigError> {
        let ring = rig.params.queues + number;
        Ok(TransmitRing {
            memory: start(rig, ring, log2)?,
            ring,
            log2,
            sent: 0,
        })
    }

    /// Sends a frame of at most 2,048 bytes, runs the card until it rests, and gives the completion's status
    /// (`smartnic_regs::ring::completion`).
    pub fn send(&mut self, rig: &mut Rig, frame: &[u8], way: Way) -> Result<u32, RigError> {
        assert!(frame.len() <= BUFFER as usize, "{} bytes", frame.len());
        let slot = u32::from(self.sent) & ((1 << self.log2) - 1);
        let buffer = buffer_at(self.log2, slot);
        self.memory
            .write(buffer as usize, frame)
            .expect("inside the memory");
        let base = IOVA * u64::from(self.ring + 1);
        let length = submission::LENGTH.put(frame.len() as u32);
        let word = match way {
            Way::Switch => length,
            Way::Direct { dest, class } => {
                length
                    | submission::DIRECT.put(1)
                    | submission::DEST.put(dest)
                    | submission::CLASS.put(class)
            }
        };
        let cookie = u32::from(self.sent) | 0x5eed_0000;
        let mut entry = [0; SUBMISSION_BYTES as usize];
        entry[..8].copy_from_slice(&(base + buffer).to_le_bytes());
        entry[8..12].copy_from_slice(&word.to_le_bytes());
        entry[12..].copy_from_slice(&cookie.to_le_bytes());
        self.memory
            .write((slot * SUBMISSION_BYTES) as usize, &entry)
            .expect("inside the ring");
        let taken = self.sent;
        self.sent = self.sent.wrapping_add(1);
        rig.write(&host::SQ_TAIL, self.ring, self.sent.into())?;
        let limit = 100_000;
        if !rig.card.run(limit) {
            return Err(RigError::Slow {
                what: "sending a frame of the host",
                cycles: limit,
            });
        }
        let word = completion_at(&self.memory, self.log2, taken).ok_or(RigError::Slow {
            what: "a completion",
            cycles: limit,
        })?;
        rig.write(&host::CQ_HEAD, self.ring, self.sent.into())?;
        assert_eq!(
            (word[0], completion::KIND.get(word[1])),
            (cookie, completion::TRANSMIT),
            "not the completion of this frame: {word:x?}"
        );
        Ok(completion::STATUS.get(word[1]))
    }
}

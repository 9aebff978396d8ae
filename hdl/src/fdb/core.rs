//! The engine's state: the operation at work and the registers that more than one of its parts uses.

use super::cam::{Candidate, free_slots};
use super::*;

/// States.
pub(super) const CLEAR: u64 = 0;
pub(super) const C0: u64 = 1;
pub(super) const C2: u64 = 3;
pub(super) const C3: u64 = 4;
pub(super) const C4: u64 = 5;
pub(super) const C5: u64 = 6;

/// The operation at work, loaded in C0.
pub(super) struct Work {
    pub op: E,
    pub key: E,
    /// Data of a new or placed entry.
    pub data: E,
    pub bucket: [E; 2],
    /// Slot: it is one of the CAM; its number there; else table and way of the slot or of the entry to displace.
    pub in_cam: E,
    pub cam_index: E,
    pub way: E,
    /// The entry was displaced and is in the hand: in no slot.
    pub hand: E,
    pub host: E,
    /// The slot exists.
    pub exists: E,
    /// There is a destination to store (two cycles after C0).
    pub storable: E,
}

/// The sweep.
pub(super) struct Sweep {
    pub active: E,
    pub ageing: E,
    pub slot: E,
    pub last: E,
}

/// Registers and wires that more than one part uses, declared before the parts are built.
pub(super) struct Core {
    pub m: Module,
    pub s: Size,
    pub state: E,
    pub epoch: E,
    pub used: E,
    /// Free slots of each bank of the CAM.
    pub free: Vec<Candidate>,
    pub random: E,
    pub w: Work,
    pub sweep: Sweep,
    /// Registered table write.
    pub ways: E,
    pub word: E,
    /// Hash of the displaced entry in its other table.
    pub other_bucket: E,
}

impl Core {
    /// The engine is in this state.
    pub fn at(&self, state: u64) -> E {
        self.state.eq(state)
    }
}

pub(super) fn core(m: &Module, s: &Size) -> Core {
    let data = m.reg_nr("w_data", DATA_BITS);
    let work = Work {
        op: m.reg_nr("w_op", 3),
        key: m.reg_nr("w_key", KEY_BITS),
        storable: m.delay("w_storable", &data.slice(0, 6).any()),
        data,
        bucket: [0, 1].map(|t| m.reg_nr(&format!("w_bucket{t}"), s.index)),
        in_cam: m.reg_nr("w_in_cam", 1),
        cam_index: m.reg_nr("w_cam_index", s.cam_bits),
        way: m.reg_nr("w_way", 3),
        hand: m.reg("w_hand", 1, 0),
        host: m.reg_nr("w_host", 1),
        exists: m.reg_nr("w_exists", 1),
    };
    let used = m.reg("used", s.cam, 0);
    let slot = m.reg("sweep_slot", s.slot, 0);
    let slots = (1u64 << (s.slot - 1)) + s.cam as u64;
    Core {
        m: m.clone(),
        s: *s,
        state: m.reg("state", 3, CLEAR),
        epoch: m.reg("epoch", 2, 0),
        free: free_slots(m, s, &used),
        used,
        random: m.reg("random", 16, 0xace1),
        w: work,
        sweep: Sweep {
            active: m.reg("sweep_active", 1, 0),
            ageing: m.reg("sweep_ageing", 1, 0),
            last: m.delay("sweep_last", &slot.eq(slots - 1)),
            slot,
        },
        ways: m.reg("write_ways", 8, 0),
        word: m.reg("write_word", WORD_BITS, 0),
        other_bucket: m.reg_nr("other_bucket", s.index),
    }
}

//! A page's counters of events: in LUT RAM, with one adder that goes round.
//!
//! A pulse is counted in a few bits first; each of eight slots is visited every 8 cycles (16 while the bus reads in every second cycle), when
//! what was counted is added to its word. So a pulse shows in the register after 18 cycles at most. The words are zero from the tenth cycle
//! after reset. The FDB's seven: 48 LUT4 of
//! memory, one adder, 23 FF of counted pulses, where registers with an adder each take 231 LUT4, 224 FF and a wider read multiplexer. Tests: `tests/fdb*.rs`, `tests/lag.rs`.

use crate::rtl::{E, Module, cat, lit, mux, pick, ram};

/// Slots of the memory, a power of two.
const SLOTS: u32 = 8;

/// A counter: the slot of its word, its pulse, and the bits that its pulses of 16 cycles need.
pub struct Counter<'a> {
    /// Below 8.
    pub slot: u32,
    /// Counts.
    pub pulse: &'a E,
    /// 5 if it may come in every cycle.
    pub bits: u32,
}

/// The words' memory.
pub struct Counters {
    /// The word that the bus addresses.
    pub value: E,
    /// Something is not added yet.
    pub pending: E,
}

/// Makes the counters. The bus reads slot `read_at` while `reading` is set; `clearing` is set for the first cycles after reset, ten at least.
pub fn counters(
    m: &Module,
    list: &[Counter],
    (reading, read_at): (&E, &E),
    clearing: &E,
) -> Counters {
    let slot = m.reg("counter_slot", SLOTS.trailing_zeros(), 0);
    let width = list.iter().map(|c| c.bits).max().unwrap_or(1);
    let mut counted = vec![lit(width, 0); SLOTS as usize];
    let mut parts = vec![];
    for c in list {
        let n = m.reg(&format!("counted{}", c.slot), c.bits, 0);
        let visited = slot.eq(c.slot as u64) & !reading;
        let rest = mux(visited, lit(c.bits, 0), &n);
        m.assign(&n, rest + c.pulse.zext(c.bits));
        counted[c.slot as usize] = n.zext(width);
        parts.push(n);
    }
    let mem = m.inst("counters", &ram::lut(32, SLOTS as u64));
    mem.drive("raddr", mux(reading, read_at, &slot));
    let value = mem.port("rdata");
    // Add, and write in the next cycle.
    let sum = m.reg("counter_sum", 32, 0);
    let add = m.named("counter_add", pick(&slot, &counted));
    let (we, at) = (
        m.reg("counter_we", 1, 0),
        m.reg_nr("counter_at", slot.width()),
    );
    m.process(|p| {
        p.set(&we, !reading);
        p.set(&at, &slot);
        p.if_(clearing, |p| p.set(&sum, 0));
        p.else_(|p| p.set(&sum, &value + add.zext(32)));
        p.if_(!reading, |p| p.set(&slot, &slot + 1));
    });
    mem.drive("we", &we)
        .drive("waddr", &at)
        .drive("wdata", &sum);
    Counters {
        value,
        pending: cat(&parts).any(),
    }
}

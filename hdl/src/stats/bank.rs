//! The counters of one port: pending increments, and totals in block RAM. See the parent module.
//!
//! Inputs from the sweep (`sweep.rs`), the same for all banks: `ring` (the slot that is visited, one-hot), `raddr`; `write` and `waddr` (three
//! cycles after `raddr`), `clear` (writes zeros); `bump` (one cycle after `raddr`: add one, in a visit without a counter), `spill` (with the write: without the
//! top bit). Inputs `ev_{counter}`, increments. Output `sum`, what is written.
//!
//! Pipeline of a visit: 0 the increment is taken and its register cleared, the RAM is read; 1 both are registered; 2 added; 3 written.

use super::{Counter, PART_BITS, SLOTS};
use crate::mac::counter_name;
use crate::rtl::{E, Module, any_of, bits_for, cat, lit, mux, ram};

/// Bits that hold what comes between two visits `sweep` cycles apart: increments of `width` bits, one each `every` cycles at most.
pub fn pending_bits(width: u32, every: u64, sweep: u64) -> u32 {
    let most = ((1u64 << width) - 1) * sweep.div_ceil(every);
    64 - most.leading_zeros()
}

/// A bank of `counters`, all of one port. See the module.
pub fn bank(counters: &[Counter]) -> Module {
    let m = Module::new("stats_bank");
    m.sync();
    let sb = bits_for(SLOTS);
    let ring = m.input("ring", SLOTS as u32);
    let raddr = m.input("raddr", sb + 1);
    let waddr = m.input("waddr", sb + 1);
    let write = m.input("write", 1);
    let (clear, bump, spill) = (m.input("clear", 1), m.input("bump", 1), m.input("spill", 1));

    let bits = |k: &Counter| pending_bits(k.width, k.every, SLOTS);
    let widest = counters.iter().map(bits).max().unwrap_or(1);
    // A sweep's worth must not carry a total beyond its top bit before that has been taken away.
    assert!(
        widest + 2 <= PART_BITS,
        "stats_bank: pending increments of {widest} bits"
    );
    let (pulses, others): (Vec<&Counter>, Vec<&Counter>) =
        counters.iter().partition(|k| k.width == 1);
    let mut gathered = vec![count_pulses(&m, &ring, &pulses).zext(widest)];
    for k in others {
        let name = counter_name(k.number);
        let n = bits(k);
        let ev = m.input(&format!("ev_{name}"), k.width);
        let here = ring.bit(k.number);
        let pending = m.reg(&format!("pending_{name}"), n, 0);
        let kept = m.named(&format!("kept_{name}"), &pending & (!&here).repl(n));
        // What comes once a sweep at most finds nothing pending.
        let more = match n == k.width {
            true => kept | &ev,
            false => kept + ev.zext(n),
        };
        m.assign(&pending, more);
        gathered.push(pending.zext(widest) & here.repl(widest));
    }
    let add = m.delay("add", &any_of(widest, &gathered));
    let add_2 = m.delay("add_2", &(&add | bump.zext(widest)));

    let mem = m.inst("totals", &ram::block(PART_BITS, 2 << sb));
    mem.drive("ren", true).drive("raddr", &raddr);
    let old = m.delay("old", &mem.port("rdata"));
    let sum = m.delay("total", &(&old + add_2.zext(PART_BITS)));
    m.output_of("sum", &sum);
    let low = sum.trunc(PART_BITS - 1);
    let top = sum.bit(PART_BITS - 1) & !&spill;
    let word = cat(&[top, low]);
    mem.drive("we", &write)
        .drive("waddr", &waddr)
        .drive("wdata", mux(&clear, lit(PART_BITS, 0), word));
    m
}

/// Counts the pulses that wait for their counters; gives what waits for the one that is visited.
///
/// All counters side by side: `pending_i` holds bit i of each at the counter's number. Bits that no counter needs are constant and
/// cost nothing.
fn count_pulses(m: &Module, ring: &E, pulses: &[&Counter]) -> E {
    let slots = ring.width();
    let bits = |k: &Counter| pending_bits(1, k.every, SLOTS);
    let widest = pulses.iter().map(|k| bits(k)).max().unwrap_or(1);
    let having = |n: u32| -> u64 {
        let has = pulses.iter().filter(|k| bits(k) > n);
        has.fold(0, |mask, k| mask | 1 << k.number)
    };
    let mut events = vec![lit(1, 0); slots as usize];
    for k in pulses {
        events[k.number as usize] = m.input(&format!("ev_{}", counter_name(k.number)), 1);
    }
    let mut carry = m.named("events", cat(events.iter().rev()));
    let mut gathered = vec![];
    for i in 0..widest {
        let pending = m.reg(&format!("pending_{i}"), slots, 0);
        let kept = m.named(&format!("kept_{i}"), &pending & !ring);
        // A counter's top bit stays if there is a carry out of it: what comes once a sweep at most finds nothing pending.
        let top = having(i) & !having(i + 1);
        m.assign(&pending, ((&kept ^ &carry) | (&kept & top)) & having(i));
        carry = m.named(&format!("carry_{i}"), &kept & &carry & having(i + 1));
        gathered.push((&pending & ring).any());
    }
    cat(gathered.iter().rev())
}

//! The counters of one port: accumulators, sweep and totals in block RAM. See the parent module.
//!
//! Ports: `ev_{counter}` increments; `read_valid` with `read_counter[8]` (number) starts a read, `read_exists` says in the same cycle whether there is
//! such a counter (if not, nothing follows); `read_cancel` ends an earlier read; `done_valid`, `done_value[64]`.
//!
//! Pipeline of a visit: 0 the accumulator is taken and cleared, the RAM is read; 1, 2 the RAM's word is registered; 3 low half added; 4 high
//! half added; 5 written back and given out. A counter is visited again after at least [`MIN_SWEEP`] cycles.

use crate::mac::counter_name;
use crate::rtl::{E, Module, bits_for, cat, lit, pick, ram};

/// Shortest sweep: longer than the pipeline, so that a visit sees what the one before has written.
const MIN_SWEEP: u64 = 8;
/// Cycles from the visit that takes the accumulator until page `stats` says READY.
pub const READ_LATENCY: u64 = 5;

/// Cycles of a sweep over `n` counters.
pub fn sweep_cycles(n: usize) -> u64 {
    (n as u64).max(MIN_SWEEP)
}

/// Bits that hold `cycles` increments of `width` bits at their largest.
pub fn accumulator_bits(width: u32, cycles: u64) -> u32 {
    let most = ((1u64 << width) - 1) * cycles;
    64 - most.leading_zeros()
}

/// A bank of counters: numbers and widths of the increments (1 to 32). See the module.
pub fn bank(counters: &[(u32, u32)]) -> Module {
    let m = Module::new("stats_bank");
    let sweep = sweep_cycles(counters.len());
    let sb = bits_for(sweep);
    let read_valid = m.input("read_valid", 1);
    let read_cancel = m.input("read_cancel", 1);
    let read_counter = m.input("read_counter", 8);

    let slot = m.reg("slot", sb, 0);
    let first_round = m.reg("first_round", 1, 1); // the RAM still holds what was there before reset
    let ring = m.reg("ring", sweep as u32, 1); // the slot, one-hot
    m.process(|p| {
        p.set(&slot, &slot + 1);
        p.set(&ring, ring.shl(1));
        p.if_(ring.bit(sweep as u32 - 1), |p| {
            p.set(&slot, 0);
            p.set(&ring, 1);
            p.set(&first_round, false);
        });
    });

    let widest = counters
        .iter()
        .map(|(_, w)| accumulator_bits(*w, sweep))
        .max()
        .unwrap_or(1);
    assert!(widest <= 32, "stats_bank: accumulators of {widest} bits");
    let mut taken: Vec<E> = vec![];
    for (i, (number, width)) in counters.iter().enumerate() {
        let name = counter_name(*number);
        let bits = accumulator_bits(*width, sweep);
        assert!(
            ((1u128 << width) - 1) * u128::from(sweep) < 1 << bits,
            "stats_bank: accumulator of {name} can overflow"
        );
        let ev = m.input(&format!("ev_{name}"), *width);
        let acc = m.reg(&format!("acc_{name}"), bits, 0);
        let here = ring.bit(i as u32);
        let more = m.named(&format!("more_{name}"), &acc + ev.zext(bits));
        // Bits above the increment go to zero on a visit: a flop's own reset, no logic.
        m.process(|p| {
            p.set(&acc, &more);
            p.if_(&here, |p| p.set(&acc, ev.zext(bits)));
        });
        taken.push(acc.zext(widest));
    }
    taken.resize(sweep as usize, lit(widest, 0));

    // 0 to 2: fetch.
    let mem = m.inst("totals", &ram::block(64, sweep.next_power_of_two()));
    mem.drive("ren", true).drive("raddr", &slot);
    let add_1 = m.delay("add_1", &pick(&slot, &taken));
    let add_2 = m.delay("add_2", &add_1);
    let pipe = |name: &str, first: &E, n: u32| {
        let mut v = vec![first.clone()];
        for i in 1..=n {
            let r = m.reg(&format!("{name}_{i}"), first.width(), 0);
            m.assign(&r, &v[i as usize - 1]);
            v.push(r);
        }
        v
    };
    let fresh = pipe("fresh", &first_round, 1);
    let slots = pipe("slot", &slot, 4);
    let live = pipe("live", &lit(1, 1), 4);
    // 3, 4: add.
    let old = m.reg_nr("total_2", 64);
    m.process(|p| {
        p.set(&old, mem.port("rdata"));
        p.if_(&fresh[1], |p| p.set(&old, 0));
    });
    let low = m.reg_nr("low", 33);
    let high = m.reg_nr("high", 32);
    let sum = m.reg_nr("sum", 64);
    m.assign(&low, old.slice(0, 32).zext(33) + add_2.zext(33));
    m.assign(&high, old.slice(32, 32));
    m.assign(&sum, cat(&[&high + low.bit(32).zext(32), low.slice(0, 32)]));
    mem.drive("we", &live[4])
        .drive("waddr", &slots[4])
        .drive("wdata", &sum);

    // Reads ride along with the visit.
    let none = sweep.next_power_of_two();
    let places: Vec<E> = (0..256u32)
        .map(|n| {
            let at = counters.iter().position(|(k, _)| *k == n);
            lit(sb + 1, at.map_or(none, |i| i as u64))
        })
        .collect();
    let place = m.named("place", pick(&read_counter, &places));
    let exists = m.output_of("read_exists", !place.bit(sb));
    let wanted = m.reg_nr("wanted", sb);
    let waiting = m.reg("waiting", 1, 0);
    let visit = m.named("visit", &waiting & slot.eq(&wanted));
    m.process(|p| {
        p.if_(&visit, |p| p.set(&waiting, false));
        p.if_(&read_cancel, |p| p.set(&waiting, false));
        p.if_(&read_valid & &exists, |p| {
            p.set(&waiting, true);
            p.set(&wanted, place.slice(0, sb));
        });
    });
    let mut riding = &visit & !&read_cancel;
    for i in 1..=4 {
        let r = m.reg(&format!("riding_{i}"), 1, 0);
        m.assign(&r, &riding);
        riding = &r & !&read_cancel;
    }
    m.output_of("done_valid", riding);
    m.output_of("done_value", &sum);
    m
}

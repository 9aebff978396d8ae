//! What all banks share: the turn of the counters, the clearing after reset, the high parts of the totals, and the reader.
//!
//! Inputs: `full` (a bit for each bank: the total that it writes has its top bit set); `write`, `exists`, `bank` (one-hot), `counter` of a read;
//! `sum` of the bank that is read. Outputs to the banks: `ring`, `raddr`, `waddr`, `write_totals`, `clear`, `bump[banks]`, `spill[banks]`; `reading[banks]`; `busy`, `value[64]`.
//!
//! A total lies in two words: the low one has [`PART_BITS`] - 1 bits and a top bit, which stands for one that the high word has not got yet. In the one visit of a
//! sweep that belongs to no counter ([`SPARE`]) a high word is read, and written with one more: for a counter whose top bit was taken away in the
//! visit before it, or, without that, for the reader, who needs both words. One counter at a time: a top bit can wait, since it
//! stands for 2^35 increments, and so does a reader until the high word is right.

use super::{CLEAR_CYCLES, PART_BITS, SLOTS, SPARE};
use crate::rtl::{E, Module, bits_for, cat, lit, mux};

/// The sweep over `banks` banks. See the module.
pub fn sweep(banks: u32) -> Module {
    let m = Module::new("stats_sweep");
    let sb = bits_for(SLOTS);
    assert_eq!(CLEAR_CYCLES, 2 << sb);
    let full = m.input("full", banks);
    let (write, exists) = (m.input("write", 1), m.input("exists", 1));
    let (bank, counter) = (m.input("bank", banks), m.input("counter", sb));
    let sum = m.input("sum", PART_BITS);

    // After reset every word is cleared, then the visits begin.
    let cleared = m.reg("cleared", sb + 2, 0);
    let run = m.named("run", cleared.bit(sb + 1));
    m.process(|p| p.if_(!&run, |p| p.set(&cleared, &cleared + 1)));
    let slot = m.reg("slot", sb, 0);
    let ring = m.output_reg("ring", SLOTS as u32, 0);
    let last = m.named(
        "last",
        ring.bit(SLOTS as u32 - 1) | cleared.eq((2 << sb) - 1),
    );
    m.process(|p| {
        p.set(&ring, cat(&[ring.slice(0, SLOTS as u32 - 1), last.clone()]));
        p.set(&slot, &slot + 1);
        p.if_(&last | !&run, |p| p.set(&slot, 0));
    });

    // One counter's high word is owed one.
    let owed = m.reg("owed", banks, 0);
    let owed_slot = m.reg_nr("owed_slot", sb);
    // The reader: waits for the low word, then for the high one.
    let (low_wait, high_wait) = (m.reg("low_wait", 1, 0), m.reg("high_wait", 1, 0));
    let wanted_bank = m.reg_nr("wanted_bank", banks);
    let wanted = m.reg_nr("wanted", sb);
    let value = m.output_reg("value", 64, 0);
    let busy = m.named("reader_busy", &low_wait | &high_wait);
    m.output_of("busy", &busy);
    m.output_of("reading", &wanted_bank);

    let spare = m.named("spare", ring.bit(SPARE as u32));
    let owes = m.named("owes", owed.any());
    let high_slot = mux(&owes, &owed_slot, &wanted);
    let raddr = m.named(
        "address",
        mux(
            &spare,
            cat(&[lit(1, 1), high_slot]),
            cat(&[lit(1, 0), slot.clone()]),
        ),
    );
    m.output_of("raddr", &raddr);
    let pays_1 = m.reg("pays_1", banks, 0);
    m.assign(&pays_1, &owed & spare.repl(banks));
    // The high word that is read counts the top bit of the low one too.
    let top = value.bit(PART_BITS - 1);
    m.output_of("bump", &pays_1);

    let stage = |name: &str, e: &E| {
        let r = m.reg(name, e.width(), 0);
        m.assign(&r, e);
        r
    };
    let reads = &spare & &high_wait & !&owes & !&write;
    let reads_1 = stage("reads_1", &reads);
    let reads_2 = stage("reads_2", &(&reads_1 & !&write));
    let reads_3 = stage("reads_3", &(&reads_2 & !&write));
    let waddr = m.delay("raddr_3", &m.delay("raddr_2", &m.delay("raddr_1", &raddr)));
    let live = stage("live_3", &stage("live_2", &stage("live_1", &run)));
    m.output_of("waddr", mux(&run, &waddr, cleared.trunc(sb + 1)));
    m.output_of("write_totals", !&run | &live);
    m.output_of("clear", !&run);

    // Stage 3. A high word has no top bit that matters.
    let is_low = &live & !waddr.bit(sb);
    let free = m.named("free", !&owes & !&busy & &is_low);
    let first = crate::rtl::prim::lowest_onehot(&full);
    let spill = m.named("spill_now", first & free.repl(banks));
    m.output_of("spill", &spill);
    // A visit that began before the request does not have what came since.
    let asked = stage("asked_1", &(&low_wait & !&write));
    let asked = stage("asked_2", &(&asked & !&write));
    let asked = stage("asked_3", &(&asked & !&write));
    let met = &low_wait & &asked & &is_low & !&owes & waddr.trunc(sb).eq(&wanted);
    m.process(|p| {
        p.if_(&spare, |p| p.set(&owed, 0));
        p.if_(spill.any(), |p| {
            p.set(&owed, &spill);
            p.set(&owed_slot, waddr.trunc(sb));
        });
        p.if_(&met, |p| {
            p.set(&low_wait, false);
            p.set(&high_wait, true);
            p.set(&value, sum.zext(64));
        });
        p.if_(&reads_3, |p| {
            p.set(&high_wait, false);
            let high = 64 - (PART_BITS - 1);
            p.set_slice(&value, PART_BITS - 1, sum.trunc(high) + top.zext(high));
        });
        p.if_(&write, |p| {
            p.set(&low_wait, &exists);
            p.set(&high_wait, false);
            p.set(&wanted_bank, &bank);
            p.set(&wanted, &counter);
            p.set(&value, 0);
        });
    });
    m
}

//! The page `lag`: group registers, bucket access, counters, and the emptying of the buckets after reset.
//!
//! NO_MEMBER and PRUNED are up to 18 cycles behind (`regbus::counters`).
//!
//! BUCKET reads its word through the second copy of the table, whose answer is 3 cycles behind the write of
//! BUCKET_INDEX or BUCKET: in time for a request that comes after the write's `reg_ack`.

use super::Buckets;
use crate::params::Params;
use crate::regbus::{Counter, RegFile, counters, field};
use crate::rtl::{E, Module, any_of, cat, lit, mux};
use smartnic_regs::lag as r;
use smartnic_regs::values::LAG_BUCKETS;

/// The write port of the bucket table.
pub struct Write {
    /// A word is written.
    pub enable: E,
    /// Where.
    pub addr: E,
    /// The word.
    pub data: E,
}

/// What the page gives to the pipeline.
pub struct Page {
    /// GROUP of each group.
    pub groups: Vec<E>,
    /// DISTRIBUTING of each group, a bit per port.
    pub distributing: Vec<E>,
    /// Writes to the table.
    pub write: Write,
    /// The buckets have been emptied since reset.
    pub ready: E,
    /// Counters are behind.
    pub counting: E,
}

/// Makes the registers, the second copy of the table for reads of BUCKET, and the outputs `rsp_collecting` and `ready`.
pub fn page(m: &Module, p: &Params, buckets: &Buckets) -> Page {
    let n = p.lag_groups;
    let mut rf = RegFile::new(m, &r::PAGE);
    let groups = rf.rw_array(&r::GROUP, n);
    let distributing: Vec<E> = (0..n)
        .map(|g| rf.rw_bits_at(&r::DISTRIBUTING, g, p.ports))
        .collect();
    let collecting: Vec<E> = (0..n)
        .map(|g| rf.rw_bits_at(&r::COLLECTING, g, p.ports))
        .collect();
    let accepted: Vec<E> = collecting
        .iter()
        .zip(&groups)
        .map(|(c, g)| c & field(g, r::GROUP::ENABLE).repl(p.ports))
        .collect();
    m.output_of("rsp_collecting", any_of(p.ports, &accepted));

    // Slots 0 to 3 count NO_MEMBER of each group, slot 4 PRUNED: so bit 4 and the lowest two bits of the word address tell them apart.
    let clear = m.reg("clear", buckets.addr_bits + 1, 0);
    let ready = m.named("clear_done", clear.bit(buckets.addr_bits));
    let no_member = m.input("no_member", n);
    let mut pulses: Vec<E> = (0..n).map(|g| no_member.bit(g)).collect();
    pulses.push(m.input("pruned", 1));
    let mut regs: Vec<_> = (0..n).map(|g| (&r::NO_MEMBER, g)).collect();
    regs.push((&r::PRUNED, 0));
    let list: Vec<Counter> = regs
        .iter()
        .zip(&pulses)
        .map(|(&(reg, g), pulse)| {
            let word = reg.at(g) / 4;
            Counter {
                slot: (word >> 2 & 4) | (word & 3),
                pulse,
                bits: 5,
            }
        })
        .collect();
    let mut counting = lit(1, 0);
    rf.ro_group(&regs, 5, |at, reading| {
        let slot = cat(&[at.bit(4), at.slice(0, 2)]);
        let c = counters(m, &list, (reading, &slot), &!&ready);
        counting = c.pending;
        c.value
    });

    let index = rf.rw(&r::BUCKET_INDEX);
    let (bucket, group) = (
        field(&index, r::BUCKET_INDEX::BUCKET),
        field(&index, r::BUCKET_INDEX::GROUP),
    );
    let exists = m.named(
        "bucket_exists",
        bucket.lt(LAG_BUCKETS as u64) & group.lt(n as u64),
    );
    let read = m.wire("bucket_read", buckets.member_bits + 1);
    let value = cat(&[
        read.bit(buckets.member_bits),
        read.trunc(buckets.member_bits).zext(4),
    ]);
    let (written, value_in) = rf.rwh(&r::BUCKET, &(value & exists.repl(5)));
    rf.finish();

    // After reset every word is cleared, one a cycle.
    m.process(|q| q.if_(!&ready, |q| q.set(&clear, &clear + 1)));
    let out = m.output_reg("ready", 1, 0);
    m.assign(&out, &ready);
    let addr = buckets.addr(&group, &bucket);
    let word = buckets.word(
        &field(&value_in, r::BUCKET::MEMBER),
        &field(&value_in, r::BUCKET::VALID),
    );
    let data = word & ready.repl(buckets.member_bits + 1);
    let write = Write {
        enable: m.named("bucket_we", (written & &exists) | !&ready),
        addr: m.named(
            "bucket_waddr",
            mux(&ready, &addr, clear.trunc(buckets.addr_bits)),
        ),
        data: m.named("bucket_wdata", data),
    };
    let copy = buckets.inst(m, "buckets_copy", &write, &addr);
    m.assign(&read, &copy);
    Page {
        groups,
        distributing,
        write,
        ready,
        counting,
    }
}

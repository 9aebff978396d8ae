//! Frames and bytes of a stream of beats, as a port's counters have them.
//!
//! Inputs `valid`, `ready`, `keep`, `sop`, `eop`, `err`; outputs `frames` and `bytes` (FCS included) are increments, one cycle after the last beat of
//! a frame that was not marked `err`. Beats without `sop` before them do not count (the rest of a frame after a reset); a `sop` in the
//! middle of a frame starts anew. About 60 LUT4. Tested with the whole card (`tests/walk.rs`).

use crate::mac::TX_LENGTH_BITS;
use crate::rtl::{E, Module, any_of, lit, mux};

/// The meter of a stream `width` bits wide.
pub fn meter(width: u32) -> Module {
    let m = Module::new("meter");
    m.sync();
    let (valid, ready) = (m.input("valid", 1), m.input("ready", 1));
    let (keep, sop, eop, err) = (
        m.input("keep", width / 8),
        m.input("sop", 1),
        m.input("eop", 1),
        m.input("err", 1),
    );
    let take = m.named("take", &valid & &ready);
    // keep is contiguous: the number of bytes is where it ends.
    let n = TX_LENGTH_BITS;
    let ends: Vec<E> = (0..width / 8)
        .map(|i| {
            let last = if i + 1 == width / 8 {
                keep.bit(i)
            } else {
                keep.bit(i) & !keep.bit(i + 1)
            };
            lit(n, u64::from(i) + 1) & last.repl(n)
        })
        .collect();
    // Four bytes of FCS.
    let sum = m.reg_nr("sum", n);
    let open = m.reg("open", 1, 0);
    let before = mux(&sop, lit(n, 4), &sum);
    let total = before + any_of(n, &ends);
    m.process(|p| {
        p.if_(&take, |p| {
            p.set(&open, (&open | &sop) & !&eop);
            p.set(&sum, &total);
        });
    });
    let good = m.named("good", &take & &eop & !&err & (&open | &sop));
    let frames = m.output_reg("frames", 1, 0);
    m.assign(&frames, &good);
    let bytes = m.output_reg("bytes", n, 0);
    m.process(|p| {
        p.set(&bytes, 0);
        p.if_(&good, |p| p.set(&bytes, &total));
    });
    m
}

//! The end of a DMA read client: empties the slots in order and shifts their bytes to lane 0.
//!
//! A transfer starts at any byte of a double word; since pieces are cut at block boundaries, the shift is one for the whole
//! transfer. Pipeline: read, RAM output, register, shift, pack two double words; all of it stalls with the receiver. A
//! slot that failed ends the transfer with one beat `last` and `err`, and the slots left of that transfer are skipped.
//! A client whose transfers are of whole, aligned beats has no shifter.
//! Throughput: a double word a cycle, or two in three cycles if they are shifted; 2 cycles lost a slot. Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use crate::rtl::{Module, cat, lit, mux, pick};

/// For slots of `1 << block` bytes; `shifts`: transfers start at any byte, else they are of whole beats. Inputs `some` and `slot_*` describe the slot at the head of the queue, `freed` frees it; `read`, `place` and
/// `word` are the block RAM's; `valid`, `ready`, `data`, `keep`, `last`, `err` the beats.
pub(crate) fn deliver(block: u32, shifts: bool) -> Module {
    let words = block - 2;
    let m = Module::new(&format!("deliver{block}"));
    m.sync();
    let (flr, some) = (m.input("flr", 1), m.input("some", 1));
    let (s_err, s_first) = (m.input("slot_err", 1), m.input("slot_first", 1));
    let (s_last, s_tail) = (m.input("slot_last", 1), m.input("slot_tail", 3));
    let (s_start, s_dws) = (m.input("slot_start", block), m.input("slot_dws", words + 1));
    let (word, ready) = (m.input("word", 32), m.input("ready", 1));

    let valid = m.output_reg("valid", 1, 0);
    let (data, keep) = (m.output_reg_nr("data", 64), m.output_reg_nr("keep", 8));
    let (last, err) = (m.output_reg_nr("last", 1), m.output_reg_nr("err", 1));
    // The one whose transfers are shifted is read a byte a cycle: it can do without the receiver's answer in the same cycle, a beat in three.
    let go = if shifts { !&valid } else { !&valid | &ready };
    let go = m.named("go", go);
    // A second double word out of one: upstream waits a cycle.
    let extra = m.reg("extra", 1, 0);
    let up = m.named("up", &go & !&extra);

    // Tokens into the pipeline.
    let (running, skipping) = (m.reg("running", 1, 0), m.reg("skipping", 1, 0));
    let place = m.reg_nr("place_q", words);
    let to_go = m.reg_nr("to_go", words + 1);
    let shift = m.reg_nr("shift", 2);
    let begins = m.named("begins", &some & !&running & !&skipping & !&s_err);
    let fails = m.named("fails", &some & !&running & !&skipping & &s_err);
    let skips = m.named("skips", &some & &skipping);
    let ending = m.named("ending", &running & to_go.eq(1));
    let release = m.named("freed_i", &up & (&ending | &fails | &skips));
    m.output_of("freed", &release & !&flr);
    m.output_of("read", &up);
    m.output_of("place", &place);
    let start_of_slot = m.reg_nr("start_of_slot", 1);
    m.process(|p| {
        p.if_(&up, |p| {
            p.if_(&begins, |p| {
                p.set(&running, true);
                p.set(&start_of_slot, &s_first);
                p.set(&place, s_start.slice(2, words));
                p.set(&to_go, &s_dws);
                p.if_(&s_first, |p| p.set(&shift, s_start.slice(0, 2)));
            });
            p.if_(&running, |p| {
                p.set(&start_of_slot, false);
                p.set(&place, &place + 1);
                p.set(&to_go, &to_go - 1);
                p.if_(&ending, |p| p.set(&running, false));
            });
            p.if_(&fails, |p| p.set(&skipping, !&s_last));
            p.if_(&skips & &s_last, |p| p.set(&skipping, false));
        });
        p.if_(&flr, |p| {
            p.set(&running, false);
            p.set(&skipping, false);
        });
    });
    // valid, error, first and last of the transfer, shift, length modulo 8.
    let token = cat(&[
        s_tail.clone(),
        shift.clone(),
        &ending & &s_last,
        start_of_slot.clone(),
        fails.clone(),
    ]);
    let enters = m.named("enters", &running | &fails);
    let (v1, v2) = (m.reg("v1", 1, 0), m.reg("v2", 1, 0));
    let (t1, t2) = (m.reg_nr("t1", 8), m.reg_nr("t2", 8));
    let q = m.reg_nr("q", 32);
    m.process(|p| {
        p.if_(&up, |p| {
            p.set(&v1, &enters);
            p.set(&t1, &token);
            p.set(&v2, &v1);
            p.set(&t2, &t1);
            p.set(&q, &word);
        });
        p.if_(&flr, |p| {
            p.set(&v1, false);
            p.set(&v2, false);
        });
    });

    // Shift: `low` and `high` are the eight bytes of which four are wanted, from byte n on.
    let before = m.reg_nr("prior", 32);
    let (extra_shift, extra_tail) = (m.reg_nr("extra_shift", 2), m.reg_nr("extra_tail", 3));
    let (bad, first, final_) = (t2.bit(0), t2.bit(1), t2.bit(2));
    let token_in = m.named("token_in", &v2 & !&extra);
    let (n, tail) = if shifts {
        (
            mux(&extra, &extra_shift, t2.slice(3, 2)),
            mux(&extra, &extra_tail, t2.slice(5, 3)),
        )
    } else {
        (lit(2, 0), lit(3, 0))
    };
    let (n, tail) = (m.named("n", n), m.named("tail", tail));
    let (aligned, holds_more) = if shifts {
        // Found beside `t2`. The last double word has bytes for one more of ours if the shift leaves what the end needs.
        let (shift, tail) = (t1.slice(3, 2), t1.slice(5, 2));
        let rest = cat(&[tail.is_zero(), tail]);
        let more = shift.any() & (shift.zext(3) + rest).le(4);
        let (aligned, holds_more) = (m.reg_nr("aligned", 1), m.reg_nr("holds_more", 1));
        m.process(|p| {
            p.if_(&up, |p| {
                p.set(&aligned, shift.is_zero());
                p.set(&holds_more, &more);
            })
        });
        (aligned, holds_more)
    } else {
        (lit(1, 1), lit(1, 0))
    };
    // Without a meaning while `extra`.
    let single = m.named("single", &first & &final_ & &holds_more);
    let dword = if shifts {
        let alone = m.named("alone", !&extra & (&aligned | &single));
        let low = m.named("low_bytes", mux(&alone, &q, &before));
        let none = m.named("none", &extra | &single);
        let high = m.named("high_bytes", &q & (!none).repl(32));
        let both = cat([&high, &low]);
        pick(&n, &[0, 1, 2, 3].map(|k| both.slice(8 * k, 32)))
    } else {
        q.clone()
    };
    let dword = m.named("dword", dword);
    let gives = &token_in & !&bad & (&aligned | !&first | &single);
    let gives = m.named("gives", gives | &extra);
    let doubles = m.named(
        "doubles",
        &token_in & !&bad & &final_ & !&first & &holds_more,
    );
    let ends = m.named("ends", mux(&extra, lit(1, 1), &final_ & !&doubles));

    // Pack.
    let (filled, low) = (m.reg("filled", 1, 0), m.reg_nr("low", 32));
    let partial = pick(
        &tail,
        &(0..8u64)
            .map(|k| lit(8, if k == 0 { 0xff } else { (1 << k) - 1 }))
            .collect::<Vec<_>>(),
    );
    let error_in = m.named("error_in", &token_in & &bad);
    m.process(|p| {
        p.if_(&ready, |p| p.set(&valid, false));
        p.if_(&go, |p| {
            p.set(&extra, &doubles);
            p.set(&extra_shift, &n);
            p.set(&extra_tail, &tail);
            p.if_(&token_in, |p| p.set(&before, &q));
            p.set(&valid, (&gives & (&filled | &ends)) | &error_in);
            p.set(&err, &error_in);
            p.set(&last, &error_in | &ends);
            p.set(&keep, mux(&error_in | !&ends, lit(8, 0xff), &partial));
            p.set(&data, mux(&filled, cat([&dword, &low]), dword.zext(64)));
            p.if_(&gives, |p| {
                p.set(&filled, !&filled & !&ends);
                p.set(&low, &dword);
            });
            p.if_(&error_in, |p| p.set(&filled, false));
        });
        p.if_(&flr, |p| {
            p.set(&valid, false);
            p.set(&filled, false);
            p.set(&extra, false);
        });
    });
    m.output_of("idle", !&valid & !&v1 & !&v2 & !&running & !&extra);
    m
}

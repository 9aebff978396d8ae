//! Joins verdicts with finished frames, in order for each source; enqueues, frees, learns, counts.
//!
//! Verdicts wait in a LUT RAM of four slots a source; `lookup` never has more than four of a source out (`consumed`). A `done` record
//! whose verdict is not there yet waits; `done` to `enq_valid` 2 cycles when it is there.

use super::{code, part, verdict_fields};
use crate::params::Params;
use crate::rtl::{E, Module, bits_for, cat, lit, mux, pick, ram, select_onehot};

/// The module: `verdict_*`, `done_*` in; `enq_*`, `learn_*`, `drop_state[P+1]` and the other drop pulses out (bit per
/// source), and `no_member[G]` and `pruned`.
pub fn commit(p: &Params) -> Module {
    let m = Module::new("forward_commit");
    let n = p.sources();
    let cb = p.cell_bits();
    let fields = verdict_fields(n, p.lag_groups);
    let wide: u32 = fields.iter().map(|f| f.1).sum();
    let v_valid = m.input("verdict_valid", 1);
    let v_source = m.input("verdict_source", n);
    let v_word = m.input("verdict_word", wide);
    let sb = bits_for(n as u64);

    // Slots: write and read counters for each source.
    let wr: Vec<E> = (0..n).map(|s| m.reg(&format!("wr{s}"), 3, 0)).collect();
    let rd: Vec<E> = (0..n).map(|s| m.reg(&format!("rd{s}"), 3, 0)).collect();
    let by = |onehot: &E, v: &[E]| -> E {
        let c: Vec<(E, E)> = (0..n as usize)
            .map(|s| (onehot.bit(s as u32), v[s].trunc(2)))
            .collect();
        select_onehot(2, &c)
    };
    let slots = m.inst("slots", &ram::lut(wide, (4 * n as u64).next_power_of_two()));
    let sw = bits_for((4 * n as u64).next_power_of_two());
    slots.drive("we", &v_valid).drive("wdata", &v_word);
    let w_addr = cat(&[crate::rtl::prim::encode(&v_source, sb), by(&v_source, &wr)]);
    slots.drive("waddr", w_addr.resize(sw));
    for s in 0..n {
        m.process(|q| {
            q.if_(&v_valid & v_source.bit(s), |q| {
                q.set(&wr[s as usize], &wr[s as usize] + 1)
            })
        });
    }

    let d_valid = m.input("done_valid", 1);
    let d_source = m.input("done_source", 4);
    let d_head = m.input("done_head", cb);
    let d_cells = m.input("done_cells", 8);
    let d_length = m.input("done_length", 14);
    let d_err = m.input("done_err", 1);
    let d_nocell = m.input("done_nocell", 1);

    // Stage 1: the record and its verdict.
    let have: Vec<E> = (0..n as usize).map(|s| wr[s].ne(&rd[s])).collect();
    let have = pick(&d_source.trunc(sb), &have);
    let busy = m.reg("busy", 1, 0);
    let enq_valid = m.output_reg("enq_valid", 1, 0);
    let enq_ready = m.input("enq_ready", 1);
    let take = m.named("take", &d_valid & &have & !&busy);
    m.output_of("done_ready", &have & !&busy);
    let low: Vec<E> = rd.iter().map(|r| r.trunc(2)).collect();
    slots.drive(
        "raddr",
        cat(&[d_source.trunc(sb), pick(&d_source.trunc(sb), &low)]).resize(sw),
    );
    let d_onehot = m.named("done_onehot", d_source.decode(n));
    for s in 0..n {
        let used = &take & d_onehot.bit(s);
        m.process(|q| q.if_(used, |q| q.set(&rd[s as usize], &rd[s as usize] + 1)));
    }
    let consumed = m.output_reg("consumed", n, 0);
    m.assign(&consumed, &d_onehot & take.repl(n));
    let latch = |name: &str, e: &E| {
        let r = m.reg_nr(name, e.width());
        m.process(|q| q.if_(&take, |q| q.set(&r, e)));
        r
    };
    let word = latch("word", &slots.port("rdata"));
    let (head, cells, length) = (
        latch("head", &d_head),
        latch("cells", &d_cells),
        latch("length", &d_length),
    );
    let (source, onehot) = (latch("source", &d_source), latch("onehot", &d_onehot));
    let bad = latch("bad", &d_err);
    let nocell = latch("nocell", &d_nocell);
    let f = |name: &str| part(&fields, &word, name);

    // Stage 2: enqueue or free, count, learn; `enq` is free because `busy` holds off the next record until it was taken.
    let fresh = m.reg("fresh", 1, 0);
    m.process(|q| q.set(&fresh, &take));
    let good = m.named("good", !&bad & !&nocell);
    let out = |name: &str, e: &E| {
        let r = m.output_reg_nr(name, e.width());
        m.process(|q| q.if_(&fresh, |q| q.set(&r, e)));
    };
    out("enq_head", &head);
    out("enq_cells", &cells);
    out("enq_length", &length);
    out("enq_source", &source);
    out("enq_dest", &mux(&good, f("dest"), lit(n, 0)));
    out("enq_class", &f("class"));
    out("enq_meta", &f("meta"));
    m.process(|q| {
        q.if_(&enq_valid & &enq_ready, |q| q.set(&enq_valid, 0));
        q.if_(&fresh & !&nocell, |q| q.set(&enq_valid, 1));
    });
    m.process(|q| {
        q.if_(&take, |q| q.set(&busy, 1));
        q.elif(&fresh & &nocell, |q| q.set(&busy, 0));
        q.elif(&enq_valid & &enq_ready, |q| q.set(&busy, 0));
    });

    let counts = [
        ("drop_state", code::STATE),
        ("drop_reserved", code::RESERVED),
        ("drop_no_destination", code::NO_DESTINATION),
        ("drop_blackhole", code::BLACKHOLE),
        ("drop_not_collecting", code::NOT_COLLECTING),
        ("drop_bad_source", code::BAD_SOURCE),
        ("drop_cut", code::CUT),
    ];
    let dropped = |c: u64| f("drop").eq(c) & &good;
    for (name, c) in counts {
        let pulses = m.output_reg(name, n, 0);
        m.assign(&pulses, &onehot & (&fresh & dropped(c)).repl(n));
    }
    let pulses = m.output_reg("drop_no_cell", n, 0);
    let no_cell = (&nocell & !&bad) | dropped(code::OVERRUN);
    m.assign(&pulses, &onehot & (&fresh & no_cell).repl(n));

    let counted = m.named("counted", &fresh & &good);
    let pulse = m.output_reg("pruned", 1, 0);
    m.assign(&pulse, &counted & f("pruned"));
    let pulses = m.output_reg("no_member", p.lag_groups, 0);
    m.assign(&pulses, f("no_member") & counted.repl(p.lag_groups));

    let learn = m.output_reg("learn_valid", 1, 0);
    m.assign(&learn, &fresh & &good & f("learn"));
    out("learn_key", &f("learn_key"));
    out("learn_dest", &f("learn_dest"));
    out("learn_insert", &f("learn_insert"));
    let idle = m.output_reg("idle", 1, 0);
    let none_waits: Vec<E> = (0..n as usize).map(|s| wr[s].ne(&rd[s])).collect();
    m.assign(
        &idle,
        !(&v_valid | &d_valid | &busy | &fresh | &enq_valid | cat(&none_waits).any()),
    );
    m
}

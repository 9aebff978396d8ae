//! Joins verdicts with finished frames, in order for each source; enqueues, frees, learns, counts.
//!
//! Records, hashes and verdicts wait in LUT RAM, four slots a source; `lookup` never has more than four of a source out (`consumed`). A `done` record
//! whose verdict is not there yet waits; `done` to `enq_valid` 1 cycle when it is there. A frame each second cycle at most.

use super::{RECORD_FIELDS, SLOTS, code, part, slot_bits, verdict_fields};
use crate::meta;
use crate::params::Params;
use crate::rtl::prim::encode;
use crate::rtl::{E, Module, cat, lit, pick, ram, select_onehot};

/// The module: `record_*`, `hash_*`, `verdict_*`, `done_*` in; `enq_*`, `learn_*`, `drop_state[P+1]` and the other drop pulses out (bit per
/// source), and `no_member[G]` and `pruned`.
pub fn commit(p: &Params) -> Module {
    let m = Module::new("forward_commit");
    let n = p.sources();
    let cb = p.cell_bits();
    let fields = verdict_fields(n, p.lag_groups);
    let wide: u32 = fields.iter().map(|f| f.1).sum();
    let record_bits: u32 = RECORD_FIELDS.iter().map(|f| f.1).sum();
    let v_valid = m.input("verdict_valid", 1);
    let v_source = m.input("verdict_source", n);
    let v_word = m.input("verdict_word", wide);
    let (ab, kb) = (slot_bits(n), SLOTS.trailing_zeros());
    let sb = ab - kb;

    // Verdicts written and read for each source.
    let counters = |what: &str| -> Vec<E> {
        (0..n)
            .map(|s| m.reg(&format!("{what}{s}"), kb + 1, 0))
            .collect()
    };
    let (wr, rd) = (counters("wr"), counters("rd"));
    let choices: Vec<(E, E)> = (0..n)
        .map(|s| (v_source.bit(s), wr[s as usize].trunc(kb)))
        .collect();
    let v_slot = cat(&[encode(&v_source, sb), select_onehot(kb, &choices)]);
    for (s, w) in wr.iter().enumerate() {
        let written = &v_valid & v_source.bit(s as u32);
        m.process(|q| q.if_(written, |q| q.set(w, w + 1)));
    }

    let d_valid = m.input("done_valid", 1);
    let d_source = m.input("done_source", 4);
    let d_head = m.input("done_head", cb);
    let d_cells = m.input("done_cells", 8);
    let d_length = m.input("done_length", 14);
    let d_err = m.input("done_err", 1);
    let d_nocell = m.input("done_nocell", 1);

    // The record and its verdict go straight into the outputs' registers, which rest until `enq` was taken.
    let number = d_source.trunc(sb);
    let have: Vec<E> = (0..n as usize).map(|s| wr[s].ne(&rd[s])).collect();
    let waits = m.named("waits", cat(have.iter().rev()));
    let fresh = m.reg("fresh", 1, 0);
    let enq_valid = m.output_reg("enq_valid", 1, 0);
    let enq_ready = m.input("enq_ready", 1);
    let open = m.named("open", pick(&number, &have) & !&fresh & !&enq_valid);
    let take = m.named("take", &d_valid & &open);
    m.output_of("done_ready", &open);
    let low: Vec<E> = rd.iter().map(|r| r.trunc(kb)).collect();
    let slot = m.named("slot", cat(&[number.clone(), pick(&number, &low)]));
    let memory = |name: &str, valid: &E, at: &E, word: &E| {
        let i = m.inst(name, &ram::lut(word.width(), 1 << ab));
        i.drive("we", valid)
            .drive("waddr", at)
            .drive("wdata", word)
            .drive("raddr", &slot);
        i.port("rdata")
    };
    let from = |name: &str, bits: u32| {
        let valid = m.input(&format!("{name}_valid"), 1);
        let at = m.input(&format!("{name}_slot"), ab);
        let word = m.input(&format!("{name}_word"), bits);
        memory(&format!("{name}s"), &valid, &at, &word)
    };
    let record = m.named("record", from("record", record_bits));
    let hash = from("hash", 32);
    let word = m.named("verdict", memory("verdicts", &v_valid, &v_slot, &v_word));
    let verdict = |name: &str| part(&fields, &word, name);
    let record = |name: &str| part(RECORD_FIELDS, &record, name);

    let d_onehot = m.named("done_onehot", d_source.decode(n));
    for (s, r) in rd.iter().enumerate() {
        let used = &take & d_onehot.bit(s as u32);
        m.process(|q| q.if_(used, |q| q.set(r, r + 1)));
    }
    let consumed = m.output_reg("consumed", n, 0);
    m.assign(&consumed, &d_onehot & take.repl(n));
    m.process(|q| {
        q.set(&fresh, &take);
        q.if_(&enq_valid & &enq_ready, |q| q.set(&enq_valid, 0));
        q.if_(&take & !&d_nocell, |q| q.set(&enq_valid, 1));
    });
    let out = |name: &str, e: &E| {
        let r = m.output_reg_nr(name, e.width());
        m.process(|q| q.if_(&take, |q| q.set(&r, e)));
    };
    out("enq_head", &d_head);
    out("enq_cells", &d_cells);
    out("enq_length", &d_length);
    out("enq_source", &d_source);
    out("enq_dest", &(verdict("dest") & (!&d_err).repl(n)));
    out("enq_class", &verdict("class"));
    let metadata = meta::pack(|f| match f {
        "hash" => hash.clone(),
        "reason" => verdict("reason"),
        "msti" => lit(6, 0),
        f => record(f),
    });
    out("enq_meta", &metadata);
    out("learn_key", &cat(&[record("fid"), record("src")]));
    out("learn_dest", &verdict("learn_dest"));
    out("learn_insert", &verdict("learn_insert"));

    // A cycle later: count, learn.
    let latch = |name: &str, e: &E| {
        let r = m.reg_nr(name, e.width());
        m.process(|q| q.if_(&take, |q| q.set(&r, e)));
        r
    };
    let onehot = latch("onehot", &d_onehot);
    let drop = latch("drop", &verdict("drop"));
    let (bad, nocell) = (latch("bad", &d_err), latch("nocell", &d_nocell));
    let (learns, pruned) = (
        latch("learns", &verdict("learn")),
        latch("is_pruned", &verdict("pruned")),
    );
    let lost_at = latch("lost_at", &verdict("no_member"));
    let counted = m.named("counted", &fresh & !&bad & !&nocell);
    let counts = [
        ("drop_state", code::STATE),
        ("drop_reserved", code::RESERVED),
        ("drop_no_destination", code::NO_DESTINATION),
        ("drop_blackhole", code::BLACKHOLE),
        ("drop_not_collecting", code::NOT_COLLECTING),
        ("drop_bad_source", code::BAD_SOURCE),
        ("drop_cut", code::CUT),
    ];
    for (name, c) in counts {
        let pulses = m.output_reg(name, n, 0);
        m.assign(&pulses, &onehot & (&counted & drop.eq(c)).repl(n));
    }
    let pulses = m.output_reg("drop_no_cell", n, 0);
    let no_cell = (&fresh & &nocell & !&bad) | (&counted & drop.eq(code::OVERRUN));
    m.assign(&pulses, &onehot & no_cell.repl(n));

    let pulse = m.output_reg("pruned", 1, 0);
    m.assign(&pulse, &counted & &pruned);
    let pulses = m.output_reg("no_member", p.lag_groups, 0);
    m.assign(&pulses, &lost_at & counted.repl(p.lag_groups));
    let learn = m.output_reg("learn_valid", 1, 0);
    m.assign(&learn, &counted & &learns);

    let idle = m.output_reg("idle", 1, 0);
    m.assign(
        &idle,
        !(&v_valid | &d_valid | &fresh | &enq_valid | waits.any()),
    );
    m
}

//! Ingress: beats of all sources into cells, one beat a cycle, and a `done` record for each frame.
//!
//! Algorithm: a round-robin arbiter grants one source a cycle (never the same one twice running, which gives the per-source state two cycles
//! to settle); the beat is registered, meets its source's context (LUT RAM: beats so far, cell, head) and is written. At the
//! first beat of each cell the source must be admitted (`pool.rs`) and a cell must be there; if not, the frame is dropped whole: its
//! cells go to the release engine at once, the rest of its beats is swallowed, its record says `done_nocell`.
//!
//! Latency: beat accepted to RAM write 2 cycles, `in_eop` accepted to `done_valid` 3 cycles. Rate: one beat a cycle over two or more
//! sources, one every two cycles from a single one; a `done` record every two cycles. A frame of more than 255 cells is dropped as `done_nocell`. A beat
//! without `sop` outside a frame is swallowed; `sop` inside a frame is ignored, so that no cell can be lost.
//! `done` records wait in a FIFO of 16; from 12 on the input pauses. Test: `tests/buffer`.

use super::fifo::fifo;
use crate::params::Params;
use crate::rtl::prim::{encode, round_robin};
use crate::rtl::{E, Module, any_of, bits_for, cat, lit, mux, ram, select_onehot};

/// Most cells in a frame.
pub(crate) const MAX_CELLS: u64 = 255;
/// Waiting `done` records from which the input pauses; beats on their way can add three.
const DONE_PAUSE: u64 = 12;

/// Bytes in the last beat as a count of `bytes`' bits, 0 for a whole beat.
fn tail_bytes(keep: &E) -> E {
    let bits = bits_for(keep.width() as u64);
    let marks: Vec<E> = (0..keep.width() - 1)
        .map(|i| keep.bit(i) & !keep.bit(i + 1))
        .collect();
    let values: Vec<(E, E)> = marks
        .into_iter()
        .enumerate()
        .map(|(i, m)| (m, lit(bits, i as u64 + 1)))
        .collect();
    select_onehot(bits, &values)
}

/// The ingress of all sources.
pub(crate) fn ingress(params: &Params) -> Module {
    let (s, w, c) = (params.sources(), params.width, params.cell_bits());
    let (bytes, lk) = (params.beat_bytes(), bits_for(params.cell_beats() as u64));
    let nb = 8 + lk;
    let m = Module::new("buffer_ingress");
    let run = m.input("run", 1);

    // Grant and transfer.
    let ports: Vec<[E; 6]> = (0..s)
        .map(|i| {
            let f = |n: &str, b| m.input(&format!("in{i}_{n}"), b);
            [
                f("valid", 1),
                f("data", w),
                f("keep", bytes),
                f("sop", 1),
                f("eop", 1),
                f("err", 1),
            ]
        })
        .collect();
    let valid: Vec<E> = ports.iter().rev().map(|p| p[0].clone()).collect();
    let granted = m.reg("granted", s, 0);
    let request = m.named("request", cat(&valid) & !&granted & run.repl(s));
    let grant = round_robin(&m, "rr", &request, &lit(1, 1));
    m.assign(&granted, &grant);
    for i in 0..s {
        m.output_of(&format!("in{i}_ready"), granted.bit(i));
    }
    let select = |k: usize| {
        let v: Vec<(E, E)> = (0..s)
            .map(|i| (granted.bit(i), ports[i as usize][k].clone()))
            .collect();
        select_onehot(v[0].1.width(), &v)
    };
    let some = m.named("some_granted", granted.any());
    let x_hot = m.delay("x_hot", &granted);
    let x_source = m.delay("x_source", &encode(&granted, 4));
    let x_data = m.delay_if(&some, "x_data", &select(1));
    let x_tail = m.delay_if(&some, "x_tail", &tail_bytes(&select(2)));
    let [x_eop, x_err] =
        [("x_eop", 4), ("x_err", 5)].map(|(n, k)| m.delay_if(&some, n, &select(k)));

    // Context of the source. What decides about a cell is kept beside the LUT RAM, and looked up while the beat is on its way into
    // the registers above: the context has settled by then, and the way to `take` begins here.
    let [in_frame, dropping, full, longest] =
        ["in_frame", "dropping", "cell_full", "longest"].map(|name| m.reg(name, s, 0));
    let of = |flags: &E, source: &E| (flags & source).any();
    let next = |name: &str, value: &E| {
        let x = m.reg(name, 1, 0);
        m.assign(&x, value);
        x
    };
    let inside = m.named("inside_frame", of(&in_frame, &granted));
    let lost_before = m.named("lost_before", &inside & of(&dropping, &granted));
    let counts = m.named("counts", &some & (&inside | select(3)));
    let asks = &counts & (!&inside | (of(&full, &granted) & !&lost_before));
    let start = next("start", &!&inside);
    let beat = next("beat", &counts);
    let drop_before = next("drop_before", &lost_before);
    let need = next("need", &asks);
    let short = next("short", &!(&inside & of(&longest, &granted)));
    let ctx = m.inst("contexts", &ram::lut(nb + 2 * c, s as u64));
    let word = m.named("word", ctx.port("rdata"));
    let (ctx_n, ctx_cell, ctx_head) = (word.slice(0, nb), word.slice(nb, c), word.slice(nb + c, c));
    let n = m.named("n", mux(&start, lit(nb, 0), &ctx_n));
    let next_n = m.named("next_n", &n + 1);

    // Admission of a cell.
    let (admit, pool_ok) = (m.input("admit", s), m.input("pool_ok", 1));
    let (cell_valid, new_cell) = (m.input("spare_valid", 1), m.input("spare", c));
    let own = next("own", &of(&admit, &granted));
    let give = m.named("give", &need & &short & &cell_valid & (&own | &pool_ok));
    let refuse = m.named("refuse", &need & !&give);
    let drop_now = m.named("drop_now", &drop_before | &refuse);
    let cell = m.named("cell_now", mux(&need, &new_cell, &ctx_cell));
    let head = m.named("head_now", mux(&start, &new_cell, &ctx_head));
    m.output_of("take", &give);
    m.output_of("take_source", &x_hot);
    m.output_of("take_own", &own);
    ctx.drive("we", &beat)
        .drive("waddr", x_source.trunc(bits_for(s as u64)))
        .drive("wdata", cat(&[head.clone(), cell.clone(), next_n.clone()]))
        .drive("raddr", x_source.trunc(bits_for(s as u64)));
    let put = |old: &E, value: &E| (old & !&x_hot) | (&x_hot & value.repl(s));
    m.process(|p| {
        p.if_(&beat, |p| {
            p.set(&in_frame, put(&in_frame, &!&x_eop));
            p.set(&dropping, put(&dropping, &drop_now));
            p.set(&full, put(&full, &next_n.slice(0, lk).is_zero()));
            p.set(&longest, put(&longest, &next_n.slice(lk, 8).eq(MAX_CELLS)));
        });
    });

    // Writes.
    let write = m.output_reg("write_valid", 1, 0);
    m.assign(&write, &beat & !&drop_now);
    let write_addr = m.output_reg_nr("write_addr", c + lk);
    m.assign(&write_addr, cat(&[cell, n.slice(0, lk)]));
    let write_data = m.output_reg_nr("write_data", w);
    m.assign(&write_data, &x_data);
    let link = m.output_reg("link_valid", 1, 0);
    m.assign(&link, &give & !&start);
    let link_addr = m.output_reg_nr("link_addr", c);
    m.assign(&link_addr, &ctx_cell);
    let link_next = m.output_reg_nr("link_next", c);
    m.assign(&link_next, &new_cell);

    // A frame that does not fit gives its cells back.
    let lost = m.output_reg("lost_valid", 1, 0);
    m.assign(&lost, &refuse & !&start);
    // {cells, source, head}; all of the frame's cells are full, so the beats tell how many there are.
    let lost_frame = m.output_reg_nr("lost_frame", c + 12);
    m.assign(
        &lost_frame,
        cat(&[ctx_n.slice(lk, 8), x_source.clone(), ctx_head]),
    );

    // Records.
    let last = n.slice(lk, 8) + 1;
    let cells = m.named("cells", last & (!&drop_now).repl(8));
    let beats = mux(x_tail.is_zero(), &next_n, &n);
    let length = m.named("length", cat(&[beats, x_tail.clone()]));
    let record = cat(&[
        drop_now.clone(),
        x_err.clone(),
        length,
        cells,
        head,
        x_source.clone(),
    ]);
    let done = m.inst("done", &fifo(28 + c, DONE_PAUSE));
    let done_ready = m.input("done_ready", 1);
    // One more waits in a register, so that the taker's answer, which comes from the other side of the card, ends here
    // and not at the FIFO's pointers. It is filled when it is empty: a record each second cycle.
    let held = m.reg("done_held", 1, 0);
    let fills = m.named("done_fills", done.port("out_valid") & !&held);
    let leaves = m.named("done_leaves", &held & &done_ready);
    done.drive("in_valid", &beat & &x_eop)
        .drive("in_data", &record)
        .drive("out_ready", !&held);
    let d = m.delay_if(&fills, "done_word", &done.port("out_data"));
    m.process(|p| {
        p.if_(&fills, |p| p.set(&held, true));
        p.elif(&leaves, |p| p.set(&held, false));
    });
    m.output_of("done_valid", &held);
    m.output_of("done_source", d.slice(0, 4));
    m.output_of("done_head", d.slice(4, c));
    m.output_of("done_cells", d.slice(4 + c, 8));
    m.output_of("done_length", d.slice(12 + c, 14));
    m.output_of("done_err", d.slice(26 + c, 1));
    m.output_of("done_nocell", d.slice(27 + c, 1));
    m.output_of("pause", done.port("almost_full"));

    let quiet = any_of(
        1,
        &[
            granted.any(),
            request.any(),
            beat,
            write,
            link,
            lost,
            fills,
            leaves,
        ],
    );
    m.output_of("idle", !quiet);
    m
}

//! Enqueue: a frame's record, then its copies, one a cycle.
//!
//! Algorithm: stage 1 picks the lowest destination left, stage 2 reads what its queue still takes, stage 3 compares, writes the ring
//! and the tail pointer or drops the copy. A cycle between two frames lets stage 3 be seen by the next stage 2. The record holds the number of copies asked for; dropped
//! ones, or a frame without destinations (as one copy), are handed to the release engine in one request after the last copy.
//!
//! Rate: a frame every (copies + 1) cycles, at least 2. Latency: `enq` accepted to the queue's not being empty 4 cycles. A copy is dropped if
//! occupancy + `enq_cells` would exceed the limit. A copy for a port whose reader and queues have nothing goes straight to the
//! reader (`direct_*`, if the load port is free): it never waits, so no limit applies to it. `enq_cells` = 0 (a `done_nocell` record) is accepted and ignored.
//! Test: `tests/buffer`.

use super::{occupancy_bits, queue_bits};
use crate::meta;
use crate::params::Params;
use crate::rtl::prim::{encode, lowest_onehot};
use crate::rtl::{E, Module, cat, lit, mux, pick};

/// The number of set bits, `width` bits wide.
fn count_ones(x: &E, width: u32) -> E {
    (0..x.width()).fold(lit(width, 0), |n, i| n + x.bit(i).zext(width))
}

/// The enqueue machine.
pub(crate) fn enqueue(params: &Params) -> Module {
    let (s, c) = (params.sources(), params.cell_bits());
    let (qb, ob) = (queue_bits(params), occupancy_bits(params));
    let m = Module::new("queue_enqueue");
    // Room for releases, RAM swept.
    let run = m.input("run", 1);
    let valid = m.input("enq_valid", 1);
    let head_in = m.input("enq_head", c);
    let cells_in = m.input("enq_cells", 8);
    let length_in = m.input("enq_length", 14);
    let source_in = m.input("enq_source", 4);
    let dest_in = m.input("enq_dest", s);
    let class_in = m.input("enq_class", 3);
    let meta_in = m.input("enq_meta", meta::width());

    // Stage 1: the frame and the copies left.
    let ready = m.output_reg("enq_ready", 1, 0);
    let fresh = m.reg("fresh", 1, 0);
    let left = m.reg("left", s, 0);
    let accept = m.named("accept", &valid & &ready);
    let keep = |name: &str, value: &E| {
        let r = m.reg_nr(name, value.width());
        m.process(|p| p.if_(&accept, |p| p.set(&r, value)));
        r
    };
    let head = keep("frame_head", &head_in);
    let cells = keep("frame_cells", &cells_in);
    let length = keep("frame_length", &length_in);
    let source = keep("frame_source", &source_in);
    let class = keep("frame_class", &class_in);
    let metadata = keep("frame_meta", &meta_in);
    let n = count_ones(&dest_in, 4);
    let copies = keep("frame_copies", &mux(n.is_zero(), lit(4, 1), &n));
    let none = keep("frame_none", &dest_in.is_zero());
    let this = m.named("chosen", lowest_onehot(&left));
    let rest = m.named("rest", &left & !&this);
    m.process(|p| {
        p.if_(&accept, |p| {
            let real = cells_in.any();
            p.set(&left, &dest_in & real.repl(s));
            p.set(&fresh, &real);
        });
        p.else_(|p| {
            p.set(&left, &rest);
            p.set(&fresh, false);
        });
    });
    // Ready again in the cycle after the last copy has left stage 1.
    m.process(|p| {
        p.set(&ready, &run & !rest.any());
        p.if_(&accept, |p| p.set(&ready, false));
    });
    m.output_of("record_valid", &fresh);
    m.output_of("record_addr", &head);
    m.output_of(
        "record_word",
        cat(&[
            cells.clone(),
            copies.clone(),
            source.clone(),
            length.clone(),
        ]),
    );
    m.output_of("record_meta", &metadata);

    // Stage 2: occupancy and limit of the copy's queue. The frame's fields stay until stage 3 is through.
    let busy2 = m.reg("busy2", 1, 0);
    let direct = m.wire("direct", s);
    m.assign(&busy2, left.any() & !direct.any());
    let free2 = m.reg("free2", 1, 0);
    m.assign(&free2, &fresh & &none);
    let last2 = m.reg("last2", 1, 0);
    m.assign(&last2, left.any() & !rest.any());
    let hot2 = m.delay("hot2", &this);
    let high = class.any();
    let queue2 = m.delay("queue2", &cat(&[encode(&this, qb - 1), high]));
    let occupancy: Vec<E> = (0..s * 2)
        .map(|q| m.input(&format!("occupancy{q}"), ob))
        .collect();
    let limits: Vec<E> = (0..s).map(|d| m.input(&format!("limit{d}"), ob)).collect();
    let limit = pick(&queue2.slice(1, qb - 1), &limits).zext(ob + 1);
    // Negative after a limit has been lowered below what waits.
    let room = m.delay("room", &(limit - pick(&queue2, &occupancy).zext(ob + 1)));

    // Stage 3: into the ring, or dropped.
    let busy3 = m.reg("busy3", 1, 0);
    m.assign(&busy3, &busy2);
    let free3 = m.reg("free3", 1, 0);
    m.assign(&free3, &free2);
    let last3 = m.reg("last3", 1, 0);
    m.assign(&last3, &last2);
    let hot3 = m.delay("hot3", &hot2);
    let queue3 = m.delay("queue3", &queue2);
    let head3 = m.delay("head3", &m.delay("head2", &head));
    let frame1 = cat(&[copies, cells, source]);
    let frame2 = m.delay("frame2", &frame1);
    let frame3 = m.delay("frame3", &frame2);
    let cells3 = frame3.slice(4, 8);
    let most = room.trunc(ob);
    let wide = ob.max(8);
    let over = m.named("over", room.bit(ob) | cells3.zext(wide).gt(most.zext(wide)));
    let push = m.named("fits", &busy3 & !&over);
    let drop = m.named("drop", &busy3 & &over);
    m.output_of("push", &push);
    m.output_of("push_queue", &queue3);
    m.output_of("push_head", &head3);
    m.output_of("push_cells", &cells3);
    let full = m.output_reg("drop_queue_full", s, 0);
    m.assign(&full, &hot3 & drop.repl(s));

    // Straight to a reader that has nothing, and for which nothing is on its way (two stages, and one that `idle_readers` lags behind).
    let idle_readers = m.input("idle_readers", s);
    let passing = &hot3 & busy3.repl(s);
    let passed = m.reg("passed", s, 0);
    m.assign(&passed, &passing);
    let open = !m.input("load_taken", 1);
    m.assign(
        &direct,
        &this & &idle_readers & !(&passing | &passed) & open.repl(s),
    );
    m.output_of("direct_hot", &direct);
    m.output_of("direct_dest", encode(&this, qb - 1));
    m.output_of("direct_frame", cat(&[frame1, head]));
    m.output_of("direct_length", &length);

    // What the release engine gets.
    let drops = m.reg("drops", 4, 0);
    let now = m.named("drops_now", &drops + drop.zext(4));
    m.assign(&drops, mux(&last3, lit(4, 0), &now));
    let dropped = m.output_reg("dropped_valid", 1, 0);
    m.assign(&dropped, &free3 | (&last3 & now.any()));
    let word = m.output_reg_nr("dropped_frame", c + 20);
    let count = mux(&free3, lit(4, 1), &now);
    m.assign(&word, cat(&[count, frame3, head3]));

    m.output_of(
        "idle",
        !(&valid | &fresh | left.any() | &busy2 | &free2 | &busy3 | &free3 | dropped),
    );
    m
}

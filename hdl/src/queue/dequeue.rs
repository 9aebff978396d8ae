//! Dequeue: the rings, and the next frame for each egress reader that has none.
//!
//! Algorithm: a reader that holds fewer than two frames and has one in its queues (enabled, or to be flushed) is chosen round robin, its higher class
//! first; the ring gives the head cell, the record RAM what else the reader needs. A pipeline of six stages takes one choice a cycle;
//! a frame that is chosen counts until egress says `finished`; a reader is not chosen in two cycles running.
//! The head pointer moves in stage 1; a ring whose pointers meet then is empty, unless a copy is pushed in that cycle.
//!
//! Latency: queue not empty to `load_valid` 5 cycles. The host's metadata stand in registers until its frame's first beat has been taken
//! (`host_clear`); its next frame is not fetched before. Cost (512 cells, 2 ports): 6 block RAMs (rings 2, records 4). Test: `tests/buffer`.

use super::{occupancy_bits, queue_bits, ring};
use crate::meta;
use crate::params::Params;
use crate::rtl::prim::{encode, round_robin, step};
use crate::rtl::{E, Module, any_of, bits_for, cat, lit, mux, ram};

/// The rings, records and the dequeue pipeline.
pub(crate) fn dequeue(params: &Params) -> Module {
    let (s, c) = (params.sources(), params.cell_bits());
    let (qb, ob) = (queue_bits(params), occupancy_bits(params));
    let depth = ring(params);
    let rb = bits_for(depth);
    let m = Module::new("queue_dequeue");
    let run = m.input("run", 1);
    let sweep = m.input("sweep_cell", c);
    let push = m.input("push", 1);
    let push_queue = m.input("push_queue", qb);
    let push_head = m.input("push_head", c);
    let push_cells = m.input("push_cells", 8);
    let (enable, flush) = (m.input("tx_enable", s), m.input("flush", s));
    let (finished, host_clear) = (m.input("finished", s), m.input("host_clear", 1));

    // Stage 0: choose a reader and its class.
    let waiting: Vec<E> = (0..2 * s)
        .map(|q| m.reg(&format!("waiting_{}_{}", q / 2, q % 2), 1, 0))
        .collect();
    let class_any = |k: u32| -> E {
        cat(&(0..s)
            .rev()
            .map(|d| waiting[(2 * d + k) as usize].clone())
            .collect::<Vec<_>>())
    };
    let (low, high) = (class_any(0), class_any(1));
    // Frames that each reader has or is being given: two at most.
    let held: Vec<E> = (0..s).map(|d| m.reg(&format!("held{d}"), 2, 0)).collect();
    let busy = cat(&held.iter().rev().map(|h| h.bit(1)).collect::<Vec<_>>());
    let valid1 = m.reg("valid1", 1, 0);
    let hot1 = m.reg_nr("hot1", s);
    // The queue of a reader that was just chosen does not know yet whether it is empty now.
    let recent = &hot1 & valid1.repl(s);
    let host_held = m.reg("host_held", 1, 0);
    let host = |e: &E| e.bit(s - 1);
    let free = !busy & !recent & !cat(&[host_held.clone(), lit(s - 1, 0)]);
    let request = m.named("request", (&low | &high) & free & (&enable | &flush));
    let grant = round_robin(&m, "rr", &request, &lit(1, 1));
    // Copies that come straight from enqueue, for readers that have nothing; never the host's, whose metadata come from the record RAM.
    let direct_hot = m.input("direct_hot", s);
    let direct = m.named("direct", direct_hot.any());
    let nothing: Vec<E> = held.iter().rev().map(|h| h.is_zero()).collect();
    let ports = !cat(&[lit(1, 1), lit(s - 1, 0)]);
    let idle_readers = m.output_reg("idle_readers", s, 0);
    m.assign(
        &idle_readers,
        cat(&nothing) & !(&low | &high) & &enable & !&flush & ports,
    );
    let given = &grant | &direct_hot;
    for (d, h) in held.iter().enumerate() {
        let (up, down) = (given.bit(d as u32), finished.bit(d as u32));
        m.process(|p| p.if_(up.ne(&down), |p| p.set(h, step(h, &up))));
    }
    m.assign(&host_held, (&host_held & !&host_clear) | host(&grant));
    let class = (&grant & &high).any();
    m.assign(&valid1, grant.any());
    m.assign(&hot1, &grant);
    let flush1 = m.delay("flush1", &(&grant & &flush).any());
    let queue1 = m.delay("queue1", &cat(&[encode(&grant, qb - 1), class]));

    // Stage 1: pointers. Both live in LUT RAM, cleared by the sweep.
    let pointer = |name: &str, we: &E, at: &E, value: &E, first: u64, read: &E| {
        let i = m.inst(name, &ram::lut(rb, 1 << qb));
        i.drive("we", !&run | we)
            .drive("waddr", mux(&run, at, sweep.trunc(qb)))
            .drive("wdata", mux(&run, value, lit(rb, first)))
            .drive("raddr", read);
        i.port("rdata")
    };
    let tail_next = m.wire("tail_next", rb);
    let head_next = m.wire("head_next", rb);
    let tail = m.named(
        "tail",
        pointer("tails", &push, &push_queue, &tail_next, 0, &push_queue),
    );
    let tail1 = m.named(
        "tail1",
        pointer("tails_seen", &push, &push_queue, &tail_next, 0, &queue1),
    );
    let head1 = m.named(
        "head1",
        pointer("heads", &valid1, &queue1, &head_next, 0, &queue1),
    );
    // What follows a head is kept, too: the comparison with the tail need not wait for an adder.
    let after_next = m.wire("after_next", rb);
    let after1 = pointer("heads_next", &valid1, &queue1, &after_next, 1, &queue1);
    m.assign(&tail_next, &tail + 1);
    m.assign(&head_next, &after1);
    m.assign(&after_next, &after1 + 1);
    let emptied = m.named("emptied", &valid1 & head_next.eq(&tail1));
    for (q, w) in waiting.iter().enumerate() {
        m.process(|p| {
            p.if_(&push & push_queue.eq(q as u64), |p| p.set(w, true));
            p.elif(&emptied & queue1.eq(q as u64), |p| p.set(w, false));
        });
    }
    let rings = m.inst("rings", &ram::block(c, (2 * s as u64) * depth));
    let ring_bits = bits_for(2 * s as u64 * depth);
    rings
        .drive("we", &push)
        .drive("waddr", cat(&[push_queue.clone(), tail]).trunc(ring_bits))
        .drive("wdata", &push_head)
        .drive("ren", true)
        .drive("raddr", cat(&[queue1.clone(), head1]).trunc(ring_bits));

    // Stages 2 to 5: ring, head cell, record, reader.
    let mut valid = valid1.clone();
    let mut along = cat(&[hot1, flush1, queue1]);
    let mut host4 = valid.clone();
    for stage in 2..=5 {
        let v = m.reg(&format!("valid{stage}"), 1, 0);
        m.assign(&v, &valid);
        valid = v;
        along = m.delay(&format!("along{stage}"), &along);
        if stage == 4 {
            host4 = &valid & host(&along.slice(qb + 1, s));
            let class = along.bit(0);
            let kept = m.output_reg_nr("host_class", 3);
            m.process(|p| p.if_(&host4, |p| p.set(&kept, class.zext(3))));
        }
    }
    let head3 = m.delay("head3", &rings.port("rdata"));
    let head5 = m.delay("head5", &m.delay("head4", &head3));
    let (record_valid, record_addr) = (m.input("record_valid", 1), m.input("record_addr", c));
    let record = |name: &str, bits: u32, word: &E| {
        let r = m.inst(name, &ram::block(bits, params.cells as u64));
        r.drive("we", &record_valid)
            .drive("waddr", &record_addr)
            .drive("wdata", word)
            .drive("ren", true)
            .drive("raddr", &head3);
        r.port("rdata")
    };
    let word4 = record("records", 30, &m.input("record_word", 30));
    let meta4 = record(
        "metadata",
        meta::width(),
        &m.input("record_meta", meta::width()),
    );
    let keep_host = |name: &str, value: E| {
        let r = m.output_reg_nr(name, value.width());
        m.process(|p| p.if_(&host4, |p| p.set(&r, value)));
    };
    keep_host("host_meta", meta4);
    keep_host("host_length", word4.slice(0, 14));
    keep_host("host_source", word4.slice(14, 4));
    let word5 = m.delay("word5", &word4);
    let (length, cells5) = (word5.slice(0, 14), word5.slice(22, 8));
    let (hot5, queue5) = (along.slice(qb + 1, s), along.slice(0, qb));
    // {copies, cells, source, head} as the release engine wants it.
    let frame5 = cat(&[
        word5.slice(18, 4),
        cells5.clone(),
        word5.slice(14, 4),
        head5,
    ]);
    let load = |name: &str, queued: &E| {
        let straight = m.input(&format!("direct_{name}"), queued.width());
        m.output_of(&format!("load_{name}"), mux(&valid, queued, straight));
    };
    load("dest", &queue5.slice(1, qb - 1));
    load("frame", &frame5);
    load("length", &length);
    m.output_of("load_hot", mux(&valid, &hot5, &direct_hot));
    m.output_of("load_valid", &valid | &direct);
    m.output_of("load_flush", &valid & along.bit(qb));
    m.output_of("load_taken", &valid);

    // Occupancy.
    let cells: Vec<E> = (0..2 * s)
        .map(|q| {
            let o = m.output_reg(&format!("occupancy{q}"), ob, 0);
            let up = &push & push_queue.eq(q as u64);
            let down = &valid & queue5.eq(q as u64);
            let plus = push_cells.resize(ob) & up.repl(ob);
            let minus = cells5.resize(ob) & down.repl(ob);
            m.assign(&o, &o + plus - minus);
            o
        })
        .collect();
    for d in 0..s as usize {
        let sum = cells[2 * d].zext(ob + 1) + cells[2 * d + 1].zext(ob + 1);
        let w = m.output_reg(&format!("waiting{d}"), ob + 1, 0);
        m.assign(&w, sum);
    }
    m.output_of(
        "idle",
        !(any_of(1, &[request.any(), push, valid1, valid]) | finished.any()),
    );
    m
}

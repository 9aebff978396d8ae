//! Giving cells back: reference counts and the walk along a frame's cells.
//!
//! Algorithm: a request says how many of a frame's copies are done with it (`count` of `copies`). A request for all copies frees
//! the frame at once; else the copies done so far are summed in a block RAM under the frame's head cell, which is zero for every frame
//! that has none done, and the frame is freed when the sum reaches `copies` (beyond: `double_free`, and nothing is freed). Freeing walks the links and pushes cell by
//! cell. Requests come from ingress (a frame that did not fit), from the queues (dropped copies) and from
//! egress (a copy was read or flushed), each through a FIFO of 16, round robin.
//!
//! Rates: a request of all copies every 2 cycles, others 4; 1 cycle for a frame's only cell, else 3 cycles a cell (its link read waits for
//! egress, which reads one link a cell). Requests are words {cells 8, source 4, head}, with {count 4, copies 4} above where there are any. Cost (512 cells): 1 block RAM.
//! Test: `tests/buffer.rs`.

use super::arbiter::round_robin;
use super::fifo::fifo;
use crate::params::Params;
use crate::rtl::{E, Module, cat, lit, mux, ram, select_onehot};

/// Waiting requests from which their source pauses.
const PAUSE: u64 = 10;

/// The release engine. `link_*` shares the link RAM's read port: `link_grant` tells that a request is taken, the link comes two cycles later.
pub(crate) fn release(params: &Params) -> Module {
    let (n, c) = (params.cells as u64, params.cell_bits());
    let m = Module::new("buffer_release");
    let run = m.input("run", 1);
    let sweep_cell = m.input("sweep_cell", c);
    let width = c + 20;
    let one = lit(4, 1);
    let mut takes = vec![];
    let queues: Vec<(E, E)> = [("lost", c + 12), ("dropped", width), ("read", c + 16)]
        .iter()
        .map(|(name, bits)| {
            let f = m.inst(name, &fifo(*bits, PAUSE));
            f.drive("in_valid", m.input(&format!("{name}_valid"), 1));
            f.drive("in_data", m.input(&format!("{name}_frame"), *bits));
            m.output_of(&format!("{name}_pause"), f.port("almost_full"));
            let take = m.wire(&format!("{name}_take"), 1);
            f.drive("out_ready", &take);
            takes.push(take);
            let x = f.port("out_data");
            let full = match bits - c {
                12 => cat(&[one.clone(), one.clone(), x]),
                16 => cat(&[one.clone(), x]),
                _ => x,
            };
            (f.port("out_valid"), full)
        })
        .collect();

    // One request at a time: 0 none, 1 decide, 2 wait for the sum, 3 compare.
    let state = m.reg("state", 2, 0);
    let idle = m.named("state_idle", state.is_zero());
    let valid: Vec<E> = queues.iter().rev().map(|q| q.0.clone()).collect();
    let request = m.named("request", cat(&valid) & (&run & &idle).repl(3));
    let grant = round_robin(&m, "rr", &request, &lit(1, 1));
    for (i, take) in takes.iter().enumerate() {
        m.assign(take, grant.bit(i as u32));
    }
    let chosen: Vec<(E, E)> = queues
        .iter()
        .enumerate()
        .map(|(i, q)| (grant.bit(i as u32), q.1.clone()))
        .collect();
    let word = m.reg_nr("word", width);
    m.process(|p| p.if_(&idle, |p| p.set(&word, select_onehot(width, &chosen))));
    let head = word.slice(0, c);
    let (copies, count) = (word.slice(c + 12, 4), word.slice(c + 16, 4));
    let sums = m.inst("sums", &ram::block(4, n));
    let before = m.delay("sum_before", &sums.port("rdata"));
    let sum = m.named("sum", before.zext(5) + count.zext(5));
    let complete = m.named("complete", sum.eq(copies.zext(5)));
    let beyond = m.named("beyond", sum.gt(copies.zext(5)));
    let compare = m.named("compare", state.eq(3));
    let all = m.named("all", state.eq(1) & copies.eq(&count));
    let free = m.named("free", &all | (&compare & &complete));
    let walk_ready = m.wire("walk_ready", 1);
    m.process(|p| {
        p.switch(&state, |s| {
            s.case(0, |p| p.if_(grant.any(), |p| p.set(&state, lit(2, 1))));
            s.case(1, |p| {
                p.if_(!copies.eq(&count), |p| p.set(&state, lit(2, 2)));
                p.elif(&walk_ready, |p| p.set(&state, lit(2, 0)));
            });
            s.case(3, |p| {
                p.if_(!&complete | &walk_ready, |p| p.set(&state, lit(2, 0)))
            });
            s.default(|p| p.set(&state, &state + 1));
        });
    });
    let next = mux(&complete, lit(4, 0), sum.trunc(4));
    sums.drive(
        "we",
        !&run | (&compare & !&beyond & (!&complete | &walk_ready)),
    )
    .drive("waddr", mux(&run, &head, &sweep_cell))
    .drive("wdata", next & run.repl(4))
    .drive("ren", true)
    .drive("raddr", &head);
    m.output_of("double_free", &compare & &beyond);

    // The walk: 0 none, 1 push, 2 and 3 wait for the link.
    let step = m.reg("walk", 2, 0);
    let (cell, left) = (m.reg_nr("current", c), m.reg_nr("left", 8));
    let source = m.reg_nr("source", 4);
    let link_word = m.input("link_word", c);
    let (push_ready, link_grant) = (m.input("push_ready", 1), m.input("link_grant", 1));
    let pushing = m.named("pushing", step.eq(1));
    let last = m.named("last", left.eq(1));
    m.output_of("link_request", &pushing & !&last);
    m.output_of("link_addr", &cell);
    let push = m.named("push", &pushing & (&last | &link_grant));
    let pushed = m.named("pushed", &push & &push_ready);
    m.output_of("push_valid", &push);
    m.output_of("push_cell", &cell);
    m.output_of("push_source", &source);
    m.assign(&walk_ready, step.is_zero() | (&pushed & &last));
    m.process(|p| {
        p.switch(&step, |s| {
            s.case(1, |p| {
                p.if_(&pushed, |p| {
                    p.set(&left, &left - 1);
                    p.set(&step, mux(&last, lit(2, 0), lit(2, 2)));
                })
            });
            s.case(2, |p| p.set(&step, lit(2, 3)));
            s.case(3, |p| {
                p.set(&cell, &link_word);
                p.set(&step, lit(2, 1));
            });
            s.default(|_| {});
        });
        p.if_(&free & &walk_ready, |p| {
            p.set(&cell, &head);
            p.set(&left, word.slice(c + 4, 8));
            p.set(&source, word.slice(c, 4));
            p.set(&step, lit(2, 1));
        });
    });
    m.output_of(
        "idle",
        state.is_zero() & step.is_zero() & !cat(&valid).any(),
    );
    m
}

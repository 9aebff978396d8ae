//! Giving cells back: reference counts and the walk along a frame's cells.
//!
//! Algorithm: a request says how many of a frame's copies are done with it (`count` of `copies`). The copies done so far are summed in a
//! block RAM under the frame's head cell, which is zero for every frame that has none done; the frame is freed when the sum reaches `copies` (beyond:
//! `double_free`, and nothing is freed). Freeing walks the links and pushes cell by cell. Requests come from ingress (a frame that did
//! not fit), from the queues (dropped copies) and from egress (a copy was read or flushed), each through a FIFO of 16, round robin.
//!
//! Rates: a request every 2 cycles; 1 cycle for a frame's only cell, else 2 cycles a cell (its link read waits for egress, which reads
//! one link a cell); 16 frames wait for the walk. Requests are words {cells 8, source 4, head}, with {count 4, copies 4} above where there are any.
//! Cost (512 cells): 1 block RAM. Test: `tests/buffer`.

use super::fifo::fifo;
use crate::params::Params;
use crate::rtl::prim::round_robin;
use crate::rtl::{E, Module, cat, lit, mux, ram, select_onehot};

/// Waiting requests from which their source pauses; egress can add three.
const PAUSE: u64 = 12;

/// The release engine. `link_*` shares the link RAM's read port: `link_grant` tells that a request is taken, `link_data` is
/// good in the next cycle.
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
    let chains = m.inst("chains", &fifo(c + 12, PAUSE));

    // Stage 1, every second cycle: a request is chosen, in the cycle before the one that takes it (nothing else takes any). Its sum is
    // read in the cycle after that.
    let odd = m.reg("odd", 1, 0);
    m.assign(&odd, !&odd);
    let valid: Vec<E> = queues.iter().rev().map(|q| q.0.clone()).collect();
    let open = m.named("open", &run & &odd & !chains.port("almost_full"));
    let request = m.named("request", cat(&valid) & open.repl(3));
    let grant = m.reg("chosen", 3, 0);
    m.assign(&grant, round_robin(&m, "rr", &request, &lit(1, 1)));
    for (i, take) in takes.iter().enumerate() {
        m.assign(take, grant.bit(i as u32));
    }
    let chosen: Vec<(E, E)> = queues
        .iter()
        .enumerate()
        .map(|(i, q)| (grant.bit(i as u32), q.1.clone()))
        .collect();
    let (valid1, word1) = (m.reg("valid1", 1, 0), m.reg_nr("word1", width));
    m.process(|p| {
        p.if_(!&odd, |p| {
            p.set(&valid1, grant.any());
            p.set(&word1, select_onehot(width, &chosen));
        })
    });
    let head1 = word1.slice(0, c);

    // Stage 2: the sum. The request before this one writes its sum while this one's is read: it is handed over instead.
    let (valid2, word2) = (m.reg("valid2", 1, 0), m.reg_nr("word2", width));
    m.process(|p| {
        p.set(&valid2, &valid1 & !&odd);
        p.if_(!&odd, |p| p.set(&word2, &word1));
    });
    let head2 = word2.slice(0, c);
    // What the sum must be before this request for the frame to be complete with it; below zero: `beyond` in any case.
    let missing2 = m.reg_nr("missing2", 5);
    let [copies1, count1] = [12, 16].map(|at| word1.slice(c + at, 4).zext(5));
    m.process(|p| p.if_(!&odd, |p| p.set(&missing2, &copies1 - &count1)));
    let sums = m.inst("sums", &ram::block(4, n));
    let stored = m.delay("stored", &sums.port("rdata"));
    let last_sum = m.reg_nr("last_sum", 4);
    let same1 = m.delay("same1", &(&valid2 & head1.eq(&head2)));
    let same2 = m.delay("same2", &same1);
    let done = m.named("done_before", mux(&same2, &last_sum, &stored));
    let complete = m.named("complete", done.zext(5).eq(&missing2));
    let beyond = m.named("beyond", missing2.bit(4) | done.gt(missing2.trunc(4)));
    let sum = m.named("sum", &done + word2.slice(c + 16, 4));
    let rest = m.named("rest", &sum & (!&complete).repl(4));
    let keep = m.named("keep", mux(&beyond, &done, &rest));
    m.process(|p| p.if_(&valid2, |p| p.set(&last_sum, &keep)));
    sums.drive("we", !&run | &valid2)
        .drive("waddr", mux(&run, &head2, &sweep_cell))
        .drive("wdata", &keep & run.repl(4))
        .drive("ren", true)
        .drive("raddr", &head1);
    m.output_of("double_free", &valid2 & &beyond);
    chains
        .drive("in_valid", &valid2 & &complete)
        .drive("in_data", word2.slice(0, c + 12));

    // The walk: idle, push, or take the link, which comes straight from the RAM.
    let (pushing, linking) = (m.reg("pushing", 1, 0), m.reg("linking", 1, 0));
    let (cell, left) = (m.reg_nr("current", c), m.reg_nr("left", 8));
    let source = m.reg_nr("source", 4);
    let link_data = m.input("link_data", c);
    let (push_ready, link_grant) = (m.input("push_ready", 1), m.input("link_grant", 1));
    let last = m.reg_nr("last", 1);
    m.output_of("link_request", &pushing & !&last);
    m.output_of("link_addr", &cell);
    let push = m.named("push", &pushing & (&last | &link_grant));
    let pushed = m.named("pushed", &push & &push_ready);
    m.output_of("push_valid", &push);
    m.output_of("push_cell", &cell);
    m.output_of("push_source", &source);
    let at_end = &pushed & &last;
    let resting = !(&pushing | &linking);
    let take = m.named("take", resting | at_end);
    let chain = m.named("chain", chains.port("out_data"));
    let begin = m.named("begin_walk", &take & chains.port("out_valid"));
    chains.drive("out_ready", &take);
    m.process(|p| {
        p.set(&linking, &pushed & !&last);
        p.if_(&pushed, |p| {
            p.set(&left, &left - 1);
            p.set(&last, left.eq(2));
            p.set(&pushing, false);
        });
        p.if_(&linking, |p| {
            p.set(&cell, &link_data);
            p.set(&pushing, true);
        });
        p.if_(&begin, |p| {
            p.set(&cell, chain.slice(0, c));
            p.set(&left, chain.slice(c + 4, 8));
            p.set(&last, chain.slice(c + 4, 8).eq(1));
            p.set(&source, chain.slice(c, 4));
            p.set(&pushing, true);
        });
    });
    let walking = &pushing | &linking | chains.port("out_valid");
    m.output_of("idle", !(cat(&valid).any() | valid1 | valid2 | walking));
    m
}

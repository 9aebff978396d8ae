//! The free list: a ring of cell numbers in block RAM, with 16 of them prefetched.
//!
//! Algorithm: after reset a sweep (one cell a cycle) fills the ring and clears the bitmap of used cells; `ready` is low
//! meanwhile. A pop reads the ring, sets the cell's bit in the bitmap and puts the cell into the prefetch FIFO; a push
//! clears the bit and writes the ring. Both test the old bit first (a word read while it is written is the old one, so
//! test and set are one cycle, without hazards): a cell that is not in use is not taken back (`double_free`), one that is in use is not given
//! out (`bad_alloc`). So a fault is seen, and contained.
//!
//! Rates: one pop or push a cycle; pops go first, a push waits while `push_ready` is low. Latency: push to the ring 3
//! cycles, ring to prefetch 5 cycles. Protocol: `spare` is good while `spare_valid`; `take` removes it. `low` asks for a pause of the input:
//! the prefetch runs short although the ring holds cells. Cost (512 cells): 2 block RAMs. Test: `tests/buffer`.

use super::fifo::{DEPTH, fifo};
use crate::params::Params;
use crate::rtl::prim::step;
use crate::rtl::{Module, cat, mux, ram};

/// Prefetched cells below which the input pauses: more than the cells that beats on their way can still take.
const LOW: u64 = 6;

/// The free list of `params.cells` cells.
pub(crate) fn free_list(params: &Params) -> Module {
    let (n, c) = (params.cells as u64, params.cell_bits());
    let m = Module::new("buffer_free_list");
    let push_valid = m.input("push_valid", 1);
    let (push_cell, push_source) = (m.input("push_cell", c), m.input("push_source", 4));
    let take = m.input("take", 1);

    let sweep = m.reg("sweep_at", c + 1, 0);
    let ready = m.named("swept", sweep.bit(c));
    m.process(|p| p.if_(!&ready, |p| p.set(&sweep, &sweep + 1)));
    m.output_of("ready", &ready);
    m.output_of("sweep_cell", sweep.trunc(c));

    // Ring.
    let (wptr, rptr) = (m.reg("wptr", c, 0), m.reg("rptr", c, 0));
    let count = m.reg("count", c + 1, n);
    let room = m.reg("room", 5, DEPTH);
    let pop = m.named("pop", &ready & count.any() & room.any());
    let ring = m.inst("ring", &ram::block(c, n));
    let pop1 = m.reg("pop1", 1, 0);
    m.assign(&pop1, &pop);
    let pop2 = m.reg("pop2", 1, 0);
    m.assign(&pop2, &pop1);
    let popped = m.delay("popped", &ring.port("rdata"));

    // Test and set of the used bit.
    let push_ready = !&pop2;
    let push = m.named("push", &ready & &push_valid & &push_ready);
    m.output_of("push_ready", &ready & push_ready);
    let cell = m.named("op_cell", mux(&pop2, &popped, &push_cell));
    let bitmap = m.inst("bitmap", &ram::block_old(1, n));
    let address = m.named("bitmap_address", mux(&ready, &cell, sweep.trunc(c)));
    bitmap
        .drive("we", !&ready | &pop2 | &push)
        .drive("waddr", &address)
        .drive("wdata", &ready & &pop2)
        .drive("ren", true)
        .drive("raddr", &address);
    let stage = |name: &str, bits| m.reg(name, bits, 0);
    let (alloc1, alloc2) = (stage("alloc1", 1), stage("alloc2", 1));
    m.assign(&alloc1, &pop2);
    m.assign(&alloc2, &alloc1);
    let (push1, push2) = (stage("push1", 1), stage("push2", 1));
    m.assign(&push1, &push);
    m.assign(&push2, &push1);
    let tag = m.delay("tag1", &cat(&[push_source, cell.clone()]));
    let tag = m.delay("tag2", &tag);
    let was_used = m.delay("was_used", &bitmap.port("rdata"));
    let cell2 = tag.trunc(c);
    let give = m.named("give", &alloc2 & !&was_used);
    let back = m.named("back", &push2 & &was_used);
    m.output_of("bad_alloc", &alloc2 & &was_used);
    m.output_of("double_free", &push2 & !&was_used);
    m.output_of("freed", &back);
    m.output_of("freed_source", tag.slice(c, 4));

    ring.drive("we", !&ready | &back)
        .drive("waddr", mux(&ready, &wptr, sweep.trunc(c)))
        .drive("wdata", mux(&ready, &cell2, sweep.trunc(c)))
        .drive("ren", true)
        .drive("raddr", &rptr);
    m.assign(&wptr, &wptr + back.zext(c));
    m.assign(&rptr, &rptr + pop.zext(c));
    m.process(|p| {
        p.if_(back.ne(&pop), |p| p.set(&count, step(&count, &back)));
    });

    // Prefetch.
    let pre = m.inst("prefetch", &fifo(c, DEPTH));
    pre.drive("in_valid", &give)
        .drive("in_data", &cell2)
        .drive("out_ready", &take);
    m.output_of("spare_valid", pre.port("out_valid"));
    m.output_of("spare", pre.port("out_data"));
    // A cell that turns out to be in use leaves its place in the prefetch.
    let freed = (&take & pre.port("out_valid")).zext(5) + (&alloc2 & &was_used).zext(5);
    m.assign(&room, &room + freed - pop.zext(5));

    let level = pre.port("level");
    let coming = m.named("coming", (level.zext(5) + &room).ne(DEPTH));
    let low = m.output_reg("low", 1, 0);
    m.assign(&low, level.lt(LOW) & (count.any() | &coming));
    let busy = !&ready | &pop | &coming | &push_valid | &push1 | &push2;
    m.output_of("idle", !busy);
    m
}

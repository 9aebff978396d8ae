//! The registers of page `host`, and where the rings lie in host memory.
//!
//! An access to a ring's state waits for the ring's turn in [`super::rings`] (`op_*`): up to 11 cycles. The addresses of submission queue, completion queue
//! and head lie in block RAM, both halves of an address in one word, and are cleared in the 32 cycles after reset; what is asked of them meanwhile
//! waits. The engines get addresses from here, too (`at*`): asked for with an index, an address comes with the index's offset added, the ring's size
//! as the modulus. One adder serves both; the bus comes first, then port 0 (completions), then port 1 (submissions).
//!
//! Latency: `at{i}_grant` to `at_address` 3 cycles. Two block RAMs. Test: `tests/host.rs`.

use super::state::RING;
use crate::regbus::{RegFile, field};
use crate::rtl::{E, Module, all_of, cat, lit, mux, ram};
use smartnic_regs::host as page;

/// Words of a ring in the memory of addresses.
pub(crate) const SUBMISSIONS: u64 = 0;
/// The completion queue.
pub(crate) const COMPLETIONS: u64 = 1;
/// The head's place.
pub(crate) const HEAD: u64 = 2;
/// Cycles from a grant to the address.
pub(crate) const LATENCY: u64 = 3;

/// The registers. Ports: `reg_*`; `op_*` to [`super::rings`]; `at{0,1}_want`, `_ring`, `_word`, `_index`, `_size`, `_grant`, and `at_address`; `steer_source[16]`,
/// `steer_traps`, `steer_trap_ring[2]`; `dma_event`, `read_timeout`, `vector_test`, `vectors_pending`; `idle`.
pub fn bus() -> Module {
    let m = Module::new("host_bus");
    m.sync();
    let mut rf = RegFile::new(&m, &page::PAGE);
    rf.w1c(&page::DMA_STATUS, &m.input("dma_event", 5));
    m.output_of("read_timeout", rf.rw(&page::READ_TIMEOUT));
    let pending = m.input("vectors_pending", 16);
    let (test, bits) = rf.rwh(&page::VECTOR_TEST, &pending.zext(32));
    let vector_test = m.output_reg("vector_test", 16, 0);
    m.assign(&vector_test, bits.slice(0, 16) & test.repl(16));
    let steering = rf.rw(&page::STEERING);
    for (name, f) in [
        ("steer_source", page::STEERING::SOURCE),
        ("steer_traps", page::STEERING::TRAPS),
        ("steer_trap_ring", page::STEERING::TRAP_RING),
    ] {
        m.output_of(name, field(&steering, f));
    }

    // Arrays: 64 bytes a ring, 8 rings.
    let (strobe, write, addr, wdata) = rf.request();
    let mine = m.named("mine", addr.slice(9, 3).is_zero());
    let (ring, reg) = (addr.slice(6, RING), addr.slice(2, 4));
    let place = &reg - 1;
    let stored = m.named("stored", place.lt(6));
    let (word, high) = (place.slice(1, 2), place.bit(0));
    let asks = m.reg("asks", 1, 0);
    let sweep = m.reg("sweep", 6, 0);
    m.assign(&sweep, mux(sweep.bit(5), &sweep, &sweep + 1));
    let swept = m.named("swept", sweep.bit(5));
    let touches = m.named("touches", &asks & &stored & &swept);

    // Addresses.
    let writes = m.named("writes", &touches & &write);
    let waddr = mux(
        &swept,
        cat(&[word.clone(), ring.clone()]),
        sweep.slice(0, 5),
    );
    let wdata_in = &wdata & swept.repl(32);
    let port = |i: u32, name: &str, width: u32| m.input(&format!("at{i}_{name}"), width);
    let (want0, want1) = (port(0, "want", 1), port(1, "want", 1));
    let by = |name: &str, width: u32| mux(&want0, port(0, name, width), port(1, name, width));
    let kind_in = m.named("kind_in", by("word", 2));
    let asked = cat(&[kind_in.clone(), by("ring", RING)]);
    let raddr = m.named(
        "raddr",
        mux(&touches, cat(&[word.clone(), ring.clone()]), asked),
    );
    m.output_of("at0_grant", &want0 & !&touches);
    m.output_of("at1_grant", &want1 & !&touches & !&want0);
    let halves: Vec<E> = (0..2)
        .map(|half| {
            let r = m.inst(&format!("addresses{half}"), &ram::block(32, 32));
            r.drive("we", &!&swept | (&writes & high.eq(half)))
                .drive("waddr", &waddr)
                .drive("wdata", &wdata_in)
                .drive("ren", true)
                .drive("raddr", &raddr);
            m.delay(&format!("half{half}"), &r.port("rdata"))
        })
        .collect();
    let base = cat(&[halves[1].clone(), halves[0].clone()]);
    // Two cycles for the index, as for the base.
    let mask = m.delay("mask", &(lit(16, 1).shl_by(&by("size", 4)) - 1));
    let index = m.delay("index", &by("index", 16));
    let kind = m.delay("kind", &kind_in);
    let turned = m.named("turned", &index & &mask);
    let bytes = mux(
        kind.eq(COMPLETIONS),
        cat(&[turned.clone(), lit(5, 0)]),
        cat(&[lit(1, 0), turned.clone(), lit(4, 0)]),
    );
    let offset = m.delay("offset", &(bytes & (!kind.eq(HEAD)).repl(21)));
    let sum = m.delay("address", &(&base + offset.zext(64)));
    m.output_of("at_address", sum);

    // State.
    let op = m.reg("op", 1, 0);
    m.output_of("op_valid", &op);
    m.output_of("op_write", &write);
    m.output_of("op_ring", &ring);
    m.output_of("op_reg", &reg);
    m.output_of("op_data", &wdata);
    let op_done = m.input("op_done", 1);
    let op_value = m.input("op_value", 32);
    m.assign(&op, &asks & !&stored & !(&op & &op_done));

    // The answer.
    let (read1, read2) = (m.reg("read1", 1, 0), m.reg("read2", 1, 0));
    let ends = m.named("ends", &touches | (&op & &op_done));
    m.process(|p| {
        p.if_(&strobe & &mine, |p| p.set(&asks, true));
        p.elif(&ends, |p| p.set(&asks, false));
        p.set(&read1, &touches);
        p.set(&read2, &read1);
    });
    let value = mux(&op, &op_value, mux(&high, &halves[1], &halves[0]));
    let done = m.named("done", (&op & &op_done) | &read2);
    rf.finish_slow(&mine, &done, &(value & (!&write).repl(32)));
    let busy = [&asks, &read1, &read2, &strobe];
    m.output_of("idle", all_of(busy.map(|b| !b).iter().chain([&swept])));
    m
}

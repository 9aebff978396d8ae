//! Submission fetch: keeps up to 8 submissions of each ring at hand.
//!
//! The rings are looked at in turn, one a cycle. One with submissions that are not here yet, and room, has up to four of them read in one read
//! that does not cross a 64-byte line, so never the ring's end. Up to four reads are under way. Submissions go to the receive and
//! transmit engines' memories (`desc_*`); they count as here when the read has ended. A read that fails stops the ring.
//! Cost of a read: about 16 cycles. Test: `tests/host.rs`.

use super::Shape;
use super::bus::{LATENCY, SUBMISSIONS};
use crate::pcie::fifo::fifo;
use crate::rtl::{Module, any_of, cat, lit, mux};

/// The fetch engine. Ports: `e_*` of [`super::rings`]; `at_*` of [`super::bus`]; `rd_*`/`rdata_*` of DMA client 0; `desc_*`; events `ask_*`, `fill_*`; `busy`, `idle`.
pub fn fetch(s: Shape) -> Module {
    let m = Module::new("host_fetch");
    m.sync();
    let n = s.rings();
    let e_ring = m.input("e_ring", 3);
    let (e_fetch, e_wild) = (m.input("e_fetch", 1), m.input("e_wild", 1));
    let ring = m.reg("ring", 3, 0);

    // Ask.
    let state = m.reg("state", 2, 0);
    let (look, address, wait, ask) = (0, 1, 2, 3);
    let (count, at) = (m.reg_nr("count", 3), m.reg_nr("index", 16));
    let (size, timer) = (m.reg_nr("size_q", 4), m.reg_nr("timer", 2));
    let out = m.inst("under_way", &fifo(9, 4));
    let settling = m.input("ask_settling", 1);
    let ready = m.input("rd_ready", 1);
    let asked = m.named("asked", state.eq(ask) & &ready);
    let next = mux(ring.eq(n as u64 - 1), lit(3, 0), &ring + 1);
    let turn = m.named("turn", state.eq(look) & !&settling & e_ring.eq(&ring));
    let go = m.named("go", &e_fetch & !&e_wild & out.port("in_ready"));
    m.process(|p| {
        p.if_(&asked | (&turn & !&go), |p| p.set(&ring, &next));
        p.switch(&state, |s| {
            s.case(look, |p| {
                p.set(&count, m.input("e_fetch_count", 3));
                p.set(&at, m.input("e_fetched", 16));
                p.set(&size, m.input("e_size", 4));
                p.if_(&turn & &go, |p| p.set(&state, address));
            });
            s.case(address, |p| {
                p.set(&timer, LATENCY - 1);
                p.if_(m.input("at_grant", 1), |p| p.set(&state, wait));
            });
            s.case(wait, |p| {
                p.set(&timer, &timer - 1);
                p.if_(timer.is_zero(), |p| p.set(&state, ask));
            });
            s.default(|p| p.if_(&ready, |p| p.set(&state, look)));
        });
    });
    m.output_of("at_want", state.eq(address));
    m.output_of("at_word", lit(2, SUBMISSIONS));
    m.output_of("at_ring", &ring);
    m.output_of("at_index", &at);
    m.output_of("at_size", &size);
    // The address is there as long as nobody else asks for one.
    let addr = m.reg_nr("addr", 64);
    let given = m.input("at_address", 64);
    m.process(|p| p.if_(state.eq(wait), |p| p.set(&addr, &given)));
    m.output_of("rd_valid", state.eq(ask));
    // Whatever the host wrote: a line of 64 bytes.
    m.output_of(
        "rd_addr",
        cat(&[addr.slice(6, 58), at.slice(0, 2), lit(4, 0)]),
    );
    m.output_of("rd_len", count.zext(14).shl(4));
    m.output_of("ask_valid", &asked);
    m.output_of("ask_ring", &ring);
    m.output_of("ask_count", &count);
    out.drive("in_valid", &asked)
        .drive("in_data", cat([&at.slice(0, 3), &count, &ring]));

    // Take in.
    let (valid, data) = (m.input("rdata_valid", 1), m.input("rdata_data", 64));
    m.input("rdata_keep", 8);
    let (last, err) = (m.input("rdata_last", 1), m.input("rdata_err", 1));
    let entry = out.port("out_data");
    let fill_ring = m.named("fill_ring_i", entry.slice(0, 3));
    let half = m.reg("half", 4, 0);
    // `rdata` stands still until the end of the read before is seen.
    let waits = m.input("fill_settling", 1);
    let takes = m.named("takes", &valid & !&waits);
    m.process(|p| {
        p.if_(&takes, |p| p.set(&half, mux(&last, lit(4, 0), &half + 1)));
    });
    let slot = entry.slice(6, 3) + half.slice(1, 3);
    let ends = m.named("ends", &takes & &last);
    out.drive("out_ready", &ends);
    m.output_of("rdata_ready", !&waits);
    m.output_of("fill_valid", &ends);
    m.output_of("fill_ring", &fill_ring);
    m.output_of("fill_count", entry.slice(3, 3));
    m.output_of("fill_fail", &err);
    m.output_of("desc_valid", &takes & !&err);
    m.output_of("desc_ring", &fill_ring);
    m.output_of("desc_place", cat([&slot, &half.bit(0)]));
    m.output_of("desc_data", &data);

    // Reads under way are told by the pointers; here, what they do not tell yet.
    let engaged = m.named("engaged", state.ne(look) | &settling);
    let of = m.reg_nr("busy_ring", 3);
    m.process(|p| p.if_(state.eq(address), |p| p.set(&of, &ring)));
    m.output_of("busy", of.decode(n) & engaged.repl(n));
    let idle = m.output_reg("idle", 1, 0);
    let any = any_of(1, &[out.port("out_valid"), state.ne(look), settling]);
    m.assign(&idle, !any);
    m
}

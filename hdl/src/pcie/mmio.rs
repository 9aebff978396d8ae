//! Register access: takes requests in order, masters the register bus (BAR0) or the MSI-X table (BAR2), and offers completions.
//!
//! - A request of two double words is two accesses, one of no bytes is none. An access that nobody answers in [`super::BUS_TIMEOUT`] cycles reads as zero.
//! - A completion follows every posted packet that was complete, or in the making, when the last register answered (`mark`): what a
//!   driver reads of the card's state is never ahead of what the card has written to memory (PCIe 2.4.1).
//! - Latency: request to completion 6 cycles and the register's answer. Up to 16 requests wait.
//! - Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::fifo::fifo;
use super::{
    BUS_TIMEOUT, MARK_BITS, REQ_FLUSH, REQ_READ, REQ_UNSUPPORTED, REQUEST, REQUEST_BITS, request,
};
use crate::rtl::{Module, lit, mux};

/// The master. Ports: `req_valid/data`, `stall`; `reg_*`; `table_*` of [`super::msix`]; `mark_now`; `cpl_*` to [`super::tx`].
pub fn mmio() -> Module {
    let m = Module::new("mmio");
    m.sync();
    const { assert!(REQ_UNSUPPORTED == 2 && REQ_FLUSH == 3, "bit 1 tells them") };
    let f = m.inst("queue", &fifo(REQUEST_BITS, 16));
    f.drive("in_valid", m.input("req_valid", 1))
        .drive("in_data", m.input("req_data", REQUEST_BITS));
    let stall = m.output_reg("stall", 1, 0);
    m.assign(&stall, f.port("level").ge(13));
    let (some, word) = (f.port("out_valid"), m.named("word", f.port("out_data")));
    let of = |name: &str| request(&word, name);

    let state = m.reg("state", 3, 0);
    let (idle, issue, wait, answer, next) = (0, 1, 2, 3, 4);
    let second = m.reg_nr("second", 1);
    let timer = m.reg_nr("timer", 7);
    let (mark, mark_now) = (m.reg_nr("mark", MARK_BITS), m.input("mark_now", MARK_BITS));
    let result = m.reg_nr("result", 64);
    let is_read = m.named("is_read", of("kind").eq(REQ_READ));
    let bar2 = m.named("bar2", of("bar2"));
    let dword = m.reg_nr("dword", 14);
    let payload = of("payload");
    let wdata = m.named(
        "wdata",
        mux(&second, payload.slice(32, 32), payload.slice(0, 32)),
    );

    // BAR0.
    let reg_valid = m.output_reg("reg_valid", 1, 0);
    let (reg_write, reg_addr) = (
        m.output_reg_nr("reg_write", 1),
        m.output_reg_nr("reg_addr", 16),
    );
    let reg_wdata = m.output_reg_nr("reg_wdata", 32);
    let (ack, rdata) = (m.input("reg_ack", 1), m.input("reg_rdata", 32));
    // BAR2.
    let table_valid = m.named("table_wait", state.eq(wait) & &bar2);
    m.output_of("table_valid", &table_valid);
    m.output_of("table_write", !&is_read);
    m.output_of("table_dword", dword.slice(0, 10));
    m.output_of("table_wdata", &wdata);
    let (table_ack, table_rdata) = (m.input("table_ack", 1), m.input("table_rdata", 32));

    let late = m.named("late", timer.eq(BUS_TIMEOUT - 1));
    let done = m.named("done", mux(&bar2, &table_ack, &ack | &late));
    let value = mux(&bar2, &table_rdata, mux(&ack, &rdata, lit(32, 0)));
    let cpl_ready = m.input("cpl_ready", 1);
    m.process(|p| {
        p.set(&reg_valid, false);
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&second, false);
                p.set(&result, 0);
                p.set(&mark, &mark_now);
                p.set(&dword, of("address"));
                p.if_(&some, |p| {
                    // UNSUPPORTED and FLUSH touch nothing.
                    p.if_(of("kind").bit(1), |p| p.set(&state, answer));
                    p.else_(|p| p.set(&state, issue));
                });
            });
            s.case(issue, |p| {
                p.set(&reg_valid, !&bar2);
                p.set(&reg_write, !&is_read);
                p.set(&reg_addr, dword.zext(16).shl(2));
                p.set(&reg_wdata, &wdata);
                p.set(&timer, 0);
                p.set(&state, wait);
            });
            s.case(wait, |p| {
                p.set(&timer, &timer + 1);
                p.set(&mark, &mark_now);
                p.if_(&done, |p| {
                    p.if_(&second, |p| p.set_slice(&result, 32, &value));
                    p.else_(|p| p.set_slice(&result, 0, &value));
                    p.if_(of("pair") & !&second, |p| {
                        p.set(&second, true);
                        p.set(&dword, &dword + 1);
                        p.set(&state, issue);
                    });
                    p.elif(&is_read, |p| p.set(&state, answer));
                    p.else_(|p| p.set(&state, next));
                });
            });
            s.case(answer, |p| p.if_(&cpl_ready, |p| p.set(&state, next)));
            // The queue's next word is looked at one cycle after this one has left.
            s.default(|p| p.set(&state, idle));
        });
    });
    f.drive("out_ready", state.eq(next));
    m.output_of("cpl_valid", state.eq(answer));
    m.output_of("cpl_mark", &mark);
    m.output_of("cpl_result", &result);
    for (name, _) in REQUEST {
        m.output_of(&format!("cpl_{name}"), of(name));
    }
    m.output_of("busy", &some);
    m
}

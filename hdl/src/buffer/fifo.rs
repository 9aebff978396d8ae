//! A FIFO of 16 words in LUT RAM, for one clock.
//!
//! Ports: `in_valid`, `in_data` (never refused: the writer watches `almost_full`), `out_valid`, `out_ready`, `out_data`, `level`.
//! A word written in one cycle is at the output in the next. Cost: 16x4 LUT RAM for each 4 bits, 15 registers. `out_data` is read
//! from LUT RAM by registered pointers; everything else at the outputs is a register.
//! Test: `tests/buffer`.

use crate::rtl::prim::step;
use crate::rtl::{Module, bits_for, mux, ram};

/// Words that the FIFO holds.
pub(crate) const DEPTH: u64 = 16;

/// A FIFO `width` bits wide; `almost_full` is set from `almost` words on.
pub(crate) fn fifo(width: u32, almost: u64) -> Module {
    assert!(almost <= DEPTH, "FIFO threshold {almost} of {DEPTH}");
    let m = Module::new(&format!("fifo_{width}_{almost}"));
    let a = bits_for(DEPTH);
    let (put, data) = (m.input("in_valid", 1), m.input("in_data", width));
    let ready = m.input("out_ready", 1);
    let (wptr, rptr) = (m.reg("wptr", a, 0), m.reg("rptr", a, 0));
    let level = m.output_reg("level", a + 1, 0);
    // What the level says, beside it: neighbours decide by these.
    let some = m.reg("some", 1, 0);
    let most = m.output_reg("almost_full", 1, 0);
    let get = m.named("get", &some & &ready);
    let store = ram::lut(width, DEPTH);
    let store = m.inst("store", &store);
    store
        .drive("we", &put)
        .drive("waddr", &wptr)
        .drive("wdata", &data)
        .drive("raddr", &rptr);
    m.assign(&wptr, &wptr + put.zext(a));
    m.assign(&rptr, &rptr + get.zext(a));
    m.process(|p| {
        p.if_(put.ne(&get), |p| {
            p.set(&level, step(&level, &put));
            p.set(&some, &put | level.ne(1));
            p.set(&most, mux(&put, level.ge(almost - 1), level.ge(almost + 1)));
        });
    });
    m.output_of("out_valid", &some);
    m.output_of("out_data", store.port("rdata"));
    m
}

//! A small first-in first-out queue in LUT RAM.
//!
//! Ports: `in_valid`, `in_ready`, `in_data`; `out_valid`, `out_ready`, `out_data`; `level` (words held). The output word is the
//! RAM's combinational output, stable until taken. Latency 1 cycle. Cost: the RAM (6 LUT4 for each 4 bits x 16 words) and
//! three counters. Test: every test of `tests/pcie*.rs` passes through it.

use crate::rtl::{Module, bits_for, ram};

/// A queue of `depth` words (a power of two, at least 2) of `width` bits.
pub fn fifo(width: u32, depth: u64) -> Module {
    assert!(
        depth.is_power_of_two() && depth >= 2,
        "fifo: depth {depth} must be a power of two of at least 2"
    );
    let m = Module::new(&format!("fifo_{width}x{depth}"));
    m.sync();
    let a = bits_for(depth);
    let (in_valid, in_data) = (m.input("in_valid", 1), m.input("in_data", width));
    let out_ready = m.input("out_ready", 1);
    let (head, tail) = (m.reg("head", a, 0), m.reg("tail", a, 0));
    let level = m.output_reg("level", a + 1, 0);
    let full = m.named("full", level.eq(depth));
    let some = m.named("some", level.any());
    let push = m.named("push", &in_valid & !&full);
    let pop = m.named("pop", &some & &out_ready);
    m.process(|p| {
        p.if_(&push, |p| p.set(&tail, &tail + 1));
        p.if_(&pop, |p| p.set(&head, &head + 1));
        p.if_(&push & !&pop, |p| p.set(&level, &level + 1));
        p.elif(&pop & !&push, |p| p.set(&level, &level - 1));
    });
    let r = m.inst("store", &ram::lut(width, depth));
    r.drive("we", &push)
        .drive("waddr", &tail)
        .drive("wdata", &in_data)
        .drive("raddr", &head);
    m.output_of("in_ready", !&full);
    m.output_of("out_valid", &some);
    m.output_of("out_data", r.port("rdata"));
    m
}

//! FIFO between two clocks: gray pointers through two flops, storage in LUT RAM.
//!
//! Ports: `write_clock`, `write_reset`, `write_valid`, `write_ready`, `write_data`; `read_clock`, `read_reset`, `read_valid`,
//! `read_ready`, `read_data`. A word moves where `valid` and `ready` are both set at an edge of that side's clock.
//!
//! Both resets must be active together at some time, the read side's while the write side's pointer goes back to zero
//! (`gmii_rx` shows how); after that the sides may leave reset in any order.
//!
//! Latency: a word written at an edge of `write_clock` can be read after the second edge of `read_clock` that follows.
//! `read_valid` and `read_data` come from a comparison of pointers and a LUT RAM: about
//! 3 levels of logic. Cost: 6 flops a pointer bit, `width` x `depth` bits of LUT RAM. Test: `tests/cdc.rs`.

use super::bit_sync;
use crate::rtl::{E, Module, bits_for, cat, ram};

/// Gray code of a binary number.
fn gray(bin: &E) -> E {
    bin ^ bin.shr(1)
}

/// An asynchronous FIFO of `depth` words of `width` bits; `depth` is a power of two from 4 on. See the module.
pub fn async_fifo(width: u32, depth: u64) -> Module {
    assert!(
        depth.is_power_of_two() && depth >= 4,
        "async_fifo: depth {depth} is not a power of two from 4 on"
    );
    let m = Module::new(&format!("async_fifo_{width}x{depth}"));
    let a = bits_for(depth);
    let (wd, rd) = (m.domain("write"), m.domain("read"));
    let (write_valid, write_data) = (m.input("write_valid", 1), m.input("write_data", width));
    let read_ready = m.input("read_ready", 1);

    // Pointers have one bit more than addresses, so that full and empty differ.
    let pointer = |side: &str, d| {
        let bin = m.reg_in(d, &format!("{side}_bin"), a + 1, 0);
        let code = m.reg_in(d, &format!("{side}_gray"), a + 1, 0);
        (bin, code)
    };
    let (wbin, wgray) = pointer("write", &wd);
    let (rbin, rgray) = pointer("read", &rd);
    let sync = bit_sync(a + 1);
    let w2r = m.inst("write_to_read", &sync);
    w2r.drive("clock", &rd.clock)
        .drive("reset", &rd.reset)
        .drive("d", &wgray);
    let r2w = m.inst("read_to_write", &sync);
    r2w.drive("clock", &wd.clock)
        .drive("reset", &wd.reset)
        .drive("d", &rgray);

    // Full: the pointers differ by `depth`, which in gray code inverts the two highest bits.
    let far = r2w.port("q");
    let full_at = cat(&[!far.slice(a - 1, 2), far.slice(0, a - 1)]);
    let write_ready = m.output_of("write_ready", wgray.ne(&full_at));
    let push = m.named("push", &write_valid & &write_ready);
    let wnext = m.named("write_next", &wbin + 1);
    m.process(|p| {
        p.if_(&push, |p| {
            p.set(&wbin, &wnext);
            p.set(&wgray, gray(&wnext));
        });
    });

    let read_valid = m.output_of("read_valid", rgray.ne(w2r.port("q")));
    let pop = m.named("pop", &read_valid & &read_ready);
    let rnext = m.named("read_next", &rbin + 1);
    m.process(|p| {
        p.if_(&pop, |p| {
            p.set(&rbin, &rnext);
            p.set(&rgray, gray(&rnext));
        });
    });

    let mem = m.inst("storage", &ram::lut_dual_clock(width, depth));
    mem.drive("we", &push)
        .drive("waddr", wbin.slice(0, a))
        .drive("wdata", &write_data)
        .drive("raddr", rbin.slice(0, a));
    m.output_of("read_data", mem.port("rdata"));
    m
}

//! Page `global`: identification, resets, the cycle counter, the tick, the forwarding cut.
//!
//! The tick is a pulse each `TICK` core cycles; `TICK_ADD` adds ticks, which then follow one each 16 cycles, so that a simulator
//! whose clock stood still can catch up with wall-clock time. Resets are pulses of 16 cycles. About 250 LUT4, 200 FF. Test: `tests/control.rs`.

use crate::params::Params;
use crate::regbus::{RegFile, field};
use crate::rtl::prim::stretch;
use crate::rtl::{Module, cat, lit, mux};
use smartnic_regs::global as g;

/// Version of the register map: major, minor.
pub const VERSION: (u64, u64) = (1, 0);

/// The module. Inputs `idle_in`, `ready_in`, `busy_in[16]` (as register BUSY); outputs `switch_reset`, `host_reset`, `tick`, `forward_enable`, `now[64]`, `tick_idle` (no added
/// ticks wait).
pub fn global(p: &Params) -> Module {
    let m = Module::new("global_regs");
    let (idle, ready) = (m.input("idle_in", 1), m.input("ready_in", 1));
    let mut rf = RegFile::new(&m, &g::PAGE);

    let now = m.output_reg("now", 64, 0);
    m.assign(&now, &now + 1);
    let high = m.reg("now_high", 32, 0);
    let latch = rf.read_strobe(&g::CYCLES_LO, 0);
    m.process(|q| q.if_(latch, |q| q.set(&high, now.slice(32, 32))));

    rf.ro(&g::MAGIC, &lit(32, g::MAGIC.reset as u64));
    rf.ro(&g::VERSION, &lit(32, VERSION.0 << 16 | VERSION.1));
    let caps0 =
        p.ports | p.lag_groups << 4 | p.queues << 8 | p.classes << 12 | p.beat_bytes() << 16;
    rf.ro(&g::CAPS0, &lit(32, caps0 as u64));
    let caps1 = p.fdb_entries.trailing_zeros() | p.cam << 8 | p.cells << 16;
    rf.ro(&g::CAPS1, &lit(32, caps1 as u64));
    rf.rw(&g::SCRATCH);
    rf.ro(&g::STATUS, &cat(&[idle, ready]));
    rf.ro(&g::BUSY, &m.input("busy_in", 16));
    rf.ro(&g::CYCLES_LO, &now.trunc(32));
    rf.ro(&g::CYCLES_HI, &high);
    let control = rf.rw(&g::CONTROL);
    m.output_of("forward_enable", field(&control, g::CONTROL::FORWARD));

    let (reset_wr, reset_value) = rf.wo(&g::RESET);
    for (name, f) in [
        ("switch_reset", g::RESET::SWITCH),
        ("host_reset", g::RESET::HOST),
    ] {
        let pulse = m.named(&format!("{name}_pulse"), &reset_wr & field(&reset_value, f));
        let s = stretch(&m, name, &pulse, 16);
        let out = m.output_reg(name, 1, 1);
        m.assign(&out, &s);
    }

    let period = rf.rw_reset_at(&g::TICK, 0, p.core_mhz * 1000);
    let (add_wr, add) = rf.wo(&g::TICK_ADD);
    let count = m.reg("tick_count", 32, 0);
    let waiting = m.reg("ticks_waiting", 32, 0);
    let space = m.reg("tick_space", 4, 0);
    let tick = m.output_reg("tick", 1, 0);
    // A cycle ahead of its use: comparing and then subtracting from what waits was the whole core's longest path.
    let due = m.reg("tick_due", 1, 0);
    let next_count = mux(&due, lit(32, 0), &count + 1);
    let extra = m.named("tick_extra", waiting.any() & space.eq(15) & !&due);
    m.process(|q| {
        q.set(&space, &space + 1);
        q.set(&count, &next_count);
        q.set(&due, mux(&due, period.le(1), (&count + 2).ge(&period)));
        q.set(&tick, &due | &extra);
    });
    m.process(|q| {
        // Added ticks and the one that goes out meet in one sum.
        let less = &waiting - extra.zext(32);
        q.set(&waiting, &less);
        q.if_(&add_wr, |q| q.set(&waiting, &less + &add));
    });
    let tick_idle = m.output_reg("tick_idle", 1, 0);
    m.assign(&tick_idle, !waiting.any());
    rf.finish();
    m
}

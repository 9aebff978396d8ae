//! Two masters on the register bus: the host (PCIe MMIO) and the board's processor.
//!
//! **Algorithm.** Each master's pulse is remembered; round robin chooses one, whose request goes out on the bus; the next one is chosen when it is answered, or
//! when nobody has answered for [`HOLE`] cycles: by contract no block answers later. So a master waits for at most one access of the other.
//!
//! **Protocol.** Per master i: `m{i}_reg_valid` (a pulse; not again before the answer), `m{i}_reg_write`, `m{i}_reg_addr[16]`, `m{i}_reg_wdata[32]`, which must stand until the
//! answer: `m{i}_reg_ack` (a pulse) with `m{i}_reg_rdata[32]` (zero without it) and `m{i}_reg_error`: nobody answered, the data is zero. The bus behind: `reg_*`
//! as in docs/architecture.md.
//!
//! **Latency.** 2 cycles to the bus and 1 back; at most [`WORST`] cycles from a request to its answer. **Cost** (ECP5, yosys): 160 LUT4, 97 FF; 256 MHz routed alone.
//! **Test:** `tests/arbiter.rs`.

use crate::rtl::prim::{encode, round_robin};
use crate::rtl::{E, Module, cat, mux};

/// Cycles after which a register that has not answered does not exist: more than the 48 that docs/architecture.md allows, since an answer that came later would be
/// taken for that of the next request.
pub const HOLE: u64 = 50;
/// From a request to its answer at most: two accesses, each [`HOLE`] and 3 cycles.
pub const WORST: u64 = 2 * (HOLE + 3);

/// The arbiter. See the module.
pub fn arbiter() -> Module {
    let m = Module::new("register_arbiter");
    m.sync();
    let input = |i: u32, n: &str, w: u32| m.input(&format!("m{i}_reg_{n}"), w);
    let asks: Vec<E> = (0..2).map(|i| input(i, "valid", 1)).collect();
    let writes: Vec<E> = (0..2).map(|i| input(i, "write", 1)).collect();
    let addrs: Vec<E> = (0..2).map(|i| input(i, "addr", 16)).collect();
    let wdatas: Vec<E> = (0..2).map(|i| input(i, "wdata", 32)).collect();
    let (ack, rdata) = (m.input("reg_ack", 1), m.input("reg_rdata", 32));

    let valid = m.output_reg("reg_valid", 1, 0);
    let write = m.output_reg_nr("reg_write", 1);
    let addr = m.output_reg_nr("reg_addr", 16);
    let wdata = m.output_reg_nr("reg_wdata", 32);
    let pending = m.reg("pending", 2, 0);
    let busy = m.reg("busy", 1, 0);
    let owner = m.reg("owner", 1, 0);
    let timer = m.reg_nr("timer", 6);
    let free = m.named("free", !&busy);
    let grant = round_robin(&m, "turn", &pending, &free);
    let next = m.named("next", encode(&grant, 1));
    let start = m.named("start", &free & grant.any());
    let hole = m.named("hole", timer.eq(HOLE - 1) & !&ack);
    let over = m.named("over", &busy & (&ack | &hole));
    m.process(|p| {
        let asked = cat(&[asks[1].clone(), asks[0].clone()]);
        p.set(&pending, (&pending & !(&grant & start.repl(2))) | asked);
        p.set(&valid, &start);
        p.set(&timer, &timer + 1);
        p.if_(&start, |p| {
            p.set(&busy, true);
            p.set(&owner, &next);
            p.set(&timer, 0);
            p.set(&write, mux(&next, &writes[1], &writes[0]));
            p.set(&addr, mux(&next, &addrs[1], &addrs[0]));
            p.set(&wdata, mux(&next, &wdatas[1], &wdatas[0]));
        });
        p.if_(&over, |p| p.set(&busy, false));
    });
    let value = m.reg("value", 32, 0);
    m.assign(&value, &rdata & (&over & &ack).repl(32));
    for i in 0..2u64 {
        let own = owner.eq(i);
        let done = m.output_reg(&format!("m{i}_reg_ack"), 1, 0);
        m.assign(&done, &over & &own);
        let error = m.output_reg(&format!("m{i}_reg_error"), 1, 0);
        m.assign(&error, &over & &own & &hole);
        m.output_of(&format!("m{i}_reg_rdata"), &value & done.repl(32));
    }
    m
}

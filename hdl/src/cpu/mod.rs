//! The board's processor: RV32I (unprivileged ISA 2.1), one instruction at a time.
//!
//! **Algorithm.** A state machine of six states over one read port of registers: FETCH (wait for the memory), FIRST (rs1), SECOND (rs2,
//! or the immediate), EXECUTE (one 33-bit adder for sums and comparisons, one of 32 for targets and addresses), then SHIFT (one bit a cycle) or ACCESS
//! (load or store) where there is something to shift or access, and WRITE (rd, and pc by what a branch's comparison gave). Small rather than fast: it follows links and blinks.
//!
//! **Cycles an instruction**, with a memory that answers in the cycle in which it is asked: 6; a shift by n: 7 + n; a load or store: 7. Each cycle that
//! memory takes longer is one more, once for the fetch and once for the data.
//!
//! **Protocol.** `mem_valid` with `mem_addr` (a word's address: bits 1:0 are zero), `mem_write`, `mem_strobe` (bytes) and `mem_wdata` stand until the
//! cycle in which `mem_ready` is set; `mem_rdata` is taken in that cycle. One request at a time; all outputs are registers. `mem_instr` tells
//! fetches from data. `reset` starts it at [`RESET_PC`] from any state.
//!
//! **Faults.** There are no exceptions to handle, so there is no handler: on an illegal instruction (every encoding outside RV32I, CSRs included),
//! ECALL, EBREAK, a misaligned target, load or store, or `mem_error` beside `mem_ready`, it stops with `trap` set, `trap_cause` as in `mcause` (privileged ISA,
//! table 3.6) and `trap_pc`, until reset. The board's watchdog then starts it again. FENCE does nothing: memory is in order.
//!
//! **Cost** (ECP5, yosys): 759 LUT4, 51 carry cells, 357 FF; 142 MHz routed alone. Registers are LUT RAM, 32 words of 32 bits.
//!
//! **Test:** `tests/cpu.rs`: random programs against a plain model of the ISA, every retired instruction compared.

mod alu;
mod decode;

use crate::rtl::{E, Module, Proc, cat, lit, mux, ram};

/// Where it starts.
pub const RESET_PC: u64 = 0;

/// `trap_cause`, as in `mcause`.
pub mod cause {
    /// A target that is not a multiple of 4.
    pub const INSTRUCTION_MISALIGNED: u64 = 0;
    /// A fetch that the memory refused.
    pub const INSTRUCTION_FAULT: u64 = 1;
    /// Not an instruction of RV32I.
    pub const ILLEGAL: u64 = 2;
    /// EBREAK.
    pub const BREAKPOINT: u64 = 3;
    /// A load across its natural boundary.
    pub const LOAD_MISALIGNED: u64 = 4;
    /// A load that the memory refused.
    pub const LOAD_FAULT: u64 = 5;
    /// A store across its natural boundary.
    pub const STORE_MISALIGNED: u64 = 6;
    /// A store that the memory refused.
    pub const STORE_FAULT: u64 = 7;
    /// ECALL.
    pub const ECALL: u64 = 11;
}

/// States, one bit each.
const FETCH: u64 = 0;
const FIRST: u64 = 1;
const SECOND: u64 = 2;
const EXECUTE: u64 = 3;
const SHIFT: u64 = 4;
const ACCESS: u64 = 5;
const WRITE: u64 = 6;
const TRAPPED: u64 = 7;

/// The processor. See the module.
pub fn rv32i() -> Module {
    let m = Module::new("rv32i");
    m.sync();
    let ready = m.input("mem_ready", 1);
    let rdata = m.input("mem_rdata", 32);
    let error = m.input("mem_error", 1);

    let state = m.reg("state", 3, FETCH);
    let at = |s: u64| state.eq_const(s);
    let pc = m.reg("pc", 32, RESET_PC);
    let instr = m.reg_nr("instr", 32);
    let d = decode::decode(&m, &instr).registered(&m);
    let (a, b) = (m.reg_nr("a", 32), m.reg_nr("b", 32));
    let result = m.reg_nr("result", 32);
    let (target, jumps) = (m.reg_nr("target", 32), m.reg_nr("jumps_q", 1));
    let amount = m.reg_nr("amount", 5);

    // Registers. Entry 0 is never written and the RAM powers up with zeros, so x0 reads as zero.
    let file = m.inst("registers", &ram::lut(32, 32));
    // Where a branch goes is known a cycle after EXECUTE, so the target is looked at in WRITE.
    let misaligned = m.named("misaligned", &jumps & target.bit(1));
    let retires = m.named("retires", at(WRITE) & !&misaligned);
    let write_back = m.named("write_back", &retires & &d.writes_rd & d.rd.any());
    file.drive("we", &write_back)
        .drive("waddr", &d.rd)
        .drive("wdata", &result)
        .drive("raddr", mux(at(FIRST), &d.rs1, &d.rs2));
    let operand = file.port("rdata");

    let immediate = m.delay("immediate_q", &d.immediate);
    let alu = alu::alu(&m, &d, &a, &b, &immediate, &pc);
    let low = m.reg_nr("low", 2);
    let access = alu::access(&m, &d, &alu.sum, &low, &b, &rdata);

    let valid = m.output_reg("mem_valid", 1, 0);
    let is_fetch = m.output_reg("mem_instr", 1, 0);
    let write = m.output_reg("mem_write", 1, 0);
    let addr = m.output_reg_nr("mem_addr", 32);
    let strobe = m.output_reg_nr("mem_strobe", 4);
    let wdata = m.output_reg_nr("mem_wdata", 32);
    let answered = m.named("answered", &valid & &ready);

    let trap = m.output_reg("trap", 1, 0);
    let trap_cause = m.output_reg("trap_cause", 4, 0);
    let trap_pc = m.output_reg_nr("trap_pc", 32);
    let fault_by = |store: u64, load: u64| mux(&d.store, lit(4, store), lit(4, load));

    m.process(|p| {
        let stop = |p: &mut Proc, cause: E| {
            p.set(&trap, true);
            p.set(&trap_cause, cause);
            p.set(&state, TRAPPED);
        };
        // Follows until it stops: that it does is known late.
        p.if_(state.ne(TRAPPED), |p| p.set(&trap_pc, &pc));
        p.switch(&state, |s| {
            s.case(FETCH, |p| {
                p.set(&valid, !&answered);
                p.set(&is_fetch, true);
                p.set(&write, false);
                p.set(&addr, &pc);
                p.set(&instr, &rdata);
                p.if_(&answered, |p| {
                    p.set(&state, FIRST);
                    p.if_(&error, |p| stop(p, lit(4, cause::INSTRUCTION_FAULT)));
                });
            });
            s.case(FIRST, |p| {
                p.set(&a, &operand);
                p.set(&state, SECOND);
                p.if_(!&d.legal, |p| stop(p, lit(4, cause::ILLEGAL)));
                p.if_(&d.ecall, |p| stop(p, lit(4, cause::ECALL)));
                p.if_(&d.ebreak, |p| stop(p, lit(4, cause::BREAKPOINT)));
            });
            s.case(SECOND, |p| {
                p.set(&b, mux(&d.uses_rs2, &operand, &d.immediate));
                p.set(&state, EXECUTE);
            });
            s.case(EXECUTE, |p| {
                p.set(&result, &alu.result);
                p.set(&target, &alu.target);
                p.set(&jumps, &alu.jumps);
                p.set(&amount, b.slice(0, 5));
                p.set(&state, WRITE);
                p.if_(&d.shift, |p| p.set(&state, SHIFT));
                p.if_(&d.load | &d.store, |p| {
                    p.set(&valid, true);
                    p.set(&is_fetch, false);
                    p.set(&write, &d.store);
                    p.set(&addr, cat(&[alu.sum.slice(2, 30), lit(2, 0)]));
                    p.set(&low, alu.sum.slice(0, 2));
                    p.set(&strobe, &access.strobe);
                    p.set(&wdata, &access.wdata);
                    p.set(&state, ACCESS);
                    p.if_(&access.misaligned, |p| {
                        p.set(&valid, false);
                        stop(p, fault_by(cause::STORE_MISALIGNED, cause::LOAD_MISALIGNED));
                    });
                });
            });
            s.case(SHIFT, |p| {
                p.set(&amount, &amount - 1);
                let fill = &d.arithmetic & result.bit(31);
                let right = cat(&[fill, result.slice(1, 31)]);
                let left = cat(&[result.slice(0, 31), lit(1, 0)]);
                p.if_(amount.any(), |p| p.set(&result, mux(&d.right, right, left)));
                p.else_(|p| p.set(&state, WRITE));
            });
            s.case(ACCESS, |p| {
                p.set(&valid, !&answered);
                p.set(&result, &access.loaded);
                p.if_(&answered, |p| {
                    p.set(&state, WRITE);
                    p.if_(&error, |p| {
                        stop(p, fault_by(cause::STORE_FAULT, cause::LOAD_FAULT))
                    });
                });
            });
            s.case(WRITE, |p| {
                p.set(&pc, mux(&jumps, &target, &alu.next));
                p.set(&state, FETCH);
                p.if_(&misaligned, |p| {
                    p.set(&pc, &pc);
                    stop(p, lit(4, cause::INSTRUCTION_MISALIGNED))
                });
            });
        });
    });
    // For tests and a trace: an instruction retires in this cycle.
    m.output_of("retired", &retires);
    m.output_of("retired_pc", &pc);
    m
}

//! Results, targets and memory accesses: combinational, between the operand registers and the result registers.

use super::decode::Decoded;
use crate::rtl::{E, Module, cat, lit, mux, pick, select_onehot};

/// What EXECUTE stores.
pub(super) struct Alu {
    /// The value for rd (a shift's operand before it is shifted).
    pub result: E,
    /// The next pc if the instruction jumps.
    pub target: E,
    /// The next pc is not simply the next instruction.
    pub jumps: E,
    /// pc or rs1, plus the immediate.
    pub sum: E,
    /// The next instruction's place.
    pub next: E,
}

/// `a`: rs1; `b`: rs2 or the immediate; `imm`: the immediate.
pub(super) fn alu(m: &Module, d: &Decoded, a: &E, b: &E, imm: &E, pc: &E) -> Alu {
    // a + b, or a - b as a + !b + 1; the carry out of the subtraction is "not less".
    let other = b ^ d.subtract.repl(32);
    let sum = m.named("adder", a.zext(33) + other.zext(33) + d.subtract.zext(33));
    let below = m.named("below", !sum.bit(32));
    let signs_differ = a.bit(31) ^ b.bit(31);
    let less = m.named("less", mux(&signs_differ, a.bit(31), &below));
    let equal = m.named("equal", a.eq(b));

    // BEQ, BNE, (none), (none), BLT, BGE, BLTU, BGEU
    let compared = mux(d.funct3.bit(2), mux(d.funct3.bit(1), &below, &less), &equal);
    let taken = m.named("taken", &d.branch & (compared ^ d.funct3.bit(0)));

    let base = mux(&d.jalr | &d.load | &d.store, a, pc);
    let moved = m.named("base_plus_immediate", base + imm);
    let next = m.named("pc_plus_4", pc + 4);
    let jumps = m.named("jumps", &taken | &d.jal | &d.jalr);
    let aligned = cat(&[moved.slice(1, 31), lit(1, 0)]);

    let flag = |bit: &E| bit.zext(32);
    let by_funct3 = pick(
        &d.funct3,
        &[
            sum.trunc(32),
            a.clone(), // a shift starts here
            flag(&less),
            flag(&below),
            a ^ b,
            a.clone(),
            a | b,
            a & b,
        ],
    );
    let links = m.named("links", &d.jal | &d.jalr);
    let special = &links | &d.lui | &d.auipc;
    let result = select_onehot(
        32,
        &[
            (links, next.clone()),
            (d.lui.clone(), imm.clone()),
            (d.auipc.clone(), moved.clone()),
            (!special, by_funct3),
        ],
    );
    Alu {
        result,
        target: aligned,
        jumps,
        sum: moved,
        next,
    }
}

/// A load or store at its address.
pub(super) struct Access {
    pub misaligned: E,
    pub strobe: E,
    pub wdata: E,
    /// What a load gives, of the word that memory answers with.
    pub loaded: E,
}

/// `addr`: the byte's address; `low`: its two lowest bits when the answer comes; `data`: rs2.
pub(super) fn access(m: &Module, d: &Decoded, addr: &E, low: &E, data: &E, rdata: &E) -> Access {
    let size = d.funct3.slice(0, 2);
    let at = addr.slice(0, 2);
    let (byte, half) = (data.slice(0, 8), data.slice(0, 16));
    let half_strobe = mux(at.bit(1), lit(4, 0b1100), lit(4, 0b0011));
    let shifted_byte = pick(low, &[0, 8, 16, 24].map(|lsb| rdata.slice(lsb, 8)));
    let shifted_half = mux(low.bit(1), rdata.slice(16, 16), rdata.slice(0, 16));
    let signed = !d.funct3.bit(2);
    let extend = |v: &E| {
        let sign = (v.bit(v.width() - 1) & &signed).repl(32 - v.width());
        cat(&[sign, v.clone()])
    };
    Access {
        misaligned: m.named(
            "misaligned_access",
            pick(&size, &[lit(1, 0), at.bit(0), at.any()]),
        ),
        strobe: pick(&size, &[at.decode(4), half_strobe, lit(4, 0b1111)]),
        wdata: pick(&size, &[byte.repl(4), half.repl(2), data.clone()]),
        loaded: m.named(
            "loaded",
            pick(
                &size,
                &[extend(&shifted_byte), extend(&shifted_half), rdata.clone()],
            ),
        ),
    }
}

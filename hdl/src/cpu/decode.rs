//! What an instruction word asks for (unprivileged ISA 2.1, chapter 2 and the listing in table 24.2).

use crate::rtl::{E, Module, all_of, any_of, cat, lit, mux, pick, select_onehot};

/// Major opcodes, bits 6:2.
mod opcode {
    pub const LOAD: u64 = 0b00000;
    pub const MISC_MEM: u64 = 0b00011;
    pub const OP_IMM: u64 = 0b00100;
    pub const AUIPC: u64 = 0b00101;
    pub const STORE: u64 = 0b01000;
    pub const OP: u64 = 0b01100;
    pub const LUI: u64 = 0b01101;
    pub const BRANCH: u64 = 0b11000;
    pub const JALR: u64 = 0b11001;
    pub const JAL: u64 = 0b11011;
    pub const SYSTEM: u64 = 0b11100;
}

/// The two instructions of SYSTEM that RV32I has.
const ECALL: u64 = 0x0000_0073;
const EBREAK: u64 = 0x0010_0073;

/// Wires over the instruction register; one bit each but where it says more.
pub(super) struct Decoded {
    /// Register numbers, 5 bits.
    pub rd: E,
    pub rs1: E,
    pub rs2: E,
    /// 3 bits.
    pub funct3: E,
    /// 32 bits, by the format.
    pub immediate: E,
    pub legal: E,
    pub writes_rd: E,
    /// The second operand is rs2, else the immediate.
    pub uses_rs2: E,
    /// The arithmetic unit subtracts: SUB, comparisons, branches.
    pub subtract: E,
    pub lui: E,
    pub auipc: E,
    pub jal: E,
    pub jalr: E,
    pub branch: E,
    pub load: E,
    pub store: E,
    /// Shifts; to the right; with the sign.
    pub shift: E,
    pub right: E,
    pub arithmetic: E,
    pub ecall: E,
    pub ebreak: E,
}

impl Decoded {
    /// The same with registers where the choices of EXECUTE and later begin: good from SECOND on.
    pub(super) fn registered(self, m: &Module) -> Decoded {
        let r = |name: &str, e: &E| m.delay(&format!("{name}_q"), e);
        Decoded {
            writes_rd: r("writes_rd", &self.writes_rd),
            uses_rs2: r("uses_rs2", &self.uses_rs2),
            subtract: r("subtract", &self.subtract),
            lui: r("is_lui", &self.lui),
            auipc: r("is_auipc", &self.auipc),
            jal: r("is_jal", &self.jal),
            jalr: r("is_jalr", &self.jalr),
            branch: r("is_branch", &self.branch),
            load: r("is_load", &self.load),
            store: r("is_store", &self.store),
            shift: r("shift", &self.shift),
            ..self
        }
    }
}

pub(super) fn decode(m: &Module, i: &E) -> Decoded {
    let field = |name: &str, lsb, width| m.named(name, i.slice(lsb, width));
    let funct3 = field("funct3", 12, 3);
    let funct7 = field("funct7", 25, 7);
    let rd = field("rd", 7, 5);
    let (rs1, rs2) = (field("rs1", 15, 5), field("rs2", 20, 5));
    let is = |name: &str, op: u64| m.named(&format!("is_{name}"), i.slice(2, 5).eq_const(op));
    let (load, store) = (is("load", opcode::LOAD), is("store", opcode::STORE));
    let (op_imm, op) = (is("op_imm", opcode::OP_IMM), is("op", opcode::OP));
    let (lui, auipc) = (is("lui", opcode::LUI), is("auipc", opcode::AUIPC));
    let (jal, jalr) = (is("jal", opcode::JAL), is("jalr", opcode::JALR));
    let branch = is("branch", opcode::BRANCH);
    let fence = is("fence", opcode::MISC_MEM);
    let is_system = is("system", opcode::SYSTEM);
    let ecall = m.named("ecall", &is_system & i.eq(ECALL));
    let ebreak = m.named("ebreak", &is_system & i.eq(EBREAK));

    let arithmetic_unit = &op_imm | &op;
    let shifts = funct3.slice(0, 2).eq_const(1);
    let shift = m.named("shift", &arithmetic_unit & &shifts);
    let plain = m.named("funct7_zero", funct7.is_zero());
    let alternate = m.named("funct7_alternate", funct7.eq_const(0x20));
    let adds = funct3.is_zero();
    let shifts_right = funct3.eq_const(5);
    // One bit for each value of funct3.
    let among = |allowed: &[u64]| {
        let all: Vec<E> = (0..8)
            .map(|v| lit(1, allowed.contains(&v) as u64))
            .collect();
        pick(&funct3, &all)
    };
    let legal_op = &plain | &(&alternate & &(&adds | &shifts_right));
    let legal_imm = !&shifts | &plain | (&alternate & &shifts_right);
    let legal = any_of(
        1,
        &[
            lui.clone(),
            auipc.clone(),
            jal.clone(),
            &jalr & &adds,
            &branch & &among(&[0, 1, 4, 5, 6, 7]),
            &load & &among(&[0, 1, 2, 4, 5]),
            &store & &among(&[0, 1, 2]),
            &op_imm & &legal_imm,
            &op & &legal_op,
            &fence & &adds,
            ecall.clone(),
            ebreak.clone(),
        ],
    );
    let legal = m.named("legal", all_of(&[legal, i.slice(0, 2).all()]));

    let compares = funct3.slice(1, 2).eq_const(1);
    let subtract = &branch | &(&op & &alternate & &adds) | (&arithmetic_unit & &compares);
    let writes_rd = any_of(
        1,
        &[&load, &op_imm, &op, &lui, &auipc, &jal, &jalr].map(Clone::clone),
    );
    Decoded {
        immediate: immediate(m, i, &store, &branch, &jal, &(&lui | &auipc)),
        uses_rs2: m.named("uses_rs2", &op | &branch | &store),
        subtract: m.named("subtract", subtract),
        writes_rd: m.named("writes_rd", writes_rd),
        right: funct3.bit(2),
        arithmetic: i.bit(30),
        rd,
        rs1,
        rs2,
        funct3,
        legal,
        lui,
        auipc,
        jal,
        jalr,
        branch,
        load,
        store,
        shift,
        ecall,
        ebreak,
    }
}

/// Figure 2.4 of the ISA; what is none of the others has the I format.
fn immediate(m: &Module, i: &E, s: &E, b: &E, j: &E, u: &E) -> E {
    let sign = i.bit(31);
    let upper = cat(&[i.slice(12, 20), lit(12, 0)]);
    let high = mux(j, i.slice(12, 8), sign.repl(8)); // 19:12
    let bit11 = select_onehot(
        1,
        &[
            (b.clone(), i.bit(7)),
            (j.clone(), i.bit(20)),
            (!(b | j), sign.clone()),
        ],
    );
    let low = mux(
        s | b,
        i.slice(8, 4),  // 4:1 of S and B
        i.slice(21, 4), // of I and J
    );
    let bit0 = select_onehot(1, &[(s.clone(), i.bit(7)), (!(s | b | j), i.bit(20))]);
    let others = cat(&[sign.repl(12), high, bit11, i.slice(25, 6), low, bit0]);
    m.named("immediate", mux(u, upper, others))
}

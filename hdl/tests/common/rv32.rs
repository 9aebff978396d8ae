//! A plain model of RV32I, written from the ISA manual (unprivileged 2.1, chapter 2), and programs for it.

use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};

/// What one instruction does to memory, or how it ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that memory sees.
    Quiet,
    /// A load of the word at this address.
    Load(u32),
    /// A store: word address, bytes, data (only the bytes are meaningful).
    Store(u32, u8, u32),
    /// Stopped, with the cause that `mcause` would hold.
    Trap(u64),
}

/// Registers and program counter; memory belongs to the caller.
#[derive(Clone, Debug, Default)]
pub struct Hart {
    pub x: [u32; 32],
    pub pc: u32,
}

impl Hart {
    /// Executes `i`, fetched from `pc`; `load` answers with the word at an address.
    pub fn step(&mut self, i: u32, load: impl Fn(u32) -> u32) -> Step {
        let sext = |value: u32, bits: u32| ((value << (32 - bits)) as i32) >> (32 - bits);
        let (rd, f3, f7) = ((i >> 7 & 31) as usize, i >> 12 & 7, i >> 25);
        let (a, b) = (
            self.x[(i >> 15 & 31) as usize],
            self.x[(i >> 20 & 31) as usize],
        );
        let imm_i = sext(i >> 20, 12) as u32;
        let imm_s = sext(i >> 25 << 5 | i >> 7 & 31, 12) as u32;
        let imm_u = i & 0xffff_f000;
        let imm_b = sext(
            i >> 31 << 12 | (i >> 7 & 1) << 11 | (i >> 25 & 63) << 5 | (i >> 8 & 15) << 1,
            13,
        ) as u32;
        let imm_j = sext(
            i >> 31 << 20 | (i >> 12 & 255) << 12 | (i >> 20 & 1) << 11 | (i >> 21 & 1023) << 1,
            21,
        ) as u32;
        let mut next = self.pc.wrapping_add(4);
        let mut write = None;
        let mut step = Step::Quiet;
        match i & 127 {
            0x37 => write = Some(imm_u),
            0x17 => write = Some(self.pc.wrapping_add(imm_u)),
            0x6f => {
                write = Some(next);
                next = self.pc.wrapping_add(imm_j);
            }
            0x67 if f3 == 0 => {
                write = Some(next);
                next = a.wrapping_add(imm_i) & !1;
            }
            0x63 => {
                let taken = match f3 {
                    0 => a == b,
                    1 => a != b,
                    4 => (a as i32) < b as i32,
                    5 => (a as i32) >= b as i32,
                    6 => a < b,
                    7 => a >= b,
                    _ => return Step::Trap(2),
                };
                if taken {
                    next = self.pc.wrapping_add(imm_b);
                }
            }
            0x03 => {
                let at = a.wrapping_add(imm_i);
                if at % [1, 2, 4, 1, 1, 2, 1, 1][f3 as usize] != 0 {
                    return Step::Trap(4);
                }
                if matches!(f3, 3 | 6 | 7) {
                    return Step::Trap(2);
                }
                let word = load(at & !3) >> (8 * (at & 3));
                write = Some(match f3 {
                    0 => word as u8 as i8 as u32,
                    1 => word as u16 as i16 as u32,
                    4 => word & 0xff,
                    5 => word & 0xffff,
                    _ => word,
                });
                step = Step::Load(at & !3);
            }
            0x23 => {
                let at = a.wrapping_add(imm_s);
                let (size, strobe) = match f3 {
                    0 => (1, 1),
                    1 => (2, 3),
                    2 => (4, 15),
                    _ => return Step::Trap(2),
                };
                if at % size != 0 {
                    return Step::Trap(6);
                }
                step = Step::Store(at & !3, strobe << (at & 3), b << (8 * (at & 3)));
            }
            0x13 | 0x33 => {
                let immediate = i & 127 == 0x13;
                let b = if immediate { imm_i } else { b };
                let shift = f3 == 1 || f3 == 5;
                let known = match (immediate && !shift, f7) {
                    (true, _) | (false, 0) => true,
                    (false, 0x20) => f3 == 5 || (f3 == 0 && !immediate),
                    _ => false,
                };
                if !known {
                    return Step::Trap(2);
                }
                let alternate = f7 == 0x20;
                write = Some(match f3 {
                    0 if !immediate && alternate => a.wrapping_sub(b),
                    0 => a.wrapping_add(b),
                    1 => a << (b & 31),
                    2 => u32::from((a as i32) < b as i32),
                    3 => u32::from(a < b),
                    4 => a ^ b,
                    5 if alternate => ((a as i32) >> (b & 31)) as u32,
                    5 => a >> (b & 31),
                    6 => a | b,
                    _ => a & b,
                });
            }
            0x0f if f3 == 0 => {}
            0x73 if i == 0x73 => return Step::Trap(11),
            0x73 if i == 0x0010_0073 => return Step::Trap(3),
            _ => return Step::Trap(2),
        }
        if !next.is_multiple_of(4) {
            return Step::Trap(0);
        }
        if let (Some(value), true) = (write, rd != 0) {
            self.x[rd] = value;
        }
        self.pc = next;
        step
    }
}

/// A jump of `offset` bytes (even, below 1 MiB either way) that keeps its return address in `rd`.
pub fn jal(rd: u32, offset: i32) -> u32 {
    let o = offset as u32;
    let imm = (o >> 20 & 1) << 31 | (o >> 1 & 1023) << 21 | (o >> 11 & 1) << 20 | o & 0xff000;
    imm | rd << 7 | 0x6f
}

/// A random instruction, mostly legal, that uses few registers so that results meet again.
pub fn instruction(rng: &mut impl RngCore) -> u32 {
    let reg = |rng: &mut dyn RngCore| [0, 1, 2, 3, 5, 8, 13, 21, 31, 31][rng.random_range(0..10)];
    let (rd, rs1, rs2): (u32, u32, u32) = (reg(rng), reg(rng), reg(rng));
    let f3 = rng.random_range(0..8u32);
    let base = rd << 7 | f3 << 12 | rs1 << 15 | rs2 << 20;
    let imm = rng.random_range(0..4096u32) << 20;
    // Offsets of loads and stores: mostly whole words, so that programs go on.
    let offset = rng.random_range(0..4096u32) & [!3, !3, !3, !0][rng.random_range(0..4)];
    // What has no meaning ends a program: now and then.
    let odd = rng.random_range(0..40) == 0;
    match rng.random_range(0..100) {
        0..30 => {
            let alternate = odd || (f3 == 0 || f3 == 5) && rng.random();
            base | 0x33 | u32::from(alternate) << 30
        }
        30..55 => {
            let alternate = odd || f3 == 5 && rng.random();
            let shift = rs2 << 20 | u32::from(alternate) << 30;
            let shifts = f3 == 1 || f3 == 5;
            rd << 7 | f3 << 12 | rs1 << 15 | 0x13 | if shifts { shift } else { imm }
        }
        55..62 => rng.random::<u32>() & !0x7f | *[0x37, 0x17].choose(rng).expect("two"),
        62..72 => {
            let width = if odd {
                f3
            } else {
                [0, 1, 2, 4, 5, 2, 2, 2][f3 as usize]
            };
            rd << 7 | width << 12 | rs1 << 15 | offset << 20 | 0x03
        }
        72..82 => {
            let width = if odd { f3 } else { f3 % 3 };
            let imm = offset >> 5 << 25 | (offset & 31) << 7;
            imm | width << 12 | rs1 << 15 | rs2 << 20 | 0x23
        }
        82..92 => {
            // Short ones forward, and of every distance both ways, some misaligned by 2.
            let far = rng.random::<u32>() & [0xfe00_0f80, 0xfe00_0e80][rng.random_range(0..2)];
            let to = [rng.random_range(1..4u32) << 9, far][rng.random_range(0..2)];
            let compares = if odd {
                f3
            } else {
                [0, 1, 4, 5, 4, 5, 6, 7][f3 as usize]
            };
            compares << 12 | rs1 << 15 | rs2 << 20 | to | 0x63
        }
        92..94 => {
            let reach = [16, 1 << 12, 1 << 20][rng.random_range(0..3)];
            let aligned = [!3, !3, !1][rng.random_range(0..3)];
            jal(rd, rng.random_range(-reach..reach) & aligned)
        }
        94..96 => rd << 7 | rs1 << 15 | imm | 0x67,
        96..98 => 0x0f | imm,
        98 => *[0x73, 0x0010_0073, 0x3020_0073, 0, u32::MAX]
            .choose(rng)
            .expect("five"),
        _ => rng.random(),
    }
}

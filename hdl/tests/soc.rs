//! The processor in its memory: programs assembled here run in it and use registers over the bus.
#[path = "common/asm.rs"]
mod asm;
#[path = "common/seed.rs"]
mod seed;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::{ImageTooLarge, RAM_BYTES, REGISTERS, TIMEOUT, WORST, soc};
use smartnic_hdl::cpu::cause;
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};
use std::collections::HashMap;

use asm::*;

struct Machine {
    dut: Model,
    rng: ChaCha8Rng,
    registers: HashMap<u32, u32>,
    /// Addresses that nobody answers, and ones that the arbiter calls holes.
    silent: u32,
    hole: u32,
    /// The answer that is due: cycles left, address, write, data.
    due: Option<(u32, u32, bool, u32)>,
    accesses: Vec<(bool, u32, u32)>,
    /// Cycles of an answer.
    delay: std::ops::RangeInclusive<u32>,
}

impl Machine {
    fn new(words: &[u32]) -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let m = soc(&image(words)).expect("it fits");
        let mut m = Self {
            dut: Model::build(&design(&m), &options).expect("builds"),
            rng: seed::rng(),
            registers: HashMap::new(),
            silent: 0xfff0,
            hole: 0xffe0,
            due: None,
            accesses: vec![],
            delay: 1..=32,
        };
        m.dut.poke("reset", 1);
        m.dut.tick(1);
        m.dut.poke("reset", 0);
        m
    }

    fn cycle(&mut self) {
        let mut answer = None;
        if let Some((left, addr, write, data)) = &mut self.due {
            *left -= 1;
            if *left == 0 {
                let error = *addr == self.hole;
                let got = if *write || error {
                    0
                } else {
                    self.registers.get(addr).copied().unwrap_or(0)
                };
                if *write && !error {
                    self.registers.insert(*addr, *data);
                }
                answer = Some((got, error));
                self.due = None;
            }
        }
        self.dut.poke("reg_ack", answer.is_some().into());
        self.dut.poke("reg_rdata", answer.map_or(0, |a| a.0).into());
        self.dut
            .poke("reg_error", answer.is_some_and(|a| a.1).into());
        self.dut.tick(1);
        if self.dut.peek("reg_valid") == 1 {
            assert!(self.due.is_none(), "one request at a time");
            let (write, addr) = (
                self.dut.peek("reg_write") == 1,
                self.dut.peek("reg_addr") as u32,
            );
            let data = self.dut.peek("reg_wdata") as u32;
            self.accesses
                .push((write, addr, if write { data } else { 0 }));
            if addr != self.silent {
                self.due = Some((self.rng.random_range(self.delay.clone()), addr, write, data));
            }
        }
    }

    /// Runs until the processor stops; gives cause, place and cycles.
    fn run(&mut self, most: u64) -> (u64, u64, u64) {
        for n in 0..most {
            if self.dut.peek("trap") == 1 {
                return (self.dut.peek("trap_cause"), self.dut.peek("trap_pc"), n);
            }
            self.cycle();
        }
        panic!("it does not stop: at {:#x}", self.dut.peek("retired_pc"));
    }

    fn restart(&mut self) {
        self.dut.poke("cpu_reset", 1);
        for _ in 0..self.rng.random_range(1..20) {
            self.cycle();
        }
        self.dut.poke("cpu_reset", 0);
        self.cycle();
        self.cycle();
    }
}

const REGS: u32 = (REGISTERS >> 12) as u32;

#[test]
fn a_program_uses_ram_and_registers() {
    // Sums eight registers, doubles each, keeps the sums in RAM by bytes, halves and words, and tells.
    let program = [
        lui(1, REGS),   // x1: registers
        lui(2, 3),      // x2: 0x3000 in RAM
        addi(3, 0, 8),  // x3: how many
        addi(4, 0, 0),  // x4: sum
        lw(5, 1, 0x40), // loop at 0x10
        add(4, 4, 5),
        add(5, 5, 5),
        sw(5, 1, 0x40),
        sw(4, 2, 0),
        addi(1, 1, 4),
        addi(2, 2, 4),
        addi(3, 3, -1),
        bne(3, 0, -32),
        lui(1, REGS),
        sw(4, 1, 0x100),
        sb(4, 2, 1), // bytes and halves into the word behind
        sh(4, 2, 2),
        lw(6, 2, 0),
        sw(6, 1, 0x104),
        lbu(7, 2, 3),
        sw(7, 1, 0x108),
        lbu(8, 1, 0x41), // a byte of a register: the whole word is read
        sw(8, 1, 0x10c),
        lw(9, 2, -8), // the seventh sum
        sw(9, 1, 0x110),
        lw(10, 0, 0x7c), // a word of the image
        sw(10, 1, 0x114),
        EBREAK,
        0,
        0,
        0,
        0xdead_beef,
    ];
    let mut m = Machine::new(&program);
    for round in 0..12 {
        if round > 0 {
            m.restart();
        }
        m.delay = [1..=1, 1..=32, WORST as u32..=WORST as u32][round % 3].clone();
        m.accesses.clear();
        let values: [u32; 8] = m.rng.random();
        for (i, v) in (0..).zip(values) {
            m.registers.insert(0x40 + 4 * i, v);
        }
        let sums: Vec<u32> = values
            .iter()
            .scan(0u32, |s, v| {
                *s = s.wrapping_add(*v);
                Some(*s)
            })
            .collect();
        let (cause, pc, _) = m.run(20_000);
        assert_eq!((cause, pc), (cause::BREAKPOINT, 27 * 4));
        let sum = sums[7];
        let word = sum << 16 | (sum & 0xff) << 8;
        let doubled = values[0].wrapping_mul(2);
        let want = [
            sum,
            word,
            word >> 24,
            doubled >> 8 & 0xff,
            sums[6],
            0xdead_beef,
        ];
        for (i, want) in (0..).zip(want) {
            assert_eq!(m.registers[&(0x100 + 4 * i)], want, "result {i}");
        }
        let mut told = vec![];
        for (i, v) in (0..).zip(values) {
            told.push((false, 0x40 + 4 * i, 0));
            told.push((true, 0x40 + 4 * i, v.wrapping_mul(2)));
        }
        assert_eq!(m.accesses[..16], told, "in order, each once");
        assert_eq!(m.accesses.len(), 16 + 7);
    }
}

#[test]
fn what_does_not_exist_stops_it() {
    // The bench says by two registers which address to touch and how: the instruction at 0x20, 0x28, 0x30 or 0x38.
    let (load, store, half, go) = (0x20u32, 0x28, 0x30, 0x38);
    let program = [
        lui(4, REGS),
        lw(1, 4, 0),
        lw(3, 4, 4),
        jalr(0, 3, 0),
        0,
        0,
        0,
        0,
        lw(2, 1, 0),
        EBREAK,
        sw(2, 1, 0),
        EBREAK,
        sh(2, 1, 0),
        EBREAK,
        jalr(0, 1, 0),
    ];
    let regs = REGISTERS as u32;
    let cases = [
        (0x4000, load, cause::LOAD_FAULT),
        (0x4000, store, cause::STORE_FAULT),
        (regs - 4, load, cause::LOAD_FAULT),
        (regs + 0x1_0000, store, cause::STORE_FAULT),
        (0x8000_0000, load, cause::LOAD_FAULT),
        (regs + 0xfff0, load, cause::LOAD_FAULT),
        (regs + 0xfff0, store, cause::STORE_FAULT),
        (regs + 0xffe0, load, cause::LOAD_FAULT),
        (regs + 0xffe0, store, cause::STORE_FAULT),
        (regs + 0x10, half, cause::STORE_FAULT),
        (regs + 0x10, go, cause::INSTRUCTION_FAULT),
        (0x4000, go, cause::INSTRUCTION_FAULT),
        (regs + 0x20, load, cause::BREAKPOINT),
        (0x3ffc, store, cause::BREAKPOINT),
        (0x3ffe, half, cause::BREAKPOINT),
    ];
    let mut m = Machine::new(&program);
    m.delay = 1..=1;
    for (address, how, cause) in cases {
        m.registers.insert(0, address);
        m.registers.insert(4, how);
        m.accesses.clear();
        let (got, pc, cycles) = m.run(1000);
        let place = match (how, cause) {
            (_, cause::BREAKPOINT) => how + 4,
            (how, _) if how == go => address,
            _ => how,
        };
        assert_eq!((got, pc), (cause, u64::from(place)), "{address:#x}");
        let silent = address == regs + 0xfff0;
        assert_eq!(cycles > TIMEOUT, silent, "{address:#x}: {cycles} cycles");
        let asked = [0xffe0, 0xfff0, 0x20].contains(&address.wrapping_sub(regs));
        assert_eq!(m.accesses.len(), 2 + usize::from(asked), "{address:#x}");
        m.restart();
    }
}

#[test]
fn a_restart_at_any_time() {
    // Counts in RAM and tells.
    let program = [
        lui(1, REGS),
        lw(2, 0, 0x400),
        addi(2, 2, 1),
        sw(2, 0, 0x400),
        sw(2, 1, 0x20),
        lw(3, 1, 0x20),
        bne(3, 2, 8),
        jalr(0, 0, 4),
        EBREAK,
    ];
    let mut m = Machine::new(&program);
    let mut last = 0;
    for _ in 0..300 {
        for _ in 0..m.rng.random_range(30..400) {
            m.cycle();
            assert_eq!(
                m.dut.peek("trap"),
                0,
                "it read back another value than it wrote"
            );
        }
        let now = m.registers.get(&0x20).copied().unwrap_or(0);
        assert!(now >= last, "RAM keeps its contents: {last}, then {now}");
        last = now;
        m.restart();
    }
    assert!(last > 300, "{last}");
}

#[test]
fn cycles_are_as_stated() {
    let mut m = Machine::new(&[
        addi(0, 0, 0),
        addi(0, 0, 0),
        addi(0, 0, 0),
        lw(1, 0, 0),
        addi(0, 0, 0),
        lui(1, REGS),
        lw(2, 1, 0),
        addi(0, 0, 0),
        EBREAK,
    ]);
    m.delay = 1..=1;
    let mut at = vec![];
    for n in 0..400u64 {
        m.cycle();
        if m.dut.peek("retired") == 1 {
            at.push(n);
        }
    }
    let took: Vec<u64> = at.windows(2).map(|w| w[1] - w[0]).collect();
    println!("{took:?}");
    assert_eq!(took[..6], [9, 9, 13, 9, 9, 14]);
}

#[test]
fn an_image_that_is_too_large_is_refused() {
    let bytes = RAM_BYTES + 1;
    let error = soc(&vec![0; bytes]).err();
    assert_eq!(error, Some(ImageTooLarge { bytes }));
    assert!(ImageTooLarge { bytes }.to_string().contains("16385"));
    assert!(soc(&vec![1; RAM_BYTES]).is_ok());
}

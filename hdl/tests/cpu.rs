//! The processor against a plain model of RV32I: every fetch, load and store, in order, and how the program ends.
#[path = "common/rv32.rs"]
mod rv32;
#[path = "common/seed.rs"]
mod seed;

use rand::{Rng, RngCore};
use rv32::{Hart, Step, instruction, jal};
use smartnic_hdl::cpu::{RESET_PC, cause, rv32i};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};
use std::cmp::Ordering;
use std::collections::HashMap;

/// Bytes of memory; what lies beyond answers with an error.
const MEMORY: u32 = 1 << 20;

struct Machine {
    dut: Model,
    hart: Hart,
    memory: HashMap<u32, u32>,
    /// Chance in 100 that the memory answers in a cycle.
    speed: u32,
    causes: HashMap<u64, u64>,
    /// What was executed to its end.
    done: HashMap<Kind, u64>,
    /// Loads and stores, by opcode and width, that were refused because they were misaligned.
    misaligned: HashMap<(u32, u32), u64>,
    cycles: u64,
    retired: u64,
}

/// An instruction as the ISA's tests tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Kind {
    opcode: u32,
    /// Of those that have it: the width, the comparison, the operation; with it bit 30 of those that it makes another of.
    function: u32,
    alternate: bool,
    /// It would write, and writes to x0.
    to_x0: bool,
    /// A branch or a jump: by how it went on.
    way: Option<Ordering>,
}

impl Kind {
    /// Of `code` at `pc`, after which `next` came.
    fn of(code: u32, pc: u32, next: u32) -> Self {
        let (opcode, f3) = (code & 127, code >> 12 & 7);
        let operation = matches!(opcode, 0x13 | 0x33);
        let jumps = matches!(opcode, 0x63 | 0x67 | 0x6f);
        // Not taken is neither forward nor backward.
        let way = if next == pc.wrapping_add(4) {
            Ordering::Equal
        } else {
            next.cmp(&pc)
        };
        Self {
            opcode,
            function: if matches!(opcode, 0x37 | 0x17 | 0x6f) {
                0
            } else {
                f3
            },
            alternate: operation && (opcode == 0x33 || f3 == 5) && code >> 30 & 1 == 1,
            to_x0: !matches!(opcode, 0x63 | 0x23 | 0x0f) && code >> 7 & 31 == 0,
            way: jumps.then_some(way),
        }
    }

    /// Every one that a test of RV32I must have seen.
    fn all() -> Vec<Self> {
        let mut all = vec![];
        let mut add = |opcode, functions: &[u32], alternate, ways: &[Option<Ordering>]| {
            for (function, way) in functions
                .iter()
                .flat_map(|f| ways.iter().map(move |w| (f, w)))
            {
                let writes = !matches!(opcode, 0x63 | 0x23 | 0x0f);
                for to_x0 in [false, true].into_iter().take(1 + usize::from(writes)) {
                    all.push(Self {
                        opcode,
                        function: *function,
                        alternate,
                        to_x0,
                        way: *way,
                    });
                }
            }
        };
        let (forward, backward) = (Some(Ordering::Greater), Some(Ordering::Less));
        for opcode in [0x37, 0x17, 0x0f] {
            add(opcode, &[0], false, &[None]);
        }
        add(0x6f, &[0], false, &[forward, backward]);
        add(0x67, &[0], false, &[forward, backward]);
        add(
            0x63,
            &[0, 1, 4, 5, 6, 7],
            false,
            &[forward, backward, Some(Ordering::Equal)],
        );
        add(0x03, &[0, 1, 2, 4, 5], false, &[None]);
        add(0x23, &[0, 1, 2], false, &[None]);
        add(0x13, &[0, 1, 2, 3, 4, 5, 6, 7], false, &[None]);
        add(0x13, &[5], true, &[None]);
        add(0x33, &[0, 1, 2, 3, 4, 5, 6, 7], false, &[None]);
        add(0x33, &[0, 5], true, &[None]);
        all
    }
}

impl Machine {
    fn new() -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        Self {
            dut: Model::build(&design(&rv32i()), &options).expect("builds"),
            hart: Hart::default(),
            memory: HashMap::new(),
            speed: 100,
            causes: HashMap::new(),
            done: HashMap::new(),
            misaligned: HashMap::new(),
            cycles: 0,
            retired: 0,
        }
    }

    /// Resets it when the last instruction has retired, so that its result is not lost with it.
    fn reset(&mut self) {
        self.dut.poke("mem_ready", 0);
        for _ in 0..40 {
            self.dut.tick(1);
        }
        self.dut.poke("reset", 1);
        self.dut.poke("mem_ready", 0);
        self.dut.tick(1);
        self.dut.poke("reset", 0);
        self.hart.pc = RESET_PC as u32;
    }

    fn word(&mut self, rng: &mut impl RngCore, at: u32, code: bool) -> u32 {
        *self
            .memory
            .entry(at)
            .or_insert_with(|| if code { instruction(rng) } else { rng.random() })
    }

    /// Waits for the next request and answers it; gives address, write, strobe, data, fetch. `None`: the processor stopped.
    fn request(
        &mut self,
        rng: &mut impl RngCore,
        answer: &mut dyn FnMut(&mut Self, u32) -> u32,
    ) -> Option<(u32, bool, u8, u32, bool)> {
        for _ in 0..400 {
            let ready = rng.random_range(0..100) < self.speed;
            if self.dut.peek("trap") == 1 {
                return None;
            }
            let at = self.dut.peek("mem_addr") as u32;
            let asked = self.dut.peek("mem_valid") == 1;
            self.dut.poke("mem_ready", ready as u64);
            self.dut.poke("mem_error", u64::from(at >= MEMORY));
            let data = if asked && ready {
                answer(self, at)
            } else {
                rng.random()
            };
            self.dut.poke("mem_rdata", data.into());
            let what = (
                at,
                self.dut.peek("mem_write") == 1,
                self.dut.peek("mem_strobe") as u8,
                self.dut.peek("mem_wdata") as u32,
                self.dut.peek("mem_instr") == 1,
            );
            self.dut.tick(1);
            self.cycles += 1;
            self.retired += self.dut.peek("retired");
            if asked && ready {
                return Some(what);
            }
        }
        panic!("the processor stands still at {:#x}", self.hart.pc);
    }

    /// One instruction in both; false when it stopped.
    fn step(&mut self, rng: &mut impl RngCore) -> bool {
        let pc = self.hart.pc;
        let code = self.word(rng, pc, true);
        let goes_on = self.both(rng, pc, code);
        if goes_on {
            let kind = Kind::of(code, pc, self.hart.pc);
            *self.done.entry(kind).or_default() += 1;
        }
        goes_on
    }

    fn both(&mut self, rng: &mut impl RngCore, pc: u32, code: u32) -> bool {
        let mut seen = code;
        let fetch = self.request(rng, &mut |_, _| seen).expect("a fetch");
        assert_eq!((fetch.0, fetch.1, fetch.4), (pc, false, true), "fetch");
        seen = rng.random();
        let _ = seen;
        if pc >= MEMORY {
            return self.stopped(rng, cause::INSTRUCTION_FAULT, pc);
        }
        // Every word that a load could take is in memory before the model runs.
        let from =
            self.hart.x[(code >> 15 & 31) as usize].wrapping_add(((code as i32) >> 20) as u32) & !3;
        let loaded = self.word(rng, from, false);
        let before = self.hart.clone();
        match self.hart.step(code, |_| loaded) {
            Step::Quiet => true,
            Step::Trap(cause) => {
                if [cause::LOAD_MISALIGNED, cause::STORE_MISALIGNED].contains(&cause) {
                    let width = (code & 127, code >> 12 & 7);
                    *self.misaligned.entry(width).or_default() += 1;
                }
                self.stopped(rng, cause, pc)
            }
            Step::Load(at) => {
                let got = self.request(rng, &mut |_, _| loaded).expect("a load");
                assert_eq!(
                    (got.0, got.1, got.4),
                    (at, false, false),
                    "load of {code:08x}"
                );
                if at >= MEMORY {
                    self.hart = before;
                    return self.stopped(rng, cause::LOAD_FAULT, pc);
                }
                true
            }
            Step::Store(at, strobe, data) => {
                let got = self.request(rng, &mut |_, _| 0).expect("a store");
                assert_eq!(
                    (got.0, got.1, got.2, got.4),
                    (at, true, strobe, false),
                    "store of {code:08x}"
                );
                let mask = (0..4)
                    .filter(|i| strobe >> i & 1 == 1)
                    .fold(0u32, |m, i| m | 0xff << (8 * i));
                assert_eq!(
                    got.3 & mask,
                    data & mask,
                    "data stored by {code:08x} at {pc:#x}"
                );
                if at >= MEMORY {
                    self.hart = before;
                    return self.stopped(rng, cause::STORE_FAULT, pc);
                }
                let old = self.word(rng, at, false);
                self.memory.insert(at, old & !mask | data & mask);
                true
            }
        }
    }

    fn stopped(&mut self, rng: &mut impl RngCore, cause: u64, pc: u32) -> bool {
        assert!(
            self.request(rng, &mut |_, _| 0).is_none(),
            "it should have stopped at {pc:#x}"
        );
        assert_eq!(self.dut.peek("trap_cause"), cause, "cause, at {pc:#x}");
        assert_eq!(self.dut.peek("trap_pc"), u64::from(pc));
        *self.causes.entry(cause).or_default() += 1;
        false
    }

    /// Stores every register, so that none has a wrong value unseen.
    fn dump(&mut self, rng: &mut impl RngCore) {
        self.reset();
        for r in 1..32 {
            // sw x[r], 4*r(x0)
            let code = 0x23 | 2 << 12 | r << 20 | ((4 * r) & 31) << 7 | ((4 * r) >> 5) << 25;
            self.memory.insert(self.hart.pc, code);
            assert!(self.step(rng), "stores x{r}");
        }
    }
}

#[test]
fn random_programs_do_what_the_isa_says() {
    let mut rng = seed::rng();
    let mut m = Machine::new();
    // Registers first: the ISA leaves them open after power-up.
    m.reset();
    for r in 1..32u32 {
        m.memory
            .insert(m.hart.pc, rng.random::<u32>() & !0xfff | r << 7 | 0x37);
        assert!(m.step(&mut rng));
    }
    let (mut instructions, mut longest) = (0u64, 0);
    // Until every kind of instruction was executed, which takes a few hundred.
    for program in 0..10_000 {
        if program >= 1500 && Kind::all().iter().all(|kind| m.done.contains_key(kind)) {
            break;
        }
        m.memory.clear();
        m.speed = [100, 70, 30][program % 3];
        if program % 5 != 0 {
            // Pointers into memory, so that loads and stores hit.
            m.reset();
            for r in [1, 2, 3, 5, 8, 13, 21, 31u32] {
                m.memory.insert(
                    m.hart.pc,
                    rng.random_range(0..MEMORY >> 12) << 12 | r << 7 | 0x37,
                );
                assert!(m.step(&mut rng));
            }
            m.memory.clear();
        }
        m.reset();
        // Into the middle, so that it can go both ways from there.
        let middle = rng.random_range(MEMORY / 4..MEMORY * 3 / 4) & !3;
        m.memory
            .insert(m.hart.pc, jal(rng.random_range(0..32), middle as i32));
        let mut length = 0;
        while length < 400 && m.step(&mut rng) {
            length += 1;
        }
        longest = longest.max(length);
        instructions += length;
        m.memory.clear();
        m.dump(&mut rng);
    }
    println!(
        "{instructions} instructions, longest program {longest}, causes {:?}",
        m.causes
    );
    assert!(instructions > 10_000);
    let all = [
        cause::INSTRUCTION_MISALIGNED,
        cause::INSTRUCTION_FAULT,
        cause::ILLEGAL,
        cause::BREAKPOINT,
        cause::LOAD_MISALIGNED,
        cause::LOAD_FAULT,
        cause::STORE_MISALIGNED,
        cause::STORE_FAULT,
        cause::ECALL,
    ];
    for cause in all {
        assert!(
            m.causes.contains_key(&cause),
            "cause {cause} was never seen"
        );
    }
    for kind in Kind::all() {
        assert!(m.done.contains_key(&kind), "never executed: {kind:?}");
    }
    for width in [(0x03, 1), (0x03, 2), (0x03, 5), (0x23, 1), (0x23, 2)] {
        assert!(
            m.misaligned.contains_key(&width),
            "never misaligned: {width:?}"
        );
    }
    let least = Kind::all().into_iter().map(|kind| m.done[&kind]).min();
    println!("every kind of instruction at least {least:?} times");
}

/// The header's cycles an instruction.
#[test]
fn cycles_are_as_stated() {
    let mut rng = seed::rng();
    let mut m = Machine::new();
    m.reset();
    let mut cycles = |m: &mut Machine, code: u32| {
        m.memory.insert(m.hart.pc, code);
        // From fetch to fetch: the cycles of the instruction before.
        let before = m.cycles;
        assert!(m.step(&mut rng));
        m.cycles - before
    };
    for _ in 0..3 {
        cycles(&mut m, 0x13); // addi x0, x0, 0
    }
    assert_eq!(cycles(&mut m, 0x13), 6, "addi");
    cycles(&mut m, 9 << 20 | 1 << 12 | 1 << 7 | 0x13); // slli x1, x0, 9
    assert_eq!(cycles(&mut m, 0x13), 7 + 9, "the fetch after a shift by 9");
    // A step ends with the last answer: the load's own comes 4 cycles after its fetch, the next fetch 3 later.
    assert_eq!(
        cycles(&mut m, 2 << 12 | 1 << 7 | 0x03),
        6 + 4,
        "lw x1, 0(x0)"
    );
    assert_eq!(cycles(&mut m, 0x13), 3, "the fetch after a load");
}

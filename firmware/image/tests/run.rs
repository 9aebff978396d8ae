//! The true image in the plain model of the processor, on a board at register level: it starts, follows links, answers, stays within its stack, and stops when it is broken.

#[path = "../../tests/common/board.rs"]
mod mock;
#[path = "../../tests/common/phy.rs"]
mod phy;
#[path = "../../../hdl/tests/common/rv32.rs"]
#[allow(dead_code)] // random programs are for the processor's own test
mod rv32;

use mock::Board;
use phy::{KINDS, Kind, Partner, Phy};
use rand::Rng;
use rv32::{Hart, Step};
use smartnic_firmware::image::Fault;
use smartnic_firmware::{Bus, VERSION_WORD};
use smartnic_firmware_image::build::assemble;
use smartnic_firmware_image::{Image, TARGET, build};
use smartnic_regs::{board, fdb, global};

const RAM: usize = 16 * 1024;
const REGISTERS: u32 = 0x1000_0000;
/// Cycles of the processor in its memory, as `soc` and `cpu` state them: an instruction, more for a shift by n (1 + n), a load or store of RAM, of a register (with the arbiter).
const INSTRUCTION: u64 = 9;
const MEMORY: u64 = 4;
const REGISTER: u64 = 5 + 6;

struct Machine {
    hart: Hart,
    ram: Vec<u8>,
    board: Board,
    deepest: u32,
    instructions: u64,
    stopped: Option<(u64, u32)>,
}

impl Machine {
    fn new(image: &[u8], mut board: Board) -> Self {
        board.access_cycles = 0;
        let mut ram = vec![0xa5; RAM];
        ram[..image.len()].copy_from_slice(image);
        Self {
            hart: Hart::default(),
            ram,
            board,
            deepest: RAM as u32,
            instructions: 0,
            stopped: None,
        }
    }

    /// As a restart by the watchdog: registers and RAM are what they were.
    fn restart(&mut self) {
        self.hart.pc = 0;
        self.stopped = None;
    }

    fn word(&self, at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(self.ram[at..at + 4].try_into().expect("four"))
    }

    fn step(&mut self) {
        if self.stopped.is_some() {
            self.board.pass(1000);
            return;
        }
        let pc = self.hart.pc;
        assert!(pc < RAM as u32, "runs at {pc:#x}");
        let i = self.word(pc);
        let mut cycles = INSTRUCTION;
        if matches!(i & 0x7f, 0x13 | 0x33) && i >> 12 & 3 == 1 {
            cycles += 1 + u64::from(i >> 20 & 31);
        }
        // A load is done before the model asks for its word.
        let base = self.hart.x[(i >> 15 & 31) as usize];
        let from = base.wrapping_add(((i as i32) >> 20) as u32) & !3;
        let mut loaded = 0;
        if i & 0x7f == 0x03 {
            loaded = if from < RAM as u32 {
                self.word(from)
            } else {
                self.register(from, None)
            };
        }
        match self.hart.step(i, |_| loaded) {
            Step::Quiet => {}
            Step::Load(at) | Step::Store(at, ..) if at < RAM as u32 => cycles += MEMORY,
            Step::Load(_) | Step::Store(..) => cycles += REGISTER,
            Step::Trap(cause) => self.stopped = Some((cause, pc)),
        }
        let step = i & 0x7f == 0x23;
        if step {
            self.store(i, base);
        }
        self.instructions += 1;
        self.board.pass(cycles);
        let sp = self.hart.x[2];
        if sp <= RAM as u32 && sp > 0x2000 {
            self.deepest = self.deepest.min(sp);
        }
    }

    fn store(&mut self, i: u32, base: u32) {
        let offset = ((i as i32) >> 25 << 5) as u32 | i >> 7 & 31;
        let at = base.wrapping_add(offset);
        let value = self.hart.x[(i >> 20 & 31) as usize];
        let bytes = [1, 2, 4][(i >> 12 & 3) as usize];
        if at < RAM as u32 {
            let at = at as usize;
            self.ram[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        } else {
            assert_eq!(bytes, 4, "the soc takes whole words only");
            self.register(at, Some(value));
        }
    }

    fn register(&mut self, at: u32, value: Option<u32>) -> u32 {
        let addr = at.wrapping_sub(REGISTERS);
        assert!(addr < 0x1_0000, "{at:#x} at pc {:#x}", self.hart.pc);
        match value {
            Some(value) => {
                self.board.write(addr, value);
                0
            }
            None => self.board.read(addr),
        }
    }

    fn ticks(&mut self, count: u64) {
        let end = self.board.ticks() + count;
        while self.board.ticks() < end {
            self.step();
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.board.from.clear();
        self.board.to.extend(line.bytes());
        self.board.to.push_back(b'\n');
        for _ in 0..2_000_000 {
            self.step();
            if self.board.from.ends_with(b"\n") {
                let said = std::mem::take(&mut self.board.from);
                return String::from_utf8(said).expect("ASCII").trim_end().into();
            }
        }
        panic!("{line}: no answer");
    }
}

fn two(kind: Kind) -> Board {
    let mut board = Board::new(2, 2);
    for bus in 0..2 {
        board.phys.insert((bus, 1), Phy::new(kind));
    }
    board.phy(0, 1).plug(Some(Partner::full(&[10, 100, 1000])));
    board.phy(0, 1).negotiation = 50;
    board
}

fn image() -> Image {
    build().expect("the firmware builds; cargo xtask setup prepares for it")
}

#[test]
fn it_fits_and_is_whole() {
    let image = image();
    let s = &image.sizes;
    println!("{s:?}");
    let bytes = image.bytes.len() as u32;
    assert_eq!(bytes, s.text + s.rodata + s.data);
    assert!(bytes + s.data + s.bss + s.stack_room <= RAM as u32);
    assert!(s.stack > 500 && s.stack <= s.stack_room, "{s:?}");
    // Built once for each content.
    let written = || std::fs::metadata(&image.path).and_then(|m| m.modified());
    let before = written().expect("the image's time");
    assert_eq!(build().expect("again").bytes, image.bytes);
    assert_eq!(written().expect("the image's time"), before);
}

/// The linker's file with something in it that may not be: what is said of it.
#[test]
fn a_file_in_which_something_can_panic_is_refused() {
    let image = image();
    let elf = image.path.with_file_name("build").join(TARGET);
    let elf = std::fs::read(elf.join("firmware/smartnic-firmware")).expect("the linker's file");
    let (bytes, sizes) = assemble(&elf).expect("it is right");
    assert_eq!((&bytes, &sizes), (&image.bytes, &image.sizes));
    let renamed = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let name = format!("{from}\0");
        let at = elf.windows(name.len()).position(|w| w == name.as_bytes());
        let at = at.unwrap_or_else(|| panic!("no symbol {from}"));
        let mut other = elf.clone();
        other[at..at + to.len()].copy_from_slice(to.as_bytes());
        assemble(&other).expect_err(to).to_string()
    };
    let said = renamed("__bss_start", "is_panicked");
    assert!(
        said.ends_with("is_panicked is linked in: something can panic"),
        "{said}"
    );
    let said = renamed("__stack_top", "__stack_tip");
    assert!(said.ends_with("it has no symbol __stack_top"), "{said}");
}

#[test]
fn it_starts_follows_links_and_answers() {
    let image = image();
    for kind in KINDS {
        let mut m = Machine::new(&image.bytes, two(kind));
        m.ticks(400);
        assert_eq!(m.stopped, None);
        let speed = if kind == Kind::Fast { 100 } else { 1000 };
        assert_eq!(
            (m.board.link(0), m.board.link(1)),
            (Some(speed), None),
            "{kind:?}"
        );
        assert!(m.board.phy(0, 1).delays() && !m.board.phy(0, 1).offers_too_much());
        assert_eq!(m.board.reg(board::IMAGE, 0), VERSION_WORD);
        let crc = u32::from_le_bytes(image.bytes[12..16].try_into().expect("four"));
        assert_eq!(m.board.reg(board::IMAGE, 2), crc);
        assert_ne!(m.board.reg(fdb::AGE_PERIOD, 0), 0);
        let line = "#7 r 0";
        let sum = line.bytes().fold(0, |s, b| s ^ b);
        let said = m.ask(&format!("{line}*{sum:02x}"));
        assert!(said.starts_with("#07 ok 534e4943*"), "{said}");
        for (line, answer) in [
            ("help", "ok r ADDR"),
            ("version", "ok protocol 1 "),
            ("status", "ok up "),
            ("c 2 0", "ok 00000000 00000000"),
            ("f 0", "ok 00000100"),
            ("m 0 1 2", "ok "),
            ("m 1 2 3", "err 6 no answer"),
            ("w 10 12345678", "ok"),
            ("r b000", "err 4 out of range"),
        ] {
            let said = m.ask(line);
            assert!(said.starts_with(answer), "{line}: {said}");
        }
        assert_eq!(m.board.reg(global::SCRATCH, 0), 0x1234_5678);
        // Restarted at any time, it goes on, and no link falls.
        let mut rng = mock::rng();
        let losses = m.board.links.len();
        for _ in 0..20 {
            m.ticks(rng.random_range(1..40));
            (0..rng.random_range(0..3000)).for_each(|_| m.step());
            m.restart();
        }
        m.ticks(100);
        assert_eq!(m.board.links.len(), losses, "{kind:?}");
        let depth = RAM as u32 - m.deepest;
        println!("{kind:?}: stack {depth} of at most {}", image.sizes.stack);
        assert!(depth <= image.sizes.stack && depth > image.sizes.stack / 2);
    }
}

/// What docs say of its speed. No turn may be longer than the serial port's queue lasts: 16 characters at 115,200 baud.
#[test]
fn cycles_are_as_stated() {
    let image = image();
    let mut all = vec![];
    for kind in KINDS {
        let mut m = Machine::new(&image.bytes, two(kind));
        // PHYs that come up, go and come back.
        m.board.phy(1, 1).negotiation = 50;
        m.board.phy(1, 1).plug(Some(Partner::full(&[100])));
        let from = m.board.cycles;
        while m.board.kicks == 0 {
            m.step();
        }
        let start = m.board.cycles - from;
        let (mut longest, mut last, mut turns) = (0, m.board.cycles, m.board.kicks);
        let begin = m.board.cycles;
        for tick in 0..1500 {
            match tick {
                300 => m.board.phy(1, 1).alive = false,
                500 => {
                    m.board.phy(1, 1).power_up();
                    m.board.phy(1, 1).alive = true;
                }
                _ => {}
            }
            let end = m.board.ticks() + 1;
            while m.board.ticks() < end {
                m.step();
                if m.board.kicks > turns {
                    (turns, longest) = (m.board.kicks, longest.max(m.board.cycles - last));
                    last = m.board.cycles;
                }
            }
        }
        let mean = (m.board.cycles - begin) / turns;
        println!(
            "{kind:?}: {start} cycles to the first turn; {mean} in the mean, {longest} at most"
        );
        assert_eq!(m.board.link(1), Some(100), "it is back");
        all.push((start, mean, longest));
    }
    assert!(
        all.iter()
            .all(|t| t.0 < 4_000_000 && t.1 < 8_000 && t.2 < 173_000),
        "{all:?}"
    );
}

#[test]
fn a_broken_image_stops_and_touches_nothing() {
    let image = image();
    let mut rng = mock::rng();
    // Not the way in and the check themselves: a flip there may do anything, or nothing.
    let mut check = std::collections::BTreeSet::new();
    let mut m = Machine::new(&image.bytes, two(Kind::Marvell));
    while m.board.written.is_empty() {
        check.insert(m.hart.pc / 4);
        m.step();
    }
    // Nor what refuses it: each header word wrong in turn, and the last word of all (the checksum's).
    for at in (4..24).step_by(4).chain([image.bytes.len() - 4]) {
        let mut bytes = image.bytes.clone();
        bytes[at] ^= 1;
        let mut m = Machine::new(&bytes, two(Kind::Marvell));
        while m.stopped.is_none() {
            check.insert(m.hart.pc / 4);
            m.step();
        }
    }
    println!("{} instructions check the image", check.len());
    assert!(check.len() < 300);
    let whole = Board::new(2, 2).regs;
    for round in 0..100 {
        let mut bytes = image.bytes.clone();
        let at = match round {
            // The header.
            0..20 => 4 + round,
            _ => loop {
                let at = rng.random_range(24..bytes.len());
                if !check.contains(&(at as u32 / 4)) {
                    break at;
                }
            },
        };
        bytes[at] ^= 1 << rng.random_range(0..8);
        let mut m = Machine::new(&bytes, two(Kind::Marvell));
        m.ticks(100);
        let (cause, _) = m.stopped.unwrap_or_else(|| panic!("byte {at}: it runs"));
        assert_eq!(cause, 3, "EBREAK");
        assert_eq!(m.board.kicks, 0, "the watchdog will start it again");
        assert!(m.board.from.is_empty() && m.board.phy(0, 1).writes.is_empty());
        let says = m.board.reg(board::IMAGE, 1);
        let known = [
            Fault::Magic,
            Fault::Length,
            Fault::Crc,
            Fault::Version,
            Fault::Map,
        ];
        assert!(known.iter().any(|f| *f as u32 == says), "{says:#x}");
        m.board.put(board::IMAGE, 1, 0);
        assert!(m.board.regs == whole, "byte {at}: it touched something");
        // The fault goes: the watchdog's next start succeeds.
        m.ram[at] = image.bytes[at];
        m.restart();
        m.ticks(100);
        assert_eq!((m.stopped, m.board.reg(board::IMAGE, 1)), (None, 1));
    }
}

#[test]
fn a_card_with_another_register_map_is_left_alone() {
    let mut board = two(Kind::Marvell);
    board.put(global::VERSION, 0, global::VERSION::MAJOR.put(2));
    let mut m = Machine::new(&image().bytes, board);
    m.ticks(100);
    assert!(m.stopped.is_some());
    assert_eq!(m.board.reg(board::IMAGE, 1), Fault::Map as u32);
}

//! The whole board without its vendor's cells: a program in the processor, the host over TLPs, frames between the ports.
#[path = "common/asm.rs"]
mod asm;
#[path = "common/mac.rs"]
mod mac;
#[path = "common/root_complex.rs"]
mod root_complex;

use asm::*;
use rand::Rng;
use root_complex::RootComplex;
use smartnic_hdl::board::{ImageTooLarge, REGISTERS, SystemError, board_system};
use smartnic_hdl::control::BOARD_CONFIG;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::{Reg, board as b, global as g, port};
use smartnic_verilated::Model;
use std::collections::VecDeque;

const BOARD: u16 = 0x77;
/// Cycles of a bit on the serial line.
const BIT: i32 = 16;

fn params() -> Params {
    Params {
        fdb_entries: 1024,
        cells: 256,
        ..Params::for_ports(2)
    }
}

/// Copies VERSION to SCRATCH, sets links and a MAC, prints, and then counts in IMAGE[1] as fast as it can.
fn program() -> Vec<u8> {
    let regs = (REGISTERS >> 12) as u32;
    let (of_global, of_board, of_port) = (1, 4, 8);
    let low = |r: &Reg, i: u32| (r.at(i) & 0xfff) as i32;
    let mut p = vec![
        lui(of_global, regs),
        lui(of_board, regs + (b::PAGE.base >> 12)),
        lui(of_port, regs + (port::PAGE.base >> 12)),
        lw(2, of_global, low(&g::VERSION, 0)),
        sw(2, of_global, low(&g::SCRATCH, 0)),
        addi(3, 0, BIT - 1),
        sw(3, of_board, low(&b::SERIAL_DIVISOR, 0)),
    ];
    let link = b::LINK::UP.put(1) | b::LINK::SPEED.put(2);
    p.push(addi(5, 0, link as i32));
    p.extend((0..2).map(|i| sw(5, of_board, low(&b::LINK, i))));
    p.extend([
        lui(6, 0x600),
        addi(6, 6, 1000),
        sw(6, of_port, low(&port::MAC, 1)),
    ]);
    for c in b"hello\n" {
        p.push(addi(7, 0, (*c).into()));
        p.push(sw(7, of_board, low(&b::SERIAL_DATA, 0)));
    }
    p.extend([
        lw(9, of_board, low(&b::IMAGE, 1)),
        addi(9, 9, 1),
        sw(9, of_board, low(&b::IMAGE, 1)),
        jalr(0, 0, 4 * p.len() as i32),
    ]);
    image(&p)
}

/// Receives characters from the serial pin.
#[derive(Default)]
struct Terminal {
    text: String,
    /// Cycles since the start bit's fall, bits so far.
    at: Option<(i32, u32)>,
}

impl Terminal {
    fn clock(&mut self, level: bool) {
        let Some((time, bits)) = &mut self.at else {
            self.at = (!level).then_some((0, 0));
            return;
        };
        *time += 1;
        if *time % BIT == BIT / 2 {
            let n = *time / BIT;
            match n {
                0 => assert!(!level, "start bit"),
                1..=8 => *bits |= u32::from(level) << (n - 1),
                _ => {
                    assert!(level, "stop bit");
                    self.text.push(*bits as u8 as char);
                    self.at = None;
                }
            }
        }
    }
}

struct System {
    dut: Model,
    rc: RootComplex,
    terminal: Terminal,
    /// Bytes that wait for a port's receive pins; a gap between frames.
    line: [VecDeque<Option<u8>>; 2],
    /// Core cycles a byte, per port.
    divide: [u64; 2],
    /// What a port sends, frame by frame.
    wire: [Vec<u8>; 2],
    frames: [Vec<Vec<u8>>; 2],
    now: u64,
}

impl System {
    fn new(image: &[u8]) -> System {
        let m = board_system(&params(), BOARD, image).expect("in range");
        let mut dut = Model::build(&design(&m), &mac::lint()).expect("builds");
        for (pin, level) in [
            ("serial_rx", 1),
            ("reset", 1),
            ("rx0_reset", 1),
            ("rx1_reset", 1),
        ] {
            dut.poke(pin, level);
        }
        (0..4).for_each(|_| dut.tick(7));
        for pin in ["reset", "rx0_reset", "rx1_reset"] {
            dut.poke(pin, 0);
        }
        System {
            dut,
            rc: RootComplex::new(mac::rng()),
            terminal: Terminal::default(),
            line: Default::default(),
            divide: [1; 2],
            wire: Default::default(),
            frames: Default::default(),
            now: 0,
        }
    }

    fn step(&mut self) {
        let m = &mut self.dut;
        self.rc.drive(m);
        for i in 0..2 {
            let due = self.now.is_multiple_of(self.divide[i]);
            m.poke(&format!("tx_ce{i}"), due.into());
            m.poke(&format!("gmii_rx_ce{i}"), due.into());
            if due {
                let byte = self.line[i].pop_front().flatten();
                m.poke(&format!("gmii_rx_dv{i}"), byte.is_some().into());
                m.poke(&format!("gmii_rxd{i}"), byte.unwrap_or(0).into());
                // What the last byte time gave.
                if m.peek(&format!("gmii_tx_en{i}")) == 1 {
                    self.wire[i].push(m.peek(&format!("gmii_txd{i}")) as u8);
                } else if !self.wire[i].is_empty() {
                    self.frames[i].push(std::mem::take(&mut self.wire[i]));
                }
            }
        }
        m.eval();
        self.rc.sample(m);
        self.dut.tick(7);
        self.now += 1;
        self.terminal.clock(self.dut.peek("serial_tx") == 1);
    }

    fn run(&mut self, what: &str, until: impl Fn(&System) -> bool) {
        for _ in 0..100_000 {
            if until(self) {
                return;
            }
            self.step();
        }
        panic!("no {what}");
    }

    fn read(&mut self, reg: &Reg, index: u32) -> u32 {
        self.rc.read(0, reg.at(index).into(), 1, 5);
        self.run("answer", |s| s.rc.completions.contains_key(&5));
        let c = self.rc.completions.remove(&5).expect("there");
        assert_eq!(c.status, 0);
        c.data[0]
    }
    fn write(&mut self, reg: &Reg, index: u32, value: u32) {
        self.rc.write(0, reg.at(index).into(), &[value]);
    }

    /// Sends a frame into port `from` and takes it from the other one.
    fn switched(&mut self, from: usize) {
        let length = self.rc.rng.random_range(60..300);
        let mut body: Vec<u8> = (0..length).map(|_| self.rc.rng.random()).collect();
        body[0] &= 0xfe;
        body[6] &= 0xfe;
        let frame = mac::with_fcs(&body);
        let sent: Vec<u8> = [&[0x55; 7], &[0xd5][..], &frame].concat();
        self.line[from].extend(sent.iter().copied().map(Some));
        self.line[from].extend([None; 12]);
        let to = 1 - from;
        self.run("frame", |s| !s.frames[to].is_empty());
        assert_eq!(self.frames[to].pop(), Some(sent), "from port {from}");
        assert!(self.frames[from].is_empty(), "not back to where it came");
    }
}

#[test]
fn processor_host_and_frames() {
    let mut s = System::new(&program());
    s.run("text", |s| s.terminal.text.len() == 6);
    assert_eq!(s.terminal.text, "hello\n");

    // What the processor wrote, and what it reads, as the host sees it, while it goes on.
    assert_eq!(s.read(&g::MAGIC, 0), g::MAGIC.reset);
    let version = s.read(&g::VERSION, 0);
    assert_eq!((s.read(&g::SCRATCH, 0), version != 0), (version, true));
    assert_eq!(s.read(&port::MAC, 1), 0x60_0000 + 1000);
    assert_eq!(s.read(&port::MAC, 0), port::MAC.reset);
    let id = s.read(&b::BOARD_ID, 0);
    assert_eq!(b::BOARD_ID::BOARD.get(id), BOARD.into());
    assert_eq!(s.read(&port::CONFIG, 0), BOARD_CONFIG);
    assert_eq!(s.read(&port::CONFIG, 2), 0, "the host's");
    let mut counted = 0;
    for round in 0..200u32 {
        let value = s.rc.rng.random();
        s.write(&b::IMAGE, round % 2 + 2, value);
        assert_eq!(s.read(&b::IMAGE, round % 2 + 2), value);
        let now = s.read(&b::IMAGE, 1);
        assert!(now >= counted);
        counted = now;
        // Nothing is there: the host waits, and neither master meets an answer of the other.
        let hole = Reg {
            addr: 0xf000,
            ..g::SCRATCH
        };
        if round % 8 == 0 {
            assert_eq!(s.read(&hole, 0), 0);
        }
    }
    assert!(counted > 100, "the processor goes on: {counted}");
    let status = s.read(&b::CPU_STATUS, 0);
    assert_eq!(b::CPU_STATUS::TRAPS.get(status), 0);

    // Frames, at 1000 and 100 Mb/s.
    s.run("links", |s| s.dut.peek("speed0") == 2);
    while g::STATUS::READY.get(s.read(&g::STATUS, 0)) == 0 {}
    for round in 0..10 {
        s.switched(round % 2);
    }
    let slow = b::LINK::UP.put(1) | b::LINK::SPEED.put(1);
    s.write(&b::LINK, 1, slow);
    s.run("speed", |s| s.dut.peek("speed1") == 1);
    s.divide[1] = 10;
    let status = s.read(&port::STATUS, 1);
    assert_eq!(port::STATUS::SPEED.get(status), 1);
    for round in 0..6 {
        s.switched(round % 2);
    }
    assert_eq!(s.dut.peek("idle"), 0, "the processor runs");
    s.write(&b::CPU_CONTROL, 0, 0);
    s.run("rest", |s| s.dut.peek("idle") == 1);
}

/// A board whose firmware stops at once: it switches with the links that the PHYs give.
#[test]
fn without_firmware_it_switches() {
    let mut s = System::new(&[]);
    for i in 0..2 {
        for (pin, level) in [("", 1), ("_up", 1), ("_full", 1), ("_speed", 2)] {
            s.dut.poke(&format!("inband{pin}{i}"), level);
        }
    }
    while g::STATUS::READY.get(s.read(&g::STATUS, 0)) == 0 {}
    let status = s.read(&b::CPU_STATUS, 0);
    assert_eq!(b::CPU_STATUS::TRAPPED.get(status), 1);
    (0..4).for_each(|i| s.switched(i % 2));
    // Half duplex counts as no link.
    s.dut.poke("inband_full1", 0);
    (0..10).for_each(|_| s.step());
    let status = s.read(&b::LINK_STATUS, 1);
    assert_eq!(b::LINK_STATUS::UP.get(status), 0);
    assert_eq!(b::LINK_STATUS::INBAND_UP.get(status), 1);
    assert_eq!(port::STATUS::LINK.get(s.read(&port::STATUS, 1)), 0);
}

#[test]
fn refusals() {
    let e = board_system(&params(), 0u16, &[0; 20_000]).err();
    let bytes = 20_000;
    assert_eq!(e, Some(SystemError::Image(ImageTooLarge { bytes })));
    let e = board_system(&Params::for_ports(3), 0u16, &[]).err();
    assert!(matches!(e, Some(SystemError::Params(_))));
}

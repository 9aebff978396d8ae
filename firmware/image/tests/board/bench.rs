//! The Verilated board and what surrounds it: PHYs at the MDIO pins, frames at the GMII pins, the host's TLPs, the serial pins.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::board_system;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::{Reg, board, global};
use smartnic_verilated::{InputId, Model, Options, OutputId};

use crate::mac;
use crate::mdio_pins::{Bus, Phys};
use crate::phy::Phy;
use crate::root_complex::RootComplex;

/// Cycles of a tick in these tests.
pub const TICK: u64 = 1000;
/// Cycles of a bit on the serial line: so fast that the firmware's loop hardly takes 16 characters in a turn. (`image/tests/run.rs` shows that at 115,200 baud it does.)
const BIT: u64 = 64;
/// Core and both receive clocks.
const ALL: u32 = 7;

/// A PHY at its address.
pub struct Wired {
    pub phy: Phy,
    pub address: usize,
    /// Its reset pin.
    pub held: bool,
}

impl Phys for Wired {
    fn read(&mut self, phy: usize, register: usize) -> Option<u16> {
        let answers = phy == self.address && self.phy.alive && !self.held;
        answers.then(|| self.phy.read(register as u8))
    }
    fn write(&mut self, phy: usize, register: usize, data: u16) {
        if phy == self.address && self.phy.alive && !self.held {
            self.phy.write(register as u8, data);
        }
    }
}

/// The far end of the serial line.
#[derive(Default)]
pub struct Line {
    /// Bytes to send, and what is on the way: bits left, cycles until the next.
    pub to: VecDeque<u8>,
    bits: u32,
    left: u32,
    due: u64,
    /// What came, and a character on its way: cycles since its start, bits.
    pub from: Vec<u8>,
    coming: Option<(u64, u32)>,
}

impl Line {
    fn send(&mut self, now: u64) -> bool {
        if self.left == 0 {
            let Some(byte) = self.to.pop_front() else {
                return true;
            };
            // Start bit, eight bits, stop bit.
            self.bits = u32::from(byte) << 1 | 1 << 9;
            self.left = 10;
            self.due = now + BIT;
        }
        let level = self.bits & 1 == 1;
        if now + 1 >= self.due {
            self.bits >>= 1;
            self.left -= 1;
            self.due += BIT;
        }
        level
    }

    fn receive(&mut self, level: bool) {
        let Some((time, bits)) = &mut self.coming else {
            self.coming = (!level).then_some((0, 0));
            return;
        };
        *time += 1;
        if *time % BIT == BIT / 2 {
            match *time / BIT {
                0 => assert!(!level, "start bit"),
                n @ 1..=8 => *bits |= u32::from(level) << (n - 1),
                _ => {
                    assert!(level, "stop bit");
                    self.from.push(*bits as u8);
                    self.coming = None;
                }
            }
        }
    }

    fn idle(&self) -> bool {
        self.to.is_empty() && self.left == 0
    }
}

struct Pins {
    mdio_i: InputId,
    serial_rx: InputId,
    dv: [InputId; 2],
    rxd: [InputId; 2],
    mdio: [OutputId; 3],
    serial_tx: OutputId,
    phy_reset: OutputId,
    leds: [OutputId; 2],
    en: [OutputId; 2],
    txd: [OutputId; 2],
}

pub struct Bench {
    pub dut: Model,
    pins: Pins,
    pub rc: RootComplex,
    pub buses: [Bus<Wired>; 2],
    before: [u64; 3],
    mdio_i: u64,
    pub line: Line,
    rx: [VecDeque<Option<u8>>; 2],
    wire: [Vec<u8>; 2],
    pub frames: [Vec<Vec<u8>>; 2],
    pub rng: ChaCha8Rng,
    pub now: u64,
    half: u64,
}

impl Bench {
    /// A board with `image`, its ticks and its lines as fast as they can be: set over PCIe while the image checks itself.
    pub fn new(image: &[u8], phys: [Wired; 2]) -> Self {
        let params = Params {
            fdb_entries: 1024,
            cells: 256,
            ..Params::for_ports(2)
        };
        let m = board_system(&params, 1, image).expect("in range");
        let mut dut = Model::build(&design(&m), &Options::default()).expect("builds");
        let resets = ["reset", "rx0_reset", "rx1_reset"];
        for (pin, level) in [
            ("serial_rx", 1),
            ("mdio_i", 3),
            ("tx_ce0", 1),
            ("tx_ce1", 1),
        ] {
            dut.poke(pin, level);
        }
        for pin in ["gmii_rx_ce0", "gmii_rx_ce1"].iter().chain(&resets) {
            dut.poke(pin, 1);
        }
        (0..4).for_each(|_| dut.tick(ALL));
        resets.iter().for_each(|pin| dut.poke(pin, 0));
        let input = |n: &str| dut.input(n).expect("a pin");
        let output = |n: &str| dut.output(n).expect("a pin");
        let pins = Pins {
            mdio_i: input("mdio_i"),
            serial_rx: input("serial_rx"),
            dv: [0, 1].map(|i| input(&format!("gmii_rx_dv{i}"))),
            rxd: [0, 1].map(|i| input(&format!("gmii_rxd{i}"))),
            mdio: ["mdc", "mdio_oe", "mdio_o"].map(output),
            serial_tx: output("serial_tx"),
            phy_reset: output("phy_reset"),
            leds: ["led_first", "led_second"].map(output),
            en: [0, 1].map(|i| output(&format!("gmii_tx_en{i}"))),
            txd: [0, 1].map(|i| output(&format!("gmii_txd{i}"))),
        };
        let mut bench = Self {
            dut,
            pins,
            rc: RootComplex::new(mac::rng()),
            buses: phys.map(Bus::new),
            before: [9; 3],
            mdio_i: 3,
            line: Line::default(),
            rx: Default::default(),
            wire: Default::default(),
            frames: Default::default(),
            rng: mac::rng(),
            now: 100,
            half: 4,
        };
        for bus in &mut bench.buses {
            bus.delay = 2 * bench.half - 4;
        }
        bench.write(&global::TICK, 0, TICK as u32);
        // The check of the image takes longer than 2,000 of these ticks.
        bench.write(&board::WATCHDOG, 0, 60_000);
        bench.write(&board::MDIO_CLOCK, 0, 0);
        bench.write(&board::SERIAL_DIVISOR, 0, BIT as u32 - 1);
        assert_eq!(bench.read(&board::MDIO_CLOCK, 0), 0);
        bench
    }

    /// One cycle; `host`: the TLP pins too.
    fn step(&mut self, host: bool) {
        if host {
            self.rc.drive(&mut self.dut);
            self.dut.eval();
            self.rc.sample(&self.dut);
        }
        let m = &mut self.dut;
        for i in 0..2 {
            // What the last byte time gave.
            if m.get(self.pins.en[i]) == 1 {
                self.wire[i].push(m.get(self.pins.txd[i]) as u8);
            } else if !self.wire[i].is_empty() {
                self.frames[i].push(std::mem::take(&mut self.wire[i]));
            }
            if let Some(byte) = self.rx[i].pop_front() {
                m.set(self.pins.dv[i], byte.is_some().into());
                m.set(self.pins.rxd[i], byte.unwrap_or(0).into());
            }
        }
        m.set(self.pins.serial_rx, self.line.send(self.now).into());
        m.tick(ALL);
        self.now += 1;
        self.line.receive(m.get(self.pins.serial_tx) == 1);
        self.management();
    }

    fn management(&mut self) {
        let levels = self.pins.mdio.map(|p| self.dut.get(p));
        let quiet = |b: &Bus<Wired>| b.next.is_none() && b.hold.is_none() && b.driving.is_none();
        if levels == self.before && self.buses.iter().all(quiet) {
            return;
        }
        self.before = levels;
        let [mdc, oe, o] = levels;
        let held = self.dut.get(self.pins.phy_reset);
        let mut pins = 0;
        for (i, bus) in self.buses.iter_mut().enumerate() {
            bus.phys.held = held >> i & 1 == 1;
            bus.phys.phy.now = self.now;
            let master = (oe >> i & 1 == 1).then_some(o >> i & 1 == 1);
            let level = bus.cycle(
                &mut self.rng,
                self.now,
                mdc >> i & 1 == 1,
                master,
                self.half,
            );
            pins |= u64::from(level) << i;
        }
        if pins != self.mdio_i {
            self.mdio_i = pins;
            self.dut.set(self.pins.mdio_i, pins);
        }
    }

    /// Cycles go by.
    pub fn run(&mut self, cycles: u64) {
        (0..cycles).for_each(|_| self.step(false));
    }
    pub fn ticks(&mut self, count: u64) {
        self.run(count * TICK);
    }
    /// The image checks itself: nothing happens at the pins.
    pub fn check_of_image(&mut self) {
        const CYCLES: u64 = 1_100_000;
        self.dut.run(ALL, CYCLES);
        self.now += CYCLES;
    }
    /// Until something is so.
    pub fn until(&mut self, what: &str, ticks: u64, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + ticks * TICK;
        while !done(self) {
            assert!(self.now < end, "not within {ticks} ticks: {what}");
            self.run(TICK / 2);
        }
    }

    pub fn read(&mut self, reg: &Reg, index: u32) -> u32 {
        self.rc.read(0, reg.at(index).into(), 1, 5);
        for _ in 0..10_000 {
            self.step(true);
            if let Some(c) = self.rc.completions.remove(&5) {
                assert_eq!(c.status, 0);
                return c.data[0];
            }
        }
        panic!("no answer of {}", reg.name);
    }
    pub fn write(&mut self, reg: &Reg, index: u32, value: u32) {
        self.rc.write(0, reg.at(index).into(), &[value]);
        for _ in 0..10_000 {
            self.step(true);
            if self.rc.quiet() {
                return;
            }
        }
        panic!("{} is not taken", reg.name);
    }

    /// Speed in Mb/s of a port's link, if it is up.
    pub fn link(&mut self, port: u32) -> Option<u32> {
        let word = self.read(&board::LINK_STATUS, port);
        let speed = [10, 100, 1000, 0][board::LINK_STATUS::SPEED.get(word) as usize];
        (board::LINK_STATUS::UP.get(word) == 1).then_some(speed)
    }

    /// Whether a port's first (0) or second (1) LED is lit.
    pub fn lit(&self, port: usize, which: usize) -> bool {
        self.dut.get(self.pins.leds[which]) >> port & 1 == 1
    }

    /// Sends a frame from station to station into a port; gives what the other port sends, if anything.
    pub fn frame(&mut self, from: usize, source: u8, destination: u8) -> Option<Vec<u8>> {
        let length = self.rng.random_range(60..200);
        let mut body: Vec<u8> = (0..length).map(|_| self.rng.random()).collect();
        body[..12].copy_from_slice(&[2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source]);
        let sent = [&[0x55; 7], &[0xd5][..], &mac::with_fcs(&body)].concat();
        self.rx[from].extend(sent.iter().copied().map(Some));
        self.rx[from].extend([None; 16]);
        self.run(1500);
        assert!(self.frames[from].is_empty(), "back to where it came from");
        let got = self.frames[1 - from].pop();
        assert!(got.as_ref().is_none_or(|g| *g == sent), "another frame");
        got
    }

    /// What the board says to a line.
    pub fn ask(&mut self, line: &str) -> String {
        self.line.from.clear();
        self.line.to.extend(line.bytes().chain([b'\n']));
        self.until("an answer", 2000, |b| {
            b.line.idle() && b.line.from.ends_with(b"\n")
        });
        String::from_utf8_lossy(&std::mem::take(&mut self.line.from))
            .trim()
            .into()
    }
}

//! The MDIO master against PHYs at pin level (IEEE 802.3-2022 clause 22).
#[path = "common/seed.rs"]
mod seed;

use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::{DIVIDER, PERIODS, mdio};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};

/// Nanoseconds in a core cycle.
const CYCLE: u64 = 8;

/// The PHYs of one bus. They see only pins.
struct Bus {
    /// Registers of the PHYs that are there, by address.
    phys: Vec<Option<[u16; 32]>>,
    ones: u32,
    /// Bits after the preamble.
    taken: Vec<bool>,
    /// What a PHY drives now, and what it will drive at a time.
    driving: Option<bool>,
    next: Option<(u64, Option<bool>)>,
    mdc: bool,
    rise: u64,
    fall: u64,
    /// Of the master's line: the last change, and what it was.
    changed: u64,
    line: Option<bool>,
    /// A rise whose hold time is not over, if the master drove then.
    hold: Option<u64>,
    rises: u64,
    /// Longest answer of a PHY after a rise, in cycles.
    delay: u64,
}

impl Bus {
    fn new() -> Self {
        Self {
            phys: vec![None; 32],
            ones: 0,
            taken: vec![],
            driving: None,
            next: None,
            mdc: false,
            rise: 0,
            fall: 0,
            changed: 0,
            line: None,
            hold: None,
            rises: 0,
            delay: 0,
        }
    }

    fn field(&self, from: usize, bits: usize) -> usize {
        self.taken[from..from + bits]
            .iter()
            .fold(0, |v, b| v << 1 | usize::from(*b))
    }

    /// One cycle: what the master's pins are, and what the line then is.
    fn cycle(
        &mut self,
        rng: &mut ChaCha8Rng,
        now: u64,
        mdc: bool,
        master: Option<bool>,
        half: u64,
    ) -> bool {
        if master != self.line {
            assert!(
                !mdc || !self.mdc || now == self.rise,
                "MDIO changes while MDC is high"
            );
            if let Some(rise) = self.hold {
                assert!((now - rise) * CYCLE >= 10, "hold time of 22.3.4");
            }
            self.line = master;
            self.changed = now;
        }
        if let Some((at, value)) = self.next {
            if now >= at {
                self.driving = value;
                self.next = None;
            } else if self.driving.is_some() {
                // Between hold and delay the line may be anything.
                self.driving = Some(rng.random());
            }
        }
        assert!(
            master.is_none() || self.driving.is_none(),
            "master and PHY both drive"
        );
        let level = master.or(self.driving).unwrap_or(true);
        if mdc && !self.mdc {
            assert!(self.rises == 0 || now - self.fall >= half, "MDC's low half");
            self.rises += 1;
            self.rise = now;
            self.hold = master.map(|_| now);
            if master.is_some() {
                assert!((now - self.changed) * CYCLE >= 10, "setup time of 22.3.4");
            }
            self.clocked(rng, now, level, master.is_some());
        }
        if !mdc && self.mdc {
            assert_eq!(now - self.rise, half, "MDC's high half");
            self.fall = now;
        }
        self.mdc = mdc;
        level
    }

    /// A rise of MDC.
    fn clocked(&mut self, rng: &mut ChaCha8Rng, now: u64, level: bool, driven: bool) {
        if self.taken.is_empty() {
            if level {
                self.ones += 1;
                return;
            }
            if self.ones < 32 {
                self.ones = 0;
                return;
            }
        }
        self.taken.push(level);
        let n = self.taken.len();
        if n < 14 {
            return;
        }
        let (start, read) = (self.field(0, 2), self.field(2, 2) == 0b10);
        assert_eq!(start, 0b01, "start of frame");
        assert!(read || self.field(2, 2) == 0b01, "operation");
        let (phy, register) = (self.field(4, 5), self.field(9, 5));
        assert_eq!(driven, !read || n == 14, "who drives bit {n}");
        if let (true, Some(registers)) = (read, &self.phys[phy]) {
            // After this rise the bit that the master takes before the next: a zero, then the data.
            let bit = match n {
                15 => Some(false),
                16..32 => Some(registers[register] >> (31 - n) & 1 == 1),
                _ => None,
            };
            if (15..=32).contains(&n) {
                self.next = Some((now + rng.random_range(1..=self.delay), bit));
            }
        }
        if n == 32 {
            if !read {
                assert_eq!(self.field(14, 2), 0b10, "turnaround of a write");
                let data = self.field(16, 16) as u16;
                if let Some(registers) = &mut self.phys[phy] {
                    registers[register] = data;
                }
            }
            self.taken.clear();
            self.ones = 0;
        }
    }
}

struct Bench {
    dut: Model,
    buses: Vec<Bus>,
    now: u64,
    half: u64,
    rng: ChaCha8Rng,
}

impl Bench {
    fn new(buses: u32) -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let mut bench = Self {
            dut: Model::build(&design(&mdio(buses)), &options).expect("builds"),
            buses: (0..buses).map(|_| Bus::new()).collect(),
            now: 100,
            half: 0,
            rng: seed::rng(),
        };
        bench.divider(DIVIDER);
        bench.reset();
        bench
    }

    fn divider(&mut self, divider: u64) {
        self.dut.poke("divider", divider);
        self.half = 4 * (divider + 1);
        for bus in &mut self.buses {
            // 300 ns where a period is at least 400 ns; else all but what the synchroniser needs.
            bus.delay = (300 / CYCLE).min(2 * self.half - 4);
        }
    }

    fn reset(&mut self) {
        self.dut.poke("start", 0);
        self.dut.poke("reset", 1);
        self.cycle(false);
        self.dut.poke("reset", 0);
        // A PHY that was in the middle loses its place, as one does when its bus is cut.
        for bus in &mut self.buses {
            bus.taken.clear();
            bus.ones = 0;
            (bus.driving, bus.next, bus.hold) = (None, None, None);
            bus.rises = 0;
        }
        self.cycle(false);
    }

    fn cycle(&mut self, check: bool) {
        self.dut.tick(1);
        self.now += 1;
        let [mdc, oe, o] = ["mdc", "mdio_oe", "mdio_o"].map(|n| self.dut.peek(n));
        let mut pins = 0;
        for (i, bus) in self.buses.iter_mut().enumerate() {
            let master = (oe >> i & 1 == 1).then_some(o >> i & 1 == 1);
            if check {
                let level = bus.cycle(
                    &mut self.rng,
                    self.now,
                    mdc >> i & 1 == 1,
                    master,
                    self.half,
                );
                pins |= u64::from(level) << i;
            } else {
                (bus.mdc, bus.line) = (mdc >> i & 1 == 1, master);
            }
        }
        self.dut.poke("mdio_i", pins);
    }

    /// One frame; gives data and `no_answer`.
    fn frame(
        &mut self,
        write: bool,
        bus: usize,
        phy: usize,
        register: usize,
        data: u16,
    ) -> (u16, bool) {
        let rises: Vec<u64> = self.buses.iter().map(|b| b.rises).collect();
        for (name, value) in [
            ("start", 1),
            ("write", u64::from(write)),
            ("bus", bus as u64),
            ("phy", phy as u64),
            ("regad", register as u64),
            ("wdata", data.into()),
        ] {
            self.dut.poke(name, value);
        }
        self.cycle(true);
        assert_eq!(self.dut.peek("busy"), 1);
        let mut cycles = 1;
        while self.dut.peek("busy") == 1 {
            // Asked while busy: ignored.
            let again = self.rng.random_range(0..50) == 0;
            self.dut.poke("start", again.into());
            for name in ["write", "phy", "regad", "wdata"] {
                let junk = self.rng.next_u32() as u64;
                let bits = [("write", 1), ("wdata", 16)];
                let width = bits.iter().find(|b| b.0 == name).map_or(5, |b| b.1);
                self.dut.poke(name, junk % (1 << width));
            }
            self.cycle(true);
            cycles += 1;
        }
        self.dut.poke("start", 0);
        assert_eq!(
            cycles,
            (2 * PERIODS + 1) * self.half + 1,
            "as long as the header says"
        );
        let answer = (
            self.dut.peek("data") as u16,
            self.dut.peek("no_answer") == 1,
        );
        for _ in 0..self.rng.random_range(2..60) {
            self.cycle(true);
            assert_eq!(
                (self.dut.peek("mdc"), self.dut.peek("mdio_oe")),
                (0, 0),
                "idle"
            );
        }
        for (i, (b, before)) in self.buses.iter().zip(rises).enumerate() {
            let want = if i == bus { PERIODS } else { 0 };
            assert_eq!(b.rises - before, want, "rises of MDC on bus {i}");
        }
        answer
    }
}

#[test]
fn frames_reach_the_phys_and_answers_come_back() {
    for buses in [1, 2, 4] {
        let mut b = Bench::new(buses);
        for bus in &mut b.buses {
            for address in 0..32 {
                if b.rng.random() {
                    bus.phys[address] = Some(std::array::from_fn(|_| b.rng.random()));
                }
            }
        }
        assert!(
            2 * b.half * CYCLE >= 400 && b.half * CYCLE >= 160,
            "MDC at the default divider, 22.2.2.13"
        );
        let (mut answered, mut silent, mut written) = (0, 0, 0);
        for i in 0..160 {
            if i % 40 == 0 && i > 0 {
                let divider = [0, 63, 5, DIVIDER][i / 40 % 4];
                b.divider(divider);
            }
            if i % 23 == 22 {
                // Cut in the middle of a frame.
                b.dut.poke("start", 1);
                b.cycle(true);
                b.dut.poke("start", 0);
                for _ in 0..b.rng.random_range(0..2 * PERIODS * b.half) {
                    b.cycle(true);
                }
                b.reset();
            }
            let (bus, phy, register) = (
                b.rng.random_range(0..buses as usize),
                b.rng.random_range(0..32),
                b.rng.random_range(0..32),
            );
            let (write, data) = (b.rng.random(), b.rng.random());
            let before = b.buses[bus].phys[phy];
            let (got, no_answer) = b.frame(write, bus, phy, register, data);
            match (write, before) {
                (true, before) => {
                    let want = before.map(|mut r| {
                        r[register] = data;
                        r
                    });
                    assert_eq!(b.buses[bus].phys[phy], want);
                    assert_eq!((got, no_answer), (data, false), "a write sees its own bits");
                    written += 1;
                }
                (false, Some(r)) => {
                    assert_eq!((got, no_answer), (r[register], false));
                    answered += 1;
                }
                (false, None) => {
                    assert_eq!((got, no_answer), (0xffff, true));
                    silent += 1;
                }
            }
        }
        println!("{buses} buses: {answered} answered, {silent} silent, {written} written");
        assert!(answered > 10 && silent > 10 && written > 10);
    }
}

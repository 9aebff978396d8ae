//! The MDIO master against PHYs at pin level (IEEE 802.3-2022 clause 22).
#[path = "common/mdio_pins.rs"]
mod mdio_pins;
#[path = "common/seed.rs"]
mod seed;

use mdio_pins::{Bus, CYCLE};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::{DIVIDER, PERIODS, mdio};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};

struct Bench {
    dut: Model,
    buses: Vec<Bus<Vec<Option<[u16; 32]>>>>,
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
            buses: (0..buses).map(|_| Bus::new(vec![None; 32])).collect(),
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

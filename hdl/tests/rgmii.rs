//! RGMII against a PHY in plain Rust, written from RGMII 2.0, at three speeds: nibble alignment, errors, in-band status, clocks, changes of speed.
#[path = "common/clocks.rs"]
mod clocks;
#[path = "common/mac.rs"]
mod mac;
#[path = "common/rgmii.rs"]
mod phy;

use clocks::Clocks;
use phy::{Carrier, Pair, Phy, carriers, idle, pairs};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::rgmii::{STATUS_CLOCKS, rgmii};
use smartnic_hdl::rtl::design;
use smartnic_verilated::Model;
use std::collections::VecDeque;

struct Bench {
    dut: Model,
    clocks: Clocks,
    rng: ChaCha8Rng,
    line: VecDeque<Pair>,
    status: u8,
    /// Carriers as they come out: data and error of each byte.
    out: Vec<Vec<(u8, bool)>>,
    now: Vec<(u8, bool)>,
    false_carriers: u32,
}

/// Core clock of 8 ns in units of 0.01 ns, receive clock by speed.
fn periods(speed: u64, ppm: i64) -> [u64; 2] {
    let rx = [40_000, 4_000, 800][speed as usize] as i64;
    [800, (rx + rx * ppm / 1_000_000) as u64]
}

impl Bench {
    fn new(dut: Model, speed: u64) -> Bench {
        let mut rng = mac::rng();
        let mut b = Bench {
            clocks: Clocks::new(&mut rng, periods(speed, 100)),
            dut,
            rng,
            line: VecDeque::new(),
            status: 0,
            out: vec![],
            now: vec![],
            false_carriers: 0,
        };
        b.dut.poke("reset", 1);
        b.dut.poke("rx_reset", 1);
        (0..4).for_each(|_| b.dut.tick(3));
        b.dut.poke("reset", 0);
        b.dut.poke("rx_reset", 0);
        b
    }

    fn step(&mut self) {
        let mask = self.clocks.tick();
        if mask & 2 != 0 {
            let (data, ctl) = self.line.pop_front().unwrap_or(idle(self.status));
            let of = |n: u8| u64::from(n);
            self.dut.poke("rxd_rise", of(data[0]));
            self.dut.poke("rxd_fall", of(data[1]));
            self.dut.poke("rx_ctl_rise", ctl[0].into());
            self.dut.poke("rx_ctl_fall", ctl[1].into());
            if self.dut.peek("gmii_rx_ce") == 1 {
                self.sample();
            }
        }
        self.dut.tick(mask);
    }

    fn sample(&mut self) {
        let byte = self.dut.peek("gmii_rxd") as u8;
        let er = self.dut.peek("gmii_rx_er") == 1;
        if self.dut.peek("gmii_rx_dv") == 1 {
            self.now.push((byte, er));
            return;
        }
        if !self.now.is_empty() {
            self.out.push(std::mem::take(&mut self.now));
        }
        self.false_carriers += u32::from(er && byte == 0x0e);
    }

    /// Runs receive clocks.
    fn clocks(&mut self, n: usize, speed: u64) {
        let ratio = [100, 10, 2][speed as usize];
        (0..n * ratio).for_each(|_| self.step());
    }

    fn speed(&mut self, speed: u64) {
        self.dut.poke("speed", speed);
        self.clocks = Clocks::new(&mut self.rng, periods(speed, -100));
    }
}

fn build() -> Model {
    Model::build(&design(&rgmii(125)), &mac::lint()).expect("builds")
}

#[test]
fn receives_at_any_alignment() {
    let mut b = Bench::new(build(), 2);
    let (mut odd, mut falses) = (0, 0);
    for round in 0..240u32 {
        let speed = u64::from(round / 20 % 3);
        if round % 20 == 0 {
            b.speed(speed);
            b.clocks(8, speed);
            (b.false_carriers, falses) = (0, 0);
            b.out.clear();
        }
        // Idle with whatever the PHY says, and a gap as short as it gets.
        b.status = b.rng.random_range(0..16);
        let gap = b.rng.random_range(1..20);
        b.line.extend(vec![idle(b.status); gap]);
        if b.rng.random_range(0..5) == 0 {
            let high = if speed == 2 { 0 } else { 0xe };
            b.line.push_back(([0xe, high], [false, true]));
            b.line.push_back(idle(b.status));
            falses += 1;
        }
        let length = b.rng.random_range(1..100);
        let fault = b.rng.random_range(0..3) == 0;
        let c = Carrier {
            bytes: (0..length).map(|_| b.rng.random()).collect(),
            errors: (0..length)
                .map(|_| fault && b.rng.random_range(0..20) == 0)
                .collect(),
            preamble: b.rng.random_range(0..16),
            dribble: b.rng.random_range(0..4) == 0,
        };
        odd += u32::from(speed < 2 && c.preamble % 2 == 1);
        b.line.extend(pairs(&c, speed == 2));
        let clocks = b.line.len() + 6;
        b.clocks(clocks, speed);
        let got = b.out.pop().expect("a carrier");
        assert!(b.out.is_empty(), "one");
        let head = got
            .iter()
            .position(|g| *g == (0xd5, false))
            .expect("an SFD");
        assert!(got[..head].iter().all(|g| *g == (0x55, false)));
        // The SFD's first nibble looks like the preamble's.
        let fives = c.preamble + usize::from(speed < 2);
        assert_eq!(head, fives / 2, "round {round}");
        let want: Vec<_> = c.bytes.into_iter().zip(c.errors).collect();
        assert_eq!(got[head + 1..], want, "round {round} at speed {speed}");
        assert_eq!(b.false_carriers, falses, "round {round} at speed {speed}");
    }
    assert!(odd > 30, "{odd}");
}

#[test]
fn in_band_status_is_filtered() {
    let mut b = Bench::new(build(), 2);
    let get = |b: &Bench| {
        let bits = ["", "_up", "_full", "_speed"].map(|n| b.dut.peek(&format!("inband{n}")));
        (bits[0], bits[1] | bits[3] << 1 | bits[2] << 3)
    };
    let (mut known, mut seen) = (0, 0);
    for round in 0..200 {
        let speed = round / 50 % 3;
        if round % 50 == 0 {
            b.speed(speed);
        }
        let status: u8 = if round < 10 {
            2 * b.rng.random_range(0..8u8)
        } else {
            b.rng.random_range(0..16)
        };
        let long = b.rng.random();
        // A frame between, which must not be taken for a status.
        b.line.push_back(([7, 7], [true, true]));
        let n = match long {
            true => STATUS_CLOCKS as usize,
            false => b.rng.random_range(1..STATUS_CLOCKS as usize),
        };
        b.line.extend(vec![idle(status); n]);
        b.line.extend(vec![([3, 3], [true, true]); 8]);
        if long {
            known = status;
            seen |= u64::from(status & 1);
        }
        b.status = known;
        b.clocks(n + 30, speed);
        assert_eq!(get(&b), (seen, known.into()), "round {round}");
    }
}

/// The MAC's registers in front of the transmitter, and a PHY behind it.
struct Sender {
    dut: Model,
    rng: ChaCha8Rng,
    line: VecDeque<Option<(u8, bool)>>,
    phy: Phy,
}

impl Sender {
    fn clock(&mut self) {
        let next = (self.dut.peek("tx_ce") == 1).then(|| self.line.pop_front().flatten());
        self.dut.tick(1);
        if let Some(next) = next {
            let (byte, er) = next.unwrap_or_default();
            self.dut.poke("gmii_tx_en", next.is_some().into());
            self.dut.poke("gmii_txd", byte.into());
            self.dut.poke("gmii_tx_er", er.into());
            self.dut.eval();
        }
        self.phy.clock(&self.dut);
    }
    fn frame(&mut self, length: usize) -> Vec<(u8, bool)> {
        let f: Vec<(u8, bool)> = (0..length)
            .map(|_| (self.rng.random(), self.rng.random_range(0..9) == 0))
            .collect();
        self.line.extend(f.iter().copied().map(Some));
        self.line.extend(vec![None; 12]);
        f
    }
}

/// Half a period of TXC in halves of core clocks.
const HALF: [u32; 3] = [50, 5, 1];

#[test]
fn transmits_with_an_even_clock_at_each_speed() {
    let mut s = Sender {
        dut: build(),
        rng: mac::rng(),
        line: VecDeque::new(),
        phy: Phy::default(),
    };
    s.dut.poke("speed", 2);
    s.dut.poke("reset", 1);
    s.dut.tick(1);
    s.dut.poke("reset", 0);
    let (mut before, mut cuts) = (2, 0);
    for round in 0..120 {
        // The speed changes at any time, in a frame or behind it.
        let speed = s.rng.random_range(0..3usize);
        s.frame(40);
        let most = 80 * [100, 10, 1][before];
        for _ in 0..s.rng.random_range(0..most) {
            s.clock();
        }
        let inside = (15..=50).contains(&s.line.len());
        s.dut.poke("speed", speed as u64);
        (0..101).for_each(|_| s.clock());
        let times = |p: &Phy| p.highs.iter().chain(&p.lows).copied().min();
        assert!(times(&s.phy).is_none_or(|t| t >= HALF[before].min(HALF[speed])));
        s.phy = Phy {
            txc: s.phy.txc,
            since: s.phy.since,
            ..Phy::default()
        };
        while !s.line.is_empty() {
            s.clock();
        }
        let was_cut = speed != before && inside;
        let silent = s.phy.pairs.iter().skip(1).all(|p| p.1 == [false; 2]);
        assert!(!was_cut || silent, "round {round}: the rest is not sent");
        cuts += u32::from(was_cut);

        // From here on everything is regular.
        s.phy = Phy {
            txc: s.phy.txc,
            since: s.phy.since,
            ..Phy::default()
        };
        let lengths = [0; 3].map(|_: usize| s.rng.random_range(1..30));
        let sent = lengths.map(|n| s.frame(n));
        while !s.line.is_empty() {
            s.clock();
        }
        let mut even = s.phy.highs.iter().chain(&s.phy.lows);
        assert!(even.all(|h| *h == HALF[speed]), "round {round}");
        assert_eq!(carriers(&s.phy.pairs, speed == 2), sent, "round {round}");
        before = speed;
    }
    assert!(cuts > 20, "{cuts}");
}

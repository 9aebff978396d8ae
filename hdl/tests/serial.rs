//! The serial port: both directions against lines whose clocks differ, breaks, noise, full queues.
#[path = "common/seed.rs"]
mod seed;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::{DEPTH, LEAST_DIVISOR, serial};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};
use std::collections::VecDeque;

struct Bench {
    dut: Model,
    rng: ChaCha8Rng,
    /// Cycles of a bit, as the divisor says.
    bit: u64,
    now: u64,
    /// Levels of the receive line, each with the time at which it ends.
    line: VecDeque<(u64, bool)>,
    level: bool,
    /// One in this many cycles has a spike; 0: none.
    spikes: u64,
    last_spike: u64,
    /// What was received, and whether to take it.
    received: Vec<u8>,
    taking: bool,
    /// The far receiver: time of the next sample, bits so far.
    far: Option<(f64, u32, u32)>,
    far_bit: f64,
    far_received: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let mut b = Self {
            dut: Model::build(&design(&serial()), &options).expect("builds"),
            rng: seed::rng(),
            bit: 0,
            now: 0,
            line: VecDeque::new(),
            level: true,
            spikes: 0,
            last_spike: 0,
            received: vec![],
            taking: true,
            far: None,
            far_bit: 0.0,
            far_received: vec![],
        };
        b.restart(100);
        b
    }

    fn restart(&mut self, divisor: u64) {
        self.dut.poke("reset", 1);
        for name in ["tx_valid", "rx_take"] {
            self.dut.poke(name, 0);
        }
        self.dut.poke("serial_rx", 1);
        self.dut.poke("divisor", divisor);
        self.bit = divisor.max(LEAST_DIVISOR) + 1;
        self.far_bit = self.bit as f64;
        self.dut.tick(1);
        self.dut.poke("reset", 0);
        (self.level, self.far) = (true, None);
        self.line.clear();
        self.received.clear();
        self.far_received.clear();
        self.taking = true;
        self.run(10);
    }

    fn run(&mut self, cycles: u64) {
        for _ in 0..cycles {
            while self.line.front().is_some_and(|(end, _)| *end <= self.now) {
                self.line.pop_front();
            }
            let level = self.line.front().is_none_or(|l| l.1);
            // Spikes of one cycle, never within two cycles of another or of a change of the line.
            let quiet = level == self.level
                && self.line.front().is_none_or(|l| l.0 > self.now + 3)
                && self.now > self.last_spike + 3;
            let spike = self.spikes > 0 && quiet && self.rng.random_range(0..self.spikes) == 0;
            if spike || level != self.level {
                self.last_spike = self.now;
            }
            self.level = level;
            self.dut.poke("serial_rx", u64::from(level ^ spike));
            let take = self.taking && self.rng.random_range(0..4) == 0;
            self.dut.poke("rx_take", take.into());
            self.dut.eval();
            if take && self.dut.peek("rx_valid") == 1 {
                self.received.push(self.dut.peek("rx_data") as u8);
            }
            self.dut.tick(1);
            self.now += 1;
            self.listen();
        }
    }

    /// The far receiver, by its own clock.
    fn listen(&mut self) {
        let high = self.dut.peek("serial_tx") == 1;
        match &mut self.far {
            None if !high => self.far = Some((self.now as f64 + self.far_bit / 2.0, 0, 0)),
            Some((at, n, bits)) if self.now as f64 >= *at => {
                *bits |= u32::from(high) << *n;
                *n += 1;
                *at += self.far_bit;
                if *n == 10 {
                    assert_eq!(*bits & 0x201, 0x200, "start and stop bit");
                    self.far_received.push((*bits >> 1) as u8);
                    self.far = None;
                }
            }
            _ => {}
        }
    }

    /// Puts a character on the receive line behind what is there, with a bit of `bit` cycles, and `gap` cycles of idle after it.
    fn send(&mut self, byte: u8, bit: f64, gap: u64, stop: bool) {
        let from = self.line.back().map_or(self.now, |l| l.0).max(self.now) as f64;
        let bits = u32::from(byte) << 1 | u32::from(stop) << 9;
        for i in 0..10u32 {
            let end = from + bit * f64::from(i + 1);
            self.line
                .push_back((end.round() as u64, bits >> i & 1 == 1));
        }
        let end = self.line.back().expect("some").0;
        self.line.push_back((end + gap, true));
    }

    fn drain(&mut self) {
        while !self.line.is_empty() {
            self.run(100);
        }
        self.run(2 * self.bit + 100);
    }

    fn errors(&self) -> (u64, u64) {
        (self.dut.peek("framing_errors"), self.dut.peek("overruns"))
    }
}

#[test]
fn receives_with_a_clock_that_differs() {
    let mut b = Bench::new();
    for (divisor, off) in [
        (7, 0.0),
        (0, 0.0),
        (33, 0.02),
        (33, -0.02),
        (100, 0.02),
        (100, -0.02),
        (1084, 0.02),
        (1084, -0.02),
        (250, 0.0),
    ] {
        b.restart(divisor);
        let bit = b.bit as f64 * (1.0 + off);
        let mut want = vec![];
        for _ in 0..60 {
            let byte = b.rng.random();
            want.push(byte);
            // Most follow each other at once.
            let gap = if b.rng.random_range(0..4) == 0 {
                b.rng.random_range(0..4 * b.bit)
            } else {
                0
            };
            b.send(byte, bit, gap, true);
        }
        b.drain();
        assert_eq!(b.received, want, "divisor {divisor}, {off}");
        assert_eq!(b.errors(), (0, 0));
    }
}

#[test]
fn transmits_to_a_clock_that_differs() {
    let mut b = Bench::new();
    for (divisor, off) in [
        (7, 0.0),
        (3, 0.0),
        (50, 0.02),
        (50, -0.02),
        (300, 0.02),
        (300, -0.02),
    ] {
        b.restart(divisor);
        b.far_bit = b.bit as f64 * (1.0 + off);
        let mut want: Vec<u8> = vec![];
        let mut refused = 0;
        while want.len() < 60 {
            let valid = b.rng.random_range(0..100) < if want.len() < 30 { 100 } else { 2 };
            let byte = b.rng.random();
            b.dut.poke("tx_valid", u64::from(valid));
            b.dut.poke("tx_data", u64::from(byte));
            b.dut.eval();
            let ready = b.dut.peek("tx_ready") == 1;
            if valid && ready {
                want.push(byte);
            }
            refused += u32::from(valid && !ready);
            b.run(1);
            b.dut.poke("tx_valid", 0);
            b.run(b.bit / 8);
        }
        assert_eq!(b.dut.peek("tx_idle"), 0);
        let mut waited = 0;
        while b.dut.peek("tx_idle") == 0 {
            b.run(1);
            waited += 1;
            assert!(waited < 10 * b.bit * (DEPTH as u64 + 2), "it ends");
        }
        // Idle means that the last stop bit is out.
        assert_eq!(b.dut.peek("serial_tx"), 1);
        b.run(2);
        assert_eq!(b.far_received, want, "divisor {divisor}, {off}");
        assert!(refused > 0, "the queue was never full");
        b.run(12 * b.bit);
        assert_eq!(b.far_received.len(), want.len(), "silent when idle");
    }
}

#[test]
fn noise_false_starts_and_breaks() {
    let mut b = Bench::new();
    b.restart(60);
    b.spikes = 12;
    let (mut want, mut framing) = (vec![], 0);
    for _ in 0..400 {
        match b.rng.random_range(0..4) {
            0 => {
                // A dip shorter than half a bit.
                let from = b.line.back().map_or(b.now, |l| l.0).max(b.now);
                let dip = b.rng.random_range(4..b.bit / 2 - 4);
                b.line.push_back((from + dip, false));
                b.line.push_back((from + dip + b.bit, true));
            }
            1 => {
                // A break: longer than a character, or a character without its stop bit.
                if b.rng.random() {
                    let from = b.line.back().map_or(b.now, |l| l.0).max(b.now);
                    let length = b.bit * b.rng.random_range(10..60);
                    b.line.push_back((from + length, false));
                    b.line.push_back((from + length + b.bit, true));
                } else {
                    let byte = b.rng.random();
                    b.send(byte, b.bit as f64, b.bit, false);
                }
                framing += 1;
            }
            _ => {
                let byte = b.rng.random();
                want.push(byte);
                let gap = b.rng.random_range(0..b.bit);
                b.send(byte, b.bit as f64, gap, true);
            }
        }
    }
    b.drain();
    assert_eq!(b.received, want);
    assert_eq!(b.errors(), (framing, 0));
    assert!(framing > 50);
}

#[test]
fn a_full_queue_loses_the_newest_and_counts() {
    let mut b = Bench::new();
    b.restart(20);
    b.taking = false;
    let bytes: Vec<u8> = (0..DEPTH as usize + 7).map(|_| b.rng.random()).collect();
    for byte in &bytes {
        b.send(*byte, b.bit as f64, 0, true);
    }
    b.drain();
    assert_eq!(b.errors(), (0, 7));
    b.taking = true;
    b.run(400);
    assert_eq!(b.received, bytes[..DEPTH as usize]);
    // A reset in the middle of a character: the rest of it is no character if the line is high at a time, and the queue is empty.
    b.taking = false;
    b.send(0x5a, b.bit as f64, 0, true);
    b.send(0xff, b.bit as f64, 0, true);
    b.run(13 * b.bit);
    assert_eq!(b.dut.peek("rx_valid"), 1);
    b.restart(20);
    assert_eq!((b.dut.peek("rx_valid"), b.errors()), (0, (0, 0)));
    b.send(0xa5, b.bit as f64, 0, true);
    b.drain();
    assert_eq!(b.received, [0xa5]);
}

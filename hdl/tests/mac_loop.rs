//! Two MACs back to back, each with its own clock: what one sends the other receives, at line rate, with pause.
#[path = "common/mac.rs"]
mod common;

use common::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::mac::{EVENTS, counter_name, mac};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::{Module, design};
use smartnic_regs::values::counter as c;
use smartnic_verilated::{InputId, Model, OutputId};
use std::collections::VecDeque;

const WIDTH: u32 = 64;

/// Inputs of a MAC but for clocks and receive pins.
const INPUTS: &[(&str, u32)] = &[
    ("tx_ce", 1),
    ("link", 1),
    ("rx_enable", 1),
    ("tx_enable", 1),
    ("pause_rx", 1),
    ("pause_tx", 1),
    ("max_frame", 14),
    ("addr", 48),
    ("pause_request", 1),
    ("pause_quanta", 16),
    ("in_ready", 1),
    ("tx_valid", 1),
    ("tx_data", WIDTH),
    ("tx_keep", WIDTH / 8),
    ("tx_sop", 1),
    ("tx_eop", 1),
];
const OUTPUTS: &[&str] = &[
    "byte_valid",
    "byte_data",
    "byte_sof",
    "byte_eof",
    "byte_err",
    "in_valid",
    "in_data",
    "in_keep",
    "in_sop",
    "in_eop",
    "in_err",
    "tx_ready",
    "idle",
    "paused",
];

/// MACs `a` and `b`, cross-connected: the sender's core clock is the other's receive clock.
fn pair() -> Module {
    let m = Module::new("mac_pair");
    let domains = [m.domain("a"), m.domain("b")];
    let one = mac(&Params::for_ports(4));
    let macs = ["a", "b"].map(|n| m.inst(n, &one));
    for i in 0..2 {
        let (me, other) = (&macs[i], &macs[1 - i]);
        let name = ["a", "b"][i];
        me.drive("clock", &domains[i].clock)
            .drive("reset", &domains[i].reset)
            .drive("rx_clock", &domains[1 - i].clock)
            .drive("rx_reset", &domains[1 - i].reset)
            .drive("gmii_rxd", other.port("gmii_txd"))
            .drive("gmii_rx_dv", other.port("gmii_tx_en"))
            .drive("gmii_rx_er", other.port("gmii_tx_er"))
            .drive("gmii_rx_ce", true);
        for (n, w) in INPUTS {
            me.drive(n, m.input(&format!("{name}_{n}"), *w));
        }
        let events = EVENTS.iter().map(|e| format!("ev_{}", counter_name(e.0)));
        for n in OUTPUTS.iter().map(|n| n.to_string()).chain(events) {
            m.output_of(&format!("{name}_{n}"), me.port(&n));
        }
    }
    m
}

struct Side {
    tap: RxTap,
    events: Events,
    tx: [InputId; 5],
    tx_ready: OutputId,
    paused: OutputId,
    idle: OutputId,
    queue: VecDeque<(Vec<u8>, bool)>,
    /// What was sent and must arrive at the other side.
    sent: Vec<Vec<u8>>,
}

struct Bench {
    dut: Model,
    sides: [Side; 2],
    rng: ChaCha8Rng,
    period: [u64; 2],
    next: [u64; 2],
}

impl Bench {
    fn new(period: [u64; 2]) -> Bench {
        let mut dut = Model::build(&design(&pair()), &lint()).expect("builds");
        let mut rng = rng();
        for n in ["a", "b"] {
            for (k, v) in [
                ("tx_ce", 1),
                ("link", 1),
                ("rx_enable", 1),
                ("tx_enable", 1),
                ("pause_rx", 1),
                ("pause_tx", 1),
                ("max_frame", 2000),
            ] {
                dut.poke(&format!("{n}_{k}"), v);
            }
            dut.poke(&format!("{n}_reset"), 1);
        }
        dut.run(3, 3);
        dut.poke("a_reset", 0);
        dut.poke("b_reset", 0);
        dut.run(3, 40);
        let sides = ["a_", "b_"].map(|p| Side {
            tap: RxTap::new(&dut, p, WIDTH),
            events: Events::new(&dut, p, EVENTS.iter().map(|e| e.0)),
            tx: ["valid", "data", "keep", "sop", "eop"]
                .map(|n| dut.input(&format!("{p}tx_{n}")).expect("port")),
            tx_ready: dut.output(&format!("{p}tx_ready")).expect("port"),
            paused: dut.output(&format!("{p}paused")).expect("port"),
            idle: dut.output(&format!("{p}idle")).expect("port"),
            queue: VecDeque::new(),
            sent: vec![],
        });
        let next = period.map(|p| rng.random_range(0..p));
        Bench {
            dut,
            sides,
            rng,
            period,
            next,
        }
    }
    fn step(&mut self) {
        let now = self.next[0].min(self.next[1]);
        let mut mask = 0;
        for i in 0..2 {
            if self.next[i] != now {
                continue;
            }
            self.next[i] += self.period[i];
            mask |= 1 << i;
            let s = &mut self.sides[i];
            let ready = self.rng.random_ratio(1, 2);
            s.tap.sample(&mut self.dut, ready, 0);
            s.events.sample(&self.dut);
            let taken = self.dut.get(s.tx_ready) == 1;
            let Some((bytes, sop)) = s.queue.front() else {
                self.dut.set(s.tx[0], 0);
                continue;
            };
            let n = bytes.len().min(8);
            let mut word = [0; 8];
            word[..n].copy_from_slice(&bytes[..n]);
            self.dut.set(s.tx[0], 1);
            self.dut.set(s.tx[1], u64::from_le_bytes(word));
            self.dut.set(s.tx[2], (1 << n) - 1);
            self.dut.set(s.tx[3], *sop as u64);
            self.dut.set(s.tx[4], (bytes.len() <= 8) as u64);
            if taken {
                let (bytes, _) = s.queue.pop_front().unwrap();
                if bytes.len() > 8 {
                    s.queue.push_front((bytes[8..].to_vec(), false));
                }
            }
        }
        self.dut.tick(mask);
    }
    fn send(&mut self, side: usize, size: usize) {
        let mut f = random_frame(&mut self.rng, size);
        f[12] = 8; // no pause frame, no tag
        self.sides[side].queue.push_back((f.clone(), true));
        f.resize(f.len().max(60), 0);
        self.sides[side].sent.push(f);
    }
    fn idle(&self) -> bool {
        self.sides
            .iter()
            .all(|s| s.queue.is_empty() && self.dut.get(s.idle) == 1)
    }
    fn finish(&mut self) {
        let mut still = 0;
        for _ in 0..3_000_000 {
            self.step();
            still = if self.idle() { still + 1 } else { 0 };
            if still > 100 {
                return;
            }
        }
        panic!("never idle");
    }
    /// Everything arrived, and what one counts as sent the other counts as received.
    fn check(&mut self) {
        for i in 0..2 {
            let (a, b) = (&self.sides[i], &self.sides[1 - i]);
            let want: Vec<_> = a.sent.iter().map(|f| (f.clone(), false)).collect();
            let got = |c: &Collector| -> Vec<_> {
                let pause = |f: &[u8]| f[12..16] == [0x88, 8, 0, 1];
                c.frames.iter().filter(|f| !pause(&f.0)).cloned().collect()
            };
            assert_eq!(got(&b.tap.bytes).len(), want.len());
            assert!(got(&b.tap.bytes) == want && got(&b.tap.beats) == want);
            let (tx, rx) = (&a.events.counts, &b.events.counts);
            for (t, r) in [
                (c::TX_FRAMES, c::RX_FRAMES),
                (c::TX_BYTES, c::RX_BYTES),
                (c::TX_UNICAST, c::RX_UNICAST),
                (c::TX_MULTICAST, c::RX_MULTICAST),
                (c::TX_BROADCAST, c::RX_BROADCAST),
                (c::TX_PAUSE, c::RX_PAUSE),
                (c::TX_64, c::RX_64),
                (c::TX_65_127, c::RX_65_127),
                (c::TX_128_255, c::RX_128_255),
                (c::TX_256_511, c::RX_256_511),
                (c::TX_512_1023, c::RX_512_1023),
                (c::TX_1024_1518, c::RX_1024_1518),
                (c::TX_1519_MAX, c::RX_1519_MAX),
            ] {
                assert_eq!(tx[t as usize], rx[r as usize], "{}", counter_name(t));
            }
            for n in c::RX_FCS_ERRORS..=c::RX_FALSE_CARRIER {
                assert_eq!(rx[n as usize], 0, "{}", counter_name(n));
            }
            assert_eq!(
                (rx[c::RX_OVERFLOW as usize], tx[c::TX_UNDERRUN as usize]),
                (0, 0)
            );
            assert_eq!(
                tx[c::TX_FRAMES as usize] - tx[c::TX_PAUSE as usize],
                a.sent.len() as u64
            );
        }
    }
}

/// Clocks equal, 100 and 200 ppm apart either way, in random phases; full duplex, back to back.
#[test]
fn line_rate_both_ways() {
    for period in [
        [8000, 8000],
        [10_000, 10_001],
        [10_001, 10_000],
        [5000, 4999],
    ] {
        let mut b = Bench::new(period);
        for _ in 0..400 {
            for side in 0..2 {
                let size = match b.rng.random_range(0..4) {
                    0 => b.rng.random_range(14..1996),
                    _ => b.rng.random_range(14..130),
                };
                b.send(side, size);
            }
        }
        b.finish();
        b.check();
    }
}

/// A side that asks for a pause gets one: the other stops after at most its frame, and goes on when told.
#[test]
fn pause_end_to_end() {
    let mut b = Bench::new([10_000, 10_001]);
    let mut quiet_seen = 0;
    for round in 0..40 {
        for side in 0..2 {
            for _ in 0..10 {
                let size = b.rng.random_range(60..500);
                b.send(side, size);
            }
        }
        let asks = round % 2;
        let name = ["a", "b"][asks];
        let wait = b.rng.random_range(0..2000);
        (0..wait).for_each(|_| b.step());
        b.dut.poke(&format!("{name}_pause_quanta"), 40);
        b.dut.poke(&format!("{name}_pause_request"), 1);
        // Both directions: its own frame, the pause frame, the other's frame; two clocks, so twice as many steps.
        (0..2 * (2 * 540 + 84 + 100)).for_each(|_| b.step());
        let frames = b.sides[asks].tap.bytes.frames.len();
        for _ in 0..20_000 {
            b.step();
            let paused = b.dut.get(b.sides[1 - asks].paused);
            assert_eq!(paused, 1, "renewed in time");
        }
        assert_eq!(b.sides[asks].tap.bytes.frames.len(), frames, "silence");
        quiet_seen += usize::from(!b.sides[1 - asks].queue.is_empty());
        b.dut.poke(&format!("{name}_pause_request"), 0);
        b.finish();
    }
    b.check();
    assert!(quiet_seen > 10, "{quiet_seen} pauses held frames back");
    assert!(b.sides[0].events.counts[c::TX_PAUSE as usize] > 100);
}

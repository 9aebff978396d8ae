//! The bench of `mac_tx`: beats in, what was on the pins and counters out.

use super::common::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::mac::{EVENTS, mac};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::values::counter as c;
use smartnic_verilated::{InputId, Model, OutputId};
use std::collections::VecDeque;

pub const ALL: u32 = 3;
/// Source address of pause frames.
pub const ADDR: [u8; 6] = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];

/// What was on the pins while TX_EN was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Byte times without TX_EN before it.
    pub gap: u64,
    /// Byte time of its first byte.
    pub start: u64,
    pub bytes: Vec<u8>,
    pub er: Vec<bool>,
}

impl Sent {
    /// The frame without preamble and FCS, which are checked, as everything else that a sender owes.
    pub fn frame(&self) -> Vec<u8> {
        assert_eq!(
            &self.bytes[..8],
            [0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5]
        );
        assert!(self.er.iter().all(|e| !e));
        let body = &self.bytes[8..];
        assert!(body.len() >= 64, "{} bytes", body.len());
        let (f, trailer) = body.split_at(body.len() - 4);
        assert_eq!(trailer, fcs(f).to_le_bytes(), "FCS");
        assert!(self.gap >= 12, "gap {}", self.gap);
        f.to_vec()
    }
}

pub struct Bench {
    pub dut: Model,
    pub width: usize,
    pub events: Events,
    pub tx: [InputId; 5],
    pub tx_ready: OutputId,
    pub ce: InputId,
    pub out: [OutputId; 3],
    pub paused: OutputId,
    pub idle: OutputId,
    /// Beats to send: data, last.
    pub queue: VecDeque<(Vec<u8>, bool, bool)>,
    pub offered: bool,
    /// Chance in 100 that a beat is offered when none is.
    pub supply: u32,
    pub slow: u64,
    pub cycle: u64,
    pub time: u64,
    pub gap: u64,
    pub open: Option<Sent>,
    pub sent: Vec<Sent>,
    /// Cycle in which a first beat was first offered, and TX_EN first seen.
    pub offered_at: Vec<u64>,
    pub enabled_at: Vec<u64>,
    pub rng: ChaCha8Rng,
}

impl Bench {
    pub fn new(width: u32) -> Bench {
        let params = Params {
            width,
            ..Params::for_ports(4)
        };
        let mut dut = Model::build(&design(&mac(&params)), &lint()).expect("builds");
        let numbers = EVENTS.iter().map(|e| e.0).chain([c::DROP_LINK_DOWN]);
        let events = Events::new(&dut, "", numbers);
        let addr = ADDR.iter().rev().fold(0, |a, b| a << 8 | *b as u64);
        for (n, v) in [
            ("link", 1),
            ("rx_enable", 1),
            ("tx_enable", 1),
            ("tx_ce", 1),
            ("gmii_rx_ce", 1),
            ("in_ready", 1),
            ("pause_rx", 1),
            ("pause_tx", 1),
            ("max_frame", 1518),
            ("addr", addr),
        ] {
            dut.poke(n, v);
        }
        dut.poke("reset", 1);
        dut.poke("rx_reset", 1);
        dut.run(ALL, 3);
        dut.poke("reset", 0);
        dut.poke("rx_reset", 0);
        dut.run(ALL, 20);
        let input = |n: &str| dut.input(n).expect("port");
        let output = |n: &str| dut.output(n).expect("port");
        Bench {
            width: width as usize,
            events,
            tx: ["valid", "data", "keep", "sop", "eop"].map(|n| input(&format!("tx_{n}"))),
            tx_ready: output("tx_ready"),
            ce: input("tx_ce"),
            out: ["gmii_txd", "gmii_tx_en", "gmii_tx_er"].map(output),
            paused: output("paused"),
            idle: output("idle"),
            queue: VecDeque::new(),
            offered: false,
            supply: 100,
            slow: 1,
            cycle: 0,
            time: 0,
            gap: 100,
            open: None,
            sent: vec![],
            offered_at: vec![],
            enabled_at: vec![],
            rng: rng(),
            dut,
        }
    }
    pub fn send(&mut self, frame: &[u8]) {
        let beats: Vec<&[u8]> = frame.chunks(self.width / 8).collect();
        for (i, b) in beats.iter().enumerate() {
            self.queue
                .push_back((b.to_vec(), i == 0, i + 1 == beats.len()));
        }
    }
    pub fn step(&mut self) {
        let phase = self.cycle.is_multiple_of(self.slow);
        self.dut.set(self.ce, phase as u64);
        if !self.offered && !self.queue.is_empty() && self.rng.random_range(0..100) < self.supply {
            self.offered = true;
            if self.queue[0].1 {
                self.offered_at.push(self.cycle);
            }
        }
        let junk: Vec<u32> = (0..self.width / 32).map(|_| self.rng.random()).collect();
        match (self.offered, self.queue.front()) {
            (true, Some((bytes, sop, eop))) => {
                let mut all: Vec<u8> = junk.iter().flat_map(|w| w.to_le_bytes()).collect();
                all[..bytes.len()].copy_from_slice(bytes);
                let words: Vec<u32> = all
                    .chunks(4)
                    .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
                    .collect();
                self.dut.set(self.tx[0], 1);
                self.dut.set_wide(self.tx[1], &words);
                self.dut.set(self.tx[2], (1u64 << bytes.len()) - 1);
                self.dut.set(self.tx[3], *sop as u64);
                self.dut.set(self.tx[4], *eop as u64);
            }
            _ => {
                self.dut.set(self.tx[0], 0);
                self.dut.set_wide(self.tx[1], &junk);
            }
        }
        self.events.sample(&self.dut);
        if self.offered && self.dut.get(self.tx_ready) == 1 {
            self.offered = false;
            self.queue.pop_front();
        }
        if phase {
            self.watch();
        }
        self.dut.tick(ALL);
        self.cycle += 1;
    }
    /// The pins of one byte time.
    pub fn watch(&mut self) {
        let [data, en, er] = self.out.map(|o| self.dut.get(o));
        if en == 1 {
            if self.open.is_none() {
                self.enabled_at.push(self.cycle);
            }
            let (gap, start) = (self.gap, self.time);
            let s = self.open.get_or_insert_with(|| Sent {
                gap,
                start,
                bytes: vec![],
                er: vec![],
            });
            s.bytes.push(data as u8);
            s.er.push(er == 1);
            self.gap = 0;
        } else {
            assert_eq!((er, data), (0, 0), "idle pins");
            self.sent.extend(self.open.take());
            self.gap += 1;
        }
        self.time += 1;
    }
    pub fn run(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.step();
        }
    }
    pub fn finish(&mut self) {
        let mut left = 10_000_000u64;
        while !self.queue.is_empty() || self.open.is_some() {
            self.step();
            left -= 1;
            assert!(left > 0, "stuck");
        }
        self.run(60 * self.slow);
    }
    pub fn idle(&self) -> bool {
        self.dut.get(self.idle) == 1
    }
}

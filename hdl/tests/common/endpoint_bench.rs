//! The endpoint core between a root complex and simple clients of its buses.
#![allow(dead_code)]

#[path = "seed.rs"]
mod seed;
use crate::root_complex::{Completion, RootComplex};
use rand::Rng;
pub use seed::rng;
use smartnic_hdl::board::WORST;
use smartnic_hdl::params::Params;
use smartnic_hdl::pcie::pcie_endpoint_core;
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options};
use std::collections::{BTreeMap, VecDeque};

/// What the DMA write channel is to carry: beats (data, keep, sop, eop, addr, len, irq).
pub type Beat = (u64, u64, bool, bool, u64, u64, bool);

/// A transfer's end as a client sees it.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub data: Vec<u8>,
    pub err: bool,
}

pub struct Bench {
    pub m: Model,
    pub rc: RootComplex,
    /// The register bus: contents, and addresses that nobody answers (bit 15 of the address).
    pub regs: BTreeMap<u32, u32>,
    pub reg_log: Vec<(bool, u32, u32)>,
    pub reg_due: Option<(u64, u32)>,
    pub wr: VecDeque<Beat>,
    pub rd: [VecDeque<(u64, u32)>; 2],
    pub answers: [Vec<Answer>; 2],
    pub partial: [Vec<u8>; 2],
    pub events: [u64; 5],
    pub take: u32,
    pub flr: bool,
}

impl Bench {
    pub fn new() -> Bench {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let card = pcie_endpoint_core(&Params::for_ports(2));
        let mut m = Model::build(&design(&card), &options).expect("builds");
        m.poke("reset", 1);
        m.tick(1);
        m.poke("reset", 0);
        m.poke("read_timeout", 20_000);
        Bench {
            m,
            rc: RootComplex::new(rng()),
            regs: BTreeMap::new(),
            reg_log: vec![],
            reg_due: None,
            wr: VecDeque::new(),
            rd: Default::default(),
            answers: Default::default(),
            partial: Default::default(),
            events: [0; 5],
            take: 70,
            flr: false,
        }
    }

    pub fn step(&mut self) {
        let m = &mut self.m;
        self.rc.drive(m);
        m.poke("cfg_flr", std::mem::take(&mut self.flr).into());
        let ack = self.reg_due.take_if(|d| d.0 <= self.rc.now);
        m.poke("reg_ack", ack.is_some().into());
        m.poke("reg_rdata", ack.map_or(0, |d| d.1 as u64));
        m.poke("wr_valid", (!self.wr.is_empty()).into());
        if let Some(b) = self.wr.front() {
            for (name, value) in [
                ("wr_data", b.0),
                ("wr_keep", b.1),
                ("wr_sop", b.2 as u64),
                ("wr_eop", b.3 as u64),
                ("wr_addr", b.4),
                ("wr_len", b.5),
                ("wr_irq", b.6 as u64),
            ] {
                m.poke(name, value);
            }
        }
        let mut takes = [false; 2];
        for (c, take) in takes.iter_mut().enumerate() {
            let front = self.rd[c].front().copied();
            m.poke(&format!("rd{c}_valid"), front.is_some().into());
            let (addr, len) = front.unwrap_or((0, 0));
            m.poke(&format!("rd{c}_addr"), addr);
            m.poke(&format!("rd{c}_len"), len as u64);
            *take = self.rc.rng.random_range(0..100) < self.take;
            m.poke(&format!("rdata{c}_ready"), (*take).into());
        }
        m.eval();
        self.rc.sample(m);
        if m.peek("reg_valid") == 1 {
            assert!(self.reg_due.is_none(), "one access at a time");
            let (addr, data) = (m.peek("reg_addr") as u32, m.peek("reg_wdata") as u32);
            let write = m.peek("reg_write") == 1;
            self.reg_log.push((write, addr, data));
            let value = self.regs.get(&addr).copied().unwrap_or(0);
            if addr & 0x8000 == 0 {
                // With another master on the bus an answer can take this long.
                let most = [31, 31, 31, WORST][self.rc.rng.random_range(0..4)];
                let wait = self.rc.rng.random_range(1..=most);
                self.reg_due = Some((self.rc.now + wait, if write { 0 } else { value }));
            }
            if write {
                self.regs.insert(addr, data);
            }
        }
        if !self.wr.is_empty() && m.peek("wr_ready") == 1 {
            self.wr.pop_front();
        }
        for (c, take) in takes.into_iter().enumerate() {
            if !self.rd[c].is_empty() && m.peek(&format!("rd{c}_ready")) == 1 {
                self.rd[c].pop_front();
            }
            let p = |n: &str| m.peek(&format!("rdata{c}_{n}"));
            if take && p("valid") == 1 {
                let (err, last) = (p("err") == 1, p("last") == 1);
                assert!(!err || last, "err comes with last");
                let n = p("keep").trailing_ones();
                assert!(n > 0 && (last || n == 8));
                self.partial[c].extend(&p("data").to_le_bytes()[..n as usize]);
                if last {
                    let data = std::mem::take(&mut self.partial[c]);
                    self.answers[c].push(Answer { data, err });
                }
            }
        }
        for (i, count) in self.events.iter_mut().enumerate() {
            *count += m.peek("dma_event") >> i & 1;
        }
        self.m.tick(1);
    }

    pub fn run(&mut self, what: &str, mut until: impl FnMut(&Bench) -> bool) {
        for _ in 0..200_000 {
            if until(self) {
                return;
            }
            self.step();
        }
        panic!("{what}: not done in 200,000 cycles");
    }

    pub fn settle(&mut self) {
        self.run("settle", |b| {
            b.rc.quiet() && b.wr.is_empty() && b.rd.iter().all(|r| r.is_empty())
        });
        (0..4).for_each(|_| self.step());
        self.run("idle", |b| b.m.peek("idle") == 1);
        for _ in 0..20 {
            self.step();
        }
        assert_eq!(self.m.peek("idle"), 1);
    }

    pub fn read(&mut self, bar: u32, addr: u64, dws: u32) -> Completion {
        self.rc.read(bar, addr, dws, 7);
        self.run("read", |b| b.rc.completions.contains_key(&7));
        self.rc.completions.remove(&7).unwrap()
    }

    pub fn transfer(&mut self, addr: u64, data: &[u8]) {
        let n = data.chunks(8).count();
        for (i, c) in data.chunks(8).enumerate() {
            let mut w = [0u8; 8];
            w[..c.len()].copy_from_slice(c);
            let keep = (1u64 << c.len()) - 1;
            let word = u64::from_le_bytes(w);
            let ends = (i == 0, i + 1 == n);
            // Address and length are looked at with sop only.
            let (a, l) = if i == 0 {
                (addr, data.len() as u64)
            } else {
                (0x55, 0x55)
            };
            self.wr.push_back((word, keep, ends.0, ends.1, a, l, false));
        }
    }
    pub fn interrupt(&mut self, vector: u64) {
        self.wr.push_back((0, 0, true, true, vector, 0, true));
    }
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.rc.rng.random()).collect()
    }
    pub fn address(&mut self) -> u64 {
        let low = self.rc.rng.random_range(0..4u64) << 12;
        let near = [0, 64, 0xf80, 0xff0][self.rc.rng.random_range(0..4)];
        let high = [0, 0, 0x1_0000_0000, 0x12_3456_0000_0000 & !(15 << 44)]
            [self.rc.rng.random_range(0..4)];
        high + 0x10_0000 + low + near + self.rc.rng.random_range(0..64)
    }
    /// What client `c` may read: client 0 whole beats of one block of 128 bytes.
    pub fn readable(c: usize, addr: u64, len: usize) -> (u64, usize) {
        if c == 1 {
            return (addr, len);
        }
        let addr = addr & !7;
        let room = 128 - (addr & 127) as usize;
        (addr, (len.next_multiple_of(8)).min(room))
    }
    pub fn length(&mut self) -> usize {
        match self.rc.rng.random_range(0..8) {
            0 => self.rc.rng.random_range(1..9217),
            1..=3 => self.rc.rng.random_range(1..20),
            _ => self.rc.rng.random_range(1..700),
        }
    }
}

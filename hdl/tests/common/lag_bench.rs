//! A bench around the LAG stage, and a plain model of it: the formulas of Linux's `bond_xmit_hash`, `%`, and a
//! search through a list.
#![allow(dead_code)] // each test uses its part

use crate::headers::Header;
use smartnic_hdl::lag::LATENCY;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::Module;
use smartnic_regs::lag as r;
use smartnic_verilated::{Model, Options};
use std::collections::VecDeque;

/// Hash of a header by a policy's number.
pub fn hash(policy: u32, h: &Header) -> u32 {
    let (dst, src) = (h.dst.to_le_bytes(), h.src.to_le_bytes());
    let eth = (dst[5] ^ src[5]) as u32 ^ h.ethertype as u32;
    let fold = |mut h: u32| {
        h ^= h >> 16;
        h ^ h >> 8
    };
    match policy {
        2 | 3 if h.ip != 0 => fold(eth ^ h.l3 as u32),
        1 | 4 if h.ip != 0 => fold(h.ports as u32 ^ h.l3 as u32) >> 1,
        5 => {
            let number = |b: &[u8]| b.iter().fold(0, |n, x| n << 8 | *x as u32);
            number(&src[..3]) ^ number(&src[3..6]) ^ h.tci as u32
        }
        _ => eth,
    }
}

/// One group as the driver configured it.
#[derive(Clone, Debug)]
pub struct Group {
    pub policy: u32,
    pub enable: bool,
    pub backup: bool,
    pub active: u32,
    pub distributing: u64,
    pub collecting: u64,
    pub buckets: Vec<Option<u32>>,
}

impl Group {
    pub fn empty() -> Group {
        Group {
            policy: 0,
            enable: false,
            backup: false,
            active: 0,
            distributing: 0,
            collecting: 0,
            buckets: vec![None; 840],
        }
    }

    /// The member that takes a frame, one-hot.
    pub fn member(&self, ports: u32, link: u64, h: &Header) -> u64 {
        let live = |i: u32| self.enable && (self.distributing & link) >> i & 1 == 1;
        let bucket = self.buckets[hash(self.policy, h) as usize % 840];
        let wanted = if self.backup {
            Some(self.active)
        } else {
            bucket
        };
        // Not filled: as if member 0 were meant, and dead.
        let first = wanted.filter(|m| *m < ports).unwrap_or(1);
        let order = (0..ports).map(|i| (first + i) % ports);
        order
            .filter(|i| live(*i))
            .map(|i| 1 << i)
            .next()
            .unwrap_or(0)
    }
}

struct Due {
    at: u64,
    header: Header,
}

/// The stage with its model. Cycle n is the time between edges n and n + 1.
pub struct Bench {
    pub dut: Model,
    pub ports: u32,
    pub groups: Vec<Group>,
    pub link: u64,
    links: Vec<u64>,
    due: VecDeque<Due>,
    pub answers: u64,
    /// Members of the last answer, one-hot, by group.
    pub last: Vec<u64>,
    cleared: bool,
}

impl Bench {
    pub fn new(module: &Module, p: &Params) -> Bench {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let dut = Model::build(&smartnic_hdl::rtl::design(module), &options).expect("builds");
        let mut b = Bench {
            dut,
            ports: p.ports,
            groups: vec![Group::empty(); p.lag_groups as usize],
            link: 0,
            links: vec![],
            due: VecDeque::new(),
            answers: 0,
            last: vec![],
            cleared: false,
        };
        b.reset();
        b
    }

    pub fn reset(&mut self) {
        self.dut.poke("reset", 1);
        self.dut.tick(1);
        self.links.push(self.link);
        self.dut.poke("reset", 0);
        self.due.clear();
        self.groups.fill(Group::empty());
        self.cleared = false;
    }

    /// Waits until the buckets are empty.
    pub fn clear(&mut self) {
        let mut n = 0;
        while self.dut.peek("ready") == 0 {
            self.tick();
            n += 1;
            assert!(n < 4200, "not ready after {n} cycles");
        }
        self.cleared = true;
    }

    pub fn now(&self) -> u64 {
        self.links.len() as u64
    }

    /// The cycle that begins now carries a request for this header.
    pub fn expect(&mut self, at: u64, header: Header) {
        self.due.push_back(Due { at, header });
    }

    /// One cycle; checks the answers.
    pub fn tick(&mut self) {
        self.dut.poke("link", self.link);
        self.dut.tick(1);
        self.links.push(self.link);
        let due = self
            .due
            .front()
            .is_some_and(|d| d.at + LATENCY as u64 == self.now());
        assert_eq!(
            self.dut.peek("rsp_valid") == 1,
            due,
            "answers in cycle {}",
            self.now()
        );
        if due {
            let d = self.due.pop_front().unwrap();
            assert_eq!(
                self.dut.peek("rsp_hash") as u32,
                hash(1, &d.header),
                "{:?}",
                d.header
            );
            self.last.clear();
            for g in 0..self.groups.len() {
                let link = self.links[d.at as usize + 6 + g];
                let want = self.groups[g].member(self.ports, link, &d.header);
                let got = self.dut.peek(&format!("rsp_member_g{g}"));
                self.last.push(got);
                assert_eq!(
                    got, want,
                    "group {g}, link {link:b}, {:?} {:?}",
                    self.groups[g], d.header
                );
            }
            self.answers += 1;
        }
        if !self.due.is_empty() {
            assert_eq!(self.dut.peek("idle"), 0, "idle with a request under way");
        }
        let accepted = self
            .groups
            .iter()
            .filter(|g| g.enable)
            .fold(0, |c, g| c | g.collecting);
        if self.cleared {
            assert_eq!(self.dut.peek("rsp_collecting"), accepted);
        }
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.due.len()
    }

    fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        self.dut.poke("reg_valid", 1);
        self.dut.poke("reg_write", write as u64);
        self.dut.poke("reg_addr", addr as u64);
        self.dut.poke("reg_wdata", data as u64);
        let quiet = std::mem::replace(&mut self.cleared, false);
        self.tick();
        self.dut.poke("reg_valid", 0);
        for _ in 0..32 {
            self.tick();
            if self.dut.peek("reg_ack") == 1 {
                let data = self.dut.peek("reg_rdata") as u32;
                // A bus master with registers asks again in the cycle after the answer at the earliest.
                self.tick();
                self.cleared = quiet;
                return data;
            }
        }
        panic!("no answer to address {addr:#x}");
    }

    pub fn write(&mut self, addr: u32, data: u32) {
        self.access(true, addr, data);
    }

    pub fn read(&mut self, addr: u32) -> u32 {
        self.access(false, addr, 0)
    }

    /// Writes a group's registers, not its buckets.
    pub fn configure(&mut self, g: usize, group: Group) {
        let v = r::GROUP::POLICY.put(group.policy)
            | r::GROUP::ENABLE.put(group.enable as u32)
            | r::GROUP::MODE.put(group.backup as u32)
            | r::GROUP::ACTIVE.put(group.active);
        let (d, c) = (group.distributing as u32, group.collecting as u32);
        self.groups[g] = group;
        self.write(r::GROUP.at(g as u32), v);
        self.write(r::DISTRIBUTING.at(g as u32), d);
        self.write(r::COLLECTING.at(g as u32), c);
    }

    /// Writes one bucket; the model follows.
    pub fn fill(&mut self, g: usize, bucket: usize, member: Option<u32>) {
        let index =
            r::BUCKET_INDEX::BUCKET.put(bucket as u32) | r::BUCKET_INDEX::GROUP.put(g as u32);
        let value = member.map_or(0, |m| r::BUCKET::VALID.put(1) | r::BUCKET::MEMBER.put(m));
        self.write(r::BUCKET_INDEX.addr, index);
        self.write(r::BUCKET.addr, value);
        if g < self.groups.len() && bucket < 840 {
            self.groups[g].buckets[bucket] = member.filter(|m| *m < self.ports);
        }
    }
}

//! Host port and endpoint core between a root complex, a switch's buffer and a driver in plain Rust.
#![allow(dead_code)]

#[path = "seed.rs"]
mod seed;
use crate::root_complex::RootComplex;
use rand::Rng;
pub use seed::rng;
use smartnic_hdl::meta;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::ring::{completion as c, event as ev, submission as sub};
use smartnic_regs::{Reg, event, host};
use smartnic_verilated::{Model, Options};
use std::collections::VecDeque;

#[path = "host_card.rs"]
mod host_card;
use host_card::card;
pub use host_card::{In, Out, Ring};

pub struct Host {
    pub m: Model,
    pub rc: RootComplex,
    pub width: usize,
    pub ports: u32,
    pub out: VecDeque<Out>,
    out_at: usize,
    offered: bool,
    pub out_rate: u32,
    pub in_rate: u32,
    pub frames: Vec<In>,
    partial: Vec<u8>,
    bytes: Vec<u8>,
    byte_frames: Vec<(Vec<u8>, bool)>,
    pub events: VecDeque<(u32, u64, u32, u32)>,
    pub flr: bool,
    pub link_changed: bool,
    pub rings: Vec<Ring>,
}

pub const MSI: u64 = 0xfee0_0000;

impl Host {
    pub fn new(ports: u32) -> Host {
        let options = Options {
            opt: smartnic_verilated::Opt::Quick,
            lint: true,
            ..Options::default()
        };
        let p = Params::for_ports(ports);
        let mut m = Model::build(&design(&card(&p)), &options).expect("builds");
        m.poke("reset", 1);
        m.tick(1);
        m.poke("reset", 0);
        m.poke("lag_live", 0b0101);
        m.poke("cfg_msix_enable", 1);
        let mut h = Host {
            m,
            rc: RootComplex::new(rng()),
            width: p.width as usize / 8,
            ports,
            out: VecDeque::new(),
            out_at: 0,
            offered: false,
            out_rate: 100,
            in_rate: 100,
            frames: vec![],
            partial: vec![],
            bytes: vec![],
            byte_frames: vec![],
            events: VecDeque::new(),
            flr: false,
            link_changed: false,
            rings: vec![],
        };
        h.vectors();
        h
    }

    /// The MSI-X table: vector v writes v to MSI + 4 v.
    pub fn vectors(&mut self) {
        for v in 0..16u64 {
            self.rc.write(2, 16 * v, &[(MSI + 4 * v) as u32, 0]);
            self.rc.write(2, 16 * v + 8, &[v as u32, 0]);
        }
    }

    pub fn step(&mut self) {
        let m = &mut self.m;
        let p = self.ports;
        self.rc.drive(m);
        m.poke("now", self.rc.now + (7 << 32));
        m.poke("cfg_flr", std::mem::take(&mut self.flr).into());
        m.poke(
            "link_changed",
            std::mem::take(&mut self.link_changed).into(),
        );
        // The buffer's side.
        let rate = self.out_rate;
        if !self.offered {
            self.offered = !self.out.is_empty() && self.rc.rng.random_range(0..100) < rate;
        }
        let name = |n: &str| format!("out{p}_{n}");
        m.poke(&name("valid"), self.offered.into());
        let w = self.width;
        if let Some(f) = self.out.front() {
            let chunk = &f.data[self.out_at..f.data.len().min(self.out_at + w)];
            let mut words = [0u32; 4];
            for (i, b) in chunk.iter().enumerate() {
                words[i / 4] |= (*b as u32) << (8 * (i % 4));
            }
            let id = m.input(&name("data")).unwrap();
            m.set_wide(id, &words[..w / 4]);
            m.poke(&name("keep"), (1u64 << chunk.len()) - 1);
            m.poke(&name("sop"), (self.out_at == 0).into());
            m.poke(&name("eop"), (self.out_at + w >= f.data.len()).into());
            let id = m.input(&name("meta")).unwrap();
            m.set_wide(id, &f.meta);
            m.poke(&name("length"), f.data.len() as u64);
            m.poke(&name("source"), f.source.into());
            m.poke(&name("class"), f.class.into());
        }
        let take = self.rc.rng.random_range(0..100) < self.in_rate;
        m.poke(&format!("in{p}_ready"), take.into());
        let event = self.events.front().copied();
        m.poke("event_valid", event.is_some().into());
        if let Some((kind, key, dest, old)) = event {
            m.poke("event_kind", kind.into());
            m.poke("event_key", key);
            m.poke("event_dest", dest.into());
            m.poke("event_old_dest", old.into());
        }
        m.eval();
        self.rc.sample(m);
        if self.offered && m.peek(&name("ready")) == 1 {
            self.offered = false;
            self.out_at += w;
            if self.out_at >= self.out[0].data.len() {
                self.out.pop_front();
                self.out_at = 0;
            }
        }
        if event.is_some() && m.peek("event_ready") == 1 {
            self.events.pop_front();
        }
        let i = |n: &str| m.peek(&format!("in{p}_{n}"));
        if take && i("valid") == 1 {
            assert_eq!(i("sop") == 1, self.partial.is_empty(), "sop");
            let n = i("keep").trailing_ones() as usize;
            assert!(n == w || i("eop") == 1);
            let id = m.output(&format!("in{p}_data")).unwrap();
            let bytes: Vec<u8> = m
                .get_wide(id)
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect();
            self.partial.extend(&bytes[..n]);
            if i("eop") == 1 {
                let direct = (m.peek("direct_valid") == 1)
                    .then(|| (m.peek("direct_dest") as u32, m.peek("direct_class") as u32));
                self.frames.push(In {
                    data: std::mem::take(&mut self.partial),
                    err: i("err") == 1,
                    direct,
                });
            }
        }
        if m.peek("byte_valid") == 1 {
            assert_eq!(m.peek("byte_sof") == 1, self.bytes.is_empty(), "sof");
            self.bytes.push(m.peek("byte_data") as u8);
            if m.peek("byte_eof") == 1 {
                let frame = std::mem::take(&mut self.bytes);
                self.byte_frames.push((frame, m.peek("byte_err") == 1));
            }
        }
        self.m.tick(1);
    }

    /// The switch is reset: the frame that is being taken ends without its end. True if some of it was taken.
    pub fn switch_reset(&mut self) -> bool {
        let begun = self.out_at > 0;
        self.out.pop_front();
        (self.out_at, self.offered) = (0, false);
        let rate = std::mem::take(&mut self.out_rate);
        (0..16).for_each(|_| self.step());
        self.out_rate = rate;
        begun
    }

    pub fn run(&mut self, what: &str, mut until: impl FnMut(&Host) -> bool) {
        for _ in 0..400_000 {
            if until(self) {
                return;
            }
            self.step();
        }
        panic!("{what}: not done in 400,000 cycles");
    }

    pub fn settle(&mut self) {
        self.run("settle", |b| {
            b.rc.quiet() && b.out.is_empty() && b.events.is_empty()
        });
        (0..8).for_each(|_| self.step());
        self.run("idle", |b| b.m.peek("idle") == 1 && b.rc.quiet());
        let writes = self.rc.writes.len();
        (0..400).for_each(|_| self.step());
        assert_eq!(self.m.peek("idle"), 1, "idle stays");
        assert_eq!(self.rc.writes.len(), writes, "nothing happens after idle");
        let beats: Vec<_> = self
            .frames
            .iter()
            .map(|f| (f.data.clone(), f.err))
            .collect();
        assert!(beats == self.byte_frames, "beats and bytes agree");
    }

    pub fn clear(&mut self) {
        self.frames.clear();
        self.byte_frames.clear();
        self.rc.writes.clear();
    }

    pub fn set(&mut self, reg: Reg, index: u32, value: u32) {
        self.rc.write(0, reg.at(index).into(), &[value]);
    }
    pub fn get(&mut self, reg: Reg, index: u32) -> u32 {
        self.rc.read(0, reg.at(index).into(), 1, 5);
        self.run("register", |b| b.rc.completions.contains_key(&5));
        self.rc.completions.remove(&5).unwrap().data[0]
    }

    /// Whether a ring is stopped, and by what error.
    pub fn ring_state(&mut self, ring: u32) -> (u32, u32) {
        let s = self.get(host::STATUS, ring);
        (host::STATUS::STOPPED.get(s), host::STATUS::ERROR.get(s))
    }

    /// Sets a ring up and enables it.
    pub fn ring(&mut self, index: u32, log2: u32) -> Ring {
        let base = 0x1_0000_0000u64 * (index as u64 % 3) + 0x1000_0000 + ((index as u64) << 24);
        let r = Ring {
            index,
            log2,
            sq: base + 0x40,
            cq: base + 0x20_0080,
            head: base + 0x40_0004,
            tail: 0,
            seen: 0,
        };
        self.start(&r);
        r
    }
    pub fn start(&mut self, r: &Ring) {
        for (reg, value) in [
            (host::SQ_LO, r.sq as u32),
            (host::SQ_HI, (r.sq >> 32) as u32),
            (host::CQ_LO, r.cq as u32),
            (host::CQ_HI, (r.cq >> 32) as u32),
            (host::HEAD_LO, r.head as u32),
            (host::HEAD_HI, (r.head >> 32) as u32),
            (host::CONTROL, 1 | r.log2 << 8),
        ] {
            self.set(reg, r.index, value);
        }
        for i in 0..32u64 << r.log2 {
            self.rc.poke(r.cq + i, 0);
        }
    }
    /// Writes a submission, without the doorbell.
    pub fn submit(&mut self, r: &mut Ring, addr: u64, word2: u32, cookie: u32) {
        let at = r.sq + 16 * (r.tail as u64 & ((1 << r.log2) - 1));
        self.rc.store(at, &addr.to_le_bytes());
        self.rc.store(at + 8, &word2.to_le_bytes());
        self.rc.store(at + 12, &cookie.to_le_bytes());
        r.tail = r.tail.wrapping_add(1);
    }
    pub fn ring_tail(&mut self, r: &Ring) {
        self.set(host::SQ_TAIL, r.index, r.tail.into());
    }
    /// The next completion, if there is one.
    pub fn completion(&mut self, r: &mut Ring) -> Option<[u32; 8]> {
        let at = r.cq + 32 * (r.seen as u64 & ((1 << r.log2) - 1));
        let e: Vec<u32> = (0..8).map(|i| self.rc.load32(at + 4 * i)).collect();
        let phase = 1 - (r.seen >> r.log2 & 1);
        if c::PHASE.get(e[7]) != phase || c::ENTRY_VERSION.get(e[7]) == 0 {
            return None;
        }
        r.seen += 1;
        assert_eq!(c::ENTRY_VERSION.get(e[7]), 1);
        assert_eq!(c::HEAD.get(e[7]), r.seen & 0xffff, "head in the completion");
        Some(e.try_into().unwrap())
    }
    pub fn interrupts(&self, v: u64) -> usize {
        self.rc
            .writes
            .iter()
            .filter(|w| w.addr == MSI + 4 * v)
            .count()
    }
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.rc.rng.random()).collect()
    }
    /// A random frame for the host.
    pub fn out_frame(&mut self, n: usize) -> Out {
        let data = self.bytes(n);
        let mut meta = [0u32; 4];
        meta.iter_mut().for_each(|x| *x = self.rc.rng.random());
        meta[3] &= 0x7ff;
        // The timestamp is a little in the past.
        let stamp = self.rc.now as u32;
        let at = meta::width() - 32;
        let wide = meta.iter().rev().fold(0u128, |a, x| a << 32 | *x as u128);
        let wide = wide & ((1u128 << at) - 1) | (stamp as u128) << at;
        (0..4).for_each(|i| meta[i] = (wide >> (32 * i)) as u32);
        Out {
            data,
            meta,
            source: self.rc.rng.random_range(0..self.ports),
            class: self.rc.rng.random_range(0..2),
        }
    }
    /// Offers frames for `cycles` x 1,000 cycles and counts those that were taken.
    pub fn offer_blindly(&mut self, cycles: usize) -> usize {
        let mut taken = 0;
        for _ in 0..cycles * 1000 {
            if self.out.is_empty() {
                let f = self.out_frame(64);
                self.out.push_back(f);
                taken += 1;
            }
            self.step();
        }
        taken
    }
    /// Checks a receive completion against its frame.
    pub fn check_received(&self, e: &[u32; 8], f: &Out, cookie: u32, status: u32, length: usize) {
        let wide = f.meta.iter().rev().fold(0u128, |a, x| a << 32 | *x as u128);
        let field = |name: &str| {
            let mut lsb = 0;
            for (n, w) in meta::FIELDS {
                if *n == name {
                    return (wide >> lsb) as u32 & ((1u64 << w) - 1) as u32;
                }
                lsb += w;
            }
            panic!()
        };
        assert_eq!(e[0], cookie);
        let dw1 = c::LENGTH.put(length as u32) | c::STATUS.put(status) | c::KIND.put(c::RECEIVE);
        assert_eq!(e[1], dw1);
        assert_eq!(
            e[2],
            c::SOURCE.put(f.source)
                | c::REASON.put(field("reason"))
                | c::CLASS.put(f.class)
                | c::TAGGED.put(field("tagged"))
        );
        assert_eq!(e[3], field("hash"));
        assert_eq!(e[4], c::TCI.put(field("tci")) | c::FID.put(field("fid")));
        assert_eq!((e[5], e[6]), (field("timestamp"), 7), "timestamp");
    }
    /// DW2 of a transmit submission.
    pub fn word2(length: u32, direct: Option<(u32, u32)>, urgent: bool) -> u32 {
        let d = direct.map_or(0, |(dest, class)| {
            sub::DIRECT.put(1) | sub::DEST.put(dest) | sub::CLASS.put(class)
        });
        sub::LENGTH.put(length) | sub::URGENT.put(urgent.into()) | d
    }
    pub fn event_entry(&self, base: u64, at: u32, log2: u32) -> Option<(u32, u64, u32, u32)> {
        let place = base + 32 * (at as u64 & ((1 << log2) - 1));
        let e: Vec<u32> = (0..8).map(|i| self.rc.load32(place + 4 * i)).collect();
        let phase = 1 - (at >> log2 & 1);
        if ev::PHASE.get(e[7]) != phase || ev::ENTRY_VERSION.get(e[7]) != 1 {
            return None;
        }
        assert!(e[3..7].iter().all(|x| *x == 0));
        let key = e[0] as u64 | (e[1] as u64) << 32;
        Some((
            ev::KIND.get(e[2]),
            key,
            ev::DEST.get(e[2]),
            ev::OLD_DEST.get(e[2]),
        ))
    }
    pub fn event_ring(&mut self, base: u64, log2: u32) {
        self.set(event::BASE_LO, 0, base as u32);
        self.set(event::BASE_HI, 0, (base >> 32) as u32);
        self.set(event::CONTROL, 0, 1 | log2 << 8);
    }
}

//! A root complex in plain Rust, written from the PCIe base specification: host memory behind a TLP boundary.
//!
//! It checks every packet that the card sends (2.2.2 to 2.2.9: lengths, byte enables, 4 KiB, header size, tags), answers reads with
//! completions split at random multiples of the read completion boundary, in a random order between tags, after random
//! delays, and keeps a log of writes. Bits 47:44 of an address choose a fault ([`fault`]).
#![allow(dead_code)]

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_verilated::Model;
use std::collections::{BTreeMap, HashMap, VecDeque};

#[path = "tlp.rs"]
mod tlp;
pub use tlp::{check_enables, fault, request};

pub const REQUESTER: u16 = 0x1a38;
const HOST: u16 = tlp::HOST;

/// A write that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub addr: u64,
    pub data: Vec<u8>,
    pub cycle: u64,
}

/// A completion for the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    pub status: u32,
    pub data: Vec<u32>,
    pub dw0: u32,
    pub count: u32,
    pub lower: u32,
    /// Writes that had arrived before.
    pub after_writes: usize,
}

struct Pending {
    /// It comes later than any timeout.
    given_up: bool,
    due: u64,
    tag: u32,
    parts: VecDeque<Vec<u32>>,
}

pub struct RootComplex {
    pub rng: ChaCha8Rng,
    pub now: u64,
    pub writes: Vec<Write>,
    pub memory: HashMap<u64, Vec<u8>>,
    pub completions: BTreeMap<u32, Completion>,
    /// Percent of cycles in which the card may send; percent in which the host sends.
    pub ready: u32,
    pub sends: u32,
    /// Cycles from a read to its first completion.
    pub delay: std::ops::Range<u64>,
    pub late: u64,
    pub mps: u32,
    pub mrrs: u32,
    pub reads: u64,
    /// Where they were.
    pub reads_at: Vec<u64>,
    /// Bytes with 24 of overhead a packet: from the card, to the card.
    pub up: u64,
    pub down: u64,
    /// Cycles in which a link of 4 ns a byte is still busy with what was sent, in units of ns; `None`: no such limit.
    pub link: Option<[u64; 2]>,
    pub bus_master: bool,
    outgoing: VecDeque<(u32, Vec<u32>)>,
    sending: Option<(u32, Vec<u32>, usize)>,
    receiving: Vec<u32>,
    pending: Vec<Pending>,
    offered: bool,
    taking: bool,
}

impl RootComplex {
    pub fn new(rng: ChaCha8Rng) -> RootComplex {
        RootComplex {
            rng,
            now: 0,
            writes: vec![],
            memory: HashMap::new(),
            completions: BTreeMap::new(),
            ready: 70,
            sends: 70,
            delay: 20..200,
            late: 4000,
            mps: 0,
            mrrs: 2,
            reads: 0,
            reads_at: vec![],
            up: 0,
            down: 0,
            link: None,
            bus_master: true,
            outgoing: VecDeque::new(),
            sending: None,
            receiving: vec![],
            pending: vec![],
            offered: false,
            taking: false,
        }
    }

    pub fn peek(&self, addr: u64) -> u8 {
        self.memory
            .get(&(addr >> 12))
            .map_or(0, |p| p[addr as usize & 4095])
    }
    pub fn poke(&mut self, addr: u64, byte: u8) {
        self.memory
            .entry(addr >> 12)
            .or_insert_with(|| vec![0; 4096])[addr as usize & 4095] = byte;
    }
    pub fn load(&self, addr: u64, len: usize) -> Vec<u8> {
        (0..len as u64).map(|i| self.peek(addr + i)).collect()
    }
    pub fn store(&mut self, addr: u64, data: &[u8]) {
        for (i, b) in data.iter().enumerate() {
            self.poke(addr + i as u64, *b);
        }
    }
    pub fn load32(&self, addr: u64) -> u32 {
        u32::from_le_bytes(self.load(addr, 4).try_into().unwrap())
    }

    /// Queues any packet.
    pub fn send(&mut self, bar: u32, packet: Vec<u32>) {
        self.outgoing.push_back((bar, packet));
    }
    /// Queues a memory read; the answer appears in `completions` under the tag.
    pub fn read(&mut self, bar: u32, addr: u64, dws: u32, tag: u32) {
        let packet = request(0, addr, dws, if dws > 1 { 0xff } else { 0x0f }, tag, &[]);
        self.send(bar, packet);
    }
    /// Queues a memory write.
    pub fn write(&mut self, bar: u32, addr: u64, data: &[u32]) {
        let be = if data.len() > 1 { 0xff } else { 0x0f };
        let packet = request(2, addr, data.len() as u32, be, 0, data);
        self.send(bar, packet);
    }
    /// Nothing is queued or awaited on this side.
    pub fn quiet(&self) -> bool {
        self.outgoing.is_empty() && self.sending.is_none() && self.pending.is_empty()
    }
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// Sets the card's inputs for this cycle.
    pub fn drive(&mut self, m: &mut Model) {
        m.poke("cfg_requester_id", REQUESTER.into());
        m.poke("cfg_mps", self.mps.into());
        m.poke("cfg_mrrs", self.mrrs.into());
        m.poke("cfg_bus_master", self.bus_master.into());
        self.due();
        let t = self.now * 8;
        if self.sending.is_none() {
            let free = self.link.is_none_or(|l| l[1] <= t);
            if free && let Some((bar, packet)) = self.outgoing.pop_front() {
                let bytes = 12 + 4 * packet.len() as u64;
                self.down += bytes;
                if let Some(l) = &mut self.link {
                    l[1] = t.max(l[1]) + 4 * bytes;
                }
                self.sending = Some((bar, packet, 0));
            }
        }
        let percent = self.sends;
        if !self.offered {
            self.offered = self.sending.is_some() && self.rng.random_range(0..100) < percent;
        }
        m.poke("tlp_rx_valid", self.offered.into());
        if let Some((bar, packet, at)) = &self.sending {
            let low = packet[*at] as u64;
            let high = packet.get(at + 1).copied().unwrap_or(0xdead_beef) as u64;
            m.poke("tlp_rx_data", high << 32 | low);
            m.poke("tlp_rx_keep", if at + 1 < packet.len() { 3 } else { 1 });
            m.poke("tlp_rx_last", (at + 2 >= packet.len()).into());
            m.poke("tlp_rx_bar", (*bar).into());
        }
        let free = self.link.is_none_or(|l| l[0] <= t);
        self.taking =
            (free || !self.receiving.is_empty()) && self.rng.random_range(0..100) < self.ready;
        m.poke("tlp_tx_ready", self.taking.into());
    }

    /// Looks at the card's outputs of this cycle, before the edge.
    pub fn sample(&mut self, m: &Model) {
        self.now += 1;
        if self.offered && m.peek("tlp_rx_ready") == 1 {
            self.offered = false;
            let (_, packet, at) = self.sending.as_mut().unwrap();
            *at += 2;
            if *at >= packet.len() {
                self.sending = None;
            }
        }
        if self.taking && m.peek("tlp_tx_valid") == 1 {
            let (data, keep) = (m.peek("tlp_tx_data"), m.peek("tlp_tx_keep"));
            assert!(keep == 1 || keep == 3, "keep {keep}");
            self.receiving.push(data as u32);
            if keep == 3 {
                self.receiving.push((data >> 32) as u32);
            }
            if m.peek("tlp_tx_last") == 1 {
                let packet = std::mem::take(&mut self.receiving);
                // 24 bytes of overhead stand for a header of three double words and the framing.
                let payload = if packet[0] >> 30 & 1 == 1 {
                    4 * (packet[0] & 1023) as u64
                } else {
                    0
                };
                let bytes = 24 + payload;
                self.up += bytes;
                if let Some(l) = &mut self.link {
                    l[0] = l[0].max(self.now * 8) + 4 * bytes;
                }
                self.receive(&packet);
            } else {
                assert_eq!(keep, 3, "a hole in a packet");
            }
        }
    }

    fn receive(&mut self, p: &[u32]) {
        let (fmt, kind) = (p[0] >> 29, p[0] >> 24 & 31);
        let dws = if p[0] & 1023 == 0 { 1024 } else { p[0] & 1023 };
        let four = fmt & 1 == 1;
        let header = if four { 4 } else { 3 };
        let payload = if fmt & 2 == 2 { dws as usize } else { 0 };
        assert_eq!(p.len(), header + payload, "length of {p:08x?}");
        match (fmt, kind) {
            (2 | 0, 10 | 11) => self.completion(p),
            (0..=3, 0) => {
                assert!(
                    self.bus_master,
                    "request without bus master enable {p:08x?}"
                );
                assert_eq!(p[1] >> 16, REQUESTER as u32);
                let addr = if four {
                    assert_ne!(p[2], 0, "a 32-bit address takes three double words");
                    (p[2] as u64) << 32 | p[3] as u64
                } else {
                    p[2] as u64
                };
                assert_eq!(addr & 3, 0);
                assert!(
                    (addr & 4095) <= 4096 - 4 * dws as u64,
                    "crosses 4 KiB: {addr:x} + {dws}"
                );
                let (first, last) = (p[1] & 15, p[1] >> 4 & 15);
                let (skip, end) = check_enables(dws, first, last);
                if fmt & 2 == 2 {
                    assert!(dws * 4 <= 128 << self.mps, "payload {dws} beyond MPS");
                    let bytes: Vec<u8> = p[header..].iter().flat_map(|d| d.to_le_bytes()).collect();
                    let data = bytes[skip..end].to_vec();
                    let at = addr + skip as u64;
                    self.store(at, &data);
                    self.writes.push(Write {
                        addr: at,
                        data,
                        cycle: self.now,
                    });
                } else {
                    assert!(dws * 4 <= 128 << self.mrrs, "read {dws} beyond MRRS");
                    self.reads += 1;
                    self.reads_at.push(addr);
                    self.answer(addr, skip, end, p[1] >> 8 & 255);
                }
            }
            _ => panic!("the card sent {p:08x?}"),
        }
    }

    fn completion(&mut self, p: &[u32]) {
        assert_eq!(p[1] >> 16, REQUESTER as u32);
        assert_eq!(p[2] >> 16, HOST as u32);
        let c = Completion {
            status: p[1] >> 13 & 7,
            data: p[3..].to_vec(),
            dw0: p[0],
            count: p[1] & 0xfff,
            lower: p[2] & 127,
            after_writes: self.writes.len(),
        };
        let old = self.completions.insert(p[2] >> 8 & 255, c);
        assert!(old.is_none(), "two completions for one tag");
    }

    fn answer(&mut self, addr: u64, skip: usize, end: usize, tag: u32) {
        assert!(tag < 32, "tag {tag}: extended tags may be off");
        // Whoever keeps a tag longer than any timeout may find it used anew (there are only 32): such an answer is dropped.
        let busy = self.pending.iter().any(|r| r.tag == tag && !r.given_up);
        self.pending.retain(|r| r.tag != tag || !r.given_up);
        assert!(!busy, "tag {tag} is outstanding");
        let due = self.now + self.rng.random_range(self.delay.clone());
        let fault = addr & (15 << 44);
        let (from, to) = (addr + skip as u64, addr + end as u64);
        let head = |status: u32, count: u64, lower: u64| {
            [
                (HOST as u32) << 16 | status << 13 | (count as u32 & 0xfff),
                (REQUESTER as u32) << 16 | tag << 8 | (lower as u32 & 127),
            ]
        };
        let refusal = |status: u32, at: u64| {
            let h = head(status, to - at, at);
            vec![0x0a00_0000, h[0], h[1]]
        };
        let mut parts = VecDeque::new();
        let mut at = from;
        while at < to {
            let chance = self.rng.random_range(0..3);
            let next = if chance == 0 {
                to
            } else {
                to.min((at / 64 + self.rng.random_range(1..4)) * 64)
            };
            let start = at & !3;
            let dws = ((next - start) as u32).div_ceil(4);
            let h = head(0, (to - at - u64::from(fault == fault::COUNT)).max(1), at);
            let poison = if fault == fault::POISON { 1 << 14 } else { 0 };
            let mut packet = vec![0x4a00_0000 | dws | poison, h[0], h[1]];
            for i in 0..dws as u64 {
                packet.push(self.load32(start + 4 * i));
            }
            match fault {
                fault::UR | fault::CA => {
                    parts.push_back(refusal(if fault == fault::UR { 1 } else { 4 }, at));
                    break;
                }
                fault::SECOND if at != from => {
                    parts.push_back(refusal(1, at));
                    break;
                }
                _ => parts.push_back(packet),
            }
            at = next;
        }
        if fault == fault::SILENT {
            return;
        }
        let due = due + if fault == fault::LATE { self.late } else { 0 };
        let given_up = fault == fault::LATE;
        self.pending.push(Pending {
            given_up,
            due,
            tag,
            parts,
        });
    }

    /// Moves one completion that is due, of any tag, to the link.
    fn due(&mut self) {
        if self.outgoing.len() > 2 {
            return;
        }
        let ready: Vec<usize> = (0..self.pending.len())
            .filter(|i| self.pending[*i].due <= self.now)
            .collect();
        if ready.is_empty() {
            return;
        }
        let i = ready[self.rng.random_range(0..ready.len())];
        let part = self.pending[i].parts.pop_front().unwrap();
        if self.pending[i].parts.is_empty() {
            self.pending.swap_remove(i);
        }
        self.send(0, part);
    }
}

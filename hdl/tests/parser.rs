//! The parser against an independent reading of the same frames: every kind of header, every cut, every gap.

#[path = "common/headers.rs"]
mod headers;
#[path = "common/seed.rs"]
mod seed;

use headers::{Header, dissect, frame};
use std::collections::VecDeque;

use rand::Rng;
use seed::rng;
use smartnic_hdl::parser::{HDR_FIELDS, LATENCY, parser};
use smartnic_hdl::rtl::design;
use smartnic_verilated::{Model, Options, OutputId};

/// Ports that are read in every cycle.
struct Outputs {
    valid: OutputId,
    idle: OutputId,
    fields: [OutputId; 12],
}

/// The parser, with the records that must come out of it.
struct Bench {
    dut: Model,
    out: Outputs,
    /// `idle` in the cycle before.
    idle: bool,
    /// Record of each frame sent, its bytes, and the cycle in which its last byte was taken, if it was.
    expected: VecDeque<(Header, Vec<u8>, Option<u64>)>,
    cycle: u64,
    last: Option<Header>,
    /// Cycle of the last `hdr_valid`.
    when: u64,
}

impl Bench {
    fn new() -> Bench {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let dut = Model::build(&design(&parser()), &options).expect("builds");
        let out = |name: &str| dut.output(name).expect("an output");
        let out = Outputs {
            valid: out("hdr_valid"),
            idle: out("idle"),
            fields: Header::default()
                .fields()
                .map(|(name, _)| out(&format!("hdr_{name}"))),
        };
        let mut b = Bench {
            dut,
            out,
            idle: false,
            expected: VecDeque::new(),
            cycle: 0,
            last: None,
            when: 0,
        };
        b.reset();
        b
    }

    fn reset(&mut self) {
        self.dut.poke("byte_valid", 0);
        self.dut.poke("reset", 1);
        self.dut.tick(1);
        self.dut.poke("reset", 0);
        self.cycle += 1;
        assert_eq!(self.dut.peek("hdr_valid"), 0);
        self.last = None;
        self.idle = false;
        self.expected.clear();
    }

    fn record(&self) -> Header {
        let f = |i: usize| self.dut.get(self.out.fields[i]);
        Header {
            dst: f(0),
            src: f(1),
            ethertype: f(2),
            tagged: f(3),
            tci: f(4),
            tagged2: f(5),
            tci2: f(6),
            ip: f(7),
            proto: f(8),
            fragment: f(9),
            l3: f(10),
            ports: f(11),
        }
    }

    /// One cycle: outputs hold but for `hdr_valid`, and each record is the one that is due.
    fn tick(&mut self) {
        self.dut.tick(1);
        self.cycle += 1;
        let now = self.record();
        let was_idle = std::mem::replace(&mut self.idle, self.dut.get(self.out.idle) == 1);
        if self.dut.get(self.out.valid) == 1 {
            assert!(!was_idle, "a record out of an idle parser");
            let (want, frame, _) = self.expected.pop_front().expect("a record for no frame");
            // A frame without a whole header is always bad: its record only keeps records and frames in step.
            if frame.len() >= 14 {
                assert_eq!(now, want, "{frame:02x?}");
            }
            self.last = Some(now);
            self.when = self.cycle;
        } else if let Some(last) = self.last {
            assert_eq!(now, last, "the record changed without hdr_valid");
        }
        if let Some((_, frame, Some(end))) = self.expected.front() {
            assert!(
                self.cycle < end + LATENCY as u64,
                "no record in time for {frame:02x?}"
            );
        }
    }

    fn byte(&mut self, data: u8, sof: bool, eof: bool, rng: &mut impl Rng) {
        self.dut.poke("byte_valid", 1);
        self.dut.poke("byte_data", data as u64);
        self.dut.poke("byte_sof", sof as u64);
        self.dut.poke("byte_eof", eof as u64);
        self.dut.poke("byte_err", rng.random_range(0..2));
        if eof
            && let Some(e) = self.expected.back_mut()
            && e.2.is_none()
        {
            // The edge that takes the byte is the one that ends this cycle.
            e.2 = Some(self.cycle + 1);
        }
        self.tick();
    }

    /// A cycle without a byte, garbage on the other lines.
    fn idle(&mut self, rng: &mut impl Rng) {
        self.dut.poke("byte_valid", 0);
        self.dut.poke("byte_data", rng.random_range(0..256));
        for n in ["byte_sof", "byte_eof", "byte_err"] {
            self.dut.poke(n, rng.random_range(0..2));
        }
        self.tick();
    }

    /// Sends a frame, each byte after `gap` idle cycles.
    fn send(&mut self, frame: &[u8], rng: &mut impl Rng, mut gap: impl FnMut(u32) -> u32) {
        for (i, b) in frame.iter().enumerate() {
            for _ in 0..gap(rng.random()) {
                self.idle(rng);
            }
            if i == 0 {
                self.expected
                    .push_back((dissect(frame), frame.to_vec(), None));
            }
            self.byte(*b, i == 0, i + 1 == frame.len(), rng);
        }
    }

    fn drain(&mut self, rng: &mut impl Rng) {
        for _ in 0..LATENCY {
            self.idle(rng);
        }
        assert!(self.expected.is_empty(), "records are missing");
        self.idle(rng);
        assert!(self.idle, "idle when all is done");
    }
}

/// Gaps before a byte: none, one byte in ten cycles, or anything.
fn gap(mode: u32, random: u32) -> u32 {
    match mode {
        0 => 0,
        1 => 9,
        _ if random.is_multiple_of(4) => random >> 8 & 15,
        _ => 0,
    }
}

#[test]
fn record_names() {
    let names = Header::default().fields().map(|f| f.0);
    assert!(HDR_FIELDS.iter().map(|f| f.0).eq(names));
}

/// Random frames at all gaps, also back to back: one record a frame, in order, right, and in time.
#[test]
fn every_kind_of_header() {
    let mut rng = rng();
    let mut b = Bench::new();
    let mut kinds = std::collections::BTreeMap::new();
    for mode in [0, 1, 2, 0, 2, 0] {
        for _ in 0..1500 {
            let f = frame(&mut rng);
            let h = dissect(&f);
            let kind = (h.ip, h.tagged, h.tagged2, h.ports != 0, h.l3 != 0);
            *kinds.entry(kind).or_insert(0) += 1;
            b.send(&f, &mut rng, |r| gap(mode, r));
        }
        b.drain(&mut rng);
    }
    println!("{kinds:?}");
    assert!(kinds.len() >= 10, "not every kind of frame: {kinds:?}");
}

/// Whole frames of every kind, cut at every byte.
#[test]
fn cut_at_every_byte() {
    let mut rng = rng();
    let mut b = Bench::new();
    for _ in 0..150 {
        let f = frame(&mut rng);
        for n in 1..=f.len() {
            b.send(&f[..n], &mut rng, |_| 0);
        }
    }
    b.drain(&mut rng);
}

/// The record comes out as early as the header says.
#[test]
fn as_early_as_promised() {
    let mut rng = rng();
    let mut b = Bench::new();
    let packets: [(u16, u8, u8, usize); 5] = [
        (0x0806, 0, 0, 13),
        (0x0800, 0x45, 6, 37),
        (0x0800, 0x45, 1, 41),
        (0x0800, 0x45, 89, 33),
        (0x86dd, 0x60, 17, 57),
    ];
    for tagged in [false, true] {
        for (ethertype, first, proto, last) in packets {
            let mut f = vec![0x5a; 12];
            if tagged {
                f.extend([0x81, 0, 0x20, 5]);
            }
            f.extend(ethertype.to_be_bytes());
            let ip = f.len();
            f.resize(100, 0);
            f[ip] = first;
            f[ip + if first == 0x60 { 6 } else { 9 }] = proto;
            let start = b.cycle;
            b.send(&f, &mut rng, |_| 0);
            b.drain(&mut rng);
            let settled = last as u64 + 4 * tagged as u64;
            assert_eq!(
                b.when - start,
                settled + LATENCY as u64,
                "{ethertype:#x} {proto}, tagged {tagged}"
            );
        }
    }
}

/// A reset in mid-frame: nothing comes of that frame, and the next one is right.
#[test]
fn reset_in_mid_frame() {
    let mut rng = rng();
    let mut b = Bench::new();
    for _ in 0..400 {
        let f = frame(&mut rng);
        let cut = rng.random_range(0..f.len());
        for (i, x) in f[..cut].iter().enumerate() {
            if i == 0 {
                b.expected.push_back((dissect(&f), f.clone(), None));
            }
            b.byte(*x, i == 0, false, &mut rng);
        }
        b.reset();
        // The rest of the frame has no beginning.
        for (i, x) in f.iter().enumerate().skip(cut.max(1)) {
            b.byte(*x, false, i + 1 == f.len(), &mut rng);
        }
        b.drain(&mut rng);
        let f = frame(&mut rng);
        b.send(&f, &mut rng, |_| 0);
    }
    b.drain(&mut rng);
}

/// The reading that the parser is measured against agrees with `etherparse` where both have an opinion: whole
/// frames without ICMP errors.
#[test]
fn oracle_agrees_with_etherparse() {
    use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
    let mut rng = rng();
    for _ in 0..2000 {
        let (s, d): ([u8; 6], [u8; 6]) = (rng.random(), rng.random());
        let (sp, dp): (u16, u16) = (rng.random(), rng.random());
        let (tagged, v6, tcp): (bool, bool, bool) = (rng.random(), rng.random(), rng.random());
        let vid = rng.random_range(0..4096u16);
        let mut out = vec![];
        macro_rules! ip {
            ($b:expr) => {{
                let b = if v6 {
                    $b.ipv6(rng.random(), rng.random(), 64)
                } else {
                    $b.ipv4(rng.random(), rng.random(), 64)
                };
                if tcp {
                    b.tcp(sp, dp, 1, 2).write(&mut out, b"x").unwrap();
                } else {
                    b.udp(sp, dp).write(&mut out, b"x").unwrap();
                }
            }};
        }
        let eth = PacketBuilder::ethernet2(s, d);
        if tagged {
            ip!(eth.single_vlan(vid.try_into().unwrap()));
        } else {
            ip!(eth);
        }
        let h = dissect(&out);
        let p = SlicedPacket::from_ethernet(&out).expect("a whole frame");
        let le = |b: &[u8]| {
            let words = b
                .chunks(4)
                .map(|w| u32::from_le_bytes(w.try_into().unwrap()));
            words.fold(0, |x, w| x ^ w)
        };
        let (ip, proto, l3) = match p.net.expect("IP") {
            NetSlice::Ipv4(i) => {
                let i = i.header();
                let l3 = le(&i.source()) ^ le(&i.destination());
                (1, i.protocol().0, l3)
            }
            NetSlice::Ipv6(i) => {
                let i = i.header();
                let l3 = le(&i.source()) ^ le(&i.destination());
                (2, i.next_header().0, l3)
            }
            other => panic!("{other:?}"),
        };
        let (a, b) = match p.transport.expect("ports") {
            TransportSlice::Tcp(t) => (t.source_port(), t.destination_port()),
            TransportSlice::Udp(t) => (t.source_port(), t.destination_port()),
            other => panic!("{other:?}"),
        };
        let ports = a.swap_bytes() as u64 | (b.swap_bytes() as u64) << 16;
        assert_eq!(
            (h.ip, h.proto, h.l3, h.ports),
            (ip, proto as u64, l3 as u64, ports)
        );
        assert_eq!((h.tagged == 1, h.tci), (tagged, vid as u64 * tagged as u64));
        assert_eq!(h.src, s.iter().rev().fold(0, |v, b| v << 8 | *b as u64));
        assert_eq!(h.dst, d.iter().rev().fold(0, |v, b| v << 8 | *b as u64));
    }
}

//! What the MAC's tests share: frames, faults, and IEEE 802.3 in plain Rust.
#![allow(dead_code)] // each test uses a part

#[path = "seed.rs"]
mod seed;
use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
pub use seed::rng;
use smartnic_regs::values::counter as c;
use smartnic_verilated::{InputId, Model, Options, OutputId};

/// Counts by counter number.
pub type Counts = [u64; c::COUNT as usize];

pub fn lint() -> Options {
    Options {
        lint: true,
        ..Options::default()
    }
}

/// FCS of 802.3 clause 3.2.9, by polynomial division, bit by bit as they go on the wire.
pub fn fcs(frame: &[u8]) -> u32 {
    let mut r = u32::MAX;
    for byte in frame {
        for i in 0..8 {
            let bit = u32::from(byte >> i & 1) ^ r >> 31;
            r = r << 1 ^ if bit == 1 { 0x04c1_1db7 } else { 0 };
        }
    }
    (!r).reverse_bits()
}

/// The frame with its FCS.
pub fn with_fcs(frame: &[u8]) -> Vec<u8> {
    [frame, &fcs(frame).to_le_bytes()].concat()
}

/// Random addresses (often group or broadcast), type, tags and payload: `length` bytes without FCS.
pub fn random_frame(rng: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
    let mut f: Vec<u8> = (0..length).map(|_| rng.random()).collect();
    let put = |f: &mut Vec<u8>, at: usize, b: &[u8]| {
        for (i, b) in b.iter().enumerate() {
            if let Some(x) = f.get_mut(at + i) {
                *x = *b;
            }
        }
    };
    match rng.random_range(0..6) {
        0 => put(&mut f, 0, &[0xff; 6]),
        1 => put(&mut f, 0, &[0xff; 5]),
        2 => put(&mut f, 0, &[1, 0x80, 0xc2, 0, 0, 1]),
        _ => {}
    }
    for at in [12, 16] {
        let kind: [u8; 2] = *[[0x81, 0], [0x88, 0xa8], [8, 0], [0x88, 8], [0x81, 0xa8]]
            .choose(rng)
            .unwrap();
        put(&mut f, at, &kind);
    }
    f
}

/// A pause frame (802.3 annex 31B) without FCS.
pub fn pause_frame(src: [u8; 6], quanta: u16) -> Vec<u8> {
    let mut f = vec![1, 0x80, 0xc2, 0, 0, 1];
    f.extend(src);
    f.extend([0x88, 8, 0, 1]);
    f.extend(quanta.to_be_bytes());
    f.resize(60, 0);
    f
}

/// Counter of the size class of a length with FCS, offset from the 64-byte one.
pub fn class(length: usize) -> u32 {
    match length {
        64 => 0,
        65..=127 => 1,
        128..=255 => 2,
        256..=511 => 3,
        512..=1023 => 4,
        1024..=1518 => 5,
        _ => 6,
    }
}

/// Counter of the kind of a destination address, offset from unicast.
pub fn cast(frame: &[u8]) -> u32 {
    match frame[0] & 1 {
        0 => 0,
        _ if frame[..6] == [0xff; 6] => 2,
        _ => 1,
    }
}

/// What a receiver must make of the bytes behind an SFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What goes on, and whether it is bad.
    pub out: Option<(Vec<u8>, bool)>,
    /// The pause that it asks for.
    pub pause: Option<u16>,
}

/// Judges a frame and counts it.
pub fn judge(body: &[u8], rx_er: bool, max_frame: usize, counts: &mut Counts) -> Verdict {
    let tag = |at: usize| {
        let kind = body.get(at..at + 2);
        kind == Some(&[0x81, 0]) || kind == Some(&[0x88, 0xa8])
    };
    let tags = match (tag(12), tag(16)) {
        (true, true) => 2,
        (true, false) => 1,
        _ => 0,
    };
    let limit = max_frame.clamp(64, 2000) + 4 * tags;
    let n = body.len();
    let good_fcs = n >= 4 && fcs(&body[..n - 4]).to_le_bytes() == body[n - 4..];
    let mut count = |number: u32, by: u64| counts[number as usize] += by;
    let mut pause = None;
    let mut bad = true;
    match (rx_er, n, good_fcs) {
        (true, ..) => count(c::RX_SYMBOL_ERRORS, 1),
        (_, n, true) if n > limit => count(c::RX_OVERSIZE, 1),
        (_, n, false) if n > limit => count(c::RX_JABBERS, 1),
        (_, ..64, true) => count(c::RX_UNDERSIZE, 1),
        (_, ..64, false) => count(c::RX_FRAGMENTS, 1),
        (_, _, false) => count(c::RX_FCS_ERRORS, 1),
        _ => {
            bad = false;
            count(c::RX_FRAMES, 1);
            count(c::RX_BYTES, n as u64);
            count(c::RX_UNICAST + cast(body), 1);
            count(c::RX_64 + class(n), 1);
            let is_pause = body[..6] == [1, 0x80, 0xc2, 0, 0, 1] && body[12..16] == [0x88, 8, 0, 1];
            if is_pause {
                bad = true;
                count(c::RX_PAUSE, 1);
                pause = Some(u16::from_be_bytes([body[16], body[17]]));
            }
        }
    }
    let kept = n.min(limit);
    let out = (kept > 4).then(|| (body[..kept - 4].to_vec(), bad));
    Verdict { out, pause }
}

/// One cycle of receive pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    pub data: u8,
    pub dv: bool,
    pub er: bool,
}

/// Adds up the `ev_*` outputs.
pub struct Events {
    ports: Vec<(u32, OutputId)>,
    pub counts: Counts,
}

impl Events {
    pub fn new(dut: &Model, prefix: &str, numbers: impl Iterator<Item = u32>) -> Events {
        let ports = numbers
            .map(|n| {
                let name = format!("{prefix}ev_{}", smartnic_hdl::mac::counter_name(n));
                (n, dut.output(&name).expect("port"))
            })
            .collect();
        Events {
            ports,
            counts: [0; c::COUNT as usize],
        }
    }
    pub fn sample(&mut self, dut: &Model) {
        for (n, id) in &self.ports {
            self.counts[*n as usize] += dut.get(*id);
        }
    }
    /// Asserts every counter, by name.
    pub fn check(&self, want: &Counts) {
        for (n, _) in &self.ports {
            let i = *n as usize;
            assert_eq!(
                self.counts[i],
                want[i],
                "counter {}",
                smartnic_hdl::mac::counter_name(*n)
            );
        }
    }
}

/// Frames as they come out of a byte or beat stream.
#[derive(Default)]
pub struct Collector {
    open: Option<Vec<u8>>,
    pub frames: Vec<(Vec<u8>, bool)>,
}

impl Collector {
    pub fn put(&mut self, bytes: &[u8], sof: bool, eof: bool, err: bool) {
        assert_eq!(sof, self.open.is_none(), "sof comes first and only first");
        let f = self.open.get_or_insert_default();
        f.extend(bytes);
        if eof {
            self.frames.push((self.open.take().unwrap(), err));
        }
    }
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// The byte and beat outputs of a MAC.
pub struct RxTap {
    byte: [OutputId; 5],
    beat: [OutputId; 6],
    ready: InputId,
    width: u32,
    pub bytes: Collector,
    pub beats: Collector,
    /// Cycle of each `in_eop`.
    pub eop_at: Vec<u64>,
}

impl RxTap {
    pub fn new(dut: &Model, prefix: &str, width: u32) -> RxTap {
        let out = |n: &str| dut.output(&format!("{prefix}{n}")).expect("port");
        RxTap {
            byte: ["valid", "data", "sof", "eof", "err"].map(|n| out(&format!("byte_{n}"))),
            beat: ["valid", "data", "keep", "sop", "eop", "err"].map(|n| out(&format!("in_{n}"))),
            ready: dut.input(&format!("{prefix}in_ready")).expect("port"),
            width,
            bytes: Collector::default(),
            beats: Collector::default(),
            eop_at: vec![],
        }
    }
    /// Before an edge: takes what the core sees at it. `ready` is the consumer's.
    pub fn sample(&mut self, dut: &mut Model, ready: bool, cycle: u64) {
        dut.set(self.ready, ready as u64);
        let b = self.byte.map(|id| dut.get(id));
        if b[0] == 1 {
            self.bytes
                .put(&[b[1] as u8], b[2] == 1, b[3] == 1, b[3] == 1 && b[4] == 1);
        }
        let wide: Vec<u32> = dut.get_wide(self.beat[1]).to_vec();
        let [valid, keep, sop, eop, err] = [0, 2, 3, 4, 5].map(|i| dut.get(self.beat[i]));
        if valid == 1 && ready {
            let n = keep.count_ones();
            assert_eq!(keep, (1u64 << n) - 1, "keep is contiguous");
            assert!(n > 0 && (eop == 1 || n == self.width / 8), "whole beats");
            let data: Vec<u8> = wide.iter().flat_map(|w| w.to_le_bytes()).collect();
            self.beats
                .put(&data[..n as usize], sop == 1, eop == 1, err == 1);
            if eop == 1 {
                self.eop_at.push(cycle);
            }
        }
    }
}

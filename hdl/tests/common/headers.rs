//! Random frames with every kind of header, and an independent reading of them by Linux's rules
//! (`bond_flow_dissect` and `skb_flow_get_ports` of 6.12): plain offsets into a slice.
#![allow(dead_code)] // each test uses its part

use rand::Rng;
use rand::seq::IndexedRandom;

/// The header record, as docs/architecture.md defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub dst: u64,
    pub src: u64,
    pub ethertype: u64,
    pub tagged: u64,
    pub tci: u64,
    pub tagged2: u64,
    pub tci2: u64,
    pub ip: u64,
    pub proto: u64,
    pub fragment: u64,
    pub l3: u64,
    pub ports: u64,
}

impl Header {
    /// Fields by the names of the record.
    pub fn fields(&self) -> [(&'static str, u64); 12] {
        [
            ("dst", self.dst),
            ("src", self.src),
            ("ethertype", self.ethertype),
            ("tagged", self.tagged),
            ("tci", self.tci),
            ("tagged2", self.tagged2),
            ("tci2", self.tci2),
            ("ip", self.ip),
            ("proto", self.proto),
            ("fragment", self.fragment),
            ("l3", self.l3),
            ("ports", self.ports),
        ]
    }
}

fn be16(frame: &[u8], at: usize) -> Option<u64> {
    let b = frame.get(at..at + 2)?;
    Some(u16::from_be_bytes([b[0], b[1]]) as u64)
}

fn le32(frame: &[u8], at: usize) -> Option<u32> {
    let b = frame.get(at..at + 4)?;
    Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn mac(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |v, b| v << 8 | *b as u64)
}

/// One IP header: addresses, protocol if ports may follow, fragment, and where the payload starts.
struct Ip {
    l3: u32,
    proto: u8,
    fragment: bool,
    payload: Option<usize>,
}

fn ip(frame: &[u8], at: usize, version: u64) -> Option<Ip> {
    if version == 1 {
        let h = frame.get(at..at + 20)?;
        let ihl = (h[0] & 15) as usize;
        let fragment = u16::from_be_bytes([h[6], h[7]]) & 0x3fff != 0;
        Some(Ip {
            l3: le32(h, 12)? ^ le32(h, 16)?,
            proto: h[9],
            fragment,
            payload: (!fragment && ihl >= 5).then_some(at + 4 * ihl),
        })
    } else {
        let h = frame.get(at..at + 40)?;
        let l3 = (8..40).step_by(4).fold(0, |x, i| x ^ le32(h, i).unwrap());
        Some(Ip {
            l3,
            proto: h[6],
            fragment: false,
            payload: Some(at + 40),
        })
    }
}

fn ports(frame: &[u8], proto: u8, at: usize) -> u32 {
    match proto {
        6 | 17 | 33 | 50 | 132 | 136 => le32(frame, at).unwrap_or(0),
        51 => le32(frame, at + 4).unwrap_or(0),
        _ => 0,
    }
}

/// Reads the record of a frame; one of fewer than 14 bytes has none, and this is all zeros.
pub fn dissect(frame: &[u8]) -> Header {
    let mut h = Header::default();
    if frame.len() < 14 {
        return h;
    }
    h.dst = mac(&frame[..6]);
    h.src = mac(&frame[6..12]);
    let is_tag = |t| t == 0x8100 || t == 0x88a8;
    let mut at = 12;
    if be16(frame, at).is_some_and(is_tag) {
        h.tagged = 1;
        h.tci = be16(frame, at + 2).unwrap_or(0);
        at += 4;
    }
    h.ethertype = be16(frame, at).unwrap_or(0);
    if h.tagged == 1 && is_tag(h.ethertype) {
        h.tagged2 = 1;
        h.tci2 = be16(frame, at + 2).unwrap_or(0);
        return h;
    }
    let version = match h.ethertype {
        0x0800 => 1,
        0x86dd => 2,
        _ => return h,
    };
    let Some(outer) = ip(frame, at + 2, version) else {
        return h;
    };
    h.ip = version;
    h.proto = outer.proto as u64;
    h.fragment = outer.fragment as u64;
    h.l3 = outer.l3 as u64;
    let Some(l4) = outer.payload else { return h };
    if outer.proto != 1 && outer.proto != 58 {
        h.ports = ports(frame, outer.proto, l4) as u64;
        return h;
    }
    let Some(icmp) = frame.get(l4..l4 + 8) else {
        return h;
    };
    let error = match outer.proto {
        1 => [3, 4, 5, 11, 12].contains(&icmp[0]),
        _ => (1..=4).contains(&icmp[0]),
    };
    if error {
        match ip(frame, l4 + 8, version) {
            None => (h.ip, h.l3) = (0, 0),
            Some(inner) => {
                h.l3 = inner.l3 as u64;
                h.ports = inner.payload.map_or(0, |l4| ports(frame, inner.proto, l4)) as u64;
            }
        }
    } else if [0, 8, 13, 14, 128, 129].contains(&icmp[0]) {
        let id = u16::from_be_bytes([icmp[4], icmp[5]]).max(1);
        h.ports = icmp[0] as u64 | (icmp[1] as u64) << 8 | (id as u64) << 16;
    }
    h
}

fn bytes(rng: &mut impl Rng, n: usize) -> Vec<u8> {
    (0..n).map(|_| rng.random()).collect()
}

/// A transport header (or what follows) of this protocol.
fn transport(rng: &mut impl Rng, proto: u8, version: u64, depth: u32) -> Vec<u8> {
    let longest = if rng.random_ratio(1, 8) { 120 } else { 40 };
    let n = rng.random_range(8..longest);
    let mut t = bytes(rng, n);
    if proto == 1 || proto == 58 {
        t[0] = match rng.random_range(0..10) {
            0..4 => *[0, 8, 13, 14, 128, 129].choose(rng).unwrap(),
            4..9 => *[1, 2, 3, 4, 5, 11, 12].choose(rng).unwrap(),
            _ => rng.random(),
        };
        if rng.random_ratio(1, 4) {
            t[4] = 0;
            if rng.random() {
                t[5] = 0;
            }
        }
        if depth == 0 {
            t.truncate(8);
            t.extend(packet(rng, version, 1));
        }
    }
    t
}

/// An IP packet, with what it carries.
fn packet(rng: &mut impl Rng, version: u64, depth: u32) -> Vec<u8> {
    let known = [6, 17, 33, 50, 51, 132, 136, 1, 58, 2, 47, 4, 41, 0, 44, 59];
    let proto = match rng.random_range(0..8) {
        0 => rng.random(),
        1..4 => *[1, 58].choose(rng).unwrap(),
        _ => *known.choose(rng).unwrap(),
    };
    let mut p = bytes(rng, if version == 1 { 20 } else { 40 });
    if version == 1 {
        let ihl = match rng.random_range(0..20) {
            0 => rng.random_range(0..5),
            1..5 => rng.random_range(6..16),
            _ => 5u8,
        };
        p[0] = 0x40 | ihl;
        let flags = match rng.random_range(0..8) {
            0 => 0x2000,
            1 => rng.random_range(0..0x2000),
            2 => 0x8000,
            _ => 0x4000u16,
        };
        p[6..8].copy_from_slice(&flags.to_be_bytes());
        p[9] = proto;
        p.extend(bytes(rng, 4 * (ihl.max(5) as usize - 5)));
    } else {
        p[0] = 0x60;
        p[6] = proto;
    }
    p.extend(transport(rng, proto, version, depth));
    p
}

/// A frame of any kind; sometimes cut off anywhere, sometimes padded to 60 bytes.
pub fn frame(rng: &mut impl Rng) -> Vec<u8> {
    let mut f = bytes(rng, 12);
    for _ in 0..*[0, 0, 0, 1, 1, 2, 3].choose(rng).unwrap() {
        let tpid: u16 = *[0x8100, 0x88a8].choose(rng).unwrap();
        f.extend(tpid.to_be_bytes());
        f.extend(bytes(rng, 2));
    }
    let ethertype: u16 = match rng.random_range(0..20) {
        0..9 => 0x0800,
        9..15 => 0x86dd,
        15 => 0x0806,
        16 => rng.random_range(0..1501),
        17 => *[
            0x0801, 0x0808, 0x0880, 0x86dc, 0x81dd, 0x8101, 0x88a9, 0x9100,
        ]
        .choose(rng)
        .unwrap(),
        _ => rng.random(),
    };
    f.extend(ethertype.to_be_bytes());
    match ethertype {
        0x0800 => f.extend(packet(rng, 1, 0)),
        0x86dd => f.extend(packet(rng, 2, 0)),
        _ => {
            let n = rng.random_range(0..80);
            f.extend(bytes(rng, n));
        }
    }
    if rng.random_ratio(1, 4) {
        f.truncate(rng.random_range(1..=f.len()));
    }
    if rng.random() {
        f.resize(f.len().max(60), 0);
    }
    f
}

//! What a PHY drives and sees on RGMII pins, in plain Rust from RGMII 2.0.
#![allow(dead_code)] // each test uses a part

use smartnic_verilated::Model;

/// What a receive clock carries: nibble and control at its rise, at its fall.
pub type Pair = ([u8; 2], [bool; 2]);

/// A carrier as the PHY sends it: bytes, the ones with RX_ER, the preamble's nibbles, a nibble too many at the end.
pub struct Carrier {
    pub bytes: Vec<u8>,
    pub errors: Vec<bool>,
    pub preamble: usize,
    pub dribble: bool,
}

/// The pairs of a carrier at a speed, without preamble bytes at 10/100 but with its nibbles.
pub fn pairs(c: &Carrier, gigabit: bool) -> Vec<Pair> {
    let mut out: Vec<Pair> = vec![];
    if gigabit {
        let preamble = vec![(0x55, false); c.preamble / 2];
        let body = c.bytes.iter().copied().zip(c.errors.iter().copied());
        for (b, er) in preamble.into_iter().chain([(0xd5, false)]).chain(body) {
            out.push(([b & 15, b >> 4], [true, !er]));
        }
        return out;
    }
    let mut nibble = |n: u8, er: bool| out.push(([n, n], [true, !er]));
    (0..c.preamble).for_each(|_| nibble(5, false));
    nibble(5, false);
    nibble(0xd, false);
    for (b, er) in c.bytes.iter().zip(&c.errors) {
        nibble(b & 15, *er && b & 1 == 0);
        nibble(b >> 4, *er);
    }
    if c.dribble {
        nibble(9, false);
    }
    out
}

pub fn idle(status: u8) -> Pair {
    ([status, status], [false, false])
}

/// What the PHY sees on the transmit pins: halves of core clocks.
#[derive(Default)]
pub struct Phy {
    pub txc: bool,
    /// Halves since the last edge.
    pub since: u32,
    /// Lengths of the high and low times, since the last look.
    pub highs: Vec<u32>,
    pub lows: Vec<u32>,
    pub rise: (u8, bool),
    pub pairs: Vec<Pair>,
}

impl Phy {
    fn half(&mut self, txc: bool, data: u8, ctl: bool) {
        self.since += 1;
        if txc == self.txc {
            return;
        }
        // The clock is delayed into the half in which it changes.
        if txc {
            self.lows.push(self.since);
            self.rise = (data, ctl);
        } else {
            self.highs.push(self.since);
            self.pairs.push(([self.rise.0, data], [self.rise.1, ctl]));
        }
        (self.txc, self.since) = (txc, 0);
    }
    /// A core clock of a port whose pins have no number.
    pub fn clock(&mut self, m: &Model) {
        self.clock_with(|n, edge| m.peek(&format!("{n}_{edge}")));
    }
    /// A core clock; `level` gives a pin's level in a half.
    pub fn clock_with(&mut self, level: impl Fn(&str, &str) -> u64) {
        for edge in ["rise", "fall"] {
            let get = |n: &str| level(n, edge);
            self.half(get("txc") == 1, get("txd") as u8, get("tx_ctl") == 1);
        }
    }
}

/// Bytes with their errors, out of pairs.
pub fn carriers(pairs: &[Pair], gigabit: bool) -> Vec<Vec<(u8, bool)>> {
    let mut out = vec![];
    let mut now: Vec<(u8, bool)> = vec![];
    let mut low = None;
    for (data, ctl) in pairs {
        let er = ctl[0] != ctl[1];
        if !ctl[0] {
            assert!(!er && low.is_none(), "whole bytes");
            if !now.is_empty() {
                out.push(std::mem::take(&mut now));
            }
        } else if gigabit {
            now.push((data[1] << 4 | data[0], er));
        } else {
            assert_eq!(data[0], data[1], "a nibble for a whole period");
            match low.take() {
                None => low = Some((data[0], er)),
                Some((l, e)) => {
                    assert_eq!(e, er);
                    now.push((data[0] << 4 | l, er));
                }
            }
        }
    }
    out
}

//! The crossing of the receive pins under clocks of any ratio: order, overflow, restart.
#[path = "common/clocks.rs"]
mod clocks;
#[path = "common/mac.rs"]
mod common;

use clocks::Clocks;
use common::{Pins, lint, rng};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::cdc::gmii_rx;
use smartnic_hdl::rtl::design;
use smartnic_verilated::Model;
use std::collections::VecDeque;

/// Sample as the core sees it: data, dv, er, overflow.
type Sample = (u8, bool, bool, bool);

struct Gmii {
    dut: Model,
    clocks: Clocks,
    pins: VecDeque<(Pins, bool)>,
    got: Vec<Sample>,
    /// `sample_down`: samples mean nothing.
    held: bool,
}

impl Gmii {
    fn new(dut: Model, rng: &mut ChaCha8Rng, period: [u64; 2]) -> Gmii {
        let mut g = Gmii {
            dut,
            clocks: Clocks::new(rng, period),
            pins: VecDeque::new(),
            got: vec![],
            held: false,
        };
        g.reset(3);
        g
    }
    fn reset(&mut self, which: u32) {
        self.dut.poke("reset", (which & 1) as u64);
        self.dut.poke("rx_reset", (which >> 1) as u64);
        // One edge of the reset domain at least.
        let mut seen = 0;
        while seen & which != which {
            seen |= self.step();
        }
        self.dut.poke("reset", 0);
        self.dut.poke("rx_reset", 0);
    }
    fn step(&mut self) -> u32 {
        let mask = self.clocks.tick();
        if mask & 2 == 2 {
            let (p, ce) = self.pins.pop_front().unwrap_or((Pins::default(), true));
            self.dut.poke("gmii_rxd", p.data as u64);
            self.dut.poke("gmii_rx_dv", p.dv as u64);
            self.dut.poke("gmii_rx_er", p.er as u64);
            self.dut.poke("gmii_rx_ce", ce as u64);
        }
        self.dut.eval();
        self.held = self.dut.peek("sample_down") == 1;
        if mask & 1 == 1 && !self.held && self.dut.peek("sample_valid") == 1 {
            let bit = |n: &str| self.dut.peek(n) == 1;
            self.got.push((
                self.dut.peek("sample_data") as u8,
                bit("sample_dv"),
                bit("sample_er"),
                bit("sample_overflow"),
            ));
        }
        self.dut.tick(mask);
        mask
    }
    fn finish(&mut self) {
        while !self.pins.is_empty() {
            self.step();
        }
        for _ in 0..2000 {
            self.step();
        }
    }
}

/// Pins of `n` carriers with gaps and false carrier, and the samples that they must give.
fn traffic(rng: &mut ChaCha8Rng, n: usize, slow: bool) -> (VecDeque<(Pins, bool)>, Vec<Sample>) {
    let (mut pins, mut want) = (VecDeque::new(), vec![]);
    let mut put = |rng: &mut ChaCha8Rng, data: u8, dv: bool, er: bool| {
        pins.push_back((Pins { data, dv, er }, true));
        while slow && rng.random_ratio(9, 10) {
            let (dv, er) = (rng.random(), rng.random());
            pins.push_back((Pins { data: 0x0e, dv, er }, false));
        }
    };
    for _ in 0..n {
        let length = rng.random_range(1..80);
        for _ in 0..length {
            let (data, er) = (rng.random(), rng.random_ratio(1, 10));
            put(rng, data, true, er);
            want.push((data, true, er, false));
        }
        // False carrier right behind the frame ends it, too.
        let at_once = rng.random_ratio(1, 4);
        let false_carrier = at_once || rng.random_ratio(1, 4);
        if !at_once {
            let data = rng.random();
            put(rng, data, false, false);
            want.push((data, false, false, false));
        }
        if false_carrier {
            want.push((0x0e, false, true, false));
            for _ in 0..rng.random_range(1..4) {
                put(rng, 0x0e, false, true);
            }
        }
        for _ in 0..rng.random_range(0..30) {
            let (data, er) = (rng.random_range(0x10..=0xff), rng.random());
            put(rng, data, false, er);
        }
    }
    put(rng, 0, false, false);
    (pins, want)
}

fn gmii_dut() -> Model {
    Model::build(&design(&gmii_rx()), &lint()).expect("builds")
}

#[test]
fn gmii_samples() {
    let mut rng = rng();
    for period in [
        [8000, 8000],
        [10_000, 10_001],
        [10_001, 10_000],
        [1000, 999],
    ] {
        for slow in [false, true] {
            let mut g = Gmii::new(gmii_dut(), &mut rng, period);
            g.finish();
            assert!(!g.held && g.got.is_empty());
            let (pins, want) = traffic(&mut rng, 200, slow);
            g.pins = pins;
            g.finish();
            assert_eq!(g.got.len(), want.len());
            assert_eq!(g.got, want);
        }
    }
}

/// A core that is too slow: carriers are cut and flagged, never torn; what is whole is unflagged.
#[test]
fn gmii_overflow() {
    let mut rng = rng();
    for period in [[1100, 1000], [1500, 1000], [3000, 1000]] {
        let mut g = Gmii::new(gmii_dut(), &mut rng, period);
        g.finish();
        // Numbered carriers: number, length, then bytes that follow from both.
        let mut lengths = vec![];
        for n in 0..250u8 {
            let length = rng.random_range(3..200u8);
            lengths.push(length);
            for i in 0..length {
                let data = match i {
                    0 => n,
                    1 => length,
                    _ => n.wrapping_mul(31).wrapping_add(i),
                };
                g.pins.push_back((
                    Pins {
                        data,
                        dv: true,
                        er: false,
                    },
                    true,
                ));
            }
            for _ in 0..rng.random_range(8..100) {
                g.pins.push_back((Pins::default(), true));
            }
        }
        g.finish();
        let (mut whole, mut flagged, mut last) = (0, 0, None);
        let mut open: Vec<u8> = vec![];
        for (data, dv, er, overflow) in &g.got {
            assert!(!er && (!*dv || !*overflow));
            if *dv {
                open.push(*data);
                continue;
            }
            let f = std::mem::take(&mut open);
            if let Some(n) = f.first() {
                assert!(last.is_none_or(|l| *n > l), "in order, once");
                last = Some(*n);
                for (i, b) in f.iter().enumerate().skip(2) {
                    assert_eq!(*b, n.wrapping_mul(31).wrapping_add(i as u8), "never torn");
                }
            }
            if *overflow {
                flagged += 1;
            } else {
                assert_eq!(f.len(), lengths[f[0] as usize] as usize, "whole");
                whole += 1;
            }
        }
        assert!(open.is_empty());
        assert!(
            whole > 10 && flagged > 10,
            "{whole} whole, {flagged} flagged"
        );
        assert!(whole + flagged <= 250);
        // It recovers completely.
        g.got.clear();
        let pin = |data| {
            (
                Pins {
                    data,
                    dv: true,
                    er: false,
                },
                true,
            )
        };
        g.pins.extend((0..10).map(pin));
        g.finish();
        assert_eq!(g.got.len(), 11);
    }
}

/// Resets of either side or both at any time: nothing is seen while `sample_down` stands, and a first sample is a frame's first.
#[test]
fn gmii_restart() {
    let mut rng = rng();
    for period in [[1000, 1000], [10_000, 9_999], [1000, 950]] {
        let mut g = Gmii::new(gmii_dut(), &mut rng, period);
        g.finish();
        for _ in 0..150 {
            // Numbered bytes: a tail, or an old sample, can be told from a frame.
            let frame = |g: &mut Gmii, n: usize| {
                for i in 0..n {
                    let data = i as u8 + 1;
                    g.pins.push_back((
                        Pins {
                            data,
                            dv: true,
                            er: false,
                        },
                        true,
                    ));
                }
                g.pins.extend([(Pins::default(), true); 10]);
            };
            frame(&mut g, 100);
            for _ in 0..rng.random_range(0..200) {
                g.step();
            }
            let which = rng.random_range(1..4);
            g.reset(which);
            if which & 1 == 1 {
                g.got.clear();
            }
            let mut down = false;
            let mut left = 60; // room for the handshake
            while !g.pins.is_empty() || left > 0 {
                g.step();
                left -= i32::from(left > 0);
                down |= g.held;
            }
            assert!(down, "the reader is told");
            if which & 1 == 1 {
                assert_eq!(g.got, [], "nothing old, and no tail");
            }
            for (i, s) in g.got.iter().enumerate() {
                let end = i == 100 && *s == (0, false, false, false);
                assert!(end || *s == (i as u8 + 1, true, false, false), "{i}: {s:?}");
            }
            g.got.clear();
            frame(&mut g, 20);
            g.finish();
            assert_eq!(g.got.len(), 21);
            assert_eq!(
                (g.got[0], g.got[20]),
                ((1, true, false, false), (0, false, false, false))
            );
            g.got.clear();
        }
    }
    // Without a receive clock the core's side stays down, and comes up with it.
    let mut g = Gmii::new(gmii_dut(), &mut rng, [1000, 1000]);
    g.finish();
    g.dut.poke("reset", 1);
    g.dut.tick(1);
    g.dut.poke("reset", 0);
    for _ in 0..100 {
        g.dut.tick(1);
        assert_eq!(
            (g.dut.peek("sample_down"), g.dut.peek("sample_valid")),
            (1, 0)
        );
    }
    for _ in 0..40 {
        g.dut.tick(3);
    }
    assert_eq!(g.dut.peek("sample_down"), 0);
}

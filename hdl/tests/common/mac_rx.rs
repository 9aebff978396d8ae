//! The bench of `mac_rx`: pins in, bytes, beats and counters out.

use super::common::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::mac::{EVENTS, mac};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::values::counter as c;
use smartnic_verilated::{InputId, Model, OutputId};

/// Both clocks.
pub const ALL: u32 = 3;

pub struct Bench {
    pub dut: Model,
    pub tap: RxTap,
    pub events: Events,
    pub pins: [InputId; 4],
    pub pause: (OutputId, OutputId),
    pub cycle: u64,
    /// Chance of the consumer to be ready, in 100.
    pub ready: u32,
    /// Cycles for each byte (10/100 Mb/s).
    pub slow: u64,
    pub rng: ChaCha8Rng,
    /// Cycle of each carrier's last byte.
    pub ends: Vec<u64>,
    pub last_dv: bool,
}

impl Bench {
    pub fn new(width: u32) -> Bench {
        let params = Params {
            width,
            ..Params::for_ports(4)
        };
        let dut = Model::build(&design(&mac(&params)), &lint()).expect("builds");
        let tap = RxTap::new(&dut, "", width);
        let numbers = EVENTS.iter().map(|e| e.0).filter(|n| *n < c::TX_FRAMES);
        let events = Events::new(&dut, "", numbers);
        let pins = ["gmii_rxd", "gmii_rx_dv", "gmii_rx_er", "gmii_rx_ce"]
            .map(|n| dut.input(n).expect("port"));
        let pause = (
            dut.output("paused").expect("port"),
            dut.output("idle").expect("port"),
        );
        let mut b = Bench {
            dut,
            tap,
            events,
            pins,
            pause,
            cycle: 0,
            ready: 100,
            slow: 1,
            rng: rng(),
            ends: vec![],
            last_dv: false,
        };
        for (n, v) in [
            ("link", 1),
            ("rx_enable", 1),
            ("tx_enable", 1),
            ("tx_ce", 1),
            ("pause_rx", 1),
            ("max_frame", 1518),
        ] {
            b.dut.poke(n, v);
        }
        b.reset(3);
        b.idle(20);
        b
    }
    pub fn reset(&mut self, cycles: u64) {
        self.dut.poke("reset", 1);
        self.dut.poke("rx_reset", 1);
        self.dut.run(ALL, cycles);
        self.dut.poke("reset", 0);
        self.dut.poke("rx_reset", 0);
    }
    pub fn pin(&mut self, p: Pins) {
        for i in 0..self.slow {
            let ce = i == 0;
            let noise = Pins {
                data: self.rng.random(),
                dv: self.rng.random(),
                er: self.rng.random(),
            };
            let p = if ce { p } else { noise };
            for (id, v) in
                self.pins
                    .into_iter()
                    .zip([p.data as u64, p.dv as u64, p.er as u64, ce as u64])
            {
                self.dut.set(id, v);
            }
            if ce {
                if self.last_dv && !p.dv {
                    self.ends.push(self.cycle - self.slow);
                }
                self.last_dv = p.dv;
            }
            let ready = self.rng.random_range(0..100) < self.ready;
            self.tap.sample(&mut self.dut, ready, self.cycle);
            self.events.sample(&self.dut);
            self.dut.tick(ALL);
            self.cycle += 1;
        }
    }
    pub fn idle(&mut self, n: usize) {
        for _ in 0..n {
            let data = self.rng.random();
            self.pin(Pins {
                data,
                dv: false,
                er: false,
            });
        }
    }
    pub fn carrier(&mut self, bytes: &[u8], er: impl Fn(usize) -> bool) {
        for (i, b) in bytes.iter().enumerate() {
            self.pin(Pins {
                data: *b,
                dv: true,
                er: er(i),
            });
        }
    }
    pub fn frame(&mut self, body: &[u8]) {
        let mut all = vec![0x55; 7];
        all.push(0xd5);
        all.extend(body);
        self.carrier(&all, |_| false);
    }
    pub fn drain(&mut self) {
        self.ready = 100;
        self.idle(100);
        assert!(!self.tap.bytes.is_open() && !self.tap.beats.is_open());
    }
    pub fn check(&mut self, want: &[(Vec<u8>, bool)], counts: &Counts) {
        self.drain();
        let tap = &mut self.tap;
        for (i, w) in want.iter().enumerate() {
            assert_eq!(tap.bytes.frames.get(i), Some(w), "bytes of frame {i}");
            assert_eq!(tap.beats.frames.get(i), Some(w), "beats of frame {i}");
        }
        assert_eq!(tap.bytes.frames.len(), want.len());
        assert_eq!(tap.beats.frames.len(), want.len());
        self.events.check(counts);
    }
}

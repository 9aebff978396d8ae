//! The counter banks against plain Rust sums: every counter at its largest rate, and what a read gives is a total of some cycle between
//! its request and its answer.

#[path = "common/seed.rs"]
mod seed;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use seed::rng;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_hdl::stats::{
    CLEAR_CYCLES, Counter, READ_CYCLES, SLOTS, counters, input_name, pending_bits, stats,
};
use smartnic_regs::stats as page;
use smartnic_regs::values::counter as c;
use smartnic_verilated::{InputId, Model, Options};
use std::collections::HashMap;

struct Bench {
    dut: Model,
    list: Vec<Counter>,
    inputs: Vec<InputId>,
    totals: Vec<u64>,
    /// Cycles until each counter may have its next increment.
    rest: Vec<u64>,
    /// 0: no events, 1: random, 2: every increment at its largest and as often as can be.
    load: u32,
    rng: ChaCha8Rng,
    params: Params,
}

impl Bench {
    fn new(ports: u32) -> Bench {
        let list = counters(&Params::for_ports(ports));
        Bench::with(ports, list)
    }
    fn with(ports: u32, list: Vec<Counter>) -> Bench {
        let params = Params::for_ports(ports);
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let dut = Model::build(&design(&stats(&params, &list)), &options).expect("builds");
        let inputs = list
            .iter()
            .map(|k| dut.input(&input_name(k)).expect("port"))
            .collect();
        let totals = vec![0; list.len()];
        let mut b = Bench {
            dut,
            list,
            inputs,
            rest: totals.clone(),
            totals,
            load: 1,
            rng: rng(),
            params,
        };
        b.reset();
        b
    }
    fn reset(&mut self) {
        self.dut.poke("reset", 1);
        self.step();
        self.dut.poke("reset", 0);
        let load = std::mem::replace(&mut self.load, 0);
        (0..CLEAR_CYCLES).for_each(|_| self.step());
        self.load = load;
        self.totals.fill(0);
    }
    fn step(&mut self) {
        for (i, k) in self.list.iter().enumerate() {
            let most = (1u64 << k.width) - 1;
            self.rest[i] = self.rest[i].saturating_sub(1);
            let by = match self.load {
                0 => 0,
                _ if self.rest[i] > 0 => 0,
                1 if self.rng.random_ratio(1, 3) => self.rng.random_range(0..=most),
                1 => 0,
                _ => most,
            };
            if by > 0 {
                self.rest[i] = k.every;
            }
            self.totals[i] += by;
            self.dut.set(self.inputs[i], by);
        }
        self.dut.tick(1);
    }
    fn access(&mut self, addr: u32, write: Option<u32>) -> u32 {
        self.dut.poke("reg_valid", 1);
        self.dut.poke("reg_write", write.is_some() as u64);
        self.dut.poke("reg_addr", addr as u64);
        self.dut.poke("reg_wdata", write.unwrap_or(0) as u64);
        self.step();
        self.dut.poke("reg_valid", 0);
        for _ in 0..4 {
            if self.dut.peek("reg_ack") == 1 {
                return self.dut.peek("reg_rdata") as u32;
            }
            self.step();
        }
        panic!("no answer");
    }
    fn select(&mut self, port: u32, number: u32) {
        let v = page::INDEX::PORT.put(port) | page::INDEX::COUNTER.put(number);
        self.access(page::INDEX.addr, Some(v));
    }
    fn result(&mut self) -> u64 {
        assert_eq!(self.access(page::READY.addr, None), 1);
        let low = self.access(page::LO.addr, None);
        let high = self.access(page::HI.addr, None);
        u64::from(high) << 32 | u64::from(low)
    }
    /// Reads a counter and asserts that it has a total of a cycle between request and answer.
    fn read_exact(&mut self, i: usize) {
        let k = self.list[i];
        // Seen when the write arrives, which is before `select` returns.
        let mut seen = vec![self.totals[i]];
        self.select(k.port, k.number);
        let mut waited = 0;
        while self.dut.peek("idle") == 0 {
            seen.push(self.totals[i]);
            self.step();
            waited += 1;
            assert!(waited <= READ_CYCLES, "{waited} cycles for {k:?}");
        }
        seen.push(self.totals[i]);
        let value = self.result();
        assert!(seen.contains(&value), "{k:?}: {value} is none of {seen:?}");
        assert_eq!(self.access(page::INDEX.addr, None), k.port << 8 | k.number);
    }
}

/// Reads at random times while every counter gets events, up to the largest increment in every cycle.
#[test]
fn exact_at_any_time() {
    for ports in [2, 4] {
        let mut b = Bench::new(ports);
        let n = b.list.len();
        for round in 0..600 {
            if round % 50 == 0 {
                b.load = [2, 1, 0][round / 50 % 3];
            }
            let wait = b.rng.random_range(0..90);
            (0..wait).for_each(|_| b.step());
            let i = b.rng.random_range(0..n);
            b.read_exact(i);
        }
        b.load = 0;
        for i in 0..n {
            b.read_exact(i);
            let k = b.list[i];
            b.select(k.port, k.number);
            (0..READ_CYCLES).for_each(|_| b.step());
            assert_eq!(b.result(), b.totals[i], "{k:?} at rest");
        }
        assert!(b.totals.iter().all(|t| *t > 300));
    }
}

/// A reader that never waits sees a counter grow without steps back.
#[test]
fn never_steps_back() {
    let mut b = Bench::new(2);
    let mut last: HashMap<usize, u64> = HashMap::new();
    for _ in 0..2000 {
        let i = b.rng.random_range(0..4);
        let k = b.list[i];
        let floor = b.totals[i];
        b.select(k.port, k.number);
        while b.dut.peek("idle") == 0 {
            b.step();
        }
        let v = b.result();
        assert!(v >= floor, "what happened before the read is in it");
        assert!(v >= *last.get(&i).unwrap_or(&0));
        last.insert(i, v);
    }
}

/// Counters and ports that do not exist, a second INDEX before the first has been answered, reset at any time.
#[test]
fn odd_requests_and_reset() {
    let mut b = Bench::new(2);
    let sources = b.params.sources();
    for (port, number) in [
        (0, 21),
        (0, 63),
        (0, 255),
        (sources, 0),
        (15, 0),
        (sources - 1, c::RX_64),
    ] {
        b.select(port, number);
        let waited = (0..READ_CYCLES).find(|_| {
            b.step();
            b.dut.peek("idle") == 1
        });
        assert!(waited.is_some());
        assert_eq!(b.result(), 0, "port {port} counter {number}");
    }
    for _ in 0..300 {
        let n = b.list.len();
        let (first, second) = (b.rng.random_range(0..n), b.rng.random_range(0..n));
        let k = b.list[first];
        b.select(k.port, k.number);
        let wait = b.rng.random_range(0..60);
        (0..wait).for_each(|_| b.step());
        b.read_exact(second);
        if b.rng.random_ratio(1, 10) {
            b.select(k.port, k.number);
            let wait = b.rng.random_range(0..60);
            (0..wait).for_each(|_| b.step());
            b.reset();
            assert_eq!(b.dut.peek("idle"), 1);
            b.read_exact(second);
        }
    }
}

/// Large increments in every cycle: the totals run far beyond the 35 bits of their low words, in all banks at once.
#[test]
fn carries_into_the_high_half() {
    let list: Vec<Counter> = (0..5)
        .map(|i| Counter {
            port: i % 3,
            number: c::TX_64 + i,
            width: 26 - i,
            every: 1,
        })
        .collect();
    let mut b = Bench::with(2, list);
    for i in (0..b.list.len()).cycle().take(150) {
        b.load = b.rng.random_range(1..3);
        let wait = b.rng.random_range(100..200);
        (0..wait).for_each(|_| b.step());
        b.read_exact(i);
    }
    b.load = 0;
    (0..4 * READ_CYCLES).for_each(|_| b.step());
    (0..b.list.len()).for_each(|i| b.read_exact(i));
    assert!(b.totals.iter().all(|t| *t > 1 << 36), "{:?}", b.totals);
}

/// What waits between two visits fits, and the frames of a port are longer than a sweep.
#[test]
fn registers_are_wide_enough() {
    for k in counters(&Params::for_ports(4)) {
        let most = u128::from(SLOTS.div_ceil(k.every)) * ((1 << k.width) - 1);
        let bits = pending_bits(k.width, k.every, SLOTS);
        assert!(most < 1 << bits && most >= 1 << (bits - 1), "{k:?}");
        assert!(u64::from(k.number) < SLOTS);
    }
}

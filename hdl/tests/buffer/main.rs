//! The packet buffer against a plain model: every byte, every order, every drop, every cell.

mod admission;
mod bench;
mod queues;
mod rates;
#[path = "../common/seed.rs"]
mod seed;

use bench::{Bench, Chances, FAST, Record};
use rand::Rng;
use seed::rng;
use smartnic_hdl::params::Params;
use smartnic_regs::queue;

fn bench(ports: u32) -> Bench {
    let params = Params {
        cells: 512,
        ..Params::for_ports(ports)
    };
    Bench::new(params, rng())
}

/// A random decision: sometimes nobody, sometimes all, never for bad frames.
fn anywhere(b: &mut Bench, r: &Record) -> (u64, u64) {
    let all = (1u64 << b.params.sources()) - 1;
    let dest = match b.rng.random_range(0..10) {
        _ if r.err || r.nocell => 0,
        0 => 0,
        1 => all & !(1 << r.source),
        2 => b.rng.random_range(0..=all),
        _ => 1 << b.rng.random_range(0..b.params.sources()),
    };
    (dest, b.rng.random_range(0..3))
}

fn random_length(b: &mut Bench) -> usize {
    match b.rng.random_range(0..20) {
        0 => b.rng.random_range(1..2100),
        1 => b.rng.random_range(1..9),
        2..=9 => *[60, 61, 64, 65, 127, 128, 129, 133, 192, 193]
            .get(b.rng.random_range(0..10))
            .unwrap(),
        _ => b.rng.random_range(1..300),
    }
}

fn soak(b: &mut Bench, frames: usize, decide: impl Fn(&mut Bench, &Record) -> (u64, u64)) {
    let mut left = frames;
    while left > 0 {
        if b.rng.random_range(0..2000) == 0 {
            let pick = |b: &mut Bench| *[15, 50, 90, 100].get(b.rng.random_range(0..4)).unwrap();
            b.chances = Chances {
                offer: pick(b),
                done: pick(b),
                enqueue: pick(b),
                take: pick(b),
            };
        }
        for s in 0..b.params.sources() as usize {
            if b.backlog(s) < 2 && left > 0 {
                let length = random_length(b);
                let err = b.rng.random_range(0..12) == 0;
                b.send_random(s, length, err);
                left -= 1;
            }
        }
        b.step();
        while let Some(r) = b.records.pop_front() {
            let (dest, class) = decide(b, &r);
            b.forward(r, dest, class);
        }
    }
    b.chances = FAST;
    b.drain(decide);
    b.check_empty();
}

/// Random frames from all sources, random destinations, back-pressure everywhere: 2 and 4 ports of 64 bits, 8 of 128.
#[test]
fn soak_of_all_widths() {
    for (ports, frames) in [(2, 10_000), (4, 4_000), (8, 4_000)] {
        let mut b = bench(ports);
        soak(&mut b, frames, anywhere);
        let t = &b.totals;
        assert_eq!(t.records, frames as u64);
        assert!(t.delivered > frames as u64 / 2, "{t:?}");
        println!("{ports} ports: {} cycles, {t:?}", b.cycle);
    }
}

/// Other sizes: more cells than a ring has entries, few cells, wide beats with few ports.
#[test]
fn soak_of_other_sizes() {
    for (ports, width, cells) in [(4, 64, 2048), (2, 128, 256)] {
        let params = Params {
            width,
            cells,
            ..Params::for_ports(ports)
        };
        let mut b = Bench::new(params, rng());
        b.write(queue::SHARED.addr, cells);
        b.write(queue::LIMIT.at(1), 100_000);
        soak(&mut b, 1500, anywhere);
        // One queue to its utmost: its ring, or all cells.
        b.dut.poke("tx_enable", 1);
        let full = cells.min(1024);
        for k in 0..full as usize + 20 {
            b.send_random(k % (ports as usize + 1), 1 + k % 64, false);
            for _ in 0..12 {
                b.step();
            }
            while let Some(r) = b.records.pop_front() {
                b.forward(r, 2, 1);
            }
        }
        assert_eq!(
            b.read(queue::WAITING.at(1)),
            full - (cells < 1024) as u32 * b.read(queue::FREE.addr)
        );
        assert!(b.totals.queue_full[1] + b.totals.nocell >= 10);
        b.dut.poke("tx_enable", (1 << (ports + 1)) - 1);
        b.drain(|_, _| (2, 1));
        b.check_empty();
    }
}

/// A reset in the middle of everything: afterwards the buffer works as after the first one.
#[test]
fn reset_in_mid_frame() {
    let mut b = bench(4);
    for _ in 0..12 {
        for s in 0..5 {
            for _ in 0..6 {
                let length = random_length(&mut b);
                b.send_random(s, length, false);
            }
        }
        b.chances.take = 60;
        for _ in 0..b.rng.random_range(1..700) {
            b.step();
            while let Some(r) = b.records.pop_front() {
                let (dest, class) = anywhere(&mut b, &r);
                b.forward(r, dest, class);
            }
        }
        b.reset();
        soak(&mut b, 60, anywhere);
        assert_eq!(b.totals.records, 60);
    }
}

/// Every length from 1 to 400 and the longest, back to back, through every source to the others.
#[test]
fn every_length_back_to_back() {
    let mut b = bench(2);
    b.write(queue::SHARED.addr, 512);
    let mut frames = 0;
    for length in (1..=400).chain([1518, 2100, 9216]) {
        for s in 0..3 {
            if length < 9216 || s == 0 {
                b.send_random(s, length, false);
                frames += 1;
            }
        }
        let n = if length < 400 { 0 } else { 3000 };
        for _ in 0..n {
            b.step();
        }
        while b.backlog(0) > 2 {
            b.step();
            while let Some(r) = b.records.pop_front() {
                let dest = 1 << ((r.source + 1) % 3);
                b.forward(r, dest, 0);
            }
        }
    }
    b.drain(|_, r| (1 << ((r.source + 1) % 3), 0));
    assert_eq!((b.totals.records, b.totals.nocell), (frames, 0));
    assert_eq!(b.totals.delivered, frames);
    b.check_empty();
}

/// Idle means idle: ten thousand cycles more change nothing, with frames waiting behind a pause or not.
#[test]
fn idle_is_idle() {
    let mut b = bench(2);
    for s in [0, 1, 2, 1] {
        b.send_random(s, 150, false);
    }
    b.drain(|_, r| (1 << ((r.source + 1) % 3), 0));
    for paused in [false, true] {
        if paused {
            b.dut.poke("tx_enable", 0);
            b.send_random(0, 150, false);
            for _ in 0..200 {
                b.step();
                while let Some(r) = b.records.pop_front() {
                    b.forward(r, 7, 0);
                }
            }
        }
        assert_eq!(b.dut.peek("idle"), 1);
        let image = |b: &mut Bench| {
            let mut v: Vec<u32> = vec![];
            for a in (0..0x1c4).step_by(4) {
                v.push(b.read(queue::PAGE.base + a));
            }
            v
        };
        let before = image(&mut b);
        for _ in 0..10_000 {
            b.step();
            assert_eq!(b.dut.peek("idle"), 1);
        }
        assert_eq!(before, image(&mut b));
    }
    b.dut.poke("tx_enable", 7);
    b.drain(|_, _| unreachable!());
    b.check_empty();
}

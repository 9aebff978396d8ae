//! The packet buffer against a plain model: every byte, every order, every drop, every cell.

mod bench;

use bench::{Bench, Chances, FAST, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::params::Params;
use smartnic_regs::queue;

fn rng() -> ChaCha8Rng {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    println!("SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

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

/// With all outputs paused, a queue takes what its limit allows, copy by copy; then strict priority empties it.
#[test]
fn limits_are_exact_and_the_higher_class_goes_first() {
    let mut b = bench(2);
    let all = (1 << b.params.sources()) - 1;
    b.write(queue::SHARED.addr, 512);
    for d in 0..b.params.sources() {
        b.write(queue::LIMIT.at(d), 10 + d);
    }
    b.dut.poke("tx_enable", 0);
    // Cells that wait in each queue, from the specification: a copy goes in if it still fits.
    let mut held = [[0u32; 2]; 3];
    let mut full = [0u64; 3];
    for k in 0..60 {
        let length = b.rng.random_range(1..300);
        b.send_random(k % 3, length, false);
        while b.records.is_empty() {
            b.step();
        }
        let r = b.records.pop_front().unwrap();
        let class = b.rng.random_range(0..2);
        let dest = b.rng.random_range(1..=all);
        for d in 0..3 {
            let queue = &mut held[d][class as usize];
            match dest >> d & 1 == 1 {
                true if *queue + r.cells as u32 <= 10 + d as u32 => *queue += r.cells as u32,
                true => full[d] += 1,
                false => {}
            }
        }
        b.forward(r, dest, class);
        for _ in 0..20 {
            b.step();
        }
        assert_eq!(b.totals.queue_full, full, "after frame {k}");
        for (d, h) in held.iter().enumerate() {
            assert_eq!(
                b.read(queue::WAITING.at(d as u32)),
                h[0] + h[1],
                "WAITING {d}"
            );
        }
    }
    assert!(full.iter().all(|f| *f > 0), "{full:?}");
    let expected: Vec<usize> = (0..3).map(|d| b.expected(d)).collect();
    b.dut.poke("tx_enable", all);
    b.drain(|_, _| unreachable!("no more frames"));
    for (d, n) in expected.iter().enumerate() {
        let got = b.classes(d);
        assert_eq!(got.len(), *n);
        assert!(
            got.is_sorted_by(|a, b| a >= b),
            "strict priority at {d}: {got:?}"
        );
    }
    b.check_empty();
}

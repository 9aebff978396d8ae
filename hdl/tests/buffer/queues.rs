//! Limits, classes, pause and flush, and what a forwarder that errs does.

use crate::bench;
use crate::bench::Bench;
use rand::Rng;
use smartnic_regs::queue;

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

/// Sends one frame and hands its record back.
fn one(b: &mut Bench, source: usize, length: usize) -> crate::bench::Record {
    b.send_random(source, length, false);
    while b.records.is_empty() {
        b.step();
    }
    b.records.pop_front().unwrap()
}

fn run(b: &mut Bench, cycles: u32) {
    for _ in 0..cycles {
        b.step();
    }
}

/// A paused destination keeps its frames and holds up nobody else; a flushed one loses them, whether enabled or not.
#[test]
fn pause_and_flush() {
    for enabled_while_flushed in [0, 1] {
        let mut b = bench(2);
        b.dut.poke("tx_enable", 0b110);
        for k in 0..20 {
            let r = one(&mut b, k % 3, 1 + 31 * k);
            b.forward(r, 0b111, 0);
        }
        run(&mut b, 3000);
        assert_eq!([0, 1, 2].map(|d| b.expected(d)), [20, 0, 0]);
        let waiting = b.read(queue::WAITING.at(0));
        assert_eq!(
            waiting as usize,
            (0..20usize)
                .map(|k| (1 + 31 * k).div_ceil(64))
                .sum::<usize>()
        );
        b.dut.poke("flush", 1);
        b.dut.poke("tx_enable", 0b110 | enabled_while_flushed);
        run(&mut b, 400);
        assert_eq!(b.totals.flushed, [20, 0, 0]);
        // Whatever comes now is lost too, and the multicast copies reach the others.
        let r = one(&mut b, 0, 700);
        b.forward(r, 0b111, 1);
        run(&mut b, 300);
        assert_eq!(b.totals.flushed, [21, 0, 0]);
        b.dut.poke("flush", 0);
        b.dut.poke("tx_enable", 0b111);
        let r = one(&mut b, 1, 99);
        b.forward(r, 0b101, 0);
        b.drain(|_, _| unreachable!());
        assert_eq!(b.totals.delivered, 2 * 21 + 2);
        b.check_empty();
    }
}

/// Pause and flush at random under load, in one class (which frame was being chosen when another class comes is not seen from outside).
#[test]
fn random_pause_and_flush() {
    let mut b = bench(4);
    for s in 0..5 {
        b.write(queue::LIMIT.at(s), 30);
        b.write(queue::GUARANTEE.at(s), 8);
    }
    b.write(queue::SHARED.addr, 30);
    b.chances.take = 70;
    for k in 0..6000u32 {
        if k % 50 == 0 {
            let (e, f) = (b.rng.random_range(0..32), b.rng.random_range(0..32u64));
            b.dut.poke("tx_enable", e);
            b.dut.poke("flush", f & b.rng.random_range(0..32u64));
        }
        for s in 0..5 {
            if b.backlog(s) == 0 {
                let length = crate::random_length(&mut b);
                b.send_random(s, length, false);
            }
        }
        run(&mut b, 8);
        while let Some(r) = b.records.pop_front() {
            let dest = crate::anywhere(&mut b, &r).0;
            b.forward(r, dest, 1);
        }
    }
    b.dut.poke("tx_enable", 31);
    b.dut.poke("flush", 0);
    b.drain(|b, r| (crate::anywhere(b, r).0, 1));
    let t = b.totals.clone();
    assert!(t.flushed.iter().all(|n| *n > 0), "{t:?}");
    assert!(
        t.queue_full.iter().sum::<u64>() > 0 && t.nocell > 0,
        "{t:?}"
    );
    b.check_empty();
}

/// A forwarder that frees a frame twice is seen and does no harm.
#[test]
fn a_frame_freed_twice() {
    let mut b = bench(2);
    for (length, dest) in [(60, 0), (300, 0), (130, 0b11)] {
        let r = one(&mut b, 0, length);
        b.forward(r.clone(), dest, 0);
        run(&mut b, 200);
        assert_eq!(b.read(queue::FAULT.addr), 0);
        b.forward(r, 0, 0);
        run(&mut b, 200);
        assert_eq!(b.read(queue::FAULT.addr), 1, "FAULT.DOUBLE_FREE");
        b.write(queue::FAULT.addr, 1);
        assert_eq!(b.read(queue::FAULT.addr), 0);
        b.check_empty();
    }
    crate::soak(&mut b, 500, crate::anywhere);
}

/// All queues of all destinations full at once; then everything comes out.
#[test]
fn all_queues_full() {
    let mut b = bench(4);
    for d in 0..5 {
        b.write(queue::LIMIT.at(d), 20);
    }
    b.dut.poke("tx_enable", 0);
    let mut frames = 0;
    while (0..5).any(|d| b.totals.queue_full[d] < 5) {
        let r = one(&mut b, frames % 5, 61 + frames % 7);
        b.forward(r, 0b11111, (frames / 5 % 2) as u64);
        frames += 1;
        run(&mut b, 30);
        assert!(frames < 200);
    }
    for d in 0..5 {
        assert!(b.read(queue::WAITING.at(d)) > 36);
    }
    b.dut.poke("tx_enable", 31);
    b.drain(|_, _| unreachable!());
    assert_eq!(b.totals.copies, 5 * frames as u64);
    b.check_empty();
}

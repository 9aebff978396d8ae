//! The clock-domain crossings under clocks of any ratio and phase.
#[path = "common/clocks.rs"]
mod clocks;
#[path = "common/mac.rs"]
mod common;

use clocks::Clocks;
use common::{lint, rng};
use rand::Rng;
use smartnic_hdl::cdc::{async_fifo, bit_sync, reset_sync};
use smartnic_hdl::rtl::design;
use smartnic_verilated::Model;
use std::collections::VecDeque;

/// Ratios of periods: equal, 100 ppm apart, a few percent, and far apart both ways.
const PERIODS: [[u64; 2]; 7] = [
    [8000, 8000],
    [10_000, 10_001],
    [10_001, 10_000],
    [100, 93],
    [97, 100],
    [10, 101],
    [103, 10],
];

/// Chances in 100 of a write and of a read: filled, run through, random, emptied.
const LOADS: [(u32, u32); 6] = [
    (100, 0),
    (100, 100),
    (50, 50),
    (0, 100),
    (100, 50),
    (50, 100),
];

#[test]
fn fifo_keeps_order_and_loses_nothing() {
    let mut rng = rng();
    for (width, depth) in [(11, 16), (8, 4), (64, 32)] {
        let m = async_fifo(width, depth);
        let mut dut = Model::build(&design(&m), &lint()).expect("builds");
        for period in PERIODS {
            let mut clocks = Clocks::new(&mut rng, period);
            let mut model: VecDeque<u64> = VecDeque::new();
            for side in ["write", "read"] {
                dut.poke(&format!("{side}_reset"), 1);
                dut.poke(
                    &format!("{side}_{}", ["valid", "ready"][(side == "read") as usize]),
                    0,
                );
            }
            for _ in 0..300 {
                dut.tick(clocks.tick());
            }
            dut.poke("write_reset", 0);
            dut.poke("read_reset", 0);
            let (mut moved, mut full, mut deepest) = (0, 0, 0);
            for i in 0..12_000usize {
                let (put, get) = LOADS[i / 500 % LOADS.len()];
                let mask = clocks.tick();
                let valid = rng.random_range(0..100) < put;
                let data: u64 = rng.random::<u64>() & (u64::MAX >> (64 - width));
                let ready = rng.random_range(0..100) < get;
                dut.poke("write_valid", valid as u64);
                dut.poke("write_data", data);
                dut.poke("read_ready", ready as u64);
                dut.eval();
                let writes = mask & 1 == 1 && valid && dut.peek("write_ready") == 1;
                if mask & 2 == 2 && ready && dut.peek("read_valid") == 1 {
                    assert_eq!(Some(dut.peek("read_data")), model.pop_front());
                    moved += 1;
                }
                full += u64::from(valid && dut.peek("write_ready") == 0);
                if writes {
                    model.push_back(data);
                }
                deepest = deepest.max(model.len());
                dut.tick(mask);
            }
            assert!(moved > 200 && full > 0, "{moved} words, {full} times full");
            assert_eq!(
                deepest as u64, depth,
                "the whole depth is used, and no more"
            );
        }
    }
}

#[test]
fn fifo_refuses_depths() {
    for depth in [0, 2, 12] {
        assert!(std::panic::catch_unwind(|| async_fifo(8, depth)).is_err());
    }
}

#[test]
fn bits_and_reset() {
    let mut rng = rng();
    let mut dut = Model::build(&design(&bit_sync(5)), &lint()).expect("builds");
    dut.poke("reset", 1);
    dut.tick(1);
    dut.poke("reset", 0);
    let mut line = VecDeque::from([0, 0]);
    for _ in 0..500 {
        let d = rng.random_range(0..32);
        dut.poke("d", d);
        dut.tick(1);
        line.push_back(d);
        line.pop_front();
        assert_eq!(dut.peek("q"), line[0]);
    }
    let mut dut = Model::build(&design(&reset_sync()), &lint()).expect("builds");
    for _ in 0..200 {
        dut.poke("reset", 1);
        dut.eval();
        assert_eq!(dut.peek("q"), 1, "without an edge");
        for _ in 0..rng.random_range(0..4) {
            dut.tick(1);
            assert_eq!(dut.peek("q"), 1);
        }
        dut.poke("reset", 0);
        for q in [1, 0, 0] {
            dut.tick(1);
            assert_eq!(dut.peek("q"), q);
        }
    }
}

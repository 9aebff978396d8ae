//! Who may take a cell: guarantees, the shared pool, and the pause that comes of it.

use crate::bench;
use crate::bench::{Bench, Record};
use rand::Rng;
use smartnic_regs::queue;

fn settle(b: &mut Bench, cycles: u32) {
    for _ in 0..cycles {
        b.step();
    }
}

/// Frames one after the other against the rule, cell by cell; none fits by a beat, or is dropped by its last one.
#[test]
fn guarantee_and_pool_are_exact() {
    let mut b = bench(2);
    let (guarantee, shared) = ([3u32, 0, 20], 25u32);
    for (s, g) in guarantee.iter().enumerate() {
        b.write(queue::GUARANTEE.at(s as u32), *g);
    }
    b.write(queue::SHARED.addr, shared);
    let (mut own, mut pool) = ([0u32; 3], [0u32; 3]);
    let mut held: Vec<Record> = vec![];
    let (mut dropped, mut lowest) = (0, 512);
    for k in 0..400 {
        let s = b.rng.random_range(0..3);
        let length = b.rng.random_range(1..700usize);
        b.send_random(s, length, b.cycle.is_multiple_of(3));
        while b.records.is_empty() {
            b.step();
        }
        let r = b.records.pop_front().unwrap();
        settle(&mut b, 60);
        let cells = length.div_ceil(64) as u32;
        let mine = cells.min(guarantee[s] - own[s].min(guarantee[s]));
        let fits = cells - mine <= shared - pool.iter().sum::<u32>();
        assert_eq!(
            r.nocell, !fits,
            "frame {k}: {cells} cells, {own:?} {pool:?}"
        );
        if fits {
            own[s] += mine;
            pool[s] += cells - mine;
            held.push(r);
        } else {
            dropped += 1;
        }
        // Now and then a frame goes: cells of the pool first.
        if held.len() > 2 && b.rng.random_range(0..3) == 0 {
            let k = b.rng.random_range(0..held.len());
            let r = held.remove(k);
            let (s, back) = (r.source, (r.cells as u32).min(pool[r.source]));
            pool[s] -= back;
            own[s] -= r.cells as u32 - back;
            b.forward(r, 0, 0);
            settle(&mut b, 60);
        }
        let free = 512 - own.iter().chain(&pool).sum::<u32>();
        // A frame that is dropped has held what was to be had.
        lowest = lowest.min(free);
        assert_eq!(b.read(queue::FREE.addr), free);
        for s in 0..3 {
            assert_eq!(b.read(queue::USED.at(s as u32)), own[s] + pool[s]);
        }
    }
    assert!(dropped > 20 && held.len() > 5, "{dropped} dropped");
    assert!(b.read(queue::FREE_MIN.addr) <= lowest);
    for r in held {
        b.forward(r, 0, 0);
    }
    b.drain(|_, _| unreachable!());
    b.check_empty();
}

/// One cell: 64 bytes fit, 65 are dropped by the last beat and give the cell back.
#[test]
fn dropped_by_the_last_beat() {
    let mut b = bench(2);
    b.write(queue::SHARED.addr, 0);
    b.write(queue::GUARANTEE.at(0), 1);
    for (length, fits) in [(64, true), (65, false), (64, true), (129, false), (1, true)] {
        b.send_random(0, length, false);
        while b.records.is_empty() {
            b.step();
        }
        let r = b.records.pop_front().unwrap();
        assert_eq!(r.nocell, !fits, "{length} bytes");
        b.forward(r, fits as u64, 0);
        settle(&mut b, 100);
        b.check_empty();
    }
    assert_eq!(b.read(queue::FREE_MIN.addr), 511);
}

/// All sources want the last cells at once, over and over: as many frames fit as there are cells, and none leaks.
#[test]
fn sources_that_run_out_together() {
    let mut b = bench(4);
    for s in 0..5 {
        b.write(queue::GUARANTEE.at(s), 0);
    }
    for k in 0..120u32 {
        let cells = k % 6;
        b.write(queue::SHARED.addr, cells);
        for s in 0..5 {
            b.send_random(s, 8 * (1 + k as usize % 8), false);
        }
        settle(&mut b, 120);
        let fit = b.records.iter().filter(|r| !r.nocell).count();
        assert_eq!((b.records.len(), fit), (5, cells.min(5) as usize));
        b.drain(|_, r| (1 << ((r.source + 1) % 5), 0));
        b.check_empty();
    }
}

/// All cells of the buffer taken: the free list runs dry, and recovers.
#[test]
fn no_cell_left() {
    let mut b = bench(2);
    b.write(queue::SHARED.addr, 100_000);
    assert_eq!(b.read(queue::SHARED.addr), 512, "no more than there are");
    for round in 0..3 {
        for s in 0..3 {
            for _ in 0..70 {
                b.send_random(s, 256 - 8 * round, false);
            }
        }
        settle(&mut b, 12_000);
        let fit = b.records.iter().filter(|r| !r.nocell).count();
        assert_eq!(b.records.len(), 210);
        assert!((126..=128).contains(&fit), "{fit} frames of 4 cells fit");
        assert_eq!(b.read(queue::FREE.addr), 512 - 4 * fit as u32);
        assert!(b.read(queue::FREE_MIN.addr) == 0);
        b.drain(|_, r| (1 << ((r.source + 1) % 3), 0));
        b.check_empty();
    }
}

/// The longest frame that is kept has 255 cells.
#[test]
fn a_frame_too_long_for_the_record() {
    let mut b = bench(2);
    b.write(queue::SHARED.addr, 512);
    for (length, refused) in [(255 * 64, 0), (255 * 64 + 1, 1), (40_000, 2)] {
        b.send_random(0, length, false);
        b.drain(|_, r| (!r.nocell as u64, 0));
        assert_eq!(b.totals.nocell, refused, "{length} bytes");
        b.check_empty();
    }
}

/// Pause is asked for above PAUSE_ON and lifted below PAUSE_OFF, per source.
#[test]
fn pause_has_a_hysteresis() {
    let mut b = bench(2);
    b.write(queue::PAUSE_ON.addr, 10);
    b.write(queue::PAUSE_OFF.addr, 4);
    let (mut held, mut asked) = (vec![], false);
    let mut changes = 0;
    for k in 0..80 {
        let fill = k / 16 % 2 == 0;
        if fill {
            b.send_random(1, 60, false);
            settle(&mut b, 40);
            held.push(b.records.pop_front().unwrap());
        } else {
            let r = held.pop().unwrap();
            b.forward(r, 0, 0);
            settle(&mut b, 40);
        }
        let used = held.len();
        let before = asked;
        asked = if used > 10 { true } else { asked && used >= 4 };
        changes += (asked != before) as u32;
        assert_eq!(
            b.dut.peek("pause_request"),
            (asked as u64) << 1,
            "{used} cells"
        );
        assert_eq!(b.dut.peek("used1"), used as u64);
    }
    assert_eq!(changes, 5);
}

//! The transmit side of the MAC, from beats to pins, against 802.3 in plain Rust.
#[path = "common/mac_tx.rs"]
mod bench;
#[path = "common/mac.rs"]
mod common;

use bench::{ADDR, ALL, Bench, Sent};
use common::*;
use rand::Rng;
use smartnic_regs::values::counter as c;

/// What must be on the wire for a frame, and its counters.
fn padded(frame: &[u8], counts: &mut Counts) -> Vec<u8> {
    let mut f = frame.to_vec();
    f.resize(f.len().max(60), 0);
    let n = f.len() + 4;
    for (number, by) in [
        (c::TX_FRAMES, 1),
        (c::TX_BYTES, n as u64),
        (c::TX_UNICAST + cast(&f), 1),
        (c::TX_64 + class(n), 1),
    ] {
        counts[number as usize] += by;
    }
    f
}

/// Every size from 1 to 2,000 (so every width of the last beat), back to back: exactly 12 byte times apart.
#[test]
fn line_rate() {
    for (width, slow, step) in [(64, 1, 1), (128, 1, 1), (64, 10, 23)] {
        let mut b = Bench::new(width);
        b.slow = slow;
        let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
        for size in (1..=2000).step_by(step) {
            let f = random_frame(&mut b.rng, size);
            want.push(padded(&f, &mut counts));
            b.send(&f);
        }
        b.finish();
        assert_eq!(b.sent.len(), want.len());
        for (i, (s, w)) in b.sent.iter().zip(&want).enumerate() {
            assert_eq!(&s.frame(), w, "frame {i}");
            assert!(i == 0 || s.gap == 12, "gap {} before frame {i}", s.gap);
        }
        b.events.check(&counts);
        assert!(b.idle());
    }
}

/// The slowest supply that the buffer promises (a beat each P + 2 cycles, first beat at any time) is never an underrun.
#[test]
fn slow_supply_and_latency() {
    for (width, every) in [(64, 6), (128, 10)] {
        let mut b = Bench::new(width);
        let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
        for _ in 0..200 {
            let size = b.rng.random_range(1..300);
            let f = random_frame(&mut b.rng, size);
            want.push(padded(&f, &mut counts));
            b.send(&f);
            while !b.queue.is_empty() {
                b.supply = 100;
                b.step();
                b.supply = 0;
                b.run(every - 1);
            }
            let wait = b.rng.random_range(0..60);
            b.run(wait);
        }
        b.finish();
        let frames: Vec<_> = b.sent.iter().map(Sent::frame).collect();
        assert_eq!(frames, want);
        b.events.check(&counts);
        let late = b
            .offered_at
            .iter()
            .zip(&b.enabled_at)
            .zip(&b.sent)
            .filter(|(_, s)| s.gap > 40)
            .map(|((o, e), _)| e - o)
            .max();
        println!("first beat to TX_EN: {late:?} cycles");
        assert!(late.is_some_and(|l| l <= 3), "{late:?}");
    }
}

/// Data that come too late: TX_ER, a bad FCS, TX_UNDERRUN, and the next frame is whole.
#[test]
fn underrun() {
    let mut b = Bench::new(64);
    let mut want: Vec<Vec<u8>> = vec![];
    for _ in 0..300 {
        let size = b.rng.random_range(1..400);
        let f = random_frame(&mut b.rng, size);
        b.send(&f);
        want.push(f);
    }
    b.supply = 15;
    b.finish();
    assert_eq!(b.sent.len(), want.len());
    let mut counts = [0; c::COUNT as usize];
    for (s, f) in b.sent.iter().zip(&want) {
        if s.er.iter().any(|e| *e) {
            counts[c::TX_UNDERRUN as usize] += 1;
            let body = &s.bytes[8..];
            let data = s.er.iter().position(|e| *e).unwrap() - 8;
            assert_eq!(body[..data], f[..data], "what was sent is right");
            assert!(data < f.len() && data % 8 == 0);
            let (d, t) = body.split_at(body.len() - 4);
            assert_ne!(t, fcs(d).to_le_bytes());
            assert!(s.gap >= 12);
        } else {
            assert_eq!(s.frame(), padded(f, &mut counts));
        }
    }
    let n = counts[c::TX_UNDERRUN as usize];
    assert!((50..250).contains(&n), "{n} of 300");
    b.events.check(&counts);
    assert!(b.idle());
}

fn receive(b: &mut Bench, frame: &[u8]) {
    let mut all = vec![0x55; 7];
    all.push(0xd5);
    all.extend(with_fcs(frame));
    for byte in all {
        b.dut.poke("gmii_rxd", byte as u64);
        b.dut.poke("gmii_rx_dv", 1);
        b.step();
    }
    b.dut.poke("gmii_rx_dv", 0);
    b.run(12);
}

/// Pause frames are obeyed between frames, for 512 bit times a quantum.
#[test]
fn obeys_pause() {
    for slow in [1, 10] {
        let mut b = Bench::new(64);
        let mut want: u64 = 0;
        for round in 0..20u16 {
            b.finish();
            let quanta = 3 + round % 5;
            b.slow = 1;
            receive(&mut b, &pause_frame(ADDR, quanta));
            b.slow = slow;
            assert_eq!(b.dut.get(b.paused), 1);
            assert!(!b.idle(), "a timer runs");
            let n = b.sent.len();
            let begin = b.time;
            for _ in 0..3 {
                let f = random_frame(&mut b.rng, 100);
                b.send(&f);
            }
            want += 3;
            if round % 4 == 3 {
                // Zero ends the pause.
                b.slow = 1;
                receive(&mut b, &pause_frame(ADDR, 0));
                assert_eq!(b.dut.get(b.paused), 0);
                b.finish();
                continue;
            }
            b.finish();
            let start = b.sent[n].start - begin;
            // The pause began up to 20 byte times before `begin`.
            let pause = 64 * u64::from(quanta);
            assert!(
                (pause - 20..=pause + 6).contains(&start),
                "{start} of {pause}"
            );
            assert_eq!(b.sent[n + 1].gap, 12);
        }
        b.events.counts[c::RX_PAUSE as usize] -= 25; // 20 and 5 zeros
        assert_eq!(b.events.counts[c::RX_PAUSE as usize], 0);
        assert_eq!(b.sent.len() as u64, want);
        // Not obeyed when told so, but a frame that has begun always ends.
        b.slow = 1;
        b.dut.poke("pause_rx", 0);
        receive(&mut b, &pause_frame(ADDR, 1000));
        assert_eq!(b.dut.get(b.paused), 0);
        b.dut.poke("pause_rx", 1);
        let f = random_frame(&mut b.rng, 1000);
        b.send(&f);
        receive(&mut b, &pause_frame(ADDR, 1000));
        assert_eq!(b.dut.get(b.paused), 1);
        let n = b.sent.len();
        b.finish();
        assert_eq!((b.sent.len(), b.sent[n].frame()), (n + 1, f));
        b.dut.poke("link", 0);
        b.run(3);
        assert_eq!(b.dut.get(b.paused), 0, "link down forgets the pause");
    }
}

/// Our pause frames: within a frame and a gap even under load and while paused, again after half the time, zero at the end.
#[test]
fn sends_pause() {
    let mut b = Bench::new(64);
    for _ in 0..60 {
        let size = b.rng.random_range(60..1514);
        let f = random_frame(&mut b.rng, size);
        b.send(&f);
    }
    let is_pause = |s: &Sent| s.bytes[14..20] == ADDR && s.bytes[20..24] == [0x88, 8, 0, 1];
    b.run(500);
    b.dut.poke("pause_quanta", 100);
    b.dut.poke("pause_request", 1);
    let asked = b.time;
    b.run(100 * 64 * 2);
    let first = b.sent.iter().find(|s| is_pause(s)).expect("a pause frame");
    assert!(first.start - asked <= 8 + 1514 + 4 + 12 + 4);
    b.dut.poke("pause_request", 0);
    b.finish();
    let ours: Vec<&Sent> = b.sent.iter().filter(|s| is_pause(s)).collect();
    for s in &ours[..ours.len() - 1] {
        assert_eq!(s.frame(), pause_frame(ADDR, 100));
    }
    assert_eq!(ours.last().unwrap().frame(), pause_frame(ADDR, 0));
    for pair in ours[..ours.len() - 1].windows(2) {
        let apart = pair[1].start - pair[0].start;
        assert!((3200..3200 + 1600).contains(&apart), "{apart} byte times");
    }
    assert!((4..8).contains(&ours.len()), "{}", ours.len());
    let mut counts = [0; c::COUNT as usize];
    for (i, s) in b.sent.iter().enumerate() {
        padded(&s.frame(), &mut counts);
        assert!(i == 0 || s.gap == 12, "gap {}", s.gap);
    }
    counts[c::TX_PAUSE as usize] = ours.len() as u64;
    b.events.check(&counts);
    assert_eq!(counts[c::TX_FRAMES as usize], 60 + ours.len() as u64);
    // While paused ourselves; not without permission; nothing without a link.
    let n = b.sent.len();
    receive(&mut b, &pause_frame([9; 6], 500));
    b.dut.poke("pause_request", 1);
    b.run(200);
    assert!(b.sent.len() == n + 1 && is_pause(&b.sent[n]) && b.dut.get(b.paused) == 1);
    b.dut.poke("pause_tx", 0);
    b.run(200);
    assert_eq!(b.sent[n + 1].frame(), pause_frame(ADDR, 0), "taken back");
    b.run(10_000);
    assert_eq!(b.sent.len(), n + 2);
    b.dut.poke("pause_tx", 1);
    b.dut.poke("link", 0);
    b.run(10_000);
    assert_eq!(b.sent.len(), n + 2);
}

/// Without TX_ENABLE a frame that has begun ends, nothing starts, and what waited goes out afterwards. Resets in mid-frame.
#[test]
fn enable_and_reset() {
    let mut b = Bench::new(64);
    for _ in 0..100 {
        let n = b.sent.len();
        let frames: Vec<_> = (0..3).map(|_| random_frame(&mut b.rng, 100)).collect();
        frames.iter().for_each(|f| b.send(f));
        let before = b.rng.random_range(0..200);
        b.run(before);
        b.dut.poke("tx_enable", 0);
        let begun = b.sent.len() - n + usize::from(b.open.is_some());
        b.run(400);
        // One more may have been in the two stages before the pins.
        assert!(b.sent.len() - n - begun <= 1 && b.open.is_none());
        assert!(b.idle(), "what waits without enable needs no clock");
        b.dut.poke("tx_enable", 1);
        b.finish();
        let got: Vec<_> = b.sent[n..].iter().map(Sent::frame).collect();
        assert_eq!(got, frames);
    }
    for _ in 0..100 {
        let f = random_frame(&mut b.rng, 300);
        b.send(&f);
        let cycles = b.rng.random_range(1..300);
        b.run(cycles);
        b.queue.clear();
        b.offered = false;
        b.dut.poke("reset", 1);
        b.dut.poke("tx_valid", 0);
        b.dut.run(ALL, 1);
        b.dut.poke("reset", 0);
        b.open = None;
        b.sent.clear();
        b.gap = 12;
        let f = random_frame(&mut b.rng, 70);
        b.send(&f);
        b.finish();
        let got: Vec<_> = b.sent.iter().map(Sent::frame).collect();
        assert_eq!(got, [f]);
    }
}

/// Without a link a frame that has begun ends whole, and everything behind it is thrown away and counted at once: nothing
/// waits for the link to come back, however short the break.
#[test]
fn link_down_drops() {
    let mut b = Bench::new(64);
    let mut lost = 0;
    for round in 0..400 {
        let n = b.sent.len();
        let dropped = b.events.counts[c::DROP_LINK_DOWN as usize];
        let frames: Vec<_> = (0..b.rng.random_range(1..6))
            .map(|_| {
                let size = b.rng.random_range(1..200);
                random_frame(&mut b.rng, size)
            })
            .collect();
        frames.iter().for_each(|f| b.send(f));
        let before = b.rng.random_range(0..300);
        b.run(before);
        let enable = round % 3 != 0;
        b.dut.poke("tx_enable", enable as u64);
        b.dut.poke("link", 0);
        let long = round % 2 == 0;
        let cycles = b.rng.random_range(1..40);
        b.run(if long { 600 } else { cycles });
        let gone = b.sent.len();
        if long {
            assert!(b.queue.is_empty() && b.open.is_none());
            assert!(b.idle(), "nothing waits for the link");
        }
        b.dut.poke("link", 1);
        b.dut.poke("tx_enable", 1);
        b.finish();
        b.run(300); // two short frames may wait in the MAC
        assert!(!long || b.sent.len() == gone, "an old frame after link-up");
        // `frame` checks that each is whole.
        let mut left = frames.iter();
        for s in &b.sent[n..] {
            let f = s.frame();
            assert!(
                left.any(|l| f.starts_with(l) && f.len() == l.len().max(60)),
                "a frame that was not given, or out of order"
            );
        }
        let dropped = b.events.counts[c::DROP_LINK_DOWN as usize] - dropped;
        assert_eq!(b.sent.len() - n + dropped as usize, frames.len());
        lost += dropped;
        assert!(b.idle());
    }
    assert!(lost > 300, "{lost} frames lost");
    assert_eq!(b.events.counts[c::TX_UNDERRUN as usize], 0);
    assert_eq!(b.events.counts[c::TX_FRAMES as usize], b.sent.len() as u64);
}

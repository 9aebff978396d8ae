//! The receive side of the MAC, from pins to beats, against 802.3 in plain Rust.
#[path = "common/mac_rx.rs"]
mod bench;
#[path = "common/mac.rs"]
mod common;

use bench::Bench;
use common::*;
use rand::Rng;
use smartnic_hdl::mac::EVENTS;
use smartnic_regs::values::counter as c;

/// Every size from 1 to 2,100 with a good FCS, gaps 8 to 40, and the latency to the last beat.
#[test]
fn every_size() {
    for width in [64, 128] {
        let mut b = Bench::new(width);
        b.dut.poke("max_frame", 2000);
        let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
        for size in 1..=2100usize {
            let mut body = random_frame(&mut b.rng, size.max(5) - 4);
            body = with_fcs(&body);
            if size < 5 {
                body.truncate(size);
            }
            let v = judge(&body, false, 2000, &mut counts);
            want.extend(v.out);
            b.frame(&body);
            let gap = b.rng.random_range(8..=40);
            b.idle(gap);
        }
        b.check(&want, &counts);
        assert!(counts[c::RX_FRAMES as usize] > 1900);
    }
}

/// From the last byte of the FCS on the pins to the beat with `in_eop`.
#[test]
fn latency() {
    let mut b = Bench::new(64);
    for size in 64..200usize {
        let body = random_frame(&mut b.rng, size - 4);
        b.frame(&with_fcs(&body));
        b.idle(30);
    }
    let late: Vec<u64> = b
        .ends
        .iter()
        .zip(&b.tap.eop_at)
        .map(|(e, o)| o - e)
        .collect();
    assert_eq!(late.len(), 136);
    assert!(late.iter().all(|l| *l == late[0]), "{late:?}");
    println!("last byte on the pins to in_eop: {} cycles", late[0]);
    assert!(late[0] <= 8, "{}", late[0]);
}

/// One carrier of the random mix: what is on the pins, and what it must become.
fn random_carrier(b: &mut Bench, max: usize, counts: &mut Counts, want: &mut Vec<(Vec<u8>, bool)>) {
    let r = &mut b.rng;
    let size = match r.random_range(0..10) {
        0 => r.random_range(0..64),
        1 => r.random_range(max - 10..=max + 12),
        2 => r.random_range(1..2100),
        _ => r.random_range(60..200),
    };
    let mut body = if r.random_ratio(1, 10) {
        with_fcs(&pause_frame(r.random(), r.random_range(0..3)))
    } else if size >= 4 {
        let f = random_frame(r, size - 4);
        with_fcs(&f)
    } else {
        vec![7; size]
    };
    if r.random_ratio(1, 6) && !body.is_empty() {
        let at = r.random_range(0..body.len());
        body[at] ^= 1 << r.random_range(0..8);
    }
    let preamble = match r.random_range(0..4) {
        0 => r.random_range(0..30),
        _ => 7,
    };
    let mut bytes = vec![0x55; preamble];
    let fault = r.random_range(0..20);
    let mut sfd = true;
    match fault {
        0 => sfd = false, // nothing but preamble
        1 => {
            // a byte of the preamble is damaged
            sfd = false;
            bytes.push(
                *[0x54u8, 0x5d, 0xd4, 0, 0xff]
                    .get(r.random_range(0..5))
                    .unwrap(),
            );
            bytes.extend([0x55, 0xd5]);
            bytes.extend(&body);
        }
        _ => {
            bytes.push(0xd5);
            bytes.extend(&body);
        }
    }
    if bytes.is_empty() {
        bytes.push(0x55);
    }
    let er = match r.random_range(0..10) {
        0 => Some(r.random_range(0..bytes.len())),
        _ => None,
    };
    if sfd {
        want.extend(judge(&body, er.is_some(), max, counts).out);
    } else if er.is_some() {
        counts[c::RX_SYMBOL_ERRORS as usize] += 1;
    }
    b.carrier(&bytes, |i| er == Some(i));
    let gap = b.rng.random_range(8..=40);
    let first = b.rng.random_range(0..gap);
    b.idle(first);
    if b.rng.random_ratio(1, 8) {
        // False carrier; and codes that are not (carrier extension, low power idle).
        let n = b.rng.random_range(1..5);
        for _ in 0..n {
            b.pin(Pins {
                data: 0x0e,
                dv: false,
                er: true,
            });
        }
        counts[c::RX_FALSE_CARRIER as usize] += 1;
        b.idle(1);
    } else if b.rng.random_ratio(1, 8) {
        b.pin(Pins {
            data: 0x0f,
            dv: false,
            er: true,
        });
        b.pin(Pins {
            data: 0x01,
            dv: false,
            er: true,
        });
    }
    b.idle((gap - first).max(1));
}

/// All faults mixed, with a consumer that stalls now and then.
#[test]
fn faults() {
    for (width, max, slow, count) in [
        (64, 1518, 1, 1500),
        (128, 64, 1, 400),
        (64, 2000, 1, 400),
        (64, 200, 10, 60),
        (64, 9000, 1, 60),
        (64, 0, 1, 60),
    ] {
        let mut b = Bench::new(width);
        b.dut.poke("max_frame", max);
        b.slow = slow;
        b.ready = 60;
        let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
        let max = (max as usize).clamp(64, 2000);
        for _ in 0..count {
            random_carrier(&mut b, max, &mut counts, &mut want);
        }
        b.check(&want, &counts);
        if count > 1000 {
            for (n, _) in EVENTS.iter().filter(|e| e.0 < c::RX_OVERFLOW) {
                assert!(counts[*n as usize] > 0, "never seen: counter {n}");
            }
        }
    }
}

/// A consumer that stops: every frame still ends once, in order, and what was lost is marked and counted.
#[test]
fn full_fifo() {
    for width in [64, 128] {
        let mut b = Bench::new(width);
        let mut sent = vec![];
        for _ in 0..200 {
            b.ready = *[0, 0, 2, 30, 100].get(b.rng.random_range(0..5)).unwrap();
            let n = b.rng.random_range(1..4);
            for _ in 0..n {
                let size = b.rng.random_range(64..400);
                let body = random_frame(&mut b.rng, size - 4);
                sent.push(
                    judge(&with_fcs(&body), false, 1518, &mut [0; 64])
                        .out
                        .unwrap(),
                );
                b.frame(&with_fcs(&body));
                b.idle(12);
            }
        }
        b.drain();
        assert_eq!(b.tap.bytes.frames, sent, "the parser sees all");
        assert_eq!(b.tap.beats.frames.len(), sent.len());
        let mut lost = 0;
        for (i, (got, want)) in b.tap.beats.frames.iter().zip(&sent).enumerate() {
            if got != want {
                assert!(got.1, "frame {i} differs and is not marked");
                lost += 1;
            }
        }
        let counted = b.events.counts[c::RX_OVERFLOW as usize];
        // A pause frame is bad anyway, and may lose only bytes that the marker beat replaces.
        assert!(
            counted >= lost && lost > 20,
            "{counted} counted, {lost} lost"
        );
        assert!(counted < sent.len() as u64);
    }
}

/// Link or enable taken away in a frame: it ends as bad at once; what is on the wire when it comes back is skipped.
#[test]
fn disable_in_frame() {
    let mut b = Bench::new(64);
    let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
    for round in 0..300 {
        let size = b.rng.random_range(64..300);
        let mut body = random_frame(&mut b.rng, size - 4);
        body[0] = 2; // no pause frame
        // What looks like a frame inside the frame.
        body[50..58].copy_from_slice(&[0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5]);
        let body = with_fcs(&body);
        let (off, on) = (b.rng.random_range(0..size), b.rng.random_range(0..100));
        let name = ["link", "rx_enable"][round % 2];
        let mut bytes = vec![0x55; 7];
        bytes.push(0xd5);
        bytes.extend(&body);
        let frames = b.tap.bytes.frames.len();
        b.carrier(&bytes[..8 + off], |_| false);
        b.dut.poke(name, 0);
        let on = (off + 1 + on).min(size);
        b.carrier(&bytes[8 + off..8 + on], |_| false);
        b.dut.poke(name, 1);
        b.carrier(&bytes[8 + on..], |_| false);
        b.idle(12);
        let got = b.tap.bytes.frames[frames..].to_vec();
        assert!(got.len() <= 1);
        for (data, err) in got {
            assert!(err && body.starts_with(&data), "cut and marked");
            want.push((data, err));
        }
        let good = with_fcs(&random_frame(&mut b.rng, 80));
        want.extend(judge(&good, false, 1518, &mut counts).out);
        b.frame(&good);
        b.idle(12);
    }
    b.check(&want, &counts);
    assert!(want.len() > 500);
}

/// Resets of either domain, of any length, in mid-frame: at most that frame is lost, then everything is exact again.
#[test]
fn reset_in_frame() {
    let mut b = Bench::new(64);
    for round in 0..200 {
        let first = with_fcs(&random_frame(&mut b.rng, 200));
        let cut = b.rng.random_range(0..200);
        b.frame(&first[..cut]);
        let mask = b.rng.random_range(1..4);
        b.dut.poke("reset", mask & 1);
        b.dut.poke("rx_reset", mask >> 1);
        let n = b.rng.random_range(1..5);
        b.carrier(&first[cut..cut + n], |_| false);
        b.dut.poke("reset", 0);
        b.dut.poke("rx_reset", 0);
        b.carrier(&first[cut + n..], |_| false);
        b.idle(40);
        if mask & 1 == 1 {
            b.tap.bytes = Collector::default();
            b.tap.beats = Collector::default();
        } else {
            // The core saw the frame break off.
            for (_, err) in &b.tap.bytes.frames {
                assert!(err, "round {round}");
            }
            assert!(b.tap.bytes.frames.len() <= 1 && !b.tap.bytes.is_open());
            assert_eq!(b.tap.bytes.frames, b.tap.beats.frames);
            b.tap.bytes.frames.clear();
            b.tap.beats.frames.clear();
        }
        b.events.counts = [0; c::COUNT as usize];
        let (mut want, mut counts) = (vec![], [0; c::COUNT as usize]);
        for _ in 0..2 {
            let f = with_fcs(&random_frame(&mut b.rng, 64));
            want.extend(judge(&f, false, 1518, &mut counts).out);
            b.frame(&f);
            b.idle(8);
        }
        b.check(&want, &counts);
        b.tap.bytes.frames.clear();
        b.tap.beats.frames.clear();
    }
    assert_eq!(b.dut.get(b.pause.1), 1, "idle at the end");
}

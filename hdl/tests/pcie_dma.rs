//! DMA reads and writes behind a TLP boundary: every byte, order, faults, resets.

#[path = "common/endpoint_bench.rs"]
mod endpoint_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use endpoint_bench::{Answer, Bench};
use rand::Rng;
use root_complex::fault;

/// Random transfers both ways at every alignment, size and setting; memory and data byte by byte.
#[test]
fn dma_moves_every_byte() {
    let mut b = Bench::new();
    for round in 0..24 {
        (b.rc.mps, b.rc.mrrs) = (round % 2, round / 2 % 3);
        (b.rc.ready, b.rc.sends) = [(100, 100), (50, 90), (20, 20)][round as usize % 3];
        b.take = [100, 60][round as usize % 2];
        let mut shadow = b.rc.memory.clone();
        let mut order = vec![];
        for _ in 0..12 {
            let (addr, len) = (b.address(), b.length());
            let data = b.bytes(len);
            for (i, d) in data.iter().enumerate() {
                let a = addr + i as u64;
                shadow.entry(a >> 12).or_insert_with(|| vec![0; 4096])[a as usize & 4095] = *d;
            }
            order.extend(data.iter().enumerate().map(|(i, d)| (addr + i as u64, *d)));
            b.transfer(addr, &data);
        }
        b.rc.writes.clear();
        b.settle();
        assert!(b.rc.memory == shadow, "memory differs in round {round}");
        let seen: Vec<(u64, u8)> =
            b.rc.writes
                .iter()
                .flat_map(|w| {
                    w.data
                        .iter()
                        .enumerate()
                        .map(|(i, d)| (w.addr + i as u64, *d))
                })
                .collect();
        assert!(seen == order, "every byte once, in order");
        // Reads of both clients at once.
        let mut expect: [Vec<Answer>; 2] = Default::default();
        for (c, answers) in expect.iter_mut().enumerate() {
            for _ in 0..12 {
                let (addr, len) = (b.address(), b.length());
                let (addr, len) = Bench::readable(c, addr, len);
                let fresh = b.bytes(len);
                if c == 0 && len < 100 {
                    b.rc.store(addr, &fresh);
                }
                b.rd[c].push_back((addr, len as u32));
                answers.push(Answer {
                    data: vec![],
                    err: false,
                });
            }
        }
        // Only now, since the pieces of memory overlap.
        for (c, answers) in expect.iter_mut().enumerate() {
            for (answer, (addr, len)) in answers.iter_mut().zip(&b.rd[c]) {
                answer.data = b.rc.load(*addr, *len as usize);
            }
        }
        b.settle();
        for (c, expect) in expect.iter().enumerate() {
            let got = std::mem::take(&mut b.answers[c]);
            assert_eq!(got.len(), 12);
            for (i, (g, e)) in got.iter().zip(expect).enumerate() {
                assert!(
                    g == e,
                    "round {round} client {c} transfer {i}: {} bytes",
                    e.data.len()
                );
            }
        }
    }
    assert_eq!(b.events, [0; 5]);
}

/// Each fault ends its own transfer with an error and no other; late completions are swallowed.
#[test]
fn read_faults() {
    let mut b = Bench::new();
    b.m.poke("read_timeout", 3000);
    b.rc.late = 6000;
    let kinds = [
        0,
        fault::UR,
        fault::CA,
        fault::SILENT,
        fault::POISON,
        fault::LATE,
        fault::SECOND,
        fault::COUNT,
    ];
    for round in 0..30 {
        let mut expect: [Vec<(Vec<u8>, bool)>; 2] = Default::default();
        let mut timeouts = 0;
        for (c, list) in expect.iter_mut().enumerate() {
            for _ in 0..6 {
                let kind = kinds[b.rc.rng.random_range(0..8)];
                let kind = if b.rc.rng.random_range(0..2) == 0 {
                    0
                } else {
                    kind
                };
                let addr = 0x100_0000_0000 | b.address() & 0xffff_ffff | kind;
                let len = b.rc.rng.random_range(1..1500usize);
                let (addr, len) = Bench::readable(c, addr, len);
                let data = b.bytes(len);
                b.rc.store(addr, &data);
                b.rd[c].push_back((addr, len as u32));
                // SECOND has an error only if the host happens to split.
                list.push((vec![], kind != 0));
                assert!(kind == 0 || addr >> 44 & 15 == kind >> 44);
                timeouts += (kind == fault::SILENT || kind == fault::LATE) as u64;
            }
        }
        for (c, list) in expect.iter_mut().enumerate() {
            for (e, (addr, len)) in list.iter_mut().zip(&b.rd[c]) {
                e.0 = b.rc.load(*addr, *len as usize);
            }
        }
        let before = b.events;
        b.settle();
        for (c, expect) in expect.iter().enumerate() {
            let got = std::mem::take(&mut b.answers[c]);
            assert_eq!(got.len(), expect.len());
            for (g, (data, fails)) in got.iter().zip(expect) {
                if !fails {
                    assert!(
                        !g.err && g.data == *data,
                        "round {round}: a good transfer suffered"
                    );
                } else if !g.err {
                    assert!(g.data == *data, "no error and wrong data");
                }
            }
            let errors = got.iter().filter(|a| a.err).count() as u64;
            // Timeouts of several pieces come with one tick.
            let least = errors.saturating_sub(timeouts).max(errors.min(1));
            assert!(b.events[0] - before[0] >= least, "every error is an event");
        }
        assert!(b.events[3] - before[3] >= timeouts.min(1));
        assert_eq!(
            b.events[1], 0,
            "late completions are not unexpected: {round}"
        );
        assert_eq!(b.events[2], 0);
    }
    assert!(b.events[4] > 0 && b.events[0] > 20);
}

/// A completion never overtakes what the card had written before; without bus master enable only completions go.
#[test]
fn ordering_and_bus_master() {
    let mut b = Bench::new();
    b.rc.ready = 30;
    for i in 0..60u64 {
        let before = b.rc.writes.len();
        let n = b.rc.rng.random_range(1..6usize);
        for k in 0..n as u64 {
            let len = b.rc.rng.random_range(1..40usize);
            let data = b.bytes(len);
            b.transfer(0x10_0000 + (i * 8 + k) * 64, &data);
        }
        let late = b.rc.rng.random_range(0..60);
        b.run("accepted", |b| b.wr.is_empty());
        (0..late).for_each(|_| b.step());
        let c = b.read(0, 0x10, 1);
        assert!(
            c.after_writes >= before + n,
            "a completion overtook a write"
        );
    }
    b.settle();
    b.rc.bus_master = false;
    b.rc.writes.clear();
    let data = b.bytes(3000);
    b.transfer(0x20_0000, &data);
    b.interrupt(1);
    b.rd[1].push_back((0x20_0000, 600));
    for _ in 0..400 {
        b.step();
    }
    assert_eq!(b.read(0, 0x10, 1).status, 0);
    assert_eq!((b.rc.writes.len(), b.rc.reads), (0, 0));
    b.rc.bus_master = true;
    b.settle();
    assert_eq!(b.rc.load(0x20_0000, 3000), data);
    assert_eq!(b.answers[1].len(), 1);
}

/// A function-level reset in the middle of everything, again and again; then all works and old answers are swallowed.
#[test]
fn reset_in_mid_transfer() {
    let mut b = Bench::new();
    b.rc.delay = 100..900;
    for round in 0..60 {
        for c in 0..2 {
            for _ in 0..4 {
                let (addr, len) = (b.address(), b.length());
                let (addr, len) = Bench::readable(c, addr, len);
                b.rd[c].push_back((addr, len as u32));
            }
        }
        for _ in 0..4 {
            let (addr, len) = (b.address(), b.length());
            let data = b.bytes(len);
            b.transfer(addr, &data);
        }
        b.rc.write(0, 0x40, &[round]);
        b.rc.read(0, 0x40, 1, 3);
        for _ in 0..b.rc.rng.random_range(1..1500) {
            b.step();
        }
        // The clients are reset together with the engines.
        b.flr = true;
        b.step();
        b.wr.clear();
        b.rd = Default::default();
        b.step();
        b.partial = Default::default();
        b.answers = Default::default();
        b.step();
        b.answers = Default::default();
        let quick = round % 2 == 0;
        if !quick {
            b.settle();
        }
        let data = b.bytes(500);
        b.rc.store(0x7000_0123, &data);
        b.transfer(0x7100_0321, &data);
        let mut expect = vec![];
        for c in 0..2 {
            let (addr, len) = Bench::readable(c, 0x7000_0123, 500);
            b.rd[c].push_back((addr, len as u32));
            expect.push(b.rc.load(addr, len));
        }
        b.settle();
        assert_eq!(b.rc.load(0x7100_0321, 500), data, "round {round}");
        for (c, data) in expect.into_iter().enumerate() {
            assert_eq!(b.answers[c], [Answer { data, err: false }], "round {round}");
        }
        assert_eq!(
            b.rc.completions.remove(&3).expect("registers live on").data,
            [round]
        );
    }
    assert_eq!(
        b.events, [0; 5],
        "late completions of a reset are swallowed"
    );
}

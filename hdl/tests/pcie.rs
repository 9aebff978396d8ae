//! Registers and MSI-X behind a TLP boundary, against a root complex in plain Rust.

#[path = "common/endpoint_bench.rs"]
mod endpoint_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use endpoint_bench::Bench;
use rand::Rng;
use root_complex::request;
use std::collections::BTreeMap;

/// Random reads and writes of one and two double words; registers that nobody answers read as zero.
#[test]
fn registers() {
    let mut b = Bench::new();
    let mut model: BTreeMap<u32, u32> = BTreeMap::new();
    for round in 0..60 {
        let mut expect = vec![];
        let mut log = vec![];
        b.reg_log.clear();
        for tag in 0..24 {
            let pair: bool = b.rc.rng.random();
            let dws = 1 + pair as u32;
            let high: u64 = b.rc.rng.random_range(0..2);
            let addr = b.rc.rng.random_range(0..16u32) * 4 + b.rc.rng.random_range(0..2) * 0x8000;
            let place = high << 40 | 0xfe00_0000 | addr as u64;
            if b.rc.rng.random() {
                let data: Vec<u32> = (0..dws).map(|_| b.rc.rng.random()).collect();
                b.rc.write(0, place, &data);
                for (i, d) in data.iter().enumerate() {
                    model.insert(addr + 4 * i as u32, *d);
                    log.push((true, addr + 4 * i as u32, *d));
                }
            } else {
                b.rc.read(0, place, dws, tag);
                let at = |i: u32| {
                    let a = addr + 4 * i;
                    let silent = a & 0x8000 != 0;
                    if silent {
                        0
                    } else {
                        model.get(&a).copied().unwrap_or(0)
                    }
                };
                expect.push((tag, addr, (0..dws).map(at).collect::<Vec<_>>()));
                (0..dws).for_each(|i| log.push((false, addr + 4 * i, 0)));
            }
        }
        b.settle();
        for (tag, addr, data) in expect {
            let c = b.rc.completions.remove(&tag).expect("an answer");
            assert_eq!(c.dw0, 0x4a00_0000 | data.len() as u32);
            assert_eq!((c.status, &c.data), (0, &data), "round {round} at {addr:x}");
            assert_eq!((c.count, c.lower), (4 * data.len() as u32, addr & 127));
        }
        let seen: Vec<_> = b
            .reg_log
            .iter()
            .map(|(w, a, d)| (*w, *a, if *w { *d } else { 0 }))
            .collect();
        assert_eq!(seen, log, "the bus sees every access once, in order");
    }
    assert_eq!(b.events, [0; 5]);
}

/// Reads of parts of double words (readb, readw) and of nothing (a flush, PCIe 2.2.5): answered with the whole double words, byte count and
/// lower address of what was asked for (2.2.9); a flush touches no register and stays behind writes before it.
#[test]
fn partial_reads() {
    let mut b = Bench::new();
    let mut count = 0;
    for round in 0..400u32 {
        let pair = round % 3 == 0;
        let (mut first, mut last) = (round % 16, b.rc.rng.random_range(1..16));
        if pair {
            first = first.max(1);
        } else {
            last = 0;
        }
        let at = 4 * b.rc.rng.random_range(0..16u64);
        let data: Vec<u32> = (0..1 + pair as u32).map(|_| b.rc.rng.random()).collect();
        b.rc.write(0, at, &data);
        b.reg_log.clear();
        let dws = data.len() as u32;
        let p = request(0, at, dws, first | last << 4, 9, &[]);
        b.rc.send(0, p);
        b.run("an answer", |b| b.rc.completions.contains_key(&9));
        let c = b.rc.completions.remove(&9).unwrap();
        // What was asked for, byte by byte.
        let enables = first | last << 4;
        let (from, to) = match enables {
            0 => (0, 1),
            e => (e.trailing_zeros(), 32 - e.leading_zeros()),
        };
        assert_eq!((c.dw0, c.status), (0x4a00_0000 | dws, 0), "round {round}");
        assert_eq!((c.count, c.lower), (to - from, (at as u32 + from) & 127));
        let reads = b.reg_log.iter().filter(|l| !l.0).count();
        if enables == 0 {
            assert_eq!((c.data, reads), (vec![0], 0), "a flush reads nothing");
            assert_eq!(b.regs[&(at as u32)], data[0], "the write is done");
            count += 1;
        } else {
            assert_eq!((c.data, reads), (data, dws as usize));
        }
    }
    assert!(count > 10);
    // A flush stays behind what the card had to write.
    for i in 0..20u64 {
        let data = b.bytes(300);
        b.transfer(0x5000_0000 + i * 4096, &data);
        (0..150).for_each(|_| b.step());
        b.rc.send(0, request(0, 0x40, 1, 0, 9, &[]));
        b.run("an answer", |b| b.rc.completions.contains_key(&9));
        let c = b.rc.completions.remove(&9).unwrap();
        let begun =
            b.rc.writes
                .iter()
                .filter(|w| w.addr >= 0x5000_0000 + i * 4096);
        assert!(begun.count() > 0 && c.after_writes > 0, "transfer {i}");
    }
    b.settle();
    assert_eq!(b.events, [0; 5]);
}

/// Everything that is not a plain register access: unsupported requests, malformed and poisoned packets, messages.
#[test]
fn strange_packets() {
    let mut b = Bench::new();
    let refused = |b: &mut Bench, what: &str, packet: Vec<u32>, bar, count, lower, dw0| {
        b.rc.send(bar, packet);
        b.run(what, |b| b.rc.completions.contains_key(&9));
        let c = b.rc.completions.remove(&9).unwrap();
        assert_eq!(
            (c.dw0, c.status, c.count, c.lower, c.data.len()),
            (dw0, 1, count, lower, 0),
            "{what}"
        );
    };
    let ur = 0x0a00_0000;
    for dws in [3, 4, 32, 1024] {
        let count = (4 * dws) & 0xfff;
        refused(
            &mut b,
            "long",
            request(0, 0x120, dws, 0xff, 9, &[]),
            0,
            count,
            0x20,
            ur,
        );
    }
    // One double word has no last byte enables, two have both.
    for be in [0x10, 0x1f] {
        let p = request(0, 0x44, 1, be, 9, &[]);
        refused(&mut b, "last enables", p, 0, 1, 0x44, ur);
    }
    refused(
        &mut b,
        "bar",
        request(0, 0x40, 1, 0xf, 9, &[]),
        1,
        4,
        0x40,
        ur,
    );
    refused(
        &mut b,
        "end",
        request(0, 0xfffc, 2, 0xff, 9, &[]),
        0,
        8,
        0x7c,
        ur,
    );
    refused(
        &mut b,
        "end of BAR2",
        request(0, 0xffc, 2, 0xff, 9, &[]),
        2,
        8,
        0x7c,
        ur,
    );
    let mut io = request(0, 0x40, 1, 0xf, 9, &[]);
    io[0] |= 2 << 24;
    refused(&mut b, "I/O read", io, 0, 4, 0, ur);
    let mut io = request(2, 0x40, 1, 0xf, 9, &[5]);
    io[0] |= 2 << 24;
    refused(&mut b, "I/O write", io, 0, 4, 0, ur);
    let mut locked = request(0, 0x40, 1, 0xf, 9, &[]);
    locked[0] |= 1 << 24;
    refused(&mut b, "locked", locked, 0, 4, 0x40, 0x0b00_0000);
    let mut atomic = request(2, 0x40, 1, 0xf, 9, &[5]);
    atomic[0] |= 12 << 24;
    refused(&mut b, "atomic", atomic, 0, 4, 0, ur);
    assert_eq!(b.events, [0; 5]);

    // A digest (TD) behind a read and behind a write.
    let mut digest = request(2, 0x48, 1, 0xf, 0, &[77]);
    digest[0] |= 1 << 15;
    digest.push(0x1234);
    b.rc.send(0, digest);
    let mut digest = request(0, 0x48, 1, 0xf, 7, &[]);
    digest[0] |= 1 << 15;
    digest.push(0x1234);
    b.rc.send(0, digest);
    b.run("digest", |b| b.rc.completions.contains_key(&7));
    assert_eq!(b.rc.completions.remove(&7).unwrap().data, [77]);
    // Messages are dropped.
    b.rc.send(0, vec![0x3400_0000, 0x20, 0, 0]);
    b.rc.send(0, vec![0x7400_0001, 0x20, 0, 0, 5]);
    b.settle();
    assert_eq!(b.events, [0; 5]);

    // Writes that have no effect, by event.
    let logged = b.reg_log.len();
    let mut poison = request(2, 0x40, 1, 0xf, 0, &[5]);
    poison[0] |= 1 << 14;
    b.rc.send(0, poison);
    b.settle();
    assert_eq!(b.events, [0, 0, 0, 0, 1]);
    let mut short = request(2, 0x40, 2, 0xff, 0, &[5, 6]);
    short.pop();
    let mut long = request(2, 0x40, 1, 0xf, 0, &[5]);
    long.push(6);
    let mut payload = request(0, 0x40, 1, 0xf, 8, &[]);
    payload.push(6);
    let malformed = vec![
        request(2, 0x40, 3, 0xff, 0, &[5, 6, 7]),
        request(2, 0x40, 1, 0x3, 0, &[5]),
        request(2, 0x40, 1, 0xf, 0, &[5]),
        request(2, 0x40, 2, 0x7f, 0, &[5, 6]),
        short,
        long,
        payload,
        vec![0x4000_0001],
        vec![0x4000_0001, 0xf],
        vec![0x9000_0000, 0, 0, 0],
        vec![0x1f00_0000, 0, 0],
    ];
    let n = malformed.len() as u64;
    for (i, p) in malformed.into_iter().enumerate() {
        b.rc.send(if i == 2 { 3 } else { 0 }, p);
    }
    // A write of no bytes is nothing.
    b.rc.send(0, request(2, 0x40, 1, 0, 0, &[5]));
    // A completion that nobody waits for.
    b.rc.send(0, vec![0x4a00_0001, 4, 0x1a38_0300, 5]);
    b.rc.send(0, vec![0x0a00_0000, 0x2004, 0x1a38_0500]);
    b.rc.send(0, vec![0x0a00_0000, 0x2004, 0x7777_0500]);
    b.settle();
    assert_eq!(b.events, [0, 3, n, 0, 1]);
    assert_eq!(b.reg_log.len(), logged, "nothing reached the bus");
    assert!(b.rc.completions.is_empty());
    assert_eq!(b.read(0, 0x48, 1).data, [77], "and it works on");
}

/// Interrupts: order behind data, vector and function mask, pending bits, the self test, MSI-X off.
#[test]
fn msix() {
    let mut b = Bench::new();
    b.m.poke("cfg_msix_enable", 1);
    assert_eq!(b.read(2, 12, 1).data, [1], "masked after reset");
    for v in 0..16u64 {
        let high = if v.is_multiple_of(3) {
            0
        } else {
            0x7 + v as u32
        };
        b.rc.write(2, 16 * v, &[0xfee0_0000 + 64 * v as u32, high]);
        b.rc.write(2, 16 * v + 8, &[0x4000 + v as u32, 0]);
    }
    let place = |v: u64| {
        let high = if v.is_multiple_of(3) { 0 } else { 7 + v };
        high << 32 | (0xfee0_0000 + 64 * v)
    };
    for v in 0..16u32 {
        let c = b.read(2, 16 * v as u64, 2);
        assert_eq!(
            c.data,
            [place(v as u64) as u32, (place(v as u64) >> 32) as u32]
        );
        assert_eq!(b.read(2, 16 * v as u64 + 8, 2).data, [0x4000 + v, 0]);
    }
    // Data, then its interrupt, many times.
    for i in 0..200u64 {
        let len = b.length();
        let data = b.bytes(len);
        b.transfer(0x5000_0000 + i * 16384, &data);
        b.interrupt(i % 16);
    }
    b.settle();
    let mut next = 0;
    for w in &b.rc.writes {
        if w.addr >> 24 & 0xff == 0xfe {
            assert_eq!((w.addr, w.data.len()), (place(next % 16), 4));
            assert_eq!(w.data[..2], (0x4000 + next as u16 % 16).to_le_bytes());
            next += 1;
        } else {
            assert_eq!(
                (w.addr - 0x5000_0000) / 16384,
                next,
                "data before its interrupt"
            );
        }
    }
    assert_eq!(next, 200);
    let raised = |b: &mut Bench| -> Vec<u64> {
        b.settle();
        let list = b.rc.writes.iter().map(|w| w.addr >> 6 & 15).collect();
        b.rc.writes.clear();
        list
    };
    raised(&mut b);
    // Masked: pending, delivered once when unmasked.
    b.rc.write(2, 16 * 5 + 12, &[1]);
    b.settle();
    b.interrupt(5);
    b.interrupt(5);
    b.interrupt(6);
    assert_eq!(raised(&mut b), [6]);
    assert_eq!(b.read(2, 0x800, 2).data, [1 << 5, 0]);
    assert_eq!(b.m.peek("vectors_pending"), 1 << 5);
    b.rc.write(2, 16 * 5 + 12, &[0]);
    assert_eq!(raised(&mut b), [5]);
    assert_eq!(b.read(2, 0x800, 1).data, [0]);
    // Function mask.
    b.m.poke("cfg_msix_mask", 1);
    for v in [3, 9, 3, 15] {
        b.interrupt(v);
    }
    assert!(raised(&mut b).is_empty());
    b.m.poke("cfg_msix_mask", 0);
    assert_eq!(raised(&mut b), [3, 9, 15]);
    // No register access waits for the packet of a vector that is masked.
    b.m.poke("cfg_msix_mask", 1);
    for _ in 0..150 {
        b.interrupt(4);
        (0..b.rc.rng.random_range(0..40)).for_each(|_| b.step());
        assert_eq!(b.read(0, 0x40, 1).status, 0);
    }
    b.m.poke("cfg_msix_mask", 0);
    assert_eq!(raised(&mut b), [4]);
    // Self test.
    b.m.poke("vector_test", 0x8001);
    b.step();
    b.m.poke("vector_test", 0);
    assert_eq!(raised(&mut b), [0, 15]);
    // Off: nothing is sent and nothing kept.
    b.m.poke("cfg_msix_enable", 0);
    b.interrupt(2);
    assert!(raised(&mut b).is_empty());
    b.m.poke("cfg_msix_enable", 1);
    assert!(raised(&mut b).is_empty());
    // Outside of table and PBA.
    assert_eq!(b.read(2, 0x104, 2).data, [0, 0]);
    b.flr = true;
    b.settle();
    assert_eq!(b.read(2, 16 * 5 + 12, 1).data, [1], "a reset masks");
    assert_eq!(b.events, [0; 5]);
}

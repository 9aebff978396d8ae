//! The host port against a host that means no good and faults of the link; moderation and events.

#[path = "common/host_bench.rs"]
mod host_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use host_bench::{Host, MSI};
use rand::Rng;
use root_complex::fault;
use smartnic_regs::ring::completion as c;
use smartnic_regs::values::{ring_error, vector};
use smartnic_regs::{event, host};

/// Reads of submissions and of data that fail stop the ring; disabling and enabling it recovers.
#[test]
fn faults_stop_and_recover() {
    let mut h = Host::new(2);
    h.set(host::READ_TIMEOUT, 0, 2000);
    h.rc.late = 5000;
    for kind in [
        fault::UR,
        fault::CA,
        fault::SILENT,
        fault::POISON,
        fault::LATE,
    ] {
        let mut r = h.ring(5, 3);
        h.settle();
        h.clear();
        // A frame whose data cannot be read, between good ones.
        for i in 0..3u64 {
            let data = h.bytes(600);
            let addr = 0x4_0000 + i * 0x1000 + if i == 1 { kind } else { 0 };
            h.rc.store(addr, &data);
            h.submit(&mut r, addr, Host::word2(600, None, true), i as u32);
        }
        h.ring_tail(&r);
        h.settle();
        let e: Vec<_> = (0..3).map_while(|_| h.completion(&mut r)).collect();
        let status: Vec<u32> = e.iter().map(|e| c::STATUS.get(e[1])).collect();
        assert_eq!(status[..2], [c::OK, c::DMA_ERROR], "{kind:x}");
        assert!(
            !h.frames[0].err
                && h.frames
                    .iter()
                    .skip(1)
                    .all(|f| !f.err || f.data.len() < 600)
        );
        assert_eq!(h.ring_state(5), (1, ring_error::DATA));
        assert!(h.interrupts(vector::ERROR.into()) > 0);
        h.set(host::CONTROL, 5, 0);
        assert_eq!(h.ring_state(5), (0, 0));
        // Submissions that cannot be read.
        let mut r = h.ring(5, 3);
        h.set(host::SQ_HI, 5, (r.sq >> 32 | kind >> 32) as u32);
        h.clear();
        h.submit(&mut r, 0x4_0000, Host::word2(100, None, false), 0);
        h.ring_tail(&r);
        h.settle();
        assert_eq!(h.ring_state(5), (1, ring_error::SUBMISSION));
        assert!(h.interrupts(vector::ERROR.into()) > 0);
        h.set(host::CONTROL, 5, 0);
        h.clear();
        // And it works again.
        let mut r = h.ring(5, 3);
        let data = h.bytes(90);
        h.rc.store(0x4_0000, &data);
        h.submit(&mut r, 0x4_0000, Host::word2(90, None, false), 77);
        h.ring_tail(&r);
        h.settle();
        assert_eq!(h.completion(&mut r).expect("recovered")[0], 77);
        assert_eq!(h.frames[0].data, data);
        h.set(host::CONTROL, 5, 0);
        h.settle();
        h.clear();
    }
    assert_ne!(h.get(host::DMA_STATUS, 0) & 0b1_1001, 0);
    h.set(host::DMA_STATUS, 0, 0x1f);
    assert_eq!(h.get(host::DMA_STATUS, 0), 0);
}

/// Random writes to every ring register; afterwards a ring works as if nothing had been.
#[test]
fn hostile_host() {
    let mut h = Host::new(2);
    h.set(host::READ_TIMEOUT, 0, 500);
    for round in 0..6 {
        for _ in 0..250 {
            let ring = h.rc.rng.random_range(0..8);
            let regs = [
                host::CONTROL,
                host::SQ_TAIL,
                host::CQ_HEAD,
                host::SQ_LO,
                host::MODERATION,
                host::HEAD_LO,
                host::CONTROL,
                host::SQ_TAIL,
            ];
            let reg = regs[h.rc.rng.random_range(0..regs.len())];
            let wild: u32 = h.rc.rng.random();
            let value = match h.rc.rng.random_range(0..3) {
                0 => wild,
                1 => 1 | (wild & 0xf) << 8,
                _ => wild & 0xf,
            };
            h.set(reg, ring, value);
            if h.rc.rng.random_range(0..3) == 0 {
                let n = h.rc.rng.random_range(14..300);
                let f = h.out_frame(n);
                h.out.push_back(f);
            }
            (0..40).for_each(|_| h.step());
        }
        h.run("the switch is not blocked", |h| h.out.is_empty());
        for i in 0..8 {
            h.set(host::CONTROL, i, 0);
            h.set(host::MODERATION, i, 0);
        }
        h.settle();
        h.clear();
        let mut t = h.ring(4, 2);
        let mut r = h.ring(0, 2);
        let data = h.bytes(61);
        h.rc.store(0x4_0001, &data);
        h.submit(
            &mut t,
            0x4_0001,
            Host::word2(61, Some((1, 3)), false),
            round,
        );
        h.submit(&mut r, 0x5_0001, 100, round);
        h.ring_tail(&t);
        h.ring_tail(&r);
        h.settle();
        assert_eq!(h.frames.len(), 1, "round {round}");
        assert_eq!(
            (&h.frames[0].data, h.frames[0].direct),
            (&data, Some((1, 3)))
        );
        let f = h.out_frame(80);
        h.out.push_back(f.clone());
        h.settle();
        let e = h.completion(&mut r).expect("a frame");
        h.check_received(&e, &f, round, c::OK, 80);
        assert_eq!(h.completion(&mut t).expect("a frame")[0], round);
    }
    // Named errors.
    for (log2, tail, code) in [
        (1, 1, ring_error::SIZE),
        (0, 1, ring_error::SIZE),
        (3, 9, ring_error::DOORBELL),
        (3, 0xffff, ring_error::DOORBELL),
    ] {
        h.set(host::CONTROL, 2, 0);
        h.set(host::CONTROL, 2, 1 | log2 << 8);
        h.set(host::SQ_TAIL, 2, tail);
        h.settle();
        assert_eq!(h.ring_state(2), (1, code), "size {log2}, tail {tail}");
    }
}

/// Interrupts wait for COUNT completions or TIME; URGENT does not wait.
#[test]
fn moderation() {
    let mut h = Host::new(2);
    let mut t = h.ring(4, 6);
    h.set(host::MODERATION, 4, 8 | 100 << 16);
    h.settle();
    let mut send = |h: &mut Host, n: u32, urgent: bool| {
        h.clear();
        for i in 0..n {
            h.submit(
                &mut t,
                0x4_0000,
                Host::word2(60, None, urgent && i + 1 == n),
                i,
            );
        }
        h.ring_tail(&t);
        let start = h.rc.now;
        h.settle();
        let done = t.tail as u32;
        h.set(host::CQ_HEAD, 4, done);
        let at = h.rc.writes.iter().find(|w| w.addr == MSI + 16);
        (h.interrupts(4), at.expect("an interrupt").cycle - start)
    };
    let (count, after) = send(&mut h, 3, false);
    assert_eq!(count, 1);
    assert!(
        (6400..8000).contains(&after),
        "TIME is 6,400 cycles: {after}"
    );
    let (count, after) = send(&mut h, 3, true);
    assert!(count == 1 && after < 1500, "urgent: {after}");
    let (count, after) = send(&mut h, 16, false);
    assert!(count == 2 && after < 4000, "COUNT: {count} after {after}");
}

/// Events: every entry, the interrupt, a full ring, a ring that is off, link changes.
#[test]
fn events() {
    let mut h = Host::new(2);
    let base = 0x9_0000_0080;
    let event = |h: &mut Host| {
        let mut x = |n: u64| h.rc.rng.random_range(0..n);
        (x(256) as u32, x(1 << 60), x(64) as u32, x(64) as u32)
    };
    let e = event(&mut h);
    h.events.push_back(e);
    h.settle();
    assert_eq!(h.get(event::LOST, 0), 1, "off");
    h.event_ring(base, 4);
    h.settle();
    let mut seen = 0;
    for round in 0..20 {
        h.clear();
        let n = h.rc.rng.random_range(1..16);
        let list: Vec<_> = (0..n).map(|_| event(&mut h)).collect();
        h.events.extend(list.iter().copied());
        h.settle();
        for e in &list {
            assert_eq!(h.event_entry(base, seen, 4), Some(*e), "round {round}");
            seen += 1;
        }
        assert_eq!(h.event_entry(base, seen, 4), None);
        assert!(h.interrupts(8) >= 1);
        assert_eq!(
            h.rc.writes.last().unwrap().addr,
            MSI + 32,
            "the interrupt is last"
        );
        h.set(event::HEAD, 0, seen & 0xffff);
        h.settle();
    }
    for _ in 0..20 {
        let e = event(&mut h);
        h.events.push_back(e);
    }
    h.settle();
    assert_eq!(h.get(event::LOST, 0), 1 + 4, "16 fit");
    h.clear();
    h.link_changed = true;
    h.settle();
    assert_eq!(h.interrupts(8), 1);
}

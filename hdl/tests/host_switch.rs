//! What the switch sees of the host port: frames without buffers, a link that stands still, resets of either side in mid-frame.

#[path = "common/host_bench.rs"]
mod host_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use host_bench::Host;
use rand::Rng;
use smartnic_regs::host;
use smartnic_regs::ring::completion as c;

/// Frames without a buffer are dropped and counted, wait for buffers under way, and never block the switch.
#[test]
fn frames_without_buffers() {
    let mut h = Host::new(2);
    for _ in 0..5 {
        let f = h.out_frame(100);
        h.out.push_back(f);
    }
    h.settle();
    assert_eq!(h.get(host::NO_BUFFER, 0), 5, "the ring is off");
    let mut r = h.ring(0, 3);
    h.settle();
    let f = h.out_frame(100);
    h.out.push_back(f);
    h.settle();
    assert_eq!(h.get(host::NO_BUFFER, 0), 6, "no submission");
    // The doorbell rings just before the frame: it waits for the fetch.
    h.submit(&mut r, 0x8_0000, 2000, 1);
    h.rc.delay = 250..300;
    h.ring_tail(&r);
    (0..30).for_each(|_| h.step());
    let f = h.out_frame(100);
    h.out.push_back(f.clone());
    h.settle();
    let e = h.completion(&mut r).expect("it waited");
    h.check_received(&e, &f, 1, c::OK, 100);
    assert_eq!(h.get(host::NO_BUFFER, 0), 6);
    // Completions that the host does not take: the queue of 8 fills, the rest is dropped.
    for i in 0..7 {
        h.submit(&mut r, 0x8_0000, 2000, i);
    }
    h.ring_tail(&r);
    h.settle();
    for i in 7..8 {
        h.submit(&mut r, 0x8_0000, 2000, i);
    }
    h.ring_tail(&r);
    h.settle();
    for _ in 0..20 {
        let f = h.out_frame(64);
        h.out.push_back(f);
    }
    h.settle();
    assert_eq!(h.get(host::NO_BUFFER, 0), 6 + 13);
}

/// A link that stands still, or a bus master that is off: frames to the host are dropped and counted at a rate far above what a port brings,
/// so the switch goes on; afterwards the ring works and every frame is accounted for.
#[test]
fn stuck_link() {
    for (ports, stuck) in [(2, true), (2, false), (8, true)] {
        let mut h = Host::new(ports);
        let mut r = h.ring(0, 5);
        for i in 0..32 {
            h.submit(&mut r, 0x8_0000 + 4096 * i, 2000, i as u32);
        }
        h.ring_tail(&r);
        h.settle();
        let mut taken = 0;
        for round in 0..3 {
            (h.rc.ready, h.rc.bus_master) = if stuck { (0, true) } else { (70, false) };
            // Until the write buffers are full and the frame is given up.
            taken += h.offer_blindly(3);
            let then = h.offer_blindly(10);
            taken += then;
            // 64 bytes and the gap are 84 cycles at 1 Gb/s.
            assert!(then > 3 * 10_000 / 84, "{then} frames in 10,000 cycles");
            (h.rc.ready, h.rc.bus_master) = (70, true);
            h.settle();
            while h.completion(&mut r).is_some() {}
            let missed = h.get(host::NO_BUFFER, 0);
            assert_eq!(r.seen + missed, taken as u32, "round {round}");
            h.set(host::CQ_HEAD, 0, r.seen & 0xffff);
            let f = h.out_frame(700);
            h.out.push_back(f.clone());
            taken += 1;
            h.settle();
            let e = h.completion(&mut r).expect("it works again");
            let at = 0x8_0000 + 4096 * e[0] as u64;
            assert!(h.rc.load(at, 700) == f.data, "round {round}");
            h.check_received(&e, &f, e[0], c::OK, 700);
            h.set(host::CQ_HEAD, 0, r.seen & 0xffff);
        }
        assert_eq!(h.ring_state(0), (0, 0));
    }
}

/// The switch is reset in the middle of a frame, or between frames: what was begun is lost and counted, nothing of it is mixed with the next frame,
/// which finds the same buffer; without a next frame the port comes to rest.
#[test]
fn switch_reset_in_mid_frame() {
    for ports in [2, 8] {
        let mut h = Host::new(ports);
        let mut r = h.ring(0, 3);
        let (mut missed, mut cuts) = (0, 0);
        for round in 0..120u32 {
            // Some buffers are shorter than the frames.
            let room = [2000, 100, 700][round as usize % 3];
            let addr = 0x8_0000 + 8192 * (round as u64 % 8);
            h.submit(&mut r, addr, room, round);
            h.ring_tail(&r);
            h.settle();
            let n = h.rc.rng.random_range(100..1500);
            let lost = h.out_frame(n);
            h.out.push_back(lost);
            for _ in 0..h.rc.rng.random_range(0..40 + n / 2) {
                h.step();
            }
            let mut half = false;
            if !h.out.is_empty() {
                let begun = h.switch_reset();
                // Of a beat of 128 bits half may have been taken.
                half = ports == 8 && !begun;
                missed += u32::from(begun);
                cuts += u32::from(begun);
                if round % 4 == 0 {
                    h.settle();
                }
                let n = h.rc.rng.random_range(14..1500);
                let f = h.out_frame(n);
                h.out.push_back(f.clone());
                h.settle();
                let e = h.completion(&mut r).expect("the next frame");
                let n = n.min(room as usize);
                let status = if n < f.data.len() {
                    c::TRUNCATED
                } else {
                    c::OK
                };
                h.check_received(&e, &f, round, status, n);
                assert!(h.rc.load(addr, n) == f.data[..n], "round {round}");
            } else {
                h.settle();
                assert_eq!(h.completion(&mut r).expect("a frame")[0], round);
            }
            assert_eq!(h.completion(&mut r), None);
            let counted = h.get(host::NO_BUFFER, 0);
            missed += u32::from(half && counted == missed + 1);
            assert_eq!(counted, missed, "round {round}");
            h.set(host::CQ_HEAD, 0, r.seen & 0xffff);
            h.clear();
        }
        assert!(cuts > 40, "{cuts} frames were cut");
    }
}

/// A function-level reset in the middle of traffic; no frame to the switch stays open, and all works again.
#[test]
fn function_level_reset() {
    let mut h = Host::new(2);
    for round in 0..25 {
        let mut t = h.ring(4 + round % 4, 4);
        let mut r = h.ring(0, 4);
        for i in 0..12u64 {
            let n = h.rc.rng.random_range(14..1500);
            h.submit(
                &mut t,
                0x4_0000 + i * 2048,
                Host::word2(n, None, false),
                i as u32,
            );
            h.submit(&mut r, 0x8_0000 + i * 2048, 2000, i as u32);
            let f = h.out_frame(n as usize);
            h.out.push_back(f);
        }
        h.ring_tail(&t);
        h.ring_tail(&r);
        for _ in 0..h.rc.rng.random_range(500..5000) {
            h.step();
        }
        h.flr = true;
        if round % 2 == 0 {
            h.settle();
        }
        for _ in 0..3 {
            h.step();
        }
        h.vectors();
        h.settle();
        for i in 0..8 {
            assert_eq!(h.get(host::CONTROL, i), 0);
            assert_eq!(h.get(host::SQ_LO, i), 0);
        }
        h.clear();
        let mut t = h.ring(4, 3);
        let mut r = h.ring(0, 3);
        let data = h.bytes(200);
        h.rc.store(0x4_0000, &data);
        h.submit(&mut t, 0x4_0000, Host::word2(200, None, false), 9);
        h.submit(&mut r, 0x8_0000, 2000, 8);
        h.ring_tail(&t);
        h.ring_tail(&r);
        h.settle();
        let f = h.out_frame(60);
        h.out.push_back(f.clone());
        h.settle();
        assert_eq!(h.completion(&mut t).expect("sent")[0], 9);
        let e = h.completion(&mut r).expect("received");
        h.check_received(&e, &f, 8, c::OK, 60);
        assert_eq!(h.frames.len(), 1);
        assert_eq!(h.frames[0].data, data);
        assert_eq!(
            h.get(host::DMA_STATUS, 0),
            0,
            "late completions are swallowed"
        );
        for i in 0..8 {
            h.set(host::CONTROL, i, 0);
        }
        h.settle();
    }
}

/// A ring that is disabled in mid-traffic: once BUSY is clear nothing of it is read or written any more, whatever the link does; then it starts anew.
#[test]
fn rings_stop() {
    let mut h = Host::new(2);
    let busy = |h: &mut Host, i: u32| host::STATUS::BUSY.get(h.get(host::STATUS, i));
    let mut waited = 0;
    for round in 0..60u64 {
        let (rx, tx) = ((round % 4) as u32, 4 + (round / 4 % 4) as u32);
        h.set(host::STEERING, 0, host::STEERING::SOURCE.put(rx * 0x5555));
        let (mut r, mut t) = (h.ring(rx, 5), h.ring(tx, 5));
        // Memory of its own for each life, by whose address it is known.
        let base = (0x40 + round) << 32;
        for i in 0..20 {
            h.submit(&mut r, base + 4096 * i, 2000, i as u32);
            let n = h.rc.rng.random_range(60..1500);
            h.submit(
                &mut t,
                base + 0x100_0000 + 4096 * i,
                Host::word2(n, None, false),
                0,
            );
            let f = h.out_frame(n as usize);
            h.out.push_back(f);
        }
        h.ring_tail(&r);
        h.ring_tail(&t);
        h.rc.ready = [5, 30, 70, 100][round as usize % 4];
        for _ in 0..h.rc.rng.random_range(800..6000) {
            h.step();
        }
        assert_eq!((busy(&mut h, rx), busy(&mut h, tx)), (1, 1), "they run");
        h.set(host::CONTROL, rx, 0);
        h.set(host::CONTROL, tx, 0);
        let mut polls = 0;
        while busy(&mut h, rx) + busy(&mut h, tx) > 0 {
            polls += 1;
            assert!(polls < 2000, "the rings do not stop");
        }
        waited += u32::from(polls > 0);
        // All that was written has arrived; nothing comes after, and nothing is read.
        h.rc.writes.clear();
        h.rc.reads_at.clear();
        (0..3000).for_each(|_| h.step());
        let ours = |a: u64| {
            let ring = |r: &host_bench::Ring| {
                (r.sq..r.sq + (16 << 5)).contains(&a)
                    || (r.cq..r.cq + (32 << 5)).contains(&a)
                    || a == r.head
            };
            a >> 32 == base >> 32 || ring(&r) || ring(&t)
        };
        let late: Vec<_> = h.rc.writes.iter().filter(|w| ours(w.addr)).collect();
        assert!(late.is_empty(), "round {round}: {late:x?}");
        let late: Vec<_> = h.rc.reads_at.iter().filter(|a| ours(**a)).collect();
        assert!(late.is_empty(), "round {round}: read {late:x?}");
        h.rc.ready = 70;
        h.out.retain(|_| false);
        h.switch_reset();
        h.settle();
        h.clear();
    }
    assert!(waited > 10, "{waited} rounds had something under way");
}

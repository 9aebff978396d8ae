//! The host port behind the endpoint core: receive, transmit, events, order on the bus, measured bytes on the link.

#[path = "common/host_bench.rs"]
mod host_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use host_bench::{Host, In, MSI, Out, Ring};
use rand::Rng;
use smartnic_regs::host;
use smartnic_regs::ring::completion as c;
use std::collections::{HashMap, VecDeque};

/// Cookie, length, status, and the frame that the switch gets.
type Expected = (u32, u32, u32, Option<In>);

fn receive(ports: u32) {
    let mut h = Host::new(ports);
    let mut r = h.ring(0, 4);
    h.settle();
    let mut posted: VecDeque<(u64, usize, u32)> = VecDeque::new();
    let mut sent: VecDeque<Out> = VecDeque::new();
    let mut next = 0u32;
    let mut done = 0;
    h.out_rate = 60;
    // Submissions arrive late, and out of order between tags, but before a frame that waits is dropped.
    h.rc.delay = 20..350;
    while done < 150 {
        // Buffers ahead of the frames: none may be lost.
        while posted.len() < 16 {
            let room = [64, 300, 1500, 2000, 0, 10_000][h.rc.rng.random_range(0..6)];
            let addr = 0x2_0000_0000 + (next as u64 % 64) * 0x4000 + h.rc.rng.random_range(0..64);
            h.submit(&mut r, addr, room as u32, 0xc000_0000 + next);
            posted.push_back((addr, room, 0xc000_0000 + next));
            next += 1;
        }
        h.ring_tail(&r);
        h.settle();
        for _ in 0..h.rc.rng.random_range(1..posted.len() + 1) {
            let n = match h.rc.rng.random_range(0..10) {
                0 => h.rc.rng.random_range(1500..9217),
                1..=6 => h.rc.rng.random_range(14..130),
                _ => h.rc.rng.random_range(60..1519),
            };
            let f = h.out_frame(n);
            h.out.push_back(f.clone());
            sent.push_back(f);
        }
        h.settle();
        let before = r.seen;
        let mut data = vec![];
        while let Some(f) = sent.pop_front() {
            let (addr, room, cookie) = posted.pop_front().unwrap();
            let Some(e) = h.completion(&mut r) else {
                let state = (h.get(host::STATUS, 0), h.get(host::NO_BUFFER, 0));
                panic!(
                    "no completion for frame {done} of {} bytes: {state:x?}",
                    f.data.len()
                );
            };
            let n = room.min(f.data.len());
            let cut = if n < f.data.len() {
                c::TRUNCATED
            } else {
                c::OK
            };
            h.check_received(&e, &f, cookie, cut, n);
            assert!(h.rc.load(addr, n) == f.data[..n], "data of frame {done}");
            data.push((addr, f.data[..n].to_vec()));
            done += 1;
        }
        assert_eq!(h.completion(&mut r), None);
        assert_eq!(h.rc.load32(r.head), r.seen, "head in memory");
        h.set(host::CQ_HEAD, 0, r.seen & 0xffff);
        let ring = &r;
        order(&h, &Replay { ring, before, data });
        h.clear();
    }
    assert_eq!(h.get(host::NO_BUFFER, 0), 0);
    assert_eq!(
        h.get(host::STATUS, 0),
        host::STATUS::HEAD.put(r.seen) | host::STATUS::BUSY.put(1)
    );
    assert_eq!(h.get(host::DMA_STATUS, 0), 0);
}

/// A ring whose writes are replayed in the order in which they reached the host.
struct Replay<'a> {
    ring: &'a Ring,
    /// Completions that the ring had before.
    before: u32,
    /// What must be in memory when the n-th completion is written: its bytes and where.
    data: Vec<(u64, Vec<u8>)>,
}

/// Data, completion, head, interrupt: at the moment at which a completion arrives the frame's bytes are in memory, a head counts only completions
/// that have arrived, and an interrupt follows the head of every completion. Memory starts as the opposite of what is expected.
fn order(h: &Host, r: &Replay) {
    let mut memory: HashMap<u64, u8> = HashMap::new();
    for (addr, bytes) in &r.data {
        for (i, b) in bytes.iter().enumerate() {
            memory.insert(addr + i as u64, !b);
        }
    }
    let (mut arrived, mut head, mut signalled) = (0usize, r.before, r.before);
    let mask = (1u64 << r.ring.log2) - 1;
    for w in &h.rc.writes {
        for (i, b) in w.data.iter().enumerate() {
            memory.insert(w.addr + i as u64, *b);
        }
        if w.addr >= r.ring.cq && w.addr < r.ring.cq + 32 * (mask + 1) {
            let place = (r.before as u64 + arrived as u64) & mask;
            assert_eq!(w.addr, r.ring.cq + 32 * place, "completions in order");
            assert!(w.data.len().is_multiple_of(32) && !w.data.is_empty());
            for _ in 0..w.data.len() / 32 {
                let (addr, bytes) = &r.data[arrived];
                let there = (0..bytes.len() as u64).map(|i| memory[&(addr + i)]);
                assert!(
                    there.eq(bytes.iter().copied()),
                    "completion {arrived} before its data"
                );
                arrived += 1;
            }
        } else if w.addr == r.ring.head {
            head = u32::from_le_bytes(w.data[..4].try_into().unwrap());
            assert_eq!(head, r.before + arrived as u32, "head");
        } else if w.addr == MSI + 4 * r.ring.index as u64 {
            assert_eq!(head, r.before + arrived as u32, "interrupt before the head");
            assert!(head > signalled, "an interrupt for nothing");
            signalled = head;
        }
    }
    assert_eq!(arrived, r.data.len());
    assert_eq!(signalled, head, "completions without an interrupt");
}

/// Frames of every kind of length to buffers of every size, byte by byte, entry by entry.
#[test]
fn receives() {
    receive(2);
}

/// The same at 128 bits.
#[test]
fn receives_at_128_bits() {
    receive(8);
}

/// Four transmit rings with random frames, direct and not, long and short, bad lengths and destinations.
#[test]
fn transmits() {
    for ports in [2, 8] {
        let mut h = Host::new(ports);
        h.in_rate = 70;
        h.rc.delay = 20..900;
        let mut rings: Vec<_> = (4..8).map(|i| h.ring(i, 3)).collect();
        h.settle();
        let mut total = 0;
        while total < 200 {
            let mut expect: Vec<Vec<Expected>> = vec![vec![]; 4];
            for (i, r) in rings.iter_mut().enumerate() {
                for k in 0..h.rc.rng.random_range(0..9) {
                    let n = match h.rc.rng.random_range(0..12) {
                        0 => h.rc.rng.random_range(0..14),
                        1 => h.rc.rng.random_range(9217..65536),
                        2 => h.rc.rng.random_range(1500..9217),
                        3..=8 => h.rc.rng.random_range(14..70),
                        _ => h.rc.rng.random_range(60..1515),
                    };
                    let direct = (h.rc.rng.random_range(0..2) == 0)
                        .then(|| (h.rc.rng.random_range(0..64), h.rc.rng.random_range(0..8)));
                    let data = h.bytes(n as usize);
                    let addr = 0x3_0000_0000
                        + ((i as u64) << 28)
                        + (k << 17)
                        + h.rc.rng.random_range(0..64);
                    if n <= 9216 {
                        h.rc.store(addr, &data);
                    }
                    let cookie = h.rc.rng.random();
                    h.submit(r, addr, Host::word2(n, direct, false), cookie);
                    let live = direct.is_none_or(|(d, _)| d < ports || d == 0x10 || d == 0x12);
                    let status = match n {
                        14..=9216 if live => c::OK,
                        14..=9216 => c::BAD_DEST,
                        _ => c::BAD_LENGTH,
                    };
                    let frame = (status == c::OK).then_some(In {
                        data,
                        err: false,
                        direct,
                    });
                    expect[i].push((cookie, n, status, frame));
                    total += 1;
                }
                h.rc.write(0, host::SQ_TAIL.at(r.index).into(), &[r.tail.into()]);
            }
            h.settle();
            for (i, r) in rings.iter().enumerate() {
                let (before, data) = (r.seen, vec![(0, vec![]); expect[i].len()]);
                order(
                    &h,
                    &Replay {
                        ring: r,
                        before,
                        data,
                    },
                );
            }
            for (i, r) in rings.iter_mut().enumerate() {
                for (cookie, n, status, _) in &expect[i] {
                    let Some(e) = h.completion(r) else {
                        let state = (h.get(host::STATUS, r.index), r.seen, r.tail);
                        panic!("no completion on ring {i}: {state:x?}");
                    };
                    let dw1 = c::LENGTH.put(*n) | c::STATUS.put(*status) | c::KIND.put(c::TRANSMIT);
                    assert_eq!((e[0], e[1]), (*cookie, dw1), "ring {i}");
                    assert!(e[6] == 7 && e[5] <= h.rc.now as u32, "timestamp");
                }
                assert_eq!(h.completion(r), None);
                assert_eq!(h.rc.load32(r.head), r.seen);
                h.set(host::CQ_HEAD, r.index, r.seen & 0xffff);
            }
            // Each ring's frames in its order.
            let mut frames = std::mem::take(&mut h.frames);
            for list in expect {
                let mut wanted: VecDeque<In> = list.into_iter().filter_map(|x| x.3).collect();
                frames.retain(|f| {
                    let hit = wanted.front() == Some(f);
                    if hit {
                        wanted.pop_front();
                    }
                    !hit
                });
                assert!(wanted.is_empty(), "a frame is missing or changed");
            }
            assert!(frames.is_empty(), "frames that nobody sent");
            h.clear();
        }
        assert_eq!(h.get(host::DMA_STATUS, 0), 0);
    }
}

/// Frames go to the ring of their source, traps to theirs; what has no running ring goes to ring 0, and is dropped where that does not run.
#[test]
fn steering() {
    use host::STEERING::{SOURCE, TRAP_RING, TRAPS};
    use smartnic_regs::values::reason;
    for ports in [4, 8] {
        let mut h = Host::new(ports);
        assert_eq!(h.get(host::STEERING, 0), 0, "ring 0 takes all");
        let mut rings: Vec<Option<Ring>> = vec![None; 4];
        let mut missed = [0u32; 4];
        for round in 0..12 {
            // Some rings run.
            for i in 0..4u32 {
                if h.rc.rng.random_range(0..3) == 0 {
                    h.set(host::CONTROL, i, 0);
                    h.settle();
                    rings[i as usize] = None;
                } else if rings[i as usize].is_none() {
                    rings[i as usize] = Some(h.ring(i, 6));
                }
            }
            let source: u32 = h.rc.rng.random();
            let trap = (h.rc.rng.random_range(0..4), h.rc.rng.random_range(0..2));
            let value = SOURCE.put(source) | TRAP_RING.put(trap.0) | TRAPS.put(trap.1);
            h.set(host::STEERING, 0, value);
            assert_eq!(h.get(host::STEERING, 0), value);
            let mut expect: Vec<Vec<Out>> = vec![vec![]; 4];
            for (i, ring) in rings.iter_mut().enumerate() {
                if let Some(r) = ring {
                    for k in 0..24 {
                        let addr = 0x2_0000_0000 + ((i as u64) << 24) + 4096 * k;
                        h.submit(r, addr, 2000, k as u32);
                    }
                    h.ring_tail(r);
                }
            }
            h.settle();
            for _ in 0..24 {
                let n = h.rc.rng.random_range(14..400);
                let why = [reason::LOCAL, reason::FLOOD, reason::RESERVED + 3];
                let why = why[h.rc.rng.random_range(0..3)];
                let mut f = h.out_frame(n);
                f.set_meta("reason", why);
                let wanted = if trap.1 == 1 && why >= reason::RESERVED {
                    trap.0
                } else {
                    source >> (2 * f.source) & 3
                };
                let ring = if rings[wanted as usize].is_some() {
                    wanted
                } else {
                    0
                } as usize;
                if rings[ring].is_some() {
                    expect[ring].push(f.clone());
                } else {
                    missed[0] += 1;
                }
                h.out.push_back(f);
            }
            h.settle();
            for (i, list) in expect.iter().enumerate() {
                if let Some(mut r) = rings[i].take() {
                    for f in list {
                        let e = h.completion(&mut r).expect("a frame");
                        h.check_received(&e, f, e[0], c::OK, f.data.len());
                        let addr = 0x2_0000_0000 + ((i as u64) << 24) + 4096 * e[0] as u64;
                        assert!(h.rc.load(addr, f.data.len()) == f.data, "round {round}");
                    }
                    assert_eq!(h.completion(&mut r), None, "ring {i}");
                    // Anew, with all submissions.
                    h.set(host::CONTROL, i as u32, 0);
                    h.settle();
                    rings[i] = Some(h.ring(i as u32, 6));
                }
                assert_eq!(h.get(host::NO_BUFFER, i as u32), missed[i], "round {round}");
            }
            h.clear();
        }
        assert!(missed[0] > 0, "some frame had no ring");
    }
}

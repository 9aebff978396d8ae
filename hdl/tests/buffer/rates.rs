//! Rates and latencies that the header promises.

use crate::bench;
use crate::bench::Bench;
use smartnic_regs::queue;

/// Latency of a lone frame: `in_eop` to `done_valid`, `enq` to `out_valid`, straight to a port and through a queue to the host.
#[test]
fn latency_when_idle() {
    for ports in [2, 4, 8] {
        let mut b = bench(ports);
        for length in [1, 60, 61, 64, 65, 128, 1500] {
            for (dest, cycles) in [(1, 7), (1 << (ports - 1), 7), (1 << ports, 15)] {
                b.send_random(0, length, false);
                b.drain(|_, _| (dest, 0));
                let (done, out) = (b.done_cycle.unwrap(), b.out_cycle.unwrap());
                assert_eq!(done - b.eop_cycle, 3, "in_eop to done_valid");
                assert_eq!(out - b.enq_cycle, cycles, "enq to out_valid");
            }
        }
    }
}

/// Frames of `length` bytes from each source, one in `period` cycles, to `dest` of (source, number); every sink takes a
/// beat in `slow` cycles. Gives the frames sent.
fn paced(
    b: &mut Bench,
    length: usize,
    period: f64,
    slow: u32,
    frames: u64,
    dest: impl Fn(usize, u64) -> u64,
) -> u64 {
    let n = b.params.sources() as usize;
    let mut next: Vec<f64> = (0..n).map(|s| s as f64).collect();
    let mut sent = vec![0u64; n];
    let mut seen = vec![0u64; n];
    b.chances.take = 100 / slow;
    let start = b.cycle;
    while sent.iter().any(|s| *s < frames) {
        for s in 0..n {
            if (b.cycle - start) as f64 >= next[s] && sent[s] < frames {
                assert!(
                    b.backlog(s) <= 1,
                    "source {s} is held up: {} frames",
                    b.backlog(s)
                );
                b.send_random(s, length, false);
                sent[s] += 1;
                next[s] += period;
            }
        }
        b.step();
        while let Some(r) = b.records.pop_front() {
            let s = r.source;
            seen[s] += 1;
            let to = dest(s, seen[s]);
            b.forward(r, to, 0);
        }
        assert!(b.enqueue.len() <= n, "enqueue falls behind");
    }
    sent.iter().sum()
}

/// Ports and host at line rate, each to its neighbour, at the worst sizes (on the wire 64, 65, 69, 133, 1,518 bytes): nothing is lost.
#[test]
fn line_rate_from_every_source() {
    for ports in [4, 8] {
        let mut b = bench(ports);
        let n = ports as u64 + 1;
        for length in [60, 61, 65, 129, 1514] {
            let period = (length + 24) as f64;
            let frames = if length > 1000 { 8 } else { 100 };
            let before = b.totals.clone();
            let sent = paced(&mut b, length, period, 5, frames, |s, _| {
                1 << ((s as u64 + 1) % n)
            });
            b.drain(|b, r| (1 << ((r.source as u32 + 1) % b.params.sources()), 0));
            assert_eq!(
                b.totals.delivered - before.delivered,
                sent,
                "{ports} ports, {length} bytes"
            );
            assert_eq!(
                (b.totals.nocell, b.totals.queue_full.iter().sum::<u64>()),
                (0, 0)
            );
            b.check_empty();
        }
    }
}

/// Every output at line rate with flooded frames only: each source floods one frame in P times the wire time.
#[test]
fn flooding_at_line_rate() {
    for ports in [4, 8] {
        let mut b = bench(ports);
        let all = (1u64 << (ports + 1)) - 1;
        for length in [60, 61, 65, 129] {
            let before = b.totals.clone();
            let period = ((length + 24) * ports as usize) as f64;
            let sent = paced(&mut b, length, period, 5, 40, |s, _| all & !(1 << s));
            b.drain(|b, r| (((1u64 << b.params.sources()) - 1) & !(1 << r.source), 0));
            let got = b.totals.delivered - before.delivered;
            assert_eq!(got, sent * ports as u64, "{ports} ports, {length} bytes");
            assert_eq!(
                (b.totals.nocell, b.totals.queue_full.iter().sum::<u64>()),
                (0, 0)
            );
            b.check_empty();
        }
    }
}

/// Every source floods at line rate, P times what the outputs' share of the buffer can carry: no frame is refused a cell, what the
/// limits drop is counted, and the buffer reads a beat in (nearly) every cycle.
#[test]
fn flooding_beyond_the_outputs() {
    for ports in [4, 8] {
        let mut b = bench(ports);
        for d in 0..ports + 1 {
            b.write(queue::LIMIT.at(d), 40);
        }
        b.write(queue::SHARED.addr, 512);
        let all = (1u64 << (ports + 1)) - 1;
        let (cycle, before) = (b.cycle, b.totals.clone());
        let sent = paced(&mut b, 61, 84.0, 1, 120, |s, _| all & !(1 << s));
        let rate = (b.totals.beats_out - before.beats_out) as f64 / (b.cycle - cycle) as f64;
        b.drain(|b, r| (((1u64 << b.params.sources()) - 1) & !(1 << r.source), 0));
        assert_eq!(b.totals.copies, sent * ports as u64);
        assert_eq!(b.totals.nocell, 0);
        println!("{ports} ports: {rate:.3} beats a cycle");
        assert!(rate > 0.93, "{ports} ports: {rate:.3} beats a cycle");
        assert!(b.totals.queue_full.iter().all(|n| *n > 0));
        b.check_empty();
    }
}

/// One beat in and one out in every cycle while every source has beats; no output waits longer than P + 2 cycles for its next one.
#[test]
fn a_beat_in_and_a_beat_out_each_cycle() {
    for ports in [2, 4, 8] {
        let mut b = bench(ports);
        b.write(queue::SHARED.addr, 512);
        let n = b.params.sources() as usize;
        for length in [1500, 192, 512] {
            let (mut cycle, mut before) = (b.cycle, b.totals.clone());
            for k in 0..7000 {
                if k == 3000 {
                    // The first frames have been received.
                    (cycle, before) = (b.cycle, b.totals.clone());
                }
                for s in 0..n {
                    if b.backlog(s) < 2 {
                        b.send_random(s, length, false);
                    }
                }
                b.step();
                while let Some(r) = b.records.pop_front() {
                    let dest = 1 << ((r.source + 1) % n);
                    b.forward(r, dest, 0);
                }
            }
            let cycles = (b.cycle - cycle) as f64;
            let beats_in = (b.totals.beats_in - before.beats_in) as f64 / cycles;
            let beats_out = (b.totals.beats_out - before.beats_out) as f64 / cycles;
            println!("{ports} ports, {length} bytes: {beats_in:.3} in, {beats_out:.3} out");
            b.drain(|b, r| (1 << ((r.source as u32 + 1) % b.params.sources()), 0));
            assert_eq!(b.totals.nocell, 0);
            assert!(
                beats_in > 0.97 && beats_out > 0.9,
                "{ports} ports, {length} bytes: {beats_in} in, {beats_out} out"
            );
            assert!(
                b.totals.longest_gap <= ports as u64 + 2,
                "{}",
                b.totals.longest_gap
            );
            b.check_empty();
        }
    }
}

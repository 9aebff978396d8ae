//! What 64-byte frames both ways cost on a PCIe 1.0 x1 link: 4 ns a byte, 24 bytes of overhead a packet, completions after 1 us.

#[path = "common/host_bench.rs"]
mod host_bench;
#[path = "common/root_complex.rs"]
mod root_complex;

use host_bench::Host;
use smartnic_regs::host;

/// Bytes from the card and to it, and ns, for each frame received and sent at the same time.
#[test]
fn smallest_frames_both_ways() {
    let mut h = Host::new(2);
    (h.rc.ready, h.rc.sends, h.rc.delay) = (100, 100, 125..126);
    let (mut r, mut t) = (h.ring(0, 8), h.ring(4, 8));
    for i in [0, 4] {
        h.set(host::MODERATION, i, 32 | 2000 << 16);
        // The head stands in every completion: its write-back is not needed.
        h.set(host::HEAD_LO, i, 0);
        h.set(host::HEAD_HI, i, 0);
    }
    let frames = 192u64;
    for i in 0..frames {
        h.submit(&mut r, 0x80_0000 + 2048 * i, 2048, i as u32);
        h.submit(
            &mut t,
            0x40_0000 + 2048 * i,
            Host::word2(60, None, false),
            i as u32,
        );
        let f = h.out_frame(60);
        h.out.push_back(f);
    }
    let out = std::mem::take(&mut h.out);
    h.settle();
    h.clear();
    h.rc.link = Some([0, 0]);
    h.ring_tail(&r);
    (0..400).for_each(|_| h.step());
    let (up, down, start) = (h.rc.up, h.rc.down, h.rc.now);
    h.ring_tail(&t);
    // A frame each 840 ns: what the bytes up allow.
    for f in out {
        h.out.push_back(f);
        (0..105).for_each(|_| h.step());
    }
    h.run("all frames", |h| {
        h.out.is_empty() && h.frames.len() as u64 == frames
    });
    let ns = 8.0 * (h.rc.now - start) as f64 / frames as f64;
    h.settle();
    let (up, down) = (h.rc.up - up, h.rc.down - down);
    let each = |bytes: u64| bytes as f64 / frames as f64;
    println!(
        "64-byte frames both ways: {:.1} bytes up, {:.1} down, {ns:.0} ns a frame",
        each(up),
        each(down)
    );
    // Up: data 84, two completions in fours 76, data read 24, submission reads 6 to 12. Down: data 84, submissions 22 to 44.
    assert!(each(up) < 200.0 && each(down) < 135.0);
    // The bytes up alone would allow 790 ns; measured are 1,059.
    assert!(ns < 1100.0, "{ns} ns");
    assert_eq!(h.get(host::NO_BUFFER, 0), 0);
    while h.completion(&mut r).is_some() {}
    while h.completion(&mut t).is_some() {}
    assert_eq!((r.seen as u64, t.seen as u64), (frames, frames));
}

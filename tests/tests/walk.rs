//! A frame crosses the whole card: port to port, flooded, to the host, through a LAG; counters, resets and the cut.

use smartnic_hdl::params::Params;
use smartnic_regs::values::{counter, dest, learn, reason, state};
use smartnic_regs::{global, lag, port};
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};
use smartnic_tests::bench::wire;
use smartnic_tests::rig::ring::ReceiveRing;
use smartnic_tests::rig::{Rig, Shared, station};

const HOST: [u8; 6] = [2, 0xff, 0, 0, 0, 9];

fn rig(ports: u32) -> Rig {
    let mut rig = Rig::new(Params::for_ports(ports)).expect("a card");
    rig.bridge(7, true).expect("a bridge");
    rig.local_address(HOST).expect("an entry");
    rig
}

/// `count` frames of each flow into `port`; `expect` is what must come out there.
fn plug(
    rig: &mut Rig,
    port: u32,
    flows: &[Flow],
    count: u64,
    expect: &[Flow],
) -> Shared<Generator> {
    let plan = Plan {
        flows: flows.to_vec(),
        count: count * flows.len() as u64,
        sizes: Sizes::Range(64, 1518),
        pace: Pace::Gap(12),
        seed: 5,
    };
    let g = Shared::new(Generator::new(plan, expect.to_vec()), false);
    rig.attach(port, &g).expect("a port");
    g
}

fn good(g: &Shared<Generator>, flow: &Flow) -> u64 {
    g.with(|g| {
        assert_eq!((g.bad, g.corrupt), (0, 0), "faults on the wire");
        g.checker.stats(flow.id).map_or(0, |s| s.good)
    })
}

#[test]
fn learned_unicast_leaves_by_one_port_alone_and_counters_agree() {
    let mut rig = rig(4);
    let quiet: Vec<_> = (0..4)
        .map(|p| {
            plug(
                &mut rig,
                p,
                &[Flow::new(90 + p as u16, 1, [3; 6], station(p, 0))],
                1,
                &[],
            )
        })
        .collect();
    rig.drain(200_000).expect("hellos");
    drop(quiet);
    let there = Flow::new(1, 2, station(2, 0), station(0, 0));
    let back = Flow::new(2, 3, station(0, 0), station(2, 0));
    let before = rig.counter(0, counter::RX_FRAMES).expect("counter");
    let a = plug(
        &mut rig,
        0,
        std::slice::from_ref(&there),
        50,
        std::slice::from_ref(&back),
    );
    let c = plug(
        &mut rig,
        2,
        std::slice::from_ref(&back),
        50,
        std::slice::from_ref(&there),
    );
    let others = [
        plug(&mut rig, 1, &[], 0, &[]),
        plug(&mut rig, 3, &[], 0, &[]),
    ];
    rig.drain(2_000_000).expect("traffic");
    assert_eq!((good(&c, &there), good(&a, &back)), (50, 50));
    for o in &others {
        assert_eq!(o.span().2, 0, "a port that has nothing to do with it");
    }
    assert_eq!(
        rig.counter(0, counter::RX_FRAMES).expect("counter") - before,
        50
    );
    for p in 0..4 {
        for (name, value) in rig.counters(p).expect("counters") {
            assert!(
                !name.contains("err") && !name.contains("drop"),
                "port {p}: {name} = {value}"
            );
        }
    }
}

#[test]
fn unknown_and_broadcast_are_flooded_once_to_each() {
    let mut rig = rig(4);
    let mut ring = ReceiveRing::open(&mut rig, 0, 6).expect("a ring");
    let flows = [
        Flow::new(1, 2, [2, 9, 9, 9, 9, 9], station(0, 0)),
        Flow::new(2, 2, [0xff; 6], station(0, 0)),
    ];
    let _a = plug(&mut rig, 0, &flows, 10, &[]);
    let others: Vec<_> = (1..4).map(|p| plug(&mut rig, p, &[], 0, &flows)).collect();
    let mut host = vec![];
    rig.drain_with(2_000_000, |rig| {
        host.extend(ring.poll(rig)?);
        Ok(())
    })
    .expect("traffic");
    for o in &others {
        assert_eq!((good(o, &flows[0]), good(o, &flows[1])), (10, 10));
    }
    assert_eq!(host.len(), 20, "the host's copies");
    assert!(
        host.iter()
            .all(|f| f.reason == reason::FLOOD && f.source == 0)
    );
}

#[test]
fn host_receives_what_is_for_it_and_reserved_frames_are_trapped() {
    let mut rig = rig(2);
    let mut ring = ReceiveRing::open(&mut rig, 0, 6).expect("a ring");
    let bpdu = Flow::new(2, 2, [1, 0x80, 0xc2, 0, 0, 0], station(0, 0));
    let local = Flow::new(1, 2, HOST, station(0, 0));
    // The ring's vector: two entries of the MSI-X table, written as a vfio client's SET_IRQS does.
    let interrupts = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = interrupts.clone();
    let notify = Box::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    rig.card
        .root()
        .set_vector(0, Some(notify))
        .expect("a vector");
    let _a = plug(&mut rig, 0, &[local.clone(), bpdu.clone()], 10, &[]);
    let b = plug(&mut rig, 1, &[], 0, &[]);
    let mut host = vec![];
    rig.drain_with(2_000_000, |rig| {
        host.extend(ring.poll(rig)?);
        Ok(())
    })
    .expect("traffic");
    let of = |f: &Flow| {
        host.iter()
            .filter(|h| h.data[..6] == f.header[..6])
            .collect::<Vec<_>>()
    };
    assert_eq!((of(&local).len(), of(&bpdu).len()), (10, 10));
    assert!(of(&local).iter().all(|f| f.reason == reason::LOCAL));
    assert!(of(&bpdu).iter().all(|f| f.reason == reason::RESERVED));
    assert_eq!(b.span().2, 0);
    let came = interrupts.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..=20).contains(&came), "{came} interrupts for 20 frames");
    let malformed = rig.read(&smartnic_regs::host::DMA_STATUS, 0).expect("read");
    assert_eq!(malformed, 0, "no packet was refused");
    for (i, h) in of(&local).iter().enumerate() {
        assert_eq!(h.data, local.frame(i as u32, h.data.len()), "byte for byte");
    }
}

#[test]
fn nothing_passes_when_forwarding_is_cut_and_all_of_it_when_it_is_not() {
    let mut rig = rig(2);
    let flow = Flow::new(1, 2, [2, 9, 9, 9, 9, 9], station(0, 0));
    for (cut, expect) in [(1, 10), (0, 0), (1, 10)] {
        rig.write(&global::CONTROL, 0, cut).expect("written");
        let _a = plug(&mut rig, 0, std::slice::from_ref(&flow), 10, &[]);
        let b = plug(&mut rig, 1, &[], 0, std::slice::from_ref(&flow));
        rig.drain(1_000_000).expect("traffic");
        assert_eq!(good(&b, &flow), expect);
    }
}

#[test]
fn a_lag_uses_one_live_member_and_never_returns_frames_to_itself() {
    let mut rig = rig(4);
    let base = port::CONFIG::STATE.put(state::FORWARDING)
        | port::CONFIG::LEARN.put(learn::HARDWARE)
        | port::CONFIG::FLOOD_UC.put(1)
        | port::CONFIG::FLOOD_MC.put(1)
        | port::CONFIG::FLOOD_BC.put(1);
    for p in [2, 3] {
        rig.write(
            &port::CONFIG,
            p,
            base | port::CONFIG::LAG_VALID.put(1) | port::CONFIG::LAG.put(1),
        )
        .expect("written");
    }
    rig.write(&lag::GROUP, 1, lag::GROUP::ENABLE.put(1))
        .expect("written");
    rig.write(&lag::DISTRIBUTING, 1, 0b1100).expect("written");
    rig.write(&lag::COLLECTING, 1, 0b1100).expect("written");
    for bucket in 0..840 {
        rig.write(
            &lag::BUCKET_INDEX,
            0,
            lag::BUCKET_INDEX::BUCKET.put(bucket) | lag::BUCKET_INDEX::GROUP.put(1),
        )
        .expect("written");
        let member = 2 + bucket % 2;
        rig.write(
            &lag::BUCKET,
            0,
            lag::BUCKET::VALID.put(1) | lag::BUCKET::MEMBER.put(member),
        )
        .expect("written");
    }
    // Learn a station behind the LAG, then send it 16 flows that differ in the last byte of the source.
    let behind = station(2, 0);
    let _h = plug(&mut rig, 2, &[Flow::new(99, 1, [3; 6], behind)], 1, &[]);
    let _i = plug(&mut rig, 3, &[], 0, &[]);
    rig.drain(200_000).expect("hello");
    let flows: Vec<Flow> = (0..16)
        .map(|i| Flow::new(i, 2, behind, station(0, i.into())))
        .collect();
    for (cut, expect) in [(None, [8, 8]), (Some(2), [0, 16]), (Some(3), [16, 0])] {
        for p in [2, 3] {
            let down = port::MAC.reset | port::MAC::LINK_DOWN.put((cut == Some(p)).into());
            rig.write(&port::MAC, p, down).expect("written");
        }
        let _a = plug(&mut rig, 0, &flows, 1, &[]);
        let m = [
            plug(&mut rig, 2, &[], 0, &flows),
            plug(&mut rig, 3, &[], 0, &flows),
        ];
        rig.drain(1_000_000).expect("traffic");
        let came = m
            .each_ref()
            .map(|g| flows.iter().map(|f| good(g, f)).sum::<u64>());
        assert_eq!(came, expect, "with member {cut:?} down");
    }
    rig.write(&port::MAC, 3, port::MAC.reset).expect("written");
    // A broadcast from a member goes to the others, not to the LAG.
    let shout = Flow::new(40, 2, [0xff; 6], behind);
    let _c = plug(&mut rig, 2, std::slice::from_ref(&shout), 5, &[]);
    let d = plug(&mut rig, 3, &[], 0, &[]);
    let b = plug(&mut rig, 1, &[], 0, std::slice::from_ref(&shout));
    rig.drain(1_000_000).expect("traffic");
    assert_eq!((good(&b, &shout), d.span().2), (5, 0));
    let entry = rig.fdb_lookup(behind, 0).expect("read").expect("learned");
    assert_eq!(
        entry.0,
        dest::LAG + 1,
        "the LAG was learned, not the member"
    );
}

#[test]
fn the_host_part_resets_while_the_switch_goes_on() {
    let mut rig = rig(2);
    let flow = Flow::new(1, 2, [2, 9, 9, 9, 9, 9], station(0, 0));
    let _a = plug(&mut rig, 0, std::slice::from_ref(&flow), 200, &[]);
    let b = plug(&mut rig, 1, &[], 0, std::slice::from_ref(&flow));
    for i in 0..20 {
        (0..997).for_each(|_| rig.card.step());
        if i % 2 == 0 {
            rig.card.root().reset(); // function-level reset
        } else {
            rig.write(&global::RESET, 0, global::RESET::HOST.put(1))
                .expect("written");
        }
    }
    rig.drain(4_000_000).expect("traffic");
    assert_eq!(good(&b, &flow), 200);
    // And the host's registers work again.
    rig.write(&global::SCRATCH, 0, 0x1234_5678)
        .expect("written");
    assert_eq!(rig.read(&global::SCRATCH, 0).expect("read"), 0x1234_5678);
}

#[test]
fn the_switch_resets_in_the_middle_of_frames_and_forwards_again() {
    let mut rig = rig(2);
    for seed in 0..8u64 {
        let flow = Flow::new(1, seed, [2, 9, 9, 9, 9, 9], station(0, 0));
        let _a = plug(&mut rig, 0, std::slice::from_ref(&flow), 20, &[]);
        let _b = plug(&mut rig, 1, &[], 0, std::slice::from_ref(&flow));
        (0..3_000 + 137 * seed).for_each(|_| rig.card.step());
        rig.write(&global::RESET, 0, global::RESET::SWITCH.put(1))
            .expect("written");
        rig.wait_ready().expect("ready again");
        rig.bridge(seed, false).expect("a bridge");
        let _c = plug(&mut rig, 0, &[], 0, &[]);
        rig.drain(2_000_000).expect("quiet");
        let flow = Flow::new(2, seed, [2, 9, 9, 9, 9, 9], station(0, 0));
        let _a = plug(&mut rig, 0, std::slice::from_ref(&flow), 20, &[]);
        let b = plug(&mut rig, 1, &[], 0, std::slice::from_ref(&flow));
        rig.drain(2_000_000).expect("traffic");
        assert_eq!(good(&b, &flow), 20, "after reset {seed}");
        let fault = rig.read(&smartnic_regs::queue::FAULT, 0).expect("read");
        assert_eq!(fault, 0, "cell accounting");
    }
}

/// Frames that come while the tables are swept must not put verdicts and frames out of step: two destinations in turn tell.
#[test]
fn a_switch_reset_under_line_rate_leaves_every_frame_its_own_destination() {
    let mut rig = rig(4);
    let flows = [
        Flow::new(1, 2, station(1, 0), station(0, 0)),
        Flow::new(2, 2, station(2, 0), station(0, 0)),
    ];
    let plan = Plan {
        flows: flows.to_vec(),
        count: 4_000,
        sizes: Sizes::Fixed(64),
        pace: Pace::Gap(12),
        seed: 1,
    };
    let source = Shared::new(Generator::new(plan, []), false);
    rig.attach(0, &source).expect("a port");
    for round in 0..4u32 {
        (0..5_000 + 111 * round).for_each(|_| rig.card.step());
        rig.write(&global::RESET, 0, global::RESET::SWITCH.put(1))
            .expect("written");
        rig.wait_ready().expect("ready again");
        rig.bridge(round.into(), false).expect("a bridge");
        for p in [1, 2] {
            let hello = Flow::new(90, 1, [3; 6], station(p, 0));
            let _h = plug(&mut rig, p, &[hello], 1, &[]);
        }
        (0..4_000).for_each(|_| rig.card.step());
        let sinks = [1, 2, 3].map(|p| {
            let own = flows.get(p as usize - 1).map(std::slice::from_ref);
            plug(&mut rig, p, &[], 0, own.unwrap_or_default())
        });
        (0..20_000).for_each(|_| rig.card.step());
        for p in [1, 2] {
            let known = rig.fdb_lookup(station(p, 0), 0).expect("read");
            assert_eq!(known.map(|e| e.0), Some(p), "learned after reset {round}");
        }
        for (i, s) in sinks.iter().enumerate() {
            let (foreign, corrupt) = s.with(|g| (g.checker.foreign, g.corrupt + g.bad));
            assert_eq!(
                (foreign, corrupt),
                (0, 0),
                "port {} after reset {round}",
                i + 1
            );
        }
        let came = [good(&sinks[0], &flows[0]), good(&sinks[1], &flows[1])];
        assert!(came.iter().all(|n| *n > 80), "traffic flows: {came:?}");
        assert_eq!(sinks[2].span().2, 0, "nothing is flooded");
    }
}

/// A short run of the `wire` bench: every pattern, no loss.
#[test]
fn line_rate_without_loss() {
    for pattern in ["pairs", "mesh", "host"] {
        for size in [64, 65] {
            let sizes = Sizes::Fixed(size);
            let o = wire::case(&Params::for_ports(4), pattern, sizes, 4_000, 3).expect("runs");
            assert_eq!(o.delivered, 4_000, "{pattern} at {size} bytes: {o:?}");
            assert_eq!(o.lost, 0, "{pattern} at {size} bytes: {o:?}");
        }
    }
}

//! Clocks that are left out while a part rests (`hdl::top::gated`) change nothing: two cards, one of which has all its clocks all the time,
//! get the same traffic and the same control, and send the same bytes. Times differ by some cycles at most: the host's rings are looked at in
//! turn, and a part that rests does not turn; what the host then takes a little earlier or later shares the buffer with the ports.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::params::Params;
use smartnic_regs::{fdb, global};
use smartnic_sim::card::ClockSettings;
use smartnic_sim::gmii::Transmission;
use smartnic_sim::pcie::Settings;
use smartnic_sim::ports::queue::QueuePort;
use smartnic_tests::rig::ring::ReceiveRing;
use smartnic_tests::rig::{Rig, station};

/// Address of the host.
const HOST: [u8; 6] = [2, 0xff, 0, 0, 0, 9];
/// Cycles of a round, and those of them in which there is traffic.
const PERIOD: u64 = 150_000;
const TRAFFIC: u64 = 60_000;
/// Cycles by which times may differ.
const JITTER: u64 = 16;

/// What a card did.
#[derive(Debug, Default, PartialEq)]
struct Record {
    /// Per port: first cycle on the wire, and the frame.
    sent: [Vec<(u64, Vec<u8>)>; 4],
    /// Registers and counters, in the order of their reading.
    read: Vec<u64>,
    /// Frames in the host's ring.
    received: Vec<Vec<u8>>,
}

/// Frames between known and unknown stations, to the host and to all.
fn frame(rng: &mut ChaCha8Rng, port: u32) -> Vec<u8> {
    let mut frame = vec![0; rng.random_range(60..=600)];
    rng.fill(&mut frame[12..]);
    let to = match rng.random_range(0..8) {
        0 => HOST,
        1 => [0xff; 6],
        2 => station(rng.random_range(0..4), rng.random()),
        _ => station(rng.random_range(0..4), rng.random_range(0..8)),
    };
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&station(port, rng.random_range(0..8)));
    frame
}

/// Runs a card through traffic with pauses in which parts come to rest, and control of all kinds between.
fn run(ungated: bool, seed: u64) -> Record {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let clocks = ClockSettings {
        ungated,
        ..ClockSettings::default()
    };
    let mut rig = Rig::with(Params::for_ports(4), Settings::default(), clocks).expect("a card");
    let setup = |rig: &mut Rig| {
        rig.bridge(seed, true).expect("a bridge");
        rig.write(&fdb::AGE_PERIOD, 0, 2).expect("written");
        rig.local_address(HOST).expect("an entry");
    };
    setup(&mut rig);
    let mut ring = ReceiveRing::open(&mut rig, 0, 6).expect("a ring");
    let cables = [(); 4].map(|()| QueuePort::new());
    for (i, cable) in cables.iter().enumerate() {
        rig.card
            .attach(i + 1, Box::new(cable.clone()))
            .expect("a port");
    }
    let mut record = Record::default();
    for round in 0..8 {
        match round {
            2 => cables[1].set_link(false),
            3 => cables[1].set_link(true),
            4 => rig.write(&global::TICK_ADD, 0, 3).expect("written"),
            5 => {
                let reset = global::RESET::SWITCH.put(1);
                rig.write(&global::RESET, 0, reset).expect("written");
                rig.wait_ready().expect("ready");
                setup(&mut rig);
            }
            _ => {}
        }
        // Accesses by the host may take some cycles more or less: both cards go on at the same time.
        let start = PERIOD * (round + 1);
        assert!(rig.card.cycle() < start, "cycle {}", rig.card.cycle());
        (rig.card.cycle()..start).for_each(|_| rig.card.step());
        for (i, cable) in cables.iter().enumerate() {
            for _ in 0..20 {
                // Longer than a part's clock goes on, at times.
                let gap = [12, 300, 3_000][rng.random_range(0..3)];
                cable.send(Transmission::new(frame(&mut rng, i as u32)).gap(gap));
            }
        }
        rig.card.refresh_links();
        rig.card.wake();
        (0..TRAFFIC).for_each(|_| rig.card.step());
        for (cable, sent) in cables.iter().zip(&mut record.sent) {
            let frames = std::iter::from_fn(|| cable.receive());
            sent.extend(frames.map(|f| (f.start, f.frame)));
        }
        record.received.extend(
            ring.poll(&mut rig)
                .expect("frames")
                .into_iter()
                .map(|f| f.data),
        );
        for (port, number) in (0..4).flat_map(|p| (0..8).map(move |n| (p, n))) {
            let found = rig.fdb_lookup(station(port, number), 0).expect("a lookup");
            record.read.push(found.map_or(u64::MAX, |(dest, kind)| {
                u64::from(dest) << 32 | u64::from(kind)
            }));
        }
    }
    for port in 0..=4 {
        let counters = rig.counters(port).expect("counters");
        record.read.extend(counters.iter().map(|(_, value)| value));
    }
    record
}

#[test]
fn clocks_that_are_left_out_change_nothing() {
    let seed = std::env::var("SEED").map_or(7, |s| s.parse().expect("a number"));
    println!("SEED={seed}");
    let (all, gated) = (run(true, seed), run(false, seed));
    assert!(all.received.len() > 100 && all.sent.iter().all(|s| s.len() > 100));
    assert_eq!(all.received, gated.received);
    assert_eq!(all.read, gated.read);
    for (port, (all, gated)) in all.sent.iter().zip(&gated.sent).enumerate() {
        assert_eq!(all.len(), gated.len(), "port {}", port + 1);
        for ((start, frame), (time, same)) in all.iter().zip(gated) {
            assert_eq!(frame, same, "port {} at {start}", port + 1);
            assert!(
                start.abs_diff(*time) <= JITTER,
                "port {}: {start} and {time}",
                port + 1
            );
        }
    }
}

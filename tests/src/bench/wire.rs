//! `wire`: loss at the wire's rate, by numbered frames on the GMII pins at a gap of exactly 12.
//!
//! Patterns: `pairs` (ports 1-2, 3-4, ... in both directions), `mesh` (every port to every other), `host` (pairs, and a tenth of the frames
//! of each port goes to the host's ring instead). All stations are learned before the measurement.
//!
//! Ports are out of step: each begins at a phase of its own and deals its flows and sizes from decks in an order of its own
//! ([`Deal`]), so that frames of several ports do meet at an output, and bursts into one output do occur. A deck has as many frames
//! for every output: over time none is oversubscribed. With P ports, an output is at most 2 (P - 2) decks' shares behind
//! (P - 1 sources, each (P - 2) / (P - 1) of its share early or late), and since the wires have no slack, what it is behind
//! stands in its queue. Decks are so large that this just fits the queue's limit as the driver sets it.
//!
//! Rates are those of the pins: offered from the first frame's start to the last one's on each port, which must be the wire's within 0.1 %;
//! delivered from the first frame's start to the last one's end on the transmit pins.

use super::{Args, Error, Report};
use crate::rig::pins::{Offered, SECONDS};
use crate::rig::ring::ReceiveRing;
use crate::rig::{Rig, Shared, station};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::params::Params;
use smartnic_regs::queue;
use smartnic_sim::ports::generator::{Deal, Generator, Plan};
use smartnic_sim::ports::traffic::{Checker, Flow, Pace, Sizes};

const HOST: [u8; 6] = [0x02, 0xff, 0, 0, 0, 1];
/// Frames of a case, over all ports.
const FRAMES: u64 = 200_000;
/// How far from the wire's rate a port may be.
const TOLERANCE: f64 = 0.001;
/// Byte times within which ports begin.
const PHASE: u64 = 2_000;

/// Runs every pattern at 64, 65, 69, 133, 1,518 bytes and a mix.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    let params = Params::for_ports(4);
    report.hardware(&params);
    report.param("frames", FRAMES);
    let sizes = [
        ("64", Sizes::Fixed(64)),
        ("65", Sizes::Fixed(65)),
        ("69", Sizes::Fixed(69)),
        ("133", Sizes::Fixed(133)),
        ("1518", Sizes::Fixed(1518)),
        ("imix", Sizes::Imix),
    ];
    for run in 0..args.runs {
        for pattern in ["pairs", "mesh", "host"] {
            for (name, size) in &sizes {
                let case_name = format!("{pattern}/{name}");
                // The whole takes minutes.
                eprintln!("wire: {case_name}");
                let outcome = case(
                    &params,
                    pattern,
                    size.clone(),
                    FRAMES,
                    args.seed + u64::from(run),
                )?;
                report.add(&case_name, "loss_frames", outcome.lost as f64, "frames");
                report.add(&case_name, "delivered_fps", outcome.rate, "frames/s");
                report.add(&case_name, "offered_fps", outcome.offered, "frames/s");
                report.add(&case_name, "offered_load_min", 100.0 * outcome.load.0, "%");
                report.add(&case_name, "offered_load_max", 100.0 * outcome.load.1, "%");
            }
        }
    }
    Ok(())
}

/// What became of a case.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Frames that did not come, came twice, changed, or came where they should not.
    pub lost: u64,
    /// Frames delivered a second of simulated time, all ports and the host together.
    pub rate: f64,
    /// Frames offered a second of simulated time, all ports together.
    pub offered: f64,
    /// The least and the most loaded port's share of the wire's rate.
    pub load: (f64, f64),
    /// Frames that came, over all destinations.
    pub delivered: u64,
}

/// Copies of each flow in a deck: bursts as long as a queue can hold of what `patterns` and `sizes` make.
fn copies(params: &Params, pattern: &str, sizes: &Sizes) -> usize {
    let cells = |size: &usize| (size - 4).div_ceil(64);
    let share: usize = sizes.deck().unwrap_or_default().iter().map(cells).sum();
    match pattern {
        "mesh" => {
            // A frame on its way out, and one of each source that is not whole yet, count too: three quarters are for decks.
            let room = queue::LIMIT.reset as usize * 3 / 4;
            let behind = 2 * (params.ports as usize).saturating_sub(2).max(1) * share;
            (room / behind.max(1)).clamp(1, 16)
        }
        // All ports may send to the host at once, and its link is slower than they are together.
        _ => 1,
    }
}

fn flow(src: u32, dst: u32, ports: u32, seed: u64) -> Flow {
    let to = if dst == ports { HOST } else { station(dst, 0) };
    Flow::new((src * 16 + dst) as u16, seed, to, station(src, 0))
}

fn flows_of(src: u32, ports: u32, pattern: &str, seed: u64) -> Vec<Flow> {
    let partner = src ^ 1;
    match pattern {
        "pairs" => vec![flow(src, partner, ports, seed)],
        "mesh" => (1..ports)
            .map(|d| flow(src, (src + d) % ports, ports, seed))
            .collect(),
        // Ten flows in turn: nine to the partner would be nine numbers for one flow, so the flow of the partner stands nine times under
        // different numbers.
        _ => (0..9)
            .map(|k| {
                let f = flow(src, partner, ports, seed);
                Flow {
                    id: f.id + 256 * (k + 1),
                    ..f
                }
            })
            .chain([flow(src, ports, ports, seed)])
            .collect(),
    }
}

/// One case on a card of its own.
pub fn case(
    params: &Params,
    pattern: &str,
    sizes: Sizes,
    frames: u64,
    seed: u64,
) -> Result<Outcome, Error> {
    let n = params.ports;
    let mut rig = Rig::new(params.clone())?;
    rig.bridge(seed, false)?;
    rig.local_address(HOST)?;
    let mut ring = ReceiveRing::open(&mut rig, 0, 9)?;
    let plan = |flows, count, sizes, pace| Plan {
        flows,
        count,
        sizes,
        pace,
        seed,
    };
    // Learn: one frame of each station to a multicast address that nobody counts.
    for i in 0..n {
        let hello = Flow::new(999, seed, [0x03, 0, 0, 0, 0, 1], station(i, 0));
        let g = Generator::new(plan(vec![hello], 1, Sizes::Fixed(64), Pace::Gap(500)), []);
        rig.attach(i, &Shared::new(g, false))?;
    }
    rig.drain(1_000_000)?;
    rig.share_buffer()?;
    let each = frames / u64::from(n);
    let sent: Vec<Vec<Flow>> = (0..n).map(|i| flows_of(i, n, pattern, seed)).collect();
    let to = |dst: [u8; 6]| -> Vec<Flow> {
        sent.iter()
            .flatten()
            .filter(|f| f.header[..6] == dst)
            .cloned()
            .collect()
    };
    let deal = Deal {
        copies: copies(params, pattern, &sizes),
        // A burst of a mix would be a whole mix of each source: more than a queue holds.
        bursts: sizes.deck().is_some_and(|deck| deck.len() == 1),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ports: Vec<Shared<Generator>> = (0..n)
        .map(|i| {
            let p = Plan {
                seed: rng.random(),
                ..plan(sent[i as usize].clone(), each, sizes.clone(), Pace::Gap(12))
            };
            let generator = Generator::new(p, to(station(i, 0)))
                .dealt(deal)
                .phase(rng.random_range(0..PHASE));
            Shared::new(generator, false)
        })
        .collect();
    let mut host = Checker::new(to(HOST));
    rig.card.keep_sent(true);
    let mut pins = vec![Offered::default(); n as usize];
    for i in 0..n {
        rig.attach(i, &ports[i as usize])?;
    }
    rig.drain_with(frames * 20_000, |rig| {
        rig.note_offered(&mut pins);
        for f in ring.poll(rig)? {
            host.check(&f.data);
        }
        Ok(())
    })?;
    for (i, p) in pins.iter().enumerate() {
        if p.frames != each || (p.load() - 1.0).abs() > TOLERANCE {
            let (got, load) = (p.frames, p.load());
            let port = i + 1;
            return Err(format!("port {port} was offered {got} of {each} frames at {load:.5} of the wire's rate: the measurement is void").into());
        }
    }
    let wrong = ports.iter().fold(host.foreign, |w, g| {
        w + g.with(|g| g.bad + g.corrupt + g.checker.foreign)
    });
    let mut lost = wrong;
    let mut good = 0;
    for (i, flows) in sent.iter().enumerate() {
        for f in flows {
            let of = ports[i].with(|g| g.sent_of(f.id));
            let dst = f.header[..6].to_vec();
            let stats = if dst == HOST {
                host.stats(f.id).cloned()
            } else {
                ports
                    .iter()
                    .find_map(|g| g.with(|g| g.checker.stats(f.id).cloned()))
            }
            .ok_or("a flow without a receiver")?;
            good += stats.good - stats.duplicates;
            lost += stats.lost(of) + stats.duplicates + stats.corrupt + stats.reordered;
        }
    }
    let spans: Vec<(u64, u64, u64)> = ports.iter().map(Shared::span).collect();
    let came = || spans.iter().filter(|(.., count)| *count > 0);
    let first = came().map(|s| s.0).min().unwrap_or(0);
    let last = came().map(|s| s.1).max().unwrap_or(0);
    let loads = pins.iter().map(Offered::load);
    Ok(Outcome {
        lost,
        rate: good as f64 / ((last + 1).saturating_sub(first).max(1) as f64 * SECONDS),
        offered: pins.iter().map(Offered::rate).sum(),
        load: loads.fold((f64::MAX, 0.0), |(a, b), l| (a.min(l), b.max(l))),
        delivered: good,
    })
}

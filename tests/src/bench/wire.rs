//! `wire`: loss at the wire's rate, by numbered frames on the GMII pins at a gap of exactly 12.
//!
//! Patterns: `pairs` (ports 1-2, 3-4, ... in both directions), `mesh` (every port to every other in turn), `host` (pairs, and every tenth frame
//! of each port goes to the host's ring instead). All stations are learned before the measurement.

use super::{Args, Error, Report};
use crate::rig::ring::ReceiveRing;
use crate::rig::{Rig, Shared, station};
use smartnic_hdl::params::Params;
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Checker, Flow, Pace, Sizes};

const HOST: [u8; 6] = [0x02, 0xff, 0, 0, 0, 1];
/// Frames of a case, over all ports, up to this size.
const FRAMES: u64 = 200_000;
/// Frames of a case of large frames, which last as long on the wire.
const LARGE: u64 = 20_000;

/// Runs every pattern at 64, 65, 69, 133, 1,518 bytes and a mix.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    let params = Params::for_ports(4);
    report.param("ports", params.ports);
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
                let frames = if ["1518", "imix"].contains(name) {
                    LARGE
                } else {
                    FRAMES
                };
                report.param("frames", frames);
                let outcome = case(
                    &params,
                    pattern,
                    size.clone(),
                    frames,
                    args.seed + u64::from(run),
                )?;
                let case = format!("{pattern}/{name}");
                report.add(&case, "loss_frames", outcome.lost as f64, "frames");
                report.add(&case, "delivered_fps", outcome.rate, "frames/s");
                report.add(&case, "offered_fps", outcome.offered, "frames/s");
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
    /// Frames offered a second of simulated time.
    pub offered: f64,
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
    let each = frames / u64::from(n);
    let sent: Vec<Vec<Flow>> = (0..n).map(|i| flows_of(i, n, pattern, seed)).collect();
    let to = |dst: [u8; 6]| -> Vec<Flow> {
        sent.iter()
            .flatten()
            .filter(|f| f.header[..6] == dst)
            .cloned()
            .collect()
    };
    let ports: Vec<Shared<Generator>> = (0..n)
        .map(|i| {
            let p = plan(sent[i as usize].clone(), each, sizes.clone(), Pace::Gap(12));
            Shared::new(Generator::new(p, to(station(i, 0))), false)
        })
        .collect();
    let mut host = Checker::new(to(HOST));
    let start = rig.card.cycle();
    for i in 0..n {
        rig.attach(i, &ports[i as usize])?;
    }
    let mut host_frames = 0u64;
    rig.drain_with(frames * 20_000, |rig| {
        for f in ring.poll(rig)? {
            host.check(&f.data);
            host_frames += 1;
        }
        Ok(())
    })?;
    let wrong = ports.iter().fold(host.foreign, |w, g| {
        w + g.with(|g| g.bad + g.corrupt + g.checker.foreign)
    });
    let mut lost = wrong;
    let (mut good, mut offered) = (0, 0);
    for (i, flows) in sent.iter().enumerate() {
        for f in flows {
            let of = ports[i].with(|g| g.sent_of(f.id));
            offered += of;
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
    let end = ports.iter().map(|g| g.span().1).max().unwrap_or(start);
    let seconds = (end.saturating_sub(start)) as f64 * 8e-9;
    Ok(Outcome {
        lost,
        rate: good as f64 / seconds,
        offered: offered as f64 / seconds,
    })
}

//! `latency`: last FCS bit in to TX_EN out, one frame at a time, by the wire's own cycle numbers.

use super::{Args, Error, Report};
use crate::rig::{Rig, Shared, station};
use smartnic_hdl::params::Params;
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};

/// Frames of each size.
const FRAMES: u64 = 200;
/// Nanoseconds of a cycle.
const NS: f64 = 8.0;

/// Measures at 64, 128, 512 and 1,518 bytes, from port 1 to port 2.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    let params = Params::for_ports(4);
    report.hardware(&params);
    report.param("frames", FRAMES);
    for run in 0..args.runs {
        for size in [64, 128, 512, 1518] {
            let all = measure(&params, size, args.seed + u64::from(run))?;
            let case = size.to_string();
            let (min, max) = all
                .iter()
                .fold((f64::MAX, 0f64), |(a, b), v| (a.min(*v), b.max(*v)));
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            report.add(&case, "last_in_first_out_ns_min", min, "ns");
            report.add(&case, "last_in_first_out_ns_mean", mean, "ns");
            report.add(&case, "last_in_first_out_ns_max", max, "ns");
        }
    }
    Ok(())
}

/// Latencies in nanoseconds, from the cycle of the last FCS byte on the receive pins to the cycle in which TX_EN rises.
fn measure(params: &Params, size: usize, seed: u64) -> Result<Vec<f64>, Error> {
    let mut rig = Rig::new(params.clone())?;
    rig.bridge(seed, false)?;
    let nothing = |flow| Plan {
        flows: vec![flow],
        count: 1,
        sizes: Sizes::Fixed(64),
        pace: Pace::Gap(50),
        seed,
    };
    let hello = Flow::new(999, seed, [0x03, 0, 0, 0, 0, 1], station(1, 0));
    rig.attach(1, &Shared::new(Generator::new(nothing(hello), []), false))?;
    rig.drain(1_000_000)?;
    let flow = Flow::new(1, seed, station(1, 0), station(0, 0));
    // A prime gap: arrivals meet every phase of the card's own rounds.
    let plan = Plan {
        flows: vec![flow.clone()],
        count: FRAMES,
        sizes: Sizes::Fixed(size),
        pace: Pace::Gap(997),
        seed,
    };
    let idle = Plan {
        flows: vec![],
        count: 0,
        sizes: Sizes::Fixed(64),
        pace: Pace::Gap(12),
        seed,
    };
    let (source, sink) = (
        Shared::new(Generator::new(plan, []), false),
        Shared::new(Generator::new(idle, [flow]), true),
    );
    rig.card.keep_sent(true);
    rig.attach(0, &source)?;
    rig.attach(1, &sink)?;
    rig.drain(FRAMES * 20_000)?;
    let good = sink.with(|g| g.checker.stats(1).map_or(0, |s| s.good));
    if good != FRAMES {
        return Err(format!("{good} of {FRAMES} frames came through").into());
    }
    let mut all = vec![];
    while let (Some(sent), Some(came)) = (rig.card.take_sent(1), sink.take_arrival()) {
        all.push((came.start - sent.end) as f64 * NS);
    }
    if all.len() as u64 != FRAMES {
        let n = all.len();
        return Err(format!("{n} of {FRAMES} frames were timed on both wires").into());
    }
    Ok(all)
}

//! `sim`: simulated cycles a second of the busy 4-port card, by the hardware's own cycle counter.

use super::{Args, Error, Report};
use crate::rig::{Rig, Shared, station};
use smartnic_hdl::params::Params;
use smartnic_regs::global;
use smartnic_sim::ports::generator::{Generator, Plan};
use smartnic_sim::ports::traffic::{Flow, Pace, Sizes};
use std::time::Instant;

/// Core cycles a second of the real card.
const REAL: f64 = 125e6;
/// Cycles that are measured.
const CYCLES: u64 = 1_000_000;
/// Frames of a flow that may be on their way when the measurement ends.
const ON_THE_WAY: u64 = 16;

/// Runs four ports in pairs at 90 % load with the usual mix of sizes, checkers on.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    let params = Params::for_ports(4);
    report.hardware(&params);
    for _ in 0..args.runs {
        let speed = measure(&params, args.seed)?;
        report.add("busy", "cycles_per_s", speed, "cycles/s");
        report.add("busy", "real_time_ratio", speed / REAL, "1");
    }
    Ok(())
}

fn cycles(rig: &mut Rig) -> Result<u64, Error> {
    let lo = rig.read(&global::CYCLES_LO, 0)?;
    Ok(u64::from(rig.read(&global::CYCLES_HI, 0)?) << 32 | u64::from(lo))
}

fn measure(params: &Params, seed: u64) -> Result<f64, Error> {
    let mut rig = Rig::new(params.clone())?;
    rig.bridge(seed, false)?;
    let mut ports = vec![];
    for i in 0..params.ports {
        let flow = Flow::new(i as u16, seed, station(i ^ 1, 0), station(i, 0));
        let back = Flow::new((i ^ 1) as u16, seed, station(i, 0), station(i ^ 1, 0));
        let plan = Plan {
            flows: vec![flow],
            count: u64::MAX,
            sizes: Sizes::Imix,
            pace: Pace::Load(90.0),
            seed,
        };
        let port = Shared::new(Generator::new(plan, [back]), false);
        rig.attach(i, &port)?;
        ports.push(port);
    }
    (0..50_000).for_each(|_| rig.card.step()); // stations learned, queues in their steady state
    let (before, clock) = (cycles(&mut rig)?, Instant::now());
    (0..CYCLES).for_each(|_| rig.card.step());
    let elapsed = clock.elapsed().as_secs_f64();
    let speed = (cycles(&mut rig)? - before) as f64 / elapsed;
    // A card that loses frames has less to do.
    for (i, port) in ports.iter().enumerate() {
        let from = i ^ 1;
        let sent = ports[from].with(|g| g.sent);
        let came = |g: &mut Generator| g.checker.stats(from as u16).map_or(0, |s| s.good);
        let (good, wrong) = port.with(|g| (came(g), g.bad + g.corrupt));
        if wrong > 0 || sent > good + ON_THE_WAY {
            return Err(format!("port {}: {good} of {sent} frames came, and {wrong} wrong ones: the measurement is void", i + 1).into());
        }
    }
    Ok(speed)
}

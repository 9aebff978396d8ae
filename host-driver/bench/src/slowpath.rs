//! `slowpath`: what the driver does beside the hardware, whole: rings, model, protocols, plan, registers.
//!
//! - `events_per_s`: learned and aged stations, from the event ring into the driver's table and its list of notices; processor time of the thread.
//! - `failover_ms`: from the cut until no flow is sent to the lost member of an 802.3ad bond; simulated time. A link that drops is skipped by the
//!   hardware within a microsecond, and leaves the buckets at the driver's next poll: 0. A partner that falls silent is found by LACP's timeout.
//! - `convergence_ms`: from the cut until the other path forwards; simulated time.
//! - `frames_per_s`: a bridge in software, ours and the kernel's ([`crate::bridges`]).
//!
//! `cpu_us` beside a simulated time is the processor time of both drivers, and of both cards' models, for it.

use std::time::Duration;

use smartnic_bench::{Args, Error, Report, cpu};
use smartnic_driver::clock::Clock;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::netdev::NetError;
use smartnic_driver::switch::model::Model;
use smartnic_regs::fdb::KEY_HI;
use smartnic_regs::lag;
use smartnic_regs::ring::{VERSION, event};
use smartnic_regs::values::state;

use crate::bridges;
use crate::cables::{Pair, Station};

/// Stations that are learned and age out again.
const STATIONS: u32 = 8192;
/// How often.
const ROUNDS: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// Measures every case.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    for _ in 0..args.runs {
        let [learned, aged] = events(args.seed)?;
        report.add("learned", "events_per_s", learned, "events/s");
        report.add("aged", "events_per_s", aged, "events/s");
        for (case, rate, silent) in [
            ("lacp/carrier", "fast", false),
            ("lacp/silent/fast", "fast", true),
            ("lacp/silent/slow", "slow", true),
        ] {
            let (time, cpu) = failover(rate, silent)?;
            report.add(case, "failover_ms", millis(time), "ms");
            report.add(case, "cpu_us", cpu.as_secs_f64() * 1e6, "us");
        }
        for version in ["rstp", "stp"] {
            for (case, silent) in [("carrier", false), ("silent", true)] {
                let (time, cpu) = convergence(version, silent)?;
                let case = format!("{version}/{case}");
                report.add(&case, "convergence_ms", millis(time), "ms");
                report.add(&case, "cpu_us", cpu.as_secs_f64() * 1e6, "us");
            }
        }
        bridges::run(report)?;
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn bridge(model: &mut Model, options: &[(&str, &str)]) -> Result<(), NetError> {
    model.add(
        "br0",
        "bridge",
        "02:00:00:00:aa:01".parse().unwrap_or_default(),
    )?;
    for (option, value) in options {
        model.set_option("br0", option, value)?;
    }
    for port in ["port1", "port2"] {
        model.enslave(port, "br0")?;
        model.set_up(port, true)?;
    }
    model.set_up("br0", true)
}

/// Events a second: learned, aged.
fn events(seed: u64) -> Result<[f64; 2], Error> {
    let host = HostConfig {
        event_log2: 14,
        ..HostConfig::default()
    };
    let mut station = Station::new(1, &Clock::manual(), host, |m| bridge(m, &[]))?;
    station.switch.poll()?;
    let mut time = [Duration::ZERO; 2];
    for _ in 0..ROUNDS {
        for (kind, time) in [event::LEARNED, event::AGED].into_iter().zip(&mut time) {
            for n in 0..STATIONS {
                // An odd factor: all different, in no order.
                let mac = (n ^ seed as u32).wrapping_mul(0x9e37_79b1);
                let high = KEY_HI::MAC.put(0x0002) | KEY_HI::FID.put(1);
                let what = event::KIND.put(kind) | event::DEST.put(n & 1);
                let words = [mac, high, what, 0, 0, 0, 0];
                let last = event::ENTRY_VERSION.put(VERSION);
                station.fake.state().push_event(words, last);
            }
            let (mut notices, began) = (0, cpu::thread_time());
            while station.switch.poll()?.more {
                notices += station.switch.take_notices().len();
            }
            notices += station.switch.take_notices().len();
            *time += cpu::thread_time() - began;
            if notices != STATIONS as usize {
                return Err(format!("{notices} notices of {STATIONS} events").into());
            }
        }
    }
    Ok(time.map(|t| (ROUNDS as f64 * f64::from(STATIONS)) / t.as_secs_f64()))
}

/// Simulated and processor time from a cut until the bond does without that member.
fn failover(rate: &str, silent: bool) -> Result<(Duration, Duration), Error> {
    let options = [
        ("mode", "802.3ad"),
        ("miimon", "100"),
        ("lacp_rate", rate),
        ("xmit_hash_policy", "layer3+4"),
    ];
    let mut pair = Pair::new(|_, m| {
        m.add(
            "bond0",
            "bond",
            "02:00:00:00:aa:02".parse().unwrap_or_default(),
        )?;
        m.set_options("bond0", &options)?;
        m.enslave("port1", "bond0")?;
        m.enslave("port2", "bond0")?;
        m.set_up("bond0", true)
    })?;
    let members = |pair: &Pair| [0, 1].map(|n| pair.ends[n].get(lag::DISTRIBUTING, 0));
    pair.until(30 * SECOND, |p| members(p) == [0b11; 2])?;
    // In the middle of LACP's periods, not at their beginning.
    pair.run(100 * SECOND)?;
    let began = cpu::thread_time();
    if silent {
        pair.lost = 0b10;
    } else {
        pair.cut(1)?;
    }
    let time = pair.until(200 * SECOND, |p| members(p) == [0b01; 2])?;
    Ok((time, cpu::thread_time() - began))
}

/// Simulated and processor time from a cut of the root port's cable until the other one forwards.
fn convergence(version: &str, silent: bool) -> Result<(Duration, Duration), Error> {
    let mut pair = Pair::new(|n, m| {
        let priority = if n == 1 { "4096" } else { "32768" };
        let options = [
            ("forcevers", version),
            ("priority", priority),
            ("stp_state", "1"),
        ];
        bridge(m, &options)
    })?;
    let forwards = |pair: &Pair, port| pair.ends[1].port_state(port) == state::FORWARDING;
    pair.until(120 * SECOND, |p| forwards(p, 0) && !forwards(p, 1))?;
    pair.run(60 * SECOND)?;
    if !forwards(&pair, 0) || forwards(&pair, 1) {
        return Err("the loop is not cut where it should be".into());
    }
    let began = cpu::thread_time();
    if silent {
        pair.lost = 0b01;
    } else {
        pair.cut(0)?;
    }
    let time = pair.until(200 * SECOND, |p| forwards(p, 1))?;
    Ok((time, cpu::thread_time() - began))
}

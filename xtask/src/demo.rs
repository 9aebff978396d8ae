//! `cargo xtask demo`: the card's main job, on a simulated card, with real Linux hosts.
//!
//! As root: three hosts in network namespaces of their own, plugged into the card's ports by veth
//! pairs, the third behind two ports that form a LAG; `smartnicd` in a fourth with its `br0`; a
//! bridge made with `smartnic-ctl`. The kernels' stacks then ARP, ping and move files through the
//! Verilated hardware. Nothing outside those namespaces is touched, and they go away at the end.
//! Without root the same card and bridge work on captures ([`mod@offline`]).
//!
//! `--break forward` cuts forwarding in the hardware: pings, and so the command, must fail.

pub mod card;
mod frames;
mod hosts;
mod offline;
mod pcapng;
mod report;
mod sys;
mod traffic;

use std::fmt::{self, Write as _};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::proc::{forget_interrupt, interrupted};
use crate::setup;
use card::{Card, Programs, Run, WAVE};
use hosts::Network;
use offline::{Act, Wires};
use report::Carried;
use traffic::{Host, ping, transfer};

/// See the card work: a bridge over two ports and a LAG, with real hosts.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Break something in the hardware on purpose; the demo must then fail.
    #[arg(long = "break", value_name = "WHAT")]
    pub broken: Option<Break>,
    /// Leave everything up afterwards, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
}

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Break {
    /// The hardware forwards nothing between ports.
    Forward,
}

/// The card lost what it should have forwarded: the error that `--break forward` must lead to.
#[derive(Debug)]
pub struct Lost {
    /// What did not come: pings, or a frame of the script.
    pub what: String,
    /// Frames that the hardware dropped because forwarding is cut, by its own counters (`drop_cut`).
    pub cut: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, cut } = self;
        write!(
            f,
            "{what}; frames that the hardware's cut dropped (drop_cut): {cut}"
        )
    }
}

impl std::error::Error for Lost {}

/// Pings from one host to another.
const PINGS: u16 = 3;

/// The size of a file.
const FILE_BYTES: usize = 256 << 10;

/// How many flows show the LAG's choice of a member, and how much each carries.
const FLOWS: u16 = 8;
const FLOW_BYTES: usize = 4 << 10;

/// How long nothing is sent after a flow has ended.
const SETTLE: Duration = Duration::from_millis(30);

/// The port that files are received on; flows count up from it.
const SERVICE: u16 = 8000;

/// Runs the demo.
pub fn run(args: &Args) -> Result<()> {
    setup::run()?;
    let programs = card::build(true)?;
    let scratch = card::scratch()?;
    let start = Instant::now();
    let show = if setup::is_root() { online } else { offline };
    show(args, &programs, scratch.path())?;
    wave(&programs, scratch.path())?;
    println!("\ndemo passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// With real hosts.
fn online(args: &Args, programs: &Programs, scratch: &Path) -> Result<()> {
    let start = Instant::now();
    let network = Network::new("smartnic-demo")?;
    println!("{}\n", network.picture());
    let ports = hosts::PORTS.map(|name| format!("if:{name}"));
    let run = Run {
        name: "",
        scratch,
        card: Some(&network.card),
        host: Some(&network.host),
        wave: false,
    };
    let card = Card::start(programs, &run, &ports)?;
    card.make_bridge(args.broken, true)?;
    network.plug_host(card::BRIDGE)?;
    println!("up after {:.1} s", start.elapsed().as_secs_f64());

    let mut flows = Vec::new();
    let hosts = network.hosts();
    let outcome = traffic_through(&network).and_then(|()| {
        flows = lag_flows(&hosts["h1"], &hosts["h3"], || card.lag_counters())?;
        Ok(())
    });
    let outcome = with_cut(&card, outcome);
    report::hardware(&card)?;
    if args.keep {
        keep(&[network.hints(), card.hints()]);
    }
    finish(card, hosts["h3"].address, outcome, &flows)
}

/// With captures in place of hosts.
fn offline(args: &Args, programs: &Programs, scratch: &Path) -> Result<()> {
    println!("without root: hosts are captures played into the ports; as root they are real\n");
    let start = Instant::now();
    let script = offline::script(FILE_BYTES, FLOWS);
    let mut wires = Wires::new(scratch)?;
    let run = Run {
        name: "",
        scratch,
        card: None,
        host: None,
        wave: false,
    };
    let card = Card::start(programs, &run, &Wires::specs(scratch))?;
    offline::write_inputs(&script, &card.outputs)?;
    card.make_bridge(args.broken, true)?;
    println!("up after {:.1} s\n", start.elapsed().as_secs_f64());

    let mut flows = Vec::new();
    let outcome = with_cut(&card, play(&mut wires, &script, &card, &mut flows));
    report::hardware(&card)?;
    if args.keep {
        keep(&[card.hints()]);
    }
    finish(card, offline::LAG_HOST, outcome, &flows)
}

fn play(wires: &mut Wires, script: &[Act], card: &Card, flows: &mut Vec<Carried>) -> Result<()> {
    let mut before = card.lag_counters()?;
    for act in script {
        let time = wires.play(act)?;
        let bits: usize = act.steps.iter().map(|step| step.frame.len() * 8).sum();
        let (frames, seconds) = (act.steps.len(), time.as_secs_f64());
        println!(
            "  {}: {frames} frames, {:.2} ms a frame, {:.2} Mb/s",
            act.name,
            seconds * 1e3 / frames as f64,
            bits as f64 / 1e6 / seconds
        );
        let after = card.lag_counters()?;
        if let Some(ports) = act.flow {
            flows.push(Carried::new(ports, before, after));
        }
        before = after;
    }
    wires.verify(script)
}

/// What was lost, with what the hardware says of it.
fn with_cut(card: &Card, outcome: Result<()>) -> Result<()> {
    match outcome.map_err(|err| err.downcast::<Lost>()) {
        Ok(()) => Ok(()),
        Err(Err(other)) => Err(other),
        Err(Ok(lost)) => Err(Lost {
            cut: card.total("drop_cut")?,
            ..lost
        }
        .into()),
    }
}

/// Ends the programs, shows what they leave, and gives the demo's outcome.
fn finish(card: Card, behind_lag: Ipv4Addr, outcome: Result<()>, flows: &[Carried]) -> Result<()> {
    let outputs = card.stop()?;
    let lag = if outcome.is_ok() {
        report::lag(flows, &outputs, behind_lag)
    } else {
        Ok(())
    };
    report::files(&outputs);
    outcome.and(lag)
}

/// A wave of the same bridge at work. A card that writes a wave is slower, so the figures above come
/// from one that does not; this is another, into which ARP, pings and two flows are played.
fn wave(programs: &Programs, scratch: &Path) -> Result<()> {
    let scratch = scratch.join("wave");
    fs::create_dir_all(&scratch)?;
    let mut wires = Wires::new(&scratch)?;
    let run = Run {
        name: "wave",
        scratch: &scratch,
        card: None,
        host: None,
        wave: true,
    };
    let card = Card::start(programs, &run, &Wires::specs(&scratch))?;
    card.make_bridge(None, false)?;
    let script = offline::script(0, 2);
    let frames: usize = script.iter().map(|act| act.steps.len()).sum();
    for act in &script {
        wires.play(act)?;
    }
    wires.verify(&script)?;
    let file = card.stop()?.join(WAVE);
    println!(
        "wave      {} ({frames} frames; open with gtkwave or surfer)",
        file.display()
    );
    Ok(())
}

/// Pings and files between all hosts; the first that fails is the error.
fn traffic_through(network: &Network) -> Result<()> {
    let hosts = network.hosts();
    println!("\nping, {PINGS} each (ARP first)");
    let mut lost = String::new();
    for (from, to) in [
        ("h1", "h2"),
        ("h1", "h3"),
        ("h2", "h3"),
        ("host", "h1"),
        ("host", "h3"),
    ] {
        let (source, target) = (&hosts[from], &hosts[to]);
        let pings = source.namespace.run(|| ping(target.address, PINGS))?;
        let line = match pings.summary_ms() {
            Some([min, mean, max]) => format!("rtt {min:.2} / {mean:.2} / {max:.2} ms"),
            None => "no reply".to_owned(),
        };
        println!(
            "  {from:<4} -> {to:<4} {} of {} replies, {line}",
            pings.received, pings.sent
        );
        if pings.received < pings.sent {
            let _ = write!(lost, " {from}->{to}");
        }
        if pings.received == 0 {
            break;
        }
    }
    if !lost.is_empty() {
        // What was lost so far may have been ARP, which is flooded, and whose copy to the host goes its way even with forwarding
        // cut. A unicast to a station that the hardware has learned has one way only.
        network.introduce("h2", "h1")?;
        let again = hosts["h2"].namespace.run(|| ping(hosts["h1"].address, 1))?;
        println!(
            "  h2   -> h1   {} of {} replies, without ARP",
            again.received, again.sent
        );
        let what = format!("pings were lost:{lost}");
        return Err(Lost { what, cut: 0 }.into());
    }

    println!("\nh1's neighbours, by ARP\n{}", network.neighbours("h1")?);

    println!("file of {} KiB over TCP", FILE_BYTES >> 10);
    for (from, to) in [
        ("h1", "h2"),
        ("h2", "h3"),
        ("h3", "h1"),
        ("host", "h1"),
        ("h3", "host"),
    ] {
        let done = transfer(&hosts[from], &hosts[to], (4000, SERVICE), FILE_BYTES)?;
        println!(
            "  {from:<4} -> {to:<4} whole, {:.2} s, {:.2} Mb/s",
            done.time.as_secs_f64(),
            done.megabits_per_second()
        );
    }
    Ok(())
}

/// Some flows to the host behind the LAG, on ports one apart, one after the other; `counters` gives the unicast frames that the hardware has
/// sent to each member.
fn lag_flows(
    from: &Host,
    to: &Host,
    mut counters: impl FnMut() -> Result<[u64; 2]>,
) -> Result<Vec<Carried>> {
    // The last segments of a connection come after its data: a flow is over when nothing has been sent for a while.
    let mut settled = || -> Result<[u64; 2]> {
        let mut last = counters()?;
        loop {
            std::thread::sleep(SETTLE);
            let now = counters()?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
    };
    let mut flows = Vec::new();
    let mut before = settled()?;
    for flow in 0..FLOWS {
        let ports = (hosts::FLOW_SOURCE + flow, SERVICE + 1 + flow);
        transfer(from, to, ports, FLOW_BYTES).context("a flow through the LAG")?;
        let after = settled()?;
        flows.push(Carried::new(ports, before, after));
        before = after;
    }
    Ok(flows)
}

/// Waits for Ctrl-C, and says what can be tried meanwhile.
fn keep(hints: &[String]) {
    println!(
        "\nleft up until Ctrl-C; in another shell:\n{}",
        hints.join("\n")
    );
    while !interrupted() {
        std::thread::sleep(Duration::from_millis(50));
    }
    forget_interrupt();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hosts, with a kernel bridge where the card will be: what then fails is not the card.
    #[test]
    fn the_hosts_talk_through_a_kernel_bridge() {
        if !smartnic_lab::skip::namespaces() {
            return;
        }
        let network = Network::new(&format!("snte{}", std::process::id())).unwrap();
        network.with_kernel_bridge(card::BRIDGE).unwrap();
        network.plug_host(card::BRIDGE).unwrap();
        traffic_through(&network).unwrap();
        let hosts = network.hosts();
        let flows = lag_flows(&hosts["h1"], &hosts["h3"], || Ok([0; 2])).unwrap();
        assert_eq!(flows.len(), usize::from(FLOWS));
    }
}

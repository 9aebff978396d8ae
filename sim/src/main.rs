//! `smartnic-sim`: runs a simulated card with its ports plugged in, and serves it over vfio-user.

use clap::Parser;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smartnic_hdl::params::Params;
use smartnic_sim::card::runner::{CardHandle, RunnerSettings};
use smartnic_sim::card::{Card, CardSettings};
use smartnic_sim::pcie::LinkSettings;
use smartnic_sim::ports::spec::{EXPECTED, GeneratorSpec, PortSpec, parse_faults};
use smartnic_sim::ports::traffic::Flow;
use smartnic_sim::ports::wrap::{Captured, FaultRates, Faulty};
use smartnic_sim::ports::{Attachment, PortError};
use smartnic_sim::vfio_user::VfioUserServer;
use smartnic_verilated::{Opt, Options};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs a simulated smartnic.
#[derive(Parser)]
#[command(name = "smartnic-sim", version, after_help = PORTS)]
struct Cli {
    /// Ethernet ports of the card: 2, 4 or 8.
    #[arg(long, default_value_t = 4)]
    ports: u32,
    /// Plugs an attachment into a port, for example 1=tap:sn1; may be repeated.
    #[arg(long = "port", value_name = "N=WHAT", value_parser = numbered::<PortSpec, PortError>)]
    attach: Vec<(usize, PortSpec)>,
    /// Harms frames into a port, for example 1=bad-fcs:100 (one in 100); may be repeated.
    #[arg(long = "faults", value_name = "N=RATES", value_parser = faults)]
    faults: Vec<(usize, FaultRates)>,
    /// Seed of the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serves the card as a vfio-user device on this Unix socket.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Writes waves (FST) of the first cycles into this file.
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// How many cycles of waves; while they are written, the card runs several times slower.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    wave_cycles: u64,
    /// Writes a pcapng file for each port into this folder.
    #[arg(long, value_name = "DIR")]
    capture: Option<PathBuf>,
    /// Ends when every capture file and generator has sent all and the card rests.
    #[arg(long)]
    drain: bool,
    /// Gives the PCIe link no limit, instead of PCIe 1.0 x1.
    #[arg(long)]
    fast_link: bool,
    /// Lets the card's timers run in simulated time, which stands while nothing happens.
    #[arg(long)]
    simulated_time: bool,
    /// Compiles the model quickly instead of well.
    #[arg(long)]
    quick: bool,
}

const PORTS: &str = "WHAT is tap:NAME, if:NAME, pcap:IN,OUT (either may be empty), dgram:LOCAL,PEER,\n\
    or gen:count=N,size=BYTES|FROM-TO|imix,load=PERCENT,gap=N,seed=N,id=N,dst=MAC,src=MAC.\n\
    RATES is drop:N,duplicate:N,bad-fcs:N,error:N,runt:N,false-carrier:N.\n\
    On standard output one line says when the card is ready; at the end each port says what it did.";

fn numbered<T: std::str::FromStr<Err = E>, E: ToString>(text: &str) -> Result<(usize, T), String> {
    let (number, rest) = split(text)?;
    Ok((number, rest.parse().map_err(|e: E| e.to_string())?))
}

fn faults(text: &str) -> Result<(usize, FaultRates), String> {
    let (number, rest) = split(text)?;
    Ok((number, parse_faults(rest).map_err(|e| e.to_string())?))
}

fn split(text: &str) -> Result<(usize, &str), String> {
    let expected = || format!("`{text}` is not N=WHAT, with N from 1; WHAT is {EXPECTED}");
    let (number, rest) = text.split_once('=').ok_or_else(expected)?;
    Ok((
        number
            .parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(expected)?,
        rest,
    ))
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smartnic-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settings(cli: &Cli) -> CardSettings {
    let opt = if cli.quick { Opt::Quick } else { Opt::Fast };
    let mut settings = CardSettings {
        model: Options {
            trace: cli.wave.is_some(),
            opt,
            ..Options::default()
        },
        ..CardSettings::default()
    };
    if cli.fast_link {
        settings.root.link = LinkSettings::INSTANT;
        settings.root.completion_latency = 0;
    }
    settings
}

/// Opens a port's attachment with what is stacked around it.
fn open(cli: &Cli, port: usize, spec: &PortSpec) -> Result<Box<dyn Attachment>, Box<dyn Error>> {
    let generator = |s: &PortSpec| match s {
        PortSpec::Generator(g) => Some(g.clone()),
        _ => None,
    };
    let others = cli
        .attach
        .iter()
        .filter(|(n, _)| *n != port)
        .filter_map(|(_, s)| generator(s));
    let others: Vec<Flow> = others.map(|g: GeneratorSpec| g.flow()).collect();
    let mut attachment = spec.open(&others)?;
    if let Some((_, rates)) = cli.faults.iter().find(|(n, _)| *n == port) {
        attachment = Box::new(Faulty::new(attachment, *rates, cli.seed + port as u64));
    }
    if let Some(dir) = &cli.capture {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let path = dir.join(format!("port{port}.pcapng"));
        attachment = Box::new(Captured::new(attachment, &path, &format!("port{port}"))?);
    }
    Ok(attachment)
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let params = Params::for_ports(cli.ports);
    params.check()?;
    let mut specs = BTreeMap::new();
    for (port, spec) in &cli.attach {
        if *port > cli.ports as usize {
            return Err(format!("port {port}: the card has ports 1 to {}", cli.ports).into());
        }
        if specs.insert(*port, spec).is_some() {
            return Err(format!("port {port} is plugged in twice").into());
        }
    }
    if let Some((port, _)) = cli
        .faults
        .iter()
        .find(|(port, _)| !specs.contains_key(port))
    {
        return Err(format!("port {port} has faults, but nothing is plugged in").into());
    }
    // Before any thread is made: all of them leave the signals to this one.
    let signals = [Signal::SIGINT, Signal::SIGTERM]
        .into_iter()
        .collect::<SigSet>();
    signals.thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;

    let mut card = Card::new(&params, &settings(cli))?;
    if let Some(wave) = &cli.wave {
        card.open_trace(wave, cli.wave_cycles)?;
    }
    for (port, spec) in specs {
        card.attach(port, open(cli, port, spec)?)?;
    }
    let (start, first) = (Instant::now(), card.cycle());
    let runner = RunnerSettings {
        real_time: !cli.simulated_time,
    };
    let card = CardHandle::spawn(card, runner)?;
    let server = cli
        .socket
        .as_ref()
        .map(|p| VfioUserServer::start(p, card.clone()))
        .transpose()?;
    match &server {
        Some(server) => println!("ready: {} ports, {}", cli.ports, server.path().display()),
        None => println!("ready: {} ports", cli.ports),
    }
    let mut wait = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let tick = PollTimeout::from(50u16);
    // A signal ends it, and so does a card that is done, if that was asked for.
    while poll(&mut wait, tick).unwrap_or(0) == 0 {
        if card.call(|card| card.resting() && card.drained())? && cli.drain {
            break;
        }
    }
    drop(server);
    let mut card = card.stop().ok_or("the simulated card has failed")?;
    let (cycles, time) = (card.cycle() - first, start.elapsed());
    report(&card, cycles, time);
    Ok(card.close()?)
}

fn report(card: &Card, cycles: u64, time: Duration) {
    for port in 1..=card.ports() {
        println!(
            "port {port}: {}",
            card.summary(port).unwrap_or_else(|| "unplugged".into())
        );
    }
    let rate = cycles as f64 / time.as_secs_f64().max(1e-9) / 1e6;
    println!(
        "{cycles} cycles in {:.1} s: {rate:.2} million a second",
        time.as_secs_f64()
    );
}

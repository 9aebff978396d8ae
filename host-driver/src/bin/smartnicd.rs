//! smartnicd: the driver of a smartnic as a daemon.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smartnic_driver::clock::Clock;
use smartnic_driver::control::DEFAULT_SOCKET;
use smartnic_driver::daemon::log::Log;
use smartnic_driver::daemon::target::Target;
use smartnic_driver::daemon::{Config, Daemon, Opener};
use smartnic_driver::device::MacAddr;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::kernel::HostDevice;
use smartnic_driver::kernel::tap::Tap;
use smartnic_driver::pci::DeviceSpec;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The driver of a smartnic: owns the card, and serves smartnic-ctl.
///
/// It runs in the foreground until SIGTERM or SIGINT, then stops the card. A card that disappears is waited for.
/// Messages go to stderr; RUST_LOG sets how many (error, warn, info, debug).
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  smartnicd --device vfio-user:/run/card.sock --tap
  smartnicd --device vfio:0000:01:00.0 --control /run/smartnic.sock --tap
  smartnicd --device snull,lockup=5,timeout=100 --tap

Exit codes: 0 stopped by a signal, 1 the card or the socket could not be opened, 2 wrong arguments."
)]
struct Args {
    /// The card: vfio-user:SOCKET (a simulated card), vfio:DOMAIN:BUS:DEVICE.FUNCTION (bound to vfio-pci), or pci-driver:ADDRESS (the same through that crate).
    /// Without a card: snull, the teaching pair sn0 and sn1, with any of ,lockup=N ,timeout=MS ,pool_size=N ,poll behind it
    #[arg(long)]
    device: Target,
    /// Path of the control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// Open a TAP interface of the same name for each bridge, bond, VLAN device, sn0 and sn1
    #[arg(long)]
    tap: bool,
    /// Address of the first port; the others count up [default: random]
    #[arg(long, value_name = "MAC")]
    base_address: Option<MacAddr>,
    /// Entries of the receive and transmit ring: a power of two from 4 to 32768
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = ring_size)]
    ring_size: u32,
    /// Completions that may wait for one interrupt, 0 to 255 [default: 8; 1 with vfio-user, whose time is slower]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=255))]
    moderation_count: Option<u32>,
    /// How long completions may wait for an interrupt, in microseconds, 0 to 30000
    #[arg(long, value_name = "US", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=30_000))]
    moderation_us: u32,
    /// Seconds to wait for the card to appear
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

fn ring_size(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(n) if n.is_power_of_two() && (4..=32_768).contains(&n) => Ok(n),
        _ => Err("a power of two from 4 to 32768 is wanted".into()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = Log::default();
    let text = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let all = tracing_subscriber::registry().with(filter).with(text);
    all.with(log.clone()).init();
    match serve(args, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smartnicd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args, log: Log) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything else: a signal that comes early must still end us cleanly.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let completions = match &args.device {
        Target::Card(DeviceSpec::Vfio(_) | DeviceSpec::PciDriver(_)) => 8,
        Target::Card(DeviceSpec::VfioUser(_)) | Target::Snull(_) => 1,
        Target::Card(DeviceSpec::Serial(_)) => {
            let reason =
                "smartnicd needs PCIe: a board behind a serial line is for smartnic-ctl --serial";
            return Err(reason.into());
        }
    };
    let config = Config {
        socket: args.control,
        host_devices: args.tap.then(|| -> smartnic_driver::kernel::HostFactory {
            Box::new(|name| Tap::create(name).map(|tap| Box::new(tap) as Box<dyn HostDevice>))
        }),
        base_address: args
            .base_address
            .unwrap_or_else(|| MacAddr::random(&mut rand::rng())),
        host: HostConfig {
            ring_log2: args.ring_size.ilog2(),
            moderation_count: args.moderation_count.unwrap_or(completions),
            moderation_us: args.moderation_us,
            ..Default::default()
        },
        clock: Clock::default(),
    };
    let mut daemon = match args.device {
        Target::Card(spec) => Daemon::new(config, opener(spec, Duration::from_secs(args.wait)))?,
        Target::Snull(pair) => Daemon::snull(config, &pair)?,
    };
    daemon.set_log(log);
    daemon.run(&stop)?;
    Ok(())
}

/// Opens the card; the first time it may take as long as `wait` to appear.
fn opener(spec: DeviceSpec, wait: Duration) -> Opener {
    let deadline = Instant::now() + wait;
    let mut first = true;
    Box::new(move || {
        loop {
            match spec.open() {
                Err(error) if first && Instant::now() < deadline => {
                    tracing::debug!(%error, "waiting for the card");
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => {
                    first = false;
                    return other;
                }
            }
        }
    })
}

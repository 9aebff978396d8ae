//! A daemon in a thread over a fake card, with sockets in place of kernel interfaces.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::eventfd::EventFd;
use serde::Serialize;
use serde_json::Value;
use smartnic_driver::clock::Clock;
use smartnic_driver::control::client::{Client, ClientError};
use smartnic_driver::daemon::log::Log;
use smartnic_driver::daemon::{Config, Daemon, Opener};
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::kernel::{HostDevice, HostState};
use smartnic_driver::pci::PciError;
use smartnic_netdev::snull;
use tracing_subscriber::layer::SubscriberExt;

use crate::fake::{Fake, Shape};

/// How an interface looks, once it was configured.
type Looks = Arc<Mutex<Option<HostState>>>;

/// The kernel's end of each interface that the daemon made, by name, and how it looks.
#[derive(Clone, Default)]
pub struct Kernel(pub Arc<Mutex<Vec<(String, UnixDatagram, Looks)>>>);

struct Socket {
    socket: UnixDatagram,
    state: Looks,
}

impl HostDevice for Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
    fn receive(&mut self, frame: &mut [u8]) -> io::Result<Option<usize>> {
        match self.socket.recv(frame) {
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        self.socket.send(frame).map(|n| n == frame.len())
    }
    fn configure(&mut self, state: &HostState) -> io::Result<()> {
        *self.state.lock().unwrap() = Some(*state);
        Ok(())
    }
}

impl Kernel {
    fn make(&self, name: &str) -> io::Result<Box<dyn HostDevice>> {
        if name == "taken" {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let (ours, theirs) = UnixDatagram::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_read_timeout(Some(Duration::from_secs(60)))?;
        let state = Arc::new(Mutex::new(None));
        self.0
            .lock()
            .unwrap()
            .push((name.into(), theirs, state.clone()));
        Ok(Box::new(Socket {
            socket: ours,
            state,
        }))
    }
    /// The kernel's end of an interface.
    pub fn end(&self, name: &str) -> UnixDatagram {
        let all = self.0.lock().unwrap();
        all.iter()
            .find(|(n, ..)| n == name)
            .expect("made")
            .1
            .try_clone()
            .unwrap()
    }
    /// How an interface looks.
    pub fn state(&self, name: &str) -> Option<HostState> {
        let all = self.0.lock().unwrap();
        *all.iter().find(|(n, ..)| n == name)?.2.lock().unwrap()
    }
}

/// A running daemon.
pub struct Running {
    pub fake: Fake,
    pub kernel: Kernel,
    pub socket: PathBuf,
    /// Opening the card fails while this is set.
    pub absent: Arc<Mutex<bool>>,
    /// Opening the card takes as long as this is locked.
    pub stuck: Arc<Mutex<()>>,
    /// What the daemon's protocols run by; a call of any method lets it look.
    pub clock: Clock,
    stop: Arc<EventFd>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

/// Starts a daemon over a fake card, with a clock that stands until a test advances it.
pub fn start(shape: Shape) -> Running {
    start_with(shape, Clock::manual())
}

/// Starts a daemon over a fake card.
pub fn start_with(shape: Shape, clock: Clock) -> Running {
    let fake = Fake::new(shape);
    let absent = Arc::new(Mutex::new(false));
    let stuck = Arc::new(Mutex::new(()));
    let open: Opener = {
        let (fake, absent, stuck) = (fake.clone(), absent.clone(), stuck.clone());
        Box::new(move || {
            drop(stuck.lock());
            if *absent.lock().unwrap() {
                return Err(PciError::Open {
                    device: "fake".into(),
                    reason: "not there".into(),
                });
            }
            Ok(fake.transport())
        })
    };
    let mut running = start_daemon(clock, |config| Daemon::new(config, open).unwrap());
    (running.fake, running.absent, running.stuck) = (fake, absent, stuck);
    running
}

/// Starts a daemon over the teaching pair, with a clock that stands until a test advances it. Its fake card is nobody's.
pub fn start_snull(pair: &snull::Config) -> Running {
    start_daemon(Clock::manual(), |config| {
        Daemon::snull(config, pair).unwrap()
    })
}

fn start_daemon(clock: Clock, make: impl FnOnce(Config) -> Daemon) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ctl.sock");
    let kernel = Kernel::default();
    let stop = Arc::new(EventFd::new().unwrap());
    let config = Config {
        socket: socket.clone(),
        host_devices: Some({
            let kernel = kernel.clone();
            Box::new(move |name: &str| kernel.make(name))
        }),
        base_address: "02:00:00:00:00:10".parse().unwrap(),
        host: HostConfig {
            ring_log2: 4,
            ..Default::default()
        },
        clock: clock.clone(),
    };
    let mut daemon = make(config);
    let log = Log::default();
    daemon.set_log(log.clone());
    let thread = {
        let stop = stop.clone();
        let logged = tracing_subscriber::registry().with(log);
        let run = move || daemon.run(stop.as_fd()).unwrap();
        std::thread::spawn(|| tracing::subscriber::with_default(logged, run))
    };
    Running {
        fake: Fake::new(Shape::default()),
        kernel,
        socket,
        absent: Arc::default(),
        stuck: Arc::default(),
        clock,
        stop,
        thread: Some(thread),
        _dir: dir,
    }
}

impl Running {
    pub fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }

    /// Calls a method; a refusal is its text.
    pub fn call(&self, method: &str, parameters: impl Serialize) -> Result<Value, String> {
        self.client()
            .call(method, &parameters)
            .map_err(|e: ClientError| e.to_string())
    }

    /// Runs smartnic-ctl's code with these arguments; its output, or its error and exit code.
    pub fn ctl(&self, line: &str) -> Result<String, (String, u8)> {
        use clap::Parser;
        let args = ["smartnic-ctl", "--socket", self.socket.to_str().unwrap()];
        let cli = smartnic_driver::cli::args::Cli::try_parse_from(
            args.into_iter().chain(line.split_whitespace()),
        )
        .map_err(|e| (e.to_string(), 1))?;
        let mut out = Vec::new();
        smartnic_driver::cli::run(&cli, &mut out).map_err(|e| (e.to_string(), e.code()))?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Runs lines that must succeed.
    pub fn ctl_ok(&self, lines: &[&str]) {
        for line in lines {
            if let Err((error, _)) = self.ctl(line) {
                panic!("{line}: {error}");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.write(1).unwrap();
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            if !std::thread::panicking() {
                result.expect("the daemon ended well");
            }
        }
    }
}

/// Waits until `is` holds, at most a minute: the machine may be busy.
pub fn eventually(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The bridge of the demo: ports 1 and 2, and a lag of ports 3 and 4.
pub const DEMO: [&str; 9] = [
    "link add br0 type bridge",
    "link add lag0 type lag xmit_hash_policy layer3+4",
    "link set port3 master lag0",
    "link set port4 master lag0",
    "link set port1 master br0 up",
    "link set port2 master br0 up",
    "link set lag0 master br0",
    "link set lag0 up",
    "link set br0 up",
];

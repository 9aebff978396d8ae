//! `smartnicd`: owns the card, and serves rings, kernel interfaces and the control socket from one thread. Without a card it has the
//! teaching pair ([`Daemon::snull`]), and everything that is over it, in the same loop.
//!
//! The loop waits in poll(2) for: the card's interrupts (eventfds) and hang-up, the kernel interfaces, the control
//! socket and its connections, and the descriptor that ends it. Once a second it looks whether the card is still
//! there and no ring has stopped; while the card is gone it tries twice a second to open it again, on a thread of its own. What
//! takes long is done in small steps between all else. Nothing that a client, a frame or the card does ends it.
//!
//! Covered by `tests/driver/daemon.rs`.

mod jobs;
pub mod log;
mod reopen;
mod report;
pub mod target;
mod uplink;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use smartnic_netdev::snull;

use crate::clock::Clock;
use crate::control::server::{Asked, ControlServer, Token};
use crate::control::service::{Outcome, handle};
use crate::control::wire;
use crate::control::wire::WireError;
use crate::device::host::HostConfig;
use crate::device::{Device, DeviceError, MacAddr};
use crate::kernel::HostFactory;
use crate::netdev::NetError;
use crate::pci::{PciError, PciTransport};
use crate::switch::Switch;
use jobs::Jobs;
use log::Log;
use reopen::Reopener;
use uplink::Uplinks;

/// How often the card is looked at without an interrupt.
const CHECK: Duration = Duration::from_secs(1);
/// How often a card that is gone is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Opens the card.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn PciTransport>, PciError> + Send>;

/// How the daemon runs.
pub struct Config {
    /// Path of the control socket.
    pub socket: PathBuf,
    /// Makes a kernel interface for each bridge, if wanted.
    pub host_devices: Option<HostFactory>,
    /// Address of the first port; the others count up.
    pub base_address: MacAddr,
    /// Rings.
    pub host: HostConfig,
    /// What the protocols run by.
    pub clock: Clock,
}

/// A running daemon.
pub struct Daemon {
    switch: Switch,
    control: ControlServer,
    uplinks: Uplinks,
    jobs: Jobs,
    /// None without a card.
    reopener: Option<Reopener>,
    log: Option<Log>,
    checked: Instant,
    more: bool,
}

/// What is ready, as found by poll(2).
#[derive(Default)]
struct Ready {
    stop: bool,
    hangup: bool,
    vectors: [bool; 4],
    connections: Vec<Token>,
}

impl Daemon {
    /// Opens the card and the control socket.
    pub fn new(config: Config, mut open: Opener) -> Result<Self, NetError> {
        let control = bind(&config)?;
        let transport = open().map_err(|e| NetError::Device(e.into()))?;
        let switch = Switch::new(transport, config.host, config.base_address)?;
        let caps = switch.caps();
        tracing::info!(
            device = switch.name(),
            ports = caps.ports,
            fdb = caps.fdb_entries,
            "the card is in use"
        );
        let reopener = Reopener::new(open).map_err(|source| NetError::Kernel {
            what: "thread".into(),
            source,
        })?;
        let uplinks = Uplinks::new(config.host_devices);
        Self::over(switch, control, uplinks, config.clock, Some(reopener))
    }

    /// Opens the control socket over the teaching pair sn0 and sn1; what of `config` is for a card is of no use.
    pub fn snull(config: Config, pair: &snull::Config) -> Result<Self, NetError> {
        let control = bind(&config)?;
        let switch = Switch::snull(pair)?;
        tracing::info!(lockup = pair.lockup, timeout = ?pair.timeout, "sn0 and sn1 are in use");
        let uplinks = Uplinks::new(config.host_devices);
        Self::over(switch, control, uplinks, config.clock, None)
    }

    fn over(
        mut switch: Switch,
        control: ControlServer,
        mut uplinks: Uplinks,
        clock: Clock,
        reopener: Option<Reopener>,
    ) -> Result<Self, NetError> {
        switch.set_clock(clock);
        match uplinks.follow(&mut switch) {
            Some(error) => Err(error),
            None => Ok(Self {
                switch,
                control,
                uplinks,
                jobs: Jobs::default(),
                reopener,
                log: None,
                checked: Instant::now(),
                more: true,
            }),
        }
    }

    /// Serves until `stop` becomes readable, then stops the card.
    pub fn run(&mut self, stop: impl AsFd) -> io::Result<()> {
        loop {
            let ready = self.wait(stop.as_fd())?;
            if ready.stop {
                tracing::info!("stopping");
                self.switch.shut_down();
                return Ok(());
            }
            if ready.hangup {
                self.switch.detach("the server closed the socket");
            }
            self.control.accept();
            for token in ready.connections {
                for asked in self.control.serve(token) {
                    self.answer(asked);
                }
            }
            self.work();
            self.serve_card(ready.vectors);
            self.more |= self.uplinks.transmit(&mut self.switch);
            self.report();
            self.serve_consoles();
        }
    }

    /// What netconsoles send.
    pub fn set_log(&mut self, log: Log) {
        self.log = Some(log);
    }

    fn wait(&self, stop: BorrowedFd<'_>) -> io::Result<Ready> {
        let timeout = if self.more || self.jobs.any() {
            Duration::ZERO
        } else {
            let pause = self.pause().saturating_sub(self.checked.elapsed());
            self.switch
                .next_tick()
                .map_or(pause, |tick| tick.min(pause))
        };
        let input = PollFlags::POLLIN;
        let mut fds = vec![PollFd::new(stop, input)];
        let tokens: Vec<Token> = self
            .control
            .connections()
            .map(|(token, ..)| token)
            .collect();
        fds.extend(self.control.connections().map(|(_, fd, wants)| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, wants.input);
            flags.set(PollFlags::POLLOUT, wants.output);
            PollFd::new(fd, flags)
        }));
        let vectors = fds.len();
        if let Some(host) = self.switch.host() {
            fds.extend(
                host.vectors()
                    .into_iter()
                    .map(|v| PollFd::new(v.as_fd(), input)),
            );
        }
        let hangup = fds.len();
        // No events: a hang-up is always reported, and answers to calls are nobody else's business.
        fds.extend(
            self.switch
                .transport()
                .and_then(PciTransport::hangup_fd)
                .map(|fd| PollFd::new(fd, PollFlags::empty())),
        );
        let watched = fds.len();
        fds.extend(self.reopener.as_ref().map(|r| PollFd::new(r.fd(), input)));
        fds.extend(self.control.fd().map(|fd| PollFd::new(fd, input)));
        fds.extend(self.uplinks.fds().map(|fd| PollFd::new(fd, input)));
        // Up to the next millisecond: less would be a round for nothing.
        let millis = u16::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        let mut ready = Ready {
            stop: is_ready(&fds[0]),
            hangup: fds[hangup..watched].iter().any(is_ready),
            ..Default::default()
        };
        ready.connections = tokens
            .into_iter()
            .zip(&fds[1..])
            .filter(|(_, fd)| is_ready(fd))
            .map(|(t, _)| t)
            .collect();
        for (flag, fd) in ready.vectors.iter_mut().zip(&fds[vectors..hangup]) {
            *flag = is_ready(fd);
        }
        Ok(ready)
    }

    fn pause(&self) -> Duration {
        if self.switch.gone().is_some() {
            RETRY
        } else {
            CHECK
        }
    }

    /// Rings, events and links; the regular look; a card that may be back.
    fn serve_card(&mut self, vectors: [bool; 4]) {
        let due = self.checked.elapsed() >= self.pause();
        if due {
            self.checked = Instant::now();
        }
        self.more = false;
        if let Some(reopener) = self
            .reopener
            .as_mut()
            .filter(|_| self.switch.gone().is_some())
        {
            self.switch.tick();
            if due {
                reopener.start();
            }
            if let Some(opened) = reopener.take() {
                self.reopened(opened);
            }
            return;
        }
        if let Err(error) = self.serve_rings(vectors, due) {
            // A card that is gone has been given up by the switch, with a message.
            if !error.is_gone() {
                tracing::error!(%error, "the card failed");
            }
        }
    }

    fn serve_rings(&mut self, vectors: [bool; 4], due: bool) -> Result<(), NetError> {
        if let Some(host) = self.switch.host().filter(|_| vectors.contains(&true)) {
            host.clear_vectors();
        }
        let polled = self.switch.poll()?;
        self.more = polled.more;
        for (dev, frame) in polled.frames {
            if !self.uplinks.deliver(&self.switch, dev, &frame) {
                self.switch.count_rx_drop(dev);
            }
        }
        if due || vectors[Switch::ERROR_VECTOR] {
            self.switch.check()?;
            self.uplinks.follow(&mut self.switch);
        } else if vectors[Switch::EVENT_VECTOR] {
            self.switch.check_links()?;
            self.uplinks.follow(&mut self.switch);
        }
        Ok(())
    }

    fn reopened(&mut self, opened: Result<Device, DeviceError>) {
        let result = opened
            .map_err(NetError::from)
            .and_then(|device| self.switch.attach(device));
        match result {
            Ok(()) => {
                tracing::info!(
                    device = self.switch.name(),
                    "the card is back, and set up as before"
                );
                self.uplinks.follow(&mut self.switch);
                self.more = true;
            }
            Err(error) => tracing::debug!(%error, "the card is not back yet"),
        }
    }

    fn answer(&mut self, asked: Asked) {
        let (token, oneway) = (asked.token, asked.call.oneway);
        if self.jobs.has(token) {
            return self.jobs.wait(asked);
        }
        let outcome = handle(&mut self.switch, &asked.call);
        // Interfaces follow before the answer goes out: whoever made br0 finds it in the kernel.
        let outcome = match self.uplinks.follow(&mut self.switch) {
            Some(error) => outcome.and(Err(error.into())),
            None => outcome,
        };
        self.more = true;
        match outcome {
            Ok(Outcome::Monitor(topic)) => self.control.set_monitor(token, topic),
            Ok(Outcome::Listing(work)) => {
                self.control.hold(token, true);
                self.jobs.add(token, oneway, work);
            }
            Ok(Outcome::Reply(value)) => self.reply(token, oneway, Ok(value)),
            Err(error) => {
                tracing::debug!(method = %asked.call.method, error = %error.parameters, "refused");
                self.reply(token, oneway, Err(error));
            }
        }
    }

    fn reply(&mut self, token: Token, oneway: bool, reply: Result<Value, WireError>) {
        if !oneway {
            let message = reply.map_or_else(|e| e.message(), |value| wire::reply(value, false));
            self.control.send(token, &message);
        }
    }

    /// A step of what takes long, and what clients have asked behind it.
    fn work(&mut self) {
        if !self.jobs.any() {
            return;
        }
        let control = &self.control;
        self.jobs.retain(|token| control.is_open(token));
        let Some(ended) = self.jobs.step(&mut self.switch) else {
            return;
        };
        self.reply(ended.token, ended.oneway, ended.reply);
        self.control.hold(ended.token, false);
        for asked in self.jobs.take_waiting(ended.token) {
            self.answer(asked);
        }
        // What the client had sent before may be in the buffer already: no poll tells of that.
        for asked in self.control.serve(ended.token) {
            self.answer(asked);
        }
    }
}

fn bind(config: &Config) -> Result<ControlServer, NetError> {
    ControlServer::bind(&config.socket).map_err(|source| NetError::Kernel {
        what: "control socket".into(),
        source,
    })
}

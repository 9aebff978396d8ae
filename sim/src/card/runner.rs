//! Gives a card a thread and real time.
//!
//! The thread steps the card while it has work and sleeps while it rests, until a port becomes
//! readable or somebody calls. Other threads reach the card by [`CardHandle::call`], which runs a
//! closure between two cycles; register accesses are answered while the clock runs.
//!
//! Simulated time is slower than real time and stops with the clock. Timers of the hardware count
//! ticks ([`smartnic_regs::pages::global::TICK`]); with [`RunnerSettings::real_time`] the thread adds
//! the ticks that real time is ahead, some times a second, so that ageing runs in wall-clock time.

use super::{Card, CardError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use smartnic_regs::pages::global;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Cycles between looks at the calls that wait.
const BATCH: u64 = 64;
/// Real time between looks at the links and the timers.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// Nanoseconds of a core cycle.
const CYCLE_NS: u128 = 8;

/// How the thread behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerSettings {
    /// Adds ticks so that the card's timers run in real time.
    pub real_time: bool,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        RunnerSettings { real_time: true }
    }
}

type Job = Box<dyn FnOnce(&mut Card) + Send>;

struct Shared {
    wake: EventFd,
    pending: AtomicBool,
    stop: AtomicBool,
}

/// Reaches a card that runs in its own thread; clones reach the same card. The card runs until
/// [`CardHandle::stop`] or until every handle is gone.
#[derive(Clone)]
pub struct CardHandle {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<Card>>>>,
}

impl CardHandle {
    /// Starts a thread for a card.
    pub fn spawn(card: Card, settings: RunnerSettings) -> std::io::Result<CardHandle> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags)?;
        let shared = Shared {
            wake,
            pending: AtomicBool::new(true),
            stop: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let (jobs, queue) = channel();
        let inner = shared.clone();
        let builder = std::thread::Builder::new().name("smartnic-card".into());
        let thread = builder.spawn(move || Runner::new(card, settings, inner, queue).run())?;
        Ok(CardHandle {
            jobs,
            shared,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    fn signal(&self) {
        self.shared.pending.store(true, Ordering::Release);
        // Full only after 2^64 signals that nobody took: then it is readable anyway.
        let _ = self.shared.wake.write(1);
    }

    /// Runs `f` on the card between two cycles, later, in the order of the calls.
    pub fn post(&self, f: impl FnOnce(&mut Card) + Send + 'static) -> Result<(), CardError> {
        self.jobs
            .send(Box::new(f))
            .map_err(|_| CardError::Stopped)?;
        self.signal();
        Ok(())
    }

    /// Runs `f` on the card between two cycles and waits for what it returns.
    pub fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Card) -> R + Send + 'static,
    ) -> Result<R, CardError> {
        let (answer, wait) = channel();
        self.post(move |card| {
            // A caller that has gone away wants no answer.
            let _ = answer.send(f(card));
        })?;
        wait.recv().map_err(|_| CardError::Stopped)
    }

    /// Stops the thread and returns the card; `None` if it was stopped before or has failed.
    pub fn stop(&self) -> Option<Card> {
        self.shared.stop.store(true, Ordering::Release);
        self.signal();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        thread.and_then(|t| t.join().ok())
    }
}

struct Runner {
    card: Card,
    settings: RunnerSettings,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    start: Instant,
    first_cycle: u64,
    /// Cycles' worth of ticks that were added.
    added: u128,
    next: Instant,
}

impl Runner {
    fn new(card: Card, settings: RunnerSettings, shared: Arc<Shared>, jobs: Receiver<Job>) -> Self {
        let (start, first_cycle) = (Instant::now(), card.cycle());
        Runner {
            card,
            settings,
            shared,
            jobs,
            start,
            first_cycle,
            added: 0,
            next: start,
        }
    }

    fn run(mut self) -> Card {
        loop {
            // Cleared before the queue is read: a job that comes later sets it again.
            if self.shared.pending.swap(false, Ordering::AcqRel) && !self.run_jobs() {
                return self.card;
            }
            let now = Instant::now();
            if now >= self.next {
                self.next = now + HOUSEKEEPING;
                self.card.refresh_links();
                if self.settings.real_time {
                    self.add_ticks();
                }
            }
            if self.card.resting() {
                self.sleep();
            }
            for _ in 0..BATCH {
                self.card.step();
            }
        }
    }

    /// False when the card shall stop.
    fn run_jobs(&mut self) -> bool {
        loop {
            if self.shared.stop.load(Ordering::Acquire) {
                return false;
            }
            match self.jobs.try_recv() {
                Ok(job) => job(&mut self.card),
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits for a port, a call, or the time of the next housekeeping.
    fn sleep(&mut self) {
        let left = self.next.saturating_duration_since(Instant::now());
        // Rounded up: a wait of 0 would spin through the last millisecond.
        let timeout = PollTimeout::from(u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX));
        let fds = self.card.attachments().filter_map(|a| a.readiness());
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        fds.push(PollFd::new(self.shared.wake.as_fd(), PollFlags::POLLIN));
        // Interrupted or failed: look around and sleep again.
        let ready = poll(&mut fds, timeout).unwrap_or(0) > 0;
        let called = fds.pop().is_some_and(|fd| fd.any().unwrap_or(false));
        drop(fds);
        if called {
            let _ = self.shared.wake.read();
        }
        if ready {
            self.card.wake();
        }
    }

    /// Adds the ticks by which real time is ahead of the card's.
    fn add_ticks(&mut self) {
        let real = self.start.elapsed().as_nanos() / CYCLE_NS;
        let ran = u128::from(self.card.cycle() - self.first_cycle);
        let missing = real.saturating_sub(ran + self.added);
        let (tick_at, add_at) = (global::TICK.addr.into(), global::TICK_ADD.addr.into());
        // A card that does not answer (reset, memory space off) gets its ticks next time.
        let Ok(tick) = self.card.read32(0, tick_at) else {
            return;
        };
        let ticks = missing / u128::from(tick.max(1));
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        if ticks > 0 && tick > 0 && self.card.write32(0, add_at, ticks).is_ok() {
            self.added += u128::from(ticks) * u128::from(tick);
        }
    }
}

//! The simulated card: the generated hardware between its ports and its host.
//!
//! Algorithm: a cycle reads the card's outputs, hands them to the monitors and the root complex, sets
//! the inputs that these want for the coming edge, and ticks all clocks in one evaluation. A monitor
//! and a driver therefore number the same wire cycle alike, and latencies are differences of numbers.
//!
//! When the hardware says `idle`, no port has a frame and the root complex has nothing under way, the
//! card is at rest: [`Card::resting`]; the clock may stop until something arrives. Nothing that stops
//! while the clock stands is lost: `tests/card.rs` shows that further cycles change nothing.
//!
//! [`runner`] gives the card a thread and real time.

mod clocks;
mod gates;
mod mmio;
mod pins;
pub mod runner;
mod slot;

pub use clocks::ClockSettings;

use crate::gmii::Sent;
use crate::pcie::{RootComplex, Settings};
use crate::ports::{Attachment, PortError};
use clocks::Clocks;
use gates::Gates;
use pins::CardPins;
use slot::PortSlot;
use smartnic_hdl::params::Params;
use smartnic_verilated::{Design, Model, Options};
use std::path::Path;

/// Cycles that everything must be quiet before the card rests: longer than any register chain
/// between a pin and the hardware's `idle`.
const QUIET: u32 = 64;
/// Cycles of reset at power-up.
const RESET: u32 = 32;

/// Why a card cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// Parameters out of range.
    #[error(transparent)]
    Params(#[from] smartnic_hdl::params::ParamError),
    /// The model.
    #[error(transparent)]
    Model(#[from] smartnic_verilated::Error),
    /// An attachment.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A port that the card does not have.
    #[error("port {port}: the card has ports 1 to {ports}")]
    NoPort {
        /// The port asked for, from 1.
        port: usize,
        /// Ports of the card.
        ports: usize,
    },
    /// The card's thread has ended.
    #[error("the simulated card has stopped")]
    Stopped,
}

/// How the card is simulated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardSettings {
    /// How the model is compiled.
    pub model: Options,
    /// The host and the link.
    pub root: Settings,
    /// How clocks differ.
    pub clocks: ClockSettings,
}

/// A card.
pub struct Card {
    model: Model,
    pins: CardPins,
    clocks: Clocks,
    gates: Gates,
    /// The mask bit of the core clock.
    core: u32,
    rx_bits: Vec<u32>,
    root: RootComplex,
    config: Option<crate::pcie::ConfigPins>,
    ports: Vec<PortSlot>,
    cycle: u64,
    quiet: u32,
    keep_sent: bool,
    /// The cycle at which waves end.
    trace_end: u64,
}

impl Card {
    /// Generates, builds and powers up the card with these parameters.
    pub fn new(params: &Params, settings: &CardSettings) -> Result<Card, CardError> {
        let top = smartnic_hdl::top::gated(params)?;
        Self::from_design(&smartnic_hdl::rtl::design(&top), settings)
    }

    /// Builds and powers up a design with the pins of the top.
    pub fn from_design(design: &Design, settings: &CardSettings) -> Result<Card, CardError> {
        let model = Model::build(design, &settings.model)?;
        let count = pins::count_ports(design);
        let pins = CardPins::find(&model, count)?;
        let bit = |name: &str| {
            let index = design.clocks.iter().position(|c| c == name);
            index
                .map(|i| i as u32)
                .ok_or_else(|| smartnic_verilated::Error::Design {
                    top: design.top.clone(),
                    problem: format!("it has no clock `{name}`"),
                })
        };
        let core = bit("clock")?;
        let rx: Vec<u32> = (0..count)
            .map(|i| bit(&format!("rx{i}_clock")))
            .collect::<Result<_, _>>()?;
        let mut card = Card {
            clocks: Clocks::new(&settings.clocks, core, &rx),
            gates: Gates::find(design, &model, settings.clocks.ungated)?,
            core: 1 << core,
            rx_bits: rx.iter().map(|bit| 1 << bit).collect(),
            model,
            pins,
            root: RootComplex::new(settings.root.clone()),
            config: None,
            ports: (0..count).map(|_| PortSlot::new()).collect(),
            cycle: 0,
            quiet: 0,
            keep_sent: false,
            trace_end: u64::MAX,
        };
        card.power_up();
        Ok(card)
    }

    fn power_up(&mut self) {
        self.pins.set_reset(&mut self.model, true);
        for _ in 0..RESET {
            self.step();
        }
        self.pins.set_reset(&mut self.model, false);
        self.step();
    }

    /// Number of Ethernet ports.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    fn slot(&mut self, port: usize) -> Result<&mut PortSlot, CardError> {
        let ports = self.ports.len();
        let slot = port.checked_sub(1).and_then(|i| self.ports.get_mut(i));
        slot.ok_or(CardError::NoPort { port, ports })
    }

    /// Plugs an attachment into a port (counted from 1) and returns the one that was there.
    pub fn attach(
        &mut self,
        port: usize,
        attachment: Box<dyn Attachment>,
    ) -> Result<Option<Box<dyn Attachment>>, CardError> {
        let slot = self.slot(port)?;
        slot.failed = false;
        slot.next_poll = 0;
        let old = slot.attachment.replace(attachment);
        self.quiet = 0;
        self.refresh_links();
        Ok(old)
    }

    /// Unplugs a port (counted from 1): its link goes down.
    pub fn detach(&mut self, port: usize) -> Result<Option<Box<dyn Attachment>>, CardError> {
        let old = self.slot(port)?.attachment.take();
        self.quiet = 0;
        self.refresh_links();
        Ok(old)
    }

    /// Asks every attachment for its link and tells the card.
    pub fn refresh_links(&mut self) {
        for (i, slot) in self.ports.iter_mut().enumerate() {
            let up = !slot.failed && slot.attachment.as_mut().is_some_and(|a| a.link());
            if up != slot.link {
                tracing::info!(port = i + 1, up, "link");
                slot.link = up;
                self.quiet = 0;
            }
            self.pins.set_link(&mut self.model, i, up);
        }
    }

    /// The root complex. Whoever gives it work calls this, so the clock goes on.
    pub fn root(&mut self) -> &mut RootComplex {
        self.quiet = 0;
        &mut self.root
    }

    /// One core cycle.
    pub fn step(&mut self) {
        let now = self.now();
        let mut busy = !self.pins.idle(&self.model) || !self.root.idle();
        let mut plan = [0u32; 33];
        let next = self.clocks.next();
        let count = next.len();
        plan[..count].copy_from_slice(next);
        let edges: u32 = plan[..count].iter().fold(0, |all, mask| all | mask);
        if edges & self.core != 0 {
            let (beat, ready) = self.pins.tlp(&self.model);
            let drive = self.root.clock(beat, ready);
            self.pins.set_tlp(&mut self.model, &drive);
            let config = self.root.pins();
            let configured = self.config != Some(config);
            if configured {
                self.pins.set_config(&mut self.model, &config);
                self.config = Some(config);
            }
            let awake = self
                .gates
                .next(&self.model, configured || drive.rx.is_some() || drive.flr);
            plan[..count]
                .iter_mut()
                .filter(|mask| **mask & self.core != 0)
                .for_each(|mask| *mask |= awake);
        }
        for i in 0..self.ports.len() {
            let slot = &mut self.ports[i];
            if edges & self.core != 0 {
                let tx = self.pins.tx(&self.model, i);
                busy |= tx.valid;
                if let Some(frame) = slot.monitor.clock(tx) {
                    slot.deliver(i, now, &frame);
                }
            }
            if edges & self.rx_bits[i] != 0 {
                slot.fill(i, self.cycle, now);
                busy |= slot.driver.busy();
                let rx = slot.driver.clock();
                self.pins.set_rx(&mut self.model, i, rx);
                if let Some(sent) = slot.driver.take_sent()
                    && self.keep_sent
                {
                    slot.sent.push_back(sent);
                }
            }
        }
        for mask in &plan[..count] {
            self.model.tick(*mask);
        }
        self.cycle += 1;
        if self.cycle >= self.trace_end {
            self.end_trace();
        }
        self.quiet = if busy {
            0
        } else {
            self.quiet.saturating_add(1)
        };
    }

    /// Whether the clock may stop: everything has been quiet for some cycles.
    pub fn resting(&self) -> bool {
        self.quiet >= QUIET
    }

    /// Makes the card look at its attachments again and run until it rests anew.
    pub fn wake(&mut self) {
        self.quiet = 0;
        self.ports.iter_mut().for_each(|slot| slot.next_poll = 0);
    }

    /// Runs until the card rests, at most `cycles` more; whether it came to rest.
    pub fn run(&mut self, cycles: u64) -> bool {
        self.wake();
        let end = self.cycle + cycles;
        while self.cycle < end && !self.resting() {
            self.step();
        }
        self.resting()
    }

    /// Cycles since power-up.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Simulated nanoseconds since power-up: 8 a cycle.
    pub fn now(&self) -> u64 {
        self.cycle * 8
    }

    /// Whether every attachment that ends (files, generators) has sent all, and nothing is queued.
    pub fn drained(&self) -> bool {
        let done = |s: &PortSlot| {
            !s.driver.busy()
                && s.attachment
                    .as_ref()
                    .is_none_or(|a| s.failed || a.finished())
        };
        self.ports.iter().all(done)
    }

    /// Keeps when each frame was on a port's receive wire, for latencies; see [`Card::take_sent`].
    pub fn keep_sent(&mut self, keep: bool) {
        self.keep_sent = keep;
    }

    /// The oldest kept time of a frame into a port (counted from 1).
    pub fn take_sent(&mut self, port: usize) -> Option<Sent> {
        self.slot(port).ok()?.sent.pop_front()
    }

    /// An attachment's line for people.
    pub fn summary(&self, port: usize) -> Option<String> {
        let slot = port.checked_sub(1).and_then(|i| self.ports.get(i))?;
        slot.attachment.as_ref().map(|a| a.summary())
    }

    /// Those whose link is up: only they are polled.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = &dyn Attachment> {
        self.ports
            .iter()
            .filter(|s| s.link && !s.failed)
            .filter_map(|s| s.attachment.as_deref())
    }

    /// Writes waves (FST) of the next `cycles` cycles, then finishes the file; needs
    /// [`Options::trace`]. Waves make the card several times slower while they are written.
    pub fn open_trace(&mut self, path: &Path, cycles: u64) -> Result<(), CardError> {
        self.model.open_trace(path)?;
        self.trace_end = self.cycle.saturating_add(cycles);
        Ok(())
    }

    /// Ends the waves when their cycles are over.
    fn end_trace(&mut self) {
        self.trace_end = u64::MAX;
        match self.model.close_trace() {
            Ok(()) => tracing::info!(cycle = self.cycle, "the waves are complete"),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Finishes captures and waves. The first error is returned, the rest is finished all the same.
    pub fn close(&mut self) -> Result<(), CardError> {
        let mut result = self.model.close_trace().map_err(CardError::from);
        for slot in &mut self.ports {
            if let Some(attachment) = &mut slot.attachment {
                result = result.and(attachment.close().map_err(CardError::from));
            }
        }
        result
    }
}

//! A root complex with one link to the card, clocked beside it.
//!
//! Algorithm: [`RootComplex::clock`] is called once per core cycle with what the card's outputs hold,
//! and returns the inputs for the coming edge. Packets of the card pass the link's rate, are checked,
//! and are carried out in order; answers to reads leave after the completion latency, in order or, on
//! request, out of order between tags; the host's own requests ([`super::host`]) leave in order with
//! them.
//!
//! Limits: one function; no I/O or configuration requests (configuration space is kept here).
//! Covered by this module's tests, with a card of a few lines, and by the block tests of the card.

use super::completer::{Answer, Completer, Fault, ReadFault, Violation, check_request};
use super::config::{ConfigPins, ConfigSpace, MSIX_VECTORS};
use super::link::{Lane, LinkSettings};
use super::memory::DmaTable;
use super::msix::{Vector, in_window, vector_of};
use super::requester::Requester;
use super::stream::{Assembler, Beat, beats};
use super::tlp::Tlp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Bus, device and function of the host.
pub const HOST_ID: u16 = 0x0000;
/// Bus, device and function of the card: bus 1.
pub const CARD_ID: u16 = 0x0100;
/// Violations and faults that are kept; more are only counted.
const KEEP: usize = 64;

/// How the host and the link behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The link's rate.
    pub link: LinkSettings,
    /// Picoseconds of a core cycle.
    pub cycle_ps: u64,
    /// Cycles from the arrival of a read to its completions.
    pub completion_latency: u64,
    /// Cycles after which an own read is given up.
    pub mmio_timeout: u64,
    /// Largest completion in bytes: a multiple of 64, a power of two; the payload limit cuts it.
    pub completion_bytes: u16,
    /// What firmware writes into Max_Payload_Size.
    pub max_payload: u16,
    /// What firmware writes into Max_Read_Request_Size.
    pub max_read_request: u16,
    /// Mixes completions of different tags, by this seed.
    pub reorder: Option<u64>,
    /// Withholds ready and valid at random in this share of the cycles (percent, at most 99), by
    /// this seed.
    pub stall: Option<(u64, u8)>,
}

impl Default for Settings {
    /// PCI Express 1.0 x1, completions after 1 us in pieces of 64 bytes, own reads to 50 us.
    fn default() -> Self {
        Settings {
            link: LinkSettings::GEN1_X1,
            cycle_ps: 8_000,
            completion_latency: 125,
            mmio_timeout: 6_250,
            completion_bytes: 64,
            max_payload: 256,
            max_read_request: 512,
            reorder: None,
            stall: None,
        }
    }
}

/// The card's TLP inputs for the coming edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drive {
    /// The beat to the card, if any (valid).
    pub rx: Option<Beat>,
    /// The base address register that the beat's request is for.
    pub rx_bar: u8,
    /// Whether a beat of the card is taken.
    pub tx_ready: bool,
    /// Function level reset (a pulse of one cycle).
    pub flr: bool,
}

/// What passed the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets from the card, and their bytes with overhead.
    pub up: (u64, u64),
    /// Packets to the card, and their bytes with overhead.
    pub down: (u64, u64),
}

#[derive(Debug)]
pub(super) struct PendingRead {
    ready: u64,
    tag: u8,
    answer: Answer,
}

/// The root complex.
pub struct RootComplex {
    pub(super) settings: Settings,
    pub(super) cycle: u64,
    pub(super) config: ConfigSpace,
    pub(super) completer: Completer,
    pub(super) requester: Requester,
    pub(super) vectors: Vec<Vector>,
    pub(super) assembler: Assembler,
    pub(super) up: Lane<Tlp>,
    pub(super) down: Lane<(Tlp, u8)>,
    pub(super) requests: VecDeque<(u64, Tlp, u8)>,
    pub(super) reads: Vec<PendingRead>,
    pub(super) beats: VecDeque<(Beat, u8)>,
    pub(super) offered: bool,
    pub(super) flr: bool,
    pub(super) reorder: Option<ChaCha8Rng>,
    pub(super) stall: Option<(ChaCha8Rng, u8)>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) violations: VecDeque<Violation>,
    /// Accesses to unmapped memory since the start.
    pub fault_count: u64,
    /// Broken rules since the start.
    pub violation_count: u64,
    /// Messages of the card since the start; the host has no use for them.
    pub messages: u64,
}

impl RootComplex {
    /// A root complex with nothing mapped, and the card's configuration space as firmware leaves it.
    pub fn new(settings: Settings) -> Self {
        let rng = ChaCha8Rng::seed_from_u64;
        let mut config = ConfigSpace::new();
        config.start(settings.max_payload, settings.max_read_request);
        RootComplex {
            cycle: 0,
            config,
            completer: Completer::default(),
            requester: Requester::new(HOST_ID, settings.mmio_timeout),
            vectors: (0..MSIX_VECTORS).map(|_| Vector::default()).collect(),
            assembler: Assembler::default(),
            up: Lane::new(settings.link),
            down: Lane::new(settings.link),
            requests: VecDeque::new(),
            reads: Vec::new(),
            beats: VecDeque::new(),
            offered: false,
            flr: false,
            reorder: settings.reorder.map(rng),
            stall: settings
                .stall
                .map(|(seed, percent)| (rng(seed), percent.min(99))),
            faults: VecDeque::new(),
            violations: VecDeque::new(),
            fault_count: 0,
            violation_count: 0,
            messages: 0,
            settings,
        }
    }

    /// One core cycle: `tx` is the card's beat if it is valid, `rx_ready` its ready output.
    pub fn clock(&mut self, tx: Option<Beat>, rx_ready: bool) -> Drive {
        let now = self.cycle * self.settings.cycle_ps;
        self.cycle += 1;
        let stalled = |stall: &mut Option<(ChaCha8Rng, u8)>| {
            stall
                .as_mut()
                .is_some_and(|(rng, percent)| rng.random_range(0..100) < *percent)
        };
        let open = self.assembler.inside() || self.up.ready(now);
        let tx_ready = open && !stalled(&mut self.stall);
        if let Some(beat) = tx.filter(|_| tx_ready) {
            self.take(now, beat);
        }
        while let Some(tlp) = self.up.receive(now) {
            self.carry_out(tlp);
        }
        if !self.requester.is_idle() {
            self.requester.expire(self.cycle);
        }
        if self.down.free(now) {
            self.send_next(now);
        }
        if self.beats.is_empty()
            && let Some((tlp, bar)) = self.down.receive(now)
        {
            self.beats
                .extend(beats(&tlp.emit()).map(|beat| (beat, bar)));
        }
        // A beat that was offered and not taken stays.
        let offer = self.offered || !self.beats.is_empty() && !stalled(&mut self.stall);
        let rx = self.beats.front().copied().filter(|_| offer);
        self.offered = rx.is_some() && !rx_ready;
        if rx.is_some() && rx_ready {
            self.beats.pop_front();
        }
        Drive {
            rx: rx.map(|(beat, _)| beat),
            rx_bar: rx.map_or(0, |(_, bar)| bar),
            tx_ready,
            flr: std::mem::take(&mut self.flr),
        }
    }

    fn take(&mut self, now: u64, beat: Beat) {
        match self.assembler.take(beat) {
            Ok(None) => {}
            Ok(Some(words)) => match Tlp::parse(&words) {
                Ok(tlp) => self.up.send(now, tlp.payload_bytes(), tlp),
                Err(error) => self.violation(error.into()),
            },
            Err(error) => self.violation(error.into()),
        }
    }

    fn carry_out(&mut self, tlp: Tlp) {
        let pins = self.config.pins();
        let (payload, read) = (pins.max_payload, pins.max_read_request);
        if let Err(broken) = check_request(&tlp, CARD_ID, pins.bus_master, payload, read) {
            self.violation(broken);
            // A switch would answer what it does not forward; a write is lost.
            if let Tlp::MemRead { .. } = tlp {
                self.completer.inject_first(ReadFault::UnsupportedRequest);
            } else {
                return;
            }
        }
        match tlp {
            Tlp::MemRead { tag, .. } => {
                if self.reads.iter().any(|r| r.tag == tag) {
                    self.violation(Violation::Tag { tag });
                }
                let chunk = self.settings.completion_bytes.min(payload).into();
                let (answer, fault) = self.completer.read(&tlp, HOST_ID, chunk);
                fault.into_iter().for_each(|f| self.fault(f));
                let ready = self.cycle + self.settings.completion_latency;
                if !answer.is_empty() {
                    self.reads.push(PendingRead { ready, tag, answer });
                }
            }
            Tlp::MemWrite {
                address,
                first_be,
                last_be,
                data,
                ..
            } if !in_window(address) => {
                let fault = self.completer.write(address, first_be, last_be, &data);
                fault.into_iter().for_each(|f| self.fault(f));
            }
            Tlp::MemWrite {
                address,
                first_be,
                data,
                ..
            } => {
                let vector = vector_of(address, first_be, &data).map(usize::from);
                let vector = vector.and_then(|v| self.vectors.get_mut(v));
                match vector.filter(|v| v.notifier.is_some()) {
                    Some(vector) => {
                        vector.count += 1;
                        vector.notifier.iter().for_each(|n| n());
                    }
                    None => {
                        let bytes = 4 * data.len() as u64;
                        self.fault(Fault {
                            iova: address,
                            bytes,
                            write: true,
                        });
                    }
                }
            }
            Tlp::Completion { .. } => {
                if let Err(broken) = self.requester.complete(tlp) {
                    self.violation(broken);
                }
            }
            Tlp::Message { .. } => self.messages += 1,
        }
    }

    /// Puts the oldest packet that may leave on the link.
    fn send_next(&mut self, now: u64) {
        let due: Vec<usize> = (0..self.reads.len())
            .filter(|i| self.reads[*i].ready <= self.cycle)
            .collect();
        let read = match (&mut self.reorder, due.len()) {
            (_, 0) => None,
            (Some(rng), n) => Some(due[rng.random_range(0..n)]),
            (None, _) => Some(due[0]),
        };
        let request = self.requests.front().map(|(since, ..)| *since);
        let read_first =
            read.is_some_and(|r| request.is_none_or(|since| self.reads[r].ready < since));
        if let (true, Some(index)) = (read_first, read) {
            if let Some(tlp) = self.reads[index].answer.pop_front() {
                self.down.send(now, tlp.payload_bytes(), (tlp, 0));
            }
            if self.reads[index].answer.is_empty() {
                self.reads.remove(index);
            }
        } else if let Some((_, tlp, bar)) = self.requests.pop_front() {
            self.down.send(now, tlp.payload_bytes(), (tlp, bar));
        }
    }

    /// The configuration pins for the coming edge.
    pub fn pins(&self) -> ConfigPins {
        self.config.pins()
    }

    /// The host's mappings.
    pub fn dma(&mut self) -> &mut DmaTable {
        &mut self.completer.dma
    }

    /// Lets the answer of the next read of the card go wrong; several queue up.
    pub fn inject(&mut self, fault: ReadFault) {
        self.completer.inject(fault);
    }

    /// Whether the root complex would do nothing without the card.
    pub fn idle(&self) -> bool {
        self.up.is_empty()
            && self.down.is_empty()
            && self.requests.is_empty()
            && self.reads.is_empty()
            && self.beats.is_empty()
            && self.requester.is_idle()
            && !self.assembler.inside()
            && !self.flr
    }

    /// Cycles so far.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Own reads that timed out.
    pub fn timeouts(&self) -> u64 {
        self.requester.timeouts
    }

    /// What passed the link.
    pub fn link_stats(&self) -> LinkStats {
        LinkStats {
            up: (self.up.packets, self.up.bytes),
            down: (self.down.packets, self.down.bytes),
        }
    }

    /// Takes the oldest broken rule that was kept.
    pub fn take_violation(&mut self) -> Option<Violation> {
        self.violations.pop_front()
    }

    /// Takes the oldest access to unmapped memory that was kept.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front()
    }

    fn violation(&mut self, violation: Violation) {
        tracing::warn!(
            cycle = self.cycle,
            "the card broke a rule of PCI Express: {violation}"
        );
        self.violation_count += 1;
        if self.violations.len() < KEEP {
            self.violations.push_back(violation);
        }
    }

    fn fault(&mut self, fault: Fault) {
        tracing::warn!(
            cycle = self.cycle,
            ?fault,
            "the card touched memory that is not mapped"
        );
        self.fault_count += 1;
        if self.faults.len() < KEEP {
            self.faults.push_back(fault);
        }
    }
}

#[cfg(test)]
#[path = "root_tests.rs"]
mod tests;

//! Wrappers that stack around any attachment: a capture of both directions, and faults.

use super::capture::{CaptureWriter, Way};
use super::{Attachment, PortError};
use crate::gmii::{Received, Trailer, Transmission, fcs};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Records everything that passes, as the card sees it: inbound is what it receives. Times are when
/// a frame was handed to the wire, or came off it.
pub struct Captured<A> {
    inner: A,
    writer: CaptureWriter,
}

impl<A: Attachment> Captured<A> {
    /// Records into a new pcapng file; `name` is the interface's name in it.
    pub fn new(inner: A, path: &Path, name: &str) -> Result<Self, PortError> {
        Ok(Captured {
            inner,
            writer: CaptureWriter::create(path, name)?,
        })
    }
}

impl<A: Attachment> Attachment for Captured<A> {
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError> {
        let next = self.inner.poll(now)?;
        if let Some(t) = &next {
            let fcs_ok = match t.trailer {
                Trailer::Fcs | Trailer::Inverted(0) => true,
                Trailer::Inverted(_) => false,
                Trailer::None => t
                    .frame
                    .split_last_chunk::<4>()
                    .is_some_and(|(data, last)| *last == fcs(data).to_le_bytes()),
            };
            let error = t.error_at.is_some();
            self.writer
                .write(now, Way::Inbound, &t.frame, fcs_ok, error)?;
        }
        Ok(next)
    }

    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        self.writer
            .write(now, Way::Outbound, &frame.frame, frame.fcs_ok, frame.error)?;
        self.inner.deliver(now, frame)
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        self.inner.readiness()
    }

    fn link(&mut self) -> bool {
        self.inner.link()
    }

    fn finished(&self) -> bool {
        self.inner.finished()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.writer.flush()?;
        self.inner.close()
    }

    fn summary(&self) -> String {
        self.inner.summary()
    }
}

/// How often each fault happens to a frame on its way into the card: one in so many, 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// The frame is lost.
    pub drop: u32,
    /// The frame comes twice.
    pub duplicate: u32,
    /// A bit of the FCS is wrong.
    pub bad_fcs: u32,
    /// RX_ER within the frame.
    pub error: u32,
    /// The frame is cut short, with a right FCS, below the smallest size.
    pub runt: u32,
    /// A false carrier before the frame.
    pub false_carrier: u32,
}

/// What a [`Faulty`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames lost.
    pub dropped: u64,
    /// Frames sent twice.
    pub duplicated: u64,
    /// Frames with a bad FCS.
    pub bad_fcs: u64,
    /// Frames with RX_ER.
    pub errors: u64,
    /// Frames cut short.
    pub runts: u64,
    /// False carriers.
    pub false_carriers: u64,
}

/// Does harm to frames on their way into the card, at random from a seed.
pub struct Faulty<A> {
    inner: A,
    rates: FaultRates,
    rng: ChaCha8Rng,
    again: VecDeque<Transmission>,
    /// What was done.
    pub counts: FaultCounts,
}

impl<A: Attachment> Faulty<A> {
    /// Wraps an attachment.
    pub fn new(inner: A, rates: FaultRates, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Faulty {
            inner,
            rates,
            rng,
            again: VecDeque::new(),
            counts: FaultCounts::default(),
        }
    }

    fn strikes(&mut self, one_in: u32) -> bool {
        one_in > 0 && self.rng.random_range(0..one_in) == 0
    }

    /// At most one fault a frame, so that each count can be compared with the card's.
    fn harm(&mut self, mut t: Transmission) -> Option<Transmission> {
        let rates = self.rates;
        if self.strikes(rates.drop) {
            self.counts.dropped += 1;
            return None;
        }
        if self.strikes(rates.duplicate) {
            self.counts.duplicated += 1;
            self.again.push_back(t.clone());
        } else if self.strikes(rates.bad_fcs) {
            self.counts.bad_fcs += 1;
            t.trailer = Trailer::Inverted(1 << self.rng.random_range(0..32));
        } else if self.strikes(rates.error) {
            self.counts.errors += 1;
            let at = self.rng.random_range(0..t.frame.len().max(1));
            t.error_at = Some(at..at + 1);
        } else if self.strikes(rates.runt) {
            self.counts.runts += 1;
            t.frame.truncate(self.rng.random_range(10..60));
        } else if self.strikes(rates.false_carrier) {
            self.counts.false_carriers += 1;
            t.false_carrier = self.rng.random_range(1..20);
        }
        Some(t)
    }
}

impl<A: Attachment> Attachment for Faulty<A> {
    fn poll(&mut self, now: u64) -> Result<Option<Transmission>, PortError> {
        if let Some(t) = self.again.pop_front() {
            return Ok(Some(t));
        }
        while let Some(t) = self.inner.poll(now)? {
            if let Some(t) = self.harm(t) {
                return Ok(Some(t));
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, now: u64, frame: &Received) -> Result<(), PortError> {
        self.inner.deliver(now, frame)
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        self.inner.readiness()
    }

    fn link(&mut self) -> bool {
        self.inner.link()
    }

    fn finished(&self) -> bool {
        self.again.is_empty() && self.inner.finished()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.inner.close()
    }

    fn summary(&self) -> String {
        format!("{}; harm done: {:?}", self.inner.summary(), self.counts)
    }
}

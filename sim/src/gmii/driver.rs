//! Frames, with faults on request, to pins.

use super::{FALSE_CARRIER, INTER_FRAME_GAP, PREAMBLE, Pins, SFD, fcs};
use std::collections::VecDeque;

/// What follows a frame's data on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trailer {
    /// The right FCS.
    #[default]
    Fcs,
    /// The right FCS with these bits inverted; 0 is the right one.
    Inverted(u32),
    /// Nothing: the data end with their own FCS, or with none.
    None,
}

/// One thing to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// Destination address to the end of the payload, without FCS; sent as it is, never padded: a
    /// short one is a runt, one above the maximum is a jabber.
    pub frame: Vec<u8>,
    /// What follows the frame.
    pub trailer: Trailer,
    /// Number of 0x55 before the SFD; receivers must accept fewer than 7.
    pub preamble: usize,
    /// Whether the SFD is sent; without it a receiver must not see a frame.
    pub sfd: bool,
    /// Idle cycles before the preamble, at least 1 to be seen as a gap.
    pub gap: u64,
    /// Bytes of the frame and FCS (0 is the first) during which `error` is set.
    pub error_at: Option<std::ops::Range<usize>>,
    /// Cycles of false carrier in the middle of the gap (the gap grows to hold them).
    pub false_carrier: u64,
}

impl Transmission {
    /// A frame without faults after the smallest gap that the standard allows a transmitter.
    pub fn new(frame: impl Into<Vec<u8>>) -> Self {
        Transmission {
            frame: frame.into(),
            trailer: Trailer::Fcs,
            preamble: PREAMBLE,
            sfd: true,
            gap: INTER_FRAME_GAP,
            error_at: None,
            false_carrier: 0,
        }
    }

    /// Leaves `cycles` idle before the preamble.
    pub fn gap(self, cycles: u64) -> Self {
        Transmission {
            gap: cycles,
            ..self
        }
    }

    /// Inverts `bits` of the FCS.
    pub fn bad_fcs(self, bits: u32) -> Self {
        Transmission {
            trailer: Trailer::Inverted(bits),
            ..self
        }
    }

    /// Sets `error` during these bytes of frame and FCS.
    pub fn error_at(self, bytes: std::ops::Range<usize>) -> Self {
        Transmission {
            error_at: Some(bytes),
            ..self
        }
    }

    /// Puts `cycles` of false carrier into the gap.
    pub fn false_carrier(self, cycles: u64) -> Self {
        Transmission {
            false_carrier: cycles,
            ..self
        }
    }

    /// The bytes behind the SFD.
    fn body(&self) -> Vec<u8> {
        let mut body = self.frame.clone();
        match self.trailer {
            Trailer::Fcs => body.extend(fcs(&self.frame).to_le_bytes()),
            Trailer::Inverted(bits) => body.extend((fcs(&self.frame) ^ bits).to_le_bytes()),
            Trailer::None => {}
        }
        body
    }

    /// Every cycle of it, gap first, as runs of equal pins: a gap may be long. And the index of the first preamble cycle.
    fn pins(&self) -> (VecDeque<(Pins, u64)>, u64) {
        let idle = Pins::default();
        let carrier = Pins {
            data: FALSE_CARRIER,
            valid: false,
            error: true,
        };
        let before = self.gap / 2;
        // One idle cycle at least parts the false carrier from the frame.
        let after = (self.gap - before).max(u64::from(self.false_carrier > 0));
        let start = before + self.false_carrier + after;
        let on = |data| Pins {
            data,
            valid: true,
            error: false,
        };
        let mut pins = VecDeque::from([
            (idle, before),
            (carrier, self.false_carrier),
            (idle, after),
            (on(0x55), self.preamble as u64),
            (on(SFD), u64::from(self.sfd)),
        ]);
        for (i, byte) in self.body().into_iter().enumerate() {
            let error = self.error_at.as_ref().is_some_and(|r| r.contains(&i));
            pins.push_back((Pins { error, ..on(byte) }, 1));
        }
        pins.retain(|(_, cycles)| *cycles > 0);
        (pins, start)
    }
}

/// When a transmission was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Cycle of the first preamble byte.
    pub start: u64,
    /// Cycle of the last byte.
    pub end: u64,
}

/// Drives one direction of GMII.
#[derive(Debug, Default)]
pub struct Driver {
    queue: VecDeque<Transmission>,
    now: VecDeque<(Pins, u64)>,
    start: u64,
    cycle: u64,
    sent: VecDeque<Sent>,
}

impl Driver {
    /// An idle driver at cycle 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues something to send.
    pub fn send(&mut self, transmission: Transmission) {
        self.queue.push_back(transmission);
    }

    /// Whether something is on the wire or waits for it.
    pub fn busy(&self) -> bool {
        !self.now.is_empty() || !self.queue.is_empty()
    }

    /// Number of transmissions that wait behind the one on the wire.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Cycles so far.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The pins of the next cycle.
    pub fn clock(&mut self) -> Pins {
        if self.now.is_empty()
            && let Some(next) = self.queue.pop_front()
        {
            let (pins, start) = next.pins();
            self.now = pins;
            self.start = self.cycle.saturating_add(start);
        }
        let mut pins = Pins::default();
        if let Some((now, cycles)) = self.now.front_mut() {
            pins = *now;
            *cycles -= 1;
            if *cycles == 0 {
                self.now.pop_front();
                if self.now.is_empty() {
                    self.sent.push_back(Sent {
                        start: self.start,
                        end: self.cycle,
                    });
                }
            }
        }
        self.cycle += 1;
        pins
    }

    /// The oldest transmission that left and was not taken yet.
    pub fn take_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }
}

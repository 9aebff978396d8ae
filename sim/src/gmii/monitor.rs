//! Pins to frames, each with what was wrong with it.

use super::{FALSE_CARRIER, INTER_FRAME_GAP, PREAMBLE, Pins, SFD, fcs};

/// A frame, or what should have become one, as a monitor saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Destination address to the end of the payload, without FCS (all bytes if fewer than 4).
    pub frame: Vec<u8>,
    /// Whether the last four bytes are the right FCS of those before.
    pub fcs_ok: bool,
    /// Bytes of 0x55 before the SFD.
    pub preamble: usize,
    /// Whether there was an SFD; without one, `frame` is empty.
    pub sfd: bool,
    /// Whether `error` was set while `valid` was.
    pub error: bool,
    /// Idle cycles since the end of the frame before (since the start for the first one).
    pub gap: u64,
    /// Cycle of the first byte (of the preamble).
    pub start: u64,
    /// Cycle of the last byte (of the FCS).
    pub end: u64,
}

impl Received {
    /// Whether everything about the frame is as a transmitter must do it: preamble of 7, SFD, FCS, no
    /// error, 64 to `max` bytes with FCS, a gap of at least 12.
    pub fn check(&self, max: usize) -> Result<(), String> {
        let length = self.frame.len() + 4;
        let faults = [
            (
                self.preamble != PREAMBLE,
                format!("preamble of {} bytes", self.preamble),
            ),
            (!self.sfd, "no SFD".into()),
            (!self.fcs_ok, "bad FCS".into()),
            (self.error, "error pin set".into()),
            (
                !(64..=max).contains(&length),
                format!("{length} bytes, allowed are 64 to {max}"),
            ),
            (
                self.gap < INTER_FRAME_GAP,
                format!("gap of {} cycles", self.gap),
            ),
        ];
        let found: Vec<_> = faults.into_iter().filter(|f| f.0).map(|f| f.1).collect();
        if found.is_empty() {
            Ok(())
        } else {
            Err(found.join(", "))
        }
    }
}

/// Watches one direction of GMII.
#[derive(Debug, Default)]
pub struct Monitor {
    cycle: u64,
    gap: u64,
    bytes: Vec<u8>,
    error: bool,
    start: u64,
    carrier: bool,
    /// False carrier events seen (runs of cycles with the indication).
    pub false_carriers: u64,
}

impl Monitor {
    /// A monitor at cycle 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cycles so far.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Takes the pins of one cycle; returns the frame that ended before it.
    pub fn clock(&mut self, pins: Pins) -> Option<Received> {
        let cycle = self.cycle;
        self.cycle += 1;
        if pins.valid {
            if self.bytes.is_empty() {
                self.start = cycle;
            }
            self.bytes.push(pins.data);
            self.error |= pins.error;
            self.carrier = false;
            return None;
        }
        let carrier = pins.error && pins.data == FALSE_CARRIER;
        self.false_carriers += u64::from(carrier && !self.carrier);
        self.carrier = carrier;
        let ended = (!self.bytes.is_empty()).then(|| self.finish(cycle - 1));
        self.gap += 1;
        ended
    }

    fn finish(&mut self, end: u64) -> Received {
        let bytes = std::mem::take(&mut self.bytes);
        let preamble = bytes.iter().take_while(|b| **b == 0x55).count();
        let sfd = bytes.get(preamble) == Some(&SFD);
        let body = if sfd { &bytes[preamble + 1..] } else { &[] };
        let data = body.len().checked_sub(4).unwrap_or(body.len());
        let (frame, trailer) = body.split_at(data);
        Received {
            frame: frame.to_vec(),
            fcs_ok: trailer == fcs(frame).to_le_bytes(),
            preamble,
            sfd,
            error: std::mem::take(&mut self.error),
            gap: std::mem::take(&mut self.gap),
            start: self.start,
            end,
        }
    }
}

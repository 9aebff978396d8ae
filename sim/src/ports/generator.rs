//! A port that sends numbered frames at an exact rate and checks those that come.

use super::traffic::{Checker, Flow, Pace, Pacer, Sizes, Verdict};
use super::{Attachment, MAX_FRAME, PortError};
use crate::gmii::{Received, Transmission};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What to send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The flows, one frame of each in turn.
    pub flows: Vec<Flow>,
    /// Frames in all.
    pub count: u64,
    /// Their sizes.
    pub sizes: Sizes,
    /// Their rate.
    pub pace: Pace,
    /// Seed of the sizes.
    pub seed: u64,
}

/// Sends a [`Plan`] and checks what comes.
pub struct Generator {
    plan: Plan,
    pacer: Pacer,
    rng: ChaCha8Rng,
    /// Frames sent so far.
    pub sent: u64,
    /// Checks frames of the flows that it knows, usually those that other ports send here.
    pub checker: Checker,
    /// Frames of the card with a fault on the wire.
    pub bad: u64,
    /// Numbered frames whose content was wrong.
    pub corrupt: u64,
}

impl Generator {
    /// A generator that expects `flows` to come.
    pub fn new(plan: Plan, expect: impl IntoIterator<Item = Flow>) -> Self {
        Generator {
            pacer: Pacer::new(plan.pace),
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            plan,
            sent: 0,
            checker: Checker::new(expect),
            bad: 0,
            corrupt: 0,
        }
    }

    /// Frames of one flow that were sent so far.
    pub fn sent_of(&self, flow: u16) -> u64 {
        let n = self.plan.flows.len() as u64;
        let index = self.plan.flows.iter().position(|f| f.id == flow);
        index.map_or(0, |i| (self.sent + n - 1 - i as u64) / n)
    }
}

impl Attachment for Generator {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        if self.finished() {
            return Ok(None);
        }
        let flows = self.plan.flows.len() as u64;
        let flow = &self.plan.flows[(self.sent % flows) as usize];
        let number = (self.sent / flows) as u32;
        let size = self.plan.sizes.next(&mut self.rng).min(MAX_FRAME + 4);
        let frame = flow.frame(number, size.saturating_sub(4));
        let gap = self.pacer.gap(frame.len() + 4);
        self.sent += 1;
        Ok(Some(Transmission::new(frame).gap(gap)))
    }

    fn deliver(&mut self, _now: u64, frame: &Received) -> Result<(), PortError> {
        if frame.check(MAX_FRAME + 4).is_err() {
            self.bad += 1;
        }
        if let Verdict::Corrupt { .. } = self.checker.check(&frame.frame) {
            self.corrupt += 1;
        }
        Ok(())
    }

    fn finished(&self) -> bool {
        self.sent >= self.plan.count || self.plan.flows.is_empty()
    }

    fn summary(&self) -> String {
        let mut text = format!("generator: {} frames sent", self.sent);
        let mut flows: Vec<_> = self.checker.flows().collect();
        flows.sort_by_key(|(flow, _)| flow.id);
        for (flow, s) in flows {
            let (id, dup, late) = (flow.id, s.duplicates, s.reordered);
            text += &format!("; flow {id}: {} good, {dup} duplicate, {late} late", s.good);
        }
        let (corrupt, foreign) = (self.corrupt, self.checker.foreign);
        text + &format!(
            "; {corrupt} corrupt, {foreign} foreign, {} bad on the wire",
            self.bad
        )
    }
}

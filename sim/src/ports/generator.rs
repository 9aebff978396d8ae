//! A port that sends numbered frames at an exact rate and checks those that come.

use super::traffic::{Checker, Flow, Pace, Pacer, Sizes, Verdict};
use super::{Attachment, MAX_FRAME, PortError};
use crate::gmii::{Received, Transmission};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// What to send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The flows, one frame of each in turn unless [`Generator::dealt`] says otherwise.
    pub flows: Vec<Flow>,
    /// Frames in all.
    pub count: u64,
    /// Their sizes.
    pub sizes: Sizes,
    /// Their rate.
    pub pace: Pace,
    /// Seed of the sizes and of the order.
    pub seed: u64,
}

/// A random order that is fair over time: frames are dealt from a deck that is shuffled anew when it is empty.
///
/// A deck holds every size of [`Sizes::deck`] `copies` times for every flow. So whatever the order, a flow is never further ahead of
/// or behind its share than one deck's worth, and that is what a buffer must hold; within a deck sources may and do meet at one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Frames of each flow and size in a deck.
    pub copies: usize,
    /// Every other deck, by chance, has all frames of a flow together: bursts as long as the deck allows.
    pub bursts: bool,
}

/// Sends a [`Plan`] and checks what comes.
pub struct Generator {
    plan: Plan,
    pacer: Pacer,
    rng: ChaCha8Rng,
    deal: Option<Deal>,
    /// Flow and size of the next frames, if they are dealt.
    deck: VecDeque<(usize, usize)>,
    /// Byte times before the first frame, beside its gap.
    phase: u64,
    /// Frames sent so far, of each flow.
    sent_of: Vec<u64>,
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
            deal: None,
            deck: VecDeque::new(),
            phase: 0,
            sent_of: vec![0; plan.flows.len()],
            plan,
            sent: 0,
            checker: Checker::new(expect),
            bad: 0,
            corrupt: 0,
        }
    }

    /// Deals the flows' frames in random order. Sizes without a deck ([`Sizes::Range`]) are drawn frame by frame.
    pub fn dealt(self, deal: Deal) -> Self {
        Generator {
            deal: Some(deal),
            ..self
        }
    }

    /// Waits this many byte times longer before the first frame.
    pub fn phase(self, phase: u64) -> Self {
        Generator { phase, ..self }
    }

    /// Frames of one flow that were sent so far.
    pub fn sent_of(&self, flow: u16) -> u64 {
        let index = self.plan.flows.iter().position(|f| f.id == flow);
        index.map_or(0, |i| self.sent_of[i])
    }

    /// Flow (its place in the plan) and size of the next frame.
    fn next(&mut self) -> (usize, usize) {
        let Some(deal) = self.deal else {
            let flow = (self.sent % self.plan.flows.len() as u64) as usize;
            return (flow, self.plan.sizes.next(&mut self.rng));
        };
        if self.deck.is_empty() {
            self.shuffle(deal);
        }
        self.deck.pop_front().unwrap_or_default()
    }

    fn shuffle(&mut self, deal: Deal) {
        let mut hands: Vec<Vec<(usize, usize)>> = vec![];
        for flow in 0..self.plan.flows.len() {
            let mut hand = vec![];
            for _ in 0..deal.copies.max(1) {
                match self.plan.sizes.deck() {
                    Some(sizes) => hand.extend(sizes.into_iter().map(|size| (flow, size))),
                    None => hand.push((flow, self.plan.sizes.next(&mut self.rng))),
                }
            }
            hands.push(hand);
        }
        let burst = deal.bursts && self.rng.random_bool(0.5);
        if burst {
            hands.shuffle(&mut self.rng);
        }
        let mut deck = hands.concat();
        if !burst {
            deck.shuffle(&mut self.rng);
        }
        self.deck = deck.into();
    }
}

impl Attachment for Generator {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        if self.finished() {
            return Ok(None);
        }
        let (index, size) = self.next();
        let number = self.sent_of[index] as u32;
        let size = size.min(MAX_FRAME + 4);
        let frame = self.plan.flows[index].frame(number, size.saturating_sub(4));
        let gap = self.pacer.gap(frame.len() + 4) + std::mem::take(&mut self.phase);
        self.sent += 1;
        self.sent_of[index] += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Flow and size of what a generator sends, and the first gap.
    fn order(mut generator: Generator) -> (Vec<(u16, usize)>, u64) {
        let mut first = None;
        let mut all = vec![];
        while let Some(t) = generator.poll(0).unwrap() {
            first.get_or_insert(t.gap);
            let id = u16::from_be_bytes([t.frame[18], t.frame[19]]);
            all.push((id, t.frame.len() + 4));
        }
        for id in 1..=3 {
            let of = all.iter().filter(|(flow, _)| *flow == id).count() as u64;
            assert_eq!(generator.sent_of(id), of, "flow {id}");
        }
        (all, first.unwrap())
    }

    fn generator(sizes: Sizes, seed: u64) -> Generator {
        let plan = Plan {
            flows: (1..=3).map(|id| Flow::new(id, 1, [2; 6], [4; 6])).collect(),
            count: 36 * 50,
            sizes,
            pace: Pace::Gap(12),
            seed,
        };
        Generator::new(plan, [])
    }

    #[test]
    fn every_deck_is_fair_and_every_port_has_its_own_order() {
        let deal = Deal {
            copies: 4,
            bursts: true,
        };
        let of = |seed| order(generator(Sizes::Fixed(64), seed).dealt(deal));
        let (all, gap) = of(1);
        assert_eq!(gap, 12);
        let mut bursts = 0;
        for deck in all.chunks(12) {
            for id in 1..=3 {
                assert_eq!(deck.iter().filter(|c| c.0 == id).count(), 4, "{deck:?}");
            }
            bursts += usize::from(deck.chunk_by(|a, b| a == b).count() == 3);
        }
        // Of 150 decks half, give or take four deviations.
        assert!((50..=100).contains(&bursts), "{bursts}");
        let (other, _) = of(2);
        let same = all.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!(same < all.len() / 2, "{same} of {} in step", all.len());
    }

    #[test]
    fn a_dealt_mix_is_the_mix_for_each_flow() {
        let deal = Deal {
            copies: 1,
            bursts: false,
        };
        let (all, gap) = order(generator(Sizes::Imix, 1).dealt(deal).phase(30));
        assert_eq!(gap, 42);
        for deck in all.chunks(36) {
            for id in 1..=3 {
                let of = |size| deck.iter().filter(|c| **c == (id, size)).count();
                assert_eq!([of(64), of(594), of(1518)], [7, 4, 1], "{deck:?}");
            }
        }
    }
}

//! A port for programs: frames go in and come out of queues that the program shares with the card.

use super::{Attachment, PortError};
use crate::gmii::{Received, Transmission};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Queues {
    to_card: VecDeque<Transmission>,
    from_card: VecDeque<Received>,
    down: bool,
}

/// The program's end and, as a clone, the card's end of a cable.
#[derive(Clone, Debug, Default)]
pub struct QueuePort {
    queues: Arc<Mutex<Queues>>,
}

impl QueuePort {
    /// A cable with nothing on it and its link up.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        // A panic elsewhere cannot leave the queues half-changed.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends into the card.
    pub fn send(&self, transmission: Transmission) {
        self.lock().to_card.push_back(transmission);
    }

    /// Takes the oldest frame that the card sent.
    pub fn receive(&self) -> Option<Received> {
        self.lock().from_card.pop_front()
    }

    /// Transmissions that wait to go into the card.
    pub fn waiting(&self) -> usize {
        self.lock().to_card.len()
    }

    /// Plugs or unplugs the cable; the card sees it when it next looks at its links.
    pub fn set_link(&self, up: bool) {
        self.lock().down = !up;
    }
}

impl Attachment for QueuePort {
    fn poll(&mut self, _now: u64) -> Result<Option<Transmission>, PortError> {
        Ok(self.lock().to_card.pop_front())
    }

    fn deliver(&mut self, _now: u64, frame: &Received) -> Result<(), PortError> {
        self.lock().from_card.push_back(frame.clone());
        Ok(())
    }

    fn link(&mut self) -> bool {
        !self.lock().down
    }

    fn finished(&self) -> bool {
        self.waiting() == 0
    }
}

//! Calls that take long: done a little in each round of the loop, in turn, so that rings and other clients are served meanwhile.
//!
//! Replies on one connection come in the order of its calls: what a client with a job under way has asked since waits, and no more is
//! read from it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control::server::{Asked, Token};
use crate::control::service::Listing;
use crate::control::wire::WireError;
use crate::switch::Switch;

/// How long a round of the loop works on a job.
const STEP: Duration = Duration::from_millis(2);

struct Job {
    token: Token,
    oneway: bool,
    work: Box<Listing>,
}

/// All of them.
#[derive(Default)]
pub struct Jobs {
    running: VecDeque<Job>,
    waiting: VecDeque<Asked>,
}

/// A job that has ended.
pub struct Ended {
    /// Whose.
    pub token: Token,
    /// Nobody waits for a reply.
    pub oneway: bool,
    /// Parameters of the reply.
    pub reply: Result<Value, WireError>,
}

impl Jobs {
    /// There is work to do.
    pub fn any(&self) -> bool {
        !self.running.is_empty()
    }

    /// A client has a job under way.
    pub fn has(&self, token: Token) -> bool {
        self.running.iter().any(|job| job.token == token)
    }

    /// Takes a job.
    pub fn add(&mut self, token: Token, oneway: bool, work: Box<Listing>) {
        self.running.push_back(Job {
            token,
            oneway,
            work,
        });
    }

    /// Keeps a call until its client's job has ended.
    pub fn wait(&mut self, asked: Asked) {
        self.waiting.push_back(asked);
    }

    /// What a client asked while its job ran.
    pub fn take_waiting(&mut self, token: Token) -> Vec<Asked> {
        let all = std::mem::take(&mut self.waiting);
        let (now, later): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|asked| asked.token == token);
        self.waiting = later;
        now.into()
    }

    /// Forgets the jobs of clients that are gone.
    pub fn retain(&mut self, alive: impl Fn(Token) -> bool) {
        self.running.retain(|job| alive(job.token));
        self.waiting.retain(|asked| alive(asked.token));
    }

    /// Works on the job whose turn it is.
    pub fn step(&mut self, switch: &mut Switch) -> Option<Ended> {
        let mut job = self.running.pop_front()?;
        let reply = match job.work.step(switch, Instant::now() + STEP) {
            Ok(None) => {
                self.running.push_back(job);
                return None;
            }
            Ok(Some(value)) => Ok(value),
            Err(error) => Err(error),
        };
        let Job { token, oneway, .. } = job;
        Some(Ended {
            token,
            oneway,
            reply,
        })
    }
}

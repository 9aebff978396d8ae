//! Rings of the fake card: submissions are taken at the doorbell, completions written with phase and version.

use smartnic_regs::ring::{VERSION, completion, event as ev, submission};
use smartnic_regs::values::{counter, ring_error, vector};
use smartnic_regs::{Reg, event, host, port};

use super::State;

/// A frame that the host sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The frame without FCS.
    pub data: Vec<u8>,
    /// DIRECT destination, or `None` through the switch.
    pub direct: Option<u32>,
    /// It was for a port whose MAC transmitted.
    pub on_wire: bool,
    /// Its class.
    pub class: u32,
}

#[derive(Clone, Copy, Default)]
struct RingState {
    head: u32,
    completed: u32,
}

/// Where each ring is.
pub struct Rings {
    rings: [RingState; 8],
    events: u32,
    /// Completions are made but not written: the test writes its own.
    pub mute: bool,
    owed: Vec<u32>,
}

impl Rings {
    pub(super) fn new() -> Self {
        Self {
            rings: [RingState::default(); 8],
            events: 0,
            mute: false,
            owed: Vec::new(),
        }
    }
}

/// A submission as the host wrote it.
pub struct Submission {
    /// Where the buffer is.
    pub iova: u64,
    /// Double word 2: length and flags.
    pub word: u32,
    /// The cookie.
    pub cookie: u32,
}

impl State {
    pub(super) fn reset_host(&mut self) {
        for ring in 0..8 {
            self.set(host::CONTROL, ring, 0);
            self.set(host::STATUS, ring, 0);
        }
        self.set(event::CONTROL, 0, 0);
        self.rings = Rings::new();
    }

    pub(super) fn host_write(&mut self, reg: Reg, index: u32) {
        if reg == host::CONTROL && host::CONTROL::ENABLE.get(self.get(reg, index)) == 0 {
            self.rings.rings[index as usize] = RingState::default();
            self.set(host::STATUS, index, 0);
            if index == self.shape.queues {
                self.rings.owed.clear();
            }
        } else if reg == event::CONTROL && event::CONTROL::ENABLE.get(self.get(reg, 0)) == 0 {
            self.rings.events = 0;
        } else if reg == host::SQ_TAIL && index >= self.shape.queues {
            self.transmit(index);
        }
    }

    fn enabled(&self, ring: u32) -> Option<u32> {
        let control = self.get(host::CONTROL, ring);
        (host::CONTROL::ENABLE.get(control) == 1).then(|| host::CONTROL::SIZE_LOG2.get(control))
    }

    /// The next submission of a ring, if the doorbell says that there is one.
    pub fn take_submission(&mut self, ring: u32) -> Option<Submission> {
        let log2 = self.enabled(ring)?;
        let state = self.rings.rings[ring as usize];
        let ahead = self.get(host::SQ_TAIL, ring).wrapping_sub(state.head) & 0xffff;
        if ahead > 1 << log2 {
            self.stop_ring(ring, ring_error::DOORBELL);
            return None;
        }
        if ahead == 0 {
            return None;
        }
        let base =
            u64::from(self.get(host::SQ_HI, ring)) << 32 | u64::from(self.get(host::SQ_LO, ring));
        let (memory, at) = self.window(base + u64::from(state.head & ((1 << log2) - 1)) * 16)?;
        let submission = Submission {
            iova: u64::from(memory.load32(at + 4)) << 32 | u64::from(memory.load32(at)),
            word: memory.load32(at + 8),
            cookie: memory.load32(at + 12),
        };
        self.rings.rings[ring as usize].head = state.head.wrapping_add(1);
        Some(submission)
    }

    /// Stops a ring as an error does.
    pub fn stop_ring(&mut self, ring: u32, code: u32) {
        self.set(
            host::STATUS,
            ring,
            host::STATUS::STOPPED.put(1) | host::STATUS::ERROR.put(code),
        );
        self.raise(vector::ERROR);
    }

    /// Completes what was sent while the card was mute, and goes on by itself.
    pub fn complete_sent(&mut self) {
        self.rings.mute = false;
        for cookie in std::mem::take(&mut self.rings.owed) {
            self.complete(
                self.shape.queues,
                [
                    cookie,
                    completion::KIND.put(completion::TRANSMIT),
                    0,
                    0,
                    0,
                    0,
                    0,
                ],
            );
        }
    }

    /// Writes a completion: words 0 to 6 as given, the last with head, version and phase.
    pub fn complete(&mut self, ring: u32, words: [u32; 7]) {
        let head = self.rings.rings[ring as usize].head;
        self.complete_raw(
            ring,
            words,
            completion::HEAD.put(head) | completion::ENTRY_VERSION.put(VERSION),
        );
    }

    /// Writes a completion whose last word is `last` plus the phase.
    pub fn complete_raw(&mut self, ring: u32, words: [u32; 7], last: u32) {
        let log2 = self.enabled(ring).expect("ring is on");
        let done = self.rings.rings[ring as usize].completed;
        let phase = 1 ^ (done >> log2) & 1;
        let base =
            u64::from(self.get(host::CQ_HI, ring)) << 32 | u64::from(self.get(host::CQ_LO, ring));
        let (memory, at) = self
            .window(base + u64::from(done & ((1 << log2) - 1)) * 32)
            .expect("mapped");
        for (i, word) in words.iter().enumerate() {
            memory.store32(at + 4 * i, *word);
        }
        memory.store32(at + 28, last | completion::PHASE.put(phase));
        self.rings.rings[ring as usize].completed = done.wrapping_add(1);
        let q = self.shape.queues;
        self.raise(if ring < q {
            vector::RINGS + ring
        } else {
            q + ring - q
        });
    }

    fn transmit(&mut self, ring: u32) {
        while let Some(sub) = self.take_submission(ring) {
            let length = submission::LENGTH.get(sub.word);
            let (memory, at) = self.window(sub.iova).expect("mapped");
            let mut data = vec![0; length as usize];
            memory.read(at, &mut data);
            let direct =
                (submission::DIRECT.get(sub.word) == 1).then(|| submission::DEST.get(sub.word));
            let port = direct.filter(|to| *to < self.shape.ports);
            let enabled = |to: &u32| port::MAC::TX_ENABLE.get(self.get(port::MAC, *to)) == 1;
            let on_wire = port.filter(enabled);
            if let Some(to) = on_wire {
                *self.counters.entry((to, counter::TX_FRAMES)).or_default() += 1;
            }
            self.sent.push(SentFrame {
                data,
                direct,
                on_wire: on_wire.is_some(),
                class: submission::CLASS.get(sub.word),
            });
            if self.rings.mute {
                self.rings.owed.push(sub.cookie);
            } else {
                self.complete(
                    ring,
                    [
                        sub.cookie,
                        completion::KIND.put(completion::TRANSMIT),
                        0,
                        0,
                        0,
                        0,
                        0,
                    ],
                );
            }
        }
    }

    /// A frame for the host, as the switch delivers it. False: no buffer.
    pub fn deliver(&mut self, data: &[u8], source: u32, reason: u32, fid: u16) -> bool {
        let Some(sub) = self.take_submission(0) else {
            return false;
        };
        let room = submission::LENGTH.get(sub.word) as usize;
        let cut = data.len().min(room);
        let (memory, at) = self.window(sub.iova).expect("mapped");
        memory.write(at, &data[..cut]);
        let status = if cut < data.len() {
            completion::TRUNCATED
        } else {
            completion::OK
        };
        let one = completion::LENGTH.put(cut as u32)
            | completion::STATUS.put(status)
            | completion::KIND.put(completion::RECEIVE);
        let two = completion::SOURCE.put(source) | completion::REASON.put(reason);
        self.complete(
            0,
            [
                sub.cookie,
                one,
                two,
                0x1234_5678,
                completion::FID.put(fid.into()),
                5,
                6,
            ],
        );
        true
    }

    /// Writes an event: words 0 to 6 as given, the last is `last` plus the phase. Lost and counted if the ring is off.
    ///
    /// # Panics
    ///
    /// If the host gave memory that is not there.
    pub fn push_event(&mut self, words: [u32; 7], last: u32) {
        let control = self.get(event::CONTROL, 0);
        if event::CONTROL::ENABLE.get(control) == 0 {
            let lost = self.get(event::LOST, 0);
            self.set(event::LOST, 0, lost + 1);
            return;
        }
        let log2 = event::CONTROL::SIZE_LOG2.get(control);
        let n = self.rings.events;
        let last = last | ev::PHASE.put(1 ^ (n >> log2) & 1);
        let base =
            u64::from(self.get(event::BASE_HI, 0)) << 32 | u64::from(self.get(event::BASE_LO, 0));
        let (memory, at) = self
            .window(base + u64::from(n & ((1 << log2) - 1)) * 32)
            .expect("mapped");
        for (i, word) in words.iter().chain([&last]).enumerate() {
            memory.store32(at + 4 * i, *word);
        }
        self.rings.events = n.wrapping_add(1);
    }
}

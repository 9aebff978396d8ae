//! The data path of one thread (`softnet_data`): received frames up, sent frames down, polls, and what was put off.
//!
//! Every thread that moves frames has a [`Softnet`] of its own, from [`Core::softnet`](crate::registry::Core::softnet). It calls
//! [`Softnet::run`] when there is work. Nothing in here waits for the configuration; the configuration waits (for one round at most) for
//! the threads that are in here when it takes something away.
//!
//! Recursion is bounded: a frame passes at most [`MAX_ROUNDS`] devices upwards, at most [`MAX_DEPTH`] transmits are nested, and a frame that a
//! driver receives while it sends ([`Softnet::netif_rx`]) waits until the sender is done.

pub mod napi;
pub mod rx;
pub(crate) mod shared;
pub mod tx;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::device::{Counter, Dev};
use crate::netpoll;
use crate::packet::{Batch, Packet};
use napi::WEIGHT;
use rx::RxResult;
use shared::{Reader, Shared};

/// Devices that a frame may pass on its way up.
pub const MAX_ROUNDS: usize = 8;
/// Transmits that may be nested: a VLAN on a bond on a port are three.
pub const MAX_DEPTH: u32 = 8;
/// Frames that may wait for [`Softnet::netif_rx`].
pub const MAX_BACKLOG: usize = 1000;
/// Frames of one round of [`Softnet::run`].
pub const BUDGET: usize = 300;

/// One thread's data path.
pub struct Softnet {
    pub(crate) shared: Arc<Shared>,
    reader: Arc<Reader>,
    pub(crate) id: u64,
    depth: u32,
    pub(crate) tx_depth: u32,
    /// Interrupts are off: netpoll sends or polls.
    pub(crate) irqs_off: u32,
    /// Devices whose poll or receive path is running here.
    pub(crate) receiving: Vec<u32>,
    backlog: VecDeque<Packet>,
    targets: Vec<(Dev, u16)>,
    batches: Vec<Batch>,
    /// What handlers gave back, kept for the next batch.
    pub(crate) results: Vec<Vec<RxResult>>,
}

impl Softnet {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (id, reader) = shared.new_reader();
        Self {
            shared,
            reader,
            id,
            depth: 0,
            tx_depth: 0,
            irqs_off: 0,
            receiving: Vec::new(),
            backlog: VecDeque::new(),
            targets: Vec::new(),
            batches: Vec::new(),
            results: Vec::new(),
        }
    }

    /// The time as of the last tick.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.now_nanos())
    }

    /// The device with this index, as of now.
    pub fn device(&self, ifindex: u32) -> Option<Dev> {
        self.shared.table.load().get(ifindex).cloned()
    }

    /// The stripe in which this thread counts.
    pub fn stripe(&self) -> usize {
        self.id as usize
    }

    pub(crate) fn enter(&mut self) {
        self.depth += 1;
        if self.depth == 1 {
            self.reader.enter();
        }
    }

    pub(crate) fn exit(&mut self) {
        if self.depth == 1 {
            self.flush();
            self.reader.exit();
        }
        self.depth -= 1;
    }

    /// Takes a frame that a driver received while it was busy with something else; it is processed by the next
    /// [`Softnet::run`]. False: there are too many already, and it was dropped and counted.
    pub fn netif_rx(&mut self, dev: &Dev, mut packet: Packet) -> bool {
        if self.backlog.len() >= MAX_BACKLOG {
            dev.stats().count(Counter::rx_dropped);
            return false;
        }
        packet.dev = dev.ifindex();
        self.backlog.push_back(packet);
        true
    }

    /// Sends a frame together with others for the same device, at the end of this round: for those that pass on what they receive.
    pub fn forward(&mut self, dev: &Dev, packet: Packet) {
        if self.depth == 0 || self.irqs_off > 0 {
            self.xmit(dev, packet);
            return;
        }
        let queue = tx::pick_queue(dev, &packet);
        self.target(dev, queue).push_back(packet);
    }

    /// [`Softnet::forward`] for all of `frames`.
    pub fn forward_list(&mut self, dev: &Dev, frames: &mut Batch) {
        if self.depth > 0 && self.irqs_off == 0 && dev.queue_count() == 1 {
            self.target(dev, 0).append(frames);
            return;
        }
        for packet in frames.drain(..) {
            self.forward(dev, packet);
        }
    }

    /// Where frames for this queue are put together.
    fn target(&mut self, dev: &Dev, queue: u16) -> &mut Batch {
        let same = |(d, q): &(Dev, u16)| d == dev && *q == queue;
        let at = self.targets.iter().position(same).unwrap_or_else(|| {
            self.targets.push((dev.clone(), queue));
            if self.batches.len() < self.targets.len() {
                self.batches.push(Batch::new());
            }
            self.targets.len() - 1
        });
        &mut self.batches[at]
    }

    /// Sends what [`Softnet::forward`] has put together.
    pub fn flush(&mut self) {
        for round in 0.. {
            if self.targets.is_empty() {
                return;
            }
            let mut targets = std::mem::take(&mut self.targets);
            let mut batches = std::mem::take(&mut self.batches);
            for ((dev, queue), batch) in targets.iter().zip(&mut batches) {
                // Devices that forward what they are to send go round in a circle.
                if round < MAX_ROUNDS {
                    self.xmit_list(dev, *queue, batch);
                } else {
                    self.drop_frames(dev, batch.len());
                }
                batch.clear();
            }
            targets.clear();
            // What was forwarded by that is in the new vectors: keep the larger allocations otherwise.
            if self.targets.is_empty() {
                self.targets = targets;
                self.batches = batches;
            }
        }
    }

    /// Does what there is to do, up to [`BUDGET`] frames received: polls, frames received meanwhile, queues that were woken. True if there is
    /// more: call again before waiting.
    pub fn run(&mut self) -> bool {
        if self.irqs_off > 0 {
            return true;
        }
        self.enter();
        self.shared.take_work();
        for _ in 0..self.shared.output_len() {
            let Some((ifindex, queue)) = self.shared.take_output() else {
                break;
            };
            self.run_queue(ifindex, queue);
        }
        let mut budget = BUDGET;
        for _ in 0..self.shared.polls_len() {
            let Some((dev, napi)) = self.shared.take_poll() else {
                break;
            };
            budget = budget.saturating_sub(self.poll_one(dev, napi));
            if budget == 0 {
                break;
            }
        }
        budget = budget.saturating_sub(self.run_backlog(budget));
        for ifindex in self.shared.take_netpolls() {
            netpoll::run_deferred(self, ifindex);
        }
        self.exit();
        budget == 0
            || !self.backlog.is_empty()
            || self.shared.polls_len() > 0
            || self.shared.output_len() > 0
    }

    /// Runs until there is nothing more to do, or `rounds` are over: for tests and for the end of a program.
    pub fn run_all(&mut self, rounds: usize) {
        for _ in 0..rounds {
            if !self.run() {
                return;
            }
        }
    }

    fn poll_one(&mut self, dev: Dev, number: u16) -> usize {
        let Some(napi) = dev.napis.get(usize::from(number)) else {
            return 0;
        };
        let mut work = 0;
        let mut again = false;
        if let Some(_owner) = napi.own() {
            if napi.is_scheduled() {
                self.receiving.push(dev.ifindex());
                work = dev.ops().poll(self, &dev, number, WEIGHT);
                self.receiving.pop();
                again = work >= WEIGHT || napi.take_again();
            }
        } else {
            // Netpoll is at it on another thread.
            again = napi.is_scheduled();
        }
        if again {
            self.shared.schedule_poll(dev, number);
        }
        work
    }

    fn run_backlog(&mut self, budget: usize) -> usize {
        let mut done = 0;
        let table = self.shared.table.load_full();
        while done < budget
            && let Some(packet) = self.backlog.pop_front()
        {
            self.receive_one(&table, packet);
            done += 1;
        }
        done
    }
}

impl Drop for Softnet {
    fn drop(&mut self) {
        let table = self.shared.table.load_full();
        for packet in self.backlog.drain(..) {
            if let Some(dev) = table.get(packet.dev) {
                dev.stats().count(Counter::rx_dropped);
            }
        }
    }
}

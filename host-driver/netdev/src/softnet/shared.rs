//! What all threads of the data path and the configuration share: the table of devices, the work to be done, the time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::rx::Protocols;
use crate::device::{Dev, TxQueue};

/// Largest index that a device can have: indices are places in a table.
pub const IFINDEX_MAX: u32 = 65_535;

/// What a round of the data path looks at: replaced whole when it changes.
#[derive(Clone, Default)]
pub(crate) struct Table {
    devices: Vec<Option<Dev>>,
    pub(crate) protocols: Protocols,
}

impl Table {
    pub(crate) fn get(&self, ifindex: u32) -> Option<&Dev> {
        self.devices.get(ifindex as usize)?.as_ref()
    }
    pub(crate) fn set(&mut self, ifindex: u32, dev: Option<Dev>) {
        let at = ifindex as usize;
        if self.devices.len() <= at {
            self.devices.resize(at + 1, None);
        }
        self.devices[at] = dev;
    }
}

/// Whether a thread is inside of the data path: odd while it is.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    rounds: AtomicU64,
}

impl Reader {
    pub(crate) fn enter(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
        // Whoever does not see this round in `synchronize` has its changes seen in this round.
        fence(Ordering::SeqCst);
    }
    pub(crate) fn exit(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
    }
}

/// Something that a thread of the data path has to be told: write an eventfd, unpark.
pub type Waker = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(crate) struct Shared {
    now: AtomicU64,
    pub(crate) table: ArcSwap<Table>,
    links: Mutex<Vec<u32>>,
    output: Mutex<VecDeque<(u32, u16)>>,
    polls: Mutex<VecDeque<(Dev, u16)>>,
    netpolls: Mutex<Vec<u32>>,
    /// Put off until the next tick: their transmitters had no room.
    netpolls_later: Mutex<Vec<u32>>,
    /// Some of the lists above may have something.
    work: AtomicBool,
    readers: Mutex<Vec<Weak<Reader>>>,
    last_softnet: AtomicU64,
    waker: ArcSwapOption<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Lists are whole after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn now_nanos(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
    /// The time never goes back.
    pub(crate) fn set_now(&self, nanos: u64) {
        self.now.fetch_max(nanos, Ordering::Relaxed);
        let later = std::mem::take(&mut *lock(&self.netpolls_later));
        later
            .into_iter()
            .for_each(|ifindex| self.schedule_netpoll(ifindex));
    }
    pub(crate) fn set_waker(&self, waker: Waker) {
        self.waker.store(Some(Arc::new(waker)));
    }
    fn wake(&self) {
        if !self.work.swap(true, Ordering::SeqCst)
            && let Some(waker) = &*self.waker.load()
        {
            waker();
        }
    }
    /// True if there was work to do; there may be none now.
    pub(crate) fn take_work(&self) -> bool {
        self.work.load(Ordering::Relaxed) && self.work.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn link_event(&self, ifindex: u32) {
        lock(&self.links).push(ifindex);
    }
    pub(crate) fn take_links(&self) -> Vec<u32> {
        std::mem::take(&mut lock(&self.links))
    }

    pub(crate) fn schedule_output(&self, ifindex: u32, number: u16, queue: &TxQueue) {
        if !queue.scheduled.swap(true, Ordering::SeqCst) {
            lock(&self.output).push_back((ifindex, number));
            self.wake();
        }
    }
    pub(crate) fn take_output(&self) -> Option<(u32, u16)> {
        lock(&self.output).pop_front()
    }
    pub(crate) fn output_len(&self) -> usize {
        lock(&self.output).len()
    }

    pub(crate) fn schedule_poll(&self, dev: Dev, napi: u16) {
        lock(&self.polls).push_back((dev, napi));
        self.wake();
    }
    pub(crate) fn take_poll(&self) -> Option<(Dev, u16)> {
        lock(&self.polls).pop_front()
    }
    pub(crate) fn polls_len(&self) -> usize {
        lock(&self.polls).len()
    }

    pub(crate) fn schedule_netpoll(&self, ifindex: u32) {
        let mut waiting = lock(&self.netpolls);
        if !waiting.contains(&ifindex) {
            waiting.push(ifindex);
        }
        drop(waiting);
        self.wake();
    }
    pub(crate) fn schedule_netpoll_later(&self, ifindex: u32) {
        lock(&self.netpolls_later).push(ifindex);
    }
    pub(crate) fn take_netpolls(&self) -> Vec<u32> {
        std::mem::take(&mut lock(&self.netpolls))
    }

    pub(crate) fn new_reader(&self) -> (u64, Arc<Reader>) {
        let reader = Arc::new(Reader::default());
        let mut readers = lock(&self.readers);
        readers.retain(|r| r.strong_count() > 0);
        readers.push(Arc::downgrade(&reader));
        let id = self.last_softnet.fetch_add(1, Ordering::Relaxed) + 1;
        (id, reader)
    }

    /// Waits until every thread that is inside of the data path has left it once: what was taken out of the table before is then out of use
    /// (`synchronize_net`). Bounded by the longest round of a thread.
    pub(crate) fn synchronize(&self) {
        let readers: Vec<Arc<Reader>> = lock(&self.readers)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        fence(Ordering::SeqCst);
        for reader in readers {
            let round = reader.rounds.load(Ordering::SeqCst);
            if round % 2 == 1 {
                while reader.rounds.load(Ordering::SeqCst) == round {
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Changes the table.
    pub(crate) fn change_table(&self, change: impl Fn(&mut Table)) {
        self.table.rcu(|table| {
            let mut table = Table::clone(table);
            change(&mut table);
            table
        });
    }

    /// Lets go of everything, so that devices and this structure do not hold each other for ever.
    pub(crate) fn clear(&self) {
        self.table.store(Arc::default());
        lock(&self.polls).clear();
        lock(&self.output).clear();
    }
}

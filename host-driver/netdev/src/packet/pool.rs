//! A pool of equal buffers: a fixed number of them, so that a flood runs out of packets and not of memory.
//!
//! The store is a stack behind a lock. Threads that care take from a [`PoolCache`], which trades 64 buffers at a time, so that
//! the lock costs a fraction of a cycle a packet. Dropping the [`Pool`] frees what is there at once, and what is still under
//! way when it comes home.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Packet;
use super::buffer::Buffer;

/// Buffers that a cache trades with its pool at a time.
const TRADE: usize = 64;

#[derive(Debug)]
pub(crate) struct Store {
    free: Mutex<Vec<Arc<Buffer>>>,
    closed: AtomicBool,
    exhausted: AtomicUsize,
    len: usize,
    headroom: usize,
    count: usize,
}

impl Store {
    fn free(&self) -> MutexGuard<'_, Vec<Arc<Buffer>>> {
        // A vector of buffers is whole after any panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn buffer_len(&self) -> usize {
        self.len
    }
    pub(super) fn take(&self) -> Option<Arc<Buffer>> {
        let buffer = self.free().pop();
        if buffer.is_none() {
            self.exhausted.fetch_add(1, Ordering::Relaxed);
        }
        buffer
    }
    pub(super) fn give(&self, buffer: Arc<Buffer>) {
        let mut free = self.free();
        if !self.closed.load(Ordering::Relaxed) {
            free.push(buffer);
        }
    }
}

/// A pool of packets.
#[derive(Debug)]
pub struct Pool {
    store: Arc<Store>,
}

impl Pool {
    /// `count` packets, each with room for `room` bytes behind `headroom`.
    pub fn new(count: usize, headroom: usize, room: usize) -> Self {
        let store = Arc::new(Store {
            free: Mutex::new(Vec::with_capacity(count)),
            closed: AtomicBool::new(false),
            exhausted: AtomicUsize::new(0),
            len: headroom + room,
            headroom,
            count,
        });
        let buffers = (0..count).map(|_| Arc::new(Buffer::pooled(headroom + room, store.clone())));
        store.free().extend(buffers);
        Self { store }
    }

    /// A packet without bytes, or `None` when all are in use.
    pub fn alloc(&self) -> Option<Packet> {
        let buffer = self.store.take()?;
        Some(Packet::over(buffer, self.store.headroom))
    }

    /// Packets that are free, those in caches not counted.
    pub fn free(&self) -> usize {
        self.store.free().len()
    }
    /// Packets in all.
    pub fn count(&self) -> usize {
        self.store.count
    }
    /// Times that there was none.
    pub fn exhausted(&self) -> usize {
        self.store.exhausted.load(Ordering::Relaxed)
    }

    /// A thread's own supply.
    pub fn cache(&self) -> PoolCache {
        PoolCache {
            store: self.store.clone(),
            local: Vec::with_capacity(2 * TRADE),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The buffers own the store: without this neither would ever go.
        let mut free = self.store.free();
        self.store.closed.store(true, Ordering::Relaxed);
        free.clear();
    }
}

/// One thread's supply of a pool's packets; what is left goes back when it is dropped.
#[derive(Debug)]
pub struct PoolCache {
    store: Arc<Store>,
    local: Vec<Arc<Buffer>>,
}

impl PoolCache {
    /// A packet without bytes, or `None` when all are in use.
    pub fn alloc(&mut self) -> Option<Packet> {
        if self.local.is_empty() {
            let mut free = self.store.free();
            let from = free.len().saturating_sub(TRADE);
            self.local.extend(free.drain(from..));
        }
        match self.local.pop() {
            Some(buffer) => Some(Packet::over(buffer, self.store.headroom)),
            None => {
                self.store.exhausted.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Takes a packet back. One of another pool, or one whose bytes are shared, goes its own way.
    pub fn free(&mut self, mut packet: Packet) {
        let ours = |b: &&mut Arc<Buffer>| b.home().is_some_and(|h| Arc::ptr_eq(h, &self.store));
        let Some(buffer) = packet.buffer.as_mut().filter(ours) else {
            return;
        };
        if Arc::get_mut(buffer).is_none() {
            return;
        }
        self.local.extend(packet.buffer.take());
        if self.local.len() >= 2 * TRADE {
            self.flush(TRADE);
        }
    }

    fn flush(&mut self, keep: usize) {
        let mut free = self.store.free();
        let back = self.local.drain(keep..);
        if !self.store.closed.load(Ordering::Relaxed) {
            free.extend(back);
        }
    }
}

impl Drop for PoolCache {
    fn drop(&mut self) {
        self.flush(0);
    }
}

/// Sends packets of any pools home, many at a time: for the end of a transmission. What is left goes when it is dropped.
#[derive(Debug, Default)]
pub struct Recycler {
    /// All of one pool.
    pending: Vec<Arc<Buffer>>,
}

impl Recycler {
    /// Takes a packet. One of no pool, or one whose bytes are shared, goes its own way.
    pub fn free(&mut self, mut packet: Packet) {
        let Some(buffer) = packet.buffer.as_mut() else {
            return;
        };
        let Some(home) = Arc::get_mut(buffer).and_then(|b| b.home()) else {
            return;
        };
        let same = |b: &Arc<Buffer>| b.home().is_some_and(|h| Arc::ptr_eq(h, home));
        if self.pending.len() >= TRADE || !self.pending.first().is_none_or(same) {
            self.flush();
        }
        self.pending.extend(packet.buffer.take());
    }

    /// Sends home what was taken.
    pub fn flush(&mut self) {
        let Some(home) = self.pending.first().and_then(|b| b.home()).cloned() else {
            return;
        };
        let mut free = home.free();
        let back = self.pending.drain(..);
        if !home.closed.load(Ordering::Relaxed) {
            free.extend(back);
        }
    }
}

impl Drop for Recycler {
    fn drop(&mut self) {
        self.flush();
    }
}

//! A pool of equal buffers: a fixed number of them, so that a flood runs out of packets and not of memory.
//!
//! The buffers are in one piece of memory, a device's if it is to be reached by one ([`Pool::over`]), an odd number of cache lines apart, so that they
//! share the sets of a cache evenly. The store is a stack behind a lock. Threads that care take from a [`PoolCache`], which trades 64 buffers at a time, so
//! that the lock costs a fraction of a cycle a packet. Dropping the [`Pool`] frees what is there at once, and what is still under
//! way when it comes home.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Packet;
use super::memory::{Heap, LINE, Memory, Origin};
use super::raw::Meta;

/// Buffers that a cache trades with its pool at a time.
const TRADE: usize = 64;

pub(super) struct Store {
    #[allow(clippy::vec_box, reason = "what moves is a pointer")]
    free: Mutex<Vec<Box<Meta>>>,
    closed: AtomicBool,
    exhausted: AtomicUsize,
    pub(super) end: usize,
    headroom: usize,
    count: usize,
    pub(super) memory: Arc<dyn Memory>,
    /// Its first byte, as a number.
    pub(super) base: usize,
}

impl Store {
    #[allow(clippy::vec_box, reason = "what moves is a pointer")]
    fn free(&self) -> MutexGuard<'_, Vec<Box<Meta>>> {
        // A vector of buffers is whole after any panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn take(&self) -> Option<Packet> {
        let meta = self.free().pop();
        if meta.is_none() {
            self.exhausted.fetch_add(1, Ordering::Relaxed);
        }
        meta.map(|meta| self.packet(meta))
    }
    #[inline]
    fn packet(&self, mut meta: Box<Meta>) -> Packet {
        meta.reset(self.headroom);
        Packet::from_meta(meta)
    }
    /// A buffer of at least `len` bytes, if this pool's have as many.
    pub(super) fn take_for(&self, len: usize) -> Option<Packet> {
        (self.end >= len).then(|| self.take()).flatten()
    }
    pub(super) fn give(&self, meta: Box<Meta>) {
        let mut free = self.free();
        if !self.closed.load(Ordering::Relaxed) {
            free.push(meta);
        }
    }
    fn give_all(&self, metas: impl Iterator<Item = Box<Meta>>) {
        let mut free = self.free();
        if !self.closed.load(Ordering::Relaxed) {
            free.extend(metas);
        }
    }
}

impl Meta {
    /// Gives up the bytes: a pool's go home, those of others with the last packet that has them.
    pub(super) fn release(self: Box<Self>) {
        let origin = self.origin().clone();
        if let Origin::Pool(store) = &*origin {
            store.give(self);
        }
    }
}

/// A pool of packets.
pub struct Pool {
    /// Always [`Origin::Pool`].
    origin: Arc<Origin>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} of {})", self.free(), self.count())
    }
}

/// The store of a pool.
#[inline]
fn store(origin: &Origin) -> &Store {
    match origin {
        Origin::Pool(store) => store,
        Origin::Shared(_) | Origin::Heap(_) => unreachable!("pools are made with a store"),
    }
}

impl Pool {
    /// `count` packets, each with room for `room` bytes behind `headroom`, in ordinary memory.
    pub fn new(count: usize, headroom: usize, room: usize) -> Self {
        let memory = Heap::new(count * Self::stride(headroom, room));
        // SAFETY: nobody else has it.
        unsafe { Self::over(Arc::new(memory), count, headroom, room) }
    }

    /// Bytes of memory for each packet of a pool.
    pub fn stride(headroom: usize, room: usize) -> usize {
        ((headroom + room).div_ceil(LINE) | 1) * LINE
    }

    /// `count` packets in `memory`, or as many as fit, each [`Pool::stride`] bytes from the one before.
    ///
    /// # Safety
    ///
    /// The memory is for this pool only, and this program touches it by the pool's packets only.
    pub unsafe fn over(
        memory: Arc<dyn Memory>,
        count: usize,
        headroom: usize,
        room: usize,
    ) -> Self {
        let stride = Self::stride(headroom, room);
        let count = count.min(memory.len() / stride);
        let base = memory.base();
        let end = headroom + room;
        let origin = Arc::new(Origin::Pool(Store {
            free: Mutex::new(Vec::with_capacity(count)),
            closed: AtomicBool::new(false),
            exhausted: AtomicUsize::new(0),
            end,
            headroom,
            count,
            memory,
            base: base.as_ptr() as usize,
        }));
        // SAFETY: inside of the memory, by the count.
        let buffer = |n: usize| -> NonNull<u8> { unsafe { base.add(n * stride) } };
        let metas = (0..count).map(|n| Meta::pooled(origin.clone(), buffer(n), end));
        store(&origin).give_all(metas);
        Self { origin }
    }

    /// A packet without bytes, or `None` when all are in use.
    pub fn alloc(&self) -> Option<Packet> {
        store(&self.origin).take()
    }

    /// Packets that are free, those in caches not counted.
    pub fn free(&self) -> usize {
        store(&self.origin).free().len()
    }
    /// Packets in all.
    pub fn count(&self) -> usize {
        store(&self.origin).count
    }
    /// Times that there was none.
    pub fn exhausted(&self) -> usize {
        store(&self.origin).exhausted.load(Ordering::Relaxed)
    }

    /// A thread's own supply.
    pub fn cache(&self) -> PoolCache {
        PoolCache {
            origin: self.origin.clone(),
            local: Vec::with_capacity(2 * TRADE),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The buffers own the store: without this neither would ever go.
        let store = store(&self.origin);
        let gone = {
            let mut free = store.free();
            store.closed.store(true, Ordering::Relaxed);
            std::mem::take(&mut *free)
        };
        drop(gone);
    }
}

/// One thread's supply of a pool's packets; what is left goes back when it is dropped.
pub struct PoolCache {
    /// Always [`Origin::Pool`].
    origin: Arc<Origin>,
    #[allow(clippy::vec_box, reason = "what moves is a pointer")]
    local: Vec<Box<Meta>>,
}

impl PoolCache {
    /// A packet without bytes, or `None` when all are in use.
    #[inline]
    pub fn alloc(&mut self) -> Option<Packet> {
        let store = store(&self.origin);
        if self.local.is_empty() {
            let mut free = store.free();
            let from = free.len().saturating_sub(TRADE);
            self.local.extend(free.drain(from..));
        }
        match self.local.pop() {
            Some(meta) => Some(store.packet(meta)),
            None => {
                store.exhausted.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Takes a packet back. One of another pool, or one whose bytes are shared, comes back.
    #[inline]
    pub fn free(&mut self, packet: Packet) -> Option<Packet> {
        if !Arc::ptr_eq(packet.origin(), &self.origin) {
            return Some(packet);
        }
        self.local.push(packet.into_meta());
        if self.local.len() >= 2 * TRADE {
            self.flush(TRADE);
        }
        None
    }

    fn flush(&mut self, keep: usize) {
        store(&self.origin).give_all(self.local.drain(keep..));
    }
}

impl Drop for PoolCache {
    fn drop(&mut self) {
        self.flush(0);
    }
}

/// Sends packets of any pools home, many at a time: for the end of a transmission. What is left goes when it is dropped.
#[derive(Default)]
pub struct Recycler {
    /// All of one pool.
    #[allow(clippy::vec_box, reason = "what moves is a pointer")]
    pending: Vec<Box<Meta>>,
}

impl Recycler {
    /// Takes a packet. One of no pool, or one whose bytes are shared, goes its own way.
    #[inline]
    pub fn free(&mut self, packet: Packet) {
        let origin = packet.origin();
        if !matches!(**origin, Origin::Pool(_)) {
            return;
        }
        let mut first = self.pending.first().into_iter();
        let same = first.all(|b| Arc::ptr_eq(b.origin(), origin));
        if self.pending.len() >= TRADE || !same {
            self.flush();
        }
        self.pending.push(packet.into_meta());
    }

    /// Sends home what was taken.
    pub fn flush(&mut self) {
        let Some(home) = self.pending.first().map(|b| b.origin().clone()) else {
            return;
        };
        store(&home).give_all(self.pending.drain(..));
    }
}

impl Drop for Recycler {
    fn drop(&mut self) {
        self.flush();
    }
}

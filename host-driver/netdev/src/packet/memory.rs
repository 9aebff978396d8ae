//! Where the bytes under packets are, and who gets them back.
//!
//! The `unsafe` of the packet buffer is here, in [`super::raw`], and where a [`super::Pool`] is cut up. The rule that it rests on: the bytes between a packet's base and end belong to that packet alone,
//! or are shared by its clones and then only read.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

use super::pool::Store;
use super::raw::Meta;

/// Bytes of a cache line, to which buffers are aligned.
pub const LINE: usize = 64;

/// Memory that devices reach too, to cut a [`super::Pool`] from.
///
/// # Safety
///
/// For as long as the value lives, the `len` bytes from `base` on stay there, and may be read and written by any thread of this program. `base` is a multiple
/// of [`LINE`].
///
/// A device that writes to a buffer which it was not given, or has given back, breaks the rule that packets rest on, as it does with every
/// driver that does not copy: one that is not to be believed that far must not be opened.
pub unsafe trait Memory: Any + Send + Sync {
    /// The first byte.
    fn base(&self) -> NonNull<u8>;
    /// How many there are.
    fn len(&self) -> usize;
    /// None.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "reached by its address")] UnsafeCell<[u8; LINE]>);

/// Ordinary memory, zeroed.
pub(super) struct Heap(Box<[Line]>);

// SAFETY: plain bytes; who may touch which of them when is the packets' rule.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    pub(super) fn new(bytes: usize) -> Self {
        let lines = (0..bytes.div_ceil(LINE)).map(|_| Line(UnsafeCell::new([0; LINE])));
        Self(lines.collect())
    }
}

// SAFETY: a box stays where it is, and its cells may be written through a shared reference; an empty one has no bytes.
unsafe impl Memory for Heap {
    fn base(&self) -> NonNull<u8> {
        NonNull::from_ref(&*self.0).cast()
    }
    fn len(&self) -> usize {
        self.0.len() * LINE
    }
}

/// Who has the bytes of a packet.
pub(super) enum Origin {
    /// Packets that hold this directly have memory of the pool for themselves.
    Pool(Store),
    /// Memory of a pool that clones share.
    Shared(Slab),
    /// Of no pool. Clones hold the same one.
    Heap(#[allow(dead_code, reason = "kept for its bytes")] Heap),
}

/// Bytes of a pool that several packets have; the last one sends them home.
pub(super) struct Slab {
    pub(super) pool: Arc<Origin>,
    pub(super) base: NonNull<u8>,
}

// SAFETY: the bytes are only read as long as several packets have them.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Drop for Slab {
    fn drop(&mut self) {
        if let Origin::Pool(store) = &*self.pool {
            store.give(Meta::pooled(self.pool.clone(), self.base, store.end));
        }
    }
}

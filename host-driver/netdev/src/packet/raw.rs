//! The packet's one cache line, and its bytes.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::memory::{Heap, Memory, Origin, Slab};
use super::{Packet, PacketType};

/// What the stack knows about a frame: reached through its [`Packet`].
///
/// The first 64 bytes are all that the data path looks at.
#[repr(C, align(64))]
pub struct Meta {
    /// First byte of the buffer. Between `base` and `base + end` are bytes that this packet may read, and write unless they are shared.
    base: NonNull<u8>,
    /// `None` only while it is exchanged.
    origin: Cell<Option<Arc<Origin>>>,
    /// Always `data <= tail <= end`.
    end: u32,
    pub(super) data: u32,
    pub(super) tail: u32,
    pub(super) mac_header: u16,
    pub(super) network_header: u16,
    /// Index of the device that it came in on or goes out by; 0: none yet.
    pub dev: u32,
    /// Index of the device that it came in on first.
    pub iif: u32,
    /// Flow hash; 0: not computed.
    pub hash: u32,
    /// Priority (802.1p's from VLAN maps, or a class).
    pub priority: u32,
    /// Free for whoever has the packet now, as `skb->cb`: a reason code of a trap, a FID.
    pub control: u32,
    /// EtherType, or one of [`super::eth::P_802_2`] and [`super::eth::P_802_3`].
    pub protocol: u16,
    /// Transmit queue + 1; 0: none chosen.
    pub(super) queue: u16,
    pub(super) vlan_protocol: u16,
    pub(super) vlan_tci: u16,
    /// Whose frame it is, by its destination address.
    pub packet_type: PacketType,
    pub(super) checksum_kind: u8,
    /// The hardware forwarded it already: a software bridge must not do so again.
    pub offload_forwarded: bool,
    /// Means something with some kinds only.
    pub(super) checksum: u32,
}

// SAFETY: the pointer is to bytes that go with the packet; see `memory`.
unsafe impl Send for Meta {}

impl Meta {
    fn new(origin: Arc<Origin>, base: NonNull<u8>, end: usize) -> Box<Self> {
        Box::new(Self {
            base,
            origin: Cell::new(Some(origin)),
            end: end as u32,
            data: 0,
            tail: 0,
            mac_header: 0,
            network_header: 0,
            dev: 0,
            iif: 0,
            hash: 0,
            priority: 0,
            control: 0,
            protocol: 0,
            queue: 0,
            vlan_protocol: 0,
            vlan_tci: 0,
            packet_type: PacketType::Host,
            checksum_kind: 0,
            offload_forwarded: false,
            checksum: 0,
        })
    }

    /// Over `end` bytes of the pool from `base` on, which nobody else has.
    pub(super) fn pooled(pool: Arc<Origin>, base: NonNull<u8>, end: usize) -> Box<Self> {
        Self::new(pool, base, end)
    }

    /// Over ordinary memory.
    pub(super) fn heap(end: usize) -> Box<Self> {
        let heap = Heap::new(end);
        let base = heap.base();
        Self::new(Arc::new(Origin::Heap(heap)), base, end)
    }

    /// As new, with `headroom` free in front of no bytes.
    #[inline]
    pub(super) fn reset(&mut self, headroom: usize) {
        self.data = headroom as u32;
        self.tail = headroom as u32;
        self.mac_header = headroom as u16;
        self.network_header = headroom as u16;
        self.dev = 0;
        self.iif = 0;
        self.hash = 0;
        self.priority = 0;
        self.control = 0;
        self.protocol = 0;
        self.queue = 0;
        self.vlan_protocol = 0;
        self.vlan_tci = 0;
        self.packet_type = PacketType::Host;
        self.checksum_kind = 0;
        self.offload_forwarded = false;
    }

    #[inline]
    pub(super) fn origin(&self) -> &Arc<Origin> {
        // SAFETY: the cell is exchanged in `share` and by `&mut self` only; neither happens while a result of this is used, since `share` is
        // called by `clone` alone, which keeps none, and a `Meta` is of one thread.
        let origin = unsafe { &*self.origin.as_ptr() };
        origin.as_ref().expect("None only while it is exchanged")
    }

    /// Bytes of the buffer.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    /// The bytes from one place of the buffer to another.
    #[inline]
    pub(super) fn slice(&self, from: u32, to: u32) -> &[u8] {
        assert!(from <= to && to <= self.end);
        // SAFETY: inside of the buffer; nobody writes there while `self` is borrowed: clones only read.
        unsafe {
            std::slice::from_raw_parts(self.base.add(from as usize).as_ptr(), (to - from) as usize)
        }
    }

    /// Another packet has the same bytes.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        let origin = self.origin();
        match &**origin {
            Origin::Pool(_) => false,
            Origin::Shared(_) | Origin::Heap(_) => Arc::strong_count(origin) > 1,
        }
    }

    /// The same to write, which must not be shared.
    #[inline]
    pub(super) fn slice_mut(&mut self, from: u32, to: u32) -> &mut [u8] {
        assert!(from <= to && to <= self.end && !self.is_shared());
        // What another packet did with the bytes before it let go of them was before this.
        fence(Ordering::Acquire);
        // SAFETY: inside of the buffer; no other packet has these bytes, and none can get them while `self` is borrowed.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.base.add(from as usize).as_ptr(),
                (to - from) as usize,
            )
        }
    }

    /// Positions and metadata of another packet; the bytes stay.
    pub(super) fn take_state(&mut self, from: &Meta) {
        let (base, origin, end) = (self.base, self.origin.take(), self.end);
        *self = Self {
            base,
            origin: Cell::new(origin),
            end,
            ..*from
        };
        assert!(self.tail <= self.end);
    }

    /// Another `Meta` over the same bytes.
    pub(super) fn share(&self) -> Box<Self> {
        if let Origin::Pool(_) = &**self.origin() {
            let pool = self.origin.take().expect("there is one");
            let base = self.base;
            let shared = Origin::Shared(Slab { pool, base });
            self.origin.set(Some(Arc::new(shared)));
        }
        let origin = self.origin().clone();
        Box::new(Self {
            origin: Cell::new(Some(origin)),
            ..*self
        })
    }

    /// The memory that the bytes are in, if it is a pool's, and how far from its start they begin.
    #[inline]
    pub(super) fn place(&self) -> Option<(&Arc<dyn Memory>, usize)> {
        let mut origin = self.origin();
        if let Origin::Shared(slab) = &**origin {
            origin = &slab.pool;
        }
        let Origin::Pool(store) = &**origin else {
            return None;
        };
        let offset = self.base.as_ptr() as usize - store.base + self.data as usize;
        Some((&store.memory, offset))
    }
}

impl Packet {
    pub(super) fn from_meta(meta: Box<Meta>) -> Self {
        Self(ManuallyDrop::new(meta))
    }

    #[inline]
    pub(super) fn into_meta(self) -> Box<Meta> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, and not used again.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl Deref for Packet {
    type Target = Meta;
    #[inline]
    fn deref(&self) -> &Meta {
        &self.0
    }
}

impl DerefMut for Packet {
    #[inline]
    fn deref_mut(&mut self) -> &mut Meta {
        &mut self.0
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        let meta = unsafe { ManuallyDrop::take(&mut self.0) };
        meta.release();
    }
}

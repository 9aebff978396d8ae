//! The packet buffer: head, data, tail and end, with what the stack knows about the frame beside it.
//!
//! ```text
//! head          data                 tail          end
//!  | headroom    | the frame's bytes  | tailroom    |
//! ```
//!
//! `reserve` moves data and tail of an empty buffer, `put` moves the tail, `push` and `pull` the data, `trim` cuts.
//! Each is checked: a buffer that is too small is an error that says by how much, never a panic. A clone shares the
//! bytes and has its own positions and metadata; bytes are written only while one packet has them ([`Packet::bytes_mut`]
//! copies them first, `unshare`). A packet that came from a [`Pool`] goes back there when it is dropped, so a path that takes
//! from pools allocates nothing. A packet is a pointer to one cache line, which stays with its buffer in the pool, so that passing it on moves 8 bytes; only
//! a clone allocates a line of its own. Packets are of one thread at a time (`Send`, not `Sync`), so that whether bytes are shared is a look, no atomic exchange.
//!
//! Covered by `tests/netdev/packet.rs`, against a plain model with random operations.

pub mod eth;
mod memory;
mod meta;
mod pool;
mod raw;

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use thiserror::Error;

use memory::Origin;
pub use memory::{LINE, Memory};
pub use meta::{Checksum, PacketType, VlanTag, fold, sum};
pub use pool::{Pool, PoolCache, Recycler};
pub use raw::Meta;

/// Frames in the order in which they came, reused from round to round.
pub type Batch = std::collections::VecDeque<Packet>;

/// Headroom that the stack leaves in front of a frame of its own: two VLAN tags, an Ethernet header, and IP aligned.
pub const HEADROOM: usize = 64;

/// A packet whose buffer is too small for what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{operation} of {wanted} bytes: the packet has {available} (EMSGSIZE)")]
pub struct PacketError {
    /// What was tried.
    pub operation: &'static str,
    /// Bytes that it needed.
    pub wanted: usize,
    /// Bytes that there were.
    pub available: usize,
}

/// A frame on its way through the stack: a pointer to its [`Meta`], which has what the stack knows about it.
pub struct Packet(ManuallyDrop<Box<Meta>>);

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("dev", &self.dev)
            .field("protocol", &self.protocol)
            .field("packet_type", &self.packet_type)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Packet {
    /// A packet outside of any pool, with `headroom` free in front of room for `room` bytes.
    pub fn new(headroom: usize, room: usize) -> Self {
        let mut meta = Meta::heap(headroom + room);
        meta.reset(headroom);
        Self::from_meta(meta)
    }

    /// A packet outside of any pool with these bytes and [`HEADROOM`] in front of them.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut packet = Self::new(HEADROOM, bytes.len());
        packet.append(bytes).expect("made large enough");
        packet
    }

    /// Length of the frame's bytes.
    #[inline]
    pub fn len(&self) -> usize {
        (self.tail - self.data) as usize
    }
    /// No bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tail == self.data
    }
    /// Free bytes before the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        self.data as usize
    }
    /// Free bytes behind the tail.
    #[inline]
    pub fn tailroom(&self) -> usize {
        self.end() - self.tail as usize
    }
    /// The frame's bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.slice(self.data, self.tail)
    }
    /// The frame's bytes to write; bytes shared with a clone are copied first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (data, tail) = (self.data, self.tail);
        self.exclusive(data, tail)
    }
    /// Another packet has the same bytes.
    #[inline]
    pub fn is_shared(&self) -> bool {
        Meta::is_shared(self)
    }
    /// The memory that the bytes are in, if it is a pool's, and how far from its start they begin: for a device that reads them where they are.
    #[inline]
    pub fn place(&self) -> Option<(&Arc<dyn Memory>, usize)> {
        Meta::place(self)
    }

    /// The bytes from one place of the buffer to another, which `unshare` may move: both count from the data.
    #[inline]
    fn exclusive(&mut self, from: u32, to: u32) -> &mut [u8] {
        let before = self.data;
        if Meta::is_shared(self) {
            self.unshare(0, 0);
        }
        let moved = self.data - before;
        self.slice_mut(from + moved, to + moved)
    }

    /// Copies the bytes into a buffer of the packet's own, with at least `headroom` and `tailroom` beside them.
    pub fn unshare(&mut self, headroom: usize, tailroom: usize) {
        let (headroom, tailroom) = (headroom.max(self.headroom()), tailroom.max(self.tailroom()));
        let len = headroom + self.len() + tailroom;
        let pooled = match &**self.origin() {
            Origin::Pool(store) => store.take_for(len),
            Origin::Shared(slab) => match &*slab.pool {
                Origin::Pool(store) => store.take_for(len),
                _ => None,
            },
            Origin::Heap(_) => None,
        };
        let mut other = pooled.unwrap_or_else(|| Self::new(0, len));
        let moved = headroom as u32 - self.data;
        let whole = self.slice(0, self.tail);
        other
            .slice_mut(moved, moved + self.tail)
            .copy_from_slice(whole);
        other.take_state(self);
        other.data += moved;
        other.tail += moved;
        other.mac_header += moved as u16;
        other.network_header += moved as u16;
        other.move_checksum(moved as u16);
        *self = other;
    }

    /// Makes sure of `headroom` free bytes that nobody else has, copying if need be (`skb_cow_head`).
    pub fn require_headroom(&mut self, headroom: usize) {
        if self.is_shared() || self.headroom() < headroom {
            self.unshare(headroom, 0);
        }
    }

    /// Leaves `n` more bytes free in front of the data of a packet without bytes.
    pub fn reserve(&mut self, n: usize) -> Result<(), PacketError> {
        if !self.is_empty() {
            return Err(failure("reserve, which needs an empty packet,", n, 0));
        }
        self.check("reserve", n, self.tailroom())?;
        self.data += n as u32;
        self.tail += n as u32;
        self.mac_header = self.data as u16;
        self.network_header = self.data as u16;
        Ok(())
    }

    /// Adds `n` bytes at the end, which the caller fills.
    pub fn put(&mut self, n: usize) -> Result<&mut [u8], PacketError> {
        self.check("put", n, self.tailroom())?;
        let from = self.tail;
        self.tail += n as u32;
        Ok(self.exclusive(from, from + n as u32))
    }

    /// Makes the packet `n` bytes longer without looking at them: a device wrote them (`skb_put` after DMA).
    #[inline]
    pub fn put_filled(&mut self, n: usize) -> Result<(), PacketError> {
        self.check("put", n, self.tailroom())?;
        self.tail += n as u32;
        Ok(())
    }

    /// Adds these bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), PacketError> {
        self.put(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Adds `n` bytes at the front, which the caller fills.
    pub fn push(&mut self, n: usize) -> Result<&mut [u8], PacketError> {
        self.check("push", n, self.headroom())?;
        self.data -= n as u32;
        let data = self.data;
        Ok(self.exclusive(data, data + n as u32))
    }

    /// Gives back `n` bytes that were pulled, as they are.
    #[inline]
    pub fn unpull(&mut self, n: usize) -> Result<(), PacketError> {
        self.check("push", n, self.headroom())?;
        self.data -= n as u32;
        Ok(())
    }

    /// Takes `n` bytes off the front.
    #[inline]
    pub fn pull(&mut self, n: usize) -> Result<(), PacketError> {
        self.check("pull", n, self.len())?;
        self.data += n as u32;
        Ok(())
    }

    /// Cuts the packet to `len` bytes.
    pub fn trim(&mut self, len: usize) -> Result<(), PacketError> {
        self.check("trim", len, self.len())?;
        self.tail = self.data + len as u32;
        Ok(())
    }

    /// Adds zeros until the packet has `len` bytes; a longer one stays as it is.
    pub fn pad_to(&mut self, len: usize) -> Result<(), PacketError> {
        let missing = len.saturating_sub(self.len());
        if missing > 0 {
            self.put(missing)?.fill(0);
        }
        Ok(())
    }

    #[inline]
    fn check(
        &self,
        operation: &'static str,
        wanted: usize,
        available: usize,
    ) -> Result<(), PacketError> {
        if wanted > available {
            return Err(failure(operation, wanted, available));
        }
        Ok(())
    }

    /// The link layer's header begins where the data does now.
    #[inline]
    pub fn set_mac_header(&mut self) {
        self.mac_header = self.data as u16;
    }
    /// The network layer's header begins where the data does now.
    #[inline]
    pub fn set_network_header(&mut self) {
        self.network_header = self.data as u16;
    }
    /// The bytes from the link layer's header on.
    pub fn mac_bytes(&self) -> &[u8] {
        self.slice(u32::from(self.mac_header).min(self.tail), self.tail)
    }
    /// The bytes from the network layer's header on.
    pub fn network_bytes(&self) -> &[u8] {
        self.slice(u32::from(self.network_header).min(self.tail), self.tail)
    }
    /// Bytes of the link layer's header that were pulled: what [`Packet::unpull`] gives back to see the whole frame.
    pub fn mac_len(&self) -> usize {
        (self.data as usize).saturating_sub(self.mac_header.into())
    }
}

fn failure(operation: &'static str, wanted: usize, available: usize) -> PacketError {
    PacketError {
        operation,
        wanted,
        available,
    }
}

/// Shares the bytes; positions and metadata are the clone's own.
impl Clone for Packet {
    fn clone(&self) -> Self {
        Self::from_meta(self.share())
    }
}

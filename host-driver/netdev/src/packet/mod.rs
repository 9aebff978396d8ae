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
//! from pools allocates nothing. A packet is 64 bytes beside its data, and moves as such.
//!
//! Covered by `tests/netdev/packet.rs`, against a plain model with random operations.

mod buffer;
pub mod eth;
mod meta;
mod pool;

use std::sync::Arc;

use thiserror::Error;

use buffer::Buffer;
pub use meta::{Checksum, PacketType, VlanTag, fold, sum};
pub use pool::{Pool, PoolCache, Recycler};

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

/// A frame on its way through the stack.
#[derive(Debug)]
pub struct Packet {
    /// `None` only while it is dropped.
    buffer: Option<Arc<Buffer>>,
    data: u32,
    tail: u32,
    mac_header: u16,
    network_header: u16,
    /// Index of the device that it came in on or goes out by; 0: none yet.
    pub dev: u32,
    /// Index of the device that it came in on first.
    pub iif: u32,
    /// Flow hash; 0: not computed.
    pub hash: u32,
    /// Priority (802.1p's from VLAN maps, or a class).
    pub priority: u32,
    checksum: u32,
    /// EtherType, or one of [`eth::P_802_2`] and [`eth::P_802_3`].
    pub protocol: u16,
    /// Transmit queue + 1; 0: none chosen.
    queue: u16,
    vlan_protocol: u16,
    vlan_tci: u16,
    /// Whose frame it is, by its destination address.
    pub packet_type: PacketType,
    checksum_kind: u8,
    /// The hardware forwarded it already: a software bridge must not do so again.
    pub offload_forwarded: bool,
    /// Free for whoever has the packet now, as `skb->cb`: a reason code of a trap, a FID.
    pub control: u32,
}

impl Packet {
    /// A packet outside of any pool, with `headroom` free in front of room for `room` bytes.
    pub fn new(headroom: usize, room: usize) -> Self {
        let buffer = Arc::new(Buffer::plain(headroom + room));
        Self::over(buffer, headroom)
    }

    /// A packet outside of any pool with these bytes and [`HEADROOM`] in front of them.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut packet = Self::new(HEADROOM, bytes.len());
        packet.append(bytes).expect("made large enough");
        packet
    }

    pub(crate) fn over(buffer: Arc<Buffer>, headroom: usize) -> Self {
        Self {
            buffer: Some(buffer),
            data: headroom as u32,
            tail: headroom as u32,
            mac_header: headroom as u16,
            network_header: headroom as u16,
            dev: 0,
            iif: 0,
            hash: 0,
            priority: 0,
            checksum: 0,
            protocol: 0,
            queue: 0,
            vlan_protocol: 0,
            vlan_tci: 0,
            packet_type: PacketType::Host,
            checksum_kind: 0,
            offload_forwarded: false,
            control: 0,
        }
    }

    fn buffer(&self) -> &Buffer {
        self.buffer
            .as_ref()
            .expect("only a dropped packet has none")
    }

    /// Length of the frame's bytes.
    pub fn len(&self) -> usize {
        (self.tail - self.data) as usize
    }
    /// No bytes.
    pub fn is_empty(&self) -> bool {
        self.tail == self.data
    }
    /// Free bytes before the data.
    pub fn headroom(&self) -> usize {
        self.data as usize
    }
    /// Free bytes behind the tail.
    pub fn tailroom(&self) -> usize {
        self.buffer().len() - self.tail as usize
    }
    /// The frame's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer().bytes()[self.data as usize..self.tail as usize]
    }
    /// The frame's bytes to write; bytes shared with a clone are copied first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (data, tail) = (self.data as usize, self.tail as usize);
        &mut self.exclusive()[data..tail]
    }
    /// Another packet has the same bytes.
    pub fn is_shared(&self) -> bool {
        self.buffer
            .as_ref()
            .is_some_and(|b| Arc::strong_count(b) > 1)
    }

    fn exclusive(&mut self) -> &mut [u8] {
        if self.is_shared() {
            self.unshare(0, 0);
        }
        let buffer = self
            .buffer
            .as_mut()
            .expect("only a dropped packet has none");
        // Nobody can have cloned it since: that takes the packet, which is borrowed here.
        Arc::get_mut(buffer).expect("just unshared").bytes_mut()
    }

    /// Copies the bytes into a buffer of the packet's own, with at least `headroom` and `tailroom` beside them.
    pub fn unshare(&mut self, headroom: usize, tailroom: usize) {
        let (headroom, tailroom) = (headroom.max(self.headroom()), tailroom.max(self.tailroom()));
        let mut buffer = self.buffer().another(headroom + self.len() + tailroom);
        let moved = headroom as u32 - self.data;
        let whole = &self.buffer().bytes()[..self.tail as usize];
        Arc::get_mut(&mut buffer).expect("new").bytes_mut()[moved as usize..][..whole.len()]
            .copy_from_slice(whole);
        self.data += moved;
        self.tail += moved;
        self.mac_header += moved as u16;
        self.network_header += moved as u16;
        self.move_checksum(moved as u16);
        if let Some(old) = self.buffer.replace(buffer) {
            Buffer::release(old);
        }
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
        let from = self.tail as usize;
        self.tail += n as u32;
        Ok(&mut self.exclusive()[from..from + n])
    }

    /// Makes the packet `n` bytes longer without looking at them: a device wrote them (`skb_put` after DMA).
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
        let data = self.data as usize;
        Ok(&mut self.exclusive()[data..data + n])
    }

    /// Gives back `n` bytes that were pulled, as they are.
    pub fn unpull(&mut self, n: usize) -> Result<(), PacketError> {
        self.check("push", n, self.headroom())?;
        self.data -= n as u32;
        Ok(())
    }

    /// Takes `n` bytes off the front.
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
    pub fn set_mac_header(&mut self) {
        self.mac_header = self.data as u16;
    }
    /// The network layer's header begins where the data does now.
    pub fn set_network_header(&mut self) {
        self.network_header = self.data as u16;
    }
    /// The bytes from the link layer's header on.
    pub fn mac_bytes(&self) -> &[u8] {
        let from = usize::from(self.mac_header).min(self.tail as usize);
        &self.buffer().bytes()[from..self.tail as usize]
    }
    /// The bytes from the network layer's header on.
    pub fn network_bytes(&self) -> &[u8] {
        let from = usize::from(self.network_header).min(self.tail as usize);
        &self.buffer().bytes()[from..self.tail as usize]
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
        Self {
            buffer: self.buffer.clone(),
            ..*self
        }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            Buffer::release(buffer);
        }
    }
}

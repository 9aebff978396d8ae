//! Memory that the driver and the card share.
//!
//! Every buffer is a memfd, so that a vfio-user server can map it too, mapped shared, in 2 MiB pages where the system
//! has reserved some, else in the default pages. The card writes while the driver reads: ring words go through
//! atomics, frame bytes through raw copies, and nobody ever holds a reference into the memory. Only a pool of packets (`smartnic_netdev::packet::Pool::over`) does,
//! over memory that is nothing but its buffers, each of which is either the card's or the driver's.

use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::ftruncate;

use super::PciError;

/// Bytes of a large page.
pub const LARGE_PAGE: usize = 2 << 20;
/// Bytes of a small page.
pub const SMALL_PAGE: usize = 4096;
/// First iova given out: above 4 GiB, so that it never meets the interrupt window of an x86 IOMMU.
const FIRST_IOVA: u64 = 1 << 32;

/// A mapped memfd.
#[derive(Debug)]
pub struct DmaBuffer {
    base: NonNull<u8>,
    bytes: usize,
    large: bool,
    fd: OwnedFd,
}

// SAFETY: the mapping lives as long as the value; all access goes through atomics or raw copies of plain bytes, which
// are valid from any thread (another process writes to the same memory anyway).
unsafe impl Send for DmaBuffer {}
// SAFETY: as above.
unsafe impl Sync for DmaBuffer {}

impl DmaBuffer {
    /// At least `bytes` of zeroed memory.
    pub fn new(bytes: usize) -> Result<Self, PciError> {
        let fail = |e: nix::Error| PciError::Memory {
            bytes,
            source: io::Error::from(e),
        };
        if bytes == 0 || bytes > 1 << 30 {
            return Err(fail(nix::Error::EINVAL));
        }
        Self::map(bytes.next_multiple_of(LARGE_PAGE), true)
            .or_else(|_| Self::map(bytes.next_multiple_of(SMALL_PAGE), false))
            .map_err(fail)
    }

    fn map(bytes: usize, large: bool) -> nix::Result<Self> {
        const NAME: &CStr = c"smartnic-dma";
        let flags = MFdFlags::MFD_CLOEXEC
            | if large {
                MFdFlags::MFD_HUGETLB
            } else {
                MFdFlags::empty()
            };
        let fd = memfd_create(NAME, flags)?;
        ftruncate(&fd, bytes as i64)?;
        Self::map_fd(fd, bytes, large)
    }

    /// Maps the first `bytes` of somebody else's memfd: the server's side of a shared buffer.
    pub fn from_fd(fd: OwnedFd, bytes: usize) -> Result<Self, PciError> {
        Self::map_fd(fd, bytes, false).map_err(|e| PciError::Memory {
            bytes,
            source: e.into(),
        })
    }

    fn map_fd(fd: OwnedFd, bytes: usize, large: bool) -> nix::Result<Self> {
        let length = NonZeroUsize::new(bytes).ok_or(nix::Error::EINVAL)?;
        // SAFETY: a fresh shared mapping of a memfd at an address of the kernel's choice.
        let base = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &fd,
                0,
            )?
        };
        Ok(Self {
            base: base.cast(),
            bytes,
            large,
            fd,
        })
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Never true: a buffer has at least a page.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The memory is in 2 MiB pages.
    pub fn is_large(&self) -> bool {
        self.large
    }

    /// The memfd, to map it elsewhere.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The address in this process.
    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    #[inline]
    fn check(&self, offset: usize, bytes: usize) {
        // An offset is always computed by the driver from values that it has validated before: outside input never
        // gets here unchecked, so that this is an assertion on the driver itself.
        assert!(
            offset
                .checked_add(bytes)
                .is_some_and(|end| end <= self.bytes),
            "DMA access outside of the buffer"
        );
    }

    #[inline]
    fn words<const N: usize>(&self, offset: usize) -> &[AtomicU32; N] {
        self.check(offset, 4 * N);
        assert!(offset.is_multiple_of(4), "DMA word not aligned");
        // SAFETY: inside of the mapping and aligned (checked above), an array has the layout of its elements, and atomics may alias memory that
        // others write.
        unsafe { &*self.base.as_ptr().add(offset).cast::<[AtomicU32; N]>() }
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU32 {
        &self.words::<1>(offset)[0]
    }

    /// The little-endian double word at byte `offset`; later reads see what the card wrote before it.
    #[inline]
    pub fn load32(&self, offset: usize) -> u32 {
        u32::from_le(self.word(offset).load(Ordering::Acquire))
    }

    /// N double words from byte `offset` on: those of an entry whose last word was seen by [`DmaBuffer::load32`].
    #[inline]
    pub fn load_words<const N: usize>(&self, offset: usize) -> [u32; N] {
        let words = self.words::<N>(offset);
        std::array::from_fn(|i| u32::from_le(words[i].load(Ordering::Relaxed)))
    }

    /// Stores a little-endian double word after everything stored before.
    #[inline]
    pub fn store32(&self, offset: usize, value: u32) {
        self.word(offset).store(value.to_le(), Ordering::Release);
    }

    /// Stores N double words from byte `offset` on, in no order: the doorbell, or a [`DmaBuffer::store32`], makes them valid.
    #[inline]
    pub fn store_words<const N: usize>(&self, offset: usize, values: [u32; N]) {
        for (word, value) in self.words::<N>(offset).iter().zip(values) {
            word.store(value.to_le(), Ordering::Relaxed);
        }
    }

    /// Copies bytes out.
    #[inline]
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        self.check(offset, to.len());
        // SAFETY: the source is inside of the mapping (checked); the target is ours and does not overlap it.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), to.as_mut_ptr(), to.len())
        }
    }

    /// Copies bytes in.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        // SAFETY: the target is inside of the mapping (checked); the source is ours and does not overlap it.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), self.base.as_ptr().add(offset), from.len())
        }
    }
}

// SAFETY: the mapping stays where it is until the value is dropped, begins at a page, and is written by any thread; what other processes and cards do with it is
// what the trait says of devices.
unsafe impl smartnic_netdev::packet::Memory for DmaBuffer {
    fn base(&self) -> NonNull<u8> {
        self.base
    }
    fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `map` made; no reference into it exists. An error leaves it mapped.
        let _ = unsafe { munmap(self.base.cast(), self.bytes) };
    }
}

/// A buffer with the address at which the card reaches it.
#[derive(Clone, Debug)]
pub struct DmaMemory {
    buffer: Arc<DmaBuffer>,
    iova: u64,
}

impl DmaMemory {
    /// `buffer`, reached by the card at `iova`.
    pub fn new(buffer: Arc<DmaBuffer>, iova: u64) -> Self {
        Self { buffer, iova }
    }
    /// Address of the first byte on the bus.
    pub fn iova(&self) -> u64 {
        self.iova
    }
    /// The memory.
    pub fn buffer(&self) -> &Arc<DmaBuffer> {
        &self.buffer
    }
}

impl std::ops::Deref for DmaMemory {
    type Target = DmaBuffer;
    fn deref(&self) -> &DmaBuffer {
        &self.buffer
    }
}

/// Gives out bus addresses, 2 MiB apart at least, never twice.
#[derive(Debug)]
pub struct IovaSpace {
    next: u64,
}

impl Default for IovaSpace {
    fn default() -> Self {
        Self { next: FIRST_IOVA }
    }
}

impl IovaSpace {
    /// An address for `bytes`.
    pub fn take(&mut self, bytes: usize) -> u64 {
        let iova = self.next;
        self.next += (bytes as u64).next_multiple_of(LARGE_PAGE as u64);
        iova
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_little_endian_and_shared_through_the_memfd() {
        let a = DmaBuffer::new(100).unwrap();
        assert!(a.len() >= SMALL_PAGE);
        a.store32(8, 0x0403_0201);
        let mut bytes = [0; 4];
        a.read(8, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4]);
        a.write(12, &[9, 0, 0, 0]);
        assert_eq!(a.load32(12), 9);
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert!(DmaBuffer::new(0).is_err());
        assert!(DmaBuffer::new((1 << 30) + 1).is_err());
    }

    #[test]
    fn bus_addresses_do_not_overlap() {
        let mut space = IovaSpace::default();
        let a = space.take(LARGE_PAGE + 1);
        let b = space.take(1);
        assert_eq!(b - a, 2 * LARGE_PAGE as u64);
    }
}

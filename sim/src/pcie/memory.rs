//! Host memory as the card reaches it: a table of mappings from I/O virtual addresses.
//!
//! Mappings are whole pages of shared memory (a memory file, as vfio-user clients pass them, or
//! memory made here for tests). The other side may read and write at any time, so every access goes
//! through atomic words in ascending order, each store a release: a reader that acquires a word sees
//! everything that the card wrote before it, as on a bus.

use memmap2::{MmapOptions, MmapRaw};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Smallest unit of a mapping in bytes.
pub const PAGE: u64 = 4096;

/// Shared memory.
#[derive(Clone, Debug)]
pub struct SharedMemory {
    map: Arc<MmapRaw>,
    writable: bool,
}

impl SharedMemory {
    /// Maps `size` bytes of `file` from `offset` (a multiple of the page size) on. The file must not
    /// shrink while it is mapped.
    pub fn from_file(
        file: &File,
        offset: u64,
        size: usize,
        writable: bool,
    ) -> std::io::Result<Self> {
        let end = offset.checked_add(size as u64);
        if size == 0 || end.is_none_or(|end| end > file.metadata().map_or(0, |m| m.len())) {
            // Touching a page behind the end of the file would kill the process.
            let text = format!("{size} bytes at {offset} are not inside the file");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
        }
        let mut options = MmapOptions::new();
        options.offset(offset).len(size);
        let map = if writable {
            options.map_raw(file)
        } else {
            options.map_raw_read_only(file)
        };
        Ok(SharedMemory {
            map: Arc::new(map?),
            writable,
        })
    }

    /// New zeroed memory in a memory file, which can be passed to other processes.
    pub fn new(name: &str, size: usize) -> std::io::Result<(Self, File)> {
        let name = std::ffi::CString::new(name).unwrap_or_default();
        let fd =
            nix::sys::memfd::memfd_create(name.as_c_str(), nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
        let file = File::from(fd);
        file.set_len(size as u64)?;
        Ok((Self::from_file(&file, 0, size, true)?, file))
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none (never, by construction).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies out; `None` if the range is not inside.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Option<()> {
        self.check(offset, out.len())?;
        let mut at = 0;
        while at < out.len() {
            if (offset + at).is_multiple_of(4) && out.len() - at >= 4 {
                let word = self.word(offset + at).load(Ordering::Acquire);
                out[at..at + 4].copy_from_slice(&word.to_ne_bytes());
                at += 4;
            } else {
                out[at] = self.byte(offset + at).load(Ordering::Acquire);
                at += 1;
            }
        }
        Some(())
    }

    /// Copies in; `None` if the range is not inside or the memory is read-only.
    pub fn write(&self, offset: usize, data: &[u8]) -> Option<()> {
        self.check(offset, data.len()).filter(|()| self.writable)?;
        let mut at = 0;
        while at < data.len() {
            if let (true, Some(chunk)) = (
                (offset + at).is_multiple_of(4),
                data[at..].first_chunk::<4>(),
            ) {
                self.word(offset + at)
                    .store(u32::from_ne_bytes(*chunk), Ordering::Release);
                at += 4;
            } else {
                self.byte(offset + at).store(data[at], Ordering::Release);
                at += 1;
            }
        }
        Some(())
    }

    fn check(&self, offset: usize, len: usize) -> Option<()> {
        (offset.checked_add(len)? <= self.len()).then_some(())
    }

    /// The caller has checked that `offset` is a multiple of 4 and the word is inside.
    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: inside the mapping (checked by the only callers), which lives as long as `self`;
        // page-aligned base and a multiple of 4; shared memory is only ever accessed atomically here,
        // and never stored to unless it was mapped writable.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(offset).cast()) }
    }

    /// The caller has checked that `offset` is inside.
    fn byte(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: as for `word`.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(offset)) }
    }
}

/// Why a mapping was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not whole pages, or nothing, or beyond the address space.
    #[error("iova {iova:#x} size {size:#x}: must be whole pages of 4,096 bytes inside 2^64")]
    Pages {
        /// First address.
        iova: u64,
        /// Bytes.
        size: u64,
    },
    /// Part of the range is mapped already.
    #[error("iova {iova:#x} size {size:#x} overlaps the mapping at {other:#x}")]
    Overlap {
        /// First address.
        iova: u64,
        /// Bytes.
        size: u64,
        /// The mapping that is in the way.
        other: u64,
    },
    /// The range to unmap would cut a mapping in two.
    #[error("iova {iova:#x} size {size:#x} cuts the mapping at {other:#x}")]
    Cut {
        /// First address.
        iova: u64,
        /// Bytes.
        size: u64,
        /// The mapping that would be cut.
        other: u64,
    },
    /// The memory is smaller than the range.
    #[error("{size:#x} bytes to map, but the memory has {memory:#x}")]
    Small {
        /// Bytes asked for.
        size: u64,
        /// Bytes there are.
        memory: u64,
    },
}

#[derive(Clone, Debug)]
struct Mapping {
    size: u64,
    /// `None`: known to the host, but not reachable from here (mapped without a file).
    memory: Option<SharedMemory>,
    writable: bool,
    readable: bool,
}

/// The table from I/O virtual addresses to memory.
#[derive(Clone, Debug, Default)]
pub struct DmaTable {
    maps: BTreeMap<u64, Mapping>,
}

impl DmaTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `size` bytes at `iova`; without memory every access to it is a fault.
    pub fn map(
        &mut self,
        iova: u64,
        size: u64,
        memory: Option<SharedMemory>,
        readable: bool,
        writable: bool,
    ) -> Result<(), MapError> {
        check_pages(iova, size)?;
        if let Some(other) = self.overlapping(iova, size).next() {
            return Err(MapError::Overlap { iova, size, other });
        }
        if let Some(have) = memory
            .as_ref()
            .map(|m| m.len() as u64)
            .filter(|have| *have < size)
        {
            return Err(MapError::Small { size, memory: have });
        }
        self.maps.insert(
            iova,
            Mapping {
                size,
                memory,
                writable,
                readable,
            },
        );
        Ok(())
    }

    /// Removes every mapping inside the range; none may reach out of it. Returns the bytes unmapped.
    pub fn unmap(&mut self, iova: u64, size: u64) -> Result<u64, MapError> {
        check_pages(iova, size)?;
        let found: Vec<u64> = self.overlapping(iova, size).collect();
        for base in &found {
            let end = base + (self.maps[base].size - 1);
            if *base < iova || end > iova + (size - 1) {
                return Err(MapError::Cut {
                    iova,
                    size,
                    other: *base,
                });
            }
        }
        Ok(found
            .iter()
            .filter_map(|base| self.maps.remove(base))
            .map(|m| m.size)
            .sum())
    }

    /// Removes all mappings.
    pub fn clear(&mut self) {
        self.maps.clear();
    }

    fn overlapping(&self, iova: u64, size: u64) -> impl Iterator<Item = u64> + '_ {
        let last = iova + (size - 1);
        let below = self.maps.range(..iova).next_back();
        let below = below.filter(|(base, m)| *base + (m.size - 1) >= iova);
        below
            .into_iter()
            .chain(self.maps.range(iova..=last))
            .map(|(base, _)| *base)
    }

    /// The memory behind `address`: it, the offset in it, and the bytes from there on.
    fn find(&self, address: u64, write: bool) -> Option<(&SharedMemory, usize, u64)> {
        let (base, mapping) = self.maps.range(..=address).next_back()?;
        let offset = address - base;
        let allowed = if write {
            mapping.writable
        } else {
            mapping.readable
        };
        let inside = offset < mapping.size && allowed;
        let memory = mapping.memory.as_ref().filter(|_| inside)?;
        Some((memory, offset as usize, mapping.size - offset))
    }

    /// Whether every byte of the range may be accessed.
    fn reachable(&self, mut address: u64, mut len: u64, write: bool) -> bool {
        while len > 0 {
            let Some((_, _, left)) = self.find(address, write) else {
                return false;
            };
            if left >= len {
                return true;
            }
            let Some(next) = address.checked_add(left) else {
                return false;
            };
            (address, len) = (next, len - left);
        }
        true
    }

    /// Reads across mappings; `None`, and `out` untouched, unless all of it is mapped and readable.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Option<()> {
        if !self.reachable(address, out.len() as u64, false) {
            return None;
        }
        let mut at = 0;
        while at < out.len() {
            let (memory, offset, left) = self.find(address + at as u64, false)?;
            let n = (out.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
            memory.read(offset, &mut out[at..at + n])?;
            at += n;
        }
        Some(())
    }

    /// Writes across mappings; `None`, and nothing written, unless all of it is mapped and writable.
    pub fn write(&self, address: u64, data: &[u8]) -> Option<()> {
        if !self.reachable(address, data.len() as u64, true) {
            return None;
        }
        let mut at = 0;
        while at < data.len() {
            let (memory, offset, left) = self.find(address + at as u64, true)?;
            let n = (data.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
            memory.write(offset, &data[at..at + n])?;
            at += n;
        }
        Some(())
    }
}

fn check_pages(iova: u64, size: u64) -> Result<(), MapError> {
    let whole = iova.is_multiple_of(PAGE) && size.is_multiple_of(PAGE) && size > 0;
    if whole && iova.checked_add(size - 1).is_some() {
        return Ok(());
    }
    Err(MapError::Pages { iova, size })
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

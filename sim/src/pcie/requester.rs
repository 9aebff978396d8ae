//! The host's own requests: reads and writes of the card's regions, with tags and timeouts.

use super::completer::{Violation, extent};
use super::tlp::{Status, Tlp, byte_enables};
use std::collections::HashMap;

/// Largest request of a processor: a cache line.
const MAX_BYTES: usize = 64;

/// A read that was asked for; hand it to [`Requester::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadId(u64);

/// Why a read has no data. A processor would see all ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MmioError {
    /// The card did not answer in time.
    #[error("the card did not answer a read in time")]
    Timeout,
    /// The card answered Unsupported Request: there is no such register, or memory space is off.
    #[error("the card answered Unsupported Request")]
    UnsupportedRequest,
    /// The card answered Completer Abort.
    #[error("the card answered Completer Abort")]
    CompleterAbort,
    /// The access is empty, too long, or not inside the region.
    #[error(
        "access of {bytes} bytes at {offset:#x} of BAR {bar} is not inside it, or above 64 bytes"
    )]
    Range {
        /// The base address register.
        bar: u8,
        /// Offset in its region.
        offset: u64,
        /// Bytes.
        bytes: usize,
    },
}

#[derive(Debug)]
struct Outstanding {
    id: ReadId,
    /// Address of the next byte that must come.
    at: u64,
    end: u64,
    data: Vec<u8>,
    deadline: u64,
}

/// Outstanding reads and finished ones.
#[derive(Debug)]
pub struct Requester {
    id: u16,
    outstanding: HashMap<u8, Outstanding>,
    finished: HashMap<ReadId, Result<Vec<u8>, MmioError>>,
    next_id: u64,
    next_tag: u8,
    timeout: u64,
    /// Reads that timed out.
    pub timeouts: u64,
}

impl Requester {
    /// `id` is the host's bus, device and function; `timeout` in cycles.
    pub fn new(id: u16, timeout: u64) -> Self {
        Requester {
            id,
            outstanding: HashMap::new(),
            finished: HashMap::new(),
            next_id: 0,
            next_tag: 0,
            timeout,
            timeouts: 0,
        }
    }

    /// Whether no read is outstanding.
    pub fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// A write of up to 64 bytes at any address.
    pub fn write(&mut self, address: u64, data: &[u8]) -> Tlp {
        let (words, first_be, last_be) = byte_enables(address, data.len());
        let mut bytes = vec![0; usize::from(words) * 4];
        let skip = (address & 3) as usize;
        bytes[skip..skip + data.len()].copy_from_slice(data);
        let word = |w: &[u8]| u32::from_le_bytes([w[0], w[1], w[2], w[3]]);
        let data = bytes.chunks_exact(4).map(word).collect();
        Tlp::MemWrite {
            requester: self.id,
            address: address & !3,
            first_be,
            last_be,
            data,
        }
    }

    /// A read of up to 64 bytes at any address, or `None` while all 32 tags are in use.
    pub fn read(&mut self, now: u64, address: u64, bytes: usize) -> Option<(ReadId, Tlp)> {
        let free = |t: &u8| !self.outstanding.contains_key(t);
        let tag = (0..32).map(|i| (self.next_tag + i) % 32).find(free)?;
        self.next_tag = (tag + 1) % 32;
        let id = ReadId(self.next_id);
        self.next_id += 1;
        let (length, first_be, last_be) = byte_enables(address, bytes);
        let (at, count) = extent(address & !3, length.into(), first_be, last_be);
        let deadline = now + self.timeout;
        let read = Outstanding {
            id,
            at,
            end: at + count,
            data: Vec::new(),
            deadline,
        };
        self.outstanding.insert(tag, read);
        let address = address & !3;
        Some((
            id,
            Tlp::MemRead {
                requester: self.id,
                tag,
                address,
                length,
                first_be,
                last_be,
            },
        ))
    }

    /// Ends a read without asking the card.
    pub fn fail(&mut self, error: MmioError) -> ReadId {
        let id = ReadId(self.next_id);
        self.next_id += 1;
        self.finished.insert(id, Err(error));
        id
    }

    /// Takes a completion.
    pub fn complete(&mut self, tlp: Tlp) -> Result<(), Violation> {
        let Tlp::Completion {
            status,
            byte_count,
            requester,
            tag,
            lower_address,
            data,
            ..
        } = tlp
        else {
            return Ok(());
        };
        let Some(read) = self
            .outstanding
            .get_mut(&tag)
            .filter(|_| requester == self.id)
        else {
            return Err(Violation::Unexpected { tag });
        };
        let failed = match status {
            Status::Success => None,
            Status::UnsupportedRequest => Some(MmioError::UnsupportedRequest),
            Status::CompleterAbort => Some(MmioError::CompleterAbort),
        };
        if let Some(error) = failed {
            self.finished.insert(read.id, Err(error));
            self.outstanding.remove(&tag);
            return Ok(());
        }
        let left = (read.end - read.at) as u16;
        let skip = (read.at & 3) as usize;
        let wrong = |what, found, expected| Violation::Completion {
            tag,
            what,
            found,
            expected,
        };
        if byte_count != left {
            return Err(wrong("byte count", byte_count, left));
        }
        if u64::from(lower_address) != read.at & 0x7f {
            return Err(wrong(
                "lower address",
                lower_address.into(),
                (read.at & 0x7f) as u16,
            ));
        }
        let most = (skip + usize::from(left)).div_ceil(4);
        if data.is_empty() || data.len() > most {
            return Err(wrong("length", data.len() as u16, most as u16));
        }
        let bytes: Vec<u8> = data
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .skip(skip)
            .collect();
        let n = bytes.len().min(left.into());
        read.data.extend(&bytes[..n]);
        read.at += n as u64;
        if read.at == read.end {
            let data = std::mem::take(&mut read.data);
            self.finished.insert(read.id, Ok(data));
            self.outstanding.remove(&tag);
        }
        Ok(())
    }

    /// Gives up reads whose time has come.
    pub fn expire(&mut self, now: u64) {
        let late = |(tag, read): (&u8, &Outstanding)| (read.deadline <= now).then_some(*tag);
        let late: Vec<u8> = self.outstanding.iter().filter_map(late).collect();
        for tag in late {
            if let Some(read) = self.outstanding.remove(&tag) {
                self.finished.insert(read.id, Err(MmioError::Timeout));
                self.timeouts += 1;
            }
        }
    }

    /// The bytes of a finished read, once.
    pub fn take(&mut self, id: ReadId) -> Option<Result<Vec<u8>, MmioError>> {
        self.finished.remove(&id)
    }

    /// Whether an access may be one request.
    pub fn check(bar: u8, size: u32, offset: u64, bytes: usize) -> Result<(), MmioError> {
        let end = offset.checked_add(bytes as u64);
        let inside = end.is_some_and(|end| end <= u64::from(size));
        if inside && (1..=MAX_BYTES).contains(&bytes) && (offset & 63) as usize + bytes <= MAX_BYTES
        {
            return Ok(());
        }
        Err(MmioError::Range { bar, offset, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(tag: u8, left: u16, low: u8, data: Vec<u32>) -> Tlp {
        let status = Status::Success;
        Tlp::Completion {
            completer: 1,
            status,
            byte_count: left,
            requester: 0,
            tag,
            lower_address: low,
            data,
        }
    }

    #[test]
    fn reads_finish_in_parts_fail_and_time_out() {
        let mut host = Requester::new(0, 100);
        let (a, tlp) = host.read(0, 0x1002, 8).unwrap();
        let Tlp::MemRead {
            address: 0x1000,
            length: 3,
            first_be: 0b1100,
            last_be: 0b0011,
            tag,
            ..
        } = tlp
        else {
            panic!("{tlp:?}")
        };
        host.complete(completion(tag, 8, 2, vec![0x2211_ffff]))
            .unwrap();
        assert_eq!(host.take(a), None);
        let error = host.complete(completion(tag, 8, 4, vec![0])).unwrap_err();
        assert!(
            error.to_string().contains("byte count is 8, expected 6"),
            "{error}"
        );
        host.complete(completion(tag, 6, 4, vec![0x6655_4433, 0xffff_8877]))
            .unwrap();
        assert_eq!(
            host.take(a),
            Some(Ok(vec![0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]))
        );
        let unexpected = host.complete(completion(tag, 4, 0, vec![0]));
        assert_eq!(unexpected, Err(Violation::Unexpected { tag }));

        let reads: Vec<_> = (0..32).map(|_| host.read(50, 0, 4).unwrap().0).collect();
        assert!(host.read(50, 0, 4).is_none(), "32 tags");
        host.expire(149);
        assert_eq!(host.timeouts, 0);
        host.expire(150);
        assert_eq!((host.timeouts, host.is_idle()), (32, true));
        assert!(
            reads
                .into_iter()
                .all(|r| host.take(r) == Some(Err(MmioError::Timeout)))
        );
    }

    #[test]
    fn accesses_are_checked() {
        assert_eq!(Requester::check(0, 4096, 4092, 4), Ok(()));
        for (offset, bytes) in [(4093, 4), (0, 0), (0, 65), (60, 8), (u64::MAX, 4)] {
            assert!(
                Requester::check(0, 4096, offset, bytes).is_err(),
                "{offset} {bytes}"
            );
        }
    }
}

//! The host's answer to what the card asks: reads and writes of memory, and interrupts.
//!
//! Every request is checked against the rules that a card must keep (sections 2.2 and 7.8.4); what
//! breaks one is kept as a [`Violation`]. What the host has not mapped is a [`Fault`].

use super::memory::DmaTable;
use super::tlp::{Status, Tlp, TlpError};
use std::collections::VecDeque;

/// Completions end at multiples of this many bytes, but the last (section 2.3.1.1).
pub const READ_COMPLETION_BOUNDARY: u64 = 64;

/// A rule of PCI Express that the card broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Words that are not a packet.
    #[error("malformed packet: {0}")]
    Malformed(#[from] TlpError),
    /// A beat's `keep` or `last`.
    #[error(transparent)]
    Stream(#[from] super::stream::BadKeep),
    /// A request while Bus Master Enable is clear.
    #[error("request to {address:#x} while bus mastering is off")]
    NotMaster {
        /// Where to.
        address: u64,
    },
    /// A request with a requester id that the card does not have.
    #[error("requester id {found:#06x}, the card's is {expected:#06x}")]
    Requester {
        /// In the packet.
        found: u16,
        /// On the card's pins.
        expected: u16,
    },
    /// A write above the largest payload or a read above the largest request.
    #[error("{what} of {bytes} bytes, allowed are {limit}")]
    TooLong {
        /// `write` or `read`.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: u16,
    },
    /// A request that crosses a 4 KiB boundary (section 2.2.7).
    #[error("request to {address:#x} of {bytes} bytes crosses a 4 KiB boundary")]
    Crosses {
        /// First address.
        address: u64,
        /// Bytes.
        bytes: usize,
    },
    /// A read whose tag is outstanding.
    #[error("tag {tag} used again while outstanding")]
    Tag {
        /// The tag.
        tag: u8,
    },
    /// A completion that answers nothing, or more than was asked.
    #[error("unexpected completion for tag {tag}")]
    Unexpected {
        /// The tag.
        tag: u8,
    },
    /// A completion whose byte count, address or length do not fit what is left of the request.
    #[error("completion for tag {tag}: {what} is {found}, expected {expected}")]
    Completion {
        /// The tag.
        tag: u8,
        /// The field.
        what: &'static str,
        /// In the packet.
        found: u16,
        /// As it must be.
        expected: u16,
    },
}

/// An access to what the host has not mapped, or not for that kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// First address.
    pub iova: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whether it was a write (dropped) or a read (answered with Unsupported Request).
    pub write: bool,
}

/// What a test does to the answer of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Unsupported Request instead of data.
    UnsupportedRequest,
    /// Completer Abort instead of data.
    CompleterAbort,
    /// The first half of the completions, then Completer Abort.
    AbortHalfway,
    /// No answer: the card's completion timeout must find it.
    Silence,
}

/// Memory and the rules for who reaches it.
#[derive(Debug, Default)]
pub struct Completer {
    /// The host's mappings.
    pub dma: DmaTable,
    faults_to_come: VecDeque<ReadFault>,
}

/// Completions of one read, in order.
pub type Answer = VecDeque<Tlp>;

impl Completer {
    /// Lets the next read that is not yet spoken for go wrong.
    pub fn inject(&mut self, fault: ReadFault) {
        self.faults_to_come.push_back(fault);
    }

    /// Lets the very next read go wrong, before those that were asked for by [`Completer::inject`].
    pub fn inject_first(&mut self, fault: ReadFault) {
        self.faults_to_come.push_front(fault);
    }

    /// Answers a read; `completer` is the host's own id, `chunk` the largest completion.
    pub fn read(&mut self, request: &Tlp, completer: u16, chunk: u64) -> (Answer, Option<Fault>) {
        let Tlp::MemRead {
            requester,
            tag,
            address,
            length,
            first_be,
            last_be,
        } = *request
        else {
            return (Answer::new(), None);
        };
        let (start, bytes) = extent(address, length.into(), first_be, last_be);
        // The words around the enabled bytes are read as well: they are in the same page.
        let mut memory = vec![0; usize::from(length) * 4];
        let mapped = self.dma.read(address, &mut memory).is_some();
        let fault = (!mapped).then_some(Fault {
            iova: start,
            bytes,
            write: false,
        });
        let injected = self.faults_to_come.pop_front();
        let failed = |status, start: u64, left: u64| Tlp::Completion {
            completer,
            status,
            byte_count: left as u16,
            requester,
            tag,
            lower_address: (start & 0x7f) as u8,
            data: vec![],
        };
        let all = |status| (Answer::from([failed(status, start, bytes)]), fault);
        match injected {
            Some(ReadFault::Silence) => return (Answer::new(), fault),
            Some(ReadFault::CompleterAbort) => return all(Status::CompleterAbort),
            Some(ReadFault::UnsupportedRequest) => return all(Status::UnsupportedRequest),
            _ if !mapped => return all(Status::UnsupportedRequest),
            _ => {}
        }
        let mut answer = Answer::new();
        let (mut at, end) = (start, start + bytes);
        while at < end {
            if injected == Some(ReadFault::AbortHalfway) && at - start >= bytes / 2 {
                answer.push_back(failed(Status::CompleterAbort, at, end - at));
                break;
            }
            let stop = ((at / chunk + 1) * chunk).min(end);
            let from = ((at & !3) - address) as usize;
            let to = (stop.next_multiple_of(4) - address) as usize;
            let words = memory[from..to].chunks_exact(4);
            answer.push_back(Tlp::Completion {
                completer,
                status: Status::Success,
                byte_count: (end - at) as u16,
                requester,
                tag,
                lower_address: (at & 0x7f) as u8,
                data: words
                    .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                    .collect(),
            });
            at = stop;
        }
        (answer, fault)
    }

    /// Carries out a write.
    pub fn write(
        &mut self,
        address: u64,
        first_be: u8,
        last_be: u8,
        data: &[u32],
    ) -> Option<Fault> {
        let bytes: Vec<u8> = data.iter().flat_map(|w| w.to_le_bytes()).collect();
        let enabled = |i: usize| match (i / 4, data.len() - 1) {
            (0, _) => first_be >> (i % 4) & 1 == 1,
            (word, last) if word == last => last_be >> (i % 4) & 1 == 1,
            _ => true,
        };
        let mut at = 0;
        while at < bytes.len() {
            if !enabled(at) {
                at += 1;
                continue;
            }
            let run = if first_be == 0xf && (last_be == 0xf || data.len() == 1) {
                bytes.len()
            } else {
                (at..bytes.len()).take_while(|i| enabled(*i)).count()
            };
            let iova = address + at as u64;
            if self.dma.write(iova, &bytes[at..at + run]).is_none() {
                return Some(Fault {
                    iova,
                    bytes: run as u64,
                    write: true,
                });
            }
            at += run;
        }
        None
    }
}

/// First enabled byte and the number of bytes from there to the last one (table 2-22); a read
/// without enabled bytes counts as one byte.
pub fn extent(address: u64, words: usize, first_be: u8, last_be: u8) -> (u64, u64) {
    if first_be == 0 {
        return (address, 1);
    }
    let skip = u64::from(first_be.trailing_zeros());
    let last = if words == 1 { first_be } else { last_be };
    let cut = u64::from(last.leading_zeros() - 4);
    (address + skip, 4 * words as u64 - skip - cut)
}

/// Checks a request of the card against its limits.
pub fn check_request(
    tlp: &Tlp,
    id: u16,
    bus_master: bool,
    max_payload: u16,
    max_read: u16,
) -> Result<(), Violation> {
    let (requester, address, bytes, what, limit) = match tlp {
        Tlp::MemRead {
            requester,
            address,
            length,
            ..
        } => (
            *requester,
            *address,
            4 * usize::from(*length),
            "read",
            max_read,
        ),
        Tlp::MemWrite {
            requester,
            address,
            data,
            ..
        } => (*requester, *address, 4 * data.len(), "write", max_payload),
        Tlp::Completion { .. } | Tlp::Message { .. } => return Ok(()),
    };
    if requester != id {
        return Err(Violation::Requester {
            found: requester,
            expected: id,
        });
    }
    if !bus_master {
        return Err(Violation::NotMaster { address });
    }
    if bytes > limit.into() {
        return Err(Violation::TooLong { what, bytes, limit });
    }
    if (address & 0xfff) as usize + bytes > 4096 {
        return Err(Violation::Crosses { address, bytes });
    }
    Ok(())
}

#[cfg(test)]
#[path = "completer_tests.rs"]
mod tests;

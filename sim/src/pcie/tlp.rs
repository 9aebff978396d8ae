//! Transaction-layer packets (PCI Express Base Specification 1.1, chapter 2): a checked parser and an
//! emitter for the kinds that cross the card's boundary.
//!
//! A packet is a list of 32-bit words. Header words are as the specification draws them: byte 0 in
//! bits 31:24, so that fmt and type of word 0 are its highest byte. Payload words are little-endian:
//! the byte at the lowest address in bits 7:0.

/// Completion status (section 2.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Successful completion.
    Success = 0,
    /// Unsupported request.
    UnsupportedRequest = 1,
    /// Completer abort.
    CompleterAbort = 4,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tlp {
    /// MRd: a read of `length` words.
    MemRead {
        /// Bus, device and function of the requester.
        requester: u16,
        /// Unique among the requester's outstanding reads.
        tag: u8,
        /// Byte address, a multiple of 4. Below 4 GiB the three-word header is used, as it must be.
        address: u64,
        /// 1 to 1,024 words.
        length: u16,
        /// Byte enables of the first word.
        first_be: u8,
        /// Byte enables of the last word; 0 if there is one word.
        last_be: u8,
    },
    /// MWr: a posted write.
    MemWrite {
        /// Bus, device and function of the requester.
        requester: u16,
        /// Byte address, a multiple of 4.
        address: u64,
        /// Byte enables of the first word.
        first_be: u8,
        /// Byte enables of the last word; 0 if there is one word.
        last_be: u8,
        /// 1 to 1,024 words.
        data: Vec<u32>,
    },
    /// Cpl (without data) or CplD.
    Completion {
        /// Bus, device and function of the completer.
        completer: u16,
        /// How it went.
        status: Status,
        /// Bytes that are left of the request, this packet's included: 1 to 4,096.
        byte_count: u16,
        /// Who asked.
        requester: u16,
        /// The request's tag.
        tag: u8,
        /// Lowest 7 bits of the address of the first byte.
        lower_address: u8,
        /// The words; empty for Cpl.
        data: Vec<u32>,
    },
    /// Msg or MsgD.
    Message {
        /// Bus, device and function of the requester.
        requester: u16,
        /// Routing: the lowest three bits of the type.
        routing: u8,
        /// Message code.
        code: u8,
        /// Header words 2 and 3.
        words: [u32; 2],
        /// The words; empty for Msg.
        data: Vec<u32>,
    },
}

/// Why words are not a packet that may cross here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlpError {
    /// Fewer words than the header needs.
    #[error("packet of {words} words is shorter than its header")]
    Short {
        /// Words there are.
        words: usize,
    },
    /// A kind that an endpoint of this sort neither sends nor takes.
    #[error("packet of fmt/type {fmt_type:#04x} is not supported")]
    Kind {
        /// Bits 31:24 of word 0.
        fmt_type: u8,
    },
    /// The length field and the number of payload words differ.
    #[error("length field says {field} payload words, the packet has {words}")]
    Length {
        /// The length field.
        field: usize,
        /// Payload words.
        words: usize,
    },
    /// A four-word header with an address that fits three words (section 2.2.4.1), or an address
    /// that is not a multiple of 4.
    #[error("address {address:#x} has the wrong form")]
    Address {
        /// The address.
        address: u64,
    },
    /// Byte enables against section 2.2.5.
    #[error("byte enables {first:#x}/{last:#x} are not allowed with {words} words")]
    ByteEnables {
        /// Of the first word.
        first: u8,
        /// Of the last word.
        last: u8,
        /// The length.
        words: usize,
    },
    /// A completion status that the specification reserves.
    #[error("completion status {status} is reserved")]
    Status {
        /// The field.
        status: u8,
    },
    /// A digest follows, or the data are marked as poisoned; the core promises neither.
    #[error("packet has the bit {bit} set")]
    Bit {
        /// `TD` or `EP`.
        bit: &'static str,
    },
}

const FMT_4DW: u32 = 1 << 29;
const FMT_DATA: u32 = 1 << 30;

impl Tlp {
    /// Parses a whole packet.
    pub fn parse(words: &[u32]) -> Result<Tlp, TlpError> {
        let dw0 = *words.first().ok_or(TlpError::Short { words: 0 })?;
        let (four, with_data) = (dw0 & FMT_4DW != 0, dw0 & FMT_DATA != 0);
        for (mask, bit) in [(1 << 15, "TD"), (1 << 14, "EP")] {
            if dw0 & mask != 0 {
                return Err(TlpError::Bit { bit });
            }
        }
        let header = 3 + usize::from(four);
        if words.len() < header {
            return Err(TlpError::Short { words: words.len() });
        }
        let (header, payload) = words.split_at(header);
        let length = match dw0 & 0x3ff {
            0 => 1024,
            n => n as usize,
        };
        if with_data && payload.len() != length || !with_data && !payload.is_empty() {
            let field = if with_data { length } else { 0 };
            return Err(TlpError::Length {
                field,
                words: payload.len(),
            });
        }
        let (dw1, dw2) = (header[1], header[2]);
        let requester = (dw1 >> 16) as u16;
        let data = payload.to_vec();
        let kind = (dw0 >> 24 & 0x1f) as u8;
        match kind {
            0x00 => {
                let address = match header.get(3) {
                    Some(low) => u64::from(dw2) << 32 | u64::from(*low),
                    None => u64::from(dw2),
                };
                if address & 3 != 0 || four && dw2 == 0 {
                    return Err(TlpError::Address { address });
                }
                let (first_be, last_be) = (dw1 as u8 & 0xf, dw1 as u8 >> 4);
                check_enables(first_be, last_be, length)?;
                Ok(if with_data {
                    Tlp::MemWrite {
                        requester,
                        address,
                        first_be,
                        last_be,
                        data,
                    }
                } else {
                    let (tag, length) = ((dw1 >> 8) as u8, length as u16);
                    Tlp::MemRead {
                        requester,
                        tag,
                        address,
                        length,
                        first_be,
                        last_be,
                    }
                })
            }
            0x0a if !four => Ok(Tlp::Completion {
                completer: requester,
                status: match (dw1 >> 13 & 7) as u8 {
                    0 => Status::Success,
                    1 => Status::UnsupportedRequest,
                    4 => Status::CompleterAbort,
                    status => return Err(TlpError::Status { status }),
                },
                byte_count: match dw1 as u16 & 0xfff {
                    0 => 4096,
                    n => n,
                },
                requester: (dw2 >> 16) as u16,
                tag: (dw2 >> 8) as u8,
                lower_address: dw2 as u8 & 0x7f,
                data,
            }),
            0x10..=0x17 if four => Ok(Tlp::Message {
                requester,
                routing: kind & 7,
                code: dw1 as u8,
                words: [dw2, header[3]],
                data,
            }),
            _ => Err(TlpError::Kind {
                fmt_type: (dw0 >> 24) as u8,
            }),
        }
    }

    /// The packet's words.
    pub fn emit(&self) -> Vec<u32> {
        let length = |n: usize| (n & 0x3ff) as u32;
        let memory = |address: u64, fmt: u32, len: usize, dw1: u32| {
            let (high, low) = ((address >> 32) as u32, address as u32);
            if high == 0 {
                vec![fmt | length(len), dw1, low]
            } else {
                vec![fmt | FMT_4DW | length(len), dw1, high, low]
            }
        };
        let enables = |first: u8, last: u8| u32::from(last) << 4 | u32::from(first);
        match self {
            Tlp::MemRead {
                requester,
                tag,
                address,
                length,
                first_be,
                last_be,
            } => {
                let dw1 = u32::from(*requester) << 16 | u32::from(*tag) << 8;
                memory(
                    *address,
                    0,
                    usize::from(*length),
                    dw1 | enables(*first_be, *last_be),
                )
            }
            Tlp::MemWrite {
                requester,
                address,
                first_be,
                last_be,
                data,
            } => {
                let dw1 = u32::from(*requester) << 16 | enables(*first_be, *last_be);
                let mut words = memory(*address, FMT_DATA, data.len(), dw1);
                words.extend(data);
                words
            }
            Tlp::Completion {
                completer,
                status,
                byte_count,
                requester,
                tag,
                lower_address,
                data,
            } => {
                let fmt = if data.is_empty() { 0 } else { FMT_DATA };
                let status = (*status as u32) << 13;
                let mut words = vec![
                    fmt | 0x0a << 24 | length(data.len()),
                    u32::from(*completer) << 16 | status | u32::from(byte_count & 0xfff),
                    u32::from(*requester) << 16 | u32::from(*tag) << 8 | u32::from(*lower_address),
                ];
                words.extend(data);
                words
            }
            Tlp::Message {
                requester,
                routing,
                code,
                words: [a, b],
                data,
            } => {
                let fmt = if data.is_empty() { 0 } else { FMT_DATA };
                let kind = 0x10 | u32::from(*routing);
                let mut words = vec![
                    fmt | FMT_4DW | kind << 24 | length(data.len()),
                    u32::from(*requester) << 16 | u32::from(*code),
                    *a,
                    *b,
                ];
                words.extend(data);
                words
            }
        }
    }

    /// Bytes of payload, for the link's rate.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Tlp::MemRead { .. } => 0,
            Tlp::MemWrite { data, .. }
            | Tlp::Completion { data, .. }
            | Tlp::Message { data, .. } => 4 * data.len(),
        }
    }
}

/// Section 2.2.5. A read of one word without enabled bytes is the specification's flush.
fn check_enables(first: u8, last: u8, words: usize) -> Result<(), TlpError> {
    let wrong = Err(TlpError::ByteEnables { first, last, words });
    // With three words or more the enabled bytes must be contiguous.
    let ends_high = matches!(first, 0b1111 | 0b1110 | 0b1100 | 0b1000);
    let ends_low = matches!(last, 0b1111 | 0b0111 | 0b0011 | 0b0001);
    match words {
        1 if last != 0 => wrong,
        1 => Ok(()),
        _ if first == 0 || last == 0 => wrong,
        2 => Ok(()),
        _ if !ends_high || !ends_low => wrong,
        _ => Ok(()),
    }
}

/// Byte enables of an access to `len` bytes at `address`: words, first and last.
pub fn byte_enables(address: u64, len: usize) -> (u16, u8, u8) {
    let offset = (address & 3) as usize;
    let words = (offset + len).div_ceil(4).max(1);
    let first = (0xfu8 << offset) & 0xf;
    let last = 0xf >> (words * 4 - offset - len);
    if words == 1 {
        (1, first & last, 0)
    } else {
        (words as u16, first, last)
    }
}

#[cfg(test)]
#[path = "tlp_tests.rs"]
mod tests;

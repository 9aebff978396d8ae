//! What can go wrong between the driver and a card.

use smartnic_regs::ring::completion;
use thiserror::Error;

use super::MacAddr;
use crate::pci::PciError;

/// Errors of the device layer.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The transport failed.
    #[error(transparent)]
    Pci(#[from] PciError),
    /// Registers read as all ones: the card does not answer any more.
    #[error(
        "the card is gone: {register} and the magic number read as all ones; is it still plugged in and powered?"
    )]
    Gone {
        /// The register that showed it.
        register: &'static str,
    },
    /// There is a card, but not one of ours.
    #[error("not a smartnic: the magic number reads {magic:#010x}, expected {expected:#010x}")]
    NotSmartnic {
        /// What was read.
        magic: u32,
        /// What identifies the card.
        expected: u32,
    },
    /// The card has another register map.
    #[error(
        "register map version {major}.{minor}, this driver knows {known}.x; use a driver of the card's version"
    )]
    Version {
        /// Major version of the card.
        major: u32,
        /// Minor version of the card.
        minor: u32,
        /// Major version of this driver.
        known: u32,
    },
    /// A capability register holds something that no card has.
    #[error("capability {name} reads {value}, valid are {range}")]
    Capability {
        /// Field.
        name: &'static str,
        /// What was read.
        value: u32,
        /// What a card may have.
        range: &'static str,
    },
    /// The card did not finish something in time.
    #[error("{what} did not finish within {millis} ms")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        millis: u64,
    },
    /// A value that the card cannot take.
    #[error("{what} {value} is out of range: {range}")]
    Range {
        /// What it is.
        what: &'static str,
        /// The value.
        value: u64,
        /// What is possible.
        range: String,
    },
    /// The forwarding database has no room for an entry.
    #[error(
        "the FDB is full: no room for {mac} (fid {fid}), {used} of {capacity} entries are in use; flush or delete some"
    )]
    FdbFull {
        /// The address.
        mac: MacAddr,
        /// Its FID.
        fid: u16,
        /// Entries in use.
        used: u32,
        /// Entries there are.
        capacity: u32,
    },
    /// The hash keys may change only while the table is empty.
    #[error("the FDB's hash keys can only be set while it is empty, and it holds {used} entries")]
    FdbNotEmpty {
        /// Entries in use.
        used: u32,
    },
    /// A ring stopped or its contents make no sense; the ring must be restarted.
    #[error("ring {ring}: {fault}")]
    Ring {
        /// Which ring.
        ring: String,
        /// What happened.
        fault: RingFault,
    },
}

impl DeviceError {
    /// The card is not there any more: everything that needs it must wait until it is back.
    pub fn is_gone(&self) -> bool {
        match self {
            DeviceError::Gone { .. } => true,
            DeviceError::Pci(e) => e.is_gone(),
            _ => false,
        }
    }
}

/// Why a ring cannot go on. All of them are recovered by restarting the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RingFault {
    /// The card stopped the ring.
    #[error("the card stopped it: {}", error_name(*code))]
    Stopped {
        /// `values::ring_error`.
        code: u32,
    },
    /// An entry of a version that this driver does not know.
    #[error("entry of version {0}")]
    Version(u32),
    /// An entry of a kind that this ring cannot have.
    #[error("entry of kind {0}")]
    Kind(u32),
    /// A cookie that is not in flight.
    #[error("cookie {0} is not in flight")]
    Cookie(u32),
    /// A length beyond the buffer.
    #[error("length {length} in a buffer of {room} bytes")]
    Length {
        /// Bytes claimed.
        length: u32,
        /// Bytes there are.
        room: u32,
    },
    /// A status that does not exist.
    #[error("status {0}")]
    Status(u32),
    /// A head beyond what was submitted.
    #[error("submission head {head}, but {tail} were submitted")]
    Head {
        /// Claimed head.
        head: u16,
        /// Submissions made.
        tail: u16,
    },
    /// More completions than submissions.
    #[error("a completion for nothing that was submitted")]
    Unasked,
}

fn error_name(code: u32) -> &'static str {
    use smartnic_regs::values::ring_error::*;
    match code {
        NONE => "no reason given",
        SUBMISSION => "a submission could not be read",
        DATA => "frame data could not be read",
        DOORBELL => "the doorbell ran ahead of the ring",
        SIZE => "the ring's size is out of range",
        _ => "unknown reason",
    }
}

/// A transmit status in words.
pub fn status_name(status: u32) -> &'static str {
    match status {
        completion::OK => "ok",
        completion::TRUNCATED => "truncated",
        completion::BAD_LENGTH => "bad length",
        completion::BAD_DEST => "no such destination, or no live member",
        completion::DMA_ERROR => "data could not be read",
        _ => "unknown status",
    }
}

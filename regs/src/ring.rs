//! Entries of the rings in host memory: offsets in double words and bits, little-endian.

use crate::map::Field;

/// Version in every completion.
pub const VERSION: u32 = 1;
/// Bytes of a submission.
pub const SUBMISSION_BYTES: u32 = 16;
/// Bytes of a completion or event.
pub const COMPLETION_BYTES: u32 = 32;

macro_rules! fields { ($($(#[doc = $d:literal])* $n:ident = $lsb:literal + $w:literal;)*) => {
    $( $(#[doc = $d])* pub const $n: Field = Field { name: stringify!($n), lsb: $lsb, width: $w, doc: concat!($($d),*) }; )*
} }

/// Submission: double words 0 and 1 are the iova of the buffer, 2 and 3 as follows.
pub mod submission {
    use super::Field;
    fields! {
        /// DW2: bytes of the buffer (receive: room; transmit: length of the frame without FCS, 14 to 9,216).
        LENGTH = 0 + 16;
        /// DW2, transmit: 1 = to DEST as it stands, 0 = through the switch like a received frame.
        DIRECT = 16 + 1;
        /// DW2, transmit: a completion is wanted with an interrupt even if moderation would wait.
        URGENT = 17 + 1;
        /// DW2, transmit: class.
        CLASS = 20 + 3;
        /// DW2, transmit with DIRECT: destination as in `values::dest` (port or LAG).
        DEST = 24 + 6;
    }
    // DW3: the cookie, returned in the completion.
}

/// Completion. DW0 is the submission's cookie.
pub mod completion {
    use super::Field;
    fields! {
        /// DW1: bytes of the frame (receive; without FCS).
        LENGTH = 0 + 16;
        /// DW1: status, see the constants.
        STATUS = 16 + 8;
        /// DW1: kind of entry: 1 receive, 2 transmit.
        KIND = 24 + 8;
        /// DW2: source port (receive).
        SOURCE = 0 + 8;
        /// DW2: why it came to the host, `values::reason`.
        REASON = 8 + 8;
        /// DW2: class.
        CLASS = 16 + 4;
        /// DW2: the frame carries a VLAN tag (which is still in its data).
        TAGGED = 24 + 1;
        /// DW4: VLAN TCI of the outer tag.
        TCI = 0 + 16;
        /// DW4: FID.
        FID = 16 + 12;
        /// DW7: submission head after this one, low 16 bits.
        HEAD = 0 + 16;
        /// DW7: version of the entry.
        ENTRY_VERSION = 24 + 4;
        /// DW7: phase: 1 in the first round, then 0, ...
        PHASE = 31 + 1;
    }
    // DW3: hash (layer3+4). DW5, DW6: timestamp in core cycles.
    /// Done.
    pub const OK: u32 = 0;
    /// Receive: the frame was longer than the buffer and was cut off.
    pub const TRUNCATED: u32 = 1;
    /// Transmit: the length was out of range; nothing was sent.
    pub const BAD_LENGTH: u32 = 2;
    /// Transmit: the destination does not exist, or the group has no live member.
    pub const BAD_DEST: u32 = 3;
    /// The data could not be read from memory.
    pub const DMA_ERROR: u32 = 4;
    /// Kind: receive.
    pub const RECEIVE: u32 = 1;
    /// Kind: transmit.
    pub const TRANSMIT: u32 = 2;
}

/// Event. DW0: MAC address low; DW1: MAC high 16 bits and FID as in fdb::KEY_HI.
pub mod event {
    use super::Field;
    fields! {
        /// DW2: what happened, see the constants.
        KIND = 0 + 8;
        /// DW2: destination now (learned, moved), or source port (unknown source), or of the aged entry.
        DEST = 8 + 6;
        /// DW2: destination before (moved).
        OLD_DEST = 16 + 6;
        /// DW7: version of the entry.
        ENTRY_VERSION = 24 + 4;
        /// DW7: phase: 1 in the first round, then 0, ...
        PHASE = 31 + 1;
    }
    /// An address was learned.
    pub const LEARNED: u32 = 1;
    /// A station moved.
    pub const MOVED: u32 = 2;
    /// An entry aged out.
    pub const AGED: u32 = 3;
    /// A source that is not in the table, on a port with slow-path learning.
    pub const UNKNOWN_SOURCE: u32 = 4;
    /// Hardware could not learn: no room.
    pub const REFUSED: u32 = 5;
}

//! An entry of the forwarding database: where an address is, and what is to be known of that.

use std::time::Duration;

use bitflags::bitflags;
use serde::Serialize;
use smartnic_slowpath::MacAddr;

use super::table::Key;

bitflags! {
    /// What an entry is.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct FdbFlags: u16 {
        /// An address of the bridge itself: frames to it go up.
        const LOCAL = 1;
        /// Does not age.
        const STATIC = 1 << 1;
        /// Does not move to another port.
        const STICKY = 1 << 2;
        /// A user made it, or changed it.
        const ADDED_BY_USER = 1 << 3;
        /// A control plane learned it and takes care of its age.
        const EXT_LEARN = 1 << 4;
        /// Hardware has it.
        const OFFLOAD = 1 << 5;
        /// Seen on a locked port and not authorised yet (MAB).
        const LOCKED = 1 << 6;
        /// Learned from a frame: counts for `fdb_max_learned`.
        const LEARNED = 1 << 7;
    }
}

const LIVE: u64 = 1 << 63;

/// What the data path reads of an entry: one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// Number of the port; 0: the bridge itself.
    pub(crate) port: u16,
    pub(crate) flags: FdbFlags,
}

impl Target {
    pub(super) fn word(self) -> u64 {
        LIVE | u64::from(self.flags.bits()) << 16 | u64::from(self.port)
    }
    pub(super) fn of(word: u64) -> Self {
        Self {
            port: word as u16,
            flags: FdbFlags::from_bits_truncate((word >> 16) as u16),
        }
    }
}

/// A whole entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) target: Target,
    /// When it was last learned or set, in nanoseconds.
    pub(crate) updated: u64,
    /// When a frame was last sent by it.
    pub(crate) used: u64,
}

/// State of an entry (`NUD_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FdbState {
    /// An address of the bridge itself (`permanent`, NUD_PERMANENT).
    Permanent,
    /// Does not age (`static`, NUD_NOARP).
    Static,
    /// Learned (`dynamic`, NUD_REACHABLE).
    Reachable,
    /// Its age is over, and it is about to go (NUD_STALE).
    Stale,
}

/// An entry as `bridge fdb show` has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FdbEntry {
    /// Address.
    pub mac: MacAddr,
    /// VLAN; 0: none, or all.
    pub vlan: u16,
    /// Index of the port's device; of the bridge's for an entry of its own.
    pub ifindex: u32,
    /// State.
    pub state: FdbState,
    /// Does not move.
    pub sticky: bool,
    /// A user made it or changed it.
    pub added_by_user: bool,
    /// A control plane learned it.
    pub extern_learn: bool,
    /// Hardware has it.
    pub offload: bool,
    /// Seen on a locked port, not authorised.
    pub locked: bool,
    /// Time since it was last learned or set.
    pub updated: Duration,
    /// Time since a frame was last sent by it.
    pub used: Duration,
}

impl FdbEntry {
    /// `ifindex` is the device of the record's port.
    pub(crate) fn new(record: &Record, ifindex: u32, now: u64, hold: u64) -> Self {
        let flags = record.target.flags;
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        let state = match () {
            _ if flags.contains(FdbFlags::LOCAL) => FdbState::Permanent,
            _ if flags.contains(FdbFlags::STATIC) => FdbState::Static,
            _ if record.is_over(now, hold) => FdbState::Stale,
            _ => FdbState::Reachable,
        };
        Self {
            mac: record.key.address(),
            vlan: record.key.vid(),
            ifindex,
            state,
            sticky: flags.contains(FdbFlags::STICKY),
            added_by_user: flags.contains(FdbFlags::ADDED_BY_USER),
            extern_learn: flags.contains(FdbFlags::EXT_LEARN),
            offload: flags.contains(FdbFlags::OFFLOAD),
            locked: flags.contains(FdbFlags::LOCKED),
            updated: since(record.updated),
            used: since(record.used),
        }
    }
}

impl Record {
    /// It ages at all.
    pub(crate) fn ages(&self) -> bool {
        !self
            .target
            .flags
            .intersects(FdbFlags::STATIC | FdbFlags::EXT_LEARN)
    }
    /// Its age is over.
    pub(crate) fn is_over(&self, now: u64, hold: u64) -> bool {
        self.ages() && self.updated.saturating_add(hold) <= now
    }
}

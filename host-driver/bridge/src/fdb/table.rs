//! The hash table under the forwarding database: read without a lock, written by one at a time.
//!
//! Open addressing with linear probing over slots of four words: key, value, and the two times. A slot's key is written once and stays until the table is
//! replaced by a new one (growth, or too many dead slots), so a reader that found its key cannot be reading another entry's value: no lock, no
//! version, no `unsafe`. A deleted entry is a slot whose value is zero; the same address that comes back takes it again.
//!
//! The hash is a keyed multiply-and-fold under keys drawn for each table, so that a sender cannot aim collisions. At most 3/4 of the slots
//! are taken. A lookup reads one cache line in most cases. 16,384 slots to begin with (512 KiB, 12,288 entries), at most [`MAX_ENTRIES`] entries.
//!
//! Covered by the tests below and `tests/fdb.rs` (random operations against a map; threads).

use std::sync::atomic::{AtomicU64, Ordering::*};

use smartnic_slowpath::MacAddr;

/// Slots of a new table.
const FIRST: usize = 16_384;
/// Entries that a database may have; one more is not learned, and refused to a user.
pub const MAX_ENTRIES: usize = 1 << 20;

const TAKEN: u64 = 1 << 63;

/// VLAN and address, as one word that is never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn new(vid: u16, address: MacAddr) -> Self {
        let [a, b, c, d, e, f] = address.0;
        let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Self(TAKEN | u64::from(vid & 0xfff) << 48 | address)
    }
    pub(crate) fn vid(self) -> u16 {
        (self.0 >> 48) as u16 & 0xfff
    }
    pub(crate) fn address(self) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

#[derive(Debug, Default)]
#[repr(align(32))]
pub(super) struct Slot {
    key: AtomicU64,
    /// Zero: dead.
    value: AtomicU64,
    pub(super) updated: AtomicU64,
    pub(super) used: AtomicU64,
}

impl Slot {
    pub(super) fn key(&self) -> Key {
        Key(self.key.load(Relaxed))
    }
    pub(super) fn value(&self) -> u64 {
        self.value.load(Acquire)
    }
    pub(super) fn set_value(&self, value: u64) {
        self.value.store(value, Release);
    }
}

pub(super) struct Table {
    slots: Box<[Slot]>,
    keys: [u64; 2],
}

impl Default for Table {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl Table {
    /// A table that `entries` fill to 3/8 at most.
    pub(super) fn with_room(entries: usize) -> Self {
        let slots = (entries * 8 / 3 + 1).next_power_of_two().max(FIRST);
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            keys: rand::random(),
        }
    }

    fn start(&self, key: Key) -> usize {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        fold(
            fold(key.0 ^ self.keys[0], self.keys[1] | 1),
            0x9e37_79b9_7f4a_7c15,
        ) as usize
    }

    /// The slots from where a key's probing starts.
    fn probe(&self, key: Key) -> impl Iterator<Item = &Slot> {
        let mask = self.slots.len() - 1;
        let start = self.start(key);
        (0..self.slots.len()).map(move |n| &self.slots[start.wrapping_add(n) & mask])
    }

    /// The slot of a live entry, and its value.
    pub(super) fn find(&self, key: Key) -> Option<(&Slot, u64)> {
        for slot in self.probe(key) {
            match slot.key.load(Acquire) {
                0 => return None,
                k if k == key.0 => {
                    let value = slot.value();
                    return (value != 0).then_some((slot, value));
                }
                _ => {}
            }
        }
        None
    }

    /// The slot for a key, live, dead or new; true if it was new. Only for the one who writes; there is always a free slot.
    pub(super) fn place(&self, key: Key) -> Option<(&Slot, bool)> {
        for slot in self.probe(key) {
            match slot.key.load(Relaxed) {
                0 => {
                    slot.key.store(key.0, Release);
                    return Some((slot, true));
                }
                k if k == key.0 => return Some((slot, false)),
                _ => {}
            }
        }
        None
    }

    /// Live entries.
    pub(super) fn live(&self) -> impl Iterator<Item = (&Slot, u64)> {
        let values = self.slots.iter().map(|slot| (slot, slot.value()));
        values.filter(|(_, value)| *value != 0)
    }

    /// One more slot may be taken.
    pub(super) fn has_room(&self, taken: usize) -> bool {
        (taken + 1) * 4 <= self.slots.len() * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_vlan_and_address() {
        let address = MacAddr([0xfe, 1, 2, 3, 4, 5]);
        for vid in [0, 1, 0xfff] {
            let key = Key::new(vid, address);
            assert_eq!((key.vid(), key.address()), (vid, address));
        }
        assert_ne!(Key::new(0, MacAddr::default()).0, 0);
    }

    #[test]
    fn dead_slots_are_taken_again_by_their_key_only() {
        let table = Table::default();
        let keys: Vec<Key> = (0..12_288)
            .map(|n| Key::new(1, MacAddr::default().plus(n)))
            .collect();
        for (n, key) in keys.iter().enumerate() {
            assert!(table.has_room(n));
            let (slot, new) = table.place(*key).unwrap();
            assert!(new);
            slot.set_value(n as u64 + 1);
        }
        assert!(!table.has_room(keys.len()));
        assert_eq!(table.live().count(), keys.len());
        for (n, key) in keys.iter().enumerate() {
            let (slot, value) = table.find(*key).unwrap();
            assert_eq!((value, slot.key()), (n as u64 + 1, *key));
            slot.set_value(0);
            assert!(table.find(*key).is_none());
            assert!(!table.place(*key).unwrap().1);
        }
        assert!(table.find(Key::new(2, MacAddr::default())).is_none());
    }
}

//! Toeplitz hashes: bit j is the parity of `key & (hash_key >> j)`.
//!
//! Linear in the key, as a CRC is, but two addresses that collide under one hash key collide under another, drawn at
//! random, with probability `2^-bits` only. Cost: about 40 LUT4 a bit. Tests: `tests/fdb_fill.rs`.

use crate::rtl::{E, Module, cat};

/// Bits of an FDB key: MAC address 48, FID 12.
pub const KEY_BITS: u32 = 60;

/// What the values of `HASH_KEY` are combined with (exclusive or), one for each table, so that a card spreads
/// its addresses also before the driver has set keys. Digits of pi; nothing hides here: random keys stay random.
pub const HASH_KEY_BASE: [u128; 2] = [0x24_3f6a_8885_a308_d313_198a, 0x45_2821_e638_d013_77be_5466];

/// The hash of `key` (60 bits) to `bits` bits under `hash_key` as it stands in the `HASH_KEY` registers (word 0 lowest)
/// of table `table`.
pub fn toeplitz(table: usize, hash_key: u128, key: u64, bits: u32) -> u32 {
    let k = hash_key ^ HASH_KEY_BASE[table];
    (0..bits).fold(0, |h, j| {
        h | ((((k >> j) as u64 & key).count_ones() & 1) << j)
    })
}

/// The same in hardware: combinational, four levels of LUTs; `hash_key` is at least `59 + bits` wide and already
/// combined with its base.
pub(super) fn hash(m: &Module, name: &str, key: &E, hash_key: &E, bits: u32) -> E {
    let parts: Vec<E> = (0..bits)
        .rev()
        .map(|j| (key & hash_key.slice(j, KEY_BITS)).parity())
        .collect();
    m.named(name, cat(&parts))
}

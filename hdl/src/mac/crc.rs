//! CRC-32 of IEEE 802.3-2022 clause 3.2.9, one byte a cycle.
//!
//! The next state is linear: the state without its low byte, XOR a constant for each bit that is set in the low byte XOR the
//! data. The constants are worked out here by running the bit-serial register on every unit vector. About 100 LUT4, 2 to 3 levels.

use crate::rtl::{E, xor_of};

/// State before the first byte.
pub const INIT: u64 = 0xffff_ffff;
/// State after a frame and its right FCS.
pub const RESIDUE: u64 = 0xdebb_20e3;

/// The bit-serial register, reflected: bit 0 of the data goes first.
const fn step(state: u32, data: u8) -> u32 {
    let mut s = state ^ data as u32;
    let mut i = 0;
    while i < 8 {
        s = if s & 1 == 1 {
            s >> 1 ^ 0xedb8_8320
        } else {
            s >> 1
        };
        i += 1;
    }
    s
}

/// The state after one more byte. The FCS is the inverted state, low byte first on the wire.
pub fn next(state: &E, data: &E) -> E {
    assert_eq!((state.width(), data.width()), (32, 8));
    let low = state.trunc(8) ^ data;
    // Whole words of constants where a bit is set: each bit is then the XOR of a few, and a word is one step of the simulator.
    let terms: Vec<E> = (0..8)
        .map(|i| low.bit(i).repl(32) & u64::from(step(1 << i, 0)))
        .chain([state.shr(8)])
        .collect();
    xor_of(32, &terms)
}

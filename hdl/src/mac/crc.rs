//! CRC-32 of IEEE 802.3-2022 clause 3.2.9, one byte a cycle.
//!
//! The next state is linear in state and data, so each of its 32 bits is the XOR of some of 40 bits; which, is worked
//! out here by running the bit-serial register on every unit vector. About 100 LUT4, 2 to 3 levels.

use crate::rtl::{E, cat, xor_of};

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
    let bits: Vec<E> = (0..32)
        .rev()
        .map(|out: u32| {
            let of_state = (0..32).filter(|i| step(1 << i, 0) >> out & 1 == 1);
            let of_data = (0..8).filter(|i| step(0, 1 << i) >> out & 1 == 1);
            let terms: Vec<E> = of_state
                .map(|i| state.bit(i))
                .chain(of_data.map(|i| data.bit(i)))
                .collect();
            xor_of(1, &terms)
        })
        .collect();
    cat(&bits)
}

//! A 32-bit hash mod 840, by digits.
//!
//! 840 = 8 * 105, so the lowest 3 bits stay and the 29 above them go mod 105. 4096 mod 105 = 1: digits of 12 bits may simply be
//! added. Of the sum (at most 8,221) the two upper nibbles go through tables of `nibble * 16^i mod 105`; what is left is at
//! most 225, and two comparisons end it. Latency 3 cycles, one result a cycle, about 70 LUT4.

use crate::rtl::{E, Module, cat, lit, mux, pick};

/// `h mod 840`, 10 bits, 3 cycles after `h`.
pub fn mod_840(m: &Module, h: &E) -> E {
    let x = h.slice(3, 29);
    let digit = |lsb: u32, width: u32| x.slice(lsb, width).zext(14);
    let sum = m.delay("mod_sum", &(digit(0, 12) + digit(12, 12) + digit(24, 5)));
    let low = m.delay("mod_low", &h.slice(0, 3));

    let table = |lsb: u32| {
        let of = |n: u64| lit(8, (n << lsb) % 105);
        let entries: Vec<E> = (0..16).map(of).collect();
        pick(&sum.slice(lsb, 4), &entries)
    };
    let small = sum.slice(0, 4).zext(8) + sum.slice(12, 2).zext(8);
    let left = m.delay("mod_left", &(table(4) + table(8) + small));
    let low = m.delay("mod_low2", &low);

    let less = |n: u64| (left.zext(9) - n).trunc(7);
    let rest = mux(
        left.ge(210),
        less(210),
        mux(left.ge(105), less(105), left.trunc(7)),
    );
    m.delay("bucket", &cat(&[rest, low]))
}

//! Round-robin choice and one-hot helpers.
//!
//! Algorithm: the lowest request above the last one served, else the lowest of all. Latency 0 (combinational on a mask of
//! registers). Cost: about 3 LUT4 a requester. A requester that keeps asking waits for at most one turn of each of the others.
//! Test: `tests/buffer.rs` (rates and fairness).

use crate::rtl::{E, Module, all_of, any_of, cat, lit};

/// The lowest set bit alone.
pub(crate) fn lowest(x: &E) -> E {
    let bits: Vec<E> = (0..x.width())
        .rev()
        .map(|i| {
            let below: Vec<E> = (0..i).map(|j| !x.bit(j)).collect();
            all_of(&below) & x.bit(i)
        })
        .collect();
    cat(&bits)
}

/// The number of the one set bit, `width` bits wide (0 if none is set).
pub(crate) fn encode(hot: &E, width: u32) -> E {
    let bits: Vec<E> = (0..width)
        .rev()
        .map(|b| {
            let ones: Vec<E> = (0..hot.width())
                .filter(|i| i >> b & 1 == 1)
                .map(|i| hot.bit(i))
                .collect();
            any_of(1, &ones)
        })
        .collect();
    cat(&bits)
}

/// The number of set bits, `width` bits wide.
pub(crate) fn count_ones(x: &E, width: u32) -> E {
    (0..x.width()).fold(lit(width, 0), |n, i| n + x.bit(i).zext(width))
}

/// A one-hot choice among `request`; each choice is taken as served in the cycle in which `served` is set.
pub(crate) fn round_robin(m: &Module, name: &str, request: &E, served: &E) -> E {
    let n = request.width();
    let above = m.reg(&format!("{name}_above"), n, 0);
    let later = m.named(&format!("{name}_later"), request & &above);
    let first = lowest(&later);
    let wrapped = lowest(request) & (!later.any()).repl(n);
    let grant = m.named(&format!("{name}_grant"), first | wrapped);
    let bits: Vec<E> = (0..n)
        .rev()
        .map(|i| {
            let below: Vec<E> = (0..i).map(|j| grant.bit(j)).collect();
            any_of(1, &below)
        })
        .collect();
    m.process(|p| p.if_(served & grant.any(), |p| p.set(&above, cat(&bits))));
    grant
}

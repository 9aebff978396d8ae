//! Small pieces that many blocks use.

use super::{E, Module, cat, mux};

/// The lowest set bit of `x`, one-hot (zero for zero).
pub fn lowest_onehot(x: &E) -> E {
    x & (!x + 1)
}

/// The number of the one set bit of `x`; zero if none is set.
pub fn encode(x: &E, width: u32) -> E {
    let bits: Vec<E> = (0..width)
        .rev()
        .map(|b| {
            let of: Vec<E> = (0..x.width())
                .filter(|i| i >> b & 1 == 1)
                .map(|i| x.bit(i))
                .collect();
            super::any_of(1, &of)
        })
        .collect();
    cat(&bits)
}

/// Round-robin choice among the bits of `requests`: one-hot, combinational. When `take` is set the turn passes to the
/// bits above the chosen one. Every requester is served after at most `n - 1` others.
pub fn round_robin(m: &Module, name: &str, requests: &E, take: &E) -> E {
    let n = requests.width();
    if n == 1 {
        return requests.clone();
    }
    // Bits that have not had their turn in this round.
    let turn = m.reg(&format!("{name}_turn"), n, 0);
    let waiting = m.named(&format!("{name}_waiting"), requests & &turn);
    let first = mux(waiting.any(), &waiting, requests);
    let grant = m.named(
        &format!("{name}_grant"),
        lowest_onehot(&m.named(&format!("{name}_first"), first)),
    );
    m.process(|p| {
        // All bits above the granted one.
        p.if_(take & grant.any(), |p| {
            p.set(&turn, !((&grant - 1) | &grant))
        });
    });
    grant
}

/// One more than `value` if `up` is set, else one less: one adder.
pub fn step(value: &E, up: &E) -> E {
    let n = value.width();
    let down = (!up).repl(n);
    if n == 1 {
        !value
    } else {
        value + (down | 1u64)
    }
}

/// A shallow first-in first-out queue over LUT RAM with the oldest word readable at once.
pub struct Queue {
    /// The oldest word, combinational from the RAM.
    pub head: E,
    /// There is a word.
    pub valid: E,
    /// There is room for one more.
    pub ready: E,
}

/// Makes a [`Queue`] of `depth` words (a power of two): `push` with `data` stores (only while `ready`), `pop` drops the oldest
/// (only while `valid`).
pub fn queue(m: &Module, name: &str, depth: u32, push: &E, data: &E, pop: &E) -> Queue {
    assert!(
        depth.is_power_of_two() && depth >= 2,
        "queue {name}: the depth {depth} is no power of two"
    );
    let a = depth.trailing_zeros();
    let n = |s: &str| format!("{name}_{s}");
    let (wr, rd) = (m.reg(&n("wr"), a + 1, 0), m.reg(&n("rd"), a + 1, 0));
    let valid = m.named(&n("valid"), wr.ne(&rd));
    let full = wr.eq(&rd ^ (1u64 << a));
    let ready = m.named(&n("ready"), !full);
    let ram = m.inst(&n("ram"), &super::ram::lut(data.width(), depth as u64));
    ram.drive("we", push)
        .drive("waddr", wr.trunc(a))
        .drive("wdata", data)
        .drive("raddr", rd.trunc(a));
    m.process(|p| {
        p.if_(push, |p| p.set(&wr, &wr + 1));
        p.if_(pop, |p| p.set(&rd, &rd + 1));
    });
    Queue {
        head: ram.port("rdata"),
        valid,
        ready,
    }
}

/// A pulse stretched to `n` cycles.
pub fn stretch(m: &Module, name: &str, pulse: &E, n: u64) -> E {
    let w = super::bits_for(n + 1);
    let left = m.reg(&format!("{name}_left"), w, 0);
    m.process(|p| {
        p.if_(pulse, |p| p.set(&left, n));
        p.elif(left.any(), |p| p.set(&left, &left - 1));
    });
    left.any()
}

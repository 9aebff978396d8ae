//! A queue in LUT RAM with a registered output, for learn requests and events. A word that finds it full is lost.
//! Latency 2 cycles; holds `depth` + 1 words.

use crate::rtl::{E, Module, bits_for, ram};

pub(super) struct Fifo {
    /// A word stands at the output.
    pub valid: E,
    /// The word.
    pub data: E,
    /// Pulse: a word was lost.
    pub lost: E,
    /// It was at least half full in the cycle before.
    pub deep: E,
    /// Nothing inside.
    pub empty: E,
}

/// `pop` may be set only while `valid` is.
pub(super) fn fifo(
    m: &Module,
    name: &str,
    depth: u64,
    push: &E,
    word: &E,
    pop: &E,
    (valid, data): (&E, &E),
) -> Fifo {
    let a = bits_for(depth);
    let (wp, rp) = (
        m.reg(&format!("{name}_wp"), a + 1, 0),
        m.reg(&format!("{name}_rp"), a + 1, 0),
    );
    let fill = m.named(&format!("{name}_fill"), &wp - &rp);
    let full = m.named(&format!("{name}_full"), wp.eq(&rp ^ (1u64 << a)));
    let put = m.named(&format!("{name}_put"), push & !&full);
    let some = m.named(&format!("{name}_some"), wp.ne(&rp));
    let load = m.named(&format!("{name}_load"), &some & (!valid | pop));
    let mem = m.inst(&format!("{name}_mem"), &ram::lut(word.width(), depth));
    mem.drive("we", &put)
        .drive("waddr", wp.trunc(a))
        .drive("wdata", word)
        .drive("raddr", rp.trunc(a));
    let out = mem.port("rdata");
    m.process(|p| {
        p.if_(&put, |p| p.set(&wp, &wp + 1));
        p.if_(pop, |p| p.set(valid, false));
        p.if_(&load, |p| {
            p.set(&rp, &rp + 1);
            p.set(valid, true);
            p.set(data, &out);
        });
    });
    let lost = m.named(&format!("{name}_lost"), push & full);
    Fifo {
        deep: m.delay(&format!("{name}_deep"), &(fill.bit(a) | fill.bit(a - 1))),
        empty: m.named(&format!("{name}_empty"), !some & !valid),
        valid: valid.clone(),
        data: data.clone(),
        lost,
    }
}

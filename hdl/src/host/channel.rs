//! Joins the writers onto the one DMA write channel, transfer by transfer.
//!
//! Received data comes first, then completions, then events: a completion's group and an event are short, and a frame takes at
//! least as long to arrive as its completion takes to go. A register slice keeps a word that was offered as it is until it is taken.
//! Half a beat a cycle and a cycle a transfer: 4 Gb/s, what [`crate::pcie::write`] takes. Test: `tests/host.rs`.

use crate::rtl::{E, Module, any_of, lit, mux, pick};

/// Signals of a writer, and widths.
pub(crate) const FIELDS: &[(&str, u32)] = &[
    ("data", 64),
    ("sop", 1),
    ("eop", 1),
    ("addr", 64),
    ("len", 14),
    ("irq", 1),
];

/// Three writers `w0_*` (highest) to `w2_*` onto `wr_*`. `drained`: nothing is here that a writer gave.
pub fn channel() -> Module {
    let m = Module::new("host_channel");
    m.sync();
    let valid = m.output_reg("wr_valid", 1, 0);
    let ready = m.input("wr_ready", 1);
    let asks: Vec<E> = (0..3).map(|i| m.input(&format!("w{i}_valid"), 1)).collect();
    // Within a transfer, and whose turn it is: chosen a cycle before, so that a writer's `ready` is a register.
    let locked = m.reg("locked", 1, 0);
    let granted = m.reg("granted", 1, 0);
    let owner = m.reg_nr("owner", 2);
    let free: Vec<E> = (0..3)
        .map(|i| m.output_reg(&format!("w{i}_ready"), 1, 0))
        .collect();
    let none_above = [lit(1, 1), !&asks[0], !(&asks[0] | &asks[1])];
    let fresh = mux(&asks[0], lit(2, 0), mux(&asks[1], lit(2, 1), lit(2, 2)));
    let asked = m.named("asked", pick(&owner, &asks));
    let taken: Vec<E> = free.iter().zip(&asks).map(|(f, a)| f & a).collect();
    let takes = m.named("takes", any_of(1, &taken));
    let open = m.named("open", any_of(1, &free));
    let mut values = vec![];
    for (name, width) in FIELDS {
        let from: Vec<E> = (0..3)
            .map(|i| m.input(&format!("w{i}_{name}"), *width))
            .collect();
        let o = m.output_reg_nr(&format!("wr_{name}"), *width);
        let v = m.named(&format!("chosen_{name}"), pick(&owner, &from));
        // Whether there is a word comes late, and the words are wide: they are taken in any case, and mean something with `valid`.
        m.process(|p| p.if_(&open, |p| p.set(&o, &v)));
        values.push(v);
    }
    m.output_of("wr_keep", lit(8, 0xff));
    m.process(|p| {
        p.if_(&ready, |p| p.set(&valid, false));
        p.if_(&takes, |p| {
            p.set(&valid, true);
            p.set(&locked, !&values[2]);
            p.set(&granted, !&values[2]);
        });
        p.elif(!&granted, |p| {
            p.set(&granted, any_of(1, &asks));
            p.set(&owner, &fresh);
        });
        // Who takes its offer back before its first word makes room.
        p.elif(!&locked & !&asked, |p| p.set(&granted, false));
    });
    // The next cycle's: granted to this one, and no word here.
    let empties = m.named("empties", !&takes & (!&valid | &ready));
    let stays = m.named("stays", &locked | &asked);
    for (i, free) in free.iter().enumerate() {
        let turn = mux(
            &granted,
            &stays & owner.eq(i as u64),
            &asks[i] & &none_above[i],
        );
        m.assign(free, &empties & turn);
    }
    let drained = m.named("drained_i", !&valid & !&locked);
    m.output_of("drained", &drained);
    m.output_of("idle", &drained);
    m
}

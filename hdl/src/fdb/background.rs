//! What the engine does in idle time: which entry of the CAM to place next, and the sweeps.

use super::control::{Answers, Control};
use super::core::{C2, C5, Core};
use super::decide::Decision;
use super::op;
use crate::rtl::{E, lit, mux};

/// Moves the pointer to the entry of the CAM that is placed next, and counts. A chain of moves begins there (`begins`) and ends after 16 moves,
/// so that one hopeless entry does not hold up the others. `fruitless` counts exchanges since something found a
/// place, from 1; its top bit ends relocation.
///
/// Gives whether the chain has to end.
pub(super) fn relocation(
    c: &Core,
    d: &Decision,
    begins: &E,
    pointer: &E,
    (points, points_now): (&E, &E),
    fruitless: &E,
) -> E {
    let m = &c.m;
    let armed = &!fruitless.bit(10);
    let chain = m.reg("place_chain", 4, 0);
    let next = m.named(
        "place_next",
        mux(
            pointer.eq_const(c.s.cam as u64 - 1),
            lit(pointer.width(), 0),
            pointer + 1,
        ),
    );
    let seek = m.named("place_seek", !points & armed & c.used.any());
    let same = m.named("place_same", d.cam_index.eq(pointer));
    m.process(|p| {
        // As `points` will be, or clear for a cycle when the pointer moves on.
        p.set(points_now, points);
        p.if_(&same & &d.leaves, |p| p.set(points_now, false));
        p.if_(&d.enters, |p| p.set(points_now, true));
    });
    m.process(|p| {
        p.if_(&seek, |p| p.set(pointer, &next));
        p.if_(&d.enters, |p| {
            p.if_(!points, |p| p.set(pointer, &d.cam_index));
        });
        p.if_(begins, |p| p.set(&chain, 0));
        p.if_(&d.exchanged & !chain.all(), |p| p.set(&chain, &chain + 1));
        p.if_(&d.exchanged & armed, |p| p.set(fruitless, fruitless + 1));
        p.elif(&d.found_place, |p| p.set(fruitless, 1));
    });
    chain.all() | !armed
}

/// Starts and steps sweeps. Gives whether one waits.
pub(super) fn sweeping(c: &Core, ctl: &Control, a: &Answers) -> E {
    let (m, w) = (&c.m, &c.sweep);
    let due = m.reg("age_waits", 1, 0);
    let sweeps = m.named("sweeps", c.w.op.eq(op::SWEEP));
    // The slot is 0 between sweeps; it steps early, so that its number is there long before the next C0.
    let step = m.named("sweep_step", c.at(C2) & &sweeps);
    let final_slot = m.reg("sweep_final", 1, 0);
    let end = m.named("sweep_end", c.at(C5) & &sweeps & &final_slot);
    m.process(|p| {
        p.set(&a.flush_done, false);
        p.if_(&step, |p| {
            p.set(&final_slot, &w.last);
            p.set(&w.slot, mux(&w.last, lit(w.slot.width(), 0), &w.slot + 1));
        });
        p.if_(&end, |p| {
            p.set(&w.active, false);
            p.if_(&w.ageing, |p| p.set(&c.epoch, &c.epoch + 1));
            p.else_(|p| p.set(&a.flush_done, true));
        });
        let free = !&w.active & !&a.flush_done;
        p.if_(&free & (&ctl.flush | &due), |p| {
            p.set(&w.active, true);
            p.set(&w.ageing, !&ctl.flush);
            p.if_(!&ctl.flush, |p| p.set(&due, false));
        });
        p.if_(&ctl.age_due, |p| p.set(&due, true));
    });
    due
}

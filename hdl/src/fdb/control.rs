//! Registers of page `fdb`: keys, one command at a time, ageing timer, counters.

use super::hash::{HASH_KEY_BASE, KEY_BITS};
use super::{Pulses, Size, dest_code, op};
use crate::regbus::{Counter, RegFile, counters, field};
use crate::rtl::{E, Module, cat, lit, lit_wide};
use smartnic_regs::fdb as map;
use smartnic_regs::values::fdb_op;

/// What the engine takes from the registers.
pub(super) struct Control {
    /// Keys of the two hashes, combined with their bases.
    pub hash_key: [E; 2],
    /// A command waits for the engine (level), what it is (`op`) and its operands.
    pub pending: E,
    pub op: E,
    pub key: E,
    pub dest: E,
    pub kind: E,
    pub age: E,
    pub index: E,
    /// A flush waits or runs; the masks and values to compare.
    pub flush: E,
    pub flush_mask: E,
    pub flush_dest: E,
    pub flush_fid: E,
    /// A command runs.
    pub busy: E,
    /// Counters are behind.
    pub counting: E,
    /// Pulse: a period is over.
    pub age_due: E,
    pub event_learn: E,
    pub event_move: E,
    pub event_age: E,
}

/// What the engine gives back; all are signals that exist before the engine is built.
pub(super) struct Answers {
    /// The command was taken over by the engine.
    pub taken: E,
    /// The command is done: result valid.
    pub done: E,
    pub found: E,
    pub full: E,
    pub dest: E,
    pub kind: E,
    pub age: E,
    pub key: E,
    /// An entry was flushed; the flush is over.
    pub flushed: E,
    pub flush_done: E,
}

pub(super) fn control(
    m: &Module,
    s: &Size,
    (tick, clearing): (&E, &E),
    a: &Answers,
    pulses: &Pulses,
) -> Control {
    let mut rf = RegFile::new(m, &map::PAGE);
    let key_lo = rf.rw(&map::KEY_LO);
    let key_hi = rf.rw(&map::KEY_HI);
    let data = rf.rw(&map::DATA);
    let index = rf.rw(&map::INDEX);
    let period = rf.rw(&map::AGE_PERIOD);
    let control = rf.rw(&map::CONTROL);
    let width = KEY_BITS + s.index - 1;
    let hash_key = [0u32, 1].map(|t| {
        let words: Vec<E> = (0..3)
            .rev()
            .map(|w| rf.rw_at(&map::HASH_KEY, 4 * t + w))
            .collect();
        let base = HASH_KEY_BASE[t as usize];
        let base = lit_wide(96, &[base as u64, (base >> 64) as u64]);
        m.named(&format!("hash_key{t}"), (cat(&words) ^ base).trunc(width))
    });
    let (go, word) = rf.wo(&map::COMMAND);

    let busy = m.reg("busy", 1, 0);
    let (pending, host_op) = (m.reg("host_pending", 1, 0), m.reg_nr("host_op", 3));
    let flush = m.reg("flush", 1, 0);
    let flush_mask = m.reg_nr("flush_mask", 4);
    let flush_dest = m.reg_nr("flush_dest", 6);
    let flush_fid = m.reg_nr("flush_fid", 12);
    let (found, full) = (m.reg("res_found", 1, 0), m.reg("res_full", 1, 0));
    let (rdest, rkind, rage) = (
        m.reg("res_dest", 6, 0),
        m.reg("res_kind", 4, 0),
        m.reg("res_age", 2, 0),
    );
    let rkey = m.reg("res_key", KEY_BITS, 0);
    let dest = dest_code(&field(&data, map::DATA::DEST));
    let fid = field(&key_hi, map::KEY_HI::FID);
    let flushes = &go & !&busy & field(&word, map::COMMAND::OP).eq(fdb_op::FLUSH as u64);
    let flushes = m.named("flushes", flushes);
    let start = |p: &mut crate::rtl::Proc, code: u64| {
        p.set(&busy, true);
        p.set(&pending, true);
        p.set(&host_op, code);
    };
    m.process(|p| {
        p.if_(&a.taken, |p| p.set(&pending, false));
        p.if_(&a.done, |p| {
            p.set(&busy, false);
            p.set(&found, &a.found);
            p.set(&full, &a.full);
            p.set(&rdest, &a.dest);
            p.set(&rkind, &a.kind);
            p.set(&rage, &a.age);
            p.set(&rkey, &a.key);
        });
        // What was not found reads as zeros (a reset for the synthesiser, not a gate a bit).
        p.if_((&a.done & !&a.found) | &flushes, |p| {
            p.set(&rdest, 0);
            p.set(&rkind, 0);
            p.set(&rage, 0);
            p.set(&rkey, 0);
        });
        p.if_(&a.flushed, |p| p.set(&found, true));
        p.if_(&a.flush_done, |p| {
            p.set(&flush, false);
            p.set(&busy, false);
        });
        p.if_(&go & !&busy, |p| {
            p.switch(&field(&word, map::COMMAND::OP), |s| {
                s.case(fdb_op::LOOKUP as u64, |p| start(p, op::LOOKUP));
                s.case(fdb_op::ADD as u64, |p| start(p, op::ADD));
                s.case(fdb_op::DELETE as u64, |p| start(p, op::DELETE));
                s.case(fdb_op::READ as u64, |p| start(p, op::READ));
                s.case(fdb_op::FLUSH as u64, |p| {
                    p.set(&busy, true);
                    p.set(&flush, true);
                    p.set(&flush_mask, index.trunc(4));
                    p.set(&flush_dest, &dest);
                    p.set(&flush_fid, &fid);
                    p.set(&found, false);
                    p.set(&full, false);
                });
            });
        });
    });
    rf.ro(
        &map::RESULT,
        &cat(&[
            rage.clone(),
            rkind.clone(),
            lit(2, 0),
            rdest.clone(),
            lit(5, 0),
            full.clone(),
            found.clone(),
            busy.clone(),
        ]),
    );
    rf.ro(&map::RESULT_KEY_LO, &rkey.slice(0, 32));
    rf.ro(&map::RESULT_KEY_HI, &rkey.slice(32, 28));

    let due = age_timer(m, tick, &period);

    let up_down = |name: &str, width: u32, up: &E, down: &E| {
        let r = m.reg(name, width, 0);
        m.process(|p| {
            p.if_(up & !down, |p| p.set(&r, &r + 1));
            p.if_(down & !up, |p| p.set(&r, &r - 1));
        });
        r
    };
    let used = up_down("count_used", s.slot, &pulses.used_up, &pulses.used_down);
    rf.ro(&map::USED, &used);
    let cam = up_down(
        "count_cam",
        s.cam_bits + 1,
        &pulses.cam_up,
        &pulses.cam_down,
    );
    rf.ro(&map::CAM_USED, &cam);
    // An operation takes 5 cycles at least; learn requests may come in every cycle.
    let counted = [
        (&map::REFUSED, &pulses.refused, 3),
        (&map::LEARNED, &pulses.learned, 3),
        (&map::MOVED, &pulses.moved, 3),
        (&map::AGED, &pulses.aged, 3),
        (&map::RELOCATED, &pulses.relocated, 3),
        (&map::EVENTS_LOST, &pulses.event_lost, 3),
        (&map::LEARNS_LOST, &pulses.learn_lost, 5),
    ];
    let list = counted.map(|(reg, pulse, bits)| Counter {
        slot: reg.addr / 4 % 8,
        pulse,
        bits,
    });
    let mut counting = lit(1, 0);
    rf.ro_group(&counted.map(|c| (c.0, 0)), 3, |at, reading| {
        let c = counters(m, &list, (reading, at), clearing);
        counting = c.pending;
        c.value
    });
    rf.finish();
    Control {
        hash_key,
        pending,
        op: host_op,
        key: cat(&[fid, field(&key_hi, map::KEY_HI::MAC), key_lo.clone()]),
        dest,
        kind: field(&data, map::DATA::KIND),
        age: field(&data, map::DATA::AGE),
        index,
        flush,
        flush_mask,
        flush_dest,
        flush_fid,
        busy,
        counting,
        age_due: due,
        event_learn: control.bit(map::CONTROL::EVENT_LEARN.lsb),
        event_move: control.bit(map::CONTROL::EVENT_MOVE.lsb),
        event_age: control.bit(map::CONTROL::EVENT_AGE.lsb),
    }
}

/// A pulse each `period` ticks (the cycle after), none for 0; a shorter period that is set meanwhile counts at once. Whether the next tick is
/// the last is found a cycle ahead: comparing behind the counter and clearing it was the longest path of the core.
fn age_timer(m: &Module, tick: &E, period: &E) -> E {
    // The number of the tick that comes next.
    let next = m.reg("age_next", 32, 1);
    let over = m.reg("age_over", 1, 0);
    let due = m.reg("age_due", 1, 0);
    let none = m.named("age_none", period.is_zero());
    let less = m.delay("age_less", &(period - 1));
    let ends = m.named("age_ends", tick & &over & !&none);
    // Whether `next` will be at least `period`, as the carry of `next - (period - 1) - 1 + tick` (the lowest bits make the carry in).
    let sum =
        cat(&[lit(1, 0), next.clone(), tick.clone()]) + cat(&[lit(1, 0), !&less, tick.clone()]);
    let reached = m.named("age_reached", sum.bit(33));
    m.process(|p| {
        p.if_(tick, |p| p.set(&next, &next + 1));
        p.set(&over, reached);
        p.if_(&none | &ends, |p| {
            p.set(&next, 1);
            p.set(&over, less.is_zero());
        });
        p.set(&due, &ends);
    });
    due
}

//! The last steps of an operation: what was found (C4), and what follows from it (C5).

use super::cam::{CamWrite, digits};
use super::control::{Answers, Control};
use super::core::{C5, Core};
use super::fifo::{Fifo, fifo};
use super::search::Found;
use super::*;
use crate::rtl::{E, all_of, any_of, cat, lit, mux};
use smartnic_regs::ring::event;
use smartnic_regs::values::fdb_flush;

/// What others need to know of the decision; pulses in C5.
pub(super) struct Decision {
    /// Slot of the CAM that the operation is about.
    pub cam_index: E,
    /// An entry came into the CAM.
    pub enters: E,
    pub exchanged: E,
    /// Something found a place, or went: relocation may go on.
    pub found_place: E,
    /// The slot of the CAM is free now.
    pub leaves: E,
    pub cam: CamWrite,
    /// What is written to the CAM, and the table that relocation tries first.
    pub word: E,
    pub try_first: E,
    pub events: Fifo,
    pub event_pending: E,
}

/// The first free way in the bucket that has more of them, the first table's if both have as many (as unequal as that, the
/// tables fill further than by turns); one-hot.
fn choose(free: &[E]) -> E {
    let first = |f: &[E]| -> Vec<E> {
        (0..4)
            .map(|i| {
                let mut terms = vec![f[i].clone()];
                terms.extend(f[..i].iter().map(|x| !x));
                all_of(&terms)
            })
            .collect()
    };
    let count = |f: &[E]| f[1..].iter().fold(f[0].zext(3), |n, b| n + b.zext(3));
    let second = count(&free[4..]).gt(count(&free[..4]));
    let mut all: Vec<E> = first(&free[..4]).iter().map(|e| e & !&second).collect();
    all.extend(first(&free[4..]).iter().map(|e| e & &second));
    all.reverse();
    cat(&all)
}

/// An entry as it stands in C5.
struct Entry {
    hit: E,
    in_cam: E,
    data: E,
    ways: E,
    room: E,
    cam_index: E,
    /// The CAM has room for it.
    fits: E,
    /// It is at the operation's destination.
    same: E,
    /// The sweep takes what the slot holds.
    doomed: E,
}

fn entry(c: &Core, ctl: &Control, f: &Found) -> Entry {
    let (m, w) = (&c.m, &c.w);
    let e = Entry {
        hit: m.reg_nr("x_hit", 1),
        in_cam: m.reg_nr("x_in_cam", 1),
        data: m.reg_nr("x_data", DATA_BITS),
        ways: m.reg_nr("x_ways", 8),
        room: m.reg_nr("x_room", 1),
        cam_index: m.reg_nr("x_cam_index", c.s.cam_bits),
        fits: m.reg_nr("x_fits", 1),
        same: m.reg_nr("x_same", 1),
        doomed: m.reg_nr("x_doomed", 1),
    };
    let (held, displaced) = (&f.slot.held, &f.slot.displaced);
    let in_slot = mux(held, cat(&[w.data.clone(), w.key.clone()]), displaced);
    let in_slot = m.named("in_slot", in_slot);
    let slot_hit = mux(
        &w.in_cam,
        c.used.bit_at(&w.cam_index),
        &w.hand | displaced.slice(KEY_BITS, 6).any(),
    );
    let room = m.named("room", any_of(1, &f.free));
    let hit_ways: Vec<E> = f.ways.iter().rev().cloned().collect();
    let place = c.w.op.eq(op::PLACE);
    m.process(|p| {
        p.if_(c.at(C5 - 1), |p| {
            p.set(&e.room, &room);
            p.set(&e.data, &f.data | &f.slot.data);
            p.set(&e.fits, &f.fits);
            p.set(&e.same, &f.same);
            p.set(&e.doomed, doomed(c, ctl, &in_slot));
            p.if_(&f.key_op, |p| {
                p.set(&e.hit, &f.table | &f.cam);
                p.set(&e.in_cam, &f.cam);
                p.set(&e.cam_index, mux(&f.cam, &f.cam_slot, &f.new_slot));
            });
            p.else_(|p| {
                p.set(&e.hit, slot_hit & &w.exists);
                p.set(&e.in_cam, &w.in_cam);
                p.set(&e.cam_index, mux(&w.hand, &f.new_slot, &w.cam_index));
            });
            p.if_(&f.key_op & &f.table, |p| p.set(&e.ways, cat(&hit_ways)));
            p.elif((&f.key_op | place) & &room, |p| {
                p.set(&e.ways, choose(&f.free));
            });
            p.else_(|p| p.set(&e.ways, w.way.decode(8)));
        });
    });
    e
}

/// Whether the sweep that is under way takes this entry.
fn doomed(c: &Core, ctl: &Control, word: &E) -> E {
    let data = word.slice(KEY_BITS, DATA_BITS);
    let (kind, stamp) = (data.slice(6, 4), data.slice(10, 2));
    let expired = ages(&kind) & stamp.eq(&c.epoch + 1);
    let mask = |flag: u32, ok: E| !ctl.flush_mask.bit(flag.trailing_zeros()) | ok;
    let flushed = all_of(&[
        mask(fdb_flush::DEST, data.slice(0, 6).eq(&ctl.flush_dest)),
        mask(fdb_flush::FID, word.slice(48, 12).eq(&ctl.flush_fid)),
        mask(fdb_flush::DYNAMIC, ages(&kind)),
        mask(fdb_flush::EXTERN, kind.bit(2)),
    ]);
    &c.sweep.active & mux(&c.sweep.ageing, expired, flushed)
}

pub(super) fn decide(
    c: &Core,
    ctl: &Control,
    f: &Found,
    a: &Answers,
    n: &Pulses,
    stop: &E,
) -> Decision {
    let (m, w) = (&c.m, &c.w);
    let x = entry(c, ctl, f);
    let now = m.named("deciding", c.at(C5));
    let is = |o: u64| {
        let flag = m.reg(&format!("is_op{o}"), 1, 0);
        m.assign(&flag, c.at(C5 - 1) & w.op.eq(o));
        flag
    };
    let (learn, report, add, delete) = (is(op::LEARN), is(op::REPORT), is(op::ADD), is(op::DELETE));
    let (sweep, place) = (is(op::SWEEP), is(op::PLACE));
    let (dest, x_dest) = (w.data.slice(0, 6), x.data.slice(0, 6));
    let kind = x.data.slice(6, 4);
    let moves = !(kind.bit(0) | kind.bit(1) | kind.bit(3));

    let refresh = m.named(
        "do_refresh",
        (&learn | &report) & &x.hit & &x.same & ages(&kind),
    );
    let station = m.named("do_move", &learn & &x.hit & !&x.same & moves & &w.storable);
    let replace = m.named("do_replace", &add & &x.hit & &w.storable);
    let want = m.named("want_insert", (&learn | &add) & !&x.hit);
    let insert = m.named("do_insert", &want & &w.storable & (&x.room | &x.fits));
    let to_cam = m.named("to_cam", &insert & !&x.room);
    let refused = m.named("refused", &want & !&insert);
    let unknown = m.named("unknown", &report & !(&x.hit & &x.same));
    let doom = m.named("do_doom", (&sweep | &place) & &x.hit & &x.doomed);
    let erase = m.named("do_erase", (&delete & &x.hit) | &doom);
    let put = m.named("do_place", &place & !&doom);
    let placed = m.named("placed", &put & &x.room);
    // The chain ends here if it must and if the entry in the hand may go back to the CAM.
    let stashed = m.named("stashed", &put & !&x.room & &w.hand & &x.fits & stop);
    let moved = m.named("relocated", &put & !&stashed);
    let exchanged = m.named("exchanged", &moved & !&x.room);
    let update = m.named("do_update", &refresh | &station | &replace);

    // Tables.
    let fresh = cat(&[c.epoch.clone(), x.data.slice(0, 10)]);
    let data = m.named("new_data", mux(&refresh, fresh, &w.data));
    let to_table = any_of(
        1,
        &[
            (&update | (&erase & !&w.hand)) & !&x.in_cam,
            &insert & &x.room,
            moved.clone(),
        ],
    );
    let to_table = m.named("to_table", to_table);
    // Of a free way only the data is zero: a lookup that finds its key there gets nothing.
    let kept = &data & (!&erase).repl(DATA_BITS);
    m.process(|p| {
        p.set(&c.ways, &x.ways & to_table.repl(8));
        p.if_(&now, |p| p.set(&c.word, cat(&[kept, w.key.clone()])));
    });

    // CAM: digits, words, which slots are in use.
    let leaves = (&erase | (&moved & !&w.hand)) & &x.in_cam;
    let leaves = m.named("cam_leaves", leaves);
    let enters = m.named("cam_enters", &to_cam | &stashed);
    let cam = CamWrite {
        digits: m.named("cam_changes", &leaves | &enters),
        set: enters.clone(),
        word: m.named("cam_written", (&update & &x.in_cam) | &enters),
        index: x.cam_index.clone(),
        at: digits(&w.bucket),
    };
    // Counters and result.
    let aged = m.named("aged", &doom & &c.sweep.ageing);
    for (target, value) in [
        (&n.used_up, insert.clone()),
        (&n.used_down, erase.clone()),
        (&n.cam_up, to_cam.clone()),
        (&n.cam_down, (&erase & (&x.in_cam | &w.hand)) | &placed),
        (&n.refused, &refused & &learn),
        (&n.learned, &insert & &learn),
        (&n.moved, station.clone()),
        (&n.aged, aged.clone()),
        (&n.relocated, moved.clone()),
        (&a.done, &now & &w.host),
        (&a.found, x.hit.clone()),
        (&a.full, &add & (&refused | !&w.storable)),
        (&a.flushed, &doom & !&c.sweep.ageing),
    ] {
        m.assign(target, value);
    }
    m.assign(&a.dest, dest_code(&x_dest));
    m.assign(&a.kind, &kind);
    m.assign(&a.age, age_of(&x.data, &c.epoch));

    // Events: pushed in the cycle after C5, while the key is still there.
    let choices = [
        (event::LEARNED, &insert & &learn & &ctl.event_learn),
        (event::MOVED, &station & &ctl.event_move),
        (event::AGED, &aged & &ctl.event_age),
        (event::UNKNOWN_SOURCE, unknown),
        (event::REFUSED, &refused & &learn),
    ];
    let pending = m.reg("event_push", 1, 0);
    let what = m.reg_nr("event_what", 3);
    let (at, old) = (m.reg_nr("event_at", 6), m.reg_nr("event_old", 6));
    m.process(|p| {
        p.set(&pending, false);
        for (code, when) in &choices {
            p.if_(when, |p| {
                p.set(&pending, true);
                p.set(&what, *code as u64);
            });
        }
        p.set(&at, dest_code(&mux(&aged, &x_dest, &dest)));
        p.set(&old, dest_code(&x_dest) & station.repl(6));
    });
    let valid = m.output_reg("event_valid", 1, 0);
    let ready = m.input("event_ready", 1);
    let out = m.reg_nr("event_word", 75);
    let record = cat(&[old, at, what, w.key.clone()]);
    let pop = m.named("event_pop", &valid & &ready);
    let events = fifo(
        m,
        "event_queue",
        EVENT_QUEUE,
        &pending,
        &record,
        &pop,
        (&valid, &out),
    );
    m.output_of("event_key", out.slice(0, KEY_BITS));
    m.output_of("event_kind", cat(&[lit(5, 0), out.slice(60, 3)]));
    m.output_of("event_dest", out.slice(63, 6));
    m.output_of("event_old_dest", out.slice(69, 6));
    Decision {
        cam_index: x.cam_index,
        enters,
        exchanged,
        found_place: any_of(1, &[to_cam, placed, erase]),
        leaves,
        cam,
        word: cat(&[data, w.key.clone()]),
        try_first: mux(&w.hand, w.way.bit(2), c.random.bit(1)),
        events,
        event_pending: pending,
    }
}

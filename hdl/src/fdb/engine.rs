//! The update engine: takes operations in, reads, compares; `decide.rs` has the last step.
//!
//! | cycle | |
//! |---|---|
//! | C0 | choose an operation and load it |
//! | C1 | address at port B |
//! | C2 | block RAM; compare with the CAM |
//! | C3 | compare with 8 ways; compare with the CAM |
//! | C4 | select; hash of a displaced entry for its other table |
//! | C5 | decide; shadow of the CAM is written |
//! | C0 | tables are written; events, counters, result |
//!
//! An entry that was displaced goes on to its other table at once if no request waits: from C5 to C1, 5 cycles a move.

use super::background::{relocation, sweeping};
use super::cam::{Hand, cam};
use super::control::{Answers, control};
use super::core::{C0, C2, C4, C5, CLEAR, Core, core};
use super::decide::decide;
use super::fifo::fifo;
use super::lookup::{self, Reads, Written, buckets};
use super::prepare::prepare;
use super::search::{search, slot};
use super::*;
use crate::rtl::{any_of, cat, lit, select_onehot};

pub(super) fn build(m: &Module, s: &Size) {
    let c = core(m, s);
    let (n, cb) = (s.index, s.cam_bits);
    let tick = m.input("tick", 1);
    let wire = |name: &str, w| m.wire(name, w);
    // Answers and pulses are assigned by `decide`.
    let flag = |name: &str| m.reg(name, 1, 0);
    let answers = Answers {
        taken: wire("host_taken", 1),
        done: flag("host_done"),
        found: flag("host_found"),
        full: flag("host_full"),
        dest: wire("host_dest", 6),
        kind: wire("host_kind", 4),
        age: wire("host_age", 2),
        key: c.w.key.clone(),
        flushed: flag("flushed"),
        flush_done: flag("flush_done"),
    };
    let pulses = Pulses {
        used_up: flag("p_used_up"),
        used_down: flag("p_used_down"),
        cam_up: flag("p_cam_up"),
        cam_down: flag("p_cam_down"),
        refused: flag("p_refused"),
        learned: flag("p_learned"),
        moved: flag("p_moved"),
        aged: flag("p_aged"),
        relocated: flag("p_relocated"),
        event_lost: wire("event_lost", 1),
        learn_lost: wire("learn_lost", 1),
    };
    let ctl = control(m, s, (&tick, &c.at(CLEAR)), &answers, &pulses);

    // Clear after reset: every bucket, then a wait until no lookup is under way that saw the tables before.
    let clear_at = m.reg("clear_at", n + 1, 0);
    let ready = m.output_reg("ready", 1, 0);
    let clearing = m.named("clearing", c.at(CLEAR) & !clear_at.bit(n));
    let b_addr = [0, 1].map(|t| {
        m.named(
            &format!("b_addr{t}"),
            mux(&clearing, clear_at.trunc(n), &c.w.bucket[t]),
        )
    });
    let ways = m.named("b_we", &c.ways | clearing.repl(8));
    let lookup_valid = m.input("lookup_valid", 1);
    let lookup_key = m.input("lookup_key", KEY_BITS);
    let a_addr = buckets(m, s, &lookup_valid, &lookup_key, &ctl.hash_key);
    let (a_words, b_words) = tables(m, s, &a_addr, &b_addr, &ways, &c.word);
    let extra = 2 * n + 1;
    let store = cam(m, s, &a_addr, &c.w.bucket, extra);
    let hand = hand(m, &c);
    let reads = Reads {
        bucket: a_addr,
        words: a_words,
    };
    let written = Written {
        ways: c.ways.clone(),
        bucket: c.w.bucket.clone(),
        word: c.word.clone(),
        epoch: c.epoch.clone(),
        ready: ready.clone(),
    };
    let looking = lookup::lookup(
        m,
        s,
        (&lookup_valid, &lookup_key),
        (&reads, &written),
        (&store, &hand),
    );

    // Requests.
    let learn = cat(&[
        !m.input("learn_insert", 1),
        dest_code(&m.input("learn_dest", 6)),
        m.input("learn_key", KEY_BITS),
    ]);
    let learn_word = m.reg_nr("learn_word", 67);
    let learn_pop = wire("learn_pop", 1);
    let queue = fifo(
        m,
        "learn_queue",
        LEARN_QUEUE,
        &m.input("learn_valid", 1),
        &learn,
        &learn_pop,
        (&m.reg("learn_waits", 1, 0), &learn_word),
    );
    m.output_of("learn_ready", lit(1, 1));
    m.assign(&pulses.learn_lost, &queue.lost);
    let take_prep = wire("take_prep", 1);
    // What way `w_way` holds.
    let of_way: Vec<(E, E)> = (0..)
        .zip(&b_words)
        .map(|(i, w)| (c.w.way.eq(i as u64), w.clone()))
        .collect();
    let key_op = m.reg_nr("w_key_op", 1);
    let in_way = m.named("in_way", select_onehot(WORD_BITS, &of_way));
    let own = slot(&c, &in_way, &key_op);
    let displaced = own.displaced.clone();
    let prep = prepare(
        &c,
        &ctl,
        (&queue.valid, &queue.data),
        (&take_prep, &answers.taken, &learn_pop),
        &displaced.trunc(KEY_BITS),
    );

    // C0: software and learning first, background at least every fourth time.
    let pointer = m.reg("place_at", cb, 0);
    let fruitless = m.reg("fruitless", 11, 1);
    let armed = m.named("place_armed", !fruitless.bit(10));
    let points = m.named("place_points", c.used.bit_at(&pointer));
    let points_now = m.reg("place_points_now", 1, 0);
    let turns = m.reg("turns", 2, 0);
    let place_last = m.reg("place_last", 1, 0);
    let in_cam = c.sweep.slot.bit(s.slot - 1);
    let can_place = m.named(
        "can_place",
        &points_now & &armed & !(&c.sweep.active & &in_cam),
    );
    let background = m.named("background", &can_place | &c.sweep.active);
    let prep_first = m.named("prep_first", &prep.ready & !(&background & turns.all()));
    let prefer_place = m.named(
        "prefer_place",
        &can_place & !(&c.sweep.active & &place_last),
    );
    // Whose slot is read in C0, and its number: chosen a cycle before, for the read of the CAM comes right behind. An operation whose slot
    // it is not waits for a cycle; in the cycles after C0 the choice becomes what the next C0 wants, so this is rare. No number changes
    // between its choice and C0: the sweep's steps in C2, and `points_now` is clear in the first cycle of a new pointer.
    let reads_slot = m.named("prep_reads", prep.op.gt(op::LOOKUP));
    let host_next = m.named("host_next", &prep_first & &reads_slot);
    let number_host = m.delay("number_host", &host_next);
    let number_place = m.delay("number_place", &prefer_place);
    m.assign(
        &take_prep,
        c.at(C0) & &prep_first & (!&reads_slot | &number_host),
    );
    let mine = !&number_host & !(&number_place ^ &prefer_place);
    let back_first = m.named("back_first", &background & !&prep_first & &mine);
    let take_back = m.named("take_back", c.at(C0) & &back_first);
    let take_place = m.named("take_place", &take_back & &number_place);
    let take = m.named("take", &take_prep | &take_back);

    let host_slot = ctl.index.trunc(s.slot);
    let slot_next = m.named("slot_next", mux(&host_next, &host_slot, &c.sweep.slot));
    let slot = m.delay("c0_slot", &slot_next);
    let place_next = &prefer_place & !&host_next;
    let c0_number = m.delay("c0_number", &mux(place_next, &pointer, slot_next.trunc(cb)));
    let (found, kept) = search(&c, &store, &b_words, (&key_op, &c0_number, &own));
    let searching = m.named("prep_searches", &take_prep & prep.op.le(op::LOOKUP));
    let slot_op = m.named("c0_slot_op", !&searching & !&take_place);
    let swept_age = &c.sweep.active & &c.sweep.ageing & prep.age.is_zero();
    let age = mux(swept_age, lit(2, 1), &prep.age);
    let stamp = mux(ages(&prep.kind), &age + &c.epoch + 1, &prep.age);
    let stamp = m.named("prep_stamp", stamp);
    let slots = (1u64 << (s.slot - 1)) + s.cam as u64;
    let exists = m.delay("host_slot_exists", &ctl.index.lt(slots));
    let feedback = c.random.bit(0) ^ c.random.bit(2) ^ c.random.bit(3) ^ c.random.bit(5);
    let table_slot = !&key_op & !&c.w.in_cam & !&c.w.hand;
    let stop = m.reg("chain_stops", 1, 0);
    let d = decide(&c, &ctl, &found, &answers, &pulses, &stop);
    store.write(m, s, &d.cam, &c.used, (&clearing, &clear_at.trunc(4)));
    store.lookup_words.write(&d.cam, &d.word);
    let [b0, b1] = &c.w.bucket;
    store.engine_words.write(
        &d.cam,
        &cat(&[d.try_first.clone(), b1.clone(), b0.clone(), d.word.clone()]),
    );

    let enough = relocation(
        &c,
        &d,
        &take_place,
        &pointer,
        (&points, &points_now),
        &fruitless,
    );
    let again = m.named("again", &d.exchanged);
    let waits = (&prep.busy & &prep.host) | queue.deep;
    m.assign(&stop, enough | waits);
    let age_waits = sweeping(&c, &ctl, &answers);
    m.process(|p| {
        p.if_(c.at(C4) & table_slot, |p| {
            p.set(&c.w.key, displaced.trunc(KEY_BITS));
        });
        // What the operation works on is taken in every C0, as the choice of an operation comes late, and means something once it has begun.
        p.if_(c.at(C0), |p| {
            let back_op = mux(&take_place, lit(3, op::PLACE), lit(3, op::SWEEP));
            p.set(&c.w.op, mux(&take_prep, &prep.op, back_op));
            p.set(&key_op, &searching);
            p.set(
                &c.w.key,
                mux(&searching, &prep.key, kept.slice(0, KEY_BITS)),
            );
            let fresh = cat(&[stamp.clone(), prep.kind.clone(), prep.dest.clone()]);
            p.set(
                &c.w.data,
                mux(&searching, fresh, kept.slice(KEY_BITS, DATA_BITS)),
            );
            for t in 0..2 {
                let own = kept.slice(WORD_BITS + n * t as u32, n);
                let other = mux(&slot_op & !slot.bit(s.slot - 1), slot.slice(3, n), own);
                p.set(&c.w.bucket[t], mux(&searching, &prep.bucket[t], other));
            }
            p.set(&c.w.in_cam, &take_place | (&slot_op & slot.bit(s.slot - 1)));
            p.set(&c.w.cam_index, &c0_number);
            p.set(&c.w.hand, false);
            let any_way = cat(&[
                kept.bit(WORD_BITS + 2 * n),
                c.random.bit(0),
                c.random.bit(7),
            ]);
            p.set(&c.w.way, mux(&take_place, any_way, slot.slice(0, 3)));
            p.set(&c.w.host, &take_prep & &prep.host);
            p.set(&c.w.exists, &take_back | &exists);
        });
        p.if_(&take, |p| {
            p.set(&c.random, cat(&[feedback.clone(), c.random.slice(1, 15)]));
            p.set(&place_last, &take_place);
            p.if_(&take_prep, |p| p.set(&turns, &turns + 1));
            p.else_(|p| p.set(&turns, 0));
        });
        // The displaced entry goes on at once. The write of this exchange comes with the next read: to the same bucket.
        p.if_(&again, |p| {
            p.set(&c.w.hand, true);
            p.set(&c.w.in_cam, false);
            p.set(&c.w.key, displaced.trunc(KEY_BITS));
            p.set(&c.w.data, displaced.slice(KEY_BITS, DATA_BITS));
            for t in 0..2 {
                let here = if t == 1 {
                    !c.w.way.bit(2)
                } else {
                    c.w.way.bit(2)
                };
                p.if_(here, |p| p.set(&c.w.bucket[t], &c.other_bucket));
            }
            p.set(
                &c.w.way,
                cat(&[!c.w.way.bit(2), c.random.bit(0), c.random.bit(7)]),
            );
            p.set(&c.random, cat(&[feedback.clone(), c.random.slice(1, 15)]));
            p.set(&turns, 0);
        });
    });

    m.process(|p| {
        p.if_(c.at(CLEAR), |p| {
            p.set(&clear_at, &clear_at + 1);
            p.if_(clear_at.bit(n) & clear_at.bit(3), |p| {
                p.set(&c.state, C0);
                p.set(&ready, true);
            });
        });
        p.elif(c.at(C0), |p| p.if_(&take, |p| p.set(&c.state, C0 + 1)));
        p.elif(c.at(C5), |p| {
            p.set(&c.state, mux(&again, lit(3, C0 + 1), lit(3, C0)));
        });
        p.else_(|p| p.set(&c.state, &c.state + 1));
    });

    let events = d.events;
    m.assign(&pulses.event_lost, &events.lost);
    let idle = m.output_reg("idle", 1, 0);
    let busy = any_of(
        1,
        &[
            !c.at(C0),
            take,
            prep.busy,
            !&queue.empty,
            ctl.busy.clone(),
            ctl.counting.clone(),
            age_waits,
            ctl.age_due.clone(),
            background,
            c.ways.any(),
            c.used.any() & &armed,
            !events.empty,
            d.event_pending,
            looking,
        ],
    );
    m.assign(&idle, !busy);
}

/// The hand: what the chain holds, from C2 on for the comparison of keys and from C4 on for the data, until two cycles after the last
/// operation's write.
fn hand(m: &Module, c: &Core) -> Hand {
    let h = Hand {
        valid: m.reg("hand_valid", 1, 0),
        key: m.reg_nr("hand_key", KEY_BITS),
        data: m.reg_nr("hand_data", DATA_BITS),
    };
    let over = m.delay("hand_over", &c.at(C0));
    m.process(|p| {
        p.if_(over, |p| p.set(&h.valid, false));
        p.if_(c.at(C2) & &c.w.hand, |p| {
            p.set(&h.valid, true);
            p.set(&h.key, &c.w.key);
        });
        p.if_(c.at(C4) & &c.w.hand, |p| p.set(&h.data, &c.w.data));
    });
    h
}

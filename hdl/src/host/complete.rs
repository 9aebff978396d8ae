//! Completions: batches, head write-back, interrupts.
//!
//! Entries wait in a block RAM, four for each ring, and go out in one write when the group of four (128 bytes, aligned as the
//! queue is) is full, when the ring has been quiet for [`QUIET`] to `QUIET + 16` cycles, or when one is urgent. Then the head is written back, then
//! the interrupt is raised: at once, or when COUNT completions wait or TIME has passed since the first of them. A ring's error raises
//! vector ERROR. The rings are looked at in turn.
//!
//! Cost of a write of four: about 70 cycles. Two block RAMs. Test: `tests/host.rs`.

use super::{BATCH, Shape, word};
use crate::regbus::field;
use crate::rtl::{E, Module, all_of, any_of, cat, lit, mux, pick, ram};
use smartnic_regs::{host as page, values::vector};

/// Cycles after a ring's last completion after which an incomplete batch goes out: more than the 84 of a shortest frame at 1 Gb/s, so
/// that a stream of them fills batches.
pub const QUIET: u64 = 96;

/// The completion writer. Ports: `rec0_*` (receive), `rec1_*` (transmit); pointers and registers of [`super::rings`]; `w_*` to [`super::channel`]; `error`; `now`.
pub fn complete(s: Shape) -> Module {
    let m = Module::new("host_complete");
    m.sync();
    let n = s.rings();
    let (made, written) = (m.input("made", 32 * n), m.input("written", 3 * n));
    let (running, size) = (m.input("running", n), m.input("size", 4 * n));
    let now = m.input("now", 64);
    let error = m.input("error", 1);

    // Taking entries in; receive goes first, since it holds up the switch's buffer.
    let rec = |i: u32, name: &str, width: u32| m.input(&format!("rec{i}_{name}"), width);
    let valid: Vec<E> = (0..2).map(|i| rec(i, "valid", 1)).collect();
    let rings: Vec<E> = (0..2).map(|i| rec(i, "ring", 3)).collect();
    let parts: Vec<E> = (0..2).map(|i| rec(i, "part", 2)).collect();
    let datas: Vec<E> = (0..2).map(|i| rec(i, "data", 64)).collect();
    let urgent_in = m.input("rec1_urgent", 1);
    let from = m.named("from", !&valid[0]);
    let ring_in = m.named("ring_in", pick(&from, &rings));
    let part_in = m.named("part_in", pick(&from, &parts));
    let made_in = m.named("made_in", word(&made, &ring_in, 32).slice(0, 3));
    let space = (&made_in - word(&written, &ring_in, 3)).lt(BATCH as u64);
    let space = m.named("space", space);
    let takes = m.named("takes", &space & (&valid[0] | &valid[1]));
    m.output_of("rec0_ready", &space);
    m.output_of("rec1_ready", &space & &from);
    let whole = m.named("whole", &takes & part_in.all());

    let ring = m.reg("ring", 3, 0);
    m.output_of("cq_ring", &ring);
    let state = m.reg("state", 3, 0);
    let (look, judge, write, head, weigh, signal, fault) = (0, 1, 2, 3, 4, 5, 6);
    let (count, first) = (m.reg_nr("count", 3), m.reg_nr("first_entry", 16));
    let (upto, mask) = (m.reg_nr("upto", 32), m.reg_nr("mask", 16));
    let (ripe, runs) = (m.reg_nr("ripe", 1), m.reg_nr("runs", 1));
    let (place, step) = (m.reg_nr("place", 4), m.reg_nr("step", 2));
    let w_ready = m.input("w_ready", 1);
    let r = m.inst("entries", &ram::block(64, 128));
    r.drive("we", &takes)
        .drive(
            "waddr",
            cat(&[ring_in.clone(), made_in.slice(0, 2), part_in]),
        )
        .drive("wdata", pick(&from, &datas))
        .drive("ren", true)
        .drive(
            "raddr",
            cat(&[
                ring.clone(),
                first.slice(0, 2) + place.slice(2, 2),
                place.slice(0, 2),
            ]),
        );
    let entry = m.delay("entry", &r.port("rdata"));
    let (cq_lo, cq_hi) = (m.input("cq_lo", 32), m.input("cq_hi", 32));
    let (head_lo, head_hi) = (m.input("head_lo", 32), m.input("head_hi", 32));
    let moderation = m.input("moderation", 32);
    let (limit, patience) = (
        field(&moderation, page::MODERATION::COUNT),
        field(&moderation, page::MODERATION::TIME),
    );

    // Per ring: quiet time in 16 cycles, completions without an interrupt and since when, urgency.
    let tick = m.reg("tick", 4, 0);
    m.assign(&tick, &tick + 1);
    let wrote = m.wire("wrote", 1);
    let signalled = m.wire("signalled", 1);
    let mut quiet = vec![];
    let (mut waits, mut urgent) = (vec![], vec![]);
    for i in 0..n {
        let here = ring.eq(i as u64);
        let q = m.reg(&format!("quiet_r{i}"), 3, 0);
        let wait = m.reg(&format!("unsignalled_r{i}"), 8, 0);
        let u = m.reg(&format!("urgent_r{i}"), 1, 0);
        let comes = m.named(&format!("comes_r{i}"), &whole & ring_in.eq(i as u64));
        let sum = wait.zext(9) + count.zext(9);
        m.process(|p| {
            p.if_(tick.all() & !q.all(), |p| p.set(&q, &q + 1));
            p.if_(&comes, |p| {
                p.set(&q, 0);
                p.if_(&from & &urgent_in, |p| p.set(&u, true));
            });
            p.if_(&wrote & &here, |p| {
                p.set(&wait, mux(sum.bit(8), lit(8, 255), sum.slice(0, 8)))
            });
            p.if_(&signalled & &here, |p| {
                p.set(&wait, 0);
                p.set(&u, &comes & &from & &urgent_in);
            });
            p.if_(!running.bit(i), |p| {
                p.set(&wait, 0);
                p.set(&u, false);
            });
        });
        quiet.push(q);
        waits.push(wait);
        urgent.push(u);
    }
    let of = |values: &[E]| {
        let mut v = values.to_vec();
        v.resize(8, lit(values[0].width(), 0));
        pick(&ring, &v)
    };
    let waiting = m.named("waiting", of(&waits));
    let hurry = m.named("hurry", of(&urgent));
    let since = m.inst("since", &ram::lut(16, 8));
    since
        .drive("we", &wrote & waiting.is_zero())
        .drive("waddr", &ring)
        .drive("wdata", now.slice(6, 16))
        .drive("raddr", &ring);
    let age = now.slice(6, 16) - since.port("rdata");
    let due = m.reg_nr("due", 1);
    let broken = m.reg("broken", 1, 0);

    let offered = m.named("offered", step.eq(2));
    let last_word = place.slice(2, 2).eq((&count - 1).slice(0, 2)) & place.slice(0, 2).all();
    let last_word = m.named("last_word", last_word);
    let in_write = m.named("in_write", state.eq(write));
    let has_head = m.named("has_head", head_lo.any() | head_hi.any());
    m.assign(&wrote, &in_write & &offered & &w_ready & &last_word);
    m.assign(&signalled, state.eq(signal) & &due & &w_ready);
    let next = mux(ring.eq(n as u64 - 1), lit(3, 0), &ring + 1);
    m.process(|p| {
        p.if_(&error, |p| p.set(&broken, true));
        p.switch(&state, |s| {
            s.case(look, |p| {
                let end = word(&made, &ring, 32);
                let pend = end.slice(0, 3) - word(&written, &ring, 3);
                p.set(&upto, &end);
                p.set(&count, &pend);
                p.set(&first, end.slice(0, 16) - pend.zext(16));
                p.set(&mask, lit(16, 1).shl_by(&word(&size, &ring, 4)) - 1);
                p.set(&ripe, of(&quiet).ge(QUIET / 16) | &hurry);
                p.set(&runs, running.bit_at(&ring));
                p.set(&place, 0);
                p.set(&step, 0);
                p.set(&state, judge);
                p.if_(&broken & ring.is_zero(), |p| p.set(&state, fault));
            });
            s.case(judge, |p| {
                let full = (first.slice(0, 2).zext(3) + &count).ge(BATCH as u64);
                // A write ends with its group of four, so never runs over the ring's end.
                let rest = lit(3, 4) - first.slice(0, 2).zext(3);
                p.if_(&full, |p| {
                    p.set(&count, &rest);
                    // The head counts what is written, not what waits.
                    p.set(&upto, &upto - (&count - &rest).zext(32));
                });
                p.if_(&runs & count.any() & (&ripe | full), |p| {
                    p.set(&state, write)
                });
                p.else_(|p| p.set(&state, weigh));
            });
            s.case(write, |p| {
                p.if_(!&offered, |p| p.set(&step, &step + 1));
                p.elif(&w_ready, |p| {
                    p.set(&step, 0);
                    p.set(&place, &place + 1);
                    p.if_(&last_word, |p| {
                        p.set(&state, mux(&has_head, lit(3, head), lit(3, weigh)))
                    });
                });
            });
            s.case(head, |p| p.if_(&w_ready, |p| p.set(&state, weigh)));
            s.case(weigh, |p| {
                let many = limit.le(1) | waiting.ge(&limit);
                let old = age.ge(&patience);
                p.set(
                    &due,
                    waiting.any() & running.bit_at(&ring) & (many | old | &hurry),
                );
                p.set(&state, signal);
            });
            s.case(signal, |p| {
                p.if_(!&due | &w_ready, |p| {
                    p.set(&ring, &next);
                    p.set(&state, look);
                })
            });
            s.default(|p| {
                p.if_(&w_ready, |p| {
                    p.set(&broken, &error);
                    p.set(&state, judge);
                })
            });
        });
    });

    let is = |k: u64| state.eq(k);
    let offset = cat(&[(&first & &mask), lit(5, 0)]);
    m.output_of(
        "w_valid",
        (&in_write & &offered) | is(head) | (is(signal) & &due) | is(fault),
    );
    m.output_of("w_data", mux(&in_write, &entry, upto.zext(64)));
    m.output_of("w_sop", !&in_write | place.is_zero());
    m.output_of("w_eop", !&in_write | &last_word);
    let cq = m.delay("cq_address", &(cat([&cq_hi, &cq_lo]) + offset.zext(64)));
    let vector_of = mux(is(fault), lit(4, vector::ERROR.into()), ring.zext(4)).zext(64);
    m.output_of(
        "w_addr",
        mux(
            &in_write,
            cq,
            mux(is(head), cat([&head_hi, &head_lo]), vector_of),
        ),
    );
    m.output_of("w_len", mux(&in_write, count.zext(14).shl(5), lit(14, 4)));
    m.output_of("w_irq", is(signal) | is(fault));
    m.output_of("flush_ring", &ring);
    m.output_of("flush_count", &count & wrote.repl(3));
    let busy: Vec<E> = (0..n)
        .map(|i| ring.eq(i as u64) & state.ge(write) & state.ne(weigh))
        .collect();
    m.output_of("busy", cat(busy.iter().rev()));
    let settled: Vec<E> = (0..n)
        .map(|i| made.slice(32 * i, 3).eq(written.slice(3 * i, 3)))
        .collect();
    let idle = m.output_reg("idle", 1, 0);
    m.assign(
        &idle,
        all_of(&settled)
            & !any_of(8, &waits).any()
            & !&broken
            & !&error
            & !(&valid[0] | &valid[1])
            & !(&in_write | is(head)),
    );
    m
}

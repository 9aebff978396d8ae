//! Completions: batches, head write-back, interrupts.
//!
//! Entries wait in a block RAM, four for each ring, and go out in one write when the group of four (128 bytes, aligned as the
//! queue is) is full, when the ring has been quiet for [`super::QUIET`] to `QUIET + 16` cycles (four times that where COUNT is over 1), or when one is urgent. Then the head is written back: it
//! counts what has been written. The interrupt is raised at once, or when COUNT completions wait or TIME has passed since the first of them. A ring's
//! error raises vector ERROR. The rings are looked at in turn, one a cycle; what is due is found by [`super::rings`].
//!
//! Taking an entry in waits for its ring's turn, too, to learn its place: up to 8 cycles, then 4 for its words. Of receive
//! and transmit, receive goes first; an entry for which there is no place yet lets the other one go.
//!
//! Cost of a write of four: about 70 cycles. Two block RAMs. Test: `tests/host.rs`.

use super::bus::{COMPLETIONS, HEAD, LATENCY};
use super::{Shape, last_word};
use crate::rtl::{E, Module, any_of, cat, lit, mux, pick, ram};
use smartnic_regs::values::vector;

/// The completion writer. Ports: `rec0_*` (receive), `rec1_*` (transmit); `e_*`, `error` and events `made_*`, `flush_*`, `signal_*` of [`super::rings`]; `at_*` of
/// [`super::bus`]; `w_*` to [`super::channel`], which is `drained` when it holds nothing; `busy`, `idle`.
pub fn complete(s: Shape) -> Module {
    let m = Module::new("host_complete");
    m.sync();
    let n = s.rings();
    let e = |name: &str, width: u32| m.input(&format!("e_{name}"), width);
    let (e_ring, e_made, e_size) = (e("ring", 3), e("made", 16), e("size", 4));
    let error = m.input("error", 1);

    // Taking entries in.
    let rec = |i: u32, name: &str, width: u32| m.input(&format!("rec{i}_{name}"), width);
    let valid: Vec<E> = (0..2).map(|i| rec(i, "valid", 1)).collect();
    let rings: Vec<E> = (0..2).map(|i| rec(i, "ring", 3)).collect();
    let parts: Vec<E> = (0..2).map(|i| rec(i, "part", 2)).collect();
    let datas: Vec<E> = (0..2).map(|i| rec(i, "data", 64)).collect();
    let (urgent, fail) = (rec(1, "urgent", 1), rec(1, "fail", 1));
    let inward = m.reg("inward", 2, 0);
    let (rest, seek, take) = (0, 1, 2);
    let (from, avoids) = (m.reg_nr("from", 1), m.reg("avoids", 1, 0));
    let (place_in, made_in) = (m.reg_nr("place_in", 2), m.reg_nr("made_in", 16));
    let size_in = m.reg_nr("size_in", 4);
    let ring_in = m.named("ring_in", pick(&from, &rings));
    let part_in = m.named("part_in", pick(&from, &parts));
    let made_settling = m.input("made_settling", 1);
    let taking = m.named("taking", inward.eq(take));
    let whole = m.named("whole", &taking & part_in.all());
    let choice = m.named("choice", !&valid[0] | (&avoids & &valid[1]));
    let space = e("space", 1);
    m.process(|p| {
        p.switch(&inward, |s| {
            s.case(rest, |p| {
                p.set(&from, &choice);
                p.set(&avoids, false);
                p.if_((&valid[0] | &valid[1]) & !&made_settling, |p| {
                    p.set(&inward, seek)
                });
            });
            s.case(seek, |p| {
                p.set(&place_in, e_made.slice(0, 2));
                p.set(&made_in, &e_made);
                p.set(&size_in, &e_size);
                p.if_(e_ring.eq(&ring_in), |p| {
                    p.set(&inward, mux(&space, lit(2, take), lit(2, rest)));
                    p.set(&avoids, !&space & !&from);
                });
            });
            s.default(|p| p.if_(&whole, |p| p.set(&inward, rest)));
        });
    });
    m.output_of("rec0_ready", &taking & !&from);
    m.output_of("rec1_ready", &taking & &from);
    m.output_of("made_valid", &whole);
    m.output_of("made_ring", &ring_in);
    m.output_of("made_urgent", &from & &urgent);
    m.output_of("made_fail", &from & &fail);
    let data_in = m.named("data_in", pick(&from, &datas));
    // The last double word is the same for all kinds of entries.
    let high = mux(
        part_in.all(),
        last_word(&made_in, &size_in),
        data_in.slice(32, 32),
    );

    let ring = m.reg("ring", 3, 0);
    let state = m.reg("state", 3, 0);
    let (look, queue, write, locate, head, signal, fault, leave) = (0, 1, 2, 3, 4, 5, 6, 7);
    let (count, first) = (m.reg_nr("count", 3), m.reg_nr("first_entry", 32));
    let size = m.reg_nr("size_q", 4);
    let (place, step) = (m.reg_nr("place", 4), m.reg_nr("step", 2));
    let w_ready = m.input("w_ready", 1);
    let r = m.inst("entries", &ram::block(64, 128));
    r.drive("we", &taking)
        .drive("waddr", cat(&[ring_in.clone(), place_in, part_in]))
        .drive("wdata", cat(&[high, data_in.slice(0, 32)]))
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

    let settling = any_of(
        1,
        &[m.input("flush_settling", 1), m.input("signal_settling", 1)],
    );
    let settling = m.named("settling", settling);
    let turn = m.named("turn", state.eq(look) & !&settling & e_ring.eq(&ring));
    let (e_write, e_due) = (e("write", 1), e("due", 1));
    let broken = m.reg("broken", 1, 0);
    let offered = m.named("offered", step.eq(2));
    let last_entry = place.slice(2, 2).eq((&count - 1).slice(0, 2));
    let last_word = m.named("last_word", last_entry & place.slice(0, 2).all());
    let in_write = m.named("in_write", state.eq(write));
    let wrote = m.named("wrote", &in_write & &offered & &w_ready & &last_word);
    let located = m.named("located", step.eq(LATENCY));
    let comes = m.named("comes", step.eq(LATENCY - 1));
    let (grant, wants) = (m.input("at_grant", 1), m.reg("wants", 1, 0));
    let at = m.reg_nr("at", 64);
    let given = m.input("at_address", 64);
    let has_head = m.delay("has_head", &at.any());
    let drained = m.input("drained", 1);
    let next = mux(ring.eq(n as u64 - 1), lit(3, 0), &ring + 1);
    let next = m.named("next_ring", next);
    // The address of what is written: asked for, then awaited.
    let waits = m.named("waits", state.eq(queue) | state.eq(locate));
    m.process(|p| {
        p.if_(&grant, |p| p.set(&wants, false));
        p.if_(&waits & !&wants, |p| p.set(&step, &step + 1));
        p.if_(&error, |p| p.set(&broken, true));
        p.switch(&state, |s| {
            s.case(look, |p| {
                p.set(&count, e("count", 3));
                p.set(&first, e("first", 32));
                p.set(&size, &e_size);
                p.set(&place, 0);
                p.set(&step, 0);
                // The vector, in case that one is raised next.
                let raised = mux(&broken, lit(4, vector::ERROR.into()), ring.zext(4));
                p.set(&at, raised.zext(64));
                p.if_(&turn, |p| {
                    p.if_(&broken, |p| p.set(&state, fault));
                    p.elif(&e_write, |p| {
                        p.set(&wants, true);
                        p.set(&state, queue);
                    });
                    p.elif(&e_due, |p| p.set(&state, signal));
                    p.else_(|p| p.set(&ring, &next));
                });
            });
            s.case(queue, |p| {
                p.if_(&comes, |p| p.set(&at, &given));
                p.if_(&located, |p| {
                    p.set(&step, 0);
                    p.set(&state, write);
                });
            });
            s.case(write, |p| {
                p.if_(!&offered, |p| p.set(&step, &step + 1));
                p.elif(&w_ready, |p| {
                    p.set(&step, 0);
                    p.set(&place, &place + 1);
                    p.if_(&last_word, |p| {
                        p.set(&wants, true);
                        p.set(&first, &first + count.zext(32));
                        p.set(&state, locate);
                    });
                });
            });
            s.case(locate, |p| {
                p.if_(&comes, |p| p.set(&at, &given));
                p.if_(&located, |p| p.set(&state, head));
            });
            s.case(head, |p| {
                p.if_(!&has_head | &w_ready, |p| p.set(&state, leave))
            });
            s.case(signal, |p| p.if_(&w_ready, |p| p.set(&state, leave)));
            s.case(fault, |p| {
                p.if_(&w_ready, |p| {
                    p.set(&broken, &error);
                    p.set(&state, leave);
                })
            });
            // A ring that is given up keeps the card from its memory only when the last word has left.
            s.default(|p| p.if_(&drained, |p| p.set(&state, look)));
        });
    });
    m.output_of("at_want", &wants);
    m.output_of("at_ring", &ring);
    m.output_of(
        "at_word",
        mux(state.eq(queue), lit(2, COMPLETIONS), lit(2, HEAD)),
    );
    m.output_of("at_index", first.slice(0, 16));
    m.output_of("at_size", &size);
    let is = |k: u64| state.eq(k);
    let raises = m.named("raises", is(signal) | is(fault));
    m.output_of("flush_valid", &wrote);
    m.output_of("flush_ring", &ring);
    m.output_of("flush_count", &count);
    m.output_of("signal_valid", is(signal) & &w_ready);
    m.output_of("signal_ring", &ring);

    m.output_of(
        "w_valid",
        any_of(
            1,
            &[&in_write & &offered, is(head) & &has_head, raises.clone()],
        ),
    );
    m.output_of("w_data", mux(&in_write, &entry, first.zext(64)));
    m.output_of("w_sop", !&in_write | place.is_zero());
    m.output_of("w_eop", !&in_write | &last_word);
    m.output_of("w_addr", &at);
    m.output_of("w_len", mux(&in_write, count.zext(14).shl(5), lit(14, 4)));
    m.output_of("w_irq", &raises);
    let engaged = m.named("engaged", state.ne(look) | &settling);
    m.output_of("busy", ring.decode(n) & engaged.repl(n));
    let idle = m.output_reg("idle", 1, 0);
    let any = any_of(
        1,
        &[
            broken,
            error,
            valid[0].clone(),
            valid[1].clone(),
            inward.ne(rest),
            state.ne(look),
            settling,
        ],
    );
    m.assign(&idle, !any);
    m
}

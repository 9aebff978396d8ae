//! Receive: frames from the switch to buffers of the host.
//!
//! A frame needs a submission and room for its completion. If the host has made submissions that are on their way, the frame waits up to
//! [`WAIT`] cycles for them; otherwise, and once it has waited in vain, frames are dropped and counted (NO_BUFFER). If the link
//! makes no progress for [`STALL`] cycles in mid-frame, the rest of the transfer is filled with zeros as soon as the link takes them, the
//! frame counts as dropped, and its submission serves the next frame; meanwhile what comes is dropped and counted. So the switch's
//! buffer is never blocked by the host: neither by a link that stands still nor by a bus master that is off.
//!
//! A frame longer than its buffer is cut off: status TRUNCATED, LENGTH is what was written. `flr` (a function-level reset) may
//! come in mid-frame: the rest of that frame is dropped. A reset of the switch may leave a frame without its end: the `sop` of the next
//! frame, or [`STALL`] cycles without a beat, end it; it counts as dropped. A beat without `sop` outside a frame is swallowed.
//!
//! One beat is held here, so that `out_ready` comes from registers; a beat each two cycles, more than [`super::channel`] takes.
//!
//! Steering (register STEERING): a frame goes to the ring of its source port, a trap to a ring of its own if the host wants that; a ring
//! that does not run stands for ring 0, and if that does not run either the frame is dropped and counted there.
//!
//! Cost of a frame: up to 14 cycles until its ring has been looked at, 3 a beat, up to 24 for the completion; of a frame that is dropped: 4 and
//! 2 a beat. Two block RAMs. Tests: `tests/host.rs`, `tests/host_switch.rs`.

use super::{STALL, Shape, WAIT};
use crate::meta;
use crate::rtl::{E, Module, Proc, all_of, any_of, cat, lit, mux, pick, ram};
use smartnic_regs::ring::completion as c;
use smartnic_regs::values::reason;

/// The receive engine. Ports: `out_*` of the buffer; `e_*`, `running`, `made_settling`, `missed` with
/// `missed_ring` of [`super::rings`]; `steer_*` of [`super::bus`]; `desc_*` of [`super::fetch`]; `w_*` to [`super::channel`], which is `drained` when it holds nothing;
/// `rec_*` to [`super::complete`]; `delivered`; `now`, `flr`, `busy`, `idle`.
pub fn receive(s: Shape) -> Module {
    let m = Module::new("host_receive");
    m.sync();
    let (n, q) = (s.rings(), s.queues);
    let flr = m.input("flr", 1);
    // One beat is held. The next frame's first beat, and with it its metadata, comes in when this frame is recorded.
    let state = m.reg("state", 4, 0);
    let (idle, load, start, body, fill, rest, record, drop, choose) = (0, 1, 2, 3, 4, 5, 6, 7, 8);
    m.input("out_keep", 8);
    let ended = m.reg_nr("ended", 1);
    let full = m.reg("full", 1, 0);
    let (data, sop, eop) = (m.reg_nr("data", 64), m.reg_nr("sop", 1), m.reg_nr("eop", 1));
    let (frame, source) = (m.reg_nr("frame", meta::width()), m.reg_nr("source", 4));
    let (class, length) = (m.reg_nr("frame_class", 3), m.reg_nr("length", 14));
    // The states that decide about a word have a register each.
    let [in_body, in_fill, in_rest, in_drop] =
        ["in_body", "in_fill", "in_rest", "in_drop"].map(|name| m.reg(name, 1, 0));
    let go = |p: &mut Proc, to: E| {
        for (flag, of) in [
            (&in_body, body),
            (&in_fill, fill),
            (&in_rest, rest),
            (&in_drop, drop),
        ] {
            p.set(flag, to.eq(of));
        }
        p.set(&state, to);
    };
    let to = |of: u64| lit(4, of);
    let holds = state.eq(record) | (&in_rest & &ended);
    let out_ready = m.named("out_ready_i", !&full & !holds);
    m.output_of("out_ready", &out_ready);
    let sop_in = m.input("out_sop", 1);
    let valid = m.input("out_valid", 1);
    let comes = m.named("beat_comes", &valid & &out_ready);
    for (held, name) in [(&data, "data"), (&eop, "eop")] {
        let e = m.input(&format!("out_{name}"), held.width());
        m.process(|p| p.if_(&comes, |p| p.set(held, e)));
    }
    m.process(|p| p.if_(&comes, |p| p.set(&sop, &sop_in)));
    let begins = m.named("frame_comes", &comes & &sop_in);
    for (held, name) in [
        (&frame, "meta"),
        (&source, "source"),
        (&class, "class"),
        (&length, "length"),
    ] {
        let e = m.input(&format!("out_{name}"), held.width());
        m.process(|p| p.if_(&begins, |p| p.set(held, e)));
    }
    let now = m.input("now", 64);

    // Steering: which ring takes the frame.
    let why = meta::field(&frame, "reason");
    let trap = (why.ne(u64::from(reason::LOCAL)) & why.ne(u64::from(reason::FLOOD)))
        & m.input("steer_traps", 1);
    let by_source = m.input("steer_source", 16);
    let by_source = pick(
        &source,
        &(0..9)
            .map(|p| {
                if p < 8 {
                    by_source.slice(2 * p, 2)
                } else {
                    lit(2, 0)
                }
            })
            .collect::<Vec<_>>(),
    );
    let trap_ring = m.input("steer_trap_ring", 2);
    let wanted = m.named("wanted", mux(&trap, &trap_ring, &by_source));
    let (ring, busy_ring) = (m.reg("ring", 2, 0), m.reg_nr("busy_ring", 2));
    let running = m.input("running", s.rings()).slice(0, q).zext(4);
    let runs = m.named("runs", running.bit_at(&ring));
    let e = |name: &str, width: u32| m.input(&format!("e_{name}"), width);
    let (able, coming) = (e("take", 1) & e("space", 1), e("coming", 1));
    let (e_ring, e_taken) = (e("ring", 3), e("taken", 3));
    let taken = m.reg_nr("taken", 3);
    // What was recorded is seen, and the last word of the frame before has left.
    let lingers = m.reg("lingers", 1, 0);
    let clear = !m.input("made_settling", 1) & !&lingers;
    let turn = m.named("turn", e_ring.eq(ring.zext(3)));

    // The submission.
    let r = m.inst("submissions", &ram::block(64, (q as u64 * 16).max(2)));
    let desc_ring = m.input("desc_ring", 3);
    let wide = crate::rtl::bits_for((q as u64 * 16).max(2));
    let place = cat([&desc_ring, &m.input("desc_place", 4)]);
    let step = m.reg_nr("step", 2);
    let raddr = cat([&ring, &taken, &step.bit(0)]);
    r.drive("we", m.input("desc_valid", 1) & desc_ring.lt(q as u64))
        .drive("waddr", place.slice(0, wide))
        .drive("wdata", m.input("desc_data", 64))
        .drive("ren", true)
        .drive("raddr", raddr.slice(0, wide));
    let fetched = m.delay("fetched_q", &r.port("rdata"));

    let (at, space) = (m.reg_nr("at", 64), m.reg_nr("space", 16));
    let cookie = m.reg_nr("cookie", 32);
    let (bytes, left, cut) = (
        m.reg_nr("bytes", 14),
        m.reg_nr("left", 14),
        m.reg_nr("cut", 1),
    );
    let (first, lost) = (m.reg_nr("first", 1), m.reg_nr("lost", 1));
    let inside = m.reg("in_frame", 1, 0);
    const { assert!(WAIT == 1 << 9 && STALL == 1 << 10, "the counters' top bits") };
    let (wait, stall) = (m.reg_nr("wait_count", 10), m.reg("stall", 11, 0));
    // Rings for which a frame has waited in vain.
    let starved = m.reg("starved", 4, 0);
    let starves = m.named("starves", starved.bit_at(&ring));
    let w_ready = m.input("w_ready", 1);
    let stalled = m.named("stalled", stall.bit(10));
    // A frame that begins in the middle of another: the switch was reset.
    let fresh = m.named("fresh", &full & &sop & &inside);
    let offers = m.named("offers", &in_body & &full & !&fresh);
    let gives = m.named("gives", &w_ready & (&offers | &in_fill));
    // While a transfer is filled up, the next frame waits, but not for a link that stands still.
    let drains = any_of(
        1,
        &[
            &in_drop & !&fresh,
            &in_rest & !&ended & !&lost & !&fresh,
            &in_fill & (!&sop | &stalled),
            state.eq(idle) & !&sop,
        ],
    );
    let moves = m.named("moves", &full & ((&offers & &w_ready) | drains));
    let last = m.named("last_beat", left.le(8));
    let rec_ready = m.input("rec_ready", 1);
    let part = m.reg_nr("part", 2);
    let recorded = m.named("recorded", state.eq(record) & &rec_ready & part.all());
    let misses = m.reg("misses", 1, 0);
    let goes_on = mux(&moves, !&eop, &inside & !&fresh);
    let goes_on = m.named("goes_on", goes_on);
    let over = m.named("over", &moves & &eop);
    m.process(|p| {
        p.if_(&comes, |p| p.set(&full, true));
        p.elif(&moves, |p| p.set(&full, false));
        p.set(&misses, false);
        p.set(&inside, &goes_on & state.ne(idle));
        let waits = ((&in_body | &in_fill) & !&gives) | (&in_rest & !&full & !&ended);
        p.if_(waits, |p| p.if_(!&stalled, |p| p.set(&stall, &stall + 1)));
        p.else_(|p| p.set(&stall, 0));
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&step, 0);
                p.set(&lost, false);
                p.set(&first, true);
                p.set(&ended, false);
                p.set(&part, 0);
                p.set(&wait, 0);
                p.if_(&full & &sop, |p| {
                    p.set(&ring, &wanted);
                    go(p, to(choose));
                });
            });
            s.case(choose, |p| {
                p.set(&taken, &e_taken);
                p.set(&wait, &wait + 1);
                p.if_(!&runs, |p| {
                    p.set(&ring, 0);
                    p.if_(ring.is_zero(), |p| {
                        p.set(&misses, true);
                        go(p, to(drop));
                    });
                });
                p.elif(&turn, |p| {
                    p.set_slice_at(&starved, &ring, &(&starves & &coming));
                    p.if_(&able & &clear, |p| {
                        p.set(&busy_ring, &ring);
                        p.set_slice_at(&starved, &ring, &lit(1, 0));
                        go(p, to(load));
                    });
                    p.elif(!&coming | &starves | wait.bit(9), |p| {
                        p.set_slice_at(&starved, &ring, &coming);
                        p.set(&misses, true);
                        go(p, to(drop));
                    });
                });
            });
            s.case(load, |p| {
                p.set(&step, &step + 1);
                p.if_(step.eq(2), |p| p.set(&at, &fetched));
                p.if_(step.eq(3), |p| {
                    p.set(&space, fetched.slice(0, 16));
                    p.set(&cookie, fetched.slice(32, 32));
                    go(p, to(start));
                });
            });
            s.case(start, |p| {
                let short = space.lt(length.zext(16));
                let n = mux(&short, space.slice(0, 14), &length);
                p.set(&cut, &short);
                p.set(&bytes, &n);
                p.set(&left, &n);
                let some = space.any() & length.any();
                go(p, mux(some, to(body), to(rest)));
            });
            s.case(body, |p| {
                p.if_(&gives, |p| {
                    p.set(&first, false);
                    p.set(&left, &left - 8);
                    p.set(&ended, &eop);
                    p.if_(&last, |p| go(p, to(rest)));
                    // The frame is shorter than was said: it cannot be trusted.
                    p.elif(&eop, |p| {
                        p.set(&lost, true);
                        go(p, to(fill));
                    });
                });
                p.elif(&stalled | &fresh, |p| {
                    p.set(&lost, true);
                    go(p, to(fill));
                });
            });
            s.case(fill, |p| {
                // Frames that come meanwhile are dropped.
                p.if_(&moves & &sop, |p| p.set(&misses, true));
                p.if_(&gives, |p| {
                    p.set(&first, false);
                    p.set(&left, &left - 8);
                    p.if_(&last, |p| go(p, to(rest)));
                });
            });
            s.case(rest, |p| {
                p.if_(&lost | &fresh | &stalled, |p| {
                    p.set(&misses, true);
                    go(p, mux(&goes_on, to(drop), to(idle)));
                });
                p.elif(&ended | &over, |p| go(p, to(record)));
            });
            s.case(record, |p| {
                p.if_(&rec_ready, |p| {
                    p.set(&part, &part + 1);
                    p.if_(part.all(), |p| go(p, to(idle)));
                });
            });
            s.default(|p| p.if_(&over | &fresh, |p| go(p, to(idle))));
        });
        p.if_(&flr, |p| {
            go(p, mux(&goes_on, to(drop), to(idle)));
            p.set(&starved, 0);
        });
    });
    m.output_of("w_valid", &offers | &in_fill);
    m.output_of("w_data", mux(&in_body, &data, lit(64, 0)));
    m.output_of("w_sop", &first);
    m.output_of("w_eop", &last);
    m.output_of("w_addr", &at);
    m.output_of("w_len", &bytes);
    m.output_of("w_irq", false);

    // The completion.
    let f = |name: &str| meta::field(&frame, name);
    let status = mux(&cut, lit(8, c::TRUNCATED.into()), lit(8, c::OK.into()));
    let stamp = f("timestamp");
    let wrapped = now.slice(0, 32).lt(&stamp);
    let high = m.delay("stamp_high", &(now.slice(32, 32) - wrapped.zext(32)));
    let words = [
        cat(&[
            lit(8, c::RECEIVE.into()),
            status,
            lit(2, 0),
            bytes.clone(),
            cookie,
        ]),
        cat(&[
            f("hash"),
            lit(7, 0),
            f("tagged"),
            lit(5, 0),
            class,
            f("reason"),
            lit(4, 0),
            source,
        ]),
        cat(&[stamp, lit(4, 0), f("fid"), f("tci")]),
        high.zext(64),
    ];
    m.output_of("rec_valid", state.eq(record));
    m.output_of("rec_ring", ring.zext(3));
    m.output_of("rec_part", &part);
    m.output_of("rec_data", pick(&part, &words));
    m.output_of("missed", &misses);
    m.output_of("missed_ring", &ring);
    m.output_of("delivered", &recorded);
    m.output_of("delivered_bytes", &length);
    // The ring's memory is in use until the last word has left.
    let drained = m.input("drained", 1);
    m.process(|p| {
        p.if_(&gives, |p| p.set(&lingers, true));
        p.elif(&drained, |p| p.set(&lingers, false));
    });
    let uses = !(state.eq(idle) | state.eq(choose) | state.eq(drop)) | &lingers;
    let uses = m.named("uses", uses);
    m.output_of("busy", busy_ring.zext(3).decode(n) & uses.repl(n));
    // What is left of a frame may never come.
    let quiet = m.output_reg("idle", 1, 0);
    let rests = state.eq(idle) | state.eq(drop);
    m.assign(&quiet, all_of(&[rests, !&full, !&valid, !&misses]));
    m
}

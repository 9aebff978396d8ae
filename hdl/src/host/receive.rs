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
//! All frames go to ring 0. Cost of a frame: 8 cycles besides its beats, 4 for the completion. Two block RAMs. Tests: `tests/host.rs`,
//! `tests/host_switch.rs`.

use super::{STALL, Shape, WAIT, word};
use crate::meta;
use crate::rtl::{E, Module, all_of, any_of, cat, lit, mux, pick, ram};
use smartnic_regs::ring::{VERSION, completion as c};

/// The receive engine. Ports: `out_*` of the buffer; pointers of [`super::rings`]; `desc_*` of [`super::fetch`]; `w_*` to [`super::channel`]; `rec_*` to
/// [`super::complete`]; `rx_take`, `rx_made`, `no_buffer` (a bit for each ring); `now`, `flr`, `busy`, `idle`.
pub fn receive(s: Shape) -> Module {
    let m = Module::new("host_receive");
    m.sync();
    let (n, q) = (s.rings(), s.queues);
    let flr = m.input("flr", 1);
    // One beat is held. The next frame's first beat, and with it its metadata, comes in when this frame is recorded.
    let state = m.reg("state", 4, 0);
    let (idle, load, start, body, fill, rest, record, drop) = (0, 1, 2, 3, 4, 5, 6, 7);
    m.input("out_keep", 8);
    let ended = m.reg_nr("ended", 1);
    let full = m.reg("full", 1, 0);
    let (data, sop, eop) = (m.reg_nr("data", 64), m.reg_nr("sop", 1), m.reg_nr("eop", 1));
    let (frame, source) = (m.reg_nr("frame", meta::width()), m.reg_nr("source", 4));
    let (class, length) = (m.reg_nr("frame_class", 3), m.reg_nr("length", 14));
    let holds = state.eq(record) | (state.eq(rest) & &ended);
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
    let ring = lit(3, 0);
    let of = |name: &str, width: u32| word(&m.input(name, width * n), &ring, width);
    let (running, stopped) = (of("running", 1), of("stopped", 1));
    let (tail, taken, filled) = (of("tail", 16), of("taken", 16), of("filled", 4));
    let (made, cq_head) = (of("made", 32), of("cq_head", 16));
    let (written, size) = (of("written", 3), of("size", 4));
    let used = made.slice(0, 16) - &cq_head;
    let room = m.reg_nr("room", 1);
    m.assign(&room, used.lt(lit(16, 1).shl_by(&size)));
    let batch_room = (made.slice(0, 3) - &written).lt(super::BATCH as u64);
    let here = filled.ne(taken.slice(0, 4));
    let able = m.reg("able", 1, 0);
    // `able` is that of a settled state: it is cleared while a frame is under way, two cycles before it is used again.
    let calm = m.reg("calm", 2, 0);
    m.assign(&calm, cat([&calm.bit(0), &state.eq(idle)]));
    m.assign(
        &able,
        &running & !&stopped & &here & &room & &batch_room & calm.bit(1),
    );
    let coming = m.reg("coming", 1, 0);
    m.assign(&coming, &running & !&stopped & tail.ne(&taken) & &room);
    let judged = m.named("judged", calm.all());

    // The submission.
    let r = m.inst("submissions", &ram::block(64, (q as u64 * 16).max(2)));
    let desc_ring = m.input("desc_ring", 3);
    let wide = crate::rtl::bits_for((q as u64 * 16).max(2));
    let place = cat([&desc_ring, &m.input("desc_place", 4)]);
    let step = m.reg_nr("step", 2);
    let raddr = cat([&ring, &taken.slice(0, 3), &step.bit(0)]);
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
    let (wait, stall) = (m.reg("wait_count", 10, 0), m.reg("stall", 11, 0));
    let starved = m.reg("starved", 1, 0);
    let w_ready = m.input("w_ready", 1);
    let in_body = m.named("in_body", state.eq(body));
    let in_fill = m.named("in_fill", state.eq(fill));
    let in_rest = m.named("in_rest", state.eq(rest));
    let stalled = m.named("stalled", stall.bit(10));
    // A frame that begins in the middle of another: the switch was reset.
    let fresh = m.named("fresh", &full & &sop & &inside);
    let offers = m.named("offers", &in_body & &full & !&fresh);
    let gives = m.named("gives", &w_ready & (&offers | &in_fill));
    // While a transfer is filled up, the next frame waits, but not for a link that stands still.
    let drains = any_of(
        1,
        &[
            state.eq(drop) & !&fresh,
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
                p.if_(!&coming, |p| p.set(&starved, false));
                p.if_(&full & &sop & &judged, |p| {
                    p.if_(&able, |p| {
                        p.set(&state, load);
                        p.set(&starved, false);
                        p.set(&wait, 0);
                    });
                    p.elif(&coming & !&starved & !wait.bit(9), |p| {
                        p.set(&wait, &wait + 1)
                    });
                    p.else_(|p| {
                        p.set(&wait, 0);
                        p.set(&starved, true);
                        p.set(&misses, true);
                        p.set(&state, drop);
                    });
                });
            });
            s.case(load, |p| {
                p.set(&step, &step + 1);
                p.if_(step.eq(2), |p| p.set(&at, &fetched));
                p.if_(step.eq(3), |p| {
                    p.set(&space, fetched.slice(0, 16));
                    p.set(&cookie, fetched.slice(32, 32));
                    p.set(&state, start);
                });
            });
            s.case(start, |p| {
                let short = space.lt(length.zext(16));
                let n = mux(&short, space.slice(0, 14), &length);
                p.set(&cut, &short);
                p.set(&bytes, &n);
                p.set(&left, &n);
                p.set(&state, mux(n.any(), lit(4, body), lit(4, rest)));
            });
            s.case(body, |p| {
                p.if_(&gives, |p| {
                    p.set(&first, false);
                    p.set(&left, &left - 8);
                    p.set(&ended, &eop);
                    p.if_(&last, |p| p.set(&state, rest));
                    // The frame is shorter than was said: it cannot be trusted.
                    p.elif(&eop, |p| {
                        p.set(&lost, true);
                        p.set(&state, fill);
                    });
                });
                p.elif(&stalled | &fresh, |p| {
                    p.set(&lost, true);
                    p.set(&state, fill);
                });
            });
            s.case(fill, |p| {
                // Frames that come meanwhile are dropped.
                p.if_(&moves & &sop, |p| p.set(&misses, true));
                p.if_(&gives, |p| {
                    p.set(&first, false);
                    p.set(&left, &left - 8);
                    p.if_(&last, |p| p.set(&state, rest));
                });
            });
            s.case(rest, |p| {
                p.if_(&lost | &fresh | &stalled, |p| {
                    p.set(&misses, true);
                    p.set(&state, mux(&goes_on, lit(4, drop), lit(4, idle)));
                });
                p.elif(&ended | &over, |p| p.set(&state, record));
            });
            s.case(record, |p| {
                p.if_(&rec_ready, |p| {
                    p.set(&part, &part + 1);
                    p.if_(part.all(), |p| p.set(&state, idle));
                });
            });
            s.default(|p| p.if_(&over | &fresh, |p| p.set(&state, idle)));
        });
        p.if_(&flr, |p| {
            p.set(&state, mux(&goes_on, lit(4, drop), lit(4, idle)));
            p.set(&starved, false);
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
        cat(&[last_word(&made, &size), high]),
    ];
    m.output_of("rec_valid", state.eq(record));
    m.output_of("rec_ring", &ring);
    m.output_of("rec_part", &part);
    m.output_of("rec_data", pick(&part, &words));
    let once = |e: &E| mux(e, lit(q, 1), lit(q, 0));
    m.output_of("rx_take", once(&recorded));
    m.output_of("rx_made", once(&recorded));
    m.output_of("no_buffer", once(&misses));
    m.output_of("delivered", &recorded);
    m.output_of("delivered_bytes", &length);
    m.output_of("busy", mux(state.eq(idle), lit(n, 0), lit(n, 1)));
    // What is left of a frame may never come.
    let quiet = m.output_reg("idle", 1, 0);
    let rests = state.eq(idle) | state.eq(drop);
    m.assign(&quiet, all_of(&[rests, !&full, !&valid, !&misses]));
    m
}

/// DW7 of a completion: head after it, version, phase.
pub(crate) fn last_word(made: &E, size: &E) -> E {
    let phase = !made.slice(0, 16).bit_at(size);
    let head = made.slice(0, 16) + 1;
    cat(&[phase, lit(3, 0), lit(4, VERSION.into()), lit(8, 0), head])
}

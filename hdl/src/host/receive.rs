//! Receive: frames from the switch to buffers of the host.
//!
//! A frame needs a submission and room for its completion. If the host has made submissions that are on their way, the frame waits up to
//! [`WAIT`] cycles for them; otherwise, and once it has waited in vain, frames are dropped and counted (NO_BUFFER). If the link
//! makes no progress for [`STALL`] cycles in mid-frame, the rest of the transfer is filled with zeros, the frame counts as
//! dropped, and its submission serves the next frame. So the switch's buffer is never blocked by the host.
//!
//! A frame longer than its buffer is cut off: status TRUNCATED, LENGTH is what was written. `flr` (a function-level reset) may
//! come in mid-frame: the rest of that frame is dropped.
//!
//! All frames go to ring 0. Cost of a frame: 8 cycles besides its beats, 4 for the completion. Two block RAMs. Test: `tests/host.rs`.

use super::{STALL, Shape, WAIT, word};
use crate::meta;
use crate::rtl::{E, Module, cat, lit, mux, pick, ram};
use smartnic_regs::ring::{VERSION, completion as c};

/// The receive engine. Ports: `out_*` of the buffer; pointers of [`super::rings`]; `desc_*` of [`super::fetch`]; `w_*` to [`super::channel`]; `rec_*` to
/// [`super::complete`]; `rx_take`, `rx_made`, `no_buffer` (a bit for each ring); `now`, `flr`, `busy`, `idle`.
pub fn receive(s: Shape) -> Module {
    let m = Module::new("host_receive");
    m.sync();
    let (n, q) = (s.rings(), s.queues);
    let flr = m.input("flr", 1);
    let (valid, data) = (m.input("out_valid", 1), m.input("out_data", 64));
    m.input("out_keep", 8);
    let (sop, eop) = (m.input("out_sop", 1), m.input("out_eop", 1));
    let meta_in = m.input("out_meta", meta::width());
    let (length_in, source_in) = (m.input("out_length", 14), m.input("out_source", 4));
    let class_in = m.input("out_class", 3);
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
    let state = m.reg("state", 4, 0);
    let (idle, load, start, body, fill, rest, record, drop) = (0, 1, 2, 3, 4, 5, 6, 7);
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

    let (frame, at) = (m.reg_nr("frame", meta::width()), m.reg_nr("at", 64));
    let (source, class) = (m.reg_nr("source", 4), m.reg_nr("frame_class", 3));
    let (length, space) = (m.reg_nr("length", 14), m.reg_nr("space", 16));
    let cookie = m.reg_nr("cookie", 32);
    let (bytes, left, cut) = (
        m.reg_nr("bytes", 14),
        m.reg_nr("left", 14),
        m.reg_nr("cut", 1),
    );
    let (first, lost) = (m.reg_nr("first", 1), m.reg_nr("lost", 1));
    let (inside, ended) = (m.reg("in_frame", 1, 0), m.reg_nr("ended", 1));
    const { assert!(WAIT == 1 << 9 && STALL == 1 << 10, "the counters' top bits") };
    let (wait, stall) = (m.reg("wait_count", 10, 0), m.reg("stall", 11, 0));
    let starved = m.reg("starved", 1, 0);
    let w_ready = m.input("w_ready", 1);
    let in_body = m.named("in_body", state.eq(body));
    let in_fill = m.named("in_fill", state.eq(fill));
    let takes_body = m.named("takes_body", &in_body & &w_ready);
    let drains = m.named(
        "drains",
        state.eq(drop) | (state.eq(rest) & !&ended) | (&in_fill & &inside),
    );
    let out_ready = m.named("out_ready_i", takes_body | &drains);
    m.output_of("out_ready", &out_ready);
    let moves = m.named("moves", &valid & &out_ready);
    let last = m.named("last_beat", left.le(8));
    let gives = m.named("gives", &w_ready & ((&in_body & &valid) | &in_fill));
    let rec_ready = m.input("rec_ready", 1);
    let part = m.reg_nr("part", 2);
    let recorded = m.named("recorded", state.eq(record) & &rec_ready & part.all());
    let misses = m.reg("misses", 1, 0);
    let gives_up = m.named("gives_up", stall.bit(10));
    m.process(|p| {
        p.set(&misses, false);
        p.if_(&moves, |p| p.set(&inside, !&eop));
        p.if_(&in_body & !&w_ready, |p| p.set(&stall, &stall + 1));
        p.else_(|p| p.set(&stall, 0));
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&step, 0);
                p.set(&lost, false);
                p.set(&first, true);
                p.set(&ended, false);
                p.set(&part, 0);
                p.set(&frame, &meta_in);
                p.set(&source, &source_in);
                p.set(&class, &class_in);
                p.set(&length, &length_in);
                p.if_(!&coming, |p| p.set(&starved, false));
                p.if_(&valid & &judged, |p| {
                    p.if_(!&sop, |p| p.set(&state, drop));
                    p.elif(&able, |p| {
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
                p.if_(&gives_up & !&w_ready, |p| {
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
                p.if_(&lost, |p| {
                    p.set(&misses, true);
                    p.set(
                        &state,
                        mux(&inside & !(&moves & &eop), lit(4, drop), lit(4, idle)),
                    );
                });
                p.elif(&ended | (&moves & &eop), |p| p.set(&state, record));
            });
            s.case(record, |p| {
                p.if_(&rec_ready, |p| {
                    p.set(&part, &part + 1);
                    p.if_(part.all(), |p| p.set(&state, idle));
                });
            });
            s.default(|p| p.if_(&moves & &eop, |p| p.set(&state, idle)));
        });
        p.if_(&flr, |p| {
            p.set(
                &state,
                mux(
                    &inside & !(&moves & &eop) | (&moves & !&eop),
                    lit(4, drop),
                    lit(4, idle),
                ),
            );
            p.set(&starved, false);
        });
    });
    m.output_of("w_valid", (&in_body & &valid) | &in_fill);
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
    m.output_of("busy", mux(state.eq(idle), lit(n, 0), lit(n, 1)));
    let quiet = m.output_reg("idle", 1, 0);
    m.assign(&quiet, state.eq(idle) & !&valid & !&misses);
    m
}

/// DW7 of a completion: head after it, version, phase.
pub(crate) fn last_word(made: &E, size: &E) -> E {
    let phase = !made.slice(0, 16).bit_at(size);
    let head = made.slice(0, 16) + 1;
    cat(&[phase, lit(3, 0), lit(4, VERSION.into()), lit(8, 0), head])
}

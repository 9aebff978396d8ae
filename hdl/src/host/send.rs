//! Transmit, second half: data to beats for the buffer and bytes for the parser, then the completion.
//!
//! One byte a cycle; a beat goes to the buffer when its first byte goes to the parser. A frame whose data cannot be read ends with `eop` and
//! `err` (or does not begin at all), is completed with DMA_ERROR, and its ring is stopped. A function-level reset (`flr`) ends an open
//! frame the same way, without a completion: this module alone is not reset with the rings, because the switch is not either.
//!
//! `direct_*` changes behind the first beat of a frame: after the header of the frame before has left the parser, and before this one can be complete (byte 14).
//! Cost of a frame: its bytes and 7 cycles: 67 for the shortest that a MAC need not pad. Test: `tests/host.rs`.

use super::transmit::KEPT;
use crate::rtl::{E, Module, cat, lit, mux, pick};
use smartnic_regs::ring::completion as c;

/// Sends frames. Ports: `kept_*` of [`super::transmit`], `rdata_*` of DMA client 1, `in_*`, `byte_*`, `direct_*`, `rec_*` to [`super::complete`], `flr`, `now`, `idle`.
pub fn send() -> Module {
    let m = Module::new("host_send");
    m.sync();
    let (flr, now) = (m.input("flr", 1), m.input("now", 64));
    let width: u32 = KEPT.iter().map(|k| k.1).sum();
    let (kept_valid, kept) = (m.input("kept_valid", 1), m.input("kept_data", width));
    let frame = m.reg_nr("frame", width);
    let get = |from: &E, name: &str| {
        let mut lsb = 0;
        for (k, w) in KEPT {
            if *k == name {
                return from.slice(lsb, *w);
            }
            lsb += w;
        }
        panic!("no field {name}")
    };
    let (rv, rd) = (m.input("rdata_valid", 1), m.input("rdata_data", 64));
    let (rk, rl) = (m.input("rdata_keep", 8), m.input("rdata_last", 1));
    let re = m.input("rdata_err", 1);
    let in_ready = m.input("in_ready", 1);
    let in_valid = m.output_reg("in_valid", 1, 0);
    let (in_data, in_keep) = (
        m.output_reg_nr("in_data", 64),
        m.output_reg_nr("in_keep", 8),
    );
    let (in_sop, in_eop) = (m.output_reg_nr("in_sop", 1), m.output_reg_nr("in_eop", 1));
    let in_err = m.output_reg_nr("in_err", 1);

    let state = m.reg("state", 2, 0);
    let (idle, stream, record) = (0, 1, 2);
    let (first, second) = (m.reg_nr("first", 1), m.reg_nr("second", 1));
    let (closing, killed) = (m.reg("closing", 1, 0), m.reg("killed", 1, 0));
    let failed = m.reg_nr("failed", 1);
    let (shift, count) = (m.reg_nr("shift", 64), m.reg("count", 4, 0));
    let bad = m.reg_nr("bad", 1);
    let part = m.reg_nr("part", 2);
    let stamp = m.reg_nr("stamp", 64);
    let rec_ready = m.input("rec_ready", 1);

    // A beat lasts for eight bytes, in which the one before it is taken: no need to hear of it in the same cycle.
    // Beside the state, and the count: there are one or no bytes.
    let (in_stream, runs_out) = (m.reg("in_stream", 1, 0), m.reg("runs_out", 1, 1));
    let wants = m.named("wants", &in_stream & !&closing & &runs_out & !&in_valid);
    let takes = m.named("takes", &wants & !&killed & &rv);
    let unread = m.named("unread", &takes & &re & &first);
    let breaks = m.named("breaks", &wants & !&first & (&killed | (&rv & &re)));
    let beat = m.named("beat", &takes & !&re);
    let gone = m.named("gone", state.eq(stream) & &killed & &first);
    let bytes = count_ones(&rk);
    let ended = m.named("ended", &closing & count.is_zero());
    let (direct, dest) = (
        m.output_reg("direct_valid", 1, 0),
        m.output_reg_nr("direct_dest", 6),
    );
    let class = m.output_reg_nr("direct_class", 3);
    m.output_of("rdata_ready", &wants & !&killed);
    m.output_of("kept_ready", state.eq(idle) & !&flr);
    m.process(|p| {
        p.if_(&in_ready, |p| p.set(&in_valid, false));
        p.if_(count.any(), |p| {
            p.set(&count, &count - 1);
            p.set(&shift, shift.shr(8));
        });
        p.set(&runs_out, count.le(2));
        p.if_(&beat | &breaks, |p| {
            p.set(&in_valid, true);
            p.set(&in_data, mux(&beat, &rd, lit(64, 0)));
            p.set(&in_keep, mux(&beat, &rk, lit(8, 1)));
            p.set(&in_sop, &first);
            p.set(&in_eop, &breaks | &rl);
            p.set(&in_err, &breaks);
            p.set(&shift, mux(&beat, &rd, lit(64, 0)));
            p.set(&runs_out, !&beat | bytes.le(1));
            p.set(&count, mux(&beat, bytes, lit(4, 1)));
            p.set(&bad, &breaks);
            p.set(&closing, &breaks | &rl);
            p.set(&first, false);
            p.set(&second, &first);
        });
        // The header of the frame before has left the parser by now.
        p.if_(&second, |p| {
            p.set(&direct, get(&frame, "direct"));
            p.set(&dest, get(&frame, "dest"));
            p.set(&class, get(&frame, "class"));
        });
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&frame, &kept);
                p.set(&first, true);
                p.set(&second, false);
                p.set(&closing, false);
                p.set(&killed, false);
                p.set(&failed, false);
                p.set(&part, 0);
                p.set(&stamp, &now);
                p.if_(&kept_valid & !&flr, |p| {
                    let fine = get(&kept, "status").eq(u64::from(c::OK));
                    p.set(&in_stream, &fine);
                    p.set(&state, mux(fine, lit(2, stream), lit(2, record)));
                });
            });
            s.case(stream, |p| {
                p.set(&stamp, &now);
                p.if_(&unread | (&breaks & !&killed), |p| p.set(&failed, true));
                p.if_(&unread, |p| p.set(&state, record));
                p.if_(&unread | &ended | &gone, |p| p.set(&in_stream, false));
                p.if_(&ended, |p| {
                    p.set(&state, mux(&killed, lit(2, idle), lit(2, record)))
                });
                p.if_(&flr, |p| p.set(&killed, true));
                p.if_(&gone, |p| p.set(&state, idle));
            });
            s.default(|p| {
                p.if_(&rec_ready, |p| {
                    p.set(&part, &part + 1);
                    p.if_(part.all(), |p| p.set(&state, idle));
                });
                // The reset may have come in the cycle in which the frame ended.
                p.if_(&flr | &killed, |p| p.set(&state, idle));
            });
        });
    });

    // Bytes, a cycle after the shift register.
    let fresh = m.reg_nr("fresh", 1);
    m.process(|p| {
        p.if_((&beat | &breaks) & &first, |p| p.set(&fresh, true));
        p.elif(count.any(), |p| p.set(&fresh, false));
    });
    let byte = |name: &str, value: E| {
        let o = m.output_reg(&format!("byte_{name}"), value.width(), 0);
        m.assign(&o, value);
    };
    let last = m.named("last_byte", &closing & count.eq(1));
    byte("valid", count.any());
    byte("data", shift.slice(0, 8));
    byte("sof", count.any() & &fresh);
    byte("eof", last.clone());
    byte("err", &last & &bad);

    // The completion.
    let ring = m.named("ring", get(&frame, "ring"));
    let status = mux(&failed, lit(8, c::DMA_ERROR.into()), get(&frame, "status"));
    let words = [
        cat(&[
            lit(8, c::TRANSMIT.into()),
            status,
            get(&frame, "length"),
            get(&frame, "cookie"),
        ]),
        cat(&[lit(45, 0), get(&frame, "class"), lit(16, 0)]),
        cat(&[stamp.slice(0, 32), lit(32, 0)]),
        stamp.slice(32, 32).zext(64),
    ];
    m.output_of("rec_valid", state.eq(record) & !&flr & !&killed);
    m.output_of("rec_ring", &ring);
    m.output_of("rec_part", &part);
    m.output_of("rec_data", pick(&part, &words));
    m.output_of("rec_urgent", get(&frame, "urgent"));
    m.output_of("rec_fail", &failed);
    let quiet = m.output_reg("idle", 1, 0);
    m.assign(
        &quiet,
        state.eq(idle) & !&kept_valid & !&in_valid & count.is_zero(),
    );
    m
}

/// How many of the lowest bits of a contiguous keep are set.
fn count_ones(keep: &E) -> E {
    let steps: Vec<(E, E)> = (0..8u32)
        .map(|i| {
            let top = if i == 7 {
                keep.bit(7)
            } else {
                keep.bit(i) & !keep.bit(i + 1)
            };
            (top, lit(4, i as u64 + 1))
        })
        .collect();
    crate::rtl::select_onehot(4, &steps)
}

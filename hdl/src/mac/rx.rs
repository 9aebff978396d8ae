//! Receive: samples to bytes, with preamble, SFD and FCS taken off, and every frame judged (IEEE 802.3-2022 clauses 3, 4.2.9, 31).
//!
//! Algorithm: a frame begins with any number of 0x55 and the SFD 0xD5; after any other byte the carrier is skipped to its end (a
//! receiver that went on looking would find frames inside frames). The last five bytes wait in a shift register, so that at
//! the end of carrier the FCS stays behind and the last data byte is known as such. CRC a byte a cycle.
//!
//! Limits: `max_frame` (taken as 64 to 2,000) counts the FCS and grows by 4 for each of up to two VLAN tags (0x8100 or
//! 0x88A8). A longer frame is cut there (`byte_eof` with `byte_err`) and followed to its end for the counters only.
//!
//! Each carrier that had an SFD counts in exactly one of: RX_OVERFLOW (samples were lost), RX_SYMBOL_ERRORS (RX_ER in
//! it, preamble included), RX_JABBERS, RX_OVERSIZE, RX_FRAGMENTS, RX_UNDERSIZE, RX_FCS_ERRORS, RX_FRAMES. Without SFD only the first
//! two count. The other RX_ counters refer to the frames of RX_FRAMES; good pause frames are among them
//! (multicast) and are given out with `byte_err`. What `enable` cut or kept out counts nowhere.
//!
//! Ports: `sample_valid`, `sample_data[8]`, `sample_dv`, `sample_er`, `sample_overflow`, `sample_down` (as `cdc::gmii_rx` gives them); `enable`
//! (when it falls, a begun frame ends with `byte_err` at once; when it rises, carrier that is up is skipped); `max_frame[14]`;
//! `byte_*`, `pause_valid`, `pause_quanta[16]`, `ev_*`, `idle`.
//!
//! Latency: the sample that ends a frame to `byte_eof` 1 cycle; to `pause_valid` and the increments 2 cycles. Test: `tests/mac_rx.rs`.

use super::{RX_LENGTH_BITS, counter_name, crc};
use crate::rtl::{E, Module, cat, lit, mux, pick};
use smartnic_regs::values::counter as c;

/// The shortest frame, FCS included.
const MIN: u64 = 64;
/// The largest value of `max_frame`.
pub const MAX_FRAME: u64 = 2000;
/// 01:80:C2:00:00:01 (802.3 clause 31B.1).
pub(super) const PAUSE_ADDRESS: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
/// MAC control, opcode PAUSE.
pub(super) const PAUSE_TYPE: [u8; 4] = [0x88, 0x08, 0x00, 0x01];

// States.
const WAIT: u64 = 0; // for carrier, or in the preamble
const DATA: u64 = 1;
const LONG: u64 = 2; // beyond the limit
const SKIP: u64 = 3; // until the carrier ends

/// Receive MAC. See the module.
pub fn mac_rx() -> Module {
    let m = Module::new("mac_rx");
    let valid = m.input("sample_valid", 1);
    let data = m.input("sample_data", 8);
    let sample_dv = m.input("sample_dv", 1);
    let sample_er = m.input("sample_er", 1);
    let sample_overflow = m.input("sample_overflow", 1);
    let down = m.input("sample_down", 1);
    let enable = m.input("enable", 1);
    let max_frame = m.input("max_frame", 14);

    let n = RX_LENGTH_BITS;
    let base = m.reg("base_limit", n, MIN);
    let clamped = mux(
        max_frame.gt(MAX_FRAME),
        lit(n, MAX_FRAME),
        mux(max_frame.lt(MIN), lit(n, MIN), max_frame.trunc(n)),
    );
    m.assign(&base, clamped);

    let state = m.reg("state", 2, WAIT);
    let count = m.reg("count", n, 0); // bytes since the SFD
    let limit = m.reg("limit", n, MIN);
    let fcs = m.reg("fcs", 32, crc::INIT);
    let line = m.reg_nr("line", 40); // the last five bytes, newest lowest
    let begun = m.reg("begun", 1, 0); // byte_sof was given, byte_eof not
    let error = m.reg("error", 1, 0); // RX_ER in this carrier
    let cut = m.reg("cut", 1, 0); // `enable` fell in this carrier

    let on = m.named("on", &enable & !&down);
    let dv = m.named("dv", &valid & &sample_dv);
    let end = m.named("carrier_end", &valid & !&sample_dv);
    let is = |s: u64| state.eq(s);
    let in_data = m.named("in_data", is(DATA));
    let full_line = m.named("full_line", count.ge(5));
    let at_limit = m.named("at_limit", count.ge(&limit));
    let fcs_next = m.named("fcs_next", crc::next(&fcs, &data));
    let good_fcs = m.named("good_fcs", fcs.eq(crc::RESIDUE));
    let oldest = line.slice(32, 8);
    // Tags: the type is complete when its second byte is on the pins.
    let tag = m.named(
        "tag",
        line.slice(0, 8).eq(0x81) & data.eq(0x00) | line.slice(0, 8).eq(0x88) & data.eq(0xa8),
    );
    let outer_tag = m.reg("outer_tag", 1, 0);
    let is_pause = m.reg("is_pause", 1, 0);
    let broadcast = m.reg("broadcast", 1, 0);
    let multicast = m.reg("multicast", 1, 0);
    let quanta = m.reg_nr("quanta", 16);
    let index = m.reg("index", 5, 0); // of the byte, stops at 18

    m.process(|p| {
        p.if_(&dv, |p| {
            p.set(&error, &error | &sample_er);
            p.switch(&state, |s| {
                s.case(WAIT, |p| {
                    p.set(&count, 0);
                    p.set(&limit, &base);
                    p.if_(!&on, |p| {
                        p.set(&state, SKIP);
                        p.set(&cut, true);
                    });
                    p.elif(data.eq(0xd5), |p| p.set(&state, DATA));
                    p.elif(data.ne(0x55), |p| p.set(&state, SKIP));
                });
                s.cases(&[DATA, LONG], |p| {
                    p.if_(&in_data & &at_limit, |p| p.set(&state, LONG));
                    p.else_(|p| p.if_(&in_data, |p| p.set(&count, &count + 1)));
                    p.if_(&tag & index.eq(13), |p| p.set(&limit, &limit + 4));
                    p.if_(&tag & &outer_tag & index.eq(17), |p| {
                        p.set(&limit, &limit + 4)
                    });
                });
            });
        });
        p.if_(&end, |p| {
            p.set(&state, WAIT);
            p.set(&error, false);
            p.set(&cut, false);
        });
        p.if_(!&on & (&in_data | is(LONG)), |p| {
            p.if_(!&end, |p| {
                p.set(&state, SKIP);
                p.set(&cut, true);
            });
        });
        p.if_(&down, |p| {
            p.set(&state, WAIT);
            p.set(&error, false);
            p.set(&cut, false);
        });
    });
    let want = [PAUSE_ADDRESS.as_slice(), &[0; 6], &PAUSE_TYPE].concat();
    let want: Vec<E> = want.iter().map(|b| lit(8, *b as u64)).collect();
    let source = m.named("source", index.ge(6) & index.lt(12));
    m.process(|p| {
        p.if_(is(WAIT), |p| {
            p.set(&fcs, crc::INIT);
            p.set(&index, 0);
            p.set(&outer_tag, false);
            p.set(&is_pause, true);
            p.set(&broadcast, true);
        });
        p.elif(&dv, |p| {
            p.set(&fcs, &fcs_next);
            p.set(&line, cat(&[line.slice(0, 32), data.clone()]));
            p.if_(index.lt(18), |p| p.set(&index, &index + 1));
            p.if_(index.eq(0), |p| p.set(&multicast, data.bit(0)));
            p.if_(index.lt(6) & !data.all(), |p| p.set(&broadcast, false));
            p.if_(
                index.lt(16) & !&source & data.ne(pick(&index, &want)),
                |p| p.set(&is_pause, false),
            );
            p.if_(index.eq(13), |p| p.set(&outer_tag, &tag));
            p.if_(index.eq(16) | index.eq(17), |p| {
                p.set(&quanta, cat(&[quanta.slice(0, 8), data.clone()]))
            });
        });
    });

    // Bytes.
    let runt = m.named("runt", count.lt(MIN));
    let bad = m.named(
        "bad",
        !&good_fcs | &runt | &error | &sample_overflow | &is_pause,
    );
    let out = |name: &str, w: u32| m.output_reg(name, w, 0);
    let (byte_valid, byte_sof, byte_eof, byte_err) = (
        out("byte_valid", 1),
        out("byte_sof", 1),
        out("byte_eof", 1),
        out("byte_err", 1),
    );
    let byte_data = m.output_reg_nr("byte_data", 8);
    m.assign(&byte_data, &oldest);
    // A frame that gave a byte always has five more in the line, whatever ends it.
    let ends = m.named(
        "ends",
        &in_data & &full_line & (&end | (&dv & &at_limit) | (!&on & &begun)),
    );
    let gives = m.named("gives", &in_data & &full_line & &dv & &on);
    let first = m.named("first", !&begun & (&end | &dv));
    let give = m.named("give", (&ends & (&on | &begun)) | &gives);
    m.process(|p| {
        p.set(&byte_valid, &give);
        p.set(&byte_sof, &give & &first);
        p.set(&byte_eof, &ends & &give);
        p.set(&byte_err, &ends & &give & (!&end | !&on | &bad));
        p.if_(&give, |p| p.set(&begun, !&ends));
    });

    // The verdict, one cycle later.
    let fin = m.reg("fin", 1, 0);
    let fin_length = m.reg_nr("fin_length", n);
    let fin_flags = m.reg("fin_flags", 9, 0);
    let counted = in_data.clone() | is(LONG);
    m.process(|p| {
        p.set(&fin, false);
        p.set(&fin_flags, 0);
        p.if_(&end & &on, |p| {
            p.set(&fin, &counted);
            p.set(&fin_length, &count);
            p.set(
                &fin_flags,
                cat(&[
                    sample_er.clone(),                  // 8 false carrier
                    &sample_overflow & !&cut,           // 7 overflow
                    !&sample_overflow & &error & !&cut, // 6 symbol
                    is(LONG),                           // 5
                    runt.clone(),                       // 4
                    good_fcs.clone(),                   // 3
                    is_pause.clone(),                   // 2
                    broadcast.clone(),                  // 1
                    multicast.clone(),                  // 0
                ]),
            );
        });
    });
    verdict(&m, &fin, &fin_length, &fin_flags, &quanta);
    let idle = m.output_reg("idle", 1, 0);
    m.assign(
        &idle,
        is(WAIT) & !&valid & !&fin & !fin_flags.slice(6, 3).any() & !&byte_valid & !&begun,
    );
    m
}

/// Counters and pause, from the facts about a frame that has ended.
fn verdict(m: &Module, fin: &E, length: &E, flags: &E, quanta: &E) {
    let flag = |i: u32| flags.bit(i);
    let whole = m.named("whole", fin & !flag(7) & !flag(6));
    let (long, runt, fcs_ok) = (flag(5), flag(4), flag(3));
    let good = m.named("good", &whole & &fcs_ok & !&long & !&runt);
    let pause = m.named("pause", &good & flag(2));
    events(m, "good", &good, || {
        let mut of = vec![
            (c::RX_FRAMES, lit(1, 1)),
            (c::RX_UNICAST, !flag(0)),
            (c::RX_MULTICAST, flag(0) & !flag(1)),
            (c::RX_BROADCAST, flag(1)),
            (c::RX_PAUSE, flag(2)),
        ];
        of.extend((c::RX_64..).zip(size_classes(length)));
        of
    });
    events(m, "bad", &whole, || {
        vec![
            (c::RX_FCS_ERRORS, !&fcs_ok & !&long & !&runt),
            (c::RX_UNDERSIZE, &fcs_ok & &runt & !&long),
            (c::RX_FRAGMENTS, !&fcs_ok & &runt & !&long),
            (c::RX_OVERSIZE, &fcs_ok & &long),
            (c::RX_JABBERS, !&fcs_ok & &long),
        ]
    });
    let event = |number: u32, value: &E| {
        let o = m.output_reg(&format!("ev_{}", counter_name(number)), 1, 0);
        m.assign(&o, value);
    };
    event(c::RX_SYMBOL_ERRORS, &flag(6));
    event(c::RX_FALSE_CARRIER, &flag(8));
    event(c::RX_OVERFLOW, &flag(7));
    let bytes = m.output_reg("ev_rx_bytes", RX_LENGTH_BITS, 0);
    m.process(|p| {
        p.set(&bytes, 0);
        p.if_(&good, |p| p.set(&bytes, length));
    });
    let valid = m.output_reg("pause_valid", 1, 0);
    m.assign(&valid, &pause);
    let value = m.output_reg_nr("pause_quanta", 16);
    m.assign(&value, quanta);
}

/// Outputs `ev_{counter}`: pulses of one bit, one cycle after `when`, by what is set then. One register for all of them, `events_{name}`, which a
/// simulator clears in one step while nothing happens.
pub(super) fn events(m: &Module, name: &str, when: &E, of: impl FnOnce() -> Vec<(u32, E)>) {
    let of = of();
    let events = m.reg(&format!("events_{name}"), of.len() as u32, 0);
    m.process(|p| {
        p.set(&events, 0);
        p.if_(when, |p| {
            p.set(&events, cat(of.iter().rev().map(|(_, value)| value)))
        });
    });
    for (i, (number, _)) in of.iter().enumerate() {
        m.output_of(
            &format!("ev_{}", counter_name(*number)),
            events.bit(i as u32),
        );
    }
}

/// The seven RMON size classes (64, 65-127, ..., 1,024-1,518, more) of a length that is at least 64.
pub(super) fn size_classes(length: &E) -> Vec<E> {
    let from = |bit: u32| length.slice(bit, length.width() - bit).any();
    let between = |low: u32| from(low) & !from(low + 1);
    let big = length.ge(1519);
    vec![
        length.eq(64),
        between(6) & length.slice(0, 6).any(),
        between(7),
        between(8),
        between(9),
        from(10) & !&big,
        big,
    ]
}

//! TLP receive: takes packets apart, one double word a cycle.
//!
//! Requests (PCIe base specification 2.2.7 to 2.2.8) become entries for [`super::mmio`]: reads and writes of one or two
//! double words in BAR0 or BAR2, and requests that must be answered "unsupported".
//!
//! - A read may enable any bytes (2.2.5): registers are read as whole double words, the answer tells the bytes that were asked for. A read of
//!   one double word without any byte (a flush) touches no register and is answered behind all that came before it.
//! - A write must be of whole double words, as all registers are: one that enables other bytes has no effect and is
//!   reported (`malformed`); one of no bytes at all has no effect and is no error.
//!
//! Completions (2.2.9) are handed to the
//! clients of the DMA read engine: `cpl_hdr` (fields valid), then the data, then `cpl_end`. Messages are dropped.
//!
//! - Protocol: `stall` stops the intake in_bar a cycle; it is raised while the request queue is nearly full.
//! - Timing of a completion: `cpl_hdr` in one cycle, data (`cpl_data_valid`) at the earliest in the next, `cpl_end` after the last
//!   data and at the earliest in the cycle after `cpl_hdr`. Tag, status, byte count and lower address hold until `cpl_end`.
//! - Limits: 4 Gb/s at 125 MHz. A packet whose length disagrees with its header is malformed and has no effect.
//! - Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::{REQ_FLUSH, REQ_READ, REQ_UNSUPPORTED, REQ_WRITE, REQUEST_BITS};
use crate::rtl::{E, Module, cat, lit, mux, pick};

/// Bytes that a request leaves out at its first and its last double word, from the byte enables.
fn edges(first_be: &E, last_be: &E) -> (E, E) {
    let skip = pick(
        first_be,
        &(0..16u64)
            .map(|be| {
                lit(
                    2,
                    if be == 0 {
                        0
                    } else {
                        be.trailing_zeros() as u64
                    },
                )
            })
            .collect::<Vec<_>>(),
    );
    let end_be = mux(last_be.any(), last_be, first_be);
    let trim = pick(
        &end_be,
        &(0..16u64)
            .map(|be| match be {
                0 => lit(2, 3),
                be => lit(2, 3 - be.ilog2() as u64),
            })
            .collect::<Vec<_>>(),
    );
    (skip, trim)
}

/// The receiver. Ports: `tlp_rx_*`, `stall`; `req_valid` with `req_data` (see [`super::REQUEST`]); `cpl_*`; pulses `malformed`, `poisoned`.
pub fn tlp_rx() -> Module {
    let m = Module::new("tlp_rx");
    m.sync();
    let (valid, data) = (m.input("tlp_rx_valid", 1), m.input("tlp_rx_data", 64));
    let (keep, last) = (m.input("tlp_rx_keep", 2), m.input("tlp_rx_last", 1));
    let bar_in = m.input("tlp_rx_bar", 3);
    let stall = m.input("stall", 1);

    // One beat is held and given out in one or two steps.
    let held = m.reg("held", 1, 0);
    let (beat, two, beat_last) = (
        m.reg_nr("beat", 64),
        m.reg_nr("beat_two", 1),
        m.reg_nr("beat_last", 1),
    );
    let (beat_bar, high) = (m.reg_nr("beat_bar", 3), m.reg("high", 1, 0));
    let dv = m.named("dv", &held & !&stall);
    let leaves = m.named("leaves", &dv & (&high | !&two));
    let ready = m.named("ready", !&held | &leaves);
    m.output_of("tlp_rx_ready", &ready);
    m.process(|p| {
        p.if_(&dv, |p| p.set(&high, !&high & &two));
        p.if_(&leaves, |p| p.set(&held, false));
        p.if_(&valid & &ready, |p| {
            p.set(&held, true);
            p.set(&beat, &data);
            p.set(&two, keep.bit(1));
            p.set(&beat_last, &last);
            p.set(&beat_bar, &bar_in);
        });
    });
    let dw = m.named("dw", mux(&high, beat.slice(32, 32), beat.slice(0, 32)));
    let end = m.named("tlp_end", &beat_last & (&high | !&two));

    // Where in the packet: 0 to 3 header double words, 4 payload and digest.
    let at = m.reg("at", 3, 0);
    let (h0, h1, h2) = (m.reg_nr("h0", 32), m.reg_nr("h1", 32), m.reg_nr("h2", 32));
    let (addr, bar) = (m.reg_nr("addr", 32), m.reg_nr("bar", 3));
    let payload = m.reg_nr("payload", 64);
    let second = m.reg_nr("second", 1);
    let left = m.reg_nr("left", 11);
    let (digest, over) = (m.reg_nr("digest", 1), m.reg_nr("over", 1));
    let fin = m.reg("fin", 1, 0);
    let fin_ok = m.reg_nr("fin_ok", 1);

    let four = m.named("four", h0.bit(29));
    let has_data = m.named("has_data", h0.bit(30));
    let kind = h0.slice(24, 5);
    let poison = m.named("poison", h0.bit(14));
    let length = h0.slice(0, 10);
    // Of the first double word, for the verdict.
    let (memory, pair, one) = (
        m.reg_nr("memory", 1),
        m.reg_nr("pair", 1),
        m.reg_nr("one", 1),
    );
    let header_end = m.named("header_end", at.eq(3) | (at.eq(2) & !&four));
    let body = m.named("body", at.eq(4));
    let first_left = mux(
        dw.bit(30),
        cat(&[dw.slice(0, 10).is_zero(), dw.slice(0, 10)]),
        lit(11, 0),
    );
    let last_of_all = m.named(
        "last_of_all",
        mux(
            &body,
            !&over & ((left.eq(1) & !&digest) | (left.is_zero() & &digest)),
            &header_end & left.is_zero() & !&digest,
        ),
    );
    m.process(|p| {
        p.set(&fin, &dv & &end);
        p.set(&fin_ok, &last_of_all);
        p.if_(&dv, |p| {
            p.if_(at.eq(0), |p| {
                p.set(&h0, &dw);
                p.set(&bar, &beat_bar);
                p.set(&memory, dw.slice(24, 5).is_zero() & !dw.bit(31));
                p.set(&pair, dw.slice(0, 10).eq(2));
                p.set(&one, dw.slice(0, 10).eq(1));
                p.set(&left, &first_left);
                p.set(&digest, dw.bit(15));
                p.set(&over, false);
                p.set(&second, false);
            });
            p.if_(at.eq(1), |p| p.set(&h1, &dw));
            p.if_(at.eq(2), |p| p.set(&h2, &dw));
            p.if_(&header_end, |p| p.set(&addr, &dw));
            p.if_(&body, |p| {
                p.if_(left.any(), |p| {
                    p.set(&left, &left - 1);
                    p.set(&second, true);
                    p.if_(&second, |p| p.set_slice(&payload, 32, &dw));
                    p.else_(|p| p.set_slice(&payload, 0, &dw));
                });
                p.elif(&digest, |p| p.set(&digest, false));
                p.else_(|p| p.set(&over, true));
            });
            p.if_(&end, |p| p.set(&at, 0));
            p.elif(&header_end | &body, |p| p.set(&at, 4));
            p.else_(|p| p.set(&at, &at + 1));
        });
    });

    // The verdict, in the cycle in which `fin` is set: the header registers still hold this packet.
    let prefix = h0.bit(31);
    let is = |k: u64| &kind.eq(k) & !&prefix;
    let completion = m.named("completion", is(10) & !&four);
    let message = m.named("message", kind.slice(3, 2).eq(2) & &four & !&prefix);
    let atomic = is(12) | is(13) | is(14);
    let foreign = m.named(
        "foreign",
        (is(1) & !&has_data) | ((is(2) | is(4) | is(5)) & !&four) | (atomic & &has_data),
    );
    let (first_be, last_be) = (h1.slice(0, 4), h1.slice(4, 4));
    let single = m.named("single", &one & last_be.is_zero());
    let whole = first_be.all() & (&single | (&pair & last_be.all()));
    let touches = &single | (&pair & first_be.any() & last_be.any());
    let bar2 = bar.eq(2);
    let crosses = &pair & mux(&bar2, addr.slice(2, 10).all(), addr.slice(2, 14).all());
    let in_bar = m.named("in_bar", (bar.eq(0) | &bar2) & !crosses);
    let nothing = m.named("nothing", &single & first_be.is_zero() & &in_bar);
    let (good_write, good_read) = (
        m.named("good_write", whole & &in_bar),
        m.named("good_read", touches & &in_bar),
    );
    let fine = m.named("fine", &fin & &fin_ok);
    let write = &memory & &has_data;
    let read = &memory & !&has_data;
    let push = m.named(
        "push",
        &fine & ((&write & &good_write & !&poison) | &read | &foreign),
    );
    let (skip, trim) = edges(&first_be, &last_be);
    let bytes = cat(&[length.clone(), lit(2, 0)]) - skip.zext(12) - trim.zext(12);
    // A request that is not memory has no address in its answer (2.2.9): lower address 0, byte count 4.
    let answer = mux(&memory | is(1), cat(&[skip, bytes]), lit(14, 4));
    let low = mux(&memory | is(1), addr.slice(2, 14), lit(14, 0));
    let req_kind = mux(
        &write,
        lit(2, REQ_WRITE),
        mux(
            &read & &good_read,
            mux(&nothing, lit(2, REQ_FLUSH), lit(2, REQ_READ)),
            lit(2, REQ_UNSUPPORTED),
        ),
    );
    let entry = cat(&[
        mux(&write, &payload, answer.zext(64)),
        h0.slice(20, 3),
        h0.slice(12, 2),
        h1.slice(8, 24),
        low,
        pair.clone(),
        bar2,
        is(1),
        req_kind,
    ]);
    assert_eq!(entry.width(), REQUEST_BITS);
    m.output_of("req_valid", &push);
    m.output_of("req_data", &entry);
    let malformed = m.output_reg("malformed", 1, 0);
    let dropped = &fine & &write & !&good_write & !&nothing;
    let unknown = &fine & !(&memory | &completion | &message | &foreign);
    m.assign(&malformed, (&fin & !&fin_ok) | dropped | unknown);
    let poisoned = m.output_reg("poisoned", 1, 0);
    m.assign(
        &poisoned,
        &fine & &poison & &has_data & (&write | &completion),
    );

    m.output_of("busy", &held | &fin | at.any());

    // Completions.
    let hdr = m.output_reg("cpl_hdr", 1, 0);
    m.assign(&hdr, &dv & at.eq(2) & &completion);
    m.output_of("cpl_status", h1.slice(13, 3));
    m.output_of("cpl_bytes", h1.slice(0, 12));
    m.output_of("cpl_requester", h2.slice(16, 16));
    m.output_of("cpl_tag", h2.slice(8, 8));
    m.output_of("cpl_lower", h2.slice(0, 7));
    m.output_of("cpl_dws", &length);
    m.output_of("cpl_has_data", &has_data);
    m.output_of("cpl_poison", &poison);
    let data_valid = m.output_reg("cpl_data_valid", 1, 0);
    m.assign(&data_valid, &dv & &body & left.any() & &completion);
    let data_out = m.output_reg_nr("cpl_data", 32);
    m.assign(&data_out, &dw);
    let cpl_end = m.output_reg("cpl_end", 1, 0);
    m.assign(&cpl_end, &fin & &completion);
    let cpl_ok = m.output_reg_nr("cpl_ok", 1);
    m.assign(&cpl_ok, &fin_ok);
    m
}

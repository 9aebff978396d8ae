//! Transmit: beats to GMII with preamble, SFD, padding to 60, FCS and a gap of 12 (IEEE 802.3-2022 clauses 3, 4.2.8, 35).
//!
//! Algorithm: two beats of input; a machine that makes one byte each `tx_ce`, and a second stage in which the CRC runs beside the byte and the FCS
//! takes its place. A frame starts on its first beat: preamble and beat last `8 + W/8` byte times, and the second beat comes within the
//! `P + 2` cycles that the buffer promises. If a beat is late all the same, the frame ends on the wire with TX_ER and an inverted FCS,
//! counts as TX_UNDERRUN alone, and its remaining beats are thrown away.
//!
//! Between frames a pause frame goes first, also while `paused`: it starts at most one frame and one gap after `pause_request`. Without
//! `enable` a frame that has begun ends as usual; then nothing starts, and the beats that are here stay. While `flush` is set (no link) they do not
//! stay: whatever has not begun on the wire is thrown away, a beat a cycle and each frame to its end, with a pulse of `ev_drop_link_down` for each.
//!
//! Pause frames are counted as TX_PAUSE and like every other multicast frame.
//!
//! Ports: `tx_valid`, `tx_ready`, `tx_data[W]`, `tx_keep[W/8]`, `tx_sop`, `tx_eop`; `tx_ce`; `enable`; `flush`; `paused`; `pause_request`, `pause_quanta[16]`,
//! `pause_addr[48]`, `pause_start` (pulse when the request was taken); `gmii_txd[8]`, `gmii_tx_en`, `gmii_tx_er`; `ev_*`; `idle`.
//!
//! Latency: first `tx_valid` to TX_EN 3 cycles (seen at the pins in the third cycle after; `tx_ce` at 1, gap over). Test: `tests/mac_tx.rs`.

use super::rx::{PAUSE_ADDRESS, PAUSE_TYPE, events as event_outputs, size_classes};
use super::{TX_LENGTH_BITS, counter_name, crc};
use crate::rtl::{E, Module, bits_for, lit, mux, pick};
use smartnic_regs::values::counter as c;

/// Shortest frame without FCS.
const MIN: u64 = 60;
/// Gap in byte times.
const GAP: u64 = 12;
/// Bytes of preamble and SFD.
const PREAMBLE: u64 = 8;

// States: what the current byte time is.
const IDLE: u64 = 0;
const START: u64 = 1;
const DATA: u64 = 2;
const PAD: u64 = 3;
const FCS: u64 = 4;
const REST: u64 = 5;

/// Transmit MAC for beats of `width` bits. See the module.
pub fn mac_tx(width: u32) -> Module {
    let m = Module::new(&format!("mac_tx_{width}"));
    let ce = m.input("tx_ce", 1);
    let enable = m.input("enable", 1);
    let flush = m.input("flush", 1);
    let paused = m.input("paused", 1);
    let pause_request = m.input("pause_request", 1);
    let state = m.reg("state", 3, IDLE);
    let step = m.reg("step", 4, 0); // byte times in START, FCS and REST
    let is_pause = m.reg("is_pause", 1, 0); // the frame on the wire is ours
    let failed = m.reg("failed", 1, 0); // the frame on the wire ran dry
    let drain = m.reg("drain", 1, 0); // beats are being thrown away, up to the end of a frame
    let length = m.reg("length", TX_LENGTH_BITS, 0); // bytes so far
    let is = |s: u64| state.eq(s);

    let use_byte = m.named("use_byte", &ce & is(DATA) & !&is_pause);
    let store = Store::new(&m, width, &use_byte, &drain);
    let may_start = m.named(
        "may_start",
        &enable & (&pause_request | ((&store.valid | &store.coming) & !&paused & !&drain)),
    );
    let pause_start = m.output("pause_start", 1);
    let enough = m.named("enough", length.ge(MIN - 1));
    let last = m.named(
        "last",
        mux(&is_pause, length.eq(17), &store.valid & &store.last),
    );
    let dry = m.named("dry", !&is_pause & !&store.valid);
    let starts = m.named(
        "starts",
        &ce & &may_start & (is(IDLE) | (is(REST) & step.eq(GAP - 1))),
    );
    m.assign(&pause_start, &starts & &pause_request);
    // Between frames on the wire the beats that are here begin one.
    let waits = m.named("waits", &store.valid & !&drain);
    let drops = m.named("drops", &flush & &waits & (is(IDLE) | is(REST)) & !&starts);
    let dropped = m.output_reg(&format!("ev_{}", counter_name(c::DROP_LINK_DOWN)), 1, 0);
    m.assign(&dropped, &drops);
    m.process(|p| {
        p.if_(&store.drained, |p| p.set(&drain, false));
        p.if_(&drops, |p| p.set(&drain, true));
        p.if_(&ce, |p| {
            p.set(&step, &step + 1);
            p.switch(&state, |s| {
                s.case(START, |p| {
                    p.set(&length, 0);
                    p.if_(step.eq(PREAMBLE - 1), |p| p.set(&state, DATA));
                });
                s.case(DATA, |p| {
                    p.set(&length, &length + 1);
                    p.set(&step, 0);
                    p.if_(&last, |p| {
                        p.set(&state, mux(&enough, lit(3, FCS), lit(3, PAD)));
                    });
                    p.elif(&dry, |p| {
                        p.set(&state, FCS);
                        p.set(&failed, true);
                        p.set(&drain, true);
                    });
                });
                s.case(PAD, |p| {
                    p.set(&length, &length + 1);
                    p.set(&step, 0);
                    p.if_(&enough, |p| p.set(&state, FCS));
                });
                s.case(FCS, |p| {
                    p.if_(step.eq(3), |p| {
                        p.set(&state, REST);
                        p.set(&step, 0);
                    });
                });
                s.case(REST, |p| {
                    p.if_(step.eq(GAP - 1), |p| p.set(&state, IDLE));
                });
            });
            p.if_(&starts, |p| {
                p.set(&state, START);
                p.set(&step, 0);
                p.set(&failed, false);
                p.set(&is_pause, &pause_request);
            });
        });
    });

    let address = m.input("pause_addr", 48);
    let quanta = m.input("pause_quanta", 16);
    let held_quanta = m.reg_nr("held_quanta", 16);
    m.process(|p| p.if_(&pause_start, |p| p.set(&held_quanta, &quanta)));
    let constant = |b: &u8| lit(8, *b as u64);
    let mut ours: Vec<E> = PAUSE_ADDRESS.iter().map(constant).collect();
    ours.extend((0..6).map(|i| address.slice(8 * i, 8)));
    ours.extend(PAUSE_TYPE.iter().map(constant));
    ours.extend([held_quanta.slice(8, 8), held_quanta.slice(0, 8)]);
    let pause_byte = m.named("pause_byte", pick(&length.slice(0, 5), &ours));
    let data_byte = mux(&is_pause, &pause_byte, &store.byte);
    let preamble = mux(step.eq(PREAMBLE - 1), lit(8, 0xd5), lit(8, 0x55));
    let byte = mux(is(START), preamble, &data_byte & is(DATA).repl(8));

    // Second stage: the CRC beside the byte.
    let (a_byte, a_en) = (m.reg("a_byte", 8, 0), m.reg("a_en", 1, 0));
    let (a_data, a_fcs) = (m.reg("a_data", 1, 0), m.reg("a_fcs", 1, 0));
    let a_er = m.reg("a_er", 1, 0);
    let fcs = m.reg("fcs", 32, crc::INIT);
    let (txd, tx_en, tx_er) = (
        m.output_reg("gmii_txd", 8, 0),
        m.output_reg("gmii_tx_en", 1, 0),
        m.output_reg("gmii_tx_er", 1, 0),
    );
    m.process(|p| {
        p.if_(&ce, |p| {
            p.set(&a_byte, &byte);
            p.set(&a_en, !(is(IDLE) | is(REST)));
            p.set(&a_data, is(DATA) | is(PAD));
            p.set(&a_fcs, is(FCS));
            p.set(&a_er, (is(DATA) & &dry) | (is(FCS) & &failed));
            p.if_(&a_data, |p| p.set(&fcs, crc::next(&fcs, &a_byte)));
            p.elif(&a_fcs, |p| p.set(&fcs, fcs.shr(8)));
            p.else_(|p| p.set(&fcs, crc::INIT));
            // A failed frame carries the inverted FCS.
            let sent = fcs.slice(0, 8) ^ (!&failed).repl(8);
            p.set(&txd, mux(&a_fcs, sent, &a_byte));
            p.set(&tx_en, &a_en);
            p.set(&tx_er, &a_er);
        });
    });

    let done = m.named("done", &ce & is(FCS) & step.eq(3));
    events(
        &m,
        &done,
        &failed,
        &is_pause,
        &length,
        &a_byte,
        &(&ce & &a_data),
    );
    let idle = m.output_reg("idle", 1, 0);
    let waits = (&store.valid | &store.coming) & ((&enable & !&paused) | &flush);
    m.assign(
        &idle,
        is(IDLE) & !&a_en & !&tx_en & !waits & !&drain & !(&pause_request & &enable),
    );
    m
}

/// Two beats of input, read a byte at a time.
struct Store {
    /// There is a byte.
    valid: E,
    /// The byte.
    byte: E,
    /// It is the last of its frame.
    last: E,
    /// A beat is on its way here.
    coming: E,
    /// While draining: the last beat of the frame went.
    drained: E,
}

impl Store {
    fn new(m: &Module, width: u32, use_byte: &E, drain: &E) -> Store {
        let bytes = width / 8;
        let pb = bits_for(bytes as u64);
        let valid_in = m.input("tx_valid", 1);
        let data_in = m.input("tx_data", width);
        let keep_in = m.input("tx_keep", bytes);
        m.input("tx_sop", 1); // frames are told apart by eop alone
        let eop_in = m.input("tx_eop", 1);
        // Index of the last byte, from a contiguous keep.
        let end_in: Vec<E> = (0..bytes as u64).map(|i| lit(pb, i)).collect();
        let top: Vec<E> = (0..bytes)
            .map(|i| match i + 1 < bytes {
                true => keep_in.bit(i) & !keep_in.bit(i + 1),
                false => keep_in.bit(i),
            })
            .collect();
        let choices: Vec<(E, E)> = top.into_iter().zip(end_in).collect();
        let end_in = m.named("end_in", crate::rtl::select_onehot(pb, &choices));

        let slot = |i: u32| {
            (
                m.reg(&format!("valid{i}"), 1, 0),
                m.reg_nr(&format!("data{i}"), width),
                m.reg_nr(&format!("end{i}"), pb),
                m.reg_nr(&format!("eop{i}"), 1),
            )
        };
        let (now, next) = (slot(0), slot(1));
        let ready = m.output_of("tx_ready", !&next.0);
        let take = m.named("take", &valid_in & &ready);
        let at = m.reg("at", pb, 0);
        let whole = m.named("whole", at.eq(&now.2));
        // `now` is free after this cycle.
        let free = m.named("free", !&now.0 | (use_byte & &whole) | drain);
        m.process(|p| {
            p.if_(&free, |p| {
                p.set(&now.0, &next.0);
                p.set(&now.1, &next.1);
                p.set(&now.2, &next.2);
                p.set(&now.3, &next.3);
            });
            p.if_(&take, |p| {
                p.set(&next.1, &data_in);
                p.set(&next.2, &end_in);
                p.set(&next.3, &eop_in);
            });
            p.set(&next.0, &take | (&next.0 & !&free));
            p.if_(use_byte & &now.0, |p| p.set(&at, &at + 1));
            p.if_(&free, |p| p.set(&at, 0));
        });
        let byte = m.named("store_byte", now.1.word_at(&at, 8));
        let last = m.named("store_last", &now.3 & &whole);
        let drained = m.named("drained", drain & &now.0 & &now.3);
        Store {
            valid: now.0,
            byte,
            last,
            coming: take | &next.0,
            drained,
        }
    }
}

/// Counters of a frame whose last byte is being made. `byte` and `moves` are the second stage's data.
fn events(m: &Module, done: &E, failed: &E, is_pause: &E, length: &E, byte: &E, moves: &E) {
    let index = m.reg("index", 3, 0);
    let (multicast, broadcast) = (m.reg("multicast", 1, 0), m.reg("broadcast", 1, 0));
    m.process(|p| {
        p.if_(moves & index.ne(6), |p| {
            p.set(&index, &index + 1);
            p.set(&broadcast, &broadcast & byte.all());
            p.if_(index.is_zero(), |p| {
                p.set(&multicast, byte.bit(0));
                p.set(&broadcast, byte.all());
            });
        });
        p.if_(done, |p| p.set(&index, 0));
    });
    let n = TX_LENGTH_BITS;
    let total = m.reg_nr("total", n);
    m.assign(&total, length + 4);
    // `length` rests while the FCS is sent, so `total` is right when `done` is.
    let sent = m.named("sent", done & !failed);
    event_outputs(m, "sent", &sent, || {
        let mut of = vec![
            (c::TX_FRAMES, lit(1, 1)),
            (c::TX_UNICAST, !&multicast),
            (c::TX_MULTICAST, &multicast & !&broadcast),
            (c::TX_BROADCAST, broadcast.clone()),
            (c::TX_PAUSE, is_pause.clone()),
        ];
        of.extend((c::TX_64..).zip(size_classes(&total)));
        of
    });
    let bytes = m.output_reg("ev_tx_bytes", n, 0);
    m.process(|p| {
        p.set(&bytes, 0);
        p.if_(&sent, |p| p.set(&bytes, &total));
    });
    let underrun = m.output_reg("ev_tx_underrun", 1, 0);
    m.assign(&underrun, done & failed);
}

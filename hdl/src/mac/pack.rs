//! Packs received bytes into beats, through a FIFO of 15 beats.
//!
//! Every `byte_sof` gives exactly one `in_eop`, whatever the consumer does: the parser counts frames on the same bytes. A frame
//! that finds the FIFO full is cut there, ends with `in_err` and gives a pulse on `overflow`; until its last beat has found room,
//! frames that begin are lost whole and come out as one beat with `in_sop`, `in_eop` and `in_err`. Up to 255 of them are
//! remembered: a consumer may stall for 2,500 cycles under the shortest fragments, for 21,000 under frames of 64 bytes.
//!
//! Ports: `byte_valid`, `byte_data[8]`, `byte_sof`, `byte_eof`, `byte_err`; `in_valid`, `in_ready`, `in_data[W]`, `in_keep[W/8]`, `in_sop`, `in_eop`,
//! `in_err`; `overflow`; `idle`. `in_valid` is a register, the other `in_*` are read from LUT RAM by registered pointers.
//!
//! Each byte goes straight into its lane of the beat that is being put together, which is the FIFO's next free place; so of its 16 places one
//! is never full. A frame is judged at the first byte of each beat.
//!
//! Latency: `byte_eof` to `in_eop` 1 cycle when the FIFO is empty. Test: `tests/mac_rx.rs`.

use crate::rtl::prim::step;
use crate::rtl::{E, Module, bits_for, cat, lit, mux, ram};

/// Places in the FIFO.
const DEPTH: u64 = 16;
/// Beats that it holds besides the one that is being put together.
const BEATS: u64 = DEPTH - 1;
/// Bits of the count of lost frames whose end is still owed.
const OWED_BITS: u32 = 8;

/// The packer for beats of `width` bits (a multiple of 8, a power of two). See the module.
pub fn pack(width: u32) -> Module {
    assert!(
        width.is_power_of_two() && (16..=512).contains(&width),
        "pack: width {width} is not a power of two from 16 to 512"
    );
    let m = Module::new(&format!("pack_{width}"));
    let valid = m.input("byte_valid", 1);
    let data = m.input("byte_data", 8);
    let sof = m.input("byte_sof", 1);
    let eof = m.input("byte_eof", 1);
    let err = m.input("byte_err", 1);
    let ready = m.input("in_ready", 1);

    let bytes = width / 8;
    let pb = bits_for(bytes as u64);
    let at = m.reg("at", pb, 0);
    let here = m.named("here", &at & (!&sof).repl(pb));
    m.process(|p| p.if_(&valid, |p| p.set(&at, mux(&eof, lit(pb, 0), &here + 1))));

    // What becomes of the byte's frame.
    let started = m.reg("started", 1, 0); // the current frame has a beat in the FIFO
    let lost = m.reg("lost", 1, 0); // the rest of the current frame is thrown away
    let owed = m.reg("owed", OWED_BITS, 0);
    let owed_open = m.reg("owed_open", 1, 0); // the first owed end belongs to a frame with beats in the FIFO
    let level = m.reg("level", bits_for(DEPTH), 0);
    // What the counts say, beside them.
    let room = m.reg("room", 1, 1);
    let owes = m.reg("owes", 1, 0);
    let started_now = m.named("started_now", &started & !&sof);
    let lost_before = m.named("lost_before", &lost & !&sof);
    let no_place = m.named("no_place", here.is_zero() & (!&room | &owes));
    let lost_now = m.named("lost_now", &lost_before | &no_place);
    let fits = m.named("fits", &valid & (&eof | here.all()) & !&lost_now);
    let pays = m.named("pays", &owes & &room);
    let owe = m.named("owe", &valid & &eof & &lost_now);
    let overflow = m.output_reg("overflow", 1, 0);
    m.process(|p| {
        p.set(&overflow, &valid & &no_place & !&lost_before);
        p.if_(&valid, |p| {
            p.set(&started, (&started_now | &fits) & !&eof);
            p.set(&lost, &lost_now & !&eof);
        });
        p.if_(&owe & !&pays & !owed.all(), |p| {
            p.set(&owed, &owed + 1);
            p.set(&owes, true);
        });
        p.if_(&pays & !&owe, |p| {
            p.set(&owed, &owed - 1);
            p.set(&owes, owed.ne(1));
        });
        p.if_(&owe & !&owes, |p| p.set(&owed_open, &started_now));
        p.elif(&pays, |p| p.set(&owed_open, false));
    });

    // The FIFO. While an end is owed nothing else comes in.
    let push = m.named("push", &fits | &pays);
    let some = m.output_reg("in_valid", 1, 0);
    let pop = m.named("pop", &some & &ready);
    let a = bits_for(DEPTH);
    let (head, tail) = (m.reg("head", a, 0), m.reg("tail", a, 0));
    m.process(|p| {
        p.if_(&push, |p| p.set(&tail, &tail + 1));
        p.if_(&pop, |p| p.set(&head, &head + 1));
        p.if_(push.ne(&pop), |p| {
            p.set(&level, step(&level, &push));
            p.set(&room, !&push | level.ne(BEATS - 1));
        });
        p.set(&some, &push | (level.any() & !(&pop & level.eq(1))));
    });
    let lane = |name: &str, write: &E, word: &E| {
        let i = m.inst(name, &ram::lut(word.width(), DEPTH));
        i.drive("we", write)
            .drive("waddr", &tail)
            .drive("wdata", word)
            .drive("raddr", &head);
        i.port("rdata")
    };
    let lanes: Vec<E> = (0..bytes)
        .map(|i| {
            let write = &valid & here.eq(i as u64);
            lane(&format!("lane{i}"), &write, &data)
        })
        .collect();
    // Index of the last byte, sop, eop, err.
    let flags = cat(&[
        &owes | (&err & &eof),
        &owes | &eof,
        mux(&owes, !&owed_open, !&started_now),
        &here & (!&owes).repl(pb),
    ]);
    let flags = m.named("flags", lane("ends", &push, &m.named("end_word", flags)));
    m.output_of("in_data", cat(lanes.iter().rev()));
    let last = flags.slice(0, pb);
    // All bytes up to the last.
    let beyond = !lit(bytes, 1);
    m.output_of("in_keep", !beyond.shl_by(&last));
    for (i, name) in ["in_sop", "in_eop", "in_err"].iter().enumerate() {
        m.output_of(name, flags.bit(pb + i as u32));
    }
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, !&some & !&valid & !&owes & !&started);
    m
}

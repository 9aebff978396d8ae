//! Packs received bytes into beats, through a FIFO of 16 beats and an output register.
//!
//! Every `byte_sof` gives exactly one `in_eop`, whatever the consumer does: the parser counts frames on the same bytes. A frame
//! that finds the FIFO full is cut there, ends with `in_err` and gives a pulse on `overflow`; until its last beat has found room,
//! frames that begin are lost whole and come out as one beat with `in_sop`, `in_eop` and `in_err`. Up to 255 of them are
//! remembered: a consumer may stall for 2,500 cycles under the shortest fragments, for 21,000 under frames of 64 bytes.
//!
//! Ports: `byte_valid`, `byte_data[8]`, `byte_sof`, `byte_eof`, `byte_err`; `in_valid`, `in_ready`, `in_data[W]`, `in_keep[W/8]`, `in_sop`, `in_eop`,
//! `in_err`; `overflow`; `idle`. All outputs are registers.
//!
//! Latency: `byte_eof` to `in_eop` 1 cycle when the FIFO is empty. Test: `tests/mac_rx.rs`.

use crate::rtl::{E, Module, bits_for, cat, lit, mux, ram};

/// Beats in the FIFO.
const DEPTH: u64 = 16;
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

    // Bytes gather in `held`; the last one of a beat goes past it.
    let bytes = width / 8;
    let pb = bits_for(bytes as u64);
    let at = m.reg("at", pb, 0);
    let here = m.named("here", mux(&sof, lit(pb, 0), &at));
    let held = m.reg_nr("held", width);
    m.process(|p| {
        p.if_(&valid, |p| {
            p.set_slice_at(&held, &cat(&[here.clone(), lit(3, 0)]), &data);
            p.set(&at, mux(&eof, lit(pb, 0), &here + 1));
        });
    });
    let beat = m.named("beat", &valid & (&eof | here.all()));
    let lanes: Vec<E> = (0..bytes)
        .rev()
        .map(|i| {
            let now = here.eq(i as u64);
            mux(now, &data, held.slice(8 * i, 8))
        })
        .collect();

    // The word: data, index of the last byte, sop, eop, err.
    let word_bits = width + pb + 3;
    let started = m.reg("started", 1, 0); // the current frame has a beat in the FIFO
    let lost = m.reg("lost", 1, 0); // the rest of the current frame is thrown away
    let owed = m.reg("owed", OWED_BITS, 0);
    let owed_open = m.reg("owed_open", 1, 0); // the first owed end belongs to a frame with beats in the FIFO
    let level = m.reg("level", bits_for(DEPTH + 1), 0);
    let room = m.named("room", level.ne(DEPTH));
    let owes = m.named("owes", owed.any());
    let lost_now = m.named("lost_now", &lost & !&sof);
    let started_now = m.named("started_now", &started & !&sof);
    let fits = m.named("fits", &beat & &room & !&owes & !&lost_now);
    let loses = m.named("loses", &beat & !&fits & !&lost_now);
    let pays = m.named("pays", &owes & &room);
    let owe = m.named("owe", &beat & &eof & !&fits);
    let overflow = m.output_reg("overflow", 1, 0);
    m.process(|p| {
        p.set(&overflow, &loses);
        p.if_(&valid & &sof, |p| {
            p.set(&started, false);
            p.set(&lost, false);
        });
        p.if_(&fits, |p| p.set(&started, !&eof));
        p.if_(&loses, |p| p.set(&lost, !&eof));
        p.if_(&beat & &eof, |p| {
            p.set(&started, false);
            p.set(&lost, false);
        });
        p.if_(&owe & !&pays & !owed.all(), |p| p.set(&owed, &owed + 1));
        p.if_(&pays & !&owe, |p| p.set(&owed, &owed - 1));
        p.if_(&owe & !&owes, |p| p.set(&owed_open, &started_now));
        p.elif(&pays, |p| p.set(&owed_open, false));
    });
    let word = cat(&[
        mux(&owes, lit(1, 1), &err & &eof),
        mux(&owes, lit(1, 1), &eof),
        mux(&owes, !&owed_open, !&started_now),
        &here & (!&owes).repl(pb),
        cat(&lanes),
    ]);
    let word = m.named("word", word);

    let push = m.named("push", &fits | &pays);
    let out_valid = m.output_reg("in_valid", 1, 0);
    let advance = m.named("advance", !&out_valid | &ready);
    let empty = m.named("empty", level.is_zero());
    let pop = m.named("pop", &advance & !&empty);
    let store = m.named("store", &push & !(&advance & &empty));
    let a = bits_for(DEPTH);
    let (head, tail) = (m.reg("head", a, 0), m.reg("tail", a, 0));
    let mem = m.inst("storage", &ram::lut(word_bits, DEPTH));
    mem.drive("we", &store)
        .drive("waddr", &tail)
        .drive("wdata", &word)
        .drive("raddr", &head);
    let next = m.named("next_word", mux(&empty, &word, mem.port("rdata")));
    let out_data = m.output_reg_nr("in_data", width);
    let out_keep = m.output_reg_nr("in_keep", bytes);
    let flag = |name: &str| m.output_reg(name, 1, 0);
    let (sop, eop, bad) = (flag("in_sop"), flag("in_eop"), flag("in_err"));
    let last = next.slice(width, pb);
    let mut keep: Vec<E> = (1..bytes as u64).rev().map(|i| last.ge(i)).collect();
    keep.push(lit(1, 1));
    m.process(|p| {
        p.if_(&store, |p| p.set(&tail, &tail + 1));
        p.if_(&pop, |p| p.set(&head, &head + 1));
        p.if_(&store & !&pop, |p| p.set(&level, &level + 1));
        p.if_(&pop & !&store, |p| p.set(&level, &level - 1));
        p.if_(&advance, |p| {
            p.set(&out_valid, &push | !&empty);
            p.set(&out_data, next.slice(0, width));
            p.set(&out_keep, cat(&keep));
            p.set(&sop, next.bit(width + pb));
            p.set(&eop, next.bit(width + pb + 1));
            p.set(&bad, next.bit(width + pb + 2));
        });
    });
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, &empty & !&out_valid & !&valid & !&owes & !&started);
    m
}

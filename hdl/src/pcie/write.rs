//! DMA writes and interrupts: cuts transfers into memory write packets and queues whole packets for the link.
//!
//! - Algorithm: a transfer is shifted to double words of its address, then cut at addresses that are multiples of the maximum
//!   payload size (128 or 256), so that no packet crosses 4 KiB and only the first and the last have partial byte enables (PCIe 2.2.7).
//!   Packets are built double word by double word in a block RAM and offered to the link when they are whole.
//! - Interrupts come through the same channel (`wr_irq`), so they follow what was written before. A masked vector becomes
//!   pending; [`super::msix`] offers it again (`due`) when it is unmasked.
//! - `wr_len` tells how many bytes a transfer has (1 to 9,216); `wr_keep` must agree and is not looked at.
//! - `flr`: the transfer under way and queued packets are dropped, except for a packet of which the link has a part.
//! - Throughput: one double word a cycle, 3 + 3 or 4 cycles of overhead a packet. Two block RAMs.
//! - Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::MARK_BITS;
use super::msix::USE_LATENCY;
use crate::rtl::{E, Module, cat, lit, mux, pick, ram};

const BEATS: u64 = 128;
/// Beats that the longest packet takes, and some.
const PACKET_BEATS: u64 = 36;

/// `word` with its bytes moved up by `n` (0 to 3) places: 32 bits that stay and 32 that spill over.
fn spread(word: &E, n: &E) -> (E, E) {
    let places: Vec<E> = (0..4).map(|k| word.zext(64).shl(8 * k)).collect();
    let all = pick(n, &places);
    (all.slice(0, 32), all.slice(32, 32))
}

/// The write engine. Ports: `wr_*`, `cfg_*`, `flr`; `using`, `use_*`, `raise`, `sent`, `due_*` of [`super::msix`]; packets `p_valid/ready/data/keep/last`;
/// `mark_now`, `sent_count` (packets made and sent); `idle`.
pub fn dma_write() -> Module {
    let m = Module::new("dma_write");
    m.sync();
    let (valid, data) = (m.input("wr_valid", 1), m.input("wr_data", 64));
    m.input("wr_keep", 8);
    let (sop, _eop) = (m.input("wr_sop", 1), m.input("wr_eop", 1));
    let (addr_in, len_in) = (m.input("wr_addr", 64), m.input("wr_len", 14));
    let irq = m.input("wr_irq", 1);
    let (requester, mps) = (m.input("cfg_requester_id", 16), m.input("cfg_mps", 3));
    let flr = m.input("flr", 1);

    let state = m.reg("state", 4, 0);
    let (idle, vector, calc, shape, h0, h1, h2, h3, body) = (0, 1, 2, 3, 4, 5, 6, 7, 8);
    let (addr, left) = (m.reg_nr("addr", 64), m.reg_nr("left", 14));
    let source_left = m.reg_nr("source_left", 12);
    let (half, carry) = (m.reg("half", 1, 0), m.reg_nr("carry", 32));
    let (msi, msi_data, number) = (
        m.reg("msi", 1, 0),
        m.reg_nr("msi_data", 32),
        m.reg_nr("number", 4),
    );
    // The shift is that of the transfer: packets after the first start on a double word.
    let shift = m.reg_nr("shift", 2);
    let (bytes, dws) = (m.reg_nr("bytes", 9), m.reg_nr("dws", 7));
    let (first_be, last_be) = (m.reg_nr("first_be", 4), m.reg_nr("last_be", 4));
    let to_go = m.reg_nr("to_go", 7);

    // Interrupts.
    let (use_open, use_value) = (m.input("use_open", 1), m.input("use_value", 32));
    // The entry's words one after another: address, its high half, data.
    let step = m.reg_nr("step", 3);
    m.output_of("use_word", step.slice(0, 2));
    let known = m.named("known", step.eq(2 + USE_LATENCY));
    let (due_valid, due_vector) = (m.input("due_valid", 1), m.input("due_vector", 4));
    let asking = m.named("asking", state.eq(vector));
    m.output_of("using", &asking);
    m.output_of("use_vector", &number);
    m.output_of("raise", &asking & &known & !&use_open);
    m.output_of("sent", &asking & &known & &use_open);

    // The packet queue: pointers have a bit more than the address.
    let (write_at, commit, read_at) = (
        m.reg("write_at", 8, 0),
        m.reg("commit", 8, 0),
        m.reg("read_at", 8, 0),
    );
    let roomy = m.reg("roomy", 1, 0);
    m.assign(&roomy, (&write_at - &read_at).lt(BEATS - PACKET_BEATS));
    let flushing = m.reg("flushing", 1, 0);

    let four = m.named("four", addr.slice(32, 32).any());
    let off = addr.slice(0, 2);
    let begin = m.named(
        "starts",
        state.eq(idle) & !&flushing & !&due_valid & &valid & &sop,
    );
    // The flags of the counters are registers: found a cycle ahead, for the step after the one that is made now.
    let need = m.reg("need", 1, 0);
    let in_body = m.reg("in_body", 1, 0);
    let moves = m.named("moves", &in_body & (!&need | &valid));
    let takes = m.named("takes", &moves & &need);
    let one_left = mux(&takes, source_left.eq(2), source_left.eq(1));
    let source_last = m.delay("source_last", &one_left);
    let one_to_go = mux(&moves, to_go.eq(2), to_go.eq(1));
    let packet_last = m.delay("packet_last", &one_to_go);
    let beat_done = m.named("beat_done", &takes & (&half | &source_last));
    m.output_of("wr_ready", (&begin & &irq) | &beat_done);

    let word = m.named("word", mux(&half, data.slice(32, 32), data.slice(0, 32)));
    let (stays, spills) = spread(&word, &shift);
    let merged = m.named(
        "merged",
        mux(&msi, &msi_data, mux(&need, &stays | &carry, carry.clone())),
    );
    let last_dw = m.named("last_dw", &moves & &packet_last);
    let done = m.named("done", left.eq(bytes.zext(14)));
    let room = mux(
        mps.any(),
        lit(9, 256) - addr.slice(0, 8).zext(9),
        lit(9, 128) - addr.slice(0, 7).zext(9),
    );
    let room = m.named("room", room);
    let span = m.named("span", bytes.clone() + off.zext(9) + 3);
    let one = m.named("one", span.slice(2, 7).eq(1));
    let end = m.named("end_off", (&off + bytes.slice(0, 2)).slice(0, 2));
    let end_be = pick(&end, &[lit(4, 15), lit(4, 1), lit(4, 3), lit(4, 7)]);
    let end_be = m.named("end_be", end_be);
    let start_be = pick(&off, &[lit(4, 15), lit(4, 14), lit(4, 12), lit(4, 8)]);
    let was_idle = m.delay("was_idle", &state.eq(idle));
    m.process(|p| {
        p.if_(&was_idle, |p| p.set(&carry, 0));
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&half, false);
                p.set(&step, 0);
                p.set(&msi, false);
                p.set(&need, &begin & !&irq);
                // Taken in any case: that a transfer begins comes late.
                p.set(&number, mux(&due_valid, &due_vector, addr_in.slice(0, 4)));
                p.set(&addr, &addr_in);
                p.set(&shift, addr_in.slice(0, 2));
                p.set(&left, &len_in);
                p.set(&source_left, (&len_in + 3).slice(2, 12));
                p.if_(!&flushing & &due_valid, |p| p.set(&state, vector));
                p.elif(&begin, |p| {
                    p.set(&state, mux(&irq, lit(4, vector), lit(4, calc)))
                });
            });
            s.case(vector, |p| {
                p.set(&msi, true);
                p.set(&left, 4);
                p.set(&msi_data, &use_value);
                p.set(&step, &step + 1);
                p.if_(step.eq(USE_LATENCY), |p| p.set_slice(&addr, 0, &use_value));
                p.if_(step.eq(1 + USE_LATENCY), |p| {
                    p.set_slice(&addr, 32, &use_value)
                });
                p.if_(&known, |p| {
                    p.set(&state, mux(&use_open, lit(4, calc), lit(4, idle)))
                });
            });
            s.case(calc, |p| {
                p.set(&bytes, mux(left.lt(room.zext(14)), left.slice(0, 9), &room));
                p.set(&state, shape);
            });
            s.case(shape, |p| {
                p.set(&dws, span.slice(2, 7));
                p.set(&to_go, span.slice(2, 7));
                p.set(&first_be, mux(&one, &start_be & &end_be, &start_be));
                p.set(&last_be, mux(&one, lit(4, 0), &end_be));
                p.if_(&roomy, |p| p.set(&state, h0));
            });
            s.case(h0, |p| p.set(&state, h1));
            s.case(h1, |p| p.set(&state, h2));
            s.case(h2, |p| {
                p.set(&state, mux(&four, lit(4, h3), lit(4, body)));
                p.set(&in_body, !&four);
            });
            s.case(h3, |p| {
                p.set(&state, body);
                p.set(&in_body, true);
            });
            s.default(|p| {
                p.if_(&moves, |p| {
                    p.set(&to_go, &to_go - 1);
                    p.set(&carry, mux(&need, &spills, lit(32, 0)));
                });
                p.if_(&takes, |p| {
                    p.set(&half, !&half);
                    p.set(&source_left, &source_left - 1);
                    p.set(&need, !&source_last);
                });
                p.if_(&last_dw, |p| {
                    p.set(&left, &left - bytes.zext(14));
                    p.set(&addr, &addr + bytes.zext(64));
                    p.set(&state, mux(&done, lit(4, idle), lit(4, calc)));
                    p.set(&in_body, false);
                });
            });
        });
        p.if_(&flr, |p| {
            p.set(&state, idle);
            p.set(&in_body, false);
        });
    });
    // Double words to beats.
    let header0 = cat(&[lit(2, 1), four.clone(), lit(19, 0), lit(3, 0), dws.clone()]);
    let header1 = cat(&[requester, lit(8, 0), last_be, first_be]);
    let low = cat(&[addr.slice(2, 30), lit(2, 0)]);
    let push = m.named("push", (state.ge(h0) & state.lt(body)) | &moves);
    let dword = pick(
        &state.slice(0, 3),
        &[
            merged,
            lit(32, 0),
            lit(32, 0),
            lit(32, 0),
            header0,
            header1,
            mux(&four, addr.slice(32, 32), &low),
            low.clone(),
        ],
    );
    let dword = m.named("dword", dword);
    let (low_half, filled) = (m.reg_nr("low_half", 32), m.reg("filled", 1, 0));
    let emit = m.reg("emit", 1, 0);
    let (emit_data, emit_two, emit_last) = (
        m.reg_nr("emit_data", 64),
        m.reg_nr("emit_two", 1),
        m.reg_nr("emit_last", 1),
    );
    m.process(|p| {
        p.set(&emit, false);
        p.if_(&push, |p| {
            p.set(&filled, !&filled & !&last_dw);
            p.set(&low_half, &dword);
            p.set(&emit, &filled | &last_dw);
            p.set(&emit_two, &filled);
            p.set(&emit_last, &last_dw);
            p.set(
                &emit_data,
                mux(&filled, cat([&dword, &low_half]), dword.zext(64)),
            );
        });
        p.if_(&flr, |p| {
            p.set(&filled, false);
            p.set(&emit, false);
        });
    });

    // Reading: block RAM, its register, both stalled together with the link.
    let (p_ready, advance_out) = (m.input("p_ready", 1), m.wire("advance_out", 1));
    let (v1, v2, mid) = (m.reg("v1", 1, 0), m.reg("v2", 1, 0), m.reg("mid", 1, 0));
    let q2 = m.reg_nr("q2", 66);
    let hold = m.named("hold", &flushing & !&mid);
    let p_valid = m.named("p_valid_i", &v2 & !&hold);
    let taken = m.named("taken", &p_valid & &p_ready);
    m.assign(&advance_out, !&v2 | &taken);
    let advance = m.named("advance", !&v1 | &advance_out);
    let some = m.named("some", read_at.ne(&commit));
    let r = m.inst("packets", &ram::block(66, BEATS));
    r.drive("we", &emit)
        .drive("waddr", write_at.slice(0, 7))
        .drive("wdata", cat([&emit_last, &emit_two, &emit_data]))
        .drive("ren", &advance)
        .drive("raddr", read_at.slice(0, 7));
    let q1 = r.port("rdata");
    let made = m.reg("made", MARK_BITS, 0);
    // A cycle late: `p_ready` comes from far.
    let sent_count = m.output_reg("sent_count", MARK_BITS, 0);
    let sent = m.reg("sent_one", 1, 0);
    // Not while a vector is looked up: if it is masked no packet comes of it, and who waited for one would wait for ever.
    let building = m.named("building", state.ge(calc) | &emit);
    m.process(|p| {
        p.if_(&advance, |p| {
            p.set(&v1, &some);
            p.if_(&some, |p| p.set(&read_at, &read_at + 1));
        });
        p.if_(&advance_out, |p| {
            p.set(&v2, &v1);
            p.set(&q2, &q1);
        });
        p.if_(&taken, |p| {
            p.set(&mid, !q2.bit(65));
        });
        p.set(&sent, &taken & q2.bit(65));
        p.if_(&sent, |p| p.set(&sent_count, &sent_count + 1));
        p.if_(&emit, |p| {
            p.set(&write_at, &write_at + 1);
            p.if_(&emit_last, |p| {
                p.set(&commit, &write_at + 1);
                p.set(&made, &made + 1);
            });
        });
        p.if_(&flr, |p| {
            // The packet in the making counts as made, since a completion may wait for it.
            p.set(&write_at, &commit);
            p.set(&commit, &commit);
            p.set(&made, &made + building.zext(MARK_BITS));
            p.set(&flushing, true);
        });
        p.elif(&hold, |p| {
            p.set(&flushing, false);
            p.set(&read_at, &commit);
            p.set(&v1, false);
            p.set(&v2, false);
            p.set(&sent_count, &made);
        });
    });
    m.output_of("p_valid", &p_valid);
    m.output_of("p_data", q2.slice(0, 64));
    m.output_of("p_keep", cat(&[q2.bit(64), lit(1, 1)]));
    m.output_of("p_last", q2.bit(65));
    m.output_of("mark_now", &made + building.zext(MARK_BITS));
    let quiet = m.output_reg("idle", 1, 0);
    m.assign(
        &quiet,
        state.eq(idle) & !&emit & !&some & !&v1 & !&v2 & !&flushing & !&due_valid & !&valid,
    );
    m
}

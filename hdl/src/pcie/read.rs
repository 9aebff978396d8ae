//! DMA reads of one client: asks for pieces, puts the answers in order, hands them out from lane 0.
//!
//! - Client 0 (submissions) asks for whole, aligned beats, at most 128 bytes that do not cross a multiple of 128: its transfers are one piece each
//!   and need no shifting. What follows about cutting and shifting is client 1's.
//! - Algorithm: a transfer is cut at addresses that are multiples of the smaller of the maximum read request size and this client's block (so
//!   no request crosses 4 KiB). Each piece has one of 4 slots of a block RAM and a tag; a completion's data goes to its place in the
//!   slot, whatever the order of the tags. `deliver` empties the slots in order. A slot's shape, and how far its completions have come, lie in
//!   LUT RAM; a completion takes effect in the cycle after its end.
//! - Tags: bits 1:0 slot, bit 2 client, bits 4:3 generation. A slot that is given up (timeout, broken completion, reset) moves on to the
//!   next generation and remembers the old one as dead: late completions of it are swallowed.
//! - A completion must carry the byte count and lower address that the slot waits for (PCIe 2.2.9); anything else, another
//!   status than "successful", poison, or a wrong length ends the piece with an error, and with it the transfer.
//! - Timeout: `tick` comes four times in the timeout; a piece is given up at the fifth after it was asked for.
//! - `flr` clears everything but the memory of dead tags.
//! - Tests: `tests/pcie.rs`, `tests/pcie_dma.rs`.

use super::deliver::deliver;
use super::{BLOCK_LOG2, MARK_BITS, SLOTS};
use crate::rtl::{E, Module, cat, lit, mux, pick, ram};

/// Generations of a tag.
const GENERATIONS: u32 = 4;
/// Ticks after which a piece is given up.
const PATIENCE: u64 = 5;

struct Slot {
    used: E,
    done: E,
    err: E,
    age: E,
    generation: E,
}

/// Client `c` (0 or 1). Ports: `rd_*`, `rdata_*`; `cpl_*` of [`super::rx`]; `req_*` to [`super::tx`]; `tick`, `flr`, `mark_now`, `cfg_*`; `claims` (level beside
/// `cpl_end`: the completion is, or was, ours); pulses `error`, `timeout`; `idle`.
pub fn dma_read(c: u32) -> Module {
    let block = BLOCK_LOG2[c as usize];
    let words = block - 2;
    let cuts = c == 1;
    let m = Module::new(&format!("dma_read{c}"));
    m.sync();
    let flr = m.input("flr", 1);
    let slots: Vec<Slot> = (0..SLOTS)
        .map(|i| Slot {
            used: m.reg(&format!("used{i}"), 1, 0),
            done: m.reg(&format!("done{i}"), 1, 0),
            err: m.reg_nr(&format!("err{i}"), 1),
            age: m.reg_nr(&format!("age{i}"), 3),
            generation: m.reg(&format!("generation{i}"), 2, 0),
        })
        .collect();
    let of = |index: &E, f: fn(&Slot) -> &E| {
        pick(
            index,
            &slots.iter().map(|s| f(s).clone()).collect::<Vec<_>>(),
        )
    };

    // Cutting and asking.
    let (valid, addr_in, len_in) = (
        m.input("rd_valid", 1),
        m.input("rd_addr", 64),
        m.input("rd_len", 14),
    );
    let (mrrs, master) = (m.input("cfg_mrrs", 3), m.input("cfg_bus_master", 1));
    let mark_now = m.input("mark_now", MARK_BITS);
    let state = m.reg("state", 2, 0);
    let (idle, calc, shape, ask) = (0, 1, 2, 3);
    let (addr, left) = (m.reg_nr("addr", 64), m.reg_nr("left", 14));
    let (first, tail) = (m.reg_nr("first", 1), m.reg_nr("tail", 3));
    let bytes = m.reg_nr("bytes", block + 1);
    let (put, get) = (m.reg("put", 2, 0), m.reg("get", 2, 0));
    let (dws, mark) = (m.reg_nr("dws", words + 1), m.reg_nr("mark", MARK_BITS));
    let (first_be, last_be) = (m.reg_nr("first_be", 4), m.reg_nr("last_be", 4));
    let tag = m.reg_nr("tag", 8);
    let ready = m.input("req_ready", 1);
    let room = |log2: u32| {
        let b = log2.min(block);
        lit(block + 1, 1 << b) - addr.slice(0, b).zext(block + 1)
    };
    let room = mux(mrrs.any(), mux(mrrs.eq(1), room(8), room(9)), room(7));
    let room = m.named("room", room);
    // A request is made in the second cycle of its shape at the earliest (`settled`).
    let span = m.delay("span", &(&bytes + addr.slice(0, 2).zext(block + 1) + 3));
    let one = m.named("one", span.shr(2).eq(1));
    let end = (addr.slice(0, 2) + bytes.slice(0, 2)).slice(0, 2);
    let end_be = pick(&end, &[lit(4, 15), lit(4, 1), lit(4, 3), lit(4, 7)]);
    let end_be = m.named("end_be", end_be);
    let start_be = pick(
        &addr.slice(0, 2),
        &[lit(4, 15), lit(4, 14), lit(4, 12), lit(4, 8)],
    );
    let more = if cuts {
        left.ne(bytes.zext(14))
    } else {
        lit(1, 0)
    };
    let more = m.named("more", more);
    let free = m.named("free", !of(&put, |s| &s.used));
    let settled = m.reg("settled", 1, 0);
    // A completion has ended: its slot's progress is written.
    let ended = m.reg("ended", 1, 0);
    let wants = m.named(
        "wants",
        state.eq(shape) & &settled & &free & &master & !&flr & !&ended,
    );
    // A generation that is still dead is passed over; if all are, the oldest is taken. That it is dead is found a cycle
    // ahead: the generation of a free slot changes by nothing else, and the first cycle in it (`settled`) is waited out.
    let dead = m.reg("dead", SLOTS * GENERATIONS, 0);
    let tries = m.reg_nr("tries", 3);
    let put_tag = cat(&[put.clone(), of(&put, |s| &s.generation)]);
    let put_tag = m.named("put_tag", put_tag);
    let is_dead = m.delay("is_dead", &dead.bit_at(&put_tag));
    let passes = m.named("passes", &wants & is_dead & !tries.bit(2));
    m.assign(&settled, state.eq(shape) & !&passes);
    let asks = m.named("asks", &wants & !&passes);
    m.process(|p| {
        p.switch(&state, |s| {
            s.case(idle, |p| {
                p.set(&first, true);
                p.if_(&valid, |p| {
                    p.set(&addr, &addr_in);
                    p.set(&left, &len_in);
                    p.set(&tail, len_in.slice(0, 3));
                    if cuts {
                        p.set(&state, calc);
                    } else {
                        p.set(&tries, 0);
                        p.set(&bytes, len_in.slice(0, block + 1));
                        p.set(&state, shape);
                    }
                });
            });
            s.case(calc, |p| {
                p.set(&tries, 0);
                let cut = left.gt(room.zext(14));
                p.set(&bytes, mux(cut, &room, left.slice(0, block + 1)));
                p.set(&state, shape);
            });
            s.case(shape, |p| {
                p.set(&dws, span.shr(2).slice(0, words + 1));
                if cuts {
                    p.set(&first_be, mux(&one, &start_be & &end_be, &start_be));
                    p.set(&last_be, mux(&one, lit(4, 0), &end_be));
                } else {
                    // At least one beat, so two double words.
                    p.set(&first_be, 15);
                    p.set(&last_be, 15);
                }
                p.set(&mark, &mark_now);
                let generation = of(&put, |s| &s.generation);
                p.set(
                    &tag,
                    cat(&[lit(3, 0), generation, lit(1, c as u64), put.clone()]),
                );
                p.if_(&asks, |p| p.set(&state, ask));
                p.if_(&passes, |p| p.set(&tries, &tries + 1));
            });
            s.default(|p| {
                p.if_(&ready, |p| {
                    p.set(&put, &put + 1);
                    p.set(&first, false);
                    p.set(&left, &left - bytes.zext(14));
                    if cuts {
                        p.set(&addr, &addr + bytes.zext(64));
                    }
                    p.set(&state, mux(&more, lit(2, calc), lit(2, idle)));
                });
            });
        });
        p.if_(&flr, |p| {
            p.set(&state, idle);
            p.set(&put, 0);
        });
    });
    m.output_of("rd_ready", state.eq(idle) & !&flr);
    // Not without `flr`, which comes from far: a request that goes in its cycle has a dead tag, like one that went before.
    m.output_of("req_valid", state.eq(ask));
    m.output_of("req_addr", &addr);
    m.output_of("req_dws", dws.zext(8));
    m.output_of("req_first_be", &first_be);
    m.output_of("req_last_be", &last_be);
    m.output_of("req_tag", &tag);
    m.output_of("req_mark", &mark);

    // Completions. `hit`: for a slot that waits; `ghost`: for one that was given up.
    let requester = m.input("cfg_requester_id", 16);
    let (hdr, status) = (m.input("cpl_hdr", 1), m.input("cpl_status", 3));
    let (count, lower) = (m.input("cpl_bytes", 12), m.input("cpl_lower", 7));
    let (c_requester, c_tag) = (m.input("cpl_requester", 16), m.input("cpl_tag", 8));
    let (c_dws, has_data) = (m.input("cpl_dws", 10), m.input("cpl_has_data", 1));
    let poison = m.input("cpl_poison", 1);
    let (data_valid, data) = (m.input("cpl_data_valid", 1), m.input("cpl_data", 32));
    let (c_end, c_ok) = (m.input("cpl_end", 1), m.input("cpl_ok", 1));
    let (hit, ghost) = (m.reg("hit", 1, 0), m.reg("ghost", 1, 0));
    let (c_slot, c_generation) = (m.reg_nr("c_slot", 2), m.reg_nr("c_generation", 2));
    let (fits, final_) = (m.reg_nr("fits", 1), m.reg_nr("closing", 1));
    let place = m.reg_nr("place", words);
    let covered = m.reg_nr("covered", 12);
    let (slot, generation) = (c_tag.slice(0, 2), c_tag.slice(3, 2));
    let mine = c_tag.slice(5, 3).is_zero() & c_tag.bit(2).eq(c as u64) & c_requester.eq(&requester);
    let mine = m.named("mine", mine);
    let waits = |slot: &E, generation: &E| {
        of(slot, |s| &s.used) & !of(slot, |s| &s.done) & of(slot, |s| &s.generation).eq(generation)
    };
    let current = m.named("current", &mine & waits(&slot, &generation));
    let dead_bit = cat(&[slot.clone(), generation.clone()]);
    let covers = m.named(
        "covers",
        cat(&[c_dws.clone(), lit(2, 0)]) - lower.slice(0, 2).zext(12),
    );
    let reaches = m.named("reaches", covers.ge(&count));
    let excess = m.named("excess", &covers - &count);
    // Where in the block the next byte is awaited, and how many are: of the slot of the completion, whose tag holds until its end.
    let progress = m.inst("progress", &ram::lut(2 * block + 1, SLOTS as u64));
    let stands = m.named("stands", progress.port("rdata"));
    let (cursor, remains) = (stands.slice(0, block), stands.slice(block, block + 1));
    let awaited = remains.zext(12).eq(&count)
        & cursor.slice(0, 7).eq(&lower)
        & c_dws.any()
        & (!&reaches | excess.lt(4));
    let success = status.is_zero() & &has_data;
    let alive = m.named("alive", &hit & waits(&c_slot, &c_generation));
    let well = m.delay("well", &(&fits & &c_ok));
    let hits = m.reg("hits", 1, 0);
    m.assign(&hits, &c_end & &alive & !&flr);
    m.assign(&ended, &c_end & &hit);
    let good = m.named("good", &hits & &well);
    let broken = m.named("broken", &hits & !&well);
    let next = &cursor + covered.resize(block);
    let next = m.delay("next_cursor", &cat(&[next.slice(2, words), lit(2, 0)]));
    let rest = m.delay("rest", &(&remains - covered.resize(block + 1)));
    progress
        .drive("we", &good | &asks)
        .drive("waddr", mux(&good, &c_slot, &put))
        .drive(
            "wdata",
            mux(
                &good,
                cat([&rest, &next]),
                cat([&bytes, &addr.slice(0, block)]),
            ),
        )
        .drive("raddr", &slot);
    m.process(|p| {
        p.if_(&hdr, |p| {
            p.set(&hit, &current);
            p.set(&ghost, &mine & !&current & dead.bit_at(&dead_bit));
            p.set(&c_slot, &slot);
            p.set(&c_generation, &generation);
            p.set(&fits, &success & !&poison & &awaited);
            p.set(&final_, !&success | &reaches);
            p.set(&place, cursor.slice(2, words));
            p.set(&covered, mux(&reaches, &count, &covers));
        });
        p.elif(&c_end, |p| {
            p.set(&hit, false);
            p.set(&ghost, false);
        });
        p.if_(&data_valid & &hit, |p| p.set(&place, &place + 1));
        p.if_(&flr, |p| {
            p.set(&hit, false);
            p.set(&ghost, &ghost | &hit | (&hdr & &current));
        });
    });
    m.output_of("claims", &hit | &ghost);

    // Slots.
    let tick = m.input("tick", 1);
    let out = m.inst("out", &deliver(block, cuts));
    let releases = out.port("freed");
    let mut expired = vec![];
    let mut buried = vec![];
    for (i, s) in slots.iter().enumerate() {
        let index = lit(2, i as u64);
        let waiting = m.named(&format!("waiting{i}"), &s.used & !&s.done);
        let ends = c_slot.eq(&index) & ((&hit & &c_end) | &ended);
        let expire = &waiting & &tick & s.age.eq(PATIENCE - 1) & !&ends & !&flr;
        let expire = m.named(&format!("expire{i}"), expire);
        let fails = m.named(&format!("fails{i}"), &broken & c_slot.eq(&index));
        let bury = &expire | (&fails & !&final_) | (&waiting & &flr);
        let bury = m.named(&format!("bury{i}"), bury);
        let set = s.generation.decode(GENERATIONS) & bury.repl(GENERATIONS);
        buried.push(set);
        expired.push(expire.clone());
        let taken = &asks & put.eq(&index);
        m.process(|p| {
            p.if_(&taken, |p| {
                p.set(&s.used, true);
                p.set(&s.done, false);
                p.set(&s.err, false);
                p.set(&s.age, 0);
            });
            p.elif(&waiting & &tick & !s.age.eq(PATIENCE - 1), |p| {
                p.set(&s.age, &s.age + 1)
            });
            p.if_(&good & c_slot.eq(&index), |p| {
                p.set(&s.done, &final_);
            });
            p.if_(&expire | &fails, |p| {
                p.set(&s.done, true);
                p.set(&s.err, true);
            });
            p.if_(&bury | (&passes & put.eq(&index)), |p| {
                p.set(&s.generation, &s.generation + 1)
            });
            p.if_(&releases & get.eq(&index), |p| p.set(&s.used, false));
            p.if_(&flr, |p| p.set(&s.used, false));
        });
    }
    buried.reverse();
    // A tag that is used anew is no longer dead; one whose last completion has come neither.
    let fresh = put_tag.decode(SLOTS * GENERATIONS) & asks.repl(SLOTS * GENERATIONS);
    let laid = cat([&c_slot, &c_generation]).decode(SLOTS * GENERATIONS)
        & (&c_end & (&ghost | &hit) & &final_).repl(SLOTS * GENERATIONS);
    m.assign(&dead, (&dead | cat(&buried)) & !fresh & !laid);
    m.process(|p| {
        p.if_(&releases, |p| p.set(&get, &get + 1));
        p.if_(&flr, |p| p.set(&get, 0));
    });

    // Handing out: a slot's shape.
    let shapes = m.inst("shapes", &ram::lut(6 + block + words, SLOTS as u64));
    let dws_in = span.shr(2).slice(0, words + 1);
    let (one_piece, whole) = (lit(1, 1), lit(3, 0));
    let ends = if cuts {
        (first.clone(), !&more, tail.clone())
    } else {
        (one_piece.clone(), one_piece, whole)
    };
    shapes
        .drive("we", &asks)
        .drive("waddr", &put)
        .drive(
            "wdata",
            cat(&[dws_in, addr.slice(0, block), ends.2, ends.1, ends.0]),
        )
        .drive("raddr", &get);
    let given = |lsb: u32, width: u32| {
        // What is the same for all is not kept.
        if !cuts && lsb < 5 {
            lit(width, if lsb < 2 { 1 } else { 0 })
        } else {
            shapes.port("rdata").slice(lsb, width)
        }
    };
    let r = m.inst("blocks", &ram::block(32, (SLOTS as u64) << words));
    r.drive("we", &data_valid & &hit)
        .drive("waddr", cat([&c_slot, &place]))
        .drive("wdata", &data)
        .drive("ren", out.port("read"))
        .drive("raddr", cat([&get, &out.port("place")]));
    // The head of the queue as of the cycle before, so that choosing among the slots is no part of the way to `used`. What is
    // done stays as it is until it is released; then one cycle goes by without a head.
    let head_done = m.reg("head_done", 1, 0);
    m.assign(
        &head_done,
        of(&get, |s| &s.used) & of(&get, |s| &s.done) & !&releases & !&flr,
    );
    let head_err = m.delay("head_err", &of(&get, |s| &s.err));
    out.drive("word", r.port("rdata"))
        .drive("flr", &flr)
        .drive("some", head_done)
        .drive("slot_err", head_err)
        .drive("slot_first", given(0, 1))
        .drive("slot_last", given(1, 1))
        .drive("slot_tail", given(2, 3))
        .drive("slot_start", given(5, block))
        .drive("slot_dws", given(5 + block, words + 1))
        .drive("ready", m.input("rdata_ready", 1));
    for (name, width) in [
        ("valid", 1),
        ("data", 64),
        ("keep", 8),
        ("last", 1),
        ("err", 1),
    ] {
        let o = m.output(&format!("rdata_{name}"), width);
        m.assign(&o, out.port(name));
    }
    let error = m.output_reg("error", 1, 0);
    m.assign(&error, &broken | crate::rtl::any_of(1, &expired));
    let timeout = m.output_reg("timeout", 1, 0);
    m.assign(&timeout, crate::rtl::any_of(1, &expired));
    let quiet = m.output_reg("idle", 1, 0);
    let any_used = crate::rtl::any_of(1, slots.iter().map(|s| &s.used));
    m.assign(
        &quiet,
        state.eq(idle) & !&valid & !any_used & out.port("idle"),
    );
    m
}

//! Egress: a reader and an output FIFO for each destination, over one read port of the cells.
//!
//! Algorithm: a round-robin arbiter grants one reader a cycle that has a frame and room in its FIFO (stage A). In stage B the reader's context
//! (LUT RAM: what `load` wrote, and its progress) gives the cell and beat to read; three cycles later the beat is in the FIFO. A
//! reader holds two frames, so that the next one is there when one ends. At
//! the first beat of a cell the link to the next one is fetched; it arrives before the cell ends, since a cell that has a
//! successor is full, and has four beats at least: as many cycles as the link takes. A frame to be flushed takes one grant and reads nothing.
//!
//! Latency: `load` to `out_valid` 6 cycles. Rate: one beat a cycle in all; with n readers active each gets one beat in n cycles, a single
//! one gets one a cycle. A reader that was granted again in the cycle of its only frame's last beat wastes that grant; this
//! happens only when no other reader wants it. `out{d}_*` are read from LUT RAM by registered pointers. Test: `tests/buffer`.

use super::fifo::{DEPTH, fifo};
use crate::params::Params;
use crate::rtl::prim::{encode, round_robin, step};
use crate::rtl::{E, Module, any_of, bits_for, cat, lit, mux, ram};

/// The readers of all destinations.
pub(crate) fn egress(params: &Params) -> Module {
    let (s, w, c) = (params.sources(), params.width, params.cell_bits());
    let (bytes, lk) = (params.beat_bytes(), bits_for(params.cell_beats() as u64));
    let lb = bits_for(bytes as u64);
    let (nb, sb) = (14 - lb, bits_for(s as u64));
    let m = Module::new("buffer_egress");
    let load = m.input("load_valid", 1);
    let load_hot = m.input("load_hot", s);
    let load_dest = m.input("load_dest", sb);
    let load_flush = m.input("load_flush", 1);
    let load_frame = m.input("load_frame", c + 16);
    let length = m.input("load_length", 14);
    let load_tail = length.slice(0, lb);
    // Number of the last beat, less one: what a beat's number is compared with to know that the next one is the last.
    let before_last = (&length - 1 - bytes as u64).slice(lb, nb);
    let single = length.le(bytes as u64);
    let pause = m.input("pause", 1);

    // Stage A: choose.
    // Each reader has two slots, filled and read in turn: `turn` is the one that is read, `put` the one to be filled.
    let flags = |name: &str, init| m.reg(name, s, init);
    let (turn, put) = (flags("turn", 0), flags("put", 0));
    let slots = [0, 1].map(|k| {
        (
            flags(&format!("full{k}"), 0),
            flags(&format!("flush{k}"), 0),
        )
    });
    let now = |a: &E, b: &E| (a & !&turn) | (b & &turn);
    let active = m.named("active", now(&slots[0].0, &slots[1].0));
    let flushing = m.named("flushing", now(&slots[0].1, &slots[1].1));
    let fresh = flags("fresh", (1 << s) - 1);
    let rooms: Vec<E> = (0..s)
        .map(|d| m.reg(&format!("room{d}"), 5, DEPTH))
        .collect();
    // Two free places: one may be taken by the grant in stage B.
    let space: Vec<E> = rooms.iter().rev().map(|r| r.slice(1, 4).any()).collect();
    let request = m.named(
        "request",
        &active & (cat(&space) | &flushing) & (!&pause).repl(s),
    );
    let grant = round_robin(&m, "rr", &request, &lit(1, 1));
    let hot = m.reg("hot", s, 0);
    m.assign(&hot, &grant);
    let dest = m.delay("dest", &encode(&grant, sb));

    // Stage B: where to read.
    let of = |flags: &E| (flags & &hot).any();
    let into = m.named("into", (&load_hot & &put).any());
    let second = m.named("second", of(&turn));
    let loaded = cat(&[single, load_tail, before_last, load_frame]);
    let slots_ram = m.inst("slots", &ram::lut(loaded.width(), 2 << sb));
    slots_ram
        .drive("we", &load)
        .drive("waddr", cat(&[into, load_dest]))
        .drive("wdata", &loaded)
        .drive("raddr", cat(&[second, dest.clone()]));
    let word = m.named("word", slots_ram.port("rdata"));
    let (frame, before_last) = (word.slice(0, c + 16), word.slice(c + 16, nb));
    let (tail, single) = (word.slice(c + 16 + nb, lb), word.bit(c + 16 + nb + lb));
    // Cell, number of the next beat, whether it is the last.
    let progress = m.inst("progress", &ram::lut(1 + c + nb, s as u64));
    let at = m.named("at", progress.port("rdata"));
    let go = m.named("go", of(&active));
    let first = m.named("first", of(&fresh));
    let flush = m.named("flush", of(&flushing));
    let n = m.named("n", at.slice(0, nb) & (!&first).repl(nb));
    let cell_start = m.named("cell_start", n.slice(0, lk).is_zero());
    let next = m.inst("next_cells", &ram::lut(c, s as u64));
    let later = mux(&cell_start, next.port("rdata"), at.slice(nb, c));
    let cell = m.named("read_cell", mux(&first, frame.slice(0, c), later));
    // Found a beat ahead: a comparison of two memories, and all that hangs on the end of a frame, are too much for one cycle.
    let last = m.named("last", mux(&first, single, at.bit(nb + c)));
    let next_last = m.named("next_last", n.eq(&before_last));
    let read = m.named("read", &go & !&flush);
    let end = m.named("ending", &go & (&last | &flush));
    progress
        .drive("we", &go)
        .drive("waddr", &dest)
        .drive("wdata", cat(&[next_last, cell.clone(), &n + 1]))
        .drive("raddr", &dest);
    // A register: the memory is as wide as the chip.
    let read_addr = m.output_reg_nr("read_addr", c + lk);
    m.assign(&read_addr, cat(&[cell.clone(), n.slice(0, lk)]));
    let ends = m.named("ends", &hot & end.repl(s));
    let loads = m.named("loads", &load_hot & load.repl(s));
    for (k, (full, flush)) in slots.iter().enumerate() {
        let here = |x: &E| if k == 0 { !x } else { x.clone() };
        let filled = &loads & here(&put);
        m.assign(full, (full & !(&ends & here(&turn))) | &filled);
        m.assign(flush, (flush & !&filled) | (&filled & load_flush.repl(s)));
    }
    m.assign(&put, &put ^ &loads);
    m.assign(&turn, &turn ^ &ends);
    m.assign(&fresh, (&fresh & !(&hot & go.repl(s))) | &ends);
    let finished = m.output_reg("finished", s, 0);
    m.assign(&finished, &ends);
    let spent = m.output_reg("spent_valid", 1, 0);
    m.assign(&spent, &end);
    let spent_frame = m.output_reg_nr("spent_frame", c + 16);
    m.assign(&spent_frame, &frame);
    let flushed = m.output_reg("flushed", s, 0);
    m.assign(&flushed, &ends & flush.repl(s));

    // Links.
    let link = m.named("link", &read & &cell_start);
    let stage = |name: &str, from: &E| {
        let flag = m.reg(name, 1, 0);
        m.assign(&flag, from);
        flag
    };
    let link1 = m.output_reg("link_request", 1, 0);
    m.assign(&link1, &link);
    let addr = m.output_reg_nr("link_addr", c);
    m.assign(&addr, &cell);
    let link2 = stage("link2", &link1);
    let link3 = stage("link3", &link2);
    let dest3 = (1..4).fold(dest.clone(), |d, n| m.delay(&format!("dest{n}"), &d));
    next.drive("we", &link3)
        .drive("waddr", &dest3)
        .drive("wdata", m.input("link_word", c))
        .drive("raddr", &dest);

    // The beat on its way to the FIFO.
    let hots: Vec<E> = (1..4).map(|n| m.reg(&format!("hot{n}"), s, 0)).collect();
    m.assign(&hots[0], &hot & read.repl(s));
    m.assign(&hots[1], &hots[0]);
    m.assign(&hots[2], &hots[1]);
    let end = cat(&[last, tail]);
    let end = (1..4).fold(end, |e, n| m.delay(&format!("end{n}"), &e));
    let beat = cat(&[end, m.input("read_data", w)]);

    // Outputs.
    let mut moves = vec![];
    let mut host_clear = lit(1, 0);
    for d in 0..s {
        let f = m.inst(&format!("fifo{d}"), &fifo(w + lb + 1, DEPTH));
        let ready = m.input(&format!("out{d}_ready"), 1);
        f.drive("in_valid", hots[2].bit(d))
            .drive("in_data", &beat)
            .drive("out_ready", &ready);
        let x = f.port("out_data");
        let eop = m.named(&format!("eop{d}"), x.bit(w + lb));
        let tail = m.named(&format!("tail{d}"), x.slice(w, lb));
        let whole = m.named(&format!("whole{d}"), !&eop | tail.is_zero());
        let part = (0..bytes - 1).rev().map(|i| &whole | tail.gt(i as u64));
        let keep: Vec<E> = std::iter::once(whole.clone()).chain(part).collect();
        let sop = m.reg(&format!("sop{d}"), 1, 1);
        let moved = m.named(&format!("moved{d}"), f.port("out_valid") & &ready);
        m.process(|p| p.if_(&moved, |p| p.set(&sop, &eop)));
        m.output_of(&format!("out{d}_valid"), f.port("out_valid"));
        m.output_of(&format!("out{d}_data"), x.slice(0, w));
        m.output_of(&format!("out{d}_keep"), cat(&keep));
        m.output_of(&format!("out{d}_sop"), &sop);
        m.output_of(&format!("out{d}_eop"), &eop);
        if d == s - 1 {
            host_clear = &moved & &sop | flushed.bit(d);
        }
        let taken = &read & hot.bit(d);
        let room = &rooms[d as usize];
        m.process(|p| p.if_(moved.ne(&taken), |p| p.set(room, step(room, &moved))));
        moves.push(moved);
    }
    // A register: the host's handshake comes from far.
    let cleared = m.output_reg("host_clear", 1, 0);
    m.assign(&cleared, &host_clear);
    let flow = any_of(1, &moves) | request.any() | hot.any() | cat(&hots).any();
    m.output_of("idle", !(flow | load | link1 | link2 | link3 | spent));
    m
}

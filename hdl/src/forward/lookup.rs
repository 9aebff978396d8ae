//! Takes headers from the sources in turn and asks the FDB and the LAG stage; results come out in order.
//!
//! A header waits in its parser's registers; a source whose next header comes before the first has been taken (frames far below 64 bytes)
//! gets a verdict "overrun" for the first, so that verdicts and frames stay in step. Up to 16 frames are in flight.

use super::{FDB_FIELDS, RECORD_FIELDS, SLOTS, context_fields, join, part, slot_bits};
use crate::params::Params;
use crate::parser::HDR_FIELDS;
use crate::rtl::prim::{encode, queue, round_robin};
use crate::rtl::{E, Module, cat, mux, select_onehot};

/// Bits of the count of headers that wait: more than frames can be on their way between a parser and `commit` (16 beats in the
/// packer, some tens of records in the buffer, 255 lost frames whose end the packer owes).
const WAITING_BITS: u32 = 9;

/// The module; ports as docs/architecture.md has them for `hdr{s}_*`, `lookup_*`, `found_*`, `req_*`, `rsp_*`; `fid{s}[12]`, `now[32]`; out: `dec_*`, and
/// `record_*` and `hash_*` (`valid`, `slot`, `word`) for `commit`'s memories.
pub fn lookup(p: &Params) -> Module {
    let m = Module::new("forward_lookup");
    let n = p.sources();
    let now = m.input("now", 32);
    let req_ready = m.input("req_ready", 1);
    let fids: Vec<E> = (0..n).map(|s| m.input(&format!("fid{s}"), 12)).collect();
    let mut headers: Vec<Vec<E>> = vec![];
    let mut arrivals = vec![];
    for s in 0..n {
        arrivals.push(m.input(&format!("hdr{s}_valid"), 1));
        headers.push(
            HDR_FIELDS
                .iter()
                .map(|(f, w)| m.input(&format!("hdr{s}_{f}"), *w))
                .collect(),
        );
    }
    // The host's marks belong to the header that arrives with them.
    let host_arrives = arrivals[n as usize - 1].clone();
    let mark = |name: &str, width: u32| {
        let (e, r) = (
            m.input(name, width),
            m.reg_nr(&format!("{name}_held"), width),
        );
        m.process(|q| q.if_(&host_arrives, |q| q.set(&r, &e)));
        r
    };
    let (direct, direct_dest, direct_class) = (
        mark("direct_valid", 1),
        mark("direct_dest", 6),
        mark("direct_class", 3),
    );

    // How many headers of each source wait, and how many of its verdicts are out: `commit` has four slots a source.
    // Phases 1 to 3 of a header, a register each: they have loads in all the header's registers.
    let [load, ask, ask_source] = ["load", "ask", "ask_source"].map(|name| m.reg(name, 1, 0));
    let rests = m.reg("rests", 1, 0);
    let consumed = m.input("consumed", n);
    let counter = |what: &str, bits: u32| -> Vec<E> {
        (0..n)
            .map(|s| m.reg(&format!("{what}{s}"), bits, 0))
            .collect()
    };
    let (waiting, out) = (counter("waiting", WAITING_BITS), counter("out", 3));
    // Whether one waits is a register of its own: the count would be half of the way through the turn and back to the count.
    let waits = counter("waits", 1);
    let older: Vec<E> = (0..n as usize)
        .map(|s| m.named(&format!("older{s}"), waiting[s].gt(1)))
        .collect();
    let wants = |s: usize| &waits[s] & !out[s].bit(2);
    let requests: Vec<E> = (0..n as usize).rev().map(wants).collect();
    let requests = m.named("requests", cat(&requests));
    // As of the cycle before: what a header fills it has filled by then, for another cannot begin until its phases are over.
    let room = m.reg("room", 1, 0);
    let start = m.named("start", &rests & requests.any() & &room);
    let grant = round_robin(&m, "turn", &requests, &start);
    for s in 0..n as usize {
        let taken = m.named(&format!("taken{s}"), &start & grant.bit(s as u32));
        let (w, o, back) = (&waiting[s], &out[s], consumed.bit(s as u32));
        m.process(|q| {
            q.if_(&arrivals[s] & !&taken & !w.all(), |q| q.set(w, w + 1));
            q.elif(&taken & !&arrivals[s], |q| q.set(w, w - 1));
        });
        m.assign(&waits[s], &arrivals[s] | mux(&taken, &older[s], &waits[s]));
        m.process(|q| {
            q.if_(&taken & !&back, |q| q.set(o, o + 1));
            q.elif(&back & !&taken, |q| q.set(o, o - 1));
        });
    }
    let source = m.reg("source", n, 0);
    let lost = m.reg("lost", 1, 0);
    // The parser's registers hold the newest header: an older one that still waits, or that is overtaken right now, is lost.
    let stale: Vec<(E, E)> = (0..n as usize)
        .map(|s| (grant.bit(s as u32), &older[s] | &arrivals[s]))
        .collect();
    let arrived = m.named("arrived", cat(arrivals.iter().rev()));
    m.process(|q| {
        q.if_(&start, |q| {
            q.set(&source, &grant);
            q.set(&lost, select_onehot(1, &stale));
        });
        q.if_(&load & (&source & &arrived).any(), |q| q.set(&lost, true));
    });
    m.assign(&load, &start);
    m.assign(&ask, &load);
    m.assign(&ask_source, &ask);
    m.assign(&rests, !(&start | &load | &ask));

    // Phase 1: the header of the chosen source.
    let choose = |f: &dyn Fn(usize) -> E| -> E {
        let choices: Vec<(E, E)> = (0..n as usize)
            .map(|s| (source.bit(s as u32), f(s)))
            .collect();
        select_onehot(choices[0].1.width(), &choices)
    };
    let latch = |name: &str, v: &E| -> E {
        let r = m.reg_nr(name, v.width());
        m.process(|q| q.if_(&load, |q| q.set(&r, v)));
        r
    };
    let mut h = std::collections::BTreeMap::new();
    for (i, (f, _)) in HDR_FIELDS.iter().enumerate() {
        h.insert(
            *f,
            latch(&format!("h_{f}"), &choose(&|s| headers[s][i].clone())),
        );
    }
    let fid = latch("h_fid", &choose(&|s| fids[s].clone()));
    // A header of the host that arrives now marks this one as lost, so the marks that are held are right.
    let is_direct = &direct & source.bit(n - 1);

    // Phase 2: destination lookup and LAG request; phase 3: source lookup.
    let lookup_valid = m.output_reg("lookup_valid", 1, 0);
    let lookup_key = m.output_reg_nr("lookup_key", 60);
    m.process(|q| {
        q.set(&lookup_valid, &ask | &ask_source);
        q.set(&lookup_key, cat(&[fid.clone(), h["src"].clone()]));
        q.if_(&ask, |q| {
            q.set(&lookup_key, cat(&[fid.clone(), h["dst"].clone()]))
        });
    });
    m.output_of("req_valid", &ask);
    for (f, _) in HDR_FIELDS {
        m.output_of(&format!("req_{f}"), &h[f]);
    }

    // 01:80:C2:00:00:0x, first byte lowest.
    let dst = &h["dst"];
    let is_reserved = dst.slice(0, 40).eq(0x00_00_c2_80_01) & dst.slice(44, 4).is_zero();
    // The frame's place among those of its source.
    let next: Vec<E> = (0..n)
        .map(|s| m.reg(&format!("slot{s}"), SLOTS.trailing_zeros(), 0))
        .collect();
    for (s, slot) in next.iter().enumerate() {
        m.process(|q| q.if_(&ask & source.bit(s as u32), |q| q.set(slot, slot + 1)));
    }
    let choices: Vec<(E, E)> = (0..n)
        .map(|s| (source.bit(s), next[s as usize].clone()))
        .collect();
    let sb = slot_bits(n) - SLOTS.trailing_zeros();
    let slot = cat(&[
        encode(&source, sb),
        select_onehot(SLOTS.trailing_zeros(), &choices),
    ]);
    let slot = m.named("slot", &slot);
    m.output_of("record_valid", &ask);
    m.output_of("record_slot", &slot);
    let record = join(RECORD_FIELDS, |f| match f {
        "fid" => fid.clone(),
        "timestamp" => now.clone(),
        f => h[f].clone(),
    });
    m.output_of("record_word", record);
    let ctx_fields = context_fields(n);
    let ctx = join(&ctx_fields, |f| match f {
        "source" => source.clone(),
        "slot" => slot.clone(),
        "lost" => lost.clone(),
        "mc" => dst.bit(0),
        "bc" => dst.all(),
        "reserved" => is_reserved.clone(),
        "reserved_index" => dst.slice(40, 4),
        "bad_source" => h["src"].bit(0) | h["src"].is_zero(),
        "direct" => is_direct.clone(),
        "direct_dest" => direct_dest.clone(),
        "direct_class" => direct_class.clone(),
        f => unreachable!("{f}"),
    });
    let ctx = m.named("ctx", &ctx);
    let rsp_valid = m.input("rsp_valid", 1);
    let ctx_q = queue(&m, "ctx_q", 16, &ask, &ctx, &rsp_valid);
    m.assign(&room, &ctx_q.ready & &req_ready);

    // The FDB answers in order: destination, source, destination, ...
    let found_valid = m.input("found_valid", 1);
    let (hit, dest, kind, age) = (
        m.input("found_hit", 1),
        m.input("found_dest", 6),
        m.input("found_kind", 4),
        m.input("found_age", 2),
    );
    let second = m.reg("second", 1, 0);
    let da = m.reg_nr("da", 11);
    m.process(|q| {
        q.if_(&found_valid, |q| {
            q.set(&second, !&second);
            q.if_(!&second, |q| {
                q.set(&da, cat(&[kind.clone(), dest.clone(), hit.clone()]))
            });
        });
    });
    let both = cat(&[age, kind, dest, hit, da.clone()]);
    let both = m.named(
        "both",
        join(FDB_FIELDS, |f| match f {
            "da_hit" => both.bit(0),
            "da_dest" => both.slice(1, 6),
            "da_kind" => both.slice(7, 4),
            "sa_hit" => both.bit(11),
            "sa_dest" => both.slice(12, 6),
            "sa_kind" => both.slice(18, 4),
            "sa_age" => both.slice(22, 2),
            f => unreachable!("{f}"),
        }),
    );
    let fdb_q = queue(
        &m,
        "fdb_q",
        16,
        &(&found_valid & &second),
        &both,
        &rsp_valid,
    );

    // The LAG answer comes last and takes the rest along.
    let valid = m.output_reg("dec_valid", 1, 0);
    m.assign(&valid, &rsp_valid);
    let word = m.delay("ctx_out", &ctx_q.head);
    for (f, _) in ctx_fields.iter().filter(|f| f.0 != "slot") {
        m.output_of(&format!("dec_{f}"), part(&ctx_fields, &word, f));
    }
    let word = m.delay("fdb_out", &fdb_q.head);
    for (f, _) in FDB_FIELDS {
        m.output_of(&format!("dec_{f}"), part(FDB_FIELDS, &word, f));
    }
    m.output_of("hash_valid", &rsp_valid);
    m.output_of("hash_slot", part(&ctx_fields, &ctx_q.head, "slot"));
    m.output_of("hash_word", m.input("rsp_hash", 32));
    for g in 0..p.lag_groups {
        let member = m.input(&format!("rsp_member_g{g}"), p.ports);
        let out = m.output_reg_nr(&format!("dec_member_g{g}"), p.ports);
        m.assign(&out, &member);
    }
    let idle = m.output_reg("idle", 1, 0);
    let quiet = rests & !cat(&waits).any() & !&ctx_q.valid & !&valid & !arrived.any();
    m.assign(&idle, quiet);
    m
}

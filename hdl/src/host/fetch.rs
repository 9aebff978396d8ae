//! Submission fetch: keeps up to 8 submissions of each ring at hand.
//!
//! The rings are looked at in turn. One with submissions that are not here yet, and room, has up to four of them read in one read that
//! does not cross a 64-byte line, so never the ring's end. Up to four reads are under way. Submissions go to the receive and
//! transmit engines' memories (`desc_*`), each of which counts as filled when both its halves are there. A read that fails stops the ring.
//! Test: `tests/host.rs`.

use super::{Shape, word};
use crate::pcie::fifo::fifo;
use crate::rtl::{E, Module, any_of, cat, lit, mux};

/// The fetch engine. Ports: pointers of [`super::rings`], `rd_*`/`rdata_*` of DMA client 0, `desc_*`, `busy`, `idle`.
pub fn fetch(s: Shape) -> Module {
    let m = Module::new("host_fetch");
    m.sync();
    let n = s.rings();
    let (running, halted) = (m.input("running", n), m.input("halted", n));
    let (tail, fetched) = (m.input("tail", 16 * n), m.input("fetched", 16 * n));
    let (taken, size) = (m.input("taken", 16 * n), m.input("size", 4 * n));
    let (sq_lo, sq_hi) = (m.input("sq_lo", 32), m.input("sq_hi", 32));
    let ring = m.reg("ring", 3, 0);
    m.output_of("sq_ring", &ring);

    // Ask.
    let state = m.reg("state", 2, 0);
    let (look, judge, ask) = (0, 1, 2);
    let (avail, at) = (m.reg_nr("avail", 16), m.reg_nr("at", 16));
    let (held, may) = (m.reg_nr("held", 4), m.reg_nr("may", 1));
    let mask = m.reg_nr("mask", 16);
    let (count, addr) = (m.reg_nr("count", 3), m.reg_nr("addr", 64));
    let group = lit(3, 4) - at.slice(0, 2).zext(3);
    let enough = avail.ge(group.zext(16));
    let some = m.named("some", mux(enough, group, avail.slice(0, 3)));
    let fits = (lit(4, 8) - &held).ge(some.zext(4));
    let out = m.inst("under_way", &fifo(9, 4));
    let go = m.named("go", &may & avail.any() & fits & out.port("in_ready"));
    let ready = m.input("rd_ready", 1);
    let asked = m.named("asked", state.eq(ask) & &ready);
    let next = mux(ring.eq(n as u64 - 1), lit(3, 0), &ring + 1);
    m.process(|p| {
        p.switch(&state, |s| {
            s.case(look, |p| {
                let f = word(&fetched, &ring, 16);
                p.set(&may, running.bit_at(&ring) & !halted.bit_at(&ring));
                p.set(&avail, word(&tail, &ring, 16) - &f);
                p.set(&held, (&f - word(&taken, &ring, 16)).slice(0, 4));
                p.set(&at, &f);
                p.set(&mask, lit(16, 1).shl_by(&word(&size, &ring, 4)) - 1);
                p.set(&state, judge);
            });
            s.case(judge, |p| {
                p.set(&count, &some);
                let offset = cat([&(&at & &mask), &lit(4, 0)]);
                p.set(&addr, cat([&sq_hi, &sq_lo]) + offset.zext(64));
                p.if_(&go, |p| p.set(&state, ask));
                p.else_(|p| {
                    p.set(&ring, &next);
                    p.set(&state, look);
                });
            });
            s.default(|p| {
                p.if_(&ready, |p| {
                    p.set(&ring, &next);
                    p.set(&state, look);
                })
            });
        });
    });
    m.output_of("rd_valid", state.eq(ask));
    m.output_of("rd_addr", &addr);
    m.output_of("rd_len", count.zext(14).shl(4));
    m.output_of("fetch_ring", &ring);
    m.output_of("fetch_count", &count & asked.repl(3));
    out.drive("in_valid", &asked)
        .drive("in_data", cat([&at.slice(0, 3), &count, &ring]));

    // Take in.
    let (valid, data) = (m.input("rdata_valid", 1), m.input("rdata_data", 64));
    m.input("rdata_keep", 8);
    let (last, err) = (m.input("rdata_last", 1), m.input("rdata_err", 1));
    let entry = out.port("out_data");
    let fill_ring = m.named("fill_ring_i", entry.slice(0, 3));
    let half = m.reg("half", 4, 0);
    m.process(|p| {
        p.if_(&valid, |p| p.set(&half, mux(&last, lit(4, 0), &half + 1)));
    });
    let slot = entry.slice(6, 3) + half.slice(1, 3);
    out.drive("out_ready", &valid & &last);
    m.output_of("rdata_ready", true);
    m.output_of("fill_ring", &fill_ring);
    m.output_of("fill", &valid & !&err & half.bit(0));
    m.output_of("fetch_fail", &valid & &err);
    m.output_of("desc_valid", &valid & !&err);
    m.output_of("desc_ring", &fill_ring);
    m.output_of("desc_place", cat([&slot, &half.bit(0)]));
    m.output_of("desc_data", &data);

    // How many reads of each ring are under way.
    let mut busy: Vec<E> = vec![];
    for r in 0..n {
        let c = m.reg(&format!("reads_r{r}"), 3, 0);
        let begins = m.named(&format!("begins_r{r}"), &asked & ring.eq(r as u64));
        let ends = &valid & &last & fill_ring.eq(r as u64);
        let ends = m.named(&format!("ends_r{r}"), ends);
        m.process(|p| {
            p.if_(&begins & !&ends, |p| p.set(&c, &c + 1));
            p.elif(&ends & !&begins, |p| p.set(&c, &c - 1));
        });
        busy.push(c.any() | (ring.eq(r as u64) & state.ne(look)));
    }
    m.output_of("busy", cat(busy.iter().rev()));
    // Quiet: a whole round of rings without anything to ask.
    let round = m.reg("round", 4, 0);
    let watched = m.named("watched", cat([&tail, &taken, &running, &halted]));
    let same = m.named("same", watched.eq(m.delay("watched_before", &watched)));
    m.process(|p| {
        p.if_(state.eq(judge), |p| {
            p.if_(&go, |p| p.set(&round, 0));
            p.elif(!round.bit(3), |p| p.set(&round, &round + 1));
        });
        p.if_(!&same, |p| p.set(&round, 0));
    });
    let idle = m.output_reg("idle", 1, 0);
    let any = any_of(1, &[out.port("out_valid"), state.eq(ask)]);
    m.assign(&idle, !any & round.bit(3) & &same);
    m
}

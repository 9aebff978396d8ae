//! Requests on their way to the engine: taken from software and from the learn queue in turn, and hashed.

use super::control::Control;
use super::core::{C4, Core};
use super::hash::hash;
use super::*;
use crate::rtl::lit;

/// An operation that waits with its hashes: from software or from the learn queue.
pub(super) struct Prepared {
    pub ready: E,
    pub busy: E,
    pub op: E,
    pub key: E,
    pub dest: E,
    pub kind: E,
    pub age: E,
    pub host: E,
    pub bucket: [E; 2],
}

/// Loads a request and hashes it in two cycles with the one hash unit; a displaced entry in C4 goes first.
pub(super) fn prepare(
    c: &Core,
    ctl: &Control,
    learn: (&E, &E),
    taken: (&E, &E, &E),
    displaced: &E,
) -> Prepared {
    let (m, n) = (&c.m, c.s.index);
    let (learn_valid, learn_word) = learn;
    let (take, host_taken, learn_pop) = taken;
    let busy = m.reg("prep_busy", 1, 0);
    let step = m.reg("prep_step", 2, 0);
    let r = |name: &str, w| m.reg_nr(&format!("prep_{name}"), w);
    let (op_r, key, dest, kind, age, host) = (
        r("op", 3),
        r("key", KEY_BITS),
        r("dest", 6),
        r("kind", 4),
        r("age", 2),
        r("host", 1),
    );
    let bucket = [r("bucket0", n), r("bucket1", n)];
    let host_last = m.reg("prep_host_last", 1, 0);
    let load = m.named("prep_load", !&busy & (learn_valid | &ctl.pending));
    let from_host = m.named("prep_from_host", &ctl.pending & !(learn_valid & &host_last));
    m.assign(host_taken, &load & &from_host);
    m.assign(learn_pop, &load & !&from_host);

    let displaces = m.named("hash_displaces", c.at(C4 - 1) & c.w.op.eq(op::PLACE));
    let displace = m.delay("hash_displaced", &displaces);
    let hashes = m.named("prep_hashes", &busy & !step.bit(1) & !&displace);
    // The table whose hash comes next, found a cycle ahead: it selects among 120 bits.
    let next = mux(&load, lit(1, 0), step.bit(0) ^ &hashes);
    let second = m.delay("hash_second", &mux(displaces, !c.w.way.bit(2), next));
    let unit = hash(
        m,
        "hash_unit",
        &m.named("hash_key", mux(&displace, displaced, &key)),
        &m.named(
            "hash_with",
            mux(&second, &ctl.hash_key[1], &ctl.hash_key[0]),
        ),
        n,
    );
    m.assign(&c.other_bucket, &unit);
    let is_read = ctl.op.eq(op::READ) & &from_host;
    m.process(|p| {
        p.if_(take, |p| p.set(&busy, false));
        p.if_(&load, |p| {
            p.set(&busy, true);
            p.set(&step, mux(&is_read, lit(2, 2), lit(2, 0)));
            p.set(&host, &from_host);
            p.set(&host_last, &from_host);
            p.if_(&from_host, |p| {
                p.set(&op_r, &ctl.op);
                p.set(&key, &ctl.key);
                p.set(&dest, &ctl.dest);
                p.set(&kind, &ctl.kind);
                p.set(&age, &ctl.age);
            });
            p.else_(|p| {
                p.set(&op_r, learn_word.bit(66).zext(3));
                p.set(&key, learn_word.slice(0, KEY_BITS));
                p.set(&dest, learn_word.slice(KEY_BITS, 6));
                p.set(&kind, 0);
                p.set(&age, 3);
            });
        });
        p.if_(&hashes, |p| {
            p.set(&step, &step + 1);
            p.if_(step.bit(0), |p| p.set(&bucket[1], &unit));
            p.else_(|p| p.set(&bucket[0], &unit));
        });
    });
    Prepared {
        ready: m.named("prep_ready", &busy & step.bit(1)),
        busy,
        op: op_r,
        key,
        dest,
        kind,
        age,
        host,
        bucket,
    }
}

//! The lookup pipeline: hash, read (2 cycles), compare (2 cycles), select. One lookup a cycle, [`LATENCY`](super::LATENCY) cycles.
//!
//! A word that the engine writes in the very cycle in which a lookup reads its address comes out of the block RAM undefined; the pipeline
//! then compares with the written word itself.

use super::cam::{Cam, Hand, same};
use super::hash::hash;
use super::{DATA_BITS, KEY_BITS, Size, age_of, dest_code};
use crate::rtl::{E, Module, any_of, select_onehot};

/// The side of the engine that lookups see.
pub(super) struct Written {
    /// Ways written in this cycle, and the bucket of each table.
    pub ways: E,
    pub bucket: [E; 2],
    /// The word: stable for four cycles more.
    pub word: E,
    pub epoch: E,
    pub ready: E,
}

/// Addresses of port A (known before the tables are built) and what comes back from them.
pub(super) struct Reads {
    pub bucket: [E; 2],
    /// Registered output of each way.
    pub words: Vec<E>,
}

/// The first stage: gives the addresses.
pub(super) fn buckets(m: &Module, s: &Size, valid: &E, key: &E, hash_key: &[E; 2]) -> [E; 2] {
    [0, 1].map(|t| {
        let h = hash(m, &format!("lookup_hash{t}"), key, &hash_key[t], s.index);
        m.delay_if(valid, &format!("lookup_bucket{t}"), &h)
    })
}

/// The other stages. Gives a signal that is set while a lookup is under way.
pub(super) fn lookup(
    m: &Module,
    s: &Size,
    (valid, key): (&E, &E),
    (r, w): (&Reads, &Written),
    (cam, hand): (&Cam, &Hand),
) -> E {
    let mut valids = vec![valid.clone()];
    let mut key = key.clone();
    for i in 1..6 {
        let v = m.reg(&format!("lookup_valid{i}"), 1, 0);
        m.assign(&v, &valids[i - 1]);
        valids.push(v);
        if i < 4 {
            key = m.delay_if(&valids[i - 1], &format!("lookup_key{i}"), &key);
        }
    }
    // Stage 1: the address is at the block RAM.
    let hit: Vec<E> = (0..2)
        .rev()
        .map(|t| {
            let same = r.bucket[t].eq(&w.bucket[t]);
            same.repl(4) & w.ways.slice(4 * t as u32, 4)
        })
        .collect();
    let stale1 = m.delay_if(&valids[1], "lookup_stale1", &crate::rtl::cat(&hit));
    let stale = m.delay_if(&valids[2], "lookup_stale2", &stale1);
    // Stages 3 and 4: compare.
    let late = [valids[3].clone(), valids[4].clone()];
    let twice = |name: &str, e: E| {
        let once = m.delay_if(&late[0], &format!("{name}_3"), &e);
        m.delay_if(&late[1], name, &once)
    };
    let mut choices = vec![];
    for (i, word) in r.words.iter().enumerate() {
        let current = !stale.bit(i as u32);
        let found = word.slice(0, KEY_BITS);
        choices.push((
            same(
                m,
                &format!("lookup_hit{i}"),
                &late,
                (&found, &key),
                &current,
            ),
            twice(&format!("lookup_data{i}"), word.slice(KEY_BITS, DATA_BITS)),
        ));
    }
    let fresh = w.word.slice(0, KEY_BITS);
    choices.push((
        same(m, "lookup_hit_fresh", &late, (&fresh, &key), &stale.any()),
        w.word.slice(KEY_BITS, DATA_BITS),
    ));
    choices.push((
        same(m, "lookup_hit_hand", &late, (&hand.key, &key), &hand.valid),
        hand.data.clone(),
    ));
    let candidates = cam.lookup(m, s);
    let numbers: Vec<E> = candidates.iter().map(|c| c.number.clone()).collect();
    let words = cam.lookup_words.read(&numbers);
    for (b, (c, word)) in candidates.iter().zip(&words).enumerate() {
        choices.push((
            same(
                m,
                &format!("lookup_hit_cam{b}"),
                &late,
                (&word.slice(0, KEY_BITS), &key),
                &c.any,
            ),
            twice(
                &format!("lookup_data_cam{b}"),
                word.slice(KEY_BITS, DATA_BITS),
            ),
        ));
    }
    // The epoch as it was when the tables were read.
    let mut epoch = w.epoch.clone();
    for i in 0..4 {
        epoch = m.delay(&format!("lookup_epoch{i}"), &epoch);
    }
    // Stage 5: select.
    let data = m.named("lookup_data", select_onehot(DATA_BITS, &choices));
    let found = m.output_reg("found_valid", 1, 0);
    m.assign(&found, &valids[5]);
    let hit = m.output_reg("found_hit", 1, 0);
    let some = data.slice(0, 6).any();
    m.process(|p| {
        p.set(&hit, false);
        p.if_(&valids[5], |p| p.set(&hit, some & &w.ready));
    });
    let outs = [
        ("found_dest", dest_code(&data.slice(0, 6))),
        ("found_kind", data.slice(6, 4)),
        ("found_age", age_of(&data, &epoch)),
    ];
    for (name, value) in outs {
        let o = m.output_reg_nr(name, value.width());
        m.process(|p| p.if_(&valids[5], |p| p.set(&o, value)));
    }
    valids.push(found);
    any_of(1, &valids)
}

//! What stands at the place of an operation: the comparisons of C3 and C4, in the tables and in the CAM.

use super::cam::{Cam, all_groups, bank_of, choose_slot, equal_groups, number_of};
use super::core::{C3, Core};
use super::*;
use crate::rtl::{any_of, bits_for, cat, lit, pick, select_onehot};

/// The comparison's result, valid in C4.
pub(super) struct Found {
    /// The operation searches for a key.
    pub key_op: E,
    pub table: E,
    pub ways: Vec<E>,
    /// The entry's data, or nothing.
    pub data: E,
    pub cam: E,
    pub cam_slot: E,
    /// What was found has the operation's destination.
    pub same: E,
    /// The CAM has a slot that the entry may enter, and which.
    pub fits: E,
    pub new_slot: E,
    /// Free ways.
    pub free: Vec<E>,
    /// What stands at the operation's own place.
    pub slot: Slot,
}

/// The place that an operation is about if it does not search: a way of a table, a slot of the CAM, or the hand.
#[derive(Clone)]
pub(super) struct Slot {
    /// It is no way of a table.
    pub held: E,
    /// What the way holds, valid in C4.
    pub displaced: E,
    /// The data of the place, valid in C4; nothing for an operation that searches.
    pub data: E,
}

/// `in_way` is what the way holds, in C3.
pub(super) fn slot(c: &Core, in_way: &E, key_op: &E) -> Slot {
    let m = &c.m;
    let held = m.named("held", &c.w.in_cam | &c.w.hand);
    let data = mux(&held, &c.w.data, in_way.slice(KEY_BITS, DATA_BITS));
    Slot {
        held,
        displaced: m.delay("displaced", in_way),
        data: m.delay("slot_data", &(data & (!key_op).repl(DATA_BITS))),
    }
}

/// Searches. `c0_number` is the slot of the CAM that is read in C0; what it holds is the second part of the result (key, data, both buckets,
/// the table to try first).
pub(super) fn search(
    c: &Core,
    store: &Cam,
    words: &[E],
    (key_op, c0_number, slot): (&E, &E, &Slot),
) -> (Found, E) {
    let (m, s) = (&c.m, &c.s);
    let dest = c.w.data.slice(0, 6);
    let comparing = m.delay("comparing", &c.at(C3 - 1));
    // Tables: key in C3.
    let each = |name: &str, f: &dyn Fn(&E) -> E| -> Vec<E> {
        words
            .iter()
            .enumerate()
            .map(|(i, w)| m.delay(&format!("engine_{name}{i}"), &f(w)))
            .collect()
    };
    let data_of = |w: &E| w.slice(KEY_BITS, DATA_BITS);
    // Only an operation that searches hits anything, so that what it finds and what the others have in their slot is one sum.
    let equal = each("equal", &|w| {
        equal_groups(&w.trunc(KEY_BITS), &c.w.key, key_op)
    });
    let free = each("free", &|w| w.slice(KEY_BITS, 6).is_zero());
    let ways: Vec<E> = equal
        .iter()
        .zip(&free)
        .enumerate()
        .map(|(i, (e, f))| m.named(&format!("engine_hit{i}"), all_groups(e) & !f))
        .collect();
    let same = each("same", &|w| w.slice(KEY_BITS, 6).eq(&dest));
    let select = |of: &dyn Fn(usize) -> E, width: u32| {
        let all: Vec<(E, E)> = (0..8).map(|i| (ways[i].clone(), of(i))).collect();
        select_onehot(width, &all)
    };
    let table_same = select(&|i| same[i].clone(), 1);
    let data = select(&|i| data_of(&words[i]), DATA_BITS);

    // CAM: read by number in C0, by the candidates of a search in C3.
    let candidates = store.engine(m, s);
    let numbers: Vec<E> = candidates
        .iter()
        .map(|x| mux(&comparing, &x.number, number_of(c0_number)))
        .collect();
    let cam_words = store.engine_words.read(&numbers);
    let kept = bank_of(c0_number).map_or(cam_words[0].clone(), |b| pick(&b, &cam_words));
    let mut hits = vec![];
    let (mut cam_data, mut cam_slot, mut cam_same) = (vec![], vec![], vec![]);
    for (b, (x, word)) in candidates.iter().zip(&cam_words).enumerate() {
        let delayed = |what: &str, e: &E| m.delay(&format!("engine_cam_{what}{b}"), e);
        let equal = equal_groups(&word.trunc(KEY_BITS), &c.w.key, &(&x.any & key_op));
        let hit = all_groups(&delayed("equal", &equal));
        let hit = m.named(&format!("engine_cam_hit{b}"), hit);
        let same = delayed("same", &word.slice(KEY_BITS, 6).eq(&dest));
        cam_data.push((hit.clone(), delayed("data", &data_of(word))));
        let number = cat([&lit(bits_for(s.banks() as u64), b as u64), &x.number]);
        cam_slot.push((hit.clone(), number));
        cam_same.push(&hit & same);
        hits.push(hit);
    }
    let turn = c.random.slice(3, bits_for(s.banks() as u64));
    let (fits, new_slot) = choose_slot(s, &c.free, &candidates, &turn);
    let slot_bits = bits_for(s.banks() as u64) + 4;
    let found = Found {
        key_op: key_op.clone(),
        table: m.named("hit_table", any_of(1, &ways)),
        data: m.named("hit_data", data | select_onehot(DATA_BITS, &cam_data)),
        cam: m.named("hit_cam", any_of(1, &hits)),
        cam_slot: select_onehot(slot_bits, &cam_slot).trunc(s.cam_bits),
        same: m.named("hit_same", table_same | any_of(1, &cam_same)),
        fits,
        new_slot,
        ways,
        free,
        slot: slot.clone(),
    };
    (found, m.named("cam_word", kept))
}

//! The stash: a fully associative memory of registers and comparators, and a copy of it in LUT RAM for the engine.
//!
//! The engine's write reaches the keys exactly two cycles after the cycle in which its write reaches the tables, and the data two cycles
//! after the keys: a lookup reads the tables two cycles before it compares with the CAM, and takes the data two cycles after that, so it
//! sees either the state before an operation, or the state after it, in both places.

use super::{DATA_BITS, KEY_BITS, Size};
use crate::rtl::{E, Module, all_of, any_of, cat, lit, mux, select_onehot};

/// A write on its way to the comparators.
pub(super) struct CamWrite {
    /// Strobe of key and valid bit; strobe of the data.
    pub key_now: E,
    pub data_next: E,
    pub data_now: E,
    pub index: E,
    pub valid: E,
    pub key: E,
    pub data: E,
}

/// The registers.
pub(super) struct Cam {
    pub valid: Vec<E>,
    pub keys: Vec<E>,
    pub data: Vec<E>,
}

pub(super) fn cam(m: &Module, s: &Size, w: &CamWrite) -> Cam {
    let mut c = Cam {
        valid: vec![],
        keys: vec![],
        data: vec![],
    };
    for i in 0..s.cam {
        let here = m.named(&format!("cam_here{i}"), w.index.eq_const(i as u64));
        let valid = m.reg(&format!("cam_valid{i}"), 1, 0);
        let key = m.reg_nr(&format!("cam_key{i}"), KEY_BITS);
        let data = m.reg_nr(&format!("cam_data{i}"), DATA_BITS);
        m.process(|p| {
            p.if_(&w.key_now & &here, |p| {
                p.set(&valid, &w.valid);
                p.set(&key, &w.key);
            });
            p.if_(&w.data_now & &here, |p| p.set(&data, &w.data));
        });
        c.valid.push(valid);
        c.keys.push(key);
        c.data.push(data);
    }
    c
}

impl Cam {
    /// One bit for each entry, two cycles later: it is `key`.
    pub fn compare(&self, m: &Module, name: &str, key: &E) -> Vec<E> {
        self.keys
            .iter()
            .zip(&self.valid)
            .enumerate()
            .map(|(i, (k, v))| same(m, &format!("{name}{i}"), k, key, v))
            .collect()
    }
}

/// Whether two keys are the same and `guard` is set, in two registered stages: groups of 8 bits, then all of them. (As one
/// stage of four levels yosys makes almost twice as many LUTs of it.)
pub(super) fn same(m: &Module, name: &str, a: &E, b: &E, guard: &E) -> E {
    let groups: Vec<E> = (0..KEY_BITS)
        .step_by(8)
        .map(|lsb| {
            let n = (KEY_BITS - lsb).min(8);
            let equal = a.slice(lsb, n).eq(b.slice(lsb, n));
            if n < 8 { equal & guard } else { equal }
        })
        .rev()
        .collect();
    let groups = m.delay(&format!("{name}_groups"), &crate::rtl::cat(&groups));
    m.delay(name, &groups.all())
}

/// The number of the set bit of a one-hot vector.
pub(super) fn encode(onehot: &[E], bits: u32) -> E {
    let parts: Vec<E> = (0..bits)
        .rev()
        .map(|b| {
            let terms: Vec<E> = onehot
                .iter()
                .enumerate()
                .filter(|(i, _)| i >> b & 1 == 1)
                .map(|(_, e)| e.clone())
                .collect();
            crate::rtl::any_of(1, &terms)
        })
        .collect();
    crate::rtl::cat(&parts)
}

/// A clear bit of `used`, of the lowest group of four that has one: whether there is one (one cycle later), and its number
/// (two cycles later).
pub(super) fn lowest_free(m: &Module, used: &E, bits: u32) -> (E, E) {
    let groups = used.width().div_ceil(4);
    let (some, within): (Vec<E>, Vec<E>) = (0..groups)
        .map(|g| {
            let n = (used.width() - 4 * g).min(4);
            let free = |i: u32| {
                if i < n {
                    !used.bit(4 * g + i)
                } else {
                    lit(1, 0)
                }
            };
            let lowest = mux(
                free(0),
                lit(2, 0),
                mux(free(1), lit(2, 1), mux(free(2), lit(2, 2), lit(2, 3))),
            );
            (
                m.delay(&format!("cam_group_free{g}"), &!used.slice(4 * g, n).all()),
                m.delay(&format!("cam_group_lowest{g}"), &lowest),
            )
        })
        .unzip();
    let first: Vec<(E, E)> = (0..groups as usize)
        .map(|g| {
            let mut terms = vec![some[g].clone()];
            terms.extend(some[..g].iter().map(|e| !e));
            let number = cat([&lit(4, g as u64), &within[g]]);
            (all_of(&terms), number)
        })
        .collect();
    (
        any_of(1, &some),
        m.delay("cam_free", &select_onehot(6, &first).trunc(bits)),
    )
}

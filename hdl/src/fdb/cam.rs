//! The stash: a fully associative memory of registers and comparators, and a copy of it in LUT RAM for the engine.
//!
//! The engine's write reaches the keys exactly two cycles after the cycle in which its write reaches the tables, and the data one cycle
//! after the keys: a lookup reads the tables two cycles before it compares with the CAM, so each lookup
//! sees either the state before an operation, or the state after it, in both places.

use super::{DATA_BITS, KEY_BITS, Size};
use crate::rtl::{E, Module};

/// A write on its way to the comparators.
pub(super) struct CamWrite {
    /// Strobe of key and valid bit; strobe of the data.
    pub key_now: E,
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
    /// One registered bit for each entry: it is `key`.
    pub fn compare(&self, m: &Module, name: &str, key: &E) -> Vec<E> {
        self.keys
            .iter()
            .zip(&self.valid)
            .enumerate()
            .map(|(i, (k, v))| m.delay(&format!("{name}{i}"), &(k.eq(key) & v)))
            .collect()
    }
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

/// The lowest clear bit of `used`: whether there is one, and its number (both registered).
pub(super) fn lowest_free(m: &Module, used: &E, bits: u32) -> (E, E) {
    let n = used.width();
    let onehot: Vec<E> = (0..n)
        .map(|i| match i {
            0 => !used.bit(0),
            _ => !used.bit(i) & used.slice(0, i).all(),
        })
        .collect();
    (
        m.delay("cam_has_free", &!used.all()),
        m.delay("cam_free", &encode(&onehot, bits)),
    )
}

//! The stash: a fully associative memory in LUT RAM, and the hand, one register beside it for an entry on its way.
//!
//! **Search.** A fingerprint of 12 bits (eight of the first bucket's number, four of the second's, so it costs no hash of its own) selects; a comparison
//! of the whole key decides. The fingerprint is looked up bit-transposed: for each of its three digits a LUT RAM of 16 words has
//! a bit for each slot, set where the slot's fingerprint has that digit; the and of the three words is one bit for each slot. Slots stand
//! in banks of 16. No two entries of a bank have the same fingerprint, so at most one bit is set in a bank: it gives a number, the
//! number a word of the bank's LUT RAM, and this word's key is compared. The engine keeps the promise: an entry enters a bank only
//! if the search that it began with found its fingerprint there nowhere.
//!
//! A new entry that finds its fingerprint in every bank that has room is refused: with `n` entries in each of two banks with probability
//! `(n / 4096)^2`, so 1 in 4 million of those that find no way at the 2 that are usual at line rate. Different keys share a fingerprint for a sender
//! only by chance, because the hashes are keyed. A chain of moves ends only with an entry that may go back; the one with which it began always
//! may, so it does end.
//!
//! **Writing.** Both copies (for lookups, for the engine) are written at the end of C5: digits by read, change and write of three words; key
//! and data in one word. An empty slot has no bits set, so what its word holds does not matter.
//!
//! **Moves.** A lookup has its place in time where it reads the tables; it reads the digits in the same cycle. What an operation moves from
//! the CAM to the tables leaves the CAM one cycle before it is in the tables; who reads in that cycle reads the address that is being
//! written, and is given the written word. What goes from the tables to the hand is there from that cycle on; what goes from the hand to the tables
//! or to the CAM leaves the hand when it is there. A word found twice is found with the same data, which does no harm.
//!
//! Cost for 32 entries: 132 LUT RAM cells (792 LUT4) and the logic around them; no registers but those of the pipelines. Plain registers and
//! comparators, the first form, made the FDB 2,300 LUT4 and 2,700 FF larger. Tests: `tests/fdb_cam.rs`, and every other of the FDB.

use super::{DATA_BITS, KEY_BITS, Size};
use crate::rtl::{E, Inst, Module, all_of, any_of, bits_for, cat, lit, mux, ram, select_onehot};

/// Slots in a bank: the depth of a LUT RAM cell.
pub(super) const BANK: u32 = 16;
/// Bits of a digit of the fingerprint.
const DIGIT: u32 = 4;

/// The fingerprint of an entry with these buckets: its digits.
pub(super) fn digits(bucket: &[E; 2]) -> Vec<E> {
    let [a, b] = bucket.each_ref().map(|b| b.zext(b.width().max(2 * DIGIT)));
    vec![a.slice(0, DIGIT), a.slice(DIGIT, DIGIT), b.slice(0, DIGIT)]
}

/// What the engine writes in C5.
pub(super) struct CamWrite {
    /// Digits change: the entry enters (`set`) or leaves.
    pub digits: E,
    pub set: E,
    /// Key and data are written.
    pub word: E,
    pub index: E,
    /// The fingerprint.
    pub at: Vec<E>,
}

/// The digits of all slots, one copy.
struct Digits {
    rams: Vec<Inst>,
    /// One bit for each slot, combinational.
    hit: E,
}

fn copy_of_digits(m: &Module, s: &Size, name: &str, at: &[E]) -> Digits {
    let ram = ram::lut(s.cam, 1 << DIGIT);
    let rams: Vec<Inst> = at
        .iter()
        .enumerate()
        .map(|(d, a)| {
            let r = m.inst(&format!("{name}_digit{d}"), &ram);
            r.drive("raddr", a);
            r
        })
        .collect();
    let rows: Vec<E> = rams.iter().map(|r| r.port("rdata")).collect();
    Digits {
        hit: all_wide(&rows),
        rams,
    }
}

/// Bitwise and.
fn all_wide(parts: &[E]) -> E {
    parts[1..].iter().fold(parts[0].clone(), |a, b| a & b)
}

/// A copy of the words, a LUT RAM for each bank.
pub(super) struct Words(Vec<Inst>);

impl Words {
    pub fn new(m: &Module, s: &Size, name: &str, width: u32) -> Words {
        let ram = ram::lut(width, BANK as u64);
        Words(
            (0..s.banks())
                .map(|b| m.inst(&format!("{name}{b}"), &ram))
                .collect(),
        )
    }

    /// The word of each bank at these numbers.
    pub fn read(&self, at: &[E]) -> Vec<E> {
        self.0
            .iter()
            .zip(at)
            .map(|(r, a)| {
                r.drive("raddr", a);
                r.port("rdata")
            })
            .collect()
    }

    /// The write port.
    pub fn write(&self, w: &CamWrite, word: &E) {
        for (b, r) in self.0.iter().enumerate() {
            let bank = bank_of(&w.index);
            let here = bank.map_or(w.word.clone(), |n| &w.word & n.eq(b as u64));
            r.drive("we", here)
                .drive("waddr", number_of(&w.index))
                .drive("wdata", word);
        }
    }
}

/// The bank of a slot, if there is more than one.
pub(super) fn bank_of(index: &E) -> Option<E> {
    let w = index.width();
    let low = BANK.trailing_zeros();
    (w > low).then(|| index.slice(low, w - low))
}

/// The number of a slot in its bank.
pub(super) fn number_of(index: &E) -> E {
    let low = BANK.trailing_zeros();
    index.zext(index.width().max(low)).trunc(low)
}

/// What a search found in one bank: whether a fingerprint is there, and where.
pub(super) struct Candidate {
    pub any: E,
    pub number: E,
}

/// The search of one copy: two registered stages from the digits to the number.
fn search(m: &Module, s: &Size, name: &str, hit: &E) -> Vec<Candidate> {
    let hit = m.delay(&format!("{name}_slots"), hit);
    (0..s.banks())
        .map(|b| {
            let n = (s.cam - BANK * b).min(BANK);
            let bits = hit.slice(BANK * b, n);
            let number = encode(&bits, BANK.trailing_zeros());
            Candidate {
                any: m.delay(&format!("{name}_any{b}"), &bits.any()),
                number: m.delay(&format!("{name}_number{b}"), &number),
            }
        })
        .collect()
}

/// The CAM: two copies of the digits, and of the words.
pub(super) struct Cam {
    lookup: Digits,
    engine: Digits,
    /// Key and data.
    pub lookup_words: Words,
    /// Key, data, both buckets, the table to try next.
    pub engine_words: Words,
}

pub(super) fn cam(m: &Module, s: &Size, lookup: &[E; 2], engine: &[E; 2], extra: u32) -> Cam {
    Cam {
        lookup: copy_of_digits(m, s, "lookup", &digits(lookup)),
        engine: copy_of_digits(m, s, "engine", &digits(engine)),
        lookup_words: Words::new(m, s, "lookup_words", KEY_BITS + DATA_BITS),
        engine_words: Words::new(m, s, "engine_words", KEY_BITS + DATA_BITS + extra),
    }
}

impl Cam {
    /// The candidates of a lookup, two cycles after the tables are addressed.
    pub fn lookup(&self, m: &Module, s: &Size) -> Vec<Candidate> {
        search(m, s, "lookup_cam", &self.lookup.hit)
    }

    /// The candidates of the engine's key, two cycles after its buckets are known.
    pub fn engine(&self, m: &Module, s: &Size) -> Vec<Candidate> {
        search(m, s, "engine_cam", &self.engine.hit)
    }

    /// The write port of the digits, and of `used`, which has a bit for each slot. The rows are those of the engine's fingerprint, which
    /// its own copy reads. While `clear` is set the digit `clear_at` is cleared in every slot.
    pub fn write(&self, m: &Module, s: &Size, w: &CamWrite, used: &E, (clear, clear_at): (&E, &E)) {
        let here = w.index.decode(s.cam) | clear.repl(s.cam);
        let here = m.named("cam_here", here);
        let we = m.named("cam_digits_we", &w.digits | clear);
        let set = m.named("cam_set", &w.set);
        let change = |row: &E| (row & !&here) | (&here & set.repl(s.cam));
        m.process(|p| p.if_(&we, |p| p.set(used, change(used))));
        for (d, at) in w.at.iter().enumerate() {
            let row = self.engine.rams[d].port("rdata");
            let word = m.named(&format!("cam_row{d}"), change(&row));
            let waddr = m.named(&format!("cam_waddr{d}"), mux(clear, clear_at, at));
            for copy in [&self.lookup, &self.engine] {
                copy.rams[d]
                    .drive("we", &we)
                    .drive("waddr", &waddr)
                    .drive("wdata", &word);
            }
        }
    }
}

/// The entry that a chain of moves has taken out of the tables, as lookups see it. Its data is behind its key by the two cycles in which
/// lookups compare.
pub(super) struct Hand {
    pub valid: E,
    pub key: E,
    pub data: E,
}

/// Whether two keys are the same and `guard` is set, in two registered stages: groups of 8 bits, then all of them. (As one
/// stage of four levels yosys makes almost twice as many LUTs of it.) `when` says for each stage that there is something to compare.
pub(super) fn same(m: &Module, name: &str, when: &[E; 2], (a, b): (&E, &E), guard: &E) -> E {
    let groups = equal_groups(a, b, guard);
    let groups = m.delay_if(&when[0], &format!("{name}_groups"), &groups);
    m.delay_if(&when[1], name, &all_groups(&groups))
}

/// The lowest bit of each group of 8: where [`equal_groups`] has its bits.
const GROUP_BITS: u64 = 0x0101_0101_0101_0101;

/// The first stage of [`same`]; [`all_groups`] of it is the second. A word with a bit for each group, in the group's place: all others
/// are 0. (Gathering the eight would cost nothing in hardware, but in simulation more than the comparison.)
pub(super) fn equal_groups(a: &E, b: &E, guard: &E) -> E {
    // Not `==`: of that abc takes every bit's two halves apart, and needs a quarter more LUTs.
    let equal = (a & b) | !(a | b);
    let mut all = cat(&[guard.repl(64 - KEY_BITS), equal]);
    for n in [1, 2, 4] {
        all = &all & all.shr(n);
    }
    all & GROUP_BITS
}

/// Whether every group of [`equal_groups`] is equal.
pub(super) fn all_groups(groups: &E) -> E {
    (groups | !GROUP_BITS).all()
}

/// The number of the set bit of a one-hot vector.
fn encode(onehot: &E, bits: u32) -> E {
    let parts: Vec<E> = (0..bits)
        .rev()
        .map(|b| {
            let terms: Vec<E> = (0..onehot.width())
                .filter(|i| i >> b & 1 == 1)
                .map(|i| onehot.bit(i))
                .collect();
            any_of(1, &terms)
        })
        .collect();
    cat(&parts)
}

/// A clear bit of `used`, of the lowest group of four that has one: whether there is one (one cycle later), and its number
/// (two cycles later).
fn lowest_free(m: &Module, name: &str, used: &E) -> (E, E) {
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
                m.delay(
                    &format!("{name}_group_free{g}"),
                    &!used.slice(4 * g, n).all(),
                ),
                m.delay(&format!("{name}_group_lowest{g}"), &lowest),
            )
        })
        .unzip();
    let first: Vec<(E, E)> = (0..groups as usize)
        .map(|g| {
            let mut terms = vec![some[g].clone()];
            terms.extend(some[..g].iter().map(|e| !e));
            (all_of(&terms), cat([&lit(2, g as u64), &within[g]]))
        })
        .collect();
    (
        any_of(1, &some),
        m.delay(&format!("{name}_free"), &select_onehot(4, &first)),
    )
}

/// For each bank of `used`: whether it has a free slot, and which, two cycles later.
pub(super) fn free_slots(m: &Module, s: &Size, used: &E) -> Vec<Candidate> {
    (0..s.banks())
        .map(|b| {
            let n = (s.cam - BANK * b).min(BANK);
            let (some, number) = lowest_free(m, &format!("cam{b}"), &used.slice(BANK * b, n));
            Candidate {
                any: m.delay(&format!("cam{b}_room"), &some),
                number,
            }
        })
        .collect()
}

/// Where an entry may go whose fingerprint was found in the banks `taken`: whether there is a slot, and its number. `first` is the
/// bank that is asked first, so that the banks fill alike.
pub(super) fn choose_slot(s: &Size, free: &[Candidate], taken: &[Candidate], first: &E) -> (E, E) {
    let fits: Vec<E> = free
        .iter()
        .zip(taken)
        .map(|(f, t)| &f.any & !&t.any)
        .collect();
    let n = s.banks();
    let at = |b: u32| cat([&lit(bits_for(n as u64), b as u64), &free[b as usize].number]);
    // Upwards from `first`, then from the bottom.
    let below = (0..n - 1)
        .rev()
        .fold(at(n - 1), |rest, b| mux(&fits[b as usize], at(b), rest));
    let slot = (0..n).rev().fold(below, |rest, b| {
        let fit = &fits[b as usize];
        let last = b as u64 == (1 << first.width()) - 1;
        let fit = if last {
            fit.clone()
        } else {
            fit & first.le(b as u64)
        };
        mux(fit, at(b), rest)
    });
    (any_of(1, &fits), slot.trunc(s.cam_bits))
}

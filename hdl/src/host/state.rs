//! What is kept of a ring: one word, which passes [`super::rings`] every 8 cycles.

use crate::rtl::{E, Module, cat, mux};

/// Bits of a ring number.
pub(crate) const RING: u32 = 3;

/// Fields of a ring's word and their widths, lowest first.
pub(crate) const FIELDS: &[(&str, u32)] = &[
    // What the host wrote.
    ("enable", 1),
    ("size", 4),
    ("tail", 16),
    ("cq_head", 16),
    ("limit", 8),
    ("patience", 16),
    // Whether it works.
    ("running", 1),
    ("stopped", 1),
    ("code", 4),
    // Submissions: read (asked for), here, taken; completions: made, made but not written.
    ("fetched", 16),
    ("filled", 4),
    ("taken", 16),
    ("made", 32),
    ("pend", 3),
    // Completions written without an interrupt, since when, whether one hurries; how long none was made.
    ("waiting", 8),
    ("since", 16),
    ("urgent", 1),
    ("quiet", 3),
    ("no_buffer", 32),
];

/// A word in its fields.
pub(crate) struct Fields(Vec<E>);

impl Fields {
    /// From one expression for each field, by name.
    pub(crate) fn new(of: impl Fn(&str) -> E) -> Fields {
        Fields(FIELDS.iter().map(|(name, _)| of(name)).collect())
    }
    /// From a word.
    pub(crate) fn split(word: &E) -> Fields {
        let mut lsb = 0;
        let list = FIELDS.iter().map(|(_, width)| {
            lsb += width;
            word.slice(lsb - width, *width)
        });
        Fields(list.collect())
    }
    /// As one word.
    pub(crate) fn join(&self) -> E {
        cat(self.0.iter().rev())
    }
    /// One field.
    pub(crate) fn get(&self, name: &str) -> &E {
        let place = FIELDS.iter().position(|f| f.0 == name);
        &self.0[place.unwrap_or_else(|| panic!("no field {name}"))]
    }
}

/// Bits of a word.
pub(crate) fn width() -> u32 {
    FIELDS.iter().map(|f| f.1).sum()
}

/// An event of a ring, kept until the ring's word passes. Ports of `m`: `NAME_valid`, `NAME_ring`, and `NAME_x` for each of `values`;
/// output `NAME_settling`: the event, or its effect, is not yet seen by those who look at the rings. The next event may come when it is clear.
pub(crate) struct Held {
    /// It is for the word that passes.
    pub here: E,
    /// It waits.
    pub valid: E,
    values: Vec<(String, E)>,
}

impl Held {
    /// Cycles from a word's passing to its being seen: stages of [`super::rings`].
    pub(crate) const STAGES: u32 = 2;

    /// `next`: the ring whose word passes in the cycle after this one.
    pub(crate) fn new(m: &Module, name: &str, next: &E, values: &[(&str, u32)]) -> Held {
        let comes = m.input(&format!("{name}_valid"), 1);
        let valid = m.reg(&format!("{name}_held"), 1, 0);
        let (mut list, mut coming) = (vec![], vec![]);
        for (field, width) in [("ring", RING)].iter().chain(values) {
            let from = m.input(&format!("{name}_{field}"), *width);
            let to = m.reg_nr(&format!("{name}_{field}_q"), *width);
            m.process(|p| p.if_(&comes, |p| p.set(&to, &from)));
            list.push((field.to_string(), to));
            coming.push(from);
        }
        // Found in the cycle before, out of what the event becomes.
        let here = m.reg(&format!("{name}_here"), 1, 0);
        let stays = &valid & !&here & list[0].1.eq(next);
        m.assign(&here, mux(&comes, coming[0].eq(next), stays));
        m.process(|p| {
            p.if_(&here, |p| p.set(&valid, false));
            p.if_(&comes, |p| p.set(&valid, true));
        });
        let mut settling = valid.clone();
        let mut last = valid.clone();
        for i in 0..Self::STAGES {
            let next = m.reg(&format!("{name}_seen{i}"), 1, 0);
            m.assign(&next, &last);
            settling = settling | &next;
            last = next;
        }
        m.output_of(&format!("{name}_settling"), &settling);
        Held {
            here,
            valid,
            values: list,
        }
    }
    /// A value of the event if it is for the word that passes, else zero.
    pub(crate) fn value(&self, name: &str) -> E {
        let v = self.values.iter().find(|v| v.0 == name);
        let v = &v.unwrap_or_else(|| panic!("no value {name}")).1;
        v & self.here.repl(v.width())
    }
    /// The event is here and its bit `name` is set.
    pub(crate) fn is(&self, name: &str) -> E {
        self.value(name)
    }
}

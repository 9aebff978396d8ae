//! The metadata that travels with a frame, complete from the first day.

use crate::rtl::{E, cat};

/// Names and widths, lowest bits first.
pub const FIELDS: &[(&str, u32)] = &[
    ("hash", 32),
    ("reason", 8),
    ("tci", 16),
    ("tagged", 1),
    ("fid", 12),
    ("msti", 6),
    ("timestamp", 32),
];

/// Bits of all fields together.
pub fn width() -> u32 {
    FIELDS.iter().map(|f| f.1).sum()
}

/// All fields as one word; `f` gives each field by name.
pub fn pack(f: impl Fn(&str) -> E) -> E {
    let parts: Vec<E> = FIELDS
        .iter()
        .rev()
        .map(|(name, width)| {
            let e = f(name);
            assert_eq!(e.width(), *width, "metadata field {name}");
            e
        })
        .collect();
    cat(&parts)
}

/// One field of a packed word.
pub fn field(word: &E, name: &str) -> E {
    let mut lsb = 0;
    for (n, w) in FIELDS {
        if *n == name {
            return word.slice(lsb, *w);
        }
        lsb += w;
    }
    panic!("no metadata field {name}")
}

//! Choices and reductions over lists of expressions, as balanced trees.

use super::expr::{E, lit, mux};

/// Bitwise or of all parts (of one width); of none, zero of `width` bits.
pub fn any_of<'a>(width: u32, parts: impl IntoIterator<Item = &'a E>) -> E {
    tree(parts.into_iter().cloned().collect(), |a, b| a | b).unwrap_or_else(|| lit(width, 0))
}

/// Bitwise and of all parts (of one width); of none, one bit set.
pub fn all_of<'a>(parts: impl IntoIterator<Item = &'a E>) -> E {
    tree(parts.into_iter().cloned().collect(), |a, b| a & b).unwrap_or_else(|| lit(1, 1))
}

/// Bitwise exclusive or of all parts (of one width); of none, zero of `width` bits.
pub fn xor_of<'a>(width: u32, parts: impl IntoIterator<Item = &'a E>) -> E {
    tree(parts.into_iter().cloned().collect(), |a, b| a ^ b).unwrap_or_else(|| lit(width, 0))
}

/// Selects the value whose one-hot select is set (and-or); zero if none is.
pub fn select_onehot(width: u32, choices: &[(E, E)]) -> E {
    let parts: Vec<E> = choices.iter().map(|(s, v)| v & s.repl(v.width)).collect();
    any_of(width, &parts)
}

fn tree(mut v: Vec<E>, f: impl Fn(E, E) -> E) -> Option<E> {
    while v.len() > 1 {
        let mut next = Vec::with_capacity(v.len().div_ceil(2));
        let mut it = v.into_iter();
        while let Some(a) = it.next() {
            next.push(match it.next() {
                Some(b) => f(a, b),
                None => a,
            });
        }
        v = next;
    }
    v.pop()
}

/// `values[index]` as a balanced tree of muxes; the last value stands for every index beyond the end.
pub fn pick(index: &E, values: &[E]) -> E {
    assert!(!values.is_empty(), "a choice among nothing");
    let mut level: Vec<E> = values.to_vec();
    let mut bit = 0;
    while level.len() > 1 {
        if bit >= index.width {
            return level[0].clone();
        }
        let b = index.bit(bit);
        level = level
            .chunks(2)
            .map(|c| {
                if c.len() == 2 {
                    mux(&b, &c[1], &c[0])
                } else {
                    c[0].clone()
                }
            })
            .collect();
        bit += 1;
    }
    level.pop().expect("one is left")
}

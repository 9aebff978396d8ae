//! Bits, slices, words and extensions of expressions.

use super::expr::{E, Node, cat, lit};

impl E {
    /// Whether the value is `n` or more (`None`: more than any). From the lowest bit up: where `n` has ones, all of them and what lies
    /// below must do; where it has zeros, any one or what lies below.
    pub(super) fn at_least(&self, n: Option<u64>) -> E {
        let Some(n) = n.filter(|n| self.width >= 64 || n >> self.width == 0) else {
            return lit(1, 0);
        };
        let mut below: Option<E> = None; // always so
        let mut bit = n.trailing_zeros().min(self.width);
        while bit < self.width {
            let rest = n >> bit;
            let left = self.width - bit;
            if rest & 1 == 1 {
                let run = rest.trailing_ones().min(left);
                let ones = self.slice(bit, run).all();
                below = Some(below.map_or(ones.clone(), |b| ones & b));
                bit += run;
            } else {
                let run = rest.trailing_zeros().min(left);
                let ones = self.slice(bit, run).any();
                below = Some(below.map_or(ones.clone(), |b| ones | b));
                bit += run;
            }
        }
        below.unwrap_or(lit(1, 1))
    }
    /// Bits `lsb .. lsb + width`.
    pub fn slice(&self, lsb: u32, width: u32) -> E {
        assert!(
            width > 0 && lsb + width <= self.width,
            "slice {lsb}+:{width} of {} bits",
            self.width
        );
        if width == self.width {
            return self.clone();
        }
        match &*self.node {
            Node::Slice(inner, off) => inner.slice(off + lsb, width),
            Node::Lit(words) => {
                let mut out = vec![0u64; width.div_ceil(64) as usize];
                for i in 0..width {
                    let s = lsb + i;
                    out[i as usize / 64] |= (words[s as usize / 64] >> (s % 64) & 1) << (i % 64);
                }
                E::new(Node::Lit(out), width)
            }
            Node::Cat(parts) => {
                let mut lo = 0;
                for p in parts.iter().rev() {
                    if lsb >= lo && lsb + width <= lo + p.width {
                        return p.slice(lsb - lo, width);
                    }
                    lo += p.width;
                }
                E::new(Node::Slice(self.clone(), lsb), width)
            }
            _ => E::new(Node::Slice(self.clone(), lsb), width),
        }
    }
    /// Bit `i`.
    pub fn bit(&self, i: u32) -> E {
        self.slice(i, 1)
    }
    /// The bit at a computed index; zero beyond the end.
    pub fn bit_at(&self, index: &E) -> E {
        self.slice_at(index, 1)
    }
    /// `width` bits from a computed bit offset; bits beyond the end are zero in synthesis and must not be relied on.
    pub fn slice_at(&self, offset: &E, width: u32) -> E {
        if self.width == 1 {
            return self.clone() & offset.is_zero();
        }
        E::new(Node::DynSlice(self.clone(), offset.clone()), width)
    }
    /// The `index`-th word of `width` bits (index 0 is least significant).
    pub fn word_at(&self, index: &E, width: u32) -> E {
        assert_eq!(
            self.width % width,
            0,
            "{} bits hold no whole number of {width}-bit words",
            self.width
        );
        let n = self.width / width;
        if n == 1 {
            return self.clone();
        }
        let words: Vec<E> = (0..n).map(|i| self.slice(i * width, width)).collect();
        super::pick(index, &words)
    }
    /// Zero-extended to `width`.
    pub fn zext(&self, width: u32) -> E {
        assert!(
            width >= self.width,
            "zext of {} bits to {width}",
            self.width
        );
        if width == self.width {
            return self.clone();
        }
        if let Node::Lit(words) = &*self.node {
            let mut w = words.clone();
            w.resize(width.div_ceil(64) as usize, 0);
            return E::new(Node::Lit(w), width);
        }
        E::new(Node::Zext(self.clone()), width)
    }
    /// Sign-extended to `width`.
    pub fn sext(&self, width: u32) -> E {
        if width == self.width {
            return self.clone();
        }
        cat(&[
            self.bit(self.width - 1).repl(width - self.width),
            self.clone(),
        ])
    }
    /// The lowest `width` bits.
    pub fn trunc(&self, width: u32) -> E {
        self.slice(0, width)
    }
    /// Zero-extended or truncated to `width`.
    pub fn resize(&self, width: u32) -> E {
        if width >= self.width {
            self.zext(width)
        } else {
            self.trunc(width)
        }
    }
}

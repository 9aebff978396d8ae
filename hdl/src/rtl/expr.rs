//! Expressions: immutable, width-checked trees over signals.
//!
//! An [`E`] has a width in bits and unsigned meaning. Operands of arithmetic, logic and comparison have
//! equal widths (a plain `u64` takes the width of the other side); results wrap to that width, so nothing
//! depends on Verilog's context-determined widths. A width error panics at elaboration, where the
//! backtrace names the line of the design that is wrong.

use std::rc::Rc;

/// What a named signal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Input of the module.
    Input,
    /// Output of the module, assigned in a process.
    Output,
    /// Output of the module that is a register.
    OutputReg,
    /// Combinational signal.
    Wire,
    /// Register.
    Reg,
    /// Input port of an instance, assigned by the module that holds it.
    InstInput,
    /// Output port of an instance.
    InstOutput,
}

/// Binary operations on operands of one width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinOp {
    /// Sum, wrapping.
    Add,
    /// Difference, wrapping.
    Sub,
    /// Product, wrapping.
    Mul,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Equality, 1 bit.
    Eq,
    /// Inequality, 1 bit.
    Ne,
    /// Less than, 1 bit.
    Lt,
    /// Less than or equal, 1 bit.
    Le,
    /// Greater than, 1 bit.
    Gt,
    /// Greater than or equal, 1 bit.
    Ge,
}

/// Reductions of all bits to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RedOp {
    /// All bits set.
    All,
    /// Any bit set.
    Any,
    /// Parity.
    Xor,
}

#[derive(Debug)]
pub(crate) enum Node {
    Sig {
        name: String,
        kind: Kind,
        module: usize,
    },
    /// Little-endian words.
    Lit(Vec<u64>),
    Bin(BinOp, E, E),
    Not(E),
    Red(RedOp, E),
    Mux(E, E, E),
    /// Most significant part first, as in Verilog.
    Cat(Vec<E>),
    Slice(E, u32),
    DynSlice(E, E),
    Zext(E),
    Shl(E, u32),
    Shr(E, u32),
    DynShl(E, E),
    DynShr(E, E),
}

/// An expression of a fixed width; cheap to clone.
#[derive(Clone, Debug)]
pub struct E {
    pub(crate) node: Rc<Node>,
    pub(crate) width: u32,
}

/// Anything that can stand as an operand: an expression, or a number that takes the other side's width.
pub trait Operand {
    /// The expression, `width` bits wide if this is a plain number.
    fn operand(self, width: u32) -> E;
}
impl Operand for E {
    fn operand(self, _: u32) -> E {
        self
    }
}
impl Operand for &E {
    fn operand(self, _: u32) -> E {
        self.clone()
    }
}
impl Operand for u64 {
    fn operand(self, width: u32) -> E {
        lit(width, self)
    }
}
impl Operand for bool {
    fn operand(self, width: u32) -> E {
        lit(width, self as u64)
    }
}

/// A constant of `width` bits. Panics if `value` does not fit.
pub fn lit(width: u32, value: u64) -> E {
    assert!(width > 0, "a literal needs at least one bit");
    assert!(
        width >= 64 || value >> width == 0,
        "{value:#x} does not fit in {width} bits"
    );
    let mut words = vec![0; width.div_ceil(64) as usize];
    words[0] = value;
    E::new(Node::Lit(words), width)
}

/// A constant wider than 64 bits, from little-endian 64-bit words.
pub fn lit_wide(width: u32, words: &[u64]) -> E {
    assert_eq!(
        words.len(),
        width.div_ceil(64) as usize,
        "words for {width} bits"
    );
    E::new(Node::Lit(words.to_vec()), width)
}

/// `cond ? a : b`; `cond` is one bit wide.
pub fn mux(cond: impl Operand, a: impl Operand, b: impl Operand) -> E {
    let cond = cond.operand(1);
    assert_eq!(cond.width, 1, "the condition of a mux is one bit wide");
    // A plain number on one side takes the width of the other: try both orders.
    let (a, b) = pair(a, b);
    let w = a.width;
    E::new(Node::Mux(cond, a, b), w)
}

/// Concatenation, most significant part first.
pub fn cat<'a>(parts: impl IntoIterator<Item = &'a E>) -> E {
    let parts: Vec<E> = parts.into_iter().cloned().collect();
    assert!(!parts.is_empty(), "concatenation of nothing");
    if parts.len() == 1 {
        return parts[0].clone();
    }
    let w = parts.iter().map(|p| p.width).sum();
    E::new(Node::Cat(parts), w)
}

fn pair(a: impl Operand, b: impl Operand) -> (E, E) {
    // An expression keeps its own width whatever is asked; a number on the left is fitted to the right.
    let a = a.operand(64);
    let b = b.operand(a.width);
    if a.width == b.width {
        return (a, b);
    }
    match &*a.node {
        Node::Lit(words) => (lit_fit(b.width, words), b),
        _ => panic!("operands of {} and {} bits", a.width, b.width),
    }
}

fn lit_fit(width: u32, words: &[u64]) -> E {
    assert!(words[1..].iter().all(|w| *w == 0), "literal too wide");
    lit(width, words[0])
}

impl E {
    pub(crate) fn new(node: Node, width: u32) -> E {
        E {
            node: Rc::new(node),
            width,
        }
    }
    /// Width in bits.
    pub fn width(&self) -> u32 {
        self.width
    }
    pub(crate) fn name(&self) -> Option<&str> {
        match &*self.node {
            Node::Sig { name, .. } => Some(name),
            _ => None,
        }
    }
    fn bin(&self, op: BinOp, rhs: impl Operand) -> E {
        let rhs = rhs.operand(self.width);
        assert_eq!(
            self.width, rhs.width,
            "{op:?} of {} and {} bits ({self:?}, {rhs:?})",
            self.width, rhs.width
        );
        let w = if op as u8 >= BinOp::Eq as u8 {
            1
        } else {
            self.width
        };
        E::new(Node::Bin(op, self.clone(), rhs), w)
    }
    /// Equal, one bit.
    pub fn eq(&self, rhs: impl Operand) -> E {
        self.bin(BinOp::Eq, rhs)
    }
    /// Not equal, one bit.
    pub fn ne(&self, rhs: impl Operand) -> E {
        self.bin(BinOp::Ne, rhs)
    }
    /// An order; against a constant in plain logic, since synthesis would take a carry chain, which has no constant side.
    fn order(&self, op: BinOp, rhs: impl Operand) -> E {
        let rhs = rhs.operand(self.width);
        match &*rhs.node {
            Node::Lit(words) if words.len() == 1 && rhs.width == self.width => {
                let (n, next) = (words[0], words[0].checked_add(1));
                match op {
                    BinOp::Ge => self.at_least(Some(n)),
                    BinOp::Lt => !self.at_least(Some(n)),
                    BinOp::Gt => self.at_least(next),
                    _ => !self.at_least(next),
                }
            }
            _ => self.bin(op, rhs),
        }
    }
    /// Unsigned less than.
    pub fn lt(&self, rhs: impl Operand) -> E {
        self.order(BinOp::Lt, rhs)
    }
    /// Unsigned less than or equal.
    pub fn le(&self, rhs: impl Operand) -> E {
        self.order(BinOp::Le, rhs)
    }
    /// Unsigned greater than.
    pub fn gt(&self, rhs: impl Operand) -> E {
        self.order(BinOp::Gt, rhs)
    }
    /// Unsigned greater than or equal.
    pub fn ge(&self, rhs: impl Operand) -> E {
        self.order(BinOp::Ge, rhs)
    }
    /// Product, wrapping to the operands' width.
    pub fn mul(&self, rhs: impl Operand) -> E {
        self.bin(BinOp::Mul, rhs)
    }
    /// Any bit set.
    pub fn any(&self) -> E {
        E::new(Node::Red(RedOp::Any, self.clone()), 1)
    }
    /// All bits set.
    pub fn all(&self) -> E {
        E::new(Node::Red(RedOp::All, self.clone()), 1)
    }
    /// Parity.
    pub fn parity(&self) -> E {
        E::new(Node::Red(RedOp::Xor, self.clone()), 1)
    }
    /// No bit set.
    pub fn is_zero(&self) -> E {
        !self.any()
    }
    /// This value `n` times, concatenated.
    pub fn repl(&self, n: u32) -> E {
        cat(vec![self; n as usize])
    }
    /// Shifted left by a constant; width kept.
    pub fn shl(&self, n: u32) -> E {
        if n == 0 {
            self.clone()
        } else {
            E::new(Node::Shl(self.clone(), n), self.width)
        }
    }
    /// Shifted right by a constant; width kept.
    pub fn shr(&self, n: u32) -> E {
        if n == 0 {
            self.clone()
        } else {
            E::new(Node::Shr(self.clone(), n), self.width)
        }
    }
    /// Shifted left by a computed amount; width kept.
    pub fn shl_by(&self, n: &E) -> E {
        E::new(Node::DynShl(self.clone(), n.clone()), self.width)
    }
    /// Shifted right by a computed amount; width kept.
    pub fn shr_by(&self, n: &E) -> E {
        E::new(Node::DynShr(self.clone(), n.clone()), self.width)
    }
    /// The bytes of this value in the opposite order.
    pub fn swap_bytes(&self) -> E {
        assert_eq!(self.width % 8, 0, "whole bytes");
        let parts: Vec<E> = (0..self.width / 8).map(|i| self.slice(8 * i, 8)).collect();
        cat(&parts)
    }
    /// One-hot of `2^width`, cut to `n` bits.
    pub fn decode(&self, n: u32) -> E {
        lit(n, 1).shl_by(self)
    }
    /// Comparison with a constant that may be too large for this width (then never equal).
    pub fn eq_const(&self, v: u64) -> E {
        if self.width < 64 && v >> self.width != 0 {
            lit(1, 0)
        } else {
            self.eq(v)
        }
    }
}

macro_rules! op {
    ($tr:ident, $f:ident, $op:expr) => {
        impl<R: Operand> std::ops::$tr<R> for E {
            type Output = E;
            fn $f(self, rhs: R) -> E {
                self.bin($op, rhs)
            }
        }
        impl<R: Operand> std::ops::$tr<R> for &E {
            type Output = E;
            fn $f(self, rhs: R) -> E {
                self.bin($op, rhs)
            }
        }
    };
}
op!(Add, add, BinOp::Add);
op!(Sub, sub, BinOp::Sub);
op!(BitAnd, bitand, BinOp::And);
op!(BitOr, bitor, BinOp::Or);
op!(BitXor, bitxor, BinOp::Xor);
impl std::ops::Not for E {
    type Output = E;
    fn not(self) -> E {
        let w = self.width;
        E::new(Node::Not(self), w)
    }
}
impl std::ops::Not for &E {
    type Output = E;
    fn not(self) -> E {
        !self.clone()
    }
}

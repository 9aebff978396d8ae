//! From expressions and processes to rust-hdl's AST.
//!
//! Invariant: every lowered expression has, on its own, exactly its declared width, and no operator ever
//! stands in a wider context; so Verilog's context-determined widths cannot change a value. Every binary
//! operation is parenthesised (rust-hdl prints `a & b == c` bare). Concatenation and the conditional operator
//! are missing from rust-hdl's AST: they are opaque signal terms over names, and a term that cannot be written
//! without brackets becomes a wire `_tN` of its own.

use super::expr::{E, Kind, Node, RedOp};
use super::operator::{ast_op, op_text};
use super::process::{Stmt, collect_targets};
use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogCase, VerilogConditional,
    VerilogExpression as X, VerilogLiteral, VerilogMatch, VerilogOp, VerilogOpUnary,
    VerilogStatement as S,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Marks the targets of clocked assignments in the text that rust-hdl writes; see `block`.
pub(crate) const CLOCKED: &str = "$clocked";

/// Lowers the expressions of one module and collects the temporary wires that they need.
pub(crate) struct Lower {
    /// Temporary wires: name, width, value.
    pub temps: Vec<(String, u32, X)>,
    memo: BTreeMap<usize, (E, String)>,
    module: usize,
    next: usize,
    /// Names that the current process assigns and must not read.
    forbidden: Vec<String>,
    reads: Vec<String>,
    in_clocked: bool,
}

pub(crate) fn literal_text(width: u32, words: &[u64]) -> String {
    let mut s = String::new();
    for w in words.iter().rev() {
        if s.is_empty() {
            if *w != 0 {
                s = format!("{w:x}");
            }
        } else {
            s += &format!("{w:016x}");
        }
    }
    format!("{width}'h{}", if s.is_empty() { "0" } else { &s })
}

fn sig(s: impl Into<String>) -> X {
    X::Signal(s.into())
}
fn paren(x: X) -> X {
    X::Paren(Box::new(x))
}
fn num(v: u32) -> X {
    X::Literal(VerilogLiteral::from(v))
}

/// Equal neighbours become one replication: Verilator computes that with one negation, `{x, x, ..}` with a shift and an or
/// for each part.
fn concatenation(parts: &[String]) -> String {
    let runs: Vec<String> = parts
        .chunk_by(|a, b| a == b)
        .map(|run| match run.len() {
            1 => run[0].clone(),
            n => format!("{{{n}{{{}}}}}", run[0]),
        })
        .collect();
    match runs.as_slice() {
        [one] if parts.len() > 1 => one.clone(),
        _ => format!("{{{}}}", runs.join(", ")),
    }
}

impl Lower {
    pub fn new(module: usize) -> Lower {
        Lower {
            temps: vec![],
            memo: BTreeMap::new(),
            module,
            next: 0,
            forbidden: vec![],
            reads: vec![],
            in_clocked: false,
        }
    }

    fn temp(&mut self, e: &E) -> String {
        let key = Rc::as_ptr(&e.node) as *const u8 as usize;
        if let Some((_, name)) = self.memo.get(&key) {
            return name.clone();
        }
        let x = self.expr(e);
        let name = format!("_t{}", self.next);
        self.next += 1;
        self.temps.push((name.clone(), e.width, x));
        // The expression is kept so that its address stays taken.
        self.memo.insert(key, (e.clone(), name.clone()));
        name
    }

    /// A name or literal with the value of `e`.
    fn atom(&mut self, e: &E) -> String {
        match &*e.node {
            Node::Sig { .. } => self.name(e),
            Node::Lit(w) => literal_text(e.width, w),
            _ => self.temp(e),
        }
    }

    fn name(&mut self, e: &E) -> String {
        let Node::Sig { name, module, .. } = &*e.node else {
            unreachable!("a signal")
        };
        assert_eq!(
            *module, self.module,
            "signal {name} of another module is used here: connect it through a port"
        );
        assert!(
            !self.forbidden.contains(name),
            "process reads {name}, which it assigns: use another process"
        );
        self.reads.push(name.clone());
        name.clone()
    }

    /// Text without brackets, if `e` can be written so and is short.
    fn text(&mut self, e: &E, depth: u32) -> String {
        if depth == 0 {
            return self.atom(e);
        }
        match &*e.node {
            Node::Sig { .. } | Node::Lit(_) => self.atom(e),
            Node::Bin(op, a, b) => {
                let (a, b) = (self.text(a, depth - 1), self.text(b, depth - 1));
                format!("({a} {} {b})", op_text(*op))
            }
            Node::Not(a) => format!("(~{})", self.text(a, depth - 1)),
            Node::Mux(c, a, b) => {
                let (c, a, b) = (
                    self.text(c, depth - 1),
                    self.text(a, depth - 1),
                    self.text(b, depth - 1),
                );
                format!("({c} ? {a} : {b})")
            }
            Node::Cat(parts) => {
                let parts: Vec<String> = parts.iter().map(|p| self.text(p, depth - 1)).collect();
                concatenation(&parts)
            }
            _ => self.atom(e),
        }
    }

    /// The expression in rust-hdl's AST.
    pub fn expr(&mut self, e: &E) -> X {
        match &*e.node {
            Node::Sig { .. } | Node::Lit(_) => sig(self.atom(e)),
            Node::Bin(op, a, b) => {
                let (a, b) = (self.expr(a), self.expr(b));
                paren(X::Binary(Box::new(a), ast_op(*op), Box::new(b)))
            }
            Node::Not(a) => {
                let a = self.expr(a);
                paren(X::Unary(VerilogOpUnary::Not, Box::new(a)))
            }
            Node::Red(op, a) => {
                let op = match op {
                    RedOp::All => VerilogOpUnary::All,
                    RedOp::Any => VerilogOpUnary::Any,
                    RedOp::Xor => VerilogOpUnary::Xor,
                };
                let a = self.expr(a);
                paren(X::Unary(op, Box::new(paren(a))))
            }
            Node::Mux(..) | Node::Cat(_) => sig(self.text(e, 3)),
            Node::Slice(a, lsb) => {
                let n = if a.name().is_some() {
                    self.name(a)
                } else {
                    self.temp(a)
                };
                if e.width == 1 {
                    X::Index(Box::new(sig(n)), Box::new(num(*lsb)))
                } else {
                    X::Slice(Box::new(sig(n)), e.width as usize, Box::new(num(*lsb)))
                }
            }
            Node::DynSlice(a, off) => {
                let n = if a.name().is_some() {
                    self.name(a)
                } else {
                    self.temp(a)
                };
                let off = sig(self.atom(off));
                if e.width == 1 {
                    X::Index(Box::new(sig(n)), Box::new(off))
                } else {
                    X::Slice(Box::new(sig(n)), e.width as usize, Box::new(off))
                }
            }
            Node::Zext(a) => {
                let n = self.atom(a);
                X::Cast(Box::new(sig(n)), e.width as usize)
            }
            Node::Shl(a, n) => self.shift(a, VerilogOp::Shl, num(*n)),
            Node::Shr(a, n) => self.shift(a, VerilogOp::Shr, num(*n)),
            Node::DynShl(a, n) => {
                let n = sig(self.atom(n));
                self.shift(a, VerilogOp::Shl, n)
            }
            Node::DynShr(a, n) => {
                let n = sig(self.atom(n));
                self.shift(a, VerilogOp::Shr, n)
            }
        }
    }

    fn shift(&mut self, a: &E, op: VerilogOp, n: X) -> X {
        let a = self.expr(a);
        paren(X::Binary(Box::new(a), op, Box::new(n)))
    }

    /// A process that assigns registers alone, as statements for a clocked block: targets carry the mark [`CLOCKED`].
    pub fn clocked(&mut self, stmts: &[Stmt]) -> VerilogBlock {
        self.in_clocked = true;
        let mut out = vec![];
        self.stmts(stmts, &mut out);
        self.in_clocked = false;
        self.reads.clear();
        out
    }

    /// One process as a block of rust-hdl statements, with defaults first. Also tells what it reads.
    pub fn process(&mut self, stmts: &[Stmt]) -> (VerilogBlock, Vec<String>) {
        let mut targets = vec![];
        collect_targets(stmts, &mut targets);
        let mut kinds = BTreeMap::new();
        target_kinds(stmts, &mut kinds);
        self.forbidden = targets
            .iter()
            .filter(|t| !is_reg(kinds[*t].0))
            .cloned()
            .collect();
        self.reads.clear();
        let mut out = vec![];
        for t in &targets {
            let (kind, width) = kinds[t];
            if is_reg(kind) {
                out.push(S::Assignment(sig(next_name(t)), sig(t.clone())));
            } else if !matches!(stmts.first(), Some(Stmt::Set(e, _)) if stmts.len() == 1 && e.name() == Some(t))
            {
                out.push(S::Assignment(
                    sig(t.clone()),
                    sig(literal_text(width, &[0])),
                ));
            }
        }
        // A register with one unconditional assignment needs no default.
        if let [Stmt::Set(..)] = stmts {
            out.clear();
        }
        self.stmts(stmts, &mut out);
        self.forbidden.clear();
        (out, std::mem::take(&mut self.reads))
    }

    fn target(&self, t: &E) -> X {
        let Node::Sig { name, kind, .. } = &*t.node else {
            unreachable!("a signal")
        };
        sig(if self.in_clocked {
            format!("{name}{CLOCKED}")
        } else if is_reg(*kind) {
            next_name(name)
        } else {
            name.clone()
        })
    }

    fn stmts(&mut self, stmts: &[Stmt], out: &mut VerilogBlock) {
        for s in stmts {
            let x = match s {
                Stmt::Set(t, v) => S::Assignment(self.target(t), self.expr(v)),
                Stmt::SetSlice(t, off, v) => {
                    let offset = sig(self.atom(off));
                    S::SliceAssignment {
                        base: self.target(t),
                        width: v.width as usize,
                        offset,
                        replacement: self.expr(v),
                    }
                }
                Stmt::If(c, then, other) => self.conditional(c, then, other),
                Stmt::Switch(on, cases, default) => {
                    let test = self.expr(on);
                    let mut v: Vec<VerilogCase> = vec![];
                    for (values, body) in cases {
                        let texts: Vec<String> = values
                            .iter()
                            .map(|x| literal_text(on.width, &[*x]))
                            .collect();
                        let mut block = vec![];
                        self.stmts(body, &mut block);
                        v.push(VerilogCase {
                            condition: texts.join(", "),
                            block,
                        });
                    }
                    let mut block = vec![];
                    self.stmts(default, &mut block);
                    v.push(VerilogCase {
                        condition: "default".into(),
                        block,
                    });
                    S::Match(VerilogMatch { test, cases: v })
                }
            };
            out.push(x);
        }
    }

    fn conditional(&mut self, c: &E, then: &[Stmt], other: &[Stmt]) -> S {
        let test = self.expr(c);
        let mut t = vec![];
        self.stmts(then, &mut t);
        let otherwise = match other {
            [] => VerilogBlockOrConditional::None,
            [Stmt::If(c, a, b)] => {
                VerilogBlockOrConditional::Conditional(Box::new(self.conditional(c, a, b)))
            }
            _ => {
                let mut o = vec![];
                self.stmts(other, &mut o);
                VerilogBlockOrConditional::Block(o)
            }
        };
        S::If(VerilogConditional {
            test,
            then: t,
            otherwise,
        })
    }
}

pub(crate) fn is_reg(k: Kind) -> bool {
    matches!(k, Kind::Reg | Kind::OutputReg)
}

/// The name of a register's next value.
pub(crate) fn next_name(reg: &str) -> String {
    format!("{reg}$d")
}

fn target_kinds(stmts: &[Stmt], out: &mut BTreeMap<String, (Kind, u32)>) {
    for s in stmts {
        match s {
            Stmt::Set(t, _) | Stmt::SetSlice(t, _, _) => {
                if let Node::Sig { name, kind, .. } = &*t.node {
                    out.insert(name.clone(), (*kind, t.width));
                }
            }
            Stmt::If(_, a, b) => {
                target_kinds(a, out);
                target_kinds(b, out);
            }
            Stmt::Switch(_, cases, d) => {
                cases.iter().for_each(|c| target_kinds(&c.1, out));
                target_kinds(d, out);
            }
        }
    }
}

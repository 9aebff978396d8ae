//! Processes: assignments under conditions, as a tree of statements.

use super::expr::{E, Kind, Node, Operand};

#[derive(Clone, Debug)]
pub(crate) enum Stmt {
    Set(E, E),
    SetSlice(E, E, E),
    If(E, Vec<Stmt>, Vec<Stmt>),
    Switch(E, Vec<(Vec<u64>, Vec<Stmt>)>, Vec<Stmt>),
}

pub(crate) fn collect_targets(stmts: &[Stmt], out: &mut Vec<String>) {
    for s in stmts {
        match s {
            Stmt::Set(t, _) | Stmt::SetSlice(t, _, _) => {
                let n = t.name().expect("targets are signals").to_string();
                if !out.contains(&n) {
                    out.push(n);
                }
            }
            Stmt::If(_, a, b) => {
                collect_targets(a, out);
                collect_targets(b, out);
            }
            Stmt::Switch(_, cases, default) => {
                for (_, c) in cases {
                    collect_targets(c, out);
                }
                collect_targets(default, out);
            }
        }
    }
}

/// The statements of a process; see [`Module::process`](super::Module::process).
pub struct Proc {
    pub(super) stmts: Vec<Stmt>,
    module: usize,
}

impl Proc {
    pub(super) fn new(module: usize) -> Proc {
        Proc {
            stmts: vec![],
            module,
        }
    }
    fn check_target(&self, t: &E) {
        match &*t.node {
            Node::Sig { name, kind, module } => {
                assert_eq!(
                    *module, self.module,
                    "signal {name} belongs to another module"
                );
                assert!(
                    !matches!(kind, Kind::Input | Kind::InstOutput),
                    "signal {name} cannot be assigned here: it is an input"
                );
            }
            n => panic!("only a signal can be assigned, not {n:?}"),
        }
    }
    fn nested(&self, body: impl FnOnce(&mut Proc)) -> Vec<Stmt> {
        let mut p = Proc {
            stmts: vec![],
            module: self.module,
        };
        body(&mut p);
        p.stmts
    }
    /// Assigns `value` to `target` (of the same width).
    pub fn set(&mut self, target: &E, value: impl Operand) {
        self.check_target(target);
        let v = value.operand(target.width);
        assert_eq!(
            target.width,
            v.width,
            "{} has {} bits, the value {}",
            target.name().unwrap(),
            target.width,
            v.width
        );
        self.stmts.push(Stmt::Set(target.clone(), v));
    }
    /// Assigns some bits of `target`, from bit `lsb` on.
    pub fn set_slice(&mut self, target: &E, lsb: u32, value: impl Operand) {
        let w = target.width - lsb;
        let v = value.operand(w);
        assert!(
            lsb + v.width <= target.width,
            "slice beyond the end of {:?}",
            target.name()
        );
        self.set_slice_at(target, &super::lit(16, lsb as u64), &v);
    }
    /// Assigns some bits of `target`, from a computed bit offset on.
    pub fn set_slice_at(&mut self, target: &E, lsb: &E, value: &E) {
        self.check_target(target);
        assert!(target.width > 1, "{:?} has one bit: use set", target.name());
        self.stmts
            .push(Stmt::SetSlice(target.clone(), lsb.clone(), value.clone()));
    }
    /// Statements for when `cond` (one bit) is set. Follow with [`Proc::elif`] and [`Proc::else_`].
    pub fn if_(&mut self, cond: impl Operand, body: impl FnOnce(&mut Proc)) {
        let c = cond.operand(1);
        assert_eq!(c.width, 1, "a condition is one bit wide");
        let then = self.nested(body);
        self.stmts.push(Stmt::If(c, then, vec![]));
    }
    /// Statements for when the conditions before were clear and `cond` is set.
    pub fn elif(&mut self, cond: impl Operand, body: impl FnOnce(&mut Proc)) {
        let c = cond.operand(1);
        assert_eq!(c.width, 1, "a condition is one bit wide");
        let then = self.nested(body);
        let tail = self.else_tail();
        tail.push(Stmt::If(c, then, vec![]));
    }
    /// Statements for when no condition before was set.
    pub fn else_(&mut self, body: impl FnOnce(&mut Proc)) {
        let then = self.nested(body);
        let tail = self.else_tail();
        tail.extend(then);
    }
    fn else_tail(&mut self) -> &mut Vec<Stmt> {
        let mut tail = match self.stmts.last_mut() {
            Some(Stmt::If(_, _, e)) => e,
            _ => panic!("elif and else_ follow an if_"),
        };
        while matches!(tail.last(), Some(Stmt::If(..))) {
            tail = match tail.last_mut() {
                Some(Stmt::If(_, _, e)) => e,
                _ => unreachable!(),
            };
        }
        tail
    }
    /// A case statement over the constant values of `on`.
    pub fn switch(&mut self, on: &E, body: impl FnOnce(&mut Switch)) {
        let mut s = Switch {
            width: on.width,
            cases: vec![],
            default: vec![],
            module: self.module,
        };
        body(&mut s);
        self.stmts
            .push(Stmt::Switch(on.clone(), s.cases, s.default));
    }
}

/// The branches of a [`Proc::switch`].
pub struct Switch {
    width: u32,
    cases: Vec<(Vec<u64>, Vec<Stmt>)>,
    default: Vec<Stmt>,
    module: usize,
}

impl Switch {
    /// Statements for one value.
    pub fn case(&mut self, value: u64, body: impl FnOnce(&mut Proc)) {
        self.cases(&[value], body);
    }
    /// Statements for several values.
    pub fn cases(&mut self, values: &[u64], body: impl FnOnce(&mut Proc)) {
        for v in values {
            assert!(
                self.width >= 64 || v >> self.width == 0,
                "case {v:#x} does not fit in {} bits",
                self.width
            );
            assert!(
                !self.cases.iter().any(|c| c.0.contains(v)),
                "case {v:#x} stands twice"
            );
        }
        let mut p = Proc {
            stmts: vec![],
            module: self.module,
        };
        body(&mut p);
        self.cases.push((values.to_vec(), p.stmts));
    }
    /// Statements for every other value.
    pub fn default(&mut self, body: impl FnOnce(&mut Proc)) {
        let mut p = Proc {
            stmts: vec![],
            module: self.module,
        };
        body(&mut p);
        self.default = p.stmts;
    }
}

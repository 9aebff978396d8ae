//! Modules: ports, registers, wires, processes and instances, collected while Rust code runs.

use super::expr::{E, Kind, Node, Operand};
use super::inst::Inst;
use super::process::{Proc, Stmt, collect_targets};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A signal that the module declares.
#[derive(Clone, Debug)]
pub(crate) struct Decl {
    pub name: String,
    pub width: u32,
    pub kind: Kind,
    pub clock: bool,
}

/// How a register is clocked and reset.
#[derive(Clone, Debug)]
pub(crate) struct RegInfo {
    pub domain: usize,
    /// `None`: the register keeps its value through reset (data paths only).
    pub reset: Option<Vec<u64>>,
}

/// A clock with its synchronous reset.
#[derive(Clone, Debug)]
pub struct Domain {
    pub(crate) index: usize,
    /// The clock input.
    pub clock: E,
    /// The synchronous, active-high reset input.
    pub reset: E,
}

pub(crate) struct Child {
    pub name: String,
    pub module: Module,
}

pub(crate) struct Inner {
    pub id: usize,
    pub kind_name: String,
    pub decls: Vec<Decl>,
    pub regs: BTreeMap<String, RegInfo>,
    pub domains: Vec<Domain>,
    pub processes: Vec<Vec<Stmt>>,
    pub children: Vec<Child>,
    pub assigned: BTreeMap<String, ()>,
    /// Verilog of a primitive (RAM, vendor cell) instead of processes.
    pub custom: Option<String>,
    default_domain: Option<usize>,
}

/// A hardware module under construction. Cloning clones the handle.
#[derive(Clone)]
pub struct Module(pub(crate) Rc<RefCell<Inner>>);

static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

impl Module {
    /// A new, empty module. `name` becomes the name of the Verilog module.
    pub fn new(name: &str) -> Module {
        Module(Rc::new(RefCell::new(Inner {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            kind_name: name.to_string(),
            decls: vec![],
            regs: BTreeMap::new(),
            domains: vec![],
            processes: vec![],
            children: vec![],
            assigned: BTreeMap::new(),
            custom: None,
            default_domain: None,
        })))
    }

    /// The module's name.
    pub fn name(&self) -> String {
        self.0.borrow().kind_name.clone()
    }

    fn declare(&self, name: &str, width: u32, kind: Kind, clock: bool) -> E {
        let mut m = self.0.borrow_mut();
        let ok = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        assert!(ok, "'{name}' is no name for a signal of {}", m.kind_name);
        assert!(width > 0, "signal {name} of {} has no bits", m.kind_name);
        assert!(
            !m.decls.iter().any(|d| d.name == name),
            "{} already has a signal {name}",
            m.kind_name
        );
        m.decls.push(Decl {
            name: name.into(),
            width,
            kind,
            clock,
        });
        E::new(
            Node::Sig {
                name: name.into(),
                kind,
                module: m.id,
            },
            width,
        )
    }

    /// An input port.
    pub fn input(&self, name: &str, width: u32) -> E {
        self.declare(name, width, Kind::Input, false)
    }
    /// An input port that is a clock, of instances here alone.
    pub fn clock(&self, name: &str) -> E {
        self.declare(name, 1, Kind::Input, true)
    }
    /// An output port, combinational: assign it in a process or with [`Module::assign`].
    pub fn output(&self, name: &str, width: u32) -> E {
        self.declare(name, width, Kind::Output, false)
    }
    /// An output port that is driven by an expression.
    pub fn output_of(&self, name: &str, value: impl Operand) -> E {
        let v = value.operand(1);
        let o = self.output(name, v.width);
        self.assign(&o, &v);
        o
    }
    /// A clock domain: inputs `NAME_clock` and `NAME_reset` (`clock` and `reset` for the empty name).
    pub fn domain(&self, name: &str) -> Domain {
        let pre = if name.is_empty() {
            String::new()
        } else {
            format!("{name}_")
        };
        let clock = self.declare(&format!("{pre}clock"), 1, Kind::Input, true);
        let reset = self.declare(&format!("{pre}reset"), 1, Kind::Input, false);
        let mut m = self.0.borrow_mut();
        let d = Domain {
            index: m.domains.len(),
            clock,
            reset,
        };
        m.domains.push(d.clone());
        d
    }
    /// The default domain (`clock`, `reset`), created on first use.
    pub fn sync(&self) -> Domain {
        let known = self.0.borrow().default_domain;
        if let Some(i) = known {
            return self.0.borrow().domains[i].clone();
        }
        let d = self.domain("");
        self.0.borrow_mut().default_domain = Some(d.index);
        d
    }
    /// Makes `domain` the default one for [`Module::reg`].
    pub fn set_default_domain(&self, domain: &Domain) {
        self.0.borrow_mut().default_domain = Some(domain.index);
    }

    fn reg_kind(
        &self,
        name: &str,
        width: u32,
        kind: Kind,
        domain: &Domain,
        reset: Option<Vec<u64>>,
    ) -> E {
        let e = self.declare(name, width, kind, false);
        self.0.borrow_mut().regs.insert(
            name.into(),
            RegInfo {
                domain: domain.index,
                reset,
            },
        );
        e
    }
    fn words(width: u32, v: u64) -> Vec<u64> {
        assert!(
            width >= 64 || v >> width == 0,
            "reset value {v:#x} does not fit in {width} bits"
        );
        let mut w = vec![0; width.div_ceil(64) as usize];
        w[0] = v;
        w
    }
    /// A register of the default domain that reset sets to `init`.
    pub fn reg(&self, name: &str, width: u32, init: u64) -> E {
        let d = self.sync();
        self.reg_in(&d, name, width, init)
    }
    /// A register of `domain` that reset sets to `init`.
    pub fn reg_in(&self, domain: &Domain, name: &str, width: u32, init: u64) -> E {
        self.reg_kind(
            name,
            width,
            Kind::Reg,
            domain,
            Some(Self::words(width, init)),
        )
    }
    /// A register that reset leaves alone: data that a valid bit guards.
    pub fn reg_nr(&self, name: &str, width: u32) -> E {
        let d = self.sync();
        self.reg_nr_in(&d, name, width)
    }
    /// [`Module::reg_nr`] in a given domain.
    pub fn reg_nr_in(&self, domain: &Domain, name: &str, width: u32) -> E {
        self.reg_kind(name, width, Kind::Reg, domain, None)
    }
    /// An output port that is a register of the default domain.
    pub fn output_reg(&self, name: &str, width: u32, init: u64) -> E {
        let d = self.sync();
        self.output_reg_in(&d, name, width, init)
    }
    /// An output port that is a register of `domain`.
    pub fn output_reg_in(&self, domain: &Domain, name: &str, width: u32, init: u64) -> E {
        self.reg_kind(
            name,
            width,
            Kind::OutputReg,
            domain,
            Some(Self::words(width, init)),
        )
    }
    /// An output port that is a register without reset.
    pub fn output_reg_nr(&self, name: &str, width: u32) -> E {
        let d = self.sync();
        self.reg_kind(name, width, Kind::OutputReg, &d, None)
    }
    /// A register that follows `value` one cycle later.
    pub fn delay(&self, name: &str, value: &E) -> E {
        let r = self.reg_nr(name, value.width);
        self.assign(&r, value);
        r
    }
    /// A register that takes `value` in the cycles in which `when` is set: data of a pipeline, beside the bit that says that there is some.
    /// It costs a clock enable, and a simulator computes `value` only then.
    pub fn delay_if(&self, when: &E, name: &str, value: &E) -> E {
        let r = self.reg_nr(name, value.width);
        self.process(|p| p.if_(when, |p| p.set(&r, value)));
        r
    }
    /// A combinational signal, to be assigned in a process.
    pub fn wire(&self, name: &str, width: u32) -> E {
        self.declare(name, width, Kind::Wire, false)
    }
    /// Names an expression: a wire with one driver. Use it for everything that is used more than once.
    pub fn named(&self, name: &str, value: impl Operand) -> E {
        let v = value.operand(1);
        let w = self.wire(name, v.width);
        self.assign(&w, &v);
        w
    }
    /// Drives a wire, output or register with one expression (for a register: its next value).
    pub fn assign(&self, target: &E, value: impl Operand) {
        self.process(|p| p.set(target, value));
    }
    /// A process: statements in order, the last assignment wins. A wire that no branch assigns is 0, a register
    /// keeps its value. Reading a signal always gives its settled value (a register's current one), so a
    /// process must not read the wires that it assigns. Each signal is assigned in one process only.
    pub fn process(&self, body: impl FnOnce(&mut Proc)) {
        let mut p = Proc::new(self.0.borrow().id);
        body(&mut p);
        let mut targets = vec![];
        collect_targets(&p.stmts, &mut targets);
        let mut m = self.0.borrow_mut();
        for t in &targets {
            let twice = m.assigned.insert(t.clone(), ()).is_some();
            assert!(
                !twice,
                "signal {t} of {} is assigned in two processes",
                m.kind_name
            );
        }
        m.processes.push(p.stmts);
    }

    /// An instance of `child`. Inputs that are still unconnected when the design is emitted are connected by
    /// name if they are clocks or resets of this module, and are errors otherwise.
    pub fn inst(&self, name: &str, child: &Module) -> Inst {
        let ports = child.ports();
        let mut map = BTreeMap::new();
        for d in &ports {
            let kind = if d.kind == Kind::Input {
                Kind::InstInput
            } else {
                Kind::InstOutput
            };
            let e = self.declare(&format!("{name}${}", d.name), d.width, kind, false);
            map.insert(d.name.clone(), e);
        }
        self.0.borrow_mut().children.push(Child {
            name: name.into(),
            module: child.clone(),
        });
        Inst::new(self.clone(), name.into(), map)
    }

    /// Drives signal `to` with signal `from`, both by name.
    pub(crate) fn connect_by_name(&self, to: &str, from: &str) {
        let find = |n: &str| {
            let m = self.0.borrow();
            let d = m.decls.iter().find(|d| d.name == n).expect("declared");
            E::new(
                Node::Sig {
                    name: d.name.clone(),
                    kind: d.kind,
                    module: m.id,
                },
                d.width,
            )
        };
        let (to, from) = (find(to), find(from));
        self.assign(&to, &from);
    }

    pub(crate) fn ports(&self) -> Vec<Decl> {
        let port = |d: &&Decl| matches!(d.kind, Kind::Input | Kind::Output | Kind::OutputReg);
        self.0.borrow().decls.iter().filter(port).cloned().collect()
    }

    /// A primitive whose body is Verilog text over its declared ports.
    pub fn set_custom(&self, verilog: String) {
        let mut m = self.0.borrow_mut();
        let outs: Vec<String> = m
            .decls
            .iter()
            .filter(|d| d.kind == Kind::Output)
            .map(|d| d.name.clone())
            .collect();
        for o in outs {
            m.assigned.insert(o, ());
        }
        m.custom = Some(verilog);
    }
}

//! A finished module as a rust-hdl `Block`: rust-hdl's generator walks it like any other circuit.

use super::expr::Kind;
use super::lower::{Lower, is_reg, next_name};
use super::module::{Decl, Module};
use rust_hdl_core::ast::{Verilog, VerilogLiteral, VerilogStatement};
use rust_hdl_core::atom::{Atom, AtomKind};
use rust_hdl_core::block::Block;
use rust_hdl_core::constraint::PinConstraint;
use rust_hdl_core::logic::Logic;
use rust_hdl_core::probe::Probe;
use rust_hdl_core::synth::VCDValue;
use rust_hdl_core::type_descriptor::{TypeDescriptor, TypeKind};
use rust_hdl_core::verilog_gen::verilog_combinatorial;
use std::fmt::Write;

/// A signal as rust-hdl's generator sees it.
struct RtlAtom {
    width: u32,
    kind: AtomKind,
}

impl Atom for RtlAtom {
    fn bits(&self) -> usize {
        self.width as usize
    }
    fn connected(&self) -> bool {
        true // connections are checked by `emit`, with names
    }
    fn changed(&self) -> bool {
        false
    }
    fn kind(&self) -> AtomKind {
        self.kind
    }
    fn descriptor(&self) -> TypeDescriptor {
        TypeDescriptor {
            name: format!("Bits::<{}>", self.width),
            kind: TypeKind::Bits(self.width as usize),
        }
    }
    fn vcd(&self) -> VCDValue {
        VCDValue::Vector(vec![])
    }
    fn id(&self) -> usize {
        0
    }
    fn verilog(&self) -> VerilogLiteral {
        VerilogLiteral::from(0u32)
    }
    fn constraints(&self) -> Vec<PinConstraint> {
        vec![]
    }
}

/// One module instance in rust-hdl's terms.
pub(crate) struct RtlBlock {
    atoms: Vec<(String, RtlAtom)>,
    code: String,
    children: Vec<(String, RtlBlock)>,
}

impl Logic for RtlBlock {
    fn update(&mut self) {}
    fn hdl(&self) -> Verilog {
        Verilog::Custom(self.code.clone())
    }
}

impl Block for RtlBlock {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {}
    fn has_changed(&self) -> bool {
        false
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_start_scope(name, self);
        for (n, a) in &self.atoms {
            probe.visit_atom(n, a);
        }
        for (n, c) in &self.children {
            c.accept(n, probe);
        }
        probe.visit_end_scope(name, self);
    }
}

fn atom_kind(d: &Decl) -> Option<AtomKind> {
    match d.kind {
        Kind::Input => Some(AtomKind::InputParameter),
        Kind::Output | Kind::OutputReg => Some(AtomKind::OutputParameter),
        Kind::Wire | Kind::Reg => Some(AtomKind::LocalSignal),
        // rust-hdl declares the ports of instances from the instances themselves.
        Kind::InstInput | Kind::InstOutput => None,
    }
}

impl RtlBlock {
    /// Builds the block of `module` and of everything below it.
    pub fn new(module: &Module) -> RtlBlock {
        connect_domains(module);
        let m = module.0.borrow();
        check_driven(&m);
        let mut atoms: Vec<(String, RtlAtom)> = vec![];
        for d in &m.decls {
            if let Some(kind) = atom_kind(d) {
                // A primitive's output is a net that its text drives.
                let kind = if m.custom.is_some() && kind == AtomKind::OutputParameter {
                    AtomKind::OutputPassthrough
                } else {
                    kind
                };
                atoms.push((
                    d.name.clone(),
                    RtlAtom {
                        width: d.width,
                        kind,
                    },
                ));
            }
            if is_reg(d.kind) {
                atoms.push((
                    next_name(&d.name),
                    RtlAtom {
                        width: d.width,
                        kind: AtomKind::LocalSignal,
                    },
                ));
            }
        }
        let code = match &m.custom {
            Some(text) => text.clone(),
            None => body(&m, &mut atoms),
        };
        let children = m
            .children
            .iter()
            .map(|c| (c.name.clone(), RtlBlock::new(&c.module)))
            .collect();
        RtlBlock {
            atoms,
            code,
            children,
        }
    }
}

/// Combinational processes first, then one clocked process for each domain.
fn body(m: &super::module::Inner, atoms: &mut Vec<(String, RtlAtom)>) -> String {
    let mut lower = Lower::new(m.id);
    let mut text = String::new();
    let mut done = 0;
    for p in &m.processes {
        let (block, reads) = lower.process(p);
        flush_temps(&lower, &mut done, &mut text, atoms);
        let t = verilog_combinatorial(&block);
        // `always @(*)` over constants never runs in an event-driven simulator.
        text += &if reads.is_empty() && is_constant(&block) {
            t.replacen("always @(*)", "always_comb", 1)
        } else {
            t
        };
    }
    for d in &m.domains {
        clocked(m, d.index, &mut text);
    }
    text
}

fn is_constant(block: &[VerilogStatement]) -> bool {
    block
        .iter()
        .all(|s| matches!(s, VerilogStatement::Assignment(..)))
}

fn flush_temps(
    lower: &Lower,
    done: &mut usize,
    text: &mut String,
    atoms: &mut Vec<(String, RtlAtom)>,
) {
    for (name, width, x) in &lower.temps[*done..] {
        atoms.push((
            name.clone(),
            RtlAtom {
                width: *width,
                kind: AtomKind::LocalSignal,
            },
        ));
        let target = rust_hdl_core::ast::VerilogExpression::Signal(name.clone());
        *text += &verilog_combinatorial(&vec![VerilogStatement::Assignment(target, x.clone())]);
    }
    *done = lower.temps.len();
}

fn clocked(m: &super::module::Inner, domain: usize, text: &mut String) {
    let d = &m.domains[domain];
    let (clock, reset) = (
        d.clock.name().expect("named"),
        d.reset.name().expect("named"),
    );
    let of = |with_reset: bool| {
        m.regs
            .iter()
            .filter(move |(_, r)| r.domain == domain && r.reset.is_some() == with_reset)
    };
    if of(true).next().is_some() {
        let _ = writeln!(
            text,
            "always @(posedge {clock}) begin\n    if ({reset}) begin"
        );
        for (name, r) in of(true) {
            let width = m
                .decls
                .iter()
                .find(|d| d.name == *name)
                .expect("declared")
                .width;
            let value = super::lower::literal_text(width, r.reset.as_ref().expect("filtered"));
            let _ = writeln!(text, "        {name} <= {value};");
        }
        let _ = writeln!(text, "    end else begin");
        for (name, _) in of(true) {
            let _ = writeln!(text, "        {name} <= {};", next_name(name));
        }
        let _ = writeln!(text, "    end\nend");
    }
    if of(false).next().is_some() {
        let _ = writeln!(text, "always @(posedge {clock}) begin");
        for (name, _) in of(false) {
            let _ = writeln!(text, "    {name} <= {};", next_name(name));
        }
        let _ = writeln!(text, "end");
    }
}

/// Unconnected clocks and resets of instances go to the signals of the same name here.
fn connect_domains(module: &Module) {
    let mut todo = vec![];
    {
        let m = module.0.borrow();
        for c in &m.children {
            for d in c.module.ports().iter().filter(|d| d.kind == Kind::Input) {
                let port = format!("{}${}", c.name, d.name);
                let here = m
                    .decls
                    .iter()
                    .any(|x| x.kind == Kind::Input && x.name == d.name);
                let is_domain = d.clock || d.name.ends_with("reset");
                if !m.assigned.contains_key(&port) && here && is_domain {
                    todo.push((port, d.name.clone()));
                }
            }
        }
    }
    for (port, from) in todo {
        module.connect_by_name(&port, &from);
    }
}

fn check_driven(m: &super::module::Inner) {
    let open: Vec<&str> = m
        .decls
        .iter()
        .filter(|d| {
            !matches!(d.kind, Kind::Input | Kind::InstOutput) && !m.assigned.contains_key(&d.name)
        })
        .map(|d| d.name.as_str())
        .collect();
    assert!(open.is_empty(), "{}: nothing drives {open:?}", m.kind_name);
}

//! A finished module as a rust-hdl `Block`: rust-hdl's generator walks it like any other circuit.

use super::expr::Kind;
use super::lower::{CLOCKED, Lower, is_reg, next_name};
use super::module::{Decl, Module};
use super::process::{Stmt, collect_targets};
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
            if is_reg(d.kind) && has_next(&m, &d.name) {
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
///
/// A process that assigns registers of one domain alone becomes statements of that domain's clocked process: a
/// condition that does not hold then costs nothing in simulation. One that assigns wires too stays combinational and gives
/// its registers' next values (`NAME$d`).
fn body(m: &super::module::Inner, atoms: &mut Vec<(String, RtlAtom)>) -> String {
    let mut lower = Lower::new(m.id);
    let mut text = String::new();
    let mut done = 0;
    let mut direct: Vec<String> = vec![String::new(); m.domains.len()];
    for p in &m.processes {
        if let Some(domain) = domain_of(m, p) {
            let block = lower.clocked(p);
            flush_temps(&lower, &mut done, &mut text, atoms);
            direct[domain] += &nonblocking(&verilog_combinatorial(&block));
            continue;
        }
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
        clocked(m, d.index, &direct[d.index], &mut text);
    }
    text
}

/// The domain of a process that assigns nothing but registers of one domain.
fn domain_of(m: &super::module::Inner, stmts: &[Stmt]) -> Option<usize> {
    let mut targets = vec![];
    collect_targets(stmts, &mut targets);
    let mut domains = targets.iter().map(|t| m.regs.get(t).map(|r| r.domain));
    let first = domains.next()??;
    domains.all(|d| d == Some(first)).then_some(first)
}

/// Registers that a process with wires assigns: their next value is a wire.
fn has_next(m: &super::module::Inner, name: &str) -> bool {
    m.processes.iter().any(|p| {
        let mut targets = vec![];
        collect_targets(p, &mut targets);
        targets.iter().any(|t| t == name) && domain_of(m, p).is_none()
    })
}

/// The statements inside rust-hdl's `always @(*) begin ... end`, with the marked targets assigned at the clock edge.
fn nonblocking(text: &str) -> String {
    let inner = text
        .trim_start()
        .strip_prefix("always @(*) begin")
        .and_then(|t| t.trim_end().strip_suffix("end"))
        .expect("as rust-hdl writes a block");
    let mut out = String::new();
    for line in inner.lines().filter(|l| !l.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        match line[indent..].split_once(CLOCKED) {
            // The first assignment sign behind the target is its own: an offset holds no ` = `.
            Some((name, rest)) if !name.contains(' ') => {
                let _ = writeln!(
                    out,
                    "{}{name}{}",
                    &line[..indent],
                    rest.replacen(" = ", " <= ", 1)
                );
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
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

/// The clocked process of a domain: what the processes say, then next values, then reset, which wins.
fn clocked(m: &super::module::Inner, domain: usize, direct: &str, text: &mut String) {
    let d = &m.domains[domain];
    let (clock, reset) = (
        d.clock.name().expect("named"),
        d.reset.name().expect("named"),
    );
    let of = || m.regs.iter().filter(move |(_, r)| r.domain == domain);
    if of().next().is_none() {
        return;
    }
    let _ = writeln!(text, "always @(posedge {clock}) begin");
    *text += direct;
    for (name, _) in of().filter(|(n, _)| has_next(m, n)) {
        let _ = writeln!(text, "    {name} <= {};", next_name(name));
    }
    if of().any(|(_, r)| r.reset.is_some()) {
        let _ = writeln!(text, "    if ({reset}) begin");
        for (name, r) in of() {
            if let Some(words) = &r.reset {
                let decl = m.decls.iter().find(|d| d.name == *name);
                let width = decl.expect("declared").width;
                let value = super::lower::literal_text(width, words);
                let _ = writeln!(text, "        {name} <= {value};");
            }
        }
        let _ = writeln!(text, "    end");
    }
    let _ = writeln!(text, "end");
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

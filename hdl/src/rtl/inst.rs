//! Instances: the ports of a child as signals of its parent.

use super::expr::{E, Kind, Node, Operand};
use super::module::Module;
use std::collections::BTreeMap;

/// An instance of a module inside another.
#[derive(Clone)]
pub struct Inst {
    parent: Module,
    name: String,
    ports: BTreeMap<String, E>,
}

impl Inst {
    pub(super) fn new(parent: Module, name: String, ports: BTreeMap<String, E>) -> Inst {
        Inst {
            parent,
            name,
            ports,
        }
    }
    /// The instance's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// A port as a signal of the parent: outputs to read, inputs to assign in a process.
    pub fn port(&self, name: &str) -> E {
        match self.ports.get(name) {
            Some(e) => e.clone(),
            None => panic!(
                "instance {} has no port {name}; it has {:?}",
                self.name,
                self.ports.keys()
            ),
        }
    }
    /// Whether there is a port of this name.
    pub fn has(&self, name: &str) -> bool {
        self.ports.contains_key(name)
    }
    /// Drives an input port with an expression.
    pub fn drive(&self, name: &str, value: impl Operand) -> &Inst {
        let p = self.port(name);
        self.parent.assign(&p, value);
        self
    }
    /// Connects every input of this instance `PREFIX_x` to the signal that `f("x")` gives.
    pub fn drive_all(&self, prefix: &str, f: impl Fn(&str) -> E) -> &Inst {
        for (n, e) in &self.ports {
            let input = matches!(
                &*e.node,
                Node::Sig {
                    kind: Kind::InstInput,
                    ..
                }
            );
            if let (true, Some(rest)) = (input, n.strip_prefix(prefix)) {
                self.parent.assign(e, f(rest));
            }
        }
        self
    }
    /// Makes ports of the same name on the parent for every port that `which` chooses and that is no clock or reset.
    pub fn expose(&self, which: impl Fn(&str) -> bool) -> &Inst {
        for (n, e) in &self.ports {
            if !which(n) || n.ends_with("clock") || n.ends_with("reset") {
                continue;
            }
            if matches!(
                &*e.node,
                Node::Sig {
                    kind: Kind::InstInput,
                    ..
                }
            ) {
                let i = self.parent.input(n, e.width);
                self.parent.assign(e, &i);
            } else {
                self.parent.output_of(n, e);
            }
        }
        self
    }
}

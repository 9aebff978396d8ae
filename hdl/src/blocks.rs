//! Blocks that can be emitted and measured one by one.

use crate::params::Params;
use crate::rtl::Module;
use crate::{buffer, control, forward, host, lag, mac, parser, pcie, stats};

/// Names of all blocks.
pub const NAMES: &[&str] = &[
    "cpu",
    "fdb",
    "forward",
    "global_regs",
    "host_port",
    "lag",
    "mac",
    "parser",
    "pcie_endpoint_core",
    "port_regs",
    "reserved_regs",
    "stats",
    "switch_buffer",
];

/// The block of that name, if there is one.
pub fn build(name: &str, p: &Params) -> Option<Module> {
    Some(match name {
        "cpu" => crate::cpu::rv32i(),
        "fdb" => crate::fdb::fdb(p),
        "forward" => forward::forward(p),
        "global_regs" => control::global(p),
        "host_port" => host::host_port(p),
        "lag" => lag::lag(p),
        "parser" => parser::parser(),
        "pcie_endpoint_core" => pcie::pcie_endpoint_core(p),
        "port_regs" => control::port(p),
        "reserved_regs" => control::reserved(),
        "mac" => mac::mac(p),
        "stats" => stats::stats(p, &stats::counters(p)),
        "switch_buffer" => buffer::switch_buffer(p),
        _ => return None,
    })
}

//! Blocks that can be emitted and measured one by one.

use crate::params::Params;
use crate::rtl::Module;
use crate::{buffer, control, forward, host, lag, mac, parser, pcie, stats};

/// Names of all blocks.
pub const NAMES: &[&str] = &[
    "board_mdio",
    "board_regs",
    "board_serial",
    "board_soc",
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
    "register_arbiter",
    "reserved_regs",
    "rgmii",
    "stats",
    "switch_buffer",
];

/// The block of that name, if there is one.
pub fn build(name: &str, p: &Params) -> Option<Module> {
    Some(match name {
        "board_mdio" => crate::board::mdio(p.ports),
        "board_regs" => crate::board::board_regs(p, 0u16),
        "board_serial" => crate::board::serial(),
        "board_soc" => crate::board::soc(&[]).ok()?,
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
        "register_arbiter" => crate::board::arbiter(),
        "rgmii" => crate::rgmii::rgmii(p.core_mhz),
        "mac" => mac::mac(p),
        "stats" => stats::stats(p, &stats::counters(p)),
        "switch_buffer" => buffer::switch_buffer(p),
        _ => return None,
    })
}

//! Memories as primitives, written so that yosys maps them without help.
//!
//! All have one write port and power up with zeros; reset does not clear them. Reading an address in the cycle
//! in which it is written gives the **old** word. Block RAM: `rdata` is valid one cycle after `raddr`
//! while `ren` is set and is held otherwise; put a register after it (see design.md) before logic.

use super::{Module, bits_for};

fn decl(width: u32, depth: u64) -> String {
    format!(
        "reg [{}:0] mem [0:{}];\ninteger i;\ninitial for (i = 0; i < {depth}; i = i + 1) mem[i] = {width}'h0;\n",
        width - 1,
        depth - 1
    )
}

/// Block RAM, one clock. Ports: `clock`, `we`, `waddr`, `wdata`, `ren`, `raddr`, `rdata`. Latency 1 cycle.
pub fn block(width: u32, depth: u64) -> Module {
    build(width, depth, false, true)
}

/// LUT RAM, one clock, read combinationally. Ports: `clock`, `we`, `waddr`, `wdata`, `raddr`, `rdata`.
pub fn lut(width: u32, depth: u64) -> Module {
    build(width, depth, false, false)
}

/// LUT RAM written in one clock domain (`write_clock`) and read combinationally by another: the storage of the
/// asynchronous FIFO, whose pointers guarantee that a word is not read while it is written.
pub fn lut_dual_clock(width: u32, depth: u64) -> Module {
    build(width, depth, true, false)
}

fn build(width: u32, depth: u64, dual: bool, registered: bool) -> Module {
    let kind = if registered {
        "ram_block"
    } else if dual {
        "ram_lut_dc"
    } else {
        "ram_lut"
    };
    let m = Module::new(&format!("{kind}_{width}x{depth}"));
    let a = bits_for(depth);
    let d = if dual { m.domain("write") } else { m.sync() };
    m.input("we", 1);
    m.input("waddr", a);
    m.input("wdata", width);
    m.input("raddr", a);
    let clock = d.clock.name().expect("named").to_string();
    let style = if registered { "block" } else { "distributed" };
    let mut v = format!("(* ram_style = \"{style}\" *)\n") + &decl(width, depth);
    if registered {
        m.input("ren", 1);
        v += &format!("reg [{}:0] q;\n", width - 1);
        v += &format!(
            "always @(posedge {clock}) begin\n    if (we) mem[waddr] <= wdata;\n    if (ren) q <= mem[raddr];\nend\n"
        );
        v += "assign rdata = q;\n";
    } else {
        v += &format!(
            "always @(posedge {clock}) if (we) mem[waddr] <= wdata;\nassign rdata = mem[raddr];\n"
        );
    }
    m.output("rdata", width);
    m.set_custom(v);
    m
}

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

/// True dual-port block RAM, one clock: port A reads in every cycle, port B reads, or writes while `b_we` is set (its read
/// data is held meanwhile). Ports: `clock`, `a_addr`, `a_rdata`, `b_we`, `b_addr`, `b_wdata`, `b_rdata`. Latency 1 cycle.
///
/// What port A reads in the cycle in which port B writes the same address is undefined in the hardware (simulation gives
/// all ones): the user of the memory must put the written word in its place. On the ECP5 1,024 words of 18 bits take one
/// DP16KD.
pub fn dual_port(width: u32, depth: u64) -> Module {
    let m = Module::new(&format!("ram_dual_port_{width}x{depth}"));
    m.sync();
    let a = bits_for(depth);
    m.input("a_addr", a);
    m.input("b_we", 1);
    m.input("b_addr", a);
    m.input("b_wdata", width);
    m.output("a_rdata", width);
    m.output("b_rdata", width);
    let top = width - 1;
    m.set_custom(format!(
        "(* ram_style = \"block\", no_rw_check *)\n{}reg [{top}:0] qa;\nreg [{top}:0] qb;\n\
         always @(posedge clock) begin\n\
         `ifndef SYNTHESIS\n    if (b_we && a_addr == b_addr) qa <= {{{width}{{1'b1}}}}; else\n`endif\n    \
         qa <= mem[a_addr];\nend\n\
         always @(posedge clock) if (b_we) mem[b_addr] <= b_wdata; else qb <= mem[b_addr];\n\
         assign a_rdata = qa;\nassign b_rdata = qb;\n",
        decl(width, depth)
    ));
    m
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

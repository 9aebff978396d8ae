//! Memories as primitives, written so that yosys maps them without help.
//!
//! All have one write port and power up with zeros; reset does not clear them. Block RAM: `rdata` is valid one cycle after `raddr`
//! while `ren` is set and is held otherwise; put a register after it (see design.md) before logic.
//!
//! Reading an address in the cycle in which it is written gives the **old** word from LUT RAM and from [`block_old`]; from [`block`] and [`dual_port`] it
//! gives what the hardware pleases, and all ones in simulation, so that tests find a user who relies on it.

use super::{Module, bits_for};

fn decl(width: u32, depth: u64) -> String {
    format!(
        "reg [{}:0] mem [0:{}];\ninteger i;\ninitial for (i = 0; i < {depth}; i = i + 1) mem[i] = {width}'h0;\n",
        width - 1,
        depth - 1
    )
}

/// Block RAM, one clock. Ports: `clock`, `we`, `waddr`, `wdata`, `ren`, `raddr`, `rdata`. Latency 1 cycle. A word that is read while
/// it is written is undefined: its user must not care, or put the written word in its place.
pub fn block(width: u32, depth: u64) -> Module {
    build(width, depth, Kind::Block)
}

/// [`block`], but a word that is read while it is written is the old one. The ECP5 has that only for a single port: with two
/// addresses it costs two registers and a LUT for each bit of a word, with one address for both (the same expression) nothing.
pub fn block_old(width: u32, depth: u64) -> Module {
    build(width, depth, Kind::BlockOld)
}

/// LUT RAM, one clock, read combinationally. Ports: `clock`, `we`, `waddr`, `wdata`, `raddr`, `rdata`.
pub fn lut(width: u32, depth: u64) -> Module {
    build(width, depth, Kind::Lut)
}

/// LUT RAM written in one clock domain (`write_clock`) and read combinationally by another: the storage of the
/// asynchronous FIFO, whose pointers guarantee that a word is not read while it is written.
pub fn lut_dual_clock(width: u32, depth: u64) -> Module {
    build(width, depth, Kind::LutTwoClocks)
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

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Block,
    BlockOld,
    Lut,
    LutTwoClocks,
}

fn build(width: u32, depth: u64, kind: Kind) -> Module {
    let name = match kind {
        Kind::Block => "ram_block",
        Kind::BlockOld => "ram_block_old",
        Kind::Lut => "ram_lut",
        Kind::LutTwoClocks => "ram_lut_dc",
    };
    let m = Module::new(&format!("{name}_{width}x{depth}"));
    let a = bits_for(depth);
    let d = match kind {
        Kind::LutTwoClocks => m.domain("write"),
        _ => m.sync(),
    };
    m.input("we", 1);
    m.input("waddr", a);
    m.input("wdata", width);
    m.input("raddr", a);
    let clock = d.clock.name().expect("named").to_string();
    let write = format!("always @(posedge {clock}) if (we) mem[waddr] <= wdata;\n");
    let style = match kind {
        Kind::Block => "(* ram_style = \"block\", no_rw_check *)\n",
        Kind::BlockOld => "(* ram_style = \"block\" *)\n",
        Kind::Lut | Kind::LutTwoClocks => "(* ram_style = \"distributed\" *)\n",
    };
    let mut v = style.to_string() + &decl(width, depth);
    if matches!(kind, Kind::Block | Kind::BlockOld) {
        m.input("ren", 1);
        let top = width - 1;
        let undefined = match kind {
            Kind::Block => format!(
                "`ifndef SYNTHESIS\n    if (ren && we && raddr == waddr) q <= {{{width}{{1'b1}}}}; else\n`endif\n"
            ),
            _ => String::new(),
        };
        v += &format!(
            "reg [{top}:0] q;\n{write}always @(posedge {clock}) begin\n{undefined}    if (ren) q <= mem[raddr];\nend\nassign rdata = q;\n"
        );
    } else {
        v += &format!("{write}assign rdata = mem[raddr];\n");
    }
    m.output("rdata", width);
    m.set_custom(v);
    m
}

//! The processor with its memory, and its way to the card's registers.
//!
//! **Address map.** [`RAM_BYTES`] of RAM at 0, with the firmware's image from the bitstream; the card's registers (BAR0) at [`REGISTERS`]. Everything
//! else, fetches outside RAM, and register stores of less than a word answer with an error, on which the processor stops
//! (`cpu::cause`). So does a register that nobody answers within [`TIMEOUT`] cycles, or of which the arbiter says so: its value is all ones.
//!
//! **Memory.** 4,096 words of 32 bits with byte enables in block RAM, a register behind it, and another one in front of the processor's
//! data in which the answers meet. Reset leaves the RAM's contents alone: a firmware that is restarted must set up its data again.
//!
//! **Protocol.** The register bus as in docs/architecture.md, as its master: `reg_valid` (a pulse), `reg_write`, `reg_addr[16]`, `reg_wdata[32]` out, which stand
//! until the answer; `reg_ack`, `reg_rdata[32]` and, beside `reg_ack`, `reg_error` in. `cpu_reset` restarts the processor; the answer to a register
//! access that it cuts off is waited for before the next one starts. `trap`, `trap_cause[4]`, `trap_pc[32]` as in `cpu`.
//!
//! **Latency.** RAM answers 3 cycles after the request: an instruction takes 9 cycles, a load or store of RAM 13, of a register 14 and the answer of the bus (2 and more).
//! **Cost** (ECP5, yosys, with the processor): 799 LUT4, 55 carry cells, 489 FF, 8 DP16KD; 137 MHz routed alone with one seed:
//! the path is the processor's, from the decoded instruction through its adder to the fault. **Test:** `tests/soc.rs`.

use crate::cpu;
use crate::rtl::{Module, lit, mux};
use thiserror::Error;

/// Bytes of RAM.
pub const RAM_BYTES: usize = 16 * 1024;
/// Where the processor sees BAR0.
pub const REGISTERS: u64 = 0x1000_0000;
/// Cycles after which a register that has not answered is given up: longer than two accesses through the arbiter.
pub const TIMEOUT: u64 = 112;
const _: () = assert!(TIMEOUT > super::WORST && TIMEOUT < 128, "the timer's bits");

/// Why an image cannot be put into the RAM.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the firmware's image has {bytes} bytes: the processor's RAM holds {RAM_BYTES}; make the firmware smaller"
)]
pub struct ImageTooLarge {
    /// Its size.
    pub bytes: usize,
}

/// RAM of [`RAM_BYTES`] with byte enables whose power-up contents are `image` (little-endian words) and zeros. Ports: `clock`, `enable`, `we[4]`, `addr[12]`,
/// `wdata[32]`, `rdata[32]` (one cycle later; kept while `enable` is clear or a byte is written).
fn ram(image: &[u8]) -> Module {
    let words = RAM_BYTES / 4;
    let m = Module::new("soc_ram");
    m.sync();
    m.input("enable", 1);
    m.input("we", 4);
    m.input("addr", 12);
    m.input("wdata", 32);
    m.output("rdata", 32);
    let mut v = format!(
        "(* ram_style = \"block\" *)\nreg [31:0] mem [0:{}];\nreg [31:0] q;\ninteger i;\ninitial begin\n    \
         for (i = 0; i < {words}; i = i + 1) mem[i] = 32'h0;\n",
        words - 1
    );
    for (i, bytes) in image.chunks(4).enumerate() {
        let word = bytes.iter().rev().fold(0u32, |w, b| w << 8 | u32::from(*b));
        if word != 0 {
            v += &format!("    mem[{i}] = 32'h{word:08x};\n");
        }
    }
    v += "end\nalways @(posedge clock) if (enable) begin\n";
    for i in 0..4 {
        let (low, high) = (8 * i, 8 * i + 7);
        v += &format!("    if (we[{i}]) mem[addr][{high}:{low}] <= wdata[{high}:{low}];\n");
    }
    v += "    if (we == 4'h0) q <= mem[addr];\nend\nassign rdata = q;\n";
    m.set_custom(v);
    m
}

/// The processor with `image` in its RAM. See the module.
pub fn soc(image: &[u8]) -> Result<Module, ImageTooLarge> {
    if image.len() > RAM_BYTES {
        return Err(ImageTooLarge { bytes: image.len() });
    }
    let m = Module::new("soc");
    let d = m.sync();
    let restart = m.reg("restart", 1, 1);
    m.assign(&restart, m.input("cpu_reset", 1));
    let c = m.inst("cpu", &cpu::rv32i());
    c.drive("reset", &restart | &d.reset);
    let (valid, write, addr) = (c.port("mem_valid"), c.port("mem_write"), c.port("mem_addr"));
    let strobe = c.port("mem_strobe");

    // Where a request goes is decided in the cycle after it appears.
    let ready = m.reg("ready", 1, 0);
    let taken = m.reg("taken", 1, 0);
    let fresh = m.named("fresh", &valid & !&taken & !&ready & !&restart);
    let in_ram = addr.slice(14, 18).is_zero();
    let in_page = addr.slice(16, 16).eq(REGISTERS >> 16);
    let whole = !&write | strobe.all();
    let to_ram = m.reg("to_ram", 1, 0);
    let to_registers = m.reg("to_registers", 1, 0);
    let to_nothing = m.reg("to_nothing", 1, 0);
    let is_register = m.named("is_register", in_page & whole & !c.port("mem_instr"));
    m.assign(&to_ram, &fresh & &in_ram);
    m.assign(&to_registers, &fresh & &is_register);
    m.assign(&to_nothing, &fresh & !&in_ram & !&is_register);
    m.process(|p| {
        p.if_(&fresh, |p| p.set(&taken, true));
        p.if_(&ready | &restart, |p| p.set(&taken, false));
    });

    let ram = m.inst("ram", &ram(image));
    // Reads at once; whether the word is wanted is known in the next cycle, in which writes take place.
    ram.drive("enable", &fresh | &to_ram)
        .drive("we", &strobe & (&write & &to_ram).repl(4))
        .drive("addr", addr.slice(2, 12))
        .drive("wdata", c.port("mem_wdata"));
    let ram_word = m.delay("ram_word", &ram.port("rdata"));
    let ram_done = m.reg("ram_done", 1, 0);
    m.assign(&ram_done, &to_ram & !&restart);

    // Register bus. `waiting` outlives a restart, so that an answer never meets another request.
    let reg_valid = m.output_reg("reg_valid", 1, 0);
    let (reg_write, reg_addr) = (
        m.output_reg_nr("reg_write", 1),
        m.output_reg_nr("reg_addr", 16),
    );
    let reg_wdata = m.output_reg_nr("reg_wdata", 32);
    let (ack, error) = (m.input("reg_ack", 1), m.input("reg_error", 1));
    let rdata = m.input("reg_rdata", 32);
    let waiting = m.reg("waiting", 1, 0);
    let abandoned = m.reg("abandoned", 1, 0);
    let wanted = m.reg("wanted", 1, 0);
    let timer = m.reg_nr("timer", 7);
    let late = m.named("late", timer.eq(TIMEOUT - 1));
    let over = m.named("over", &waiting & (&ack | &late));
    m.process(|p| {
        p.set(&reg_valid, false);
        p.set(&timer, &timer + 1);
        p.if_(&to_registers, |p| p.set(&wanted, true));
        p.if_(&over, |p| {
            p.set(&waiting, false);
            p.set(&abandoned, false);
        });
        p.if_(&wanted & !&waiting, |p| {
            p.set(&wanted, false);
            p.set(&waiting, true);
            p.set(&timer, 0);
            p.set(&reg_valid, true);
            p.set(&reg_write, &write);
            p.set(&reg_addr, addr.slice(0, 16));
            p.set(&reg_wdata, c.port("mem_wdata"));
        });
        p.if_(&restart, |p| {
            p.set(&wanted, false);
            p.set(&reg_valid, false);
            // A request that is not out yet has no answer to wait for.
            let out = &waiting & !&over;
            p.set(&waiting, &out);
            p.set(&abandoned, &out);
        });
    });

    let answer = m.reg_nr("answer", 32);
    let failed = m.reg_nr("failed", 1);
    let bad = m.named("bad", !&ack | &error);
    let bus_done = m.named("bus_done", &over & !&abandoned);
    m.process(|p| {
        p.set(&ready, (&ram_done | &to_nothing | &bus_done) & !&restart);
        p.set(&failed, &to_nothing | (&bus_done & &bad));
        p.set(&answer, mux(&bad, lit(32, 0xffff_ffff), &rdata));
        p.if_(&ram_done, |p| p.set(&answer, &ram_word));
    });
    c.drive("mem_ready", &ready)
        .drive("mem_rdata", &answer)
        .drive("mem_error", &failed);
    for name in ["trap", "trap_cause", "trap_pc", "retired", "retired_pc"] {
        m.output_of(name, c.port(name));
    }
    Ok(m)
}

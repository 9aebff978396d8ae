//! The top of a board: `board_core` with PLL, DDR cells, delays, tri-states and inverters around it.
//!
//! TXC on a clock of 90 degrees: the halves go through a register on the core clock's fall, so that they have 4 ns to that and 6 ns to the DDR cell. The cell takes them 2 ns after
//! the data's cells have taken what belongs to them.

use super::signals::{buses, signals};
use super::{Board, BoardError, Fpga, Mmcm, Pll, TxDelay, artix7, ecp5};
use crate::board::{Identity, board_core};
use crate::params::Params;
use crate::rtl;
use smartnic_verilated::Design;
use std::fmt::Write as _;

/// A board's design.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// Name of the top module.
    pub top: String,
    /// `board_core` and all below it.
    pub core: Design,
    /// The top module itself, with the vendor's cells, which are not declared here.
    pub wrapper: String,
    /// What the card was built with.
    pub params: Params,
}

/// The top of `b` for the parameters `p` (of [`Board::params`], or others with no more ports than the board has), with the firmware `image`.
pub fn top(b: &Board, p: &Params, image: &[u8]) -> Result<Emitted, BoardError> {
    b.params(Some(p.ports))?;
    let buses = buses(b, p.ports);
    let identity = Identity {
        id: b.id,
        mdio_buses: Some(buses as u32),
    };
    let cannot = BoardError::Clock {
        name: b.name,
        mhz: b.clock.mhz,
        core_mhz: p.core_mhz,
    };
    let clocking = match b.fpga {
        Fpga::Ecp5 { .. } => {
            Pll::between(b.clock.mhz, p.core_mhz).map(|made| ecp5::pll(&made, b.phy.tx))
        }
        Fpga::Artix7 => Mmcm::between(b.clock.mhz, p.core_mhz)
            .map(|made| artix7::mmcm(&made, b.clock.mhz, b.clock.negative.is_some())),
    };
    let clocking = clocking.ok_or(cannot)?;
    let core = board_core(p, identity, b.host, image)?;
    let mut core = rtl::design(&core);
    core.verilog = to_lut_ram(&core.verilog, b.lut_ram_bits);
    Ok(Emitted {
        top: b.module(),
        core,
        wrapper: wrapper(b, p.ports, buses, &clocking),
        params: p.clone(),
    })
}

/// Gives the style of LUT RAM to the block RAMs (`rtl::ram::block`) of up to `bits` bits: what they do stays the same.
pub fn to_lut_ram(verilog: &str, bits: u32) -> String {
    if bits == 0 {
        return verilog.to_string();
    }
    let mut small = false;
    let mut out = String::with_capacity(verilog.len());
    for line in verilog.lines() {
        if let Some(rest) = line.strip_prefix("module ram_block_") {
            let size = rest.strip_prefix("old_").unwrap_or(rest);
            let mut numbers = size
                .split(|c: char| !c.is_ascii_digit())
                .map(|n| n.parse::<u32>().unwrap_or(u32::MAX));
            let (width, depth) = (numbers.next(), numbers.next());
            let size = width.zip(depth).and_then(|(w, d)| w.checked_mul(d));
            small = size.is_some_and(|s| s <= bits);
        } else if line.starts_with("endmodule") {
            small = false;
        }
        match small {
            true => out += &line.replace("ram_style = \"block\"", "ram_style = \"distributed\""),
            false => out += line,
        }
        out.push('\n');
    }
    out
}

/// The text of the top module.
fn wrapper(b: &Board, ports: u32, buses: usize, clocking: &str) -> String {
    let declarations: Vec<String> = signals(b, ports)
        .iter()
        .map(|s| format!("    {}", s.declaration()))
        .collect();
    let mut v = format!(
        "\n// {}: {}.\nmodule {}(\n{}\n);\n",
        b.title,
        b.part,
        b.module(),
        declarations.join(",\n")
    );
    v += "    wire clock, clock_90, locked;\n";
    v += clocking;
    let button = if b.reset.is_some() { " | ~reset_n" } else { "" };
    let _ = writeln!(v, "    wire reset = ~locked{button};");
    let mut core = vec![".clock(clock)".to_string(), ".reset(reset)".into()];
    for i in 0..ports {
        v += &port(b, i, &mut core);
    }
    v += &management(b, ports, buses, &mut core);
    let _ = writeln!(v, "    wire [{0}:0] led_first, led_second;", ports - 1);
    for (i, l) in b.leds.iter().enumerate().filter(|(_, l)| l.port < ports) {
        let of = ["led_first", "led_second"][l.which as usize];
        let invert = if l.active_low { "~" } else { "" };
        let _ = writeln!(v, "    assign led{i} = {invert}{of}[{}];", l.port);
    }
    for n in ["serial_rx", "serial_tx", "led_first", "led_second"] {
        core.push(format!(".{n}({n})"));
    }
    let _ = writeln!(
        v,
        "    board_core core (\n        {}\n    );\nendmodule",
        core.join(",\n        ")
    );
    v
}

/// Cells and wires of port `i`; adds the core's connections.
fn port(b: &Board, i: u32, core: &mut Vec<String>) -> String {
    let xilinx = b.fpga == Fpga::Artix7;
    let input = if xilinx { artix7::input } else { ecp5::input };
    let output = if xilinx { artix7::output } else { ecp5::output };
    let mut v = format!("\n    // Port {i}.\n    wire rx_clock{i};\n");
    v += &if xilinx {
        artix7::receive_clock(i)
    } else {
        ecp5::receive_clock(i)
    };
    for edge in ["rise", "fall"] {
        let _ = writeln!(v, "    wire [3:0] rxd_{edge}{i}, txd_{edge}{i};");
        let _ = writeln!(
            v,
            "    wire rx_ctl_{edge}{i}, tx_ctl_{edge}{i}, txc_{edge}{i};"
        );
        for n in ["rxd", "rx_ctl", "txd", "tx_ctl", "txc"] {
            core.push(format!(".{n}_{edge}{i}({n}_{edge}{i})"));
        }
    }
    core.push(format!(".rx{i}_clock(rx_clock{i})"));
    core.push(format!(".rx{i}_reset(1'b0)"));
    let clock = format!("rx_clock{i}");
    let mut receive = |name: String, of: &str, bit: &str| {
        let (pin, rise, fall) = (
            format!("rgmii{i}_{of}{bit}"),
            format!("{of}_rise{i}{bit}"),
            format!("{of}_fall{i}{bit}"),
        );
        v += &input(&name, &pin, &clock, &rise, &fall, b.phy.rx_taps);
    };
    for n in 0..4 {
        receive(format!("rxd{i}_{n}"), "rxd", &format!("[{n}]"));
    }
    receive(format!("rx_ctl{i}"), "rx_ctl", "");
    let mut send = |name: String, of: &str, bit: &str| {
        let (pin, rise, fall) = (
            format!("rgmii{i}_{of}{bit}"),
            format!("{of}_rise{i}{bit}"),
            format!("{of}_fall{i}{bit}"),
        );
        v += &output(&name, &pin, "clock", &rise, &fall);
    };
    for n in 0..4 {
        send(format!("txd{i}_{n}"), "txd", &format!("[{n}]"));
    }
    send(format!("tx_ctl{i}"), "tx_ctl", "");
    match b.phy.tx {
        TxDelay::Phy => send(format!("txc{i}"), "txc", ""),
        TxDelay::Quadrature => {
            let _ = writeln!(v, "    reg txc_rise_late{i}, txc_fall_late{i};");
            let _ = writeln!(
                v,
                "    always @(negedge clock) begin\n        txc_rise_late{i} <= txc_rise{i};\n        txc_fall_late{i} <= txc_fall{i};\n    end"
            );
            let (rise, fall) = (format!("txc_rise_late{i}"), format!("txc_fall_late{i}"));
            v += &output(
                &format!("txc{i}"),
                &format!("rgmii{i}_txc"),
                "clock_90",
                &rise,
                &fall,
            );
        }
    }
    v
}

/// MDIO and PHY resets.
fn management(b: &Board, ports: u32, buses: usize, core: &mut Vec<String>) -> String {
    let mut v = format!(
        "\n    wire [{0}:0] mdc, mdio_i, mdio_o, mdio_oe;\n",
        buses - 1
    );
    for i in 0..buses {
        let _ = writeln!(v, "    assign mdc{i} = mdc[{i}];");
        let (cell, pin) = match b.fpga {
            Fpga::Ecp5 { .. } => ("BB", "B"),
            Fpga::Artix7 => ("IOBUF", "IO"),
        };
        let _ = writeln!(
            v,
            "    {cell} mdio{i}_pin (.I(mdio_o[{i}]), .T(~mdio_oe[{i}]), .O(mdio_i[{i}]), .{pin}(mdio{i}));"
        );
    }
    let _ = writeln!(v, "    wire [{}:0] phy_reset;", ports - 1);
    for (i, r) in b.phy_resets.iter().enumerate() {
        let held: Vec<String> = r.ports.iter().map(|p| format!("phy_reset[{p}]")).collect();
        if r.ports.is_empty() {
            let _ = writeln!(v, "    assign phy_reset_n{i} = 1'b1;");
        } else if r.ports.iter().all(|p| *p < ports) {
            let _ = writeln!(v, "    assign phy_reset_n{i} = ~({});", held.join(" | "));
        }
    }
    for n in ["mdc", "mdio_i", "mdio_o", "mdio_oe", "phy_reset"] {
        core.push(format!(".{n}({n})"));
    }
    v
}

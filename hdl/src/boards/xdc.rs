//! Xilinx design constraints: pins, clocks, the windows of RGMII, asynchronous groups.
//!
//! RGMII 2.0 (3.3): at a receiver data are valid 1.0 ns before and after each edge of the clock. Data of an edge was sent with the edge 4 ns before: it may
//! come 4.0 - 1.0 ns after that one at the latest, and leaves 1.0 ns after its own edge at the earliest.

use super::signals::{Role, signals};
use super::{Board, RECEIVE_MHZ, TxDelay};
use std::fmt::Write as _;

/// Setup and hold at a receiver, ns.
const WINDOW: f64 = 1.0;
/// Half a period at 1000 Mb/s, ns.
const HALF: f64 = 4.0;

/// The file's text.
pub(super) fn xdc(b: &Board, ports: u32) -> String {
    let mut v = format!(
        "# {} ({}). Made by `smartnic-hdl emit --board {}`; change hdl/src/boards.\n\n\
         set_property CFGBVS VCCO [current_design]\nset_property CONFIG_VOLTAGE 3.3 [current_design]\n\
         set_property BITSTREAM.GENERAL.COMPRESS true [current_design]\n\n",
        b.title, b.part, b.name
    );
    let all = signals(b, ports);
    for s in &all {
        let extra = match s.role {
            Role::Transmit(_) | Role::TransmitClock(_) => " SLEW FAST",
            Role::SlowInput | Role::Open => " PULLUP TRUE",
            _ => "",
        };
        for (name, pin) in s.bits() {
            let _ = writeln!(
                v,
                "set_property -dict {{PACKAGE_PIN {} IOSTANDARD {}{extra}}} [get_ports {{{name}}}]",
                pin.ball, pin.io
            );
        }
    }
    let period = |mhz: u32| 1000.0 / f64::from(mhz);
    let _ = writeln!(
        v,
        "\ncreate_clock -period {:.3} -name clk_in [get_ports clk_in]",
        period(b.clock.mhz)
    );
    for i in 0..ports {
        let clock = format!("rgmii{i}_rxc");
        let _ = writeln!(
            v,
            "create_clock -period {:.3} -name {clock} [get_ports {clock}]",
            period(RECEIVE_MHZ)
        );
        window(
            &mut v,
            "input",
            &clock,
            &format!("rgmii{i}_rxd[*] rgmii{i}_rx_ctl"),
            HALF - WINDOW,
            WINDOW,
        );
        // What the PHY's pins see.
        let out = format!("rgmii{i}_txc");
        let _ = writeln!(
            v,
            "create_generated_clock -name {out} -source [get_pins txc{i}_ddr/C] -divide_by 1 [get_ports {out}]"
        );
        let late = match b.phy.tx {
            TxDelay::Quadrature => 0.0,
            // The PHY adds its delay behind the pins.
            TxDelay::Phy => -HALF / 2.0,
        };
        window(
            &mut v,
            "output",
            &out,
            &format!("rgmii{i}_txd[*] rgmii{i}_tx_ctl"),
            WINDOW + late,
            -WINDOW + late,
        );
    }
    let receive: Vec<String> = (0..ports).map(|i| format!("-group rgmii{i}_rxc")).collect();
    let _ = writeln!(
        v,
        "set_clock_groups -asynchronous -group [get_clocks -include_generated_clocks clk_in] {}",
        receive.join(" ")
    );
    for s in all {
        let (to, delay) = match s.role {
            Role::SlowInput => ("from", "input"),
            Role::SlowOutput => ("to", "output"),
            Role::Open => {
                let _ = writeln!(
                    v,
                    "set_false_path -from [get_ports {0}]\nset_false_path -to [get_ports {0}]",
                    s.name
                );
                continue;
            }
            _ => continue,
        };
        let _ = writeln!(
            v,
            "set_false_path -{to} [get_ports {0}]\nset_{delay}_delay 0.000 [get_ports {0}]",
            s.name
        );
    }
    v
}

/// Longest and shortest delay at both edges.
fn window(v: &mut String, kind: &str, clock: &str, ports: &str, max: f64, min: f64) {
    for (limit, value) in [("max", max), ("min", min)] {
        let _ = writeln!(
            v,
            "set_{kind}_delay -clock {clock} -{limit} {value:.3} [get_ports {{{ports}}}]"
        );
        let _ = writeln!(
            v,
            "set_{kind}_delay -clock {clock} -clock_fall -add_delay -{limit} {value:.3} [get_ports {{{ports}}}]"
        );
    }
}

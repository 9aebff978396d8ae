//! What a board's top wraps in vendor's cells: the system with an RGMII for each port, the reset sequence, and the host's side.
//!
//! **Reset.** `reset` (any level, of any clock: the PLL has no lock, a button) sets everything at once and lets go in step with the clock, [`POWER_ON_CYCLES`] later: the PLL and
//! the supply have settled by then. The receive domains follow in their own clocks.
//!
//! **Host.** [`Host::Place`]: the TLP boundary ends in [`endpoint_place`], as large as its pins and silent, so that the host's side stays in the design, and its
//! timing with it, until the endpoint takes that place. [`Host::None`]: it is tied off, and synthesis removes what only a host can use.
//!
//! **Ports.** `clock` (125 MHz, or the parameters'), `reset`; per port those of `rgmii` with the port's number behind them (`rxd_rise{i}[4]` ...), `rx{i}_clock`, `rx{i}_reset` (0);
//! `mdc`, `mdio_*`, `serial_*`, `led_*`, `phy_reset` as in [`super::board_system`].
//!
//! **Test:** `tests/board_core.rs`.

use super::{Identity, SystemError, board_system};
use crate::cdc::reset_sync;
use crate::params::Params;
use crate::rgmii::rgmii;
use crate::rtl::{E, Inst, Module, lit};

/// Cycles for which everything is held after the last cause of reset: 0.5 ms.
pub const POWER_ON_CYCLES: u64 = 1 << 16;

/// What is at the TLP boundary of a board without endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The place of a later endpoint.
    Place,
    /// Nothing, ever: there is no PCIe.
    None,
}

/// A level that is high for [`POWER_ON_CYCLES`] after `reset`. Ports: `clock`, `reset`, `q`.
fn power_on() -> Module {
    let m = Module::new("power_on");
    let bits = POWER_ON_CYCLES.trailing_zeros() + 1;
    let count = m.reg("count", bits, 0);
    let done = count.bit(bits - 1);
    m.process(|p| p.if_(!&done, |p| p.set(&count, &count + 1)));
    let q = m.output_reg("q", 1, 1);
    m.assign(&q, !done);
    m
}

/// Inputs of the TLP boundary that the endpoint drives, with their widths.
const FROM_ENDPOINT: &[(&str, u32)] = &[
    ("tlp_rx_valid", 1),
    ("tlp_rx_data", 64),
    ("tlp_rx_keep", 2),
    ("tlp_rx_last", 1),
    ("tlp_rx_bar", 3),
    ("tlp_tx_ready", 1),
    ("cfg_requester_id", 16),
    ("cfg_bus_master", 1),
    ("cfg_mps", 3),
    ("cfg_mrrs", 3),
    ("cfg_msix_enable", 1),
    ("cfg_msix_mask", 1),
    ("cfg_flr", 1),
];

/// Outputs of the TLP boundary, with their widths.
const TO_ENDPOINT: &[(&str, u32)] = &[
    ("tlp_rx_ready", 1),
    ("tlp_tx_valid", 1),
    ("tlp_tx_data", 64),
    ("tlp_tx_keep", 2),
    ("tlp_tx_last", 1),
];

/// The place of an endpoint: a register at each pin of the TLP boundary. All of them are zero and stay so, but no synthesis can know it: they form a chain
/// behind a ring of two registers that reset clears. What the card says is folded into one register that is kept.
pub fn endpoint_place() -> Module {
    let m = Module::new("endpoint_place");
    m.sync();
    let mut text = String::from("reg [1:0] ring;\n(* keep *) reg heard;\n");
    let mut shifts = vec![];
    let mut last = "ring[1]".to_string();
    for (name, width) in FROM_ENDPOINT {
        m.output(name, *width);
        text += &format!(
            "reg [{}:0] r_{name};\nassign {name} = r_{name};\n",
            width - 1
        );
        let rest = match width {
            1 => last.clone(),
            w => format!("{{r_{name}[{}:0], {last}}}", w - 2),
        };
        shifts.push((format!("r_{name}"), rest));
        last = format!("r_{name}[{}]", width - 1);
    }
    let heard: Vec<String> = TO_ENDPOINT
        .iter()
        .map(|(name, width)| {
            m.input(name, *width);
            text += &format!("reg [{}:0] r_{name};\n", width - 1);
            format!("^r_{name}")
        })
        .collect();
    text += "always @(posedge clock) begin\n    ring <= {ring[0], ring[1]};\n";
    for (name, value) in &shifts {
        text += &format!("    {name} <= {value};\n");
    }
    for (name, _) in TO_ENDPOINT {
        text += &format!("    r_{name} <= {name};\n");
    }
    text += &format!(
        "    heard <= {};\n    if (reset) begin\n        ring <= 2'b00;\n",
        heard.join(" ^ ")
    );
    for ((name, _), (_, width)) in shifts.iter().zip(FROM_ENDPOINT) {
        text += &format!("        {name} <= {width}'b0;\n");
    }
    text += "    end\nend\n";
    m.set_custom(text);
    m
}

/// The core of a board. See the module.
pub fn board_core(
    p: &Params,
    identity: impl Into<Identity>,
    host: Host,
    image: &[u8],
) -> Result<Module, SystemError> {
    let system = board_system(p, identity, image)?;
    let m = Module::new("board_core");
    let core = m.sync();
    let sync = m.inst("reset_in", &reset_sync());
    sync.drive("reset", &core.reset);
    let hold = m.inst("hold", &power_on());
    hold.drive("reset", sync.port("q"));
    let reset = m.named("reset_all", hold.port("q"));
    let s = m.inst("system", &system);
    s.drive("reset", &reset);
    // A register of its own for the receive domains, which take it without a clock.
    let held = m.delay("reset_held", &reset);
    for i in 0..p.ports {
        port(&m, p, i, &s, &reset, &held);
    }
    let own = ["mdc", "mdio_", "serial_", "led_"];
    s.expose(|n| own.iter().any(|o| n.starts_with(o)));
    m.output_of("phy_reset", s.port("phy_reset"));
    match host {
        Host::Place => {
            let place = m.inst("endpoint", &endpoint_place());
            place.drive("reset", &reset);
            for (n, _) in FROM_ENDPOINT {
                s.drive(n, place.port(n));
            }
            for (n, _) in TO_ENDPOINT {
                place.drive(n, s.port(n));
            }
        }
        Host::None => {
            for (n, width) in FROM_ENDPOINT {
                // What is sent has somewhere to go.
                s.drive(n, lit(*width, u64::from(*n == "tlp_tx_ready")));
            }
        }
    }
    Ok(m)
}

/// Port `i`: its RGMII, with pins that bear its number.
fn port(m: &Module, p: &Params, i: u32, s: &Inst, reset: &E, held: &E) {
    let rx = m.domain(&format!("rx{i}"));
    let sync = m.inst(&format!("rx_reset{i}"), &reset_sync());
    sync.drive("clock", &rx.clock).drive("reset", held);
    let rx_reset = m.named(&format!("rx_held{i}"), sync.port("q") | &rx.reset);
    let pins = m.inst(&format!("rgmii{i}"), &rgmii(p.core_mhz));
    pins.drive("reset", reset)
        .drive("rx_clock", &rx.clock)
        .drive("rx_reset", &rx_reset);
    s.drive(&format!("rx{i}_clock"), &rx.clock)
        .drive(&format!("rx{i}_reset"), &rx_reset);
    for n in [
        "gmii_rxd",
        "gmii_rx_dv",
        "gmii_rx_er",
        "gmii_rx_ce",
        "tx_ce",
    ] {
        s.drive(&format!("{n}{i}"), pins.port(n));
    }
    for n in ["inband", "inband_up", "inband_full", "inband_speed"] {
        s.drive(&format!("{n}{i}"), pins.port(n));
    }
    for n in ["gmii_txd", "gmii_tx_en", "gmii_tx_er", "speed"] {
        pins.drive(n, s.port(&format!("{n}{i}")));
    }
    for edge in ["rise", "fall"] {
        for (n, width) in [("rxd", 4), ("rx_ctl", 1)] {
            pins.drive(
                &format!("{n}_{edge}"),
                m.input(&format!("{n}_{edge}{i}"), width),
            );
        }
        for n in ["txd", "tx_ctl", "txc"] {
            m.output_of(&format!("{n}_{edge}{i}"), pins.port(&format!("{n}_{edge}")));
        }
    }
}

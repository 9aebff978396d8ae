//! RGMII 2.0 (and 1.3, which differs in the delays alone) to GMII, full duplex, without any vendor's cells: what lies between DDR cells and a MAC.
//!
//! - [`rgmii_rx()`]: nibble pairs of the receive clock to GMII with a byte enable; in-band status.
//! - [`rgmii_tx()`]: GMII to nibble pairs and the clock's two halves, on the core clock.
//! - [`rgmii()`]: both, with what crosses between their clocks.
//!
//! **Protocol.** A DDR input cell gives, once a receive clock, what was on the pins at its rise and at the fall after it (`rxd_rise[4]`, `rxd_fall[4]`, `rx_ctl_rise`, `rx_ctl_fall`). A DDR
//! output cell takes, once a core clock, what the pins shall show in its first half and in its second (`txd_rise[4]`, `txd_fall[4]`, `tx_ctl_rise`, `tx_ctl_fall`, `txc_rise`,
//! `txc_fall`). Data and clock change together here: the 2 ns between them (RGMII 2.0, 3.3) are the PHY's or the cells' affair, as
//! docs/boards.md says for each board.
//!
//! `speed[2]` (core domain: 0 = 10, 1 = 100, 2 = 1000 Mb/s) is a level and may change at any time: what is under way is lost then, the next frame is right.
//!
//! **Ports of [`rgmii()`]:** those above; `rx_clock`, `rx_reset`; `gmii_rxd[8]`, `gmii_rx_dv`, `gmii_rx_er`, `gmii_rx_ce` (receive domain) out; `gmii_txd[8]`,
//! `gmii_tx_en`, `gmii_tx_er` in, `tx_ce` out; `inband` (there has been in-band status with a link since reset), `inband_up`, `inband_full`, `inband_speed[2]`: levels
//! in the core domain.
//!
//! **Latency** at 1000 Mb/s: pair to GMII 2 receive clocks, GMII to pair 1 core clock. **Cost** (ECP5, yosys): 70 LUT4 and 3 carry cells, 87 FF. **Tests:** `tests/rgmii.rs`, `tests/rgmii_loop.rs`.

mod rx;
mod tx;

pub use rx::{STATUS_CLOCKS, rgmii_rx};
pub use tx::{periods, rgmii_tx};

use crate::cdc::bit_sync;
use crate::rtl::Module;

/// Both directions of one port with a core clock of `core_mhz` ([`rgmii_tx()`]). See the module.
pub fn rgmii(core_mhz: u32) -> Module {
    let m = Module::new("rgmii");
    let core = m.sync();
    let pins = m.domain("rx");
    let speed = m.input("speed", 2);

    let rx = m.inst("rx", &rgmii_rx());
    rx.drive("clock", &pins.clock).drive("reset", &pins.reset);
    rx.expose(|n| n != "speed" && n != "status");
    // Its bits cross one by one: between two speeds a third may be seen for a clock.
    let far = m.inst("speed_to_rx", &bit_sync(2));
    far.drive("clock", &pins.clock)
        .drive("reset", &pins.reset)
        .drive("d", &speed);
    rx.drive("speed", far.port("q"));

    // The status counts when two looks at it agree: its bits change together, so only one look can meet some old and some new ones.
    let near = m.inst("status_to_core", &bit_sync(4));
    near.drive("clock", &core.clock)
        .drive("reset", &core.reset)
        .drive("d", rx.port("status"));
    let before = m.reg("status_before", 4, 0);
    let status = m.reg("status", 4, 0);
    let seen = m.output_reg("inband", 1, 0);
    m.process(|p| {
        p.set(&before, near.port("q"));
        p.if_(before.eq(near.port("q")), |p| p.set(&status, &before));
        p.if_(status.bit(0), |p| p.set(&seen, true));
    });
    m.output_of("inband_up", status.bit(0));
    m.output_of("inband_speed", status.slice(1, 2));
    m.output_of("inband_full", status.bit(3));

    let tx = m.inst("tx", &rgmii_tx(core_mhz));
    tx.drive("speed", &speed);
    tx.expose(|n| n != "speed");
    m
}

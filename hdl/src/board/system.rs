//! A board without its vendor's cells: the card, its processor, the page `board`, and one register bus for both masters.
//!
//! **Register bus.** The host (TLPs) is master 0, the processor master 1; [`super::arbiter`] lets them share it. The card's pages and page `board` answer.
//!
//! **Start.** The processor starts with its image 16 cycles after reset. Until it says otherwise, and if it never does, the ports forward
//! (`control::BOARD_CONFIG`) with the link and speed that their PHYs give in-band.
//!
//! **Ports.** Those of the card (`top`; `link{i}` and `speed{i}` come from page `board`), and:
//!
//! | port | |
//! |---|---|
//! | `gmii_rx_ce{i}`, `tx_ce{i}` in | byte enables of 10/100 Mb/s: in the receive domain, in the core's |
//! | `speed{i}[2]` out | what to receive and send at: 0 = 10, 1 = 100, 2 = 1000 Mb/s |
//! | `inband{i}`, `inband_up{i}`, `inband_full{i}`, `inband_speed{i}[2]` in | the PHY's in-band status, filtered, in the core's domain |
//! | `mdc[B]`, `mdio_o[B]`, `mdio_oe[B]` out, `mdio_i[B]` in | management buses |
//! | `serial_rx` in, `serial_tx` out | |
//! | `phy_reset[P]`, `led_first[P]`, `led_second[P]` out | active high |
//!
//! `idle` is the card's, and clear while the processor runs. **Cost:** the sum of its blocks. **Test:** `tests/board_system.rs`.

use super::{Identity, ImageTooLarge, arbiter, board_regs, soc};
use crate::params::{ParamError, Params};
use crate::rtl::{Inst, Module};
use crate::top::smartnic;
use thiserror::Error;

/// Why there is no such system.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SystemError {
    /// A parameter of the card.
    #[error(transparent)]
    Params(#[from] ParamError),
    /// The firmware.
    #[error(transparent)]
    Image(#[from] ImageTooLarge),
}

/// The system of a board (its number, `board::BOARD_ID`, or an [`Identity`]), with the firmware `image` in the processor's RAM. See the module.
pub fn board_system(
    p: &Params,
    identity: impl Into<Identity>,
    image: &[u8],
) -> Result<Module, SystemError> {
    let p = Params {
        board: true,
        ..p.clone()
    };
    let m = Module::new("board_system");
    m.sync();
    for i in 0..p.ports {
        m.domain(&format!("rx{i}"));
    }
    let card = m.inst("card", &smartnic(&p)?);
    let processor = m.inst("processor", &soc(image)?);
    let regs = m.inst("board", &board_regs(&p, identity));
    let bus = m.inst("bus", &arbiter());

    for n in ["valid", "write", "addr", "wdata"] {
        bus.drive(&format!("m0_reg_{n}"), card.port(&format!("mmio_reg_{n}")))
            .drive(&format!("m1_reg_{n}"), processor.port(&format!("reg_{n}")));
        for slave in [&card, &regs] {
            slave.drive(&format!("reg_{n}"), bus.port(&format!("reg_{n}")));
        }
    }
    for n in ["ack", "rdata"] {
        card.drive(&format!("mmio_reg_{n}"), bus.port(&format!("m0_reg_{n}")));
        processor.drive(&format!("reg_{n}"), bus.port(&format!("m1_reg_{n}")));
        let answer = |i: &Inst| i.port(&format!("reg_{n}"));
        bus.drive(&format!("reg_{n}"), answer(&card) | answer(&regs));
    }
    processor.drive("reg_error", bus.port("m1_reg_error"));

    processor.drive("cpu_reset", regs.port("cpu_reset"));
    for n in ["trap", "trap_cause", "trap_pc"] {
        regs.drive(n, processor.port(n));
    }
    regs.drive("tick", card.port("tick"))
        .drive("link", card.port("link_up"))
        .drive("activity", card.port("activity"));
    for i in 0..p.ports {
        let speed = regs.port("phy_speed").slice(2 * i, 2);
        card.drive(&format!("link{i}"), regs.port("phy_link").bit(i))
            .drive(&format!("speed{i}"), &speed);
        m.output_of(&format!("speed{i}"), speed);
    }
    let starts = ["gmii_", "tx_ce", "tlp_", "cfg_"];
    card.expose(|n| starts.iter().any(|s| n.starts_with(s)));
    let starts = ["inband", "mdc", "mdio_", "serial_", "led_"];
    regs.expose(|n| starts.iter().any(|s| n.starts_with(s)));
    // Ends like a reset of a domain, so it is named here.
    m.output_of("phy_reset", regs.port("phy_reset"));
    let idle = m.output_reg("idle", 1, 0);
    m.assign(&idle, card.port("idle") & regs.port("cpu_reset"));
    Ok(m)
}

//! Realtek RTL8211F and RTL8211E: registers in pages, register 31 names the page; the page is 0 between accesses.

use super::{Speed, speed_of};
use crate::bus::Bus;
use crate::mdio::{self, NoAnswer, Place};

/// Identifier of the RTL8211F.
pub(super) const ID_F: u32 = 0x001c_c916;
/// Identifier of the RTL8211E.
pub(super) const ID_E: u32 = 0x001c_c915;

const PAGE: u8 = 31;

/// RTL8211F: page of the delays, register and bit of each.
const DELAYS_PAGE_F: u16 = 0xd08;
const TX_DELAY_F: (u8, u16) = (0x11, 1 << 8);
const RX_DELAY_F: (u8, u16) = (0x15, 1 << 3);
/// RTL8211F: page and register of its status: speed in bits 5:4, duplex in bit 3.
const STATUS_PAGE_F: u16 = 0xa43;
const STATUS_F: u8 = 0x1a;
const FULL_F: u16 = 1 << 3;

/// RTL8211E: the page that opens extension pages, the register that chooses one, the one with the delays, its register.
const EXTENSIONS_E: u16 = 7;
const CHOOSE_E: u8 = 30;
const DELAYS_PAGE_E: u16 = 0xa4;
const DELAYS_E: u8 = 28;
/// The register counts instead of the straps; both delays.
const DELAY_BITS_E: u16 = 1 << 13 | 1 << 12 | 1 << 11;

/// Does something on a page, and goes back to page 0 whatever came of it.
fn on_page<B: Bus, T>(
    bus: &mut B,
    at: Place,
    page: u16,
    work: impl FnOnce(&mut B) -> Result<T, NoAnswer>,
) -> Result<T, NoAnswer> {
    mdio::write(bus, at, PAGE, page)?;
    let result = work(bus);
    mdio::write(bus, at, PAGE, 0)?;
    result
}

/// Delays both clocks; they take effect at once, but a reset makes sure.
pub(super) fn delays_f(bus: &mut impl Bus, at: Place) -> Result<bool, NoAnswer> {
    on_page(bus, at, DELAYS_PAGE_F, |bus| {
        let mut changed = false;
        for (register, bit) in [TX_DELAY_F, RX_DELAY_F] {
            changed |= mdio::update(bus, at, register, bit, bit)?;
        }
        Ok(changed)
    })
}

/// Delays both clocks: at once, and a reset would undo it.
pub(super) fn delays_e(bus: &mut impl Bus, at: Place) -> Result<(), NoAnswer> {
    on_page(bus, at, EXTENSIONS_E, |bus| {
        mdio::write(bus, at, CHOOSE_E, DELAYS_PAGE_E)?;
        mdio::update(bus, at, DELAYS_E, DELAY_BITS_E, DELAY_BITS_E).map(|_| ())
    })
}

/// Speed and duplex as the RTL8211F found them: with two pairs of wires it goes to 100 Mb/s though both sides advertise more.
pub(super) fn resolved_f(bus: &mut impl Bus, at: Place) -> Result<(Speed, bool), NoAnswer> {
    let now = on_page(bus, at, STATUS_PAGE_F, |bus| mdio::read(bus, at, STATUS_F))?;
    Ok((speed_of(now >> 4), now & FULL_F != 0))
}

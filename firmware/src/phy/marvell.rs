//! Marvell 88E1512 (Alaska; datasheet MV-S107146-U0): registers in pages, register 22 names the page.

use super::{Speed, speed_of};
use crate::bus::Bus;
use crate::mdio::{self, NoAnswer, Place};

/// Identifier; the lowest four bits are the revision.
pub(super) const ID_88E1512: u32 = 0x0141_0dd0;
/// The page.
pub(super) const PAGE: u8 = 22;

/// Page of the MAC's side.
const MAC_PAGE: u16 = 2;
/// MAC specific control 2 of that page.
const MAC_CONTROL_2: u8 = 21;
/// Receive clock in the middle of the data, transmit clock delayed inside: both ways. They take effect with a reset.
const DELAYS: u16 = 1 << 5 | 1 << 4;

/// Copper specific status 1.
const COPPER_STATUS: u8 = 17;
const RESOLVED: u16 = 1 << 11;
const FULL: u16 = 1 << 13;

/// Delays both clocks; true if they were not: then it must be reset.
pub(super) fn delays(bus: &mut impl Bus, at: Place) -> Result<bool, NoAnswer> {
    mdio::write(bus, at, PAGE, MAC_PAGE)?;
    let changed = mdio::update(bus, at, MAC_CONTROL_2, DELAYS, DELAYS);
    mdio::write(bus, at, PAGE, 0)?;
    changed
}

/// Speed and duplex as the PHY found them.
pub(super) fn resolved(bus: &mut impl Bus, at: Place) -> Result<(Speed, bool), NoAnswer> {
    let now = mdio::read(bus, at, COPPER_STATUS)?;
    Ok((
        speed_of(now >> 14),
        now & (RESOLVED | FULL) == RESOLVED | FULL,
    ))
}

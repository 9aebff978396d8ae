//! What every PHY of clause 22 does.

use super::{Speed, control, reg, status};
use crate::bus::Bus;
use crate::mdio::{self, NoAnswer, Place};

/// Abilities of 10 and 100 Mb/s and of pause, in [`reg::ADVERTISE`] and [`reg::PARTNER`] (28B.2, 28B.3).
const ABILITIES: u16 = 0x0fe0;
const FULL_10: u16 = 1 << 6;
const FULL_100: u16 = 1 << 8;
/// What is advertised: 10 and 100 Mb/s, full duplex.
pub const ADVERTISED: u16 = FULL_10 | FULL_100;

/// 1000BASE-T: half and full duplex in [`reg::GIGABIT_CONTROL`].
const ABILITIES_1000: u16 = 0x0300;
/// What is advertised: 1000 Mb/s, full duplex.
pub const ADVERTISED_1000: u16 = 1 << 9;
/// The partner's 1000 Mb/s, full duplex, in [`reg::GIGABIT_STATUS`].
const PARTNER_1000: u16 = 1 << 11;
/// 1000BASE-T full duplex in [`reg::EXTENDED`].
const CAN_1000: u16 = 1 << 13;

fn gigabit(bus: &mut impl Bus, at: Place) -> Result<bool, NoAnswer> {
    let extended = mdio::read(bus, at, reg::STATUS)? & status::EXTENDED != 0;
    Ok(extended && mdio::read(bus, at, reg::EXTENDED)? & CAN_1000 != 0)
}

/// What is advertised of 1000BASE-T.
fn advertised_1000(most: Speed) -> u16 {
    if most == Speed::Thousand {
        ADVERTISED_1000
    } else {
        0
    }
}

/// Advertises full duplex alone; true if negotiation must start again for it.
pub(super) fn advertise(bus: &mut impl Bus, at: Place, most: Speed) -> Result<bool, NoAnswer> {
    let mut changed = mdio::update(bus, at, reg::ADVERTISE, ABILITIES, ADVERTISED)?;
    if gigabit(bus, at)? {
        let (mask, value) = (ABILITIES_1000, advertised_1000(most));
        changed |= mdio::update(bus, at, reg::GIGABIT_CONTROL, mask, value)?;
    }
    let now = mdio::read(bus, at, reg::CONTROL)?;
    Ok(changed || !works(now))
}

fn works(now: u16) -> bool {
    use control::{ISOLATE, NEGOTIATE, POWER_DOWN};
    now & (NEGOTIATE | POWER_DOWN | ISOLATE) == NEGOTIATE
}

pub(super) fn intact(bus: &mut impl Bus, at: Place, most: Speed) -> Result<bool, NoAnswer> {
    let now = mdio::read(bus, at, reg::ADVERTISE)?;
    let gigabit = mdio::read(bus, at, reg::GIGABIT_CONTROL)?;
    // More than is wanted at gigabit. (A PHY that has none reads zeros or ones.)
    let more = gigabit & ABILITIES_1000 & !advertised_1000(most) != 0 && gigabit != u16::MAX;
    Ok(now & ABILITIES == ADVERTISED && !more && works(mdio::read(bus, at, reg::CONTROL)?))
}

/// Speed and duplex by what both sides advertise (28B.3). A partner that does not negotiate is at half duplex (28.2.3.1).
pub(super) fn resolved(bus: &mut impl Bus, at: Place) -> Result<(Speed, bool), NoAnswer> {
    let ours = mdio::read(bus, at, reg::ADVERTISE)?;
    let common = ours & mdio::read(bus, at, reg::PARTNER)?;
    if gigabit(bus, at)?
        && mdio::read(bus, at, reg::GIGABIT_CONTROL)? & ADVERTISED_1000 != 0
        && mdio::read(bus, at, reg::GIGABIT_STATUS)? & PARTNER_1000 != 0
    {
        return Ok((Speed::Thousand, true));
    }
    Ok(match common {
        c if c & FULL_100 != 0 => (Speed::Hundred, true),
        c if c & FULL_10 != 0 => (Speed::Ten, true),
        _ => (Speed::Ten, false),
    })
}

//! PHYs: what all have (IEEE 802.3-2022 clause 22.2.4 and annex 28), and the chips that need more.
//!
//! Full duplex alone is ever advertised: the MACs know no collisions. Nor is pause: the host decides on that. Chips that can delay RGMII's clocks by 2 ns are told to, both ways
//! (docs/boards.md shares the delays out; a KSZ9031RNX is left at what its straps say). [`Chip::configure`] changes only what is not as it should be, so that
//! a restarted firmware finds the links as they were, and a PHY whose straps are right is never reset: on a Colorlight one of them makes the board's clock.

mod generic;
mod marvell;
mod realtek;

use crate::bus::Bus;
use crate::mdio::{self, NoAnswer, Place};

pub use generic::{ADVERTISED, ADVERTISED_1000};

/// Registers of clause 22.
pub mod reg {
    /// Control.
    pub const CONTROL: u8 = 0;
    /// Status.
    pub const STATUS: u8 = 1;
    /// Identifier, upper half.
    pub const ID1: u8 = 2;
    /// Identifier, lower half.
    pub const ID2: u8 = 3;
    /// Advertisement (28.2.4.1.3).
    pub const ADVERTISE: u8 = 4;
    /// What the partner advertises.
    pub const PARTNER: u8 = 5;
    /// 1000BASE-T control (40.5.1.1).
    pub const GIGABIT_CONTROL: u8 = 9;
    /// 1000BASE-T status.
    pub const GIGABIT_STATUS: u8 = 10;
    /// Extended status (22.2.4.4).
    pub const EXTENDED: u8 = 15;
}

/// Bits of [`reg::CONTROL`].
pub mod control {
    /// Reset; reads as one until it is over.
    pub const RESET: u16 = 1 << 15;
    /// Negotiates.
    pub const NEGOTIATE: u16 = 1 << 12;
    /// Powered down.
    pub const POWER_DOWN: u16 = 1 << 11;
    /// Cut off from its pins.
    pub const ISOLATE: u16 = 1 << 10;
    /// Negotiates again.
    pub const RESTART: u16 = 1 << 9;
}

/// Bits of [`reg::STATUS`].
pub mod status {
    /// There is [`super::reg::EXTENDED`].
    pub const EXTENDED: u16 = 1 << 8;
    /// Negotiation is complete.
    pub const NEGOTIATED: u16 = 1 << 5;
    /// Link; stays clear after a loss until it is read.
    pub const LINK: u16 = 1 << 2;
}

/// Speeds, as `port::STATUS` has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug, Default)]
pub enum Speed {
    /// 10 Mb/s.
    Ten = 0,
    /// 100 Mb/s.
    Hundred = 1,
    /// 1000 Mb/s.
    #[default]
    Thousand = 2,
}

/// What a PHY says of its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// There is a link, and it has been negotiated.
    pub up: bool,
    /// It has been lost since the last look.
    pub lost: bool,
    /// Full duplex; meaningful while up, as the speed.
    pub full: bool,
    /// Speed.
    pub speed: Speed,
}

/// A chip, by its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chip {
    /// Marvell 88E1512 and its family (88E1510, 1514, 1518).
    Marvell88E1512,
    /// Realtek RTL8211F.
    Rtl8211F,
    /// Realtek RTL8211E.
    Rtl8211E,
    /// Anything else: by the standard's registers, with the delays that its straps give.
    Generic,
}

impl Chip {
    /// Finds out what is at a place; nothing there, or a bus that floats or is stuck, is no answer.
    pub fn identify(bus: &mut impl Bus, at: Place) -> Result<Chip, NoAnswer> {
        let mut id = identifier(bus, at)?;
        if id == 0 || id == u32::MAX {
            // A Marvell PHY whose page another firmware, cut off, left elsewhere has no identifier there.
            mdio::write(bus, at, marvell::PAGE, 0)?;
            id = identifier(bus, at)?;
        }
        match id {
            0 | u32::MAX => Err(NoAnswer),
            id if id >> 4 == marvell::ID_88E1512 >> 4 => Ok(Chip::Marvell88E1512),
            realtek::ID_F => Ok(Chip::Rtl8211F),
            realtek::ID_E => Ok(Chip::Rtl8211E),
            _ => Ok(Chip::Generic),
        }
    }

    /// Its name, as the serial line shows it.
    pub fn name(self) -> &'static str {
        match self {
            Chip::Marvell88E1512 => "88e1512",
            Chip::Rtl8211F => "rtl8211f",
            Chip::Rtl8211E => "rtl8211e",
            Chip::Generic => "phy",
        }
    }

    /// Makes it advertise full duplex alone, up to `most`, and delay RGMII's clocks; true if something was not so: then it starts again, and has no link for
    /// a while. At most 12 frames.
    pub fn configure(self, bus: &mut impl Bus, at: Place, most: Speed) -> Result<bool, NoAnswer> {
        let reset = match self {
            Chip::Marvell88E1512 => marvell::delays(bus, at)?,
            Chip::Rtl8211F => realtek::delays_f(bus, at)?,
            Chip::Rtl8211E => {
                realtek::delays_e(bus, at)?;
                false
            }
            Chip::Generic => false,
        };
        let restart = generic::advertise(bus, at, most)?;
        if reset || restart {
            use control::{NEGOTIATE, RESET, RESTART};
            let reset = if reset { RESET } else { 0 };
            mdio::write(bus, at, reg::CONTROL, NEGOTIATE | RESTART | reset)?;
        }
        Ok(reset || restart)
    }

    /// Whether it is still in reset after [`Chip::configure`].
    pub fn resetting(self, bus: &mut impl Bus, at: Place) -> Result<bool, NoAnswer> {
        Ok(mdio::read(bus, at, reg::CONTROL)? & control::RESET != 0)
    }

    /// Whether it still does what [`Chip::configure`] asked for: one that lost its power does not. 3 frames.
    pub fn intact(self, bus: &mut impl Bus, at: Place, most: Speed) -> Result<bool, NoAnswer> {
        generic::intact(bus, at, most)
    }

    /// Its link. At most 7 frames.
    pub fn status(self, bus: &mut impl Bus, at: Place) -> Result<Status, NoAnswer> {
        let before = mdio::read(bus, at, reg::STATUS)?;
        let lost = before & status::LINK == 0;
        let now = match lost {
            true => mdio::read(bus, at, reg::STATUS)?,
            false => before,
        };
        let all = status::LINK | status::NEGOTIATED;
        if now & all != all || now == u16::MAX {
            return Ok(Status {
                up: false,
                lost: true,
                full: false,
                speed: Speed::default(),
            });
        }
        let (speed, full) = match self {
            Chip::Marvell88E1512 => marvell::resolved(bus, at)?,
            Chip::Rtl8211F => realtek::resolved_f(bus, at)?,
            // The register of the RTL8211E is laid out as Marvell's.
            Chip::Rtl8211E => marvell::resolved(bus, at)?,
            Chip::Generic => generic::resolved(bus, at)?,
        };
        Ok(Status {
            up: true,
            lost,
            full,
            speed,
        })
    }
}

fn identifier(bus: &mut impl Bus, at: Place) -> Result<u32, NoAnswer> {
    let high = mdio::read(bus, at, reg::ID1)?;
    let low = mdio::read(bus, at, reg::ID2)?;
    Ok(u32::from(high) << 16 | u32::from(low))
}

/// The speed of two bits as vendors' status registers hold it.
fn speed_of(bits: u16) -> Speed {
    match bits & 3 {
        0 => Speed::Ten,
        1 => Speed::Hundred,
        _ => Speed::Thousand,
    }
}

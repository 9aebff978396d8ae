//! MDIO frames through the board's master (`board::MDIO_COMMAND`): some 60 us each.

use crate::bus::Bus;
use smartnic_regs::board;

/// Looks at the master before it is given up: longer than a frame with the slowest clock, 33,024 cycles, even if a look took 10 cycles.
const LOOKS: u32 = 4096;

/// Nobody answered a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAnswer;

/// Where a PHY is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Bus, 0 to 7.
    pub bus: u8,
    /// Address on it, 0 to 31.
    pub phy: u8,
}

impl Place {
    fn word(self, register: u8) -> u32 {
        use board::MDIO_COMMAND::{BUS, PHY, REGISTER};
        BUS.put(self.bus.into()) | PHY.put(self.phy.into()) | REGISTER.put(register.into())
    }
}

/// Waits for the end of a frame; gives the status.
fn finish(bus: &mut impl Bus) -> Result<u32, NoAnswer> {
    for _ in 0..LOOKS {
        let status = bus.get(board::MDIO_STATUS);
        if board::MDIO_STATUS::BUSY.get(status) == 0 {
            return Ok(status);
        }
    }
    Err(NoAnswer)
}

/// Reads a register of a PHY.
pub fn read(bus: &mut impl Bus, at: Place, register: u8) -> Result<u16, NoAnswer> {
    // A frame that a restarted processor left behind ends first.
    finish(bus)?;
    bus.set(board::MDIO_COMMAND, at.word(register));
    let status = finish(bus)?;
    if board::MDIO_STATUS::NO_ANSWER.get(status) == 1 {
        return Err(NoAnswer);
    }
    Ok(board::MDIO_STATUS::DATA.get(status) as u16)
}

/// Writes a register of a PHY. Clause 22 does not tell whether it was heard.
pub fn write(bus: &mut impl Bus, at: Place, register: u8, data: u16) -> Result<(), NoAnswer> {
    use board::MDIO_COMMAND::{DATA, WRITE};
    finish(bus)?;
    let word = at.word(register) | WRITE.put(1) | DATA.put(data.into());
    bus.set(board::MDIO_COMMAND, word);
    finish(bus).map(|_| ())
}

/// Makes the bits `mask` of a register be `value`; true if they were not.
pub fn update(
    bus: &mut impl Bus,
    at: Place,
    register: u8,
    mask: u16,
    value: u16,
) -> Result<bool, NoAnswer> {
    let now = read(bus, at, register)?;
    if now & mask == value {
        return Ok(false);
    }
    write(bus, at, register, now & !mask | value)?;
    Ok(true)
}

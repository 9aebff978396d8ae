//! LEDs of a port: the first shows the link, the second traffic; a port whose PHY does not answer, or whose link is of no use (half duplex), blinks.

use crate::bus::Bus;
use smartnic_regs::board;

/// What a port has to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// All is well: the hardware shows link and traffic.
    Link,
    /// Somebody should look at this port.
    Fault,
}

const BLINKING: u32 = 2;
const WITH_LINK: u32 = 3;
const WITH_TRAFFIC: u32 = 4;

/// Sets a port's LEDs.
pub fn set(bus: &mut impl Bus, port: u32, show: Show) {
    let first = match show {
        Show::Link => WITH_LINK,
        Show::Fault => BLINKING,
    };
    let modes = board::LEDS::FIRST.put(first) | board::LEDS::SECOND.put(WITH_TRAFFIC);
    bus.set_at(board::LEDS, port, modes);
}

//! What a board has besides the card: PHY management, a serial port, LEDs, resets and the watchdog of its processor.
//!
//! - [`board_core()`]: that with an RGMII for each port and the reset sequence: what a board's top ([`crate::boards`]) wraps in cells.
//! - [`board_system()`]: the card with all of this around it.
//! - [`board_regs()`]: page `board` of the register map, with the following two inside.
//! - [`soc()`]: the processor with its memory, a master on the register bus.
//! - [`arbiter()`]: processor and host on one register bus.
//! - [`mdio()`]: MDIO master, IEEE 802.3 clause 22.
//! - [`serial()`]: the serial port.

mod arbiter;
mod core;
mod mdio;
mod page;
mod serial;
mod soc;
mod system;

pub use arbiter::{HOLE, WORST, arbiter};
pub use core::{Host, POWER_ON_CYCLES, board_core, endpoint_place};
pub use mdio::{DIVIDER, PERIODS, mdio};
pub use page::{
    BAUD, GIGABIT, Identity, RESET_CYCLES, RESET_TICKS, board_regs, mdc_divider, serial_divisor,
};
pub use serial::{DEPTH, DIVISOR, LEAST_DIVISOR, serial};
pub use soc::{ImageTooLarge, RAM_BYTES, REGISTERS, TIMEOUT, soc};
pub use system::{SystemError, board_system};

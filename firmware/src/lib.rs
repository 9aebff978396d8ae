//! The firmware of a smartnic's board: brings PHYs up, follows links, ages the FDB when there is no host, drives LEDs, answers on the serial line.
//!
//! Everything here is plain logic over [`Bus`], so it is tested on the host with models of the hardware; `main.rs` adds the way
//! into the board's processor. No heap, no statics, no recursion, and no panic that the linker could find.
//!
//! - [`image`]: the header in front of the image, and its check.
//! - [`app`]: the loop. Each turn kicks the watchdog and does one short piece of work, so that no character on the serial line is lost.
//! - [`clock`]: time in ticks; [`mdio`], [`phy`], [`link`]: PHYs and what the ports make of them; [`led`].
//! - [`bridge`]: what the board does as a switch on its own; left alone once a host owns the tables (`board::OWNER`).
//! - [`serial`]: the line protocol of docs/serial.md.
#![no_std]

pub mod app;
pub mod bridge;
pub mod bus;
pub mod clock;
pub mod image;
pub mod led;
pub mod link;
pub mod mdio;
pub mod phy;
pub mod serial;

pub use app::App;
pub use bus::Bus;

/// Most ports that a board has.
pub const PORTS: usize = 8;

/// Version of the firmware: major, minor, patch, as the package's.
pub const VERSION: [u8; 3] = [
    decimal(env!("CARGO_PKG_VERSION_MAJOR")),
    decimal(env!("CARGO_PKG_VERSION_MINOR")),
    decimal(env!("CARGO_PKG_VERSION_PATCH")),
];

/// [`VERSION`] as a register holds it: major in bits 23:16, minor in 15:8, patch in 7:0.
pub const VERSION_WORD: u32 =
    (VERSION[0] as u32) << 16 | (VERSION[1] as u32) << 8 | VERSION[2] as u32;

/// Major version of the register map that this firmware knows.
pub const MAP_MAJOR: u32 = 1;

const fn decimal(text: &str) -> u8 {
    let bytes = text.as_bytes();
    let (mut value, mut i) = (0, 0);
    while i < bytes.len() {
        value = value * 10 + (bytes[i] - b'0');
        i += 1;
    }
    value
}

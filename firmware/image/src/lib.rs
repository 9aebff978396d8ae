//! Builds the firmware's image, the bytes that `smartnic_hdl::board::soc` takes for its RAM, and checks it.
//!
//! [`build()`] calls cargo for the processor's target, turns the ELF file into the bytes of the RAM, fills in length and CRC, and proves from
//! the machine code that the stack is never deeper than the linker script leaves room for ([`stack`]). What cannot panic is the linker's to say: the panic handler calls a symbol
//! that is defined nowhere. An image is built once for each content of its sources; [`build()`] is then a few milliseconds.
//!
//! Used by `cargo xtask firmware` and by tests.

pub mod build;
pub mod elf;
pub mod stack;

pub use build::{Toolchain, build, toolchain};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The target of the board's processor.
pub const TARGET: &str = "riscv32i-unknown-none-elf";

/// Why there is no image.
#[derive(Debug, Error)]
pub enum Error {
    /// Rust's core library for the target is not there, nor its source.
    #[error(
        "Rust has no core library for {TARGET}: type `rustup target add {TARGET}`, or `cargo xtask setup`, which fetches rust-src of version {version} from Debian"
    )]
    NoTarget {
        /// Of rustc.
        version: String,
    },
    /// Cargo or rustc cannot be run, or failed.
    #[error("{what} failed: {reason}")]
    Tool {
        /// The command.
        what: String,
        /// Its last lines.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The linker's output is not what it should be.
    #[error("the firmware's ELF file: {0}")]
    Elf(String),
    /// It needs more stack than there is.
    #[error("the firmware needs {needed} bytes of stack in {path}, and link.x leaves {room}")]
    Stack {
        /// At the deepest.
        needed: u32,
        /// What there is.
        room: u32,
        /// The calls that lead there.
        path: String,
    },
}

/// Sizes of an image, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Instructions, header included.
    pub text: u32,
    /// Constants.
    pub rodata: u32,
    /// Variables with values.
    pub data: u32,
    /// Variables of zeros.
    pub bss: u32,
    /// What the stack needs at the deepest: proved.
    pub stack: u32,
    /// What there is for the stack.
    pub stack_room: u32,
    /// RAM there is.
    pub ram: u32,
}

impl Sizes {
    /// RAM that nothing uses.
    pub fn free(&self) -> u32 {
        let used = self.text + self.rodata + 2 * self.data + self.bss + self.stack_room;
        self.ram.saturating_sub(used)
    }
}

/// An image.
#[derive(Clone, Debug)]
pub struct Image {
    /// From address 0 of the RAM on.
    pub bytes: Vec<u8>,
    /// Where it stands.
    pub path: std::path::PathBuf,
    /// Its sizes.
    pub sizes: Sizes,
}

/// Fills in the CRC of an image whose header has its length.
fn seal(bytes: &mut [u8]) {
    use smartnic_firmware::image::{CRC_AT, crc};
    let words = bytes
        .chunks_exact(4)
        .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
    let sum = crc(words, CRC_AT / 4);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&sum.to_le_bytes());
}

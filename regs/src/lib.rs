//! The one register map of the smartnic: hardware decode, driver, firmware and the reference page come from it.
//!
//! BAR0 is 64 KiB of 32-bit registers in sixteen pages of 4 KiB, one page for each hardware block; BAR2 holds the
//! MSI-X table and PBA. Registers are read and written as aligned double words. A register that does not exist
//! reads as zero and ignores writes; a read that the card cannot answer (gone, or in reset) is all ones.
#![no_std]

#[macro_use]
mod map;
pub mod pages;
pub mod ring;
pub mod values;

pub use map::{Access, Field, Page, Reg, find};
pub use pages::*;

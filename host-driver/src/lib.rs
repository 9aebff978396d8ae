//! The user-space driver of the smartnic: PCI transports, rings, tables, masters, daemon and CLI.
//!
//! From the card upwards: [`pci`] (how a card is reached), [`device`] (registers, rings, tables, counters).

pub mod device;
pub mod pci;

//! The user-space driver of the smartnic: PCI transports, rings, tables, masters, daemon and CLI.
//!
//! From the card upwards: [`pci`] (how a card is reached), [`device`] (registers, rings, tables, counters),
//! [`netdev`] (network devices of the Linux driver model), [`master`] (bridge, bond, lag), [`switch`] (what is configured
//! and the card that does it, and the protocols by a [`clock`]), [`kernel`] (TAP), [`control`] (the socket API), [`daemon`] (`smartnicd`),
//! [`cli`] (`smartnic-ctl`).

pub mod cli;
pub mod clock;
pub mod control;
pub mod daemon;
pub mod device;
pub mod kernel;
pub mod master;
pub mod netdev;
pub mod pci;
pub mod switch;

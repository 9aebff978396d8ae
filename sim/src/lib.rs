//! The simulated smartnic card: Verilated hardware behind a PCIe root complex and vfio-user.
//!
//! - [`card`]: the card itself, and its thread;
//! - [`gmii`]: pin driver and monitor for block tests and benches, apart from the design;
//! - [`pcie`]: the host's end of PCI Express: packets, link rate, root complex;
//! - [`ports`]: what plugs into the ports;
//! - [`vfio_user`]: the card as a device on a Unix socket.

pub mod card;
pub mod gmii;
pub mod pcie;
pub mod ports;
pub mod vfio_user;

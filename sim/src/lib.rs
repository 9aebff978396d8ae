//! The simulated smartnic card: Verilated hardware behind a PCIe root complex and vfio-user.
//!
//! - [`gmii`]: pin driver and monitor for block tests and benches, apart from the design;
//! - [`pcie`]: the host's end of PCI Express: packets, link rate, root complex;
//! - [`ports`]: what plugs into the ports.

pub mod gmii;
pub mod pcie;
pub mod ports;

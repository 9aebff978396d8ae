//! The simulated smartnic card: Verilated hardware behind a PCIe root complex and vfio-user.

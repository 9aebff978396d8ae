//! The user-space driver of the smartnic: PCI transports, rings, tables, masters, daemon and CLI.

//! The host's end of PCI Express, at the boundary of transaction-layer packets.
//!
//! - [`tlp`]: the packets; [`stream`]: their 64-bit beats; [`link`]: the rate;
//! - [`config`]: configuration space; [`memory`]: mappings; [`msix`]: interrupts;
//! - [`completer`]: answers to the card; [`requester`]: the host's reads and writes;
//! - [`root`]: all of it as one root complex that is clocked beside the card; [`host`]: what software
//!   does with it.

pub mod completer;
pub mod config;
pub mod host;
pub mod link;
pub mod memory;
pub mod msix;
pub mod requester;
pub mod root;
pub mod stream;
pub mod tlp;

pub use completer::{Fault, ReadFault, Violation};
pub use config::{ConfigPins, ConfigSpace};
pub use link::LinkSettings;
pub use memory::{DmaTable, SharedMemory};
pub use requester::{MmioError, ReadId};
pub use root::{Drive, RootComplex, Settings};
pub use stream::Beat;

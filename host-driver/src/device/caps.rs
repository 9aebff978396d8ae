//! What a card is: identification and capabilities, checked before anything is built on them.

use serde::{Deserialize, Serialize};
use smartnic_regs::{Field, global};

use super::DeviceError;
use super::mmio::Mmio;

/// Register map version that this driver knows.
pub const MAJOR: u32 = 1;

/// Capabilities of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Register map version, major and minor.
    pub version: (u32, u32),
    /// Ethernet ports, 1 to 8.
    pub ports: u32,
    /// LAG groups, 0 to 8.
    pub lag_groups: u32,
    /// Receive rings, and as many transmit rings.
    pub queues: u32,
    /// Classes.
    pub classes: u32,
    /// Bytes of a beat.
    pub beat_bytes: u32,
    /// Entries in the FDB's hash tables.
    pub fdb_entries: u32,
    /// Entries in the FDB's CAM.
    pub cam: u32,
    /// Cells of 64 bytes in the packet buffer.
    pub cells: u32,
}

impl Caps {
    /// Identifies the card: magic number, version, capabilities in range.
    pub fn probe(mmio: &mut Mmio) -> Result<Self, DeviceError> {
        let magic = mmio.read(global::MAGIC)?;
        if magic != global::MAGIC.reset {
            return Err(DeviceError::NotSmartnic {
                magic,
                expected: global::MAGIC.reset,
            });
        }
        let version = mmio.read(global::VERSION)?;
        let (major, minor) = (
            global::VERSION::MAJOR.get(version),
            global::VERSION::MINOR.get(version),
        );
        if major != MAJOR {
            return Err(DeviceError::Version {
                major,
                minor,
                known: MAJOR,
            });
        }
        let (caps0, caps1) = (mmio.read(global::CAPS0)?, mmio.read(global::CAPS1)?);
        let check =
            |field: Field, reg: u32, range: std::ops::RangeInclusive<u32>, text: &'static str| {
                let value = field.get(reg);
                if range.contains(&value) {
                    Ok(value)
                } else {
                    Err(DeviceError::Capability {
                        name: field.name,
                        value,
                        range: text,
                    })
                }
            };
        use global::{CAPS0, CAPS1};
        Ok(Self {
            version: (major, minor),
            ports: check(CAPS0::PORTS, caps0, 1..=8, "1 to 8")?,
            lag_groups: check(CAPS0::LAG_GROUPS, caps0, 0..=8, "0 to 8")?,
            queues: check(CAPS0::QUEUES, caps0, 1..=4, "1 to 4")?,
            classes: check(CAPS0::CLASSES, caps0, 1..=8, "1 to 8")?,
            beat_bytes: check(CAPS0::BEAT_BYTES, caps0, 1..=64, "1 to 64")?,
            fdb_entries: 1 << check(CAPS1::FDB_LOG2, caps1, 3..=20, "3 to 20")?,
            cam: check(CAPS1::CAM, caps1, 0..=255, "0 to 255")?,
            cells: check(CAPS1::CELLS, caps1, 1..=65_535, "1 to 65535")?,
        })
    }

    /// Entries in the FDB: tables and CAM.
    pub fn fdb_capacity(&self) -> u32 {
        self.fdb_entries + self.cam
    }

    /// The host's number as a source and destination.
    pub fn host(&self) -> u32 {
        self.ports
    }
}

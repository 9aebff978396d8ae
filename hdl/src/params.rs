//! The parameters of a card, with their ranges.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A parameter out of its range.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("parameter {name} = {value}: allowed are {allowed}")]
pub struct ParamError {
    /// The parameter, as on the command line.
    pub name: &'static str,
    /// What was asked.
    pub value: u64,
    /// What would do.
    pub allowed: &'static str,
}

/// Parameters of a card; every block takes what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// Ethernet ports: 2, 4 or 8.
    pub ports: u32,
    /// Beat width in bits: 64, or 128 (needed for 8 ports).
    pub width: u32,
    /// Entries in the FDB's hash tables: a power of two, 1,024 to 32,768.
    pub fdb_entries: u32,
    /// Entries in the FDB's CAM: 8 to 64.
    pub cam: u32,
    /// Cells of 64 bytes in the packet buffer: a power of two, 256 to 8,192.
    pub cells: u32,
    /// LAG groups: 1 to 4.
    pub lag_groups: u32,
    /// Receive rings, and as many transmit rings: 1 to 4.
    pub queues: u32,
    /// Classes (queues) per destination: 2.
    pub classes: u32,
    /// The card sits on a board of its own (`board::board_system`): a processor shares its register bus, PHYs give its ports' speeds, and its
    /// ports forward from reset on.
    #[serde(default)]
    pub board: bool,
    /// Core clock in MHz: 125; on a board also 50, 75 or 100, where ports run at 10 and 100 Mb/s only.
    #[serde(default = "usual_clock")]
    pub core_mhz: u32,
}

/// The core clock at which a port carries 1000 Mb/s.
pub const GIGABIT_MHZ: u32 = 125;

fn usual_clock() -> u32 {
    GIGABIT_MHZ
}

impl Params {
    /// The parameters of a card with `ports` ports and otherwise the usual sizes.
    pub fn for_ports(ports: u32) -> Params {
        Params {
            ports,
            width: if ports > 4 { 128 } else { 64 },
            fdb_entries: 8192,
            cam: 32,
            cells: if ports > 2 { 2048 } else { 512 },
            lag_groups: 4,
            queues: 4,
            classes: 2,
            board: false,
            core_mhz: GIGABIT_MHZ,
        }
    }

    /// Checks every parameter.
    pub fn check(&self) -> Result<(), ParamError> {
        let p2 = |v: u32, lo: u32, hi: u32| v.is_power_of_two() && (lo..=hi).contains(&v);
        let rules: [(&'static str, u32, bool, &'static str); 9] = [
            (
                "ports",
                self.ports,
                [2, 4, 8].contains(&self.ports),
                "2, 4, 8",
            ),
            (
                "width",
                self.width,
                self.width == 128 || (self.width == 64 && self.ports <= 4),
                "64 (2 or 4 ports), 128",
            ),
            (
                "fdb-entries",
                self.fdb_entries,
                p2(self.fdb_entries, 1024, 32768),
                "powers of two from 1024 to 32768",
            ),
            ("cam", self.cam, (8..=64).contains(&self.cam), "8 to 64"),
            (
                "cells",
                self.cells,
                p2(self.cells, 256, 8192),
                "powers of two from 256 to 8192",
            ),
            (
                "lag-groups",
                self.lag_groups,
                (1..=4).contains(&self.lag_groups),
                "1 to 4",
            ),
            (
                "queues",
                self.queues,
                (1..=4).contains(&self.queues),
                "1 to 4",
            ),
            ("classes", self.classes, self.classes == 2, "2"),
            (
                "core-mhz",
                self.core_mhz,
                [50, 75, 100, GIGABIT_MHZ].contains(&self.core_mhz)
                    && (self.board || self.gigabit()),
                "125; on a board also 50, 75, 100",
            ),
        ];
        for (name, value, ok, allowed) in rules {
            if !ok {
                return Err(ParamError {
                    name,
                    value: value as u64,
                    allowed,
                });
            }
        }
        Ok(())
    }

    /// The core clock is fast enough for 1000 Mb/s.
    pub fn gigabit(&self) -> bool {
        self.core_mhz == GIGABIT_MHZ
    }

    /// Sources and destinations: the ports and the host.
    pub fn sources(&self) -> u32 {
        self.ports + 1
    }
    /// Bits of a cell number.
    pub fn cell_bits(&self) -> u32 {
        self.cells.trailing_zeros()
    }
    /// Bytes in a beat.
    pub fn beat_bytes(&self) -> u32 {
        self.width / 8
    }
    /// Beats in a cell of 64 bytes.
    pub fn cell_beats(&self) -> u32 {
        512 / self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name_and_range() {
        for p in [2, 4, 8] {
            assert_eq!(Params::for_ports(p).check(), Ok(()));
        }
        let e = Params::for_ports(3).check().unwrap_err();
        assert_eq!(e.to_string(), "parameter ports = 3: allowed are 2, 4, 8");
        let e = Params {
            width: 64,
            ..Params::for_ports(8)
        }
        .check()
        .unwrap_err();
        assert_eq!(e.name, "width");
        let e = Params {
            fdb_entries: 3000,
            ..Params::for_ports(4)
        }
        .check()
        .unwrap_err();
        assert_eq!(e.name, "fdb-entries");
    }
}

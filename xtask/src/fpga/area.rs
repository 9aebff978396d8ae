//! A netlist's cells as figures: what of the FPGA a design takes.

use std::collections::BTreeMap;

use super::netlist::Counts;

/// Of an ECP5.
pub fn ecp5(counts: &Counts) -> [(&'static str, f64); 3] {
    [
        ("lut4", counts.lut4 as f64),
        ("ff", counts.ff as f64),
        ("bram", counts.bram as f64),
    ]
}

/// What a design takes of a Xilinx 7 series.
#[derive(Debug, Default, PartialEq)]
pub struct Xc7 {
    /// LUTs of up to six inputs, for logic.
    pub lut: u64,
    /// LUTs as memory and shift registers.
    pub memory: u64,
    /// Carry cells of four bits.
    pub carry: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Half block RAMs, of 18 Kib.
    pub half: u64,
    /// Whole block RAMs, of 36 Kib.
    pub whole: u64,
}

impl Xc7 {
    /// Counts cells. A LUT RAM of 32 or 64 words takes as many LUTs as its primitive has ports.
    pub fn of(cells: &BTreeMap<String, u64>) -> Self {
        let mut sum = Self::default();
        for (kind, n) in cells {
            match kind.as_str() {
                "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6" | "INV" => sum.lut += n,
                "RAM32M" | "RAM64M" => sum.memory += 4 * n,
                "RAM32X1D" | "RAM64X1D" => sum.memory += 2 * n,
                "SRL16E" | "SRLC32E" | "RAM32X1S" | "RAM64X1S" => sum.memory += n,
                "CARRY4" => sum.carry += n,
                "FDRE" | "FDSE" | "FDCE" | "FDPE" => sum.ff += n,
                "RAMB18E1" => sum.half += n,
                "RAMB36E1" => sum.whole += n,
                // Buffers, wide multiplexers, clocking and DDR cells.
                _ => {}
            }
        }
        sum
    }
}

/// Of a Xilinx 7 series; block RAMs of 36 Kib.
pub fn xc7(cells: &BTreeMap<String, u64>) -> [(&'static str, f64); 3] {
    let sum = Xc7::of(cells);
    [
        ("lut6", (sum.lut + sum.memory) as f64),
        ("ff", sum.ff as f64),
        ("bram36", sum.whole as f64 + sum.half as f64 / 2.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_weight() {
        let kinds = [
            "LUT4", "LUT6", "RAM32M", "FDRE", "RAMB36E1", "RAMB18E1", "CARRY4", "BUFG",
        ];
        let cells = kinds.map(|kind| (kind.to_owned(), 1)).into();
        let sum = Xc7 {
            lut: 2,
            memory: 4,
            carry: 1,
            ff: 1,
            half: 1,
            whole: 1,
        };
        assert_eq!(Xc7::of(&cells), sum);
        assert_eq!(xc7(&cells), [("lut6", 6.0), ("ff", 1.0), ("bram36", 1.5)]);
    }
}

//! Alinx AX7203: Artix-7 200T, two ports with KSZ9031RNX, PCIe x4 (not used yet), USB serial port. Pins: the maker's user manual.
//!
//! The KSZ9031RNX adds 1.2 ns to RXC and nothing to TXC (its data sheet, 7.1): the FPGA gives TXC 2 ns late, by a clock of 90 degrees.

use super::*;

const IO: &str = "LVCMOS33";

const fn led(ball: &'static str, port: u32, which: u32) -> Led {
    Led {
        pin: pin(ball, IO),
        active_low: false,
        port,
        which,
    }
}

/// The board.
pub const BOARD: Board = Board {
    name: "ax7203",
    title: "Alinx AX7203",
    id: 4,
    part: "xc7a200tfbg484-2",
    fpga: Fpga::Artix7,
    clock: ClockIn {
        pin: pin("R4", "DIFF_SSTL15"),
        negative: Some("T4"),
        mhz: 200,
    },
    reset: Some(pin("T6", "LVCMOS15")),
    ports: &[
        Port {
            io: IO,
            rxc: "B17",
            rxd: ["A16", "B18", "C18", "C19"],
            rx_ctl: "A15",
            txc: "E18",
            txd: ["C20", "D20", "A19", "A18"],
            tx_ctl: "F18",
        },
        Port {
            io: IO,
            rxc: "E19",
            rxd: ["A20", "B20", "D19", "C17"],
            rx_ctl: "F19",
            txc: "A14",
            txd: ["E17", "C14", "C15", "A13"],
            tx_ctl: "D17",
        },
    ],
    mdio: &[
        Mdio {
            mdc: pin("B16", IO),
            mdio: pin("B15", IO),
        },
        Mdio {
            mdc: pin("F20", IO),
            mdio: pin("C22", IO),
        },
    ],
    phy: Phy {
        kind: "KSZ9031RNX",
        rx_taps: 20,
        tx: TxDelay::Quadrature,
    },
    phy_resets: &[
        PhyReset {
            pin: pin("D16", IO),
            ports: &[0],
        },
        PhyReset {
            pin: pin("B22", IO),
            ports: &[1],
        },
    ],
    serial: Serial {
        rx: pin("P20", IO),
        tx: pin("N15", IO),
    },
    leds: &[
        led("B13", 0, 0),
        led("C13", 0, 1),
        led("D14", 1, 0),
        led("D15", 1, 1),
    ],
    sizes: None,
    loader: Loader {
        cable: "digilent_hs2",
        flash: &["--fpga-part", "xc7a200tfbg484"],
        before: None,
    },
    host: Host::Place,
    lut_ram_bits: 0,
    works: "synthesis; not run on the board yet",
};

//! Lattice ECP5 Versa-5G: two ports with 88E1512, PCIe x1 (not used yet), USB serial port. Pins: Lattice's user guide FPGA-EB-02021.

use super::*;

const RGMII: &str = "LVCMOS25";

/// LEDs: two for each port, lit by a low level.
const fn led(ball: &'static str, port: u32, which: u32) -> Led {
    Led {
        pin: pin(ball, "LVCMOS25"),
        active_low: true,
        port,
        which,
    }
}

/// The board.
pub const BOARD: Board = Board {
    name: "versa-ecp5-5g",
    title: "Lattice ECP5 Versa-5G",
    id: 1,
    part: "LFE5UM5G-45F-8BG381C",
    fpga: Fpga::Ecp5 {
        device: "um5g-45k",
        package: "CABGA381",
        speed: 8,
    },
    clock: ClockIn {
        pin: pin("P3", "LVDS"),
        negative: None,
        mhz: 100,
    },
    reset: Some(pin("T1", "LVCMOS33")),
    ports: &[
        Port {
            io: RGMII,
            rxc: "L20",
            rxd: ["T20", "U20", "T19", "R18"],
            rx_ctl: "U19",
            txc: "P19",
            txd: ["N19", "N20", "P18", "P20"],
            tx_ctl: "R20",
        },
        Port {
            io: RGMII,
            rxc: "J19",
            rxd: ["G18", "G16", "H18", "H17"],
            rx_ctl: "F19",
            txc: "C20",
            txd: ["J17", "J16", "D19", "D20"],
            tx_ctl: "E19",
        },
    ],
    mdio: &[
        Mdio {
            mdc: pin("T18", RGMII),
            mdio: pin("U18", RGMII),
        },
        Mdio {
            mdc: pin("G19", RGMII),
            mdio: pin("H20", RGMII),
        },
    ],
    phy: Phy {
        kind: "88E1512",
        rx_taps: 80,
        tx: TxDelay::Phy,
    },
    phy_resets: &[
        PhyReset {
            pin: pin("U17", RGMII),
            ports: &[0],
        },
        PhyReset {
            pin: pin("F20", RGMII),
            ports: &[1],
        },
    ],
    serial: Serial {
        rx: pin("C11", "LVCMOS33"),
        tx: pin("A11", "LVCMOS33"),
    },
    leds: &[
        led("E16", 0, 0),
        led("D17", 0, 1),
        led("D18", 1, 0),
        led("E18", 1, 1),
    ],
    sizes: None,
    loader: Loader {
        cable: "ft2232",
        flash: &[],
        before: Some(
            "jumper J50 must connect pins 1-2 and 3-5: the FPGA alone is in the JTAG chain then, and not the clock chip",
        ),
    },
    host: Host::Place,
    lut_ram_bits: 0,
    works: "switch and management in simulation; not run on the board yet",
};

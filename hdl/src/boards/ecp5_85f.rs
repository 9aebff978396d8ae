//! A board with four RGMII ports on an ECP5-85F. There is no published one with free pin data: the pins are **generic**, chosen so that each receive clock
//! has a pin of the clock network and each port lies in one bank. Whoever has such a board puts its pins here.

use super::*;

const RGMII: &str = "LVCMOS25";
const SLOW: &str = "LVCMOS33";

const fn bus(mdc: &'static str, mdio: &'static str) -> Mdio {
    Mdio {
        mdc: pin(mdc, SLOW),
        mdio: pin(mdio, SLOW),
    }
}

const fn reset(ball: &'static str, ports: &'static [u32]) -> PhyReset {
    PhyReset {
        pin: pin(ball, SLOW),
        ports,
    }
}

const fn led(ball: &'static str, port: u32, which: u32) -> Led {
    Led {
        pin: pin(ball, SLOW),
        active_low: false,
        port,
        which,
    }
}

/// The board.
pub const BOARD: Board = Board {
    name: "ecp5-85f",
    title: "ECP5-85F with four RGMII ports (generic pins)",
    id: 2,
    part: "LFE5UM5G-85F-8BG756C",
    fpga: Fpga::Ecp5 {
        device: "um5g-85k",
        package: "CABGA756",
        speed: 8,
    },
    clock: ClockIn {
        pin: pin("C17", SLOW),
        negative: None,
        mhz: 25,
    },
    reset: Some(pin("D16", SLOW)),
    ports: &[
        Port {
            io: RGMII,
            rxc: "P6",
            rxd: ["N4", "L6", "K6", "K7"],
            rx_ctl: "K5",
            txc: "L4",
            txd: ["H6", "H5", "J6", "L2"],
            tx_ctl: "L3",
        },
        Port {
            io: RGMII,
            rxc: "P5",
            rxd: ["T6", "U7", "R4", "T5"],
            rx_ctl: "T4",
            txc: "U5",
            txd: ["U4", "V6", "V7", "P2"],
            tx_ctl: "P3",
        },
        Port {
            io: RGMII,
            rxc: "P27",
            rxd: ["N29", "L27", "K27", "K26"],
            rx_ctl: "K28",
            txc: "L29",
            txd: ["H27", "H28", "J27", "L31"],
            tx_ctl: "L30",
        },
        Port {
            io: RGMII,
            rxc: "P28",
            rxd: ["T27", "U26", "R29", "T28"],
            rx_ctl: "T29",
            txc: "U28",
            txd: ["U29", "V27", "V26", "P31"],
            tx_ctl: "P30",
        },
    ],
    mdio: &[
        bus("A19", "B19"),
        bus("C19", "D19"),
        bus("E19", "F19"),
        bus("A20", "C20"),
    ],
    phy: Phy {
        kind: "88E1512",
        rx_taps: 80,
        tx: TxDelay::Phy,
    },
    phy_resets: &[
        reset("D20", &[0]),
        reset("F20", &[1]),
        reset("A22", &[2]),
        reset("B22", &[3]),
    ],
    serial: Serial {
        rx: pin("C22", SLOW),
        tx: pin("D22", SLOW),
    },
    leds: &[
        led("C16", 0, 0),
        led("F16", 0, 1),
        led("E16", 1, 0),
        led("C15", 1, 1),
        led("A15", 2, 0),
        led("F15", 2, 1),
        led("D15", 3, 0),
        led("B14", 3, 1),
    ],
    sizes: None,
    loader: Loader {
        cable: "ft2232",
        flash: &[],
        before: None,
    },
    host: Host::Place,
    lut_ram_bits: 0,
    works: "generic pins: for area and timing; no such board is known",
};

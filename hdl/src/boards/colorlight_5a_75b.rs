//! Colorlight 5A-75B V8.0, a receiver card for LED panels: two ports with RTL8211FD, no PCIe. Pins: the chubby75 project, `5a-75b/hardware_V8.0.md`.
//!
//! - The 25 MHz come from port 1's PHY: its reset would stop the card's own clock, so the PHYs' one reset pin stays high for ever. The firmware resets them over MDIO.
//! - Both PHYs share one management bus.
//! - There is no serial port: LED and key of the header J19 stand in for it, at 3.3 V; so there is no LED. (The key's line takes no more than 9,600 baud on revision
//!   V6.1, by the notes of LiteX' target: another board.)
//! - The FPGA is a -6 with 24,288 LUT4 and 56 block RAMs, of which the FDB takes 32 (fewer entries would take as many): the buffer and the other tables are
//!   smaller, small memories are LUT RAM, there is no host, and the core runs at 50 MHz, with which the ports have 10 and 100 Mb/s. `--core-mhz 125` asks for 1000. V8.2
//!   has a -7 and the same pins.

use super::*;

const IO: &str = "LVCMOS33";

/// The board.
pub const BOARD: Board = Board {
    name: "colorlight-5a-75b",
    title: "Colorlight 5A-75B V8.0",
    id: 3,
    part: "LFE5U-25F-6BG256C",
    fpga: Fpga::Ecp5 {
        device: "25k",
        package: "CABGA256",
        speed: 6,
    },
    clock: ClockIn {
        pin: pin("P6", IO),
        negative: None,
        mhz: 25,
    },
    reset: None,
    ports: &[
        Port {
            io: IO,
            rxc: "J1",
            rxd: ["K2", "J3", "K1", "K3"],
            rx_ctl: "J2",
            txc: "L1",
            txd: ["M2", "M1", "P1", "R1"],
            tx_ctl: "L2",
        },
        Port {
            io: IO,
            rxc: "M16",
            rxd: ["M15", "R16", "L15", "L16"],
            rx_ctl: "P16",
            txc: "J16",
            txd: ["K16", "J15", "J14", "K15"],
            tx_ctl: "K14",
        },
    ],
    mdio: &[Mdio {
        mdc: pin("R5", IO),
        mdio: pin("T4", IO),
    }],
    phy: Phy {
        kind: "RTL8211FD",
        rx_taps: 80,
        tx: TxDelay::Phy,
    },
    phy_resets: &[PhyReset {
        pin: pin("R6", IO),
        ports: &[],
    }],
    serial: Serial {
        rx: pin("R7", IO),
        tx: pin("T6", IO),
    },
    leds: &[],
    sizes: Some(Sizes {
        fdb_entries: 8192,
        cam: 16,
        cells: 256,
        lag_groups: 1,
        queues: 1,
        core_mhz: 50,
    }),
    loader: Loader {
        cable: "ft232RL",
        flash: &["--board", "colorlight"],
        before: Some("the cable goes to the pads J27 (TCK), J31 (TMS), J32 (TDI) and J30 (TDO)"),
    },
    host: Host::None,
    lut_ram_bits: 4_096,
    works: "switch and management in simulation; not run on the board yet",
};

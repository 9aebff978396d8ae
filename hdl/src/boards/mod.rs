//! Boards as data: FPGA, pins, clocks, PHYs; and from that data the top with its vendor's cells and the constraint file.
//!
//! A [`Board`] says everything that differs between boards. [`top`] wraps `board::board_core` in PLL, DDR cells, delays and tri-states;
//! [`constraints`] gives the .lpf or .xdc. docs/boards.md says how the delays of RGMII are shared between FPGA and PHY on each of them.
//!
//! **Test:** `tests/boards.rs`; `constraints/` holds what [`constraints`] gives, and the test compares.

mod artix7;
mod ax7203;
mod colorlight_5a_75b;
mod ecp5;
mod ecp5_85f;
mod lpf;
mod signals;
mod top;
mod versa_ecp5_5g;
mod xdc;

pub use artix7::Mmcm;
pub use ecp5::Pll;
pub use signals::{Role, Signal, signals};
pub use top::{Emitted, to_lut_ram, top};

use crate::board::Host;
use crate::params::Params;
use std::collections::BTreeMap;
use thiserror::Error;

/// All boards, in the order of their numbers.
pub const ALL: [&Board; 4] = [
    &versa_ecp5_5g::BOARD,
    &ecp5_85f::BOARD,
    &colorlight_5a_75b::BOARD,
    &ax7203::BOARD,
];

/// The FPGA of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fpga {
    /// Lattice ECP5.
    Ecp5 {
        /// nextpnr-ecp5's option for the device.
        device: &'static str,
        /// Package, as nextpnr-ecp5 names it.
        package: &'static str,
        /// Speed grade: 6, 7 or 8.
        speed: u32,
    },
    /// Xilinx 7 series.
    Artix7,
}

/// A pin with its I/O standard, as the vendor's tools name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Ball.
    pub ball: &'static str,
    /// I/O standard.
    pub io: &'static str,
}

/// A [`Pin`].
pub const fn pin(ball: &'static str, io: &'static str) -> Pin {
    Pin { ball, io }
}

/// The clock that the board gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockIn {
    /// The pin; of a pair, the positive one.
    pub pin: Pin,
    /// The negative one, where the tools want it named.
    pub negative: Option<&'static str>,
    /// Frequency in MHz.
    pub mhz: u32,
}

/// The RGMII of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// I/O standard of all its pins.
    pub io: &'static str,
    /// Receive clock: a pin that reaches the clock network.
    pub rxc: &'static str,
    /// RXD, bit 0 first.
    pub rxd: [&'static str; 4],
    /// RX_CTL.
    pub rx_ctl: &'static str,
    /// Transmit clock.
    pub txc: &'static str,
    /// TXD, bit 0 first.
    pub txd: [&'static str; 4],
    /// TX_CTL.
    pub tx_ctl: &'static str,
}

/// A management bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mdio {
    /// Clock.
    pub mdc: Pin,
    /// Data.
    pub mdio: Pin,
}

/// Who gives the 2 ns between TXC and TXD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxDelay {
    /// The PHY.
    Phy,
    /// The FPGA: TXC leaves on a clock of 90 degrees.
    Quadrature,
}

/// The PHYs and how RGMII's delays are shared with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phy {
    /// What it is.
    pub kind: &'static str,
    /// Delay of the receive data in the FPGA, in taps of its delay cell (ECP5 DELAYG: 25 ps; IDELAYE2 at 200 MHz: 78 ps). The PHY gives its clock in the middle of the data.
    pub rx_taps: u32,
    /// The transmit side.
    pub tx: TxDelay,
}

/// A reset pin of PHYs, active low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhyReset {
    /// The pin.
    pub pin: Pin,
    /// The ports whose PHYs it resets; it is driven while any of them is to be held. None: it stays high for ever.
    pub ports: &'static [u32],
}

/// An LED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The pin.
    pub pin: Pin,
    /// Lit by a low level.
    pub active_low: bool,
    /// The port whose LED it is.
    pub port: u32,
    /// First (0) or second (1) LED of that port.
    pub which: u32,
}

/// The serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    /// To the FPGA.
    pub rx: Pin,
    /// From the FPGA.
    pub tx: Pin,
}

/// How openFPGALoader reaches the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loader {
    /// Its name of the JTAG cable: what is on the board, or usual where nothing is.
    pub cable: &'static str,
    /// Options that writing the flash memory needs besides.
    pub flash: &'static [&'static str],
    /// What has to be done on the board first.
    pub before: Option<&'static str>,
}

/// Sizes that differ from `Params::for_ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// FDB entries.
    pub fdb_entries: u32,
    /// CAM entries.
    pub cam: u32,
    /// Cells of the buffer.
    pub cells: u32,
    /// LAG groups.
    pub lag_groups: u32,
    /// Rings.
    pub queues: u32,
    /// Core clock in MHz.
    pub core_mhz: u32,
}

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name on the command line, in lower case with hyphens.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// `board::BOARD_ID`.
    pub id: u16,
    /// The part, as its maker writes it.
    pub part: &'static str,
    /// What the tools want to know of the part.
    pub fpga: Fpga,
    /// The clock.
    pub clock: ClockIn,
    /// A button or supervisor that resets everything, active low.
    pub reset: Option<Pin>,
    /// The ports.
    pub ports: &'static [Port],
    /// Management buses: one a port, or one for all.
    pub mdio: &'static [Mdio],
    /// The PHYs.
    pub phy: Phy,
    /// Their resets.
    pub phy_resets: &'static [PhyReset],
    /// The serial port.
    pub serial: Serial,
    /// The LEDs.
    pub leds: &'static [Led],
    /// Sizes, if not the usual ones.
    pub sizes: Option<Sizes>,
    /// How it is loaded.
    pub loader: Loader,
    /// The host's side.
    pub host: Host,
    /// Memories of up to so many bits go to LUT RAM, where block RAM is scarce.
    pub lut_ram_bits: u32,
    /// What has been tried, in one line.
    pub works: &'static str,
}

/// Why a board cannot be built so.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BoardError {
    /// No such board.
    #[error("board {name}: unknown; known are {known}", known = names())]
    Unknown {
        /// What was asked.
        name: String,
    },
    /// Not that many ports.
    #[error("board {name} has {has} ports: {asked} are asked for")]
    Ports {
        /// The board.
        name: &'static str,
        /// Its ports.
        has: usize,
        /// What was asked.
        asked: u32,
    },
    /// No such core clock from the board's.
    #[error("board {name}: {core_mhz} MHz cannot be made of its {mhz} MHz")]
    Clock {
        /// The board.
        name: &'static str,
        /// What it has.
        mhz: u32,
        /// What was asked.
        core_mhz: u32,
    },
    /// The system.
    #[error(transparent)]
    System(#[from] crate::board::SystemError),
}

/// The names of all boards, for messages.
pub fn names() -> String {
    ALL.map(|b| b.name).join(", ")
}

/// The board of that name.
pub fn find(name: &str) -> Result<&'static Board, BoardError> {
    let found = ALL.into_iter().find(|b| b.name == name);
    found.ok_or_else(|| BoardError::Unknown { name: name.into() })
}

impl Board {
    /// The parameters of its card with `ports` ports, all of them without a number.
    pub fn params(&self, ports: Option<u32>) -> Result<Params, BoardError> {
        let has = self.ports.len();
        let ports = ports.unwrap_or(has as u32);
        if ports as usize > has {
            return Err(BoardError::Ports {
                name: self.name,
                has,
                asked: ports,
            });
        }
        let usual = Params {
            board: true,
            ..Params::for_ports(ports)
        };
        let p = match self.sizes {
            None => usual,
            Some(s) => Params {
                fdb_entries: s.fdb_entries,
                cam: s.cam,
                cells: s.cells,
                lag_groups: s.lag_groups,
                queues: s.queues,
                core_mhz: s.core_mhz,
                ..usual
            },
        };
        p.check().map_err(crate::board::SystemError::from)?;
        Ok(p)
    }

    /// Names of the blocks (`blocks::NAMES`) that it has.
    pub fn blocks(&self) -> impl Iterator<Item = &'static str> {
        let of_host = ["host_port", "pcie_endpoint_core"];
        let has = self.host != Host::None;
        let all = crate::blocks::NAMES.iter().copied();
        all.filter(move |name| has || !of_host.contains(name))
    }

    /// The name of its top module.
    pub fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The constraint file's name.
    pub fn constraint_file(&self) -> String {
        let ending = match self.fpga {
            Fpga::Ecp5 { .. } => "lpf",
            Fpga::Artix7 => "xdc",
        };
        format!("{}.{ending}", self.name)
    }
}

/// A receive clock at 1000 Mb/s, in MHz. A PHY may have it whatever the core can do.
pub const RECEIVE_MHZ: u32 = 125;

/// Every clock of a board's top for these parameters with its frequency in MHz: the input, the core's, the receive clocks at 1000 Mb/s.
pub fn clocks(b: &Board, p: &Params) -> BTreeMap<String, u32> {
    let receive = (0..p.ports).map(|i| (format!("rgmii{i}_rxc"), RECEIVE_MHZ));
    let own = [("clk_in", b.clock.mhz), ("clock", p.core_mhz)];
    own.map(|(n, f)| (n.to_string(), f))
        .into_iter()
        .chain(receive)
        .collect()
}

/// The constraint file of a board for these parameters: its first ports, the core's clock.
pub fn constraints(b: &Board, p: &Params) -> String {
    match b.fpga {
        Fpga::Ecp5 { .. } => lpf::lpf(b, p),
        Fpga::Artix7 => xdc::xdc(b, p.ports),
    }
}

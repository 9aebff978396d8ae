//! The netlist of a board's bitstream, with models of the FPGA's cells: frames through its pins, between two PHYs at 1000 Mb/s that are known in-band.
//!
//! `cargo xtask test` synthesises the board and runs this with the netlist's file in `SMARTNIC_NETLIST`; without that there is nothing to test, so Cargo.toml
//! leaves it out of plain `cargo test`. What is in front of the pins here is only the PHYs: PLL, DDR cells, MACs, crossings, FDB, forwarding and buffer are those of the netlist.
#[path = "common/mac.rs"]
mod mac;
#[path = "common/rgmii.rs"]
mod phy;

use phy::{Carrier, Pair, Phy, carriers, idle, pairs};
use rand::Rng;
use smartnic_hdl::board::POWER_ON_CYCLES;
use smartnic_hdl::boards::{Board, Role, find, signals};
use smartnic_verilated::{Design, InputId, Model, Options, OutputId, Port};
use std::collections::VecDeque;

const BOARD: &str = "versa-ecp5-5g";
const PORTS: usize = 2;
/// Frames that must arrive.
const FRAMES: usize = 1000;
/// In-band: link, 1000 Mb/s, full duplex; the same without link.
const STATUS: u8 = 0b1101;
const NO_LINK: u8 = 0b1100;
/// Periods of the core's clock and the receive clocks, a little off, in units of 0.01 ns.
const PERIODS: [u64; 1 + PORTS] = [800, 801, 799];

/// A clock whose two edges are two inputs, so that pins can change between them.
const EDGES: &str = "module edges(input wire up, input wire down, output reg level);\n    initial level = 0;\n    \
     always @(posedge up, posedge down) level <= up;\nendmodule\n";

/// A module around the board: both edges of each clock as inputs, what pulls up as ones.
fn bench(b: &Board, netlist: &str) -> Design {
    let (mut declared, mut wires, mut connected) = (vec![], String::new(), vec![]);
    let (mut list, mut clocks) = (vec![], vec![]);
    for s in signals(b, PORTS as u32) {
        let (name, width) = (&s.name, s.pins.len() as u32);
        connected.push(format!(".{name}({name})"));
        match s.role {
            Role::Clock | Role::ReceiveClock => {
                for edge in ["up", "down"] {
                    declared.push(format!("input wire {name}_{edge}"));
                    list.push(Port::input(format!("{name}_{edge}"), 1));
                    clocks.push(format!("{name}_{edge}"));
                }
                wires += &format!(
                    "wire {name}; edges {name}_edges(.up({name}_up), .down({name}_down), .level({name}));\n"
                );
            }
            Role::SlowInput => wires += &format!("wire {name} = 1'b1;\n"),
            Role::Open => wires += &format!("tri1 {name};\n"),
            _ => {
                declared.push(s.declaration());
                let output = s.declaration().starts_with("output");
                list.push(if output {
                    Port::output(name, width)
                } else {
                    Port::input(name, width)
                });
            }
        }
    }
    let verilog = format!(
        "module bench({});\n{wires}{} dut({});\nendmodule\n{EDGES}// Cells without clock enable.\n/* verilator lint_off PINMISSING */\n{netlist}{}{}",
        declared.join(", "),
        b.module(),
        connected.join(", "),
        include_str!("../cells/ecp5.v"),
        include_str!("../cells/ecp5_fabric.v"),
    );
    Design {
        top: "bench".into(),
        verilog,
        ports: list,
        clocks,
    }
}

/// The pins of a port.
struct Pins {
    rxd: InputId,
    rx_ctl: InputId,
    txd: OutputId,
    tx_ctl: OutputId,
    txc: OutputId,
}

struct Bench {
    dut: Model,
    pins: Vec<Pins>,
    next: [u64; 1 + PORTS],
    /// What the next edge of each clock is.
    up: [bool; 1 + PORTS],
    line: [VecDeque<Pair>; PORTS],
    /// In-band status of each port.
    status: [u8; PORTS],
    now: [Pair; PORTS],
    phys: [Phy; PORTS],
    /// Levels of txc, txd and tx_ctl in the first half of the core's period.
    half: [[u64; 3]; PORTS],
    cycles: u64,
}

impl Bench {
    fn new(netlist: &str) -> Bench {
        let design = bench(find(BOARD).expect("a board"), netlist);
        let dut = Model::build(&design, &Options::default()).expect("builds");
        let input = |i: usize, n: &str| dut.input(&format!("rgmii{i}_{n}")).expect("a pin");
        let output = |i: usize, n: &str| dut.output(&format!("rgmii{i}_{n}")).expect("a pin");
        let pins = (0..PORTS)
            .map(|i| Pins {
                rxd: input(i, "rxd"),
                rx_ctl: input(i, "rx_ctl"),
                txd: output(i, "txd"),
                tx_ctl: output(i, "tx_ctl"),
                txc: output(i, "txc"),
            })
            .collect();
        Bench {
            pins,
            dut,
            next: [0, 3, 5],
            up: [true; 1 + PORTS],
            line: Default::default(),
            status: [STATUS; PORTS],
            now: [idle(STATUS); PORTS],
            phys: Default::default(),
            half: Default::default(),
            cycles: 0,
        }
    }

    /// One edge, of whichever clocks come next.
    fn step(&mut self) {
        let now = *self.next.iter().min().expect("some");
        let due: Vec<usize> = (0..=PORTS).filter(|i| self.next[*i] == now).collect();
        let mut mask = 0;
        for &i in &due {
            let up = self.up[i];
            mask |= 1 << (2 * i + usize::from(!up));
            // The middle of the period may be off by half a unit.
            self.next[i] += if up {
                PERIODS[i] / 2
            } else {
                PERIODS[i].div_ceil(2)
            };
            self.up[i] = !up;
            if i == 0 {
                continue;
            }
            let port = i - 1;
            if up {
                let idle = idle(self.status[port]);
                self.now[port] = self.line[port].pop_front().unwrap_or(idle);
            }
            let (data, ctl) = self.now[port];
            let edge = usize::from(!up);
            self.dut.set(self.pins[port].rxd, data[edge].into());
            self.dut.set(self.pins[port].rx_ctl, ctl[edge].into());
        }
        self.dut.tick(mask);
        if due[0] != 0 {
            return;
        }
        for (port, p) in self.pins.iter().enumerate() {
            let levels = [p.txc, p.txd, p.tx_ctl].map(|pin| self.dut.get(pin));
            if !self.up[0] {
                self.half[port] = levels;
                continue;
            }
            let halves = [self.half[port], levels];
            self.phys[port].clock_with(|name, edge| {
                let pin = ["txc", "txd", "tx_ctl"].iter().position(|n| *n == name);
                halves[usize::from(edge == "fall")][pin.expect("a pin")]
            });
        }
        self.cycles += u64::from(self.up[0]);
    }

    /// Which ports' first LEDs are lit, by the pins' low levels.
    fn linked(&self) -> [bool; PORTS] {
        [0, 2].map(|led| self.dut.peek(&format!("led{led}")) == 0)
    }

    fn run(&mut self, cycles: u64) {
        let end = self.cycles + cycles;
        while self.cycles < end {
            self.step();
        }
    }

    fn send(&mut self, port: usize, bytes: &[u8], gap: usize) {
        let carrier = Carrier {
            errors: vec![false; bytes.len()],
            bytes: bytes.to_vec(),
            preamble: 14,
            dribble: false,
        };
        self.line[port].extend(pairs(&carrier, true));
        self.line[port].extend(vec![idle(STATUS); gap]);
    }
}

const STATIONS: [[u8; 6]; PORTS] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb]];

#[test]
fn a_thousand_frames_pass() {
    let file =
        std::env::var_os("SMARTNIC_NETLIST").expect("SMARTNIC_NETLIST names the netlist's Verilog");
    let netlist = std::fs::read_to_string(&file).expect("the netlist");
    let mut rng = mac::rng();
    let mut b = Bench::new(&netlist);
    b.run(POWER_ON_CYCLES + 5000);
    assert!(b.phys.iter().all(|p| carriers(&p.pairs, true).is_empty()));
    b.phys.iter_mut().for_each(|p| p.pairs.clear());

    let mut want: [Vec<Vec<u8>>; PORTS] = Default::default();
    let mut length = 0;
    for n in 0..FRAMES + 100 {
        let from = n % PORTS;
        let other = 1 - from;
        let octets = match rng.random_range(0..20) {
            0 => 1514,
            1..6 => 60,
            _ => rng.random_range(60..300),
        };
        let mut body: Vec<u8> = (0..octets).map(|_| rng.random()).collect();
        // To the other station, to one that nobody knows, to all; one in eleven does not pass: to the station on its own side, or with a wrong FCS.
        let kind = if n % 11 == 10 {
            3 + n % 2
        } else {
            rng.random_range(0..3)
        };
        let to = match kind {
            0 | 4 => STATIONS[other],
            1 => [2, 1, 1, 1, 1, 1],
            2 => [0xff; 6],
            _ => STATIONS[from],
        };
        body[..6].copy_from_slice(&to);
        body[6..12].copy_from_slice(&STATIONS[from]);
        body[12..14].copy_from_slice(&[0x88, 0xb5]);
        let mut bytes = mac::with_fcs(&body);
        if kind == 4 {
            *bytes.last_mut().expect("bytes") ^= 1;
        } else if kind != 3 {
            want[other].push(bytes.clone());
        }
        b.send(from, &bytes, rng.random_range(12..20));
        length = length.max(b.line[0].len().max(b.line[1].len()));
        // Both stations are known before a frame must not pass.
        if n == 1 {
            b.run(2000);
        }
    }
    b.run(length as u64 + 5000);

    assert_eq!(want.iter().map(Vec::len).sum::<usize>(), FRAMES);
    for (port, want) in want.iter().enumerate() {
        let came = carriers(&b.phys[port].pairs, true);
        assert!(
            came.iter().flatten().all(|(_, error)| !error),
            "port {port}: RX_ER"
        );
        let came: Vec<Vec<u8>> = came
            .iter()
            .map(|c| c.iter().map(|(byte, _)| *byte).collect())
            .collect();
        let preamble = [&[0x55; 7], &[0xd5][..]].concat();
        for (n, (came, want)) in came.iter().zip(want).enumerate() {
            let whole = came.strip_prefix(&preamble[..]).expect("a preamble");
            assert_eq!(whole, want, "port {port}, frame {n}");
        }
        assert_eq!(came.len(), want.len(), "port {port}");
    }
    assert_eq!(b.linked(), [true, true]);
    b.status[0] = NO_LINK;
    b.run(5000);
    assert_eq!(b.linked(), [false, true]);
    println!("{FRAMES} frames in {} cycles", b.cycles);
}

//! A board up to its DDR cells: reset sequence, PHYs at two speeds that are known in-band alone, frames between them, no firmware.
#[path = "common/mac.rs"]
mod mac;
#[path = "common/rgmii.rs"]
mod phy;

use phy::{Carrier, Pair, Phy, carriers, idle, pairs};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use smartnic_hdl::board::{Host, Identity, POWER_ON_CYCLES, board_core, endpoint_place};
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_verilated::Model;
use std::collections::VecDeque;

/// Core clock and the speeds of the ports (0, 1, 2), the host's side.
struct Case {
    core_mhz: u32,
    speeds: [usize; 2],
    host: Host,
}

const CASES: [Case; 2] = [
    Case {
        core_mhz: 125,
        speeds: [2, 1],
        host: Host::Place,
    },
    Case {
        core_mhz: 50,
        speeds: [1, 0],
        host: Host::None,
    },
];

/// In-band status of a speed: full duplex, link.
const STATUS: [u8; 3] = [0b1001, 0b1011, 0b1101];
/// Periods of receive clocks in units of 0.01 ns, a little off.
const RECEIVE: [u64; 3] = [40_001, 3999, 801];

struct Board {
    speeds: [usize; 2],
    /// Of core and receive clocks.
    periods: [u64; 3],
    dut: Model,
    rng: ChaCha8Rng,
    next: [u64; 3],
    line: [VecDeque<Pair>; 2],
    phys: [Phy; 2],
    /// Whether each PHY says that it has a link.
    link: [bool; 2],
    cycles: u64,
}

impl Board {
    fn new(case: &Case) -> Board {
        let p = Params {
            fdb_entries: 1024,
            cells: 256,
            core_mhz: case.core_mhz,
            board: true,
            ..Params::for_ports(2)
        };
        let identity = Identity {
            id: 9,
            mdio_buses: Some(1),
        };
        let m = board_core(&p, identity, case.host, &[]).expect("in range");
        let d = design(&m);
        let mdc = d.ports.iter().find(|p| p.name == "mdc").expect("a port");
        assert_eq!(mdc.width, 1, "one bus for both");
        let core = 100_000 / u64::from(case.core_mhz);
        let mut b = Board {
            speeds: case.speeds,
            periods: [core, RECEIVE[case.speeds[0]], RECEIVE[case.speeds[1]]],
            dut: Model::build(&d, &mac::lint()).expect("builds"),
            rng: mac::rng(),
            next: [0; 3],
            line: Default::default(),
            phys: Default::default(),
            link: [true; 2],
            cycles: 0,
        };
        b.dut.poke("serial_rx", 1);
        b
    }

    /// One edge, of whichever clocks come next.
    fn step(&mut self) {
        let now = *self.next.iter().min().expect("three");
        let mut mask = 0;
        for (i, period) in self.periods.iter().enumerate() {
            if self.next[i] != now {
                continue;
            }
            self.next[i] += period;
            mask |= 1 << i;
            if i > 0 {
                let port = i - 1;
                let status = STATUS[self.speeds[port]];
                let (data, ctl) = self.line[port]
                    .pop_front()
                    .unwrap_or(idle(status & !u8::from(!self.link[port])));
                for (n, edge) in ["rise", "fall"].into_iter().enumerate() {
                    self.dut.poke(&format!("rxd_{edge}{port}"), data[n].into());
                    self.dut
                        .poke(&format!("rx_ctl_{edge}{port}"), ctl[n].into());
                }
            }
        }
        self.dut.tick(mask);
        if mask & 1 == 1 {
            self.cycles += 1;
            for port in 0..2 {
                let m = &self.dut;
                self.phys[port].clock_with(|n, edge| m.peek(&format!("{n}_{edge}{port}")));
            }
        }
    }

    fn core_cycles(&mut self, n: u64) {
        let end = self.cycles + n;
        while self.cycles < end {
            self.step();
        }
    }

    /// Sends a frame into one port; it must come out of the other, whole.
    fn switched(&mut self, from: usize) {
        let length = self.rng.random_range(60..200);
        let mut body: Vec<u8> = (0..length).map(|_| self.rng.random()).collect();
        body[0] &= 0xfe;
        body[6] &= 0xfe;
        let bytes = mac::with_fcs(&body);
        let carrier = Carrier {
            errors: vec![false; bytes.len()],
            bytes: bytes.clone(),
            preamble: 14,
            dribble: false,
        };
        let speeds = self.speeds;
        let gigabit = |port: usize| speeds[port] == 2;
        self.line[from].extend(pairs(&carrier, gigabit(from)));
        self.line[from].extend(vec![idle(STATUS[speeds[from]]); 24]);
        self.phys.iter_mut().for_each(|p| p.pairs.clear());
        let to = 1 - from;
        self.core_cycles(if speeds[to] == 0 || speeds[from] == 0 {
            20_000
        } else {
            8000
        });
        let want: Vec<(u8, bool)> = [&[0x55; 7], &[0xd5][..], &bytes]
            .concat()
            .into_iter()
            .map(|b| (b, false))
            .collect();
        assert_eq!(carriers(&self.phys[to].pairs, gigabit(to)), [want]);
        assert!(carriers(&self.phys[from].pairs, gigabit(from)).is_empty());
    }
}

#[test]
fn starts_by_itself_and_switches_between_speeds() {
    for case in &CASES {
        let mut b = Board::new(case);
        b.dut.poke("reset", 1);
        b.core_cycles(4);
        b.dut.poke("reset", 0);
        // A second cause of reset, short and at any time, starts over.
        b.core_cycles(1000);
        b.dut.poke("reset", 1);
        b.dut.eval();
        b.dut.poke("reset", 0);
        b.core_cycles(POWER_ON_CYCLES - 10);
        assert!(b.phys.iter().all(|p| p.pairs.iter().all(|p| !p.1[0])));
        assert_eq!(b.dut.peek("phy_reset"), 3, "PHYs are held");
        b.core_cycles(5000);
        for round in 0..6 {
            b.switched(round % 2);
        }
        assert_eq!(b.dut.peek("serial_tx"), 1);
        // The first LEDs show links.
        assert_eq!(b.dut.peek("led_first"), 3);
        b.link[1] = false;
        b.core_cycles(5000);
        assert_eq!(b.dut.peek("led_first"), 1);
    }
}

#[test]
fn the_endpoint_s_place_is_silent() {
    let m = endpoint_place();
    let d = design(&m);
    let mut dut = Model::build(&d, &mac::lint()).expect("builds");
    let mut rng = mac::rng();
    dut.poke("reset", 1);
    dut.tick(1);
    dut.poke("reset", 0);
    let outs: Vec<&str> = d
        .ports
        .iter()
        .filter(|p| p.direction == smartnic_verilated::Direction::Out)
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(outs.len(), 13);
    for _ in 0..500 {
        dut.poke("tlp_tx_valid", rng.random_range(0..2));
        dut.poke("tlp_tx_data", rng.random());
        dut.tick(1);
        for n in &outs {
            assert_eq!(dut.peek(n), 0, "{n}");
        }
    }
}

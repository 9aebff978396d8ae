//! Page `board` behind its register bus.
#![allow(dead_code)] // each test uses a part

use smartnic_hdl::board::board_regs;
use smartnic_hdl::params::Params;
use smartnic_hdl::rtl::design;
use smartnic_regs::Reg;
use smartnic_verilated::{Model, Options};

pub struct Board {
    pub dut: Model,
    pub fired: u64,
    pub held: u64,
    /// The serial line's end is its beginning.
    pub looped: bool,
}

impl Board {
    pub fn new(ports: u32, id: u16) -> Self {
        Self::of(&Params::for_ports(ports), id)
    }
    pub fn of(params: &Params, id: u16) -> Self {
        let options = Options {
            lint: true,
            ..Options::default()
        };
        let m = board_regs(params, id);
        let mut dut = Model::build(&design(&m), &options).expect("builds");
        dut.poke("serial_rx", 1);
        dut.poke("reset", 1);
        dut.tick(1);
        dut.poke("reset", 0);
        Self {
            dut,
            fired: 0,
            held: 0,
            looped: false,
        }
    }
    pub fn cycles(&mut self, n: u64) {
        for _ in 0..n {
            if self.looped {
                let level = self.dut.peek("serial_tx");
                self.dut.poke("serial_rx", level);
            }
            self.dut.tick(1);
            self.fired += self.dut.peek("watchdog_fired");
            self.held += self.dut.peek("cpu_reset");
        }
    }
    pub fn ticks(&mut self, n: u64) {
        for _ in 0..n {
            self.dut.poke("tick", 1);
            self.cycles(1);
            self.dut.poke("tick", 0);
            self.cycles(3);
        }
    }
    pub fn access(&mut self, write: bool, addr: u32, data: u32) -> u32 {
        for (n, v) in [
            ("valid", 1),
            ("write", u32::from(write)),
            ("addr", addr),
            ("wdata", data),
        ] {
            self.dut.poke(&format!("reg_{n}"), v.into());
        }
        self.cycles(1);
        self.dut.poke("reg_valid", 0);
        self.cycles(1);
        assert_eq!(self.dut.peek("reg_ack"), 1);
        self.dut.peek("reg_rdata") as u32
    }
    pub fn read(&mut self, reg: &Reg) -> u32 {
        self.access(false, reg.at(0), 0)
    }
    pub fn write(&mut self, reg: &Reg, value: u32) {
        self.access(true, reg.at(0), value);
    }
}

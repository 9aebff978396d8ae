//! A board at register level: what the firmware's bus leads to, in plain Rust.

use crate::phy::Phy;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use smartnic_firmware::Bus;
use smartnic_regs::values::{counter, fdb_op};
use smartnic_regs::{Reg, board, fdb, global, pages, port, stats};
use std::collections::{BTreeMap, VecDeque};

/// Cycles of an MDIO frame.
const FRAME: u64 = 7_224;

pub struct Board {
    /// By double word.
    pub regs: Vec<u32>,
    tick: u64,
    pub cycles: u64,
    /// Cycles of a register access, with the instructions around it.
    pub access_cycles: u64,
    /// PHYs by bus and address.
    pub phys: BTreeMap<(u32, u32), Phy>,
    busy_until: u64,
    answer: u32,
    /// Characters to the board, and from it.
    pub to: VecDeque<u8>,
    pub from: Vec<u8>,
    /// The FDB's places: result, key.
    pub fdb: BTreeMap<u32, (u32, u32, u32)>,
    pub flushes: Vec<(u32, u32)>,
    pub counters: BTreeMap<(u32, u32), u64>,
    pub kicks: u64,
    /// Changes of board::LINK: cycle, port, value.
    pub links: Vec<(u64, u32, u32)>,
    /// What was written, but for kicks, MDIO and characters.
    pub written: Vec<(u32, u32)>,
    pub accesses: u64,
    /// Accesses after which a host takes the tables, if one does.
    pub host_after: Option<u32>,
}

impl Board {
    pub fn new(ports: u32, buses: u32) -> Self {
        let mut regs = vec![0; pages::BAR0_BYTES as usize / 4];
        for page in pages::PAGES {
            for reg in page.regs {
                for i in 0..reg.count {
                    regs[reg.at(i) as usize / 4] = reg.reset;
                }
            }
        }
        let mut board = Self {
            regs,
            tick: 0,
            cycles: 0xffff_0000,
            access_cycles: 60,
            phys: BTreeMap::new(),
            busy_until: 0,
            answer: 0,
            to: VecDeque::new(),
            from: vec![],
            fdb: BTreeMap::new(),
            flushes: vec![],
            counters: BTreeMap::new(),
            kicks: 0,
            links: vec![],
            written: vec![],
            accesses: 0,
            host_after: None,
        };
        use board::BOARD_ID::{BOARD, MDIO_BUSES, PORTS};
        board.put(
            board::BOARD_ID,
            0,
            BOARD.put(1) | PORTS.put(ports) | MDIO_BUSES.put(buses),
        );
        board.put(board::CLOCK, 0, 125_000_000);
        board.put(global::VERSION, 0, global::VERSION::MAJOR.put(1) | 3);
        board.put(global::CAPS0, 0, global::CAPS0::PORTS.put(ports));
        board.put(
            global::CAPS1,
            0,
            global::CAPS1::FDB_LOG2.put(10) | global::CAPS1::CAM.put(32),
        );
        board.put(global::STATUS, 0, 3);
        for i in 0..ports {
            board.put(port::CONFIG, i, 0xeb);
        }
        board
    }

    pub fn put(&mut self, reg: Reg, index: u32, value: u32) {
        self.regs[reg.at(index) as usize / 4] = value;
    }
    pub fn reg(&self, reg: Reg, index: u32) -> u32 {
        self.regs[reg.at(index) as usize / 4]
    }
    pub fn link(&self, port: u32) -> Option<u32> {
        let word = self.reg(board::LINK, port);
        let speed = [10, 100, 1000, 0][board::LINK::SPEED.get(word) as usize];
        (board::LINK::UP.get(word) == 1).then_some(speed)
    }
    pub fn phy(&mut self, bus: u32, address: u32) -> &mut Phy {
        self.phys.get_mut(&(bus, address)).expect("it is there")
    }
    pub fn ticks(&self) -> u64 {
        self.cycles / u64::from(self.reg(global::TICK, 0))
    }
    pub fn pass(&mut self, cycles: u64) {
        self.cycles += cycles;
        let now = self.ticks();
        if now == self.tick {
            return;
        }
        self.tick = now;
        self.phys.values_mut().for_each(|p| p.now = now);
    }

    fn access(&mut self) {
        self.pass(self.access_cycles);
        self.accesses += 1;
        match &mut self.host_after {
            Some(0) => {
                self.put(board::OWNER, 0, board::OWNER::HOST.put(1));
                self.written.clear();
                self.host_after = None;
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }

    fn frame(&mut self, command: u32) {
        use board::MDIO_COMMAND::{BUS, DATA, PHY, REGISTER, WRITE};
        assert!(self.cycles >= self.busy_until, "a frame while one runs");
        let register = REGISTER.get(command) as u8;
        let held = self.reg(board::PHY_RESET, 0) >> BUS.get(command) & 1 == 1;
        let phy = self.phys.get_mut(&(BUS.get(command), PHY.get(command)));
        let phy = phy.filter(|p| p.alive && !held);
        self.answer = match (phy, WRITE.get(command)) {
            (None, 0) => 0x1_ffff,
            (None, _) => DATA.get(command),
            (Some(phy), 0) => phy.read(register).into(),
            (Some(phy), _) => {
                phy.write(register, DATA.get(command) as u16);
                DATA.get(command)
            }
        };
        self.busy_until = self.cycles + FRAME;
    }

    fn fdb_command(&mut self, op: u32) {
        let index = self.reg(fdb::INDEX, 0);
        match op {
            fdb_op::READ => {
                let (result, low, high) = self.fdb.get(&index).copied().unwrap_or((0, 7, 7));
                self.put(fdb::RESULT, 0, result);
                self.put(fdb::RESULT_KEY_LO, 0, low);
                self.put(fdb::RESULT_KEY_HI, 0, high);
            }
            fdb_op::FLUSH => self.flushes.push((index, self.reg(fdb::DATA, 0))),
            other => panic!("operation {other}"),
        }
    }
}

impl Bus for Board {
    fn read(&mut self, addr: u32) -> u32 {
        self.access();
        assert!(
            pages::PAGES.iter().any(|p| p.base >> 12 == addr >> 12),
            "{addr:#x}: nobody answers, the processor would stop"
        );
        match addr {
            a if a == global::CYCLES_LO.addr => self.cycles as u32,
            a if a == board::MDIO_STATUS.addr => match self.cycles < self.busy_until {
                true => board::MDIO_STATUS::BUSY.put(1),
                false => self.answer,
            },
            a if a == board::SERIAL_DATA.addr => {
                self.to.pop_front().map_or(0, |c| 0x100 | u32::from(c))
            }
            a if a == board::SERIAL_STATUS.addr => 2,
            a => {
                let status = (0..board::LINK.count).find(|i| a == board::LINK_STATUS.at(*i));
                // Without in-band status: what the register says.
                status.map_or(self.regs[a as usize / 4], |i| {
                    self.reg(board::LINK, i) & !board::LINK::INBAND.put(1)
                })
            }
        }
    }

    fn write(&mut self, addr: u32, value: u32) {
        self.access();
        assert!(
            pages::PAGES.iter().any(|p| p.base >> 12 == addr >> 12),
            "{addr:#x}: nobody answers, the processor would stop"
        );
        match addr {
            a if a == board::WATCHDOG_KICK.addr => self.kicks += 1,
            a if a == board::MDIO_COMMAND.addr => self.frame(value),
            a if a == board::SERIAL_DATA.addr => self.from.push(value as u8),
            a => {
                self.written.push((a, value));
                if a == fdb::COMMAND.addr {
                    self.fdb_command(value);
                }
                if a == stats::INDEX.addr {
                    use stats::INDEX::{COUNTER, PORT};
                    let key = (PORT.get(value), COUNTER.get(value));
                    assert!(key.1 < counter::COUNT);
                    let value = self.counters.get(&key).copied().unwrap_or(0);
                    self.put(stats::LO, 0, value as u32);
                    self.put(stats::HI, 0, (value >> 32) as u32);
                    self.put(stats::READY, 0, 1);
                }
                for i in 0..board::LINK.count {
                    if a == board::LINK.at(i) && self.regs[a as usize / 4] != value {
                        self.links.push((self.cycles, i, value));
                    }
                }
                self.regs[a as usize / 4] = value;
            }
        }
    }
}

/// The generator of a test's randomness: `SEED` overrides; printed, and shown when the test fails.
pub fn rng() -> ChaCha8Rng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

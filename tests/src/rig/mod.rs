//! A card in this process with checkers on its pins, set up through its registers: what benches and whole-card tests drive.

pub mod events;
pub mod fdb;
pub mod pins;
pub mod ring;
pub mod shared;
pub mod transmit;

pub use shared::Shared;

use smartnic_driver::device::Caps;
use smartnic_driver::device::buffer::BufferShares;
use smartnic_hdl::params::Params;
use smartnic_regs::values::{counter, dest, learn, state};
use smartnic_regs::{Reg, global, port, queue, stats};
use smartnic_sim::card::{Card, CardError, CardSettings, ClockSettings};
use smartnic_sim::pcie::{MmioError, Settings};
use smartnic_verilated::{Opt, Options};

/// Why a rig cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// The card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A register access.
    #[error(transparent)]
    Mmio(#[from] MmioError),
    /// Memory for rings.
    #[error("memory for rings: {0}")]
    Memory(#[from] std::io::Error),
    /// Mapping it.
    #[error("mapping ring memory: {0}")]
    Map(#[from] smartnic_sim::pcie::memory::MapError),
    /// The card did not do in time what it must.
    #[error("{what} took more than {cycles} cycles")]
    Slow {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        cycles: u64,
    },
}

/// A card and how to talk to it.
pub struct Rig {
    /// The card.
    pub card: Card,
    /// Its parameters.
    pub params: Params,
}

/// The bit of command in configuration space that a driver sets: memory space and bus master.
const COMMAND: (usize, [u8; 2]) = (0x04, [0x06, 0x00]);

impl Rig {
    /// Powers up a card with the usual link. All rigs use one model, compiled for speed and cached.
    pub fn new(params: Params) -> Result<Rig, RigError> {
        Self::with(params, Settings::default(), ClockSettings::default())
    }

    /// The same with a link and clocks of the caller's.
    pub fn with(params: Params, root: Settings, clocks: ClockSettings) -> Result<Rig, RigError> {
        let settings = CardSettings {
            model: Options {
                opt: Opt::Fast,
                ..Options::default()
            },
            root,
            clocks,
        };
        let mut rig = Rig {
            card: Card::new(&params, &settings)?,
            params,
        };
        rig.card.root().config_write(COMMAND.0, &COMMAND.1);
        rig.wait_ready()?;
        Ok(rig)
    }

    /// Waits for the tables to be cleared after a reset.
    pub fn wait_ready(&mut self) -> Result<(), RigError> {
        let limit = 200_000;
        let end = self.card.cycle() + limit;
        while global::STATUS::READY.get(self.read(&global::STATUS, 0)?) == 0 {
            if self.card.cycle() > end {
                return Err(RigError::Slow {
                    what: "clearing the tables",
                    cycles: limit,
                });
            }
        }
        Ok(())
    }

    /// Reads the `index`-th of a register.
    pub fn read(&mut self, reg: &Reg, index: u32) -> Result<u32, RigError> {
        Ok(self.card.read32(0, reg.at(index).into())?)
    }

    /// Writes the `index`-th of a register.
    pub fn write(&mut self, reg: &Reg, index: u32, value: u32) -> Result<(), RigError> {
        Ok(self.card.write32(0, reg.at(index).into(), value)?)
    }

    /// A counter of a port (from 0; the host after the last).
    pub fn counter(&mut self, port: u32, number: u32) -> Result<u64, RigError> {
        let index = stats::INDEX::COUNTER.put(number) | stats::INDEX::PORT.put(port);
        self.write(&stats::INDEX, 0, index)?;
        for _ in 0..100 {
            if self.read(&stats::READY, 0)? & 1 == 1 {
                let lo = self.read(&stats::LO, 0)?;
                return Ok(u64::from(self.read(&stats::HI, 0)?) << 32 | u64::from(lo));
            }
        }
        Err(RigError::Slow {
            what: "reading a counter",
            cycles: 100,
        })
    }

    /// All counters of a port that are not zero.
    pub fn counters(&mut self, port: u32) -> Result<Vec<(&'static str, u64)>, RigError> {
        let mut all = vec![];
        for (number, name) in counter::NAMES {
            let value = self.counter(port, *number)?;
            if value != 0 {
                all.push((*name, value));
            }
        }
        Ok(all)
    }

    /// One bridge over all ports and the host: forwarding, learning in hardware, flooding between ports; the host takes what
    /// is addressed to it and, with `host_flood`, its copy of floods. The FDB's hashes get keys from `seed`.
    pub fn bridge(&mut self, seed: u64, host_flood: bool) -> Result<(), RigError> {
        use rand::{RngCore, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        for i in 0..8 {
            self.write(&smartnic_regs::fdb::HASH_KEY, i, rng.next_u32())?;
        }
        use port::CONFIG as C;
        let flood = C::FLOOD_UC.put(1) | C::FLOOD_MC.put(1) | C::FLOOD_BC.put(1);
        let forwarding = C::STATE.put(state::FORWARDING);
        let n = self.params.ports;
        for i in 0..n {
            self.write(
                &port::CONFIG,
                i,
                forwarding | C::LEARN.put(learn::HARDWARE) | flood,
            )?;
            self.write(&port::FORWARD_MASK, i, (1 << (n + 1)) - 1)?;
        }
        self.write(
            &port::CONFIG,
            n,
            if host_flood {
                forwarding | flood
            } else {
                forwarding
            },
        )?;
        self.write(&port::FORWARD_MASK, n, (1 << n) - 1)?;
        // Writes are posted: a read tells that they have arrived.
        self.read(&global::SCRATCH, 0).map(drop)
    }

    /// Divides the packet buffer as the driver does.
    pub fn share_buffer(&mut self) -> Result<(), RigError> {
        let p = &self.params;
        let caps = Caps {
            version: (1, 0),
            ports: p.ports,
            lag_groups: p.lag_groups,
            queues: p.queues,
            classes: p.classes,
            beat_bytes: p.beat_bytes(),
            fdb_entries: p.fdb_entries,
            cam: p.cam,
            cells: p.cells,
        };
        let shares = BufferShares::for_card(&caps);
        self.write(&queue::SHARED, 0, shares.shared)?;
        for i in 0..=caps.ports {
            self.write(&queue::GUARANTEE, i, shares.guarantee)?;
            self.write(&queue::LIMIT, i, shares.limit)?;
        }
        Ok(())
    }

    /// Adds the host's own address.
    pub fn local_address(&mut self, mac: [u8; 6]) -> Result<(), RigError> {
        self.fdb_add(mac, 0, dest::HOST, smartnic_regs::values::kind::LOCAL)
            .map(drop)
    }

    /// Plugs a shared attachment into a port (from 0).
    pub fn attach<A: smartnic_sim::ports::Attachment + 'static>(
        &mut self,
        port: u32,
        a: &Shared<A>,
    ) -> Result<(), RigError> {
        self.card.attach(port as usize + 1, Box::new(a.clone()))?;
        Ok(())
    }

    /// Runs until everything was sent and has come through; fails after `limit` cycles.
    pub fn drain(&mut self, limit: u64) -> Result<(), RigError> {
        self.drain_with(limit, |_| Ok(()))
    }

    /// The same, calling `each` now and then.
    pub fn drain_with(
        &mut self,
        limit: u64,
        mut each: impl FnMut(&mut Rig) -> Result<(), RigError>,
    ) -> Result<(), RigError> {
        let end = self.card.cycle() + limit;
        loop {
            for _ in 0..2000 {
                self.card.step();
            }
            each(self)?;
            if self.card.drained() && self.card.resting() {
                return Ok(());
            }
            if self.card.cycle() > end {
                let busy = self.read(&global::BUSY, 0)?;
                eprintln!("still busy: {busy:#06x}");
                return Err(RigError::Slow {
                    what: "draining traffic",
                    cycles: limit,
                });
            }
        }
    }
}

/// The station behind a port.
pub fn station(port: u32, number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, port as u8, a, b, c, d]
}

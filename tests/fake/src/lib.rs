//! Cards in plain Rust: what the driver is tested and measured against without any hardware.
//!
//! [`Fake`] is a whole card at register level, written from the register map. Registers keep what the map says they keep; FDB commands, buckets, counters, rings, events and
//! vectors do what their documentation says; a frame through the switch is only recorded. [`null::NullCard`] is nothing but rings, at the speed of memory.

mod fdb;
mod host;
pub mod null;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use smartnic_driver::device::Device;
use smartnic_driver::device::fdb::{FdbData, FdbKey};
use smartnic_driver::pci::in_process::{Card, InProcess};
use smartnic_driver::pci::{DmaBuffer, Vector};
use smartnic_regs::values::LAG_BUCKETS;
use smartnic_regs::{Access, PAGES, Reg, global, lag, port, queue, stats};

pub use host::SentFrame;

/// What a fake card has.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Ports.
    pub ports: u32,
    /// LAG groups.
    pub lag_groups: u32,
    /// Receive rings, and as many transmit rings.
    pub queues: u32,
    /// log2 of the entries of the FDB's tables.
    pub fdb_log2: u32,
    /// Entries of its CAM.
    pub cam: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            ports: 4,
            lag_groups: 4,
            queues: 4,
            fdb_log2: 5,
            cam: 4,
        }
    }
}

/// Everything inside of the card.
pub struct State {
    /// What it has.
    pub shape: Shape,
    /// Registers by address.
    pub regs: BTreeMap<u32, u32>,
    /// BAR2, by address.
    pub msix: BTreeMap<u32, u32>,
    /// The configuration space, by address.
    pub config: BTreeMap<u16, u32>,
    /// The FDB: tables, then CAM.
    pub table: Vec<Option<(FdbKey, FdbData)>>,
    busy: u32,
    /// LAG buckets, by group and number.
    pub buckets: BTreeMap<(u32, u32), u32>,
    /// Counters, by port and number.
    pub counters: BTreeMap<(u32, u32), u64>,
    /// Links that are up, bit per port.
    pub link: u32,
    windows: BTreeMap<u64, Arc<DmaBuffer>>,
    vectors: Vec<Vector>,
    /// Vectors raised, in order.
    pub raised: Vec<u32>,
    /// The rings.
    pub rings: host::Rings,
    /// Frames that the host sent, in order.
    pub sent: Vec<SentFrame>,
    /// All reads are all ones.
    pub all_ones: bool,
    /// Nothing answers.
    pub unplugged: bool,
    /// What each read takes.
    pub read_delay: std::time::Duration,
    /// Every write, in order: address and value.
    pub writes: Vec<(u32, u32)>,
    /// Resets of the switch.
    pub switch_resets: u32,
    /// Resets of the function.
    pub function_resets: u32,
}

/// A handle on a fake card: the driver gets one, the test keeps another.
#[derive(Clone)]
pub struct Fake(pub Arc<Mutex<State>>);

impl Fake {
    /// A card after power on, its links up.
    pub fn new(shape: Shape) -> Self {
        let mut state = State {
            shape,
            regs: BTreeMap::new(),
            msix: BTreeMap::new(),
            config: BTreeMap::new(),
            table: vec![None; (1 << shape.fdb_log2) + shape.cam as usize],
            busy: 0,
            buckets: BTreeMap::new(),
            counters: BTreeMap::new(),
            link: (1 << shape.ports) - 1,
            windows: BTreeMap::new(),
            vectors: Vec::new(),
            raised: Vec::new(),
            rings: host::Rings::new(),
            sent: Vec::new(),
            all_ones: false,
            unplugged: false,
            read_delay: std::time::Duration::ZERO,
            writes: Vec::new(),
            switch_resets: 0,
            function_resets: 0,
        };
        state.power_on();
        Fake(Arc::new(Mutex::new(state)))
    }

    /// Its inside, held while the guard lives.
    ///
    /// # Panics
    ///
    /// If another thread panicked in it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A transport to this card.
    pub fn transport(&self) -> Box<InProcess<Fake>> {
        Box::new(InProcess::new("fake", self.clone()))
    }

    /// A probed device over this card.
    ///
    /// # Panics
    ///
    /// If the driver does not take the card.
    pub fn device(&self) -> Device {
        Device::probe(self.transport()).expect("the fake card is fine")
    }
}

/// The register that contains `addr`, and its index in an array.
fn register(addr: u32) -> Option<(Reg, u32)> {
    let page = PAGES
        .iter()
        .find(|p| (p.base..p.base + 0x1000).contains(&addr))?;
    page.regs.iter().copied().find_map(|reg| {
        let from = addr.checked_sub(reg.addr)?;
        (from % reg.stride == 0 && from / reg.stride < reg.count)
            .then_some((reg, from / reg.stride))
    })
}

impl State {
    fn power_on(&mut self) {
        for page in PAGES {
            for reg in page.regs {
                for i in 0..reg.count {
                    self.regs.insert(reg.at(i), reg.reset);
                }
            }
        }
        let Shape {
            ports,
            lag_groups,
            queues,
            fdb_log2,
            cam,
        } = self.shape;
        use global::{CAPS0, CAPS1};
        self.set(
            global::VERSION,
            0,
            global::VERSION::MAJOR.put(smartnic_driver::device::caps::MAJOR),
        );
        let caps0 =
            CAPS0::PORTS.put(ports) | CAPS0::LAG_GROUPS.put(lag_groups) | CAPS0::QUEUES.put(queues);
        self.set(
            global::CAPS0,
            0,
            caps0 | CAPS0::CLASSES.put(2) | CAPS0::BEAT_BYTES.put(8),
        );
        self.set(
            global::CAPS1,
            0,
            CAPS1::FDB_LOG2.put(fdb_log2) | CAPS1::CAM.put(cam) | CAPS1::CELLS.put(512),
        );
        self.set(global::STATUS, 0, 3);
        self.free_buffer();
    }

    fn free_buffer(&mut self) {
        self.set(queue::FREE, 0, 512);
        self.set(queue::FREE_MIN, 0, 480);
    }

    /// The register's value.
    pub fn get(&self, reg: Reg, index: u32) -> u32 {
        self.regs[&reg.at(index)]
    }
    /// Sets a register from inside.
    pub fn set(&mut self, reg: Reg, index: u32, value: u32) {
        self.regs.insert(reg.at(index), value);
    }

    /// A read of BAR0.
    pub fn read(&mut self, addr: u32) -> u32 {
        if self.all_ones {
            return u32::MAX;
        }
        let Some((reg, index)) = register(addr) else {
            return 0;
        };
        if reg.access == Access::Wo {
            return 0;
        }
        if reg == port::STATUS && index < self.shape.ports {
            let down = port::MAC::LINK_DOWN.get(self.get(port::MAC, index)) == 1;
            return u32::from(self.link >> index & 1 == 1 && !down) | port::STATUS::SPEED.put(2);
        }
        if reg == lag::BUCKET {
            let key = self.bucket();
            return self.buckets.get(&key).copied().unwrap_or(0);
        }
        if reg.addr >> 12 == 3 {
            return self.fdb_read(reg, index);
        }
        self.get(reg, index)
    }

    /// A write to BAR0.
    pub fn write(&mut self, addr: u32, value: u32) {
        self.writes.push((addr, value));
        let Some((reg, index)) = register(addr) else {
            return;
        };
        match reg.access {
            Access::Ro => return,
            Access::W1c => {
                let now = self.get(reg, index);
                self.set(reg, index, now & !value);
                return;
            }
            Access::Wo | Access::Rwh => {}
            Access::Rw => self.set(reg, index, value),
        }
        if reg == global::RESET {
            if global::RESET::SWITCH.get(value) == 1 {
                self.reset_switch();
            }
            if global::RESET::HOST.get(value) == 1 {
                self.reset_host();
            }
        } else if reg == lag::BUCKET {
            let key = self.bucket();
            assert!(key.1 < LAG_BUCKETS);
            self.buckets.insert(key, value & 0x1f);
        } else if reg == stats::INDEX {
            let value = self
                .counters
                .get(&(
                    stats::INDEX::PORT.get(value),
                    stats::INDEX::COUNTER.get(value),
                ))
                .copied();
            self.set(stats::LO, 0, value.unwrap_or(0) as u32);
            self.set(stats::HI, 0, (value.unwrap_or(0) >> 32) as u32);
            self.set(stats::READY, 0, 1);
        } else if reg.addr >> 12 == 3 {
            self.fdb_write(reg, value);
        } else if reg.addr >> 12 >= 8 {
            self.host_write(reg, index);
        }
    }

    fn bucket(&self) -> (u32, u32) {
        let index = self.get(lag::BUCKET_INDEX, 0);
        (
            lag::BUCKET_INDEX::GROUP.get(index),
            lag::BUCKET_INDEX::BUCKET.get(index),
        )
    }

    fn reset_switch(&mut self) {
        self.switch_resets += 1;
        for page in PAGES.iter().filter(|p| p.base > 0 && p.base < 0x8000) {
            for reg in page.regs {
                for i in 0..reg.count {
                    self.set(*reg, i, reg.reset);
                }
            }
        }
        self.free_buffer();
        self.table.fill(None);
        self.buckets.clear();
        self.counters.clear();
    }

    /// Raises a vector as an MSI-X message would.
    pub fn raise(&mut self, vector: u32) {
        self.raised.push(vector);
        if let Some(fd) = self.vectors.get(vector as usize) {
            fd.write(1).unwrap();
        }
    }

    /// Changes the link of a port.
    pub fn set_link(&mut self, port: u32, up: bool) {
        self.link = self.link & !(1 << port) | u32::from(up) << port;
        let changed = self.get(port::LINK_CHANGED, 0) | 1 << port;
        self.set(port::LINK_CHANGED, 0, changed);
        self.raise(smartnic_regs::values::vector::EVENT);
    }

    /// Memory of the host at `iova`; the card must stay inside of what is mapped.
    fn window(&self, iova: u64) -> Option<(&Arc<DmaBuffer>, usize)> {
        let (base, buffer) = self.windows.range(..=iova).next_back()?;
        let offset = (iova - base) as usize;
        (offset < buffer.len()).then_some((buffer, offset))
    }

    /// The host shares `memory` at `iova`.
    pub fn map(&mut self, iova: u64, memory: Arc<DmaBuffer>) {
        self.windows.insert(iova, memory);
    }
    /// The host takes it back.
    pub fn unmap(&mut self, iova: u64) {
        self.windows.remove(&iova);
    }
    /// Vectors from `start` on are these.
    pub fn connect_vectors_from(&mut self, start: u32, vectors: Vec<Vector>) {
        self.vectors.truncate(start as usize);
        self.vectors.extend(vectors);
    }
    /// A function-level reset: rings and vectors.
    pub fn function_reset(&mut self) {
        self.function_resets += 1;
        self.reset_host();
        self.vectors.clear();
    }
}

impl Card for Fake {
    fn read32(&mut self, bar: u8, offset: u32) -> Option<u32> {
        let delay = self.state().read_delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let mut state = self.state();
        if state.unplugged {
            return None;
        }
        Some(if bar == 0 {
            state.read(offset)
        } else {
            state.msix.get(&offset).copied().unwrap_or(0)
        })
    }
    fn write32(&mut self, bar: u8, offset: u32, value: u32) -> Option<()> {
        let mut state = self.state();
        if state.unplugged {
            return None;
        }
        if bar == 0 {
            state.write(offset, value);
        } else {
            state.msix.insert(offset, value);
        }
        Some(())
    }
    fn config_read32(&mut self, offset: u16) -> u32 {
        self.state().config.get(&offset).copied().unwrap_or(0)
    }
    fn config_write32(&mut self, offset: u16, value: u32) {
        self.state().config.insert(offset, value);
    }
    fn dma_map(&mut self, iova: u64, memory: Arc<DmaBuffer>) {
        self.state().map(iova, memory);
    }
    fn dma_unmap(&mut self, iova: u64) {
        self.state().unmap(iova);
    }
    fn set_vectors(&mut self, vectors: Vec<Vector>) {
        self.state().connect_vectors_from(0, vectors);
    }
    fn reset(&mut self) {
        self.state().function_reset();
    }
}

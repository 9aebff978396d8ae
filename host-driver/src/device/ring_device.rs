//! The card's rings as a network device of the device model: [`smartnic_netdev::NetDeviceOps`] over pairs of [`Ring`]s.
//!
//! A queue is a receive and a transmit ring and a pool of packets. Received frames are copied out of the ring into packets of the pool, since the
//! card could still write to the ring; sent ones are copied into it, and their packets go home at once. A poll reaps what was sent,
//! then receives up to its budget; each side costs two doorbells a batch. A transmit ring without room stops its queue, a reaped one wakes it.
//!
//! What the card says and what makes no sense restarts the ring and is counted (`rx_errors`, `tx_errors`). Frames under way in a transmit ring are then lost
//! (`tx_aborted_errors`), because nobody knows which of them the card has sent. `restarts` tells how often. A card that is gone ([`DeviceError::is_gone`]) takes the carrier away.
//!
//! Locks: a ring's, then the registers'. Neither is held while frames go up.
//!
//! Covered by `tests/driver/ring_device.rs`; `cargo xtask bench driver` measures it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smartnic_netdev::device::Counter;
use smartnic_netdev::packet::{HEADROOM, PacketType, Pool, PoolCache, Recycler, eth};
use smartnic_netdev::{
    Batch, Core, Dev, Errno, NetDeviceOps, NetdevError, Packet, Setup, Softnet, Xmit,
};
use smartnic_regs::ring::completion;

use super::ring::{BUFFER, MIN_FRAME, Ring, RxView, TxDone, TxTarget};
use super::{DeviceError, MacAddr, Mmio};

/// Registers that several queues share.
pub type SharedMmio = Arc<Mutex<Mmio>>;

/// Where the rings of a device are, and where its frames go.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig {
    /// Queues: receive rings 0 and up, and as many transmit rings.
    pub queues: u16,
    /// The card's receive rings: its first transmit ring has this number.
    pub rx_rings: u32,
    /// log2 of the entries of a ring, 2 to 15.
    pub ring_log2: u32,
    /// Where sent frames go.
    pub target: TxTarget,
    /// host::MODERATION.
    pub moderation: u32,
}

struct Receive {
    ring: Ring,
    cache: PoolCache,
    batch: Batch,
}

struct Transmit {
    ring: Ring,
    recycler: Recycler,
    done: Vec<TxDone>,
}

struct Queue {
    rx: Mutex<Receive>,
    tx: Mutex<Transmit>,
    /// Kept: a pool that is dropped takes nothing back.
    _pool: Pool,
}

/// A network device whose queues are rings of the card.
pub struct RingDevice {
    mmio: SharedMmio,
    queues: Vec<Queue>,
    target: TxTarget,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Rings and registers are whole between any two statements; a ring that a panic left half used is found out by its own checks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RingDevice {
    /// A device over the rings of the card behind `mmio`. Rings start when the device goes up.
    pub fn new(mmio: SharedMmio, config: &RingConfig) -> Result<Self, DeviceError> {
        let range = |what, value: u32, range: String| {
            let value = value.into();
            Err(DeviceError::Range { what, value, range })
        };
        let (queues, log2) = (u32::from(config.queues), config.ring_log2);
        if queues == 0 || queues > config.rx_rings {
            return range("queues", queues, format!("1 to {}", config.rx_rings));
        }
        if !(2..=15).contains(&log2) {
            return range("ring size", log2, "2^2 to 2^15".into());
        }
        let bytes = Ring::memory_bytes(log2);
        let ring = |index, name: &str, queue, kind| -> Result<Ring, DeviceError> {
            let memory = lock(&mmio).transport().dma_alloc(bytes)?;
            let name = format!("{name}{queue}");
            Ok(Ring::new(
                index,
                name,
                kind,
                memory,
                log2,
                config.moderation,
            ))
        };
        let queue = |n: u32| -> Result<Queue, DeviceError> {
            // As many as the ring has buffers, and as many again for frames that wait further up.
            let pool = Pool::new(2 << log2, HEADROOM, BUFFER);
            let rx = Receive {
                ring: ring(n, "rx", n, completion::RECEIVE)?,
                cache: pool.cache(),
                batch: Batch::new(),
            };
            let tx = Transmit {
                ring: ring(config.rx_rings + n, "tx", n, completion::TRANSMIT)?,
                recycler: Recycler::default(),
                done: Vec::new(),
            };
            Ok(Queue {
                rx: Mutex::new(rx),
                tx: Mutex::new(tx),
                _pool: pool,
            })
        };
        let queues = (0..queues).map(queue).collect::<Result<_, _>>()?;
        Ok(Self {
            mmio,
            queues,
            target: config.target,
        })
    }

    /// What to register it with.
    pub fn setup(&self, name: &str, address: MacAddr) -> Setup {
        let mut setup = Setup::ether(name).with_address(address);
        setup.tx_queues = self.queues.len() as u16;
        setup.napis = self.queues.len() as u16;
        setup.max_mtu = (BUFFER - eth::HLEN - 2 * eth::VLAN_HLEN) as u32;
        setup
    }

    /// Restarts of all receive and of all transmit rings.
    pub fn restarts(&self) -> [u64; 2] {
        let sum = |of: fn(&Queue) -> u64| self.queues.iter().map(of).sum();
        [
            sum(|q| lock(&q.rx).ring.restarts),
            sum(|q| lock(&q.tx).ring.restarts),
        ]
    }

    /// A ring whose contents make no sense is started again; a card that is gone has no carrier.
    fn repair(&self, dev: &Dev, ring: &mut Ring, error: DeviceError, counter: Counter) {
        dev.stats().count(counter);
        let failed = match error {
            DeviceError::Ring { ring: name, fault } => {
                tracing::error!(ring = %name, %fault, "restarting the ring");
                ring.restart(&mut lock(&self.mmio)).err()
            }
            other => Some(other),
        };
        if let Some(error) = failed {
            tracing::error!(%error, dev = dev.name(), "the card does not answer");
            dev.carrier_off();
        }
    }

    /// The same for a transmit ring, whose frames under way are lost.
    fn repair_tx(&self, dev: &Dev, tx: &mut Transmit, error: DeviceError) {
        let lost = tx.ring.in_flight() as u64;
        dev.stats().add(Counter::tx_aborted_errors, lost);
        self.repair(dev, &mut tx.ring, error, Counter::tx_errors);
    }

    /// Takes transmit completions; wakes the queue once there is room.
    fn reap(&self, dev: &Dev, queue: u16, tx: &mut Transmit) {
        let size = tx.ring.size() as usize;
        let reaped = tx.ring.reap(&mut lock(&self.mmio), size, &mut tx.done);
        if let Err(error) = reaped {
            self.repair_tx(dev, tx, error);
        }
        let failed = tx
            .done
            .iter()
            .filter(|d| d.status != completion::OK)
            .count();
        if failed > 0 {
            dev.stats().add(Counter::tx_errors, failed as u64);
        }
        tx.done.clear();
        if !tx.ring.is_full() && dev.queue(queue).is_stopped() {
            dev.wake_queue(queue);
        }
    }
}

/// A received frame as a packet; `None`: no packet is free, or it is no frame.
fn packet(cache: &mut PoolCache, frame: &RxView<'_>, dev: &Dev, seen: &Seen) -> Option<Packet> {
    let stats = dev.stats();
    if frame.truncated() || frame.len() < MIN_FRAME {
        stats.count(Counter::rx_errors);
        stats.count(Counter::rx_length_errors);
        return None;
    }
    let Some(mut packet) = cache.alloc() else {
        stats.count(Counter::rx_dropped);
        return None;
    };
    // Buffers of the pool are as long as those of the ring, and a header of 14 bytes is there.
    let filled = packet.put(frame.len()).map(|bytes| frame.copy_to(bytes));
    if filled.is_err() || eth::type_trans(&mut packet, seen.ifindex, seen.address).is_err() {
        stats.count(Counter::rx_errors);
        return None;
    }
    packet.hash = frame.hash();
    packet.control = frame.reason();
    packet.set_queue_mapping(Some(seen.queue));
    Some(packet)
}

/// What is the same for all frames of a batch.
struct Seen {
    ifindex: u32,
    address: MacAddr,
    queue: u16,
}

impl NetDeviceOps for RingDevice {
    fn open(&self, _core: &mut Core, dev: &Dev) -> Result<(), NetdevError> {
        let failed =
            |error: DeviceError| NetdevError::new(Errno::Io, "dev", dev.name(), error.to_string());
        for (n, queue) in self.queues.iter().enumerate() {
            let mut mmio = lock(&self.mmio);
            lock(&queue.rx).ring.start(&mut mmio).map_err(failed)?;
            lock(&queue.tx).ring.start(&mut mmio).map_err(failed)?;
            dev.napi_enable(n as u16);
        }
        dev.start_all_queues();
        Ok(())
    }

    fn stop(&self, _core: &mut Core, dev: &Dev) -> Result<(), NetdevError> {
        dev.stop_all_queues();
        for (n, queue) in self.queues.iter().enumerate() {
            dev.napi_disable(n as u16);
            let mut mmio = lock(&self.mmio);
            for result in [
                lock(&queue.rx).ring.stop(&mut mmio),
                lock(&queue.tx).ring.stop(&mut mmio),
            ] {
                // The device goes down all the same: a card that is gone touches no memory either.
                if let Err(error) = result {
                    tracing::error!(%error, dev = dev.name(), "a ring did not stop");
                }
            }
        }
        Ok(())
    }

    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        let mut one = Batch::from([packet]);
        self.xmit_batch(net, dev, queue, &mut one);
        one.pop_front().map_or(Xmit::Ok, Xmit::Busy)
    }

    fn xmit_batch(&self, net: &mut Softnet, dev: &Dev, queue: u16, frames: &mut Batch) {
        let Some(pair) = self.queues.get(usize::from(queue)) else {
            return;
        };
        let mut tx = lock(&pair.tx);
        if (tx.ring.size() as usize - tx.ring.in_flight()) < frames.len() {
            self.reap(dev, queue, &mut tx);
        }
        let (mut count, mut bytes) = (0, 0);
        while !tx.ring.is_full()
            && let Some(packet) = frames.pop_front()
        {
            match tx
                .ring
                .send(packet.bytes(), self.target, packet.priority & 7)
            {
                Ok(_) => {
                    count += 1;
                    bytes += packet.len() as u64;
                }
                // Only a length that no ring takes.
                Err(_) => dev.stats().count(Counter::tx_errors),
            }
            tx.recycler.free(packet);
        }
        dev.stats().tx(net.stripe(), count, bytes);
        let rung = tx.ring.ring_doorbell(&mut lock(&self.mmio));
        if let Err(error) = rung {
            self.repair_tx(dev, &mut tx, error);
        }
        if tx.ring.is_full() {
            dev.stop_queue(queue);
        }
    }

    fn tx_timeout(&self, _net: &mut Softnet, dev: &Dev, queue: u16) {
        let Some(pair) = self.queues.get(usize::from(queue)) else {
            return;
        };
        let mut tx = lock(&pair.tx);
        dev.stats().count(Counter::tx_errors);
        // The interrupt may have been lost and nothing else.
        self.reap(dev, queue, &mut tx);
        let state = tx.ring.check(&mut lock(&self.mmio));
        if let Err(error) = state {
            self.repair_tx(dev, &mut tx, error);
            dev.wake_queue(queue);
        }
    }

    fn poll(&self, net: &mut Softnet, dev: &Dev, napi: u16, budget: usize) -> usize {
        let Some(pair) = self.queues.get(usize::from(napi)) else {
            return 0;
        };
        {
            let mut tx = lock(&pair.tx);
            self.reap(dev, napi, &mut tx);
            // A small pool that waits for its last packets would wait for ever.
            tx.recycler.flush();
        }
        if budget == 0 {
            return 0;
        }
        let seen = Seen {
            ifindex: dev.ifindex(),
            address: dev.address(),
            queue: napi,
        };
        let (taken, mut batch) = {
            let mut rx = lock(&pair.rx);
            let Receive { ring, cache, batch } = &mut *rx;
            let take = |frame: &RxView<'_>| batch.extend(packet(cache, frame, dev, &seen));
            let result = ring.receive_with(&mut lock(&self.mmio), budget, take);
            let taken = result.unwrap_or_else(|error| {
                self.repair(dev, ring, error, Counter::rx_errors);
                0
            });
            (taken, std::mem::take(batch))
        };
        let (mut bytes, mut multicast) = (0, 0);
        for packet in &batch {
            bytes += (packet.len() + eth::HLEN) as u64;
            multicast += u64::from(packet.packet_type == PacketType::Multicast);
        }
        dev.stats()
            .rx(net.stripe(), batch.len() as u64, bytes, multicast);
        net.receive_list(dev, &mut batch);
        lock(&pair.rx).batch = batch;
        if taken < budget {
            dev.napi_complete(napi);
        }
        taken
    }

    fn supports_netpoll(&self) -> bool {
        true
    }

    fn poll_controller(&self, _net: &mut Softnet, dev: &Dev) {
        for napi in 0..self.queues.len() {
            dev.napi_schedule(napi as u16);
        }
    }
}

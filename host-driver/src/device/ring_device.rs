//! The card's rings as a network device of the device model: [`smartnic_netdev::NetDeviceOps`] over pairs of `Ring`s.
//!
//! A queue is a receive and a transmit ring. Packets go up from where the card wrote them and down from where they are, whichever card's rings they came by: no
//! byte is copied but of packets in ordinary memory. A poll reaps what was sent, then receives up to its budget; each side costs two doorbells a batch. A
//! transmit ring without room stops its queue, a reaped one wakes it.
//!
//! What the card says and what makes no sense restarts the ring and is counted (`rx_errors`, `tx_errors`), and so does a transmit ring that completes nothing for the watchdog's time. Frames under
//! way in a transmit ring are sent again in their order: none is lost. `restarts` tells how often. A card that is gone ([`DeviceError::is_gone`]) takes the carrier away.
//!
//! Locks: a ring's, then the registers'. Neither is held while frames go up.
//!
//! Covered by `tests/driver/ring_device.rs`; `cargo xtask bench driver` measures it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smartnic_netdev::device::Counter;
use smartnic_netdev::packet::{PacketType, eth};
use smartnic_netdev::{
    Batch, Core, Dev, Errno, NetDeviceOps, NetdevError, Packet, Setup, Softnet, Xmit,
};
use smartnic_regs::ring::completion;

use super::ring::{
    BUFFER, MIN_FRAME, NotSent, RingSetup, RxInfo, RxRing, TxDone, TxRing, TxTarget,
};
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
    ring: RxRing,
    batch: Batch,
}

struct Queue {
    rx: Mutex<Receive>,
    tx: Mutex<TxRing>,
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
        let queues = u32::from(config.queues);
        if queues == 0 || queues > config.rx_rings {
            return range("queues", queues, format!("1 to {}", config.rx_rings));
        }
        let setup = |index, name: &str, queue| RingSetup {
            index,
            name: format!("{name}{queue}"),
            size_log2: config.ring_log2,
            moderation: config.moderation,
        };
        let queue = |n: u32| -> Result<Queue, DeviceError> {
            let mut mmio = lock(&mmio);
            let rx = Receive {
                ring: RxRing::new(&mut mmio, setup(n, "rx", n))?,
                batch: Batch::new(),
            };
            let tx = TxRing::new(&mut mmio, setup(config.rx_rings + n, "tx", n))?;
            Ok(Queue {
                rx: Mutex::new(rx),
                tx: Mutex::new(tx),
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
            sum(|q| lock(&q.rx).ring.restarts()),
            sum(|q| lock(&q.tx).restarts()),
        ]
    }

    /// A ring whose contents make no sense is started again; a card that is gone has no carrier.
    fn repair(
        &self,
        dev: &Dev,
        error: DeviceError,
        restart: impl FnOnce(&mut Mmio) -> Result<(), DeviceError>,
    ) {
        let failed = match error {
            DeviceError::Ring { ring, fault } => {
                tracing::error!(%ring, %fault, "restarting the ring");
                restart(&mut lock(&self.mmio)).err()
            }
            other => Some(other),
        };
        if let Some(error) = failed {
            tracing::error!(%error, dev = dev.name(), "the card does not answer");
            dev.carrier_off();
        }
    }

    fn repair_tx(&self, dev: &Dev, tx: &mut TxRing, error: DeviceError) {
        dev.stats().count(Counter::tx_errors);
        let mut failed = 0;
        self.repair(dev, error, |mmio| {
            tx.restart(mmio, |done| failed += unsent(done))
        });
        dev.stats().add(Counter::tx_errors, failed);
    }

    /// Takes transmit completions; wakes the queue once there is room.
    fn reap(&self, dev: &Dev, queue: u16, tx: &mut TxRing) {
        let mut failed = 0;
        let size = tx.size();
        let reaped = tx.reap(&mut lock(&self.mmio), size, |done| failed += unsent(done));
        if let Err(error) = reaped {
            self.repair_tx(dev, tx, error);
        }
        if failed > 0 {
            dev.stats().add(Counter::tx_errors, failed);
        }
        if !tx.is_full() && dev.queue(queue).is_stopped() {
            dev.wake_queue(queue);
        }
    }
}

/// 1 for a frame that the card could not send.
fn unsent(done: TxDone) -> u64 {
    u64::from(done.status != completion::OK)
}

/// Makes a received packet ready to go up; `None`: it is no frame.
#[inline]
fn received(mut packet: Packet, info: &RxInfo, dev: &Dev, seen: &Seen) -> Option<Packet> {
    if info.truncated()
        || packet.len() < MIN_FRAME
        || eth::type_trans(&mut packet, seen.ifindex, seen.address).is_err()
    {
        dev.stats().count(Counter::rx_errors);
        dev.stats().count(Counter::rx_length_errors);
        return None;
    }
    packet.hash = info.hash();
    packet.control = info.reason();
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
            let given_up = lock(&queue.tx).start(&mut mmio).map_err(failed)?;
            dev.stats().add(Counter::tx_aborted_errors, given_up as u64);
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
                lock(&queue.tx).stop(&mut mmio),
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
        if tx.room() < frames.len() {
            self.reap(dev, queue, &mut tx);
        }
        let (mut count, mut bytes) = (0, 0);
        while let Some(packet) = frames.pop_front() {
            let (length, class) = (packet.len() as u64, packet.priority & 7);
            let mut sent = tx.send(packet, self.target, class);
            if let Err(NotSent::Unmapped(packet)) = sent {
                tx.map(&mut lock(&self.mmio), &packet);
                sent = tx.send(packet, self.target, class);
            }
            match sent {
                Ok(()) => {
                    count += 1;
                    bytes += length;
                }
                Err(NotSent::Full(packet) | NotSent::Unmapped(packet)) => {
                    frames.push_front(packet);
                    break;
                }
                Err(NotSent::Length(_)) => dev.stats().count(Counter::tx_errors),
            }
        }
        dev.stats().tx(net.stripe(), count, bytes);
        let rung = tx.ring_doorbell(&mut lock(&self.mmio));
        if let Err(error) = rung {
            self.repair_tx(dev, &mut tx, error);
        }
        if tx.is_full() {
            dev.stop_queue(queue);
        }
    }

    /// An interrupt may have been lost: what was completed is taken. If nothing was, the ring is started again with what it has.
    fn tx_timeout(&self, _net: &mut Softnet, dev: &Dev, queue: u16) {
        let Some(pair) = self.queues.get(usize::from(queue)) else {
            return;
        };
        let mut tx = lock(&pair.tx);
        dev.stats().count(Counter::tx_errors);
        let before = tx.in_flight();
        self.reap(dev, queue, &mut tx);
        if before > 0 && tx.in_flight() == before {
            let mut failed = 0;
            let restarted = tx.restart(&mut lock(&self.mmio), |done| failed += unsent(done));
            if let Err(error) = restarted {
                tracing::error!(%error, dev = dev.name(), "the card does not answer");
                dev.carrier_off();
            }
            dev.stats().add(Counter::tx_errors, failed);
        }
        if !tx.is_full() {
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
            tx.flush();
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
            let Receive { ring, batch } = &mut *rx;
            let result = ring.receive(&mut lock(&self.mmio), budget, |packet, info| {
                if let Some(packet) = received(packet, info, dev, &seen) {
                    batch.push_back(packet);
                }
            });
            let taken = result.unwrap_or_else(|error| {
                dev.stats().count(Counter::rx_errors);
                self.repair(dev, error, |mmio| ring.restart(mmio));
                0
            });
            let dropped = std::mem::take(&mut ring.dropped);
            dev.stats().add(Counter::rx_dropped, dropped);
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

//! The memory-speed null device, and what the frame path costs on it.
//!
//! It receives as many frames as it is asked for, from a pool whose buffers hold a frame already, and sends into the same pool: no byte of a
//! frame is written, so that what remains is the path itself: pool, header, receive handler, queue, driver, counters. [`measure`] passes frames both ways
//! between two of them, on one thread.
//!
//! Covered by `tests/netdev/null.rs`, which also sees that the path allocates nothing from the pool that does not come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smartnic_slowpath::MacAddr;

use crate::device::{Counter, Dev, NetDeviceOps, Setup, Xmit};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Batch, HEADROOM, Packet, Pool, PoolCache, Recycler, eth};
use crate::registry::Core;
use crate::softnet::Softnet;
use crate::softnet::rx::{RxHandler, RxResult};

/// Frames of each queue's pool: few enough to stay in the second cache.
const POOL: usize = 512;

struct Side {
    cache: PoolCache,
    batch: Batch,
}

/// A device at the speed of memory.
pub struct NullDevice {
    size: usize,
    receive: Vec<Mutex<Side>>,
    transmit: Vec<Mutex<Recycler>>,
    /// Kept: a pool that is dropped takes nothing back.
    pools: Vec<Pool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NullDevice {
    /// A device that receives frames of `size` bytes (FCS not counted) to `to` on each of `queues`. EINVAL for a size that no frame has.
    pub fn new(size: usize, queues: u16, to: MacAddr) -> Result<Self> {
        if !(eth::HLEN..=9018).contains(&size) || queues == 0 {
            let reason = "a frame has 14 to 9018 bytes, and a device at least one queue";
            return Err(NetdevError::new(Errno::Invalid, "size", size, reason));
        }
        let pools: Vec<Pool> = (0..queues)
            .map(|_| Pool::new(POOL, HEADROOM, size))
            .collect();
        for pool in &pools {
            // All of them at once: each buffer gets the frame that it will be received with.
            let mut all: Vec<Packet> = std::iter::from_fn(|| pool.alloc()).collect();
            for packet in &mut all {
                let frame = packet.put(size).expect("the pool was made for this size");
                frame[..6].copy_from_slice(&to.0);
                frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0xfe]);
                frame[12..14].copy_from_slice(&eth::P_IP.to_be_bytes());
            }
        }
        let side = |pool: &Pool| {
            Mutex::new(Side {
                cache: pool.cache(),
                batch: Batch::with_capacity(POOL),
            })
        };
        Ok(Self {
            size,
            receive: pools.iter().map(side).collect(),
            // Other devices' frames end here: they go back to the pool that they came from.
            transmit: pools.iter().map(|_| Mutex::default()).collect(),
            pools,
        })
    }

    /// What to register it with.
    pub fn setup(&self, name: &str, address: MacAddr) -> Setup {
        let mut setup = Setup::ether(name).with_address(address);
        setup.tx_queues = self.pools.len() as u16;
        setup.napis = self.pools.len() as u16;
        setup.max_mtu = 9000;
        setup
    }
}

impl NetDeviceOps for NullDevice {
    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        if let Some(recycler) = self.transmit.get(usize::from(queue)) {
            lock(recycler).free(packet);
        }
        Xmit::Ok
    }

    fn xmit_batch(&self, net: &mut Softnet, dev: &Dev, queue: u16, frames: &mut Batch) {
        let Some(recycler) = self.transmit.get(usize::from(queue)) else {
            return;
        };
        let mut recycler = lock(recycler);
        let (count, mut bytes) = (frames.len() as u64, 0);
        for packet in frames.drain(..) {
            bytes += packet.len() as u64;
            recycler.free(packet);
        }
        dev.stats().tx(net.stripe(), count, bytes);
    }

    fn poll(&self, net: &mut Softnet, dev: &Dev, napi: u16, budget: usize) -> usize {
        let Some(side) = self.receive.get(usize::from(napi)) else {
            return 0;
        };
        let (ifindex, address) = (dev.ifindex(), dev.address());
        let mut batch = {
            let mut side = lock(side);
            let mut batch = std::mem::take(&mut side.batch);
            for _ in 0..budget {
                let Some(mut packet) = side.cache.alloc() else {
                    break;
                };
                let filled = packet.put_filled(self.size);
                if filled.is_err() || eth::type_trans(&mut packet, ifindex, address).is_err() {
                    dev.stats().count(Counter::rx_length_errors);
                    continue;
                }
                packet.set_queue_mapping(Some(napi));
                batch.push_back(packet);
            }
            batch
        };
        let received = batch.len();
        dev.stats().rx(
            net.stripe(),
            received as u64,
            (received * self.size) as u64,
            0,
        );
        net.receive_list(dev, &mut batch);
        lock(side).batch = batch;
        if received < budget {
            dev.napi_complete(napi);
        }
        received
    }
}

/// Sends everything that it gets by another device.
struct Forward(Dev);

impl RxHandler for Forward {
    fn handle(&self, net: &mut Softnet, _dev: &Dev, mut packet: Packet) -> RxResult {
        if packet.unpull(eth::HLEN).is_ok() {
            net.forward(&self.0, packet);
        }
        RxResult::Consumed
    }
}

/// A case of the measurement.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Bytes of a frame on the wire, FCS counted: 64 is the shortest.
    pub size: usize,
    /// Queues of each device.
    pub queues: u16,
    /// Frames in a batch, at most 256.
    pub batch: usize,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Frames a second, both directions together: each is received, handled and sent.
    pub frames_per_s: f64,
    /// Time of one frame.
    pub per_frame: Duration,
    /// Frames in all.
    pub frames: u64,
}

/// Passes frames both ways between two null devices for about `time`, on this thread.
pub fn measure(case: Case, time: Duration) -> Result<Figure> {
    if !(1..=256).contains(&case.batch) {
        return Err(NetdevError::new(
            Errno::Invalid,
            "batch",
            case.batch,
            "a batch has 1 to 256 frames",
        ));
    }
    let mut core = Core::new();
    let addresses = [1, 2].map(|n| MacAddr([2, 0, 0, 0, 0, n]));
    let mut devs = Vec::new();
    for (n, address) in addresses.into_iter().enumerate() {
        let null = NullDevice::new(case.size.saturating_sub(4), case.queues, address)?;
        let setup = null.setup(&format!("null{n}"), address);
        let dev = core.add(setup, Arc::new(null))?;
        core.open(&dev)?;
        devs.push(dev);
    }
    for n in 0..2 {
        core.rx_handler_register(&devs[n], Box::new(Forward(devs[1 - n].clone())))?;
    }
    let mut net = core.softnet();
    let mut round = |rounds: usize| {
        for _ in 0..rounds {
            for dev in &devs {
                for queue in 0..case.queues {
                    dev.ops().poll(&mut net, dev, queue, case.batch);
                }
            }
        }
    };
    // About ten milliseconds at first, to warm up and to know how many are worth a look at the clock.
    let per_look = (20_000 / (case.batch * usize::from(case.queues))).max(1);
    round(per_look);
    let sent = |devs: &[Dev]| devs.iter().map(|d| d.stats64().tx_packets).sum::<u64>();
    let before = sent(&devs);
    let began = Instant::now();
    while began.elapsed() < time {
        round(per_look);
    }
    let elapsed = began.elapsed();
    let frames = sent(&devs) - before;
    for dev in &devs {
        // Each holds the other by its handler.
        core.rx_handler_unregister(dev)?;
    }
    Ok(Figure {
        frames_per_s: frames as f64 / elapsed.as_secs_f64(),
        per_frame: Duration::from_nanos((elapsed.as_nanos() / u128::from(frames.max(1))) as u64),
        frames,
    })
}

//! `driver`: frames a second of one core through the driver, on the null device (`smartnic_fake::null`).
//!
//! Two devices, a receive handler on each that sends everything by the other one: every frame takes a completion of a receive ring, another packet for
//! that ring, the handler, a submission to a transmit ring, a doorbell a batch, and a completion that is reaped. Both
//! directions are counted together; the null device's own work, which on a machine with a card is not the processor's, is in the
//! time as well. Case: size/queues/batch.
//!
//! `daemon/64` is the receive side of `smartnicd`'s own way, for frames to the host: the ring's frames as packets through the core's devices up to the stack, 64 a poll.
//! What the model of the card does is not in that time.
//!
//! Times are processor time of the thread; cycles are that time at the clock measured beside it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use smartnic_bench::{Args, Error, Report, cpu};
use smartnic_driver::clock::Clock;
use smartnic_driver::device::host::HostConfig;
use smartnic_driver::device::ring::TxTarget;
use smartnic_driver::device::ring_device::{RingConfig, RingDevice, SharedMmio};
use smartnic_driver::device::{MacAddr, Mmio};
use smartnic_driver::switch::datapath::BUDGET;
use smartnic_fake::null::{NullCard, QUEUES};
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Batch, Core, Dev, Packet, Softnet};
use smartnic_regs::values::reason;

use crate::cables::Station;

/// Bytes of a frame on the wire, FCS counted.
const SIZES: [usize; 3] = [64, 512, 1518];
const QUEUE_COUNTS: [u16; 2] = [1, QUEUES as u16];
const BATCHES: [usize; 5] = [1, 4, 16, 64, 256];
/// log2 of a ring's entries: the driver's own choice, and two of the largest batches.
fn ring_log2(batch: usize) -> u32 {
    if batch > 64 { 9 } else { 8 }
}
/// Processor time of a measurement.
const TIME: Duration = Duration::from_millis(200);
/// The clock that the goal is stated for.
const GOAL_HZ: f64 = 3.3e9;

/// Measures every case.
pub fn run(args: &Args, report: &mut Report) -> Result<(), Error> {
    for _ in 0..args.runs {
        let hz = cpu::clock_hz();
        report.add("machine", "clock_hz", hz, "Hz");
        let mut add = |case: &str, frames_per_s: f64| {
            let cycles = hz / frames_per_s;
            report.add(case, "frames_per_s", frames_per_s, "frames/s");
            report.add(case, "cycles_per_frame", cycles, "cycles");
            let at_goal = GOAL_HZ / cycles;
            report.add(case, "frames_per_s_at_3300_mhz", at_goal, "frames/s");
        };
        for size in SIZES {
            for queues in QUEUE_COUNTS {
                for batch in BATCHES {
                    add(
                        &format!("{size}/{queues}/{batch}"),
                        measure(size, queues, batch)?,
                    );
                }
            }
        }
        add("daemon/64", daemon()?);
    }
    Ok(())
}

/// Frames of 64 bytes a second from the ring to the stack above the first port.
fn daemon() -> Result<f64, Error> {
    const ROUNDS: usize = 1000;
    let mut station = Station::new(1, &Clock::manual(), HostConfig::default(), |model| {
        model.set_up("port1", true)
    })?;
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 1, 0x10]);
    frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 0xfe, 8, 0]);
    let (mut time, mut frames) = (Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        let mut card = station.fake.state();
        for _ in 0..BUDGET {
            if !card.deliver(&frame, 0, reason::LOCAL, 0) {
                return Err("the ring has no room for a round".into());
            }
        }
        drop(card);
        let began = cpu::thread_time();
        frames += station.switch.poll()?.frames.len();
        time += cpu::thread_time() - began;
    }
    match frames == ROUNDS * BUDGET {
        true => Ok(frames as f64 / time.as_secs_f64()),
        false => Err(format!("{frames} of {} frames came up", ROUNDS * BUDGET).into()),
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

    fn handle_list(
        &self,
        net: &mut Softnet,
        _dev: &Dev,
        frames: &mut Batch,
        _rest: &mut Vec<RxResult>,
    ) {
        frames.retain_mut(|packet| packet.unpull(eth::HLEN).is_ok());
        net.forward_list(&self.0, frames);
    }
}

/// Handlers that send everything by the other device, both ways.
fn measure(size: usize, queues: u16, batch: usize) -> Result<f64, Error> {
    let mut bed = Bed::new(size, queues, batch)?;
    for n in 0..2 {
        let other = Forward(bed.devs[1 - n].clone());
        bed.core
            .rx_handler_register(&bed.devs[n], Box::new(other))?;
    }
    let result = bed.measure();
    for dev in &bed.devs {
        // Each holds the other by its handler.
        bed.core.rx_handler_unregister(dev)?;
    }
    result
}

/// Two devices over null cards, which receive frames from a station of their own to the other's.
pub struct Bed {
    /// The configuration.
    pub core: Core,
    /// The devices, up.
    pub devs: Vec<Dev>,
    cards: Vec<SharedMmio>,
    queues: u16,
    batch: usize,
}

impl Bed {
    /// Devices for frames of `size` bytes with FCS, in batches.
    pub fn new(size: usize, queues: u16, batch: usize) -> Result<Self, Error> {
        let mut bed = Self {
            core: Core::new(),
            devs: Vec::new(),
            cards: Vec::new(),
            queues,
            batch,
        };
        let station = |n: u8| [2, 0, 0, 0, 1, n];
        for n in 0..2 {
            let mut frame = vec![0; size - 4];
            frame[..6].copy_from_slice(&station(1 - n));
            frame[6..12].copy_from_slice(&station(n));
            frame[12..14].copy_from_slice(&eth::P_IP.to_be_bytes());
            let card = NullCard::new(frame, batch);
            let mmio: SharedMmio = Arc::new(Mutex::new(Mmio::new(card.transport())));
            let config = RingConfig {
                queues,
                rx_rings: QUEUES,
                ring_log2: ring_log2(batch),
                target: TxTarget::Switch,
                moderation: 0,
            };
            let device = RingDevice::new(mmio.clone(), &config)?;
            let setup = device.setup(&format!("card{n}"), MacAddr([2, 0, 0, 0, 0, n]));
            let dev = bed.core.add(setup, Arc::new(device))?;
            bed.core.open(&dev)?;
            bed.devs.push(dev);
            bed.cards.push(mmio);
        }
        Ok(bed)
    }

    /// Frames sent a second of the thread's time, both directions together.
    pub fn measure(&self) -> Result<f64, Error> {
        let mut net = self.core.softnet();
        let mut rounds = |count: usize| {
            for _ in 0..count {
                for (dev, card) in self.devs.iter().zip(&self.cards) {
                    let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
                    card.transport().poll();
                    drop(card);
                    for queue in 0..self.queues {
                        dev.ops().poll(&mut net, dev, queue, self.batch);
                    }
                }
            }
        };
        // Some milliseconds at a time: to warm up, and between two looks at the clock.
        let between_looks = (40_000 / (self.batch * usize::from(self.queues))).max(1);
        rounds(between_looks);
        let sent = || {
            self.devs
                .iter()
                .map(|d| d.stats64().tx_packets)
                .sum::<u64>()
        };
        let (before, began) = (sent(), cpu::thread_time());
        while cpu::thread_time() - began < TIME {
            rounds(between_looks);
        }
        let elapsed = (cpu::thread_time() - began).as_secs_f64();
        let frames = sent() - before;
        for dev in &self.devs {
            let stats = dev.stats64();
            let lost = stats.rx_errors + stats.rx_dropped + stats.tx_errors + stats.tx_dropped;
            if lost > 0 {
                return Err(format!("{lost} frames were lost: the measurement is void").into());
            }
        }
        Ok(frames as f64 / elapsed)
    }
}

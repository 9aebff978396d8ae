//! The host port as a whole: rings, interrupts, moderation, recovery.

use smartnic_netdev::Packet;
use smartnic_regs::values::vector;
use smartnic_regs::{global, host};

use super::mmio::Mmio;
use super::ring::{Event, EventRing, RingSetup, RxFrame, RxInfo, RxRing, TxDone, TxRing, TxTarget};
use super::{Caps, DeviceError};
use crate::pci::Vector;

/// How the host port is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// log2 of the entries of the receive and transmit ring, 2 to 15.
    pub ring_log2: u32,
    /// log2 of the entries of the event ring, 2 to 15.
    pub event_log2: u32,
    /// Completions that may wait for an interrupt, 0 to 255.
    pub moderation_count: u32,
    /// How long they may wait, in microseconds.
    pub moderation_us: u32,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            ring_log2: 8,
            event_log2: 10,
            moderation_count: 8,
            moderation_us: 20,
        }
    }
}

/// Core cycles in a unit of moderation time.
const MODERATION_CYCLES: u32 = 64;
/// Core cycles in a microsecond.
const CYCLES_PER_US: u32 = 125;

impl HostConfig {
    /// The value of host::MODERATION.
    fn moderation(&self) -> u32 {
        let time = self.moderation_us.saturating_mul(CYCLES_PER_US) / MODERATION_CYCLES;
        use host::MODERATION::{COUNT, TIME};
        COUNT.put(self.moderation_count.min(COUNT.max())) | TIME.put(time.min(TIME.max()))
    }
}

/// Resets rings, DMA and MSI-X, and waits until that is over.
pub(super) fn reset(mmio: &mut Mmio) -> Result<(), DeviceError> {
    mmio.write(global::RESET, global::RESET::HOST.put(1))?;
    // The pulse lasts 16 cycles, in which writes to the rings would be lost; a read there and back takes longer.
    for _ in 0..2 {
        mmio.read(global::STATUS)?;
    }
    Ok(())
}

/// Says that a ring is started again, if that is what helps.
fn log_restart(error: DeviceError) -> Result<(), DeviceError> {
    let DeviceError::Ring { ring, fault } = error else {
        return Err(error);
    };
    tracing::error!(%ring, %fault, "restarting the ring");
    Ok(())
}

/// Rings and interrupts of a card, running.
pub struct HostPort {
    rx: RxRing,
    tx: TxRing,
    events: EventRing,
    vectors: Vec<Vector>,
    rx_vector: usize,
    tx_vector: usize,
}

impl HostPort {
    /// Resets the host side, allocates the rings and enables them with their interrupts.
    pub fn start(mmio: &mut Mmio, caps: &Caps, config: &HostConfig) -> Result<Self, DeviceError> {
        for (what, log2) in [
            ("ring size", config.ring_log2),
            ("event ring size", config.event_log2),
        ] {
            if !(2..=15).contains(&log2) {
                return Err(DeviceError::Range {
                    what,
                    value: log2.into(),
                    range: "2^2 to 2^15".into(),
                });
            }
        }
        reset(mmio)?;
        let moderation = config.moderation();
        let setup = |index, name: &str| RingSetup {
            index,
            name: name.into(),
            size_log2: config.ring_log2,
            moderation,
        };
        let mut rx = RxRing::new(mmio, setup(0, "rx0"))?;
        let mut tx = TxRing::new(mmio, setup(caps.queues, "tx0"))?;
        let memory = mmio
            .transport()
            .dma_alloc(EventRing::memory_bytes(config.event_log2))?;
        let mut events = EventRing::new(memory, config.event_log2);
        let vectors = mmio.transport().interrupts(vector::ERROR + 1)?;
        rx.start(mmio)?;
        tx.start(mmio)?;
        events.start(mmio)?;
        Ok(Self {
            rx,
            tx,
            events,
            vectors,
            rx_vector: vector::RINGS as usize,
            tx_vector: caps.queues as usize,
        })
    }

    /// The eventfds to wait for: receive, transmit, events and links, errors.
    pub fn vectors(&self) -> [&Vector; 4] {
        let [event, error] = [vector::EVENT as usize, vector::ERROR as usize];
        [
            &self.vectors[self.rx_vector],
            &self.vectors[self.tx_vector],
            &self.vectors[event],
            &self.vectors[error],
        ]
    }

    /// Clears the eventfds, before the rings are looked at: what comes later raises them again.
    pub fn clear_vectors(&self) {
        for vector in &self.vectors {
            // EAGAIN: it was not raised.
            let _ = vector.read();
        }
    }

    /// Takes received frames. A ring fault is repaired by a restart and reported.
    pub fn receive_packets(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        take: impl FnMut(Packet, &RxInfo),
    ) -> Result<usize, DeviceError> {
        match self.rx.receive(mmio, budget, take) {
            Err(error) => {
                log_restart(error)?;
                self.rx.restart(mmio)?;
                Ok(0)
            }
            done => done,
        }
    }

    /// The same as copies.
    pub fn receive(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        frames: &mut Vec<RxFrame>,
    ) -> Result<usize, DeviceError> {
        self.receive_packets(mmio, budget, |packet, info| {
            frames.push(info.to_frame(&packet));
        })
    }

    /// Frames that came and for which there was no packet, since they were asked for last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.rx.dropped)
    }

    /// Takes transmit completions. A ring fault is repaired by a restart, which loses no frame, and reported.
    pub fn reap(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        done: &mut Vec<TxDone>,
    ) -> Result<usize, DeviceError> {
        let result = self.tx.reap(mmio, budget, |d| done.push(d));
        self.tx.flush();
        match result {
            Err(error) => {
                log_restart(error)?;
                self.tx.restart(mmio, |d| done.push(d))?;
                Ok(0)
            }
            done => done,
        }
    }

    /// Takes events.
    pub fn events(
        &mut self,
        mmio: &mut Mmio,
        budget: usize,
        events: &mut Vec<Event>,
    ) -> Result<usize, DeviceError> {
        match self.events.poll(mmio, budget, events) {
            Err(error) => {
                log_restart(error)?;
                self.events.restarts += 1;
                self.events.start(mmio)?;
                Ok(0)
            }
            done => done,
        }
    }

    /// Queues a frame; false: the ring is full. [`HostPort::flush`] sends.
    pub fn send(
        &mut self,
        frame: &[u8],
        target: TxTarget,
        class: u32,
    ) -> Result<bool, DeviceError> {
        self.tx.send_bytes(frame, target, class)
    }

    /// Tells the card about queued frames.
    pub fn flush(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.tx.ring_doorbell(mmio)
    }

    /// Frames that can be queued now.
    pub fn tx_free(&self) -> usize {
        self.tx.room()
    }

    /// No room to send.
    pub fn tx_full(&self) -> bool {
        self.tx.is_full()
    }

    /// Frames that the card has not sent yet.
    pub fn tx_in_flight(&self) -> usize {
        self.tx.in_flight()
    }

    /// Restarts of receive, transmit and event ring.
    pub fn restarts(&self) -> [u64; 3] {
        [self.rx.restarts(), self.tx.restarts(), self.events.restarts]
    }

    /// Looks whether the card stopped a ring, and restarts it; clears and gives the DMA errors (host::DMA_STATUS).
    pub fn check(&mut self, mmio: &mut Mmio) -> Result<u32, DeviceError> {
        if let Err(error) = self.rx.check(mmio) {
            log_restart(error)?;
            self.rx.restart(mmio)?;
        }
        if let Err(error) = self.tx.check(mmio) {
            log_restart(error)?;
            self.tx.restart(mmio, drop)?;
        }
        let errors = mmio.read(host::DMA_STATUS)?;
        if errors != 0 {
            mmio.write(host::DMA_STATUS, errors)?;
            tracing::warn!(errors, "the card reports DMA errors");
        }
        Ok(errors)
    }

    /// Stops all rings, before the memory goes away.
    pub fn stop(&mut self, mmio: &mut Mmio) -> Result<(), DeviceError> {
        self.events.stop(mmio)?;
        self.rx.stop(mmio)?;
        self.tx.stop(mmio)
    }
}

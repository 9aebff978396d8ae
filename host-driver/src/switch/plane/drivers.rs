//! The operations of the card's ports and of the masters over them. Filters are not set here: the plan for the card looks at the core's lists.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smartnic_netdev::device::{Counter, LinkStats64, PrivFlags};
use smartnic_netdev::{Core, Dev, NetDevice, NetDeviceOps, Packet, Setup, Softnet, Xmit};
use smartnic_regs::values::{counter as c, dest};

use super::{BRIDGE, Plane};
use crate::device::MacAddr;
use crate::device::ring::{MIN_FRAME, TxTarget};
use crate::device::stats::PortCounters;
use crate::netdev::{IfIndex, MTU_MAX, MTU_MIN};

/// Priority of a packet that comes before all others.
const CONTROL: u32 = 7;

/// What ports and masters have in common.
fn setup(name: &str, address: MacAddr) -> Setup {
    let mut setup = Setup::ether(name).with_address(address);
    (setup.min_mtu, setup.max_mtu) = (MTU_MIN, MTU_MAX);
    setup.priv_flags |= PrivFlags::LIVE_ADDR_CHANGE | PrivFlags::UNICAST_FLT;
    setup.carrier = false;
    setup.napis = 0;
    setup
}

fn fits(dev: &NetDevice, packet: &Packet) -> bool {
    (MIN_FRAME..=dev.mtu() as usize + MIN_FRAME + 4).contains(&packet.len())
}

/// A port of the card.
pub(in crate::switch) struct Port {
    number: u32,
    plane: Arc<Plane>,
    speed: AtomicU32,
    /// Counted by cards, or lives of the card, before this one; and as of the last look.
    counted: Mutex<(LinkStats64, LinkStats64)>,
}

impl Port {
    pub(in crate::switch) fn new(number: u32, plane: Arc<Plane>) -> Self {
        Self {
            number,
            plane,
            speed: AtomicU32::new(0),
            counted: Mutex::default(),
        }
    }

    pub(in crate::switch) fn setup(&self, address: MacAddr) -> Setup {
        setup(&format!("port{}", self.number + 1), address)
    }
    pub(in crate::switch) fn set_speed(&self, speed: u32) {
        self.speed.store(speed, Ordering::Relaxed);
    }
    fn counted(&self) -> MutexGuard<'_, (LinkStats64, LinkStats64)> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The card's counters begin anew.
    pub(in crate::switch) fn restarted(&self) {
        let (before, last) = &mut *self.counted();
        before.add(&std::mem::take(last));
    }
}

/// The card's counters by the kernel's names. Of what the card counts both bad and dropped frames have several reasons.
fn link_stats(n: &PortCounters) -> LinkStats64 {
    let sum = |numbers: &[u32]| numbers.iter().map(|i| n.get(*i)).sum::<u64>();
    let lengths = [
        c::RX_UNDERSIZE,
        c::RX_FRAGMENTS,
        c::RX_OVERSIZE,
        c::RX_JABBERS,
    ];
    let bad = [c::RX_FCS_ERRORS, c::RX_SYMBOL_ERRORS];
    LinkStats64 {
        rx_packets: n.get(c::RX_FRAMES),
        rx_bytes: n.get(c::RX_BYTES),
        rx_errors: sum(&bad) + sum(&lengths),
        rx_length_errors: sum(&lengths),
        rx_crc_errors: n.get(c::RX_FCS_ERRORS),
        rx_frame_errors: n.get(c::RX_SYMBOL_ERRORS),
        rx_dropped: sum(&[
            c::DROP_STATE,
            c::DROP_RESERVED,
            c::DROP_NO_DESTINATION,
            c::DROP_BLACKHOLE,
            c::DROP_NO_CELL,
            c::DROP_NOT_COLLECTING,
            c::DROP_BAD_SOURCE,
            c::DROP_CUT,
        ]),
        rx_over_errors: n.get(c::RX_OVERFLOW),
        multicast: sum(&[c::RX_MULTICAST, c::RX_BROADCAST]),
        tx_packets: n.get(c::TX_FRAMES),
        tx_bytes: n.get(c::TX_BYTES),
        tx_errors: n.get(c::TX_UNDERRUN),
        tx_fifo_errors: n.get(c::TX_UNDERRUN),
        tx_dropped: sum(&[c::DROP_QUEUE_FULL, c::DROP_LINK_DOWN]),
        ..LinkStats64::default()
    }
}

impl NetDeviceOps for Port {
    fn open(&self, _core: &mut Core, dev: &Dev) -> smartnic_netdev::Result<()> {
        dev.start_all_queues();
        Ok(())
    }

    fn start_xmit(&self, _net: &mut Softnet, dev: &Dev, queue: u16, packet: Packet) -> Xmit {
        if !fits(dev, &packet) {
            dev.stats().count(Counter::tx_dropped);
            return Xmit::Ok;
        }
        let mut lent = self.plane.lent();
        let to = [TxTarget::Direct(dest::PORT + self.number)];
        // Control frames of a bridge in software come before all others.
        let class = match packet.priority {
            CONTROL => lent.caps.classes.saturating_sub(1),
            _ => 0,
        };
        if !lent.send(packet.bytes(), &to, class) {
            dev.stop_queue(queue);
            return Xmit::Busy(packet);
        }
        Xmit::Ok
    }

    fn link_speed(&self, _dev: &NetDevice) -> u32 {
        self.speed.load(Ordering::Relaxed)
    }

    /// As of the last look while nothing is lent.
    fn get_stats64(&self, _dev: &NetDevice, stats: &mut LinkStats64) {
        let read = {
            let mut lent = self.plane.lent();
            let card = lent.card.as_mut();
            card.map(|card| card.device.stats().port(self.number))
        };
        let (before, last) = &mut *self.counted();
        if let Some(Ok(counters)) = read {
            *last = link_stats(&counters);
        }
        stats.add(before);
        stats.add(last);
    }

    fn supports_netpoll(&self) -> bool {
        true
    }
    fn poll_controller(&self, _net: &mut Softnet, dev: &Dev) {
        self.plane.lent().reap();
        dev.wake_all_queues();
    }
}

/// A master that is built over ports of the card.
pub(in crate::switch) struct MasterDevice {
    kind: &'static str,
    plane: Arc<Plane>,
}

impl MasterDevice {
    pub(in crate::switch) fn new(kind: &'static str, plane: Arc<Plane>) -> Self {
        Self { kind, plane }
    }

    pub(in crate::switch) fn setup(name: &str, ifindex: IfIndex, address: MacAddr) -> Setup {
        let mut setup = setup(name, address);
        setup.ifindex = Some(ifindex.0);
        setup.tx_queue_len = 0;
        setup
    }

    fn sums(&self) -> bool {
        self.kind != BRIDGE
    }
}

impl NetDeviceOps for MasterDevice {
    fn kind(&self) -> Option<&'static str> {
        Some(self.kind)
    }

    fn start_xmit(&self, net: &mut Softnet, dev: &Dev, _queue: u16, packet: Packet) -> Xmit {
        if !fits(dev, &packet) {
            dev.stats().count(Counter::tx_dropped);
            return Xmit::Ok;
        }
        let mut lent = self.plane.lent();
        let own = IfIndex(dev.ifindex());
        let copies = lent.copies(own);
        if lent.room() < copies {
            return Xmit::Busy(packet);
        }
        let mut frame = packet.bytes().to_vec();
        let targets = lent.targets(own, &mut frame);
        if targets.is_empty() {
            dev.stats().count(Counter::tx_dropped);
            return Xmit::Ok;
        }
        lent.send(&frame, &targets, 0);
        if frame[0] & 1 == 1 {
            lent.out.heard.push((own, None, frame));
        }
        if !self.sums() {
            dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        }
        Xmit::Ok
    }

    fn get_stats64(&self, dev: &NetDevice, stats: &mut LinkStats64) {
        if self.sums() {
            dev.lowers().iter().for_each(|l| stats.add(&l.stats64()));
        }
    }

    fn supports_netpoll(&self) -> bool {
        true
    }
    fn poll_controller(&self, _net: &mut Softnet, _dev: &Dev) {
        self.plane.lent().reap();
    }
}

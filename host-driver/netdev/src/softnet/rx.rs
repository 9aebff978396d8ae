//! The way of a received frame up: tags, taps, VLAN devices, the receive handler, protocols (`__netif_receive_skb_core`).

use std::sync::Arc;

use super::shared::Table;
use super::{MAX_ROUNDS, Softnet};
use crate::device::{Counter, Dev};
use crate::packet::{Batch, Packet, PacketType, eth};
use crate::{netpoll, vlan};

/// Bits of a device's `rx_extras`.
pub(crate) const TAPS: u8 = 1;
pub(crate) const VLANS: u8 = 2;
pub(crate) const NETPOLL: u8 = 4;

/// What a receive handler says about a frame.
#[derive(Debug)]
#[must_use]
pub enum RxResult {
    /// The handler has it.
    Consumed,
    /// Start again with the frame's new `dev`.
    Another(Packet),
    /// Only to protocols bound to exactly the device that it came in on.
    Exact(Packet),
    /// As if there were no handler.
    Pass(Packet),
}

/// The one that gets a device's frames before all protocols: a bridge's, a bond's, ...
pub trait RxHandler: Send + Sync {
    /// A frame with its link header pulled.
    fn handle(&self, net: &mut Softnet, dev: &Dev, packet: Packet) -> RxResult;

    /// Many such frames that came together: takes all of `frames`, and puts what [`RxHandler::handle`] would give back for them into `rest`, those that are
    /// consumed left out. One call for all is what makes a batch cheap: whoever forwards does [`Softnet::forward_list`].
    fn handle_list(
        &self,
        net: &mut Softnet,
        dev: &Dev,
        frames: &mut Batch,
        rest: &mut Vec<RxResult>,
    ) {
        for packet in frames.drain(..) {
            match self.handle(net, dev, packet) {
                RxResult::Consumed => {}
                other => rest.push(other),
            }
        }
    }
}

/// A protocol, or a tap: gets frames at the top.
pub trait ProtocolHandler: Send + Sync {
    /// A frame with its link header pulled; `dev` is the device at which it arrived in the end. A tap sees sent frames as well, which
    /// begin at their link header: [`Packet::mac_bytes`] is the whole frame either way.
    fn receive(&self, net: &mut Softnet, dev: &Dev, packet: Packet);
}

/// A registered protocol or tap, to take it away again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProtocolId(pub(crate) u64);

#[derive(Clone)]
pub(crate) struct Protocol {
    pub(crate) id: ProtocolId,
    pub(crate) protocol: u16,
    pub(crate) ifindex: Option<u32>,
    pub(crate) handler: Arc<dyn ProtocolHandler>,
}

/// Taps of one device.
pub(crate) type Taps = Vec<Protocol>;

const BASKETS: usize = 16;

/// Protocols by type, and taps on every device.
#[derive(Clone, Default)]
pub(crate) struct Protocols {
    pub(crate) taps: Taps,
    pub(crate) stack: Option<Arc<dyn ProtocolHandler>>,
    baskets: [Vec<Protocol>; BASKETS],
}

impl Protocols {
    pub(crate) fn basket(&mut self, protocol: u16) -> &mut Vec<Protocol> {
        &mut self.baskets[usize::from(protocol) % BASKETS]
    }
    /// Takes one away wherever it is.
    pub(crate) fn remove(&mut self, gone: impl Fn(&Protocol) -> bool) {
        self.taps.retain(|p| !gone(p));
        self.baskets.iter_mut().for_each(|b| b.retain(|p| !gone(p)));
    }
}

impl Softnet {
    /// Passes a frame up whose `dev` is set and whose header is pulled ([`eth::type_trans`]).
    pub fn receive(&mut self, packet: Packet) {
        self.enter();
        let table = self.shared.table.load_full();
        self.receive_one(&table, packet);
        self.exit();
    }

    /// Passes frames up that all came in on `dev`, their headers pulled: one look at the device, and one call of its handler, for all of them.
    pub fn receive_list(&mut self, dev: &Dev, frames: &mut Batch) {
        self.enter();
        let table = self.shared.table.load_full();
        if dev.is_up() {
            let ifindex = dev.ifindex();
            self.receiving.push(ifindex);
            for packet in frames.iter_mut() {
                packet.iif = ifindex;
            }
            self.round_list(&table, dev, frames, 0);
            self.receiving.pop();
        } else {
            dev.stats().add(Counter::rx_dropped, frames.len() as u64);
            frames.clear();
        }
        self.exit();
    }

    /// The next round of frames that are all at `dev`. What is more than frames for the receive handler goes on one by one.
    fn round_list(&mut self, table: &Table, dev: &Dev, frames: &mut Batch, round: usize) {
        let extras = dev.rx_extras.load(std::sync::atomic::Ordering::Relaxed) != 0
            || !table.protocols.taps.is_empty();
        let tagged = |p: &Packet| eth::is_vlan(p.protocol) || p.vlan_tag().is_some();
        let handler = dev.rx_handler.load();
        let Some(handler) = handler.as_ref().filter(|_| !extras && round < MAX_ROUNDS) else {
            for packet in frames.drain(..) {
                self.rounds(table, packet, round);
            }
            return;
        };
        if frames.iter().any(tagged) {
            for packet in std::mem::take(frames) {
                match tagged(&packet) {
                    true => self.rounds(table, packet, round),
                    false => frames.push_back(packet),
                }
            }
        }
        let mut rest = self.results.pop().unwrap_or_default();
        handler.handle_list(self, dev, frames, &mut rest);
        let mut next = Batch::new();
        for result in rest.drain(..) {
            match result {
                RxResult::Consumed => {}
                RxResult::Another(packet) => {
                    // Those that go on to the same device go on together.
                    if next.front().is_some_and(|p: &Packet| p.dev != packet.dev) {
                        self.another_list(table, &mut next, round + 1);
                    }
                    next.push_back(packet);
                }
                RxResult::Exact(packet) => self.deliver(table, dev, packet, true),
                RxResult::Pass(packet) => self.deliver(table, dev, packet, false),
            }
        }
        self.results.push(rest);
        self.another_list(table, &mut next, round + 1);
    }

    /// Frames that a handler gave to another device.
    fn another_list(&mut self, table: &Table, frames: &mut Batch, round: usize) {
        let Some(first) = frames.front() else {
            return;
        };
        match table.get(first.dev) {
            Some(dev) => self.round_list(table, dev, frames, round),
            None => frames.clear(),
        }
    }

    pub(super) fn receive_one(&mut self, table: &Table, mut packet: Packet) {
        packet.iif = packet.dev;
        let Some(dev) = table.get(packet.dev) else {
            return;
        };
        if !dev.is_up() {
            dev.stats().count(Counter::rx_dropped);
            return;
        }
        self.receiving.push(packet.iif);
        self.rounds(table, packet, 0);
        self.receiving.pop();
    }

    fn rounds(&mut self, table: &Table, mut packet: Packet, from: usize) {
        for _ in from..MAX_ROUNDS {
            let Some(dev) = table.get(packet.dev) else {
                return;
            };
            if eth::untag(&mut packet).is_err() {
                dev.stats().count(Counter::rx_errors);
                dev.stats().count(Counter::rx_length_errors);
                return;
            }
            let extras = dev.rx_extras.load(std::sync::atomic::Ordering::Relaxed);
            if extras & TAPS != 0 || !table.protocols.taps.is_empty() {
                self.tap(table, dev, &packet);
            }
            if extras & NETPOLL != 0 {
                match netpoll::receive(self, dev, packet) {
                    Some(back) => packet = back,
                    None => return,
                }
            }
            if extras & VLANS != 0 && packet.vlan_tag().is_some() {
                match vlan::receive(self, table, dev, packet) {
                    vlan::Received::Another(next) => {
                        packet = next;
                        continue;
                    }
                    vlan::Received::Consumed => return,
                    vlan::Received::Pass(back) => packet = back,
                }
            }
            let handler = dev.rx_handler.load();
            let result = match &*handler {
                Some(handler) => handler.handle(self, dev, packet),
                None => RxResult::Pass(packet),
            };
            match result {
                RxResult::Consumed => return,
                RxResult::Another(next) => packet = next,
                RxResult::Exact(packet) => return self.deliver(table, dev, packet, true),
                RxResult::Pass(packet) => return self.deliver(table, dev, packet, false),
            }
        }
        // Handlers that pass a frame round in a circle.
        if let Some(dev) = table.get(packet.dev) {
            dev.stats().count(Counter::rx_dropped);
        }
    }

    fn deliver(&mut self, table: &Table, dev: &Dev, mut packet: Packet, exact: bool) {
        let stack = &table.protocols.stack;
        if let Some(stack) = stack {
            stack.receive(self, dev, packet.clone());
        }
        if let Some(tag) = packet.vlan_tag() {
            // Of a VLAN that nobody here is in: not for us. VLAN 0 is a priority only (802.1Q 6.9.1).
            if tag.vid() != 0 {
                packet.packet_type = PacketType::OtherHost;
            }
            packet.set_vlan_tag(None);
        }
        if packet.packet_type == PacketType::OtherHost && !dev.is_promiscuous() {
            // Another stack tells by itself what is for it, and knows of its own listeners.
            if stack.is_some() {
                return;
            }
            dev.stats().count(Counter::rx_otherhost_dropped);
            return;
        }
        let (at, first) = (packet.dev, packet.iif);
        let wants = |p: &&Protocol| {
            p.protocol == packet.protocol
                && match p.ifindex {
                    None => !exact,
                    Some(bound) => bound == first || (!exact && bound == at),
                }
        };
        let basket = &table.protocols.baskets[usize::from(packet.protocol) % BASKETS];
        let mut takers = basket.iter().filter(wants);
        let Some(mut taker) = takers.next() else {
            if stack.is_some() {
                return;
            }
            let counter = if exact {
                Counter::rx_nohandler
            } else {
                Counter::rx_dropped
            };
            dev.stats().count(counter);
            return;
        };
        for next in takers {
            taker.handler.receive(self, dev, packet.clone());
            taker = next;
        }
        taker.handler.receive(self, dev, packet);
    }

    /// Shows a frame to the taps of all devices and of this one.
    pub(crate) fn tap(&mut self, table: &Table, dev: &Dev, packet: &Packet) {
        let own = dev.taps.load();
        for tap in table.protocols.taps.iter().chain(own.iter()) {
            tap.handler.receive(self, dev, packet.clone());
        }
    }
}

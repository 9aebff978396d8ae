//! Where a frame goes: to the port of its address, to the members of its group, or to all that flood.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::packet::{Checksum, eth};
use smartnic_netdev::softnet::rx::RxResult;
use smartnic_netdev::{Packet, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::{Delivery, Route};
use smartnic_slowpath::stp::PortState;

use super::Path;
use crate::fdb::{FdbFlags, Key};
use crate::flags::BridgeFlags;
use crate::port::{Count, Port, PortFlags};

/// Which frames a port that floods can be told not to take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Unicast,
    Multicast,
    Broadcast,
}

impl Kind {
    fn flag(self) -> PortFlags {
        match self {
            Kind::Unicast => PortFlags::FLOOD,
            Kind::Multicast => PortFlags::MCAST_FLOOD,
            Kind::Broadcast => PortFlags::BCAST_FLOOD,
        }
    }
}

/// Sends copies, the last of them the frame itself if nobody else wants it.
struct Copies<'p> {
    last: Option<&'p Arc<Port>>,
    sent: bool,
}

impl Path<'_> {
    /// A frame that was let in and learned from: through snooping and proxies to where it goes. Counts where it ended.
    pub(super) fn route(&mut self, net: &mut Softnet, packet: Packet) -> Result<RxResult, Count> {
        let promiscuous = self.dev.is_promiscuous();
        let mut local = promiscuous;
        let mut route = Route::Flood;
        let kind = self.kind();
        match kind {
            Kind::Broadcast => local = true,
            Kind::Multicast => {
                let verdict = self.snoop(net, &packet);
                if verdict.route == Route::Drop {
                    return Err(Count::drop_malformed);
                }
                if verdict.local {
                    local = true;
                    self.dev
                        .stats()
                        .count(smartnic_netdev::device::Counter::multicast);
                }
                route = verdict.route;
            }
            Kind::Unicast => {}
        }
        if self.admitted.state == PortState::Learning {
            return Err(Count::drop_learning);
        }
        if let Some(reply) = self.suppress(&packet) {
            self.answer(net, reply);
        }
        let now = net.now().as_nanos() as u64;
        let target = match kind {
            Kind::Unicast => {
                let key = Key::new(self.admitted.vid, self.destination);
                self.bridge.fdb.use_target(key, now)
            }
            _ => None,
        };
        let (sent, packet) = match target {
            Some(target) if target.flags.contains(FdbFlags::LOCAL) => {
                self.count(Count::local);
                return Ok(self.pass_up(net, packet));
            }
            Some(target) => self.to_port(net, packet, target.port, local),
            None => match route {
                Route::Ports(deliveries) => self.to_members(net, packet, &deliveries, local),
                _ => self.flood(net, packet, kind, local),
            },
        };
        self.count(match (sent, local) {
            (true, _) => Count::forwarded,
            (false, true) => Count::local,
            (false, false) => Count::drop_nowhere,
        });
        match packet {
            Some(packet) if local => Ok(self.pass_up(net, packet)),
            _ => Ok(RxResult::Consumed),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.destination {
            MacAddr::BROADCAST => Kind::Broadcast,
            to if to.is_multicast() => Kind::Multicast,
            _ => Kind::Unicast,
        }
    }

    fn count(&self, what: Count) {
        if let Some(port) = self.from {
            port.cells.count(what);
        }
    }

    /// To the port that an address is behind, or to its backup. What comes back is the frame, if it is to be kept.
    pub(super) fn to_port(
        &self,
        net: &mut Softnet,
        packet: Packet,
        number: u16,
        keep: bool,
    ) -> (bool, Option<Packet>) {
        let mut copies = Copies::new();
        if let Some(mut port) = self.ports.get(number) {
            let backup = port.backup.load(Relaxed);
            if backup != 0
                && !port.is_operational()
                && let Some(other) = self.ports.get(backup)
            {
                port.cells.count(Count::redirected);
                port = other;
            }
            copies.add(self, net, &packet, port);
        }
        copies.finish(self, net, packet, keep)
    }

    /// To all ports that flood.
    pub(super) fn flood(
        &self,
        net: &mut Softnet,
        packet: Packet,
        kind: Kind,
        keep: bool,
    ) -> (bool, Option<Packet>) {
        let mut copies = Copies::new();
        for port in &self.ports.list {
            let flags = port.flags();
            // What the bridge itself sends to all or to a group is not stopped.
            let always = self.from.is_none() && kind != Kind::Unicast;
            if !always && !flags.contains(kind.flag()) {
                continue;
            }
            if flags.contains(PortFlags::PROXY_ARP) {
                continue;
            }
            let quiet = flags.contains(PortFlags::PROXY_ARP_WIFI);
            if self.answered && (quiet || port.suppresses(self.admitted.vid)) {
                continue;
            }
            copies.add(self, net, &packet, port);
        }
        copies.finish(self, net, packet, keep)
    }

    /// To the members of a group and to routers' ports.
    pub(super) fn to_members(
        &self,
        net: &mut Softnet,
        packet: Packet,
        deliveries: &[Delivery],
        keep: bool,
    ) -> (bool, Option<Packet>) {
        let mut copies = Copies::new();
        for delivery in deliveries {
            let Some(port) = self.ports.get(delivery.port as u16) else {
                continue;
            };
            let Some(host) = delivery.unicast else {
                copies.add(self, net, &packet, port);
                continue;
            };
            // Nobody gets back what it said itself, hairpin or not: duplicate address detection would find it.
            let own = self.from.is_some_and(|p| p.number == port.number) && host == self.source;
            if own || !self.may_go(port, &packet) {
                continue;
            }
            let mut copy = packet.clone();
            let pulled = copy.mac_len();
            if copy.unpull(pulled).is_ok() {
                copy.bytes_mut()[..6].copy_from_slice(&host.0);
                copy.set_mac_header();
                let _ = copy.pull(pulled);
                copies.sent |= self.deliver(net, port, copy);
            }
        }
        copies.finish(self, net, packet, keep)
    }

    /// Whether a frame may go out by a port at all.
    fn may_go(&self, port: &Port, packet: &Packet) -> bool {
        let flags = port.flags();
        if let Some(from) = self.from {
            if from.number == port.number && !flags.contains(PortFlags::HAIRPIN) {
                return false;
            }
            if flags.contains(PortFlags::ISOLATED) && from.flags().contains(PortFlags::ISOLATED) {
                return false;
            }
            if packet.offload_forwarded && from.in_hardware() && port.in_hardware() {
                return false;
            }
        }
        let forwards =
            self.bridge.flags().contains(BridgeFlags::MST) || port.state() == PortState::Forwarding;
        forwards && self.bridge.may_leave(&port.vlans, &self.admitted)
    }

    /// Gives a frame, its header pulled, to a port's device. False: it was too long, or the device is down.
    fn deliver(&self, net: &mut Softnet, port: &Port, mut packet: Packet) -> bool {
        let pulled = packet.mac_len();
        if !self.bridge.leave(&port.vlans, &self.admitted, &mut packet)
            || packet.unpull(pulled).is_err()
        {
            return false;
        }
        let dev = &port.dev;
        let most = dev.mtu() as usize + dev.hard_header_len() + eth::VLAN_HLEN;
        if !dev.is_up() || packet.len() > most {
            port.cells.count(Count::drop_tx);
            return false;
        }
        if matches!(packet.checksum(), Checksum::Complete(_)) {
            packet.set_checksum(Checksum::None);
        }
        packet.dev = dev.ifindex();
        port.cells.count(Count::tx);
        if let Some(pdu) = self.pdu {
            self.bridge.mcast().count_sent(port.number.into(), pdu);
        }
        net.forward(dev, packet);
        true
    }
}

impl<'p> Copies<'p> {
    fn new() -> Self {
        Self {
            last: None,
            sent: false,
        }
    }

    /// One more port. The one before it gets a copy.
    fn add(&mut self, path: &Path<'_>, net: &mut Softnet, packet: &Packet, port: &'p Arc<Port>) {
        if !path.may_go(port, packet) {
            return;
        }
        if let Some(before) = self.last.replace(port) {
            self.sent |= path.deliver(net, before, packet.clone());
        }
    }

    /// The last port gets the frame itself, unless it is kept, which then comes back.
    fn finish(
        mut self,
        path: &Path<'_>,
        net: &mut Softnet,
        packet: Packet,
        keep: bool,
    ) -> (bool, Option<Packet>) {
        match self.last {
            Some(port) if keep => self.sent |= path.deliver(net, port, packet.clone()),
            Some(port) => {
                let sent = path.deliver(net, port, packet);
                return (self.sent | sent, None);
            }
            None => {}
        }
        (self.sent, Some(packet))
    }
}

//! What goes up on the bridge's own device, and what that is given to send.

use std::sync::atomic::Ordering::Relaxed;

use smartnic_netdev::device::Counter;
use smartnic_netdev::packet::eth;
use smartnic_netdev::softnet::rx::RxResult;
use smartnic_netdev::{Dev, Packet, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::Route;
use smartnic_slowpath::stp::PortState;

use super::forward::Kind;
use super::{Path, addresses};
use crate::bridge::Bridge;
use crate::fdb::Key;

impl Path<'_> {
    /// A frame for the bridge itself: another round of the receive path, on its device.
    pub(super) fn pass_up(&self, net: &mut Softnet, mut packet: Packet) -> RxResult {
        let (bridge, dev) = (self.bridge, self.dev);
        dev.stats().rx(net.stripe(), 1, packet.len() as u64, 0);
        let group = &bridge.vlans;
        let promiscuous = dev.is_promiscuous();
        if !promiscuous && !bridge.may_leave(group, &self.admitted) {
            return RxResult::Consumed;
        }
        // In promiscuous mode somebody may look at everything, tag and all.
        if !bridge.leave(group, &self.admitted, &mut packet) && !promiscuous {
            return RxResult::Consumed;
        }
        if !dev.is_up() {
            dev.stats().count(Counter::rx_dropped);
            return RxResult::Consumed;
        }
        packet.offload_forwarded = false;
        packet.dev = dev.ifindex();
        packet.iif = packet.dev;
        RxResult::Another(packet)
    }
}

impl Bridge {
    /// A frame that the bridge's device is given to send; it begins at its link header.
    pub(crate) fn transmit(&self, net: &mut Softnet, dev: &Dev, mut packet: Packet) {
        dev.stats().tx(net.stripe(), 1, packet.len() as u64);
        let Some((destination, source)) = open(&mut packet) else {
            dev.stats().count(Counter::tx_errors);
            return;
        };
        let Ok(admitted) = self.admit(&self.vlans, &mut packet, PortState::Forwarding) else {
            return;
        };
        let ports = self.ports.load();
        let mut path = Path {
            bridge: self,
            dev,
            ports: &ports,
            from: None,
            admitted,
            source,
            destination,
            answered: false,
            pdu: None,
        };
        if let Some(reply) = path.suppress(&packet) {
            path.answer(net, reply);
        }
        // Nothing is kept, so nothing comes back.
        let _ = match path.kind() {
            Kind::Multicast => match path.snoop(net, &packet).route {
                Route::Drop => (false, None),
                Route::Ports(members) => path.to_members(net, packet, &members, false),
                Route::Flood => path.flood(net, packet, Kind::Multicast, false),
            },
            Kind::Broadcast => path.flood(net, packet, Kind::Broadcast, false),
            Kind::Unicast => match self.fdb.find(Key::new(admitted.vid, destination)) {
                // To itself: nowhere, as in Linux; to the address of a port: out by that port.
                Some(target) => path.to_port(net, packet, target.port, false),
                None => path.flood(net, packet, Kind::Unicast, false),
            },
        };
    }

    /// The database has to be looked at for entries whose age is over when this one's is.
    pub(super) fn age_no_later(&self, now: u64) {
        let end = now.saturating_add(self.hold.load(Relaxed));
        self.next_age.fetch_min(end, Relaxed);
    }
}

/// Reads the header of a frame to be sent and pulls it; none: it is too short for one.
fn open(packet: &mut Packet) -> Option<(MacAddr, MacAddr)> {
    let addresses = addresses(packet.bytes())?;
    let field = eth::network_type(packet.bytes())?;
    packet.set_mac_header();
    packet.pull(eth::HLEN).ok()?;
    packet.set_network_header();
    packet.protocol = match field {
        eth::P_MIN.. => field,
        _ => eth::P_802_2,
    };
    packet.offload_forwarded = false;
    Some(addresses)
}

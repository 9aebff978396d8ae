//! A frame comes in by a port.

use smartnic_netdev::packet::PacketType;
use smartnic_netdev::softnet::rx::{RxHandler, RxResult};
use smartnic_netdev::{Dev, Packet, Softnet};
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::stp::PortState;

use super::reserved::{Fate, reserved};
use super::{Path, PortHandler, addresses};
use crate::bridge::Bridge;
use crate::fdb::{FdbFlags, Key, Learned};
use crate::flags::BridgeFlags;
use crate::port::{Count, Port, PortFlags};
use crate::vlan::Refused;

impl RxHandler for PortHandler {
    fn handle(&self, net: &mut Softnet, _dev: &Dev, packet: Packet) -> RxResult {
        let cells = &self.port.cells;
        cells.count(Count::rx);
        match self.take(net, packet) {
            Ok(result) => result,
            Err(why) => {
                cells.count(why);
                RxResult::Consumed
            }
        }
    }
}

impl PortHandler {
    fn take(&self, net: &mut Softnet, packet: Packet) -> Result<RxResult, Count> {
        let (to, from) = addresses(packet.mac_bytes()).ok_or(Count::drop_reserved)?;
        if !from.is_unicast() {
            return Err(Count::drop_source);
        }
        if let Some(n) = reserved(to) {
            match self.bridge.fate(&self.port, to, n) {
                Fate::Forward => {}
                Fate::Drop => return Err(Count::drop_reserved),
                fate => return self.take_control(net, packet, from, fate),
            }
        }
        self.take_data(net, packet, to, from)
    }

    /// A frame for a protocol on this port.
    fn take_control(
        &self,
        net: &mut Softnet,
        mut packet: Packet,
        from: MacAddr,
        fate: Fate,
    ) -> Result<RxResult, Count> {
        let (bridge, port) = (&*self.bridge, &*self.port);
        if port.state() == PortState::Disabled {
            return Err(Count::drop_state);
        }
        let learns = port.flags().contains(PortFlags::LEARNING) && port.learns();
        if learns && !bridge.flags().contains(BridgeFlags::NO_LINKLOCAL_LEARN) {
            let vid = bridge.learning_vid(&port.vlans, &packet);
            if let Some(vid) = vid {
                bridge.learn(net, port, from, vid, FdbFlags::empty());
            }
        }
        port.cells.count(Count::control);
        if fate == Fate::Port {
            return Ok(RxResult::Pass(packet));
        }
        let pulled = packet.mac_len();
        if packet.unpull(pulled).is_ok() {
            bridge.receive_bpdu(net.now(), port.number, packet.bytes());
            bridge.send_post(net);
        }
        Ok(RxResult::Consumed)
    }

    fn take_data(
        &self,
        net: &mut Softnet,
        mut packet: Packet,
        destination: MacAddr,
        source: MacAddr,
    ) -> Result<RxResult, Count> {
        let (bridge, port, dev) = (&*self.bridge, &*self.port, &self.dev);
        let flags = bridge.flags();
        let state = match flags.contains(BridgeFlags::MST) {
            // The VLAN's state says it all.
            true => PortState::Forwarding,
            false => port.state(),
        };
        if !matches!(state, PortState::Learning | PortState::Forwarding) {
            return Err(Count::drop_state);
        }
        if destination == dev.address() {
            packet.packet_type = PacketType::Host;
        }
        let admitted = bridge.admit(&port.vlans, &mut packet, state);
        let admitted = admitted.map_err(|refused| match refused {
            Refused::Vlan => Count::drop_vlan,
            Refused::State => Count::drop_state,
        })?;
        let port_flags = port.flags();
        if port_flags.contains(PortFlags::LOCKED)
            && !bridge.lets_in(net, port, port_flags, Key::new(admitted.vid, source))
        {
            return Err(Count::drop_locked);
        }
        if port_flags.contains(PortFlags::LEARNING) {
            bridge.learn(net, port, source, admitted.vid, FdbFlags::empty());
        }
        let ports = bridge.ports.load();
        let mut path = Path {
            bridge,
            dev,
            ports: &ports,
            from: Some(port),
            admitted,
            source,
            destination,
            answered: false,
            pdu: None,
        };
        path.route(net, packet)
    }
}

impl Bridge {
    /// Notes that an address is behind a port.
    pub(crate) fn learn(
        &self,
        net: &Softnet,
        port: &Port,
        source: MacAddr,
        vid: u16,
        extra: FdbFlags,
    ) {
        // With an ageing time of 0 everything floods, always.
        if self.hold.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            return;
        }
        let now = net.now().as_nanos() as u64;
        let key = Key::new(vid, source);
        match self.fdb.learn(&self.events, key, port.number, extra, now) {
            Learned::New => self.age_no_later(now),
            Learned::Own => port.cells.count(Count::own_source),
            _ => {}
        }
    }

    /// Whether a station may use a locked port: it is in the database there, and not as locked. One that is not there is noted if the port says so (MAB).
    fn lets_in(&self, net: &Softnet, port: &Port, flags: PortFlags, key: Key) -> bool {
        let Some(known) = self.fdb.find(key) else {
            if flags.contains(PortFlags::MAB) {
                self.learn(net, port, key.address(), key.vid(), FdbFlags::LOCKED);
            }
            return false;
        };
        if known.port != port.number || known.flags.contains(FdbFlags::LOCAL) {
            return false;
        }
        let locked = known.flags.contains(FdbFlags::LOCKED);
        if locked {
            self.learn(net, port, key.address(), key.vid(), FdbFlags::LOCKED);
        }
        !locked
    }
}

//! Neighbour solicitations, RFC 4861, 4.3 and 4.4. What is malformed is forwarded as it is.

use smartnic_netdev::Packet;
use smartnic_netdev::packet::eth;
use smartnic_slowpath::wire::ip::Ipv6;
use smartnic_slowpath::wire::ndp::{self, Neighbour};

use super::Reply;
use crate::data::Path;

impl Path<'_> {
    pub(super) fn nd(&mut self, packet: &Packet) -> Option<Reply> {
        let packet = Ipv6::parse(packet.bytes()).ok()?;
        let message = Neighbour::parse(&packet).ok()?;
        if self.asked_where_suppressed() {
            return None;
        }
        let (asker, asker_mac, target) = match message {
            Neighbour::Advertisement { solicited, .. } => {
                // Announcements are for nobody who suppresses.
                self.answered |= !solicited;
                return None;
            }
            Neighbour::Solicitation {
                source,
                mac,
                target,
            } => (source, mac, target),
        };
        if !self.destination.is_multicast() {
            return None;
        }
        // Duplicate address detection is for nobody who suppresses.
        let probe = asker.is_unspecified() || asker == packet.destination;
        let vid = self.admitted.vid;
        if probe || self.bridge.neighbours.load().is_own(vid, target.into()) {
            self.answered = true;
            return None;
        }
        let (mac, behind) = self.station(target.into())?;
        let reply = behind.is_some_and(|p| p.suppresses(vid)).then(|| {
            let to = asker_mac.unwrap_or(self.source);
            let header = [&to.0[..], &mac.0, &eth::P_IPV6.to_be_bytes()].concat();
            Reply([&header[..], &ndp::advertise(target, mac, asker)].concat())
        });
        self.answered = true;
        reply
    }
}

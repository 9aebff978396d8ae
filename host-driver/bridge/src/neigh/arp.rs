//! ARP requests, RFC 826.

use smartnic_netdev::Packet;
use smartnic_slowpath::wire::arp::{Arp, ArpOperation};

use super::{Reply, wants_answers};
use crate::data::Path;

impl Path<'_> {
    pub(super) fn arp(&mut self, packet: &Packet, suppressing: bool) -> Option<Reply> {
        // What is no ARP over Ethernet for IPv4 is forwarded as it is.
        let arp = Arp::parse(packet.bytes()).ok()?;
        let (asker, target) = (arp.sender_ip, arp.target_ip);
        if target.is_loopback() || target.is_multicast() {
            return None;
        }
        let request = arp.operation == ArpOperation::Request;
        if suppressing {
            if self.asked_where_suppressed() {
                return None;
            }
            if request && !self.destination.is_multicast() {
                // Somebody knows where it is and wants to hear from it that it is still there.
                return None;
            }
            // Probes and announcements (RFC 5227) are for nobody who suppresses.
            if asker.octets()[0] == 0 || asker == target {
                self.answered = true;
                return None;
            }
        }
        if !request {
            return None;
        }
        if suppressing
            && self
                .bridge
                .neighbours
                .load()
                .is_own(self.admitted.vid, target.into())
        {
            self.answered = true;
            return None;
        }
        let (mac, behind) = self.station(target.into())?;
        let reply = wants_answers(self.from, behind, self.admitted.vid).then(|| {
            let reply = Arp {
                operation: ArpOperation::Reply,
                sender_mac: mac,
                sender_ip: target,
                target_mac: arp.sender_mac,
                target_ip: asker,
            };
            Reply(reply.emit_frame(arp.sender_mac, mac))
        });
        self.answered |= reply.is_some() || suppressing;
        reply
    }
}

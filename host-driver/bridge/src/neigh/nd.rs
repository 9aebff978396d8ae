//! Neighbour solicitations, RFC 4861, 4.3 and 4.4.

use std::net::Ipv6Addr;

use smartnic_netdev::Packet;
use smartnic_netdev::packet::eth;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::wire::ip::{self, Ipv6};

use super::Reply;
use crate::data::Path;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// The header of both messages: type, code, checksum, flags, target.
const LEN: usize = 24;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;

/// A neighbour solicitation or advertisement.
struct Message<'a> {
    advertisement: bool,
    solicited: bool,
    target: Ipv6Addr,
    options: &'a [u8],
}

/// Reads a message; none: it is something else, or malformed, and is forwarded as it is.
fn parse<'a>(packet: &Ipv6<'a>) -> Option<Message<'a>> {
    let message = packet.payload;
    let header: &[u8; LEN] = message.first_chunk()?;
    let wanted = packet.protocol == ip::ICMPV6
        && matches!(header[0], SOLICITATION | ADVERTISEMENT)
        && header[1] == 0
        && packet.hop_limit == 255
        && ip::checksum6(packet.source, packet.destination, message) == 0;
    let target: [u8; 16] = header[8..].try_into().ok()?;
    wanted.then_some(Message {
        advertisement: header[0] == ADVERTISEMENT,
        solicited: header[4] & SOLICITED != 0,
        target: target.into(),
        options: &message[LEN..],
    })
}

/// The address in an option of this kind; a list whose lengths are wrong has none.
fn option(mut options: &[u8], kind: u8) -> Option<MacAddr> {
    loop {
        let length = usize::from(*options.get(1)?) * 8;
        let option = options.get(..length).filter(|o| !o.is_empty())?;
        if option[0] == kind {
            return option[2..].first_chunk().map(|b| MacAddr(*b));
        }
        options = &options[length..];
    }
}

/// "It is here", for who asked: solicited, and to be believed over what is known.
fn advertise(target: Ipv6Addr, mac: MacAddr, asker: Ipv6Addr, asker_mac: MacAddr) -> Vec<u8> {
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, SOLICITED | OVERRIDE, 0, 0, 0];
    message.extend(target.octets());
    message.extend([TARGET_ADDRESS, 1]);
    message.extend(mac.0);
    let sum = ip::checksum6(target, asker, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let packet = Ipv6 {
        source: target,
        destination: asker,
        hop_limit: 255,
        hop_by_hop: false,
        router_alert: false,
        protocol: ip::ICMPV6,
        payload: &message,
    };
    let header = [&asker_mac.0[..], &mac.0, &eth::P_IPV6.to_be_bytes()];
    [&header.concat()[..], &packet.emit()].concat()
}

impl Path<'_> {
    pub(super) fn nd(&mut self, packet: &Packet) -> Option<Reply> {
        let packet = Ipv6::parse(packet.bytes()).ok()?;
        let message = parse(&packet)?;
        if self.asked_where_suppressed() {
            return None;
        }
        if message.advertisement {
            // Announcements are for nobody who suppresses.
            self.answered |= !message.solicited;
            return None;
        }
        if !self.destination.is_multicast() {
            return None;
        }
        let asker = packet.source;
        // Duplicate address detection is for nobody who suppresses.
        let probe = asker.is_unspecified() || asker == packet.destination;
        let vid = self.admitted.vid;
        if probe
            || self
                .bridge
                .neighbours
                .load()
                .is_own(vid, message.target.into())
        {
            self.answered = true;
            return None;
        }
        let (mac, behind) = self.station(message.target.into())?;
        let reply = behind.is_some_and(|p| p.suppresses(vid)).then(|| {
            let asker_mac = option(message.options, SOURCE_ADDRESS).unwrap_or(self.source);
            Reply(advertise(message.target, mac, asker, asker_mac))
        });
        self.answered = true;
        reply
    }
}

//! One user of netpoll: UDP datagrams to and from one peer, ARP answered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice,
};
use smartnic_slowpath::MacAddr;

use crate::device::{Dev, NetDevice};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Checksum, Packet, PacketType, eth, fold, sum};
use crate::softnet::Softnet;
use crate::softnet::tx::TxOutcome;

/// Bytes of a datagram's header.
const UDP_HLEN: usize = 8;
/// Hops that a datagram may take.
const TTL: u8 = 64;

/// Where datagrams come from and go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Address and port on this side.
    pub local: SocketAddr,
    /// Address and port on the other side.
    pub remote: SocketAddr,
    /// Ethernet address of the other side, or of the router: broadcast finds it on its own link.
    pub remote_mac: MacAddr,
}

/// Who sent a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Address and port.
    pub address: SocketAddr,
    /// Ethernet address.
    pub mac: MacAddr,
}

/// Gets the datagrams that come to [`Endpoint::local`].
pub trait Hook: Send + Sync {
    /// A datagram came. It may be answered at once with [`Netpoll::send_to`].
    fn receive(&self, net: &mut Softnet, netpoll: &Netpoll, from: Sender, payload: &[u8]);
}

/// One user of netpoll on a device.
pub struct Netpoll {
    dev: Dev,
    endpoint: Endpoint,
    hook: Option<Arc<dyn Hook>>,
    ended: AtomicBool,
}

impl Netpoll {
    pub(super) fn new(dev: Dev, endpoint: Endpoint, hook: Option<Arc<dyn Hook>>) -> Self {
        Self {
            dev,
            endpoint,
            hook,
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn has_hook(&self) -> bool {
        self.hook.is_some()
    }
    /// True the first time.
    pub(super) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::SeqCst)
    }
    /// It was taken away, or its device was: nothing is sent any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
    /// The device.
    pub fn dev(&self) -> &Dev {
        &self.dev
    }
    /// Both ends.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a frame that begins at its link header, with interrupts off.
    pub fn send(&self, net: &mut Softnet, packet: Packet) -> TxOutcome {
        if self.ended.load(Ordering::SeqCst) {
            return TxOutcome::Dropped;
        }
        net.enter();
        net.irqs_off += 1;
        let outcome = net.xmit(&self.dev, packet);
        net.irqs_off -= 1;
        net.exit();
        outcome
    }

    /// Sends a datagram to the other side.
    pub fn send_udp(&self, net: &mut Softnet, payload: &[u8]) -> Result<TxOutcome> {
        let to = Sender {
            address: self.endpoint.remote,
            mac: self.endpoint.remote_mac,
        };
        self.send_to(net, to, payload)
    }

    /// Sends a datagram to anybody: an answer. EMSGSIZE if it does not fit the device's MTU, EINVAL between IPv4 and IPv6.
    pub fn send_to(&self, net: &mut Softnet, to: Sender, payload: &[u8]) -> Result<TxOutcome> {
        let packet = build(&self.dev, self.endpoint.local, to, payload)?;
        Ok(self.send(net, packet))
    }

    /// Takes a received frame (link header pulled) if it is for the hook, or an ARP request for its address.
    pub(super) fn take(&self, net: &mut Softnet, packet: &Packet) -> bool {
        let Some(hook) = &self.hook else {
            return false;
        };
        if packet.packet_type == PacketType::OtherHost {
            return false;
        }
        if packet.protocol == eth::P_ARP {
            return self.answer_arp(net, packet);
        }
        let Some((sender, payload)) = parse(packet, self.endpoint.local) else {
            return false;
        };
        hook.receive(net, self, sender, payload);
        true
    }

    fn answer_arp(&self, net: &mut Softnet, packet: &Packet) -> bool {
        let IpAddr::V4(local) = self.endpoint.local.ip() else {
            return false;
        };
        let Some((mac, ip)) = parse_arp(packet.bytes(), local) else {
            return false;
        };
        let own = self.dev.address();
        let answer = ArpPacket::new(
            ArpHardwareId::ETHERNET,
            EtherType::IPV4,
            ArpOperation::REPLY,
            &own.0,
            &local.octets(),
            &mac.0,
            &ip.octets(),
        );
        let Ok(answer) = answer else {
            return false;
        };
        let mut packet = self.dev.alloc_packet(eth::ZLEN);
        let built = packet.append(&answer.to_bytes());
        if built.is_ok() && eth::push_header(&mut packet, eth::P_ARP, mac, own, 0).is_ok() {
            packet.protocol = eth::P_ARP;
            self.send(net, packet);
        }
        true
    }
}

/// Sender of an ARP request for `wanted` (RFC 826).
fn parse_arp(bytes: &[u8], wanted: Ipv4Addr) -> Option<(MacAddr, Ipv4Addr)> {
    let arp = etherparse::ArpPacketSlice::from_slice(bytes).ok()?;
    let right = arp.hw_addr_type() == ArpHardwareId::ETHERNET
        && arp.proto_addr_type() == EtherType::IPV4
        && arp.operation() == ArpOperation::REQUEST
        && arp.target_protocol_addr() == wanted.octets();
    let mac = MacAddr(*arp.sender_hw_addr().first_chunk().filter(|_| right)?);
    let ip: [u8; 4] = *arp.sender_protocol_addr().first_chunk()?;
    mac.is_unicast().then(|| (mac, ip.into()))
}

/// A frame with a datagram in it, ready for `dev`.
pub fn build(dev: &NetDevice, from: SocketAddr, to: Sender, payload: &[u8]) -> Result<Packet> {
    let builder = PacketBuilder::ethernet2(dev.address().0, to.mac.0);
    let builder = match (from.ip(), to.address.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => builder.ipv4(a.octets(), b.octets(), TTL),
        (IpAddr::V6(a), IpAddr::V6(b)) => builder.ipv6(a.octets(), b.octets(), TTL),
        _ => {
            let reason = "both addresses must be IPv4, or both IPv6";
            return Err(NetdevError::new(
                Errno::Invalid,
                "address",
                to.address,
                reason,
            ));
        }
    };
    let builder = builder.udp(from.port(), to.address.port());
    let len = builder.size(payload.len());
    if len > dev.mtu() as usize + eth::HLEN {
        let reason = format!(
            "with its headers it is longer than the MTU {} of {}",
            dev.mtu(),
            dev.name()
        );
        return Err(NetdevError::new(
            Errno::MessageSize,
            "payload",
            payload.len(),
            reason,
        ));
    }
    let mut bytes = Vec::with_capacity(len);
    let too_long = |e: &dyn std::fmt::Display| {
        NetdevError::new(Errno::MessageSize, "payload", payload.len(), e.to_string())
    };
    builder
        .write(&mut bytes, payload)
        .map_err(|e| too_long(&e))?;
    let mut packet = dev.alloc_packet(len);
    packet.append(&bytes).map_err(|e| too_long(&e))?;
    packet.protocol = eth::network_type(&bytes).unwrap_or_default();
    Ok(packet)
}

/// Sender and payload of a datagram to `local`, its lengths and checksums right.
fn parse(packet: &Packet, local: SocketAddr) -> Option<(Sender, &[u8])> {
    if !matches!(packet.protocol, eth::P_IP | eth::P_IPV6) {
        return None;
    }
    let sliced = SlicedPacket::from_ip(packet.bytes()).ok()?;
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else {
        return None;
    };
    let (header, payload) = (udp.to_header(), udp.payload());
    // 0 would say "to the end" in a jumbogram (RFC 2675), which none is here.
    if usize::from(header.length) != UDP_HLEN + payload.len() {
        return None;
    }
    let (from, to, right): (IpAddr, IpAddr, u16) = match sliced.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            // Over the bytes as they came: the parsed header has no place for the reserved flag.
            if fold(sum(ip.header().slice())) != 0xffff {
                return None;
            }
            let ip = ip.header().to_header();
            let right = header.calc_checksum_ipv4(&ip, payload).ok()?;
            (ip.source.into(), ip.destination.into(), right)
        }
        NetSlice::Ipv6(ip) => {
            let ip = ip.header().to_header();
            let right = header.calc_checksum_ipv6(&ip, payload).ok()?;
            (ip.source.into(), ip.destination.into(), right)
        }
        NetSlice::Arp(_) => return None,
    };
    // 0 says that the sender made none (RFC 768); IPv6 does not allow that (RFC 8200 section 8.1).
    let unchecked =
        packet.checksum() == Checksum::Unnecessary || header.checksum == 0 && from.is_ipv4();
    if (to, header.destination_port) != (local.ip(), local.port())
        || (!unchecked && right != header.checksum)
    {
        return None;
    }
    let mac = eth::source(packet.mac_bytes())?;
    let address = SocketAddr::new(from, header.source_port);
    Some((Sender { address, mac }, payload))
}

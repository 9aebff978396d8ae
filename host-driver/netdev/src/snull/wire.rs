//! What the hidden loopback does to a frame, and the headers that go with it.

use smartnic_slowpath::MacAddr;

use crate::device::header::too_small;
use crate::device::{HeaderOps, NetDevice};
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Packet, eth};

/// Flips the lowest bit of the third octet of both addresses of an IPv4 frame, and mends the header's checksum. EPROTONOSUPPORT for
/// anything but IPv4 with a whole header.
pub fn flip(frame: &mut [u8]) -> Result<()> {
    let wrong = |reason| {
        Err(NetdevError::new(
            Errno::ProtocolNotSupported,
            "frame",
            "sent",
            reason,
        ))
    };
    let Some((eth::P_IP, at)) = eth::network_offset(frame) else {
        return wrong("it is not IPv4: snull carries nothing else");
    };
    let ip = &mut frame[at..];
    let len = usize::from(ip.first().map_or(0, |b| b & 0xf)) * 4;
    if ip.first().is_none_or(|b| b >> 4 != 4) || len < 20 || ip.len() < len {
        return wrong("its IPv4 header is not whole");
    }
    ip[14] ^= 1;
    ip[18] ^= 1;
    ip[10..12].fill(0);
    let sum = !crate::packet::fold(crate::packet::sum(&ip[..len]));
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

/// Ethernet headers without ARP: to the other one of the pair, whose address differs in the lowest bit.
pub(super) struct SnullHeader;

impl HeaderOps for SnullHeader {
    fn create(
        &self,
        packet: &mut Packet,
        dev: &NetDevice,
        protocol: u16,
        destination: Option<MacAddr>,
        source: Option<MacAddr>,
        len: usize,
    ) -> Result<usize> {
        let own = dev.address();
        let mut to = destination.unwrap_or(own);
        to.0[5] ^= 1;
        eth::push_header(packet, protocol, to, source.unwrap_or(own), len).map_err(too_small)?;
        Ok(eth::HLEN)
    }

    fn parse(&self, packet: &Packet) -> Option<MacAddr> {
        eth::source(packet.mac_bytes())
    }
}

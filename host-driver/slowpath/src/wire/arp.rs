//! ARP for IPv4 over Ethernet, RFC 826.

use std::net::Ipv4Addr;

use crate::mac::MacAddr;

/// The EtherType of ARP.
pub const ETHERTYPE: u16 = 0x0806;
/// Bytes of the packet; what follows is the frame's padding.
pub const LEN: usize = 28;
const HEADER_LEN: usize = 14;
/// Hardware type Ethernet, protocol IPv4, lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What the packet does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOperation {
    /// "Who has the target's protocol address?"
    Request = 1,
    /// "The sender has."
    Reply = 2,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArpError {
    /// Less than an ARP packet.
    #[error("{0} bytes where ARP over Ethernet has 28")]
    Short(usize),
    /// Another EtherType.
    #[error("EtherType {0:#06x} is not ARP, 0x0806")]
    EtherType(u16),
    /// Not IPv4 over Ethernet.
    #[error(
        "hardware type, protocol type and lengths are {0:02x?}, not those of IPv4 over Ethernet"
    )]
    Kind([u8; 6]),
    /// Neither a request nor a reply.
    #[error("operation {0} is neither a request (1) nor a reply (2)")]
    Operation(u16),
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's Ethernet address.
    pub sender_mac: MacAddr,
    /// The sender's IPv4 address.
    pub sender_ip: Ipv4Addr,
    /// The target's Ethernet address; zero in requests.
    pub target_mac: MacAddr,
    /// The target's IPv4 address.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Reads a packet from its hardware type on; padding behind it is ignored.
    pub fn parse(packet: &[u8]) -> Result<Self, ArpError> {
        let fixed = packet
            .first_chunk::<LEN>()
            .ok_or(ArpError::Short(packet.len()))?;
        let kind: [u8; 6] = [fixed[0], fixed[1], fixed[2], fixed[3], fixed[4], fixed[5]];
        if kind != ETHERNET_IPV4 {
            return Err(ArpError::Kind(kind));
        }
        let operation = match u16::from_be_bytes([fixed[6], fixed[7]]) {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            other => return Err(ArpError::Operation(other)),
        };
        let mac = |at: usize| super::slow::mac(fixed, at);
        let ip = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        Ok(Self {
            operation,
            sender_mac: mac(8),
            sender_ip: ip(14),
            target_mac: mac(18),
            target_ip: ip(24),
        })
    }

    /// Reads an untagged frame from its destination address on.
    pub fn parse_frame(frame: &[u8]) -> Result<Self, ArpError> {
        let header = frame
            .first_chunk::<HEADER_LEN>()
            .ok_or(ArpError::Short(frame.len()))?;
        match u16::from_be_bytes([header[12], header[13]]) {
            ETHERTYPE => Self::parse(&frame[HEADER_LEN..]),
            other => Err(ArpError::EtherType(other)),
        }
    }

    /// Its bytes.
    pub fn emit(&self) -> [u8; LEN] {
        let mut packet = [0; LEN];
        packet[..6].copy_from_slice(&ETHERNET_IPV4);
        packet[7] = self.operation as u8;
        packet[8..14].copy_from_slice(&self.sender_mac.0);
        packet[14..18].copy_from_slice(&self.sender_ip.octets());
        packet[18..24].copy_from_slice(&self.target_mac.0);
        packet[24..].copy_from_slice(&self.target_ip.octets());
        packet
    }

    /// The whole frame, padded to the least that Ethernet carries, without FCS.
    pub fn emit_frame(&self, destination: MacAddr, source: MacAddr) -> Vec<u8> {
        let mut frame = Vec::with_capacity(60);
        frame.extend(destination.0);
        frame.extend(source.0);
        frame.extend(ETHERTYPE.to_be_bytes());
        frame.extend(self.emit());
        frame.resize(60, 0);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_of_rfc_826() {
        let arp = Arp {
            operation: ArpOperation::Reply,
            sender_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            sender_ip: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: MacAddr([2, 0, 0, 0, 0, 2]),
            target_ip: Ipv4Addr::new(10, 0, 0, 2),
        };
        let frame = arp.emit_frame(arp.target_mac, arp.sender_mac);
        assert_eq!(frame.len(), 60);
        assert_eq!(
            frame[12..42],
            [
                8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10,
                0, 0, 2
            ]
        );
        assert_eq!(Arp::parse_frame(&frame), Ok(arp));
        for at in 12..22 {
            let mut bad = frame.clone();
            bad[at] ^= 0x10;
            assert!(Arp::parse_frame(&bad).is_err(), "{at}");
        }
        assert_eq!(Arp::parse(&frame[14..41]), Err(ArpError::Short(27)));
    }
}

//! Ethernet framing: type and ownership of a received frame, headers, VLAN tags in and out of the frame.
//!
//! IEEE 802.3 clause 3.2, 802.1Q clause 9.

use smartnic_slowpath::MacAddr;

use super::{Packet, PacketError, PacketType, VlanTag};

/// Bytes of an address.
pub const ALEN: usize = 6;
/// Bytes of the header.
pub const HLEN: usize = 14;
/// Bytes of the shortest frame without its FCS.
pub const ZLEN: usize = 60;
/// Bytes of a VLAN tag.
pub const VLAN_HLEN: usize = 4;
/// IPv4.
pub const P_IP: u16 = 0x0800;
/// ARP.
pub const P_ARP: u16 = 0x0806;
/// IPv6.
pub const P_IPV6: u16 = 0x86dd;
/// 802.1Q customer tag.
pub const P_8021Q: u16 = 0x8100;
/// 802.1ad service tag.
pub const P_8021AD: u16 = 0x88a8;
/// Novell's raw 802.3 (no EtherType: a number of Linux).
pub const P_802_3: u16 = 0x0001;
/// 802.2 LLC (no EtherType: a number of Linux).
pub const P_802_2: u16 = 0x0004;
/// Every protocol, for taps.
pub const P_ALL: u16 = 0x0003;
/// The smallest number that is an EtherType and no length.
pub const P_MIN: u16 = 0x0600;

/// Whose a frame to `destination` is, seen by a device with `address`.
#[inline]
pub fn packet_type(destination: MacAddr, address: MacAddr) -> PacketType {
    if destination == address {
        PacketType::Host
    } else if !destination.is_multicast() {
        PacketType::OtherHost
    } else if destination == MacAddr::BROADCAST {
        PacketType::Broadcast
    } else {
        PacketType::Multicast
    }
}

/// Destination of a frame that begins here.
pub fn destination(frame: &[u8]) -> Option<MacAddr> {
    frame.first_chunk().map(|b| MacAddr(*b))
}

/// Source of a frame that begins here.
pub fn source(frame: &[u8]) -> Option<MacAddr> {
    frame.get(ALEN..)?.first_chunk().map(|b| MacAddr(*b))
}

fn type_field(frame: &[u8]) -> Option<u16> {
    frame
        .get(2 * ALEN..)?
        .first_chunk()
        .map(|b| u16::from_be_bytes(*b))
}

/// Reads the header of a received frame: sets `dev`, the link header's place, the packet type and the protocol, and
/// pulls the header (`eth_type_trans`). A frame without a whole header is an error and stays as it was.
#[inline]
pub fn type_trans(packet: &mut Packet, dev: u32, address: MacAddr) -> Result<u16, PacketError> {
    let bytes = packet.bytes();
    let Some(header) = bytes.first_chunk::<HLEN>() else {
        return Err(super::failure("eth_type_trans", HLEN, bytes.len()));
    };
    let to = MacAddr([
        header[0], header[1], header[2], header[3], header[4], header[5],
    ]);
    let field = u16::from_be_bytes([header[12], header[13]]);
    let raw = bytes.get(HLEN..HLEN + 2) == Some(&[0xff, 0xff]);
    packet.protocol = match field {
        P_MIN.. => field,
        _ if raw => P_802_3,
        _ => P_802_2,
    };
    packet.packet_type = packet_type(to, address);
    packet.dev = dev;
    packet.set_mac_header();
    packet.pull(HLEN)?;
    packet.set_network_header();
    Ok(packet.protocol)
}

/// Puts a header in front. `len` is what a protocol without EtherType writes into the type field.
pub fn push_header(
    packet: &mut Packet,
    protocol: u16,
    destination: MacAddr,
    source: MacAddr,
    len: usize,
) -> Result<(), PacketError> {
    packet.require_headroom(HLEN);
    let header = packet.push(HLEN)?;
    header[..6].copy_from_slice(&destination.0);
    header[6..12].copy_from_slice(&source.0);
    let field = match protocol {
        P_802_2 | P_802_3 => len as u16,
        _ => protocol,
    };
    header[12..].copy_from_slice(&field.to_be_bytes());
    packet.set_mac_header();
    Ok(())
}

/// Whether this EtherType announces a VLAN tag.
#[inline]
pub fn is_vlan(protocol: u16) -> bool {
    matches!(protocol, P_8021Q | P_8021AD)
}

/// Writes the tag that is beside a frame to be sent into it, behind the addresses; data is at the frame's start.
pub fn insert_vlan(packet: &mut Packet) -> Result<(), PacketError> {
    let Some(tag) = packet.vlan_tag() else {
        return Ok(());
    };
    if packet.len() < HLEN {
        return Err(super::failure("VLAN tag", HLEN, packet.len()));
    }
    packet.require_headroom(VLAN_HLEN);
    packet.push(VLAN_HLEN)?;
    let bytes = packet.bytes_mut();
    bytes.copy_within(VLAN_HLEN..VLAN_HLEN + 2 * ALEN, 0);
    bytes[12..14].copy_from_slice(&tag.protocol.to_be_bytes());
    bytes[14..16].copy_from_slice(&tag.tci.to_be_bytes());
    packet.set_mac_header();
    packet.protocol = tag.protocol;
    packet.set_vlan_tag(None);
    Ok(())
}

/// Takes the outer tag of a received frame (header pulled) out of it and puts it beside (`skb_vlan_untag`).
/// A frame too short for its tag is an error and stays as it was.
pub fn untag(packet: &mut Packet) -> Result<(), PacketError> {
    if packet.vlan_tag().is_some() || !is_vlan(packet.protocol) {
        return Ok(());
    }
    let bytes = packet.bytes();
    let Some(inner) = bytes
        .first_chunk::<4>()
        .filter(|_| packet.mac_len() >= HLEN)
    else {
        return Err(super::failure("VLAN tag", VLAN_HLEN, bytes.len()));
    };
    let (tci, next) = (
        u16::from_be_bytes([inner[0], inner[1]]),
        u16::from_be_bytes([inner[2], inner[3]]),
    );
    let raw = bytes.get(4..6) == Some(&[0xff, 0xff]);
    let tag = VlanTag {
        protocol: packet.protocol,
        tci,
    };
    packet.unpull(HLEN)?;
    packet.bytes_mut().copy_within(0..2 * ALEN, VLAN_HLEN);
    packet.pull(VLAN_HLEN)?;
    packet.set_mac_header();
    packet.pull(HLEN)?;
    packet.set_network_header();
    packet.protocol = match next {
        P_MIN.. => next,
        _ if raw => P_802_3,
        _ => P_802_2,
    };
    packet.set_vlan_tag(Some(tag));
    Ok(())
}

/// The type field of a frame that begins here: an EtherType, a tag's, or a length.
pub fn network_type(frame: &[u8]) -> Option<u16> {
    type_field(frame)
}

/// EtherType of a frame to be sent, whose data is at its start, and where its network header is, tags skipped.
pub fn network_offset(frame: &[u8]) -> Option<(u16, usize)> {
    let mut protocol = type_field(frame)?;
    let mut at = HLEN;
    while is_vlan(protocol) {
        let inner = frame.get(at + 2..)?.first_chunk()?;
        protocol = u16::from_be_bytes(*inner);
        at += VLAN_HLEN;
    }
    Some((protocol, at))
}

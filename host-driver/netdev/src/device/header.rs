//! Link layer headers: built, parsed and cached, for Ethernet and for devices without any.

use smartnic_slowpath::MacAddr;

use super::NetDevice;
use super::flags::Flags;
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Packet, eth};

/// A ready header for one neighbour (`hh_cache`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderCache {
    /// The bytes.
    pub bytes: [u8; eth::HLEN],
}

impl HeaderCache {
    /// Puts the header in front of a packet.
    pub fn apply(&self, packet: &mut Packet) -> Result<()> {
        packet.require_headroom(eth::HLEN);
        let header = packet.push(eth::HLEN).map_err(too_small)?;
        header.copy_from_slice(&self.bytes);
        packet.set_mac_header();
        Ok(())
    }
}

/// A header that finds no room, as an error of the device layer.
pub(crate) fn too_small(error: crate::packet::PacketError) -> NetdevError {
    NetdevError::new(
        Errno::MessageSize,
        "packet",
        error.wanted,
        error.to_string(),
    )
}

/// How a device's headers are made.
pub trait HeaderOps: Send + Sync {
    /// Puts a header in front of `packet`; gives its length. `len` counts the bytes behind it. Without a destination a device that resolves
    /// addresses answers EAGAIN, having put the rest in place, and the caller tries again when it knows.
    fn create(
        &self,
        packet: &mut Packet,
        dev: &NetDevice,
        protocol: u16,
        destination: Option<MacAddr>,
        source: Option<MacAddr>,
        len: usize,
    ) -> Result<usize>;

    /// The sender's address of a packet with its link header in place.
    fn parse(&self, packet: &Packet) -> Option<MacAddr>;

    /// A header ready for many frames; none for a protocol that carries lengths.
    fn cache(
        &self,
        _dev: &NetDevice,
        _protocol: u16,
        _destination: MacAddr,
    ) -> Option<HeaderCache> {
        None
    }

    /// The neighbour's address changed.
    fn cache_update(&self, _cache: &mut HeaderCache, _destination: MacAddr) {}
}

/// Ethernet.
#[derive(Clone, Copy, Debug)]
pub struct EthernetHeader;

impl HeaderOps for EthernetHeader {
    fn create(
        &self,
        packet: &mut Packet,
        dev: &NetDevice,
        protocol: u16,
        destination: Option<MacAddr>,
        source: Option<MacAddr>,
        len: usize,
    ) -> Result<usize> {
        let source = source.unwrap_or_else(|| dev.address());
        // Without address resolution nobody will ever fill it in: zeros, as the kernel has it.
        let to = destination.unwrap_or_default();
        eth::push_header(packet, protocol, to, source, len).map_err(too_small)?;
        if destination.is_none() && !dev.flags().intersects(Flags::NOARP | Flags::LOOPBACK) {
            let reason =
                "the neighbour's address is not known yet: resolve it and write it into the header";
            return Err(NetdevError::new(
                Errno::Again,
                "destination",
                "none",
                reason,
            ));
        }
        Ok(eth::HLEN)
    }

    fn parse(&self, packet: &Packet) -> Option<MacAddr> {
        eth::source(packet.mac_bytes())
    }

    fn cache(&self, dev: &NetDevice, protocol: u16, destination: MacAddr) -> Option<HeaderCache> {
        if protocol < eth::P_MIN {
            return None;
        }
        let mut bytes = [0; eth::HLEN];
        bytes[..6].copy_from_slice(&destination.0);
        bytes[6..12].copy_from_slice(&dev.address().0);
        bytes[12..].copy_from_slice(&protocol.to_be_bytes());
        Some(HeaderCache { bytes })
    }

    fn cache_update(&self, cache: &mut HeaderCache, destination: MacAddr) {
        cache.bytes[..6].copy_from_slice(&destination.0);
    }
}

/// A device whose frames have no link header.
#[derive(Clone, Copy, Debug)]
pub struct NoHeader;

impl HeaderOps for NoHeader {
    fn create(
        &self,
        packet: &mut Packet,
        _dev: &NetDevice,
        protocol: u16,
        _destination: Option<MacAddr>,
        _source: Option<MacAddr>,
        _len: usize,
    ) -> Result<usize> {
        packet.protocol = protocol;
        packet.set_mac_header();
        Ok(0)
    }

    fn parse(&self, _packet: &Packet) -> Option<MacAddr> {
        None
    }
}

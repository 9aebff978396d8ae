//! Headers of frames that are sent by a VLAN device.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smartnic_slowpath::MacAddr;

use super::VlanFlags;
use crate::device::header::too_small;
use crate::device::{Dev, HeaderOps, NetDevice};
use crate::error::Result;
use crate::packet::{Packet, eth};

/// Headers of a VLAN device: the tag in them unless headers are reordered, then those of the device below.
pub(super) struct VlanHeader {
    pub(super) real: Dev,
    pub(super) protocol: u16,
    pub(super) vid: u16,
    pub(super) flags: Arc<AtomicU32>,
}

impl HeaderOps for VlanHeader {
    fn create(
        &self,
        packet: &mut Packet,
        dev: &NetDevice,
        protocol: u16,
        destination: Option<MacAddr>,
        source: Option<MacAddr>,
        len: usize,
    ) -> Result<usize> {
        let source = Some(source.unwrap_or_else(|| dev.address()));
        let below = self.real.header();
        if VlanFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
            .contains(VlanFlags::REORDER_HDR)
        {
            return below.create(packet, &self.real, protocol, destination, source, len);
        }
        packet.require_headroom(eth::HLEN + eth::VLAN_HLEN);
        let tag = packet.push(eth::VLAN_HLEN).map_err(too_small)?;
        tag[..2].copy_from_slice(&self.vid.to_be_bytes());
        let inner = if protocol < eth::P_MIN {
            len as u16
        } else {
            protocol
        };
        tag[2..].copy_from_slice(&inner.to_be_bytes());
        let len = len + eth::VLAN_HLEN;
        Ok(eth::VLAN_HLEN
            + below.create(packet, &self.real, self.protocol, destination, source, len)?)
    }

    fn parse(&self, packet: &Packet) -> Option<MacAddr> {
        self.real.header().parse(packet)
    }
}

//! VLAN devices, 802.1Q and 802.1ad, over any device: a port, a bond, a bridge, another VLAN device.
//!
//! On the way down the tag is put beside the frame (or into it, without `reorder_hdr`) and the frame goes on by the device below, which
//! writes the tag if its hardware does not. On the way up the device below has taken the tag out; the frame starts again on the VLAN device.
//! A VLAN device follows the one below: down with it and up with it (unless `loose_binding`), its carrier, its address (unless set), at most its MTU,
//! the features it grants to VLANs. GVRP, MVRP and bridge_binding are refused: nothing here runs those protocols.
//!
//! Covered by `tests/netdev/vlan.rs`.

mod device;
mod flags;
mod follow;
mod header;
mod table;

use std::sync::Arc;

use crate::device::Dev;
use crate::error::{Errno, NetdevError, Result};
use crate::packet::{Packet, PacketType, VlanTag, eth};
use crate::registry::Core;
use crate::softnet::Softnet;
use crate::softnet::shared::Table;

pub use device::Vlan;
pub use flags::VlanFlags;
pub use table::VlanTable;

/// Largest VLAN id.
pub const VID_MAX: u16 = 4094;

/// A VLAN device to be made.
#[derive(Clone, Debug)]
pub struct VlanConfig {
    /// Name; the kernel's habit is `port1.5`.
    pub name: String,
    /// [`eth::P_8021Q`] or [`eth::P_8021AD`].
    pub protocol: u16,
    /// VLAN id, 0 to 4094.
    pub vid: u16,
    /// Flags.
    pub flags: VlanFlags,
    /// Priority of received frames by 802.1p priority: pairs of 802.1p and the stack's.
    pub ingress: Vec<(u8, u32)>,
    /// 802.1p priority of sent frames by the stack's: pairs of the stack's and 802.1p.
    pub egress: Vec<(u32, u8)>,
    /// MTU, or the one of the device below.
    pub mtu: Option<u32>,
}

impl VlanConfig {
    /// 802.1Q with nothing but an id.
    pub fn new(name: impl Into<String>, vid: u16) -> Self {
        Self {
            name: name.into(),
            protocol: eth::P_8021Q,
            vid,
            flags: VlanFlags::REORDER_HDR,
            ingress: Vec::new(),
            egress: Vec::new(),
            mtu: None,
        }
    }
}

/// Makes a VLAN device over `real`. EPROTONOSUPPORT for a protocol that is none of the two, ERANGE for an id over 4094, EOPNOTSUPP for flags that nothing here does and
/// for a device that cannot carry tags, EEXIST for an id that is there, EINVAL for a larger MTU than the device's below; what registering and linking refuse.
pub fn create(core: &mut Core, real: &Dev, config: &VlanConfig) -> Result<Dev> {
    core.must_have(real)?;
    flags::check(real, config)?;
    follow::subscribe(core)?;
    let vlan = Arc::new(Vlan::new(real, config)?);
    let dev = core.add(vlan.setup(config), vlan.clone())?;
    let result = install(core, real, &dev, &vlan);
    if result.is_err() {
        core.unregister(&dev);
        result?;
    }
    Ok(dev)
}

fn install(core: &mut Core, real: &Dev, dev: &Dev, vlan: &Arc<Vlan>) -> Result<()> {
    core.upper_link(real, dev)?;
    if vlan.is_filtered() {
        real.ops()
            .vlan_add(core, real, vlan.protocol(), vlan.vid())?;
    }
    table::change(real, |t| t.insert(dev.ifindex(), vlan.clone()));
    follow::carrier(real, dev);
    core.run_link_events();
    core.update_features(dev)
}

/// What became of a tagged frame.
pub(crate) enum Received {
    Another(Packet),
    Consumed,
    Pass(Packet),
}

/// A frame with its tag beside it arrived on a device that has VLAN devices.
pub(crate) fn receive(
    net: &mut Softnet,
    table: &Table,
    real: &Dev,
    mut packet: Packet,
) -> Received {
    let vlans = real.vlans.load();
    let found = packet
        .vlan_tag()
        .and_then(|tag| Some((tag, vlans.find(tag)?)));
    let Some((tag, (ifindex, vlan))) = found else {
        return Received::Pass(packet);
    };
    let Some(dev) = table.get(ifindex) else {
        return Received::Pass(packet);
    };
    if !dev.is_up() {
        dev.stats().count(crate::device::Counter::rx_dropped);
        return Received::Consumed;
    }
    packet.dev = ifindex;
    packet.set_vlan_tag(None);
    packet.priority = vlan.ingress(tag.pcp());
    // The device below took it for somebody else's: it is ours if the VLAN device has an address of its own.
    if packet.packet_type == PacketType::OtherHost
        && eth::destination(packet.mac_bytes()) == Some(dev.address())
    {
        packet.packet_type = PacketType::Host;
    }
    let multicast = matches!(packet.packet_type, PacketType::Multicast).into();
    dev.stats()
        .rx(net.stripe(), 1, packet.len() as u64, multicast);
    if !vlan.flags().contains(VlanFlags::REORDER_HDR) && put_back(&mut packet, tag).is_err() {
        dev.stats().count(crate::device::Counter::rx_errors);
        return Received::Consumed;
    }
    Received::Another(packet)
}

/// Writes the tag into a received frame's link header again, whose length grows; the data stays at the network header.
fn put_back(
    packet: &mut Packet,
    tag: VlanTag,
) -> std::result::Result<(), crate::packet::PacketError> {
    let (protocol, pulled) = (packet.protocol, packet.mac_len());
    packet.unpull(pulled)?;
    packet.set_vlan_tag(Some(tag));
    let result = eth::insert_vlan(packet);
    packet.set_vlan_tag(None);
    packet.pull(pulled + if result.is_ok() { eth::VLAN_HLEN } else { 0 })?;
    packet.protocol = protocol;
    packet.set_network_header();
    result
}

/// Bytes of headroom that a device needs for itself: a VLAN device its tag.
pub(crate) fn own_headroom(dev: &Dev) -> usize {
    match dev.priv_flags().contains(crate::device::PrivFlags::VLAN) {
        true => eth::VLAN_HLEN,
        false => 0,
    }
}

pub(crate) fn refuse<T>(
    errno: Errno,
    argument: &'static str,
    value: impl ToString,
    reason: &'static str,
) -> Result<T> {
    Err(NetdevError::new(errno, argument, value, reason))
}

//! ARP (RFC 826) and neighbour discovery (RFC 4861) answered on behalf of known stations: `proxy_arp`, `proxy_arp_wifi`, `neigh_suppress` (RFC 8302's way).
//!
//! Known stations are the neighbours of the bridge's device and of the VLAN devices on it, which a user or a control plane sets ([`Neighbours`]): VLAN 0 is
//! the bridge's device. An answer is given only for a neighbour whose address is in the forwarding database.
//!
//! Cost: a look at the EtherType of frames that are neither ARP nor IPv6; without a port that asks for any of this, nothing of IPv6 is parsed.
//!
//! Covered by `tests/neigh.rs`.

mod arp;
mod nd;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use smartnic_netdev::packet::{PacketType, VlanTag, eth};
use smartnic_netdev::{Packet, Softnet};
use smartnic_slowpath::MacAddr;

use crate::bridge::Bridge;
use crate::data::Path;
use crate::fdb::Key;
use crate::flags::BridgeFlags;
use crate::port::{Port, PortFlags};

/// The neighbours and the own addresses of a bridge and of the VLAN devices on it.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    known: BTreeMap<(u16, IpAddr), MacAddr>,
    own: BTreeSet<(u16, IpAddr)>,
}

impl Neighbours {
    pub(super) fn find(&self, vid: u16, address: IpAddr) -> Option<MacAddr> {
        self.known.get(&(vid, address)).copied()
    }
    pub(super) fn is_own(&self, vid: u16, address: IpAddr) -> bool {
        self.own.contains(&(vid, address))
    }
    /// All: VLAN, address, where it is.
    pub fn iter(&self) -> impl Iterator<Item = (u16, IpAddr, MacAddr)> {
        self.known.iter().map(|((vid, ip), mac)| (*vid, *ip, *mac))
    }
}

impl Bridge {
    /// Sets (or forgets) where a station is (`ip neigh replace ADDRESS lladdr MAC dev br0`).
    pub fn set_neighbour(&self, vlan: u16, address: IpAddr, mac: Option<MacAddr>) {
        self.neighbours.rcu(|old| {
            let mut new = Neighbours::clone(old);
            match mac {
                Some(mac) => new.known.insert((vlan, address), mac),
                None => new.known.remove(&(vlan, address)),
            };
            new
        });
    }

    /// Says that an address is (or is no longer) the bridge's own, or its VLAN device's: nobody answers for it.
    pub fn set_own_address(&self, vlan: u16, address: IpAddr, own: bool) {
        self.neighbours.rcu(|old| {
            let mut new = Neighbours::clone(old);
            match own {
                true => new.own.insert((vlan, address)),
                false => new.own.remove(&(vlan, address)),
            };
            new
        });
    }

    /// Its neighbours.
    pub fn neighbours(&self) -> std::sync::Arc<Neighbours> {
        self.neighbours.load_full()
    }
}

/// An answer: a whole frame for who asked.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Path<'_> {
    /// Looks at a frame that asks for an address. Sets [`Path::answered`] if it must not reach ports that suppress such questions.
    pub(crate) fn suppress(&mut self, packet: &Packet) -> Option<Reply> {
        let suppressing = self.bridge.flags().contains(BridgeFlags::NEIGH_SUPPRESS);
        match packet.protocol {
            // The bridge's own questions are looked at only where some port suppresses.
            eth::P_ARP if self.from.is_some() || suppressing => self.arp(packet, suppressing),
            eth::P_IPV6 if suppressing => self.nd(packet),
            _ => None,
        }
    }

    fn asked_where_suppressed(&self) -> bool {
        self.from.is_some_and(|p| p.suppresses(self.admitted.vid))
    }

    /// The station that has an address, if it is known and its address is in the database: where it is, and behind which port (none: the bridge itself).
    fn station(&self, address: IpAddr) -> Option<(MacAddr, Option<&Port>)> {
        let vid = self.admitted.vid;
        let mac = self.bridge.neighbours.load().find(vid, address)?;
        let target = self.bridge.fdb.find(Key::new(vid, mac))?;
        Some((mac, self.ports.get(target.port).map(|p| &**p)))
    }

    /// Sends an answer to where the question came from, in its VLAN: by the port, or up if the bridge itself asked.
    pub(crate) fn answer(&self, net: &mut Softnet, reply: Reply) {
        let mut packet = Packet::from_bytes(&reply.0);
        let vid = self.admitted.vid;
        let Some(port) = self.from else {
            if let Ok(protocol) =
                eth::type_trans(&mut packet, self.dev.ifindex(), self.dev.address())
            {
                packet.protocol = protocol;
                packet.packet_type = PacketType::Host;
                if vid != 0 {
                    self.tag(&mut packet, vid);
                }
                net.netif_rx(self.dev, packet);
            }
            return;
        };
        if vid != 0 && port.vlans.load().pvid != vid {
            self.tag(&mut packet, vid);
        }
        net.forward(&port.dev, packet);
    }

    fn tag(&self, packet: &mut Packet, vid: u16) {
        let protocol = self.bridge.vlan_protocol();
        packet.set_vlan_tag(Some(VlanTag { protocol, tci: vid }));
    }
}

/// Whether questions for stations behind a port are answered.
fn wants_answers(asked: Option<&Port>, behind: Option<&Port>, vid: u16) -> bool {
    asked.is_some_and(|p| p.flags().contains(PortFlags::PROXY_ARP))
        || behind
            .is_some_and(|p| p.flags().contains(PortFlags::PROXY_ARP_WIFI) || p.suppresses(vid))
}

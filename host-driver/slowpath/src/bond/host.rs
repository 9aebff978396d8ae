//! The host behind a bond, as its own frames tell of it: its addresses and its multicast groups; and what the bond says of them in its name.
//!
//! Linux asks the stack above a bond; this bond has none above it that it could ask, so that it listens. An address is the host's if the host says so in ARP
//! or in a neighbour solicitation or advertisement (RFC 4861) from the bond's own address, and no longer once somebody else says that it is his: an
//! address that moved to another host (VRRP) must not be announced. A host that has said nothing yet is not announced. Where the bond is in a bridge, the host
//! speaks from the bridge's address ([`Bond::set_above`]), and is announced from it, as Linux passes an announcement on to the bridge.
//!
//! After a fail-over ([`super::Action::NotifyPeers`]) each address is announced on the new active slave, by a gratuitous ARP (RFC 5227, 3) or an unsolicited
//! neighbour advertisement (RFC 4861, 7.2.6); [`super::Action::ResendIgmp`] repeats the reports of its groups. Both go out with the VLAN tag that the host's
//! own frames had. The ARP monitor asks with the address that shares most bits with the target.
//!
//! Limits: [`MAX_ADDRESSES`] addresses, the one that was heard longest ago makes room.
//!
//! Covered by `tests/bond_announce.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::dissect::Ethernet;
use super::groups::Groups;
use super::slave::SlaveId;
use super::{Bond, Tx};
use crate::mac::MacAddr;
use crate::wire::arp::{self, Arp, ArpOperation};
use crate::wire::igmp::Igmp;
use crate::wire::ip::{self, Ipv4, Ipv6};
use crate::wire::membership::Strictness;
use crate::wire::mld::Mld;
use crate::wire::ndp::{self, Neighbour};

/// A VLAN tag: its TPID and TCI.
pub(super) type Tag = Option<[u16; 2]>;

/// Addresses that are known of a host.
pub(super) const MAX_ADDRESSES: usize = 64;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MIN_FRAME: usize = 60;

/// An address of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address {
    tag: Tag,
    ip: IpAddr,
    /// It says that it forwards (RFC 4861, 4.4).
    router: bool,
    /// It is the bridge's in which the bond is, and announced from its address.
    above: bool,
}

/// What is known of the host.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// The address of the bridge in which the bond is: the host speaks from it, too.
    above: Option<MacAddr>,
    /// The one that was heard last at the end.
    addresses: Vec<Address>,
    groups4: Groups<Ipv4Addr>,
    groups6: Groups<Ipv6Addr>,
}

/// Who says that an address is his: ARP's sender, the target of a neighbour advertisement, the source of a solicitation.
fn claim(ethertype: u16, payload: &[u8]) -> Option<(MacAddr, IpAddr, bool)> {
    let (mac, ip, router) = match ethertype {
        arp::ETHERTYPE => {
            let arp = Arp::parse(payload).ok()?;
            (arp.sender_mac, arp.sender_ip.into(), false)
        }
        IPV6 => match Neighbour::parse(&Ipv6::parse(payload).ok()?).ok()? {
            Neighbour::Advertisement {
                target,
                mac: Some(mac),
                router,
                ..
            } => (mac, target.into(), router),
            Neighbour::Solicitation {
                source,
                mac: Some(mac),
                ..
            } => (mac, source.into(), false),
            _ => return None,
        },
        _ => return None,
    };
    // Nobody's: a probe for an address that the sender has not got yet (RFC 5227, 2.1.1; RFC 4862, 5.4).
    let real = match ip {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unspecified(),
    };
    real.then_some((mac, ip, router))
}

impl Host {
    /// The host sent this frame.
    pub(super) fn sent(&mut self, frame: &[u8], ethernet: Ethernet, own: MacAddr) {
        let (tag, payload) = (ethernet.tag, &frame[ethernet.payload..]);
        let from_host = |c: &(MacAddr, IpAddr, bool)| c.0 == own || Some(c.0) == self.above;
        if let Some((mac, ip, router)) = claim(ethernet.ethertype, payload).filter(from_host) {
            let above = mac != own;
            self.addresses.retain(|a| (a.tag, a.ip) != (tag, ip));
            if self.addresses.len() == MAX_ADDRESSES {
                self.addresses.remove(0);
            }
            self.addresses.push(Address {
                tag,
                ip,
                router,
                above,
            });
        }
        match ethernet.ethertype {
            IPV4 => {
                let packet = Ipv4::parse(payload).ok().filter(|p| p.protocol == ip::IGMP);
                if let Some(igmp) = packet.and_then(|p| Igmp::parse(&p, Strictness::Linux).ok()) {
                    self.groups4.hear(tag, &igmp);
                }
            }
            IPV6 => {
                let packet = Ipv6::parse(payload)
                    .ok()
                    .filter(|p| p.hop_by_hop && p.protocol == ip::ICMPV6);
                if let Some(mld) = packet.and_then(|p| Mld::parse(&p, Strictness::Linux).ok()) {
                    self.groups6.hear(tag, &mld);
                }
            }
            _ => {}
        }
    }

    /// This frame came from elsewhere.
    pub(super) fn heard(
        &mut self,
        frame: &[u8],
        ethernet: Ethernet,
        ours: impl Fn(MacAddr) -> bool,
    ) {
        if self.addresses.is_empty() {
            return;
        }
        let claimed = claim(ethernet.ethertype, &frame[ethernet.payload..]);
        let above = self.above;
        if let Some((_, ip, _)) = claimed.filter(|c| !ours(c.0) && Some(c.0) != above) {
            self.addresses
                .retain(|a| (a.tag, a.ip) != (ethernet.tag, ip));
        }
    }

    /// Its IPv4 addresses, with their tags.
    pub(super) fn ips(&self) -> impl DoubleEndedIterator<Item = (Tag, Ipv4Addr)> {
        self.addresses.iter().filter_map(|a| match a.ip {
            IpAddr::V4(ip) => Some((a.tag, ip)),
            IpAddr::V6(_) => None,
        })
    }

    /// One announcement of every address, from this one or the bridge's.
    fn announcements(&self, own: MacAddr) -> Vec<Vec<u8>> {
        let announce = |a: &Address| {
            let own = self.above.filter(|_| a.above).unwrap_or(own);
            match a.ip {
                IpAddr::V4(ip) => {
                    let arp = Arp {
                        operation: ArpOperation::Request,
                        sender_mac: own,
                        sender_ip: ip,
                        target_mac: MacAddr::default(),
                        target_ip: ip,
                    };
                    framed(MacAddr::BROADCAST, own, a.tag, arp::ETHERTYPE, &arp.emit())
                }
                IpAddr::V6(target) => {
                    let packet = ndp::unsolicited(target, own, a.router);
                    framed(ndp::ALL_NODES_MAC, own, a.tag, IPV6, &packet)
                }
            }
        };
        self.addresses.iter().map(announce).collect()
    }

    /// The reports of all groups, from this address.
    fn reports(&self, own: MacAddr) -> Vec<Vec<u8>> {
        let of4 = self.groups4.iter().map(|group| {
            let report = group.report();
            let [_, b, c, d] = report.destination.octets();
            let to = MacAddr([1, 0, 0x5e, b & 0x7f, c, d]);
            framed(to, own, group.tag, IPV4, &report.emit())
        });
        let of6 = self.groups6.iter().map(|group| {
            let report = group.report();
            let to = ndp::multicast_mac(report.destination);
            framed(to, own, group.tag, IPV6, &report.emit())
        });
        of4.chain(of6).collect()
    }
}

/// A frame of at least the least length, without FCS.
pub(super) fn framed(
    to: MacAddr,
    from: MacAddr,
    tag: Tag,
    ethertype: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = [to.0, from.0].concat();
    for word in tag.into_iter().flatten().chain([ethertype]) {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(payload);
    frame.resize(frame.len().max(MIN_FRAME), 0);
    frame
}

/// Bits at the beginning that two addresses share.
fn shared(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

impl Bond {
    /// The host sent this frame by the bond, from its destination address on; [`Bond::transmit`] looks by itself, so that only those who choose the member
    /// elsewhere (in hardware) need to call this.
    pub fn overhear(&mut self, frame: &[u8]) {
        if let Some(ethernet) = Ethernet::of(frame) {
            self.host.sent(frame, ethernet, self.address);
        }
    }

    /// The bond is in a bridge with this address, or in none.
    pub fn set_above(&mut self, bridge: Option<MacAddr>) {
        self.host.above = bridge;
        if bridge.is_none() {
            self.host.addresses.retain(|a| !a.above);
        }
    }

    /// Who asks for a target: the tag to ask with, and the host's address that shares most bits with it. Without any the bond asks as nobody
    /// (RFC 5227's probe), which some hosts answer.
    pub(super) fn asks(&self, target: Ipv4Addr) -> (Tag, Ipv4Addr) {
        let set = self.ips.iter().map(|ip| (None, *ip));
        // Of equals the first.
        let known = set.chain(self.host.ips()).rev();
        let nobody = (None, Ipv4Addr::UNSPECIFIED);
        known
            .max_by_key(|(_, ip)| shared(*ip, target))
            .unwrap_or(nobody)
    }

    /// The address is the host's.
    pub(super) fn has_ip(&self, ip: Ipv4Addr) -> bool {
        self.ips.contains(&ip) || self.host.ips().any(|(_, own)| own == ip)
    }

    /// One announcement of every address on the active slave.
    pub(super) fn announce(&mut self) {
        if let Some(slave) = self.usable_current() {
            self.say(slave, self.host.announcements(self.address));
        }
    }

    /// The reports of all groups, by whatever member they take in this mode.
    pub(super) fn repeat_memberships(&mut self, now: Duration) {
        for mut frame in self.host.reports(self.address) {
            let Some(ethernet) = Ethernet::of(&frame) else {
                continue;
            };
            match self.choose(now, &mut frame, ethernet, 0) {
                Tx::One(slave) => self.say(slave, vec![frame]),
                Tx::Each(slaves) => slaves
                    .into_iter()
                    .for_each(|s| self.say(s, vec![frame.clone()])),
                Tx::Drop => {}
            }
        }
    }

    fn say(&mut self, slave: SlaveId, frames: Vec<Vec<u8>>) {
        self.counters.announced += frames.len() as u64;
        frames.into_iter().for_each(|frame| self.send(slave, frame));
    }
}

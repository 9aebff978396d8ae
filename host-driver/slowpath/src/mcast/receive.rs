//! Frames come in: which of them are IGMP, MLD, PIM or router advertisements, and what they say.

use std::net::IpAddr;
use std::time::Duration;

use super::decide::Verdict;
use super::group::Full;
use super::query::Heard;
use super::report::Origin;
use super::types::{Family, GroupAddress, Pdu, PortId};
use super::{Snooping, snooped};
use crate::MacAddr;
use crate::wire::igmp::{self, Igmp};
use crate::wire::ip::{self, Ipv4, Ipv6};
use crate::wire::membership::{Record, decode8, decode16};
use crate::wire::mld::{self, Mld};

/// A frame as the bridge takes it, its tag taken off.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where from; none: from the bridge's own stack.
    pub port: Option<PortId>,
    /// The VLAN that it is in; 0 on a bridge that does not filter VLANs.
    pub vid: u16,
    /// Source address.
    pub source: MacAddr,
    /// Destination address, with the group bit set.
    pub destination: MacAddr,
    /// What is inside.
    pub ethertype: u16,
    /// What follows the EtherType, padding included.
    pub payload: &'a [u8],
}

/// What a frame is to forwarding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Group and source of an IP packet.
    pub packet: Option<(IpAddr, IpAddr)>,
    /// A message that is not forwarded by the database.
    pub pdu: Option<Pdu>,
    /// If nobody is known to want it, only routers get it.
    pub routers_only: bool,
}

/// The packet or the message is malformed, or cannot be noted.
struct Drop;

impl From<Full> for Drop {
    fn from(_: Full) -> Self {
        Self
    }
}

/// PIM version 2, type hello (RFC 7761, 4.9).
const PIM_HELLO: u8 = 0x20;

impl Snooping {
    /// Takes a multicast frame, does what it says, and says where it goes.
    ///
    /// A malformed packet is counted, dropped, and changes nothing. A report that finds no room is dropped too, not counted; its
    /// records before that one count. A frame to a single station is none of the machine's business and floods.
    pub fn receive(&mut self, now: Duration, frame: &Frame) -> Verdict {
        self.advance(now);
        if !frame.destination.is_multicast() {
            return Verdict::flood();
        }
        let Some(context) = self.context_of(frame.vid) else {
            return Verdict::flood();
        };
        let seen = match frame.ethertype {
            0x0800 => self.receive_ipv4(context, frame),
            0x86dd => self.receive_ipv6(context, frame),
            _ => Ok(Seen::default()),
        };
        match seen {
            Ok(seen) => {
                if let Some(pdu) = seen.pdu {
                    self.count(frame.port, |stats| stats.of(pdu).rx += 1);
                }
                self.decide(frame, &seen)
            }
            Err(Drop) => Verdict::drop(),
        }
    }

    fn malformed(&mut self, frame: &Frame, family: Family) -> Drop {
        self.count(frame.port, |stats| *stats.parse_errors(family) += 1);
        Drop
    }

    fn receive_ipv4(&mut self, context: u16, frame: &Frame) -> Result<Seen, Drop> {
        let packet = match Ipv4::parse(frame.payload) {
            Ok(packet) => packet,
            Err(_) => return Err(self.malformed(frame, Family::V4)),
        };
        let mut seen = Seen {
            packet: Some((packet.destination.into(), packet.source.into())),
            ..Seen::default()
        };
        let message = match packet.protocol {
            ip::IGMP => match Igmp::parse(&packet, self.strictness) {
                Ok(igmp) => igmp.message,
                Err(_) => return Err(self.malformed(frame, Family::V4)),
            },
            _ => {
                let hello = packet.protocol == ip::PIM
                    && packet.destination == igmp::ALL_PIM_ROUTERS
                    && packet.payload.first() == Some(&PIM_HELLO);
                if hello && packet.payload.len() >= 4 {
                    self.mark_router(context, frame.port, Family::V4);
                }
                seen.routers_only = snooped(packet.destination.into());
                return Ok(seen);
            }
        };
        let from = origin(context, frame, packet.source.into());
        seen.pdu = self.igmp(&from, &packet, message, &mut seen.routers_only)?;
        Ok(seen)
    }

    fn igmp(
        &mut self,
        from: &Origin,
        packet: &Ipv4,
        message: igmp::Message,
        routers_only: &mut bool,
    ) -> Result<Option<Pdu>, Drop> {
        use igmp::Message;
        let pdu = match message {
            Message::Query(query) => {
                let pdu = match &query.v3 {
                    Some(_) => Pdu::IgmpV3Query,
                    None if query.is_v1() => Pdu::IgmpV1Query,
                    None => Pdu::IgmpV2Query,
                };
                let (tenths, group) = match &query.v3 {
                    Some(_) => (decode8(query.response_code), query.group),
                    // A query of version 1 is general and leaves ten seconds (RFC 2236, 4).
                    None if query.is_v1() => (100, std::net::Ipv4Addr::UNSPECIFIED),
                    None => (query.response_code.into(), query.group),
                };
                let (suppress, sources) = query
                    .v3
                    .map_or((false, Vec::new()), |v3| (v3.suppress, v3.sources));
                let sources: Vec<_> = sources.into_iter().map(IpAddr::V4).collect();
                self.query_heard(
                    from.context,
                    from.port,
                    from.vid,
                    &Heard {
                        source: from.address,
                        group: super::multicast(group.into()),
                        sources: &sources,
                        suppress,
                        response: Duration::from_millis(u64::from(tenths) * 100)
                            .max(Duration::from_millis(1)),
                    },
                );
                pdu
            }
            Message::ReportV1(group) | Message::ReportV2(group) => {
                *routers_only = true;
                let v1 = matches!(message, Message::ReportV1(_));
                self.report_group(from, group.into(), v1)?;
                if v1 {
                    Pdu::IgmpV1Report
                } else {
                    Pdu::IgmpV2Report
                }
            }
            Message::Leave(group) => {
                self.leave_group(from, group.into())?;
                Pdu::IgmpLeave
            }
            Message::ReportV3(records) => {
                self.report_records(from, records)?;
                Pdu::IgmpV3Report
            }
            Message::Other(kind) => {
                if kind == igmp::ROUTER_ADVERTISEMENT && packet.destination == igmp::ALL_SNOOPERS {
                    self.mark_router(from.context, from.port, Family::V4);
                }
                *routers_only = snooped(packet.destination.into());
                return Ok(None);
            }
        };
        Ok(Some(pdu))
    }

    fn report_records<A: Into<IpAddr>>(
        &mut self,
        from: &Origin,
        records: Vec<Record<A>>,
    ) -> Result<(), Full> {
        for record in records {
            let sources: Vec<IpAddr> = record.sources.into_iter().map(Into::into).collect();
            self.report_record(from, record.kind, record.group.into(), &sources)?;
        }
        Ok(())
    }

    fn receive_ipv6(&mut self, context: u16, frame: &Frame) -> Result<Seen, Drop> {
        let packet = match Ipv6::parse(frame.payload) {
            Ok(packet) => packet,
            Err(_) => return Err(self.malformed(frame, Family::V6)),
        };
        let mut seen = Seen {
            packet: Some((packet.destination.into(), packet.source.into())),
            ..Seen::default()
        };
        if !packet.hop_by_hop || packet.protocol != ip::ICMPV6 {
            seen.routers_only = snooped(packet.destination.into());
            return Ok(seen);
        }
        let message = match Mld::parse(&packet, self.strictness) {
            Ok(mld) => mld.message,
            Err(_) => return Err(self.malformed(frame, Family::V6)),
        };
        let from = origin(context, frame, packet.source.into());
        seen.pdu = self.mld(&from, &packet, message, &mut seen.routers_only)?;
        Ok(seen)
    }

    fn mld(
        &mut self,
        from: &Origin,
        packet: &Ipv6,
        message: mld::Message,
        routers_only: &mut bool,
    ) -> Result<Option<Pdu>, Drop> {
        use mld::Message;
        let pdu = match message {
            Message::Query(query) => {
                let (pdu, millis) = match &query.v2 {
                    Some(_) => (Pdu::MldV2Query, decode16(query.response_code).max(1)),
                    None => (Pdu::MldV1Query, query.response_code.into()),
                };
                let (suppress, sources) = query
                    .v2
                    .map_or((false, Vec::new()), |v2| (v2.suppress, v2.sources));
                let sources: Vec<_> = sources.into_iter().map(IpAddr::V6).collect();
                // A query of version 1 that leaves no time is passed on, and otherwise passed over.
                if millis > 0 {
                    self.query_heard(
                        from.context,
                        from.port,
                        from.vid,
                        &Heard {
                            source: from.address,
                            group: super::multicast(query.group.into()),
                            sources: &sources,
                            suppress,
                            response: Duration::from_millis(millis.into()),
                        },
                    );
                }
                pdu
            }
            Message::ReportV1(group) => {
                *routers_only = true;
                self.report_group(from, group.into(), false)?;
                Pdu::MldV1Report
            }
            Message::Done(group) => {
                self.leave_group(from, group.into())?;
                Pdu::MldDone
            }
            Message::ReportV2(records) => {
                self.report_records(from, records)?;
                Pdu::MldV2Report
            }
            Message::Other(kind) => {
                if kind == mld::ROUTER_ADVERTISEMENT && packet.destination == mld::ALL_SNOOPERS {
                    self.mark_router(from.context, from.port, Family::V6);
                }
                *routers_only = snooped(packet.destination.into());
                return Ok(None);
            }
        };
        Ok(Some(pdu))
    }
}

fn origin(context: u16, frame: &Frame, address: IpAddr) -> Origin {
    Origin {
        context,
        vid: frame.vid,
        port: frame.port,
        mac: frame.source,
        address,
    }
}

impl Frame<'_> {
    /// The group of a frame that is not IP.
    pub(super) fn ethernet_group(&self) -> GroupAddress {
        GroupAddress::Mac(self.destination)
    }
}

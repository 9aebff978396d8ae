//! A bridge with a clock, and the frames that hosts and routers send.
#![allow(dead_code, reason = "each test uses some of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use smartnic_slowpath::MacAddr;
use smartnic_slowpath::mcast::*;
use smartnic_slowpath::wire::ip::{Ipv4, Ipv6};
use smartnic_slowpath::wire::membership::{QueryDetails, Record, RecordKind, Strictness};
use smartnic_slowpath::wire::{igmp, mld};

/// A seed from the environment, or a new one; printed, so that a failure can be repeated.
pub fn rng() -> ChaCha8Rng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn centis(n: u64) -> Duration {
    Duration::from_millis(n * 10)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Group `n` of a family: no two share an Ethernet address.
pub fn group(family: Family, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(239, 1, 1, n).into(),
        Family::V6 => Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 1, n.into()).into(),
    }
}

pub fn source(family: Family, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 9, 9, n).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 9, n.into()).into(),
    }
}

/// The address of host `n`.
pub fn host(family: Family, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 0, 0, n).into(),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n.into()).into(),
    }
}

pub fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

pub fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => panic!("{address}"),
    }
}

pub fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(_) => panic!("{address}"),
    }
}

/// A record of a report: what, of which group, with which sources.
pub type Said = (RecordKind, IpAddr, Vec<IpAddr>);

fn records<A>(said: &[Said], address: fn(IpAddr) -> A) -> Vec<Record<A>> {
    let record = |(kind, group, sources): &Said| Record {
        kind: *kind,
        group: address(*group),
        sources: sources.iter().map(|source| address(*source)).collect(),
    };
    said.iter().map(record).collect()
}

/// An IGMPv3 or MLDv2 report.
pub fn report(from: IpAddr, said: &[Said]) -> Vec<u8> {
    match from {
        IpAddr::V4(source) => igmp(
            source,
            igmp::ALL_V3_ROUTERS,
            igmp::Message::ReportV3(records(said, v4)),
        ),
        IpAddr::V6(source) => mld(
            source,
            mld::ALL_V2_ROUTERS,
            mld::Message::ReportV2(records(said, v6)),
        ),
    }
}

/// An IGMPv2 or MLDv1 report.
pub fn old_report(from: IpAddr, group: IpAddr) -> Vec<u8> {
    match from {
        IpAddr::V4(source) => igmp(source, v4(group), igmp::Message::ReportV2(v4(group))),
        IpAddr::V6(source) => mld(source, v6(group), mld::Message::ReportV1(v6(group))),
    }
}

/// An IGMPv2 leave or MLDv1 done.
pub fn leave(from: IpAddr, group: IpAddr) -> Vec<u8> {
    match from {
        IpAddr::V4(source) => igmp(source, igmp::ALL_ROUTERS, igmp::Message::Leave(v4(group))),
        IpAddr::V6(source) => mld(source, mld::ALL_ROUTERS, mld::Message::Done(v6(group))),
    }
}

fn igmp(source: Ipv4Addr, destination: Ipv4Addr, message: igmp::Message) -> Vec<u8> {
    igmp::Igmp {
        source,
        destination,
        message,
    }
    .emit()
}

fn mld(source: Ipv6Addr, destination: Ipv6Addr, message: mld::Message) -> Vec<u8> {
    mld::Mld {
        source,
        destination,
        message,
    }
    .emit()
}

/// A query of IGMPv2 or MLDv1, or with `details` (the S flag) of the newer version; hosts have a second, or ten for a general one.
pub fn query(from: IpAddr, group: Option<IpAddr>, details: Option<bool>) -> Vec<u8> {
    fn newer<A>(suppress: bool) -> QueryDetails<A> {
        QueryDetails {
            suppress,
            robustness: 2,
            interval_code: 125,
            sources: Vec::new(),
        }
    }
    let tenths = if group.is_some() { 10 } else { 100 };
    match from {
        IpAddr::V4(source) => {
            let asked = group.map_or(Ipv4Addr::UNSPECIFIED, v4);
            let to = if group.is_some() {
                asked
            } else {
                igmp::ALL_SYSTEMS
            };
            let query = igmp::Query {
                group: asked,
                response_code: tenths,
                v3: details.map(newer),
            };
            igmp(source, to, igmp::Message::Query(query))
        }
        IpAddr::V6(source) => {
            let asked = group.map_or(Ipv6Addr::UNSPECIFIED, v6);
            let to = if group.is_some() {
                asked
            } else {
                mld::ALL_NODES
            };
            let query = mld::Query {
                group: asked,
                response_code: u16::from(tenths) * 100,
                v2: details.map(newer),
            };
            mld(source, to, mld::Message::Query(query))
        }
    }
}

/// A packet of a stream.
pub fn data(from: IpAddr, to: IpAddr) -> Vec<u8> {
    match from {
        IpAddr::V4(source) => Ipv4 {
            source,
            destination: v4(to),
            ttl: 8,
            router_alert: false,
            fragment: false,
            protocol: 17,
            payload: &[0; 8],
        }
        .emit(),
        IpAddr::V6(source) => Ipv6 {
            source,
            destination: v6(to),
            hop_limit: 8,
            hop_by_hop: false,
            router_alert: false,
            protocol: 17,
            payload: &[0; 8],
        }
        .emit(),
    }
}

/// What a query that the bridge sent asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub family: Family,
    pub group: Option<IpAddr>,
    pub sources: Vec<IpAddr>,
    pub suppress: bool,
    pub response: Duration,
}

/// Reads a query that the bridge sent, believing nothing.
pub fn read_query(frame: &[u8]) -> Asked {
    use smartnic_slowpath::wire::membership::{decode8, decode16};
    let some = |group: IpAddr| (!group.is_unspecified()).then_some(group);
    match frame[12..14] {
        [0x08, 0x00] => {
            let packet = Ipv4::parse(&frame[14..]).expect("an IPv4 packet");
            let message = igmp::Igmp::parse(&packet, Strictness::Rfc).expect("IGMP");
            let igmp::Message::Query(query) = message.message else {
                panic!("{message:?}");
            };
            let mac = GroupAddress::Ip(message.destination.into()).mac();
            assert_eq!(frame[..6], mac.0);
            let v3 = query.v3;
            Asked {
                family: Family::V4,
                group: some(query.group.into()),
                suppress: v3.as_ref().is_some_and(|v3| v3.suppress),
                response: Duration::from_millis(100)
                    * match &v3 {
                        Some(_) => decode8(query.response_code),
                        None => query.response_code.into(),
                    },
                sources: v3.map_or(Vec::new(), |v3| {
                    v3.sources.into_iter().map(IpAddr::V4).collect()
                }),
            }
        }
        _ => {
            let packet = Ipv6::parse(&frame[14..]).expect("an IPv6 packet");
            let message = mld::Mld::parse(&packet, Strictness::Rfc).expect("MLD");
            let mld::Message::Query(query) = message.message else {
                panic!("{message:?}");
            };
            let mac = GroupAddress::Ip(message.destination.into()).mac();
            assert_eq!(frame[..6], mac.0);
            let v2 = query.v2;
            Asked {
                family: Family::V6,
                group: some(query.group.into()),
                suppress: v2.as_ref().is_some_and(|v2| v2.suppress),
                response: Duration::from_millis(match &v2 {
                    Some(_) => decode16(query.response_code).into(),
                    None => query.response_code.into(),
                }),
                sources: v2.map_or(Vec::new(), |v2| {
                    v2.sources.into_iter().map(IpAddr::V6).collect()
                }),
            }
        }
    }
}

/// A bridge that is up, with ports 1 to `ports` forwarding.
pub struct Bridge {
    pub now: Duration,
    pub snooping: Snooping,
}

impl Bridge {
    pub fn new(ports: PortId) -> Self {
        let mut snooping = Snooping::new();
        let now = Duration::ZERO;
        snooping.set_addresses(Addresses {
            mac: mac(0xff),
            ipv4: Some(Ipv4Addr::new(10, 0, 0, 254)),
            link_local: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe)),
        });
        snooping.set_running(now, true);
        for port in 1..=ports {
            snooping.add_port(now, port);
            snooping.set_port_state(now, port, PortState::Forwarding);
        }
        let mut bridge = Self { now, snooping };
        bridge.set(Knob::StatsEnabled, 1);
        bridge
    }

    /// A bridge that counts sources and queries, at a time when the hosts have had time to answer.
    pub fn querier(ports: PortId) -> Self {
        let mut bridge = Self::new(ports);
        bridge.set(Knob::IgmpVersion, 3);
        bridge.set(Knob::MldVersion, 2);
        bridge.set(Knob::Querier, 1);
        bridge.run_to(secs(60));
        bridge.snooping.take_outputs();
        bridge
    }

    pub fn set(&mut self, knob: Knob, value: u64) {
        let set = self.snooping.set_knob(self.now, 0, knob, value);
        set.expect("a good value");
    }

    pub fn set_port(&mut self, port: PortId, knob: PortKnob, value: u64) {
        let set = self.snooping.set_port_knob(self.now, port, 0, knob, value);
        set.expect("a good value");
    }

    /// Lets time pass, at every deadline exactly.
    pub fn run_to(&mut self, until: Duration) {
        while let Some(at) = self.snooping.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.snooping.advance(self.now);
        }
        self.now = until;
        self.snooping.advance(until);
    }

    pub fn run(&mut self, time: Duration) {
        self.run_to(self.now + time);
    }

    /// A frame from a port (0: from the bridge itself).
    pub fn receive_in(&mut self, vid: u16, port: PortId, host: u8, packet: &[u8]) -> Verdict {
        let v4 = packet[0] >> 4 == 4;
        let destination: IpAddr = if v4 {
            <[u8; 4]>::try_from(&packet[16..20]).expect("four").into()
        } else {
            <[u8; 16]>::try_from(&packet[24..40])
                .expect("sixteen")
                .into()
        };
        self.snooping.receive(
            self.now,
            &Frame {
                port: (port != 0).then_some(port),
                vid,
                source: mac(host),
                destination: GroupAddress::Ip(destination).mac(),
                ethertype: if v4 { 0x0800 } else { 0x86dd },
                payload: packet,
            },
        )
    }

    pub fn receive(&mut self, port: PortId, host: u8, packet: &[u8]) -> Verdict {
        self.receive_in(0, port, host, packet)
    }

    /// The ports that a stream's packet goes to; none if it floods.
    pub fn ports(&mut self, from: IpAddr, to: IpAddr) -> Option<Vec<PortId>> {
        match self.receive(0, 0xee, &data(from, to)).route {
            Route::Flood => None,
            Route::Drop => panic!("a good packet was dropped"),
            Route::Ports(ports) => Some(ports.iter().map(|to| to.port).collect()),
        }
    }

    /// The queries sent to ports since the last call, with the ports.
    pub fn queries(&mut self) -> Vec<(PortId, Asked)> {
        let sent = |output| match output {
            Output::Send {
                port: Some(port),
                frame,
                ..
            } => Some((port, read_query(&frame))),
            _ => None,
        };
        self.snooping
            .take_outputs()
            .into_iter()
            .filter_map(sent)
            .collect()
    }
}

/// The moment before.
pub const TICK: Duration = Duration::from_nanos(1);

/// Lets time pass to just before `at`, checks, then to `at`, and checks that it is no longer so.
pub fn until(bridge: &mut Bridge, at: Duration, so: impl Fn(&mut Bridge) -> bool) {
    bridge.run_to(at - TICK);
    assert!(so(bridge), "not so before {at:?}");
    bridge.run_to(at);
    assert!(!so(bridge), "still so at {at:?}");
}

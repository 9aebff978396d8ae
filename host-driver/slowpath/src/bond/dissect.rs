//! What a frame's flow is made of: addresses and ports, as far as each hash policy of Linux bonding looks.
//!
//! Two walks: [`plain`] for layer2+3 and layer3+4, which reads the one IP header behind the EtherType (and the packet
//! inside an ICMP error), and [`deep`] for the encap policies, which goes on through tunnels to the innermost headers,
//! where Linux's flow dissector goes. Bytes that are missing end a walk; nothing is assumed about them. IP's own length
//! fields are not looked at, as Linux does not.

/// Headers that [`deep`] enters before it is content with what it has, as many as Linux.
const MAX_HEADERS: usize = 15;

const ETH_IPV4: u16 = 0x0800;
const ETH_IPV6: u16 = 0x86dd;
const ETH_VLAN: [u16; 2] = [0x8100, 0x88a8];
/// ARP, RARP, both MPLS: known, but without addresses for a flow.
const ETH_NO_FLOW: [u16; 4] = [0x0806, 0x8035, 0x8847, 0x8848];
const ETH_PPPOE: u16 = 0x8864;
/// Transparent Ethernet Bridging: Ethernet in GRE.
const ETH_TEB: u16 = 0x6558;

const IP_ICMP: u8 = 1;
const IP_IPIP: u8 = 4;
const IP_IPV6: u8 = 41;
const IP_GRE: u8 = 47;
const IP_AH: u8 = 51;
const IP_ICMPV6: u8 = 58;
/// TCP, UDP, DCCP, ESP, SCTP, UDP-Lite: what stands in the place of ports comes first.
const IP_PORTS_FIRST: [u8; 6] = [6, 17, 33, 50, 132, 136];
/// Hop-by-hop, routing, destination options.
const IPV6_OPTIONS: [u8; 3] = [0, 43, 60];
const IPV6_FRAGMENT: u8 = 44;

/// Addresses and ports, each XORed or packed as the hash wants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Flow {
    /// Source XOR destination; of IPv6, the XOR of their words. Words are loaded little-endian.
    pub addresses: u32,
    /// The first four bytes of the transport header, little-endian; or ICMP's type, code and identifier.
    pub ports: u32,
}

/// The outermost tag (TPID and TCI), the EtherType behind it, and where the payload begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ethernet {
    pub tag: Option<[u16; 2]>,
    pub ethertype: u16,
    pub payload: usize,
}

impl Ethernet {
    /// `None` if the frame is shorter than its headers.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let outer = be16(frame, 12)?;
        if !ETH_VLAN.contains(&outer) {
            return Some(Self {
                tag: None,
                ethertype: outer,
                payload: 14,
            });
        }
        Some(Self {
            tag: Some([outer, be16(frame, 14)?]),
            ethertype: be16(frame, 16)?,
            payload: 18,
        })
    }
}

fn byte(frame: &[u8], at: usize) -> Option<u8> {
    frame.get(at).copied()
}

fn be16(frame: &[u8], at: usize) -> Option<u16> {
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

fn word(frame: &[u8], at: usize) -> Option<u32> {
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// An IP header.
struct Ip {
    addresses: u32,
    /// Protocol, or IPv6's next header.
    protocol: u8,
    /// An IPv4 fragment.
    fragment: bool,
    payload: usize,
}

impl Ip {
    fn of(frame: &[u8], at: usize, ethertype: u16) -> Option<Self> {
        match ethertype {
            ETH_IPV4 => {
                let length = usize::from(byte(frame, at)? & 15) * 4;
                let addresses = word(frame, at + 12)? ^ word(frame, at + 16)?;
                (length >= 20).then_some(())?;
                Some(Self {
                    addresses,
                    protocol: byte(frame, at + 9)?,
                    // More fragments, or an offset.
                    fragment: be16(frame, at + 6)? & 0x3fff != 0,
                    payload: at + length,
                })
            }
            ETH_IPV6 => {
                let words = (at + 8..at + 40).step_by(4);
                Some(Self {
                    addresses: words
                        .map(|w| word(frame, w))
                        .try_fold(0, |a, w| Some(a ^ w?))?,
                    protocol: byte(frame, at + 6)?,
                    fragment: false,
                    payload: at + 40,
                })
            }
            _ => None,
        }
    }

    fn ports(&self, frame: &[u8]) -> u32 {
        if self.fragment {
            return 0;
        }
        ports(frame, self.payload, self.protocol)
    }
}

/// The ports word of a transport header; 0 where there is none.
fn ports(frame: &[u8], at: usize, protocol: u8) -> u32 {
    let at = match protocol {
        IP_AH => at + 4,
        _ if IP_PORTS_FIRST.contains(&protocol) => at,
        _ => return 0,
    };
    word(frame, at).unwrap_or(0)
}

/// ICMP's word: type, code and identifier, for those messages that have one.
fn icmp_word(frame: &[u8], at: usize) -> Option<u32> {
    let (kind, code) = (byte(frame, at)?, byte(frame, at + 1)?);
    // Echo and timestamp, requests and replies; ICMPv6 echo. Linux asks the type only, not the version.
    if !matches!(kind, 0 | 8 | 13 | 14 | 128 | 129) {
        return None;
    }
    let id = be16(frame, at + 4)?.max(1);
    Some(u32::from(kind) | u32::from(code) << 8 | u32::from(id) << 16)
}

/// ICMP errors carry the packet that they are about.
fn is_icmp_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        IP_ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        _ => (1..=4).contains(&kind),
    }
}

/// The flow for layer2+3 and layer3+4; `None` where there is no IP.
pub(super) fn plain(frame: &[u8], ethernet: Ethernet) -> Option<Flow> {
    let ip = Ip::of(frame, ethernet.payload, ethernet.ethertype)?;
    let mut flow = Flow {
        addresses: ip.addresses,
        ports: ip.ports(frame),
    };
    if ip.fragment || !matches!(ip.protocol, IP_ICMP | IP_ICMPV6) {
        return Some(flow);
    }
    let Some(kind) = byte(frame, ip.payload) else {
        return Some(flow);
    };
    if is_icmp_error(ip.protocol, kind) {
        let inner = Ip::of(frame, ip.payload + 8, ethernet.ethertype)?;
        flow.addresses = inner.addresses;
        flow.ports = inner.ports(frame);
    } else if let Some(word) = icmp_word(frame, ip.payload) {
        flow.ports = word;
    }
    Some(flow)
}

/// Where [`deep`] stands.
enum Next {
    /// At a header that an EtherType names.
    Ethertype(u16),
    /// At a header that an IP protocol names; of an IPv6 packet or not.
    Protocol(u8, bool),
    /// At the end.
    Done,
}

/// The flow of the innermost headers, for encap2+3 and encap3+4; `None` where Linux's dissector gives up.
pub(super) fn deep(frame: &[u8], ethernet: Ethernet) -> Option<Flow> {
    let mut flow = Flow::default();
    let mut at = ethernet.payload;
    let mut next = Next::Ethertype(ethernet.ethertype);
    for _ in 0..MAX_HEADERS {
        next = match next {
            Next::Done => break,
            Next::Ethertype(kind) => by_ethertype(frame, &mut at, kind, &mut flow)?,
            Next::Protocol(protocol, v6) => by_protocol(frame, &mut at, protocol, v6, &mut flow)?,
        };
    }
    Some(flow)
}

fn by_ethertype(frame: &[u8], at: &mut usize, kind: u16, flow: &mut Flow) -> Option<Next> {
    Some(match kind {
        ETH_IPV4 | ETH_IPV6 => {
            let ip = Ip::of(frame, *at, kind)?;
            flow.addresses = ip.addresses;
            *at = ip.payload;
            if ip.fragment {
                Next::Done
            } else {
                Next::Protocol(ip.protocol, kind == ETH_IPV6)
            }
        }
        ETH_PPPOE => {
            // Version 1, type 1, code 0 (session data).
            if be16(frame, *at)? != 0x1100 {
                return None;
            }
            let protocol = be16(frame, *at + 6)?;
            *at += 8;
            match protocol {
                0x0021 => Next::Ethertype(ETH_IPV4),
                0x0057 => Next::Ethertype(ETH_IPV6),
                _ => Next::Done,
            }
        }
        _ if ETH_VLAN.contains(&kind) => {
            let inner = be16(frame, *at + 2)?;
            *at += 4;
            Next::Ethertype(inner)
        }
        _ if ETH_NO_FLOW.contains(&kind) => Next::Done,
        _ => return None,
    })
}

fn by_protocol(
    frame: &[u8],
    at: &mut usize,
    protocol: u8,
    v6: bool,
    flow: &mut Flow,
) -> Option<Next> {
    Some(match protocol {
        IP_IPIP => Next::Ethertype(ETH_IPV4),
        IP_IPV6 => Next::Ethertype(ETH_IPV6),
        IP_GRE => gre(frame, at)?,
        IP_ICMP | IP_ICMPV6 => {
            flow.ports = icmp_word(frame, *at).unwrap_or(0);
            Next::Done
        }
        IPV6_FRAGMENT if v6 => Next::Done,
        _ if v6 && IPV6_OPTIONS.contains(&protocol) => {
            let (inner, length) = (byte(frame, *at)?, byte(frame, *at + 1)?);
            *at += (usize::from(length) + 1) * 8;
            Next::Protocol(inner, true)
        }
        _ => {
            flow.ports = ports(frame, *at, protocol);
            Next::Done
        }
    })
}

/// GRE version 0 without routing: checksum, key and sequence number are skipped (RFC 2784, 2890).
fn gre(frame: &[u8], at: &mut usize) -> Option<Next> {
    let (flags, mut protocol) = (be16(frame, *at)?, be16(frame, *at + 2)?);
    const ROUTING_OR_VERSION: u16 = 0x4007;
    if flags & ROUTING_OR_VERSION != 0 {
        return Some(Next::Done);
    }
    let options = (flags & 0xb000).count_ones() as usize;
    *at += 4 + 4 * options;
    if protocol == ETH_TEB {
        protocol = be16(frame, *at + 12)?;
        *at += 14;
    }
    Some(Next::Ethertype(protocol))
}

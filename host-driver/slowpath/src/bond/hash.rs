//! The transmit hash policies of Linux bonding, bit for bit.
//!
//! For frames as the kernel's bond sees them: the outermost VLAN tag is off and known beside the frame, a second tag is
//! an EtherType. TIPC, which Linux's dissector reads for the encap policies, counts as an unknown EtherType here.
//!
//! Covered by `tests/bond_hash.rs` against a 6.12 kernel's choices.

use serde::{Deserialize, Serialize};

use super::dissect::{Ethernet, Flow, deep, plain};

/// Which headers choose the member (`xmit_hash_policy`); the numbers are Linux's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum HashPolicy {
    /// Ethernet addresses and EtherType.
    #[default]
    #[serde(rename = "layer2")]
    Layer2 = 0,
    /// IP addresses and ports.
    #[serde(rename = "layer3+4")]
    Layer34 = 1,
    /// Ethernet and IP addresses.
    #[serde(rename = "layer2+3")]
    Layer23 = 2,
    /// As layer2+3, of the innermost headers.
    #[serde(rename = "encap2+3")]
    Encap23 = 3,
    /// As layer3+4, of the innermost headers.
    #[serde(rename = "encap3+4")]
    Encap34 = 4,
    /// VLAN tag and source address.
    #[serde(rename = "vlan+srcmac")]
    VlanSrcmac = 5,
}

impl HashPolicy {
    /// All of them, by their numbers.
    pub const ALL: [HashPolicy; 6] = [
        HashPolicy::Layer2,
        HashPolicy::Layer34,
        HashPolicy::Layer23,
        HashPolicy::Encap23,
        HashPolicy::Encap34,
        HashPolicy::VlanSrcmac,
    ];

    /// The hash of a frame, from its destination address on; 0 if it is shorter than its Ethernet header.
    pub fn hash(self, frame: &[u8]) -> u32 {
        let Some(ethernet) = Ethernet::of(frame) else {
            return 0;
        };
        let eth = u32::from(frame[5] ^ frame[11]) ^ u32::from(ethernet.ethertype);
        let flow = match self {
            HashPolicy::Layer2 => None,
            HashPolicy::VlanSrcmac => return vlan_srcmac(frame, ethernet.tag),
            HashPolicy::Layer23 | HashPolicy::Layer34 => plain(frame, ethernet),
            HashPolicy::Encap23 | HashPolicy::Encap34 => deep(frame, ethernet),
        };
        match (flow, self) {
            (None, _) => eth,
            (Some(flow), HashPolicy::Layer34 | HashPolicy::Encap34) => {
                // Ports are often even: the lowest bit says little.
                fold(flow.ports, flow) >> 1
            }
            (Some(flow), _) => fold(eth, flow),
        }
    }
}

fn fold(start: u32, flow: Flow) -> u32 {
    let mut hash = start ^ flow.addresses;
    hash ^= hash >> 16;
    hash ^ hash >> 8
}

fn vlan_srcmac(frame: &[u8], tag: Option<[u16; 2]>) -> u32 {
    let half = |at: usize| u32::from_be_bytes([0, frame[at], frame[at + 1], frame[at + 2]]);
    half(6) ^ half(9) ^ tag.map_or(0, |[_, tci]| u32::from(tci))
}

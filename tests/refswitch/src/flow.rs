//! What Linux 6.12's bonding driver reads in a frame, and its hashes (5.1).

/// Transmit hash policies, in Linux's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// layer2.
    #[default]
    Layer2,
    /// layer3+4.
    Layer34,
    /// layer2+3.
    Layer23,
    /// encap2+3.
    Encap23,
    /// encap3+4.
    Encap34,
    /// vlan+srcmac.
    VlanSrcmac,
}

/// What the hashes are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Last bytes of both addresses XOR the EtherType behind the outer tag.
    pub eth: u32,
    /// XOR of the address words, if there is an IP header.
    pub addresses: Option<u32>,
    /// The ports word.
    pub ports: u32,
    /// TCI of the outer tag.
    pub tci: Option<u16>,
    /// Upper and lower half of the source address, as numbers.
    pub source: (u32, u32),
}

/// A place in a frame.
#[derive(Clone, Copy)]
struct At<'a>(&'a [u8]);

impl<'a> At<'a> {
    fn skip(self, n: usize) -> At<'a> {
        At(self.0.get(n..).unwrap_or(&[]))
    }
    fn byte(self, i: usize) -> Option<u8> {
        self.0.get(i).copied()
    }
    /// A number in network order.
    fn number(self, i: usize) -> Option<u16> {
        let pair = self.0.get(i..i + 2)?;
        Some(u16::from(pair[0]) << 8 | u16::from(pair[1]))
    }
    /// A word as a little-endian machine loads it.
    fn word(self, i: usize) -> Option<u32> {
        let bytes = self.0.get(i..i + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four")))
    }
    fn words(self, range: std::ops::Range<usize>) -> Option<u32> {
        range.step_by(4).try_fold(0, |x, i| Some(x ^ self.word(i)?))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    Four,
    Six,
}

/// Address words, and protocol and payload where there is a whole packet to look into.
fn ip(at: At, version: Version) -> Option<(u32, Option<(u8, At)>)> {
    match version {
        Version::Four => {
            let addresses = at.words(12..20)?;
            let words = usize::from(at.byte(0)? & 0xf);
            let whole = at.number(6)? & 0x3fff == 0 && words >= 5;
            let payload = whole.then_some((at.byte(9)?, at.skip(4 * words)));
            Some((addresses, payload))
        }
        Version::Six => {
            let addresses = at.words(8..40)?;
            Some((addresses, Some((at.byte(6)?, at.skip(40)))))
        }
    }
}

/// The word of a protocol with ports.
fn ports(protocol: u8, at: At) -> u32 {
    let word = match protocol {
        6 | 17 | 33 | 50 | 132 | 136 => at.word(0),
        51 => at.word(4),
        _ => None,
    };
    word.unwrap_or(0)
}

/// Addresses and ports word; of the packet inside, for an ICMP error.
fn layers(at: At, version: Version) -> Option<(u32, u32)> {
    let (addresses, payload) = ip(at, version)?;
    let Some((protocol, l4)) = payload else {
        return Some((addresses, 0));
    };
    let errors: &[u8] = match protocol {
        1 => &[3, 4, 5, 11, 12],
        58 => &[1, 2, 3, 4],
        _ => return Some((addresses, ports(protocol, l4))),
    };
    let (Some(kind), Some(_)) = (l4.byte(0), l4.byte(7)) else {
        return Some((addresses, 0));
    };
    if errors.contains(&kind) {
        let (addresses, payload) = ip(l4.skip(8), version)?;
        return Some((addresses, payload.map_or(0, |(p, l4)| ports(p, l4))));
    }
    let with_id = [0, 8, 13, 14, 128, 129].contains(&kind);
    let id = l4.number(4)?.max(1);
    let word = u32::from(kind) | u32::from(l4.byte(1)?) << 8 | u32::from(id) << 16;
    Some((addresses, if with_id { word } else { 0 }))
}

impl Flow {
    /// Reads a frame of at least 14 bytes.
    pub fn of(frame: &[u8]) -> Flow {
        let mut flow = Flow::default();
        let number = |b: &[u8]| b.iter().fold(0, |n, x| n << 8 | u32::from(*x));
        flow.source = (number(&frame[6..9]), number(&frame[9..12]));
        let mut at = At(frame).skip(12);
        if matches!(at.number(0), Some(0x8100 | 0x88a8)) {
            flow.tci = Some(at.number(2).unwrap_or(0));
            at = at.skip(4);
        }
        let ethertype = at.number(0).unwrap_or(0);
        flow.eth = u32::from(frame[5] ^ frame[11]) ^ u32::from(ethertype);
        let version = match ethertype {
            0x0800 => Version::Four,
            0x86dd => Version::Six,
            _ => return flow,
        };
        if let Some((addresses, ports)) = layers(at.skip(2), version) {
            (flow.addresses, flow.ports) = (Some(addresses), ports);
        }
        flow
    }

    /// The hash by a policy.
    pub fn hash(&self, policy: Policy) -> u32 {
        let fold = |start: u32, addresses: u32| {
            let mut h = start ^ addresses;
            h ^= h >> 16;
            h ^= h >> 8;
            h
        };
        match (policy, self.addresses) {
            (Policy::VlanSrcmac, _) => {
                self.source.0 ^ self.source.1 ^ u32::from(self.tci.unwrap_or(0))
            }
            (Policy::Layer23 | Policy::Encap23, Some(a)) => fold(self.eth, a),
            (Policy::Layer34 | Policy::Encap34, Some(a)) => fold(self.ports, a) >> 1,
            _ => self.eth,
        }
    }
}

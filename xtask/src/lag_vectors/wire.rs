//! Headers by their standards, filled at random: just enough of each for a flow dissector.

/// A small repeatable source of random numbers (splitmix64): the data file must come out the same
/// whatever the version of a library.
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any byte.
    pub fn u8(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// Any word.
    pub fn u16(&mut self) -> u16 {
        (self.next() >> 48) as u16
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.u8()).collect()
    }

    /// One of a list that is not empty.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.next() as usize % list.len()]
    }

    /// True once in so many times.
    fn one_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }
}

/// An Ethernet frame (IEEE 802.3 clause 3) without FCS; an eighth goes to group addresses.
pub fn ethernet(random: &mut Random, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut destination = random.bytes(6);
    // Locally administered: no address here is a reserved or an assigned one.
    destination[0] = destination[0] & 0xfc | 2;
    if random.one_in(8) {
        destination[0] |= 1;
    }
    let mut source = random.bytes(6);
    source[0] = source[0] & 0xfc | 2;
    [&destination, &source, &ethertype.to_be_bytes()[..], payload].concat()
}

/// A VLAN tag's TCI and what follows it (IEEE 802.1Q clause 9); a sixth are priority tags.
pub fn vlan(random: &mut Random, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut tci = random.u16();
    if random.one_in(6) {
        tci &= 0xe000;
    }
    [&tci.to_be_bytes()[..], &ethertype.to_be_bytes(), payload].concat()
}

/// An IPv4 packet (RFC 791).
pub fn ipv4(random: &mut Random, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(random, protocol, 0x4000, &[], payload)
}

/// An IPv4 packet with 4 to 40 bytes of options, all of them no-operations.
pub fn ipv4_options(random: &mut Random, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let words = random.pick(&[1, 2, 5, 10]);
    ipv4_with(random, protocol, 0x4000, &vec![1; 4 * words], payload)
}

/// A fragment at this offset (in 8 bytes) with more to come.
pub fn ipv4_fragment(random: &mut Random, protocol: u8, offset: u16, payload: &[u8]) -> Vec<u8> {
    ipv4_with(random, protocol, 0x2000 | offset, &[], payload)
}

fn ipv4_with(
    random: &mut Random,
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let length = 20 + options.len() + payload.len();
    let mut header = vec![0x40 | (5 + options.len() / 4) as u8, 0];
    header.extend((length as u16).to_be_bytes());
    header.extend(random.bytes(2));
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(random.bytes(8));
    // Neither address may be a group or nothing, or a receiver would drop the packet.
    for first in [12, 16] {
        header[first] = 1 + header[first] % 223;
    }
    header.extend(options);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(payload);
    header
}

/// The Internet checksum (RFC 1071) of bytes whose checksum field is 0.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv6 packet (RFC 8200) with a random flow label.
pub fn ipv6(random: &mut Random, next: u8, payload: &[u8]) -> Vec<u8> {
    let label = random.bytes(3);
    let mut packet = vec![0x60, label[0] & 0x0f, label[1], label[2]];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for _ in 0..2 {
        packet.push(0x20);
        packet.extend(random.bytes(15));
    }
    packet.extend(payload);
    packet
}

/// A fragment header (RFC 8200 section 4.5): half are first fragments.
pub fn fragment6(random: &mut Random, next: u8, payload: &[u8]) -> Vec<u8> {
    let offset: u16 = random.pick(&[1, 185 << 3 | 1]);
    let mut header = vec![next, 0];
    header.extend(offset.to_be_bytes());
    header.extend(random.bytes(4));
    header.extend(payload);
    header
}

/// A transport header that starts with two ports (or, for ESP, its index), and some payload.
pub fn ports(random: &mut Random) -> Vec<u8> {
    let mut header = random.bytes(4);
    header.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0]);
    let length = random.pick(&[0, 1, 6, 30]);
    header.extend(random.bytes(length));
    header
}

/// An authentication header (RFC 4302) before TCP.
pub fn ah(random: &mut Random) -> Vec<u8> {
    let mut header = vec![6, 4, 0, 0];
    header.extend(random.bytes(20));
    header.extend(ports(random));
    header
}

/// An ICMP or ICMPv6 message of this type; the code is 0, and the identifier of a quarter is 0.
pub fn icmp(random: &mut Random, kind: u8) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    let id = if random.one_in(4) { 0 } else { random.u16() };
    message.extend(id.to_be_bytes());
    message.extend(random.bytes(10));
    message
}

/// An ICMP error of this type about a packet.
pub fn icmp_error(random: &mut Random, kind: u8, about: &[u8]) -> Vec<u8> {
    let code = random.pick(&[0, 1]);
    [&[kind, code, 0, 0, 0, 0, 0, 0], about].concat()
}

/// A GRE header (RFC 2784, 2890) with the fields that the flags ask for.
pub fn gre(random: &mut Random, ethertype: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let fields = [0x8000, 0x2000, 0x1000]
        .iter()
        .filter(|&&flag| flags & flag != 0)
        .count();
    let mut header = flags.to_be_bytes().to_vec();
    header.extend(ethertype.to_be_bytes());
    header.extend(random.bytes(4 * fields));
    header.extend(payload);
    header
}

/// A PPPoE session header (RFC 2516) and the PPP protocol.
pub fn pppoe(random: &mut Random, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x11, 0];
    header.extend(random.bytes(2));
    header.extend(((payload.len() + 2) as u16).to_be_bytes());
    header.extend(protocol.to_be_bytes());
    header.extend(payload);
    header
}

/// A UDP header to VXLAN's port and the VXLAN header (RFC 7348).
pub fn vxlan(random: &mut Random, inner: &[u8]) -> Vec<u8> {
    let mut header = random.bytes(2);
    header.extend(4789_u16.to_be_bytes());
    header.extend(((16 + inner.len()) as u16).to_be_bytes());
    header.extend([0, 0, 8, 0, 0, 0]);
    header.extend(random.bytes(3));
    header.push(0);
    header.extend(inner);
    header
}

/// ARP for IPv4 over Ethernet (RFC 826): a request or a reply.
pub fn arp(random: &mut Random) -> Vec<u8> {
    let operation = random.pick(&[1, 2]);
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(random.bytes(20));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_whole_header_is_zero() {
        let packet = ipv4(&mut Random::new(5), 6, &[]);
        assert_eq!(checksum(&packet), 0);
    }

    #[test]
    fn a_known_checksum() {
        // RFC 1071 section 3.
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn lengths_are_those_of_the_packet() {
        let packet = ipv4_options(&mut Random::new(1), 6, &[0; 9]);
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
            packet.len()
        );
        let packet = ipv6(&mut Random::new(1), 6, &[0; 9]);
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 9);
    }
}

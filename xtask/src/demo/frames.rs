//! Frames of the hosts that the demo plays where it cannot have real ones.

use std::net::Ipv4Addr;

/// A host that exists only as the frames that it sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Station {
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    pub ip: Ipv4Addr,
}

const BROADCAST: [u8; 6] = [0xff; 6];
const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The shortest frame on the wire, without FCS.
const SHORTEST: usize = 60;

fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &ethertype.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// An ARP message (RFC 826); without the target's Ethernet address it is a request to all.
pub fn arp(from: Station, to: Ipv4Addr, mac: Option<[u8; 6]>) -> Vec<u8> {
    let operation = if mac.is_some() { 2 } else { 1 };
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(from.mac);
    body.extend(from.ip.octets());
    body.extend(mac.unwrap_or_default());
    body.extend(to.octets());
    ethernet(mac.unwrap_or(BROADCAST), from.mac, ARP, &body)
}

/// The Internet checksum (RFC 1071) of several pieces, of which only the last may be odd.
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let mut sum: u32 = words
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn ipv4(from: Station, to: Station, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.ip.octets());
    header.extend(to.ip.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(payload);
    ethernet(to.mac, from.mac, IPV4, &header)
}

/// The checksum of a transport header with its payload and the pseudo-header (RFC 9293, RFC 768).
fn transport_checksum(from: Station, to: Station, protocol: u8, segment: &[u8]) -> [u8; 2] {
    let length = (segment.len() as u16).to_be_bytes();
    checksum(&[
        &from.ip.octets(),
        &to.ip.octets(),
        &[0, protocol],
        &length,
        segment,
    ])
    .to_be_bytes()
}

/// An ICMP echo message (RFC 792): 8 asks, 0 answers. 56 bytes of payload, as `ping` sends.
pub fn echo_message(kind: u8, id: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend((0..56).map(|byte: u8| byte.wrapping_mul(37)));
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An ICMP echo message between two hosts.
pub fn echo(from: Station, to: Station, kind: u8, sequence: u16) -> Vec<u8> {
    ipv4(from, to, ICMP, &echo_message(kind, 0x5a1c, sequence))
}

/// A UDP datagram.
pub fn udp(from: Station, to: Station, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let sum = transport_checksum(from, to, UDP, &datagram);
    datagram[6..8].copy_from_slice(&sum);
    ipv4(from, to, UDP, &datagram)
}

/// A TCP segment with data (ACK and PSH set) at this sequence number.
pub fn tcp(from: Station, to: Station, ports: (u16, u16), sequence: u32, data: &[u8]) -> Vec<u8> {
    let mut segment = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0x50, 0x18, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend(data);
    let sum = transport_checksum(from, to, TCP, &segment);
    segment[16..18].copy_from_slice(&sum);
    ipv4(from, to, TCP, &segment)
}

/// A flow over IPv4, as a capture shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The sender's address.
    pub from: Ipv4Addr,
    /// The receiver's address.
    pub to: Ipv4Addr,
    /// Source and destination port.
    pub ports: (u16, u16),
}

/// The flow that a frame belongs to, if it is TCP or UDP over IPv4 without tags and fragments.
pub fn flow_of(frame: &[u8]) -> Option<Flow> {
    if frame.get(12..14)? != IPV4.to_be_bytes() {
        return None;
    }
    let ip = &frame[14..];
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let fragment = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]) & 0x3fff;
    if !matches!(*ip.get(9)?, TCP | UDP) || fragment != 0 {
        return None;
    }
    let address = |at: usize| {
        Some(Ipv4Addr::from(
            <[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?,
        ))
    };
    let port = |at: usize| {
        Some(u16::from_be_bytes([
            *ip.get(header + at)?,
            *ip.get(header + at + 1)?,
        ]))
    };
    Some(Flow {
        from: address(12)?,
        to: address(16)?,
        ports: (port(0)?, port(2)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Station = Station {
        mac: [2, 0, 0, 0, 0, 1],
        ip: Ipv4Addr::new(10, 0, 0, 1),
    };
    const B: Station = Station {
        mac: [2, 0, 0, 0, 0, 2],
        ip: Ipv4Addr::new(10, 0, 0, 2),
    };

    #[test]
    fn tshark_finds_no_fault_in_them() {
        let Some(tshark) = smartnic_lab::skip::tool("tshark") else {
            return;
        };
        let frames = [
            arp(A, B.ip, None),
            arp(B, A.ip, Some(A.mac)),
            echo(A, B, 8, 1),
            udp(A, B, (1, 2), b"odd"),
            tcp(A, B, (3, 4), 5, &[7; 100]),
        ];
        let packets: Vec<_> = frames
            .into_iter()
            .map(|frame| super::super::pcapng::Packet { time_ns: 0, frame })
            .collect();
        let dir = crate::paths::target().join("xtask-tests");
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("frames-{}.pcapng", std::process::id()));
        std::fs::write(&file, super::super::pcapng::write(&packets)).unwrap();
        let mut command = crate::proc::command(tshark);
        command.arg("-r").arg(&file).args([
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ]);
        command.args([
            "-o",
            "ip.check_checksum:TRUE",
            "-T",
            "fields",
            "-e",
            "_ws.col.Protocol",
        ]);
        command.args(["-e", "_ws.expert.message", "-e", "_ws.malformed"]);
        let text = crate::proc::capture(&mut command, crate::proc::minutes(1)).unwrap();
        std::fs::remove_file(&file).unwrap();
        let protocols: Vec<_> = text
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        let protocols: Vec<_> = protocols
            .into_iter()
            .filter(|line| !line.contains("root"))
            .collect();
        assert_eq!(protocols, ["ARP", "ARP", "ICMP", "UDP", "TCP"], "{text}");
        assert!(
            !text.to_lowercase().contains("checksum") && !text.contains("alformed"),
            "{text}"
        );
    }

    #[test]
    fn a_flow_is_read_back() {
        let frame = udp(A, B, (4100, 8000), b"x");
        assert_eq!(
            flow_of(&frame),
            Some(Flow {
                from: A.ip,
                to: B.ip,
                ports: (4100, 8000)
            })
        );
        assert_eq!(flow_of(&arp(A, B.ip, None)), None);
        assert_eq!(flow_of(&frame[..20]), None);
    }

    #[test]
    fn the_checksum_of_an_echo_is_right() {
        assert_eq!(checksum(&[&echo_message(8, 1, 2)]), 0);
    }
}
